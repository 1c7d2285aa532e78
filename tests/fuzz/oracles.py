# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to come of a document and of a selection, worked out a second time, with the standard library alone.

Nothing here looks into the code under test, so that a fault would have to be made twice to go unseen.
"""

from __future__ import annotations

import datetime
import functools
import ipaddress
import json
import math
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import Guards

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# https://www.iana.org/assignments/iana-ipv4-special-registry, and multicast and class E from ipv4-address-space.
NOT_PUBLIC_IPV4 = tuple(
    ipaddress.IPv4Network(cidr)
    for cidr in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# https://www.iana.org/assignments/ipv6-address-space: IANA gives out public addresses of 2000::/3 alone; and what
# https://www.iana.org/assignments/iana-ipv6-special-registry takes out of that.
PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
NOT_PUBLIC_IPV6 = tuple(
    ipaddress.IPv6Network(cidr)
    for cidr in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
KNOWN_SECTIONS = {
    "agents",
    "api",
    "apm",
    "logs",
    "process",
    "orchestrator",
    "remote-configuration",
    "global",
    "synthetics",
    "webhooks",
    "synthetics-private-locations",
}
IP_VERSIONS = {"ipv4": 4, "ipv6": 6}


class RefusedError(Exception):
    """A document is none to be believed; the text says why."""


# --- Documents --------------------------------------------------------------------------------------------------------


def judge(data: bytes, guards: Guards) -> dict[str, t.Any]:
    """The JSON object that *data* is, if it is a document that *guards* let in; raises :class:`RefusedError`."""
    try:
        raw = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_each_key_once, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"no JSON: {error}") from None
    _want(isinstance(raw, dict), "no object")
    _want(_is_finite(raw), "a number that is none")
    version = raw.get("version")
    _want(isinstance(version, int) and not isinstance(version, bool) and version >= 0, "its version")
    _want(_is_time(raw.get("modified")), "its time")
    _want(all(isinstance(raw[name], dict) for name in KNOWN_SECTIONS & set(raw)), "a section that is none")
    sections = sections_in(raw)
    _want(bool(sections), "no sections")
    lists = [(family, cidrs) for name, section in sections.items() for family, cidrs in _lists(name, section)]
    _want(sum(len(cidrs) for _family, cidrs in lists) <= guards.max_prefixes, "too many prefixes")
    for family, cidrs in lists:
        for cidr in cidrs:
            _want(isinstance(cidr, str), "no text")
            _want(may_be_in(cidr, family, guards), cidr)
    return t.cast("dict[str, t.Any]", raw)


def sections_in(raw: t.Mapping[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    """The sections of the JSON object *raw* by name."""
    return {name: value for name, value in raw.items() if isinstance(value, dict)}


def by_location_in(section: t.Mapping[str, t.Any]) -> dict[str, list[str]]:
    """The prefixes of a section's JSON object by location, IPv4 first."""
    found: dict[str, list[str]] = {}
    for family in IP_VERSIONS:
        for location, cidrs in section.get(f"prefixes_{family}_by_location", {}).items():
            found.setdefault(location, []).extend(cidrs)
    return found


@functools.lru_cache(maxsize=1 << 14)
def may_be_in(cidr: str, family: str, guards: Guards) -> bool:
    """Whether *cidr* is the one spelling of a network of *family* that *guards* let in."""
    try:
        network = ipaddress.ip_network(cidr)  # refuses host bits
    except ValueError:
        return False
    shortest = guards.shortest_prefix_ipv4 if family == "ipv4" else guards.shortest_prefix_ipv6
    return (
        network.version == IP_VERSIONS[family]
        and network.with_prefixlen == cidr
        and "%" not in cidr
        and network.prefixlen >= shortest
        and (guards.allow_reserved or is_public(network))
    )


def is_public(network: Network) -> bool:
    """Whether all addresses of *network* may belong to a public service."""
    if isinstance(network, ipaddress.IPv6Network):
        return network.subnet_of(PUBLIC_IPV6) and not any(network.overlaps(other) for other in NOT_PUBLIC_IPV6)
    return not any(network.overlaps(other) for other in NOT_PUBLIC_IPV4)


def _lists(name: str, section: dict[str, t.Any]) -> t.Iterator[tuple[str, list[t.Any]]]:
    _want(_is_name(name), "the name of a section")
    for family in IP_VERSIONS:
        by_location = section.get(f"prefixes_{family}_by_location", {})
        _want(isinstance(by_location, dict), "locations that are none")
        _want(all(_is_name(location) for location in by_location), "the name of a location")
        for cidrs in (section.get(f"prefixes_{family}"), *by_location.values()):
            _want(isinstance(cidrs, list), "a list that is none")
            yield family, cidrs


def _each_key_once(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    _want(len({key for key, _value in pairs}) == len(pairs), "a key twice")
    return dict(pairs)


def _refuse(name: str) -> t.NoReturn:
    raise RefusedError(name)


def _want(holds: bool, otherwise: str) -> None:
    if not holds:
        raise RefusedError(otherwise)


def _is_name(text: str) -> bool:
    return text != "" and text.isprintable()


def _is_time(value: t.Any) -> bool:
    if not isinstance(value, str) or not value.isascii():
        return False
    try:
        moment = datetime.datetime.strptime(value, "%Y-%m-%d-%H-%M-%S").replace(tzinfo=datetime.UTC)
    except ValueError:
        return False
    # Written again: strptime takes shorter numbers, too.
    return f"{moment.year:04}{moment:-%m-%d-%H-%M-%S}" == value


def _is_finite(value: t.Any) -> bool:
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, float) and not math.isfinite(value):
            return False
        todo += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return True


# --- Selections: sets of addresses as spans of numbers, the IP version first ------------------------------------------

Span = tuple[int, int, int]
"""IP version, first and last address."""


def spans_of(cidrs: t.Iterable[str]) -> list[Span]:
    """The addresses of *cidrs* as spans: in order, none touching another."""
    found: list[Span] = []
    for version, first, last in sorted(map(_span, cidrs)):
        if found and found[-1][0] == version and found[-1][2] >= first - 1:
            found[-1] = (version, found[-1][1], max(last, found[-1][2]))
        else:
            found.append((version, first, last))
    return found


def without(spans: list[Span], excluded: list[Span]) -> list[Span]:
    """What is left of *spans* without *excluded*; both in order, none touching another."""
    left = []
    for version, begin, last in spans:
        first = begin
        for _version, start, end in (other for other in excluded if other[0] == version):
            if end < first or start > last:
                continue
            if start > first:
                left.append((version, first, start - 1))
            first = end + 1
        if first <= last:
            left.append((version, first, last))
    return left


def fewest(spans: t.Iterable[Span]) -> list[str]:
    """The fewest CIDRs that cover exactly *spans*."""
    found: list[str] = []
    for version, first, last in spans:
        address = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
        found += map(str, ipaddress.summarize_address_range(address(first), address(last)))
    return found


def selected(published: t.Iterable[str], exclude: t.Collection[str], *, aggregate: bool) -> list[str]:
    """What a selection of the CIDRs *published* is, to the letter."""
    excluded = spans_of(exclude)
    if aggregate:
        return fewest(without(spans_of(published), excluded))
    pieces = {piece for cidr in set(published) for piece in fewest(without(spans_of([cidr]), excluded))}
    return sorted(pieces, key=lambda cidr: (*_span(cidr)[:2], ipaddress.ip_network(cidr).prefixlen))


@functools.lru_cache(maxsize=1 << 14)
def _span(cidr: str) -> Span:
    network = ipaddress.ip_network(cidr)
    return network.version, int(network.network_address), int(network.broadcast_address)
