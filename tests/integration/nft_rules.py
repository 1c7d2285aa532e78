# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host with firewalld does with a packet, found out by walking the chains that `nft -j list ruleset` printed.

It shares nothing with the collection's own idea of verdicts: it judges that. An expression that it does not know is an
error, never passed over.
"""

from __future__ import annotations

import functools
import ipaddress
import itertools
import json
import re
import typing as t
from collections import defaultdict

from ansible_collections.netwall.datadog.tests.integration.corners import PROTOCOLS, Box
from ansible_collections.netwall.datadog.tests.integration.saved_tables import MOST, address, span_of

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.netwall.datadog.tests.integration.saved_tables import Packet, Span

Node = t.Any

_HOOKS = {"INPUT": ("filter_PREROUTING", "filter_INPUT"), "OUTPUT": ("filter_OUTPUT",)}
_NAT = {"INPUT": "nat_PREROUTING", "OUTPUT": "nat_OUTPUT"}
_PORTS = {"tcp": ("tcp",), "udp": ("udp",), "sctp": ("sctp",), "dccp": ("dccp",), "th": ("tcp", "udp", "sctp", "dccp")}
_FAMILIES = {"ip": 4, "ip6": 6}
_ICMP = {"icmp": 4, "icmpv6": 6}
# What takes no part in a verdict on a first packet.
_SILENT = ("log", "counter", "mangle", "ct helper", "notrack", "masquerade", "comment")
_VERDICTS = {"accept": "ACCEPT", "drop": "DROP", "reject": "REJECT", "dnat": "ACCEPT", "redirect": "ACCEPT"}
_ICMP_TYPES = {"echo-request": {4: 8, 6: 128}, "nd-neighbor-solicit": {6: 135}, "nd-router-advert": {6: 134}}


class Ruleset:
    """firewalld's own table: what `nft -j list ruleset` prints, and the targets of its zones."""

    def __init__(self, listed: str, targets: Mapping[str, str]) -> None:
        self.targets = targets
        self._had_by_source = ""
        self.chains: dict[str, list[list[Node]]] = defaultdict(list)
        self.sets: dict[str, list[Node]] = {}
        self.handles: dict[str, list[int]] = defaultdict(list)
        self._known: dict[int, list[Node]] = {}
        for item in json.loads(listed)["nftables"]:
            [(kind, found)] = item.items()
            if found.get("table") != "firewalld" or found.get("family") != "inet":
                continue
            if kind == "set":
                self.sets[found["name"]] = found.get("elem", [])
            elif kind == "rule":
                self.chains[found["chain"]].append(found["expr"])
                self.handles[found["chain"]].append(found["handle"])

    def decide(self, packet: Packet) -> tuple[str, str]:
        """The verdict on *packet*, and whose it is: of rules judged ``before`` all, the ``operator``'s, ``ours``, or
        ``defaults``; or it was ``forwarded``."""
        self._had_by_source = ""
        if self._walk(_NAT[packet.hook], packet, False):
            # Where it is sent elsewhere, that is decided before all else.
            return "ACCEPT", "forwarded"
        for hook in _HOOKS[packet.hook]:
            found = self._walk(hook, packet, False)
            if found and (found[0] != "ACCEPT" or hook != "filter_PREROUTING"):
                stage = self._stage(*found[1:])
                # Whoever has a zone let everything in wants to be asked before it is closed.
                is_open = (hook, found[0], stage) == ("filter_INPUT", "ACCEPT", "defaults")
                return found[0], "operator" if is_open else stage
        return "ACCEPT", "defaults"

    def boxes(self, family: int) -> Iterator[Box]:
        """What its rules are about, those of our own aside."""
        for name, rules in self.chains.items():
            if re.match(r"filter_(IN|OUT)", name) and not _is_ours(name):
                for rule in rules:
                    yield from self._box(name, rule, family)

    def _stage(self, chain: str, is_behind: bool) -> str:
        if _is_ours(chain):
            return "ours"
        if chain == "filter_PREROUTING":
            return "before"
        if chain in ("filter_INPUT", "filter_OUTPUT"):
            return "defaults" if is_behind else "before"
        if self.targets.get(self._had_by_source) in ("DROP", "%%REJECT%%"):
            # Whoever gives a zone sources and such a target shuts them out.
            return "operator"
        if re.match(r"filter_(IN|OUT)_policy_|filter_(IN|OUT)_.*_(pre|log|deny|allow|post)$", chain):
            return "operator"
        # firewalld 1 judges the target of a zone behind all policies, firewalld 2 before those with a late place.
        return "defaults" if is_behind or not re.match(r"filter_(IN|OUT)_", chain) else "operator"

    def _walk(self, chain: str, packet: Packet, behind: bool) -> tuple[str, str, bool] | None:
        """Verdict, chain, and whether all policies were asked before."""
        for rule in self.chains[chain]:
            kind, what = self._outcome(rule, packet)
            if kind == "return":
                return None
            if kind in _VERDICTS:
                return _VERDICTS[kind], chain, behind
            if kind in ("jump", "goto"):
                zone = what["target"].partition("filter_IN_")[2]
                if zone in self.targets:
                    self._had_by_source = zone if _is_by_source(rule) else ""
                found = self._walk(what["target"], packet, behind)
                if found or kind == "goto":
                    return found
                behind = behind or bool(re.search(r"_(POLICIES(_post)?|ZONES)$", what["target"]))
        return None

    def _outcome(self, rule: list[Node], packet: Packet) -> tuple[str, t.Any]:
        """What *rule* says about *packet*; nothing if it does not match, or only takes note of it."""
        for node in rule:
            [(kind, what)] = node.items()
            if kind in _SILENT:
                continue
            if kind in ("match", "limit"):
                if packet.limited if kind == "limit" else not self._matches(what, packet):
                    return "", None
            elif kind in (*_VERDICTS, "return", "jump", "goto"):
                return kind, what
            else:
                raise ValueError(f"{kind} is not known here: {rule}")
        return "", None

    def _matches(self, match: Node, packet: Packet) -> bool:
        left, right, op = match["left"], match["right"], match["op"]
        if "ct" in left:
            # Of a first packet, which nobody sent elsewhere.
            return bool(left["ct"]["key"] == "state") and "new" in self._elements(right)
        if "fib" in left:
            return self._fib(left["fib"], right, packet) == bool(op != "!=")
        if "&" in left or left.get("meta", {}).get("key") == "mark":
            return False
        value = self._value(left, packet)
        if value is None:
            return False
        return self._holds(right, value, packet) == bool(op != "!=")

    @staticmethod
    def _fib(fib: Node, right: Node, packet: Packet) -> bool:
        if fib["result"] == "type":
            return bool(right == ("local" if packet.hook == "INPUT" else "unicast"))
        # There is a way back to every sender.
        return bool(right)

    def _value(self, left: Node, packet: Packet) -> t.Any:
        """What *packet* has in the place of *left*; None where it has no such thing."""
        if "concat" in left:
            values = tuple(self._value(part, packet) for part in left["concat"])
            return None if None in values else values
        if "meta" in left:
            return _meta(left["meta"]["key"], packet)
        payload = left["payload"]
        protocol, name = payload["protocol"], payload["field"]
        if protocol == "ether":
            return packet.machine
        if protocol in _FAMILIES and name in ("saddr", "daddr"):
            number = packet.source if name == "saddr" else packet.destination
            return _place(address(packet.family, number)) if packet.family == _FAMILIES[protocol] else None
        if protocol in _PORTS and name in ("sport", "dport"):
            number = packet.sport if name == "sport" else packet.dport
            return number if packet.protocol in _PORTS[protocol] else None
        if protocol in _ICMP and name in ("type", "code"):
            is_icmp = packet.family == _ICMP[protocol] and packet.protocol in ("icmp", "ipv6-icmp")
            return (packet.dport if name == "type" else 0) if is_icmp else None
        raise ValueError(f"The field {name} of {protocol} is not known here")

    def _elements(self, right: Node) -> list[Node]:
        """What *right* names: itself, or all that is in a set."""
        if isinstance(right, str) and right.startswith("@"):
            right = self.sets[right[1:]]
        if isinstance(right, dict) and "set" in right:
            right = right["set"]
        if isinstance(right, dict) and "elem" in right:
            right = right["elem"]["val"]
        return [leaf for part in right for leaf in self._elements(part)] if isinstance(right, list) else [right]

    def _holds(self, right: Node, value: t.Any, packet: Packet) -> bool:
        """Whether *value* is what *right* says, or among it."""
        # Sets are long, and asked again for every packet.
        if id(right) not in self._known:
            self._known[id(right)] = self._elements(right)
        return any(self._is(leaf, value, packet) for leaf in self._known[id(right)])

    def _is(self, leaf: Node, value: t.Any, packet: Packet) -> bool:
        if isinstance(leaf, dict):
            [(kind, what)] = leaf.items()
            if kind == "concat":
                return all(self._holds(part, own, packet) for part, own in zip(what, value, strict=True))
            if kind == "prefix":
                return value in _network(f"{what['addr']}/{what['len']}")
            if kind == "range":
                return bool(_number(what[0], value) <= value <= _number(what[1], value))
            raise ValueError(f"{kind} is not known here")
        if isinstance(value, str):
            return leaf == value or (leaf.endswith("*") and value.startswith(leaf[:-1]))
        return bool(_ICMP_TYPES.get(leaf, {}).get(packet.family, _number(leaf, value)) == value)

    def _box(self, chain: str, rule: list[Node], family: int) -> Iterator[Box]:
        """What a rule is about; of a set some elements."""
        found: dict[str, list[t.Any]] = defaultdict(list)
        for match in [node["match"] for node in rule if "match" in node]:
            left, leaves = match["left"], self._elements(match["right"])[:6]
            for leaf in leaves:
                parts = leaf["concat"] if isinstance(leaf, dict) and "concat" in leaf else [leaf]
                for one, part in zip(left.get("concat", [left]), parts, strict=True):
                    _note(found, one, part, family)
        everything = (0, MOST[family])
        for source, destination in itertools.product(found["saddr"] or [everything], found["daddr"] or [everything]):
            yield Box(
                hook="INPUT" if chain.startswith("filter_IN") else "OUTPUT",
                protocols=tuple(found["l4proto"]) or PROTOCOLS,
                source=source,
                destination=destination,
                sports=tuple(found["sport"]) or ((0, 65535),),
                dports=tuple(found["dport"]) or ((0, 65535),),
                interface=found["name"][0] if found["name"] else "",
            )


def _note(found: dict[str, list[t.Any]], left: Node, leaf: Node, family: int) -> None:
    """Add to *found* what one condition says."""
    payload = left.get("payload", {})
    name = payload.get("field", left.get("meta", {}).get("key"))
    if payload.get("protocol") == "ether":
        return
    if name in ("saddr", "daddr"):
        found[name] += [span for span in _span(leaf) if (payload["protocol"] == "ip6") == (family == 6)]
    elif name in ("sport", "dport"):
        found[name] += _span(leaf)
        found["l4proto"] += [protocol for protocol in _PORTS[payload["protocol"]] if protocol in ("tcp", "udp")]
    elif name == "l4proto":
        found[name].append(leaf)
    elif name in ("iifname", "oifname"):
        found["name"].append(leaf.replace("*", "+"))


def _span(leaf: Node) -> list[Span]:
    if isinstance(leaf, dict) and "prefix" in leaf:
        return [span_of(f"{leaf['prefix']['addr']}/{leaf['prefix']['len']}")]
    if isinstance(leaf, dict) and "range" in leaf:
        ends = [_span(end)[0] for end in leaf["range"]]
        return [(ends[0][0], ends[1][1])]
    return [(leaf, leaf) if isinstance(leaf, int) else span_of(leaf)]


def _is_by_source(rule: list[Node]) -> bool:
    """Whether *rule* asks for an address that a packet comes from, and for nothing else."""
    asked = [node["match"]["left"] for node in rule if "match" in node]
    return [left.get("payload", {}).get("field") for left in asked] == ["saddr"] and "ether" not in json.dumps(asked)


def _is_ours(chain: str) -> bool:
    return "_policy_netwall-" in chain


def _meta(key: str, packet: Packet) -> t.Any:
    if key in ("iifname", "iif"):
        return packet.interface if packet.hook == "INPUT" else None
    if key in ("oifname", "oif"):
        return packet.interface if packet.hook == "OUTPUT" else None
    if key == "nfproto":
        return f"ipv{packet.family}"
    if key == "l4proto":
        return packet.protocol
    if key == "mark":
        return 0
    raise ValueError(f"meta {key} is not known here")


_network = functools.lru_cache(maxsize=None)(ipaddress.ip_network)
_place = functools.lru_cache(maxsize=None)(ipaddress.ip_address)


def _number(text: t.Any, like: t.Any) -> t.Any:
    return text if isinstance(text, int) or isinstance(like, int) else _place(text)
