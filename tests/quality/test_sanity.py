# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-test sanity, on every Python that it supports and that this machine has."""

from __future__ import annotations

import ast
import fcntl
import os
import shutil
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.netwall.datadog.tests._pythons import VERSIONS, working_pythons
from ansible_collections.netwall.datadog.tests._tool import CACHE, environment, run

if t.TYPE_CHECKING:
    from collections.abc import Iterator

# ansible-test fetches a script from a host of its own to put pip into the environments that it makes. A Python that can
# make environments has a pip to put there: nothing needs to be fetched. The name holds the version that it asks for.
GET_PIP_PATH = ".ansible/test/cache/get_pip_24_2.py"
GET_PIP = """\
import subprocess
import sys

sys.exit(subprocess.call([sys.executable, "-m", "ensurepip", "--default-pip"]))
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A home folder for ansible-test, kept: it holds the environments that it makes, ours alone while the test runs."""
    home = CACHE / "ansible-test"
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield home


def on_every_python(home: Path) -> tuple[str, list[str]]:
    """Give the PATH on which ansible-test finds every Python that works, and the options that keep it from others.

    It takes whatever is called `python3.x` on PATH and gives up when one does not work.
    """
    folder = home / "bin"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    pythons = working_pythons()
    for version, interpreter in pythons.items():
        (folder / f"python{version}").symlink_to(interpreter)
    path = os.pathsep.join((str(Path(sys.executable).parent), str(folder), os.environ["PATH"]))
    broken = [version for version in VERSIONS if version not in pythons and shutil.which(f"python{version}", path=path)]
    return path, ["--python", f"3.{sys.version_info.minor}"] if broken else []


def pip_settings() -> str:
    """Write what pip is configured to, by files and variables, as one file: ansible-test passes no variables on."""
    listed = run(sys.executable, "-m", "pip", "config", "list", cwd=CACHE).splitlines()
    settings = {}
    for line in sorted(listed, key=lambda line: line.startswith(":env:")):  # variables win
        name, _equals, value = line.partition("=")
        settings[name.rpartition(".")[2]] = str(ast.literal_eval(value)).replace("\n", "\n  ")
    settings["quiet"] = "2"
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())


@pytest.mark.slow
def test_sanity(home: Path, copy: Path) -> None:
    for name, text in ((".config/pip/pip.conf", pip_settings()), (GET_PIP_PATH, GET_PIP)):
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    search_path, options = on_every_python(home)
    env = environment(copy.parents[2], HOME=str(home), PATH=search_path)
    run("ansible-test", "sanity", "--requirements", "--color", "no", *options, cwd=copy, env=env)
