# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses as the rules of the Windows Firewall have them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.tests.windows.addresses import checked_ports, normalised, span
from ansible_collections.netwall.datadog.tests.windows.failures import MisuseError


@pytest.mark.parametrize(
    ("given", "returned"),
    [
        ("203.0.113.0/24", "203.0.113.0/255.255.255.0"),
        ("203.0.113.7", "203.0.113.7/255.255.255.255"),
        ("203.0.113.7/32", "203.0.113.7/255.255.255.255"),
        ("203.0.113.0/255.255.255.0", "203.0.113.0/255.255.255.0"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("2001:DB8::1", "2001:db8::1/128"),
        ("203.0.113.9-203.0.113.200", "203.0.113.9-203.0.113.200"),
        ("::2-2001:db8::", "::2-2001:db8::"),
        ("0.0.0.0-255.255.255.255", "0.0.0.0-255.255.255.255"),
        ("*", "*"),
        ("localsubnet", "LocalSubnet"),
        # IPv4 by number, before IPv6, whatever the order was; ranges after subnets.
        (
            "2001:db8::/32,10.0.0.0/8,9.9.9.9-9.9.9.12,1.1.1.1",
            "1.1.1.1/255.255.255.255,10.0.0.0/255.0.0.0,9.9.9.9-9.9.9.12,2001:db8::/32",
        ),
    ],
)
def test_what_comes_back(given: str, returned: str) -> None:
    assert normalised(given) == returned


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "any",
        "203.0.113.256",
        "203.0.113.0/33",
        "203.0.113.0 / 24",
        "example.com",
        "0.0.0.0/0",
        "::/0",
        "::",
        "::1",
        "::/1",
        "::1-2001:db8::",
        "::-2001:db8::",
        "203.0.113.9-203.0.113.1",
        "203.0.113.9-2001:db8::1",
        "*,203.0.113.1",
        "203.0.113.1,",
        "203.0.113.1, 203.0.113.2",
    ],
)
def test_what_windows_refuses(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        normalised(wrong)


@pytest.mark.parametrize("unknown", ["203.0.113.7/24", "2001:db8::1/32", "203.0.113.1,203.0.113.1"])
def test_what_no_document_speaks_of_is_a_fault_of_ours(unknown: str) -> None:
    with pytest.raises(MisuseError):
        normalised(unknown)


@given(st.ip_addresses().filter(lambda address: int(address) > 1), st.integers(0, 2**20))
def test_what_came_back_comes_back_again_and_means_the_same(
    first: ipaddress.IPv4Address | ipaddress.IPv6Address, more: int
) -> None:
    last = first + min(more, int(type(first)(b"\xff" * (4 if first.version == 4 else 16))) - int(first))
    for text in (str(first), f"{first}-{last}"):
        returned = normalised(text)
        assert normalised(returned) == returned
        assert first in span(returned)
        assert (last in span(returned)) == ("-" in text or first == last)


@pytest.mark.parametrize("ports", ["443", "80,443", "1000-2000", "*", "1-2,5"])
def test_ports(ports: str) -> None:
    assert checked_ports(ports) == ports


@pytest.mark.parametrize("ports", ["", "http", "80, 443", "70000", "20-10", "80-"])
def test_what_is_no_list_of_ports(ports: str) -> None:
    with pytest.raises(ValueError, match="is no list of ports"):
        checked_ports(ports)
