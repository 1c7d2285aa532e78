# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Agent of a Windows host, driven through modules of ansible.windows; and the documentation of the module."""

from __future__ import annotations

import json
import os
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.action.agent_restart import _WindowsAgent
from ansible_collections.netwall.datadog.plugins.module_utils._agent.options import ARGUMENT_SPEC
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import AgentHostError
from ansible_collections.netwall.datadog.tests._tool import ROOT, run

FILE = r"C:\ProgramData\Datadog\datadog.yaml"
COPY = FILE + ".netwall-before"
OLD, NEW, BAD = "old", "new", "bad"


class Windows:
    """A host: files with their content, and a service that dies in a second with bad settings."""

    def __init__(self, state: str = "started") -> None:
        self.files = {FILE: OLD}
        self.state = state
        self.process = 100
        self.restarts: list[str] = []
        self.asked_since = 0

    def run(self, module: str, args: dict[str, t.Any], *, is_secret: bool) -> dict[str, t.Any]:
        assert not is_secret
        return getattr(self, module.rpartition(".")[2])(args) or {}

    def win_service_info(self, args: dict[str, t.Any]) -> dict[str, t.Any]:
        if args["name"] != "datadogagent":
            return {"exists": False, "services": []}
        self.asked_since += 1
        if self.state == "started" and self.files.get(FILE) == BAD and self.asked_since > 1:
            self.state = "stopped"
        user = r".\ddagentuser"
        return {"services": [{"state": self.state, "process_id": self.process, "username": user}]}

    def win_service(self, args: dict[str, t.Any]) -> None:
        assert (args["state"], args["force_dependent_services"]) == ("restarted", True)
        self.restarts.append(self.files[FILE])
        self.state, self.process, self.asked_since = "started", self.process + 1, 0

    def win_stat(self, args: dict[str, t.Any]) -> dict[str, t.Any]:
        content = self.files.get(args["path"])
        return {"stat": {"exists": False} if content is None else {"exists": True, "checksum": f"sum of {content}"}}

    def win_copy(self, args: dict[str, t.Any]) -> dict[str, t.Any]:
        if args["src"] not in self.files:
            return {"failed": True, "msg": "no such file"}
        self.files[args["dest"]] = self.files[args["src"]]
        return {}

    def win_file(self, args: dict[str, t.Any]) -> None:
        del self.files[args["path"]]

    def agent(self, service: str = "datadogagent", settle: float = 0.0) -> _WindowsAgent:
        return _WindowsAgent(t.cast("t.Any", self), FILE, service, settle)


@pytest.mark.parametrize(
    ("changes", "is_checked", "files"),
    [(True, False, {FILE, COPY}), (False, False, {FILE}), (True, True, {FILE})],
)
def test_a_copy_is_kept_before_a_change(changes: bool, is_checked: bool, files: set[str]) -> None:
    host = Windows()
    result = host.agent().prepare(changes, is_checked)
    assert result == {"changed": False, "is_running": True, "is_due": False, "user": r".\ddagentuser"}
    assert set(host.files) == files


def test_a_restart_that_did_not_come_is_due() -> None:
    host = Windows()
    host.files.update({COPY: OLD, FILE: NEW})
    assert host.agent().prepare(False, False)["is_due"]
    assert host.files[COPY] == OLD


def test_a_copy_of_what_is_still_so_is_cleared_away() -> None:
    host = Windows()
    host.files[COPY] = OLD
    assert not host.agent().prepare(False, False)["is_due"]
    assert set(host.files) == {FILE}


def test_an_agent_that_comes_up_has_no_way_back() -> None:
    host = Windows()
    host.files.update({COPY: OLD, FILE: NEW})
    result = host.agent().restart_or_put_back(False)
    assert (result["changed"], result["is_put_back"]) == (True, False)
    assert (host.files, host.restarts) == ({FILE: NEW}, [NEW])


def test_an_agent_that_dies_gets_its_settings_back() -> None:
    host = Windows()
    host.files.update({COPY: OLD, FILE: BAD})
    result = host.agent(settle=0.5).restart_or_put_back(False)
    assert (result["failed"], result["is_put_back"]) == (True, True)
    assert f"It is stopped. {FILE} is as it was before, and the Agent runs with it." in result["msg"]
    assert (host.files, host.restarts, host.state) == ({FILE: OLD}, [BAD, OLD], "started")


def test_an_agent_that_was_stopped_stays_so() -> None:
    host = Windows("stopped")
    host.files.update({COPY: OLD, FILE: NEW})
    assert not host.agent().restart_or_put_back(False)["changed"]
    assert (host.files, host.restarts) == ({FILE: NEW}, [])


def test_nothing_is_restarted_in_check_mode() -> None:
    host = Windows()
    assert host.agent().restart_or_put_back(True)["changed"]
    assert host.restarts == []


def test_a_service_that_is_not_there_is_told() -> None:
    with pytest.raises(AgentHostError, match="This host has no service other"):
        Windows().agent("other").prepare(True, False)


def test_a_module_that_fails_is_told() -> None:
    host = Windows()
    host.files.clear()
    with pytest.raises(AgentHostError, match=r"The module ansible\.windows\.win_copy failed on the host: no such file"):
        host.agent().prepare(True, False)


def test_the_documentation_has_every_option_as_it_is() -> None:
    shown = run(
        "ansible-doc",
        "--json",
        "--type=module",
        "netwall.datadog.agent_restart",
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "tests/ansible.cfg")},
    )
    options = json.loads(shown)["netwall.datadog.agent_restart"]["doc"]["options"]
    documented = {
        name: {key: option[key] for key in ("type", "choices", "default", "required") if option.get(key)}
        for name, option in options.items()
    }
    assert documented == ARGUMENT_SPEC
