# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Our rules as firewalld's own policies and ipsets, and those as the files that firewalld reads.

Each flow has an ipset per family, named after the flow; our policies say what happens to traffic with what is in it.
So a change of addresses changes entries of ipsets and nothing else. Why each ipset has a spare stands in
``firewalld_live.py``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import os
import re
import typing as t
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import Rule
from ansible_collections.netwall.datadog.plugins.module_utils._flow import Flow, parse_network, sort_networks

FOLDER = "/etc/firewalld"
# Where our policies stand: behind all of theirs, and the default for outgoing traffic last of all; or before them.
PLACES = {"theirs": 32766, "ours": -32768}
LAST_PLACE = 32767

_PREFIX = "netwall-"
_MARK = "Made by netwall.datadog, which undoes changes here."
_ZONES = {"inbound": ("ANY", "HOST"), "outbound": ("HOST", "ANY")}
_NAMES = {"inbound": "netwall-in", "outbound": "netwall-out"}
_DEFAULT_NAME = "netwall-rest-out"
_OUR_NAME = re.compile(r"netwall-(in|out|rest-out|[0-9a-f]{10}-[46](-spare)?)\Z")
_ABOUT = re.compile(r"(allow|deny) (inbound|outbound) (tcp|udp) (to|from) port (\d+), flow (\S+)\Z")
# A set takes no network of length 0, but it takes the two halves.
_HALVES = {"0.0.0.0/0": ("0.0.0.0/1", "128.0.0.0/1"), "::/0": ("::/1", "8000::/1")}
# What a host must send whatever is denied, and no flow can say: neighbour discovery, path MTU, multicast.
_ALWAYS = ("icmp", "ipv6-icmp", "igmp")


@dataclasses.dataclass(frozen=True)
class Policy:
    """A policy object: ``zones`` are where traffic comes from and where it goes, ``rules`` rich rules."""

    priority: int
    zones: tuple[str, ...]
    rules: frozenset[str]
    target: str = "CONTINUE"


@dataclasses.dataclass(frozen=True)
class AddressSet:
    """An ipset of networks: ``entries`` are disjoint, ``about`` says for people (and :func:`rules_in`) what it is."""

    family: int
    entries: frozenset[str]
    about: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(frozen=True)
class Layout:
    """All of ours, by name, in the files or at run time."""

    policies: t.Mapping[str, Policy] = dataclasses.field(default_factory=dict)
    sets: t.Mapping[str, AddressSet] = dataclasses.field(default_factory=dict)

    @property
    def structure(self) -> tuple[t.Any, ...]:
        """What only a reload can change."""
        return (dict(self.policies), {name: found.family for name, found in self.sets.items()})


def is_ours(name: str) -> bool:
    """Whether a policy or ipset called *name* is one of ours."""
    return bool(_OUR_NAME.match(name))


def spare_of(name: str) -> str:
    """The name of the spare of the ipset *name*."""
    return f"{name}-spare"


def is_spare(name: str) -> bool:
    """Whether the ipset *name* is the spare of another."""
    return name.endswith("-spare")


def compile_layout(rules: t.Iterable[Rule], precedence: str, deny_outbound: bool) -> Layout:
    """What says *rules*, each of one flow, in firewalld's terms; *precedence* is ``theirs`` or ``ours``."""
    groups: dict[Rule, set[str]] = {}
    for rule in rules:
        groups.setdefault(dataclasses.replace(rule, network=""), set()).add(rule.network)
    sets: dict[str, AddressSet] = {}
    told: dict[str, set[str]] = {}
    for group, networks in groups.items():
        for family in (4, 6):
            name = _set_name(group, family)
            sets[name] = AddressSet(family, _entries(networks, family), _about(group))
            sets[spare_of(name)] = AddressSet(family, frozenset(), f"holds entries of {name} while that is changed")
            if decides(group, precedence):
                lines = {_rich_rule(group, family, name), _rich_rule(group, family, spare_of(name))}
                told.setdefault(group.direction, set()).update(lines)
    policies = {
        _NAMES[direction]: Policy(PLACES[precedence], _ZONES[direction], frozenset(lines))
        for direction, lines in told.items()
    }
    if deny_outbound:
        always = frozenset(f'rule protocol value="{protocol}" accept' for protocol in _ALWAYS)
        policies[_DEFAULT_NAME] = Policy(LAST_PLACE, _ZONES["outbound"], always, "REJECT")
    return Layout(policies, sets)


def decides(rule: Rule, precedence: str) -> bool:
    """Whether *rule* needs a rule in a policy.

    An inbound denial that comes after all of theirs does not: what none of them lets in, firewalld refuses, and a
    rule of ours would come before the target of a zone that lets everything in.
    """
    return precedence == "ours" or (rule.direction, rule.action) != ("inbound", "deny")


def rules_in(layout: Layout) -> tuple[Rule, ...]:
    """The rules that *layout* was compiled from, each with one flow and a network in its canonical form."""
    found = []
    for name, each in layout.sets.items():
        match = _ABOUT.match(each.about)
        if not match or is_spare(name):
            continue
        action, direction, protocol, end, port, flow = match.groups()
        to, source = (int(port), None) if end == "to" else (None, int(port))
        found += [
            Rule(direction, action, protocol, network, to, source, (flow,)) for network in _networks(each.entries)
        ]
    return tuple(found)


def denies_outbound(layout: Layout) -> bool:
    """Whether *layout* refuses outgoing traffic that no rule names."""
    return _DEFAULT_NAME in layout.policies


def canonical(flow: Flow) -> Flow:
    """*flow* with the fewest networks that cover the same addresses, as :func:`rules_in` gives them back."""
    entries = {entry for family in (4, 6) for entry in _entries(flow.networks, family)}
    return dataclasses.replace(flow, networks=_networks(entries))


def _about(group: Rule) -> str:
    end = f"to port {group.port}" if group.port else f"from port {group.source_port}"
    return f"{group.action} {group.direction} {group.protocol} {end}, flow {group.flows[0]}"


def _set_name(group: Rule, family: int) -> str:
    return f"{_PREFIX}{hashlib.sha256(_about(group).encode()).hexdigest()[:10]}-{family}"


def _rich_rule(group: Rule, family: int, name: str) -> str:
    """An allow comes before a deny, whatever else is in the policy."""
    side = "destination" if group.direction == "outbound" else "source"
    port = f'port port="{group.port}"' if group.port else f'source-port port="{group.source_port}"'
    # A program on this host had better know at once; a stranger need not know.
    denial = "reject" if group.direction == "outbound" else "drop"
    priority, verdict = (-1, "accept") if group.action == "allow" else (1, denial)
    match = f'family="ipv{family}" {side} ipset="{name}" {port} protocol="{group.protocol}"'
    return f'rule priority="{priority}" {match} {verdict}'


def _entries(networks: t.Iterable[str], family: int) -> frozenset[str]:
    """The fewest disjoint networks of *family* that cover those of *networks*, none of length 0."""
    parsed: list[t.Any] = [network for network in map(parse_network, networks) if network.version == family]
    texts = map(str, ipaddress.collapse_addresses(parsed))
    return frozenset(part for text in texts for part in _HALVES.get(text, (text,)))


def _networks(entries: t.Collection[str]) -> tuple[str, ...]:
    """What :func:`_entries` made of networks, the other way round."""
    whole = [network for network, halves in _HALVES.items() if set(halves) <= set(entries)]
    halves = {half for network in whole for half in _HALVES[network]}
    return sort_networks([*whole, *(entry for entry in entries if entry not in halves)])


# --- Files ------------------------------------------------------------------------------------------------------------


def texts_of(layout: Layout) -> dict[str, str]:
    """The files, by path, that make firewalld load *layout*."""
    texts = {f"{FOLDER}/ipsets/{name}.xml": _set_file(name, each) for name, each in sorted(layout.sets.items())}
    texts.update(
        (f"{FOLDER}/policies/{name}.xml", _policy_file(name, each)) for name, each in sorted(layout.policies.items())
    )
    return texts


def keep_if_same(path: str, old: str | None, new: str) -> str:
    """*old* if firewalld and we read the same from it as from *new*, else *new*."""
    if old is None or old == new:
        return new
    before, after = parse_files({path: old}), parse_files({path: new})
    said = [[each.about for each in layout.sets.values()] for layout in (before, after)]
    return old if before == after and said[0] == said[1] else new


def parse_files(texts: t.Mapping[str, str]) -> Layout:
    """The layout that the files *texts*, by path, hold; one that is not well-formed counts as none."""
    policies, sets = {}, {}
    for path, text in texts.items():
        folder, file = os.path.split(path)
        name, ending = os.path.splitext(file)
        if ending != ".xml":
            continue
        try:
            root = ElementTree.fromstring(text.encode("utf-8", "surrogateescape"))
            if folder.endswith("policies"):
                policies[name] = _policy_in(root)
            else:
                sets[name] = _set_in(root)
        except (ElementTree.ParseError, ValueError):
            continue
    return Layout(policies, sets)


def parse_set(options: t.Mapping[str, str], entries: t.Iterable[str], description: str) -> AddressSet:
    """The ipset with these *options* and *entries*; raises ValueError if it can't be one of ours."""
    family = 6 if options.get("family") == "inet6" else 4
    found = frozenset(entries)
    if any(parse_network(entry).version != family for entry in found):
        raise ValueError("an entry of the other family")
    return AddressSet(family, found, description.partition(_MARK)[2].strip())


def _policy_file(name: str, policy: Policy) -> str:
    source, destination = policy.zones
    lines = [
        f'<policy priority="{policy.priority}" target="{policy.target}">',
        f"  <short>{escape(name)}</short>",
        f"  <description>{escape(_MARK)}</description>",
        f'  <ingress-zone name="{source}"/>',
        f'  <egress-zone name="{destination}"/>',
        *(f"  {ElementTree.tostring(_element(rule), encoding='unicode')}" for rule in sorted(policy.rules)),
        "</policy>",
    ]
    return _document(lines)


def _set_file(name: str, each: AddressSet) -> str:
    family = "inet6" if each.family == 6 else "inet"
    lines = [
        '<ipset type="hash:net">',
        f"  <short>{escape(name)}</short>",
        f"  <description>{escape(f'{_MARK} {each.about}')}</description>",
        f'  <option name="family" value="{family}"/>',
        *(f"  <entry>{network}</entry>" for network in sort_networks(each.entries)),
        "</ipset>",
    ]
    return _document(lines)


def _document(lines: t.Iterable[str]) -> str:
    return "\n".join(['<?xml version="1.0" encoding="utf-8"?>', *lines, ""])


def _element(rule: str) -> ElementTree.Element:
    """A rich rule of ours as XML: a word with a value is an attribute of the last one without."""
    words = rule.split(" ")
    root = current = ElementTree.Element(words[0])
    for word in words[1:]:
        key, has_value, value = word.partition("=")
        if has_value:
            current.set(key, value.strip('"'))
        else:
            current = ElementTree.SubElement(root, key)
    return root


def _rule_in(element: ElementTree.Element) -> str:
    """The other way round, in firewalld's order of words, whoever wrote the XML."""
    parts = [_words(element, ("priority", "family"))]
    for tag in ("source", "destination", "port", "source-port", "protocol", "accept", "reject", "drop"):
        parts += [_words(child, ("ipset", "port", "protocol", "value")) for child in element.findall(tag)]
    if len(parts) != 1 + len(element):
        raise ValueError("a rule that is none of ours")
    return " ".join(parts)


def _words(element: ElementTree.Element, keys: t.Sequence[str]) -> str:
    if not set(element.keys()) <= set(keys):
        raise ValueError("a rule that is none of ours")
    return " ".join([element.tag, *(f'{key}="{element.get(key)}"' for key in keys if element.get(key) is not None)])


def _policy_in(root: ElementTree.Element) -> Policy:
    known = {"short", "description", "ingress-zone", "egress-zone", "rule"}
    if not {child.tag for child in root} <= known:
        raise ValueError("a policy that is none of ours")
    zones = [child.get("name", "") for tag in ("ingress-zone", "egress-zone") for child in root.findall(tag)]
    return Policy(
        priority=int(root.get("priority", "-1")),
        zones=tuple(zones),
        rules=frozenset(_rule_in(rule) for rule in root.findall("rule")),
        target=root.get("target", "CONTINUE"),
    )


def _set_in(root: ElementTree.Element) -> AddressSet:
    options = {option.get("name", ""): option.get("value", "") for option in root.findall("option")}
    if root.get("type") != "hash:net" or set(options) != {"family"}:
        raise ValueError("an ipset that is none of ours")
    return parse_set(options, [entry.text or "" for entry in root.findall("entry")], root.findtext("description", ""))
