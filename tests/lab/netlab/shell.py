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
from pathlib import Path
from typing import Callable, Iterator, Mapping, Optional, Sequence, TypeVar

T = TypeVar("T")


class LabError(Exception):
    """The lab cannot do what was asked: one sentence for a person."""


def say(message: str) -> None:
    """One line of progress for a person; standard output belongs to results."""
    print(f"lab: {message}", file=sys.stderr, flush=True)


def run(argv: Sequence[str], *, stdin: str = "", env: Optional[Mapping[str, str]] = None) -> str:
    """Run a command to its end and return its standard output; a failure is a `LabError` with the command's own last words."""
    done = subprocess.run(argv, input=stdin, env=env, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise LabError(f"{argv[0]} failed with status {done.returncode}: {' | '.join(words) or 'no message'}")
    return done.stdout


def wait_for(what: str, probe: Callable[[], Optional[T]], *, seconds: float, pause: float = 0.02) -> T:
    """Ask `probe` until it returns something other than None; after `seconds` give up with a `LabError` naming `what`."""
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


def cache_folder() -> Path:
    """Where everything built or generated is kept: `NETWALL_CACHE`, else the user's cache folder."""
    own = os.environ.get("NETWALL_CACHE")
    if own:
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base).absolute() / "netwall-datadog"
