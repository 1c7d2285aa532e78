# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Pythons of this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

VERSIONS = [f"3.{minor}" for minor in range(8, 15)]
"""From the oldest Python of a managed host to the newest of a controller."""


def working_pythons() -> dict[str, Path]:
    """Find an interpreter for each of VERSIONS, on PATH or among pyenv's, that runs and can make environments.

    pyenv puts a `python3.8` on PATH that does not run unless somebody chose that version.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {}
    for version in VERSIONS:
        on_path = [Path(folder, f"python{version}") for folder in os.environ["PATH"].split(os.pathsep)]
        for candidate in (*on_path, *sorted(pyenv.glob(f"{version}.*/bin/python{version}"))):
            if candidate.is_file() and (interpreter := _interpreter(candidate)):
                found[version] = interpreter
                break
    return found


def _interpreter(candidate: Path) -> Path | None:
    """Say which program `candidate` really is: behind a shim or an environment stands another."""
    probe = "import ensurepip, os, sys, venv; print(os.path.realpath(sys.executable))"
    answer = subprocess.run([candidate, "-c", probe], check=False, capture_output=True, encoding="utf-8")
    return None if answer.returncode else Path(answer.stdout.strip())
