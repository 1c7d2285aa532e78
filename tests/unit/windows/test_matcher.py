# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the matcher says of rules, what a policy wants, and that the two agree where somebody else wrote the rules."""

from __future__ import annotations

import copy
import dataclasses
import ipaddress
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.tests.unit.windows import _policies as policies
from ansible_collections.netwall.datadog.tests.windows.matcher import Packet, Verdict, verdict
from ansible_collections.netwall.datadog.tests.windows.policy import Policy
from ansible_collections.netwall.datadog.tests.windows.real import real_collections
from ansible_collections.netwall.datadog.tests.windows.state import State, rule, windows_server
from ansible_collections.netwall.datadog.tests.windows.twin import Twin

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.tests.windows.policy import Flow

IN, OUT = 1, 2
BLOCK, ALLOW = 0, 1
WEB = Packet("outbound", "tcp", 443, ipaddress.ip_address("203.0.113.7"))
STATSD = Packet("inbound", "udp", 8125, ipaddress.ip_address("198.51.100.7"))


def host(*rules: dict[str, t.Any], **defaults: str) -> State:
    """A Windows Server with *rules* alone and these defaults in all of its profiles."""
    state = windows_server()
    state.rules = list(rules)
    for profile in state.profiles.values():
        profile.update(defaults)
    return state


def out(action: int, **more: t.Any) -> dict[str, t.Any]:
    """An outbound rule in force."""
    return rule("x", Direction=OUT, Action=action, Enabled=True, **more)


# --- The matcher ------------------------------------------------------------------------------------------------------


def test_defaults() -> None:
    assert verdict(host(), WEB) is Verdict.ALLOWED_BY_DEFAULT
    assert verdict(host(), STATSD) is Verdict.BLOCKED_BY_DEFAULT
    assert verdict(host(DefaultOutboundAction="Block"), WEB) is Verdict.BLOCKED_BY_DEFAULT
    assert verdict(host(DefaultInboundAction="Allow"), STATSD) is Verdict.ALLOWED_BY_DEFAULT


def test_a_block_beats_an_allow_whatever_the_order() -> None:
    allow, block = out(ALLOW, RemoteAddresses="203.0.113.7/255.255.255.255"), out(BLOCK)
    assert verdict(host(allow, block), WEB) is verdict(host(block, allow), WEB) is Verdict.BLOCKED
    assert verdict(host(allow, DefaultOutboundAction="Block"), WEB) is Verdict.ALLOWED


def test_a_firewall_that_is_off_and_loopback_let_everything_pass() -> None:
    state = host(out(BLOCK))
    assert verdict(state, dataclasses.replace(WEB, is_loopback=True)).passes
    state.profiles["Domain"]["Enabled"] = 0
    assert verdict(state, WEB).passes
    assert not verdict(state, dataclasses.replace(WEB, profile="Public")).passes


@pytest.mark.parametrize(
    ("properties", "meets"),
    [
        ({}, True),
        ({"Enabled": False}, False),
        ({"Direction": IN}, False),
        ({"Profiles": 6}, False),
        ({"Profiles": 1}, True),
        ({"Protocol": 6}, True),
        ({"Protocol": 17}, False),
        ({"Protocol": 6, "RemotePorts": "80,400-500"}, True),
        ({"Protocol": 6, "RemotePorts": "80"}, False),
        ({"Protocol": 6, "LocalPorts": "443"}, False),
        ({"RemoteAddresses": "203.0.113.0/255.255.255.0"}, True),
        ({"RemoteAddresses": "2001:db8::/32"}, False),
        ({"RemoteAddresses": "203.0.113.8-203.0.113.9,203.0.113.1-203.0.113.7"}, True),
        ({"RemoteAddresses": "LocalSubnet"}, False),
        ({"LocalAddresses": "LocalSubnet"}, True),
        ({"ApplicationName": r"%ProgramFiles%\Datadog\a.exe"}, True),
        ({"ApplicationName": r"C:\other.exe"}, False),
        ({"ServiceName": "dnscache"}, False),
        ({"ServiceName": "*"}, False),
    ],
)
def test_what_a_rule_is_about(properties: dict[str, t.Any], meets: bool) -> None:
    packet = dataclasses.replace(WEB, program=r"c:\program files\DATADOG\a.exe")
    found = verdict(host({**out(BLOCK), **properties}), packet)
    assert (found is Verdict.BLOCKED) == meets


def test_a_rule_of_a_service_is_about_that_service() -> None:
    state = host(out(BLOCK, ServiceName="DnsCache"))
    assert verdict(state, dataclasses.replace(WEB, service="dnscache")) is Verdict.BLOCKED
    assert verdict(state, dataclasses.replace(WEB, service="w32time")) is Verdict.ALLOWED_BY_DEFAULT


# --- The policy -------------------------------------------------------------------------------------------------------


def flow(direction: str, action: str, port: int, *networks: str, protocol: str = "udp") -> dict[str, t.Any]:
    """A flow as a user writes it."""
    kind = {"direction": direction, "action": action, "protocol": protocol, "port": port}
    return {"id": f"{action}-{port}", **kind, "networks": list(networks)}


def test_an_allow_beats_a_deny_of_the_same_traffic() -> None:
    deny = flow("inbound", "deny", 8125, "0.0.0.0/0", "::/0")
    allow = flow("inbound", "allow", 8125, "198.51.100.0/24")
    state = host(DefaultInboundAction="Allow")
    assert Policy([deny, allow]).passes(state, STATSD)
    assert not Policy([deny]).passes(state, STATSD)
    assert not Policy([deny, {**allow, "port": 8126}]).passes(state, STATSD)
    assert Policy([deny]).passes(state, dataclasses.replace(STATSD, is_loopback=True))


def test_what_no_flow_is_about_stays_unless_the_default_says_otherwise() -> None:
    assert Policy([]).passes(host(), WEB)
    assert not Policy([], default_outbound="deny").passes(host(), WEB)
    assert Policy([], default_outbound="deny").passes(host(out(ALLOW)), WEB)
    assert not Policy([], default_outbound="allow").passes(host(out(BLOCK)), WEB)


def test_what_is_open_for_programs_is_open_for_them_alone() -> None:
    allow = flow("outbound", "allow", 443, "203.0.113.0/24", protocol="tcp")
    policy = Policy([allow], "deny", frozenset({r"C:\Agent.exe"}))
    assert policy.passes(host(), dataclasses.replace(WEB, program=r"c:\agent.exe"))
    assert not policy.passes(host(), WEB)


# --- Both -------------------------------------------------------------------------------------------------------------


def written_out(flows: t.Sequence[Flow]) -> t.Iterator[dict[str, t.Any]]:
    """Rules for *flows*, written as somebody would by hand: a network each, and blocks network by network.

    Deliberately nothing like the collection's own way: a range of addresses for whatever is left of a network.
    """
    for number, one in enumerate(flows):
        is_inbound = one["direction"] == "inbound"
        for at, network in enumerate(one["networks"]):
            for part, remote in enumerate(
                [network] if one["action"] == "allow" else gaps(network, allowed(flows, one))
            ):
                yield {
                    "name": f"by hand {number} {at} {part}",
                    "direction": "in" if is_inbound else "out",
                    "action": "allow" if one["action"] == "allow" else "block",
                    "protocol": one["protocol"],
                    "localport" if is_inbound else "remoteport": str(one["port"]),
                    "remoteip": policies.spelled(remote),
                }


def allowed(flows: t.Sequence[Flow], denied: Flow) -> list[str]:
    """The networks that some flow allows of the traffic that *denied* denies."""
    same = ("direction", "protocol", "port")
    matching = [one for one in flows if one["action"] == "allow" and all(one[key] == denied[key] for key in same)]
    return [network for one in matching for network in one["networks"]]


def gaps(network: str, holes: list[str]) -> list[str]:
    """What is left of *network* without *holes*, as ranges."""
    whole = ipaddress.ip_network(network)
    ends = [(int(whole.network_address), int(whole.broadcast_address))]
    for hole in map(ipaddress.ip_network, holes):
        if hole.version == whole.version:
            first, last = int(hole.network_address), int(hole.broadcast_address)
            ends = [
                piece
                for low, high in ends
                for piece in ((low, min(high, first - 1)), (max(low, last + 1), high))
                if piece[0] <= piece[1]
            ]
    kind = type(whole.network_address)
    return [f"{kind(low)}-{kind(high)}" for low, high in ends]


@given(policy=policies.POLICIES, foreign=policies.FOREIGN_RULES, data=st.data())
@settings(max_examples=200)
def test_rules_written_by_hand_do_what_the_policy_wants(
    policy: Policy, foreign: list[dict[str, t.Any]], data: st.DataObject
) -> None:
    policy = dataclasses.replace(policy, programs=None, default_outbound="unmanaged")
    twin = Twin(real_collections())
    twin.state.rules += foreign
    before = copy.deepcopy(twin.state)
    for args in written_out(policy.flows):
        assert not twin.run("community.windows.win_firewall_rule", args).get("failed"), args
    for packet in data.draw(policies.packets(policy)):
        assert verdict(twin.state, packet).passes == policy.passes(before, packet), packet
