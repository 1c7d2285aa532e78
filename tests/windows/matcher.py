# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the Windows Firewall does with a packet, from its rules and profiles alone.

From Microsoft's "Order of Windows Firewall with Advanced Security Rules Evaluation": a block rule comes before an allow
rule, and what no rule is about is left to the default of the profile. Authenticated bypass and service hardening are
not here: no rule of this collection's has anything to do with either. Rules have no effect on loopback (Microsoft's
knowledge base, 2771908). This knows nothing of how rules come about.
"""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
import typing as t

from ansible_collections.netwall.datadog.tests.windows.addresses import KEYWORDS, port_ranges, span
from ansible_collections.netwall.datadog.tests.windows.state import expanded

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.tests.windows.addresses import Address
    from ansible_collections.netwall.datadog.tests.windows.state import State

_DIRECTIONS = {"inbound": 1, "outbound": 2}
_PROTOCOLS = {"tcp": 6, "udp": 17}
_BITS = {"Domain": 1, "Private": 2, "Public": 4}
_BLOCK, _ALLOW = 0, 1
_ANY_PROTOCOL = 256

Rule = t.Mapping[str, t.Any]


class Verdict(enum.Enum):
    """What becomes of a packet, and by what: a rule, or the default where no rule is about it."""

    ALLOWED = "allowed by a rule"
    BLOCKED = "blocked by a rule"
    ALLOWED_BY_DEFAULT = "allowed by default"
    BLOCKED_BY_DEFAULT = "blocked by default"

    @property
    def passes(self) -> bool:
        """Whether the packet passes."""
        return self in {Verdict.ALLOWED, Verdict.ALLOWED_BY_DEFAULT}


@dataclasses.dataclass(frozen=True)
class Packet:
    """The first packet of a connection: from (inbound) or to (outbound) *remote*, and which program's here it is.

    ``port`` is the port that is served: the local one of an inbound packet, the remote one of an outbound packet;
    ``other_port`` that of the client. ``profile`` None: that of the host's network.
    """

    direction: str
    protocol: str
    port: int
    remote: Address
    other_port: int = 50000
    local: Address = dataclasses.field(default_factory=lambda: ipaddress.ip_address("192.0.2.10"))
    program: str = r"C:\other.exe"
    service: str | None = None
    profile: str | None = None
    is_loopback: bool = False


def verdict(state: State, packet: Packet) -> Verdict:
    """What the host of *state* does with *packet*."""
    profile = state.profiles[packet.profile or state.network["profile"]]
    if packet.is_loopback or profile["Enabled"] == 0:
        return Verdict.ALLOWED_BY_DEFAULT
    actions = {rule["Action"] for rule in rules_about(state, packet)}
    if _BLOCK in actions:
        return Verdict.BLOCKED
    if _ALLOW in actions:
        return Verdict.ALLOWED
    if packet.direction == "inbound":
        is_open = profile["DefaultInboundAction"] == "Allow"
    else:
        is_open = profile["DefaultOutboundAction"] != "Block"
    return Verdict.ALLOWED_BY_DEFAULT if is_open else Verdict.BLOCKED_BY_DEFAULT


def rules_about(state: State, packet: Packet) -> list[Rule]:
    """The rules in force that *packet* meets."""
    return [rule for rule in state.rules if _meets(state, rule, packet)]


def _meets(state: State, rule: Rule, packet: Packet) -> bool:
    is_inbound = packet.direction == "inbound"
    local_port, remote_port = (packet.port, packet.other_port) if is_inbound else (packet.other_port, packet.port)
    return (
        rule["Enabled"]
        and rule["Direction"] == _DIRECTIONS[packet.direction]
        and bool(rule["Profiles"] & _BITS[packet.profile or state.network["profile"]])
        and rule["Protocol"] in {_ANY_PROTOCOL, _PROTOCOLS[packet.protocol]}
        and _is_port(rule["LocalPorts"], local_port)
        and _is_port(rule["RemotePorts"], remote_port)
        and _is_address(state, rule["LocalAddresses"], packet.local)
        and _is_address(state, rule["RemoteAddresses"], packet.remote)
        and _is_program(rule, packet)
    )


def _is_port(ports: str | None, port: int) -> bool:
    return ports in {None, "*"} or any(low <= port <= high for low, high in port_ranges(str(ports)))


def _is_address(state: State, addresses: str, address: Address) -> bool:
    if addresses == "*":
        return True
    for token in addresses.split(","):
        if token in KEYWORDS:
            if any(address in ipaddress.ip_network(each) for each in state.network[token]):
                return True
        elif address in span(token):
            return True
    return False


def _is_program(rule: Rule, packet: Packet) -> bool:
    program, service = rule["ApplicationName"], rule["ServiceName"]
    if program is not None and expanded(program).lower() != expanded(packet.program).lower():
        return False
    if service is None:
        return True
    # An asterisk is any service: what is no service is not meant.
    return packet.service is not None and service.lower() in {"*", packet.service.lower()}
