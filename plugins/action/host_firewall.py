# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of host_firewall: what only the controller knows of the connection, and a second one.

On Windows it is all of it.
"""

from __future__ import annotations

import contextlib
import signal
import time
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.netwall.datadog.plugins.modules.host_firewall import ARGUMENT_SPEC
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.host_firewall import host_firewall, is_windows

# Connections that end in a server process which listens on the network of the host.
_NETWORK_TRANSPORTS = ("ssh", "paramiko_ssh", "paramiko", "libssh", "ansible.netcommon.libssh")

# How long after its time a host that nobody could confirm is asked what became of the change.
_GRACE = 30
_PAUSE = 1.0
# What a change may take, the wait for another run included. A host that was cut off and rebooted never answers.
_LONGEST_CHANGE = 180
# What an alarm clock takes; nobody waits that long.
_LONGEST_WAIT = 2**30


def _why(last_cut: str, within: int) -> str:
    """What may have kept a change from being confirmed, and what to do; *last_cut* is what a vain attempt said."""
    said = " ".join(last_cut.split()).rstrip(".")
    return (
        f"{f'The last attempt to connect that failed said: {said}. ' if said else ''}"
        "Either something in the new rules cuts this connection (see 'management' and 'management_networks'), or a new "
        f"connection takes longer than 'confirm_within: {within}', which a slow network wants higher."
    )


class ActionModule(ActionBase):
    """Runs the module on the host, and confirms over a new connection what it did."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        if is_windows(self):
            result.update(host_firewall(self, ARGUMENT_SPEC, task_vars))
            return result
        with self._answer_awaited(_LONGEST_CHANGE):
            result.update(self._module(self._task.args, task_vars))
        transaction = result.get("transaction") or {}
        if transaction.get("state") == "pending":
            result.update(self._confirm(transaction, task_vars))
        return result

    def cleanup(self, force: bool = False) -> None:
        """Clear away what is left of us on the host, if it can be reached: if not, that is what the result says."""
        with contextlib.suppress(AnsibleConnectionFailure):
            super().cleanup(force)  # type: ignore[no-untyped-call]

    def _confirm(self, transaction: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        """Ask the host over a new connection to keep the change; what that makes of the result."""
        within = transaction["confirm_within"]
        order = {"state": self._task.args.get("state", "present"), "flows": [], "confirm": transaction["id"]}
        begun = time.monotonic()
        last_cut = ""
        while time.monotonic() < begun + within + _GRACE:
            try:
                # A host that dies now leaves a connection that says nothing.
                with self._answer_awaited(_GRACE):
                    self._connection.reset()
                    answer = self._module(order, task_vars)
            except AnsibleConnectionFailure as error:
                answer = {"failed": True, "unreachable": True, "msg": str(error)}
            if not answer.get("unreachable"):
                break
            last_cut = str(answer.get("msg", ""))
            time.sleep(_PAUSE)
        if not answer.get("failed"):
            return {"transaction": {**transaction, "state": "committed"}}
        if answer.get("unreachable"):
            msg = (
                f"No new connection to the host could be opened within {within} seconds of the change, nor since. The "
                "host takes the change back by itself."
            )
        else:
            msg = answer.get("msg", "The host did not confirm the change.")
        if last_cut or time.monotonic() - begun >= within:
            msg = f"{msg} {_why(last_cut, within)}"
        nothing: dict[str, list[str]] = {"added": [], "removed": [], "unchanged": []}
        return {
            **nothing,
            "failed": True,
            "changed": False,
            "msg": msg,
            "transaction": {**transaction, "state": "taken back"},
        }

    @contextlib.contextmanager
    def _answer_awaited(self, more: int) -> t.Iterator[None]:
        """End a wait that may never end, where the host takes back what it changed; a task's own timeout goes first.

        It ends *more* seconds after the time in which the change has to be confirmed.
        """
        within = self._task.args.get("confirm_within") or 0
        if self._task.timeout or not str(within).isdecimal() or not 0 < int(within) <= _LONGEST_WAIT:
            yield
            return

        def give_up(_signal: int, _frame: object) -> t.NoReturn:
            raise AnsibleConnectionFailure(
                f"The host has not answered for {int(within) + more} seconds. What it changed meanwhile was not "
                "confirmed, so it takes it back by itself."
            )

        before = signal.signal(signal.SIGALRM, give_up)
        signal.alarm(int(within) + more)
        try:
            yield
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)

    def _module(self, arguments: t.Mapping[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        answer: dict[str, t.Any] = self._execute_module(
            "netwall.datadog.host_firewall",
            module_args={**arguments, "crosses_network": self._connection.transport in _NETWORK_TRANSPORTS},
            task_vars=task_vars,
        )
        return answer
