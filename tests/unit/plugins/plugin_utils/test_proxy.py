# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of a proxy that faces the host, and the silence about its user and password."""

from __future__ import annotations

import string
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils._proxy import Proxy, ProxyError


@pytest.mark.parametrize(
    ("url", "host", "port", "network"),
    [
        ("http://192.0.2.1", "192.0.2.1", 80, "192.0.2.1/32"),
        ("https://192.0.2.1/", "192.0.2.1", 443, "192.0.2.1/32"),
        ("socks5://192.0.2.1", "192.0.2.1", 1080, "192.0.2.1/32"),
        ("http://[2001:DB8::1]:3128", "2001:db8::1", 3128, "2001:db8::1/128"),
        (" HTTP://Proxy_1.Example.test:8080/ ", "proxy_1.example.test", 8080, None),
        ("http://user:p%40ss@proxy.example.test.:3128", "proxy.example.test.", 3128, None),
        ("http://user:p@ss@proxy:3128", "proxy", 3128, None),
    ],
)
def test_a_proxy_is_its_host_and_port(url: str, host: str, port: int, network: str | None) -> None:
    proxy = Proxy.parse(url)
    assert (proxy.host, proxy.port, proxy.network) == (host, port, network)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "proxy.example.test",
        "proxy.example.test:3128",
        "ftp://proxy.example.test",
        "http://",
        "http://:3128",
        "http://192.0.2.1:0",
        "http://192.0.2.1:65536",
        "http://192.0.2.1:http",
        "http://[2001:db8::1",
        "http://[fe80::1%25eth0]:3128",
        "http://proxy..example.test",
        "http://-proxy",
        "http://pro xy",
        "http://proxy.example.test/path",
        "http://proxy.example.test?query",
        "http://proxy.example.test#fragment",
    ],
)
def test_what_is_no_proxy_is_an_error_that_shows_the_form(url: str) -> None:
    with pytest.raises(ProxyError, match=r"SCHEME://HOST:PORT"):
        Proxy.parse(url)


_secrets = st.text(string.ascii_letters + string.digits + "/?#@:[]%\\ .-", max_size=20).map(
    lambda text: f"Zq9{text}Zq9"
)


@given(
    _secrets,
    st.sampled_from(["http://u:{}@192.0.2.1:3128", "http://{}@proxy:1", "socks5://u:{}@[2001:db8::1", "{}@proxy"]),
)
def test_a_password_is_in_no_proxy_and_no_error(secret: str, form: str) -> None:
    """Whatever is in it: at worst the URL is refused, in words that do not repeat it."""
    try:
        shown = repr(Proxy.parse(form.format(secret)))
    except ProxyError as error:
        # What an error was raised in place of is kept in its context, whatever is printed.
        shown = "".join(traceback.format_exception(error)) + repr(error.__context__)
    assert "zq9" not in shown.lower()
