# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restarting an Agent: what counts as up, what becomes of the file, and how systemd is asked."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._agent.service import (
    Script,
    ServiceError,
    Status,
    Systemd,
    restart,
)
from ansible_collections.netwall.datadog.plugins.module_utils._agent.way_back import WayBack
from ansible_collections.netwall.datadog.plugins.modules.agent_restart import prepare, restart_or_put_back

STOPPED = Status(is_up=False, is_stopped=True, process=0, words="inactive (dead)", user="dd-agent")
FAILED = STOPPED._replace(words="failed (failed), its last end: exit-code, status 1")
DYING = Status(is_up=False, is_stopped=False, process=0, words="activating (auto-restart)", user="dd-agent")
OLD, NEW, BAD = b"old\n", b"new\n", b"bad\n"


def running(process: int) -> Status:
    return Status(is_up=True, is_stopped=False, process=process, words="active (running)", user="dd-agent")


class Agent:
    """An Agent whose service does with each content of its file what `lives` says: statuses, the last for ever."""

    log = "its log"

    def __init__(self, file: Path, lives: dict[bytes, list[Status]], now: Status) -> None:
        self.file = file
        self.lives = lives
        self.coming = [now]
        self.restarts: list[bytes] = []

    def status(self) -> Status:
        return self.coming.pop(0) if len(self.coming) > 1 else self.coming[0]

    def restart(self) -> None:
        content = self.file.read_bytes()
        self.restarts.append(content)
        if content not in self.lives:
            raise ServiceError("'systemctl restart' ended with 1: no.")
        self.coming = list(self.lives[content])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of settings, as it is before the run."""
    path = tmp_path / "datadog.yaml"
    path.write_bytes(OLD)
    return path


def changed(file: Path, content: bytes) -> WayBack:
    """The way back of a file that has become another."""
    way_back = WayBack(str(file))
    way_back.keep()
    file.write_bytes(content)
    return way_back


LIVES = {
    OLD: [running(30)],
    NEW: [running(20)],
    BAD: [running(40), running(40), DYING, running(41), DYING],
}


# --- What counts as up ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("life", "why"),
    [
        ([running(1)], ""),
        ([running(0)], ""),
        ([DYING], "It is activating (auto-restart)."),
        ([running(1), FAILED], "It is failed (failed), its last end: exit-code, status 1."),
        ([running(1), running(1), running(2)], "Its main process ended and was started again within 0.6 seconds."),
    ],
)
def test_up_is_what_stays_up_with_one_process(file: Path, life: list[Status], why: str) -> None:
    assert restart(Agent(file, {OLD: life}, running(9)), 0.6) == why


def test_a_restart_that_fails_is_told(file: Path) -> None:
    assert restart(Agent(file, {}, running(9)), 0) == "'systemctl restart' ended with 1: no."


# --- What becomes of the file -----------------------------------------------------------------------------------------


def test_an_agent_that_comes_up_has_no_way_back(file: Path) -> None:
    way_back, agent = changed(file, NEW), Agent(file, LIVES, running(9))
    result = restart_or_put_back(way_back, agent, 0, False)
    assert result == {"changed": True, "is_running": True, "user": "dd-agent", "is_put_back": False}
    assert (file.read_bytes(), way_back.exists(), agent.restarts) == (NEW, False, [NEW])


def test_an_agent_that_flaps_gets_its_settings_back(file: Path) -> None:
    way_back, agent = changed(file, BAD), Agent(file, LIVES, running(9))
    result = restart_or_put_back(way_back, agent, 1, False)
    assert (result["failed"], result["is_put_back"], result["changed"]) == (True, True, True)
    assert result["msg"] == (
        "The Agent did not come up with its new settings. It is activating (auto-restart). "
        f"{file} is as it was before, and the Agent runs with it. What it said: its log."
    )
    assert (file.read_bytes(), way_back.exists(), agent.restarts) == (OLD, False, [BAD, OLD])


def test_an_agent_that_did_not_run_with_the_old_settings_either_is_told_of(file: Path) -> None:
    lives = {**LIVES, OLD: [FAILED]}
    result = restart_or_put_back(changed(file, BAD), Agent(file, lives, running(9)), 1, False)
    assert "is as it was before, but with it the Agent did not come up either. It is failed" in result["msg"]


@pytest.mark.parametrize("now", [STOPPED, FAILED])
def test_an_agent_that_was_stopped_stays_so(file: Path, now: Status) -> None:
    way_back, agent = changed(file, NEW), Agent(file, LIVES, now)
    result = restart_or_put_back(way_back, agent, 0, False)
    assert (result["changed"], result["is_running"], agent.restarts) == (False, False, [])
    assert (file.read_bytes(), way_back.exists()) == (NEW, False)


def test_nothing_is_restarted_in_check_mode(file: Path) -> None:
    way_back, agent = changed(file, NEW), Agent(file, LIVES, running(9))
    assert restart_or_put_back(way_back, agent, 0, True)["changed"]
    assert (agent.restarts, way_back.exists()) == ([], True)


def test_without_a_copy_the_failure_alone_is_told(file: Path) -> None:
    file.write_bytes(BAD)
    result = restart_or_put_back(WayBack(str(file)), Agent(file, LIVES, running(9)), 1, False)
    assert (result["failed"], result["is_put_back"], file.read_bytes()) == (True, False, BAD)


# --- Before the change, and after a run that was cut off --------------------------------------------------------------


def test_a_copy_is_kept_before_a_change(file: Path) -> None:
    way_back = WayBack(str(file))
    result = prepare(way_back, Agent(file, LIVES, running(9)), True, False)
    assert result == {"changed": False, "is_running": True, "is_due": False, "user": "dd-agent"}
    assert Path(way_back.copy).read_bytes() == OLD


@pytest.mark.parametrize(("changes", "is_checked"), [(False, False), (True, True)])
def test_no_copy_is_kept_where_nothing_changes(file: Path, changes: bool, is_checked: bool) -> None:
    way_back = WayBack(str(file))
    prepare(way_back, Agent(file, LIVES, running(9)), changes, is_checked)
    assert not way_back.exists()


@pytest.mark.parametrize("changes", [False, True])
def test_a_restart_that_did_not_come_is_due_and_goes_back_to_what_the_agent_runs_with(
    file: Path, changes: bool
) -> None:
    way_back = changed(file, NEW)
    assert prepare(way_back, Agent(file, LIVES, running(9)), changes, False)["is_due"]
    assert Path(way_back.copy).read_bytes() == OLD


def test_a_copy_of_what_is_still_so_is_cleared_away(file: Path) -> None:
    way_back = changed(file, OLD)
    assert not prepare(way_back, Agent(file, LIVES, running(9)), False, False)["is_due"]
    assert not way_back.exists()


# --- systemd ----------------------------------------------------------------------------------------------------------


def systemctl(folder: Path, monkeypatch: pytest.MonkeyPatch, shown: str) -> Path:
    """A systemctl that shows this and notes how it was called."""
    calls = folder / "calls"
    program = folder / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$*" >>{calls}\n[ "$1" != show ] || cat <<"END"\n{shown}\nEND\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return calls


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        (
            "LoadState=loaded\nActiveState=active\nSubState=running\nMainPID=77\nResult=success\nUser=dd-agent",
            Status(True, False, 77, "active (running)", "dd-agent"),
        ),
        (
            "LoadState=loaded\nActiveState=inactive\nSubState=dead\nMainPID=0\nResult=success\nUser=",
            Status(False, True, 0, "inactive (dead)", "root"),
        ),
        (
            "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nResult=exit-code\nExecMainStatus=1\nUser=a",
            Status(False, False, 0, "activating (auto-restart), its last end: exit-code, status 1", "a"),
        ),
        (
            "LoadState=loaded\nActiveState=failed\nSubState=failed\nMainPID=0\nResult=signal\nExecMainStatus=9\nUser=x",
            Status(False, True, 0, "failed (failed), its last end: signal, status 9", "x"),
        ),
    ],
)
def test_what_systemd_shows_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: str, status: Status
) -> None:
    systemctl(tmp_path, monkeypatch, shown)
    assert Systemd("datadog-agent").status() == status


def test_a_service_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl(tmp_path, monkeypatch, "LoadState=not-found\nActiveState=inactive")
    with pytest.raises(ServiceError, match="This host has no service datadog-agent"):
        Systemd("datadog-agent").status()


def test_a_unit_that_systemd_has_given_up_can_be_restarted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = systemctl(tmp_path, monkeypatch, "")
    Systemd("datadog-agent").restart()
    assert calls.read_text().splitlines() == ["reset-failed -- datadog-agent", "restart -- datadog-agent"]


def test_a_command_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ServiceError, match="could not be run"):
        Systemd("datadog-agent").status()


# --- An init script ---------------------------------------------------------------------------------------------------

INIT_SCRIPT = """#!/bin/sh
case "$1" in
    restart) echo 77 >"${0%/*}/pid" ;;
    status) [ -e "${0%/*}/pid" ] && echo up && exit 0; echo stopped; exit 3 ;;
esac
"""


def test_a_service_of_an_init_script(tmp_path: Path) -> None:
    script = tmp_path / "datadog-agent"
    script.write_text(INIT_SCRIPT)
    script.chmod(0o755)
    service = Script("datadog-agent", str(tmp_path), str(tmp_path / "pid"))
    assert service.status() == Status(is_up=False, is_stopped=True, process=0, words="not up (stopped)")
    assert restart(service, 0) == ""
    assert service.status() == Status(is_up=True, is_stopped=False, process=77, words="up (up)")


def test_a_service_without_an_init_script_is_told(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="This host has no service datadog-agent"):
        Script("datadog-agent", str(tmp_path)).status()
