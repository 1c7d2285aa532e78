# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This script is private to the netwall.datadog collection: windows_file.py has ansible.windows.win_powershell run it.
#
# $Target gets the content of $Path with $Splices put in. The SHA-256 of that is $After, that of $Path before is
# $Before, and that of what $Target is now is $Over (empty: there is none); else nothing is done, and `problem` says why.
# What is under the name $Target is at every moment a whole file, but for an instant in which it may be under the name
# of the backup (ReplaceFileW renames twice): never a half, and never none at all.
param(
    [string] $Path, [string] $Before, [object[]] $Splices, [string] $After,
    [string] $Target, [string] $Over, [bool] $Backup
)

function Get-Sha256([byte[]] $Bytes) {
    [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($Bytes)).Replace('-', '').ToLower()
}

$Ansible.Changed = $false
$told = @{ problem = ''; backup_file = '' }
$Ansible.Result = $told
$temporary = "$Target.$PID.netwall-new"
$former = "$Target.$PID.$(Get-Date -Format 'yyyyMMdd-HHmmss').bak"
try {
    foreach ($name in $Path, $Target) {
        if ([IO.File]::Exists($name) -and ([IO.File]::GetAttributes($name) -band [IO.FileAttributes]::ReparsePoint)) {
            $told.problem = "can't be replaced: $name is a link. Name the file that it leads to."
            return
        }
    }
    $old = [IO.File]::ReadAllBytes($Path)
    if ((Get-Sha256 $old) -ne $Before) {
        $told.problem = 'was changed by somebody else since it was read; run the task again.'
        return
    }
    $new = New-Object IO.MemoryStream
    $at = 0
    foreach ($splice in $Splices) {
        $piece = [Convert]::FromBase64String($splice['content'])
        $new.Write($old, $at, $splice['offset'] - $at)
        $new.Write($piece, 0, $piece.Length)
        $at = $splice['offset'] + $splice['length']
    }
    $new.Write($old, $at, $old.Length - $at)
    if ((Get-Sha256 ($new.ToArray())) -ne $After) {
        $told.problem = 'does not come out as it was planned, so it is left as it is.'
        return
    }
    # The file is empty until it has the rights of the one whose secrets it gets, and nobody else may open it meanwhile:
    # rights alone can be set while it is open (IoCheckShareAccess judges who reads, writes or deletes).
    $stream = [IO.File]::Open($temporary, [IO.FileMode]::CreateNew, [IO.FileAccess]::Write, [IO.FileShare]::None)
    try {
        # All of the security descriptor, its owner included: Set-Acl uses the privilege that this takes.
        Set-Acl -LiteralPath $temporary -AclObject (Get-Acl -LiteralPath $Path)
        $new.WriteTo($stream)
        # To the disk, before the name leads to it.
        $stream.Flush($true)
    }
    finally { $stream.Dispose() }
    $there = if ([IO.File]::Exists($Target)) { Get-Sha256 ([IO.File]::ReadAllBytes($Target)) } else { '' }
    if ($there -ne $Over) {
        $told.problem = 'was changed by somebody else meanwhile; run the task again.'
    }
    elseif (-not $Over) {
        [IO.File]::Move($temporary, $Target)
        $Ansible.Changed = $true
    }
    else {
        # The access control list and the attributes of what is replaced are kept. With a name for the backup a failure
        # leaves the old file under the one name or the other; without one it may be gone (ReplaceFileW, error 1176).
        try { [IO.File]::Replace($temporary, $Target, $former) }
        finally {
            if ([IO.File]::Exists($former) -and -not [IO.File]::Exists($Target)) { [IO.File]::Move($former, $Target) }
        }
        $Ansible.Changed = $true
        # What can't be removed is told as a backup, too: it holds what the file held.
        if (-not $Backup) { Remove-Item -LiteralPath $former -Force -ErrorAction SilentlyContinue }
        if ([IO.File]::Exists($former)) { $told.backup_file = $former }
    }
}
catch {
    # These two name a path and a reason; what others say may quote what they were given.
    $cause = $_.Exception.GetBaseException()
    if ($cause -isnot [IO.IOException] -and $cause -isnot [UnauthorizedAccessException]) { throw }
    $told.problem = "could not be written: $($cause.Message)"
    if ([IO.File]::Exists($former)) { $told.problem += " What it was before is in $former." }
}
finally {
    if ([IO.File]::Exists($temporary)) { [IO.File]::Delete($temporary) }
}
