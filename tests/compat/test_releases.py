# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The oldest, the pinned and the newest ansible-core, each with a Python of its own: `make compat`, not every day."""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.netwall.datadog.tests._pythons import working_pythons
from ansible_collections.netwall.datadog.tests._tool import CACHE, ROOT, environment, run


class Release(t.NamedTuple):
    """A line of ansible-core releases and the Python to try it on."""

    core: str
    python: str
    oldest: bool = False
    """Whether the packages of requirements.txt are taken as old as that file allows."""


RELEASES = (Release("2.17", "3.11", oldest=True), Release("2.19", "3.13"), Release("2.21", "3.13"))
TEST_PACKAGES = {"cryptography", "hypothesis", "pytest", "trustme"}


def packages(release: Release) -> list[str]:
    """List what to install for `release`: what the tests need as locked, what the plugins need as that file asks."""
    locked = re.findall(r"^([\w.-]+)(==\S+)", (ROOT / "requirements-dev.txt").read_text(encoding="utf-8"), re.MULTILINE)
    needed = re.findall(r"^([\w.-]+>=\S+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    return [
        f"ansible-core=={release.core}.*",
        *(name + version for name, version in locked if name in TEST_PACKAGES),
        *(requirement.replace(">=", "==") if release.oldest else requirement for requirement in needed),
    ]


@pytest.fixture(scope="module", params=RELEASES, ids=lambda release: f"ansible-core {release.core}")
def programs(request: pytest.FixtureRequest) -> Path:
    """The folder of the programs of an environment with one release of ansible-core."""
    release: Release = request.param
    python = working_pythons().get(release.python)
    if python is None:
        pytest.skip(f"there is no Python {release.python} here")
    folder = CACHE / f"compat-{release.core}"
    run(python, "-m", "venv", "--clear", folder, cwd=CACHE)
    run(folder / "bin/python", "-m", "pip", "install", "-qq", *packages(release), cwd=CACHE, env=environment())
    return folder / "bin"


def test_unit_tests_pass(programs: Path) -> None:
    # Warnings of releases that were made for other Pythons are not ours.
    tests = (programs / "pytest", "-q", "-o", "filterwarnings=default", "--tb=short", "tests/unit")
    tree = os.environ["NETWALL_TREE"]
    run(*tests, cwd=ROOT, env=environment(Path(tree), PYTHONPATH=tree, PATH=search_path(programs)))


def test_installed_plugins_work(programs: Path, installed: Path, tmp_path: Path) -> None:
    env = environment(installed, PATH=search_path(programs), ANSIBLE_PYTHON_INTERPRETER=str(programs / "python"))
    playbook = ROOT / "tests/compat/smoke.yml"
    run(programs / "ansible-playbook", "-i", "localhost,", "-e", f"folder={tmp_path}", playbook, cwd=tmp_path, env=env)


def search_path(programs: Path) -> str:
    """PATH with `programs` first."""
    return os.pathsep.join((str(programs), os.environ["PATH"]))
