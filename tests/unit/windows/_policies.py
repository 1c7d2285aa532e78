# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random policies, rules of others, and packets that lie where networks begin and end."""

from __future__ import annotations

import ipaddress
import typing as t

from hypothesis import strategies as st

from ansible_collections.netwall.datadog.tests.windows.matcher import Packet
from ansible_collections.netwall.datadog.tests.windows.policy import Policy
from ansible_collections.netwall.datadog.tests.windows.state import PROFILES, rule

AGENT, TRACE, OTHER = r"C:\Agent\agent.exe", r"C:\Agent\trace-agent.exe", r"C:\other.exe"
# So few that flows often are about the same traffic, where a deny and an allow meet.
TRAFFIC = (
    {"direction": "outbound", "protocol": "tcp", "port": 443},
    {"direction": "inbound", "protocol": "udp", "port": 8125},
    {"direction": "inbound", "protocol": "tcp", "port": 8126},
)
_OTHER_TRAFFIC = (
    {"direction": "outbound", "protocol": "udp", "port": 443},
    {"direction": "inbound", "protocol": "tcp", "port": 443},
    {"direction": "outbound", "protocol": "tcp", "port": 9999},
)

# Networks that lie in one another, touch, or have nothing to do with one another.
NETWORKS = (
    "0.0.0.0/0",
    "::/0",
    "203.0.113.0/24",
    "203.0.113.0/25",
    "203.0.113.128/25",
    "203.0.113.7/32",
    "198.51.100.0/24",
    "198.51.101.0/24",
    "10.0.0.0/8",
    "255.255.255.255/32",
    "0.0.0.0/8",
    "2001:db8::/32",
    "2001:db8:1::/48",
    "2001:db8::7/128",
    "fd00::/8",
    "::/8",
)
# What the remote end of a packet can't be: Windows takes no rule with these, and they are never there.
NEVER_REMOTE = {ipaddress.ip_address("::"), ipaddress.ip_address("::1")}

_networks = st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=4, unique=True)


@st.composite
def _flows(draw: st.DrawFn) -> list[dict[str, t.Any]]:
    flows = []
    for number in range(draw(st.integers(0, 5))):
        flow = {
            **draw(st.sampled_from(TRAFFIC)),
            "action": draw(st.sampled_from(["allow", "deny"])),
            "networks": draw(_networks),
        }
        flows.append({"id": f"flow-{number}", **flow})
    return flows


POLICIES = st.builds(
    Policy,
    flows=_flows(),
    default_outbound=st.sampled_from(["unmanaged", "allow", "deny"]),
    programs=st.sampled_from([None, frozenset({AGENT}), frozenset({AGENT, TRACE})]),
)
"""Flows with what goes with them."""

# Names that are like ours, and groups that are like ours.
_NAMES = st.sampled_from(["netwall.datadog", "netwall.datadog: mine", "netwall datadog: out allow tcp 443 #1/1", "x"])


@st.composite
def _foreign_rules(draw: st.DrawFn) -> list[dict[str, t.Any]]:
    rules = []
    for _number in range(draw(st.integers(0, 3))):
        inbound = draw(st.booleans())
        rules.append(
            rule(
                draw(_NAMES),
                Grouping=draw(st.sampled_from([None, "netwall", "Netwall.Datadog.Other"])),
                Direction=1 if inbound else 2,
                Action=draw(st.sampled_from([0, 1])),
                Enabled=draw(st.booleans()),
                Protocol=draw(st.sampled_from([6, 17])),
                Profiles=draw(st.sampled_from([1, 7, 0x7FFFFFFF])),
                RemoteAddresses=draw(st.sampled_from(["*", "203.0.113.0/255.255.255.0", "2001:db8::/32"])),
                ApplicationName=draw(st.sampled_from([None, AGENT])),
                **{"LocalPorts" if inbound else "RemotePorts": draw(st.sampled_from(["443", "8000-8200", None]))},
            )
        )
    return rules


FOREIGN_RULES = _foreign_rules()
"""Rules that somebody else has made."""


def spelled(network: str) -> str:
    """How a rule has *network*, a CIDR or a range: what Windows takes no prefix for is a range, without :: and ::1."""
    if "-" in network:
        first, last = network.split("-")
        if ipaddress.ip_address(first) in NEVER_REMOTE:
            first = "::2"
        return f"{first}-{last}"
    whole = ipaddress.ip_network(network)
    if whole.prefixlen and whole.network_address not in NEVER_REMOTE:
        return network
    return spelled(f"{whole.network_address}-{whole.broadcast_address}")


def packets(*policies: Policy) -> st.SearchStrategy[list[Packet]]:
    """Packets at, before and after the ends of the networks that *policies* name."""
    near = set()
    for network in {network for policy in policies for flow in policy.flows for network in flow["networks"]}:
        whole = ipaddress.ip_network(network)
        for end in (int(whole.network_address), int(whole.broadcast_address)):
            near |= {(whole.version, number) for number in (end - 1, end, end + 1)}
    near |= {(4, 3405803783), (6, 42540766411282592856903984951653826567)}
    highest = {4: 2**32 - 1, 6: 2**128 - 1}
    kinds = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}
    addresses = sorted(
        (kinds[version](number) for version, number in near if 0 <= number <= highest[version]),
        key=lambda address: (address.version, int(address)),
    )
    packet = st.builds(
        lambda traffic, **more: Packet(**traffic, **more),
        traffic=st.sampled_from([*TRAFFIC, *TRAFFIC, *_OTHER_TRAFFIC]),
        remote=st.sampled_from([address for address in addresses if address not in NEVER_REMOTE]),
        program=st.sampled_from([AGENT, AGENT.upper(), TRACE, OTHER]),
        profile=st.sampled_from(PROFILES),
        is_loopback=st.sampled_from([False] * 9 + [True]),
    )
    return st.lists(packet, min_size=30, max_size=30)
