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

A firewall follows it, so it is not believed beyond what :class:`Guards` allow, whoever signed the connection.
"""

# Without "from __future__ import annotations", which would have every field of a named tuple compiled at import.
import bisect
import codecs
import collections
import datetime
import functools
import ipaddress
import json
import math
import re
import reprlib
import socket
import types
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import IpRangesError

# What an Agent sends to, in the order of Datadog's page.
AGENT_SECTIONS = ("agents", "api", "apm", "logs", "process", "orchestrator", "remote-configuration", "global")
# Where Datadog sends from, and where private location workers send to.
OTHER_SECTIONS = ("synthetics", "webhooks", "synthetics-private-locations")

FAMILIES = ("ipv4", "ipv6")

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_KINDS: dict[str, type[_Network]] = {"ipv4": ipaddress.IPv4Network, "ipv6": ipaddress.IPv6Network}
_SOCKET_KINDS = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
_BITS = {"ipv4": 32, "ipv6": 128}

# What no public service has: IANA's registries of special-purpose addresses (RFC 6890), multicast and what is reserved.
# Of IPv6, 2000::/3 is all from which public addresses are given out; what lies outside is the first and the last row.
_RESERVED = {
    "ipv4": (
        ("0.0.0.0", "0.255.255.255", "0.0.0.0/8 is no destination"),
        ("10.0.0.0", "10.255.255.255", "10.0.0.0/8 is private"),
        ("100.64.0.0", "100.127.255.255", "100.64.0.0/10 is shared by carriers"),
        ("127.0.0.0", "127.255.255.255", "127.0.0.0/8 is loopback"),
        ("169.254.0.0", "169.254.255.255", "169.254.0.0/16 is link-local"),
        ("172.16.0.0", "172.31.255.255", "172.16.0.0/12 is private"),
        ("192.0.0.0", "192.0.0.255", "192.0.0.0/24 is reserved for protocols"),
        ("192.0.2.0", "192.0.2.255", "192.0.2.0/24 is for documentation"),
        ("192.31.196.0", "192.31.196.255", "192.31.196.0/24 is reserved for AS112"),
        ("192.52.193.0", "192.52.193.255", "192.52.193.0/24 is reserved for AMT"),
        ("192.88.99.0", "192.88.99.255", "192.88.99.0/24 is reserved (once 6to4)"),
        ("192.168.0.0", "192.168.255.255", "192.168.0.0/16 is private"),
        ("192.175.48.0", "192.175.48.255", "192.175.48.0/24 is reserved for AS112"),
        ("198.18.0.0", "198.19.255.255", "198.18.0.0/15 is for benchmarks"),
        ("198.51.100.0", "198.51.100.255", "198.51.100.0/24 is for documentation"),
        ("203.0.113.0", "203.0.113.255", "203.0.113.0/24 is for documentation"),
        ("224.0.0.0", "239.255.255.255", "224.0.0.0/4 is multicast"),
        ("240.0.0.0", "255.255.255.255", "240.0.0.0/4 is reserved"),
    ),
    "ipv6": (
        ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "what is below 2000::/3 is not public"),
        ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::/23 is reserved for protocols"),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::/32 is for documentation"),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2002::/16 is reserved (6to4)"),
        ("2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "2620:4f:8000::/48 is reserved for AS112"),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::/20 is for documentation"),
        (
            "4000::",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "what is above 2000::/3 is not public (private, link-local, multicast)",
        ),
    ),
}

# The ipaddress module also takes bare addresses and netmasks; the document has none of these. A text, since to compile
# it takes time, and only a sentence about a fault needs it.
_CIDR = r"(?i:[0-9a-f.:]+/[0-9]{1,3})"

# What is published has four levels.
_DEEPEST = 32

_excerpts = reprlib.Repr()
_excerpts.maxstring = _excerpts.maxother = 80


class DocumentError(IpRangesError):
    """The document is not what Datadog publishes; the text names the document, the place in it and the fault."""


class Guards(t.NamedTuple):
    """What a document may hold at most; each is an option of the doc fragment ``netwall.datadog.ip_ranges``.

    A prefix has at least ``shortest_prefix_ipv4`` or ``shortest_prefix_ipv6`` bits, a document at most ``max_prefixes``
    in all its lists. Unless ``allow_reserved``, no prefix touches addresses that are not public.
    """

    shortest_prefix_ipv4: int = 8
    shortest_prefix_ipv6: int = 20
    max_prefixes: int = 20_000
    allow_reserved: bool = False

    def fault_of(self, first: int, length: int, family: str) -> str:
        """Why the network from *first* on, of *length* bits, is not to be believed; empty if it is.

        As the predicate of a sentence.
        """
        shortest = self.shortest_prefix_ipv4 if family == "ipv4" else self.shortest_prefix_ipv6
        if length < shortest:
            whole = " (every address there is)" if length == 0 else ""
            return f"is too wide{whole}, since shortest_prefix_{family} is {shortest}"
        last = first | (1 << (_BITS[family] - length)) - 1
        reserved = "" if self.allow_reserved else _reserved(first, last, family)
        return f"is not public ({reserved}), and allow_reserved is not set" if reserved else ""


DEFAULT_GUARDS = Guards()


class Section(t.NamedTuple):
    """The prefixes of one section: canonical CIDRs in the published order.

    ``by_location`` has the prefixes of both families under each location; it is empty in most sections.
    """

    name: str
    ipv4: tuple[str, ...]
    ipv6: tuple[str, ...]
    by_location: t.Mapping[str, tuple[str, ...]]


class Document(t.NamedTuple):
    """A checked document: where it came from (a URL fit to be shown), its version, its time (UTC) and its sections.

    ``raw`` is the JSON object itself, which has more than was checked.
    """

    url: str
    version: int
    modified: datetime.datetime
    sections: t.Mapping[str, Section]
    raw: t.Mapping[str, t.Any] = types.MappingProxyType({})


def parse(data: bytes, url: str, guards: Guards = DEFAULT_GUARDS) -> Document:
    """The document that *data* is; raises :class:`DocumentError`, which names *url*: pass one fit to be shown."""
    try:
        return _Parser(guards).document(_json_object(data), url)
    except DocumentError as fault:
        raise DocumentError(f"The document at {url} is refused: {fault}.") from None


def family_of(cidr: str) -> str:
    """The one of :data:`FAMILIES` that *cidr* is of, which has to be a CIDR."""
    return "ipv6" if ":" in cidr else "ipv4"


def is_cidr(text: str) -> bool:
    """Whether *text* is a network of either family in canonical form."""
    try:
        return "%" not in text and str(ipaddress.ip_network(text)) == text
    except ValueError:
        return False


def fault_of_cidr(text: str, guards: Guards) -> str:
    """Why *text* is a network that is not to be believed, as a predicate; empty if it is, or is none."""
    family = "ipv6" if ":" in text else "ipv4"
    canonical = _canonical(text, family)
    return guards.fault_of(*canonical, family) if canonical else ""


def _json_object(data: bytes) -> dict[str, t.Any]:
    try:
        raw = json.loads(
            data.removeprefix(codecs.BOM_UTF8).decode(),
            object_pairs_hook=_distinct,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
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
    _check_depth(raw)
    return raw


def _check_depth(raw: dict[str, t.Any]) -> None:
    # Whoever passes it on recurses too, and has less of the stack left than the parser of JSON had.
    level: list[t.Any] = [raw]
    for _depth in range(_DEEPEST):
        inside = (value.values() if isinstance(value, dict) else value for value in level)
        level = [value for values in inside for value in values if isinstance(value, (dict, list))]
        if not level:
            return
    raise DocumentError("it is nested too deeply")


def _distinct(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        counted = collections.Counter(name for name, _value in pairs)
        twice = next(name for name, count in counted.items() if count > 1)
        raise DocumentError(f"it has the key {_excerpt(twice)} twice in one object")
    return members


def _no_constant(name: str) -> t.NoReturn:
    raise DocumentError(f"it is not JSON (it has the value {name})")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise DocumentError("it has a number that is too large")
    return number


class _Parser:
    """One document, and the count of its prefixes."""

    def __init__(self, guards: Guards) -> None:
        self._guards = guards
        self._count = 0
        # The same prefix stands in several sections and at a location.
        self._known: set[tuple[str, str]] = set()

    def document(self, raw: dict[str, t.Any], url: str) -> Document:
        version = _version(raw)
        modified = _modified(raw)
        sections = {}
        for name, value in raw.items():
            if isinstance(value, dict):
                sections[name] = self._section(name, value)
            elif name in AGENT_SECTIONS + OTHER_SECTIONS:
                raise DocumentError(f"section '{name}' is {_kind(value)} where an object belongs")
        if not sections:
            raise DocumentError("it has no sections")
        return Document(url, version, modified, sections, raw)

    def _section(self, name: str, raw: dict[str, t.Any]) -> Section:
        place = f"section {_name(name)}"
        prefixes = {}
        by_location: dict[str, tuple[str, ...]] = {}
        for family in FAMILIES:
            key = f"prefixes_{family}"
            prefixes[family] = self._cidrs(raw.get(key), family, f"{place}, {key}")
            for location, values in _mapping(raw, f"{key}_by_location", place).items():
                cidrs = self._cidrs(values, family, f"{place}, {key}_by_location, location {_name(location)}")
                by_location[location] = by_location.get(location, ()) + cidrs
        return Section(name, prefixes["ipv4"], prefixes["ipv6"], by_location)

    def _cidrs(self, values: t.Any, family: str, place: str) -> tuple[str, ...]:
        if not isinstance(values, list):
            raise DocumentError(f"{place} is {_kind(values)} where a list of CIDRs belongs")
        self._count += len(values)
        if self._count > self._guards.max_prefixes:
            raise DocumentError(f"it has more than {self._guards.max_prefixes} prefixes, which is what max_prefixes is")
        for number, value in enumerate(values, start=1):
            # Strings alone may be looked for: JSON's other values need not be hashable.
            if not isinstance(value, str) or (family, value) not in self._known:
                fault = self._fault(value, family)
                if fault:
                    raise DocumentError(f"{place}, entry {number}: {_excerpt(value)} {fault}")
                self._known.add((family, value))
        return tuple(values)

    def _fault(self, value: t.Any, family: str) -> str:
        """Why *value* is no prefix to be believed, as the predicate of a sentence; empty if it is."""
        canonical = _canonical(value, family) if isinstance(value, str) else None
        if canonical:
            return self._guards.fault_of(*canonical, family)
        try:
            if not isinstance(value, str) or "%" in value:
                raise ValueError
            network = _KINDS[family](value, strict=False)
        except ValueError:
            return f"is not an IPv{family[-1]} CIDR"
        if str(network) == value:
            return self._guards.fault_of(int(network.network_address), network.prefixlen, family)
        if not re.fullmatch(_CIDR, value):
            return f"is not an IPv{family[-1]} CIDR"
        if ipaddress.ip_address(value.partition("/")[0]) != network.network_address:
            return f"has host bits set (its network is {network})"
        return f"is not in canonical form (which is {network})"


def _canonical(text: str, family: str) -> tuple[int, int] | None:
    """The first address (as a number) and the length of the CIDR *text*; None if this is not its canonical form.

    The same as the ipaddress module says, in a fifth of the time; what it says None to should be asked again there.
    """
    address, _slash, length = text.partition("/")
    try:
        packed = socket.inet_pton(_SOCKET_KINDS[family], address)
        # An IPv6 address may end like one of IPv4, which only some call its canonical form.
        is_canonical = socket.inet_ntop(_SOCKET_KINDS[family], packed) == address and (
            family == "ipv4" or "." not in address
        )
        bits = int(length)
    except (OSError, ValueError):
        return None
    host_bits = _BITS[family] - bits
    first = int.from_bytes(packed, "big")
    if not is_canonical or str(bits) != length or bits < 0 or host_bits < 0 or first & (1 << host_bits) - 1:
        return None
    return first, bits


def _version(raw: dict[str, t.Any]) -> int:
    value = raw.get("version")
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DocumentError(f"version is {_excerpt(value)} where a whole number belongs")
    return value


def _modified(raw: dict[str, t.Any]) -> datetime.datetime:
    value = raw.get("modified")
    try:
        if not isinstance(value, str) or not value.isascii():
            raise ValueError
        # Not by strptime, which would cost more than all the rest of a document of the usual size.
        year, month, day, hour, minute, second = parts = value.split("-")
        if not all(map(str.isdigit, parts)) or [len(part) for part in parts] != [4, 2, 2, 2, 2, 2]:
            raise ValueError
        time = datetime.time(int(hour), int(minute), int(second), tzinfo=datetime.timezone.utc)
        return datetime.datetime.combine(datetime.date(int(year), int(month), int(day)), time)
    except ValueError:
        raise DocumentError(f"modified is {_excerpt(value)} where a time such as 2022-01-25-20-00-00 belongs") from None


def _mapping(raw: dict[str, t.Any], key: str, place: str) -> dict[str, t.Any]:
    value = raw.get(key, {})
    if not isinstance(value, dict):
        raise DocumentError(f"{place}, {key} is {_kind(value)} where an object with locations belongs")
    return value


@functools.cache
def _spans(family: str) -> list[tuple[int, int, str]]:
    """The rows of ``_RESERVED`` as numbers, in ascending order."""
    number = ipaddress.IPv4Address if family == "ipv4" else ipaddress.IPv6Address
    return [(int(number(first)), int(number(last)), why) for first, last, why in _RESERVED[family]]


def _reserved(first: int, last: int, family: str) -> str:
    """Why no public service has all addresses from *first* to *last*; empty if one may."""
    spans = _spans(family)
    # They are disjoint, so the last of those that begin before our end is the one that reaches furthest into ours.
    place = bisect.bisect_right(spans, last, key=lambda span: span[0]) - 1
    return spans[place][2] if place >= 0 and spans[place][1] >= first else ""


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
