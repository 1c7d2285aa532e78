# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program as a test: it passes when the program does, and a failure shows what the program said."""

from __future__ import annotations

import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("NETWALL_ROOT", Path(__file__).parents[1]))
"""The checkout."""

CACHE = Path(os.environ["NETWALL_CACHE"])
"""The folder of everything that is made once and used again (see tests/setup.sh)."""


def environment(collections: Path | None = None, **changes: str) -> dict[str, str]:
    """Give the environment of a program that shall find this collection in `collections` alone, or nowhere.

    `collections` holds ansible_collections/netwall/datadog. The checkout, which tests import from, is out of its sight.
    """
    hidden = {"PYTHONPATH", "ANSIBLE_COLLECTIONS_PATH"}
    env = {name: value for name, value in os.environ.items() if name not in hidden} | {"NO_COLOR": "1"}
    # An empty path would mean Ansible's default: what the user has installed.
    env["ANSIBLE_COLLECTIONS_PATH"] = str(collections or os.devnull)
    return env | changes


def run(*command: str | Path, cwd: Path, env: t.Mapping[str, str] | None = None) -> str:
    """Run `command` in `cwd` and return its standard output; a failing program fails the test with all its output."""
    done = subprocess.run(
        command, cwd=cwd, env=env, check=False, capture_output=True, encoding="utf-8", errors="replace"
    )
    if done.returncode:
        said = "\n".join(part for part in (done.stdout.strip(), done.stderr.strip()) if part)
        pytest.fail(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{said}", pytrace=False)
    return done.stdout


def files_of_the_project() -> list[Path]:
    """List the files of the checkout, relative to it: what git tracks or would track, or all where git cannot tell."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        # A checkout may belong to another user than the one who runs the tests.
        git = ("git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
        names = [Path(name) for name in run(*git, cwd=ROOT).split("\0") if name]
    else:
        names = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
    return sorted(name for name in names if (ROOT / name).is_file() and not {".git", "__pycache__"} & set(name.parts))
