# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Ports that a container engine publishes: their packets get another destination before the host's rules see them.

What leads past the rules is destination NAT on the way in, to another host or another port. A program of the engine
that listens on the port itself is none: its packets meet the host's rules. What is published on a loopback address
alone is open to nobody else.
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
_BOTH = ("tcp", "udp")
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
        f"Port {number}/{protocol} is published by a container engine or redirected, which takes it past this host's "
        "input rules for it, so it stays open to others; publish it on 127.0.0.1 instead."
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
            chains.setdefault(_name(rule, rule["chain"]), []).extend(_rules_of_nft(rule))
    return _forwards(chains, starts)


def _forwards(chains: t.Mapping[str, list[_Rule]], starts: t.Sequence[str]) -> list[Forward]:
    """What the rules of *chains* that a packet can meet from *starts* on send elsewhere.

    A rule that names no ports is about those of the rule that led to it.
    """
    found = []
    waiting = [(start, Forward(_BOTH, ())) for start in starts]
    seen = set(waiting)
    while waiting:
        chain, about = waiting.pop()
        for rule in chains.get(chain, ()):
            if rule.is_for_loopback:
                continue
            now = Forward(rule.protocols, rule.ports) if rule.ports else about
            if rule.sends_elsewhere and now.ports:
                found.append(now)
            if rule.target and (rule.target, now) not in seen:
                seen.add((rule.target, now))
                waiting.append((rule.target, now))
    return found


def _rule_of_iptables(words: list[str]) -> _Rule:
    options = {
        word: value
        for before, word, value in zip(["", *words], words, [*words[1:], ""])
        if word.startswith("-") and before != "!"
    }
    target = options.get("-j") or options.get("-g", "")
    ports = _ranges(options.get("--dport") or options.get("--dports") or "")
    is_redirected = target == "REDIRECT" and "--to-ports" in options
    return _Rule(
        protocols=(options["-p"],) if options.get("-p") in _BOTH else _BOTH,
        ports=ports,
        is_for_loopback=_is_loopback(options.get("-d", "")),
        target=target,
        sends_elsewhere=target == "DNAT" or (is_redirected and options["--to-ports"] != options.get("--dport")),
    )


def _ranges(ports: str) -> Ranges:
    pairs = (part.partition(":") for part in ports.split(",") if part)
    return tuple((int(first), int(last or first)) for first, _colon, last in pairs)


def _rules_of_nft(rule: dict[str, t.Any]) -> t.Iterator[_Rule]:
    """What *rule* comes to: a map in it is as many rules as it has elements. One with a name is not looked into."""
    found = _Rule(_BOTH, (), False, "", False)
    for statement in rule.get("expr", ()):
        match = statement.get("match") or {}
        if match.get("op") in ("==", "in"):
            found = _narrowed(found, match.get("left"), match.get("right"))
        for key, value in _elements(statement.get("vmap")):
            yield _aimed(_narrowed(found, *key), rule, value)
        if "dnat" in statement:
            address = (statement["dnat"] or {}).get("addr")
            elements = list(_elements(address.get("map") if isinstance(address, dict) else None))
            yield from (_narrowed(found, *key)._replace(sends_elsewhere=True) for key, _value in elements)
            found = found._replace(sends_elsewhere=not elements)
        if statement.get("redirect"):
            port = statement["redirect"].get("port")
            found = found._replace(sends_elsewhere=found.ports != ((port, port),))
        found = _aimed(found, rule, statement)
    yield found


def _elements(mapping: t.Any) -> t.Iterator[tuple[tuple[t.Any, t.Any], t.Any]]:
    """The elements of an anonymous map as pairs: the fields that it looks up with what they have to be, and the value.

    *mapping* is as nft prints it, or None.
    """
    data = (mapping or {}).get("data")
    for element in data.get("set", ()) if isinstance(data, dict) else ():
        yield (mapping["key"], element[0]), element[1]


def _aimed(found: _Rule, rule: dict[str, t.Any], verdict: dict[str, t.Any]) -> _Rule:
    """*found* with the target that *verdict*, of the *rule* that nft printed, names, if it does."""
    target = (verdict.get("jump") or verdict.get("goto") or {}).get("target")
    return found._replace(target=_name(rule, target)) if target else found


def _narrowed(rule: _Rule, left: t.Any, right: t.Any) -> _Rule:
    """*rule*, when the fields of a packet *left* have to be *right*, in nft's terms."""
    if not isinstance(left, dict):
        return rule
    if "concat" in left:
        for field, value in zip(left["concat"], right.get("concat", ()) if isinstance(right, dict) else ()):
            rule = _narrowed(rule, field, value)
        return rule
    payload = left.get("payload") or {}
    field = payload.get("field") if isinstance(payload, dict) else ""
    if field == "dport":
        protocols = rule.protocols if payload["protocol"] == "th" else (payload["protocol"],)
        return rule._replace(protocols=protocols, ports=tuple(_nft_ranges(right)))
    if field == "daddr":
        return rule._replace(is_for_loopback=isinstance(right, str) and _is_loopback(right))
    is_protocol = field in ("protocol", "nexthdr") or left.get("meta") == {"key": "l4proto"}
    return rule._replace(protocols=(right,)) if is_protocol and right in _BOTH else rule


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
