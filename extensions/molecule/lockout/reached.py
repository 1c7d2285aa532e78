#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""For how long the SSH port of a host could not be reached.

reached.py watch ADDRESS SOURCE     opens connections from SOURCE, and prints a time for each that was accepted
reached.py longest FILE             reads what it prints, waits for one more, and prints the longest gap in seconds
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from itertools import pairwise
from pathlib import Path

PORT = 22
PAUSE = 0.4
PATIENCE = 60.0
LIFETIME = 600.0


def watch(address: str, source: str) -> None:
    """Try for as long as a test may take, should nobody stop it."""
    end = time.monotonic() + LIFETIME
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((address, PORT), PAUSE, (source, 0)):
            print(time.monotonic(), flush=True)
        time.sleep(PAUSE)


def longest(file: Path) -> None:
    """Print the longest gap between two times, up to one that comes after now."""
    begin = time.monotonic()
    while True:
        times = [float(line) for line in file.read_text(encoding="ascii").splitlines()]
        if times and times[-1] > begin:
            break
        if time.monotonic() > begin + PATIENCE:
            sys.exit(f"The host has been out of reach for more than {PATIENCE:g} seconds.")
        time.sleep(0.1)
    print(f"{max(later - earlier for earlier, later in pairwise(times)):.1f}")


def main() -> None:
    """Read the command line and do it."""
    action, *rest = sys.argv[1:]
    if action == "watch":
        watch(*rest)
    else:
        longest(Path(rest[0]))


if __name__ == "__main__":
    main()
