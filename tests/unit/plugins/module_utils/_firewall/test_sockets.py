# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses and interfaces of this very machine."""

from __future__ import annotations

import ipaddress

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import sockets as sockets_module
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.sockets import (
    interface_of,
    is_own,
    own_addresses,
    plain_address,
)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.53", "::1", "0.0.0.0"])
def test_loopback_is_this_hosts_own(address: str) -> None:
    assert is_own(address)


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "fe80::dead:beef"])
def test_an_address_of_another_is_not(address: str) -> None:
    assert not is_own(address)


def test_a_link_local_address_of_an_interface_is_this_hosts_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets_module, "_interface_with", {"fe80::1": "eth0"}.get)
    assert is_own("fe80::1")


def test_an_address_that_no_interface_has_is_on_none() -> None:
    assert interface_of("192.0.2.1") == ""


def test_the_own_addresses_are_on_interfaces_and_not_loopback() -> None:
    for address, interface in own_addresses():
        assert interface_of(address) == interface
        assert is_own(address)
        assert not ipaddress.ip_address(address).is_loopback


def test_of_ipv6_the_addresses_of_a_link_alone_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        f"{'20010db8' + '0' * 22}11 02 40 00 80 eth0",
        f"{'fe80' + '0' * 26}11 02 40 20 80 eth0",
        f"{'0' * 31}1 01 80 10 80 lo",
        f"{'20010db8' + '0' * 22}99 01 80 00 80 lo",
    ]
    monkeypatch.setattr(sockets_module, "_if_inet6", lambda: [row.split() for row in rows])
    assert [found for found in own_addresses() if ":" in found[0]] == [
        ("2001:db8::11", "eth0"),
        ("2001:db8::99", ""),
    ]


@pytest.mark.parametrize(
    ("text", "plain"),
    [("192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("::1", "::1")],
)
def test_a_plain_address_has_no_zone_and_is_ipv4_where_it_can_be(text: str, plain: str) -> None:
    assert plain_address(text) == plain
