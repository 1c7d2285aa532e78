# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flow: what it refuses and how, its one canonical form, and two flows made one."""

from __future__ import annotations

import ipaddress
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._flow import (
    ACTIONS,
    ANYWHERE,
    DIRECTIONS,
    FLOW_OPTIONS,
    PROTOCOLS,
    Flow,
    FlowError,
    merge,
    parse_network,
    sort_networks,
)

LEAST: dict[str, t.Any] = {
    "id": "logs-tcp-443-out",
    "direction": "outbound",
    "protocol": "tcp",
    "port": 443,
    "networks": ["192.0.2.0/24"],
}


def flow(**changes: t.Any) -> Flow:
    return Flow.from_dict({**LEAST, **changes})


def fault(**changes: t.Any) -> str:
    with pytest.raises(FlowError) as caught:
        flow(**changes)
    return str(caught.value)


_v4 = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda n: ipaddress.IPv4Network(n, strict=False))
_v6 = st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(lambda n: ipaddress.IPv6Network(n, strict=False))
_networks = st.lists(st.one_of(_v4, _v6), min_size=1, max_size=6)
_lines = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=20)
_flows = st.builds(
    flow,
    id=st.sampled_from(["logs-tcp-443-out", "apm"]),
    direction=st.sampled_from(DIRECTIONS),
    action=st.sampled_from(ACTIONS),
    protocol=st.sampled_from(PROTOCOLS),
    port=st.integers(1, 65535),
    networks=_networks,
    purpose=_lines,
    section=st.none() | st.just("logs"),
    destinations=st.lists(st.just("intake.example.com"), max_size=2),
)


# --- From a dictionary and back ---------------------------------------------------------------------------------------


@given(_flows)
def test_a_flow_survives_the_way_over_plain_json(made: Flow) -> None:
    assert Flow.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_a_flow_as_a_dictionary_has_the_keys_of_the_argument_spec() -> None:
    assert list(flow().to_dict()) == list(FLOW_OPTIONS)


def test_what_is_not_said_has_its_default() -> None:
    assert flow() == Flow("logs-tcp-443-out", "outbound", "allow", "tcp", 443, ("192.0.2.0/24",), "", None, ())


def test_null_means_not_said() -> None:
    assert flow(action=None, purpose=None, section=None, destinations=None) == flow()


def test_a_port_may_come_as_text_as_templates_give_it() -> None:
    assert flow(port="443").port == 443


# --- Refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Logs", "logs_tcp", "-logs", "logs-", "logs--tcp", "", "logs\n", "l" * 81, 7, None])
def test_an_id_that_is_no_slug_is_refused(name: t.Any) -> None:
    assert fault(id=name) == (
        f"A flow has the id {name!r}; an id is lower-case words and digits joined by hyphens, at most 80 characters, "
        "such as logs-tcp-443-out."
    )


def test_an_id_may_have_80_characters() -> None:
    assert flow(id="l" * 80).id == "l" * 80


@pytest.mark.parametrize("port", [0, 65536, -1, True, "x", 44.3, "", None])
def test_a_port_that_is_none_is_refused(port: t.Any) -> None:
    assert fault(port=port) == f"Flow 'logs-tcp-443-out' has the port {port!r}; it must be a number from 1 to 65535."


@pytest.mark.parametrize("port", [1, 65535])
def test_the_first_and_the_last_port_are_ports(port: int) -> None:
    assert flow(port=port).port == port


@pytest.mark.parametrize(
    ("key", "choices"),
    [("direction", "outbound, inbound"), ("action", "allow, deny"), ("protocol", "tcp, udp")],
)
def test_a_word_that_is_no_choice_is_refused(key: str, choices: str) -> None:
    assert fault(**{key: "icmp"}) == f"Flow 'logs-tcp-443-out' has the {key} 'icmp'; it must be one of {choices}."


@pytest.mark.parametrize("networks", [[], None, "", {}])
def test_no_networks_are_refused_and_do_not_mean_anywhere(networks: t.Any) -> None:
    assert fault(networks=networks) == (
        "Flow 'logs-tcp-443-out' has no networks; list CIDRs, and write 0.0.0.0/0 and ::/0 if you mean anywhere."
    )


def test_one_network_may_stand_alone() -> None:
    assert flow(networks="203.0.113.130").networks == ("203.0.113.130/32",)


@pytest.mark.parametrize("networks", [{"192.0.2.0/24": 1}, 7])
def test_networks_that_are_no_list_are_refused(networks: t.Any) -> None:
    assert fault(networks=networks) == (
        f"Flow 'logs-tcp-443-out' has the networks {networks!r}; write a list of CIDRs such as [192.0.2.0/24]."
    )


@pytest.mark.parametrize(("key", "choices"), [("direction", "outbound, inbound"), ("protocol", "tcp, udp")])
def test_a_flow_without_a_word_that_it_must_have_is_told_so(key: str, choices: str) -> None:
    assert fault(**{key: None}) == f"Flow 'logs-tcp-443-out' has no {key}; it must have one of {choices}."


@pytest.mark.parametrize("name", ["host-dns-udp-53-out", "management-tcp-22-in"])
def test_an_id_that_belongs_to_a_flow_of_our_own_is_refused(name: str) -> None:
    assert fault(id=name) == (
        f"A flow has the id {name!r}, but ids that begin with host- or management- belong to the flows that keep the "
        "host and its management connection working; choose another."
    )


@pytest.mark.parametrize("name", ["host", "hosts-tcp-80-out", "my-host-tcp-80-out", "management"])
def test_an_id_that_only_resembles_one_of_ours_is_taken(name: str) -> None:
    assert flow(id=name).id == name


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        ("192.0.2.77/24", "'192.0.2.77/24' has host bits set; write 192.0.2.0/24, or 192.0.2.77 for the one address."),
        ("2001:db8::7/64", "'2001:db8::7/64' has host bits set; write 2001:db8::/64, or 2001:db8::7 for the one "),
        ("fe80::1%eth0", "'fe80::1%eth0' is not a network; "),
        ("192.0.2.0/33", "'192.0.2.0/33' is not a network; write an address or a CIDR such as 192.0.2.0/24."),
        ("intake.example.com", "'intake.example.com' is not a network; write an address or a CIDR such as "),
        ("", "'' is not a network; write an address or a CIDR such as 192.0.2.0/24."),
    ],
)
def test_a_network_that_is_none_is_refused_by_name(network: str, sentence: str) -> None:
    assert fault(networks=["198.51.100.0/24", network]).startswith(f"Flow 'logs-tcp-443-out': {sentence}")


def test_an_unknown_key_is_refused_with_those_there_are() -> None:
    assert fault(prot="tcp") == (
        "Flow 'logs-tcp-443-out' has the unknown key 'prot'; it may have id, direction, action, protocol, port, "
        "networks, purpose, section, destinations."
    )


@pytest.mark.parametrize("purpose", ["two\nlines", "bell\a", "next\u2028line"])
def test_a_purpose_of_more_than_one_plain_line_is_refused(purpose: str) -> None:
    assert fault(purpose=purpose) == (
        "Flow 'logs-tcp-443-out' has a purpose with line breaks or control characters; write one plain line."
    )


@pytest.mark.parametrize("destinations", ["intake.example.com", 7, {"fqdn": "intake.example.com"}])
def test_destinations_that_are_no_list_are_refused(destinations: t.Any) -> None:
    assert fault(destinations=destinations) == (
        "Flow 'logs-tcp-443-out' has destinations that are not a list; write a list of names."
    )


# --- The canonical form -----------------------------------------------------------------------------------------------


def test_networks_stand_ipv4_first_in_numerical_order_once_each() -> None:
    mixed = ["2001:db8::/32", "198.51.100.0/24", "192.0.2.10", "192.0.2.9/32", "2001:DB8:0::/32", "192.0.2.0/24"]
    assert flow(networks=mixed).networks == (
        "192.0.2.0/24",
        "192.0.2.9/32",
        "192.0.2.10/32",
        "198.51.100.0/24",
        "2001:db8::/32",
    )


@given(_networks, st.randoms())
def test_the_canonical_form_holds_the_same_networks_whatever_their_order(networks: list[t.Any], random: t.Any) -> None:
    shuffled = [*networks, networks[0]]
    random.shuffle(shuffled)
    canonical = sort_networks(map(str, shuffled))
    assert canonical == sort_networks(map(str, networks))
    assert {ipaddress.ip_network(text) for text in canonical} == set(networks)
    assert len(canonical) == len(set(networks))


@given(_networks)
def test_the_order_is_by_family_then_by_number(networks: list[t.Any]) -> None:
    parsed = [ipaddress.ip_network(text) for text in sort_networks(map(str, networks))]
    keys = [(network.version, int(network.network_address), network.prefixlen) for network in parsed]
    assert keys == sorted(keys)


def test_anywhere_is_canonical() -> None:
    assert sort_networks(reversed(ANYWHERE)) == ANYWHERE


def test_space_around_a_network_is_no_fault() -> None:
    assert str(parse_network(" 192.0.2.0/24\n")) == "192.0.2.0/24"


# --- Two flows made one -----------------------------------------------------------------------------------------------


def test_flows_of_one_id_become_one_with_the_networks_of_both() -> None:
    first = flow(networks=["198.51.100.0/24"], purpose="logs", destinations=["b.example.com"], section="logs")
    second = flow(networks=["192.0.2.0/24"], purpose="traces", destinations=["a.example.com", "b.example.com"])
    assert merge([first, flow(id="apm"), second]) == [
        flow(
            networks=["192.0.2.0/24", "198.51.100.0/24"],
            purpose="logs; traces",
            destinations=["b.example.com", "a.example.com"],
            section="logs",
        ),
        flow(id="apm"),
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"port": 10516}, "outbound allow tcp 10516"),
        ({"protocol": "udp"}, "outbound allow udp 443"),
        ({"action": "deny"}, "outbound deny tcp 443"),
        ({"direction": "inbound"}, "inbound allow tcp 443"),
    ],
)
def test_one_id_for_different_traffic_is_refused(change: dict[str, t.Any], said: str) -> None:
    with pytest.raises(FlowError) as caught:
        merge([flow(), flow(**change)])
    assert str(caught.value) == (
        f"Flow id 'logs-tcp-443-out' is used for outbound allow tcp 443 and for {said}; give each its own id."
    )


_alike = st.lists(
    st.builds(
        flow,
        id=st.sampled_from(["logs", "apm"]),
        networks=_networks,
        purpose=st.sampled_from(["", "a", "b"]),
        destinations=st.lists(st.sampled_from(["a.example.com", "b.example.com"]), max_size=2, unique=True),
    ),
    max_size=5,
)


@given(_alike)
def test_what_is_said_twice_is_said_once(flows: list[Flow]) -> None:
    assert merge([*flows, *flows]) == merge(flows)


@given(_alike)
def test_merging_loses_no_network_and_adds_none(flows: list[Flow]) -> None:
    merged = {entry.id: set(entry.networks) for entry in merge(flows)}
    expected: dict[str, set[str]] = {}
    for entry in flows:
        expected.setdefault(entry.id, set()).update(entry.networks)
    assert merged == expected
