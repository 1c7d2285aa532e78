# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What a Windows host must go on doing where outgoing traffic is denied: asking for names, the time, its address.

Windows comes with rules for most of it ("Core Networking"), which anybody may have disabled, and which say nothing of
the time or of a cloud's metadata. Loopback and answers to what came in are let through by Windows itself.
"""

from __future__ import annotations

import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.addresses import EVERYWHERE, Addresses
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.rules import NAME_SERVERS, Match, Program, Want

# Services as Windows calls them. The DHCP client leases addresses of IPv4 and IPv6.
_DHCP = Program(service="Dhcp")
_TIME = Program(service="W32Time")
_METADATA = ("169.254.169.254/32", "fd00:ec2::254/128")


def essentials(*, metadata: bool) -> tuple[Want, ...]:
    """What is let out, with ids that begin with ``host-``; with *metadata* the cloud's service for it, too."""
    dhcp = _out("udp", 67, source_port=68, program=_DHCP)
    dhcpv6 = _out("udp", 547, source_port=546, program=_DHCP)
    servers = "name servers of this host's adapters"
    always = (
        # Whichever they are at the moment.
        _want(_out("udp", 53, word=NAME_SERVERS), "dns-udp-53", servers),
        _want(_out("tcp", 53, word=NAME_SERVERS), "dns-tcp-53", servers),
        # A lease is renewed with whichever server gave it, which may stand anywhere behind a relay.
        _want(dhcp, "dhcp-udp-67", "renewing leases with any server", ["0.0.0.0/0"]),
        _want(dhcpv6, "dhcpv6-udp-547", "leases of IPv6", ["fe80::/10", "ff02::1:2/128"]),
        # In a domain its controllers are asked, otherwise a server by name: the service's own way is let out, whoever
        # answers.
        _want(_out("udp", 123, program=_TIME), "ntp-udp-123", "the time service, whichever servers it asks"),
        # Neighbour discovery, router solicitation, multicast listeners and path MTU are ICMPv6.
        _want(_out("icmpv4"), "icmp", "ICMP"),
        _want(_out("icmpv6"), "icmpv6", "ICMPv6 with neighbour discovery"),
        _want(_out("2"), "igmp", "IGMP"),
    )
    clouds = _want(_out("tcp", 80), "metadata-tcp-80", "the cloud's metadata service", _METADATA)
    return (*always, clouds) if metadata else always


def _out(protocol: str, port: int | None = None, **more: t.Any) -> Match:
    return Match("outbound", "allow", protocol, port, **more)


def _want(match: Match, name: str, purpose: str, networks: t.Sequence[str] = ()) -> Want:
    """A want of *networks*, by default anywhere, unless *match* has a word for them."""
    addresses = Addresses() if match.word else Addresses.of(networks) if networks else EVERYWHERE
    return Want(f"host-{name}-out", match, addresses, purpose)
