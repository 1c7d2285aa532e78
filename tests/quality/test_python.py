# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Form and types of the Python code."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.netwall.datadog.tests._tool import ROOT, run


def test_ruff_finds_nothing() -> None:
    run("ruff", "check", "--quiet", "--output-format", "concise", cwd=ROOT)


def test_the_code_has_the_form_that_ruff_gives_it() -> None:
    run("ruff", "format", "--diff", "--quiet", cwd=ROOT)


def test_types_hold() -> None:
    # By the path under which the code is imported, so that each module has one name.
    collection = Path("ansible_collections/netwall/datadog")
    folders = (collection / "plugins", collection / "tests")
    # The lab is a program of its own, with its folder as its root.
    check_types("--exclude", "/tests/lab/", *folders, cwd=Path(os.environ["NETWALL_TREE"]))


def test_types_of_the_lab_hold() -> None:
    check_types(".", cwd=ROOT / "tests/lab")


def check_types(*arguments: str | Path, cwd: Path) -> None:
    run("mypy", "--config-file", ROOT / "pyproject.toml", *arguments, cwd=cwd)
