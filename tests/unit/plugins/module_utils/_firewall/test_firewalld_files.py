# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import Rule, rules_of
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_files import (
    Layout,
    canonical,
    compile_layout,
    decides,
    denies_outbound,
    is_ours,
    is_spare,
    keep_if_same,
    parse_files,
    rules_in,
    spare_of,
    texts_of,
)
from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, Flow

LOGS = Flow("logs-tcp-443-out", "outbound", "allow", "tcp", 443, ("198.51.100.0/28", "2001:db8::/64"))
APM = Flow("apm-tcp-8126-in", "inbound", "deny", "tcp", 8126, ANYWHERE)
REPLIES = Rule("outbound", "allow", "tcp", "192.0.2.1/32", None, 22, ("management-tcp-22-replies-out",))
LONGEST_NAME_OF_A_POLICY = 18


def compiled(*flows: Flow, precedence: str = "theirs", deny: bool = False, extra: tuple[Rule, ...] = ()) -> Layout:
    return compile_layout([*(r for flow in flows for r in rules_of(canonical(flow))), *extra], precedence, deny)


def main_sets(layout: Layout) -> dict[str, frozenset[str]]:
    return {name: each.entries for name, each in layout.sets.items() if not is_spare(name)}


def test_a_flow_has_a_set_per_family() -> None:
    assert sorted(map(sorted, main_sets(compiled(LOGS)).values())) == [["198.51.100.0/28"], ["2001:db8::/64"]]


def test_a_flow_of_one_family_has_an_empty_set_of_the_other() -> None:
    flow = replace(LOGS, networks=("198.51.100.0/28",))
    assert frozenset() in main_sets(compiled(flow)).values()


def test_every_set_has_an_empty_spare_that_the_same_policy_names() -> None:
    layout = compiled(LOGS)
    rules = layout.policies["netwall-out"].rules
    for name in main_sets(layout):
        assert layout.sets[spare_of(name)].entries == frozenset()
        assert sum(f'"{name}"' in rule for rule in rules) == sum(f'"{spare_of(name)}"' in rule for rule in rules) == 1


networks = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda n: ipaddress.IPv4Network(n, strict=False)),
        st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(
            lambda n: ipaddress.IPv6Network(n, strict=False)
        ),
    ),
    min_size=1,
    max_size=8,
).map(lambda found: tuple(map(str, found)))


@given(networks, networks)
def test_a_change_of_addresses_is_no_change_of_structure(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    old, new = (compiled(replace(LOGS, networks=each), deny=True) for each in (before, after))
    assert old.structure == new.structure


@given(networks)
def test_entries_are_disjoint_and_none_is_of_length_zero(nets: tuple[str, ...]) -> None:
    for entries in main_sets(compiled(replace(LOGS, networks=nets))).values():
        parsed = sorted(map(ipaddress.ip_network, entries))
        assert all(network.prefixlen for network in parsed)
        assert not any(one.overlaps(next_one) for one, next_one in itertools.pairwise(parsed))


@given(networks, st.sampled_from(["theirs", "ours"]), st.booleans())
def test_files_say_what_they_were_made_of(nets: tuple[str, ...], precedence: str, deny: bool) -> None:
    layout = compiled(replace(LOGS, networks=nets), APM, precedence=precedence, deny=deny, extra=(REPLIES,))
    assert parse_files(texts_of(layout)) == layout


@given(networks)
def test_rules_come_back_out_of_the_files(nets: tuple[str, ...]) -> None:
    flow = canonical(replace(LOGS, networks=nets))
    layout = parse_files(texts_of(compiled(flow, APM, extra=(REPLIES,))))
    assert set(rules_in(layout)) == {*rules_of(flow), *rules_of(APM), REPLIES}


def test_names_fit_firewalld_and_are_ours() -> None:
    layout = compiled(LOGS, APM, precedence="ours", deny=True)
    assert all(len(name) <= LONGEST_NAME_OF_A_POLICY for name in layout.policies)
    longest_name_of_an_ipset = 31
    assert all(len(name) <= longest_name_of_an_ipset for name in layout.sets)
    assert all(map(is_ours, [*layout.policies, *layout.sets]))


def test_an_allow_comes_before_a_deny_of_the_same_policy() -> None:
    both = compiled(APM, replace(APM, id="apm-allowed", action="allow"), precedence="ours")
    rules = both.policies["netwall-in"].rules
    assert {rule.split(" ")[1] for rule in rules if rule.endswith("accept")} == {'priority="-1"'}
    assert {rule.split(" ")[1] for rule in rules if rule.endswith("drop")} == {'priority="1"'}


def test_behind_theirs_an_inbound_denial_is_kept_but_decides_nothing() -> None:
    layout = compiled(APM)
    assert layout.policies == {}
    assert {rule.flows for rule in rules_in(layout)} == {("apm-tcp-8126-in",)}


@pytest.mark.parametrize(
    ("direction", "action", "precedence", "expected"),
    [
        ("inbound", "deny", "theirs", False),
        ("inbound", "deny", "ours", True),
        ("inbound", "allow", "theirs", True),
        ("outbound", "deny", "theirs", True),
    ],
)
def test_which_rules_decide(direction: str, action: str, precedence: str, expected: bool) -> None:
    assert decides(Rule(direction, action, "tcp", "0.0.0.0/0", 80), precedence) is expected


def test_ours_stand_before_all_of_theirs_or_behind() -> None:
    assert compiled(LOGS).policies["netwall-out"].priority > 0
    assert compiled(LOGS, precedence="ours").policies["netwall-out"].priority < 0


@pytest.mark.parametrize("precedence", ["theirs", "ours"])
def test_the_default_stands_behind_everything(precedence: str) -> None:
    layout = compiled(LOGS, precedence=precedence, deny=True)
    default = layout.policies["netwall-rest-out"]
    assert default.target == "REJECT"
    assert all(default.priority > each.priority for each in layout.policies.values() if each is not default)


def test_what_no_flow_can_say_passes_before_the_default() -> None:
    rules = compiled(LOGS, deny=True).policies["netwall-rest-out"].rules
    assert rules == {f'rule protocol value="{protocol}" accept' for protocol in ("icmp", "ipv6-icmp", "igmp")}


def test_whether_outgoing_traffic_is_denied_can_be_told() -> None:
    assert [denies_outbound(compiled(LOGS, deny=deny)) for deny in (False, True)] == [False, True]


def test_replies_are_matched_by_the_port_they_come_from() -> None:
    rules = compiled(extra=(REPLIES,)).policies["netwall-out"].rules
    assert all('source-port port="22" protocol="tcp"' in rule for rule in rules)


REWRITTEN = """<?xml version="1.0" encoding="utf-8"?>
<policy target="CONTINUE" priority="32766">
  <egress-zone name="ANY"/>
  <ingress-zone name="HOST"/>
  <rule family="ipv4" priority="-1">
    <accept/>
    <port protocol="tcp" port="443"/>
    <destination ipset="netwall-1-4"/>
  </rule>
</policy>
"""


def test_a_file_that_firewalld_rewrote_says_the_same() -> None:
    policy = parse_files({"/etc/firewalld/policies/netwall-out.xml": REWRITTEN}).policies["netwall-out"]
    line = 'rule priority="-1" family="ipv4" destination ipset="netwall-1-4" port port="443" protocol="tcp" accept'
    assert policy.rules == {line}
    assert policy.zones == ("HOST", "ANY")


@pytest.mark.parametrize(
    "addition",
    [
        "<masquerade/>",
        '<service name="http"/>',
        "<rule><log/><accept/></rule>",
        '<rule><source mac="x"/><accept/></rule>',
    ],
)
def test_a_policy_to_which_somebody_added_something_counts_as_none(addition: str) -> None:
    text = REWRITTEN.replace("</policy>", f"{addition}</policy>")
    assert parse_files({"/etc/firewalld/policies/netwall-out.xml": text}).policies == {}


@pytest.mark.parametrize(
    "text", ["", "<ipset", '<ipset type="hash:mac"/>', '<ipset type="hash:net"><entry>x</entry></ipset>']
)
def test_an_ipset_that_is_none_of_ours_counts_as_none(text: str) -> None:
    assert parse_files({"/etc/firewalld/ipsets/netwall-1-4.xml": text}).sets == {}


def test_an_old_version_that_firewalld_kept_counts_as_none() -> None:
    assert parse_files({"/etc/firewalld/policies/netwall-out.xml.old": REWRITTEN}) == Layout()


def test_a_file_that_says_the_same_is_kept_to_the_byte() -> None:
    path, text = next(iter(texts_of(compiled(LOGS)).items()))
    old = text.replace("  ", "\t")
    assert keep_if_same(path, old, text) == old


def test_a_file_that_says_something_else_is_not_kept() -> None:
    path, text = next((p, x) for p, x in texts_of(compiled(LOGS)).items() if "198.51.100.0/28" in x)
    assert keep_if_same(path, text.replace("/28", "/29"), text) == text


def test_a_file_that_lost_the_name_of_its_flow_is_not_kept() -> None:
    path, text = next((p, x) for p, x in texts_of(compiled(LOGS)).items() if "198.51.100.0/28" in x)
    assert keep_if_same(path, text.replace("flow logs", "flow other"), text) == text
