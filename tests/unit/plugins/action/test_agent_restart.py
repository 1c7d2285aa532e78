# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Agent of a Windows host, driven through modules of ansible.windows; and the documentation of the module."""

from __future__ import annotations

import hashlib
import json
import os
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._agent.former import FormerError
from ansible_collections.netwall.datadog.plugins.module_utils._agent.options import RESTART
from ansible_collections.netwall.datadog.plugins.module_utils._agent.restart import prepare, restart_or_put_back
from ansible_collections.netwall.datadog.plugins.module_utils._agent.service import ServiceError
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.windows_restart import (
    WindowsFormer,
    WindowsService,
)
from ansible_collections.netwall.datadog.tests._tool import ROOT, run

FILE = r"C:\ProgramData\Datadog\datadog.yaml"
COPY, NOTE = (rf"C:\ProgramData\Datadog\.datadog.yaml.netwall-{name}" for name in ("before", "sha256"))
OLD, NEW, BAD = "old", "new", "bad"


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


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
        if self.restarts and self.files.get(FILE) == BAD and self.asked_since > 1:
            self.state = "stopped"
        user = r".\ddagentuser"
        return {"services": [{"state": self.state, "process_id": self.process, "username": user}]}

    def win_service(self, args: dict[str, t.Any]) -> None:
        assert (args["state"], args["force_dependent_services"]) == ("restarted", True)
        self.restarts.append(self.files[FILE])
        self.state, self.process, self.asked_since = "started", self.process + 1, 0

    def win_stat(self, args: dict[str, t.Any]) -> dict[str, t.Any]:
        content = self.files.get(args["path"])
        if content is None:
            return {"stat": {"exists": False}}
        assert args["checksum_algorithm"] == "sha256"
        return {"stat": {"exists": True, "checksum": digest(content)}}

    def win_powershell(self, args: dict[str, t.Any]) -> None:
        path, checksum = args["parameters"]["Path"], args["parameters"]["Checksum"]
        self.files[path] = self.files.get(path, "") + f"{checksum}\n"

    def read(self, path: str) -> bytes | None:
        return self.files[path].encode() if path in self.files else None

    def win_copy(self, args: dict[str, t.Any]) -> dict[str, t.Any]:
        if args["src"] not in self.files:
            return {"failed": True, "msg": "no such file"}
        self.files[args["dest"]] = self.files[args["src"]]
        return {}

    def win_file(self, args: dict[str, t.Any]) -> None:
        assert args["state"] == "absent"
        self.files.pop(args["path"], None)

    usual_config = FILE

    def prepare(
        self, checksum: str | None, is_checked: bool = False, service: str = "datadogagent"
    ) -> dict[str, t.Any]:
        return prepare(*self.parts(service), checksum, is_checked)

    def restart_or_put_back(self, is_checked: bool = False, settle: float = 0.0) -> dict[str, t.Any]:
        return restart_or_put_back(*self.parts("datadogagent"), settle, is_checked)

    def parts(self, service: str) -> tuple[WindowsFormer, WindowsService]:
        host = t.cast("t.Any", self)
        return WindowsFormer(host, FILE), WindowsService(host, service)

    def changed(self, content: str) -> None:
        """As after a run that changed the file and was cut off."""
        self.prepare(digest(content))
        self.files[FILE] = content


@pytest.mark.parametrize(
    ("checksum", "is_checked", "files"),
    [(digest(NEW), False, {FILE, COPY, NOTE}), (None, False, {FILE}), (digest(NEW), True, {FILE})],
)
def test_a_copy_is_kept_before_a_change(checksum: str | None, is_checked: bool, files: set[str]) -> None:
    host = Windows()
    result = host.prepare(checksum, is_checked)
    assert result == {"changed": False, "is_running": True, "is_due": False, "user": r".\ddagentuser"}
    assert set(host.files) == files


def test_a_restart_that_did_not_come_is_due() -> None:
    host = Windows()
    host.changed(NEW)
    assert host.prepare(None)["is_due"]
    assert host.files[COPY] == OLD


def test_a_copy_of_what_is_still_so_is_cleared_away() -> None:
    host = Windows()
    host.changed(OLD)
    assert not host.prepare(None)["is_due"]
    assert set(host.files) == {FILE}


def test_an_agent_that_comes_up_has_no_way_back() -> None:
    host = Windows()
    host.changed(NEW)
    result = host.restart_or_put_back()
    assert (result["changed"], result["is_put_back"]) == (True, False)
    assert (host.files, host.restarts) == ({FILE: NEW}, [NEW])


def test_an_agent_that_dies_gets_its_settings_back() -> None:
    host = Windows()
    host.changed(BAD)
    result = host.restart_or_put_back(settle=0.5)
    assert (result["failed"], result["is_put_back"]) == (True, True)
    assert f"It is stopped. {FILE} is as it was before, and the Agent runs with it." in result["msg"]
    assert result["msg"].endswith(r"What it said: the event log, and C:\ProgramData\Datadog\logs.")
    assert (host.files, host.restarts, host.state) == ({FILE: OLD}, [BAD, OLD], "started")


def test_what_somebody_else_has_changed_is_not_thrown_away() -> None:
    host = Windows()
    host.changed(NEW)
    host.files[FILE] = BAD
    result = host.restart_or_put_back(settle=0.5)
    assert (result["failed"], result["is_put_back"], host.restarts) == (True, False, [BAD])
    assert (host.files[FILE], host.files[COPY]) == (BAD, OLD)
    assert COPY in result["msg"]


def test_an_agent_that_was_stopped_stays_so() -> None:
    host = Windows("stopped")
    host.changed(NEW)
    assert not host.restart_or_put_back()["changed"]
    assert (host.files, host.restarts) == ({FILE: NEW}, [])


def test_nothing_is_restarted_in_check_mode() -> None:
    host = Windows()
    assert host.restart_or_put_back(True)["changed"]
    assert host.restarts == []


def test_a_service_that_is_not_there_is_told() -> None:
    with pytest.raises(ServiceError, match="This host has no service other"):
        Windows().prepare(digest(NEW), service="other")


def test_a_module_that_fails_is_told() -> None:
    host = Windows()
    host.files.clear()
    with pytest.raises(FormerError, match=r"The module ansible\.windows\.win_copy failed on the host: no such file"):
        host.prepare(digest(NEW))


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
    assert documented == RESTART
