# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A short run of the atheris harnesses (`make fuzz` runs them for longer)."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from ansible_collections.netwall.datadog.tests.fuzz import fuzz

SECONDS = 20


@pytest.mark.slow
def test_a_short_run_finds_nothing() -> None:
    command = [sys.executable, fuzz.__file__, "--seconds", str(SECONDS), "--runs", "1000000"]
    done = subprocess.run(command, check=False, capture_output=True, encoding="utf-8")
    if done.returncode == fuzz.CANNOT_RUN:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    runs = {name: int(count.replace(",", "")) for name, count in re.findall(r"(\w+) +([\d,]+) executions", done.stdout)}
    assert set(runs) == {*fuzz.SHARES, "together"}
    # A harness that ends at once would find nothing, either.
    assert min(runs.values()) > 100
