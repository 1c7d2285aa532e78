# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which addresses come out of a document."""

from __future__ import annotations

import datetime
import ipaddress
import json
import sys
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import (
    Document,
    Guards,
    Section,
    parse,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import MissingPackageError
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.selection import (
    SelectionError,
    search,
    select,
)

MODIFIED = datetime.datetime(2026, 3, 4, tzinfo=datetime.UTC)


def document(*sections: Section) -> Document:
    """A document with these sections."""
    return Document("file:///document.json", 1, MODIFIED, {section.name: section for section in sections})


AGENTS = Section("agents", ("203.0.113.0/25", "192.0.2.0/24", "203.0.113.128/25"), ("2001:db8:1::/48",), {})
LOGS = Section("logs", ("192.0.2.0/24", "198.51.100.0/24"), (), {})
WEBHOOKS = Section("webhooks", ("198.51.100.7/32",), (), {})
SYNTHETICS = Section(
    "synthetics",
    ("198.51.100.1/32", "198.51.100.2/32"),
    ("2001:db8:2::/48",),
    {"aws:eu-west-1": ("198.51.100.2/32", "2001:db8:2::/48"), "azure:eastus": ("198.51.100.1/32",)},
)
DOCUMENT = document(AGENTS, LOGS, WEBHOOKS, SYNTHETICS)


def test_one_section() -> None:
    assert select(DOCUMENT, ["logs"]) == ["192.0.2.0/24", "198.51.100.0/24"]


def test_several_sections_are_united() -> None:
    assert select(DOCUMENT, ["logs", "agents"]) == [
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "2001:db8:1::/48",
    ]


def test_no_section_means_all_that_an_agent_sends_to() -> None:
    assert select(DOCUMENT, []) == select(DOCUMENT, ["agents", "logs"])


def test_a_document_without_anything_for_agents_is_told() -> None:
    with pytest.raises(SelectionError) as caught:
        select(document(WEBHOOKS, SYNTHETICS), [])
    assert str(caught.value) == (
        "The document at file:///document.json has no section that an Agent sends to; it has synthetics, webhooks."
    )


def test_a_missing_section_is_told_with_those_there_are() -> None:
    with pytest.raises(SelectionError) as caught:
        select(DOCUMENT, ["agents", "apm"])
    assert str(caught.value) == (
        "The document at file:///document.json has no section 'apm'; it has agents, logs, synthetics, webhooks."
    )


def test_a_list_in_place_of_a_name_is_told() -> None:
    with pytest.raises(SelectionError, match=r"\['agents'\] is not the name of a section; write query\(…, \*names\)"):
        select(DOCUMENT, t.cast("list[str]", [["agents"]]))


@pytest.mark.parametrize(
    ("families", "expected"),
    [
        (["ipv4"], ["192.0.2.0/24", "203.0.113.0/24"]),
        (["ipv6"], ["2001:db8:1::/48"]),
        (["ipv6", "ipv4"], ["192.0.2.0/24", "203.0.113.0/24", "2001:db8:1::/48"]),
    ],
)
def test_families(families: list[str], expected: list[str]) -> None:
    assert select(DOCUMENT, ["agents"], families=families) == expected


def test_a_family_that_a_section_does_not_have_gives_nothing() -> None:
    assert select(DOCUMENT, ["logs"], families=["ipv6"]) == []


def test_without_aggregation_prefixes_stay_as_published() -> None:
    assert select(DOCUMENT, ["agents", "logs"], aggregate=False) == [
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/25",
        "203.0.113.128/25",
        "2001:db8:1::/48",
    ]


def test_without_aggregation_only_a_prefix_that_is_cut_into_changes() -> None:
    assert select(DOCUMENT, ["agents"], families=["ipv4"], exclude=["203.0.113.64/26"], aggregate=False) == [
        "192.0.2.0/24",
        "203.0.113.0/26",
        "203.0.113.128/25",
    ]


def test_without_aggregation_a_prefix_within_another_stays() -> None:
    nested = document(Section("agents", ("192.0.2.0/24", "192.0.2.0/25", "192.0.2.64/26"), (), {}))
    assert select(nested, ["agents"], aggregate=False) == ["192.0.2.0/24", "192.0.2.0/25", "192.0.2.64/26"]


@pytest.mark.parametrize(
    ("exclude", "expected"),
    [
        (["192.0.2.0/25"], ["192.0.2.128/25", "198.51.100.0/24"]),
        (["192.0.2.192/27"], ["192.0.2.0/25", "192.0.2.128/26", "192.0.2.224/27", "198.51.100.0/24"]),
        (["0.0.0.0/0"], []),
        (["192.0.2.0/23", "2001:db8::/32"], ["198.51.100.0/24"]),
        (["203.0.113.0/24"], ["192.0.2.0/24", "198.51.100.0/24"]),
    ],
)
def test_exclusion(exclude: list[str], expected: list[str]) -> None:
    assert select(DOCUMENT, ["logs"], exclude=exclude) == expected


def test_a_location() -> None:
    assert select(DOCUMENT, ["synthetics"], locations=["aws:eu-west-1"]) == ["198.51.100.2/32", "2001:db8:2::/48"]


def test_a_location_in_one_family() -> None:
    assert select(DOCUMENT, ["synthetics"], locations=["aws:eu-west-1"], families=["ipv6"]) == ["2001:db8:2::/48"]


def test_several_locations_are_united() -> None:
    both = select(DOCUMENT, ["synthetics"], locations=["azure:eastus", "aws:eu-west-1"])
    assert both == ["198.51.100.1/32", "198.51.100.2/32", "2001:db8:2::/48"]


def test_an_unknown_location_is_told_with_those_there_are() -> None:
    with pytest.raises(SelectionError) as caught:
        select(DOCUMENT, ["synthetics"], locations=["aws:eu-west-1", "aws:mars-1"])
    assert str(caught.value) == (
        "The document at file:///document.json has no location 'aws:mars-1' in what was asked for; "
        "it has aws:eu-west-1, azure:eastus."
    )


def test_locations_of_a_section_that_has_none_are_told() -> None:
    with pytest.raises(SelectionError) as caught:
        select(DOCUMENT, ["synthetics", "agents"], locations=["aws:eu-west-1"])
    assert str(caught.value) == (
        "Section 'agents' of the document at file:///document.json is not published by location; "
        "leave locations out, or ask for it on its own."
    )


def test_without_netaddr_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "netaddr", None)
    with pytest.raises(MissingPackageError, match="The Python package netaddr is needed on the controller to reckon"):
        select(DOCUMENT, ["agents"])


# --- For all networks --------------------------------------------------------------------------------------------
# All drawn from one /24 and one /120, so that they meet, and so that the judge may count addresses one by one.

_BASES = (int(ipaddress.ip_address("192.0.2.0")), int(ipaddress.ip_address("2001:db8::")))


def _network(is_ipv6: bool, host: int, length: int) -> str:
    bits = 128 if is_ipv6 else 32
    first = _BASES[is_ipv6] + (host >> (8 - length) << (8 - length))
    address = ipaddress.IPv6Address(first) if is_ipv6 else ipaddress.IPv4Address(first)
    return f"{address}/{bits - 8 + length}"


_NETWORKS = st.lists(st.builds(_network, st.booleans(), st.integers(0, 255), st.integers(0, 8)), max_size=12)


def _addresses(networks: t.Iterable[str]) -> set[tuple[int, int]]:
    parsed = [ipaddress.ip_network(network) for network in networks]
    return {(network.version, int(network[0]) + n) for network in parsed for n in range(network.num_addresses)}


def _fewest(offsets: set[int], first: int = 0, size: int = 256) -> int:
    """How many CIDRs it takes at least: one for a block that is full, else those of its halves."""
    inside = {offset for offset in offsets if first <= offset < first + size}
    if not inside or len(inside) == size:
        return bool(inside)
    return _fewest(inside, first, size // 2) + _fewest(inside, first + size // 2, size // 2)


def _document_of(networks: list[str]) -> Document:
    ipv6 = tuple(network for network in networks if ":" in network)
    return document(Section("agents", tuple(n for n in networks if ":" not in n), ipv6, {}))


def _by_number(networks: list[str]) -> list[tuple[int, int, int]]:
    parsed = [ipaddress.ip_network(network) for network in networks]
    return [(network.version, int(network[0]), network.prefixlen) for network in parsed]


@given(_NETWORKS, _NETWORKS, st.booleans())
def test_no_address_is_lost_and_none_added(networks: list[str], exclude: list[str], aggregate: bool) -> None:
    result = select(_document_of(networks), ["agents"], exclude=exclude, aggregate=aggregate)
    assert _addresses(result) == _addresses(networks) - _addresses(exclude)


@given(_NETWORKS, _NETWORKS, st.booleans())
def test_the_result_is_in_order_and_without_duplicates(
    networks: list[str], exclude: list[str], aggregate: bool
) -> None:
    numbers = _by_number(select(_document_of(networks), ["agents"], exclude=exclude, aggregate=aggregate))
    assert numbers == sorted(set(numbers))


@given(_NETWORKS, _NETWORKS)
def test_aggregated_there_is_no_shorter_result(networks: list[str], exclude: list[str]) -> None:
    result = select(_document_of(networks), ["agents"], exclude=exclude)
    wanted = _addresses(networks) - _addresses(exclude)
    per_family = [
        {number - base for version, number in wanted if version == v} for v, base in zip((4, 6), _BASES, strict=True)
    ]
    assert len(result) == sum(_fewest(offsets) for offsets in per_family)


@given(_NETWORKS)
def test_without_aggregation_and_exclusion_it_is_what_was_published(networks: list[str]) -> None:
    assert set(select(_document_of(networks), ["agents"], aggregate=False)) == set(networks)


@given(_NETWORKS, _NETWORKS)
def test_without_aggregation_the_rest_of_each_prefix_is_in_the_fewest_cidrs(
    networks: list[str], exclude: list[str]
) -> None:
    result = select(_document_of(networks), ["agents"], exclude=exclude, aggregate=False)
    each_alone = [select(_document_of([network]), ["agents"], exclude=exclude) for network in networks]
    assert set(result) == {cidr for rest in each_alone for cidr in rest}


# --- Expressions ------------------------------------------------------------------------------------------------------

RAW: dict[str, t.Any] = {
    "version": 47,
    "modified": "2026-03-04-05-06-07",
    "agents": {"prefixes_ipv4": ["203.0.113.128/25", "203.0.113.0/25"], "prefixes_ipv6": ["2001:db8:1::/48"]},
    "synthetics": {
        "prefixes_ipv4": ["198.51.100.1/32", "198.51.100.2/32"],
        "prefixes_ipv6": ["2001:db8:2::/48"],
        "prefixes_ipv4_by_location": {"aws:eu-west-1": ["198.51.100.2/32"], "azure:eastus": ["198.51.100.1/32"]},
        "prefixes_ipv6_by_location": {"aws:eu-west-1": ["2001:db8:2::/48"]},
    },
}
PUBLISHED = parse(json.dumps(RAW).encode(), "file:///document.json", Guards(allow_reserved=True))


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("agents.prefixes_ipv4", ["203.0.113.128/25", "203.0.113.0/25"]),
        ("version", [47]),
        ("{v: version}", [{"v": 47}]),
        ("*.prefixes_ipv6[]", ["2001:db8:1::/48", "2001:db8:2::/48"]),
        ("agents.prefixes_ipv4[?@ == 'x']", []),
        ("length(agents.prefixes_ipv4)", [2]),
        ("`false`", [False]),
    ],
)
def test_what_an_expression_finds_is_the_list_or_in_it(expression: str, found: list[t.Any]) -> None:
    assert search(PUBLISHED, expression) == found


@pytest.mark.parametrize(
    "expression", ["agents.", "", "nosuch(@)", "length(version)", "agents[", "agents.prefixes_ipv4[::0]", "join(@)"]
)
def test_an_expression_that_is_none_is_told(expression: str) -> None:
    with pytest.raises(SelectionError) as caught:
        search(PUBLISHED, expression)
    said = str(caught.value)
    assert said.startswith(f"The query {expression!r} is no JMESPath expression that works here: ")
    assert "\n" not in said


def test_an_expression_that_finds_nothing_is_told() -> None:
    with pytest.raises(SelectionError) as caught:
        search(PUBLISHED, "agent.prefixes_ipv4")
    assert str(caught.value) == (
        "The query 'agent.prefixes_ipv4' finds nothing in the document at file:///document.json; it has agents, "
        "modified, synthetics, version."
    )


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"aggregate": True}, ["203.0.113.0/24", "2001:db8:1::/48"]),
        ({"exclude": ["203.0.113.0/26"]}, ["203.0.113.64/26", "203.0.113.128/25", "2001:db8:1::/48"]),
        ({"families": ["ipv6"]}, ["2001:db8:1::/48"]),
    ],
)
def test_the_options_are_applied_to_the_cidrs_it_finds(options: dict[str, t.Any], found: list[str]) -> None:
    assert search(PUBLISHED, "agents.[prefixes_ipv4, prefixes_ipv6][][]", **options) == found


@pytest.mark.parametrize("options", [{"aggregate": True}, {"exclude": ["203.0.113.0/26"]}, {"families": ["ipv6"]}])
@pytest.mark.parametrize("expression", ["version", "agents", "keys(@)", "['192.0.2.1/24']"])
def test_the_options_can_not_be_applied_to_anything_else(expression: str, options: dict[str, t.Any]) -> None:
    with pytest.raises(SelectionError, match="which is no CIDR, so families, exclude and aggregate can't be applied"):
        search(PUBLISHED, expression, **options)


def test_with_locations_it_sees_nothing_but_what_is_published_under_them() -> None:
    assert search(PUBLISHED, "synthetics.[prefixes_ipv4, prefixes_ipv6][][]", locations=["azure:eastus"]) == [
        "198.51.100.1/32"
    ]
    assert search(PUBLISHED, "synthetics.prefixes_ipv4_by_location", locations=["azure:eastus"]) == [
        {"azure:eastus": ["198.51.100.1/32"]}
    ]
    with pytest.raises(SelectionError, match="finds nothing"):
        search(PUBLISHED, "agents", locations=["azure:eastus"])
    with pytest.raises(SelectionError, match="has no location 'mars'"):
        search(PUBLISHED, "synthetics", locations=["mars"])


def test_without_jmespath_an_expression_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jmespath", None)
    with pytest.raises(
        MissingPackageError, match=r"The Python package jmespath is needed on the controller for query;"
    ):
        search(PUBLISHED, "version")


# --- What a query may find, and what is said otherwise ---------------------------------------------------------------

ODD = parse(
    b'{"version": 7, "modified": "2026-03-04-05-06-07", "odd": null, '
    b'"agents": {"prefixes_ipv4": ["192.0.2.0/24"], "prefixes_ipv6": []}}',
    "file:///document.json",
    Guards(allow_reserved=True),
)


@pytest.mark.parametrize("expression", ["&agents", "`1e999`", "to_number('nan')", "[`[1e999]`]"])
def test_what_no_json_can_hold_is_not_passed_on(expression: str) -> None:
    with pytest.raises(
        SelectionError, match="finds can't be passed on: a number that is none or too large, or an expr"
    ):
        search(ODD, expression)


def test_a_null_among_networks_is_told() -> None:
    with pytest.raises(SelectionError, match="finds has None in it, which is no CIDR"):
        search(ODD, "[odd, agents.prefixes_ipv4[0]]", aggregate=True)


def test_no_control_character_of_a_query_gets_into_a_message() -> None:
    with pytest.raises(SelectionError) as caught:
        search(ODD, "agents\x1b[2J")
    assert str(caught.value).isprintable()
