# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs something on the host: win_command, win_powershell (for scripts of ours alone), setup, win_ping."""

from __future__ import annotations

import base64
import hashlib
import ntpath
import typing as t

from ansible_collections.netwall.datadog.tests.windows.failures import MisuseError, ModuleError
from ansible_collections.netwall.datadog.tests.windows.files import replaced
from ansible_collections.netwall.datadog.tests.windows.real import imitates
from ansible_collections.netwall.datadog.tests.windows.state import content_of, expanded, file_key

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.tests.windows.state import State
    from ansible_collections.netwall.datadog.tests.windows.twin import Call

COMMAND, POWERSHELL = "ansible.windows.win_command", "ansible.windows.win_powershell"


@imitates(
    COMMAND,
    (71, "$filePath = Resolve-ExecutablePath -FilePath $argv[0] -WorkingDirectory $chdir"),
    (129, "$module.FailJson(\"Failed to run: '$rawCmdLine': $($_.Exception.Message)\", $_)"),
    (134, "$module.Result.stdout = $cmdResult.Stdout"),
    (144, '$module.FailJson("non-zero return code")'),
)
def win_command(state: State, call: Call) -> dict[str, t.Any]:
    """The module for a program that the twin has, named by its path and given its arguments one by one."""
    if call.given != {"argv"}:
        raise MisuseError(f"the twin imitates win_command with argv alone, not with {sorted(call.given)}")
    argv = call.args["argv"]
    line = " ".join(f'"{each}"' if " " in each else each for each in argv)
    program = state.programs.get(expanded(argv[0]).lower())
    if program is None:
        raise ModuleError(f"Failed to run: '{line}': The system cannot find the file specified", cmd=line, rc=2)
    call.step()
    result = {"cmd": line, "changed": True, "stdout": program["stdout"], "stderr": "", "rc": program["rc"]}
    if program["rc"]:
        raise ModuleError("non-zero return code", **result)
    return result


# --- PowerShell -------------------------------------------------------------------------------------------------------

_Script = t.Callable[["State", "Call", t.Mapping[str, t.Any]], tuple[bool, dict[str, t.Any]]]


@imitates(
    POWERSHELL,
    (590, "$module.Result.changed = $true"),
    (591, '$module.Result.msg = "skipped, running in check mode"'),
    (893, "$module.Result.result = Convert-OutputObject -InputObject $result.Result -Depth $module.Params.depth"),
    (894, "$module.Result.changed = $result.Changed"),
)
def win_powershell(state: State, call: Call) -> dict[str, t.Any]:
    """The module for the scripts of this collection, each known by what it is to the letter."""
    if call.given - {"script", "parameters", "error_action"}:
        raise MisuseError(f"the twin does not imitate this of win_powershell: {sorted(call.given)}")
    known = digest(call.args["script"])
    if known not in SCRIPTS:
        raise MisuseError(f"the twin does not know the script with the SHA-256 {known}: it may have been changed")
    empty = {"host_out": "", "host_err": "", "output": [], "error": [], "warning": [], "verbose": [], "debug": []}
    if call.check_mode:
        return {**empty, "changed": True, "result": {}, "msg": "skipped, running in check mode"}
    changed, result = SCRIPTS[known](state, call, call.args["parameters"] or {})
    return {**empty, "information": [], "changed": changed, "result": result}


def digest(script: str) -> str:
    """By what SCRIPTS has *script*."""
    return hashlib.sha256(script.encode()).hexdigest()


def _splice(state: State, call: Call, given: t.Mapping[str, t.Any]) -> tuple[bool, dict[str, t.Any]]:
    """The script of plugins/plugin_utils/_agent/windows_file.py: put splices into the file that they are for."""
    entry = state.files.get(file_key(given["Path"]))
    if entry is None:
        raise ModuleError(f"Cannot find path '{given['Path']}' because it does not exist.")
    old = content_of(entry)
    new, position = b"", 0
    problem = ""
    if hashlib.sha256(old).hexdigest() != given["Before"]:
        problem = "was changed by somebody else since it was read; run the task again."
    else:
        for splice in given["Splices"]:
            new += old[position : splice["offset"]] + base64.b64decode(splice["content"], validate=True)
            position = splice["offset"] + splice["length"]
        new += old[position:]
        if hashlib.sha256(new).hexdigest() != given["After"]:
            problem = "does not come out as it was planned, so it is left as it is."
    copy = ""
    if not problem:
        copy = f"{entry['path']}.4711.20260101-{state.tick() % 1_000_000:06d}.bak" if given["Backup"] else ""
        call.step()
        replaced(state, entry["path"], new, copy)
    return not problem, {"target": entry["path"], "backup_file": copy, "problem": problem}


def _disk(state: State, _call: Call, given: t.Mapping[str, t.Any]) -> tuple[bool, dict[str, t.Any]]:
    """The script of roles/agent_buffering/tasks/windows/disk.yml: how large a folder's disk is, and what it stores."""
    there = given["Path"]
    disk = state.disks.get(ntpath.splitdrive(there)[0].lower())
    if disk is None:
        raise ModuleError(f"The disk of {there} is not there.")
    stored = sum(
        len(content_of(entry))
        for key, entry in state.files.items()
        if key.startswith(f"{file_key(there)}\\") and key.endswith(".retry") and entry["content"] is not None
    )
    return False, {"total": disk["size"], "available": disk["free"], "stored": stored}


# By SHA-256 of the script: whoever changes one has to look whether this still does the same.
SCRIPTS: dict[str, _Script] = {
    "437ed7a452c77d7b23ee317484e35af218559d26a7a6cd817f0df87aafca3963": _splice,
    "a8ff5f1010c06498c9861e6980b39bee14aaa013a2eecfec7142282b6ba32c44": _disk,
}


# --- Facts ------------------------------------------------------------------------------------------------------------


def setup(_state: State, _call: Call) -> dict[str, t.Any]:
    """As many facts as tell that this is Windows; the real module has hundreds."""
    facts = {
        "ansible_os_family": "Windows",
        "ansible_system": "Win32NT",
        "ansible_distribution": "Microsoft Windows Server 2022 Standard",
        "ansible_hostname": "twin",
    }
    return {"changed": False, "ansible_facts": facts}


def win_ping(_state: State, _call: Call) -> dict[str, t.Any]:
    """The module without a crash that was asked for."""
    return {"changed": False, "ping": "pong"}
