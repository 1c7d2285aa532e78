# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""firewalld's rich rules, read from the text that firewalld writes them in."""

from __future__ import annotations

import dataclasses
import shlex
import typing as t

ACTIONS = ("accept", "reject", "drop", "mark")

_NOT = ("not", "NOT")


@dataclasses.dataclass(frozen=True)
class Address:
    """A source or destination: one of ``address``, ``mac`` and ``ipset``, or with ``inverted`` all but that."""

    address: str = ""
    mac: str = ""
    ipset: str = ""
    inverted: bool = False


@dataclasses.dataclass(frozen=True)
class RichRule:
    """One rich rule.

    ``family`` is ``ipv4``, ``ipv6`` or empty for both; ``element`` is what it is about (``service``, ``port``, …, empty
    for everything) and ``details`` that element's attributes; ``action`` is one of :data:`ACTIONS` or empty;
    ``is_limited`` says that the action is taken a few times only and the packets beyond go on to the next rule.
    """

    priority: int = 0
    family: str = ""
    source: Address | None = None
    destination: Address | None = None
    element: str = ""
    details: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    action: str = ""
    is_limited: bool = False


def parse(text: str) -> RichRule:
    """The rich rule that *text* is, as firewalld reports it: ``rule family="ipv4" … accept limit value="3/m"``."""
    parts: dict[str, dict[str, str]] = {}
    last = ""
    for token in shlex.split(text):
        name, is_attribute, value = token.partition("=")
        if token in _NOT:
            parts[last]["not"] = token
        elif is_attribute:
            parts[last][name] = value
        elif name == "limit":
            # It limits what was named before it.
            parts[last]["limited"] = name
            parts[name] = {}
            last = name
        else:
            parts[name] = {}
            last = name
    return _rule(parts)


def _rule(parts: dict[str, dict[str, str]]) -> RichRule:
    about = parts.pop("rule", {})
    source, destination = _address(parts.pop("source", None)), _address(parts.pop("destination", None))
    action = next((name for name in ACTIONS if name in parts), "")
    is_limited = "limited" in parts.pop(action, {})
    for logging in ("log", "nflog", "audit", "limit"):
        parts.pop(logging, None)
    element, details = next(iter(parts.items()), ("", {}))
    return RichRule(
        priority=int(about.get("priority", "0")),
        family=about.get("family", ""),
        source=source,
        destination=destination,
        element=element,
        details=details,
        action=action,
        is_limited=is_limited,
    )


def _address(raw: t.Mapping[str, str] | None) -> Address | None:
    if raw is None:
        return None
    inverted = "not" in raw or raw.get("invert", "").lower() in ("true", "yes")
    return Address(raw.get("address", ""), raw.get("mac", ""), raw.get("ipset", ""), inverted)
