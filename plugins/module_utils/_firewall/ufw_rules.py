# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""ufw's own rules files as values: which rules are ours, which are theirs, and the text with ours replaced.

Pure text work. A file is ``head``, a region of rules, ``tail``; whatever is not ours is kept as it stands, byte for
byte. ufw writes every rule as a ``### tuple ###`` line, which only ufw reads, and the iptables lines it stands for.
"""

from __future__ import annotations

import binascii
import dataclasses
import functools
import ipaddress
import re
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError, Rule
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import ANY_PORT, OperatorRule, Ranges
from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, PROTOCOLS, FlowError, parse_network

_TUPLE = "### tuple ###"
_RULES = "### RULES ###"
_END = "### END RULES ###"
_MARK = re.compile(r"netwall\.datadog: ([a-z0-9-]+(?:, [a-z0-9-]+)*)\Z")
_TARGETS = {"allow": "ACCEPT", "deny": "DROP"}

CHAINS = {(4, "inbound"): "ufw-user-input", (4, "outbound"): "ufw-user-output"}
CHAINS.update({(6, direction): chain.replace("ufw-", "ufw6-") for (_family, direction), chain in CHAINS.items()})


@dataclasses.dataclass(frozen=True)
class Tuple:
    """A ``### tuple ###`` line, its addresses and ports still as text; ``line`` is the whole of it."""

    action: str
    protocol: str
    dport: str
    dst: str
    sport: str
    src: str
    apps: tuple[str, str]
    way: str
    comment: str
    line: str = ""

    @property
    def match(self) -> tuple[t.Any, ...]:
        """What ufw compares, by meaning: two tuples that share it can't both live in a file that ufw rewrites."""
        apps = tuple("" if app == "-" else app for app in self.apps)
        ports = tuple(tuple(sorted(port.split(","))) for port in (self.dport, self.sport))
        return (self.protocol, ports, _address(self.dst), _address(self.src), apps, self.way, "route:" in self.action)

    @property
    def lets_out(self) -> bool:
        """Whether it allows something that leaves this host."""
        way, _underscore, interface = self.way.partition("_")
        return way == "out" and interface != "lo" and self.action.partition("_")[0] in ("allow", "limit")

    def __str__(self) -> str:
        """As ufw is told it, without what it logs."""
        way, _underscore, interface = self.way.partition("_")
        ends = [("to", self.dst, self.dport, self.apps[0]), ("from", self.src, self.sport, self.apps[1])]
        parts = [self.action.partition("_")[0], way, f"on {interface}" if interface else ""]
        for word, address, port, app in ends:
            said = f"app {app.replace('%20', ' ')}" if app != "-" else f"port {port}" if port != "any" else ""
            is_anywhere = _address(address) == "any"
            if word == "to" or said or not is_anywhere:
                parts += [word, "any" if is_anywhere else address, said]
        parts += [f"proto {self.protocol}" if self.protocol != "any" and self.apps == ("-", "-") else ""]
        return " ".join(filter(None, parts))


@dataclasses.dataclass(frozen=True)
class RulesFile:
    """``user.rules`` (family 4) or ``user6.rules`` (family 6), taken apart.

    ``ours`` are our rules in the file's order, ``foreign`` the region's text without them and ``theirs`` the tuples in
    it. ``in_place`` says whether all of ours stand before (``ours``) or behind (``theirs``) everybody else's,
    ``is_intact`` whether the kernel would be given what our tuples say.
    """

    family: int
    head: str
    foreign: str
    tail: str
    ours: tuple[Rule, ...]
    theirs: tuple[Tuple, ...]
    in_place: frozenset[str]
    is_intact: bool = True

    @property
    def foreign_lines(self) -> list[str]:
        """The iptables lines of everybody else's rules."""
        return [line for line in self.foreign.splitlines() if line.startswith("-A ")]

    def with_rules(self, rules: t.Iterable[Rule], precedence: str) -> str:
        """The file's text with *rules* in the place of ours, judged first (``ours``) or last (``theirs``)."""
        text = "".join(f"\n{as_tuple(rule).line}\n{iptables_line(rule)}\n" for rule in rules)
        region = text + self.foreign if precedence == "ours" else self.foreign + text
        return self.head + region + self.tail


def parse(text: str, family: int, path: str) -> RulesFile:
    """*text* of the rules file at *path*; raises :class:`FirewallError` where it is not ufw's."""
    lines = text.splitlines(keepends=True)
    plain = [line.strip() for line in lines]
    if _RULES not in plain:
        raise FirewallError(f"{path} has no line '{_RULES}'; it is not a rules file of ufw's, so it was left alone.")
    start = plain.index(_RULES) + 1
    end = _end_of_region(plain, start)
    foreign: list[str] = []
    ours: list[Rule] = []
    theirs: list[Tuple] = []
    order: list[bool] = []
    is_intact = True
    index = start
    while index < end:
        found = _parse_tuple(plain[index]) if plain[index].startswith(_TUPLE) else None
        rule = found and _our_rule(found, family)
        if rule:
            if foreign and not foreign[-1].strip():
                foreign.pop()
            ours.append(rule)
            order.append(True)
            line = plain[index + 1] if index + 1 < end else ""
            is_intact = is_intact and line == iptables_line(rule)
            index += 1 + line.startswith("-A ")
            continue
        if found:
            theirs.append(found)
            order.append(False)
        foreign.append(lines[index])
        index += 1
    return RulesFile(
        family=family,
        head="".join(lines[:start]),
        foreign="".join(foreign),
        tail="".join(lines[end:]),
        ours=tuple(ours),
        theirs=tuple(theirs),
        is_intact=is_intact,
        in_place=frozenset(
            precedence for precedence, wanted in (("ours", True), ("theirs", False)) if _is_sorted(order, wanted)
        ),
    )


def as_tuple(rule: Rule) -> Tuple:
    """*rule* in ufw's own form."""
    anywhere = ANYWHERE[rule.family == 6]
    network = _ufw_address(rule.network)
    inbound = rule.direction == "inbound"
    comment = f"netwall.datadog: {', '.join(rule.flows)}"
    found = Tuple(
        action=rule.action,
        protocol=rule.protocol,
        dport=str(rule.port or "any"),
        dst=anywhere if inbound else network,
        sport=str(rule.source_port or "any"),
        src=network if inbound else anywhere,
        apps=("-", "-"),
        way="in" if inbound else "out",
        comment=comment,
    )
    fields = (found.action, found.protocol, found.dport, found.dst, found.sport, found.src, found.way)
    return dataclasses.replace(found, line=f"{_TUPLE} {' '.join(fields)} comment={comment.encode().hex()}")


def iptables_line(rule: Rule) -> str:
    """The iptables line that *rule* stands for, as ufw writes it."""
    parts = ["-A", CHAINS[rule.family, rule.direction], "-p", rule.protocol]
    inbound = rule.direction == "inbound"
    address = [] if rule.network in ANYWHERE else ["-s" if inbound else "-d", _ufw_address(rule.network)]
    parts += [] if inbound else address
    parts += ["--dport", str(rule.port)] if rule.port else []
    parts += address if inbound else []
    parts += ["--sport", str(rule.source_port)] if rule.source_port else []
    return " ".join([*parts, "-j", _TARGETS[rule.action]])


def operator_rules(file: RulesFile) -> list[OperatorRule]:
    """Those of *file*'s foreign rules that can decide a packet to or from this host itself, in their order."""
    rules = []
    for found in file.theirs:
        protocols = ("tcp", "udp") if found.protocol == "any" else (found.protocol,)
        if "route:" in found.action or not {"tcp", "udp"}.intersection(protocols):
            continue
        way, _underscore, interface = found.way.partition("_")
        inbound = way == "in"
        verdict = found.action.partition("_")[0]
        try:
            rules.append(
                OperatorRule(
                    direction="inbound" if inbound else "outbound",
                    verdict=verdict if verdict in ("allow", "limit") else "deny",
                    protocols=protocols,
                    remote=_network(found.src if inbound else found.dst, file.family),
                    local=_network(found.dst if inbound else found.src, file.family),
                    ports=_ranges(found.dport),
                    source_ports=_ranges(found.sport),
                    interface=interface,
                    text=found.line,
                )
            )
        except ValueError:
            continue  # ufw passes over a tuple that it can't read, too
    return rules


def _end_of_region(plain: list[str], start: int) -> int:
    if _END in plain[start:]:
        end = plain.index(_END, start)
        return end - 1 if end > start and not plain[end - 1] else end
    # A ufw that never wrote its rules has no end mark; rules of ours then stand between the start and its own lines.
    tuples = [index for index in range(start, len(plain)) if plain[index].startswith(_TUPLE)]
    if not tuples:
        return start
    end = tuples[-1] + 1
    while end < len(plain) and plain[end].startswith("-A ") and "-user-limit" not in plain[end].partition(" -j ")[0]:
        end += 1
    return end


def _is_sorted(order: list[bool], first: bool) -> bool:
    return order == sorted(order, key=lambda ours: ours is not first)


def _parse_tuple(line: str) -> Tuple | None:
    body, _comment_mark, comment = line[len(_TUPLE) :].partition(" comment=")
    fields = body.split()
    if not 6 <= len(fields) <= 9:
        return None
    # The oldest forms have no direction, or two applications before it; without one a rule is inbound.
    apps = (fields[6], fields[7]) if len(fields) >= 8 else ("-", "-")
    way = fields[-1] if len(fields) in (7, 9) else "in"
    return Tuple(fields[0], fields[1], fields[2], fields[3], fields[4], fields[5], apps, way, _decoded(comment), line)


def _our_rule(found: Tuple, family: int) -> Rule | None:
    """The rule of ours that *found* is, or None if it is somebody else's, or was made somebody's by a new action."""
    mark = _MARK.match(found.comment)
    if not mark or found.action not in _TARGETS or found.way not in ("in", "out") or found.apps != ("-", "-"):
        return None
    if found.protocol not in PROTOCOLS or (found.dport == "any") == (found.sport == "any"):
        return None
    inbound = found.way == "in"
    if (found.dst if inbound else found.src) not in (ANYWHERE[family == 6], "any"):
        return None
    try:
        return Rule(
            direction="inbound" if inbound else "outbound",
            action=found.action,
            protocol=found.protocol,
            network=_network(found.src if inbound else found.dst, family),
            port=None if found.dport == "any" else int(found.dport),
            source_port=None if found.sport == "any" else int(found.sport),
            flows=tuple(mark.group(1).split(", ")),
        )
    except (ValueError, FlowError):
        return None


def _decoded(comment: str) -> str:
    try:
        return binascii.unhexlify(comment.strip()).decode("utf-8", "replace")
    except ValueError:
        return ""


def _ufw_address(network: str) -> str:
    """*network* as ufw writes it: a single address without its prefix length."""
    parsed = parse_network(network)
    return str(parsed.network_address) if parsed.prefixlen == parsed.max_prefixlen else str(parsed)


def _network(text: str, family: int) -> str:
    if text == "any":
        return ANYWHERE[family == 6]
    return str(ipaddress.ip_network(text, strict=False))


@functools.lru_cache(maxsize=1 << 16)
def _address(text: str) -> str:
    if text in ANYWHERE:
        return "any"
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return text


def _ranges(ports: str) -> Ranges:
    if ports == "any":
        return ANY_PORT
    ranges = []
    for part in ports.split(","):
        first, _colon, last = part.partition(":")
        ranges.append((int(first), int(last or first)))
    return tuple(ranges)
