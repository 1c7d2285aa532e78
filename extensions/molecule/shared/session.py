#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An SSH session that stays open while other things happen, and whether it still works.

    session.py open FOLDER -- SSH …     starts it; SSH is a command that takes the remote command as its last argument
    session.py check FOLDER             the host still speaks on its own, and still answers
    session.py close FOLDER             ends it, if there is one

The host speaks twice a second. What it says first after a firewall came on is what matters: to connection tracking it
is a new connection from the host, and a packet of ours before it would mend what is broken.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

REMOTE = "(while sleep 0.5; do echo tick || exit; done) & cat; kill $!"
PATIENCE = 20.0
"""Seconds in which something must be heard: the host repeats what got lost at growing intervals."""


def open_session(folder: Path, ssh: list[str]) -> None:
    """Start the session and wait for the host's first word."""
    folder.mkdir(parents=True)
    os.mkfifo(folder / "in")
    # Open for both, so that the fifo never ends, whoever writes to it.
    pipe = os.open(folder / "in", os.O_RDWR)
    with (folder / "out").open("w", encoding="utf-8") as out:
        process = subprocess.Popen([*ssh, REMOTE], stdin=pipe, stdout=out, stderr=out, start_new_session=True)
    (folder / "pid").write_text(f"{process.pid}\n", encoding="ascii")
    hear(folder, "the host's first word", lambda said: "tick\n" in said)


def check_session(folder: Path) -> None:
    """Wait for a word that the host says from now on, then for its answer to a new line."""
    known = len((folder / "out").read_text(encoding="utf-8"))
    hear(folder, "a further word of the host", lambda said: "tick\n" in said[known:])
    line = f"line {time.monotonic_ns()}\n"
    with (folder / "in").open("w", encoding="utf-8") as pipe:
        pipe.write(line)
    hear(folder, "the host's answer", lambda said: line in said)


def close_session(folder: Path) -> None:
    """End the session and forget it."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int((folder / "pid").read_text(encoding="ascii")), signal.SIGTERM)
    shutil.rmtree(folder, ignore_errors=True)


def hear(folder: Path, what: str, is_it: t.Callable[[str], bool]) -> None:
    """Wait until what the host has said so far has ``what`` in it."""
    deadline = time.monotonic() + PATIENCE
    while not is_it((folder / "out").read_text(encoding="utf-8")):
        if time.monotonic() > deadline:
            sys.exit(f"The open SSH session is dead: waited {PATIENCE:g} seconds in vain for {what}.")
        time.sleep(0.05)


def main() -> None:
    """Read the command line and do it."""
    action, folder, *rest = sys.argv[1:]
    if action == "open":
        open_session(Path(folder), rest[1:])
    else:
        {"check": check_session, "close": close_session}[action](Path(folder))


if __name__ == "__main__":
    main()
