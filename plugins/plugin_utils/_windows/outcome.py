# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What is told of a run on a Windows host: which flows gained or lost rules, and the lines of the diff."""

from __future__ import annotations

import collections
import dataclasses
import typing as t
import uuid

from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.addresses import Addresses
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.rules import PROFILES
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.work import traffic

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.work import Work


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be; see RETURN of the module host_firewall."""

    changed: bool = False
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    switches_on: bool = False
    keeps_management: bool = False
    transaction: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


def outcome_of(work: Work, changed: t.Collection[str], warnings: t.Iterable[str], *, is_check: bool) -> Outcome:
    """What is told of *work* that *changed* the rules of these names."""
    old, new = work.standing.record.flows, work.after.flows
    gained = _gained(work, changed)
    has_changed = bool(changed or work.switches_on or work.switches_off or work.plan.restores or work.plan.sets)
    done = {"id": uuid.uuid4().hex, "confirm_within": 0, "state": "committed"}
    management = work.request.management
    return Outcome(
        changed=has_changed,
        added=tuple(name for name in new if name in gained),
        removed=tuple(name for name, flow in old.items() if name not in new or flow.digest != new[name].digest),
        unchanged=tuple(name for name in new if name not in gained),
        warnings=tuple(warnings),
        before=tuple(sorted(_before(work, changed))),
        after=tuple(sorted(_after(work))),
        switches_on=bool(work.switches_on),
        keeps_management=bool(management and management.id in new),
        transaction=done if has_changed and not is_check else {},
    )


def _gained(work: Work, changed: t.Collection[str]) -> set[str]:
    """The ids of the flows that gained rules."""
    old, new = work.standing.record.flows, work.after.flows
    touched = {
        flow.traffic
        for name in {*old, *new}
        if old.get(name) != new.get(name)
        for flow in (old.get(name), new.get(name))
        if flow
    }
    rules_of = collections.defaultdict(set)
    mended: set[str] = set()
    for rule in work.rules:
        for name in rule.ids:
            rules_of[name].add(rule.name)
        # Where no flow changed, a rule that did is one that somebody else had changed.
        if rule.name in changed and traffic(rule) not in touched:
            mended.update(rule.ids)
    # A run that was cut off, or a record that is gone, leaves flows without a record whose rules stand.
    stands = {name for name in new if name not in old and not rules_of[name] & set(changed)}
    return {name for name in new if name in mended or old.get(name) != new[name]} - stands


def _before(work: Work, changed: t.Collection[str]) -> t.Iterator[str]:
    by_name = {rule.name: rule for rule in work.rules}
    for name, found in work.standing.rules.rules.items():
        if name in by_name and name not in changed:
            yield str(by_name[name])
        else:
            yield f"{name}: {_shown((found or {}).get('RemoteAddresses', ''))}"
    back = [profile for profiles in work.plan.restores.values() for profile in profiles]
    for profile in PROFILES:
        if profile in work.plan.sets or profile in back:
            yield f"outgoing by default in {profile}: {work.plan.actions[profile]}"
        if profile in work.switches_on or profile in work.switches_off:
            yield f"profile {profile}: {'off' if profile in work.switches_on else 'on'}"


def _shown(told: str) -> str:
    """The addresses that Windows *told*, as those of a rule that is wanted are shown."""
    try:
        return ", ".join(Addresses.parse(told).entries())
    except ValueError:
        # A word of Windows's own, what somebody else wrote, or nothing.
        return ", ".join(told.split(",")) if told else "addresses not known"


def _after(work: Work) -> t.Iterator[str]:
    yield from map(str, work.rules)
    actions = {profile: action for action, profiles in work.plan.restores.items() for profile in profiles}
    actions.update(dict.fromkeys(work.plan.sets, work.plan.action))
    for profile, action in actions.items():
        yield f"outgoing by default in {profile}: {action}"
    for profile in (*work.switches_on, *work.switches_off):
        yield f"profile {profile}: {'on' if profile in work.switches_on else 'off'}"
