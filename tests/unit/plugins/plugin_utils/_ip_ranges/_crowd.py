# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many processes that load the same document at the same moment, some of which are killed meanwhile.

Standard input: a JSON object with ``options`` (changes of the defaults), ``processes``, ``kills``, ``seed`` and
``within`` (seconds in which the kills happen). Standard output: one with ``killed`` (how many were), ``torn`` (how many
times meanwhile there was an entry that was not whole) and ``answers``, of each other process what it got: ``[origin,
sha256]``, or ``[type of the exception, text]``.

A program of its own, since a process with threads (the tests' servers) must not fork.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import select
import signal
import sys
import time
import typing as t
from pathlib import Path

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.loading import load
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.store import Store
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._ip_ranges._options import options

DEADLINE = 120
# What a child would import is imported here once, so that a child starts within a millisecond.
for _name in ("comparison", "https"):
    importlib.import_module(f"ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.{_name}")


def main() -> None:
    """Do what standard input says."""
    asked = json.load(sys.stdin)
    how = random.Random(asked["seed"])
    start, go = os.pipe()
    readers: dict[int, int] = {}
    for _time in range(asked["processes"]):
        answer, to_tell = os.pipe()
        child = os.fork()
        if not child:
            os.close(go)
            os.read(start, 1)  # until the parent closes its end: all begin at once
            os.write(to_tell, json.dumps(_answer(asked["options"])).encode())
            os._exit(0)
        os.close(to_tell)
        readers[child] = answer
    os.close(go)
    how_to_load = options(**asked["options"])
    entry = _Entry(how_to_load.cache_dir, how_to_load.url)
    moments = sorted(how.uniform(0, asked["within"]) for _time in range(asked["kills"]))
    killed = _kill(sorted(readers), moments, entry, how)
    print(json.dumps({"killed": len(killed), "torn": entry.torn, "answers": _answers(readers, killed)}))


def _answer(changes: dict[str, t.Any]) -> list[str]:
    try:
        loaded = load(options(**changes))
        return [loaded.origin, loaded.sha256]
    except BaseException as error:  # noqa: BLE001 - the test shows whatever it is
        return [type(error).__name__, str(error)]


class _Entry:
    """What the store has of one URL, looked at again and again."""

    def __init__(self, folder: str, url: str) -> None:
        self.folder = Path(folder)
        self.torn = 0
        self._store, self._url = Store(folder), url

    def look(self) -> None:
        """Count it if it is there and not whole."""
        was_there = any(self.folder.glob("*.json"))
        if was_there and not self._store.read(self._url):
            self.torn += 1


def _kill(children: list[int], moments: list[float], entry: _Entry, how: random.Random) -> set[int]:
    """Kill one child at each of *moments*: every other time who holds the lock, since that one writes."""
    began = time.monotonic()
    left = list(children)
    for number, moment in enumerate(moments):
        while time.monotonic() < began + moment:
            entry.look()
            time.sleep(0.001)
        holders = [pid for pid in _holders(entry.folder) if pid in left] if number % 2 else []
        victim = holders[0] if holders else how.choice(left)
        left.remove(victim)
        # It is a zombie if it is done: its number stands for nobody else until it was waited for.
        os.kill(victim, signal.SIGKILL)
        entry.look()
    return {pid for pid in children if pid not in left}


def _holders(folder: Path) -> list[int]:
    """Who holds the locks of the store in *folder* (proc(5), /proc/locks)."""
    files = {str(path.stat().st_ino) for path in folder.glob("*.lock")} if folder.is_dir() else set()
    lines = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    return [int(words[4]) for words in lines if words[1] == "FLOCK" and words[5].split(":")[2] in files]


def _answers(readers: dict[int, int], killed: set[int]) -> list[list[str]]:
    answers = []
    deadline = time.monotonic() + DEADLINE
    for child, reader in readers.items():
        if not select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
            os.kill(child, signal.SIGKILL)
        said = b"".join(iter(lambda reader=reader: os.read(reader, 1 << 16), b""))  # type: ignore[misc]
        os.waitpid(child, 0)
        if child not in killed:
            answers.append(json.loads(said) if said else ["silence", f"after {DEADLINE} seconds"])
    return answers


if __name__ == "__main__":
    main()
