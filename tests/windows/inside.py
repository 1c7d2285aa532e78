# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An action plugin of this collection, run on a twin in the process of the test: quicker than a play."""

from __future__ import annotations

import types
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

from ansible_collections.netwall.datadog.tests.windows.failures import HostGoneError
from ansible_collections.netwall.datadog.tests.windows.real import source_of

if t.TYPE_CHECKING:
    from pathlib import Path

    from ansible.plugins.action import ActionBase

    from ansible_collections.netwall.datadog.tests.windows.twin import Twin


class _Loader:
    """Finds modules as the loader of modules does, in *collections* alone."""

    def __init__(self, collections: Path) -> None:
        self._collections = collections

    def find_plugin(self, name: str, mod_type: str = "", **_more: t.Any) -> str | None:
        path = source_of(name, self._collections)
        return str(path) if mod_type == ".ps1" and path.is_file() else None


def act(
    plugin: type[ActionBase],
    twin: Twin,
    collections: Path,
    arguments: t.Mapping[str, t.Any],
    *,
    check_mode: bool = False,
    diff: bool = False,
    transport: str = "winrm",
    variables: t.Mapping[str, t.Any] = types.MappingProxyType({}),
) -> dict[str, t.Any]:
    """What a task with *plugin* and *arguments* results in on *twin*, over a connection of the kind *transport*.

    *collections*: where modules are found (see real.py); an empty folder is a controller without them.
    """
    task: t.Any = types.SimpleNamespace(
        action=plugin.__module__.rpartition(".")[2],
        args=dict(arguments),
        async_val=0,
        check_mode=check_mode,
        collections=None,
        delegate_to=None,
        diff=diff,
        no_log=False,
        timeout=0,
    )
    play_context: t.Any = types.SimpleNamespace(check_mode=check_mode, diff=diff, no_log=False)
    connection: t.Any = types.SimpleNamespace(
        _play_context=play_context,
        _shell=types.SimpleNamespace(SHELL_FAMILY="powershell", _IS_WINDOWS=True, tmpdir="C:\\Windows\\TEMP\\ansible"),
        get_option=lambda _name, **_more: None,
        transport=transport,
    )
    nothing: t.Any = None
    action: t.Any = plugin(task, connection, play_context, nothing, nothing, nothing)
    # Since ansible-core 2.19 it is not taken from the arguments.
    action._shared_loader_obj = types.SimpleNamespace(module_loader=_Loader(collections))

    def execute(
        module_name: str | None = None, module_args: dict[str, t.Any] | None = None, **_more: t.Any
    ) -> dict[str, t.Any]:
        try:
            return twin.run(
                module_name or task.action,
                task.args if module_args is None else module_args,
                check_mode=task.check_mode,
                diff=task.diff,
                no_log=play_context.no_log,
            )
        except HostGoneError as gone:
            raise AnsibleConnectionFailure(str(gone)) from None

    action._execute_module = execute
    action._low_level_execute_command = _refuse
    try:
        result: dict[str, t.Any] = action.run(None, dict(variables))
    except AnsibleActionFail as failed:
        return {"failed": True, "msg": str(failed)}
    except AnsibleConnectionFailure as failed:
        return {"failed": True, "unreachable": True, "msg": str(failed)}
    return result


def _refuse(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
    raise AssertionError("a twin of a Windows host runs no commands but those of its modules")
