# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What an action plugin has to see to on the controller before it has modules of other collections run on Windows."""

from __future__ import annotations

import contextlib
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

# The one way to become somebody else that there is on Windows, by its plugin.
_RUNAS = "runas"


class MissingModuleError(Exception):
    """A module is not installed on the controller; the text is a sentence for the user."""


class OptionError(Exception):
    """An option of a task is wrong; the text says how, for the user."""


def is_windows(action: ActionBase) -> bool:
    """Whether the host of *action* is a Windows host, told by the shell that its connection speaks to."""
    shell: t.Any = action._connection._shell  # noqa: SLF001
    # As ansible-core itself tells.
    return bool(getattr(shell, "_IS_WINDOWS", False))


def options(
    action: ActionBase, argument_spec: t.Mapping[str, t.Any], required_if: t.Sequence[t.Any] = ()
) -> dict[str, t.Any]:
    """The options of the task of *action*, checked as a module on another platform checks its own.

    Raises :class:`OptionError`.
    """
    task: t.Any = action._task  # noqa: SLF001
    checked = ArgumentSpecValidator(argument_spec, required_if=list(required_if)).validate(dict(task.args))
    wrong = [
        # Of what it does not know the validator tells the names alone.
        f"Unsupported parameters for ({task.action}) module: {error.msg}"
        if isinstance(error, UnsupportedError)
        else error.msg
        for error in checked.errors
    ]
    if wrong:
        raise OptionError(" ".join(f"{message.rstrip('.')}." for message in wrong))
    return dict(checked.validated_parameters)


@contextlib.contextmanager
def in_mode(action: ActionBase, **mode: bool) -> t.Iterator[None]:
    """Meanwhile modules run in this *mode* (``check_mode``, ``diff``), whatever that of the task of *action* is."""
    task: t.Any = action._task  # noqa: SLF001
    with contextlib.ExitStack() as restoring:
        for name, value in mode.items():
            restoring.callback(setattr, task, name, getattr(task, name))
            setattr(task, name, value)
        yield


def require(action: ActionBase, modules: t.Iterable[str]) -> None:
    """Raise :class:`MissingModuleError` where one of *modules*, by their full names, is missing on the controller."""
    loader = action._shared_loader_obj.module_loader  # noqa: SLF001
    missing = [name for name in modules if not loader.find_plugin(name, mod_type=".ps1")]
    if missing:
        collections = " ".join(sorted({name.rpartition(".")[0] for name in missing}))
        raise MissingModuleError(
            f"Windows hosts are managed by modules of other collections, and on the controller there is no "
            f"{' and no '.join(missing)}: install what is missing (ansible-galaxy collection install {collections})."
        )


@contextlib.contextmanager
def without_sudo(action: ActionBase) -> t.Iterator[None]:
    """Meanwhile the tasks of *action* do not become root on Windows, which has no root.

    A play for all hosts says ``become: true`` once, and sudo is what that means unless somebody says otherwise; Windows
    knows runas alone, and ansible-core 2.19 refuses anything else. Whoever Ansible connects as is an administrator.
    """
    connection: t.Any = action._connection  # noqa: SLF001
    become = getattr(connection, "become", None)
    if become is None or str(getattr(become, "name", "")).rpartition(".")[2] == _RUNAS:
        yield
        return
    connection.become = None
    try:
        yield
    finally:
        connection.become = become
