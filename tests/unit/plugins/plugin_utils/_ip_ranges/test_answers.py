# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a lookup may answer as it did before, and that it is right and cheap then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.netwall.datadog.plugins.lookup import ip_ranges
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import answers, folder, loading
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.information import ARGUMENT_SPEC
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.store import Store
from ansible_collections.netwall.datadog.tests._https import HttpsServer, body

HOUR = 3600
DOCUMENT = {
    "version": 7,
    "modified": "2026-03-04-05-06-07",
    "agents": {"prefixes_ipv4": ["198.51.100.0/25", "198.51.100.128/25"], "prefixes_ipv6": []},
    "logs": {"prefixes_ipv4": ["192.0.2.0/24"], "prefixes_ipv6": ["2001:db8::/48"]},
}
DATA = json.dumps(DOCUMENT).encode()
LOGS = {"prefixes_ipv4": ["192.0.2.0/24"], "prefixes_ipv6": ["2001:db8::/47"]}
NEWER = json.dumps({**DOCUMENT, "version": 8, "logs": LOGS}).encode()
NEW_ANSWER = ["192.0.2.0/24", "2001:db8::/47"]
# What is imported for an answer that is there, of the collection and of what it needs.
ALONE = """
import json, sys
from ansible.plugins.loader import init_plugin_loader, lookup_loader
init_plugin_loader()
import ansible.utils.display
before = set(sys.modules)
found = lookup_loader.get("netwall.datadog.ip_ranges").run({terms!r}, {{}}, **{raw!r})
print(json.dumps([found, sorted(set(sys.modules) - before)]))
"""


class Clock:
    """The time of day, which a test may turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + self.ahead)


class Controller:
    """A user's machine, its cache folder, and how many times an answer was looked for in a document."""

    def __init__(self, server: HttpsServer, ca_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache, self.server = cache, server
        self.raw = {"url": server.url(), "ca_path": str(ca_path), "cache_dir": str(cache), "allow_reserved": True}
        self.loaded = 0
        load = loading.load

        def counted(*arguments: t.Any) -> loading.Loaded:
            self.loaded += 1
            return load(*arguments)

        monkeypatch.setattr(loading, "load", counted)
        # Ansible's own part, which needs its loader of plugins: what was passed, or else the defaults.
        defaults = {name: option.get("default") for name, option in ARGUMENT_SPEC.items()}
        monkeypatch.setattr(ip_ranges, "read_options", lambda *arguments: {**defaults, **arguments[-1]})

    def ask(self, *terms: str, **changes: t.Any) -> t.Any:
        return ip_ranges.LookupModule().run(list(terms), {}, **{**self.raw, **changes})

    def answers(self) -> list[Path]:
        return sorted(self.cache.glob("*" + answers.SUFFIX))

    def document(self) -> Path:
        [path] = self.cache.glob("*.json")
        return path


@pytest.fixture
def controller(server: HttpsServer, ca_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Controller:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server.answer(body(DATA), body(NEWER))
    return Controller(server, ca_path, tmp_path / "cache", monkeypatch)


def test_who_asks_the_same_gets_the_same_and_nothing_else_is_imported(controller: Controller) -> None:
    # By Ansible's own loader, in processes of their own.
    script = ALONE.format(terms=["logs"], raw=controller.raw)
    (first, _imported), (second, imported) = (
        json.loads(subprocess.run([sys.executable, "-c", script], check=True, capture_output=True).stdout)
        for _time in range(2)
    )
    assert first == second == ["192.0.2.0/24", "2001:db8::/48"]
    ours = {name.rpartition("plugin_utils.")[2] for name in imported if "netwall.datadog.plugins.plugin_utils." in name}
    assert ours == {"_lookup", "_ip_ranges", "_ip_ranges.answers", "_ip_ranges.folder"}
    assert not {"httpx", "jmespath", "ssl", "_ssl", "netaddr", "ipaddress"} & set(imported)


def test_each_question_has_its_own_answer(controller: Controller) -> None:
    questions: list[tuple[tuple[str, ...], dict[str, t.Any]]] = [
        ((), {}),
        (("agents",), {}),
        (("logs",), {}),
        (("agents", "logs"), {"families": ["ipv4"]}),
        (("agents",), {"aggregate": False}),
        (("agents",), {"exclude": ["198.51.100.0/26"]}),
        ((), {"query": "version"}),
        ((), {"query": "{a: agents, n: [nothing, `true`]}"}),
    ]
    first = [controller.ask(*terms, **changes) for terms, changes in questions]
    assert controller.loaded == len(questions) == len(controller.answers())
    assert [controller.ask(*terms, **changes) for terms, changes in questions] == first
    assert controller.loaded == len(questions)
    assert first[-1] == [{"a": DOCUMENT["agents"], "n": [None, True]}]


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "foreign", "link"])
@pytest.mark.parametrize("what", ["the answer", "the document"])
def test_a_damaged_file_gives_no_answer(controller: Controller, what: str, damage: str, tmp_path: Path) -> None:
    found = controller.ask("logs")
    [path] = controller.answers() if what == "the answer" else [controller.document()]
    data = path.read_bytes()
    if damage == "flipped":
        # In what looks like an address, and anywhere else just as well.
        path.write_bytes(data.replace(b"192.0.2.0", b"192.0.2.1"))
    elif damage == "cut":
        path.write_bytes(data[:-1])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "foreign":
        path.chmod(0o666)
    else:
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    assert controller.ask("logs") == (found if what == "the answer" else NEW_ANSWER)
    assert (controller.loaded, len(controller.server.requests)) == (2, 1 if what == "the answer" else 2)


def test_an_answer_of_another_question_is_none(controller: Controller) -> None:
    controller.ask("logs")
    [logs] = controller.answers()
    agents = controller.ask("agents")
    [other] = set(controller.answers()) - {logs}
    other.write_bytes(logs.read_bytes())
    assert controller.ask("agents") == agents


@pytest.mark.parametrize(
    "noted", [[], {}, None, {"name": "../x", "checksum": "", "checked": 0, "answer": []}, {"checked": "then"}]
)
def test_what_only_looks_like_an_answer_is_none(controller: Controller, noted: t.Any) -> None:
    found = controller.ask("logs")
    [path] = controller.answers()
    folder.write(str(controller.cache), path.name, json.dumps(noted).encode())
    assert controller.ask("logs") == found
    assert controller.loaded == 2


def test_an_answer_lasts_as_long_as_its_document_is_fresh(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    old = controller.ask("logs")
    clock.ahead = HOUR - 10
    assert controller.ask("logs") == old
    assert controller.loaded == 1
    clock.ahead = HOUR + 10
    assert controller.ask("logs") == NEW_ANSWER
    assert len(controller.server.requests) == 2


def test_an_answer_of_a_future_that_a_clock_made_is_none(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    controller.ask("logs")
    clock.ahead = -HOUR
    assert controller.ask("logs") == NEW_ANSWER


def test_who_always_asks_is_given_no_answer_of_earlier(controller: Controller) -> None:
    controller.ask("logs")
    assert controller.ask("logs", cache_ttl=0) == NEW_ANSWER


def test_when_a_document_is_kept_all_answers_go(controller: Controller) -> None:
    controller.ask("logs")
    controller.ask("agents")
    assert controller.ask("logs", cache_ttl=0) == NEW_ANSWER
    assert len(controller.answers()) == 1
    assert controller.ask("logs") == NEW_ANSWER


def test_a_stale_document_is_warned_of_each_time(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    found = controller.ask("logs", retries=0)
    controller.server.answer(body(b"", status=500))
    clock.ahead = HOUR + 10
    assert [controller.ask("logs", retries=0), controller.ask("logs", retries=0)] == [found, found]
    assert controller.loaded == 3


def test_another_release_finds_its_own_answers(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    controller.ask("logs")
    stat = os.stat
    package = os.path.dirname(folder.__file__)

    def changed(path: t.Any, **how: t.Any) -> t.Any:
        found = stat(path, **how)
        if str(path) != package:
            return found
        return os.stat_result(found[:10], {"st_mtime_ns": 1})

    monkeypatch.setattr(os, "stat", changed)
    controller.ask("logs")
    assert controller.loaded == 2


def test_a_file_does_not_say_who_logs_in_to_a_proxy(controller: Controller) -> None:
    controller.ask("logs")
    # The document is fresh, so the proxy is not asked; its port is a closed one all the same.
    for password in ("one", "two", "a@b"):
        controller.ask("logs", proxy=f"http://user:{password}@127.0.0.1:9")
    assert len(controller.answers()) == 2


def test_no_more_files_are_made_than_there_is_sense_in(controller: Controller) -> None:
    controller.ask("logs")
    for number in range(answers._MOST_FILES):
        (controller.cache / f"{number}").touch()
    assert controller.ask("agents") == ["198.51.100.0/24"]
    assert len(controller.answers()) == 1


def test_an_answer_that_cannot_be_kept_is_given(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: t.Any) -> None:
        raise OSError(28, "No space left on device")

    controller.ask("logs")
    monkeypatch.setattr(folder, "write", full)
    assert controller.ask("agents") == ["198.51.100.0/24"]


def test_a_whole_document_comes_before_an_answer_of_its_part(controller: Controller) -> None:
    store = Store(str(controller.cache))
    controller.ask("logs")
    entry = store.read(controller.server.url())
    assert entry
    store.write("https://any", entry)
    assert not controller.answers()


def test_an_answer_is_kept_for_the_user_alone(controller: Controller) -> None:
    controller.ask("logs")
    [path] = controller.answers()
    assert path.stat().st_mode & 0o777 == 0o600
