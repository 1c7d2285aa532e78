# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A few of the operators that foreign_rules.py makes up, and one change of addresses under steady.py's traffic."""

from __future__ import annotations

import sys
import typing as t

import pytest

from ansible_collections.netwall.datadog.tests._tool import ROOT, run
from ansible_collections.netwall.datadog.tests.integration.conftest import LAB

PROGRAMS = ROOT / "tests/integration"


@pytest.fixture
def host(lab: str, request: pytest.FixtureRequest) -> t.Iterator[str]:
    """A host of the kind that the test names (as `lab.py up` takes it), up and gone afterwards."""
    run(LAB, "up", "--lab", lab, f"judged={request.param}", cwd=ROOT)
    yield "judged"
    run(LAB, "down", "--lab", lab, "judged", cwd=ROOT)


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
