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


def test_a_chain_that_nothing_leads_to_sends_nothing() -> None:
    assert forwards_of_iptables(DOCKER.format(host="").replace("-A PREROUTING", "-A OUTPUT")) == []


@pytest.mark.parametrize(
    "rule",
    [
        "-p tcp -m tcp --dport 8126 -j REDIRECT --to-ports 80",
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
        "Port 8126/tcp is published by a container engine, which sends it past this host's input rules, so it stays "
        "open to others; publish it on 127.0.0.1 instead."
    )
