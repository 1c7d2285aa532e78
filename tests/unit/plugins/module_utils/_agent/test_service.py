# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restarting an Agent: what counts as up, and how systemd and init scripts are asked."""

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
from ansible_collections.netwall.datadog.tests.unit.plugins.module_utils._agent._lives import (
    DYING,
    FAILED,
    OLD,
    Agent,
    running,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of settings, as it is before the run."""
    path = tmp_path / "datadog.yaml"
    path.write_bytes(OLD)
    return path


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
