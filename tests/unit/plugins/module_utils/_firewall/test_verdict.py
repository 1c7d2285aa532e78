# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts, checked against an oracle that knows no ranges: it sends every packet of a small world through the rules.

The world is small but whole: it has an address, a port and an interface for everything that the rules in it can tell
apart, also what lies outside of all of them.
"""

from __future__ import annotations

import functools
import ipaddress
import itertools
import typing as t

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import (
    ANY_PORT,
    OperatorRule,
    Packet,
    decide,
    overruled,
)
from ansible_collections.netwall.datadog.plugins.module_utils._flow import Flow

PORT = 8126

# Family -> the networks in which rules are nested, and an address outside of them.
REMOTE = {4: ("192.0.2.16/28", "203.0.113.1"), 6: ("2001:db8:1::8/126", "2001:db8:ffff::1")}
LOCAL = {4: ("198.51.100.0/30", "203.0.113.2"), 6: ("2001:db8:2::/127", "2001:db8:ffff::2")}
ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
SOURCE_PORTS = (1, 1000, 1001, 1002, 1003, 65535)
INTERFACES = ("eth0", "eth1", "eth2", "wlan0", "wlan1", "tun0", "lo1")
PATTERNS = ("", "", "eth0", "eth1", "wlan0", "eth+", "w+", "+", "lo", "lo+")


def _rule(verdict: str, **changes: t.Any) -> OperatorRule:
    plain = {"direction": "inbound", "protocols": ("tcp",), "remote": ANYWHERE[4], "local": ANYWHERE[4]}
    return OperatorRule(**{**plain, "verdict": verdict, **changes})


# --- The oracle -------------------------------------------------------------------------------------------------------


@functools.cache
def _addresses(space: tuple[str, str]) -> list[str]:
    network, outside = space
    return [*map(str, ipaddress.ip_network(network)), outside]


@functools.cache
def _contains(network: str, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network)


def _carries(pattern: str, interface: str) -> bool:
    if pattern.endswith("+"):
        return interface.startswith(pattern.rstrip("+"))
    return pattern in ("", interface)


def _within(ports: t.Iterable[tuple[int, int]], port: int) -> bool:
    return any(port in range(first, last + 1) for first, last in ports)


def matches(rule: OperatorRule, packet: Packet) -> bool:
    return (
        rule.direction == packet.direction
        and packet.protocol in rule.protocols
        and _within(rule.ports, packet.port)
        and _within(rule.source_ports, packet.source_port)
        and _contains(rule.remote, packet.remote)
        and _contains(rule.local, packet.local)
        and packet.interface != "lo"
        and _carries(rule.interface, packet.interface)
    )


def first_match(rules: list[OperatorRule], packet: Packet) -> OperatorRule | None:
    return next((rule for rule in rules if matches(rule, packet)), None)


def _points(family: int, rule: OperatorRule) -> set[tuple[str, str, str, int]]:
    """What *rule* matches, but for what all packets of a flow share."""
    return set(
        itertools.product(
            [address for address in _addresses(REMOTE[family]) if _contains(rule.remote, address)],
            [address for address in _addresses(LOCAL[family]) if _contains(rule.local, address)],
            [interface for interface in INTERFACES if _carries(rule.interface, interface)],
            [port for port in SOURCE_PORTS if _within(rule.source_ports, port)],
        )
    )


def overruled_by_enumeration(flow: Flow, rules: list[OperatorRule]) -> bool:
    """Whether the first rule that matches some packet of *flow* gives it another verdict."""
    for family in (4, 6):
        everything = [_rule(flow.action, remote=network, local=ANYWHERE[family]) for network in flow.networks]
        left = set().union(*(_points(family, rule) for rule in everything))
        for rule in rules:
            if rule.direction == flow.direction and flow.protocol in rule.protocols and _within(rule.ports, flow.port):
                hit = left & _points(family, rule)
                if hit and rule.verdict != flow.action:
                    return True
                left -= hit
    return False


# --- Random worlds ----------------------------------------------------------------------------------------------------


def _inside(space: str) -> list[str]:
    """The networks in *space*, itself included, the large ones as many times as the small ones together."""
    whole = ipaddress.ip_network(space)
    return [
        str(network)
        for length in range(whole.prefixlen, whole.max_prefixlen + 1)
        for network in whole.subnets(new_prefix=length)
        for _again in range(2 ** (whole.max_prefixlen - length))
    ]


def _networks(space: str, family: int) -> st.SearchStrategy[str]:
    nested = _inside(space)
    return st.sampled_from([*nested, *[ANYWHERE[family]] * (len(nested) // 3)])


_families = st.sampled_from([4, 4, 6])
_remotes = {family: _networks(space, family) for family, (space, _outside) in REMOTE.items()}
_locals = {family: _networks(space, family) for family, (space, _outside) in LOCAL.items()}
_source_ranges = st.one_of(
    st.just(ANY_PORT),
    st.lists(
        st.tuples(st.integers(1000, 1003), st.integers(1000, 1003)).map(lambda ends: (min(ends), max(ends))),
        min_size=1,
        max_size=2,
    ).map(tuple),
)


_rules_of = {
    family: st.builds(
        OperatorRule,
        direction=st.sampled_from([*["inbound"] * 5, "outbound"]),
        verdict=st.sampled_from(["allow", "allow", "deny", "deny", "limit"]),
        protocols=st.sampled_from([("tcp",), ("tcp", "udp"), ("tcp", "udp"), ("udp",)]),
        remote=_remotes[family],
        local=st.one_of(st.just(ANYWHERE[family]), _locals[family]),
        ports=st.sampled_from(
            [ANY_PORT, ANY_PORT, ((PORT, PORT),), ((22, 22), (8000, 9000)), ((443, 443), (PORT + 1, 65535))]
        ),
        source_ports=_source_ranges,
        interface=st.sampled_from(PATTERNS),
    )
    for family in (4, 6)
}
_rules = st.lists(_families.flatmap(_rules_of.__getitem__), min_size=2, max_size=7)
_flows = st.builds(
    Flow,
    id=st.just("apm-tcp-8126-in"),
    direction=st.sampled_from(["inbound", "inbound", "inbound", "outbound"]),
    action=st.sampled_from(["allow", "deny"]),
    protocol=st.sampled_from(["tcp", "tcp", "udp"]),
    port=st.just(PORT),
    networks=st.lists(_families.flatmap(_remotes.__getitem__), min_size=1, max_size=3).map(tuple),
)
_packets_of = {
    family: st.builds(
        Packet,
        direction=st.sampled_from(["inbound", "inbound", "outbound"]),
        protocol=st.sampled_from(["tcp", "udp"]),
        remote=st.sampled_from(_addresses(REMOTE[family])),
        local=st.sampled_from(_addresses(LOCAL[family])),
        port=st.sampled_from([PORT, PORT, 443]),
        source_port=st.sampled_from(SOURCE_PORTS),
        interface=st.sampled_from([*INTERFACES, "lo"]),
    )
    for family in (4, 6)
}
_packets = _families.flatmap(_packets_of.__getitem__)


# --- Properties -------------------------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(_flows, _rules)
def test_a_flow_is_overruled_if_and_only_if_a_packet_of_it_is(flow: Flow, rules: list[OperatorRule]) -> None:
    assert overruled(flow, rules) == overruled_by_enumeration(flow, rules)


def _cover(verdict: str) -> st.SearchStrategy[list[OperatorRule]]:
    """Rules that divide the flow's networks among them, so that what comes after them is hit rarely or never."""
    halves = [str(network) for network in ipaddress.ip_network(REMOTE[4][0]).subnets(prefixlen_diff=2)]
    return st.lists(
        st.builds(
            _rule,
            st.just(verdict),
            remote=st.sampled_from(halves),
            interface=st.sampled_from(["", "", "+", "eth+"]),
            local=st.sampled_from([ANYWHERE[4], ANYWHERE[4], "198.51.100.0/31"]),
            source_ports=st.sampled_from([ANY_PORT, ANY_PORT, ((0, 1001),), ((1002, 65535),)]),
        ),
        min_size=3,
        max_size=9,
    )


def _flow(action: str, *networks: str) -> Flow:
    return Flow("apm-tcp-8126-in", "inbound", action, "tcp", PORT, networks or (ANYWHERE[4],))


@settings(max_examples=150)
@given(_cover("allow"), _remotes[4], _rules_of[4])
def test_a_rule_behind_many_small_ones_counts_only_where_they_leave_a_gap(
    before: list[OperatorRule], network: str, last: OperatorRule
) -> None:
    flow = _flow("allow", network)
    assert overruled(flow, [*before, last]) == overruled_by_enumeration(flow, [*before, last])


@settings(max_examples=200)
@given(_rules, _packets)
@example([_rule("deny", interface="lo")], Packet("inbound", "tcp", "203.0.113.1", "203.0.113.2", PORT, 1, "lo"))
def test_a_packet_is_decided_by_the_first_rule_that_matches_it(rules: list[OperatorRule], packet: Packet) -> None:
    assert decide(rules, packet) is first_match(rules, packet)


@settings(max_examples=200)
@given(_rules, _packets, st.sampled_from(["allow", "deny"]))
@example(
    [_rule("limit", interface="eth0"), _rule("deny")],
    Packet("inbound", "tcp", "203.0.113.1", "203.0.113.2", PORT, 1),
    "allow",
)
def test_what_passes_on_an_unknown_interface_passes_on_every_one(
    rules: list[OperatorRule], packet: Packet, default: str
) -> None:
    def is_denied(interface: str) -> bool:
        seen = Packet(**{**vars(packet), "interface": interface})
        decider = decide(rules, seen)
        return (decider.verdict if decider else default) == "deny"

    assert is_denied("") or not any(map(is_denied, INTERFACES))


# --- By name ----------------------------------------------------------------------------------------------------------


def test_on_an_unknown_interface_a_denial_on_one_counts_and_a_permission_does_not() -> None:
    unknown = Packet("inbound", "tcp", "192.0.2.17", "198.51.100.1", PORT, 1000)
    allow, deny = _rule("allow", interface="eth0"), _rule("deny", interface="eth1")
    assert decide([allow, deny], unknown) is deny


def test_on_an_unknown_interface_a_denial_on_lo_does_not_count() -> None:
    unknown = Packet("inbound", "tcp", "192.0.2.17", "198.51.100.1", PORT, 1000)
    assert decide([_rule("deny", interface="lo")], unknown) is None


@pytest.mark.parametrize("action", ["allow", "deny"])
def test_a_limit_overrules_both_what_is_allowed_and_what_is_denied(action: str) -> None:
    assert overruled(_flow(action), [_rule("limit")])


def test_a_rule_on_lo_overrules_nothing() -> None:
    assert not overruled(_flow("deny"), [_rule("allow", interface="lo")])


def test_a_rule_on_lo_takes_nothing_away_from_the_rules_behind_it() -> None:
    assert overruled(_flow("allow"), [_rule("allow", interface="lo"), _rule("deny")])


@pytest.mark.parametrize(
    ("allowed", "gap"),
    [
        ([{"remote": "192.0.2.0/31"}, {"remote": "192.0.2.3/32"}], {"remote": "192.0.2.0/30"}),
        ([{"local": "192.0.2.0/31"}, {"local": "192.0.2.3/32"}], {"local": "192.0.2.0/30"}),
        ([{"source_ports": ((1, 5), (7, 9))}], {"source_ports": ((2, 8),)}),
        ([{"source_ports": ((0, 65534),)}], {}),
        ([{"interface": "eth0"}, {"interface": "eth1"}], {"interface": "eth+"}),
        ([{"interface": "eth+"}, {"interface": "wlan0"}], {}),
        ([{"remote": "0.0.0.0/1"}, {"remote": "128.0.0.0/1", "interface": "eth0"}], {"remote": "255.255.255.255/32"}),
    ],
)
def test_one_packet_that_slips_through_to_a_denial_is_enough(
    allowed: list[dict[str, t.Any]], gap: dict[str, t.Any]
) -> None:
    before = [_rule("allow", **part) for part in allowed]
    assert overruled(_flow("allow"), [*before, _rule("deny", **gap)])


@pytest.mark.parametrize(
    ("allowed", "denied"),
    [
        ([{"remote": "192.0.2.0/31"}, {"remote": "192.0.2.2/31"}], {"remote": "192.0.2.0/30"}),
        ([{"local": "192.0.2.0/31"}, {"local": "192.0.2.2/31"}], {"local": "192.0.2.0/30"}),
        ([{"source_ports": ((1, 5), (6, 9))}], {"source_ports": ((2, 8),)}),
        ([{"interface": "e+"}], {"interface": "eth+"}),
        ([{"interface": "+"}], {}),
    ],
)
def test_where_nothing_slips_through_a_denial_overrules_nothing(
    allowed: list[dict[str, t.Any]], denied: dict[str, t.Any]
) -> None:
    before = [_rule("allow", **part) for part in allowed]
    assert not overruled(_flow("allow"), [*before, _rule("deny", **denied)])


def test_two_protocols_of_one_rule_are_not_confused_with_one() -> None:
    both = _rule("deny", protocols=("tcp", "udp"))
    assert overruled(_flow("allow"), [both])
    assert not overruled(_flow("allow"), [_rule("allow"), both])


def test_a_family_without_rules_is_not_overruled() -> None:
    assert not overruled(_flow("allow", "2001:db8::/32"), [_rule("deny")])
