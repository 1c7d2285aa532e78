# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets of addresses against netaddr's, which was written by others."""

from __future__ import annotations

import ipaddress

import netaddr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.addresses import EVERYWHERE, Addresses

# Half of them close to each other, so that they touch, overlap and hold one another.
_V4 = st.builds(
    lambda number, prefix: str(ipaddress.ip_network((number, prefix), strict=False)),
    st.integers(0, 2**32 - 1) | st.integers(0xC0000200, 0xC00002FF),
    st.integers(0, 32) | st.integers(26, 32),
)
_V6 = st.builds(
    lambda number, prefix: str(ipaddress.ip_network((number, prefix), strict=False)),
    st.integers(0, 2**128 - 1) | st.integers(0, 20) | st.integers(0x20010DB8 << 96, (0x20010DB8 << 96) + 255),
    st.integers(0, 128) | st.integers(122, 128),
)
_NETWORKS = st.lists(_V4 | _V6, max_size=8)
_NEVER = netaddr.IPSet(["::/128", "::1/128"])
_ALL = netaddr.IPSet(["0.0.0.0/0", "::/0"]) - _NEVER


def oracle(addresses: Addresses) -> netaddr.IPSet:
    """What the entries of *addresses* say, as netaddr understands them."""
    found = netaddr.IPSet()
    for entry in addresses.entries():
        if entry == "any":
            return _ALL
        begin, dash, end = entry.partition("-")
        found |= netaddr.IPSet(netaddr.IPRange(begin, end) if dash else netaddr.IPNetwork(entry))
    return found


@settings(max_examples=150, deadline=None)
@given(some=_NETWORKS, others=_NETWORKS)
def test_what_is_left_is_exactly_the_difference(some: list[str], others: list[str]) -> None:
    expected = netaddr.IPSet(some) - netaddr.IPSet(others) - _NEVER
    assert oracle(Addresses.of(some) - Addresses.of(others)) == expected


@settings(max_examples=100, deadline=None)
@given(allowed=_NETWORKS)
def test_all_but_what_is_allowed_is_exact_over_both_families(allowed: list[str]) -> None:
    assert oracle(EVERYWHERE - Addresses.of(allowed)) == _ALL - netaddr.IPSet(allowed)


@settings(max_examples=100, deadline=None)
@given(some=_NETWORKS, others=_NETWORKS)
def test_networks_say_the_same_as_entries(some: list[str], others: list[str]) -> None:
    addresses = Addresses.of(some) - Addresses.of(others)
    assert netaddr.IPSet(addresses.networks()) == oracle(addresses)
    assert all(ipaddress.ip_network(network) for network in addresses.networks())


@settings(max_examples=100, deadline=None)
@given(some=_NETWORKS, others=_NETWORKS)
def test_union_and_intersection_are_exact(some: list[str], others: list[str]) -> None:
    one, other = Addresses.of(some), Addresses.of(others)
    assert oracle(one | other) == (netaddr.IPSet(some) | netaddr.IPSet(others)) - _NEVER
    assert oracle(one & other) == (netaddr.IPSet(some) & netaddr.IPSet(others)) - _NEVER


@settings(max_examples=100, deadline=None)
@given(networks=_NETWORKS)
def test_there_is_one_entry_for_each_run_of_addresses_and_no_fewer_can_say_it(networks: list[str]) -> None:
    addresses = Addresses.of(networks)
    runs = list((netaddr.IPSet(networks) - _NEVER).iter_ipranges())
    assert len(addresses.entries()) == (1 if addresses == EVERYWHERE else len(runs))


@settings(max_examples=100, deadline=None)
@given(networks=_NETWORKS.filter(lambda networks: bool(Addresses.of(networks))))
def test_what_is_written_is_read_as_the_same_and_windows_takes_it(networks: list[str]) -> None:
    addresses = Addresses.of(networks)
    assert Addresses.parse(",".join(addresses.entries())) == addresses
    ends = {end for entry in addresses.entries() for end in entry.partition("/")[0].split("-")}
    assert not ends & {"::", "::1"}
    assert not any(entry.endswith("/0") for entry in addresses.entries())


def test_a_mask_is_what_windows_writes_for_a_prefix() -> None:
    told = "203.0.113.0/255.255.255.0,192.0.2.7/255.255.255.255,2001:db8::/32,10.0.0.1-10.0.0.9"
    assert Addresses.parse(told) == Addresses.of(
        ["203.0.113.0/24", "192.0.2.7", "2001:db8::/32", "10.0.0.1", "10.0.0.2/31", "10.0.0.4/30", "10.0.0.8/31"]
    )


@pytest.mark.parametrize("told", ["", "DNS", "LocalSubnet,192.0.2.1", "192.0.2.9-192.0.2.1", "192.0.2.1-2001:db8::1"])
def test_what_is_no_list_of_addresses_is_not_guessed_at(told: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Addresses.parse(told)


def test_everything_but_a_network_in_the_middle_is_two_ranges_for_its_family() -> None:
    assert (EVERYWHERE - Addresses.of(["198.51.100.0/24"])).entries() == (
        "0.0.0.0-198.51.99.255",
        "198.51.101.0-255.255.255.255",
        "::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    )
