# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""How a file is written on Windows, where no Python is: one script, run by ansible.windows.win_powershell.

No module does this. win_copy removes what is there before it copies, so that there is a time without a file, and the
new one has the rights that its folder hands down instead of its own; win_template ends in win_copy, and win_lineinfile
of community.windows writes lines, not bytes.

What may be secret is in ``parameters``, never in the script: PowerShell logs the text of scripts where it is told to
(event 4104). It is not in ``sensitive_parameters`` either: the module passes these through ConvertTo-SecureString,
whose input PowerShell logs where it logs what goes into cmdlets (event 4103). The module itself returns and logs its
parameters, as all do, unless it is told ``no_log``; unseen.py sees to that.
"""

from __future__ import annotations

import base64
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._file_change import Edit
    from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import AgentHost

SCRIPT = Path(__file__).with_name("put_file.ps1")
"""The script; its head says what it promises."""


class Put(t.NamedTuple):
    """What came of writing a file: why it was not done (a part of a sentence), or where its backup is; or neither."""

    problem: str
    backup: str


def put_file(
    host: AgentHost, path: str, edit: Edit, *, target: str = "", over: str | None = None, backup: bool = False
) -> Put:
    """Give the file *target* (default: *path* itself) what *edit* makes of *path*, and the rights of *path*.

    *over*: the SHA-256 of what *target* is now, empty where there must be no such file; default: *path* as it was.
    Raises :class:`AgentHostError` where the host can't be asked.
    """
    splices = [
        {"offset": offset, "length": length, "content": base64.b64encode(new).decode()}
        for offset, length, new in edit.splices
    ]
    parameters = {
        "Path": path,
        "Before": edit.before,
        "Splices": splices,
        "After": edit.after,
        "Target": target or path,
        "Over": edit.before if over is None else over,
        "Backup": backup,
    }
    # Not as `path`, which the module's own action plugin would have to read.
    script = SCRIPT.read_text(encoding="utf-8")
    arguments = {"script": script, "parameters": parameters, "error_action": "stop"}
    answer = host.run("ansible.windows.win_powershell", arguments, is_secret=True)
    told = answer.get("result") or {}
    if answer.get("failed") or not told:
        # What PowerShell says may quote what it was given.
        return Put("could not be written on the host, which may not say why.", "")
    return Put(str(told.get("problem") or ""), str(told.get("backup_file") or ""))


def change_windows_file(host: AgentHost, path: str, edit: Edit, *, backup: bool, is_check: bool) -> dict[str, t.Any]:
    """Make *edit* of the file *path*; ``target`` and ``backup_file``, or ``failed`` and ``msg``.

    Raises :class:`AgentHostError`.
    """
    if is_check:
        # The module runs nothing in check mode.
        return {"target": path}
    done = put_file(host, path, edit, backup=backup)
    if done.problem:
        return {"failed": True, "msg": f"{path} {done.problem}"}
    return {"target": path, "backup_file": done.backup}
