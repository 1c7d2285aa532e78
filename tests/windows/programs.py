# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs something on the host: win_command, win_powershell (for scripts of ours alone), setup, win_ping."""

from __future__ import annotations

import base64
import hashlib
import typing as t

from ansible_collections.netwall.datadog.tests.windows.failures import MisuseError, ModuleError
from ansible_collections.netwall.datadog.tests.windows.files import like, moved, replaced, written
from ansible_collections.netwall.datadog.tests.windows.real import imitates
from ansible_collections.netwall.datadog.tests.windows.state import content_of, expanded, file_key, put_file

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
    if call.given != {"script", "parameters", "error_action"} or call.args["error_action"] != "stop":
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


def _put_file(state: State, call: Call, given: t.Mapping[str, t.Any]) -> tuple[bool, dict[str, t.Any]]:
    """The script plugins/plugin_utils/_agent/put_file.ps1: a file gets what splices make of another."""
    temporary = f"{given['Target']}.4711.netwall-new"
    problem, copy = "", ""
    try:
        problem = _unlike_planned(state, given)
        if not problem:
            problem, copy = _put(state, call, given, temporary)
    except ModuleError as failed:
        problem = f"could not be written: {failed}"
    # A host that goes away does not come to this.
    state.files.pop(file_key(temporary), None)
    return not problem, {"problem": problem, "backup_file": copy}


def _unlike_planned(state: State, given: t.Mapping[str, t.Any]) -> str:
    entry = state.files.get(file_key(given["Path"]))
    if entry is None:
        raise ModuleError(f"Could not find file '{given['Path']}'.")
    if _sha256(content_of(entry)) != given["Before"]:
        return "was changed by somebody else since it was read; run the task again."
    if _sha256(_spliced(content_of(entry), given["Splices"])) != given["After"]:
        return "does not come out as it was planned, so it is left as it is."
    return ""


def _put(state: State, call: Call, given: t.Mapping[str, t.Any], temporary: str) -> tuple[str, str]:
    """The steps that change the host; why the last of them was not done, and where the backup is."""
    target = given["Target"]
    call.step()
    put_file(state, temporary, b"")
    call.step()
    like(state, temporary, given["Path"])
    call.step()
    written(state, temporary, _spliced(content_of(state.files[file_key(given["Path"])]), given["Splices"]))
    there = state.files.get(file_key(target))
    if (_sha256(content_of(there)) if there else "") != given["Over"]:
        return "was changed by somebody else meanwhile; run the task again.", ""
    call.step()
    if there is None:
        moved(state, temporary, target)
        return "", ""
    copy = f"{target}.4711.20260101-{state.tick() % 1_000_000:06d}.bak"
    replaced(state, temporary, target, copy)
    if given["Backup"]:
        return "", copy
    call.step()
    del state.files[file_key(copy)]
    return "", ""


def _spliced(old: bytes, splices: t.Iterable[t.Mapping[str, t.Any]]) -> bytes:
    new, position = b"", 0
    for splice in splices:
        new += old[position : splice["offset"]] + base64.b64decode(splice["content"], validate=True)
        position = splice["offset"] + splice["length"]
    return new + old[position:]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _addresses(state: State, _call: Call, given: t.Mapping[str, t.Any]) -> tuple[bool, dict[str, t.Any]]:
    """The script plugins/plugin_utils/_windows/addresses_of.ps1: the addresses of each name in one text."""
    known: dict[str, list[str]] = state.network["names"]
    return False, {"addresses": [" ".join(known.get(name.lower(), [])) for name in given["Names"]]}


# By SHA-256 of the script: whoever changes one has to look whether this still does the same.
SCRIPTS: dict[str, _Script] = {
    "fee89a9b43d2add2ddb749660765e5a483bf1df171691f1f83e43a5a3d08a141": _put_file,
    "ac768585841295f8fe4d3c8039f00d958bcc9c9673c6e161c3f239febdb6e54f": _addresses,
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
