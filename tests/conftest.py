# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings and fixtures of all tests."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import settings

from ansible_collections.netwall.datadog.tests._tool import ROOT, environment, run

if t.TYPE_CHECKING:
    from pathlib import Path

# The machine is shared with other gates and with the lab's hosts: a slow example is no fault.
settings.register_profile("netwall", deadline=None, print_blob=True)
settings.load_profile("netwall")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: t.Any) -> t.Any:
    """Where several processes share the tests (`-n`), one has all of the lab's, and the others a file at a time."""
    # Where the tests run without this plugin, it is not there.
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path: str = super()._split_scope(nodeid)
            return "lab" if path.startswith("tests/integration/") else path

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that users install, built from the checkout as it is."""
    folder = tmp_path_factory.mktemp("artefact")
    run("ansible-galaxy", "collection", "build", "--output-path", folder, cwd=ROOT, env=environment())
    [path] = folder.iterdir()
    return path


@pytest.fixture(scope="session")
def installed(artefact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed collection (as ansible_collections/netwall/datadog) and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    run("ansible-galaxy", "collection", "install", artefact, "-p", folder, cwd=folder, env=environment(folder))
    return folder
