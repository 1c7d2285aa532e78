# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The real modules for Windows: where they are, and what the twin says that it imitates of them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import typing as t
import zipfile
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")

# What is unpacked of the package; `ansible` has a hundred collections more.
_KEPT = ("ansible_collections/ansible/windows/", "ansible_collections/community/windows/")


class Line(t.NamedTuple):
    """A line of a real module's source: the module's full name, the line's number, and what it says (in part)."""

    module: str
    number: int
    says: str


IMITATED: dict[Line, str] = {}
"""Each line that a part of the twin imitates, and which part that is."""

_F = t.TypeVar("_F", bound=t.Callable[..., t.Any])


def imitates(module: str, *lines: tuple[int, str]) -> t.Callable[[_F], _F]:
    """Say of a function of the twin which *lines* of *module*'s source it imitates; a test holds them against it."""

    def noted(function: _F) -> _F:
        for number, says in lines:
            IMITATED[Line(module, number, says)] = function.__qualname__
        return function

    return noted


def source_of(module: str, collections: Path) -> Path:
    """The PowerShell of *module* (its full name) under *collections*, a folder that holds ansible_collections."""
    namespace, collection, name = module.split(".")
    return collections / "ansible_collections" / namespace / collection / "plugins/modules" / f"{name}.ps1"


def real_collections(cache: Path | None = None) -> Path:
    """The folder that holds ansible_collections with ansible.windows and community.windows, and with nothing else.

    It lies in the cache folder (see tests/setup.sh) and is fetched when it is asked for first.
    """
    cache = cache or Path(os.environ["NETWALL_CACHE"])
    wanted = REQUIREMENTS.read_bytes()
    folder = cache / f"windows-{hashlib.sha256(wanted).hexdigest()[:12]}"
    if not folder.is_dir():
        with (cache / "windows.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.is_dir():
                _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    """Download the package, with the hash that REQUIREMENTS says, and unpack into *folder* what is kept of it."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        pip = (sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check")
        what = ("--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", str(REQUIREMENTS))
        subprocess.run([*pip, *what, "--dest", temporary], check=True, env=_without_path())
        [wheel] = Path(temporary).glob("*.whl")
        unpacked = Path(temporary, "unpacked")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked, [name for name in archive.namelist() if name.startswith(_KEPT)])
        shutil.move(unpacked, folder)


def _without_path() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


if __name__ == "__main__":
    print(real_collections())
