# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules of ansible.windows for files: slurp, win_stat, win_file, win_acl; and what .NET does with files."""

from __future__ import annotations

import base64
import hashlib
import ntpath
import typing as t

from ansible_collections.netwall.datadog.tests.windows.failures import MisuseError, ModuleError
from ansible_collections.netwall.datadog.tests.windows.real import imitates
from ansible_collections.netwall.datadog.tests.windows.state import (
    access,
    content_of,
    expanded,
    file_key,
    put_folder,
)

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.tests.windows.state import State
    from ansible_collections.netwall.datadog.tests.windows.twin import Call

SLURP, STAT, FILE = "ansible.windows.slurp", "ansible.windows.win_stat", "ansible.windows.win_file"
ACL = "ansible.windows.win_acl"

_INHERIT = {"None", "ContainerInherit", "ObjectInherit", "ContainerInherit, ObjectInherit"}
_RIGHTS = {"FullControl", "Modify", "ReadAndExecute", "Read", "Write", "ListDirectory"}


def _is_folder(entry: t.Mapping[str, t.Any]) -> bool:
    return "Directory" in entry["attributes"]


def _below(state: State, path: str) -> list[str]:
    return [key for key in state.files if key.startswith(f"{file_key(path)}\\")]


@imitates(
    SLURP,
    (16, "$result.content = [System.Convert]::ToBase64String($bytes)"),
    (17, '$result.encoding = "base64"'),
    (21, 'Fail-Json $result "Path $src is a directory"'),
    (24, 'Fail-Json $result "Path $src is not found"'),
)
def slurp(state: State, call: Call) -> dict[str, t.Any]:
    """The whole of the module."""
    source = expanded(call.args["src"])
    entry = state.files.get(file_key(source))
    if entry is None:
        raise ModuleError(f"Path {source} is not found")
    if _is_folder(entry):
        raise ModuleError(f"Path {source} is a directory")
    return {"changed": False, "content": entry["content"], "encoding": "base64"}


@imitates(
    STAT,
    (78, "$module.Result.stat = @{ exists = $false }"),
    (98, "attributes = $info.Attributes.ToString()"),
    (123, "$stat.owner = $info.GetAccessControl().Owner"),
    (143, "foreach ($file in $info.EnumerateFiles("),
    (154, "$stat.extension = $info.Extension"),
    (159, "$stat.checksum = Get-FileChecksum -path $path -algorithm $checksum_algorithm"),
    (167, "$stat.size = $info.Length"),
)
def win_stat(state: State, call: Call) -> dict[str, t.Any]:
    """The module without links and shares."""
    args = call.args
    entry = state.files.get(file_key(args["path"]))
    if entry is None:
        return {"changed": False, "stat": {"exists": False}}
    attributes = entry["attributes"]
    is_folder = _is_folder(entry)
    stat = {
        "exists": True,
        "attributes": ", ".join(attributes),
        "isarchive": "Archive" in attributes,
        "isdir": is_folder,
        "ishidden": "Hidden" in attributes,
        "isjunction": False,
        "islnk": False,
        "isreadonly": "ReadOnly" in attributes,
        "isreg": not is_folder,
        "isshared": False,
        "nlink": 1,
        "hlnk_targets": [],
        "creationtime": entry["written"],
        "lastaccesstime": entry["written"],
        "lastwritetime": entry["written"],
        "path": entry["path"],
        "filename": ntpath.basename(entry["path"]),
        "owner": entry["owner"],
    }
    if is_folder:
        if args["get_size"]:
            files = [state.files[key] for key in _below(state, args["path"])]
            stat["size"] = sum(len(content_of(each)) for each in files if not _is_folder(each))
        return {"changed": False, "stat": stat}
    content = content_of(entry)
    stat["extension"] = ntpath.splitext(entry["path"])[1]
    if args["get_checksum"]:
        stat["checksum"] = hashlib.new(args["checksum_algorithm"], content, usedforsecurity=False).hexdigest()
    if args["get_size"]:
        stat["size"] = len(content)
    return {"changed": False, "stat": stat}


@imitates(
    FILE,
    (109, "Remove-File -file $fileinfo -checkmode $check_mode"),
    (113, 'if ($state -eq "directory" -and -not $fileinfo.PsIsContainer) {'),
    (117, 'if ($state -eq "file" -and $fileinfo.PsIsContainer) {'),
    (139, "New-Item -Path $path -ItemType Directory -WhatIf:$check_mode | Out-Null"),
    (155, 'Fail-Json $result "path $path will not be created"'),
)
def win_file(state: State, call: Call) -> dict[str, t.Any]:
    """The module for a folder, a file that has to be there, and what has to go."""
    path, wanted = expanded(call.args["path"]), call.args["state"]
    if wanted not in {"absent", "directory", "file"}:
        raise MisuseError(f"the twin does not imitate win_file with the state {wanted}")
    entry = state.files.get(file_key(path))
    if entry is None and wanted == "file":
        raise ModuleError(f"path {path} will not be created")
    if entry is not None and wanted != "absent" and _is_folder(entry) != (wanted == "directory"):
        raise ModuleError(f"path {path} is not a {wanted}")
    is_changed = (entry is None) == (wanted == "directory") and wanted != "file"
    if is_changed and not call.check_mode:
        call.step()
        if wanted == "directory":
            put_folder(state, path)
        else:
            for key in [*_below(state, path), file_key(path)]:
                del state.files[key]
    return {"changed": is_changed}


@imitates(
    ACL,
    (132, 'Fail-Json -obj $result -message "$path file or directory does not exist on the host"'),
    (138, 'Fail-Json -obj $result -message "$user is not a valid user or group on the host machine or domain"'),
    (141, "If (Test-Path -LiteralPath $path -PathType Leaf) {"),
    (145, '$inherit = "ContainerInherit, ObjectInherit"'),
    (231, "($rule.IsInherited -eq $objACE.IsInherited) -And"),
)
def win_acl(state: State, call: Call) -> dict[str, t.Any]:
    """The module for files and folders, for the rights that have a name of their own."""
    args = call.args
    path = expanded(args["path"])
    if args["inherit"] not in {None, *_INHERIT} or args["rights"] not in _RIGHTS or args["follow"] is True:
        raise MisuseError(f"the twin does not imitate this of win_acl: {args}")
    entry = state.files.get(file_key(path))
    if entry is None:
        raise ModuleError(f"{path} file or directory does not exist on the host")
    if args["user"].lower() not in [account.lower() for account in state.accounts]:
        raise ModuleError(f"{args['user']} is not a valid user or group on the host machine or domain")
    inherit = "None" if not _is_folder(entry) else args["inherit"] or "ContainerInherit, ObjectInherit"
    more = {"type": args["type"].lower(), "propagation": args["propagation"]}
    wanted = access(args["user"], args["rights"], inherit=inherit, **more)
    match = next((each for each in entry["acl"] if _plain(each) == _plain(wanted)), None)
    is_changed = (match is None) == (args["state"] == "present")
    if is_changed:
        call.step()
        if match is None:
            entry["acl"].append(wanted)
        else:
            entry["acl"].remove(match)
    return {"changed": is_changed}


def _plain(each: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {**each, "user": each["user"].lower()}


# --- .NET and PowerShell's own, for scripts ---------------------------------------------------------------------------


def like(state: State, path: str, other: str) -> None:
    """As ``Set-Acl`` with what ``Get-Acl`` says of *other*: owner and access rights, and nothing else.

    FileSystemSecurity.cs of PowerShell: all sections of the security descriptor, with SeRestorePrivilege.
    """
    entry, model = state.files[file_key(path)], state.files[file_key(other)]
    entry.update(owner=model["owner"], acl=[dict(each) for each in model["acl"]])


def written(state: State, path: str, content: bytes) -> None:
    """As writing to a file that is open: all but the content stays."""
    entry = state.files[file_key(path)]
    entry.update(content=base64.b64encode(content).decode(), written=state.tick())


def moved(state: State, path: str, target: str) -> None:
    """As [IO.File]::Move within a folder, to a name that is free."""
    if file_key(target) in state.files:
        raise ModuleError("Cannot create a file when that file already exists.")
    state.files[file_key(target)] = {**state.files.pop(file_key(path)), "path": target}


def replaced(state: State, path: str, target: str, copy: str) -> None:
    """As [IO.File]::Replace: *path* takes the place of *target*, which becomes *copy*.

    Access rights and attributes of *target* are kept; that its owner is, ReplaceFileW's documentation does not say.
    """
    old, new = state.files[file_key(target)], state.files.pop(file_key(path))
    if "ReadOnly" in old["attributes"]:
        raise ModuleError("Access to the path is denied.")
    state.files[file_key(copy)] = {**old, "path": copy}
    kept = {name: old[name] for name in ("path", "acl", "attributes")}
    state.files[file_key(target)] = {**new, **kept}
