# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of addresses_info: it runs the module on the host; on Windows it is all of it."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.controller import is_windows
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.names import addresses_info


class ActionModule(ActionBase):
    """Names in, what the host resolves them to out."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        if is_windows(self):
            result.update(addresses_info(self, task_vars))
        else:
            result.update(self._execute_module(task_vars=task_vars))
        return result
