# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible.windows.win_reg_stat and ansible.windows.win_regedit."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.netwall.datadog.tests.windows.failures import MisuseError, ModuleError
from ansible_collections.netwall.datadog.tests.windows.real import imitates
from ansible_collections.netwall.datadog.tests.windows.state import expanded, put_key

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.tests.windows.state import State
    from ansible_collections.netwall.datadog.tests.windows.twin import Call

STAT = "ansible.windows.win_reg_stat"
EDIT = "ansible.windows.win_regedit"

_PATH = re.compile(r"^HK(CC|CR|CU|LM|U):\\", re.IGNORECASE)
_RETURNED = {"String": "REG_SZ", "ExpandString": "REG_EXPAND_SZ", "MultiString": "REG_MULTI_SZ", "DWord": "REG_DWORD"}
_KINDS = {"string": "String", "expandstring": "ExpandString", "multistring": "MultiString", "dword": "DWord"}


@imitates(
    STAT,
    (76, 'if ($path -notmatch "^HK(CC|CR|CU|LM|U):\\\\") {'),
    (117, "$result.exists = $false"),
    (107, "$result.properties = $property_info"),
    (108, "$result.sub_keys = $key.GetSubKeyNames()"),
    (114, "$result += $property_value"),
    (62, '"MultiString" { "REG_MULTI_SZ" }'),
)
def win_reg_stat(state: State, call: Call) -> dict[str, t.Any]:
    """The whole of the module, for the kinds of values that win_regedit of the twin writes."""
    path, name = call.args["path"], call.args["name"]
    if not _PATH.match(path):
        raise ModuleError(f"path: {path} is not a valid registry path, see module documentation for examples.")
    key = state.registry.get(_key(path))
    if key is None:
        return {"changed": False, "exists": False}
    if name is not None:
        at = _named(key, name)
        if at is None:
            return {"changed": False, "exists": False}
        return {"changed": False, "exists": True, **_returned(key["values"][at])}
    below = [each for each in state.registry if each.rpartition("\\")[0] == _key(path)]
    return {
        "changed": False,
        "exists": True,
        "properties": {each: _returned(value) for each, value in key["values"].items()},
        "sub_keys": [state.registry[each]["path"].rpartition("\\")[2] for each in below],
    }


def _returned(value: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    kind, data = value["type"], value["data"]
    shown = expanded(data) if kind == "ExpandString" else data
    return {"type": _RETURNED[kind], "value": shown, "raw_value": data}


def _key(path: str) -> str:
    return path.rstrip("\\").upper()


def _named(key: t.Mapping[str, t.Any], name: str) -> str | None:
    """How the value *name*, in whatever capitals, is written in *key*."""
    return next((each for each in key["values"] if each.lower() == name.lower()), None)


# --- win_regedit ------------------------------------------------------------------------------------------------------


@imitates(
    EDIT,
    (126, '$module.FailJson("path: $path is not a valid powershell path, see module documentation for examples.")'),
    (119, 'if ($null -eq $name -and $type -ne "string") {'),
    (314, "$Module.Result.data_type_changed = $true"),
    (39, "$module.Result.data_changed = $false"),
)
def win_regedit(state: State, call: Call) -> dict[str, t.Any]:
    """The module without binary values, wide numbers and hives that have to be loaded."""
    args = call.args
    path, name = args["path"], args["name"] or None
    if args["hive"] is not None or args["type"] not in _KINDS:
        raise MisuseError(f"the twin does not imitate this of win_regedit: {args}")
    if not _PATH.match(path):
        raise ModuleError(f"path: {path} is not a valid powershell path, see module documentation for examples.")
    result = {"changed": False, "data_changed": False, "data_type_changed": False}
    diff: dict[str, t.Any] = {"before": "", "after": ""}
    if args["state"] == "present":
        _set(state, call, name, result, diff)
    else:
        _delete(state, call, name, result, diff)
    if call.diff:
        result["diff"] = t.cast("t.Any", diff)
    return result


@imitates(
    EDIT,
    (283, "$key = $Hive.CreateSubKey($Path)"),
    (300, "if ($null -eq $key -or $null -eq $Data) {"),
    (315, "$data_mismatch = Compare-RegistryProperty -existing $property -new $Data"),
    (168, "(Compare-Object -ReferenceObject $existing -DifferenceObject $new -SyncWindow 0).Length -ne 0"),
    (171, "$existing -cne $new"),
    (331, "$key.SetValue($Name, $Data, $Type)"),
)
def _set(state: State, call: Call, name: str | None, result: dict[str, bool], diff: dict[str, t.Any]) -> None:
    path, kind = call.args["path"], "String" if name is None else _KINDS[call.args["type"]]
    data = _data(kind, call.args["data"], name)
    key = state.registry.get(_key(path))
    if key is None:
        if not call.check_mode:
            call.step()
            key = put_key(state, path, {})
        result["changed"] = True
        diff.update(before={}, after={path: {}})
    else:
        diff.update(before={path: {}}, after={path: {}})
    if key is None or data is None:
        return
    at = _named(key, name or "")
    new = {"type": kind, "data": data}
    if at is not None:
        old = key["values"][at]
        result["data_type_changed"] = old["type"] != kind
        result["data_changed"] = _is_different(old["data"], data)
        diff["before"][path][at] = {"type": old["type"], "value": old["data"]}
    is_changed = at is None or result["data_type_changed"] or result["data_changed"]
    if is_changed:
        if not call.check_mode:
            call.step()
            key["values"][at or name or ""] = new
        result["changed"] = True
    diff["after"][path][at or name or ""] = {"type": kind, "value": data}


def _is_different(old: t.Any, new: t.Any) -> bool:
    # Compare-Object, for lists, does not tell capitals from small letters; -cne does.
    if isinstance(old, list) and isinstance(new, list):
        return [str(each).lower() for each in old] != [str(each).lower() for each in new]
    return bool(old != new)


@imitates(
    EDIT,
    (397, "# dword's and dword's don't allow null values, set to 0"),
    (444, 'elseif ($type -in @("string", "expandstring") -and $name) {'),
    (457, "[string[]]$data = foreach ($entry in $data) {"),
    (462, "[string[]]$data = @($data.ToString([CultureInfo]::InvariantCulture))"),
    (424, '$module.FailJson("data cannot be larger than 0xffffffff when type is dword")'),
)
def _data(kind: str, data: t.Any, name: str | None) -> t.Any:
    """*data* as a value of *kind* has it."""
    if kind == "DWord":
        number = int(data or 0)
        if number > 0xFFFFFFFF:
            raise ModuleError("data cannot be larger than 0xffffffff when type is dword")
        return number
    if kind == "MultiString":
        return [str(each) for each in (data if isinstance(data, list) else [] if data is None else [data])]
    if data is None:
        return "" if name else None
    if not isinstance(data, str):
        raise MisuseError(f"a value of text is given {data!r}")
    return data


@imitates(
    EDIT,
    (213, "# Key does not exist, no need to delete anything"),
    (218, "if ($DeleteKey -and -not $Name) {"),
    (224, "$Hive.DeleteSubKeyTree($Path, $false)"),
    (239, "# property does not exist"),
    (246, "$key.DeleteValue($Name)"),
)
def _delete(state: State, call: Call, name: str | None, result: dict[str, bool], diff: dict[str, t.Any]) -> None:
    path = call.args["path"]
    key = state.registry.get(_key(path))
    if key is None:
        return
    if name is None and call.args["delete_key"]:
        if not call.check_mode:
            call.step()
            for each in [each for each in state.registry if f"{each}\\".startswith(f"{_key(path)}\\")]:
                del state.registry[each]
        result["changed"] = True
        diff.update(before={path: {}}, after={})
        return
    at = _named(key, name or "")
    if at is None:
        return
    old = key["values"][at]
    if not call.check_mode:
        call.step()
        del key["values"][at]
    result["changed"] = True
    diff.update(before={path: {at: {"type": old["type"], "value": old["data"]}}}, after={path: {}})
