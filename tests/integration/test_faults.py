# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Few of the faults that `make faults` brings about by the hundreds."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ansible_collections.netwall.datadog.tests._tool import ROOT, run

KILLS, STOPS = 12, 2
CANNOT_RUN = 3
EVERY_MOMENT = [
    "--moments",
    "program:dies,program:goes-on,table:dies,table:goes-on,rules:dies,rules:goes-on",
    "--spread",
    "12",
]


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


@pytest.mark.lab
@pytest.mark.parametrize(
    ("host", "options"),
    [
        # Of the two releases this is the one that doubles its rules in a table that was left.
        pytest.param("firewalld:bookworm", ["--moments", "rules:dies,rules:goes-on"], id="bookworm"),
        pytest.param("firewalld:bookworm", EVERY_MOMENT, id="bookworm-spread", marks=pytest.mark.soak),
        pytest.param("firewalld:trixie", EVERY_MOMENT, id="trixie-spread", marks=pytest.mark.soak),
    ],
    indirect=["host"],
)
def test_nothing_is_left_of_a_firewalld_that_was_loading_its_rules(
    lab: str, host: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = run(sys.executable, ROOT / "tests/faults/loading.py", "--lab", lab, "--host", host, *options, cwd=ROOT)
    with capsys.disabled():
        print(f"\n{said}", end="")
