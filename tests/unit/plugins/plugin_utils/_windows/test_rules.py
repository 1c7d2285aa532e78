# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Flows as rules: their names, their lists, and that they let through what the flows do."""

from __future__ import annotations

import collections
import ipaddress
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, Flow
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.rules import (
    LONGEST_LIST,
    Program,
    Rule,
    compile_rules,
    is_name_of_ours,
    less_what_is_allowed,
    wants_of,
)

AGENT = Program(r"C:\Program Files\Datadog\Datadog Agent\bin\agent.exe")


def flow(name: str, direction: str, action: str, port: int, *networks: str) -> Flow:
    return Flow(name, direction, action, "tcp", port, networks or ANYWHERE, f"what {name} is for")


def compiled(flows: t.Iterable[Flow], *programs: Program, apart: t.Collection[str] = ()) -> list[Rule]:
    return compile_rules(less_what_is_allowed(wants_of(flows, programs, apart)))


def test_one_rule_has_all_networks_of_its_direction_action_protocol_and_port() -> None:
    rules = compiled(
        [
            flow("logs", "outbound", "allow", 443, "203.0.113.0/25"),
            flow("apm", "outbound", "allow", 443, "203.0.113.128/25", "2001:db8::/32"),
            flow("mail", "outbound", "allow", 25, "192.0.2.25/32"),
        ]
    )
    assert [rule.arguments() for rule in rules] == [
        {
            "name": "netwall.datadog: out allow tcp 25 #1/1",
            "group": "netwall.datadog",
            "description": "mail (what mail is for)",
            "state": "present",
            "enabled": True,
            "direction": "out",
            "action": "allow",
            "protocol": "tcp",
            "profiles": ["domain", "private", "public"],
            "remoteip": "192.0.2.25",
            "remoteport": "25",
        },
        {
            **rules[1].arguments(),
            "name": "netwall.datadog: out allow tcp 443 #1/1",
            "remoteip": "203.0.113.0/24,2001:db8::/32",
            "description": "logs, apm (what logs is for; what apm is for)",
            "remoteport": "443",
        },
    ]


def test_an_inbound_rule_names_the_port_of_this_host() -> None:
    [rule] = compiled([flow("trace", "inbound", "deny", 8126)])
    arguments = rule.arguments()
    assert (arguments["direction"], arguments["action"]) == ("in", "block")
    assert arguments["localport"] == "8126"
    assert arguments["remoteip"] == "any"
    assert "remoteport" not in arguments


def test_what_is_allowed_is_cut_out_of_what_is_denied() -> None:
    allow, block = compiled(
        [
            flow("trace-deny", "inbound", "deny", 8126),
            flow("trace-allow", "inbound", "allow", 8126, "10.0.0.0/8"),
        ]
    )
    assert not allow.is_block
    assert block.remote == (
        "0.0.0.0-9.255.255.255",
        "11.0.0.0-255.255.255.255",
        "::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    )


def test_a_denied_flow_of_which_nothing_is_left_has_no_rule() -> None:
    [rule] = compiled([flow("deny", "inbound", "deny", 8126, "10.0.0.1/32"), flow("allow", "inbound", "allow", 8126)])
    assert not rule.is_block


def test_allowed_outbound_flows_are_for_each_program_unless_they_are_set_apart() -> None:
    trace = Program(r"C:\trace-agent.exe", "datadog-trace-agent")
    rules = compiled(
        [
            flow("logs", "outbound", "allow", 443),
            flow("mail", "outbound", "allow", 25),
            flow("deny", "outbound", "deny", 22),
            flow("trace", "inbound", "allow", 8126),
        ],
        AGENT,
        trace,
        apart=["mail"],
    )
    assert {(rule.match.port, rule.arguments().get("program"), rule.arguments().get("service")) for rule in rules} == {
        (443, AGENT.path, None),
        (443, trace.path, trace.service),
        (25, None, None),
        (22, None, None),
        (8126, None, None),
    }
    assert len({rule.name for rule in rules}) == len(rules)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Program(r"C:\a\agent.exe"), Program(r"c:\A\AGENT.EXE"), True),
        (Program(r"C:\a\agent.exe"), Program(r"C:\b\agent.exe"), False),
        (Program(r"C:\a\agent.exe"), Program(r"C:\a\agent.exe", "agent"), False),
    ],
)
def test_a_program_is_known_by_its_path_and_service_whatever_their_case(
    one: Program, other: Program, same: bool
) -> None:
    assert (str(one) == str(other)) is same


def test_every_name_is_recognised_and_no_other() -> None:
    flows = [flow("logs", "outbound", "allow", 443), flow("deny", "inbound", "deny", 8126)]
    assert all(is_name_of_ours(rule.name) for rule in compiled(flows, AGENT))
    for name in ("netwall.datadog", "netwall.datadog: mine", "netwall.datadog: out allow tcp 443", "x #1/1"):
        assert not is_name_of_ours(name)


def test_a_purpose_with_a_bar_or_without_end_makes_a_description_that_windows_takes() -> None:
    [rule] = compiled([Flow("x", "outbound", "allow", "tcp", 443, ANYWHERE, "a|b" * 1000)])
    assert "|" not in rule.description
    assert len(rule.description) <= 500


_MANY = [str(ipaddress.ip_address(0x0A000000 + 2 * number)) + "/32" for number in range(1000)]


def test_a_long_list_is_split_and_nothing_of_it_is_lost() -> None:
    rules = compiled([flow("many", "outbound", "allow", 443, *_MANY)])
    assert len(rules) > 1
    assert max(len(rule.remote) for rule in rules) <= LONGEST_LIST
    assert sorted(f"{one}/32" for rule in rules for one in rule.remote) == sorted(_MANY)


def test_one_more_network_changes_one_rule_of_many() -> None:
    before = compiled([flow("many", "outbound", "allow", 443, *_MANY)])
    after = compiled([flow("many", "outbound", "allow", 443, *_MANY, "192.0.2.1/32")])
    assert [rule.name for rule in before] == [rule.name for rule in after]
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


_NETWORK = st.builds(
    lambda number, prefix: str(ipaddress.ip_network((number, prefix), strict=False)),
    st.integers(0xC0000200, 0xC00002FF),
    st.integers(24, 32),
) | st.sampled_from(["0.0.0.0/0", "::/0", "2001:db8::/32", "2001:db8:1::/48"])
_FLOW = st.builds(
    lambda direction, action, port, networks: (direction, action, port, tuple(networks)),
    st.sampled_from(["outbound", "inbound"]),
    st.sampled_from(["allow", "deny"]),
    st.sampled_from([443, 8126]),
    st.lists(_NETWORK, min_size=1, max_size=4),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_FLOW, max_size=8), st.data())
def test_a_block_wins_and_still_the_rules_let_through_what_the_flows_do(
    drawn: list[tuple[str, str, int, tuple[str, ...]]], data: st.DataObject
) -> None:
    rules = compiled(Flow(f"f{n}", d, a, "tcp", p, nets) for n, (d, a, p, nets) in enumerate(drawn))
    address = ipaddress.ip_address(
        data.draw(
            st.integers(0xC0000200, 0xC00002FF).map(str).map(int) | st.just(0x20010DB8 << 96) | st.integers(2, 99)
        )
    )
    for direction in ("outbound", "inbound"):
        for port in (443, 8126):
            said = {
                action
                for d, action, p, networks in drawn
                if (d, p) == (direction, port) and any(address in ipaddress.ip_network(net) for net in networks)
            }
            expected = "allow" if "allow" in said else "deny" if said else ""
            verdicts = collections.Counter(
                rule.match.action
                for rule in rules
                if (rule.match.direction, rule.match.port) == (direction, port) and _holds(rule.remote, address)
            )
            assert ("deny" if verdicts["deny"] else "allow" if verdicts["allow"] else "") == expected


def _holds(remote: t.Iterable[str], address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    for entry in remote:
        begin, dash, end = entry.partition("-")
        if entry == "any":
            return True
        if dash and ipaddress.ip_address(begin).version == address.version:
            if int(ipaddress.ip_address(begin)) <= int(address) <= int(ipaddress.ip_address(end)):
                return True
        elif not dash and address in ipaddress.ip_network(entry):
            return True
    return False
