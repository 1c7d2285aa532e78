# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts a proxy is not for."""

from __future__ import annotations

import pytest

from ansible_collections.netwall.datadog.plugins.plugin_utils._no_proxy import NoProxy

HOST = "trace.agent.datadoghq.eu"


@pytest.mark.parametrize(
    ("entry", "host", "is_covered"),
    [
        (HOST, HOST, True),
        (f" {HOST.upper()}. ", HOST, True),
        # A name is no suffix.
        ("datadoghq.eu", HOST, False),
        ("agent.datadoghq.eu", HOST, False),
        (".datadoghq.eu", HOST, True),
        ("*.datadoghq.eu", HOST, True),
        (".datadoghq.eu", "datadoghq.eu", False),
        (".datadoghq.eu", "trace.agent.notdatadoghq.eu", False),
        ("*", HOST, True),
        ("*", "192.0.2.7", True),
        (f"{HOST}:443", HOST, True),
        (f"{HOST}:8443", HOST, False),
        (".datadoghq.eu:443", HOST, True),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.0/24", "192.0.2.7", True),
        ("192.0.2.5/24", "192.0.2.7", True),
        ("192.0.2.7:443", "192.0.2.7", True),
        ("192.0.2.7:8443", "192.0.2.7", False),
        ("192.0.3.0/24", "192.0.2.7", False),
        ("2001:db8::/32", "2001:db8::7", True),
        ("2001:DB8:0::7", "2001:db8::7", True),
        ("[2001:db8::7]:443", "2001:db8::7", True),
        ("[2001:db8::7]", "2001:db8::7", True),
        # What is given by name is not resolved for this, and what is given by address has no domain.
        ("0.0.0.0/0", HOST, False),
        (".7", "192.0.2.7", False),
        ("::/0", "192.0.2.7", False),
        ("", HOST, False),
        ("*.", HOST, False),
        (".", HOST, False),
        (":443", HOST, False),
        ("https://trace.agent.datadoghq.eu", HOST, False),
    ],
)
def test_an_entry_covers_what_it_says(entry: str, host: str, is_covered: bool) -> None:
    no_proxy = NoProxy([entry])
    assert no_proxy.covers(host, 443) == is_covered
    assert no_proxy.may_cover(host, 443) == is_covered


@pytest.mark.parametrize(
    ("entry", "is_covered", "may_be"),
    [
        (".agent.datadoghq.eu", True, True),
        (".datadoghq.eu", True, True),
        # The wildcard may stand for this very name, or for another.
        ("7-60-0-app.agent.datadoghq.eu", False, True),
        ("7-60-0-app.agent.datadoghq.eu:8443", False, False),
        ("agent.datadoghq.eu", False, False),
        # No Agent asks this for its version's name.
        ("trace.agent.datadoghq.eu", False, False),
        ("7-60-0-app.agent.datadoghq.com", False, False),
    ],
)
def test_a_name_with_a_wildcard_may_be_covered_in_part(entry: str, is_covered: bool, may_be: bool) -> None:
    no_proxy = NoProxy([entry])
    assert (no_proxy.covers("*.agent.datadoghq.eu", 443), no_proxy.may_cover("*.agent.datadoghq.eu", 443)) == (
        is_covered,
        may_be,
    )


def test_one_entry_of_several_is_enough_and_none_covers_nothing() -> None:
    assert NoProxy(["example.com", HOST]).covers(HOST, 443)
    assert not NoProxy([]).may_cover(HOST, 443)
