# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""addresses_info on a Windows host.

No module of ansible.windows or community.windows tells what a host resolves a name to, so this is a script of our own.
It asks as an Agent does, by the host's own resolver with its file of hosts, and not as nslookup, which asks a name
server alone and whose words depend on the language of the host.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.netwall.datadog.plugins.module_utils._names import ARGUMENT_SPEC, fault, plain
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows import controller

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

MODULE = "ansible.windows.win_powershell"

SCRIPT = Path(__file__).with_name("addresses_of.ps1")
"""The script; its head says what it tells."""


def addresses_info(action: ActionBase, task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
    """The result of the task of *action*, failed or not."""
    try:
        names: list[str] = controller.options(action, ARGUMENT_SPEC)["names"]
        msg = fault(names)
        if msg:
            return {"failed": True, "msg": msg}
        controller.require(action, [MODULE])
    except (controller.OptionError, controller.MissingModuleError) as error:
        return {"failed": True, "msg": str(error)}
    answer = _asked(action, names, task_vars) if names else {}
    if answer.get("unreachable"):
        return answer
    found = (answer.get("result") or {}).get("addresses") or []
    if answer.get("failed") or len(found) != len(names):
        why = str(answer.get("msg") or "its answer is not whole")
        return {"failed": True, "msg": f"The host could not be asked for the addresses of names: {why}"}
    return {"changed": False, "addresses": {name: plain(said.split()) for name, said in zip(names, found, strict=True)}}


def _asked(action: ActionBase, names: list[str], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
    """What the module answers."""
    # It runs no script in check mode; this one changes nothing.
    with controller.in_mode(action, check_mode=False), controller.without_sudo(action):
        run: t.Any = action._execute_module  # noqa: SLF001
        answer: dict[str, t.Any] = run(
            module_name=MODULE,
            module_args={
                "script": SCRIPT.read_text(encoding="utf-8"),
                "parameters": {"Names": names},
                "error_action": "stop",
            },
            task_vars=task_vars,
        )
    return answer
