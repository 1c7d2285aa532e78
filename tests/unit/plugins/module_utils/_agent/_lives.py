# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An Agent whose service does what a test says, and the file that it reads."""

from __future__ import annotations

import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._agent.service import ServiceError, Status

if t.TYPE_CHECKING:
    from pathlib import Path

STOPPED = Status(is_up=False, is_stopped=True, process=0, words="inactive (dead)", user="dd-agent")
FAILED = STOPPED._replace(words="failed (failed), its last end: exit-code, status 1")
DYING = Status(is_up=False, is_stopped=False, process=0, words="activating (auto-restart)", user="dd-agent")
OLD, NEW, BAD = b"old\n", b"new\n", b"bad\n"


def running(process: int) -> Status:
    return Status(is_up=True, is_stopped=False, process=process, words="active (running)", user="dd-agent")


class Agent:
    """An Agent whose service does with each content of its file what `lives` says: statuses, the last for ever."""

    log = "its log"
    poll = 0.05

    def __init__(self, file: Path, lives: dict[bytes, list[Status]], now: Status) -> None:
        self.file = file
        self.lives = lives
        self.coming = [now]
        self.restarts: list[bytes] = []

    def status(self) -> Status:
        return self.coming.pop(0) if len(self.coming) > 1 else self.coming[0]

    def restart(self) -> None:
        content = self.file.read_bytes()
        self.restarts.append(content)
        if content not in self.lives:
            raise ServiceError("'systemctl restart' ended with 1: no.")
        self.coming = list(self.lives[content])


LIVES = {
    OLD: [running(30)],
    NEW: [running(20)],
    BAD: [running(40), running(40), DYING, running(41), DYING],
}
