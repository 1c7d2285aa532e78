# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Published ports, from rules as container engines were seen to write them."""

from __future__ import annotations

import json
import shutil
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import published as published_module
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.published import (
    Forward,
    forwards_of_iptables,
    forwards_of_nft,
    published_ports,
    warning,
)

DOCKER = """\
*filter
:INPUT DROP [0:0]
-A FORWARD -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 8126 -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -i docker0 -j RETURN
-A DOCKER {host}! -i docker0 -p tcp -m tcp --dport 8126 -j DNAT --to-destination 172.17.0.2:8126
COMMIT
"""
NETAVARK = """\
*nat
-A PREROUTING -m addrtype --dst-type LOCAL -j NETAVARK-HOSTPORT-DNAT
-A NETAVARK-HOSTPORT-DNAT -p udp -m udp --dport 8125:8126 -m comment --comment "dnat name" -j NETAVARK-DN-1
-A NETAVARK-DN-1 -p udp -m udp --dport 8125:8126 -j DNAT --to-destination 10.88.0.2:8125-8126
COMMIT
"""
TCP = (Forward(("tcp",), ((8126, 8126),)),)


def nat(*rules: str) -> str:
    return "\n".join(["*nat", *(f"-A PREROUTING {rule}" for rule in rules), "COMMIT"])


def test_a_port_that_docker_publishes_is_found() -> None:
    assert tuple(forwards_of_iptables(DOCKER.format(host=""))) == TCP


def test_a_port_that_docker_publishes_on_one_address_is_found() -> None:
    assert tuple(forwards_of_iptables(DOCKER.format(host="-d 192.0.2.11/32 "))) == TCP


def test_a_port_that_docker_publishes_on_the_loopback_address_is_not() -> None:
    assert forwards_of_iptables(DOCKER.format(host="-d 127.0.0.1/32 ")) == []


def test_a_range_of_ports_that_podman_publishes_is_found() -> None:
    assert forwards_of_iptables(NETAVARK) == [Forward(("udp",), ((8125, 8126),))]


def test_several_ports_of_one_rule_are_found() -> None:
    rule = "-p tcp -m multiport --dports 80,8125:8126 -j DNAT --to-destination 10.88.0.2"
    assert forwards_of_iptables(nat(rule)) == [Forward(("tcp",), ((80, 80), (8125, 8126)))]


def test_a_port_that_is_redirected_to_another_is_found() -> None:
    assert tuple(forwards_of_iptables(nat("-p tcp -m tcp --dport 8126 -j REDIRECT --to-ports 18126"))) == TCP


def test_a_rule_without_ports_is_about_those_that_led_to_it() -> None:
    rules = ["-A PREROUTING -p tcp -m tcp --dport 8126 -j A", "-A A -j DNAT --to-destination 10.88.0.2:80"]
    assert tuple(forwards_of_iptables("\n".join(["*nat", *rules, "COMMIT"]))) == TCP


def test_a_chain_that_nothing_leads_to_sends_nothing() -> None:
    assert forwards_of_iptables(DOCKER.format(host="").replace("-A PREROUTING", "-A OUTPUT")) == []


@pytest.mark.parametrize(
    "rule",
    [
        "-p tcp -m tcp --dport 8126 -j REDIRECT",
        "-p tcp -m tcp --dport 8126 -j REDIRECT --to-ports 8126",
        "-p tcp -m tcp --dport 8126 -j ACCEPT",
        "-p tcp -m tcp ! --dport 8126 -j DNAT --to-destination 10.88.0.2",
        "-p tcp -j DNAT --to-destination 10.88.0.2",
    ],
)
def test_a_rule_that_sends_the_port_nowhere_is_passed_over(rule: str) -> None:
    assert forwards_of_iptables(nat(rule)) == []


def test_chains_that_lead_in_a_circle_are_looked_at_once() -> None:
    assert forwards_of_iptables("*nat\n-A PREROUTING -j A\n-A A -j B\n-A B -j A\nCOMMIT\n") == []


# --- nft --------------------------------------------------------------------------------------------------------------


def match(protocol: str, field: str, right: t.Any, op: str = "==") -> dict[str, t.Any]:
    return {"match": {"op": op, "left": {"payload": {"protocol": protocol, "field": field}}, "right": right}}


def rule(chain: str, *expr: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"rule": {"family": "inet", "table": "netavark", "chain": chain, "handle": 1, "expr": list(expr)}}


LOCAL = {"match": {"op": "==", "left": {"fib": {"result": "type", "flags": ["daddr"]}}, "right": "local"}}
BASE = {
    "chain": {"family": "inet", "table": "netavark", "name": "PREROUTING", "type": "nat", "hook": "prerouting"},
}
ENTRY = rule("PREROUTING", LOCAL, {"jump": {"target": "HOSTPORT"}})
DNAT = {"dnat": {"family": "ip", "addr": "10.88.0.2", "port": 8126}}


def listing(*objects: dict[str, t.Any]) -> str:
    return json.dumps({"nftables": [{"metainfo": {"version": "1.0.6"}}, *objects]})


@pytest.mark.parametrize(
    ("right", "ports"),
    [
        (8126, ((8126, 8126),)),
        ({"range": [8125, 8127]}, ((8125, 8127),)),
        ({"set": [80, {"range": [8125, 8127]}]}, ((80, 80), (8125, 8127))),
    ],
)
def test_what_nft_sends_elsewhere_is_found(right: t.Any, ports: t.Any) -> None:
    listed = listing(BASE, ENTRY, rule("HOSTPORT", match("tcp", "dport", right), DNAT))
    assert forwards_of_nft(listed) == [Forward(("tcp",), ports)]


def test_a_port_of_either_protocol_is_one_of_both() -> None:
    listed = listing(BASE, ENTRY, rule("HOSTPORT", match("th", "dport", 8126), DNAT))
    assert forwards_of_nft(listed) == [Forward(("tcp", "udp"), ((8126, 8126),))]


@pytest.mark.parametrize(
    "expr",
    [
        (match("ip", "daddr", "127.0.0.1"), match("tcp", "dport", 8126), DNAT),
        (match("tcp", "dport", 8126), {"accept": None}),
        (match("tcp", "dport", 8126, "!="), DNAT),
        (match("tcp", "dport", "@ports"), DNAT),
    ],
)
def test_what_nft_keeps_is_passed_over(expr: t.Any) -> None:
    assert forwards_of_nft(listing(BASE, ENTRY, rule("HOSTPORT", *expr))) == []


def test_a_chain_of_nft_that_nothing_leads_to_sends_nothing() -> None:
    assert forwards_of_nft(listing(BASE, rule("HOSTPORT", match("tcp", "dport", 8126), DNAT))) == []


def nft_rule(chain: str, expr: str) -> dict[str, t.Any]:
    return rule(chain, *json.loads(expr))


# What "nft --json --terse list ruleset" of nftables 1.0.6 printed of the rule that is the name of each.
PRINTED = {
    "dnat to tcp dport map { 8126 : 10.88.0.2, 9000-9010 : 10.88.0.3 }": (
        """[{"dnat": {"addr": {"map": {"key": {"payload": {"protocol": "tcp", "field": "dport"}}, "data": {"set":
        [[8126, "10.88.0.2"], [{"range": [9000, 9010]}, "10.88.0.3"]]}}}}}]""",
        [("tcp", 8126, 8126), ("tcp", 9000, 9010)],
    ),
    "dnat to tcp dport map { 8126 : 10.88.0.2 . 8126, 8127 : 10.88.0.3 . 80 }": (
        """[{"dnat": {"family": "ip", "addr": {"map": {"key": {"payload": {"protocol": "tcp", "field": "dport"}},
        "data": {"set": [[8126, {"concat": ["10.88.0.2", 8126]}], [8127, {"concat": ["10.88.0.3", 80]}]]}}}}}]""",
        [("tcp", 8126, 8126), ("tcp", 8127, 8127)],
    ),
    "udp dport vmap { 8125 : jump PLAIN, 9000-9001 : goto PLAIN, 7 : accept }": (
        """[{"vmap": {"key": {"payload": {"protocol": "udp", "field": "dport"}}, "data": {"set": [[7, {"accept":
        null}], [8125, {"jump": {"target": "PLAIN"}}], [{"range": [9000, 9001]}, {"goto": {"target":
        "PLAIN"}}]]}}}]""",
        [("udp", 8125, 8125), ("udp", 9000, 9001)],
    ),
    "meta l4proto . th dport vmap { tcp . 8126 : jump PLAIN, udp . 8125 : goto PLAIN }": (
        """[{"vmap": {"key": {"concat": [{"meta": {"key": "l4proto"}}, {"payload": {"protocol": "th", "field":
        "dport"}}]}, "data": {"set": [[{"concat": ["udp", 8125]}, {"goto": {"target": "PLAIN"}}], [{"concat":
        ["tcp", 8126]}, {"jump": {"target": "PLAIN"}}]]}}}]""",
        [("tcp", 8126, 8126), ("udp", 8125, 8125)],
    ),
    "ip daddr 127.0.0.1 tcp dport vmap { 8126 : jump PLAIN }": (
        """[{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right":
        "127.0.0.1"}}, {"vmap": {"key": {"payload": {"protocol": "tcp", "field": "dport"}}, "data": {"set":
        [[8126, {"jump": {"target": "PLAIN"}}]]}}}]""",
        [],
    ),
    "ip daddr . tcp dport vmap { 192.0.2.11 . 8126 : goto PLAIN }": (
        """[{"vmap": {"key": {"concat": [{"payload": {"protocol": "ip", "field": "daddr"}}, {"payload": {"protocol":
        "tcp", "field": "dport"}}]}, "data": {"set": [[{"concat": ["192.0.2.11", 8126]}, {"goto": {"target":
        "PLAIN"}}]]}}}]""",
        [("tcp", 8126, 8126)],
    ),
    "meta l4proto tcp th dport 8126 dnat to 10.88.0.2": (
        """[{"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "tcp"}}, {"match": {"op": "==",
        "left": {"payload": {"protocol": "th", "field": "dport"}}, "right": 8126}}, {"dnat": {"addr":
        "10.88.0.2"}}]""",
        [("tcp", 8126, 8126)],
    ),
    "tcp dport 8126 counter redirect to :15001": (
        """[{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 8126}},
        {"counter": {"packets": 0, "bytes": 0}}, {"redirect": {"port": 15001}}]""",
        [("tcp", 8126, 8126)],
    ),
    "tcp dport 8126 redirect": (
        """[{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 8126}},
        {"redirect": null}]""",
        [],
    ),
    "tcp dport != 8126 redirect to :80": (
        """[{"match": {"op": "!=", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 8126}},
        {"redirect": {"port": 80}}]""",
        [],
    ),
    "tcp dport vmap @ports": (
        """[{"vmap": {"key": {"payload": {"protocol": "tcp", "field": "dport"}}, "data": "@ports"}}]""",
        [],
    ),
    "dnat to tcp dport map @hosts": (
        """[{"dnat": {"family": "ip", "addr": {"map": {"key": {"payload": {"protocol": "tcp", "field": "dport"}},
        "data": "@hosts"}}}}]""",
        [],
    ),
}


@pytest.mark.parametrize("name", PRINTED)
def test_of_what_nft_printed_the_ports_that_are_sent_elsewhere_are_found(name: str) -> None:
    expr, ports = PRINTED[name]
    listed = listing(BASE, nft_rule("PREROUTING", expr), rule("PLAIN", {"dnat": {"addr": "10.88.0.2"}}))
    forwards = forwards_of_nft(listed)
    assert sorted((*forward.protocols, *forward.ports[0]) for forward in forwards) == ports


@pytest.mark.parametrize("listed", ["", "{}", "[]", '{"nftables": []}'])
def test_a_listing_that_says_nothing_is_passed_over(listed: str) -> None:
    assert forwards_of_nft(listed) == []


# --- All of it --------------------------------------------------------------------------------------------------------


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What each tool of the host says; one that is not in it is missing, one that says nothing fails."""
    said: dict[str, str] = {}

    def run(argv: list[str]) -> str:
        if not said[argv[0]]:
            raise FirewallError("It failed.")
        return said[argv[0]]

    monkeypatch.setattr(shutil, "which", lambda name, **_where: name if name in said else None)
    monkeypatch.setattr(published_module, "run", run)
    return said


def test_what_any_tool_shows_counts(tools: dict[str, str]) -> None:
    tools["iptables-save"] = ""
    tools["iptables-legacy-save"] = DOCKER.format(host="")
    tools["nft"] = listing(BASE, rule("PREROUTING", match("udp", "dport", 8125), DNAT))
    asked = [("udp", 8125), ("tcp", 8126), ("tcp", 8125), ("udp", 8126)]
    assert published_ports(asked) == [("tcp", 8126), ("udp", 8125)]


def test_a_host_without_tools_publishes_nothing(tools: dict[str, str]) -> None:
    assert tools == {}
    assert published_ports([("tcp", 8126)]) == []


def test_the_warning_says_what_to_do() -> None:
    assert warning(("tcp", 8126)) == (
        "Port 8126/tcp is published by a container engine or redirected, which takes it past this host's input rules "
        "for it, so it stays open to others; publish it on 127.0.0.1 instead."
    )
