# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All of agent_info: it reads files of the host and makes sense of them here, so that no secret leaves this plugin."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.netwall.datadog.plugins.module_utils._agent.options import INFO
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.document import AgentFileError
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import AgentHostError, host_of
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.information import inform
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.options import OptionError, checked
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.values import SettingError


class ActionModule(ActionBase):
    """A path in, what the Agent there is and does out."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        task: t.Any = self._task
        host = host_of(self, task_vars)
        try:
            known = inform(host, checked("agent_info", task.args, INFO)["path"])
        except (OptionError, AgentHostError, AgentFileError, SettingError) as error:
            raise AnsibleActionFail(str(error)) from None
        result.update(changed=False, **known)
        if host.facts:
            result["ansible_facts"] = host.facts
        return result
