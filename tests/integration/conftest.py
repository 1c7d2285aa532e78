# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests share that need disposable hosts."""

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.netwall.datadog.tests._tool import ROOT

CANNOT_RUN = 3
"""What `lab.py check` exits with where the lab cannot run; it then says in one line what is missing."""


@pytest.fixture(scope="session")
def lab() -> str:
    """The program that starts a command inside the lab (`lab exec -- COMMAND`), where one can be had."""
    program = str(ROOT / "tests/lab/lab.py")
    check = subprocess.run([program, "check"], check=False, capture_output=True, encoding="utf-8")
    if check.returncode == CANNOT_RUN:
        pytest.skip((check.stdout or check.stderr).strip())
    if check.returncode:
        pytest.fail(f"lab.py check: exit code {check.returncode}\n{check.stdout}{check.stderr}", pytrace=False)
    return program
