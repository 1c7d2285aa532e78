# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restarting an Agent: what becomes of the file, and of what somebody else has written into it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._agent.former import FormerFile
from ansible_collections.netwall.datadog.plugins.module_utils._agent.restart import prepare, restart_or_put_back
from ansible_collections.netwall.datadog.plugins.module_utils._agent.service import Status
from ansible_collections.netwall.datadog.tests.unit.plugins.module_utils._agent._lives import (
    BAD,
    FAILED,
    LIVES,
    NEW,
    OLD,
    STOPPED,
    Agent,
    running,
)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


CHECKSUM = digest(NEW)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of settings, as it is before the run."""
    path = tmp_path / "datadog.yaml"
    path.write_bytes(OLD)
    return path


def changed(file: Path, content: bytes) -> FormerFile:
    """What a file was that has become another, as it was noted."""
    former = FormerFile(str(file))
    former.keep()
    former.expect(digest(content))
    file.write_bytes(content)
    return former


# --- What becomes of the file -----------------------------------------------------------------------------------------


def test_an_agent_that_comes_up_has_no_former(file: Path) -> None:
    former, agent = changed(file, NEW), Agent(file, LIVES, running(9))
    result = restart_or_put_back(former, agent, 0, False)
    assert result == {"changed": True, "is_running": True, "user": "dd-agent", "is_put_back": False}
    assert (file.read_bytes(), former.exists(), agent.restarts) == (NEW, False, [NEW])


def test_an_agent_that_flaps_gets_its_settings_back(file: Path) -> None:
    former, agent = changed(file, BAD), Agent(file, LIVES, running(9))
    result = restart_or_put_back(former, agent, 1, False)
    assert (result["failed"], result["is_put_back"], result["changed"]) == (True, True, True)
    assert result["msg"] == (
        "The Agent did not come up with its new settings. It is activating (auto-restart). "
        f"{file} is as it was before, and the Agent runs with it. What it said: its log."
    )
    assert (file.read_bytes(), former.exists(), agent.restarts) == (OLD, False, [BAD, OLD])


def test_an_agent_that_did_not_run_with_the_old_settings_either_is_told_of(file: Path) -> None:
    lives = {**LIVES, OLD: [FAILED]}
    result = restart_or_put_back(changed(file, BAD), Agent(file, lives, running(9)), 1, False)
    assert "is as it was before, but with it the Agent did not come up either. It is failed" in result["msg"]


@pytest.mark.parametrize("now", [STOPPED, FAILED])
def test_an_agent_that_was_stopped_stays_so(file: Path, now: Status) -> None:
    former, agent = changed(file, NEW), Agent(file, LIVES, now)
    result = restart_or_put_back(former, agent, 0, False)
    assert (result["changed"], result["is_running"], agent.restarts) == (False, False, [])
    assert (file.read_bytes(), former.exists()) == (NEW, False)


def test_an_agent_that_a_run_has_stopped_that_was_cut_off_is_restarted(file: Path) -> None:
    former, agent = changed(file, BAD), Agent(file, LIVES, FAILED)
    former.begin()
    former.begin()
    result = restart_or_put_back(former, agent, 1, False)
    assert (result["failed"], result["is_put_back"], agent.restarts) == (True, True, [BAD, OLD])
    assert (file.read_bytes(), former.exists(), former.is_begun()) == (OLD, False, False)


def test_a_run_that_was_cut_off_when_all_was_put_back_still_owes_a_restart(file: Path) -> None:
    former, agent = changed(file, BAD), Agent(file, LIVES, FAILED)
    former.begin()
    file.write_bytes(OLD)
    assert prepare(former, agent, digest(NEW), False)["is_due"]
    file.write_bytes(NEW)
    assert restart_or_put_back(former, agent, 0, False)["changed"]
    assert (agent.restarts, former.exists()) == ([NEW], False)


def test_nothing_is_restarted_in_check_mode(file: Path) -> None:
    former, agent = changed(file, NEW), Agent(file, LIVES, running(9))
    assert restart_or_put_back(former, agent, 0, True)["changed"]
    assert (agent.restarts, former.exists()) == ([], True)


def test_without_a_copy_the_failure_alone_is_told(file: Path) -> None:
    file.write_bytes(BAD)
    result = restart_or_put_back(FormerFile(str(file)), Agent(file, LIVES, running(9)), 1, False)
    assert (result["failed"], result["is_put_back"], file.read_bytes()) == (True, False, BAD)


# --- Before the change, and after a run that was cut off -------------------------------------------------------------


def test_a_copy_is_kept_before_a_change(file: Path) -> None:
    former = FormerFile(str(file))
    result = prepare(former, Agent(file, LIVES, running(9)), CHECKSUM, False)
    assert result == {"changed": False, "is_running": True, "is_due": False, "user": "dd-agent"}
    assert Path(former.copy).read_bytes() == OLD


@pytest.mark.parametrize(("checksum", "is_checked"), [(None, False), (CHECKSUM, True)])
def test_no_copy_is_kept_where_nothing_changes(file: Path, checksum: str | None, is_checked: bool) -> None:
    former = FormerFile(str(file))
    prepare(former, Agent(file, LIVES, running(9)), checksum, is_checked)
    assert (former.exists(), list(file.parent.iterdir())) == (False, [file])


@pytest.mark.parametrize("checksum", [None, digest(BAD)])
def test_a_restart_that_did_not_come_is_due_and_goes_back_to_what_the_agent_runs_with(
    file: Path, checksum: str | None
) -> None:
    former, agent = changed(file, NEW), Agent(file, LIVES, running(9))
    assert prepare(former, agent, checksum, False)["is_due"]
    assert Path(former.copy).read_bytes() == OLD
    # Whether this run comes to its own change or not.
    for content in (NEW, BAD) if checksum else (NEW,):
        file.write_bytes(content)
        assert former.is_expected()


# --- What somebody else has changed since a run that was cut off ------------------------------------------------------

THEIRS = b"bad, and theirs\n"
HOPELESS = {**LIVES, THEIRS: [FAILED]}


def test_what_somebody_else_has_changed_is_not_thrown_away(file: Path) -> None:
    former, agent = changed(file, NEW), Agent(file, HOPELESS, running(9))
    file.write_bytes(THEIRS)
    assert prepare(former, agent, None, False)["is_due"]
    result = restart_or_put_back(former, agent, 0, False)
    assert (result["failed"], result["is_put_back"], agent.restarts) == (True, False, [THEIRS])
    assert f" {file} was changed by somebody else, too, so it is not put back. " in result["msg"]
    assert f"What it was before is in {former.copy}: make one good file of them" in result["msg"]
    assert (file.read_bytes(), Path(former.copy).read_bytes()) == (THEIRS, OLD)


def test_what_is_made_of_somebody_elses_change_is_not_thrown_away_either(file: Path) -> None:
    former, agent = changed(file, NEW), Agent(file, HOPELESS, running(9))
    file.write_bytes(b"good, and theirs\n")
    # This run adds something of ours to that.
    prepare(former, agent, digest(THEIRS), False)
    file.write_bytes(THEIRS)
    assert not restart_or_put_back(former, agent, 0, False)["is_put_back"]
    assert (file.read_bytes(), Path(former.copy).read_bytes()) == (THEIRS, OLD)


def test_when_the_agent_comes_up_with_it_the_copy_has_had_its_day(file: Path) -> None:
    former, agent = changed(file, BAD), Agent(file, {THEIRS: [running(7)]}, running(9))
    file.write_bytes(THEIRS)
    assert not restart_or_put_back(former, agent, 0, False).get("failed")
    assert (file.read_bytes(), list(file.parent.iterdir())) == (THEIRS, [file])


# --- After one that was cut off before its change ---------------------------------------------------------------------


def test_a_copy_of_what_is_still_so_is_cleared_away(file: Path) -> None:
    former = changed(file, OLD)
    assert not prepare(former, Agent(file, LIVES, running(9)), None, False)["is_due"]
    assert not former.exists()
