# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a play prints and logs, as loudly as it can, while a host is read: the real connection plugins, no secret."""

from __future__ import annotations

import base64
import typing as t

import pytest

from ansible_collections.netwall.datadog.tests._loud import WAYS, Way, loud_play
from ansible_collections.netwall.datadog.tests._secrets import found

if t.TYPE_CHECKING:
    from pathlib import Path

KEY = "fedcba9876543210" * 2
PASSWORD = "pa$$/word" + "?&="
CONFIG = f"api_key: {KEY}\nproxy:\n  https: http://user:{PASSWORD}@proxy.example.com:3128\n# é\n"

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


@pytest.mark.parametrize("text", [KEY, PASSWORD, "é&x" * 5])
@pytest.mark.parametrize("around", [("", ""), ("a", "b"), ("ab", ""), ("abc", "xy"), ("", "z"), ("abcd", "abc")])
def test_the_search_finds_every_form(text: str, around: tuple[str, str]) -> None:
    whole = text.join(around)
    assert found([text], whole)
    assert found([text], base64.b64encode(whole.encode()).decode())
    assert not found([text], "nothing " + base64.b64encode(b"or next to nothing").decode())


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_nothing_that_is_read_is_printed_or_logged(tmp_path: Path, way: Way) -> None:
    path = tmp_path / "datadog.yaml"
    path.write_text(CONFIG)
    (tmp_path / "action_plugins").mkdir()
    (tmp_path / "action_plugins/read_agent.py").write_text(READS)
    tasks = [
        {"name": name, "read_agent": {"path": str(path), "secret": name == "unseen"}, "register": name}
        for name in ("unseen", "shown")
    ]
    played, said = loud_play(tmp_path, way, tasks, values=["unseen", "shown"])
    for told in played.values.values():
        assert (told["read"], told["no_log"]) == (len(CONFIG.encode()), False)
    assert found([KEY, PASSWORD], said["unseen"]) == []
    # Without that care all is seen, and after it Ansible is as loud as ever.
    assert found([KEY, PASSWORD], said["shown"]) == ["secret 0", "secret 1"]
