# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the quality gates share."""

from __future__ import annotations

import shutil
import typing as t

import pytest

from ansible_collections.netwall.datadog.tests._tool import ROOT, files_of_the_project

if t.TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def sources() -> list[Path]:
    """The files of the project, relative to the checkout."""
    return files_of_the_project()


@pytest.fixture(scope="session")
def copy(sources: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project where Ansible's tools want a collection: in ansible_collections/netwall/datadog.

    They judge by path and leave files behind, so they get no link to the checkout.
    """
    collection = tmp_path_factory.mktemp("copy") / "ansible_collections/netwall/datadog"
    for name in sources:
        target = collection / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    return collection
