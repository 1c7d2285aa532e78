# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All of agent_config but the last step: the file is read here, edited here, and only the edit goes to the host."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.netwall.datadog.plugins.module_utils._agent.options import CONFIG
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.configure import ConfigureError, configure
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import AgentHostError, host_of
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.options import OptionError, checked


class ActionModule(ActionBase):
    """Options in, what became of the file out, without anything secret."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        host = host_of(self, task_vars)
        task: t.Any = self._task
        try:
            options = checked("agent_config", task.args, CONFIG)
            result.update(configure(host, options, is_check=task.check_mode, is_diff=task.diff))
        except (OptionError, ConfigureError, AgentHostError) as error:
            # As a result, not raised: Ansible shows what an error was raised from.
            result.update(failed=True, msg=str(error))
        if host.facts:
            result["ansible_facts"] = host.facts
        return result
