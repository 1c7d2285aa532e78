# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a packet meets in firewalld's nftables rules: a small evaluator that knows nothing of firewalld's words.

It walks what ``nft -j list table inet firewalld`` prints, for the first packet of a connection. It needs no more than
Python's standard library: it runs on the host.
"""

from __future__ import annotations

import functools
import ipaddress
import subprocess
import typing as t

Packet = t.Mapping[str, t.Any]

_HOOKS = {"inbound": "filter_INPUT", "outbound": "filter_OUTPUT"}
_ENDS = ("accept", "drop", "reject")
_SILENT = ("log", "counter", "limit", "ct helper")
_REJECTS = {"icmp": "ipv4", "icmpv6": "ipv6"}

_address = functools.lru_cache(maxsize=None)(ipaddress.ip_address)
_network = functools.lru_cache(maxsize=None)(ipaddress.ip_network)


def packet(direction: str, protocol: str, remote: str, local: str, port: int, source_port: int, **more: str) -> Packet:
    """A packet in nftables' own words; *more* may hold ``interface`` and, inbound, ``mac``."""
    family = 6 if ":" in remote else 4
    source, destination = (remote, local) if direction == "inbound" else (local, remote)
    header = "ip6" if family == 6 else "ip"
    interface = "iifname" if direction == "inbound" else "oifname"
    return {
        "direction": direction,
        "nfproto": f"ipv{family}",
        "l4proto": protocol,
        f"{header}.saddr": source,
        f"{header}.daddr": destination,
        f"{protocol}.sport": source_port,
        f"{protocol}.dport": port,
        "th.sport": source_port,
        "th.dport": port,
        "iifname": "",
        "oifname": "",
        interface: more.get("interface", ""),
        "ether.saddr": more.get("mac") if direction == "inbound" else None,
    }


class Table:
    """firewalld's table as nft lists it in JSON (*listed*)."""

    def __init__(self, listed: t.Mapping[str, t.Any]) -> None:
        self._chains: dict[str, list[t.Any]] = {}
        self._sets: dict[str, list[t.Any]] = {}
        for item in listed["nftables"]:
            if "chain" in item:
                self._chains[item["chain"]["name"]] = []
            elif "rule" in item:
                self._chains[item["rule"]["chain"]].append(item["rule"]["expr"])
            elif "set" in item:
                self._sets[item["set"]["name"]] = item["set"].get("elem", [])

    def lets(self, packet: Packet) -> bool:
        """Whether *packet* passes."""
        return self._walk(_HOOKS[packet["direction"]], packet) not in ("drop", "reject")

    def _walk(self, chain: str, packet: Packet) -> str:
        for rule in self._chains[chain]:
            kind, target = self._meet(rule, packet)
            if kind in ("jump", "goto"):
                end = self._walk(target, packet)
                if end in _ENDS or kind == "goto":
                    return end
            elif kind:
                return kind
        return ""

    def _meet(self, rule: t.Iterable[t.Mapping[str, t.Any]], packet: Packet) -> tuple[str, str]:
        """What *rule* does with *packet* and, where that is a jump, where to; empty for nothing."""
        for expression in rule:
            ((kind, value),) = expression.items()
            if kind == "match":
                if not self._matches(value, packet):
                    break
            elif (
                kind == "reject" and _REJECTS.get((value or {}).get("type", ""), packet["nfproto"]) != packet["nfproto"]
            ):
                # nft leaves out the match of the family that such a reject implies.
                break
            elif kind in ("jump", "goto"):
                return kind, value["target"]
            elif kind in (*_ENDS, "return"):
                return kind, ""
            elif kind not in _SILENT:
                raise ValueError(f"nothing is known of {expression}")
        return "", ""

    def _matches(self, match: t.Mapping[str, t.Any], packet: Packet) -> bool:
        value, right = _value(match["left"], packet), match["right"]
        if value is None or (isinstance(value, list) and None in value):
            return False
        if isinstance(right, str) and right.startswith("@"):
            right = {"set": self._sets[right[1:]]}
        return _equals(value, right) is (match["op"] != "!=")


def listed() -> bytes:
    """What nft prints of firewalld's table, here."""
    command = ["nft", "-j", "list", "table", "inet", "firewalld"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def _value(left: t.Mapping[str, t.Any], packet: Packet) -> t.Any:
    ((kind, what),) = left.items()
    if kind == "meta":
        return packet[what["key"]]
    if kind == "ct":
        return {"state": "new", "status": "none"}[what["key"]]
    if kind == "payload":
        return packet.get(f"{what['protocol']}.{what['field']}")
    return [_value(part, packet) for part in what]


def _equals(value: t.Any, right: t.Any) -> bool:
    if isinstance(right, list):
        return any(_equals(value, each) for each in right)
    if isinstance(right, dict):
        ((kind, what),) = right.items()
        return _KINDS[kind](value, what)
    if isinstance(right, str) and right.endswith("*"):
        return str(value).startswith(right[:-1])
    if isinstance(right, str) and isinstance(value, str) and ":" in right and len(right) != len("00:00:00:00:00:00"):
        return _address(value) == _address(right)
    return str(value).lower() == str(right).lower()


def _in_range(value: t.Any, what: t.Any) -> bool:
    low, high = what
    if isinstance(value, int):
        return int(low) <= value <= int(high)
    return int(_address(low)) <= int(_address(value)) <= int(_address(high))


_KINDS: dict[str, t.Callable[[t.Any, t.Any], bool]] = {
    "elem": lambda value, what: _equals(value, what["val"]),
    "set": lambda value, what: any(_equals(value, each) for each in what),
    "concat": lambda value, what: all(_equals(part, each) for part, each in zip(value, what, strict=True)),
    "prefix": lambda value, what: _address(value) in _network(f"{what['addr']}/{what['len']}"),
    "range": _in_range,
}
