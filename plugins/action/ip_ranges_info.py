# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All of ip_ranges_info: it reads on the controller and asks no host anything."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import IpRangesError
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.information import ARGUMENT_SPEC, inform


class ActionModule(ActionBase):
    """Options in, one document, what is known of it out."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        action: t.Any = self
        _validation, options = action.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        try:
            known, warnings = inform(options, self._loader.path_dwim)
        except IpRangesError as error:
            raise AnsibleActionFail(str(error)) from None
        result.update(changed=False, **known)
        if warnings:
            result["warnings"] = list(warnings)
        return result
