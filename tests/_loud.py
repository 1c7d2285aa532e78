# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plays as loud as Ansible can be: the real connection plugins, the highest verbosity, a log file, debugging.

Each way is one in which something is told that a module is given or returns, unless it is kept unseen; where nothing
ever is (the connection `local` without debugging) a test would find nothing whatever was wrong.
"""

from __future__ import annotations

import shutil
import typing as t

from ansible_collections.netwall.datadog.tests._play import Played, play

if t.TYPE_CHECKING:
    from pathlib import Path

# What stands for the SSH client: it runs on this machine what it is to run on the other, as any shell there would.
_SSH = """#!/bin/sh
for last; do :; done
exec /bin/sh -c "$last"
"""


class Way(t.NamedTuple):
    """How a play reaches its host, and whether ANSIBLE_DEBUG is set."""

    connection: str
    is_pipelined: bool
    is_debugged: bool

    def __str__(self) -> str:
        words = [self.connection, "pipelined" * self.is_pipelined, "debugged" * self.is_debugged]
        return ", ".join(word for word in words if word)


WAYS = (
    Way("local", is_pipelined=False, is_debugged=True),
    Way("local", is_pipelined=True, is_debugged=True),
    Way("ssh", is_pipelined=False, is_debugged=False),
    Way("ssh", is_pipelined=True, is_debugged=False),
    Way("ssh", is_pipelined=False, is_debugged=True),
    Way("ssh", is_pipelined=True, is_debugged=True),
)


def loud_play(
    folder: Path,
    way: Way,
    tasks: list[dict[str, t.Any]],
    *,
    values: t.Sequence[str] = (),
    group_vars: t.Mapping[str, t.Any] | None = None,
    environment: t.Mapping[str, str] | None = None,
) -> tuple[Played, dict[str, str]]:
    """Run `tasks`, which have names; what came of it, and by each task's name what was printed and logged of it."""
    ssh = folder / "ssh"
    ssh.write_text(_SSH)
    ssh.chmod(0o755)
    log = folder / "ansible.log"
    played = play(
        folder,
        tasks,
        values=values,
        group_vars={
            "ansible_connection": way.connection,
            "ansible_pipelining": way.is_pipelined,
            "ansible_ssh_executable": str(ssh),
            "ansible_ssh_transfer_method": "piped",
            "ansible_python_interpreter": shutil.which("python3"),
            **(group_vars or {}),
        },
        arguments=["-vvvvvv", "--diff"],
        environment={
            "ANSIBLE_DEBUG": str(way.is_debugged),
            "ANSIBLE_LOG_PATH": str(log),
            "ANSIBLE_LOG_VERBOSITY": "7",
            **(environment or {}),
        },
    )
    said = {task["name"]: "" for task in tasks}
    for text in (played.output, log.read_text()):
        _first, *parts = text.split("TASK [")
        for part in parts:
            name, _end, rest = part.partition("]")
            if name in said:
                said[name] += rest
    return played, said
