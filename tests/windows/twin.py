# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The twin of a Windows host: it runs the modules for Windows that this collection calls."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import typing as t

from ansible_collections.netwall.datadog.tests.windows import (
    arguments,
    disks,
    files,
    firewall,
    programs,
    registry,
    services,
)
from ansible_collections.netwall.datadog.tests.windows.failures import HostGoneError, MisuseError, ModuleError
from ansible_collections.netwall.datadog.tests.windows.state import State, loaded, opened, windows_server

if t.TYPE_CHECKING:
    from pathlib import Path

_MODULES: t.Mapping[str, t.Callable[[State, Call], dict[str, t.Any]]] = {
    "ansible.windows.setup": programs.setup,
    "ansible.windows.slurp": files.slurp,
    "ansible.windows.win_acl": files.win_acl,
    "ansible.windows.win_command": programs.win_command,
    "ansible.windows.win_file": files.win_file,
    "ansible.windows.win_firewall": firewall.win_firewall,
    "ansible.windows.win_ping": programs.win_ping,
    "ansible.windows.win_powershell": programs.win_powershell,
    "ansible.windows.win_reg_stat": registry.win_reg_stat,
    "ansible.windows.win_regedit": registry.win_regedit,
    "ansible.windows.win_service": services.win_service,
    "ansible.windows.win_service_info": services.win_service_info,
    "ansible.windows.win_stat": files.win_stat,
    "community.windows.win_disk_facts": disks.win_disk_facts,
    "community.windows.win_firewall_rule": firewall.win_firewall_rule,
}

_HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


@dataclasses.dataclass
class Call:
    """One run of a module: the values of its parameters, which of them were ``given``, and how it is run.

    ``steps``: after how many changes of the host it loses the host; None for never.
    """

    args: dict[str, t.Any]
    given: set[str]
    check_mode: bool
    diff: bool
    steps: int | None = None

    def step(self) -> None:
        """Say that the host is to be changed by one step. Raises :class:`HostGoneError` if that is planned."""
        if self.steps is not None:
            if self.steps == 0:
                raise HostGoneError("The host went away in the middle of a module.")
            self.steps -= 1


class Twin:
    """A Windows host, kept in a file or, without one, in memory.

    A fault is planned by :meth:`plan`; ``kind`` is one of

    * ``fails``: the module answers that it failed, and has done nothing;
    * ``before``: the host goes away before the module has done anything;
    * ``after``: the module does its work, and the host goes away before it answers;
    * ``within``: the host goes away when the module has made ``steps`` changes.

    A host that went away stays away until :meth:`revive`.
    """

    def __init__(self, collections: Path, *, store: Path | None = None, state: State | None = None) -> None:
        self._collections = collections
        self._store = store
        self._state = (state or windows_server()) if store is None else None

    @property
    def state(self) -> State:
        """What the host is now; of one in a file, a copy."""
        return self._state if self._state is not None else loaded(t.cast("Path", self._store))

    @contextlib.contextmanager
    def changing(self) -> t.Iterator[State]:
        """What the host is, to be changed."""
        if self._state is not None:
            yield self._state
        else:
            with opened(t.cast("Path", self._store)) as state:
                yield state

    def plan(self, at: int, kind: str, steps: int = 0) -> None:
        """Plan a fault for the *at*-th call from now on (the next one is 1)."""
        with self.changing() as state:
            state.faults.append({"at": len(state.calls) + at, "kind": kind, "steps": steps})

    def revive(self) -> None:
        """Bring back a host that went away, and forget what else was planned."""
        with self.changing() as state:
            state.is_gone = False
            state.faults.clear()

    def run(
        self,
        module: str,
        args: t.Mapping[str, t.Any],
        *,
        check_mode: bool = False,
        diff: bool = False,
        no_log: bool = False,
        become: str = "",
    ) -> dict[str, t.Any]:
        """What *module* (its full name) answers; *become* is the way in which it becomes another user.

        Raises :class:`HostGoneError` as planned, and :class:`MisuseError` for a call that is wrong.
        """
        plain: dict[str, t.Any] = json.loads(json.dumps(dict(args)))
        with self.changing() as state:
            if state.is_gone:
                raise HostGoneError("The host does not answer.")
            shown = {"hidden": True} if no_log else {"args": plain}
            noted: dict[str, t.Any] = {"module": module, "check_mode": check_mode, "become": become, **shown}
            state.calls.append(noted)
            try:
                answer = self._answer(state, module, plain, check_mode=check_mode, diff=diff)
            except HostGoneError:
                state.is_gone = True
                noted["ended"] = "gone"
                raise
            noted["ended"] = "failed" if answer.get("failed") else "changed" if answer.get("changed") else "ok"
            return answer

    def _answer(
        self, state: State, module: str, args: dict[str, t.Any], *, check_mode: bool, diff: bool
    ) -> dict[str, t.Any]:
        none: dict[str, t.Any] = {"kind": "", "steps": 0}
        fault = next((each for each in state.faults if each["at"] == len(state.calls)), none)
        if fault["kind"] == "before":
            raise HostGoneError(f"The host went away before {module} was run.")
        if fault["kind"] == "fails":
            return {"failed": True, "changed": False, "msg": "The twin was told to fail here."}
        steps = fault["steps"] if fault["kind"] == "within" else None
        answer = self._run(state, module, args, check_mode=check_mode, diff=diff, steps=steps)
        if fault["kind"] in {"after", "within"}:
            raise HostGoneError(f"The host went away before {module} had answered.")
        return answer

    def _run(
        self, state: State, module: str, args: dict[str, t.Any], *, check_mode: bool, diff: bool, steps: int | None
    ) -> dict[str, t.Any]:
        if module not in _MODULES:
            raise MisuseError(f"the twin does not know the module {module}")
        secret = arguments.secret_arguments(module, self._collections)
        invocation = {"module_args": {name: _HIDDEN if name in secret else value for name, value in args.items()}}
        try:
            values = arguments.checked(module, args, self._collections)
            if check_mode and not arguments.supports_check_mode(module, self._collections):
                return {"changed": False, "skipped": True, "msg": "remote module does not support check mode"}
            call = Call(values, set(args), check_mode, diff, steps)
            answer = _MODULES[module](state, call)
        except ModuleError as failed:
            answer = {"changed": False, **failed.more, "failed": True, "msg": str(failed)}
        return {**answer, "invocation": invocation}
