# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A few of the operators that foreign_rules.py makes up, and changes under the traffic of steady.py and closing.py."""

from __future__ import annotations

import sys

import pytest

from ansible_collections.netwall.datadog.tests._tool import ROOT, run

PROGRAMS = ROOT / "tests/integration"


@pytest.mark.lab
@pytest.mark.parametrize(
    ("host", "cases"), [("host:bookworm", 5), ("firewalld:trixie", 3)], indirect=["host"], ids=["ufw", "firewalld"]
)
def test_nobody_elses_rules_are_touched(lab: str, host: str, cases: int, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--lab", lab, "--host", host, "--cases", f"{cases}", "--seed", "ci")
    said = run(sys.executable, PROGRAMS / "foreign_rules.py", *options, cwd=ROOT)
    with capsys.disabled():
        print(f"\n{said}", end="")


@pytest.mark.lab
@pytest.mark.parametrize("host", ["host:trixie", "firewalld:bookworm"], indirect=True, ids=["ufw", "firewalld"])
def test_a_change_of_addresses_is_noticed_by_nobody(lab: str, host: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--lab", lab, "--host", host, "--rounds", "1")
    said = run(sys.executable, PROGRAMS / "steady.py", *options, cwd=ROOT)
    with capsys.disabled():
        print(f"\n{said}", end="")


@pytest.mark.lab
@pytest.mark.parametrize("host", ["host:bookworm"], indirect=True, ids=["ufw"])
def test_nothing_leaks_while_outgoing_traffic_comes_to_be_denied_and_flows_change(
    lab: str, host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run(sys.executable, PROGRAMS / "closing.py", "--lab", lab, "--host", host, cwd=ROOT)
    with capsys.disabled():
        print(f"\n{said}", end="")
