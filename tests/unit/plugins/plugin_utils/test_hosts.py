# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands for a host, and which site a host is of: one reading for an Agent's settings and for options."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._hosts import (
    Place,
    PlaceError,
    is_host,
    parse_place,
    site_of,
)

US1, EU1, US3 = "datadoghq.com", "datadoghq.eu", "us3.datadoghq.com"
RELAY = "relay.example.test"
KEY = "s3cr3t"
# A password with a sign in the plain that ends the place before its host: that is no host, or the name of a user.
PLAIN = [f"https://user:{KEY}{sign}{KEY}@{RELAY}" for sign in "/?#"] + [
    f"https://user:80/{KEY}@{RELAY}",
    f"{KEY}?@{RELAY}",
]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("trace.agent.datadoghq.eu", Place("trace.agent.datadoghq.eu", None)),
        ("Trace.Agent.DatadogHQ.EU.", Place("trace.agent.datadoghq.eu", None)),
        ("trace.agent.datadoghq.eu.:8443", Place("trace.agent.datadoghq.eu", 8443)),
        (" relay.example.test:8443 ", Place(RELAY, 8443)),
        ("https://app.datadoghq.eu", Place("app.datadoghq.eu", 443)),
        ("http://relay.example.test", Place(RELAY, 80)),
        ("socks5://relay.example.test", Place(RELAY, 1080)),
        ("tcp://relay.example.test", Place(RELAY, None)),
        ("HTTPS://user:password@Relay.example.test:8443/api/v2?key=k", Place(RELAY, 8443)),
        ("https://relay.example.test/?user=me@other.example.test", Place(RELAY, 443)),
        ("https://me@relay.example.test/tenant@other#@another.example.test", Place(RELAY, 443)),
        ("relay.example.test:8443#@other.example.test", Place(RELAY, 8443)),
        ("https://192.0.2.7/tenant@other", Place("192.0.2.7", 443)),
        (f"user:{KEY}@relay.example.test:1", Place(RELAY, 1)),
        ("relay.example.test/?to=https://other.example.test", Place(RELAY, None)),
        ("192.0.2.7", Place("192.0.2.7", None)),
        ("192.0.2.7:8443", Place("192.0.2.7", 8443)),
        ("2001:DB8:0::7", Place("2001:db8::7", None)),
        ("[2001:db8:0::7]:8443", Place("2001:db8::7", 8443)),
        ("http://[2001:db8::7]:8443/", Place("2001:db8::7", 8443)),
    ],
)
def test_a_place_is_a_name_an_address_or_a_url(text: str, place: Place) -> None:
    assert parse_place(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"https:///{KEY}",
        f"{KEY} host",
        f"-{KEY}",
        f"[{KEY}]",
        f"http://[{KEY}",
        f"h:{KEY}",
        "fe80::1%eth0",
        "h:0",
        *PLAIN,
    ],
)
def test_what_is_no_place_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(PlaceError) as refused:
        parse_place(text)
    assert (str(refused.value), refused.value.__context__) == ("", None)


@given(st.text("ab:/@[]?#.%x1 ") | st.text())
def test_any_text_is_a_place_or_is_refused(text: str) -> None:
    with contextlib.suppress(PlaceError):
        assert is_host(parse_place(text).host)


@pytest.mark.parametrize(
    ("host", "own", "site"),
    [
        ("app.datadoghq.com", US1, US1),
        ("App.DatadogHQ.com.", US1, US1),
        ("7-60-0-app.agent.us3.datadoghq.com", US1, US3),
        ("us3.datadoghq.com", US1, US3),
        ("datadoghq.eu", US1, EU1),
        ("trace.agent.us2.ddog-gov.com", US1, "us2.ddog-gov.com"),
        # A site that the catalog does not know yet, by the names of those that it does.
        ("app.us9.datadoghq.com", US1, "us9.datadoghq.com"),
        ("app.us12.datadoghq.com", US1, "us12.datadoghq.com"),
        ("logs.dd.example.test", "dd.example.test", "dd.example.test"),
        ("browser-intake-us3-datadoghq.com", US1, US3),
        ("logs.dd.example.test", US1, None),
        ("notdatadoghq.com", US1, None),
        ("datadoghq.com.example.test", US1, None),
        ("192.0.2.7", US1, None),
    ],
)
def test_a_host_belongs_to_the_site_that_it_is_below(host: str, own: str, site: str | None) -> None:
    assert site_of(host, own) == site


@pytest.mark.parametrize("site", catalog.SITES, ids=lambda site: site.site)
def test_hosts_of_every_site_are_known_to_be(site: catalog.Site) -> None:
    for name in ("app", "7-60-0-app.agent", "agent-http-intake.logs"):
        assert site_of(f"{name}.{site.site}") == site.site
    assert site_of(site.rum) == site.site
