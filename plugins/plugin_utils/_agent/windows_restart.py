# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The service of an Agent and the copy of its file on Windows, where no Python is: each step is a module call."""

from __future__ import annotations

import ntpath
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._agent.former import (
    COPY_NAME,
    NOTE_NAME,
    FormerError,
)
from ansible_collections.netwall.datadog.plugins.module_utils._agent.service import ServiceError, Status
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import AgentHostError

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import WindowsHost

# What is noted is no secret: a SHA-256 per line.
_NOTE = r"""
param([string]$Path, [string]$Checksum)
[IO.File]::AppendAllText($Path, "$Checksum`n")
"""


class WindowsService:
    """A Windows service. Every method raises :class:`ServiceError`."""

    # Each look is a way to the host and back.
    poll = 1.0

    def __init__(self, host: WindowsHost, name: str) -> None:
        self._host = host
        self._name = name

    @property
    def log(self) -> str:
        """Where a person reads what the service said."""
        return f"the event log, and {ntpath.join(ntpath.dirname(self._host.usual_config), 'logs')}"

    def status(self) -> Status:
        """How the service is now."""
        answer = _done(self._host, "ansible.windows.win_service_info", {"name": self._name}, ServiceError)
        found = answer.get("services") or []
        if not found:
            raise ServiceError(f"This host has no service {self._name}.")
        state = str(found[0].get("state"))
        return Status(
            is_up=state == "started",
            is_stopped=state == "stopped",
            process=int(found[0].get("process_id") or 0),
            words=state,
            user=found[0].get("username"),
        )

    def restart(self) -> None:
        """Restart the service and those that depend on it."""
        args = {"name": self._name, "state": "restarted", "force_dependent_services": True}
        _done(self._host, "ansible.windows.win_service", args, ServiceError)


class WindowsFormer:
    """The copy of a file in the same folder. Every method raises :class:`FormerError`."""

    def __init__(self, host: WindowsHost, path: str) -> None:
        self._host = host
        self.path = path
        folder, name = ntpath.split(path)
        self.copy = ntpath.join(folder, COPY_NAME.format(name))
        self._note = ntpath.join(folder, NOTE_NAME.format(name))

    def exists(self) -> bool:
        """Whether there is a copy."""
        return bool(self._checksum(self.copy))

    def is_needed(self) -> bool:
        """Whether there is a copy, and the file is another one by now."""
        before = self._checksum(self.copy)
        return bool(before) and before != self._checksum(self.path)

    def is_expected(self) -> bool:
        """Whether the file is what was noted with the copy."""
        try:
            note = self._host.read(self._note) or b""
        except AgentHostError as error:
            raise FormerError(str(error)) from None
        return self._checksum(self.path).encode() in note.split()

    def keep(self) -> None:
        """Make the copy."""
        self._copy_file(self.path, self.copy)

    def expect(self, checksum: str) -> None:
        """Note what the file is about to become, beside what was noted since the copy was made."""
        parameters = {"Path": self._note, "Checksum": checksum}
        self._did("ansible.windows.win_powershell", {"script": _NOTE, "parameters": parameters})

    def take(self) -> None:
        """Put the copy in the file's place; what is overwritten keeps its access control list."""
        self._copy_file(self.copy, self.path)
        self.forget()

    def forget(self) -> None:
        """Remove the copy and the note."""
        for path in (self.copy, self._note):
            self._did("ansible.windows.win_file", {"path": path, "state": "absent"})

    def _checksum(self, path: str) -> str:
        """The SHA-256 of the file *path*; empty where there is none."""
        args = {"path": path, "get_checksum": True, "checksum_algorithm": "sha256"}
        stat = self._did("ansible.windows.win_stat", args).get("stat") or {}
        return str(stat.get("checksum") or "").lower() if stat.get("exists") else ""

    def _copy_file(self, source: str, target: str) -> None:
        args = {"src": source, "dest": target, "remote_src": True, "_copy_mode": "remote"}
        self._did("ansible.windows.win_copy", args)

    def _did(self, module: str, args: dict[str, t.Any]) -> dict[str, t.Any]:
        return _done(self._host, module, args, FormerError)


def _done(host: WindowsHost, module: str, args: dict[str, t.Any], failure: type[Exception]) -> dict[str, t.Any]:
    """What *module* answers; raises *failure* where it fails."""
    try:
        answer = host.run(module, args, is_secret=False)
    except AgentHostError as error:
        raise failure(str(error)) from None
    if answer.get("failed"):
        why = " ".join(str(answer.get("msg") or "it did not say why.").split())
        raise failure(f"The module {module} failed on the host: {why}")
    return answer
