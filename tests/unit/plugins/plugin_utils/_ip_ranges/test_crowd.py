# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hundreds of processes that want the same document at once, and what is left where some are killed.

NETWALL_ROUNDS in the environment says how often some are killed (default 4), NETWALL_SEED which ones; a test that
fails shows its seed.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import Guards, parse
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.loading import load
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.store import Store
from ansible_collections.netwall.datadog.tests._https import Answer, HttpsServer, _Handler, body
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._ip_ranges import _crowd
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._ip_ranges._options import options

PROCESSES, KILLS = 200, 50
ROUNDS = int(os.environ.get("NETWALL_ROUNDS", "4"))


def published(version: int) -> bytes:
    """A document of the usual size."""
    networks = [f"203.0.{number}.0/24" for number in range(113, 256)]
    section = {"prefixes_ipv4": networks, "prefixes_ipv6": ["2001:db8::/48"]}
    return json.dumps({"version": version, "modified": "2026-03-04-05-06-07", "agents": section}).encode()


def slowly(data: bytes) -> Answer:
    """A whole answer that takes its time, so that there is some to be killed in."""

    def answer(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        for begin in range(0, len(data), 512):
            handler.wfile.write(data[begin : begin + 512])
            handler.server.closing.wait(0.01)

    return answer


def load_at_once(
    how: dict[str, t.Any], *, kills: int = 0, seed: int = 0, within: float = 0
) -> tuple[int, list[list[str]]]:
    """How many of PROCESSES were killed, and what the others got; an entry is whole at every moment."""
    asked = {"options": how, "processes": PROCESSES, "kills": kills, "seed": seed, "within": within}
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, _crowd.__file__],
        check=False,
        input=json.dumps(asked),
        capture_output=True,
        encoding="utf-8",
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["torn"] == 0
    return told["killed"], told["answers"]


def options_for(server: HttpsServer, ca_path: Path, folder: Path, **more: t.Any) -> dict[str, t.Any]:
    how = {"url": server.url(), "ca_path": str(ca_path), "cache_dir": str(folder), "timeout": 20.0, "retries": 1}
    return {**how, **more}


def checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_two_hundred_processes_on_a_cold_cache_make_one_request_and_get_the_same(
    server: HttpsServer, ca_path: Path, tmp_path: Path
) -> None:
    data = published(7)
    server.answer(slowly(data))
    _killed, answers = load_at_once(options_for(server, ca_path, tmp_path / "cache"))
    assert [sha256 for _origin, sha256 in answers] == [checksum(data)] * PROCESSES
    assert sorted(origin for origin, _sha256 in answers) == ["cache"] * (PROCESSES - 1) + ["network"]
    assert len(server.requests) == 1


def test_two_hundred_processes_that_find_it_too_old_make_one_request(
    server: HttpsServer, ca_path: Path, tmp_path: Path
) -> None:
    how = options_for(server, ca_path, tmp_path / "cache")
    server.answer(body(published(7)), slowly(published(8)))
    load(options(**how))
    path = only_entry(tmp_path / "cache")
    entry = Store(str(path.parent)).read(server.url())
    assert entry
    # By the same way that it is written, as of yesterday.
    yesterday = time.time() - 24 * 3600
    Store(str(path.parent)).write(server.url(), type(entry)(entry.data, None, None, yesterday, yesterday))
    _killed, answers = load_at_once(how)
    assert {sha256 for _origin, sha256 in answers} == {checksum(published(8))}
    assert len(server.requests) == 2


def only_entry(folder: Path) -> Path:
    [path] = [path for path in folder.iterdir() if path.suffix == ".json"]
    return path


def test_whoever_is_killed_the_store_is_whole_and_the_others_get_the_document(
    server: HttpsServer, ca_path: Path, tmp_path: Path
) -> None:
    seed = int(os.environ.get("NETWALL_SEED", random.randrange(1 << 32)))
    print(f"NETWALL_SEED={seed}")
    how = random.Random(seed)
    for number in range(ROUNDS):
        # The even rounds begin with nothing, the others with a document that all of them want to replace.
        folder = tmp_path / f"cache-{number // 2}"
        asked = options_for(server, ca_path, folder, cache_ttl=0 if number % 2 else 3600)
        data = published(10 + number)
        server.answer(slowly(data))
        server.requests.clear()
        within = how.choice([0.3, 1.0, 2.0])
        killed, answers = load_at_once(asked, kills=KILLS, seed=how.randrange(1 << 32), within=within)
        assert killed == KILLS
        assert [sha256 for _origin, sha256 in answers] == [checksum(data)] * (PROCESSES - KILLS)
        # Each that was killed may have been asking, and then somebody else had to.
        assert 1 <= len(server.requests) <= 1 + KILLS
        check_store(folder, server, data)
        # Whoever comes next uses it, or could fetch it anew where it was not whole.
        server.requests.clear()
        loaded = load(options(**{**asked, "cache_ttl": 3600}))
        assert (loaded.origin, loaded.data, server.requests) == ("cache", data, [])


def check_store(folder: Path, server: HttpsServer, data: bytes) -> None:
    """Under the name that is read there is one whole entry, with a document that the guards allow."""
    entry = Store(str(folder)).read(server.url())
    assert entry
    assert entry.data == data
    assert parse(entry.data, server.url(), Guards(allow_reserved=True)).version >= 10
    assert only_entry(folder).stat().st_mode & 0o777 == 0o600
    # Half a file may be left of a writer that was killed; never more than those, and under a name that nobody reads.
    others = {path.suffix for path in folder.iterdir()} - {".json", ".lock"}
    assert all(suffix[1:].isdigit() for suffix in others)
