# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What arguments the real modules take, by their documentation and by their source; the twin takes no others."""

from __future__ import annotations

import ast
import functools
import typing as t

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.netwall.datadog.tests.windows import powershell
from ansible_collections.netwall.datadog.tests.windows.failures import MisuseError, ModuleError
from ansible_collections.netwall.datadog.tests.windows.real import source_of

if t.TYPE_CHECKING:
    from pathlib import Path

# What a value must be, so that nothing hangs on how PowerShell turns one type into another. A number is a fine text:
# the documentation's own examples write ports without quotes.
_TYPES: t.Mapping[str, tuple[type, ...]] = {
    "bool": (bool,),
    "dict": (dict,),
    "int": (int,),
    "list": (list,),
    "path": (str,),
    "str": (str, int, float),
}

# What is judged by Ansible's own rules for Python modules, which the C# of Ansible.Basic follows.
_SPEC_KEYS = ("aliases", "choices", "default", "elements", "no_log", "options", "required", "type")
_RULES = ("mutually_exclusive", "required_by", "required_if", "required_one_of", "required_together")


def checked(module: str, args: t.Mapping[str, t.Any], collections: Path) -> dict[str, t.Any]:
    """The values of all parameters of *module* (a full name) that is given *args*, by their proper names.

    Raises :class:`MisuseError` where the documentation does not say that *args* may be so, and :class:`ModuleError`
    where the module itself refuses them.
    """
    for name in args:
        _check_documented(module, name, args[name], _documented(module, collections))
    source = _source(module, collections)
    if "[Ansible.Basic.AnsibleModule]" in source:
        return _checked_by_spec(module, args, collections)
    return _checked_by_calls(args, _called(module, collections))


def supports_check_mode(module: str, collections: Path) -> bool:
    """Whether the source of *module* says that it may run in check mode."""
    source = _source(module, collections)
    if "[Ansible.Basic.AnsibleModule]" in source:
        return bool(_spec(module, collections)["supports_check_mode"])
    return "-supports_check_mode $true" in source


def secret_arguments(module: str, collections: Path) -> set[str]:
    """Names of the parameters of *module* whose values are shown nowhere."""
    options = _documented(module, collections)
    return {name for name, option in options.items() if option.get("no_log")}


def is_documented(module: str, collections: Path) -> bool:
    """Whether there is such a module with a documentation of its arguments."""
    return source_of(module, collections).is_file() and bool(_documented(module, collections))


# --- The documentation ------------------------------------------------------------------------------------------------


@functools.cache
def _documented(module: str, collections: Path) -> dict[str, dict[str, t.Any]]:
    """The options of *module* as documented, by name."""
    source = source_of(module, collections)
    sidecar = source.with_suffix(".yml")
    if sidecar.is_file():
        text = sidecar.read_text(encoding="utf-8")
    else:
        tree = ast.parse(source.with_suffix(".py").read_text(encoding="utf-8"))
        assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
        [text] = [ast.literal_eval(node.value) for node in assigned if ast.unparse(node.targets[0]) == "DOCUMENTATION"]
    documentation = yaml.safe_load(text)
    options = (documentation.get("DOCUMENTATION") or documentation).get("options") or {}
    return {name: _without_words(option) for name, option in options.items()}


def _without_words(option: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    kept = {key: option[key] for key in _SPEC_KEYS if key in option}
    if "suboptions" in option:
        kept["options"] = {name: _without_words(each) for name, each in option["suboptions"].items()}
    return kept


def _check_documented(module: str, name: str, value: t.Any, options: t.Mapping[str, t.Mapping[str, t.Any]]) -> None:
    for proper, option in options.items():
        if name == proper or name in option.get("aliases", ()):
            break
    else:
        raise MisuseError(f"{module} documents no argument {name!r}; it documents {', '.join(sorted(options))}")
    if value is None:
        raise MisuseError(f"{module} is given no value for {name!r}: an argument that is not meant is left out")
    _check_value(f"{module}: {name}", value, option)


def _check_value(what: str, value: t.Any, option: t.Mapping[str, t.Any]) -> None:
    kind = option.get("type", "str")
    if kind != "raw" and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "bool")):
        raise MisuseError(f"{what} is documented as {kind}, and is {value!r}")
    values = value if isinstance(value, list) else [value]
    choices = option.get("choices")
    if choices and not set(values) <= set(choices):
        raise MisuseError(f"{what} may be {', '.join(map(str, choices))}, and is {value!r}")
    if kind == "list" and option.get("elements"):
        for each in values:
            _check_value(what, each, {"type": option["elements"]})
    if option.get("options"):
        for each in values:
            for name, inner in each.items():
                _check_documented(what, name, inner, option["options"])


# --- The source -------------------------------------------------------------------------------------------------------


@functools.cache
def _source(module: str, collections: Path) -> str:
    return source_of(module, collections).read_text(encoding="utf-8")


@functools.cache
def _spec(module: str, collections: Path) -> dict[str, t.Any]:
    """The table $spec of a module that is built on Ansible.Basic, in the words of a Python module's."""
    spec: dict[str, t.Any] = powershell.literal(_source(module, collections), "spec")
    spec["options"] = {name: _in_python(option) for name, option in spec["options"].items()}
    return spec


def _in_python(option: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    said = {key: option[key] for key in (*_SPEC_KEYS, *_RULES) if key in option}
    # A path is judged where the twin turns it into one of its own; a conversion of the module's own is not imitated.
    kind = said.get("type", "str")
    said["type"] = "raw" if isinstance(kind, powershell.Variable) else "str" if kind == "path" else kind
    if isinstance(said.get("aliases"), str):
        said["aliases"] = [said["aliases"]]
    if "options" in said:
        said["options"] = {name: _in_python(each) for name, each in said["options"].items()}
    return said


def _checked_by_spec(module: str, args: t.Mapping[str, t.Any], collections: Path) -> dict[str, t.Any]:
    spec = _spec(module, collections)
    rules = {rule: spec[rule] for rule in _RULES if rule in spec}
    validated = ArgumentSpecValidator(spec["options"], **rules).validate(dict(args))
    if validated.error_messages:
        raise ModuleError(validated.error_messages[0])
    aliases = {alias for option in spec["options"].values() for alias in option.get("aliases", ())}
    return {name: value for name, value in validated.validated_parameters.items() if name not in aliases}


@functools.cache
def _called(module: str, collections: Path) -> dict[str, dict[str, t.Any]]:
    return powershell.parameters(_source(module, collections))


def _checked_by_calls(
    args: t.Mapping[str, t.Any], parameters: t.Mapping[str, t.Mapping[str, t.Any]]
) -> dict[str, t.Any]:
    """As Get-AnsibleParam of Ansible.ModuleUtils.Legacy does it."""
    values = {}
    for name, parameter in parameters.items():
        given = next((each for each in (name, *parameter["aliases"]) if each in args), None)
        if given is None:
            if parameter["required"]:
                raise ModuleError(f"Get-AnsibleParam: Missing required argument: {name}")
            values[name] = parameter["default"]
            continue
        value = args[given]
        choices = parameter["choices"]
        if choices and str(value).lower() not in [choice.lower() for choice in choices]:
            listed = ",".join(choices)
            raise ModuleError(f"Get-AnsibleParam: Argument {given} needs to be one of {listed} but was {value}.")
        values[name] = str(value) if parameter["type"] == "str" else value
    return values
