# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Who wins where two people write rules: first-match verdicts, computed exactly, for any backend.

A firewall's rules are half-open boxes in the space of packets. Two points in the same cell of the grid that their
edges draw get the same verdict, so asking one representative of each cell answers for all packets.
"""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._flow import Flow, parse_network

Ranges = t.Tuple[t.Tuple[int, int], ...]

ANY_PORT: Ranges = ((0, 65535),)


@dataclasses.dataclass(frozen=True)
class OperatorRule:
    """A rule of somebody else's, as far as it can decide a packet of ours.

    ``verdict`` is ``allow``, ``deny`` or ``limit`` (allows a few, then denies). ``protocols`` holds ``tcp`` and/or
    ``udp``. ``remote`` and ``local`` are CIDRs; ports are inclusive ranges; ``interface`` is a name, a prefix ending
    in ``+``, or empty for any.
    """

    direction: str
    verdict: str
    protocols: tuple[str, ...]
    remote: str
    local: str
    ports: Ranges = ANY_PORT
    source_ports: Ranges = ANY_PORT
    interface: str = ""
    text: str = ""


@dataclasses.dataclass(frozen=True)
class Packet:
    """The first packet of a connection as this host sees it; an unknown ``interface`` is empty."""

    direction: str
    protocol: str
    remote: str
    local: str
    port: int
    source_port: int
    interface: str = ""


def decide(rules: t.Iterable[OperatorRule], packet: Packet) -> OperatorRule | None:
    """The first of *rules* that decides *packet*, or None.

    On an unknown interface the worst is assumed: what allows on one interface is passed over, what denies counts.
    """
    for rule in rules:
        if not (
            _concerns(rule, packet.direction, packet.protocol, packet.port)
            and _inside(packet.source_port, rule.source_ports)
            and _covers(rule.remote, packet.remote)
            and _covers(rule.local, packet.local)
        ):
            continue
        counts_anyway = not packet.interface and rule.verdict == "deny" and rule.interface != "lo"
        if counts_anyway or _on(packet.interface, rule.interface):
            return rule
    return None


def overruled(flow: Flow, rules: t.Iterable[OperatorRule]) -> bool:
    """Whether there is a packet of *flow* to which *rules*, judged before it in this order, give another verdict."""
    relevant = [rule for rule in rules if _concerns(rule, flow.direction, flow.protocol, flow.port)]
    networks = [_span(network) for network in flow.networks]
    for position, rule in enumerate(relevant):
        if rule.verdict == flow.action:
            continue
        earlier = relevant[:position]
        rule_version, rule_first, rule_last = _span(rule.remote)
        for version, first, last in networks:
            low, high = max(first, rule_first), min(last, rule_last)
            if version == rule_version and low <= high and _reaches(rule, earlier, version, low, high):
                return True
    return False


def lets_more(rule: OperatorRule, flows: t.Iterable[Flow]) -> bool:
    """Whether *rule* allows a packet that none of *flows* allows. Networks of flows are not put together for that."""
    allowed: dict[tuple[str, int], list[str]] = {}
    for flow in flows:
        if (flow.direction, flow.action) == (rule.direction, "allow"):
            allowed.setdefault((flow.protocol, flow.port), []).extend(flow.networks)
    first, last = _span(rule.remote)[1:]

    def is_covered(network: str) -> bool:
        version, low, high = _span(network)
        return version == _span(rule.remote)[0] and low <= first and last <= high

    return any(
        # Whoever allows more ports than the flows have is told without counting them.
        end - start >= len(allowed) or not any(map(is_covered, allowed.get((protocol, port), ())))
        for protocol in rule.protocols
        for start, end in rule.ports
        for port in range(start, min(end, start + len(allowed)) + 1)
    )


def _reaches(rule: OperatorRule, earlier: list[OperatorRule], version: int, low: int, high: int) -> bool:
    """Whether a packet from *low*…*high* gets past *earlier* and meets *rule*; ``lo`` never gets this far."""
    spans = [(before, _span(before.remote)) for before in earlier]
    rivals = [(r, span) for r, span in spans if span[0] == version and span[1] <= high and span[2] >= low]
    if not rivals:
        return rule.interface != "lo"
    remotes = {low} | {span[2] + 1 for _rival, span in rivals if span[2] < high}
    local_low, local_high = _span(rule.local)[1:]
    locals_ = {local_low} | {_span(r.local)[2] + 1 for r, _span_ in rivals if _span(r.local)[2] < local_high}
    source_ports = {start for start, _end in rule.source_ports}
    source_ports |= {end + 1 for r, _span_ in rivals for _start, end in r.source_ports}
    interfaces = {r.interface for r, _span_ in rivals} | {rule.interface}
    for remote, local, source_port, interface in itertools.product(
        remotes, locals_, source_ports, {_an_interface(pattern) for pattern in interfaces} | {_OTHER}
    ):
        if (
            local >= local_low
            and _inside(source_port, rule.source_ports)
            and _on(interface, rule.interface)
            and not any(
                span[1] <= remote <= span[2]
                and _span(rival.local)[1] <= local <= _span(rival.local)[2]
                and _inside(source_port, rival.source_ports)
                and _on(interface, rival.interface)
                for rival, span in rivals
            )
        ):
            return True
    return False


_OTHER = "\0"


def _an_interface(pattern: str) -> str:
    """A name that *pattern* stands for and that no other pattern names outright."""
    return pattern[:-1] + _OTHER if pattern.endswith("+") else pattern or _OTHER


def _on(interface: str, pattern: str) -> bool:
    if interface == "lo":
        return False
    return not pattern or interface == pattern or (pattern.endswith("+") and interface.startswith(pattern[:-1]))


def _concerns(rule: OperatorRule, direction: str, protocol: str, port: int) -> bool:
    return rule.direction == direction and protocol in rule.protocols and _inside(port, rule.ports)


def _inside(port: int, ranges: Ranges) -> bool:
    return any(first <= port <= last for first, last in ranges)


def _covers(network: str, address: str) -> bool:
    version, first, last = _span(network)
    other_version, other_first, other_last = _span(address)
    return version == other_version and first <= other_first and other_last <= last


def _span(network: str) -> tuple[int, int, int]:
    """IP version, first and last address of *network* as numbers."""
    parsed = parse_network(network)
    return (parsed.version, int(parsed.network_address), int(parsed.broadcast_address))
