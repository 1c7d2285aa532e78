# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which packets to ask about: those at the corners of rules and flows, where one verdict ends and another begins."""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.netwall.datadog.tests.integration.saved_tables import MOST, Packet, span_of

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from random import Random

    from ansible_collections.netwall.datadog.tests.integration.saved_tables import Span

Flow = t.Mapping[str, t.Any]
HOOKS = {"inbound": "INPUT", "outbound": "OUTPUT"}
PROTOCOLS = ("tcp", "udp", "icmp", "ipv6-icmp", "gre", "esp", "igmp")
# One that no rule names.
OTHER = "zz0"


@dataclass(frozen=True)
class Box:
    """The packets that a rule is about, before any other had its say. Spans are inclusive, addresses numbers."""

    hook: str
    protocols: tuple[str, ...]
    source: Span
    destination: Span
    sports: tuple[Span, ...] = ((0, 65535),)
    dports: tuple[Span, ...] = ((0, 65535),)
    interface: str = ""

    def concerns(self, flow: Flow) -> bool:
        """Whether a packet of *flow* may be among them, as far as direction, protocol and port go."""
        return (
            self.hook == HOOKS[flow["direction"]]
            and flow["protocol"] in self.protocols
            and any(first <= flow["port"] <= last for first, last in self.dports)
        )


def holds(flow: Flow, packet: Packet) -> bool:
    """Whether *packet* is of *flow*."""
    return (
        packet.hook == HOOKS[flow["direction"]]
        and packet.protocol == flow["protocol"]
        and packet.dport == flow["port"]
        and any(
            (":" in network) == (packet.family == 6) and first <= packet.remote <= last
            for network in flow["networks"]
            for first, last in [span_of(network)]
        )
    )


def box_of(flow: Flow, network: str) -> Box:
    """What one network of *flow* is about."""
    everything = (0, MOST[6 if ":" in network else 4])
    ends = (span_of(network), everything)
    source, destination = ends if flow["direction"] == "inbound" else ends[::-1]
    port = flow["port"]
    return Box(HOOKS[flow["direction"]], (flow["protocol"],), source, destination, dports=((port, port),))


def sample(rng: Random, family: int, boxes: Sequence[Box], count: int) -> Iterator[Packet]:
    """*count* packets at corners, each of one box in all but perhaps one respect."""
    sources, destinations, sports, dports = (sorted(edges) for edges in _edges(family, boxes))
    interfaces = sorted({name for box in boxes for name in _interfaces(box.interface)} | {OTHER})
    for _number in range(count):
        box = rng.choice(boxes)
        packet = Packet(
            hook=box.hook,
            family=family,
            protocol=rng.choice(box.protocols),
            source=_within(rng, sources, [box.source]),
            destination=_within(rng, destinations, [box.destination]),
            sport=_within(rng, sports, box.sports),
            dport=_within(rng, dports, box.dports),
            interface=rng.choice(_interfaces(box.interface) if box.interface else interfaces),
            limited=rng.random() < 0.5,
        )
        yield replace(packet, **_one_step_aside(rng, (sources, destinations, sports, dports)))


def grid(family: int, flow: Flow, boxes: Iterable[Box], machines: Sequence[str] = ("",)) -> Iterator[Packet]:
    """Packets of *flow* from each of the cells that the edges of *boxes* cut it into; not those of ``lo``."""
    near = [box for box in boxes if box.concerns(flow)]
    sources, destinations, sports, _dports = _edges(family, near)
    remotes, locals_ = (sources, destinations) if flow["direction"] == "inbound" else (destinations, sources)
    interfaces = {name for box in near for name in _interfaces(box.interface)} - {"lo"} | {OTHER}
    mine = [span_of(network) for network in flow["networks"] if (":" in network) == (family == 6)]
    for first, last in mine:
        inside = {first} | {edge for edge in remotes if first <= edge <= last}
        for remote, here, sport, interface, limited, machine in itertools.product(
            inside, locals_, sports, interfaces, (False, True), machines
        ):
            ends = (remote, here) if flow["direction"] == "inbound" else (here, remote)
            hook = HOOKS[flow["direction"]]
            yield Packet(hook, family, flow["protocol"], *ends, sport, flow["port"], interface, limited, machine)


def _edges(family: int, boxes: Iterable[Box]) -> tuple[set[int], set[int], set[int], set[int]]:
    """Sources, destinations and ports from which on another verdict may hold."""
    boxes = list(boxes)
    return (
        {0} | {edge for box in boxes for edge in _starts([box.source], MOST[family])},
        {0} | {edge for box in boxes for edge in _starts([box.destination], MOST[family])},
        {40000} | {edge for box in boxes for edge in _starts(box.sports, 65535)},
        {40000} | {edge for box in boxes for edge in _starts(box.dports, 65535)},
    )


def _starts(spans: Iterable[Span], most: int) -> Iterator[int]:
    for first, last in spans:
        yield first
        if last < most:
            yield last + 1


def _within(rng: Random, edges: Sequence[int], spans: Sequence[Span]) -> int:
    inside = [edge for edge in edges if any(first <= edge <= last for first, last in spans)]
    first, last = rng.choice(spans)
    return rng.choice([*inside, first, last])


def _one_step_aside(rng: Random, edges: Sequence[Sequence[int]]) -> Mapping[str, t.Any]:
    aside = dict(zip(("source", "destination", "sport", "dport"), edges, strict=True))
    name = rng.choice(("", "", "protocol", *aside))
    if name == "protocol":
        return {name: rng.choice(PROTOCOLS)}
    return {name: rng.choice(aside[name])} if name else {}


def _interfaces(pattern: str) -> list[str]:
    return [f"{pattern[:-1]}x7"] if pattern.endswith("+") else [pattern] if pattern else []
