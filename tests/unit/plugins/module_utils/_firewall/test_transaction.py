# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All or nothing, and confirmed: runs against a firewall that is made up, with a real journal and real locks."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import (
    choice,
    system,
    transaction,
    watchdog,
    way_back,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError, Outcome, Request
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.journal import Journal, Pending, boot_id, now
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import Session
from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, Flow

if t.TYPE_CHECKING:
    from pathlib import Path

STEPS = ("Loading the IPv4 rules", "Loading the IPv6 rules", "Writing the file")
NTP = Flow("ntp-udp-123-out", "outbound", "allow", "udp", 123, ANYWHERE)
LOGS = Flow("logs-tcp-443-out", "outbound", "allow", "tcp", 443, ("192.0.2.0/24",))
SESSION = Session("198.51.100.7", 50123, "192.0.2.11", 22)
ANOTHER = dataclasses.replace(SESSION, port=50124)
DOCUMENT = {"version": 47, "modified": "2026-01-01T00:00:00+00:00"}


class Wall:
    """A firewall of three parts, each of which holds the ids of flows; ``broken`` steps fail half-way."""

    name = "wall"

    def __init__(self) -> None:
        self.parts: dict[str, list[str]] = {step: [] for step in STEPS}
        self.broken: dict[str, BaseException] = {}
        self.way_back_is_barred = False
        self.meddler: t.Callable[[], None] = lambda: None
        self.restored = 0
        self.seen: list[bool] = []
        self.journal: Journal | None = None

    def exclusive(self) -> t.ContextManager[None]:
        return contextlib.nullcontext()

    def plan(self, request: Request, record: t.Mapping[str, t.Any]) -> WallPlan:
        wanted = [flow.id for flow in request.flows]
        changed = any(part != wanted for part in self.parts.values())
        return WallPlan(
            wall=self,
            wanted=wanted,
            record={**record, "runs": 1} if wanted else {},
            outcome=Outcome(added=tuple(wanted) if changed else (), changed=changed),
            snapshot={"parts": {step: list(ids) for step, ids in self.parts.items()}},
        )

    def restore(self, snapshot: t.Mapping[str, t.Any]) -> None:
        if self.way_back_is_barred:
            raise FirewallError("The way back is barred.")
        self.restored += 1
        self.parts = {step: list(ids) for step, ids in snapshot["parts"].items()}


@dataclasses.dataclass
class WallPlan:
    wall: Wall
    wanted: list[str]
    record: dict[str, t.Any]
    outcome: Outcome
    snapshot: dict[str, t.Any]

    def apply(self, step: t.Callable[[str], None]) -> None:
        for name in STEPS:
            step(name)
            # Nothing may be done before there is a way back.
            assert self.wall.journal is not None
            self.wall.seen.append(self.wall.journal.pending() is not None)
            self.wall.parts[name] = [*self.wanted, "half"]
            if name in self.wall.broken:
                raise self.wall.broken[name]
            self.wall.parts[name] = list(self.wanted)
        self.wall.meddler()

    def lets(self, packet: object) -> bool:
        raise NotImplementedError


@pytest.fixture
def wall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wall:
    """The firewall, on a host whose journal and lock are in *tmp_path* and whose watchdog is always there."""
    made = Wall()
    folder, lock = str(tmp_path / "netwall" / "datadog"), str(tmp_path / "lock")
    made.journal = Journal(folder)
    monkeypatch.setitem(t.cast("dict[str, t.Any]", choice.BACKENDS), "wall", lambda: made)
    for module in (transaction, way_back):
        monkeypatch.setattr(module, "Journal", lambda: Journal(folder))
        monkeypatch.setattr(module, "one_run_at_a_time", lambda timeout: system.one_run_at_a_time(timeout, lock))
    monkeypatch.setattr(watchdog, "arm", lambda *_of_what: None)
    monkeypatch.setattr(watchdog, "is_armed", lambda: False)
    monkeypatch.setattr(watchdog, "disarm", lambda: None)
    monkeypatch.setattr(watchdog, "is_watched", lambda *_of_what: True)
    return made


def reconcile(wall: Wall, *flows: Flow, confirm_within: int = 0, **asked: t.Any) -> transaction.Applied:
    return transaction.reconcile(t.cast("t.Any", wall), Request(flows=flows, **asked), DOCUMENT, confirm_within)


def fault(wall: Wall, *flows: Flow, **asked: t.Any) -> str:
    with pytest.raises(FirewallError) as caught:
        reconcile(wall, *flows, **asked)
    return str(caught.value)


def holds(wall: Wall, *ids: str) -> bool:
    """Whether every part of the firewall has just these."""
    return all(part == list(ids) for part in wall.parts.values())


def kept(wall: Wall) -> dict[str, t.Any]:
    assert wall.journal
    return wall.journal.state()


def pending(wall: Wall) -> Pending | None:
    assert wall.journal
    return wall.journal.pending()


# --- A run ------------------------------------------------------------------------------------------------------------


def test_a_change_is_made_whole_and_final(wall: Wall) -> None:
    applied = reconcile(wall, NTP)
    assert holds(wall, NTP.id)
    assert applied.outcome == Outcome(added=(NTP.id,), changed=True)
    assert (bool(applied.id), pending(wall)) == (True, None)


def test_the_way_back_is_kept_before_every_step(wall: Wall) -> None:
    reconcile(wall, NTP)
    assert wall.seen == [True, True, True]


def test_what_was_applied_is_kept(wall: Wall) -> None:
    applied = reconcile(wall, NTP)
    state = kept(wall)
    assert state.pop("time").endswith("+00:00")
    assert state == {
        "backend": "wall",
        "record": {"runs": 1},
        "flows": [NTP.to_dict()],
        "document": DOCUMENT,
        "transaction": applied.id,
    }


def test_a_run_without_a_change_keeps_no_way_back_and_writes_nothing(wall: Wall) -> None:
    reconcile(wall, NTP)
    before = kept(wall)
    wall.seen.clear()
    assert reconcile(wall, NTP) == transaction.Applied(Outcome())
    assert (kept(wall), wall.seen) == (before, [])


def test_a_newer_document_of_the_same_flows_is_kept_without_a_change(wall: Wall) -> None:
    reconcile(wall, NTP)
    newer = {**DOCUMENT, "version": 48}
    applied = transaction.reconcile(t.cast("t.Any", wall), Request(flows=(NTP,)), newer, 0)
    assert not applied.outcome.changed
    assert kept(wall)["document"] == newer


def test_a_removal_leaves_no_trace(wall: Wall, tmp_path: Path) -> None:
    reconcile(wall, NTP)
    reconcile(wall, state="absent")
    assert holds(wall)
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_prediction_changes_nothing(wall: Wall) -> None:
    plan = transaction.predict(t.cast("t.Any", wall), Request(flows=(NTP,)))
    assert plan.outcome.changed
    assert holds(wall)


def test_what_was_kept_of_a_firewall_that_is_gone_is_dropped(wall: Wall) -> None:
    reconcile(wall, NTP)
    assert transaction.forget()
    assert kept(wall) == {}
    assert not transaction.forget()


# --- What fails -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS)
def test_whatever_step_fails_the_old_rules_are_back_and_the_step_is_named(wall: Wall, step: str) -> None:
    reconcile(wall, NTP)
    before = kept(wall)
    wall.broken[step] = FirewallError("it broke.")
    assert fault(wall, LOGS) == f"{step} failed: it broke; the old rules are back."
    assert holds(wall, NTP.id)
    assert (kept(wall), pending(wall)) == (before, None)
    wall.broken.clear()
    reconcile(wall, LOGS)
    assert holds(wall, LOGS.id)


def test_a_system_that_fails_is_told_by_its_own_words(wall: Wall) -> None:
    wall.broken[STEPS[2]] = OSError(28, "No space left on device")
    assert fault(wall, NTP) == "Writing the file failed: No space left on device; the old rules are back."


def test_a_fault_of_the_program_is_told_as_one_and_changes_nothing(wall: Wall) -> None:
    wall.broken[STEPS[1]] = ZeroDivisionError("division by zero")
    said = "Loading the IPv6 rules failed: ZeroDivisionError: division by zero; the old rules are back."
    assert fault(wall, NTP) == said
    assert (holds(wall), pending(wall)) == (True, None)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_an_interruption_stays_what_it_is_and_changes_nothing(wall: Wall, error: BaseException) -> None:
    wall.broken[STEPS[1]] = error
    with pytest.raises(type(error)):
        reconcile(wall, NTP)
    assert holds(wall)
    assert pending(wall) is None


def test_a_way_back_that_fails_is_told_and_stays_open(wall: Wall) -> None:
    wall.broken[STEPS[1]] = FirewallError("it broke.")
    wall.way_back_is_barred = True
    assert fault(wall, NTP) == (
        "Loading the IPv6 rules failed: it broke; and going back failed too: The way back is barred; that is being "
        "tried again on the host."
    )
    assert pending(wall) is not None
    wall.broken.clear()
    wall.way_back_is_barred = False
    reconcile(wall, NTP)
    assert (wall.restored, holds(wall, NTP.id)) == (1, True)


def test_without_a_watchdog_nothing_is_done(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    def unarmed(*_arguments: object) -> t.NoReturn:
        raise FirewallError("No process could be started.")

    monkeypatch.setattr(watchdog, "arm", unarmed)
    assert fault(wall, NTP) == "No process could be started."
    assert (holds(wall), wall.seen, wall.restored, pending(wall)) == (True, [], 0, None)


def test_a_full_disk_is_told_before_anything_is_done(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_arguments: object) -> t.NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "open", full_disk)
    assert fault(wall, NTP) == "Getting ready failed: No space left on device; nothing was changed."
    assert (holds(wall), wall.seen) == (True, [])


@pytest.mark.parametrize("error", [OSError(30, "Read-only file system"), FirewallError("update-rc.d failed.")])
def test_a_change_is_final_even_if_what_would_have_taken_it_back_can_not_be_cleared_away(
    wall: Wall, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def stuck() -> t.NoReturn:
        raise error

    monkeypatch.setattr(watchdog, "disarm", stuck)
    applied = reconcile(wall, NTP, confirm_within=60)
    transaction.confirm(applied.id, False, ANOTHER)
    assert (pending(wall), holds(wall, NTP.id), kept(wall)["transaction"]) == (None, True, applied.id)


# --- Others who write -------------------------------------------------------------------------------------------------


def test_what_somebody_undid_while_we_wrote_is_done_again(wall: Wall) -> None:
    def meddle() -> None:
        wall.parts[STEPS[2]] = []
        wall.meddler = lambda: None

    wall.meddler = meddle
    assert reconcile(wall, NTP).outcome.added == (NTP.id,)
    assert holds(wall, NTP.id)


def test_against_somebody_who_keeps_undoing_it_the_run_gives_up_and_goes_back(
    wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "_TIMEOUT", 0.05)

    def meddle() -> None:
        wall.parts[STEPS[2]] = []

    wall.meddler = meddle
    assert "something keeps changing the firewall" in fault(wall, NTP)
    assert holds(wall)
    assert pending(wall) is None


def dead_run(wall: Wall, **more: t.Any) -> None:
    """A run that died half-way: its journal is there, and half of its rules."""
    assert wall.journal
    snapshot = {"parts": {step: list(ids) for step, ids in wall.parts.items()}}
    wall.journal.open(Pending("dead", "wall", snapshot, wall.journal.state(), boot_id(), **more))
    wall.parts[STEPS[0]] = ["half"]


def test_what_a_dead_run_left_is_taken_back_first(wall: Wall) -> None:
    reconcile(wall, NTP)
    dead_run(wall)
    assert not reconcile(wall, NTP).outcome.changed
    assert (wall.restored, holds(wall, NTP.id)) == (1, True)


def test_a_way_back_that_is_barred_to_the_next_run_too_is_told_as_that(wall: Wall) -> None:
    dead_run(wall)
    wall.way_back_is_barred = True
    assert fault(wall, NTP) == (
        "Taking back what an earlier run left failed: The way back is barred; nothing else can be done before that is "
        "mended."
    )


def test_what_a_power_cut_after_a_commit_left_is_cleared_away(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    cleared: list[bool] = []
    monkeypatch.setattr(watchdog, "is_armed", lambda: not cleared)
    monkeypatch.setattr(watchdog, "disarm", lambda: cleared.append(True))
    reconcile(wall)
    assert cleared == [True]


def test_folders_that_a_power_cut_after_a_removal_left_are_cleared_away(wall: Wall, tmp_path: Path) -> None:
    (tmp_path / "netwall").mkdir()
    reconcile(wall, state="absent")
    assert not (tmp_path / "netwall").exists()


def test_what_another_firewall_left_is_nothing_to_this_one(wall: Wall) -> None:
    assert wall.journal
    wall.journal.save_state({"backend": "another", "record": {"switched_on": {}}})
    reconcile(wall, NTP)
    assert (kept(wall)["backend"], kept(wall)["record"]) == ("wall", {"runs": 1})


def test_a_change_that_nobody_watches_over_is_taken_back_first(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    dead_run(wall, deadline=now() + 60)
    monkeypatch.setattr(watchdog, "is_watched", lambda *_of_what: False)
    reconcile(wall, NTP)
    assert (wall.restored, holds(wall, NTP.id)) == (1, True)


def test_a_change_that_may_still_be_confirmed_is_waited_for(wall: Wall) -> None:
    first = reconcile(wall, NTP, confirm_within=60)
    second = threading.Thread(target=reconcile, args=(wall, NTP, LOGS))
    second.start()
    second.join(0.3)
    assert second.is_alive()
    transaction.confirm(first.id, False, ANOTHER)
    second.join(30)
    assert (wall.restored, holds(wall, NTP.id, LOGS.id)) == (0, True)


def test_a_change_that_stays_after_its_time_is_given_up(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "_TIMEOUT", 0.05)
    monkeypatch.setattr(transaction, "_GRACE", 0.05)
    dead_run(wall, deadline=now())
    assert fault(wall, NTP) == "A change that nobody confirmed is still there after its time; try again later."


# --- Confirmed --------------------------------------------------------------------------------------------------------


def late(change: str, **asked: t.Any) -> str:
    with pytest.raises(FirewallError) as caught:
        transaction.confirm(change, asked.get("is_removal", False), asked.get("session"))
    return str(caught.value)


TAKEN_BACK = "Nobody confirmed the change in time, so the host has taken it back: the old rules stand."


def test_a_change_is_not_final_before_it_is_confirmed(wall: Wall) -> None:
    reconcile(wall, NTP)
    before = kept(wall)
    applied = reconcile(wall, LOGS, confirm_within=60, session=SESSION)
    waiting = pending(wall)
    assert waiting
    assert (waiting.id, waiting.is_applied, waiting.state) == (applied.id, True, before)
    assert 50 < waiting.seconds_left <= 60
    assert (holds(wall, LOGS.id), kept(wall)) == (True, before)


def test_a_confirmed_change_is_final(wall: Wall) -> None:
    applied = reconcile(wall, NTP, confirm_within=60, session=SESSION)
    transaction.confirm(applied.id, False, ANOTHER)
    assert (pending(wall), holds(wall, NTP.id)) == (None, True)
    assert kept(wall)["transaction"] == applied.id


def test_the_connection_that_the_change_came_in_on_proves_nothing_nor_does_none(wall: Wall) -> None:
    applied = reconcile(wall, NTP, confirm_within=60, session=SESSION)
    for session in (SESSION, None):
        assert late(applied.id, session=session) == (
            "The change was to be confirmed over a new connection, but that was not to be seen on the host, so it is "
            "taken back by itself."
        )
    assert pending(wall)


def test_what_can_not_be_made_final_is_told_and_taken_back(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    save, left = Journal.save_state, [True]

    def full_disk(journal: Journal, state: t.Mapping[str, t.Any]) -> None:
        if left and state:
            left.clear()
            raise OSError(28, "No space left on device")
        save(journal, state)

    monkeypatch.setattr(Journal, "save_state", full_disk)
    assert fault(wall, NTP) == "Making the change final failed: No space left on device; the old rules are back."
    assert (holds(wall), pending(wall)) == (True, None)


def test_what_can_not_be_kept_is_not_confirmed(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    applied = reconcile(wall, NTP, confirm_within=60)

    def full_disk(*_arguments: object) -> t.NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "save_state", full_disk)
    assert late(applied.id, session=ANOTHER) == (
        "The change can't be kept: No space left on device; the host takes it back by itself."
    )
    assert pending(wall)


def test_confirming_again_is_no_error(wall: Wall) -> None:
    applied = reconcile(wall, NTP, confirm_within=60)
    transaction.confirm(applied.id, False, ANOTHER)
    transaction.confirm(applied.id, False, ANOTHER)


def test_confirming_a_removal_again_is_no_error(wall: Wall) -> None:
    reconcile(wall, NTP)
    applied = reconcile(wall, confirm_within=60, state="absent")
    transaction.confirm(applied.id, True, ANOTHER)
    transaction.confirm(applied.id, True, ANOTHER)
    assert kept(wall) == {}


def test_a_change_that_was_taken_back_can_not_be_confirmed(wall: Wall) -> None:
    reconcile(wall, NTP)
    assert late("another") == TAKEN_BACK
    assert late("another", is_removal=True) == TAKEN_BACK


def test_who_comes_too_late_takes_it_back_before_saying_that_it_is(wall: Wall) -> None:
    dead_run(wall, deadline=now() - 1)
    assert late("dead") == TAKEN_BACK
    assert (pending(wall), wall.restored, holds(wall)) == (None, 1, True)


# --- Taken back -------------------------------------------------------------------------------------------------------


def is_over(wall: Wall, change: str, is_running: bool, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(way_back, "is_running", lambda *_of_what: is_running)
    assert wall.journal
    return way_back._is_over(wall.journal, change, (1, "1"))


def test_while_its_run_lives_a_change_is_left_alone(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    dead_run(wall)
    assert not is_over(wall, "dead", True, monkeypatch)
    assert wall.restored == 0


def test_before_the_journal_is_there_the_watchdog_waits(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_over(wall, "dead", True, monkeypatch)


def test_when_its_run_died_a_change_is_taken_back(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    reconcile(wall, NTP)
    before = kept(wall)
    dead_run(wall)
    assert is_over(wall, "dead", False, monkeypatch)
    assert (holds(wall, NTP.id), pending(wall), kept(wall)) == (True, None, before)


def test_a_change_waits_for_its_time_though_its_run_has_ended(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    dead_run(wall, deadline=now() + 60)
    assert not is_over(wall, "dead", False, monkeypatch)


def test_after_its_time_a_change_is_taken_back(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    dead_run(wall, deadline=now() - 1)
    assert is_over(wall, "dead", False, monkeypatch)
    assert (holds(wall), pending(wall)) == (True, None)


def test_when_it_was_confirmed_the_watchdog_ends(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    applied = reconcile(wall, NTP, confirm_within=60)
    transaction.confirm(applied.id, False, ANOTHER)
    assert is_over(wall, applied.id, False, monkeypatch)
    assert (wall.restored, holds(wall, NTP.id)) == (0, True)


def test_somebody_elses_change_is_none_of_its_business(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    dead_run(wall)
    assert is_over(wall, "another", False, monkeypatch)
    assert (wall.restored, bool(pending(wall))) == (0, True)


def test_what_can_not_be_taken_back_is_tried_again(
    wall: Wall, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(way_back, "_PAUSE", 0)
    dead_run(wall)
    wall.way_back_is_barred = True
    assert not is_over(wall, "dead", False, monkeypatch)
    assert capsys.readouterr().err == "FirewallError: The way back is barred.\n"
    wall.way_back_is_barred = False
    assert is_over(wall, "dead", False, monkeypatch)


def test_a_fault_of_the_program_does_not_end_who_watches(
    wall: Wall, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(way_back, "_PAUSE", 0)
    dead_run(wall)
    with monkeypatch.context() as broken:
        nothing: dict[str, object] = {}
        broken.setattr(Wall, "restore", lambda *_of_what: nothing["nothing"])
        assert not is_over(wall, "dead", False, monkeypatch)
    assert capsys.readouterr().err == "KeyError: 'nothing'\n"
    assert is_over(wall, "dead", False, monkeypatch)


def test_what_a_boot_can_not_take_back_is_left_to_a_process_that_goes_on_trying(
    wall: Wall, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[str] = []
    monkeypatch.setattr(way_back, "_PAUSE", 0)
    monkeypatch.setattr(watchdog, "start", lambda change, _maker: started.append(change))
    dead_run(wall)
    wall.way_back_is_barred = True
    assert way_back.main(["boot"]) == 1
    assert started == ["dead"]
    assert capsys.readouterr().err.count("The way back is barred.") == way_back._BOOT_ATTEMPTS


@pytest.mark.parametrize("deadline", [0.0, time.monotonic() + 1e9], ids=["past", "to come"])
def test_a_boot_takes_back_whatever_was_pending(wall: Wall, deadline: float) -> None:
    dead_run(wall, deadline=deadline)
    assert way_back.main(["boot"]) == 0
    assert (holds(wall), pending(wall)) == (True, None)


def test_a_boot_with_nothing_pending_does_nothing(wall: Wall) -> None:
    assert way_back.main(["boot"]) == 0
    assert wall.restored == 0
