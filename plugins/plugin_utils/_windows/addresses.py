# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Sets of IPv4 and IPv6 addresses, as Windows Firewall takes them and tells them.

An entry of a rule's list is a CIDR or a range (``203.0.113.0-203.0.113.9``); both are documented for IPv4 and IPv6
(INetFwRule, RemoteAddresses). Everything but a few networks takes up to 128 CIDRs for each of them, and one range more
than there are gaps, so a run of addresses that is no CIDR is written as a range.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

# Version of IP, first and last address.
Run = tuple[int, int, int]

_BITS = {4: 32, 6: 128}
# Windows refuses a list in which the unspecified or the loopback address of IPv6 begins or ends anything ([MS-FASP],
# FW_IPV6_SUBNET and FW_IPV6_ADDRESS_RANGE). Neither is ever the address of another host.
_FIRST = {4: 0, 6: 2}
ANY = "any"
# What Windows writes for any.
_STAR = "*"


@dataclasses.dataclass(frozen=True)
class Addresses:
    """Addresses of both families: sorted runs with gaps between them. ``::`` and ``::1`` are never among them."""

    runs: tuple[Run, ...] = ()

    @classmethod
    def of(cls, networks: t.Iterable[str]) -> Addresses:
        """The addresses in *networks*, CIDRs or single addresses; raises :class:`ValueError`."""
        return cls(_joined(_run(ipaddress.ip_network(network)) for network in networks))

    @classmethod
    def parse(cls, text: str) -> Addresses:
        """The addresses in *text*, a list as Windows tells it; raises :class:`ValueError` for anything else."""
        if text in (_STAR, ANY):
            return EVERYWHERE
        return cls(_joined(_parsed(entry) for entry in text.split(",")))

    def __or__(self, other: Addresses) -> Addresses:
        return Addresses(_joined((*self.runs, *other.runs)))

    def __sub__(self, other: Addresses) -> Addresses:
        left: list[Run] = []
        for version, first, last in self.runs:
            rest = first
            for theirs, begin, end in other.runs:
                if theirs != version or end < rest or begin > last:
                    continue
                if begin > rest:
                    left.append((version, rest, begin - 1))
                rest = end + 1
            if rest <= last:
                left.append((version, rest, last))
        return Addresses(tuple(left))

    def __and__(self, other: Addresses) -> Addresses:
        return self - (self - other)

    def __bool__(self) -> bool:
        return bool(self.runs)

    def entries(self) -> tuple[str, ...]:
        """The fewest entries that say it, IPv4 first; one, ``any``, for all addresses of both families."""
        return (ANY,) if self == EVERYWHERE else tuple(_entry(*run) for run in self.runs)

    def networks(self) -> tuple[str, ...]:
        """The fewest CIDRs that say it, which may be many more than entries; IPv4 first."""
        return tuple(str(network) for run in self.runs for network in _networks(*run))


def _joined(runs: t.Iterable[Run]) -> tuple[Run, ...]:
    joined: list[Run] = []
    for version, begin, last in sorted(runs):
        first = max(begin, _FIRST[version])
        if first > last:
            continue
        if joined and joined[-1][0] == version and first <= joined[-1][2] + 1:
            joined[-1] = (version, joined[-1][1], max(last, joined[-1][2]))
        else:
            joined.append((version, first, last))
    return tuple(joined)


def _run(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Run:
    return (network.version, int(network.network_address), int(network.broadcast_address))


def _parsed(entry: str) -> Run:
    begin, dash, end = entry.strip().partition("-")
    if not dash:
        # Windows writes a mask where an IPv4 prefix was given.
        return _run(ipaddress.ip_network(begin, strict=False))
    first, last = ipaddress.ip_address(begin), ipaddress.ip_address(end)
    if first.version != last.version or int(first) > int(last):
        raise ValueError(f"'{entry}' is no range of addresses.")
    return (first.version, int(first), int(last))


def _entry(version: int, first: int, last: int) -> str:
    size = last - first + 1
    begin = _address(version, first)
    # The whole of one family is a range, too: a prefix of length 0 is not among what is documented.
    if size & (size - 1) == 0 and first % size == 0 and size.bit_length() - 1 < _BITS[version]:
        prefix = _BITS[version] - size.bit_length() + 1
        return begin if size == 1 else f"{begin}/{prefix}"
    return f"{begin}-{_address(version, last)}"


def _networks(version: int, first: int, last: int) -> t.Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    family = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    return ipaddress.summarize_address_range(family(first), family(last))


def _address(version: int, number: int) -> str:
    return str(ipaddress.IPv4Address(number) if version == 4 else ipaddress.IPv6Address(number))


EVERYWHERE = Addresses(((4, 0, 2**32 - 1), (6, _FIRST[6], 2**128 - 1)))
