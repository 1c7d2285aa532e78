# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Few of the faults that `make faults` brings about by the hundreds."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ansible_collections.netwall.datadog.tests._tool import ROOT

KILLS, STOPS = 12, 2
CANNOT_RUN = 3


@pytest.mark.lab
@pytest.mark.parametrize("backend", ["ufw", "firewalld"])
def test_rules_are_whole_whenever_the_module_is_killed_or_the_power_goes(
    backend: str, lab: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [
        "--lab",
        lab,
        "--backend",
        backend,
        "--release",
        "bookworm",
        "--kills",
        f"{KILLS}",
        "--stops",
        f"{STOPS}",
    ]
    command = [sys.executable, str(ROOT / "tests/faults/faults.py"), *options]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, encoding="utf-8")
    if done.returncode == CANNOT_RUN:
        pytest.skip(done.stdout.strip())
    if done.returncode:
        pytest.fail(f"{done.stdout}\n{done.stderr}", pytrace=False)
    with capsys.disabled():
        print(f"\n{done.stdout}", end="")
