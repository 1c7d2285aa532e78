# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who wins between others' zones and policies and ours, case by case.

That firewalld really asks in this order is tried against the nftables rules of real ones, on random configurations
(``tests/integration/firewalld_oracle.py``).
"""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import regions
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_config import Configuration, IPSet
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_theirs import TheirStanding, unjudged
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import OperatorRule, Packet
from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, Flow

OLD, NEW = (1, 3, 3), (2, 3, 1)
PORT = 8126
PLACE = 32000
NEAR, FAR = "192.0.2.9", "203.0.113.9"

Settings = dict[str, t.Any]


def _theirs(
    version: tuple[int, ...] = NEW,
    default: Settings | None = None,
    policies: dict[str, Settings] | None = None,
    ipsets: dict[str, IPSet] | None = None,
    services: dict[str, Settings] | None = None,
    **zones: Settings,
) -> TheirStanding:
    configuration = Configuration(
        "public", {"public": default or {}, **zones}, policies or {}, ipsets or {}, services or {}
    )
    return TheirStanding(version, configuration, lambda name: name.startswith("netwall-"), PLACE)


def _in(*rules: str, priority: int = -10, zones: tuple[str, ...] = ("ANY",), target: str = "CONTINUE") -> Settings:
    return {
        "priority": priority,
        "ingress_zones": zones,
        "egress_zones": ("HOST",),
        "target": target,
        "rich_rules": rules,
    }


def _out(*rules: str, priority: int = -10, zones: tuple[str, ...] = ("ANY",), target: str = "CONTINUE") -> Settings:
    return {**_in(*rules, priority=priority, target=target), "ingress_zones": ("HOST",), "egress_zones": zones}


def _from(address: str, interface: str = "eth0", port: int = PORT, source_port: int = 40000) -> Packet:
    return Packet("inbound", "tcp", address, "198.51.100.1", port, source_port, interface)


def _to(address: str, interface: str = "eth0") -> Packet:
    return Packet("outbound", "tcp", address, "198.51.100.1", PORT, 40000, interface)


def _flow(action: str = "allow", direction: str = "inbound", *networks: str) -> Flow:
    return Flow("apm-tcp-8126", direction, action, "tcp", PORT, networks or ("0.0.0.0/0",))


RELEASES = pytest.mark.parametrize("version", [OLD, NEW])
OPEN = {"ports": [(f"{PORT}", "tcp")]}
DROP_ALL = 'rule priority="-1" drop'


# --- Zones ------------------------------------------------------------------------------------------------------------


@RELEASES
def test_what_no_zone_lets_in_stays_out_and_nothing_keeps_packets_from_going_out(version: tuple[int, ...]) -> None:
    theirs = _theirs(version)
    assert not theirs.lets(_from(NEAR))
    assert theirs.lets(_to(NEAR))


@pytest.mark.parametrize(
    "settings",
    [
        OPEN,
        {"ports": [("8000-9000", "tcp")]},
        {"protocols": ["tcp"]},
        {"protocols": ["6"]},
        {"source_ports": [("40000", "tcp")]},
        {"rules_str": ['rule family="ipv4" source address="192.0.2.9/24" accept']},
        {"services": ["apm"]},
        {"services": ["outer"]},
        {"target": "ACCEPT"},
        {"forward_ports": [(f"{PORT}", "tcp", "80", "")]},
    ],
)
def test_everything_that_lets_a_packet_in_is_known(settings: Settings) -> None:
    services: dict[str, Settings] = {"apm": {"ports": [(f"{PORT}", "tcp")]}, "outer": {"includes": ["apm", "outer"]}}
    assert _theirs(default=settings, services=services).lets(_from(NEAR))


@pytest.mark.parametrize(
    "settings",
    [
        {"ports": [("8000-9000", "udp")]},
        {"source_ports": [("40001", "tcp")]},
        {"rules_str": ['rule family="ipv4" source not address="192.0.2.0/24" accept']},
        {"rules_str": ['rule family="ipv6" accept']},
        {"rules_str": ["rule mark set=1"]},
        {"services": ["unknown"]},
        {"services": ["elsewhere"]},
        {"target": "%%REJECT%%"},
        {**OPEN, "rules_str": ["rule drop"]},
        {"target": "ACCEPT", "rules_str": ['rule priority="3" reject']},
    ],
)
def test_what_does_not_let_it_in_is_too(settings: Settings) -> None:
    services: dict[str, Settings] = {
        "elsewhere": {"ports": [(f"{PORT}", "tcp")], "destination": {"ipv4": "198.51.100.2"}}
    }
    assert not _theirs(default=settings, services=services).lets(_from(NEAR))


@RELEASES
def test_a_source_beats_an_interface_and_an_interface_the_default_zone(version: tuple[int, ...]) -> None:
    theirs = _theirs(version, a={"interfaces": ["eth0"]}, b={"sources": ["192.0.2.0/24"], **OPEN}, default=OPEN)
    assert theirs.lets(_from(NEAR))
    assert not theirs.lets(_from(FAR))
    assert theirs.lets(_from(FAR, "eth1"))


def test_a_zone_of_lower_priority_beats_a_source() -> None:
    theirs = _theirs(a={"interfaces": ["eth0"], "ingress_priority": -1}, b={"sources": ["192.0.2.0/24"], **OPEN})
    assert not theirs.lets(_from(NEAR))


def test_the_default_zone_comes_last_whatever_its_priority() -> None:
    theirs = _theirs(default={"ingress_priority": -5}, a={"interfaces": ["eth0"], **OPEN})
    assert theirs.lets(_from(NEAR))


def test_a_hardware_address_may_be_anybodys() -> None:
    theirs = _theirs(default=OPEN, a={"sources": ["02:00:00:00:00:01"]})
    assert not theirs.lets(_from(NEAR))
    assert theirs.overrules(_flow("deny"))


# --- Policies ---------------------------------------------------------------------------------------------------------


@RELEASES
@pytest.mark.parametrize(("priority", "passes"), [(-10, False), (10, True)])
def test_a_policy_comes_before_or_after_its_zone(version: tuple[int, ...], priority: int, passes: bool) -> None:
    theirs = _theirs(version, default=OPEN, policies={"p": _in(target="DROP", priority=priority)})
    assert theirs.lets(_from(NEAR)) is passes


def test_before_2_0_a_policy_for_a_zone_takes_packets_that_are_another_zones() -> None:
    a, b = {"interfaces": ["eth0"]}, {"sources": ["192.0.2.0/24"], **OPEN}
    policies = {"p": _in(target="DROP", zones=("a",))}
    assert not _theirs(OLD, policies=policies, a=a, b=b).lets(_from(NEAR))
    assert _theirs(NEW, policies=policies, a=a, b=b).lets(_from(NEAR))


def test_before_2_0_a_default_zone_without_interfaces_has_no_policies_of_its_own() -> None:
    policies = {"p": _in(target="DROP", zones=("public",))}
    assert _theirs(OLD, default=OPEN, policies=policies).lets(_from(NEAR))
    assert not _theirs(NEW, default=OPEN, policies=policies).lets(_from(NEAR))


@RELEASES
def test_a_policy_for_a_zone_keeps_packets_from_going_out_there_alone(version: tuple[int, ...]) -> None:
    policies = {"p": _out(target="REJECT", zones=("a",))}
    theirs = _theirs(version, policies=policies, a={"interfaces": ["eth0"]})
    assert not theirs.lets(_to(NEAR))
    assert theirs.lets(_to(NEAR, "eth1"))


def test_outbound_the_source_of_a_rule_is_the_host() -> None:
    rule = 'rule family="ipv4" source address="198.51.100.0/24" destination address="192.0.2.0/24" reject'
    theirs = _theirs(policies={"p": _out(rule)})
    assert not theirs.lets(_to(NEAR))
    assert theirs.lets(_to(FAR))


def test_policies_of_ours_are_left_out() -> None:
    assert not _theirs(policies={"netwall-in": _in(target="ACCEPT")}).lets(_from(NEAR))


# --- ipsets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ipset", "hit"),
    [
        (IPSet("hash:net", {}, ("192.0.2.0/24",)), True),
        (IPSet("hash:ip", {}, ("192.0.2.1-192.0.2.20",)), True),
        (IPSet("hash:ip,port", {}, (f"{NEAR},40000",)), True),
        (IPSet("hash:ip,port", {}, (f"{NEAR},udp:40000",)), False),
        (IPSet("hash:net,iface", {}, ("192.0.2.0/24,eth0",)), True),
        (IPSet("hash:net,iface", {}, ("192.0.2.0/24,eth1",)), False),
        (IPSet("hash:net", {"family": "inet6"}, ("2001:db8::/32",)), False),
        (IPSet("hash:ip,mark", {}, (f"{NEAR},1",)), False),
    ],
)
def test_a_rule_with_an_ipset_meets_what_is_in_it(ipset: IPSet, hit: bool) -> None:
    theirs = _theirs(default={"rules_str": ['rule source ipset="s" accept']}, ipsets={"s": ipset})
    assert theirs.lets(_from(NEAR)) is hit


def test_an_inverted_ipset_meets_the_rest_of_its_family() -> None:
    ipsets = {"s": IPSet("hash:net", {}, ("192.0.2.0/24",))}
    theirs = _theirs(default={"rules_str": ['rule source NOT ipset="s" accept']}, ipsets=ipsets)
    assert [theirs.lets(_from(NEAR)), theirs.lets(_from(FAR))] == [False, True]
    assert not theirs.lets(Packet("inbound", "tcp", "2001:db8::1", "2001:db8::2", PORT, 40000, "eth0"))


def test_before_2_0_an_ipset_of_interfaces_is_compared_with_the_wrong_one() -> None:
    ipsets = {"s": IPSet("hash:net,iface", {}, ("192.0.2.0/24,eth0",))}
    assert not _theirs(OLD, default={"rules_str": ['rule source ipset="s" accept']}, ipsets=ipsets).lets(_from(NEAR))


# --- Ours among theirs ------------------------------------------------------------------------------------------------


def _ours(verdict: str, direction: str = "inbound") -> list[OperatorRule]:
    return [OperatorRule(direction, verdict, ("tcp",), "0.0.0.0/0", "0.0.0.0/0", text="ours")]


def test_ours_come_before_a_zones_target_and_after_its_rules() -> None:
    theirs = _theirs(default={"target": "DROP", "rules_str": ['rule family="ipv4" source address="192.0.2.9" drop']})
    assert not theirs.lets(_from(NEAR), _ours("allow"))
    assert theirs.lets(_from(FAR), _ours("allow"))
    assert theirs.lets(_from(NEAR), _ours("allow"), ours_first=True)


@pytest.mark.parametrize(("priority", "overruled"), [(PLACE - 1, True), (PLACE + 1, False)])
def test_a_policy_behind_ours_overrules_nothing(priority: int, overruled: bool) -> None:
    theirs = _theirs(policies={"p": _in(target="DROP", priority=priority)})
    assert theirs.overrules(_flow()) is overruled


def test_a_denial_behind_another_zones_binding_overrules_nothing_there() -> None:
    theirs = _theirs(default={"rules_str": ["rule drop"]}, a={"sources": ["192.0.2.0/24"]})
    assert not theirs.overrules(_flow("allow", "inbound", "192.0.2.0/25"))
    assert theirs.overrules(_flow("allow", "inbound", "192.0.2.0/23"))


def test_a_trusted_zone_overrules_a_denial_of_ours() -> None:
    assert _theirs(default={"target": "ACCEPT"}).overrules(_flow("deny"))
    assert not _theirs().overrules(_flow("deny"))


@pytest.mark.parametrize(
    ("action", "rule", "overruled"),
    [
        ("allow", 'rule accept limit value="1/m"', False),
        ("deny", 'rule accept limit value="1/m"', True),
        ("allow", 'rule drop limit value="1/m"', True),
    ],
)
def test_a_limited_rule_decides_some_packets_and_leaves_the_rest(action: str, rule: str, overruled: bool) -> None:
    assert _theirs(default={"rules_str": [rule]}).overrules(_flow(action)) is overruled


def test_among_rules_of_one_priority_the_worst_is_assumed() -> None:
    theirs = _theirs(default={"rules_str": ['rule priority="-1" accept', DROP_ALL]})
    assert theirs.overrules(_flow("allow"))
    assert theirs.overrules(_flow("deny"))


def test_among_policies_of_one_priority_the_worst_is_assumed() -> None:
    theirs = _theirs(policies={"a": _out(target="ACCEPT"), "b": _out(target="DROP")})
    assert not theirs.lets(_to(NEAR))
    assert theirs.overrules(_flow("deny", "outbound"))


# --- Sources that a zone's target refuses -----------------------------------------------------------------------------


def _refused(theirs: TheirStanding) -> list[str]:
    return regions.networks(theirs.refused_sources)


@RELEASES
@pytest.mark.parametrize("target", ["DROP", "%%REJECT%%"])
def test_a_zone_with_sources_and_a_target_that_refuses_keeps_ours_out(version: tuple[int, ...], target: str) -> None:
    theirs = _theirs(version, drop={"target": target, "sources": ["203.0.113.0/24", "2001:db8::1"]})
    assert _refused(theirs) == ["203.0.113.0/24", "2001:db8::1/128"]
    assert theirs.overrules(_flow("allow"))
    assert not theirs.overrules(_flow("allow", "inbound", "192.0.2.0/24"))


@pytest.mark.parametrize("target", ["default", "ACCEPT"])
def test_another_target_keeps_ours_out_of_nothing(target: str) -> None:
    theirs = _theirs(work={"target": target, "sources": ["203.0.113.0/24"]})
    assert _refused(theirs) == []
    assert not theirs.overrules(_flow("allow"))


@RELEASES
def test_sources_that_another_zone_has_are_not_refused(version: tuple[int, ...]) -> None:
    friend = {"target": "ACCEPT", "sources": ["203.0.113.9"]}
    theirs = _theirs(version, a=friend, drop={"target": "DROP", "sources": ["203.0.113.8/31"]})
    assert _refused(theirs) == ["203.0.113.8/32"]


def test_what_rules_of_the_zone_let_in_overrules_nothing() -> None:
    theirs = _theirs(drop={"target": "DROP", "sources": ["203.0.113.0/24"], **OPEN})
    assert not theirs.overrules(_flow("allow"))


def test_a_denial_is_not_overruled_by_a_target_that_refuses() -> None:
    assert not _theirs(drop={"target": "DROP", "sources": ["203.0.113.0/24"]}).overrules(_flow("deny"))


def test_a_short_ipset_of_addresses_is_as_good_as_addresses() -> None:
    ipsets = {"s": IPSet("hash:net", {}, ("203.0.113.0/24",))}
    assert _refused(_theirs(ipsets=ipsets, drop={"target": "DROP", "sources": ["ipset:s"]})) == ["203.0.113.0/24"]


def test_targets_that_ours_come_before_are_named_with_what_they_are_for() -> None:
    ipsets = {
        "long": IPSet("hash:ip", {}, tuple(f"203.0.113.{2 * number}" for number in range(101))),
        "odd": IPSet("hash:ip,mark", {}, ("203.0.113.1,1",)),
        "port": IPSet("hash:ip,port", {}, ("203.0.113.1,80",)),
        "short": IPSet("hash:ip", {}, ("203.0.113.1",)),
    }
    sources = ["192.0.2.0/24", "02:00:00:00:00:01", *(f"ipset:{name}" for name in ipsets)]
    theirs = _theirs(
        ipsets=ipsets,
        default={"target": "DROP", "interfaces": ["eth0"]},
        block={"target": "%%REJECT%%", "interfaces": ["eth1"]},
        drop={"target": "DROP", "sources": sources},
        work={"interfaces": ["eth2"]},
    )
    assert theirs.unheeded_targets() == [
        "zone block (eth1)",
        "zone drop (02:00:00:00:00:01, ipset:long, ipset:odd, ipset:port)",
    ]


# --- What they let out ------------------------------------------------------------------------------------------------

APM_OUT = _flow("allow", "outbound", *ANYWHERE)


@pytest.mark.parametrize(
    ("policy", "named"),
    [
        (_out(target="ACCEPT"), "policy p: target ACCEPT"),
        ({**_out(), "services": ["apm"]}, "policy p: service apm"),
        ({**_out(), "ports": [("1-65535", "udp")]}, "policy p: port 1-65535/udp"),
        ({**_out(), "ports": [(f"{PORT}-{PORT + 1}", "tcp")]}, f"policy p: port {PORT}-{PORT + 1}/tcp"),
        ({**_out(), "protocols": ["gre"]}, "policy p: protocol gre"),
        (_out('rule port port="25" protocol="tcp" accept'), 'policy p: rich rule port port="25" protocol="tcp" accept'),
        ({**_out(zones=("public",)), "ports": [("5000", "sctp")]}, "policy p: port 5000/sctp"),
    ],
)
def test_what_lets_out_more_than_the_flows_is_named(policy: Settings, named: str) -> None:
    services = {"apm": {"ports": [("25", "tcp")]}}
    assert _theirs(policies={"p": policy}, services=services).lets_out([APM_OUT]) == [named]


@pytest.mark.parametrize(
    "policy",
    [
        _out(),
        _out(target="REJECT"),
        _in(target="ACCEPT"),
        {**_out(), "ports": [(f"{PORT}", "tcp")]},
        {**_out(), "protocols": ["icmp", "ipv6-icmp"]},
        {**_out("rule drop"), "services": ["apm"]},
        _out(f'rule family="ipv4" destination address="192.0.2.0/24" port port="{PORT}" protocol="tcp" accept'),
    ],
)
def test_what_lets_out_no_more_than_the_flows_is_not(policy: Settings) -> None:
    services = {"apm": {"ports": [("25", "tcp")]}}
    assert _theirs(policies={"p": policy}, services=services).lets_out([APM_OUT]) == []


def test_networks_beside_those_of_a_flow_are_more() -> None:
    policies = {"p": {**_out(), "ports": [(f"{PORT}", "tcp")]}}
    assert _theirs(policies=policies).lets_out([_flow("allow", "outbound", "192.0.2.0/24")])


def test_what_an_earlier_policy_of_theirs_denies_is_not_let_out() -> None:
    policies = {"first": _out(target="DROP", priority=-20), "second": _out(target="ACCEPT")}
    assert _theirs(policies=policies).lets_out([]) == []


def test_what_goes_to_an_entry_of_an_ipset_of_ports_is_found() -> None:
    ipsets = {"s": IPSet("hash:ip,port", {}, ("203.0.113.1,tcp:25",))}
    policies = {"p": _out('rule family="ipv4" destination ipset="s" accept')}
    assert _theirs(policies=policies, ipsets=ipsets).lets_out([APM_OUT])


# --- Who it was -------------------------------------------------------------------------------------------------------


def test_who_decides_is_named() -> None:
    theirs = _theirs(default={**OPEN, "rules_str": ['rule family="ipv4" source address="192.0.2.9" drop']})
    refusal, permission = theirs.decider(_from(NEAR)), theirs.decider(_from(FAR))
    assert refusal
    assert refusal.text == 'zone public: rich rule family="ipv4" source address="192.0.2.9" drop'
    assert permission
    assert permission.text == f"zone public: port {PORT}/tcp"


def test_on_the_loopback_interface_nobody_is_asked() -> None:
    theirs = _theirs(policies={"p": _in(target="DROP")})
    assert theirs.lets(_from("127.0.0.1", "lo"))
    assert theirs.decider(_from("127.0.0.1", "lo")) is None


def test_what_nobody_decides_has_no_decider() -> None:
    assert _theirs().decider(_to(NEAR)) is None


def test_what_cannot_be_judged_is_said() -> None:
    configuration = Configuration(
        "public", {}, {}, {"marked": IPSet("hash:ip,mark"), "fleeting": IPSet("hash:ip", {"timeout": "9"})}, {}, ("x",)
    )
    assert [text.split(" has ")[0].split(" can't ")[0] for text in unjudged(configuration)] == [
        "firewalld",
        "What is in the ipset fleeting",
        "What is in the ipset marked",
    ]
