# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What is kept on the host, for root alone, under /var/lib/netwall/datadog/.

``state.json``    what the last run left: the flows, where they came from, and what the backend wants to know again
``pending.json``  a change that is under way or waits to be confirmed, with the way back; its removal is the commit
``ballast``       room on the disk that the way back may need, as long as there is one
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.system import (
    open_for_root_alone,
    put_back,
    read_bytes,
    remove,
    sync_folder,
    write_atomically,
)

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import Session

STATE_FOLDER = "/var/lib/netwall/datadog"

# Bytes of room beyond what the files of a snapshot need: blocks that are not full, folders, a firewall's own backups.
_MARGIN = 1 << 18


@dataclasses.dataclass(frozen=True)
class Pending:
    """A change that is not final: everything needed to take it back without the run that made it.

    ``snapshot`` and ``state`` are what stood before it, ``new_state`` what is kept once it is final. ``deadline`` is in
    seconds of the clock that goes on while the host sleeps, 0 as long as the change is still being made. ``session`` is
    the connection it came in on.
    """

    id: str
    backend: str
    snapshot: t.Mapping[str, t.Any]
    state: t.Mapping[str, t.Any]
    boot: str
    session: t.Sequence[t.Any] | None = None
    new_state: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    deadline: float = 0.0

    @property
    def is_applied(self) -> bool:
        """Whether it only waits to be confirmed."""
        return self.deadline > 0

    @property
    def seconds_left(self) -> float:
        """How long it may still be confirmed; nothing after a boot."""
        return self.deadline - now() if self.boot == boot_id() else 0.0


def now() -> float:
    """Seconds since the host was booted, those it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """What tells this boot of the host from every other."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot:
        return boot.read().strip()


def this_process() -> tuple[int, str]:
    """What :func:`is_running` needs to know this process again."""
    return os.getpid(), _started(os.getpid())


def is_running(process: tuple[int, str]) -> bool:
    """Whether *process* (id and start time) still runs."""
    pid, start = process
    return bool(start) and _started(pid) == start


def _started(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return ""
    # A process that has ended and that nobody asked after does no more.
    return "" if fields[0] in "ZX" else fields[19]


def as_json(session: Session | None) -> list[t.Any] | None:
    """*session* in the form that :class:`Pending` keeps."""
    return list(dataclasses.astuple(session)) if session else None


class Journal:
    """The files in *folder*; see this module's first lines."""

    def __init__(self, folder: str = STATE_FOLDER) -> None:
        self.folder = folder
        self._state = os.path.join(folder, "state.json")
        self._pending = os.path.join(folder, "pending.json")
        self._ballast = os.path.join(folder, "ballast")
        self._seen: tuple[t.Any, Pending | None] = (None, None)

    def state(self) -> dict[str, t.Any]:
        """What the last run left, empty if there was none; raises :class:`FirewallError` if it is damaged."""
        return _read(self._state) or {}

    def save_state(self, state: t.Mapping[str, t.Any]) -> None:
        """Keep *state* for later runs; an empty one leaves no trace."""
        if state:
            self.make_folder()
            put_back(self._state, _dumped(state))
            return
        put_back(self._state, None)
        self.tidy()

    def pending(self) -> Pending | None:
        """The change that is not final, None if there is none; read again only if it was written again."""
        try:
            found = os.stat(self._pending)
        except FileNotFoundError:
            return None
        version = (found.st_ino, found.st_mtime_ns, found.st_size)
        if self._seen[0] != version:
            try:
                self._seen = (version, Pending(**(_read(self._pending) or {})))
            except TypeError:
                raise _damaged(self._pending) from None
        return self._seen[1]

    def open(self, pending: Pending) -> None:
        """Have *pending* on the disk, before anything of it is done or whenever it has come further.

        Raises ``OSError`` where there is no room for it, or would be none for taking it back.
        """
        self.make_folder()
        data = _dumped(dataclasses.asdict(pending))
        if not pending.is_applied:
            # Taking it back writes no more than what the snapshot and the state hold, each beside what it replaces.
            self._take_room(2 * len(data) + _MARGIN)
        write_atomically(self._pending, data)

    def close(self) -> None:
        """There is no pending change any more: it is final, or was taken back."""
        put_back(self._pending, None)
        self.make_room()
        self.tidy()

    def make_room(self) -> None:
        """Give back the room on the disk that was kept for the way back."""
        remove(self._ballast)

    def _take_room(self, size: int) -> None:
        remove(self._ballast)
        with open(self._ballast, "wb", opener=open_for_root_alone) as ballast:
            os.posix_fallocate(ballast.fileno(), 0, size)

    def make_folder(self) -> None:
        """Have a folder that nobody but root can enter."""
        for level in (os.path.dirname(self.folder), self.folder):
            with contextlib.suppress(FileExistsError):
                os.mkdir(level, 0o700)
                sync_folder(os.path.dirname(level))
            if os.path.islink(level):
                raise FirewallError(
                    f"{level}, where the way back is kept, is a link, which anybody may have made; remove it."
                )
            os.chmod(level, 0o700)

    def tidy(self) -> None:
        """Leave no empty folder of ours."""
        for emptied in (self.folder, os.path.dirname(self.folder)):
            with contextlib.suppress(OSError):
                os.rmdir(emptied)


def _dumped(value: t.Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _read(path: str) -> dict[str, t.Any] | None:
    if not os.path.exists(path):
        return None
    try:
        found = json.loads(read_bytes(path))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _damaged(path)
    return found


def _damaged(path: str) -> FirewallError:
    return FirewallError(f"{path}, where the way back is kept, is damaged; mend it, or delete it to do without.")
