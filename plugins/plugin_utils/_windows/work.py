# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What has to be done to a Windows host: what it has, what it is to have, and the steps from one to the other."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.addresses import Addresses
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.modules import Difference, Listed, difference
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.record import Kept, Profile, Record
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.rules import (
    PROFILES,
    Match,
    Rule,
    Want,
    compile_rules,
    less_what_is_allowed,
)

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.profiles import ProfilePlan, Profiles


@dataclasses.dataclass(frozen=True)
class Request:
    """What a host is to have.

    ``wants`` are the flows; ``essentials`` what the host must go on doing where the rest is denied; ``management`` what
    keeps the connection of the play, which is never blocked and gets a rule where ``must_keep`` or where a default
    changes.
    """

    wants: tuple[Want, ...] = ()
    essentials: tuple[Want, ...] = ()
    management: Want | None = None
    must_keep: bool = False
    is_present: bool = True
    enable: bool = False
    default_outbound: str = "unmanaged"
    document: str = ""


@dataclasses.dataclass(frozen=True)
class Standing:
    """What the host has: its record, and ``rules`` of ours with their properties, where they can be told.

    ``is_lost``: the record is missing or damaged although outgoing traffic is denied by us.
    """

    record: Record
    rules: Listed
    is_lost: bool = False
    is_damaged: bool = False

    @property
    def is_clean(self) -> bool:
        return self.record.is_empty and not self.is_damaged and not self.rules.rules


@dataclasses.dataclass(frozen=True)
class Step:
    """A rule to set. ``both`` has the addresses that it had, too, if it loses some; ``moves``: to another rule."""

    rule: Rule
    found: Difference
    both: Rule | None
    moves: bool


@dataclasses.dataclass(frozen=True)
class Work:
    """All that has to be done. ``ahead`` is the record from before the first step on, ``after`` from after the last."""

    request: Request
    standing: Standing
    plan: ProfilePlan
    wants: tuple[Want, ...]
    rules: tuple[Rule, ...]
    steps: tuple[Step, ...]
    gone: tuple[str, ...]
    switches_on: tuple[str, ...]
    switches_off: tuple[str, ...]
    ahead: Record
    after: Record


def work_of(request: Request, standing: Standing, profiles: Profiles) -> Work:
    """What has to be done for *request* on a host that has *standing* and *profiles*."""
    old = standing.record
    plan = profiles.plan()
    switches_on = profiles.off if request.enable and request.is_present else ()
    # One that somebody switched off meanwhile is theirs again.
    ours = {name for name in profiles.on if old.is_ours(name)}
    wants = tuple(_wants(request, ours.union(switches_on)))
    rules = tuple(compile_rules(wants))
    flows = kept(wants)
    steps = tuple(_steps(rules, standing.rules))
    names = frozenset(rule.name for rule in rules)
    stand_ins = {step.rule.stand_in().name for step in steps if step.found.is_anew}
    return Work(
        request=request,
        standing=standing,
        plan=plan,
        wants=wants,
        rules=rules,
        steps=steps,
        gone=tuple(sorted((old.rules | set(standing.rules.rules)) - names)),
        switches_on=switches_on,
        switches_off=() if request.is_present else tuple(name for name in profiles.on if name in ours),
        ahead=Record(
            rules=old.rules | names | stand_ins | set(standing.rules.rules),
            flows={name: flow for name, flow in old.flows.items() if flows.get(name) == flow},
            profiles=_profiles(plan.record, ours | set(switches_on)),
            document=old.document,
        ),
        after=Record(
            rules=names,
            flows=flows,
            profiles=_profiles(plan.after, ours | set(switches_on) if request.is_present else set()),
            document=request.document if request.is_present else "",
        ),
    )


def kept(wants: t.Iterable[Want]) -> dict[str, Kept]:
    """What is recorded of each flow that has rules, by id."""
    digests: dict[str, list[str]] = collections.defaultdict(list)
    about = {}
    for want in wants:
        digests[want.id].append(want.digest)
        about[want.id] = traffic(want)
    return {
        name: Kept(about[name], hashlib.sha256(" ".join(sorted(parts)).encode()).hexdigest()[:16])
        for name, parts in digests.items()
    }


def traffic(one: Want | Rule) -> str:
    """What *one* is about, in words: ``outbound tcp 443``."""
    return f"{one.match.direction} {one.match.protocol} {one.match.port or 'any'}"


def _wants(request: Request, ours: t.Collection[str]) -> list[Want]:
    """What *request* wants where *ours* are the profiles that are on by us, or will be."""
    if not request.is_present:
        return []
    is_denied = request.default_outbound == "deny"
    wants = [*request.wants, *(request.essentials if is_denied else ())]
    management = [request.management] if request.management else []
    if request.must_keep or is_denied or ours:
        wants += management
    return less_what_is_allowed(wants, management)


def _profiles(planned: t.Mapping[str, Profile], ours: t.Container[str]) -> dict[str, Profile]:
    return {name: dataclasses.replace(planned.get(name, Profile()), is_ours=name in ours) for name in PROFILES}


def _steps(rules: t.Sequence[Rule], listed: Listed) -> t.Iterator[Step]:
    """The rules that have to be set, or may have to."""
    whole: dict[Match, Addresses] = collections.defaultdict(Addresses)
    for rule in rules:
        whole[rule.match] |= rule.addresses
    for rule in rules:
        is_there = rule.name in listed.rules
        found = difference(rule, listed.rules[rule.name]) if is_there else Difference(True, None, {})
        before = found.before or Addresses()
        lost = before - rule.addresses
        both = dataclasses.replace(rule, remote=(before | rule.addresses).entries()) if lost else None
        if found.is_needed:
            yield Step(rule, found, both, moves=bool(lost & whole[rule.match]))
