# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The targets of the fuzzer by Hypothesis, which runs everywhere; and whether their oracles can be trusted."""

from __future__ import annotations

import ipaddress
import json
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import document, selection
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import Guards
from ansible_collections.netwall.datadog.tests.fuzz import cases, oracles, targets
from ansible_collections.netwall.datadog.tests.fuzz.cases import Choices
from ansible_collections.netwall.datadog.tests.fuzz.targets import DEFAULT, LOOSE, TIGHT, FoundError

CASES = st.binary(max_size=300)


@settings(max_examples=1000)
@given(CASES)
def test_a_document_is_accepted_if_and_only_if_its_guards_allow_it(data: bytes) -> None:
    targets.check_document(data)


@settings(max_examples=500)
@given(CASES)
def test_a_selection_is_what_it_should_be_to_the_letter(data: bytes) -> None:
    targets.check_selection(data)


@settings(max_examples=500)
@given(CASES)
def test_a_query_finds_what_it_should_or_is_refused_with_a_sentence(data: bytes) -> None:
    targets.check_query(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(cases.CIDRS),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(cases._KEYS), inner),
)


@given(st.dictionaries(st.sampled_from(cases._KEYS), JSON), st.sampled_from([DEFAULT, LOOSE, TIGHT]))
def test_whatever_json_it_is_it_is_judged_rightly(members: dict[str, t.Any], guards: Guards) -> None:
    targets.judge(json.dumps({**json.loads(json.dumps(cases._SEEDS[0])), **members}).encode(), guards)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("guards", [DEFAULT, LOOSE, TIGHT, Guards(1, 1), Guards(32, 128, allow_reserved=True)])
@pytest.mark.parametrize("cidr", cases.CIDRS)
def test_at_every_border_of_a_registry_it_is_judged_rightly(cidr: str, family: str, guards: Guards) -> None:
    lists = {"prefixes_ipv4": [], "prefixes_ipv6": [], f"prefixes_{family}": [cidr]}
    targets.judge(json.dumps({"version": 1, "modified": "2026-03-04-05-06-07", "logs": lists}).encode(), guards)


# --- The oracles ------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1))
def test_no_ipv4_address_is_public_that_python_knows_as_special(number: int) -> None:
    address = ipaddress.IPv4Address(number)
    if oracles.is_public(ipaddress.IPv4Network(address)):
        assert address.is_global
        assert not address.is_multicast


@given(st.integers(2**125, 2**126 - 1))
def test_no_ipv6_address_is_public_that_python_knows_as_special(number: int) -> None:
    address = ipaddress.IPv6Address(number)
    if oracles.is_public(ipaddress.IPv6Network(address)):
        assert address.is_global
        assert not address.is_multicast


@pytest.mark.parametrize("cidr", cases.PUBLIC)
def test_what_datadog_has_is_public(cidr: str) -> None:
    assert oracles.may_be_in(cidr, "ipv6" if ":" in cidr else "ipv4", DEFAULT)


_OF_ONE_BLOCK = st.lists(
    st.builds(
        lambda offset, length: str(ipaddress.ip_network((0xC0000200 + offset, 24 + length), strict=False)),
        st.integers(0, 255),
        st.integers(0, 8),
    ),
    max_size=10,
)


def addresses(cidrs: t.Iterable[str]) -> set[int]:
    return {int(address) for cidr in cidrs for address in ipaddress.IPv4Network(cidr)}


@given(_OF_ONE_BLOCK, _OF_ONE_BLOCK, st.booleans())
def test_the_arithmetic_of_spans_is_that_of_sets(cidrs: list[str], exclude: list[str], aggregate: bool) -> None:
    found = oracles.selected(cidrs, exclude, aggregate=aggregate)
    assert addresses(found) == addresses(cidrs) - addresses(exclude)


# --- The targets can fail ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stand_in"),
    [
        ("_reserved", lambda _first, _last, _family: ""),
        ("_distinct", dict),
        ("_finite", float),
    ],
)
def test_a_guard_that_is_missing_is_noticed(
    name: str, stand_in: t.Callable[..., t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, name, stand_in)
    bad = {
        "_reserved": b'{"version": 1, "modified": "2026-03-04-05-06-07", "x": {"prefixes_ipv4": ["10.0.0.0/8"], '
        b'"prefixes_ipv6": []}}',
        "_distinct": b'{"version": 1, "version": 2, "modified": "2026-03-04-05-06-07", "x": {"prefixes_ipv4": [], '
        b'"prefixes_ipv6": []}}',
        "_finite": b'{"version": 1, "y": 1e999, "modified": "2026-03-04-05-06-07", "x": {"prefixes_ipv4": [], '
        b'"prefixes_ipv6": []}}',
    }
    with pytest.raises(FoundError, match="accepted in spite of"):
        targets.judge(bad[name], DEFAULT)


def test_a_selection_that_forgets_what_is_excluded_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    carve = selection._carve
    monkeypatch.setattr(selection, "_carve", lambda cidrs, _exclude, aggregate: carve(cidrs, (), aggregate=aggregate))

    def noticed(data: bytes) -> bool:
        try:
            targets.check_selection(data)
        except FoundError:
            return True
        return False

    # Some case among a few hundred that differ in one place has to show it.
    assert any(noticed(bytes([number % 251, number // 7 % 251] * 40)) for number in range(2000))


def test_decisions_are_defined_when_bytes_run_out() -> None:
    choices = Choices(b"\x01")
    assert [choices.number(2), choices.number(1000), choices.pick("ab"), choices.some("ab", 3)] == [1, 0, "a", []]
