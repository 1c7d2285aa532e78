# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of agent_restart: which module does it, and on Windows the doing by ansible.windows' own."""

from __future__ import annotations

import time
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ansible_collections.netwall.datadog.plugins.module_utils._agent.options import ARGUMENT_SPEC, fault
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import AgentHostError, WindowsHost, host_of

_POLL = 1.0


class ActionModule(ActionBase):
    """Restarts the Agent of a host, and puts its settings back if it does not come up."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        host = host_of(self, task_vars)
        if not isinstance(host, WindowsHost):
            result.update(self._execute_module(task_vars=task_vars))
            return result
        checked = ArgumentSpecValidator(ARGUMENT_SPEC).validate(self._task.args)
        asked = checked.validated_parameters
        msg = checked.error_messages[0] if checked.error_messages else fault(asked)
        if msg:
            return {**result, "failed": True, "msg": msg}
        agent = _WindowsAgent(host, asked["path"], asked["service"], asked["settle"])
        try:
            if asked["state"] == "prepared":
                done = agent.prepare(asked["change"], self._task.check_mode)
            else:
                done = agent.restart_or_put_back(self._task.check_mode)
        except AgentHostError as error:
            done = {"failed": True, "msg": str(error)}
        return {**result, **done}


class _WindowsAgent:
    """The Agent of a Windows host, which has no Python: each step is a module call."""

    def __init__(self, host: WindowsHost, path: str, service: str, settle: float) -> None:
        self._host = host
        self._path = path
        self._copy = f"{path}.netwall-before"
        self._service = service
        self._settle = settle

    def prepare(self, changes: bool, is_checked: bool) -> dict[str, t.Any]:
        """Keep the copy if the file *changes*, and say whether a restart is due from before."""
        status = self._status()
        before = self._checksum(self._copy)
        is_due = bool(before) and before != self._checksum(self._path)
        if not is_checked and not is_due:
            if before:
                self._remove_copy()
            if changes:
                self._copy_file(self._path, self._copy)
        return {
            "changed": False,
            "is_running": status["state"] != "stopped",
            "is_due": is_due,
            "user": status["username"],
        }

    def restart_or_put_back(self, is_checked: bool) -> dict[str, t.Any]:
        """Restart the Agent if it runs; where it does not come up, put the file back and restart it again."""
        status = self._status()
        is_running = status["state"] != "stopped"
        result = {"changed": is_running, "is_running": is_running, "user": status["username"], "is_put_back": False}
        if is_checked:
            return result
        why = self._restart() if is_running else ""
        if not why:
            self._remove_copy()
            return result
        msg = f"The Agent did not come up with its new settings. {why}"
        says = "What it said is in the event log, and in C:\\ProgramData\\Datadog\\logs."
        if not self._checksum(self._copy):
            return {**result, "failed": True, "msg": f"{msg} {says}"}
        # What is overwritten keeps its access control list.
        self._copy_file(self._copy, self._path)
        self._remove_copy()
        again = self._restart()
        msg += f" {self._path} is as it was before, "
        msg += f"but with it the Agent did not come up either. {again}" if again else "and the Agent runs with it."
        return {**result, "failed": True, "is_put_back": True, "msg": f"{msg} {says}"}

    def _restart(self) -> str:
        """Restart the service and those that depend on it; why it did not come up, or nothing."""
        args = {"name": self._service, "state": "restarted", "force_dependent_services": True}
        answer = self._host.run("ansible.windows.win_service", args, is_secret=False)
        if answer.get("failed"):
            return f"The service could not be restarted: {_line(answer)}"
        first = self._status()
        latest = first
        deadline = time.monotonic() + self._settle
        while True:
            if latest["state"] != "started":
                return f"It is {latest['state']}."
            if latest["process_id"] != first["process_id"]:
                return f"Its main process ended and was started again within {self._settle:g} seconds."
            if time.monotonic() >= deadline:
                return ""
            time.sleep(_POLL)
            latest = self._status()

    def _status(self) -> dict[str, t.Any]:
        answer = self._done("ansible.windows.win_service_info", {"name": self._service})
        found = answer.get("services") or []
        if not found:
            raise AgentHostError(f"This host has no service {self._service}.")
        return {name: found[0].get(name) for name in ("state", "process_id", "username")}

    def _checksum(self, path: str) -> str:
        """The checksum of the file *path*; empty where there is none."""
        args = {"path": path, "get_checksum": True, "checksum_algorithm": "sha256"}
        stat = self._done("ansible.windows.win_stat", args).get("stat") or {}
        return str(stat.get("checksum") or "") if stat.get("exists") else ""

    def _copy_file(self, source: str, target: str) -> None:
        self._done(
            "ansible.windows.win_copy", {"src": source, "dest": target, "remote_src": True, "_copy_mode": "remote"}
        )

    def _remove_copy(self) -> None:
        self._done("ansible.windows.win_file", {"path": self._copy, "state": "absent"})

    def _done(self, module: str, args: dict[str, t.Any]) -> dict[str, t.Any]:
        answer = self._host.run(module, args, is_secret=False)
        if answer.get("failed"):
            raise AgentHostError(f"The module {module} failed on the host: {_line(answer)}")
        return answer


def _line(answer: t.Mapping[str, t.Any]) -> str:
    return " ".join(str(answer.get("msg") or "it did not say why.").split())
