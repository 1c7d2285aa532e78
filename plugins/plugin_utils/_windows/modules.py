# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The modules of ansible.windows and community.windows, as far as they are called, with what they answer understood."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.addresses import ANY, Addresses
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.record import KEY, VALUE, Record
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.rules import GROUP, PROFILES, Rule

RULE = "community.windows.win_firewall_rule"
PROFILE = "ansible.windows.win_firewall"
REGISTRY = "ansible.windows.win_regedit"
REGISTRY_STAT = "ansible.windows.win_reg_stat"
MODULES = (RULE, PROFILE, REGISTRY, REGISTRY_STAT)

# Where group policy keeps its settings of Windows Firewall ([MS-GPFAS]).
_POLICY = r"HKLM:\SOFTWARE\Policies\Microsoft\WindowsFirewall"

# How community.windows.win_firewall_rule lists rules in its diff.
_LISTED_RULE = re.compile(r"-\[(.*)\]\Z")
_LISTED_PROPERTY = re.compile(r"-(\w+)='(.*)'\Z")

# What a rule of ours has, as the COM object tells it; of some more than one form.
_ALL_PROFILES = ("2147483647", "7")
_NUMBERS = {"tcp": "6", "udp": "17", "icmpv4": "1", "icmpv6": "58"}
_NONE = ("", "*")

Properties = t.Mapping[str, str]


class WindowsFirewallError(Exception):
    """Something is wrong or did not work; the text is a sentence for the user."""


class UnreachableError(Exception):
    """The host could not be reached any more; ``answer`` is what ansible-core made of it."""

    def __init__(self, answer: dict[str, t.Any]) -> None:
        super().__init__(str(answer.get("msg", "")))
        self.answer = answer


class Run(t.Protocol):
    """Runs a module on the host, whatever mode the task is in."""

    def __call__(
        self, module: str, arguments: dict[str, t.Any], *, is_check: bool, is_diff: bool
    ) -> dict[str, t.Any]: ...


class Listed(t.NamedTuple):
    """The rules that the host has in our group: their properties by name, or only their names (None)."""

    rules: t.Mapping[str, Properties | None]


class Probe(t.NamedTuple):
    """``fits``: whether all profiles that were asked for are on, with the action that was asked for.

    ``is_on`` by profile; one that can't be told is missing.
    """

    fits: bool
    is_on: t.Mapping[str, bool]


class WindowsModules:
    """One host. Every method raises :class:`WindowsFirewallError` where the module fails."""

    def __init__(self, run: Run) -> None:
        self._run = run
        # For documentation and tests: what a run costs.
        self.calls = 0

    def read_record(self) -> t.Any:
        """The value that is kept in the registry, None if there is none."""
        answer = self._call(REGISTRY_STAT, {"path": KEY, "name": VALUE}, "The record in its registry can't be read")
        return (answer.get("value") or []) if answer.get("exists") else None

    def write_record(self, record: Record) -> None:
        """Keep *record*; an empty one is no record."""
        if record.is_empty:
            arguments: dict[str, t.Any] = {"path": KEY, "state": "absent", "delete_key": True}
        else:
            arguments = {"path": KEY, "name": VALUE, "type": "multistring", "data": record.lines(), "state": "present"}
        self._call(REGISTRY, arguments, "The record in its registry can't be written")

    def is_under_policy(self) -> bool:
        """Whether group policy has a say in Windows Firewall here."""
        answer = self._call(REGISTRY_STAT, {"path": _POLICY}, "The settings of group policy can't be read")
        return bool(answer.get("exists") and (answer.get("sub_keys") or answer.get("properties")))

    def rules(self) -> Listed:
        """What the host has in our group. Nothing is removed by it: it is the diff of a removal in check mode."""
        answer = self._call(
            RULE, {"group": GROUP, "state": "absent"}, "Its rules can't be listed", is_check=True, is_diff=True
        )
        if not answer.get("changed"):
            return Listed({})
        found: dict[str, Properties | None] = {}
        found.update(_listed(str((answer.get("diff") or {}).get("prepared") or "")))
        if not found:
            _before, _quote, names = str(answer.get("msg") or "").partition("'")
            found.update(dict.fromkeys(names.rpartition("'")[0].split("', '")))
        return Listed(found)

    def put(self, rule: Rule, more: t.Mapping[str, t.Any], *, is_check: bool = False) -> bool:
        """Have *rule* on the host, with *more* arguments; whether that changed something (or would)."""
        arguments = {**rule.arguments(), **more}
        answer = self._call(RULE, arguments, f"The rule '{rule.name}' could not be set", is_check=is_check)
        return bool(answer.get("changed"))

    def drop(self, name: str) -> bool:
        """Remove the rule *name*; whether it was there."""
        answer = self._call(RULE, {"name": name, "state": "absent"}, f"The rule '{name}' could not be removed")
        return bool(answer.get("changed"))

    def probe(self, profiles: t.Sequence[str], outbound: str | None = None) -> Probe:
        """Whether *profiles* are on with the default action *outbound* (any if None); nothing is changed."""
        arguments: dict[str, t.Any] = {"profiles": list(profiles), "state": "enabled"}
        arguments.update({"outbound_action": outbound} if outbound else {})
        answer = self._call(PROFILE, arguments, "Its profiles can't be read", is_check=True)
        fits = not answer.get("changed")
        states = {
            profile: True if fits and profile in profiles else _is_on(answer.get(profile), profile in profiles)
            for profile in PROFILES
        }
        return Probe(fits, {profile: state for profile, state in states.items() if state is not None})

    def set_profiles(self, profiles: t.Sequence[str], outbound: str | None = None) -> None:
        """Have *profiles* on, with the default action *outbound* if it is not None."""
        arguments: dict[str, t.Any] = {"profiles": list(profiles), "state": "enabled"}
        arguments.update({"outbound_action": outbound} if outbound else {})
        self._call(PROFILE, arguments, f"The profiles {', '.join(profiles)} could not be set")

    def switch_off(self, profiles: t.Sequence[str]) -> None:
        """Have *profiles* off."""
        arguments = {"profiles": list(profiles), "state": "disabled"}
        self._call(PROFILE, arguments, f"The profiles {', '.join(profiles)} could not be switched off")

    def _call(
        self, module: str, arguments: dict[str, t.Any], what: str, *, is_check: bool = False, is_diff: bool = False
    ) -> dict[str, t.Any]:
        self.calls += 1
        answer = self._run(module, arguments, is_check=is_check, is_diff=is_diff)
        if answer.get("unreachable"):
            raise UnreachableError(answer)
        if answer.get("failed"):
            said = " ".join(str(answer.get("msg") or "").split()).rstrip(".") or "it did not say why"
            raise WindowsFirewallError(f"{what}: {said}.")
        return answer


class Difference(t.NamedTuple):
    """How a rule on the host differs from the one that is wanted.

    ``is_needed``: something has to be set, or may have to. ``before`` are its addresses, None if they can't be told.
    ``more``: arguments that take away what somebody added to it. ``is_anew``: it has to go first, because the module
    can't make the wanted rule of it.
    """

    is_needed: bool
    before: Addresses | None
    more: t.Mapping[str, str]
    is_anew: bool = False


def difference(rule: Rule, found: Properties | None) -> Difference:
    """How the rule *found* on the host differs from *rule*, which has its name."""
    if found is None:
        return Difference(True, None, {})
    before: Addresses | None
    try:
        before = Addresses.parse(found.get("RemoteAddresses", ""))
    except ValueError:
        before = None
    expected = _properties(rule)
    others = {name for name, values in expected.items() if found.get(name, "").lower() not in values}
    more = {argument: ANY for name, argument in _CLEARED.items() if name in others and expected[name] == _NONE}
    if rule.match.word:
        is_same_remote = found.get("RemoteAddresses", "").lower() == rule.match.word.lower()
    else:
        is_same_remote = before == rule.addresses
    # The module compares texts without case, and so never changes a description that differs in case alone.
    is_described = found.get("Description", "").casefold() == rule.description.casefold()
    is_same = not others and is_same_remote and is_described
    return Difference(not is_same, before, more, is_anew=bool(others & _NOT_GIVEN_BACK))


_ZERO = ("", "0")
# Properties that a rule of ours may not have, and the arguments that take them away.
_CLEARED = {
    "ApplicationName": "program",
    "LocalAddresses": "localip",
    "LocalPorts": "localport",
    "RemotePorts": "remoteport",
}
# What the module can't give back to a rule. It sets ports before the protocol, which Windows refuses where the protocol
# that is there has none; a service it clears by a null, of which it says itself that COM takes it for something else;
# and for the others it documents no argument.
_NOT_GIVEN_BACK = {
    "Direction",
    "Protocol",
    "ServiceName",
    "IcmpTypesAndCodes",
    "InterfaceTypes",
    "EdgeTraversalOptions",
    "SecureFlags",
}


def _properties(rule: Rule) -> dict[str, tuple[str, ...]]:
    """What *rule* is to have beside addresses and description: for each property the values that do, in lower case."""
    match = rule.match
    ports: dict[str, tuple[str, ...]] = {"localport": _NONE, "remoteport": _NONE}
    arguments = rule.arguments()
    ports.update({name: (arguments[name],) for name in ports if name in arguments})
    program, service = arguments.get("program", ""), arguments.get("service", "")
    return {
        "Direction": ("1" if match.direction == "inbound" else "2",),
        "Action": ("0" if rule.is_block else "1",),
        "Grouping": (GROUP,),
        "Enabled": ("true",),
        "Profiles": _ALL_PROFILES,
        "Protocol": (_NUMBERS.get(match.protocol, match.protocol),),
        "LocalPorts": ports["localport"],
        "RemotePorts": ports["remoteport"],
        "LocalAddresses": _NONE,
        "ApplicationName": (program.lower(),) if program else _NONE,
        "ServiceName": (service.lower(),) if service else _NONE,
        "InterfaceTypes": ("", "all"),
        "EdgeTraversalOptions": _ZERO,
        "SecureFlags": _ZERO,
        "IcmpTypesAndCodes": (*_NONE, "*:*"),
    }


def _listed(diff: str) -> dict[str, Properties]:
    """The rules in *diff*, as the module prepares it for a removal; those that share a name have no properties.

    Windows takes many rules of one name. They are none of ours any more, and so one is made anew of them.
    """
    found: dict[str, Properties] = {}
    properties: dict[str, str] = {}
    for line in diff.splitlines():
        begin, pair = _LISTED_RULE.match(line), _LISTED_PROPERTY.match(line)
        if begin:
            properties = {}
            found[begin[1]] = {} if begin[1] in found else properties
        elif pair:
            properties[pair[1]] = pair[2]
    return found


def _is_on(told: t.Any, is_asked: bool) -> bool | None:
    """Whether a profile is on, by what the module *told* of it; None if it can't be told.

    Of one that was asked for, ``enabled`` is what it would be; ``currentstate`` is a GpoBoolean: 0, 1, or 2 for "not
    configured", which is on unless group policy says otherwise.
    """
    if not isinstance(told, dict):
        return None
    now = told.get("currentstate")
    now = now.get("Value", now.get("value")) if isinstance(now, dict) else now
    state = {"0": False, "false": False, "1": True, "true": True, "2": True, "notconfigured": True}.get(
        str(now).lower()
    )
    if state is None and not is_asked:
        return bool(told.get("enabled"))
    return state
