# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests share that need disposable hosts."""

from __future__ import annotations

import fcntl
import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.netwall.datadog.tests._tool import CACHE, ROOT, run

LAB = str(ROOT / "tests/lab/lab.py")
CANNOT_RUN = 3
"""What `lab.py check` exits with where the lab cannot run; it then says in one line what is missing."""


@pytest.fixture(scope="session")
def lab() -> t.Iterator[str]:
    """The name of a lab of this checkout's tests, taken down afterwards; skips where no lab can be had."""
    check = subprocess.run([LAB, "check"], check=False, capture_output=True, encoding="utf-8")
    if check.returncode == CANNOT_RUN:
        pytest.skip((check.stdout or check.stderr).strip())
    if check.returncode:
        pytest.fail(f"lab.py check: exit code {check.returncode}\n{check.stdout}{check.stderr}", pytrace=False)
    # Two runs of one checkout's tests take turns; those of another have a lab of their own.
    name = Path(os.environ["NETWALL_TREE"]).name.replace("tree", "test")
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield name
        run(LAB, "down", "--lab", name, cwd=ROOT)


@pytest.fixture
def host(lab: str, request: pytest.FixtureRequest) -> t.Iterator[str]:
    """A host of the kind that the test names (as `lab.py up` takes it), up and gone afterwards."""
    run(LAB, "up", "--lab", lab, f"judged={request.param}", cwd=ROOT)
    yield "judged"
    run(LAB, "down", "--lab", lab, "judged", cwd=ROOT)
