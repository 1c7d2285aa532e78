# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a tester from outside found: each of these was once believed, or was once a crash."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import resource
import ssl
import threading
import time
import typing as t

import httpx
import pytest

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import document, selection, source
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import IpRangesError
from ansible_collections.netwall.datadog.tests._https import Answer, HttpsServer, Proxy, body, redirect, running
from ansible_collections.netwall.datadog.tests._https import versioned as named
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._ip_ranges._options import options
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._ip_ranges.test_loading import (
    GOOD,
    NETWORKS,
    NEWER,
    Clock,
    Controller,
    _no_proxy_of_the_developer,
    clock,
    controller,
    published,
)

if t.TYPE_CHECKING:
    from pathlib import Path

    import trustme

__all__ = ["_no_proxy_of_the_developer", "clock", "controller"]

HOUR, DAY = 3600, 24 * 3600


@pytest.fixture
def site(server: HttpsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is a site's own."""
    monkeypatch.setattr(source, "url_of_site", lambda _site: server.url())


def entry(controller: Controller) -> Path:
    return next(path for path in controller.folder.iterdir() if path.suffix == ".json")


# --- Proxies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"), [("HTTPS_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", "mirror.example.com"), ("ALL_PROXY", "x:")]
)
def test_a_proxy_given_comes_before_each_variable(
    name: str, value: str, server: HttpsServer, controller: Controller, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    server.answer(body(GOOD))
    controller.load(url="https://mirror.example.com/", proxy=proxy.url)
    assert proxy.asked == ["mirror.example.com:443"]


class TlsProxy(Proxy):
    """One that speaks TLS itself."""

    tls: ssl.SSLContext

    def finish_request(self, request: t.Any, client_address: t.Any) -> None:
        with self.tls.wrap_socket(request, server_side=True) as encrypted:
            super().finish_request(encrypted, client_address)


def test_a_proxy_that_speaks_tls(server: HttpsServer, controller: Controller, authority: trustme.CA) -> None:
    server.answer(body(GOOD))
    proxy = TlsProxy(server.port)
    proxy.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(proxy.tls)
    with running(proxy):
        # This proxy's relay does not read what TLS has buffered: that it was trusted and asked is all we look at.
        said = controller.fault(
            proxy=proxy.url.replace("http://127.0.0.1", "https://localhost"), url="https://m.example/no"
        )
    if tuple(map(int, httpx.__version__.split(".")[:2])) < (0, 26):
        assert "needs httpx 0.26 or later" in said
    else:
        assert proxy.asked == ["m.example:443"]


# --- Versions ---------------------------------------------------------------------------------------------------------


def raw_etag(data: bytes, etag: bytes) -> Answer:
    def answer(handler: t.Any) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: %s\r\n\r\n" % (len(data), etag)
        handler.wfile.write(head + data)

    return answer


@pytest.mark.parametrize("etag", [b'"\xe9"', b'"' + 5_000 * b"a" + b'"'])
def test_a_version_that_can_not_be_sent_back_does_no_harm(
    etag: bytes, server: HttpsServer, controller: Controller
) -> None:
    server.answer(raw_etag(GOOD, etag), raw_etag(NEWER, etag))
    controller.load(cache_ttl=0)
    assert controller.load(cache_ttl=0).origin == "network"


def test_a_version_of_another_resource_is_no_version_of_this_one(server: HttpsServer, controller: Controller) -> None:
    server.answer(redirect("/old"), redirect("/new"))
    server.answer(named(GOOD, '"1"'), path="/old")
    server.answer(named(NEWER, '"1"'), path="/new")
    controller.load(cache_ttl=0)
    assert controller.load(cache_ttl=0).document.version == 8


# --- What follows on what ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("site")
def test_a_section_that_is_no_longer_there_by_itself_is_in_the_whole(
    server: HttpsServer, controller: Controller, clock: Clock
) -> None:
    server.answer(body(GOOD), body(b"", 404), path="/agents.json")
    server.answer(body(NEWER))
    controller.load(["agents"], url=None)
    clock.ahead = 8 * DAY
    assert controller.load(["agents"], url=None).document.version == 8


@pytest.mark.usefixtures("site")
def test_a_section_that_is_nowhere_any_more_is_the_last_good_one(
    server: HttpsServer, controller: Controller, clock: Clock
) -> None:
    server.answer(body(GOOD), body(b"", 404), path="/agents.json")
    controller.load(["agents"], url=None)
    clock.ahead = 2 * HOUR
    assert controller.load(["agents"], url=None).origin == "stale"


@pytest.mark.parametrize("whole", [published(6), published(8, NETWORKS[:1])])
@pytest.mark.usefixtures("site")
def test_the_whole_follows_on_the_sections(whole: bytes, server: HttpsServer, controller: Controller) -> None:
    server.answer(body(GOOD), path="/agents.json")
    server.answer(body(whole))
    controller.load(["agents"], url=None)
    assert "is refused" in controller.fault(url=None)


def test_what_somebody_insists_on_is_not_the_last_good_one_of_others(
    server: HttpsServer, controller: Controller
) -> None:
    server.answer(body(NEWER), body(GOOD))
    pin = hashlib.sha256(GOOD).hexdigest()
    controller.load()
    assert [controller.load(sha256=pin).origin for _again in range(2)] == ["network", "cache"]
    assert controller.load().document.version == 8


def test_nothing_older_follows_on_what_another_guard_let_in(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(NEWER), body(published(6)))
    controller.load()
    assert "its version 6 is older" in controller.fault(max_prefixes=10)


def test_another_size_is_a_guard_for_what_is_kept_too(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(GOOD))
    controller.load()
    assert "max_size" in controller.fault(max_size=10)


# --- The store --------------------------------------------------------------------------------------------------------


def test_an_entry_of_another_url_is_not_used(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(GOOD), path="/a")
    server.answer(body(NEWER), path="/b")
    controller.load(url=server.url("/a"))
    first = entry(controller)
    controller.load(url=server.url("/b"))
    [second] = [path for path in controller.folder.iterdir() if path.suffix == ".json" and path != first]
    second.write_bytes(first.read_bytes())
    assert controller.load(url=server.url("/b")).document.version == 8


def test_a_folder_that_others_may_write_into_now_is_not_read(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(GOOD))
    controller.load()
    controller.folder.chmod(0o777)
    assert "others may write into it" in controller.fault()


def test_a_full_disk_does_not_keep_the_last_good_one_back(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(GOOD), body(b"", 500))
    controller.load()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        found = controller.load(cache_ttl=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert found.origin == "stale"


def test_a_file_system_without_locks_is_told(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert "(No locks available)" in controller.fault()


@pytest.mark.parametrize("facts", [b'{"etag": 5, %s}', b'{"etag": null, %s, "x": 1}', b"[" * 100_000])
def test_facts_that_are_none_are_not_used(facts: bytes, server: HttpsServer, controller: Controller) -> None:
    server.answer(body(GOOD))
    controller.load()
    path = entry(controller)
    times = b'"last_modified": null, "fetched": %f, "checked": 0.0' % time.time()
    content = facts.replace(b"%s", times) + b"\n" + GOOD
    bound = path.stem.encode() + b"\n" + content
    path.write_bytes(hashlib.sha256(bound).hexdigest().encode() + b"\n" + content)
    assert controller.load().origin == "network"


def test_the_failure_of_who_asked_in_another_way_is_not_ours(server: HttpsServer, controller: Controller) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow(handler: t.Any) -> None:
        asked.set()
        go_on.wait(10)
        body(GOOD)(handler)

    server.answer(slow, body(GOOD))
    first = threading.Thread(target=lambda: controller.fault(max_prefixes=1, timeout=20.0))
    first.start()
    assert asked.wait(10)
    found: list[str] = []
    second = threading.Thread(target=lambda: found.append(controller.load(timeout=20.0).origin))
    second.start()
    time.sleep(0.3)
    go_on.set()
    first.join()
    second.join()
    assert found == ["network"]


# --- Messages ---------------------------------------------------------------------------------------------------------


def message(expression: str, **how: t.Any) -> str:
    data = json.loads(GOOD) | {"\x1b[31m\n": 1, "\ud800": "x" * 100_000}
    parsed = document.parse(json.dumps(data).encode(), "x", document.Guards(allow_reserved=True))
    with pytest.raises(IpRangesError) as caught:
        selection.search(parsed, expression, **how)
    return str(caught.value)


def test_no_key_of_a_document_reaches_the_terminal() -> None:
    assert message("nothing").isprintable()


def test_a_message_is_not_as_long_as_the_document() -> None:
    assert len(message("@", aggregate=True)) < 1000


@pytest.mark.parametrize("depth", [32, 500])
def test_nothing_is_nested_deeper_than_ansible_can_pass_on(depth: int) -> None:
    data = GOOD.replace(b"{", b'{"deep": ' + b"[" * depth + b"]" * depth + b", ", 1)
    with pytest.raises(IpRangesError, match="nested too deeply"):
        document.parse(data, "x", document.Guards(allow_reserved=True))


def test_a_query_finds_no_network_that_a_guard_forbids(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(published(more={"prefixes_ipv4": [], "prefixes_ipv6": [], "new": ["0.0.0.0/0"]})))
    asked = options(query="more.new", allow_reserved=True)
    with pytest.raises(IpRangesError, match=r"0\.0\.0\.0/0 is too wide"):
        asked.select(controller.load().document, ())
