# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a server to a document: what is asked again and what is not, and what becomes of every fault."""

from __future__ import annotations

import errno
import fcntl
import gzip
import hashlib
import json
import threading
import time
import types
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import loading
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import IpRangesError
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.loading import Loaded, load
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.store import Store
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
    short,
    silence,
    versioned,
)
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._ip_ranges._options import options

if t.TYPE_CHECKING:
    from pathlib import Path

    import trustme

NETWORKS = [f"198.51.100.{8 * number}/29" for number in range(10)]
HOUR, DAY = 3600, 24 * 3600


def published(version: int = 7, networks: t.Sequence[str] = NETWORKS, **more: t.Any) -> bytes:
    """A document with one section, and more."""
    section = {"prefixes_ipv4": list(networks), "prefixes_ipv6": []}
    return json.dumps({"version": version, "modified": "2026-03-04-05-06-07", "agents": section, **more}).encode()


GOOD, NEWER = published(), published(8, [*NETWORKS, "203.0.113.0/24"])


@pytest.fixture(autouse=True)
def _no_proxy_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Clock:
    """The time of day, which a test may turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + self.ahead)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Controller:
    """A user's machine: a cache folder, and the authority's certificate."""

    def __init__(self, server: HttpsServer, ca_path: Path, folder: Path) -> None:
        self.server, self.ca_path, self.folder = server, ca_path, folder / "cache"

    def load(self, sections: t.Sequence[str] = (), **changes: t.Any) -> Loaded:
        asked = {"url": self.server.url(), "timeout": 2.0, "retries": 0, **changes}
        return load(options(ca_path=str(self.ca_path), cache_dir=str(self.folder), **asked), sections)

    def fault(self, **changes: t.Any) -> str:
        with pytest.raises(IpRangesError) as caught:
            self.load(**changes)
        return str(caught.value)

    def files(self) -> dict[str, bytes]:
        """What is kept, but for the locks."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if path.suffix != ".lock"}


@pytest.fixture
def controller(server: HttpsServer, ca_path: Path, tmp_path: Path) -> Controller:
    return Controller(server, ca_path, tmp_path)


# --- One fetch --------------------------------------------------------------------------------------------------------


def test_what_was_fetched_is_used_again_while_it_is_fresh(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(GOOD))
    first, second = controller.load(), controller.load()
    assert (first.origin, second.origin, first.document) == ("network", "cache", second.document)
    assert (first.data, second.data, first.sha256) == (GOOD, GOOD, hashlib.sha256(GOOD).hexdigest())
    assert len(server.requests) == 1


def test_what_is_not_fresh_any_more_is_asked_for_by_its_version(
    server: HttpsServer, controller: Controller, clock: Clock
) -> None:
    server.answer(versioned(GOOD, '"seven"'))
    controller.load()
    clock.ahead = HOUR + 1
    loaded = controller.load()
    assert (loaded.origin, loaded.data, loaded.age) == ("cache", GOOD, 0.0)
    assert [headers.get("if-none-match") for _path, headers in server.requests] == [None, '"seven"']
    assert controller.load().origin == "cache"
    assert len(server.requests) == 2


def test_a_time_names_a_version_too(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(GOOD, Last_Modified="Wed, 04 Mar 2026 05:06:07 GMT"))
    controller.load()
    controller.load(cache_ttl=0)
    assert server.requests[1][1]["if-modified-since"] == "Wed, 04 Mar 2026 05:06:07 GMT"


def test_a_newer_version_takes_the_place_of_the_old(server: HttpsServer, controller: Controller) -> None:
    server.answer(versioned(GOOD, '"seven"'), versioned(NEWER, '"eight"'))
    controller.load()
    loaded = controller.load(cache_ttl=0)
    assert (loaded.origin, loaded.document.version) == ("network", 8)
    assert controller.load().document.version == 8


def test_without_a_time_to_live_the_server_is_asked_every_time(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(GOOD))
    assert [controller.load(cache_ttl=0).origin for _time in range(3)] == ["network"] * 3
    assert len(server.requests) == 3


def test_a_server_that_always_says_unchanged_is_not_believed_for_ever(
    server: HttpsServer, controller: Controller, clock: Clock
) -> None:
    server.answer(versioned(GOOD, '"same"'), versioned(NEWER, '"same"'))
    controller.load()
    clock.ahead = 8 * DAY
    assert controller.load().document.version == 8
    assert "if-none-match" not in server.requests[1][1]


def test_who_waits_for_another_uses_what_that_one_got(server: HttpsServer, controller: Controller) -> None:
    held = threading.Event()

    def slowly(handler: t.Any) -> None:
        held.wait(10)
        body(GOOD)(handler)

    server.answer(slowly)
    found: list[Loaded] = []
    askers = [
        threading.Thread(target=lambda: found.append(controller.load(cache_ttl=0, timeout=20.0))) for _time in range(8)
    ]
    for asker in askers:
        asker.start()
    deadline = time.monotonic() + 10
    while not server.requests and time.monotonic() < deadline:
        time.sleep(0.01)
    # All have begun to wait by then, but for the one that asks.
    time.sleep(0.3)
    held.set()
    for asker in askers:
        asker.join(30)
    assert [loaded.document.version for loaded in found] == [7] * 8
    assert len(server.requests) == 1


def test_who_waits_for_another_need_not_find_out_again_that_it_is_in_vain(
    server: HttpsServer, controller: Controller
) -> None:
    held = threading.Event()

    def refuse(handler: t.Any) -> None:
        held.wait(10)
        body(b"", 500)(handler)

    server.answer(refuse)
    said: list[str] = []
    askers = [threading.Thread(target=lambda: said.append(controller.fault(timeout=20.0))) for _time in range(5)]
    for asker in askers:
        asker.start()
    time.sleep(0.5)
    held.set()
    for asker in askers:
        asker.join(30)
    assert said == [f"{server.url()} cannot be read: the server answered with status 500."] * 5
    assert len(server.requests) == 1
    server.answer(body(GOOD))
    assert controller.load().origin == "network"


def test_who_waits_for_another_that_asked_otherwise_finds_out_by_himself(
    server: HttpsServer, controller: Controller
) -> None:
    held = threading.Event()

    def slowly(handler: t.Any) -> None:
        held.wait(10)
        body(GOOD)(handler)

    server.answer(slowly, body(GOOD))
    said: list[str] = []
    other = threading.Thread(target=lambda: said.append(controller.fault(sha256="0" * 64, timeout=20.0)))
    other.start()
    deadline = time.monotonic() + 10
    while not server.requests and time.monotonic() < deadline:
        time.sleep(0.01)
    found: list[Loaded] = []
    asker = threading.Thread(target=lambda: found.append(controller.load(timeout=20.0)))
    asker.start()
    time.sleep(0.3)
    held.set()
    for thread in (other, asker):
        thread.join(30)
    assert "its SHA-256 is" in said[0]
    assert [loaded.origin for loaded in found] == ["network"]


@pytest.mark.parametrize("etag", ['"\xe9"', '"' + "x" * 2000 + '"'])
def test_a_name_that_can_not_be_sent_back_is_none(server: HttpsServer, controller: Controller, etag: str) -> None:
    server.answer(body(GOOD, ETag=etag))
    controller.load()
    assert controller.load(cache_ttl=0).origin == "network"
    assert "if-none-match" not in server.requests[1][1]


# --- One section ------------------------------------------------------------------------------------------------------

WHOLE = published(logs={"prefixes_ipv4": ["203.0.113.0/24"], "prefixes_ipv6": []})
PART = json.dumps(
    {name: value for name, value in json.loads(WHOLE).items() if name in ("version", "modified", "logs")}
).encode()


@pytest.fixture
def of_site(server: HttpsServer, proxy: Proxy, ca_path: Path, tmp_path: Path) -> t.Callable[..., Loaded]:
    """Load from a site, to which a proxy leads."""
    server.answer(body(WHOLE))
    server.answer(body(PART), path="/logs.json")
    server.answer(body(b"", 404), path="/rum.json")

    def of_site(*sections: str, **changes: t.Any) -> Loaded:
        how = {"ca_path": str(ca_path), "proxy": proxy.url, "cache_dir": str(tmp_path / "cache"), "retries": 0}
        return load(options(**{**how, **changes}), sections)

    return of_site


def paths(server: HttpsServer) -> list[str]:
    return [path for path, _headers in server.requests]


def test_one_section_is_fetched_by_itself_and_is_the_same(
    server: HttpsServer, of_site: t.Callable[..., Loaded]
) -> None:
    alone = of_site("logs", "logs").document.sections["logs"]
    assert of_site("logs").origin == "cache"
    assert paths(server) == ["/logs.json"]
    assert of_site("logs", "agents").document.sections["logs"] == alone
    assert paths(server) == ["/logs.json", "/"]
    assert of_site("logs").document.sections["logs"] == alone
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("sections", "changes"),
    [
        ((), {}),
        (("agents", "logs"), {}),
        ((), {"query": "version"}),
        (("../logs",), {}),
        (("logs",), {"sha256": hashlib.sha256(WHOLE).hexdigest()}),
    ],
)
def test_otherwise_the_whole_document_is(
    server: HttpsServer, of_site: t.Callable[..., Loaded], sections: tuple[str, ...], changes: dict[str, t.Any]
) -> None:
    of_site(*sections, **changes)
    assert paths(server) == ["/"]


def test_where_a_part_of_the_whole_is_kept_however_old_it_is_asked_for_again(
    server: HttpsServer, of_site: t.Callable[..., Loaded], clock: Clock
) -> None:
    of_site()
    clock.ahead = 2 * HOUR
    of_site("logs")
    assert paths(server) == ["/", "/"]


def test_what_a_server_does_not_have_by_itself_it_has_in_the_whole_over_the_same_connection(
    server: HttpsServer, of_site: t.Callable[..., Loaded]
) -> None:
    assert set(of_site("rum").document.sections) == {"agents", "logs"}
    assert paths(server) == ["/rum.json", "/"]
    assert server.connections == 1


def test_a_section_that_the_server_has_no_more_is_taken_from_the_whole(
    server: HttpsServer, of_site: t.Callable[..., Loaded], clock: Clock
) -> None:
    of_site("logs")
    server.answer(body(b"", 404), path="/logs.json")
    clock.ahead = 8 * DAY
    loaded = of_site("logs")
    assert (loaded.origin, set(loaded.document.sections)) == ("network", {"agents", "logs"})
    assert paths(server) == ["/logs.json", "/logs.json", "/"]


def test_a_server_that_refuses_the_section_and_the_whole_leaves_the_last_good_section(
    server: HttpsServer, of_site: t.Callable[..., Loaded]
) -> None:
    of_site("logs")
    for path in ("/logs.json", "/"):
        server.answer(body(b"", 403), path=path)
    loaded = of_site("logs", cache_ttl=0)
    assert (loaded.origin, set(loaded.document.sections)) == ("stale", {"logs"})


# --- Faults -----------------------------------------------------------------------------------------------------------

FAULTS: dict[str, tuple[Answer, str]] = {
    "slow": (silence, "cannot be read: there was no answer for 2 seconds."),
    "endless": (drip, "cannot be read: it was not complete after 6 seconds."),
    "truncated": (cut_off(GOOD), "cannot be read: the connection failed (peer closed connection without sending"),
    "reset": (reset, "cannot be read: the connection failed ("),
    "too short": (short(GOOD), "is refused: it is not JSON (line 1, column "),
    "500": (body(b"", 500), "cannot be read: the server answered with status 500."),
    "404": (body(b"", 404), "cannot be read: the server answered with status 404."),
    "unasked 304": (body(b"", 304), "cannot be read: the server answered with status 304."),
    "redirect loop": (redirect("/"), "cannot be read: it is redirected more than 5 times."),
    "redirect to http": (redirect("http://localhost:1/"), "cannot be read: it is redirected from https to http."),
    "gzip bomb": (
        body(gzip.compress(b" " * (64 << 20)), Content_Encoding="gzip"),
        "cannot be read: it has more than 8388608 bytes, which is what max_size is.",
    ),
    "large": (
        body(b" " * ((8 << 20) + 1)),
        "cannot be read: it has more than 8388608 bytes, which is what max_size is.",
    ),
    "html": (body(b"<!DOCTYPE html><html></html>"), "is refused: it is not JSON (line 1, column 1: Expecting value)."),
    "duplicate key": (body(b'{"version": 1, "version": 2}'), "is refused: it has the key 'version' twice"),
    "default route": (
        body(published(8, ["0.0.0.0/0"])),
        "is refused: section 'agents', prefixes_ipv4, entry 1: '0.0.0.0/0' is too wide (every address there is), since",
    ),
    "host bits": (
        body(published(8, [*NETWORKS, "203.0.113.1/24"])),
        "is refused: section 'agents', prefixes_ipv4, entry 11: '203.0.113.1/24' has host bits set (its network is ",
    ),
    "flood": (
        body(published(8, [f"198.51.100.{number}/32" for number in range(256)] * 79)),
        "is refused: it has more than 20000 prefixes, which is what max_prefixes is.",
    ),
}
OF_THE_SUCCESSION: dict[str, tuple[Answer, str]] = {
    "older": (body(published(6)), "is refused: its version 6 is older than 7, the last good one's; set allow_older"),
    "shrunk": (
        body(published(8, NETWORKS[:4])),
        "had in version 7, it drops 60 % (198.51.100.32/27 is one of 2 networks), more than max_shrink, which is 0.5.",
    ),
    "without a section": (
        body(json.dumps({**json.loads(NEWER), "agents": None, "api": json.loads(NEWER)["agents"]}).encode()),
        "is refused: section 'agents' is missing where an object belongs.",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_where_there_is_nothing_yet_a_fault_is_told_and_nothing_kept(
    server: HttpsServer, controller: Controller, name: str
) -> None:
    answer, expected = FAULTS[name]
    server.answer(answer)
    assert expected in controller.fault()
    assert controller.files() == {}


@pytest.mark.parametrize("name", [*FAULTS, *OF_THE_SUCCESSION])
def test_after_a_fault_the_last_good_document_is_used_and_stays(
    server: HttpsServer, controller: Controller, clock: Clock, name: str
) -> None:
    answer, expected = {**FAULTS, **OF_THE_SUCCESSION}[name]
    server.answer(body(GOOD), answer)
    controller.load()
    before = controller.files()
    clock.ahead = 3 * HOUR
    loaded = controller.load()
    assert (loaded.origin, loaded.data) == ("stale", GOOD)
    assert loaded.age == pytest.approx(3 * HOUR, abs=60)
    [warning] = loaded.warnings
    assert expected in warning
    assert warning.endswith("The last good document is used in its place: version 7, which was confirmed 3 hours ago.")
    assert controller.files() == before
    server.answer(body(NEWER))
    assert controller.load().document.version == 8


def test_a_server_that_comes_round_is_forgiven(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(b"", 500), body(GOOD))
    assert controller.load(retries=1).origin == "network"


def test_a_last_good_document_that_is_too_old_is_not_used(
    server: HttpsServer, controller: Controller, clock: Clock
) -> None:
    server.answer(body(GOOD), body(b"", 500))
    controller.load()
    clock.ahead = 8 * DAY
    assert controller.fault() == (
        f"{server.url()} cannot be read: the server answered with status 500. The last good document, version 7, which "
        "was confirmed 8 days ago, is older than stale_if_error allows (604800 seconds)."
    )
    assert controller.load(stale_if_error=9 * DAY).origin == "stale"


def test_a_certificate_that_has_expired_leaves_the_last_good_document(
    server: HttpsServer, controller: Controller, tmp_path: Path
) -> None:
    server.answer(body(GOOD))
    controller.load()
    (tmp_path / "none.pem").write_text("")
    [warning] = load(
        options(url=server.url(), cache_dir=str(controller.folder), cache_ttl=0, retries=0, timeout=5.0)
    ).warnings
    assert "its certificate is not trusted" in warning


def test_a_clock_that_was_set_back_makes_nothing_fresh(
    server: HttpsServer, controller: Controller, clock: Clock
) -> None:
    server.answer(body(GOOD), body(b"", 500))
    clock.ahead = 10 * DAY
    controller.load()
    clock.ahead = 0
    assert "in the future, by this clock" in controller.fault()


@pytest.mark.parametrize(
    ("answer", "changes"),
    [
        (body(published(6)), {"allow_older": True}),
        (body(published(8, NETWORKS[:4])), {"max_shrink": 0.7}),
        (body(published(8, ["203.0.113.0/24"])), {"max_shrink": 1}),
        (body(published(8, ["128.0.0.0/2"])), {"max_shrink": 1, "shortest_prefix_ipv4": 2}),
        (body(published(8, [*NETWORKS, *["203.0.113.0/24"] * 30_000])), {"max_prefixes": 40_000}),
        (body(NEWER + b" " * (9 << 20)), {"max_size": 10 << 20}),
    ],
)
def test_a_guard_can_be_moved(
    server: HttpsServer, controller: Controller, answer: Answer, changes: dict[str, t.Any]
) -> None:
    server.answer(body(GOOD), answer)
    controller.load()
    assert controller.load(cache_ttl=0, **changes).origin == "network"


def test_a_prefix_that_is_published_as_its_halves_has_not_shrunk(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(published(7, ["198.51.100.0/24"])), body(published(8, ["198.51.100.0/25", "198.51.100.128/25"])))
    controller.load()
    assert controller.load(cache_ttl=0, max_shrink=0).document.version == 8


# --- The store --------------------------------------------------------------------------------------------------------


def only_file(controller: Controller) -> Path:
    [path] = [path for path in controller.folder.iterdir() if path.suffix == ".json"]
    return path


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:0],
        lambda data: data[:-1],
        lambda data: data[:100],
        lambda data: data + b" ",
        lambda data: data.replace(b"198.51.100.0", b"203.0.113.0"),
        lambda data: data.replace(b'"checked": 1', b'"checked": 9'),
        lambda data: b"0" * 64 + data[64:],
        lambda data: hashlib.sha256(data[:0] + b"[]\n").hexdigest().encode() + b"\n[]\n",
    ],
)
def test_what_was_damaged_or_tampered_with_is_never_used(
    server: HttpsServer, controller: Controller, damage: t.Callable[[bytes], bytes]
) -> None:
    server.answer(body(GOOD))
    controller.load()
    path = only_file(controller)
    path.write_bytes(damage(path.read_bytes()))
    assert controller.load().origin == "network"
    assert controller.load().origin == "cache"
    path.write_bytes(damage(path.read_bytes()))
    server.answer(body(b"", 500))
    assert "status 500" in controller.fault()


@pytest.mark.parametrize(
    ("fact", "other"), [("checked", '"now"'), ("checked", "null"), ("fetched", "true"), ("etag", "7"), ("data", '""')]
)
def test_facts_that_are_none_are_never_used_whatever_the_checksum(
    server: HttpsServer, controller: Controller, fact: str, other: str
) -> None:
    server.answer(body(GOOD))
    controller.load()
    path = only_file(controller)
    facts, data = path.read_bytes().split(b"\n", 2)[1:]
    content = json.dumps({**json.loads(facts), fact: json.loads(other)}).encode() + b"\n" + data
    path.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    assert controller.load().origin == "network"


def test_what_others_could_have_put_there_is_not_used(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(GOOD))
    controller.load()
    path = only_file(controller)
    path.chmod(0o622)
    assert controller.load().origin == "network"
    assert path.stat().st_mode & 0o777 == 0o600
    target = path.rename(path.with_name("elsewhere"))
    path.symlink_to(target)
    assert controller.load().origin == "network"
    assert not path.is_symlink()


def test_the_folder_and_its_files_are_the_users_alone(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(GOOD))
    controller.load()
    assert controller.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in controller.folder.iterdir()} == {0o600}


def test_a_folder_that_was_there_is_closed_to_others_unless_they_have_something_in_it(
    server: HttpsServer, controller: Controller
) -> None:
    server.answer(body(GOOD))
    controller.folder.mkdir(mode=0o755)
    controller.folder.chmod(0o755)
    controller.load()
    assert controller.folder.stat().st_mode & 0o777 == 0o700
    controller.folder.chmod(0o755)
    (controller.folder / "of somebody else").write_text("")
    controller.load(cache_ttl=0)
    assert controller.folder.stat().st_mode & 0o777 == 0o755


def test_a_folder_that_others_may_write_into_is_refused(controller: Controller) -> None:
    controller.folder.mkdir(mode=0o700)
    controller.folder.chmod(0o777)
    assert controller.fault() == (
        f"The folder {controller.folder}, where address ranges are kept, can't be used (others may write into it: "
        f"chmod 700 {controller.folder}); mend that, or name another by cache_dir."
    )


def test_a_folder_that_can_not_be_made_is_told(server: HttpsServer, controller: Controller, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    controller.folder = tmp_path / "file" / "cache"
    server.answer(body(GOOD))
    assert "can't be used (Not a directory); mend that, or name another by cache_dir." in controller.fault()
    assert server.requests == []


def test_a_password_in_the_url_is_written_nowhere(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(GOOD))
    controller.load(url=server.url().replace("//", "//me:password@"))
    for path in controller.folder.iterdir():
        assert "password" not in path.name
        assert b"password" not in path.read_bytes()


def test_documents_of_two_urls_are_kept_apart(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(GOOD))
    server.answer(body(NEWER), path="/other.json")
    assert controller.load().document.version == 7
    assert controller.load(url=server.url("/other.json")).document.version == 8
    assert controller.load().document.version == 7


def test_what_a_killed_writer_left_is_cleared_away(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(GOOD))
    controller.load()
    left = only_file(controller).with_name(f"{only_file(controller).name}.12345")
    left.write_bytes(b"half")
    controller.load(cache_ttl=0)
    assert not left.exists()


def test_another_checksum_than_the_one_asked_for_is_refused(server: HttpsServer, controller: Controller) -> None:
    server.answer(body(GOOD))
    right = hashlib.sha256(GOOD).hexdigest()
    assert controller.load(sha256=right.upper()).origin == "network"
    assert controller.load(sha256=right).origin == "cache"
    wrong = "0" * 64
    assert controller.fault(sha256=wrong) == (
        f"The document at {server.url()} is refused: its SHA-256 is {right}, not {wrong}."
    )
    # What somebody insists on is kept apart.
    assert controller.load().origin == "network"


def test_a_lock_that_never_comes_is_given_up(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "longest", lambda _how: 0.2)
    with Store(str(controller.folder)).turn(controller.server.url(), 1):
        assert controller.fault().startswith("Another process has been asking for the same address ranges for 0.2 sec")


def test_a_folder_without_locks_is_told(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert "can't be used (No locks available); mend that, or name another by cache_dir." in controller.fault()


def test_where_a_failure_can_not_be_noted_others_find_out_by_themselves(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Store(str(controller.folder)).turn("https://any", 1) as turn:
        monkeypatch.setattr(turn, "_lock", types.SimpleNamespace(seek=refuse))
        turn.note_failure("what", "why", 500)
        assert turn.failure("what") is None


# --- A file, and a client's certificate -------------------------------------------------------------------------------


def test_a_file_is_read_and_not_kept(controller: Controller, tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    path.write_bytes(GOOD)
    loaded = controller.load(url=path.as_uri())
    assert (loaded.origin, loaded.age, loaded.document.version) == ("file", None, 7)
    assert not controller.folder.exists()


def test_a_server_that_wants_to_know_its_client_is_told(authority: trustme.CA, ca_path: Path, tmp_path: Path) -> None:
    server = HttpsServer(authority.issue_cert("localhost"))
    server.want_certificate(ca_path)
    certificate = authority.issue_cert("client.example")
    both, key = tmp_path / "both.pem", tmp_path / "key.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(both)
    certificate.private_key_pem.write_to_path(key)
    chain = tmp_path / "chain.pem"
    chain.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    with running(server):
        server.answer(body(GOOD))
        controller = Controller(server, ca_path, tmp_path)
        assert controller.fault()
        assert controller.load(client_cert=str(both)).origin == "network"
        assert controller.load(client_cert=str(chain), client_key=str(key), cache_ttl=0).origin == "network"
        assert "are no certificate and its key" in controller.fault(client_cert=str(key), cache_ttl=0, stale_if_error=0)
        assert "cannot be read (No such file" in controller.fault(client_cert="/no", cache_ttl=0, stale_if_error=0)


@pytest.mark.parametrize("direct", ["", "*", "mirror.example.com"])
def test_a_proxy_of_ones_own_comes_before_that_of_the_environment(
    server: HttpsServer, controller: Controller, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, direct: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", direct)
    server.answer(body(GOOD))
    controller.load(url="https://mirror.example.com/", proxy=proxy.url.replace("//", "//me:password@"))
    assert proxy.asked == ["mirror.example.com:443"]


@pytest.mark.parametrize("status", [407, 502])
def test_a_proxy_that_refuses_is_told_without_its_password(controller: Controller, proxy: Proxy, status: int) -> None:
    proxy.refuse_with = status
    said = controller.fault(url="https://mirror.example.com/", proxy=proxy.url.replace("//", "//me:password@"))
    assert said.startswith("https://mirror.example.com/ cannot be read: the proxy that 'proxy' names refused it (")
    assert "password" not in said
