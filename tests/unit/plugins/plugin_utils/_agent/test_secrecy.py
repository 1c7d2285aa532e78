# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a play prints and logs, as loudly as it can, while a host is read: the real connection plugins, no secret."""

from __future__ import annotations

import base64
import shutil
import typing as t

import pytest

from ansible_collections.netwall.datadog.tests._play import play
from ansible_collections.netwall.datadog.tests._secrets import found

if t.TYPE_CHECKING:
    from pathlib import Path

KEY = "fedcba9876543210" * 2
PASSWORD = "pa$$/word" + "?&="
CONFIG = f"api_key: {KEY}\nproxy:\n  https: http://user:{PASSWORD}@proxy.example.com:3128\n# é\n"

# What stands for the SSH client: it runs on this machine what it is to run on the other, as any shell there would.
SSH = """#!/bin/sh
for last; do :; done
exec /bin/sh -c "$last"
"""

# An action plugin as small as can be, which tells no more than how much it read.
READS = """
from ansible.plugins.action import ActionBase
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import host_of


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        host = host_of(self, task_vars)
        _agent, _environments = host.agent, host.environments
        path, is_secret = self._task.args["path"], self._task.args["secret"]
        read = host.read(path)
        answer = host.run("ansible.builtin.slurp", {"src": path}, is_secret=is_secret)
        result.update(read=len(read), again=len(answer["content"]), no_log=self._play_context.no_log)
        return result
"""

WAYS: dict[str, dict[str, t.Any]] = {
    "local": {"ansible_connection": "local"},
    "local, pipelining": {"ansible_connection": "local", "ansible_pipelining": True},
    "ssh": {"ansible_connection": "ssh", "ansible_ssh_transfer_method": "piped"},
    "ssh, pipelining": {"ansible_connection": "ssh", "ansible_pipelining": True},
}


@pytest.mark.parametrize("text", [KEY, PASSWORD, "é&x" * 5])
@pytest.mark.parametrize("around", [("", ""), ("a", "b"), ("ab", ""), ("abc", "xy"), ("", "z"), ("abcd", "abc")])
def test_the_search_finds_every_form(text: str, around: tuple[str, str]) -> None:
    whole = text.join(around)
    assert found([text], whole)
    assert found([text], base64.b64encode(whole.encode()).decode())
    assert not found([text], "nothing " + base64.b64encode(b"or next to nothing").decode())


def read(folder: Path, way: str, *, is_secret: bool, **environment: str) -> str:
    """All that a play prints and logs that reads a host in this *way*."""
    (folder / "datadog.yaml").write_text(CONFIG)
    ssh = folder / "ssh"
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    (folder / "action_plugins").mkdir()
    (folder / "action_plugins/read_agent.py").write_text(READS)
    variables = {**WAYS[way], "ansible_ssh_executable": str(ssh), "ansible_python_interpreter": shutil.which("python3")}
    log = folder / "ansible.log"
    played = play(
        folder,
        [
            {"read_agent": {"path": str(folder / "datadog.yaml"), "secret": is_secret}, "register": "told"},
        ],
        values=["told"],
        group_vars=variables,
        arguments=["-vvvvvv"],
        environment={"ANSIBLE_LOG_PATH": str(log), "ANSIBLE_LOG_VERBOSITY": "7", **environment},
    )
    told = played.values["told"]
    assert (told["read"], told["no_log"]) == (len(CONFIG.encode()), False)
    return played.output + log.read_text()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("debug", ["false", "true"])
def test_nothing_that_is_read_is_printed_or_logged(tmp_path: Path, way: str, debug: str) -> None:
    said = read(tmp_path, way, is_secret=True, ANSIBLE_DEBUG=debug)
    assert found([KEY, PASSWORD], said) == []
    # What is around it is as loud as ever.
    assert ("EXEC" in said) is True


def test_without_that_it_would_be(tmp_path: Path) -> None:
    said = read(tmp_path, "ssh, pipelining", is_secret=False)
    assert any("base64" in form for form in found([KEY], said))
