# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small helpers around processes, locks and waiting."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class LabError(Exception):
    """The lab cannot do what was asked: one sentence for a person."""


def say(message: str) -> None:
    """One line of progress for a person; standard output belongs to results."""
    print(f"lab: {message}", file=sys.stderr, flush=True)


def run(argv: Sequence[str], *, stdin: str = "", env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return its standard output; a failure is a `LabError` with its last words."""
    done = subprocess.run(argv, input=stdin, env=env, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise LabError(f"{argv[0]} failed with status {done.returncode}: {' | '.join(words) or 'no message'}")
    return done.stdout


def wait_for(what: str, probe: Callable[[], T | None], *, seconds: float, pause: float = 0.02) -> T:
    """Ask `probe` until its answer is not None; after `seconds` give up with a `LabError` that names `what`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer is not None:
            return answer
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(pause)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`, so that two runs at once take turns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run that holds {path}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def put(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file whole or not at all, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as handle:
        handle.write(text)
    draft.chmod(mode)
    draft.replace(path)


def cache_folder() -> Path:
    """Where everything built or generated is kept: `NETWALL_CACHE`, else the user's cache folder."""
    own = os.environ.get("NETWALL_CACHE")
    if own:
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base).absolute() / "netwall-datadog"
