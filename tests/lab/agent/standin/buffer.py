# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of payloads that cannot be sent: kept in memory, then on disk, then lost."""

from __future__ import annotations

import shutil
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from .settings import ConfigurationError

# How much of the memory's limit is left in use when it overflows to disk (forwarder_flush_to_disk_mem_ratio).
_KEPT_IN_MEMORY = 0.5
_SUFFIX = ".retry"


@dataclass(frozen=True)
class Disk:
    """Where payloads may lie on disk, how many bytes of them, and how full the disk may become by them (0 to 1)."""

    folder: Path
    limit: int
    ratio: float

    def prepare(self, outdated_days: int) -> None:
        """Make the folder, try to write there, remove what is too old; raises `ConfigurationError`."""
        trial = self.folder / "trial"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            trial.write_bytes(b"")
            trial.unlink()
            for file in self.files():
                if file.stat().st_mtime < time.time() - outdated_days * 86400:
                    file.unlink()
        except OSError as error:
            raise ConfigurationError(f"forwarder_storage_path cannot be written to: {error.strerror}") from None

    def files(self) -> list[Path]:
        """What lies there, the oldest first."""
        return sorted(self.folder.glob(f"*{_SUFFIX}"))

    def used(self) -> int:
        """How many bytes lie there."""
        return sum(file.stat().st_size for file in self.files())

    def room(self) -> int:
        """How many bytes may be written until the disk is as full as it may be."""
        disk = shutil.disk_usage(self.folder)
        return int(disk.total * self.ratio) - disk.used


class Buffer:
    """Payloads (texts of one line) that wait to be sent; `limit` is bytes of memory."""

    def __init__(self, limit: int, disk: Disk | None) -> None:
        self._limit = limit
        self._disk = disk
        self._waiting: deque[bytes] = deque()
        self.dropped = 0

    @property
    def payloads(self) -> int:
        """How many payloads are in memory."""
        return len(self._waiting)

    @property
    def size(self) -> int:
        """How many bytes are in memory."""
        return sum(map(len, list(self._waiting)))

    def add(self, payload: bytes) -> None:
        """Keep a payload; what is too much in memory goes to disk, or is lost, the oldest first."""
        if self.size + len(payload) > self._limit:
            aside = []
            goal = int(self._limit * _KEPT_IN_MEMORY) if self._disk else self._limit - len(payload)
            while self._waiting and self.size > goal:
                aside.append(self._waiting.popleft())
            self._spill(aside)
        if len(payload) > self._limit:
            self._spill([payload])
        else:
            self._waiting.append(payload)

    def next(self) -> bytes | None:
        """The payload to be sent next: of what is in memory, then of what is on disk."""
        if not self._waiting and self._disk:
            for file in self._disk.files()[:1]:
                self._waiting.extend(file.read_bytes().splitlines())
                file.unlink()
        return self._waiting[0] if self._waiting else None

    def remove_next(self) -> None:
        """Forget what `next` gave."""
        self._waiting.popleft()

    def flush(self) -> None:
        """Put all on disk, if there is one to put it on: the program ends."""
        if self._disk:
            self._spill(list(self._waiting))
            self._waiting.clear()

    def _spill(self, payloads: list[bytes]) -> None:
        content = b"".join(payload + b"\n" for payload in payloads)
        if not payloads:
            return
        if self._disk is None or len(content) > min(self._disk.limit, self._disk.room()):
            self.dropped += len(payloads)
            return
        for file in self._disk.files():
            if self._disk.used() + len(content) <= self._disk.limit:
                break
            self.dropped += len(file.read_bytes().splitlines())
            file.unlink()
        (self._disk.folder / f"{time.time_ns()}{_SUFFIX}").write_bytes(content)
