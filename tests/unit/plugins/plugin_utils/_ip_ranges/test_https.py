# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a download survives, what it refuses and what it says, against a real server."""

from __future__ import annotations

import datetime
import gzip
import logging
import socket
import ssl
import sys
import time
import typing as t
import zlib
from pathlib import Path

import pytest
import trustme

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import https, source
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import MissingPackageError
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.source import SourceError
from ansible_collections.netwall.datadog.tests._https import (
    Answer,
    HttpsServer,
    Proxy,
    body,
    cut_off,
    drip,
    redirect,
    reset,
    running,
    silence,
)

DATA = b'{"version": 47}'
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def _no_proxy_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, which nobody waits for."""
    taken: list[float] = []
    monkeypatch.setattr(time, "sleep", taken.append)
    return taken


class Fetch(t.Protocol):
    """Fetch a URL with the authority's certificate trusted."""

    def __call__(self, url: str, *, timeout: float = 10, retries: int = 0) -> bytes: ...


@pytest.fixture
def fetch(ca_path: Path) -> Fetch:
    """Fetch a URL with the authority's certificate trusted."""

    def fetch(url: str, *, timeout: float = 10, retries: int = 0) -> bytes:
        return fetched(url, ca_path=str(ca_path), timeout=timeout, retries=retries)

    return fetch


def fetched(url: str, **how: t.Any) -> bytes:
    """What is at the URL."""
    with source.Source(source.Connection(**how)) as opened:
        data = opened.fetch(url).data
    assert data is not None
    return data


def said(caught: pytest.ExceptionInfo[SourceError], url: str) -> str:
    """The fault in a message that begins with the URL and ends with a full stop."""
    text = str(caught.value)
    assert text.startswith(f"{url} cannot be read: ")
    assert text.endswith(".")
    return text.removeprefix(f"{url} cannot be read: ").removesuffix(".")


def test_a_body(server: HttpsServer, fetch: Fetch) -> None:
    assert fetch(server.answer(body(DATA))) == DATA


def test_a_body_in_gzip(server: HttpsServer, fetch: Fetch) -> None:
    assert fetch(server.answer(body(gzip.compress(DATA), Content_Encoding="gzip"))) == DATA


def test_the_largest_body(server: HttpsServer, fetch: Fetch) -> None:
    assert len(fetch(server.answer(body(b" " * 8 * MIB)))) == 8 * MIB


def test_redirects_are_followed(server: HttpsServer, fetch: Fetch) -> None:
    for step in range(5):
        server.answer(redirect(f"/{step + 1}"), path=f"/{step}")
    server.answer(body(DATA), path="/5")
    assert fetch(server.url("/0")) == DATA


def test_user_and_password_are_sent(server: HttpsServer, fetch: Fetch) -> None:
    server.answer(body(DATA))
    fetch(server.url().replace("//", "//me:p%40ss@"))
    assert server.requests[0][1]["authorization"] == "Basic bWU6cEBzcw=="


def test_user_and_password_stay_on_their_host(server: HttpsServer, fetch: Fetch, authority: trustme.CA) -> None:
    with running(HttpsServer(authority.issue_cert("localhost"))) as other:
        server.answer(redirect(other.answer(body(DATA))))
        assert fetch(server.url().replace("//", "//me:password@")) == DATA
        assert "authorization" not in other.requests[0][1]


PASSING: dict[str, tuple[Answer, str]] = {
    "500": (body(b"", 500), "the server answered with status 500"),
    "503": (body(b"", 503), "the server answered with status 503"),
    "429": (body(b"", 429), "the server answered with status 429"),
    "cut-off": (
        cut_off(DATA),
        "the connection failed (peer closed connection without sending complete message body (received 15 bytes, ",
    ),
    # Whether the client sees the reset or an early end depends on what it has read by then.
    "reset": (reset, "the connection failed ("),
    "cut-off-gzip": (body(gzip.compress(DATA)[:-9], Content_Encoding="gzip"), "its gzip encoding is cut off"),
    "damaged-gzip": (body(b"gzip?", Content_Encoding="gzip"), "its gzip encoding is damaged"),
}


@pytest.mark.parametrize("name", PASSING)
def test_after_a_fault_that_may_pass_it_is_tried_again(name: str, server: HttpsServer, fetch: Fetch) -> None:
    answer = PASSING[name][0]
    assert fetch(server.answer(answer, answer, body(DATA)), retries=2) == DATA


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_does_not_pass_is_told(name: str, server: HttpsServer, fetch: Fetch) -> None:
    answer, expected = PASSING[name]
    with pytest.raises(SourceError) as caught:
        fetch(server.answer(answer), retries=2)
    assert said(caught, server.url()).startswith(expected)
    assert said(caught, server.url()).endswith(", tried 3 times")
    assert len(server.requests) == 3


FINAL: dict[str, tuple[Answer, str]] = {
    "404": (body(b"", 404), "the server answered with status 404"),
    "403": (body(b"", 403), "the server answered with status 403"),
    "204": (body(b"", 204), "the server answered with status 204"),
    "redirect-nowhere": (body(b"", 302), "the server answered with status 302"),
    "redirect-loop": (redirect("/"), "it is redirected more than 5 times"),
    "redirect-to-http": (redirect("http://localhost:1/"), "it is redirected from https to http"),
    "redirect-to-file": (redirect("file:///etc/hostname"), "it is redirected from https to file"),
    "too-large": (body(b" " * (8 * MIB + 1)), "it has more than 8388608 bytes, which is what max_size is"),
    "gzip-bomb": (
        body(gzip.compress(b" " * 64 * MIB), Content_Encoding="gzip"),
        "it has more than 8388608 bytes, which is what max_size is",
    ),
    "brotli": (body(DATA, Content_Encoding="br"), "the server answered in the encoding 'br'"),
}


@pytest.mark.parametrize("name", FINAL)
def test_what_will_not_pass_is_told_at_once(name: str, server: HttpsServer, fetch: Fetch) -> None:
    answer, expected = FINAL[name]
    with pytest.raises(SourceError) as caught:
        fetch(server.answer(answer), retries=3)
    assert said(caught, server.url()) == expected
    assert len(server.requests) == (6 if name == "redirect-loop" else 1)


def test_a_silent_server_is_given_up(server: HttpsServer, fetch: Fetch) -> None:
    with pytest.raises(SourceError) as caught:
        fetch(server.answer(silence), timeout=1)
    assert said(caught, server.url()) == "there was no answer for 1 seconds"


def test_a_body_that_never_ends_is_given_up(server: HttpsServer, fetch: Fetch) -> None:
    with pytest.raises(SourceError) as caught:
        fetch(server.answer(drip), timeout=1)
    assert said(caught, server.url()) == "it was not complete after 3 seconds"


def test_a_handshake_that_never_ends_is_given_up(fetch: Fetch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://localhost:{mute.getsockname()[1]}/"
        with pytest.raises(SourceError) as caught:
            fetch(url, timeout=0.2)
    assert said(caught, url) == "there was no connection within 0.2 seconds"


def test_the_pauses_grow_up_to_a_limit(fetch: Fetch, server: HttpsServer, pauses: list[float]) -> None:
    with pytest.raises(SourceError):
        fetch(server.answer(body(b"", 500)), retries=7)
    limits = [0.5, 1, 2, 4, 8, 8, 8]
    assert all(limit / 2 <= pause <= limit for limit, pause in zip(limits, pauses, strict=True))


def test_a_closed_port_is_told(fetch: Fetch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"https://127.0.0.1:{taken.getsockname()[1]}/"
    with pytest.raises(SourceError) as caught:
        fetch(url, retries=1)
    assert said(caught, url) == "the connection failed (Connection refused), tried 2 times"


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (socket.EAI_NONAME, "Name or service not known", ""),
        (socket.EAI_AGAIN, "Temporary failure in name resolution", ", tried 2 times"),
    ],
)
def test_an_unknown_name_is_told(
    code: int, text: str, expected: str, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(*_: object, **__: object) -> t.NoReturn:
        raise socket.gaierror(code, text)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    url = "https://ip-ranges.example.test/"
    with pytest.raises(SourceError) as caught:
        fetch(url, retries=1)
    assert said(caught, url) == f"its name could not be resolved ({text}); check the site or the url{expected}"


def test_a_host_that_no_name_can_be_is_told(fetch: Fetch) -> None:
    with pytest.raises(SourceError) as caught:
        fetch("https://a..b/")
    assert said(caught, "https://a..b/") == "a URL on the way (its own, a redirect's or the proxy's) is malformed"


# --- Certificates ---------------------------------------------------------------------------------------------------


def test_a_certificate_of_a_stranger_is_not_trusted(server: HttpsServer) -> None:
    with pytest.raises(SourceError) as caught:
        fetched(server.answer(body(DATA)), ca_path=None, timeout=10, retries=3)
    expected = "its certificate is not trusted (unable to get local issuer certificate)"
    assert said(caught, server.url()) == expected
    assert not server.requests


def test_a_certificate_of_another_host_is_not_trusted(fetch: Fetch, authority: trustme.CA) -> None:
    with running(HttpsServer(authority.issue_cert("elsewhere.example"))) as server:
        with pytest.raises(SourceError) as caught:
            fetch(server.answer(body(DATA)), retries=3)
        expected = "Hostname mismatch, certificate is not valid for 'localhost'"
        assert said(caught, server.url()) == f"its certificate is not trusted ({expected})"


def test_an_expired_certificate_is_not_trusted(fetch: Fetch, authority: trustme.CA) -> None:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    expired = authority.issue_cert("localhost", not_before=past, not_after=past + datetime.timedelta(days=1))
    with running(HttpsServer(expired)) as server:
        with pytest.raises(SourceError) as caught:
            fetch(server.answer(body(DATA)), retries=3)
        assert said(caught, server.url()) == "its certificate is not trusted (certificate has expired)"


def test_the_ca_stands_in_place_of_the_systems(
    server: HttpsServer, ca_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_path))
    url = server.answer(body(DATA))
    assert fetched(url, ca_path=None, timeout=10, retries=0) == DATA
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    with pytest.raises(SourceError, match="is not trusted"):
        fetched(url, ca_path=str(tmp_path / "other.pem"), timeout=10, retries=0)


def test_a_python_without_the_systems_certificates_takes_those_of_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    absent: t.Any = None
    paths = ssl.get_default_verify_paths()._replace(cafile=absent, capath=absent)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    assert https._trust(source.Connection()).get_ca_certs()


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file or directory"), ("not PEM", "it holds no certificates")]
)
def test_a_ca_that_cannot_be_used_is_told(content: str | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SourceError) as caught:
        fetched("https://localhost:1/", ca_path=str(path), timeout=10, retries=3)
    assert said(caught, "https://localhost:1/") == f"ca_path {path} cannot be used ({reason})"


def test_a_server_that_does_not_speak_tls_is_told(fetch: Fetch, server: HttpsServer) -> None:
    with running(Proxy(server.port)) as plain:
        url = plain.url.replace("http:", "https:")
        with pytest.raises(SourceError) as caught:
            fetch(f"{url}/", retries=3)
    assert said(caught, f"{url}/").startswith("there was no TLS connection (")


# --- Proxies --------------------------------------------------------------------------------------------------------


def test_the_proxy_of_the_environment_is_used(
    server: HttpsServer, proxy: Proxy, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    server.answer(body(DATA))
    assert fetch("https://ip-ranges.datadoghq.com/") == DATA
    assert proxy.asked == ["ip-ranges.datadoghq.com:443"]


def test_no_proxy_is_honoured(server: HttpsServer, proxy: Proxy, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert fetch(server.answer(body(DATA))) == DATA
    assert proxy.asked == []


@pytest.mark.parametrize(
    ("status", "asked", "expected"),
    [(407, 1, "(407 Proxy Authentication Required)"), (502, 2, "(502 Bad Gateway), tried 2 times")],
)
def test_a_proxy_that_refuses_is_told(
    status: int, asked: int, expected: str, proxy: Proxy, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:password@"))
    proxy.refuse_with = status
    url = "https://ip-ranges.datadoghq.com/"
    with pytest.raises(SourceError) as caught:
        fetch(url, retries=1)
    assert said(caught, url) == f"the proxy that the environment names refused it {expected}"
    assert len(proxy.asked) == asked


def test_a_proxy_that_is_not_there_is_told(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:password@127.0.0.1:{taken.getsockname()[1]}")
    url = "https://ip-ranges.datadoghq.com/"
    with pytest.raises(SourceError) as caught:
        fetch(url)
    assert said(caught, url) == "the connection failed (Connection refused), and the environment names a proxy"


def test_a_proxy_of_another_kind_is_told(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "ftp://me:password@proxy.test")
    url = "https://ip-ranges.datadoghq.com/"
    with pytest.raises(SourceError) as caught:
        fetch(url)
    assert said(caught, url) == "the proxy that the environment names is no usable URL"


def test_a_socks_proxy_needs_a_package(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.test")
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(
        MissingPackageError,
        match="The Python package socksio is needed on the controller for the proxy that the env",
    ):
        fetch("https://ip-ranges.datadoghq.com/")


# --- What else nobody should see ------------------------------------------------------------------------------------


def test_nothing_is_logged(server: HttpsServer, fetch: Fetch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fetch(server.answer(body(DATA)).replace("//", "//me:password@"))
    assert caplog.records == []


def test_a_failure_hides_the_password(server: HttpsServer, fetch: Fetch) -> None:
    url = server.url("/?key=secret").replace("//", "//me:password@")
    with pytest.raises(SourceError) as caught:
        fetch(url)
    assert said(caught, url.replace("me:password", "***").replace("key=secret", "***"))


def test_without_httpx_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "HAS_HTTPX", False)
    with pytest.raises(MissingPackageError, match="The Python package httpx is needed on the controller to download"):
        fetched("https://localhost:1/", ca_path=None, timeout=10, retries=0)


def test_bytes_after_the_end_of_gzip_are_ignored(server: HttpsServer, fetch: Fetch) -> None:
    packed = zlib.compressobj(wbits=31)
    data = packed.compress(DATA) + packed.flush() + b"more"
    assert fetch(server.answer(body(data, Content_Encoding="gzip"))) == DATA
