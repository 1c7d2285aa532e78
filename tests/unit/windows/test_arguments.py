# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checker of arguments: what the documentation shows is accepted, what it does not know is refused."""

from __future__ import annotations

import ast
import typing as t

import pytest
import yaml

from ansible_collections.netwall.datadog.tests.windows import arguments, twin
from ansible_collections.netwall.datadog.tests.windows.failures import MisuseError, ModuleError
from ansible_collections.netwall.datadog.tests.windows.real import source_of

if t.TYPE_CHECKING:
    from pathlib import Path

RULE, PROFILES = "community.windows.win_firewall_rule", "ansible.windows.win_firewall"
REGISTRY, SERVICE = "ansible.windows.win_regedit", "ansible.windows.win_service"

# Examples that give a text or one value where a list is documented, which Ansible takes apart, and which ours must not.
LOOSE = {
    ("profiles", "private"),
    ("profiles", "Domain"),
    ("icmp_type_code", "*"),
}


def examples(module: str, collections: Path) -> list[dict[str, t.Any]]:
    """The arguments of *module* in the examples of its documentation, where they are not templates."""
    source = source_of(module, collections)
    sidecar = source.with_suffix(".yml")
    if sidecar.is_file():
        text = yaml.safe_load(sidecar.read_text(encoding="utf-8"))["EXAMPLES"]
    else:
        tree = ast.parse(source.with_suffix(".py").read_text(encoding="utf-8"))
        assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
        [text] = [ast.literal_eval(node.value) for node in assigned if ast.unparse(node.targets[0]) == "EXAMPLES"]
    found = [task.get(module) for task in yaml.safe_load(text)]
    return [args for args in found if isinstance(args, dict) and "{{" not in str(args)]


@pytest.mark.parametrize("module", [RULE, PROFILES, REGISTRY, SERVICE])
def test_the_examples_of_the_documentation_are_accepted(module: str, collections: Path) -> None:
    shown = examples(module, collections)
    assert shown
    for args in shown:
        strict = {name: [value] if (name, str(value)) in LOOSE else value for name, value in args.items()}
        arguments.checked(module, strict, collections)


@pytest.mark.parametrize(
    ("module", "args", "says"),
    [
        (RULE, {"name": "x", "remote_ip": "any"}, "documents no argument 'remote_ip'"),
        # In the source, but not documented.
        (RULE, {"name": "x", "edge": "no"}, "documents no argument 'edge'"),
        (RULE, {"name": "x", "state": "Present"}, "may be absent, present"),
        (RULE, {"name": "x", "direction": "outbound"}, "may be in, out"),
        (RULE, {"name": "x", "enabled": "yes"}, "documented as bool"),
        (RULE, {"name": "x", "profiles": "domain"}, "documented as list"),
        (RULE, {"name": "x", "remoteip": ["192.0.2.1"]}, "documented as str"),
        (RULE, {"name": "x", "program": None}, "no value for 'program'"),
        (PROFILES, {"state": "enabled", "profiles": ["domain"]}, "may be Domain, Private, Public"),
        (REGISTRY, {"path": "HKLM:\\X", "type": "dword", "data": 1, "vaule": "x"}, "documents no argument 'vaule'"),
        (SERVICE, {"name": "x", "failure_actions": [{"kind": "restart"}]}, "documents no argument 'kind'"),
        (SERVICE, {"name": "x", "dependencies": [["y"]]}, "documented as str"),
    ],
)
def test_what_is_not_documented_is_refused(module: str, args: dict[str, t.Any], says: str, collections: Path) -> None:
    with pytest.raises(MisuseError, match=says):
        arguments.checked(module, args, collections)


@pytest.mark.parametrize(
    ("module", "args", "says"),
    [
        (PROFILES, {"profiles": ["Domain"]}, "missing required arguments: state"),
        (REGISTRY, {"name": "x"}, "missing required arguments: path"),
        (SERVICE, {"name": "x", "password": "y"}, "username"),
        ("ansible.windows.win_powershell", {"script": "1", "path": "x"}, "mutually exclusive"),
        ("ansible.windows.win_powershell", {}, "one of the following is required"),
        ("ansible.windows.win_reg_stat", {"name": "x"}, "Get-AnsibleParam: Missing required argument: path"),
    ],
)
def test_what_the_module_itself_refuses(module: str, args: dict[str, t.Any], says: str, collections: Path) -> None:
    with pytest.raises(ModuleError, match=says):
        arguments.checked(module, args, collections)


def test_values_have_their_proper_names_and_defaults(collections: Path) -> None:
    args = {"key": "HKLM:\\X", "entry": "n", "data": 5}
    expected = {"path": "HKLM:\\X", "name": "n", "data": 5, "type": "string", "state": "present", "delete_key": True}
    assert arguments.checked(REGISTRY, args, collections) == {**expected, "hive": None}
    values = arguments.checked(RULE, {"name": "x", "enable": True, "localport": 25}, collections)
    assert (values["enabled"], values["localport"], values["state"], values["group"]) == (True, "25", "present", None)


# Of setup no argument is ever given.
@pytest.mark.parametrize("module", sorted(set(twin._MODULES) - {"ansible.windows.setup"}))
def test_documentation_and_source_know_the_same_arguments(module: str, collections: Path) -> None:
    documented = set(arguments._documented(module, collections))
    source = arguments._source(module, collections)
    if "[Ansible.Basic.AnsibleModule]" in source:
        known = set(arguments._spec(module, collections)["options"])
    else:
        known = set(arguments._called(module, collections))
    # Arguments of the module's action plugin alone.
    assert documented - known <= {"content", "decrypt", "local_follow", "remote_src"}


def test_who_runs_in_check_mode(collections: Path) -> None:
    cannot = {module for module in twin._MODULES if not arguments.supports_check_mode(module, collections)}
    assert cannot == {"ansible.windows.win_acl", "ansible.windows.win_command"}
