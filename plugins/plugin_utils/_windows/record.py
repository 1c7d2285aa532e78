# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What is kept on a Windows host of what this collection did there: one value in its registry.

It is one value, because that is written by one call and whole or not at all; a list of lines, because that can be read
with the host's own tools. Its last line is a digest of the others: a record that somebody changed is none.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.rules import PROFILES, is_name_of_ours

KEY = r"HKLM:\SOFTWARE\netwall.datadog"
VALUE = "record"

_FORMAT = "netwall.datadog 1"
OUTBOUND_ACTIONS = ("not_configured", "allow", "block")


@dataclasses.dataclass(frozen=True)
class Profile:
    """What was done to one profile: its default outbound action ``before`` us, and what we ``made`` it, if anything.

    That is two actions from before a change on until after it: a run that ends in between may have left either.
    ``is_ours``: it was off, and we switched it on.
    """

    before: str | None = None
    made: tuple[str, ...] = ()
    is_ours: bool = False


@dataclasses.dataclass(frozen=True)
class Kept:
    """A flow that has rules: what it is about (``outbound tcp 443``) and a digest of all that its rules say."""

    traffic: str
    digest: str


@dataclasses.dataclass(frozen=True)
class Record:
    """``rules``: the names of all rules that may stand on the host; ``flows`` by id; ``profiles`` by name.

    ``document`` says which published document the flows are from.
    """

    rules: frozenset[str] = frozenset()
    flows: t.Mapping[str, Kept] = dataclasses.field(default_factory=dict)
    profiles: t.Mapping[str, Profile] = dataclasses.field(default_factory=dict)
    document: str = ""

    def lines(self) -> list[str]:
        """The record as the lines of the registry's value."""
        lines = [_FORMAT]
        lines += [f"rule {name}" for name in sorted(self.rules)]
        lines += [f"flow {id} {kept.digest} {kept.traffic}" for id, kept in sorted(self.flows.items())]  # noqa: A001
        for name, profile in sorted(self.profiles.items()):
            made, whose = ",".join(profile.made) or "-", "ours" if profile.is_ours else "theirs"
            lines += [f"profile {name} {profile.before or '-'} {made} {whose}"] if profile != Profile() else []
        lines += [f"document {self.document}"] if self.document else []
        return [*lines, _sum(lines)]

    def is_ours(self, profile: str) -> bool:
        """Whether we switched *profile* on."""
        return self.profiles.get(profile, Profile()).is_ours

    @property
    def is_empty(self) -> bool:
        return not self.rules and not self.flows and not any(it != Profile() for it in self.profiles.values())


def parse(value: t.Any) -> Record | None:
    """The record that *value* is, as the registry tells it; None if it is damaged."""
    lines = value.splitlines() if isinstance(value, str) else value
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        return None
    if len(lines) < 2 or lines[0] != _FORMAT or lines[-1] != _sum(lines[:-1]):
        return None
    rules: set[str] = set()
    flows: dict[str, Kept] = {}
    profiles: dict[str, Profile] = {}
    document = ""
    for line in lines[1:-1]:
        kind, _space, rest = line.partition(" ")
        words = rest.split(" ")
        if kind == "rule" and is_name_of_ours(rest):
            rules.add(rest)
        elif kind == "flow" and len(words) > 2:
            flows[words[0]] = Kept(" ".join(words[2:]), words[1])
        elif kind == "profile" and len(words) == 4 and words[0] in PROFILES:
            before = words[1] if words[1] in OUTBOUND_ACTIONS else None
            made = tuple(word for word in words[2].split(",") if word in OUTBOUND_ACTIONS)
            profiles[words[0]] = Profile(before, made, words[3] == "ours")
        elif kind == "document":
            document = rest
        else:
            return None
    return Record(frozenset(rules), flows, profiles, document)


def _sum(lines: t.Iterable[str]) -> str:
    return f"sum {hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"
