# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible as a user runs it: a playbook in a folder of its own, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml

# What a playbook could take from the shell of whoever runs the tests.
_HIDDEN = {"DD_SITE", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE"}


class Played(t.NamedTuple):
    """What came of a playbook: all that it printed, and the value of each variable that was asked for."""

    output: str
    values: dict[str, t.Any]


def play(
    folder: Path,
    tasks: list[dict[str, t.Any]],
    *,
    values: t.Sequence[str] = (),
    group_vars: dict[str, t.Any] | None = None,
    arguments: t.Sequence[str] = (),
    environment: t.Mapping[str, str] | None = None,
    hosts: t.Sequence[str] = ("localhost",),
    within: t.Sequence[str] = (),
) -> Played:
    """Run `tasks` on this machine from a playbook in `folder`; give the variables named in `values` afterwards.

    `hosts` are names in the inventory: whatever they are called, all is done on this machine. `within` is a command
    that runs the command which follows it, such as one that makes a world of its own for it.

    A playbook that fails fails the test: a task that may fail has `ignore_errors`.
    """
    result = folder / "values.json"
    if values:
        content = "{{ {" + ", ".join(f"'{name}': {name}" for name in values) + "} | to_json }}"
        tasks = [*tasks, {"ansible.builtin.copy": {"content": content, "dest": str(result), "mode": "0600"}}]
    (folder / "group_vars").mkdir(exist_ok=True)
    (folder / "group_vars" / "all.yml").write_text(yaml.safe_dump(group_vars or {}))
    playbook = folder / "playbook.yml"
    head = {"hosts": "all", "connection": "local", "gather_facts": False}
    playbook.write_text(yaml.safe_dump([{**head, "tasks": tasks}], sort_keys=False, allow_unicode=True))
    done = subprocess.run(
        [
            *within,
            sys.executable,
            "-m",
            "ansible",
            "playbook",
            "-i",
            "".join(f"{host}," for host in hosts),
            *arguments,
            str(playbook),
        ],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name.upper() not in _HIDDEN},
            "NO_COLOR": "1",
            # The tests' documents have documentation addresses.
            "NETWALL_DATADOG_ALLOW_RESERVED": "true",
            "XDG_CACHE_HOME": str(folder / "cache"),
            **(environment or {}),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return Played(done.stdout, json.loads(result.read_text()) if values else {})
