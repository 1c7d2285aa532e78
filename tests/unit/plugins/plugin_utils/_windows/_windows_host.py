# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Windows host as far as the calls of this collection need one: rules, profiles and a registry, changed by modules.

It follows the sources of ansible.windows and community.windows. Failures can be had at any call, before or after it did
what it does.
"""

from __future__ import annotations

import copy
import ipaddress
import typing as t

GROUP = "netwall.datadog"
PROFILES = ("Domain", "Private", "Public")
_NUMBERS = {"tcp": 6, "udp": 17, "icmpv4": 1, "icmpv6": 58}
# In the order in which the module compares and lists them.
_DEFAULTS: dict[str, t.Any] = {
    "Description": "",
    "Direction": 1,
    "Action": 1,
    "ApplicationName": "",
    "Grouping": "",
    "ServiceName": "",
    "Enabled": True,
    "Profiles": 0x7FFFFFFF,
    "LocalAddresses": "*",
    "RemoteAddresses": "*",
    "LocalPorts": "*",
    "RemotePorts": "*",
    "Protocol": 256,
    "InterfaceTypes": "All",
    "EdgeTraversalOptions": 0,
    "SecureFlags": 0,
    "IcmpTypesAndCodes": "",
}
_ARGUMENTS = {
    "description": "Description",
    "direction": "Direction",
    "action": "Action",
    "program": "ApplicationName",
    "group": "Grouping",
    "service": "ServiceName",
    "enabled": "Enabled",
    "profiles": "Profiles",
    "localip": "LocalAddresses",
    "remoteip": "RemoteAddresses",
    "localport": "LocalPorts",
    "remoteport": "RemotePorts",
    "protocol": "Protocol",
}


class CutError(Exception):
    """The connection broke."""


class Host:
    """``rules`` are properties by name; ``profiles`` whether they are on and their action; ``policy`` group policy's.

    *fails_at* is the number of the call that fails, from 1 on; *after* says that it did its work before. With *tells*
    False the module lists no properties.
    """

    def __init__(self, **profiles: str) -> None:
        self.rules: dict[str, dict[str, t.Any]] = {}
        self.profiles: dict[str, dict[str, t.Any]] = {
            name: {"on": True, "action": "not_configured"} for name in PROFILES
        }
        for name, action in profiles.items():
            self.profiles[name]["action"] = action
        self.record: t.Any = None
        self.policy: list[str] = []
        self.calls: list[tuple[str, dict[str, t.Any], bool]] = []
        self.fails_at = 0
        self.after = False
        self.tells = True
        self.watch: t.Callable[[Host], None] = lambda _host: None

    @property
    def state(self) -> t.Any:
        """All that can be changed, for comparisons."""
        return copy.deepcopy((self.rules, self.profiles, self.record))

    @property
    def changes(self) -> list[tuple[str, dict[str, t.Any]]]:
        """The calls that were not in check mode and not to read only."""
        return [
            (name, arguments) for name, arguments, is_check in self.calls if not is_check and name != "win_reg_stat"
        ]

    def __call__(self, module: str, arguments: dict[str, t.Any], *, is_check: bool, is_diff: bool) -> dict[str, t.Any]:
        name = module.rpartition(".")[2]
        self.calls.append((name, copy.deepcopy(arguments), is_check))
        fails = len(self.calls) == self.fails_at
        if fails and not self.after:
            raise CutError
        before = self.state if is_check else None
        answer: dict[str, t.Any] = getattr(self, f"_{name}")(**arguments, is_diff=is_diff, is_check=is_check)
        if before is not None:
            self.rules, self.profiles, self.record = before
        self.watch(self)
        if fails:
            raise CutError
        return answer

    def _win_reg_stat(self, path: str, name: str = "", **_mode: bool) -> dict[str, t.Any]:
        if "Policies" in path:
            return {"changed": False, "exists": bool(self.policy), "sub_keys": self.policy, "properties": {}}
        assert (path, name) == (r"HKLM:\SOFTWARE\netwall.datadog", "record")
        if self.record is None:
            return {"changed": False, "exists": False}
        return {"changed": False, "exists": True, "type": "REG_MULTI_SZ", "value": self.record}

    def _win_regedit(self, path: str, state: str, **more: t.Any) -> dict[str, t.Any]:
        assert path == r"HKLM:\SOFTWARE\netwall.datadog"
        if state == "present":
            assert (more["name"], more["type"]) == ("record", "multistring")
            assert all(more["data"])
        else:
            assert more["delete_key"] is True
        before, self.record = self.record, list(more["data"]) if state == "present" else None
        return {"changed": before != self.record}

    def _win_firewall(
        self, profiles: list[str], state: str, outbound_action: str | None = None, **_mode: bool
    ) -> dict[str, t.Any]:
        answer: dict[str, t.Any] = {"changed": False}
        for name in PROFILES:
            profile = self.profiles[name]
            told = {"enabled": profile["on"], "considered": name in profiles, "currentstate": int(profile["on"])}
            answer[name] = told
            if name not in profiles:
                continue
            if profile["on"] != (state == "enabled"):
                profile["on"] = told["enabled"] = state == "enabled"
                answer["changed"] = True
            if state == "enabled" and outbound_action not in (None, profile["action"]):
                profile["action"] = outbound_action
                answer["changed"] = True
        return answer

    def _win_firewall_rule(
        self, state: str, name: str = "", group: str = "", is_diff: bool = False, is_check: bool = False, **more: t.Any
    ) -> dict[str, t.Any]:
        names = [
            one
            for one, it in self.rules.items()
            if (one.lower() == name.lower() if name else it["Grouping"].lower() == group.lower())
        ]
        if state == "absent":
            assert name or is_check
            prepared = "".join(_listed(one, self.rules[one]) for one in names)
            for one in names:
                del self.rules[one]
            return {
                "changed": bool(names),
                "msg": "Firewall rule(s) '{}' removed.".format("', '".join(names)),
                **({"diff": {"prepared": prepared}} if is_diff and self.tells else {}),
            }
        wanted = {_ARGUMENTS[key]: _property(key, value) for key, value in {**more, "group": group}.items()}
        if wanted["Protocol"] not in (6, 17):
            assert not {"LocalPorts", "RemotePorts"} & set(wanted)
        if not names:
            self.rules[name] = {**_DEFAULTS, **wanted}
            return {"changed": True, "msg": f"Firewall rule '{name}' created."}
        changed = False
        for one in names:
            for key, value in wanted.items():
                old = self.rules[one][key]
                if "Addresses" in key and sorted(old.split(",")) == sorted(value.split(",")):
                    continue
                changed |= old != value
                self.rules[one][key] = value
        return {"changed": changed}


def _property(argument: str, value: t.Any) -> t.Any:
    words = {"direction": {"in": 1, "out": 2}, "action": {"block": 0, "allow": 1}}
    if argument in words:
        return words[argument][value]
    if argument == "protocol":
        return _NUMBERS.get(value) or int(value)
    if argument == "profiles":
        assert sorted(value) == ["domain", "private", "public"]
        return 0x7FFFFFFF
    if argument in ("remoteip", "localip"):
        return "*" if value == "any" else ",".join(sorted(map(_address, value.split(","))))
    if value == "any":
        return "" if argument in ("program", "service") else "*"
    return value


def _address(entry: str) -> str:
    if "-" in entry or entry == "DNS":
        return entry
    network = ipaddress.ip_network(entry)
    assert network.prefixlen
    if network.version == 4:
        return network.with_netmask
    return entry


def _listed(name: str, properties: dict[str, t.Any]) -> str:
    lines = [f"-[{name}]", *(f"-{key}='{properties[key]}'" for key in _DEFAULTS)]
    return "".join(f"{line}\n" for line in lines)
