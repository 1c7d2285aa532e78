# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules of ansible.windows for files: slurp, win_stat, win_file, win_copy on the host itself, win_acl."""

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
    put_file,
    put_folder,
)

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.tests.windows.state import State
    from ansible_collections.netwall.datadog.tests.windows.twin import Call

SLURP, STAT, FILE = "ansible.windows.slurp", "ansible.windows.win_stat", "ansible.windows.win_file"
COPY, ACL = "ansible.windows.win_copy", "ansible.windows.win_acl"

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
    COPY,
    (351, 'elseif ($copy_mode -eq "remote") {'),
    (358, "Fail-Json -obj $result -message \"Cannot copy src file: '$src' as it does not exist\""),
    (60, "if ($source_checksum -ne $target_checksum) {"),
    (86, "Remove-Item -LiteralPath $dest -Force -Recurse -WhatIf:$check_mode | Out-Null"),
    (93, "Copy-Item -LiteralPath $source -Destination $dest -Force | Out-Null"),
    (404, "Fail-Json -obj $result -message \"Destination directory '$parent_dir' does not exist\""),
)
def win_copy(state: State, call: Call) -> dict[str, t.Any]:
    """The module where it copies one file of the host to another place there.

    What is there already is removed before: the file that comes is a new one, with the owner and the access rights
    that a new file has.
    """
    args = call.args
    source, target = expanded(args["src"] or ""), expanded(args["dest"])
    if args["_copy_mode"] != "remote" or args["backup"] or target.endswith(("\\", "/")):
        raise MisuseError("the twin imitates win_copy from a file of the host to another (remote_src) alone")
    entry = state.files.get(file_key(source))
    if entry is None:
        raise ModuleError(f"Cannot copy src file: '{source}' as it does not exist", src=source, dest=target)
    if _is_folder(entry) or _is_folder(state.files.get(file_key(target), {"attributes": []})):
        raise MisuseError("the twin does not imitate win_copy of folders")
    parent = ntpath.dirname(target)
    if file_key(parent) not in state.files:
        raise ModuleError(f"Destination directory '{parent}' does not exist", src=source, dest=target)
    content = content_of(entry)
    there = state.files.get(file_key(target))
    is_changed = there is None or (args["force"] and content_of(there) != content)
    if is_changed and not call.check_mode:
        if there is not None:
            call.step()
            del state.files[file_key(target)]
        call.step()
        put_file(state, target, content)["attributes"] = list(entry["attributes"])
    result = {"changed": is_changed, "src": source, "dest": target, "operation": "file_copy"}
    if args["force"]:
        result["checksum"] = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    return {**result, "original_basename": ntpath.basename(entry["path"]), "size": len(content)}


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


def replaced(state: State, path: str, content: bytes, copy: str) -> None:
    """As [IO.File]::Replace: *path* gets *content* and keeps what else it is; what it was becomes *copy*, if named."""
    entry = state.files[file_key(path)]
    if copy:
        state.files[file_key(copy)] = {**entry, "path": copy}
    encoded = base64.b64encode(content).decode()
    state.files[file_key(path)] = {**entry, "content": encoded, "written": state.tick()}
