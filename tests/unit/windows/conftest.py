# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the tests of twins of Windows hosts."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.netwall.datadog.tests.windows.real import real_collections
from ansible_collections.netwall.datadog.tests.windows.twin import Twin

if t.TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def collections() -> Path:
    """A folder that holds ansible_collections with the real ansible.windows and community.windows."""
    return real_collections()


@pytest.fixture
def twin(collections: Path) -> Twin:
    """A Windows Server, in memory."""
    return Twin(collections)
