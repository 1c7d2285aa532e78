# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A firewall that is made up of two files, for runs in processes of their own; any Python of a host can load it."""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import (
    system,
    transaction,
    watchdog,
    way_back,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import Outcome, Presence
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.journal import Journal

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import Request
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import Packet

PARTS = ("rules4", "rules6")


def nothing(_step: str) -> None:
    """Let a step pass."""


class Wall:
    """The firewall in *folder*: each of its files holds the ids of the flows; *happens* is told each step."""

    name = "wall"

    def __init__(self, folder: str, happens: t.Callable[[str], None] = nothing) -> None:
        self._folder = folder
        self._happens = happens

    def rules(self) -> dict[str, str]:
        """What each of its parts holds."""
        return {part: self._read(part) for part in PARTS}

    def presence(self) -> Presence:
        return Presence(True, True, True)

    def exclusive(self) -> t.ContextManager[None]:
        return contextlib.nullcontext()

    def plan(self, request: Request, record: t.Mapping[str, t.Any]) -> WallPlan:
        return WallPlan(self, " ".join(flow.id for flow in request.flows), dict(record))

    def write(self, wanted: t.Mapping[str, str]) -> None:
        for part, rules in wanted.items():
            self._happens(part)
            system.write_atomically(os.path.join(self._folder, part), rules.encode())

    def restore(self, snapshot: t.Mapping[str, t.Any]) -> None:
        for part, rules in snapshot.items():
            system.put_back(os.path.join(self._folder, part), rules.encode())

    def _read(self, part: str) -> str:
        path = os.path.join(self._folder, part)
        return system.read_text(path) if os.path.exists(path) else ""


class WallPlan:
    """What brings both files to the *wanted* rules."""

    def __init__(self, wall: Wall, wanted: str, record: dict[str, t.Any]) -> None:
        self._wall = wall
        self._wanted = dict.fromkeys(PARTS, wanted)
        self.snapshot: dict[str, t.Any] = wall.rules()
        self.outcome = Outcome(changed=self.snapshot != self._wanted)
        self.record = record

    def apply(self, step: t.Callable[[str], None]) -> None:
        step("Writing")
        self._wall.write(self._wanted)

    def lets(self, packet: Packet) -> bool:
        return packet.direction == "inbound"


def settle(folder: str, put: t.Callable[[t.Any, str, t.Any], None] = setattr) -> Wall:
    """Have all that a run touches on a host stand in *folder*, which systemd did not boot; the firewall there."""
    for module in (transaction, way_back):
        put(module, "Journal", functools.partial(Journal, os.path.join(folder, "netwall", "datadog")))
        put(module, "one_run_at_a_time", functools.partial(system.one_run_at_a_time, path=os.path.join(folder, "lock")))
    put(way_back, "BACKENDS", {Wall.name: functools.partial(Wall, folder)})
    put(watchdog, "CODE", os.path.join(folder, "netwall", "datadog", "way-back.zip"))
    put(watchdog, "_MAIN", _MAIN.format(module=__name__, folder=folder))
    put(watchdog, "_lock", functools.partial(_watch_lock, folder))
    put(watchdog, "has_systemd", lambda: False)
    for name in ("_UNIT_FILE", "_UNIT_LINK", "_SCRIPT_FILE", "_UPDATE_RC"):
        put(watchdog, name, os.path.join(folder, "none"))
    return Wall(folder)


_MAIN = """import sys
from {module} import settle, way_back
settle({folder!r})
sys.exit(way_back.main(sys.argv[1:]))
"""


def _watch_lock(folder: str, change: str) -> str:
    return os.path.join(folder, change + ".watched")
