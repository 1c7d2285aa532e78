# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Flows as rules: who shares one, what is left out, in which order, and what a change means for each flow."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import (
    Rule,
    compile_rules,
    flow_changes,
    rules_of,
)
from ansible_collections.netwall.datadog.plugins.module_utils._flow import Flow

AGENTS = Rule("outbound", "allow", "tcp", "192.0.2.0/24", 443, flows=("agents-tcp-443-out",))
LOGS = dataclasses.replace(AGENTS, flows=("logs-tcp-443-out",))
CLOSED = Rule("inbound", "deny", "udp", "0.0.0.0/0", 8125, flows=("dogstatsd-udp-8125-in",))

NETWORKS = ("0.0.0.0/0", "9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/9", "192.0.2.1/32", "::/0", "2001:db8::/32")

_ports = st.one_of(
    st.tuples(st.sampled_from([80, 443]), st.none()),
    st.tuples(st.none(), st.sampled_from([22, 443])),
)
_rules = st.builds(
    lambda direction, action, protocol, network, ports, flows: Rule(
        direction, action, protocol, network, ports[0], ports[1], flows
    ),
    st.sampled_from(["outbound", "inbound"]),
    st.sampled_from(["allow", "deny"]),
    st.sampled_from(["tcp", "udp"]),
    st.sampled_from(NETWORKS),
    _ports,
    st.sampled_from(["a", "b", "c"]).map(lambda name: (name,)),
)
_many = st.lists(_rules, max_size=12)


def traffic(rule: Rule) -> Rule:
    return dataclasses.replace(rule, flows=())


def contrary(rule: Rule) -> Rule:
    return dataclasses.replace(rule, action="deny" if rule.action == "allow" else "allow", flows=())


# --- Rules ------------------------------------------------------------------------------------------------------------


def test_a_flow_is_one_rule_for_each_network() -> None:
    flow = Flow("ntp-udp-123-out", "outbound", "allow", "udp", 123, ("192.0.2.0/24", "2001:db8::/32"))
    assert list(rules_of(flow)) == [
        Rule("outbound", "allow", "udp", "192.0.2.0/24", 123, flows=("ntp-udp-123-out",)),
        Rule("outbound", "allow", "udp", "2001:db8::/32", 123, flows=("ntp-udp-123-out",)),
    ]


@pytest.mark.parametrize(("network", "family"), [("0.0.0.0/0", 4), ("192.0.2.1/32", 4), ("::/0", 6)])
def test_a_rule_knows_its_family(network: str, family: int) -> None:
    assert dataclasses.replace(AGENTS, network=network).family == family


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (AGENTS, "allow out 443/tcp to 192.0.2.0/24  # agents-tcp-443-out"),
        (
            dataclasses.replace(CLOSED, flows=("apm", "dogstatsd")),
            "deny in 8125/udp from 0.0.0.0/0  # apm, dogstatsd",
        ),
        (
            Rule("outbound", "allow", "tcp", "192.0.2.9/32", None, 22, ("management-tcp-22-replies-out",)),
            "allow out from port 22/tcp to 192.0.2.9/32  # management-tcp-22-replies-out",
        ),
    ],
)
def test_a_rule_reads_as_one_line_of_the_diff(rule: Rule, line: str) -> None:
    assert str(rule) == line


# --- compile_rules ----------------------------------------------------------------------------------------------------


def test_flows_that_ask_for_the_same_traffic_share_a_rule() -> None:
    both = ("agents-tcp-443-out", "logs-tcp-443-out")
    assert compile_rules([LOGS, AGENTS, LOGS]) == (dataclasses.replace(AGENTS, flows=both),)


def test_an_allow_beats_a_deny_of_just_the_same_traffic() -> None:
    allowed = dataclasses.replace(CLOSED, action="allow", flows=("open",))
    assert compile_rules([CLOSED, allowed]) == (allowed,)


def test_a_deny_of_more_than_is_allowed_stays_behind_the_allow() -> None:
    allowed = dataclasses.replace(CLOSED, action="allow", network="192.0.2.0/24")
    assert compile_rules([CLOSED, allowed]) == (allowed, CLOSED)


def test_networks_stand_in_numerical_order() -> None:
    shuffled = [dataclasses.replace(AGENTS, network=network) for network in reversed(NETWORKS)]
    assert [rule.network for rule in compile_rules(shuffled)] == list(NETWORKS)


@given(_many, st.randoms())
def test_the_order_of_what_comes_in_does_not_matter(rules: list[Rule], random: t.Any) -> None:
    shuffled = list(rules)
    random.shuffle(shuffled)
    assert compile_rules(shuffled) == compile_rules(rules)


@given(_many)
def test_every_rule_stands_once_with_all_its_flows_unless_an_allow_overrules_it(rules: list[Rule]) -> None:
    flows: dict[Rule, set[str]] = collections.defaultdict(set)
    for rule in rules:
        flows[traffic(rule)].update(rule.flows)
    expected = {r: tuple(sorted(f)) for r, f in flows.items() if r.action == "allow" or contrary(r) not in flows}
    compiled = compile_rules(rules)
    assert {traffic(rule): rule.flows for rule in compiled} == expected
    assert len(compiled) == len(expected)


@given(_many)
def test_allows_stand_before_denials(rules: list[Rule]) -> None:
    actions = [rule.action for rule in compile_rules(rules)]
    assert actions == sorted(actions)


@given(_many)
def test_what_is_compiled_stays_as_it_is(rules: list[Rule]) -> None:
    assert compile_rules(compile_rules(rules)) == compile_rules(rules)


# --- flow_changes -----------------------------------------------------------------------------------------------------


def test_flows_are_added_removed_or_unchanged() -> None:
    assert flow_changes([LOGS, CLOSED], [AGENTS, CLOSED]) == (
        ("agents-tcp-443-out",),
        ("logs-tcp-443-out",),
        ("dogstatsd-udp-8125-in",),
    )


def test_a_flow_of_which_a_network_came_and_another_went_is_both_added_and_removed() -> None:
    moved = dataclasses.replace(AGENTS, network="198.51.100.0/24")
    name = ("agents-tcp-443-out",)
    assert flow_changes([AGENTS], [moved]) == (name, name, ())


def test_a_flow_that_joins_a_rule_changes_nothing_for_the_one_that_has_it() -> None:
    shared = dataclasses.replace(AGENTS, flows=("agents-tcp-443-out", "logs-tcp-443-out"))
    assert flow_changes([AGENTS], [shared]) == (("logs-tcp-443-out",), (), ("agents-tcp-443-out",))


def test_the_order_of_rules_is_no_change() -> None:
    assert flow_changes([LOGS, CLOSED], [CLOSED, LOGS])[:2] == ((), ())


def test_a_flow_that_needs_no_rule_of_ours_is_unchanged() -> None:
    flow = Flow("ntp-udp-123-out", "outbound", "allow", "udp", 123, ("192.0.2.0/24",))
    assert flow_changes([], [], [flow]) == ((), (), ("ntp-udp-123-out",))


def test_a_flow_that_lost_its_rules_to_a_rule_of_theirs_is_removed_alone() -> None:
    flow = Flow("agents-tcp-443-out", "outbound", "allow", "tcp", 443, ("192.0.2.0/24",))
    assert flow_changes([AGENTS], [], [flow]) == ((), ("agents-tcp-443-out",), ())


SSH = Flow("ssh-deny", "inbound", "deny", "tcp", 22, ("0.0.0.0/0", "::/0"))
KEPT = [Rule("inbound", "allow", "tcp", network, 22, flows=("management-tcp-22-in",)) for network in SSH.networks]


@pytest.mark.parametrize("rules", [KEPT, [*rules_of(SSH), *KEPT]])
def test_a_denial_that_has_no_rule_because_an_allow_overrules_it_is_not_claimed(rules: list[Rule]) -> None:
    assert flow_changes(rules, rules, [SSH]) == ((), (), ("management-tcp-22-in",))
    assert flow_changes([], rules, [SSH]) == (("management-tcp-22-in",), (), ())


def test_a_denial_that_an_allow_comes_to_overrule_is_removed() -> None:
    assert flow_changes(rules_of(SSH), [*rules_of(SSH), *KEPT], [SSH]) == (
        ("management-tcp-22-in",),
        ("ssh-deny",),
        (),
    )


def test_a_denial_of_which_a_part_still_holds_is_claimed() -> None:
    assert flow_changes([], compile_rules([*rules_of(SSH), KEPT[0]]), [SSH])[0] == ("management-tcp-22-in", "ssh-deny")


@given(_many, _many)
def test_a_flow_is_unchanged_or_else_added_or_removed(before: list[Rule], after: list[Rule]) -> None:
    added, removed, unchanged = flow_changes(before, after)
    named = {flow for rule in [*compile_rules(before), *compile_rules(after)] for flow in rule.flows}
    assert named == {*added, *removed, *unchanged}
    assert not {*added, *removed} & set(unchanged)
    assert flow_changes(after, before) == (removed, added, unchanged)
