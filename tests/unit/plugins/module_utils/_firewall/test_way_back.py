# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking back, by processes as they run on a host: a run, who watches over it, and a boot, with any of its Pythons."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import syslog
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import transaction, watchdog, way_back
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.journal import (
    Journal,
    Pending,
    boot_id,
    now,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import Session
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.system import wait_for, write_atomically
from ansible_collections.netwall.datadog.tests._pythons import VERSIONS, working_pythons
from ansible_collections.netwall.datadog.tests.unit.plugins.module_utils._firewall import _wall

if t.TYPE_CHECKING:
    from pathlib import Path

NAME, OLD, NEW = "ntp-udp-123-out", dict.fromkeys(_wall.PARTS, "old"), dict.fromkeys(_wall.PARTS, "ntp-udp-123-out")
HALF = {"rules4": NAME, "rules6": "old"}
STATE = {"backend": "wall", "flows": ["old"]}
NEW_SESSION = Session("198.51.100.7", 50124, "192.0.2.11", 22)

# Stops at the part that it is told, for good, or says its change and lives on, as a module that nobody has heard yet.
RUN = f"""
import sys
from {_wall.__name__} import settle, transaction, Wall
from {transaction.__name__.rpartition(".")[0]}.backend import Request
from {transaction.__name__.rpartition("._firewall")[0]}._flow import Flow

folder, within, stop = sys.argv[1:]
settle(folder)

def happens(part):
    if part == stop:
        print("half", flush=True)
        sys.stdin.read()

flow = Flow("{NAME}", "outbound", "allow", "udp", 123, ("192.0.2.1/32",))
applied = transaction.reconcile(Wall(folder, happens), Request(flows=(flow,)), {{}}, int(within))
print(applied.id, flush=True)
sys.stdin.read()
"""


def kept() -> Journal:
    """What is kept on the host that the test stands on."""
    return Journal(watchdog.CODE.rpartition("/")[0])


@pytest.fixture
def wall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _wall.Wall:
    """A firewall with old rules, on a host that is in *tmp_path*."""
    made = _wall.settle(str(tmp_path), monkeypatch.setattr)
    made.restore(OLD)
    kept().save_state(STATE)
    return made


@contextlib.contextmanager
def running(folder: Path, within: int, stop: str = "") -> t.Iterator[subprocess.Popen[str]]:
    """A run in a process of its own; killed, if it hasn't been by then, when the block is left."""
    argv = [sys.executable, "-c", RUN, str(folder), str(within), stop]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def left(folder: Path) -> set[str]:
    """The names of all files on the host."""
    return {path.name for path in folder.rglob("*") if path.is_file()}


def wait_until_nobody_watches(folder: Path) -> None:
    wait_for(lambda: not list(folder.glob("*.watched")), 60, "the process that watches never ended")


# --- Who watches ------------------------------------------------------------------------------------------------------


def test_a_run_that_is_killed_half_way_is_taken_back(wall: _wall.Wall, tmp_path: Path) -> None:
    with running(tmp_path, 0, "rules6") as run:
        assert said(run) == "half"
        assert wall.rules() == HALF
        run.kill()
        wait_until_nobody_watches(tmp_path)
    assert wall.rules() == OLD
    assert kept().state() == STATE
    assert left(tmp_path) == {*OLD, "state.json"}


def test_a_run_that_only_waits_is_left_alone(wall: _wall.Wall, tmp_path: Path) -> None:
    with running(tmp_path, 0, "rules6") as run:
        assert said(run) == "half"
        pending = kept().pending()
        assert pending
        with pytest.raises(FirewallError):
            wait_for(lambda: wall.rules() != HALF, 3 * way_back._POLL, "it waits")
        assert watchdog.is_watched(pending.id)


@pytest.mark.parametrize("dies", [True, False])
def test_a_change_that_nobody_confirms_is_taken_back_after_its_time(
    wall: _wall.Wall, tmp_path: Path, dies: bool
) -> None:
    with running(tmp_path, 2) as run:
        change = said(run)
        assert wall.rules() == NEW
        pending = kept().pending()
        assert pending
        if dies:
            run.kill()
        wait_until_nobody_watches(tmp_path)
        assert now() >= pending.deadline
        assert wall.rules() == OLD
        with pytest.raises(FirewallError, match="Nobody confirmed the change in time"):
            transaction.confirm(change, False, NEW_SESSION)
    assert left(tmp_path) == {*OLD, "state.json"}


def test_a_change_that_is_confirmed_stays(wall: _wall.Wall, tmp_path: Path) -> None:
    with running(tmp_path, 60) as run:
        change = said(run)
        assert watchdog.is_watched(change)
        transaction.confirm(change, False, NEW_SESSION)
        run.kill()
        wait_until_nobody_watches(tmp_path)
    assert wall.rules() == NEW
    assert left(tmp_path) == {*NEW, "state.json"}


def test_a_change_that_is_final_at_once_is_watched_no_longer_than_its_run(wall: _wall.Wall, tmp_path: Path) -> None:
    with running(tmp_path, 0) as run:
        assert said(run)
        run.kill()
        wait_until_nobody_watches(tmp_path)
    assert wall.rules() == NEW
    assert left(tmp_path) == {*NEW, "state.json"}


def test_the_next_run_and_who_watches_over_a_dead_one_are_not_in_each_others_way(
    wall: _wall.Wall, tmp_path: Path
) -> None:
    with running(tmp_path, 0, "rules6") as dead:
        assert said(dead) == "half"
        with running(tmp_path, 0) as following:
            dead.kill()
            assert said(following)
    assert wall.rules() == NEW
    wait_until_nobody_watches(tmp_path)
    assert wall.rules() == NEW


def test_what_keeps_room_for_the_way_back_is_there_as_long_as_there_is_one(wall: _wall.Wall, tmp_path: Path) -> None:
    with running(tmp_path, 0, "rules6") as run:
        assert said(run) == "half"
        [ballast] = tmp_path.rglob("ballast")
        assert ballast.stat().st_blocks * 512 > sum(len(rules) for rules in OLD.values())
        assert ballast.stat().st_mode & 0o777 == 0o600
        run.kill()
        wait_until_nobody_watches(tmp_path)
    assert wall.rules() == OLD
    assert "ballast" not in left(tmp_path)


# --- What is told -----------------------------------------------------------------------------------------------------


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the system's log is told."""
    told: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda _priority, what: told.append(what))
    return told


@pytest.mark.usefixtures("wall")
def test_a_change_that_was_not_confirmed_is_told_with_its_fate(
    capfd: pytest.CaptureFixture[str], log: list[str]
) -> None:
    kept().open(Pending("c1", "wall", OLD, STATE, boot_id(), deadline=now() - 1))
    assert way_back.main(["watch", "c1", "1", "an earlier process"]) == 0
    sentence = "netwall.datadog: change c1 was not confirmed within its time; the old rules are back."
    assert capfd.readouterr().err == f"{sentence}\n"
    assert log == [sentence]


@pytest.mark.usefixtures("wall")
def test_what_the_journal_hears_is_not_told_twice(monkeypatch: pytest.MonkeyPatch, log: list[str]) -> None:
    error = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{error.st_dev}:{error.st_ino}")
    kept().open(Pending("c1", "wall", OLD, STATE, boot_id()))
    assert way_back.main(["boot"]) == 0
    assert log == []


# --- Any Python of a host ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def pythons() -> t.Mapping[str, Path]:
    return working_pythons()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("order", "fate"),
    [
        (["boot"], "was not confirmed before the host went down"),
        (["watch", "c1", "1", "an earlier process"], "was left half done by a run that died"),
    ],
)
def test_every_python_takes_back_with_nothing_but_the_archive(
    wall: _wall.Wall, tmp_path: Path, pythons: t.Mapping[str, Path], version: str, order: list[str], fate: str
) -> None:
    if version not in pythons:
        pytest.skip(f"there is no Python {version} here")
    journal = kept()
    journal.open(Pending("c1", "wall", OLD, STATE, boot_id()))
    write_atomically(watchdog.CODE, watchdog._code())
    wall.write(HALF)
    argv = [str(pythons[version]), "-I", "-S", "-B", "-W", "error", watchdog.CODE, *order]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/")
    assert (done.returncode, done.stderr) == (0, f"netwall.datadog: change c1 {fate}; the old rules are back.\n")
    assert wall.rules() == OLD
    assert left(tmp_path) == {*OLD, "state.json"}
