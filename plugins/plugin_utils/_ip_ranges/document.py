# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Datadog's published document of address ranges, checked.

Shape (docs.datadoghq.com, "Network Traffic"; https://ip-ranges.datadoghq.com/)::

    {"version": 47, "modified": "2022-01-25-20-00-00",
     "agents": {"prefixes_ipv4": ["192.0.2.0/24"], "prefixes_ipv6": []},
     "synthetics": {"prefixes_ipv4": […], "prefixes_ipv6": […],
                    "prefixes_ipv4_by_location": {"aws:eu-west-1": […]}, "prefixes_ipv6_by_location": {}}}

Every top-level object is a section, also one that is not known here. What else the document grows is ignored.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import ipaddress
import json
import re
import reprlib
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import IpRangesError

# What an Agent sends to, in the order of Datadog's page.
AGENT_SECTIONS = ("agents", "api", "apm", "logs", "process", "orchestrator", "remote-configuration", "global")
# Where Datadog sends from, and where private location workers send to.
OTHER_SECTIONS = ("synthetics", "webhooks", "synthetics-private-locations")

_FAMILIES: dict[str, type[ipaddress.IPv4Network | ipaddress.IPv6Network]] = {
    "ipv4": ipaddress.IPv4Network,
    "ipv6": ipaddress.IPv6Network,
}
# The ipaddress module also takes bare addresses, netmasks and zones; the document has none of these.
_CIDR = re.compile(r"[0-9a-f.:]+/[0-9]{1,3}", re.IGNORECASE)
_MODIFIED = re.compile(r"[0-9]{4}(-[0-9]{2}){5}")

_excerpts = reprlib.Repr()
_excerpts.maxstring = _excerpts.maxother = 80


class DocumentError(IpRangesError):
    """The document is not what Datadog publishes; the text names the document, the place in it and the fault."""


@dataclasses.dataclass(frozen=True)
class Section:
    """The prefixes of one section: canonical CIDRs in the published order.

    ``by_location`` has the prefixes of both families under each location; it is empty in most sections.
    """

    name: str
    ipv4: tuple[str, ...]
    ipv6: tuple[str, ...]
    by_location: t.Mapping[str, tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Document:
    """A checked document: where it came from (a URL fit to be shown), its version, its time (UTC) and its sections."""

    url: str
    version: int
    modified: datetime.datetime
    sections: t.Mapping[str, Section]


def parse(data: bytes, url: str) -> Document:
    """The document that *data* is; raises :class:`DocumentError`, which names *url*: pass one fit to be shown."""
    try:
        return _document(_json_object(data), url)
    except DocumentError as fault:
        raise DocumentError(f"The document at {url} is refused: {fault}.") from None


def _json_object(data: bytes) -> dict[str, t.Any]:
    try:
        raw = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_distinct, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise DocumentError(f"it is not JSON (byte {error.start} is not UTF-8)") from None
    except json.JSONDecodeError as error:
        raise DocumentError(f"it is not JSON (line {error.lineno}, column {error.colno}: {error.msg})") from None
    except RecursionError:
        raise DocumentError("it is nested too deeply") from None
    except ValueError:  # an integer of thousands of digits
        raise DocumentError("it has a number that is too long") from None
    if not isinstance(raw, dict):
        raise DocumentError(f"it is {_kind(raw)} where an object with sections belongs")
    return raw


def _distinct(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        counted = collections.Counter(name for name, _value in pairs)
        twice = next(name for name, count in counted.items() if count > 1)
        raise DocumentError(f"it has the key {_excerpt(twice)} twice in one object")
    return members


def _no_constant(name: str) -> t.NoReturn:
    raise DocumentError(f"it is not JSON (it has the value {name})")


def _document(raw: dict[str, t.Any], url: str) -> Document:
    version = _version(raw)
    modified = _modified(raw)
    sections = {}
    for name, value in raw.items():
        if isinstance(value, dict):
            sections[name] = _section(name, value)
        elif name in AGENT_SECTIONS + OTHER_SECTIONS:
            raise DocumentError(f"section '{name}' is {_kind(value)} where an object belongs")
    if not sections:
        raise DocumentError("it has no sections")
    return Document(url, version, modified, sections)


def _version(raw: dict[str, t.Any]) -> int:
    value = raw.get("version")
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DocumentError(f"version is {_excerpt(value)} where a whole number belongs")
    return value


def _modified(raw: dict[str, t.Any]) -> datetime.datetime:
    value = raw.get("modified")
    try:
        if not isinstance(value, str) or not _MODIFIED.fullmatch(value):
            raise ValueError
        return datetime.datetime.strptime(value, "%Y-%m-%d-%H-%M-%S").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        raise DocumentError(f"modified is {_excerpt(value)} where a time such as 2022-01-25-20-00-00 belongs") from None


def _section(name: str, raw: dict[str, t.Any]) -> Section:
    place = f"section {_name(name)}"
    prefixes = {}
    by_location: dict[str, tuple[str, ...]] = {}
    for family in _FAMILIES:
        key = f"prefixes_{family}"
        prefixes[family] = _cidrs(raw.get(key), family, f"{place}, {key}")
        for location, values in _mapping(raw, f"{key}_by_location", place).items():
            cidrs = _cidrs(values, family, f"{place}, {key}_by_location, location {_name(location)}")
            by_location[location] = by_location.get(location, ()) + cidrs
    return Section(name, prefixes["ipv4"], prefixes["ipv6"], by_location)


def _mapping(raw: dict[str, t.Any], key: str, place: str) -> dict[str, t.Any]:
    value = raw.get(key, {})
    if not isinstance(value, dict):
        raise DocumentError(f"{place}, {key} is {_kind(value)} where an object with locations belongs")
    return value


def _cidrs(values: t.Any, family: str, place: str) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise DocumentError(f"{place} is {_kind(values)} where a list of CIDRs belongs")
    network = _FAMILIES[family]
    cidrs = []
    for number, value in enumerate(values, start=1):
        try:
            if not isinstance(value, str) or not _CIDR.fullmatch(value):
                raise ValueError
            cidrs.append(str(network(value)))
        except ValueError:
            raise DocumentError(f"{place}, entry {number}: {_cidr_fault(value, family)}") from None
    return tuple(cidrs)


def _cidr_fault(value: t.Any, family: str) -> str:
    try:
        if isinstance(value, str) and _CIDR.fullmatch(value):
            return f"{_excerpt(value)} has host bits set (its network is {_FAMILIES[family](value, strict=False)})"
    except ValueError:
        pass
    return f"{_excerpt(value)} is not an IPv{family[-1]} CIDR"


def _name(name: str) -> str:
    # It goes into messages, tables and rules' comments; a lone surrogate could not even be printed.
    if not name or not name.isprintable():
        raise DocumentError(f"{_excerpt(name)} is no name of a section or location")
    return f"'{name}'"


def _excerpt(value: t.Any) -> str:
    return "missing" if value is None else _excerpts.repr(value)


def _kind(value: t.Any) -> str:
    kinds = {type(None): "missing", dict: "an object", list: "a list", str: "a text", bool: "a truth value"}
    return kinds.get(type(value), "a number")
