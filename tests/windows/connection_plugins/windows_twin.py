# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to the twin of a Windows host, for tests.

What crosses this connection is no command: the modules that a task would run on the host are run by the twin. For that
the two doors of an action plugin to its host, ActionBase._execute_module and _low_level_execute_command, are taken over
for tasks on this connection, and for no others. This is done as soon as the plugin is loaded, and an executor of tasks
loads a task's connection before its action plugin: in ansible-core 2.17 (TaskExecutor._execute) as in 2.21. A module
of the name sitecustomize would have to be the only one of its name and would be met by every Python that a play starts;
a callback or a strategy plugin would not be there in the workers of a later ansible-core that does not fork them.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase

from ansible_collections.netwall.datadog.tests.windows.failures import HostGoneError, MisuseError
from ansible_collections.netwall.datadog.tests.windows.twin import Twin

DOCUMENTATION = """
name: windows_twin
short_description: The twin of a Windows host
description:
  - Runs modules on the twin of a Windows host that is kept in a file.
author:
  - the netwall.datadog authors
options:
  store:
    description: The file with the state of the twin.
    type: path
    required: true
    vars:
      - name: windows_twin_store
"""

_TAKEN = "_taken_for_windows_twins"
# What action plugins and ansible-core itself call so, and what a connection to Windows makes of it.
_RENAMED = {
    **{
        f"{by}{name}": f"ansible.windows.win_{name}"
        for by in ("", "ansible.legacy.", "ansible.builtin.")
        for name in ("copy", "file", "ping", "stat")
    },
    **{
        f"{by}{name}": f"ansible.windows.{name}"
        for by in ("", "ansible.legacy.", "ansible.builtin.")
        for name in ("setup", "slurp")
    },
}


class Connection(ConnectionBase):
    """Nothing crosses it; the twin is asked instead."""

    transport = "windows_twin"
    module_implementation_preferences = (".ps1", ".exe", "")
    allow_executable = False
    has_pipelining = True
    is_windows_twin = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        self.always_pipeline_modules = True
        self._shell_type = "powershell"
        super().__init__(*args, **kwargs)

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def close(self) -> None:
        self._connected = False

    def reset(self) -> None:
        """Come back to the host, which has to be there; one that was not made yet has nothing to come back from."""
        this: t.Any = self
        store = Path(this.get_option("store"))
        if store.exists() and Twin(Path(), store=store).state.is_gone:
            raise AnsibleConnectionFailure("The host does not answer.")

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> t.NoReturn:  # noqa: ARG002
        raise AnsibleError("A twin of a Windows host runs no commands but those of its modules.")

    def put_file(self, in_path: str, out_path: str) -> t.NoReturn:
        raise AnsibleError(f"A twin of a Windows host takes no files: {in_path} was to become {out_path}.")

    def fetch_file(self, in_path: str, out_path: str) -> t.NoReturn:
        raise AnsibleError(f"A twin of a Windows host gives no files: {in_path} was to become {out_path}.")


def _take_over() -> None:
    """Lead the tasks of this connection to their twin; only once in a process."""
    if hasattr(ActionBase, _TAKEN):
        return
    base: t.Any = ActionBase
    execute, command = base._execute_module, base._low_level_execute_command

    def execute_module(
        self: t.Any,
        module_name: str | None = None,
        module_args: dict[str, t.Any] | None = None,
        *rest: t.Any,
        **more: t.Any,
    ) -> dict[str, t.Any]:
        if not getattr(self._connection, "is_windows_twin", False):
            return t.cast("dict[str, t.Any]", execute(self, module_name, module_args, *rest, **more))
        if more.get("wrap_async") or self._task.async_val:
            raise AnsibleError("A twin of a Windows host runs nothing in the background.")
        args = dict(self._task.args if module_args is None else module_args)
        return _run(self, module_name or self._task.action, args, more.get("task_vars") or {})

    def low_level_execute_command(self: t.Any, cmd: str, *rest: t.Any, **more: t.Any) -> dict[str, t.Any]:
        if not getattr(self._connection, "is_windows_twin", False):
            return t.cast("dict[str, t.Any]", command(self, cmd, *rest, **more))
        raise AnsibleError("A twin of a Windows host runs no commands but those of its modules.")

    base._execute_module = execute_module
    base._low_level_execute_command = low_level_execute_command
    setattr(ActionBase, _TAKEN, True)


def _run(action: t.Any, name: str, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
    """What the module *name* answers on the twin of *action*'s task."""
    become = action._connection.become
    if become is not None and become.name != "runas":
        # What ansible-core says since 2.19 (module_manifest.py of its executor); earlier releases run something else.
        raise AnsibleError(
            f"Become plugin {become.name} is not supported by the Windows exec wrapper. Make sure to set the become "
            "method to runas."
        )
    module = _RENAMED.get(name, name)
    # The module has to be installed, as it has to be for a real host.
    found = action._shared_loader_obj.module_loader.find_plugin_with_context(
        module, ".ps1", collection_list=action._task.collections
    )
    if not found.resolved or not found.plugin_resolved_path:
        raise AnsibleError(f"The module {module} was not found in configured module paths")
    # …/ansible_collections/NAMESPACE/NAME/plugins/modules/FILE
    path = Path(found.plugin_resolved_path)
    twin = Twin(path.parents[5], store=Path(action._connection.get_option("store")))
    # In what mode a module runs is told by this release of ansible-core, as it tells it to a real host.
    action._update_module_args(module, args, task_vars)
    told = {option: args.get(f"_ansible_{option}", False) for option in ("check_mode", "diff", "no_log")}
    plain = {option: value for option, value in args.items() if not option.startswith("_ansible_")}
    try:
        return twin.run(".".join((*path.parts[-5:-3], path.stem)), plain, become=become.name if become else "", **told)
    except HostGoneError as gone:
        raise AnsibleConnectionFailure(str(gone)) from None
    except MisuseError as misused:
        raise AnsibleError(f"The twin of a Windows host refuses this: {misused}.") from None


_take_over()
