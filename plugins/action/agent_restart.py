# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of agent_restart: on Windows, where the module can't run, all of it."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.netwall.datadog.plugins.module_utils._agent.former import FormerError
from ansible_collections.netwall.datadog.plugins.module_utils._agent.options import RESTART, fault
from ansible_collections.netwall.datadog.plugins.module_utils._agent.restart import prepare, restart_or_put_back
from ansible_collections.netwall.datadog.plugins.module_utils._agent.service import ServiceError
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import AgentHostError, WindowsHost, host_of
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.options import OptionError, checked
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.windows_restart import (
    WindowsFormer,
    WindowsService,
)


class ActionModule(ActionBase):
    """Restarts the Agent of a host, and puts its settings back if it does not come up."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        task: t.Any = self._task
        try:
            asked = checked("agent_restart", task.args, RESTART)
        except OptionError as error:
            return {**result, "failed": True, "msg": str(error)}
        msg = fault(asked)
        if msg:
            return {**result, "failed": True, "msg": msg}
        host = host_of(self, task_vars)
        if not isinstance(host, WindowsHost):
            result.update(self._execute_module(task_vars=task_vars))
            return result
        former, service = WindowsFormer(host, asked["path"]), WindowsService(host, asked["service"])
        try:
            if asked["state"] == "prepared":
                done = prepare(former, service, asked["checksum"], task.check_mode)
            else:
                done = restart_or_put_back(former, service, asked["settle"], task.check_mode)
        except (AgentHostError, FormerError, ServiceError) as error:
            done = {"failed": True, "msg": str(error)}
        return {**result, **done}
