# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of host_firewall: what only the controller knows about the connection."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

# Connections that end in a server process which listens on the network of the host.
_NETWORK_TRANSPORTS = ("ssh", "paramiko_ssh", "paramiko", "libssh", "ansible.netcommon.libssh")


class ActionModule(ActionBase):
    """Runs the module on the host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        arguments = {**self._task.args, "crosses_network": self._connection.transport in _NETWORK_TRANSPORTS}
        result.update(self._execute_module("netwall.datadog.host_firewall", module_args=arguments, task_vars=task_vars))
        return result
