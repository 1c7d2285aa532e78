# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Flows as rules of Windows Firewall: what is to stand there, as arguments of community.windows.win_firewall_rule.

Pure: nothing here asks or changes a host.

A block beats an allow on Windows, whatever their order, so a denied flow is compiled into a block of everything that it
names but what is allowed. Nothing has to be said of the host itself: rules of Windows Firewall have no effect on
loopback (Microsoft, KB 2771908), and what a host sends to its own addresses is loopback.

The module changes the properties of a rule one by one. A rule's name therefore says everything of it that decides what
it is about, so that a rule of a known name differs in its addresses or its description alone.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import re
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.addresses import Addresses

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._flow import Flow

GROUP = "netwall.datadog"
PROFILES = ("Domain", "Private", "Public")

# Entries in a rule's list. The module documents no limit; tools that block long lists found that Windows Firewall takes
# 1,000. A fifth of it keeps well away from that, keeps a rule readable, and makes a changed address rewrite little.
LONGEST_LIST = 200

# Where a remote end is a word of Windows's own instead of addresses: the name servers of the host's adapters.
NAME_SERVERS = "DNS"

_DIRECTIONS = {"outbound": "out", "inbound": "in"}
_ACTIONS = {"allow": "allow", "deny": "block"}
_NAME = re.compile(
    rf"{re.escape(GROUP)}: (in|out) (allow|block) [a-z0-9]+( \d+)?( from \d+)?( to dns)?( for [^,']+)? #\d+/\d+\Z"
)
_LONGEST_DESCRIPTION = 500


@dataclasses.dataclass(frozen=True)
class Program:
    """Whom a rule is for: a program by its path, a service by its short name, or both; an empty one is nobody."""

    path: str = ""
    service: str = ""

    def __str__(self) -> str:
        """A name that two programs share only if they are one; Windows's paths and services know no case."""
        whole = f"{self.path}|{self.service}".lower()
        shown = re.sub(r"[^a-z0-9._-]", "", (self.service or self.path.rpartition("\\")[2]).lower())
        return f"{shown} {hashlib.sha256(whole.encode()).hexdigest()[:8]}"


@dataclasses.dataclass(frozen=True)
class Match:
    """What a rule is about beside addresses. ``port`` is the one that connections go to, of this host if inbound.

    ``source_port`` is the other one; ``word`` stands for the remote end, see :data:`NAME_SERVERS`.
    """

    direction: str
    action: str
    protocol: str
    port: int | None = None
    source_port: int | None = None
    program: Program | None = None
    word: str = ""

    def __str__(self) -> str:
        parts = [_DIRECTIONS[self.direction], _ACTIONS[self.action], self.protocol]
        parts += [str(self.port)] if self.port else []
        parts += [f"from {self.source_port}"] if self.source_port else []
        parts += [f"to {self.word.lower()}"] if self.word else []
        parts += [f"for {self.program}"] if self.program else []
        return f"{GROUP}: {' '.join(parts)}"


@dataclasses.dataclass(frozen=True)
class Want:
    """One thing that is wanted: the part of a flow (or of what a host must go on doing) that one rule can say."""

    id: str
    match: Match
    addresses: Addresses
    purpose: str = ""

    @property
    def digest(self) -> str:
        """Differs where the rules differ that it makes."""
        text = f"{self.match} {','.join(self.addresses.entries())}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule as it is to stand; ``remote`` is its list of addresses, ``ids`` are the flows that it is for."""

    name: str
    match: Match
    remote: tuple[str, ...]
    ids: tuple[str, ...]
    description: str

    def arguments(self) -> dict[str, t.Any]:
        """What community.windows.win_firewall_rule is to be given."""
        match = self.match
        arguments = {
            "name": self.name,
            "group": GROUP,
            "description": self.description,
            "state": "present",
            "enabled": True,
            "direction": _DIRECTIONS[match.direction],
            "action": _ACTIONS[match.action],
            "protocol": match.protocol,
            "profiles": [profile.lower() for profile in PROFILES],
            "remoteip": ",".join(self.remote),
        }
        here, there = ("localport", "remoteport") if match.direction == "inbound" else ("remoteport", "localport")
        arguments.update({here: str(match.port)} if match.port else {})
        arguments.update({there: str(match.source_port)} if match.source_port else {})
        if match.program and match.program.path:
            arguments["program"] = match.program.path
        if match.program and match.program.service:
            arguments["service"] = match.program.service
        return arguments

    @property
    def addresses(self) -> Addresses:
        """The addresses of :attr:`remote`; none where that is a word."""
        return Addresses() if self.match.word else Addresses.parse(",".join(self.remote))

    @property
    def is_block(self) -> bool:
        return self.match.action == "deny"

    def stand_in(self) -> Rule:
        """The same under another name of ours, which no rule has that :func:`compile_rules` makes."""
        return dataclasses.replace(self, name=f"{self.match} #0/1")

    def __str__(self) -> str:
        """The rule in one line, for a diff."""
        return f"{self.name}: {', '.join(self.remote)}"


def is_name_of_ours(name: str) -> bool:
    """Whether *name* is one that :func:`compile_rules` gives."""
    return bool(_NAME.match(name))


def wants_of(flows: t.Iterable[Flow], programs: t.Sequence[Program], for_any: t.Container[str]) -> list[Want]:
    """What *flows* come to. An allowed outbound one is for *programs* alone, unless they are none or its id is in
    *for_any*."""
    found = []
    for flow in flows:
        is_tied = flow.direction == "outbound" and flow.action == "allow" and flow.id not in for_any
        addresses = Addresses.of(flow.networks)
        for program in (programs if is_tied else ()) or (None,):
            match = Match(flow.direction, flow.action, flow.protocol, flow.port, program=program)
            found.append(Want(flow.id, match, addresses, flow.purpose))
    return found


def less_what_is_allowed(wants: t.Sequence[Want], others: t.Sequence[Want] = ()) -> list[Want]:
    """*wants*, the denied ones without what they or *others* allow of the same direction, protocol and port.

    One of which nothing is left is not among them.
    """
    allowed: dict[tuple[str, str, int | None], Addresses] = collections.defaultdict(Addresses)
    for want in (*wants, *others):
        if want.match.action == "allow":
            allowed[_traffic(want.match)] |= want.addresses
    left = [
        dataclasses.replace(want, addresses=want.addresses - allowed[_traffic(want.match)])
        if want.match.action == "deny"
        else want
        for want in wants
    ]
    return [want for want in left if want.addresses or want.match.word]


def compile_rules(wants: t.Iterable[Want]) -> list[Rule]:
    """The rules that say *wants*: one for each match, or as many as its list of addresses takes. Allows come first."""
    by_match: dict[Match, list[Want]] = collections.defaultdict(list)
    for want in wants:
        by_match[want.match].append(want)
    rules = [rule for match, parts in by_match.items() for rule in _rules(match, parts)]
    return sorted(rules, key=lambda rule: (rule.is_block, rule.name))


def _rules(match: Match, wants: t.Sequence[Want]) -> t.Iterator[Rule]:
    united = Addresses()
    for want in wants:
        united |= want.addresses
    lists = _split((match.word,) if match.word else united.entries())
    ids = tuple(dict.fromkeys(want.id for want in wants))
    purposes = "; ".join(dict.fromkeys(want.purpose for want in wants if want.purpose))
    # Windows keeps a rule as one text, whose parts a vertical bar ends.
    description = f"{', '.join(ids)}{f' ({purposes})' if purposes else ''}".replace("|", "/")
    if len(description) > _LONGEST_DESCRIPTION:
        description = f"{description[: _LONGEST_DESCRIPTION - 1]}…"
    for number, remote in enumerate(lists, 1):
        # An empty list would mean anywhere to Windows. With the count in its name no list changes its addresses only
        # because there are more lists now: the new ones stand beside the old ones until those go.
        if remote:
            yield Rule(f"{match} #{number}/{len(lists)}", match, remote, ids, description)


def _split(entries: tuple[str, ...]) -> list[tuple[str, ...]]:
    """*entries* as lists of at most :data:`LONGEST_LIST`.

    Where an entry goes depends on it alone, so that one more or less does not move the others to other rules. The
    number of lists is a power of two, so that it seldom changes.
    """
    count = 1
    while True:
        lists: list[list[str]] = [[] for _number in range(count)]
        for entry in entries:
            lists[int(hashlib.sha256(entry.encode()).hexdigest(), 16) % count].append(entry)
        if max(map(len, lists)) <= LONGEST_LIST:
            return [tuple(part) for part in lists]
        count *= 2


def _traffic(match: Match) -> tuple[str, str, int | None]:
    return match.direction, match.protocol, match.port
