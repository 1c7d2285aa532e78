# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Molecule scenarios, each against the collection as users install it, on hosts of the lab."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import typing as t

import pytest

from ansible_collections.netwall.datadog.tests._tool import CACHE, ROOT, environment
from ansible_collections.netwall.datadog.tests.integration.secret_search import SECRET_FILES, search, secrets_of
from ansible_collections.netwall.datadog.tests.lab.netlab.hosts import Lab
from ansible_collections.netwall.datadog.tests.windows.real import real_collections

if t.TYPE_CHECKING:
    from pathlib import Path

# Where the collections for Windows are installed, which no other scenario may need, and where there are twins.
WITH_WINDOWS = ("windows",)

# What takes too long for every day has a target of its own, `make soak`.
LONG = ("firewalld", "lockout")
SCENARIOS = [
    pytest.param(name, marks=[pytest.mark.soak] if name in LONG else [])
    for name in sorted(path.parent.name for path in ROOT.glob("extensions/molecule/*/molecule.yml"))
]
LONGEST_RUN = 30 * 60
"""Seconds after which a scenario is stuck."""
SHOWN_LINES = 150
"""How much of a failed run is shown; the log holds all of it."""


def run_logged(command: list[str], log: Path, cwd: Path, env: dict[str, str]) -> int:
    """Run `command`, write what it says to `log`, return its exit code; stop a run that is stuck, children too."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            return process.wait(LONGEST_RUN)
        except BaseException:
            # Also when somebody interrupts the tests: a lab that goes on running would be in the way of the next.
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise


@pytest.fixture
def collections(scenario: str, installed: Path, tmp_path: Path) -> str:
    """The path of the collections that the scenario needs: this one as it is installed, and those of others."""
    if scenario not in WITH_WINDOWS:
        return str(installed)
    shutil.copytree(installed, tmp_path, dirs_exist_ok=True)
    # A twin is made of the tests, which no user has.
    (tmp_path / "ansible_collections/netwall/datadog/tests").symlink_to(ROOT / "tests")
    return os.pathsep.join([str(tmp_path), str(real_collections())])


@pytest.mark.lab
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, lab: str, collections: str) -> None:
    folder = CACHE / lab
    temporary = folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    log, whole = folder / f"molecule-{scenario}.log", folder / f"ansible-{scenario}.log"
    whole.unlink(missing_ok=True)
    command = [str(ROOT / "tests/lab/lab.py"), "exec", "--lab", lab, "--", "molecule", "test", "-s", scenario]
    # Molecule keeps a run's state under ANSIBLE_HOME, where a run by hand would be in the way.
    env = environment(
        NETWALL_LAB=lab,
        ANSIBLE_COLLECTIONS_PATH=collections,
        ANSIBLE_HOME=str(folder / "ansible"),
        TMPDIR=str(temporary),
    )
    # Molecule breaks lines, in the middle of a secret perhaps.
    env["ANSIBLE_LOG_PATH"] = str(whole)
    code = run_logged(command, log, cwd=ROOT, env=env)
    if code:
        end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-SHOWN_LINES:])
        pytest.fail(f"{' '.join(command)}: exit code {code}\n{end}\nThe whole log: {log}", pytrace=False)
    # All that was said, and every file that was written here. The hosts are gone: the scenario itself has looked there.
    lab_folder = Lab(lab).folder
    exempt = {lab_folder / name for name in SECRET_FILES}
    assert whole.stat().st_size > 0
    assert search([folder, lab_folder], secrets_of(lab_folder), exempt) == []
