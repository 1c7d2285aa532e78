# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users install: built, installed and used by full names from a folder elsewhere."""

from __future__ import annotations

import json
import tarfile
import typing as t

from ansible_collections.netwall.datadog.tests._tool import environment, run

if t.TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NAME = "netwall.datadog"
WITHOUT_DOCUMENTATION = {"action", "doc_fragments", "module_utils", "plugin_utils"}
"""Kinds of plugin files that are documented elsewhere (an action by its module) or not for users."""
FOR_USERS = {"LICENSE", "README.md", "docs", "meta", "playbooks", "plugins", "requirements.txt", "roles"}
FOR_DEVELOPERS = {"Makefile", "extensions", "pyproject.toml", "requirements-dev.in", "requirements-dev.txt", "tests"}


def names_under(sources: Iterable[Path], *folder: str) -> list[str]:
    """List the names of what lies right under `folder`, files without their suffix."""
    depth = len(folder)
    inside = [path for path in sources if path.parts[:depth] == folder and len(path.parts) > depth]
    return sorted({path.parts[depth].partition(".")[0] for path in inside})


def test_artefact_holds_what_users_need_and_nothing_else(artefact: Path, sources: list[Path]) -> None:
    with tarfile.open(artefact) as archive:
        held = {entry.name for entry in archive if entry.isfile()} - {"FILES.json", "MANIFEST.json"}
    tracked = {path.as_posix() for path in sources}
    needed = {path.as_posix() for path in sources if path.parts[0] in FOR_USERS}
    unwanted = {name for name in held if name.split("/")[0] in FOR_DEVELOPERS or name.startswith(".")}
    assert (needed - held, held - tracked, unwanted) == (set(), set(), set())


def test_every_plugin_is_documented_by_its_full_name(installed: Path, sources: list[Path], tmp_path: Path) -> None:
    kinds = {path.parts[1] for path in sources if path.parts[0] == "plugins" and len(path.parts) > 2}
    for kind in sorted(kinds - WITHOUT_DOCUMENTATION):
        plugins = [f"{NAME}.{name}" for name in names_under(sources, "plugins", kind) if not name.startswith("_")]
        ansible_kind = "module" if kind == "modules" else kind
        answer = run("ansible-doc", "--json", "-t", ansible_kind, *plugins, cwd=tmp_path, env=environment(installed))
        assert sorted(json.loads(answer)) == plugins


def test_every_role_is_documented_by_its_full_name(installed: Path, sources: list[Path], tmp_path: Path) -> None:
    roles = [f"{NAME}.{name}" for name in names_under(sources, "roles")]
    answer = run("ansible-doc", "--json", "-t", "role", "--list", NAME, cwd=tmp_path, env=environment(installed))
    assert sorted(json.loads(answer)) == roles


def test_every_playbook_is_found_by_its_full_name(installed: Path, sources: list[Path], tmp_path: Path) -> None:
    playbooks = [f"{NAME}.{path.stem}" for path in sources if path.parent.as_posix() == "playbooks"]
    if playbooks:
        run(
            "ansible-playbook",
            "--syntax-check",
            "-i",
            "localhost,",
            *playbooks,
            cwd=tmp_path,
            env=environment(installed),
        )
