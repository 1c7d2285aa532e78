# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept on the host: for root alone, whole or not at all, gone when it is not needed."""

from __future__ import annotations

import dataclasses
import os
import stat
import subprocess
import sys
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import journal as journal_module
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.journal import (
    Journal,
    Pending,
    as_json,
    boot_id,
    is_running,
    now,
    this_process,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import Session

if t.TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "netwall" / "datadog"


def change(**more: t.Any) -> Pending:
    return Pending("c1", "ufw", {"texts": {"a": "caf\udce9"}}, {"backend": "ufw"}, boot_id(), **more)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- State ------------------------------------------------------------------------------------------------------------


def test_what_is_kept_is_there_the_next_time(folder: Path) -> None:
    Journal(str(folder)).save_state({"record": {"peers": ["192.0.2.1"]}})
    assert Journal(str(folder)).state() == {"record": {"peers": ["192.0.2.1"]}}


def test_what_is_kept_is_for_root_alone(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o755)
    Journal(str(folder)).save_state({"a": 1})
    assert (mode(folder), mode(folder / "state.json")) == (0o700, 0o600)


def test_nothing_kept_is_an_empty_state(folder: Path) -> None:
    assert Journal(str(folder)).state() == {}


def test_an_empty_state_leaves_no_trace(folder: Path) -> None:
    journal = Journal(str(folder))
    journal.save_state({"a": 1})
    journal.save_state({})
    assert not folder.parent.exists()
    journal.save_state({})


def test_what_others_keep_beside_ours_stays(folder: Path) -> None:
    journal = Journal(str(folder))
    journal.save_state({"a": 1})
    (folder.parent / "other").touch()
    journal.save_state({})
    assert [path.name for path in folder.parent.iterdir()] == ["other"]


def test_a_folder_that_is_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.parent.mkdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(FirewallError, match=r"is a link, which anybody may have made; remove it\.\Z"):
        Journal(str(folder)).save_state({"a": 1})


DAMAGED = [b"", b"{", b"[]", b"null", b'{"a": \xff}']


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_damaged_state_is_an_error_that_says_what_to_do(folder: Path, damaged: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / "state.json").write_bytes(damaged)
    with pytest.raises(FirewallError) as caught:
        Journal(str(folder)).state()
    assert str(caught.value) == (
        f"{folder}/state.json, where the way back is kept, is damaged; mend it, or delete it to do without."
    )


# --- The pending change -----------------------------------------------------------------------------------------------


def test_a_pending_change_is_there_for_another_process(folder: Path) -> None:
    Journal(str(folder)).open(change())
    assert Journal(str(folder)).pending() == change()
    assert mode(folder / "pending.json") == 0o600


def test_without_one_there_is_none(folder: Path) -> None:
    assert Journal(str(folder)).pending() is None


def test_what_another_process_wrote_since_is_seen(folder: Path) -> None:
    mine, theirs = Journal(str(folder)), Journal(str(folder))
    theirs.open(change())
    assert mine.pending() == change()
    theirs.open(change(deadline=5.0))
    assert mine.pending() == change(deadline=5.0)
    theirs.close()
    assert mine.pending() is None


def test_a_closed_change_leaves_no_trace(folder: Path) -> None:
    journal = Journal(str(folder))
    journal.open(change())
    journal.close()
    assert not folder.parent.exists()


@pytest.mark.parametrize("damaged", [*DAMAGED, b"{}", b'{"id": "c1"}', b'{"unknown": 1}'])
def test_a_damaged_change_is_an_error_that_says_what_to_do(folder: Path, damaged: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / "pending.json").write_bytes(damaged)
    with pytest.raises(FirewallError, match=r"pending\.json, where the way back is kept, is damaged; mend"):
        Journal(str(folder)).pending()


def test_a_change_that_is_being_made_is_not_applied() -> None:
    assert not change().is_applied
    assert change(deadline=now() + 60).is_applied


def test_the_time_left_is_counted_from_now() -> None:
    assert 50 < change(deadline=now() + 60).seconds_left <= 60
    assert change(deadline=now() - 1).seconds_left < 0


def test_after_a_boot_no_time_is_left() -> None:
    assert dataclasses.replace(change(deadline=now() + 60), boot="an earlier one").seconds_left == 0


def test_a_session_survives_the_journal(folder: Path) -> None:
    session = as_json(Session("192.0.2.1", 50123, "192.0.2.11", 22))
    journal = Journal(str(folder))
    journal.open(change(session=session))
    assert Journal(str(folder)).pending() == change(session=session)
    assert as_json(None) is None


# --- Processes --------------------------------------------------------------------------------------------------------


def test_this_process_runs() -> None:
    assert is_running(this_process())


def test_another_process_with_the_same_id_is_another() -> None:
    assert not is_running((os.getpid(), "1"))


def test_a_process_that_ended_does_not_run_even_if_nobody_asked_after_it() -> None:
    program = "import sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as process:
        known = (process.pid, journal_module._started(process.pid))
        assert is_running(known)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not is_running(known)
    assert not is_running(known)
