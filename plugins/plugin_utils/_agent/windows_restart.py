# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The service of an Agent and the copy of its file on Windows, where no Python is: each step is a module call."""

from __future__ import annotations

import ntpath
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._agent.former import BEGUN, COPY_NAME, FormerError
from ansible_collections.netwall.datadog.plugins.module_utils._agent.service import ServiceError, Status
from ansible_collections.netwall.datadog.plugins.module_utils._file_change import Edit
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import AgentHostError
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.windows_file import put_file

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import WindowsHost

NOTES = r"HKLM:\SOFTWARE\netwall.datadog.agent"
"""Where it is noted what a file is about to become: a value by its path, a list of SHA-256 (and BEGUN).

A file of its own beside the copy, as on other hosts, would take a script to write. The key is not one below that of
host_firewall, which goes as a whole.
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
    """The copy of a file in the same folder, guarded like the file. Every method raises :class:`FormerError`."""

    def __init__(self, host: WindowsHost, path: str) -> None:
        self._host = host
        self.path = path
        folder, name = ntpath.split(path)
        self.copy = ntpath.join(folder, COPY_NAME.format(name))
        # Whether there is a copy, once that is known: each look is a way to the host and back.
        self._is_there: bool | None = None

    def exists(self) -> bool:
        """Whether there is a copy."""
        return bool(self._former())

    def is_needed(self) -> bool:
        """Whether there is a copy, and the file is another one by now."""
        before = self._former()
        return bool(before) and before != self._checksum(self.path)

    def is_expected(self) -> bool:
        """Whether the file is what was noted with the copy."""
        return self._checksum(self.path) in self._noted()

    def keep(self) -> None:
        """Make the copy."""
        content = self._checksum(self.path)
        self._put(self.path, content, self.copy, over="")
        self._is_there = True

    def expect(self, checksum: str) -> None:
        """Note what the file is about to become, beside what was noted since the copy was made."""
        self._note_all([*(self._noted() if self._is_there is not False else ()), checksum])

    def begin(self) -> None:
        """Note that a restart with the file begins."""
        noted = self._noted()
        if noted and BEGUN not in noted:
            self._note_all([*noted, BEGUN])

    def is_begun(self) -> bool:
        """Whether that was noted."""
        return self._is_there is not False and BEGUN in self._noted() and self.exists()

    def take(self) -> None:
        """Put the copy in the file's place, whose access control list stays, unless that is not as it was noted."""
        over = self._checksum(self.path)
        if over not in self._noted():
            raise FormerError(
                f"{self.path} was changed by somebody else meanwhile; what it was before is in {self.copy}."
            )
        self._put(self.copy, self._former(), self.path, over=over)
        self.forget()

    def forget(self) -> None:
        """Remove the copy and the note."""
        # A note alone means nothing, and the next one takes its place.
        if self._is_there is False:
            return
        self._did("ansible.windows.win_file", {"path": self.copy, "state": "absent"})
        self._did("ansible.windows.win_regedit", {"path": NOTES, "name": self._note, "state": "absent"})
        self._is_there = False

    @property
    def _note(self) -> str:
        """The name of the value: Windows does not tell capitals from small letters in paths."""
        return self.path.lower()

    def _note_all(self, data: list[str]) -> None:
        """Note *data* in the place of what was noted."""
        value = {"path": NOTES, "name": self._note, "type": "multistring", "data": data}
        self._did("ansible.windows.win_regedit", value)

    def _noted(self) -> list[str]:
        """What was noted."""
        answer = self._did("ansible.windows.win_reg_stat", {"path": NOTES, "name": self._note})
        value = answer.get("value")
        return [str(each) for each in value] if answer.get("exists") and isinstance(value, list) else []

    def _former(self) -> str:
        """The SHA-256 of the copy; empty where there is none."""
        checksum = self._checksum(self.copy)
        self._is_there = bool(checksum)
        return checksum

    def _checksum(self, path: str) -> str:
        """The SHA-256 of the file *path*; empty where there is none."""
        args = {"path": path, "get_checksum": True, "checksum_algorithm": "sha256"}
        stat = self._did("ansible.windows.win_stat", args).get("stat") or {}
        return str(stat.get("checksum") or "").lower() if stat.get("exists") else ""

    def _put(self, path: str, checksum: str, target: str, *, over: str) -> None:
        """Give *target* what is in *path*, which is what *checksum* says."""
        try:
            done = put_file(self._host, path, Edit(checksum, checksum, ()), target=target, over=over)
        except AgentHostError as error:
            raise FormerError(str(error)) from None
        if done.problem:
            raise FormerError(f"{target} {done.problem}")

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
