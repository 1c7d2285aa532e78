# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The last step of agent_config on Windows, where no Python is: one script, run by ansible.windows.win_powershell."""

from __future__ import annotations

import base64
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._file_change import Edit
    from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import AgentHost

# Replace() puts one file in another one's place at once, and keeps the other one's ACL, owner and attributes.
_SCRIPT = r"""
param([string]$Path, [string]$Before, [string]$After, [object[]]$Splices, [bool]$Backup)
$ErrorActionPreference = 'Stop'
function Get-Hash([byte[]]$Bytes) {
    $algorithm = [Security.Cryptography.SHA256]::Create()
    -join ($algorithm.ComputeHash($Bytes) | ForEach-Object { $_.ToString('x2') })
}
$item = Get-Item -LiteralPath $Path -Force
$target = if ($item.LinkType -eq 'SymbolicLink') { @($item.Target)[0] } else { $item.FullName }
$target = [IO.Path]::GetFullPath([IO.Path]::Combine([IO.Path]::GetDirectoryName($item.FullName), $target))
$old = [IO.File]::ReadAllBytes($target)
$problem = ''
if ((Get-Hash $old) -ne $Before) {
    $problem = 'was changed by somebody else since it was read; run the task again.'
}
$stream = New-Object IO.MemoryStream
$position = 0
foreach ($splice in $(if ($problem) { @() } else { $Splices })) {
    $new = [Convert]::FromBase64String($splice['content'])
    $stream.Write($old, $position, $splice['offset'] - $position)
    $stream.Write($new, 0, $new.Length)
    $position = $splice['offset'] + $splice['length']
}
$stream.Write($old, $position, $old.Length - $position)
$content = $stream.ToArray()
if (-not $problem -and (Get-Hash $content) -ne $After) {
    $problem = 'does not come out as it was planned, so it is left as it is.'
}
$copy = ''
if (-not $problem) {
    $when = Get-Date -Format 'yyyyMMdd-HHmmss'
    if ($Backup) { $copy = "$target.$PID.$when.bak" }
    $temporary = "$target.$PID.new"
    try {
        [IO.File]::WriteAllBytes($temporary, $content)
        if ((Get-Hash ([IO.File]::ReadAllBytes($target))) -ne $Before) {
            $problem = 'was changed by somebody else while it was edited; run the task again.'
        } else {
            [IO.File]::Replace($temporary, $target, $(if ($copy) { $copy } else { [NullString]::Value }))
        }
    } finally {
        if (Test-Path -LiteralPath $temporary) { Remove-Item -LiteralPath $temporary -Force }
    }
}
$Ansible.Changed = -not $problem
$Ansible.Result = @{ target = $target; backup_file = $copy; problem = $problem }
"""


def change_windows_file(host: AgentHost, path: str, edit: Edit, *, backup: bool, is_check: bool) -> dict[str, t.Any]:
    """Make *edit* of the file *path*; ``target`` and ``backup_file``, or ``failed`` and ``msg``.

    Raises :class:`AgentHostError`.
    """
    if is_check:
        # The module runs nothing in check mode.
        return {"target": path}
    splices = [
        {"offset": offset, "length": length, "content": base64.b64encode(new).decode()}
        for offset, length, new in edit.splices
    ]
    parameters = {"Path": path, "Before": edit.before, "After": edit.after, "Splices": splices, "Backup": backup}
    answer = host.run("ansible.windows.win_powershell", {"script": _SCRIPT, "parameters": parameters}, is_secret=True)
    told = answer.get("result") or {}
    if answer.get("failed") or not told:
        # What PowerShell says may quote what it was given.
        return {"failed": True, "msg": f"{path} could not be replaced on the host; it is as it was."}
    if told.get("problem"):
        return {"failed": True, "msg": f"{path} {told['problem']}"}
    return {"target": told.get("target"), "backup_file": told.get("backup_file")}
