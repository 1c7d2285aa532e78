# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""community.windows.win_firewall_rule and ansible.windows.win_firewall, and the objects of Windows that they use.

The order in which things are done is the modules'; so a change that breaks off leaves what it leaves on Windows.
What the objects do is from Microsoft's documentation of INetFwRule and INetFwRules, and from [MS-FASP].
"""

from __future__ import annotations

import typing as t

from ansible_collections.netwall.datadog.tests.windows.addresses import checked_ports, normalised
from ansible_collections.netwall.datadog.tests.windows.failures import ModuleError
from ansible_collections.netwall.datadog.tests.windows.real import imitates
from ansible_collections.netwall.datadog.tests.windows.state import PROFILES, expanded, rule

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.tests.windows.state import State
    from ansible_collections.netwall.datadog.tests.windows.twin import Call

RULE = "community.windows.win_firewall_rule"
FIREWALL = "ansible.windows.win_firewall"

TCP, UDP, ICMP, ICMP6, ANY_PROTOCOL = 6, 17, 1, 58, 256
_ALL_PROFILES = 0x7FFFFFFF
_PROFILE_BITS = {"domain": 1, "private": 2, "public": 4}
_INTERFACES = {"wireless": "Wireless", "lan": "Lan", "ras": "RemoteAccess"}
_EDGE = {"yes": 1, "deferapp": 2, "deferuser": 3}
_SECURE = {"authnoencap": 1, "authenticate": 2, "authdynenc": 3, "authenc": 4}

# In the order in which an existing rule is changed, each with the argument that it is from.
_PROPERTIES = {
    "Description": "description",
    "Direction": "direction",
    "Action": "action",
    "ApplicationName": "program",
    "Grouping": "group",
    "ServiceName": "service",
    "Enabled": "enabled",
    "Profiles": "profiles",
    "LocalAddresses": "localip",
    "RemoteAddresses": "remoteip",
    "LocalPorts": "localport",
    "RemotePorts": "remoteport",
    "Protocol": "protocol",
    "InterfaceTypes": "interfacetypes",
    "EdgeTraversalOptions": "edge",
    "SecureFlags": "security",
    "IcmpTypesAndCodes": "icmp_type_code",
}


class ComRule:
    """A rule as PowerShell has it: an object of INetFwRule, which judges the whole rule at each change."""

    def __init__(self, properties: dict[str, t.Any]) -> None:
        self.properties = properties

    def get(self, name: str) -> t.Any:
        """The property *name*; the ports of a protocol that has ports are all until they are some."""
        value = self.properties[name]
        if value is None and name in {"LocalPorts", "RemotePorts"} and self.properties["Protocol"] in {TCP, UDP}:
            return "*"
        return value

    def put(self, name: str, value: t.Any) -> None:
        """Change the property *name*. Raises :class:`ModuleError` where Windows raises, which leaves it as it was."""
        try:
            changed = {**self.properties, name: _accepted(name, value)}
            _verify(changed)
        except ValueError as error:
            raise ModuleError(
                f'Exception setting "{name}": "Value does not fall within the expected range." ({error})'
            ) from None
        self.properties.update(changed)


def _accepted(name: str, value: t.Any) -> t.Any:
    """*value* as the object keeps it."""
    if name in {"LocalAddresses", "RemoteAddresses"}:
        return normalised(value)
    if name in {"LocalPorts", "RemotePorts"} and value is not None:
        return checked_ports(value)
    if name in {"Name", "Description", "Grouping"} and "|" in (value or ""):
        raise ValueError("a text of a rule holds no vertical bar")
    if name == "Name" and (not value or value.lower() == "all"):
        raise ValueError("no rule may be called so")
    return value


def _verify(properties: t.Mapping[str, t.Any]) -> None:
    """Raise ValueError for a rule that cannot be: ports need a protocol that has ports ([MS-FASP] 2.2.37)."""
    protocol = properties["Protocol"]
    if protocol not in {TCP, UDP} and any(
        properties[name] not in {None, "*"} for name in ("LocalPorts", "RemotePorts")
    ):
        raise ValueError("ports need a protocol that has ports")
    if protocol not in {ICMP, ICMP6} and properties["IcmpTypesAndCodes"] is not None:
        raise ValueError("types of ICMP need the protocol ICMP")


# --- win_firewall_rule ------------------------------------------------------------------------------------------------


def win_firewall_rule(state: State, call: Call) -> dict[str, t.Any]:
    """The whole of the module."""
    result: dict[str, t.Any] = {"changed": False}
    try:
        _apply(state, call, result)
    except ModuleError as failed:
        # What was changed before the failure stays changed, and is told.
        raise ModuleError(str(failed), **{**result, **failed.more}) from None
    return result


@imitates(
    RULE,
    (161, 'Fail-Json -obj $result -message "Either name or group must be specified"'),
    (180, "$_.Name -eq $name"),
    (183, "$_.Grouping -eq $group"),
    (262, "if (-not $existingRules -and $name) {"),
    (272, "$fw.Rules.Add($new_rule)"),
    (343, "Fail-Json $result $ex.Exception.Message"),
)
def _apply(state: State, call: Call, result: dict[str, t.Any]) -> None:
    args = call.args
    name, group = args["name"], args["group"]
    if not name and not group:
        raise ModuleError("Either name or group must be specified")
    if call.diff:
        result["diff"] = {"prepared": ""}
    found = [
        ComRule(each) for each in state.rules if (_same(each["Name"], name) if name else _same(each["Grouping"], group))
    ]
    wanted = _wanted(args)
    if args["state"] == "absent":
        _remove(state, call, found, result)
    elif not found and name:
        _tell(result, f"+[{name}]\n", "+", wanted)
        if not call.check_mode:
            call.step()
            state.rules.append(wanted.properties)
        result.update(changed=True, msg=f"Firewall rule '{name}' created.")
    elif found:
        _change(call, found, wanted, result)


def _same(left: t.Any, right: t.Any) -> bool:
    """As -eq compares: without case, and nothing is only nothing."""
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    return bool(left == right)


@imitates(
    RULE,
    (193, "if ($null -ne $enabled) { $new_rule.Enabled = $enabled } else { $new_rule.Enabled = $true }"),
    (196, "$new_rule.ApplicationName = [System.Environment]::ExpandEnvironmentVariables($program)"),
    (197, 'if ($null -ne $service -and $service -ne "any") { $new_rule.ServiceName = $service }'),
    (198, "$new_rule.Protocol = ConvertTo-ProtocolType -protocol $protocol"),
    (199, 'if ($null -ne $localport -and $localport -ne "any") { $new_rule.LocalPorts = $localport }'),
    (200, 'if ($null -ne $remoteport -and $remoteport -ne "any") { $new_rule.RemotePorts = $remoteport }'),
    (201, 'if ($null -ne $localip -and $localip -ne "any") { $new_rule.LocalAddresses = $localip }'),
    (202, 'if ($null -ne $remoteip -and $remoteip -ne "any") { $new_rule.RemoteAddresses = $remoteip }'),
    (171, '$icmp_type_code = $icmp_type_code -join ","'),
    (62, "if ($profiles -eq 7) { return 0x7fffffff }"),
)
def _wanted(args: t.Mapping[str, t.Any]) -> ComRule:
    """The rule that the arguments describe, made as the module makes it: property after property."""
    wanted = ComRule(rule(""))
    if args["name"]:
        wanted.put("Name", str(args["name"]))
    wanted.put("Enabled", True if args["enabled"] is None else args["enabled"])
    for prop, option, nothing, converted in _CONVERSIONS:
        value = args[option]
        if value is not None and not _same(value, nothing):
            wanted.put(prop, converted(value))
    return wanted


@imitates(
    RULE,
    (13, "$protocolNumber = $protocol -as [int]"),
    (19, '"tcp" { return [System.Net.Sockets.ProtocolType]::Tcp -as [int] }'),
    (21, '"icmpv4*" { return [System.Net.Sockets.ProtocolType]::Icmp -as [int] }'),
    (23, "default { throw \"Unknown protocol '$protocol'.\" }"),
)
def _protocol(name: str) -> int:
    if name.isdigit():
        return int(name)
    known = {"tcp": TCP, "udp": UDP}
    lower = name.lower()
    if lower.startswith("icmpv4"):
        return ICMP
    if lower.startswith("icmpv6"):
        return ICMP6
    return t.cast("int", _looked_up(known, name, "protocol"))


@imitates(RULE, (58, "default { throw \"Unknown profile '$_'.\" }"))
def _profiles(names: list[str]) -> int:
    # Select-Object -Unique tells capitals from small letters.
    found = sum(_looked_up(_PROFILE_BITS, name, "profile") for name in dict.fromkeys(names))
    return _ALL_PROFILES if found == 7 else t.cast("int", found)


def _looked_up(table: t.Mapping[str, t.Any], name: str, what: str) -> t.Any:
    if name.lower() not in table:
        raise ModuleError(f"Unknown {what} '{name}'.")
    return table[name.lower()]


def _interfaces(names: list[str]) -> str:
    return ",".join(_looked_up(_INTERFACES, each, "interface type") for each in names)


# In the order in which a new rule is made: the property, its argument, the value that leaves it as it is, and what
# becomes of any other.
_CONVERSIONS: tuple[tuple[str, str, t.Any, t.Callable[[t.Any], t.Any]], ...] = (
    ("Description", "description", None, str),
    ("Grouping", "group", None, str),
    ("ApplicationName", "program", "any", expanded),
    ("ServiceName", "service", "any", str),
    ("Protocol", "protocol", "any", _protocol),
    ("LocalPorts", "localport", "any", str),
    ("RemotePorts", "remoteport", "any", str),
    ("LocalAddresses", "localip", "any", str),
    ("RemoteAddresses", "remoteip", "any", str),
    ("IcmpTypesAndCodes", "icmp_type_code", "any", ",".join),
    ("Direction", "direction", None, lambda value: {"in": 1, "out": 2}[value.lower()]),
    ("Action", "action", None, lambda value: {"block": 0, "allow": 1}[value.lower()]),
    ("Profiles", "profiles", None, _profiles),
    ("InterfaceTypes", "interfacetypes", ["any"], _interfaces),
    ("EdgeTraversalOptions", "edge", "no", lambda value: _EDGE[value.lower()]),
    ("SecureFlags", "security", "notrequired", lambda value: _SECURE[value.lower()]),
)


@imitates(
    RULE,
    (235, "$result.msg = \"Firewall rule '$name' does not exist.\""),
    (238, "$result.msg = \"No firewall rules in group '$group' exist.\""),
    (254, "$fw.Rules.Remove($rule.Name)"),
    (258, "$result.msg = \"Firewall rule(s) '$($rules -join \"', '\")' removed.\""),
)
def _remove(state: State, call: Call, found: list[ComRule], result: dict[str, t.Any]) -> None:
    name, group = call.args["name"], call.args["group"]
    if not found:
        none = f"Firewall rule '{name}' does not exist." if name else f"No firewall rules in group '{group}' exist."
        result["msg"] = none
        return
    names = [each.get("Name") for each in found]
    for each in found:
        _tell(result, f"-[{each.get('Name')}]\n", "-", each)
        if not call.check_mode:
            call.step()
            # By its name: where another rule, even of another group, has the same name, it may be that one which goes.
            at = next(i for i, other in enumerate(state.rules) if _same(other["Name"], each.get("Name")))
            del state.rules[at]
        result["changed"] = True
    result["msg"] = "Firewall rule(s) '{}' removed.".format("', '".join(names))


@imitates(
    RULE,
    (290, "if ($null -ne $userPassedArguments[$i]) {"),
    (292, "if ($existingRule.$prop -ne $new_rule.$prop) {"),
    (294, 'if ($prop -like "*Addresses") {'),
    (297, "if (-not (Compare-Object $existingAddresses $newAddresses)) {"),
    (318, "$existingRule.$prop = $new_rule.$prop"),
    (315, "PutApplicationName($existingRule, $new_rule.$prop)"),
    (336, "Firewall rule(s) changed '$($changedRules -join \"', '\")' - unchanged '$($unchangedRules -join \"', '\")'"),
)
def _change(call: Call, found: list[ComRule], wanted: ComRule, result: dict[str, t.Any]) -> None:
    changed: list[str] = []
    unchanged: list[str] = []
    for each in found:
        _note(result, f"[{each.get('Name')}]\n")
        is_changed = False
        for prop, option in _PROPERTIES.items():
            old, new = each.get(prop), wanted.get(prop)
            if call.args[option] is None or _same(old, new):
                continue
            if prop.endswith("Addresses") and sorted(old.lower().split(",")) == sorted(new.lower().split(",")):
                continue
            _note(result, f"-{prop}='{_shown(old)}'\n+{prop}='{_shown(new)}'\n")
            if not call.check_mode:
                call.step()
                each.put(prop, new)
            is_changed = True
        (changed if is_changed else unchanged).append(each.get("Name"))
        result["changed"] = result["changed"] or is_changed
    result["msg"] = "Firewall rule(s) changed '{}' - unchanged '{}'".format(
        "', '".join(changed), "', '".join(unchanged)
    )


def _tell(result: dict[str, t.Any], head: str, sign: str, each: ComRule) -> None:
    _note(result, head + "".join(f"{sign}{prop}='{_shown(each.get(prop))}'\n" for prop in _PROPERTIES))


def _note(result: dict[str, t.Any], text: str) -> None:
    if "diff" in result:
        result["diff"]["prepared"] += text


def _shown(value: t.Any) -> str:
    return "" if value is None else str(value)


# --- win_firewall -----------------------------------------------------------------------------------------------------


@imitates(
    FIREWALL,
    (8, "$firewall_profiles = @('Domain', 'Private', 'Public')"),
    (52, "enabled = ($currentstate -eq $FIREWALL_ENABLED)"),
    (57, "if ($profiles -notcontains $profile) {"),
    (63, "if ($currentstate -eq $FIREWALL_DISABLED) {"),
    (64, "Set-NetFirewallProfile -name $profile -Enabled true -WhatIf:$check_mode"),
    (70, "if ($inbound_action -ne $current_inboundaction) {"),
    (77, "if ($outbound_action -ne $current_outboundaction) {"),
    (78, "Set-NetFirewallProfile -name $profile -DefaultOutboundAction $outbound_action -WhatIf:$check_mode"),
    (86, "Set-NetFirewallProfile -name $profile -Enabled false -WhatIf:$check_mode"),
)
def win_firewall(state: State, call: Call) -> dict[str, t.Any]:
    """The whole of the module. Enabled is 0 (False), 1 (True) or 2 (NotConfigured), as the cmdlets count."""
    args = call.args
    result: dict[str, t.Any] = {
        "changed": False,
        "restart_required": False,
        "profiles": args["profiles"],
        "state": args["state"],
    }
    for name in PROFILES:
        profile = state.profiles[name]
        current = profile["Enabled"]
        is_considered = name in args["profiles"]
        result[name] = {"enabled": current == 1, "considered": is_considered, "currentstate": current}
        if is_considered and args["state"] == "enabled":
            _switch_on(profile, call, result, name)
        elif is_considered and current == 1:
            _put(profile, "Enabled", 0, call, result)
            result[name]["enabled"] = False
    return result


def _switch_on(profile: dict[str, t.Any], call: Call, result: dict[str, t.Any], name: str) -> None:
    if profile["Enabled"] == 0:
        _put(profile, "Enabled", 1, call, result)
        result[name]["enabled"] = True
    for option, prop in (("inbound_action", "DefaultInboundAction"), ("outbound_action", "DefaultOutboundAction")):
        action = call.args[option]
        if action is not None:
            wanted = action.lower().title().replace("_", "")
            if not _same(wanted, profile[prop]):
                _put(profile, prop, wanted, call, result)


def _put(profile: dict[str, t.Any], prop: str, value: t.Any, call: Call, result: dict[str, t.Any]) -> None:
    if not call.check_mode:
        call.step()
        profile[prop] = value
    result["changed"] = True
