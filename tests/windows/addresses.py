# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses and ports as the rules of the Windows Firewall have them.

From Microsoft's documentation of INetFwRule (RemoteAddresses, LocalPorts) and of the protocol [MS-FASP], which says
what a rule may hold; from reports of users what comes back (community.windows pull request 440: single addresses with
a mask of 255.255.255.255, IPv4 before IPv6, IPv4 by number, IPv6 in no order that could be relied on).
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import typing as t

from ansible_collections.netwall.datadog.tests.windows.failures import MisuseError

KEYWORDS = ("LocalSubnet", "DNS", "DHCP", "WINS", "DefaultGateway")
ANY = "*"

_PORTS = re.compile(r"\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*")
_UNSPECIFIED_OR_LOOPBACK = (ipaddress.IPv6Address("::"), ipaddress.IPv6Address("::1"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Span(t.NamedTuple):
    """Addresses from the first to the last; *prefix* is the length of a subnet's prefix, None for a range."""

    first: Address
    last: Address
    prefix: int | None

    def __contains__(self, address: object) -> bool:
        return (
            isinstance(address, (ipaddress.IPv4Address, ipaddress.IPv6Address))
            and address.version == self.first.version
            and int(self.first) <= int(address) <= int(self.last)
        )

    def __str__(self) -> str:
        if self.prefix is None:
            return f"{self.first}-{self.last}"
        network = ipaddress.ip_network((self.first, self.prefix))
        return f"{self.first}/{network.netmask if network.version == 4 else self.prefix}"


def normalised(text: str) -> str:
    """A list of addresses as Windows gives it back. Raises ValueError where Windows refuses it.

    Raises :class:`MisuseError` for what no document speaks of.
    """
    tokens = text.split(",")
    if len(set(tokens)) != len(tokens):
        raise MisuseError(f"an address is there twice: {text}")
    if ANY in tokens:
        if len(tokens) > 1:
            raise ValueError("'*' must be the only token")
        return ANY
    keywords = [word for token in tokens for word in KEYWORDS if token.lower() == word.lower()]
    spans = [span(token) for token in tokens if token.lower() not in {word.lower() for word in KEYWORDS}]
    return ",".join([*keywords, *map(str, sorted(spans, key=_place))])


def span(token: str) -> Span:
    """The addresses that *token*, no keyword, stands for. Raises ValueError where Windows refuses it."""
    if "-" in token:
        first, last = (ipaddress.ip_address(end) for end in token.split("-", 1))
        # [MS-FASP] 2.2.8 and 2.2.10.
        if first.version != last.version or int(first) > int(last):
            raise ValueError(f"{token} is no range")
        found = Span(first, last, None)
        ends: tuple[Address, ...] = (first, last)
    else:
        address, slash, length = token.partition("/")
        if slash and ipaddress.ip_network(token, strict=False).network_address != ipaddress.ip_address(address):
            raise MisuseError(f"{token} has host bits set, of which no document speaks")
        network = ipaddress.ip_network(token)
        # [MS-FASP] 2.2.4: a mask of zeros is invalid; 2.2.6: a prefix has 1 to 128 bits.
        if not network.prefixlen:
            raise ValueError(f"{token} has no prefix; everything is '*'")
        if length and "." in length and network.version == 6:
            raise ValueError(f"{token} is no IPv6 subnet")
        found = Span(network.network_address, network.broadcast_address, network.prefixlen)
        ends = (network.network_address,)
    # [MS-FASP] 2.2.6 and 2.2.10; seen as error 0xD000000D where somebody wrote ::1.
    if any(end in _UNSPECIFIED_OR_LOOPBACK for end in ends):
        raise ValueError(f"{token} names the unspecified or the loopback address of IPv6")
    return found


def _place(found: Span) -> tuple[t.Any, ...]:
    """Where *found* comes in a list that Windows returns."""
    is_range = found.prefix is None
    if found.first.version == 4:
        return (4, is_range, int(found.first))
    # In no order that anybody knows; so in one that nobody expects.
    return (6, is_range, found.prefix or 0, hashlib.sha256(str(found).encode()).hexdigest())


def checked_ports(text: str) -> str:
    """A list of ports as a rule has it. Raises ValueError where it is none; keywords such as RPC are not known here."""
    if text == ANY:
        return text
    if not _PORTS.fullmatch(text):
        raise ValueError(f"{text} is no list of ports")
    for low, high in port_ranges(text):
        if not 0 <= low <= high <= 65535:
            raise ValueError(f"{text} is no list of ports")
    return text


def port_ranges(text: str) -> list[tuple[int, int]]:
    """The first and the last port of each entry of a list of ports."""
    found = []
    for entry in text.split(","):
        low, _dash, high = entry.partition("-")
        found.append((int(low), int(high or low)))
    return found
