#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kills the module at every step, and cuts the power of its host: are the rules the old ones whole or the new ones?

    faults.py [--backend ufw] [--release bookworm] [--kills 200] [--stops 20] [--lab NAME]

A host goes through a round of states (see states.py). First undisturbed, twice: that says what each looks like, in
files and in the kernel, and how long a change takes. Then again and again, each change being killed at another moment,
by the clock (alone, or with its children) or when it is about to make a certain system call. Afterwards the watchdog
has its say, what is found has to be one of the two states whole, and the change once more, undisturbed, has to bring
the new one. Fewer times the watchdog itself is killed, while it waits or while it takes a change back. Last the same
with the power: a disk of the lab then loses what was not synced; and some boots are cut off while they take back.

Prints counts. Exit status 1 if anything else was found, with sentences about it; 3 where no lab can be had.
"""

from __future__ import annotations

import argparse
import difflib
import itertools
import json
import subprocess
import sys
import tempfile
import time
import typing as t
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.netwall.datadog.tests.faults.attempt import WAY_BACK
from ansible_collections.netwall.datadog.tests.faults.states import (
    OPERATORS_MARK,
    OPERATORS_RULES,
    STATES,
)
from ansible_collections.netwall.datadog.tests.integration.on_host import (
    FIRST,
    LATER,
    OnHost,
    arguments_of,
    program_from,
)
from ansible_collections.netwall.datadog.tests.lab.netlab import machine
from ansible_collections.netwall.datadog.tests.lab.netlab.hosts import Lab

CANNOT_RUN = 3
IMAGES = {"ufw": "host", "firewalld": "firewalld"}
RELEASES = ("bookworm", "trixie")
ATTEMPT = (Path(__file__).parent / "attempt.py").read_text(encoding="utf-8")
# Seconds in which a change has to be confirmed, where nobody means to, and where somebody is killed while he does.
UNCONFIRMED, CONFIRMING, LONG = 1, 4, 300
# How long a change may stay pending after that.
PATIENCE = 30
# Within how many seconds of its start a boot's take-back is cut off.
BOOTS_TAKE_BACK = 0.5
SHOWN_LINES = 40
# Consecutive multiples of it, modulo 1, fill the interval evenly, however many there are.
GOLDEN = 0.6180339887

MOST_FAULTS = 5
"""Found so many, it is time to mend them."""

Report = t.Mapping[str, t.Any]


class FaultError(Exception):
    """What was found is not what it has to be; the text says what, and shows it."""


@dataclass
class State:
    """How a state looks when nobody disturbed the change to it, and what that change costs."""

    name: str
    found: dict[str, str]
    litter: list[str]
    seconds: float
    calls: list[str]


class Subject:
    """A host with a firewall, and what its states look like."""

    def __init__(self, lab: Lab, backend: str, release: str) -> None:
        self.backend, self.release = backend, release
        self.lab = lab
        self.name = f"{backend}-{release}"
        self.host = OnHost(lab.name, self.name)
        self.states: list[State] = []
        self.calls_of_a_confirmation: list[str] = []
        self.changes = self._changes()
        self.ignored: set[str] = set()

    def prepare(self) -> None:
        """Boot the host anew, with the operator's rules, and learn what its states look like."""
        self.states, self.changes = [], self._changes()
        self.lab.down([self.name])
        self.lab.up([f"{self.name}={IMAGES[self.backend]}:{self.release}"], disk=True)
        self.host.run("sh", "-euc", "\n".join([*OPERATORS_RULES[self.backend], "sync"]))
        self.host.install_module()
        before = self.attempt({"patience": None})
        # A round ends with what was there before it.
        names = [*list(STATES)[1:], *list(STATES)[:1]]
        counted = [self.apply(name, count=True) for name in names]
        compare("What stood before is not back", counted[-1]["found"], [before["found"]])
        for name, first in zip(names, counted, strict=True):
            report = self.apply(name)
            compare(f"'{name}' looks different the second time", report["found"], [first["found"]])
            if not any(OPERATORS_MARK in text for text in report["found"].values()):
                raise FaultError(f"'{name}' has lost the operator's rules.")
            self.states.append(State(name, report["found"], report["litter"], report["seconds"], first["calls"]))
        change = {"confirm": self.apply_unconfirmed(self.states[0], LONG)}
        self.calls_of_a_confirmation = self.apply(names[0], options=change, count=True)["calls"]
        next(self.changes)

    def _changes(self) -> t.Iterator[tuple[State, State]]:
        """From state to state, round and round."""
        old = self.states[-1]
        for new in itertools.cycle(self.states):
            yield old, new
            old = new

    def order(self, state: str, *, options: t.Mapping[str, t.Any] | None = None, **order: t.Any) -> dict[str, t.Any]:
        """The order to bring about a state (see attempt.py), with more *options* of the module."""
        # No connection has to be kept, since the test comes in by the console; it only says that there is one.
        kept = {"enable": True, "backend": self.backend, "management": False, "crosses_network": True}
        asked = {**kept, **STATES[state], **(options or {})}
        command = program_from(LATER if "confirm" in asked else FIRST)
        return {"patience": PATIENCE, "command": command, "input": arguments_of(**asked), **order}

    def attempt(self, order: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Have an order carried out on the host; what that reports."""
        report: dict[str, t.Any] = json.loads(self.host.run("python3", "-c", ATTEMPT, stdin=json.dumps(order)))
        if report["settled"] is None:
            raise FaultError(f"The change was still pending {PATIENCE} s later.")
        return report

    def apply(self, state: str, **order: t.Any) -> dict[str, t.Any]:
        """Bring about a state without disturbing; raises :class:`FaultError` if the module fails."""
        report = self.attempt(self.order(state, **order))
        return {**report, "result": result_of(report)}

    def apply_unconfirmed(self, state: State, within: int) -> str:
        """Bring about a state that is to be confirmed *within* so many seconds; the id of the change."""
        report = self.apply(state.name, options={"confirm_within": within}, patience=None)
        change: str = report["result"]["transaction"]["id"]
        return change

    def judge(self, report: Report, allowed: t.Sequence[State]) -> State:
        """Which of the states is there, whole; raises :class:`FaultError` if none is."""
        names = " nor ".join(f"'{state.name}'" for state in allowed)
        looks = [self._compared(state.found) for state in allowed]
        sentence = f"Found {'neither' if len(allowed) > 1 else 'not'} {names} ({report.get('phase') or 'undisturbed'})"
        return allowed[compare(sentence, self._compared(report["found"]), looks)]

    def _compared(self, found: t.Mapping[str, str]) -> dict[str, str]:
        return {name: text for name, text in found.items() if name not in self.ignored}

    def recover(self, new: State) -> None:
        """The change once more, undisturbed; raises :class:`FaultError` if that does not bring the new state."""
        report = self.apply(new.name)
        self.judge(report, [new])
        if report["litter"] != new.litter:
            raise FaultError(f"What is left behind for good differs: {set(report['litter']) ^ set(new.litter)}")


def result_of(report: Report) -> dict[str, t.Any]:
    """What the module returned; raises :class:`FaultError` if it failed."""
    try:
        result: dict[str, t.Any] = json.loads(report["output"])
    except ValueError:
        result = {"failed": True, "msg": report["errors"] or report["output"]}
    if result.get("failed"):
        raise FaultError(f"The module failed: {result.get('msg')}")
    return result


def compare(sentence: str, found: t.Mapping[str, str], allowed: t.Sequence[t.Mapping[str, str]]) -> int:
    """Which of *allowed* was found; raises :class:`FaultError` with *sentence* and the difference to the nearest."""
    differing = [[name for name in {**found, **look} if found.get(name) != look.get(name)] for look in allowed]
    nearest = min(range(len(allowed)), key=lambda number: len(differing[number]))
    if not differing[nearest]:
        return nearest
    lines = [f"{sentence}:"]
    for name in sorted(differing[nearest]):
        wanted, there = (look.get(name, "").splitlines() for look in (allowed[nearest], found))
        diff = difflib.unified_diff(wanted, there, f"{name}, as it has to be", f"{name}, as found", n=1, lineterm="")
        lines += list(diff)[:SHOWN_LINES]
    raise FaultError("\n    ".join(lines))


# --- Faults: each gives the state that is there afterwards and what the module was doing, None if it came too late ---


def kill(subject: Subject, number: int, old: State, new: State) -> tuple[State, str] | None:
    """Kill the module. Some changes are to be confirmed, but nobody does; or it is the confirmation that is killed."""
    share = number * GOLDEN % 1
    options: dict[str, t.Any] = {}
    allowed, calls = [old, new], new.calls
    if number % 8 == 3:
        options, allowed = {"confirm_within": UNCONFIRMED}, [old]
    elif number % 8 == 7:
        options, calls = {"confirm": subject.apply_unconfirmed(new, CONFIRMING)}, subject.calls_of_a_confirmation
    if number % 3:
        order: dict[str, t.Any] = {"at_call": nth_call(calls, int(share * len(calls)))}
    else:
        order = {"after": share * new.seconds, "group": number % 2 == 0}
    report = subject.attempt(subject.order(new.name, options=options, **order))
    if report["status"] >= 0:
        result_of(report)
        return None
    return subject.judge(report, allowed), report["phase"]


def kill_way_back(subject: Subject, number: int, old: State, new: State) -> tuple[State, str] | None:
    """Kill the watchdog, while it waits, or while it takes back what nobody confirmed or what a killed run left."""
    share = number * GOLDEN % 1
    # Going back is mostly done in a tenth of the time, and takes as long only where a firewall is switched.
    order: dict[str, t.Any] = {"way_back": share**3 * new.seconds}
    options: dict[str, t.Any] = {"confirm_within": UNCONFIRMED}
    allowed = [old]
    if number % 4 == 0:
        order["way_back"] = "watching"
    elif number % 2:
        order["at_call"] = nth_call(new.calls, int(share * len(new.calls)))
        options, allowed = {}, [old, new]
    report = subject.attempt(subject.order(new.name, options=options, **order))
    if report["status"] >= 0:
        result_of(report)
    found = subject.judge({**report, "phase": report["way_back"]}, allowed)
    return (found, report["way_back"]) if report["way_back"] else None


def nth_call(calls: t.Sequence[str], place: int) -> tuple[str, int]:
    """The call at *place* of all, and for which time it is made then."""
    return calls[place], calls[: place + 1].count(calls[place])


def cut_power(subject: Subject, number: int, old: State, new: State) -> tuple[State, str]:
    """Cut the power of the host and boot it. Some changes wait to be confirmed, some have just become final."""
    way = number % 4
    if way == 1:
        subject.apply_unconfirmed(new, LONG)
        phase, allowed = "applied, not confirmed", [old]
    elif way == 3:
        subject.apply(new.name, patience=None)
        phase, allowed = "final", [new]
    else:
        phase, allowed = "under way", [old, new]
        start(subject, subject.order(new.name))
        time.sleep(number * GOLDEN % 1 * new.seconds)
    subject.lab.stop(subject.name, hard=True)
    subject.lab.start(subject.name)
    subject.host.install_module()
    report = {**subject.attempt({"patience": PATIENCE}), "phase": phase}
    return subject.judge(report, allowed), phase


def cut_power_twice(subject: Subject, number: int, old: State, new: State) -> tuple[State, str] | None:
    """Cut the power of the host while a change waits to be confirmed, and again while the boot takes it back."""
    subject.apply_unconfirmed(new, LONG)
    subject.lab.stop(subject.name, hard=True)
    subject.lab.start(subject.name, waits=False)
    is_at_work = subject.lab.runs(subject.name, WAY_BACK)
    time.sleep(number * GOLDEN % 1 * BOOTS_TAKE_BACK)
    in_time = is_at_work and subject.lab.runs(subject.name, WAY_BACK, seconds=0)
    subject.lab.stop(subject.name, hard=True)
    subject.lab.start(subject.name)
    subject.host.install_module()
    phase = "being taken back by a boot"
    found = subject.judge({**subject.attempt({"patience": PATIENCE}), "phase": phase}, [old])
    return (found, phase) if in_time else None


def start(subject: Subject, order: Report) -> None:
    """Start the module and do not wait for it: it ends with the host."""
    nowhere = subprocess.DEVNULL
    with tempfile.TemporaryFile("w+") as given:
        given.write(order["input"])
        given.seek(0)
        subprocess.Popen(subject.host.command(*order["command"]), stdin=given, stdout=nowhere, stderr=nowhere)


# --- Counting -------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What came of the faults of one kind: how many left what, and hit what; sentences about what must not be."""

    left: Counter[str] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = ", ".join(f"{self.left[what]} left {what}" for what in ("the old rules", "the new rules", "neither"))
        phases = "".join(f"\n    {count:4} {phase}" for phase, count in self.phases.most_common())
        return f"{parts}{phases}"


Fault = t.Callable[[Subject, int, State, State], "tuple[State, str] | None"]


def repeat(subject: Subject, fault: Fault, wanted: int) -> Tally:
    """Bring about *wanted* faults, each at another moment and change, each followed by a run that is let alone."""
    tally = Tally()
    number = 0
    while tally.left.total() < wanted and len(tally.wrong) < MOST_FAULTS:
        old, new = next(subject.changes)
        number += 1
        what = f"{subject.name}: {fault.__name__} {number}, from '{old.name}' to '{new.name}'"
        try:
            came = fault(subject, number, old, new)
            if came:
                tally.left["the old rules" if came[0] is old else "the new rules"] += 1
                tally.phases[came[1].replace("not pending", "not begun" if came[0] is old else "final")] += 1
        except FaultError as error:
            tally.left["neither"] += 1
            tally.wrong.append(f"{what}: {error}")
        try:
            subject.recover(new)
        except FaultError as error:
            tally.wrong.append(f"{what}, and the next run: {error}")
            subject.prepare()
    return tally


def faults_of(kills: int, stops: int) -> list[tuple[Fault, int]]:
    """Which faults to bring about, and how many of each: those of the way back too, but fewer."""
    return [
        (kill, kills),
        (kill_way_back, max(3, kills // 10) if kills else 0),
        (cut_power, stops),
        (cut_power_twice, max(1, stops // 4) if stops else 0),
    ]


def examine(lab: Lab, backend: str, release: str, options: argparse.Namespace) -> list[str]:
    """Examine one backend on one release, print the counts; sentences about what must not be."""
    begin = time.monotonic()
    subject = Subject(lab, backend, release)
    wrong: list[str] = []
    try:
        subject.prepare()
        for fault, wanted in faults_of(options.kills, options.stops):
            tally = repeat(subject, fault, wanted)
            print(f"{subject.name}, {fault.__name__}: {tally}", flush=True)
            print(*tally.wrong, sep="\n", end="\n" * bool(tally.wrong), file=sys.stderr, flush=True)
            wrong += tally.wrong
            if fault is kill_way_back:
                # What an interface gets from the kernel's defaults when it comes up is not what it had before.
                subject.ignored.add("settings")
    except FaultError as error:
        wrong.append(f"{subject.name}, undisturbed: {error}")
        print(wrong[-1], file=sys.stderr, flush=True)
    print(f"{subject.name}: {time.monotonic() - begin:.0f} s", flush=True)
    lab.down([subject.name])
    return wrong


def main() -> int:
    """Read the command line, do as told, print the counts."""
    parser = argparse.ArgumentParser(
        description="Are the rules whole, whenever the module is killed or the power goes?"
    )
    parser.add_argument("--backend", action="append", choices=IMAGES, help="default: each")
    parser.add_argument("--release", action="append", choices=RELEASES, help="default: each")
    parser.add_argument("--kills", type=int, default=200, help="for each backend and release (default: 200)")
    parser.add_argument("--stops", type=int, default=20, help="for each backend and release (default: 20)")
    parser.add_argument("--lab", default="faults", metavar="NAME", help="default: faults")
    options = parser.parse_args()
    reason = machine.why_not(disk=True)
    if reason:
        print(f"The lab cannot run here: {reason}.")
        return CANNOT_RUN
    lab = Lab(options.lab)
    was_up = lab.space.anchor() is not None
    hosts = itertools.product(options.backend or IMAGES, options.release or RELEASES)
    wrong = [sentence for backend, release in hosts for sentence in examine(lab, backend, release, options)]
    if not was_up:
        lab.down()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
