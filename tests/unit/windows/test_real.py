# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the twin says of the real modules holds: each line that it cites is there, and says what is cited."""

from __future__ import annotations

import inspect
import os
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.netwall.datadog.tests._tool import ROOT, files_of_the_project
from ansible_collections.netwall.datadog.tests.windows import arguments, powershell, programs, twin
from ansible_collections.netwall.datadog.tests.windows.real import IMITATED, REQUIREMENTS, Line, source_of

# What the twin knows without a line of the real module: a handful of facts, and a word.
UNCITED = {"ansible.windows.setup", "ansible.windows.win_ping"}


@pytest.mark.parametrize("line", IMITATED, ids=lambda line: f"{line.module}:{line.number}")
def test_each_line_that_is_imitated_says_what_is_cited(line: Line, collections: Path) -> None:
    lines = source_of(line.module, collections).read_text(encoding="utf-8").splitlines()
    found = [number for number, text in enumerate(lines, 1) if line.says in text]
    assert line.number in found, f"{IMITATED[line]} cites line {line.number}, which says: {lines[line.number - 1]}"


def test_no_module_is_imitated_without_a_line_of_its_own() -> None:
    assert {line.module for line in IMITATED} == set(twin._MODULES) - UNCITED


def test_every_module_of_the_twin_is_a_real_one(collections: Path) -> None:
    assert [module for module in twin._MODULES if not arguments.is_documented(module, collections)] == []


def test_the_collections_are_those_two_of_the_release_that_is_asked_for(collections: Path) -> None:
    found = sorted(str(path.relative_to(collections)) for path in collections.glob("ansible_collections/*/*"))
    assert found == ["ansible_collections/ansible/windows", "ansible_collections/community/windows"]
    assert "--hash=sha256:" in REQUIREMENTS.read_text(encoding="utf-8")


def test_tests_of_linux_do_not_see_them() -> None:
    folders = [Path(folder) for folder in os.environ["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep)]
    assert [folder for folder in folders if (folder / "ansible_collections/ansible").exists()] == []


def scripts_of_this_collection() -> dict[str, str]:
    """What this collection has PowerShell run, by where it is."""
    found = {}
    for name in files_of_the_project():
        if name.parts[0] in {"plugins", "roles"} and name.suffix == ".ps1":
            found[str(name)] = (ROOT / name).read_text(encoding="utf-8")
        if name.parts[0] == "roles" and name.suffix == ".yml":
            for task in yaml.safe_load((ROOT / name).read_text(encoding="utf-8")) or ():
                if "ansible.windows.win_powershell" in task:
                    found[str(name)] = task["ansible.windows.win_powershell"]["script"]
    return found


def test_no_script_stands_in_a_python_file() -> None:
    named = [
        str(name)
        for name in files_of_the_project()
        if name.parts[0] == "plugins"
        and name.suffix == ".py"
        and "$Ansible." in (ROOT / name).read_text(encoding="utf-8")
    ]
    assert named == []


def test_the_twin_knows_every_script_of_this_collection_and_no_other() -> None:
    known = {programs.digest(script): name for name, script in scripts_of_this_collection().items()}
    assert sorted(known) == sorted(programs.SCRIPTS), known
    for digest, name in known.items():
        assert name in (inspect.getdoc(programs.SCRIPTS[digest]) or "")


def test_every_module_for_windows_that_is_named_anywhere_is_one_of_the_twin() -> None:
    named: set[str] = set()
    for name in files_of_the_project():
        if name.parts[0] in {"plugins", "roles"} and name.suffix in {".py", ".yml"}:
            text = (ROOT / name).read_text(encoding="utf-8")
            named |= {match.rstrip(".") for match in powershell.MODULE_NAME.findall(text)}
    assert named <= set(twin._MODULES), named - set(twin._MODULES)


def test_a_literal_is_read() -> None:
    text = """\
$spec = @{
    a = @{ type = 'str'; b = $true } # a comment
    c = 'x', "y"
    d = @(
        , @('p', 'q')
    )
    e = , 'z'
}
"""
    expected: t.Any = {"a": {"type": "str", "b": True}, "c": ["x", "y"], "d": [["p", "q"]], "e": ["z"]}
    assert powershell.literal(text, "spec") == expected
