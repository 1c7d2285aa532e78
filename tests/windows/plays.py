# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plays on twins of Windows hosts, as a user runs them: ansible-playbook in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml

CONNECTIONS = Path(__file__).with_name("connection_plugins")


class Played(t.NamedTuple):
    """What came of a playbook: its exit code, all that it printed, and the values of the variables asked for."""

    code: int
    output: str
    values: dict[str, t.Any]


def environment(collections: Path | None) -> dict[str, str]:
    """What a play on twins needs in its environment: *collections* (see real.py) beside ours, and the connection."""
    folders = [os.environ["NETWALL_TREE"], *([str(collections)] if collections else [])]
    return {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(folders),
        "ANSIBLE_CONNECTION_PLUGINS": str(CONNECTIONS),
        "NO_COLOR": "1",
    }


def play(
    folder: Path,
    stores: t.Mapping[str, Path],
    tasks: list[dict[str, t.Any]],
    *,
    collections: Path | None,
    values: t.Sequence[str] = (),
    arguments: t.Sequence[str] = (),
    gather_facts: bool = False,
) -> Played:
    """Run `tasks` from a playbook in `folder` on the hosts `stores`, each a twin in the file that is named for it.

    `values` are names of variables whose values on the first host are returned; a play may fail.
    """
    result = folder / "values.json"
    result.unlink(missing_ok=True)
    hosts = {
        name: {"ansible_connection": "windows_twin", "windows_twin_store": str(path)} for name, path in stores.items()
    }
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = folder / "inventory.yml"
    inventory.write_text(
        yaml.safe_dump({"twins": {"hosts": hosts}, "here": {"hosts": {"controller": here}}}), encoding="utf-8"
    )
    if values:
        content = "{{ {" + ", ".join(f"'{name}': {name} | default(none)" for name in values) + "} | to_json }}"
        copy = {"content": content, "dest": str(result), "mode": "0600"}
        tasks = [
            *tasks,
            {"ansible.builtin.copy": copy, "delegate_to": "controller", "run_once": True, "check_mode": False},
        ]
    playbook = folder / "playbook.yml"
    head = {"hosts": "twins", "gather_facts": gather_facts}
    playbook.write_text(yaml.safe_dump([{**head, "tasks": tasks}], sort_keys=False), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", str(inventory), *arguments, str(playbook)],
        cwd=folder,
        env=environment(collections),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Played(done.returncode, done.stdout, json.loads(result.read_text()) if result.exists() else {})
