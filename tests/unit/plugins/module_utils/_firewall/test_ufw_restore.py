# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ufw taken back from wherever a run was stopped: old rules whole, in files and kernel, whoever wrote in between."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import ufw
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError, Request
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_rules import parse
from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, Flow
from ansible_collections.netwall.datadog.tests.unit.plugins.module_utils._firewall._ufw_files import (
    TEMPLATES,
    OperatorsRule,
    block,
    operators_rules,
    rules_file,
)
from ansible_collections.netwall.datadog.tests.unit.plugins.module_utils._firewall._ufw_machine import Machine, Stopped

LOGS = Flow("logs-tcp-443-out", "outbound", "allow", "tcp", 443, ("192.0.2.0/24", "2001:db8::/32"))
ONLY4 = dataclasses.replace(LOGS, networks=("192.0.2.0/24", "198.51.100.0/24"))
NTP = Flow("ntp-udp-123-out", "outbound", "allow", "udp", 123, ANYWHERE)
CLOSED = Flow("dogstatsd-udp-8125-in", "inbound", "deny", "udp", 8125, ANYWHERE)
# One that says the same as one of ours, and one that decides all of ours.
SAME = OperatorsRule("allow", "tcp", dport="443", dst="192.0.2.0/24", way="out")
ALL_OUT = OperatorsRule("deny", way="out")

_theirs = st.lists(st.one_of(st.sampled_from([SAME, ALL_OUT]), operators_rules(4)), max_size=4)
_requests = st.builds(
    Request,
    flows=st.lists(st.sampled_from([LOGS, ONLY4, NTP, CLOSED]), max_size=3, unique_by=lambda flow: flow.id).map(tuple),
    precedence=st.sampled_from(["theirs", "ours"]),
    default_outbound=st.sampled_from(["unmanaged", "unmanaged", "deny", "allow"]),
    management=st.just(False),
)
_removals = st.just(Request(state="absent", management=False))
_policies = st.sampled_from(["allow", "deny", "reject"])
# What is asked first, and then.
_both = st.tuples(_requests, st.one_of(_requests, _removals))
_effects = st.integers(0, 12)
_lost = st.sets(st.sampled_from(["ufw.conf", "user.rules", "user6.rules"]))


def switching_on(request: Request) -> Request:
    return dataclasses.replace(request, enable=True)


@contextlib.contextmanager
def host(rules: t.Mapping[int, str], outbound: str = "allow", enabled: bool = True) -> t.Iterator[Machine]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        machine = Machine(Path(folder), rules, outbound, enabled)
        machine.settle(patched.setattr)
        # What the disk would have to be waited for is no question here.
        patched.setattr(os, "fsync", lambda _descriptor: None)
        yield machine


def rules_of(theirs: t.Sequence[OperatorsRule]) -> dict[int, str]:
    return {4: rules_file(4, *(block(rule, 4) for rule in theirs)), 6: rules_file(6)}


def run(machine: Machine, request: Request, record: dict[str, t.Any], effects: int | None = None) -> t.Any:
    """The plan of a run that is stopped after so many *effects*, None: that goes on to its end."""
    backend = ufw.Ufw()
    with contextlib.suppress(Stopped), backend.exclusive():
        plan = backend.plan(request, record)
        machine.left = effects
        plan.apply(lambda _step: None)
    machine.left = None
    return plan


def take_back(machine: Machine, plan: t.Any, effects: int | None = None) -> None:
    """Restore what *plan* found, as the journal keeps it, by a process that knows nothing else."""
    machine.left = effects
    with contextlib.suppress(Stopped):
        ufw.Ufw().restore(json.loads(json.dumps(plan.snapshot)))
    machine.left = None


# --- Nobody else at work ----------------------------------------------------------------------------------------------


@given(_theirs, _policies, _both, _effects, _effects)
@example([SAME, ALL_OUT], "allow", (Request((LOGS,), precedence="ours"), Request((LOGS, NTP))), 1, 0)
def test_whenever_a_run_is_stopped_all_is_as_it_was(
    theirs: list[OperatorsRule], outbound: str, both: tuple[Request, Request], effects: int, again: int
) -> None:
    with host(rules_of(theirs), outbound) as machine:
        record = run(machine, both[0], {}).record
        before = machine.everything()
        plan = run(machine, both[1], record, effects)
        take_back(machine, plan, again)
        for _time in range(2):
            take_back(machine, plan)
            assert machine.everything() == before


@pytest.mark.parametrize("rules", [TEMPLATES, rules_of([SAME])], ids=["never enabled", "enabled once"])
@given(_requests, _policies, _effects, _effects)
def test_a_ufw_that_was_off_is_off_again(
    rules: dict[int, str], request: Request, outbound: str, effects: int, again: int
) -> None:
    with host(rules, outbound, enabled=False) as machine:
        before = machine.everything()
        plan = run(machine, switching_on(request), {}, effects)
        take_back(machine, plan, again)
        for _time in range(2):
            take_back(machine, plan)
            assert machine.everything() == before


@given(_requests, _policies, _effects, _effects)
def test_a_ufw_that_was_on_by_our_hand_is_on_again(request: Request, outbound: str, effects: int, again: int) -> None:
    with host(rules_of([SAME]), outbound, enabled=False) as machine:
        record = run(machine, switching_on(request), {}).record
        before = machine.everything()
        plan = run(machine, Request(state="absent", management=False), record, effects)
        take_back(machine, plan, again)
        for _time in range(2):
            take_back(machine, plan)
            assert machine.everything() == before


# --- A boot in between ------------------------------------------------------------------------------------------------


def go_down(machine: Machine, lost: t.Container[str]) -> None:
    """Cut the power: what was not flushed is *lost*, and the next boot gets to where our code runs."""
    machine.cuts_power = False
    machine.boot(lost)


@given(_theirs, _policies, _both, _effects)
def test_a_host_that_goes_down_in_a_run_comes_up_as_it_was(
    theirs: list[OperatorsRule], outbound: str, both: tuple[Request, Request], effects: int
) -> None:
    with host(rules_of(theirs), outbound) as machine:
        record = run(machine, both[0], {}).record
        before = machine.everything()
        plan = run(machine, both[1], record, effects)
        go_down(machine, ())
        take_back(machine, plan)
        machine.start()
        assert machine.everything() == before


@given(_requests, _policies, _effects, _lost)
def test_a_host_whose_ufw_was_off_comes_up_with_it_off(
    request: Request, outbound: str, effects: int, lost: set[str]
) -> None:
    with host(rules_of([SAME]), outbound, enabled=False) as machine:
        before = machine.everything()
        machine.cuts_power = True
        plan = run(machine, switching_on(request), {}, effects)
        go_down(machine, lost)
        take_back(machine, plan)
        machine.start()
        assert machine.everything() == before


@given(_requests, _policies, _effects, _lost)
def test_a_host_whose_ufw_was_on_by_our_hand_comes_up_with_it_on(
    request: Request, outbound: str, effects: int, lost: set[str]
) -> None:
    with host(rules_of([SAME]), outbound, enabled=False) as machine:
        record = run(machine, switching_on(request), {}).record
        before = machine.everything()
        machine.cuts_power = True
        plan = run(machine, Request(state="absent", management=False), record, effects)
        go_down(machine, lost)
        take_back(machine, plan)
        machine.start()
        assert machine.everything() == before


# --- An operator in between -------------------------------------------------------------------------------------------


@given(_theirs, _policies, _both, _effects, operators_rules(4), st.booleans())
def test_what_an_operator_added_since_stays_and_ours_are_the_old_ones(
    theirs: list[OperatorsRule],
    outbound: str,
    both: tuple[Request, Request],
    effects: int,
    added: OperatorsRule,
    reloads: bool,
) -> None:
    with host(rules_of(theirs), outbound) as machine:
        record = run(machine, both[0], {}).record
        before = _file(machine)
        plan = run(machine, both[1], record, effects)
        machine.operator_adds(block(added, 4), 4, added.iptables_lines(4), reloads)
        for _time in range(2):
            take_back(machine, plan)
            after = _file(machine)
            assert after.theirs == (*before.theirs, *parse(rules_file(4, block(added, 4)), 4, "").theirs)
            assert after.ours == before.ours
            assert ("theirs" if "theirs" in before.in_place else "ours") in after.in_place
            assert machine.kernel[4].chains == machine.loaded()[4].chains


def _file(machine: Machine) -> t.Any:
    return parse(machine.rules[4].read_text(encoding="utf-8"), 4, "")


# --- Corners ----------------------------------------------------------------------------------------------------------


def test_a_ufw_that_is_half_loaded_is_started_afresh() -> None:
    with host(rules_of([SAME])) as machine:
        before = machine.everything()
        plan = run(machine, Request((NTP,)), {})
        del machine.kernel[4].chains["ufw-before-output"][-1]
        take_back(machine, plan)
        assert machine.everything() == before


def test_a_rule_of_ours_that_an_operator_took_over_stays_his() -> None:
    with host(rules_of([])) as machine:
        plan = run(machine, Request((NTP,)), {})
        [line] = [line for line in machine.kernel[4].chains["ufw-user-output"] if "123" in line]
        path = machine.rules[4]
        text = path.read_text(encoding="utf-8")
        mark = text.partition(" comment=")[2].partition("\n")[0]
        path.write_text(text.replace(f" comment={mark}", ""), encoding="utf-8")
        take_back(machine, plan)
        assert machine.kernel[4].chains["ufw-user-output"] == [line]
        assert (_file(machine).ours, len(_file(machine).theirs)) == ((), 1)


def test_what_a_later_round_changes_is_taken_back_too() -> None:
    with host({4: rules_file(4), 6: rules_file(6)}) as machine:
        run(machine, Request((LOGS,), management=False), {})
        before = parse(machine.rules[6].read_text(encoding="utf-8"), 6, "")
        more = dataclasses.replace(LOGS, networks=(*LOGS.networks, "198.51.100.0/24"))
        first = run(machine, Request((more,), management=False), {})
        # A ufw command that had waited: in the second round ours of the other family go behind its rule.
        added = OperatorsRule("deny", "tcp", dport="2222", way="out")
        machine.operator_adds(block(added, 6), 6, added.iptables_lines(6), reloads=False)
        run(machine, Request((more,), management=False), {}, effects=1)
        take_back(machine, first)
        after = parse(machine.rules[6].read_text(encoding="utf-8"), 6, "")
        assert (after.ours, len(after.theirs)) == (before.ours, 1)
        assert machine.kernel[6].chains == machine.loaded()[6].chains


# --- A ufw command at work meanwhile ----------------------------------------------------------------------------------


@contextlib.contextmanager
def ufw_at_work(machine: Machine, looks: int) -> t.Iterator[None]:
    """A ``ufw`` that has read the rules, is seen so many times, and then writes them back with a rule of its own."""
    added = OperatorsRule("allow", "tcp", dport="2222")
    stale = machine.rules[4].read_text(encoding="utf-8")
    left = [looks]

    def commands() -> set[tuple[str, str]]:
        left[0] -= 1
        if left[0] == 0:
            machine.rules[4].write_text(stale, encoding="utf-8")
            machine.operator_adds(block(added, 4), 4, added.iptables_lines(4), reloads=False)
        return {("7", "1")} if left[0] > 0 else set()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ufw, "_ufw_commands", commands)
        yield


def test_a_ufw_command_that_had_read_the_taken_back_rules_does_not_bring_them_again() -> None:
    with host(rules_of([])) as machine:
        run(machine, Request((LOGS,), management=False), {})
        before = _file(machine)
        plan = run(machine, Request((NTP,), management=False), {})
        with ufw_at_work(machine, 3):
            take_back(machine, plan)
        after = _file(machine)
        assert (after.ours, len(after.theirs)) == (before.ours, 1)
        assert machine.kernel[4].chains == machine.loaded()[4].chains


def test_a_ufw_command_that_does_not_end_is_waited_for_once() -> None:
    with host(rules_of([])) as machine, pytest.MonkeyPatch.context() as late:
        before = _file(machine)
        plan = run(machine, Request((LOGS,), management=False), {})
        late.setattr(ufw, "_ufw_commands", lambda: {("7", "1")})
        waited: list[object] = []
        late.setattr(ufw, "_wait_for_end", waited.append)
        take_back(machine, plan)
        assert (_file(machine), waited) == (before, [{("7", "1")}])


def test_ufw_commands_that_keep_coming_are_told_of() -> None:
    with host(rules_of([])) as machine, pytest.MonkeyPatch.context() as late:
        plan = run(machine, Request((LOGS,), management=False), {})
        numbers = itertools.count()
        late.setattr(ufw, "_ufw_commands", lambda: {(f"{next(numbers)}", "1")})
        with pytest.raises(FirewallError, match=r"^ufw commands keep coming"):
            take_back(machine, plan)


# --- A ufw that its operator switched off meanwhile -------------------------------------------------------------------


def test_a_ufw_that_its_operator_switched_off_since_stays_off_and_ours_are_the_old_ones() -> None:
    with host(rules_of([SAME])) as machine:
        before = _file(machine)
        plan = run(machine, Request((NTP,), management=False), {})
        machine._disable()
        kernel = machine.everything()["IPv4"]
        take_back(machine, plan)
        assert not machine.enabled
        assert machine.everything()["IPv4"] == kernel
        assert _file(machine) == before
