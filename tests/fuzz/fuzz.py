#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the atheris harnesses side by side to a count of executions, and says what they found.

    fuzz.py [--runs 2000000] [--seconds 600] [--seed 1] [--only document]

*runs* are divided among the harnesses (document, selection, query); *seconds* limits each. What one run learns is kept
in the cache folder, where the next goes on. Exit status 1 if anything was found, then with the file that reproduces it;
3 where atheris can't be had, with one line that says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import re
import subprocess
import sys
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# The harnesses, and how many of six executions each gets: for a selection much is reckoned, twice.
SHARES = {"document": 4, "selection": 1, "query": 1}
CANNOT_RUN = 3
HARNESS = Path(__file__).with_name("harness.py")
FOLDER = Path(os.environ["NETWALL_CACHE"]) / "fuzz"
# Seconds for one execution, on a machine that others use too.
_TIMEOUT = 60
_SHOWN_LINES = 30


class Outcome(t.NamedTuple):
    """What came of one harness: how many executions in how many seconds, and what it said where it found something."""

    name: str
    runs: int
    seconds: float
    finding: str

    def line(self) -> str:
        """For a person."""
        rate = self.runs / max(self.seconds, 0.001)
        what = "a finding, see below" if self.finding else "nothing found"
        return f"{self.name:<10} {self.runs:>10,} executions in {self.seconds:7.1f} s ({rate:7,.0f}/s): {what}"


def run(name: str, runs: int, seconds: int, seed: int) -> Outcome:
    """Run one harness."""
    corpus, findings = FOLDER / name, FOLDER / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(exist_ok=True)
    options = {
        "runs": runs,
        "max_total_time": seconds,
        "seed": seed,
        "max_len": 400,
        "len_control": 0,
        "timeout": _TIMEOUT,
        "rss_limit_mb": 2048,
        "print_final_stats": 1,
        "artifact_prefix": f"{findings}/{name}-",
    }
    command = [sys.executable, str(HARNESS), name, *(f"-{key}={value}" for key, value in options.items()), str(corpus)]
    began = time.monotonic()
    done = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace"
    )
    took = time.monotonic() - began
    # The exception stands in the output, and which bytes it came of at the end of what libFuzzer says.
    said = done.stdout.splitlines()[-_SHOWN_LINES:] + done.stderr.splitlines()[-_SHOWN_LINES // 3 :]
    counted = re.search(r"^stat::number_of_executed_units: *(\d+)", done.stderr, re.MULTILINE)
    is_good = done.returncode == 0 and counted
    return Outcome(name, int(counted[1]) if counted else 0, took, "" if is_good else "\n".join(said))


def main() -> int:
    """Run all harnesses at once."""
    parser = argparse.ArgumentParser(description="Run the atheris harnesses.")
    parser.add_argument("--runs", type=int, default=2_000_000, help="executions of all harnesses together")
    parser.add_argument("--seconds", type=int, default=0, help="for each harness at most (0: no limit)")
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 31))
    parser.add_argument("--only", choices=SHARES, action="append", help="not all harnesses; may be given again")
    asked = parser.parse_args()
    if not importlib.util.find_spec("atheris"):
        print("fuzz: the Python package atheris is not installed: it has no wheel for this Python or platform")
        return CANNOT_RUN
    names = asked.only or list(SHARES)
    whole = sum(SHARES[name] for name in names)
    print(f"seed {asked.seed}", flush=True)
    began = time.monotonic()
    with ThreadPoolExecutor(len(names)) as pool:
        outcomes = list(
            pool.map(lambda name: run(name, -(-asked.runs * SHARES[name] // whole), asked.seconds, asked.seed), names)
        )
    for outcome in outcomes:
        print(outcome.line())
    total, took = sum(outcome.runs for outcome in outcomes), time.monotonic() - began
    print(f"{'together':<10} {total:>10,} executions in {took:7.1f} s")
    for outcome in outcomes:
        if outcome.finding:
            print(f"\n--- {outcome.name} ---\n{outcome.finding}")
    return 1 if any(outcome.finding for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
