# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Ports that a container engine publishes: their packets get another destination before the host's rules see them.

What leads past the rules is destination NAT on the way in. A program of the engine that listens on the port itself is
none: its packets meet the host's rules. What is published on a loopback address alone is open to nobody else.
"""

from __future__ import annotations

import ipaddress
import json
import shlex
import shutil
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.system import run
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import Ranges

Port = t.Tuple[str, int]

# Asked without a table's name: asked for one, these make it where there is none.
_SAVES = ("iptables-save", "ip6tables-save", "iptables-legacy-save", "ip6tables-legacy-save")
# Sets with names are left out: they may hold thousands of addresses, and no engine keeps ports in them.
_NFT = ["nft", "--json", "--terse", "list", "ruleset"]
_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"


class Forward(t.NamedTuple):
    """Traffic that is sent elsewhere: ``protocols`` holds ``tcp`` and/or ``udp``."""

    protocols: tuple[str, ...]
    ports: Ranges


class _Rule(t.NamedTuple):
    """A rule of a NAT chain, as far as it matters here. ``target`` is a chain's name, or empty."""

    protocols: tuple[str, ...]
    ports: Ranges
    is_for_loopback: bool
    target: str
    sends_elsewhere: bool


def published_ports(ports: t.Iterable[Port]) -> list[Port]:
    """Those of *ports*, pairs of protocol and port, whose packets never meet this host's input rules, sorted."""
    wanted = set(ports)
    forwards: list[Forward] = []
    for argv in [*([save] for save in _SAVES), _NFT] if wanted else ():
        if shutil.which(argv[0], path=_PATH):
            try:
                said = run(argv)
            except FirewallError:
                continue
            forwards += forwards_of_nft(said) if argv is _NFT else forwards_of_iptables(said)
    return sorted(
        (protocol, port)
        for protocol, port in wanted
        if any(
            protocol in forward.protocols and any(first <= port <= last for first, last in forward.ports)
            for forward in forwards
        )
    )


def warning(port: Port) -> str:
    """The sentence about one of the *port*s that :func:`published_ports` gives."""
    protocol, number = port
    return (
        f"Port {number}/{protocol} is published by a container engine, which sends it past this host's input rules, so "
        "it stays open to others; publish it on 127.0.0.1 instead."
    )


def forwards_of_iptables(saved: str) -> list[Forward]:
    """What the NAT table in *saved*, as iptables-save prints it, sends elsewhere."""
    table = ""
    chains: dict[str, list[_Rule]] = {}
    for line in saved.splitlines():
        table = line if line.startswith("*") else table
        if table == "*nat" and line.startswith("-A "):
            words = shlex.split(line)
            chains.setdefault(words[1], []).append(_rule_of_iptables(words[2:]))
    return _forwards(chains, ["PREROUTING"])


def forwards_of_nft(listed: str) -> list[Forward]:
    """What the chains in *listed*, as ``nft --json list ruleset`` prints them, send elsewhere."""
    try:
        objects = json.loads(listed)["nftables"]
    except (ValueError, KeyError, TypeError):
        return []
    chains: dict[str, list[_Rule]] = {}
    starts = []
    for found in objects:
        chain, rule = found.get("chain"), found.get("rule")
        if chain and chain.get("type") == "nat" and chain.get("hook") == "prerouting":
            starts.append(_name(chain, chain["name"]))
        if rule:
            chains.setdefault(_name(rule, rule["chain"]), []).append(_rule_of_nft(rule))
    return _forwards(chains, starts)


def _forwards(chains: t.Mapping[str, list[_Rule]], starts: t.Sequence[str]) -> list[Forward]:
    """What the rules of *chains* that a packet can meet from *starts* on send elsewhere."""
    found, seen, waiting = [], set(starts), list(starts)
    while waiting:
        for rule in chains.get(waiting.pop(), ()):
            if rule.is_for_loopback:
                continue
            if rule.sends_elsewhere and rule.ports:
                found.append(Forward(rule.protocols, rule.ports))
            if rule.target and rule.target not in seen:
                seen.add(rule.target)
                waiting.append(rule.target)
    return found


def _rule_of_iptables(words: list[str]) -> _Rule:
    options = {
        word: value
        for before, word, value in zip(["", *words], words, [*words[1:], ""])
        if word.startswith("-") and before != "!"
    }
    target = options.get("-j") or options.get("-g", "")
    return _Rule(
        protocols=(options["-p"],) if options.get("-p") in ("tcp", "udp") else ("tcp", "udp"),
        ports=_ranges(options.get("--dport") or options.get("--dports") or ""),
        is_for_loopback=_is_loopback(options.get("-d", "")),
        target=target,
        sends_elsewhere=target == "DNAT",
    )


def _ranges(ports: str) -> Ranges:
    pairs = (part.partition(":") for part in ports.split(",") if part)
    return tuple((int(first), int(last or first)) for first, _colon, last in pairs)


def _rule_of_nft(rule: dict[str, t.Any]) -> _Rule:
    protocols: tuple[str, ...] = ("tcp", "udp")
    ports: Ranges = ()
    is_for_loopback = sends_elsewhere = False
    target = ""
    for statement in rule.get("expr", ()):
        field, value = _match(statement)
        if field.endswith(" dport"):
            ports = tuple(_nft_ranges(value))
            protocols = (field.split()[0],) if not field.startswith("th") else protocols
        elif field.endswith(" daddr"):
            is_for_loopback = isinstance(value, str) and _is_loopback(value)
        sends_elsewhere = sends_elsewhere or "dnat" in statement
        target = (statement.get("jump") or statement.get("goto") or {}).get("target", target)
    return _Rule(protocols, ports, is_for_loopback, target and _name(rule, target), sends_elsewhere)


def _match(statement: dict[str, t.Any]) -> tuple[str, t.Any]:
    """The field of a packet that *statement* compares, such as ``tcp dport``, and with what; empty for no such."""
    match = statement.get("match") or {}
    left = match.get("left")
    payload = left.get("payload") if isinstance(left, dict) else None
    if not isinstance(payload, dict) or match.get("op") not in ("==", "in"):
        return "", None
    return f"{payload.get('protocol')} {payload.get('field')}", match.get("right")


def _nft_ranges(value: t.Any) -> t.Iterator[tuple[int, int]]:
    if isinstance(value, int):
        yield value, value
    elif isinstance(value, dict) and "range" in value:
        first, last = value["range"]
        yield int(first), int(last)
    elif isinstance(value, dict):
        for element in value.get("set", ()):
            yield from _nft_ranges(element)


def _name(owner: dict[str, t.Any], chain: str) -> str:
    return f"{owner['family']} {owner['table']} {chain}"


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_network(address, strict=False).is_loopback
    except ValueError:
        return False
