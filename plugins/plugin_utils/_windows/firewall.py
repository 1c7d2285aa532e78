# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What is done to a Windows host, in which order.

There is no transaction on Windows: each rule is a call of its own. The order of the calls is such that a run may end
after any of them, and the next one completes it:

1. The record names every rule before it is there, and every profile before it is changed.
2. Where more is let out by default than before: blocks, the default, then allows. Where not: allows, blocks, then the
   default, so that deny stands only where all rules do. A block gives way to a default after that, never before.
3. What is no longer wanted goes.
4. The record forgets it.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.modules import (
    Listed,
    WindowsFirewallError,
    WindowsModules,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.outcome import Outcome, outcome_of
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.profiles import Profiles
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.record import Profile, Record, parse
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.rules import Rule, is_name_of_ours
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.work import (
    Request,
    Standing,
    Step,
    Work,
    work_of,
)

# What is no longer known where the record is not: whether it says that outgoing traffic is denied.
_UNKNOWN = {
    True: "What the profiles did with outgoing traffic before is no longer known, so they go back to what Windows "
    "comes with (allowed) when this is taken back.",
    False: "Which profiles this module switched on is no longer known.",
}


def reconcile(modules: WindowsModules, request: Request, *, is_check: bool) -> Outcome:
    """Bring the host to *request*, or with *is_check* tell what that would be.

    Raises :class:`WindowsFirewallError`.
    """
    standing = _look(modules)
    if standing.is_clean and not request.is_present:
        return Outcome()
    profiles = Profiles(
        modules,
        standing.record.profiles,
        request.default_outbound if request.is_present else "unmanaged",
        is_lost=standing.is_lost,
    )
    if request.is_present and not request.enable and not profiles.on:
        raise WindowsFirewallError(
            "Windows Firewall is off in all of its profiles, so no rule would do anything; switch it on, or set "
            "'enable: true'."
        )
    work = work_of(request, standing, profiles)
    is_under_policy = bool(work.rules) and modules.is_under_policy()
    changed = _predicted(modules, work) if is_check else _Doing(modules, work, profiles).all()
    warnings = _warnings(work, () if request.enable else profiles.off, is_under_policy=is_under_policy)
    return outcome_of(work, changed, warnings, is_check=is_check)


def _look(modules: WindowsModules) -> Standing:
    value = modules.read_record()
    record = Record() if value is None else parse(value)
    found = modules.rules().rules
    # Windows knows a name in capitals, too, and changes and removes the rule by ours.
    ours = {name.lower(): properties for name, properties in found.items() if is_name_of_ours(name.lower())}
    # Rules for what a host must go on doing are there only where everything else was denied, by us.
    is_denied = any(" out allow icmpv4 " in name for name in ours)
    is_missing = value is None or record is None
    return Standing(record or Record(), Listed(ours), is_missing and is_denied, record is None)


def _predicted(modules: WindowsModules, work: Work) -> set[str]:
    """The names of the rules that would change."""
    there = work.standing.rules.rules
    unsure = [step for step in work.steps if step.rule.name in there and there[step.rule.name] is None]
    same = {step.rule.name for step in unsure if not modules.put(step.rule, {}, is_check=True)}
    return {step.rule.name for step in work.steps} - same | {name for name in work.gone if name in there}


class _Doing:
    """Takes the steps of *work*, which nothing but :meth:`all` begins."""

    def __init__(self, modules: WindowsModules, work: Work, profiles: Profiles) -> None:
        self._modules = modules
        self._work = work
        self._profiles = profiles
        self._recorded = work.standing.record
        self._must_write = work.standing.is_damaged
        self._has_acted = False
        self._changed: set[str] = set()
        # The names of rules that had to go before they could be made.
        self._made: set[str] = set()

    def all(self) -> set[str]:
        """Take all steps; the names of the rules that changed."""
        work, plan = self._work, self._work.plan
        try:
            self._write(work.ahead)
            if plan.restores or work.switches_off or (plan.sets and plan.action == "allow"):
                after = self._open()
            else:
                after = self._close()
            self._changed |= {name for name in work.gone if self._act(self._modules.drop, name)}
            self._write(after)
        except WindowsFirewallError as error:
            if not self._has_acted:
                raise
            raise WindowsFirewallError(
                f"{error} What was done before stands and is safe; run this again, which completes it."
            ) from None
        return self._changed

    def _open(self) -> Record:
        """Let more out by default, once everything is blocked that is to be closed by a rule from then on."""
        plan = self._work.plan
        self._put([step for step in self._work.steps if step.rule.is_block])
        for action, profiles in plan.restores.items():
            self._set(profiles, action)
        if self._work.switches_off:
            self._act(self._modules.switch_off, self._work.switches_off)
        self._set(plan.sets, plan.action)
        self._put([step for step in self._work.steps if not step.rule.is_block])
        after, late = self._switch_on()
        self._set(late, plan.action)
        return after

    def _close(self) -> Record:
        """Set all rules, and let less out by default after that, if that is to be; a block gives way only then."""
        plan, steps = self._work.plan, self._work.steps
        changes_default = bool(plan.sets or self._work.switches_on)
        giving_way = [step for step in steps if step.rule.is_block and step.both and changes_default]
        self._put([step for step in steps if step not in giving_way])
        for step in giving_way:
            self._put_one(step.both or step.rule, step)
        after, late = self._switch_on()
        self._set(plan.sets + late, plan.action)
        self._put(giving_way)
        return after

    def _put(self, steps: t.Sequence[Step]) -> None:
        for step in steps:
            if step.both and step.moves:
                self._put_one(step.both, step)
        for step in steps:
            self._put_one(step.rule, step)

    def _put_one(self, rule: Rule, step: Step) -> None:
        stand_in = rule.stand_in() if step.found.is_anew and rule.name not in self._made else None
        if stand_in:
            # What the rule is about is never without one, or the play might not come in again to make it.
            self._act(self._modules.put, stand_in, {})
            self._act(self._modules.drop, rule.name)
            self._made.add(rule.name)
        if self._act(self._modules.put, rule, step.found.more) or rule.name not in self._work.standing.rules.rules:
            self._changed.add(rule.name)
        if stand_in:
            self._act(self._modules.drop, stand_in.name)

    def _switch_on(self) -> tuple[Record, tuple[str, ...]]:
        """Switch on what is to be; what to record in the end, and the profiles whose default is to be set still."""
        names, after = self._work.switches_on, self._work.after
        if not names:
            return after, ()
        self._act(self._modules.set_profiles, names)
        self._profiles.switched_on(names)
        # Only now can be told what they do with outgoing traffic.
        late = self._profiles.plan()
        sets = tuple(name for name in late.sets if name in names)
        if sets:
            ahead = self._work.ahead
            self._write(dataclasses.replace(ahead, profiles={**ahead.profiles, **_ours(late.record, names)}))
        return dataclasses.replace(after, profiles={**after.profiles, **_ours(late.after, names)}), sets

    def _set(self, profiles: tuple[str, ...], action: str) -> None:
        if profiles:
            self._act(self._modules.set_profiles, profiles, action)

    def _write(self, record: Record) -> None:
        """Have *record* kept, unless it is."""
        if self._must_write or record.lines() != self._recorded.lines():
            self._act(self._modules.write_record, record)
            self._recorded, self._must_write = record, False

    def _act(self, step: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
        answer = step(*arguments)
        self._has_acted = True
        return answer


def _ours(planned: t.Mapping[str, Profile], names: t.Sequence[str]) -> dict[str, Profile]:
    """What is recorded of the profiles of these *names*, which we switched on."""
    return {name: dataclasses.replace(planned[name], is_ours=True) for name in names if name in planned}


def _warnings(work: Work, off: t.Sequence[str], *, is_under_policy: bool) -> t.Iterator[str]:
    request, standing = work.request, work.standing
    if standing.is_damaged or (standing.record.is_empty and standing.rules.rules):
        yield (
            "The record that is kept in the host's registry is "
            f"{'damaged' if standing.is_damaged else 'gone'}; the rules were found by their group instead. "
            f"{_UNKNOWN[standing.is_lost]}"
        )
    if off and request.is_present:
        yield (
            f"Windows Firewall is off in {_profiles(off)}: no rule does anything on networks of that kind. "
            "Set 'enable: true' to have it switched on."
        )
    if is_under_policy:
        yield (
            "Group policy has settings of Windows Firewall for this host. They win over what is set here, and may say "
            "that rules set here do not count at all; it can't be seen from here what they come to."
        )
    if work.plan.stuck:
        yield (
            "Outgoing traffic is no longer to be denied by default, but Windows Firewall is off in "
            f"{_profiles(work.plan.stuck)}, so that this can't be changed there without switching it on. It stays "
            "for the time when it is on; run this again then."
        )
    if request.is_present and request.default_outbound == "deny" and (work.plan.sets or work.switches_on):
        yield (
            "Outgoing traffic is denied by default. What a host needs beside its Agent, its name servers, DHCP, ICMP "
            "and the time (domain controllers, updates, activation, certificate lists) is left to rules of others, "
            "such as Windows's own group 'Core Networking', which let out what they did before."
        )


def _profiles(names: t.Sequence[str]) -> str:
    return f"the profile{'s' if len(names) > 1 else ''} {', '.join(names)}"
