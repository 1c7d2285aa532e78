# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets of packets, checked in a world so small that every packet of it can be asked."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import regions
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.regions import Box, Decision

SIZE = 5
WORLD = set(range(SIZE))


def _ranges(values: set[int]) -> regions.Ranges:
    return regions.union((value, value + 1) for value in values)


def _values(ranges: regions.Ranges) -> set[int]:
    return {value for value in WORLD if any(start <= value < end for start, end in ranges)}


_subsets = st.sets(st.sampled_from(sorted(WORLD)))
_boxes = st.builds(
    lambda remote, local, port: Box(_ranges(remote), _ranges(local), _ranges(port)),
    *[st.sets(st.sampled_from(sorted(WORLD)), min_size=2)] * 3,
)
_decisions = st.builds(
    Decision,
    st.sampled_from(["allow", "deny", "pass"]),
    st.lists(_boxes, min_size=1, max_size=2).map(tuple),
    is_partial=st.booleans(),
)


def _points(boxes: list[Box]) -> set[tuple[int, ...]]:
    return {point for box in boxes for point in itertools.product(*map(_values, box[:3]))}


@given(_subsets, _subsets)
def test_ranges_are_joined_cut_and_intersected_like_sets(these: set[int], those: set[int]) -> None:
    assert _values(regions.both(_ranges(these), _ranges(those))) == these & those
    assert _values(regions.without(_ranges(these), _ranges(those))) == these - those
    assert _values(regions.union([*_ranges(these), *_ranges(those)])) == these | those


@given(_boxes, _boxes)
def test_what_is_left_of_a_box_is_what_the_other_does_not_hold(box: Box, other: Box) -> None:
    assert _points(list(regions.subtract(box, other))) == _points([box]) - _points([other])


@given(_boxes, _boxes)
def test_the_parts_left_of_a_box_do_not_overlap(box: Box, other: Box) -> None:
    parts = list(regions.subtract(box, other))
    assert sum(len(_points([part])) for part in parts) == len(_points(parts))


def _judged_one_by_one(boxes: list[Box], decisions: list[Decision]) -> tuple[set[int], set[tuple[int, ...]]]:
    """The positions of the decisions that some packet meets, and the packets that none decides."""
    met, left = set(), set()
    for point in _points(boxes):
        for position, decision in enumerate(decisions):
            if point not in _points(list(decision.boxes)):
                continue
            if decision.verdict != "pass":
                met.add(position)
            if not decision.is_partial:
                left |= {point} if decision.verdict == "pass" else set()
                break
        else:
            left.add(point)
    return met, left


@settings(max_examples=200)
@given(st.lists(_boxes, min_size=1, max_size=2), st.lists(_decisions, max_size=5))
def test_packets_are_judged_together_as_they_would_be_one_by_one(boxes: list[Box], decisions: list[Decision]) -> None:
    decisions = [d if d.verdict != "pass" else Decision("pass", d.boxes) for d in decisions]
    met, left = regions.judge(boxes, decisions)
    expected_met, expected_left = _judged_one_by_one(boxes, decisions)
    assert {position for position, each in enumerate(decisions) if any(each is one for one in met)} == expected_met
    assert _points(left) == expected_left


def test_what_one_list_passes_on_is_asked_of_the_next() -> None:
    everything = (Box(),)
    first = [Decision("pass", everything), Decision("deny", everything)]
    second = [Decision("allow", everything)]
    assert regions.judge_in_turn([Box()], [first, second]) == (second, [])


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("eth0", "eth0", True),
        ("eth0", "eth01", False),
        ("eth+", "eth", True),
        ("eth+", "eth12", True),
        ("eth+", "eti", False),
        ("", "wlan0", True),
        ("+", "wlan0", True),
    ],
)
def test_a_pattern_holds_the_interfaces_it_names(pattern: str, name: str, fits: bool) -> None:
    assert bool(regions.both(regions.interfaces(pattern), regions.interfaces(name))) == fits


@pytest.mark.parametrize("pattern", ["lo", "", "+", "l+"])
def test_no_pattern_holds_the_loopback_interface(pattern: str) -> None:
    assert not any(start <= "lo" < end for start, end in regions.interfaces(pattern))


def test_the_families_of_addresses_do_not_overlap() -> None:
    assert regions.both(regions.addresses("0.0.0.0/0"), regions.addresses("::/0")) == ()
    assert regions.union([*regions.IPV4, *regions.IPV6]) == regions.EVERY_ADDRESS


def test_a_range_of_addresses_holds_its_ends() -> None:
    assert regions.address_range("192.0.2.4", "192.0.2.7") == regions.addresses("192.0.2.4/30")


def test_a_hardware_address_is_the_same_in_either_spelling() -> None:
    assert regions.mac_address("02:00:00:00:00:0A") == regions.mac_address("02-00-00-00-00-0a")


@given(st.lists(st.sampled_from(["192.0.2.0/24", "192.0.2.0/31", "192.0.2.7", "0.0.0.0/0", "::/0", "2001:db8::/127"])))
def test_networks_hold_just_the_addresses_that_they_were_made_of(texts: list[str]) -> None:
    found = regions.addresses(*texts)
    assert regions.addresses(*regions.networks(found)) == found
