# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What others' zones and policies say of packets, for whoever has to know who wins.

    theirs = TheirStanding(version, configuration, is_ours, place)
    theirs.overrules(flow)                    # a packet of it gets another verdict from them, ours asked after theirs
    theirs.lets(packet, ours, ours_first)     # as management.Standing
    theirs.decider(packet, ours, ours_first)
    theirs.refused_sources                    # addresses of zones whose target refuses them: ours let nothing in there
    theirs.unheeded_targets()                 # targets that can't be respected like that
    theirs.lets_out(flows)                    # what theirs let out beside the flows
    unjudged(configuration)                   # what of theirs is not in these answers, as sentences

How firewalld asks, found in the nftables rules that it makes. A packet belongs to one binding: the first source or
interface of a zone that fits it, or else the default zone. It is asked of the policies that concern that zone and of
the zone itself, by priority (a zone's is 0); inbound the zone's target decides what is left, outbound that passes.
From 2.0 on bindings are ordered by the zones' priorities. Before, sources come before interfaces, and a policy concerns
a packet by source or interface, whatever zone has the packet; outbound there are no bindings, only policies.

Policies of ours would come before a zone's target. Where the operator gave a zone sources and a target that refuses,
the usual way to shut somebody out, that target is his decision, and what ours let in has to be without those sources.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import regions
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_config import (
    Configuration,
    IsOurs,
    Settings,
    rich_rules,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_match import (
    EVERYTHING,
    Boxes,
    Matcher,
    can_judge,
    meet,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_rich import parse
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.regions import Box, Decision, Ranges
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import OperatorRule, Packet
from ansible_collections.netwall.datadog.plugins.module_utils._flow import Flow

MODERN = (2, 0)

_TARGETS = {"ACCEPT": "allow", "DROP": "deny", "REJECT": "deny", "%%REJECT%%": "deny"}
_REFUSING = [target for target, verdict in _TARGETS.items() if verdict == "deny"]
# Sources of one zone, each of which ours have to be cut around.
_MOST_HOLES = 100
# What our denial lets out itself, by name and number.
_LET_OUT = ("icmp", "1", "ipv6-icmp", "58", "igmp", "2")

Stage = t.List[Decision]


class TheirStanding:
    """What *configuration*, of a firewalld of *version*, says of packets without the policies that *is_ours* names.

    *place* is the priority of our policies where they come after theirs: before them are asked the zones, but for their
    targets, and the policies of a priority up to *place*.
    """

    def __init__(self, version: tuple[int, ...], configuration: Configuration, is_ours: IsOurs, place: int) -> None:
        self._is_modern = version >= MODERN
        self._configuration = configuration
        self._policies = {name: each for name, each in configuration.policies.items() if not is_ours(name)}
        self._place = place
        priorities = [settings.get("priority", 0) for settings in self._policies.values()]
        # Releases order policies of one priority by name or the other way round.
        self._orders = (False, True) if len(set(priorities)) < len(priorities) else (False,)
        self._stages = functools.lru_cache(maxsize=None)(self._compute_stages)

    def overrules(self, flow: Flow) -> bool:
        """Whether there is a packet of *flow* to which theirs, asked before ours, give another verdict.

        An inbound denial is overruled by a zone's target ACCEPT too, an allow where it is without some sources.
        """
        return any(self._overrules(flow, order) for order in self._orders)

    def lets(self, packet: Packet, ours: t.Sequence[OperatorRule] = (), ours_first: bool = False) -> bool:
        """Whether *packet* passes, whatever can't be told of it, when *ours* are asked before theirs or after."""
        return packet.interface == "lo" or not any(
            any(decision.verdict == "deny" for decision in met) or (packet.direction == "inbound" and left)
            for met, left in self._judgements(packet, ours, ours_first)
        )

    def decider(
        self, packet: Packet, ours: t.Sequence[OperatorRule] = (), ours_first: bool = False
    ) -> OperatorRule | None:
        """What refuses *packet*, or else what lets it pass; None for firewalld's own default."""
        judgements = list(self._judgements(packet, ours, ours_first))
        refusals = [decision for met, _left in judgements for decision in met if decision.verdict == "deny"]
        permissions = [decision for met, left in judgements if not left for decision in met]
        for decision in refusals or permissions:
            return OperatorRule(
                packet.direction, decision.verdict, (packet.protocol,), packet.remote, packet.local, text=decision.text
            )
        return None

    @functools.cached_property
    def refused_sources(self) -> Ranges:
        """The addresses from which nothing comes in that theirs leave to a zone's target, for the zone has them."""
        left, found = list(EVERYTHING), []
        for zone, boxes in self._bindings(self._arrivals, "inbound"):
            if self._configuration.zones.get(zone, {}).get("target") in _REFUSING:
                found += [box.remote for box in meet(tuple(left), tuple(filter(_is_plain, boxes)))]
            left = regions.subtract_all(left, boxes)
        return regions.union(span for ranges in found for span in ranges)

    def unheeded_targets(self) -> list[str]:
        """Zones whose target refuses what :meth:`refused_sources` can't tell, as ``zone drop (eth1)``.

        What comes over an interface of the default zone is there as by default: that target decides nothing more.
        """
        found = []
        for name, settings in sorted(self._configuration.zones.items()):
            if settings.get("target") in _REFUSING:
                bound = [
                    *(settings.get("interfaces", ()) if name != self._configuration.default_zone else ()),
                    *itertools.filterfalse(self._is_plain, settings.get("sources", ())),
                ]
                found += [f"zone {name} ({', '.join(bound)})"] if bound else []
        return found

    def lets_out(self, flows: t.Iterable[Flow]) -> list[str]:
        """What of theirs lets packets out that no allow of *flows* does, where all the rest were denied behind them."""
        allowed: dict[tuple[str, int], list[Box]] = {}
        for flow in flows:
            if (flow.direction, flow.action) == ("outbound", "allow"):
                allowed.setdefault((flow.protocol, flow.port), []).extend(_boxes_of(flow))
        found = set()
        for kind, order in itertools.product(self._kinds(allowed), self._orders):
            _translated, before, _after = self._stages("outbound", *kind, "allow", order)
            met, _left = regions.judge(regions.subtract_all(_BOTH_FAMILIES, allowed.get(kind, ())), before)
            found |= {decision.text for decision in met if decision.verdict == "allow"}
        return sorted(found)

    def _kinds(self, more: t.Iterable[tuple[str, int]]) -> t.Iterator[tuple[str, int]]:
        """Protocols and ports, one for each stretch of ports that neither theirs nor *more* divide."""
        protocols, starts = {"tcp", "udp"}, {1}
        for protocol, ports in (*_ports_in(self._configuration, self._policies), *((p, f"{n}") for p, n in more)):
            protocols.add(protocol)
            first, _dash, last = ports.partition("-")
            starts |= {int(first), int(last or first) + 1}
        return itertools.product(sorted(protocols - {*_LET_OUT}), sorted(starts - {1 << 16}))

    def _overrules(self, flow: Flow, is_reversed: bool) -> bool:
        feared = "deny" if flow.action == "allow" else "allow"
        translated, before, after = self._stages(flow.direction, flow.protocol, flow.port, feared, is_reversed)
        stages = [translated, before]
        if (flow.direction, flow.action) == ("inbound", "deny"):
            stages.append(after)
        met, left = regions.judge_in_turn(_boxes_of(flow), stages)
        if (flow.direction, flow.action) == ("inbound", "allow"):
            met += regions.judge(meet(tuple(left), (Box(remote=self.refused_sources),)), after)[0]
        return any(decision.verdict == feared for decision in met)

    def _judgements(
        self, packet: Packet, ours: t.Sequence[OperatorRule], ours_first: bool
    ) -> t.Iterator[tuple[Stage, list[Box]]]:
        mine = [_decision_of(rule) for rule in ours if _concerns(rule, packet)]
        for order in self._orders:
            translated, before, after = self._stages(packet.direction, packet.protocol, packet.port, "deny", order)
            stages = [translated, mine, before, after] if ours_first else [translated, before, mine, after]
            yield regions.judge_in_turn([_box_of(packet)], stages)

    def _compute_stages(
        self, direction: str, protocol: str, port: int, feared: str, is_reversed: bool
    ) -> tuple[Stage, Stage, Stage]:
        """What is asked of packets of *direction* to *port* of *protocol*: where they are sent, before ours, and after.

        Where firewalld's order is unknown, what has the verdict *feared* comes first.
        """
        matcher = Matcher(self._configuration, self._is_modern, direction, protocol, port, feared)
        members = sorted(self._members(matcher, direction, is_reversed), key=lambda member: member.priority)
        translated: Stage = []
        before: Stage = []
        after: Stage = []
        for zone, boxes in self._bindings(matcher, direction):
            for member in members:
                if member.zones is None or zone in member.zones:
                    reached = meet(member.boxes, boxes)
                    translated += _clipped(member.translations, reached)
                    stage = before if member.priority <= self._place else after
                    stage += _clipped(member.decisions, reached)
            translated.append(Decision("pass", boxes))
            before.append(Decision("pass", boxes))
            after.append(self._end(direction, zone, boxes))
        return translated, before, after

    def _members(self, matcher: Matcher, direction: str, is_reversed: bool) -> t.Iterator[_Member]:
        """Everybody who is asked, those of one priority in the order of their names or the other way round."""
        inbound = direction == "inbound"
        for name, settings in sorted(self._policies.items(), reverse=is_reversed):
            here, there = settings.get("egress_zones", ()), settings.get("ingress_zones", ())
            if not inbound:
                here, there = there, here
            # A policy for what is forwarded translates what arrives here, too.
            translations = matcher.translations(f"policy {name}", settings) if inbound and "HOST" not in there else []
            decisions = _of_policy(matcher, f"policy {name}", settings) if "HOST" in here else []
            if decisions or translations:
                zones, boxes = self._reach(matcher, there)
                yield _Member(settings.get("priority", 0), decisions, translations, zones, boxes)
        for name, settings in self._configuration.zones.items() if inbound else ():
            owner = f"zone {name}"
            yield _Member(0, matcher.decisions(owner, settings), matcher.translations(owner, settings), (name,))

    def _reach(self, matcher: Matcher, zones: t.Container[str]) -> tuple[t.Container[str] | None, Boxes]:
        """The zones whose packets a policy for *zones* is asked of, None for all, and the packets themselves."""
        if "ANY" in zones:
            return None, EVERYTHING
        if self._is_modern:
            return zones, EVERYTHING
        bound = [matcher.bound(settings) for name, settings in self._configuration.zones.items() if name in zones]
        return None, tuple(box for parts in bound for part in parts for box in part)

    def _bindings(self, matcher: Matcher, direction: str) -> list[tuple[str, Boxes]]:
        """Zones and the packets they have, each packet in the first that fits."""
        default = (self._configuration.default_zone, EVERYTHING)
        if not self._is_modern and direction == "outbound":
            return [default]
        by_source, by_interface = [], []
        for name, settings in sorted(self._configuration.zones.items()):
            priority = settings.get("ingress_priority" if direction == "inbound" else "egress_priority", 0)
            sources, interfaces = matcher.bound(settings)
            by_source.append((priority, name, sources))
            by_interface.append((priority, name, interfaces))
        if not self._is_modern:
            # Each is put before those that came earlier.
            by_interface.reverse()
        ranked = sorted([*by_source, *by_interface], key=lambda binding: binding[0])
        return [*((name, boxes) for _priority, name, boxes in ranked if boxes), default]

    @property
    def _arrivals(self) -> Matcher:
        """For questions about who has a packet, whatever it is."""
        return Matcher(self._configuration, self._is_modern, "inbound", "", 0, "deny")

    def _is_plain(self, source: str) -> bool:
        """Whether a zone's *source* is one that ours can be cut around."""
        boxes, _interfaces = self._arrivals.bound({"sources": [source]})
        return bool(boxes) and all(map(_is_plain, boxes))

    def _end(self, direction: str, zone: str, boxes: Boxes) -> Decision:
        if direction == "outbound":
            return Decision("pass", boxes)
        target = self._configuration.zones.get(zone, {}).get("target", "default")
        return Decision(_TARGETS.get(target, "deny"), boxes, f"zone {zone}: target {target.strip('%')}")


@dataclasses.dataclass(frozen=True)
class _Member:
    """A zone or policy in firewalld's order: asked of those packets of *zones* (None: of all) that are in *boxes*."""

    priority: int
    decisions: Stage
    translations: Stage
    zones: t.Container[str] | None
    boxes: Boxes = EVERYTHING


def unjudged(configuration: Configuration) -> list[str]:
    """Sentences about what of theirs :class:`TheirStanding` can't take into account."""
    found = []
    if configuration.direct:
        found.append("firewalld has direct rules; what they let through or refuse is not known here.")
    for name, ipset in sorted(configuration.ipsets.items()):
        if not can_judge(ipset):
            found.append(f"What is in the ipset {name} can't be told; rules with it are taken to concern no packet.")
    return found


def _is_plain(box: Box) -> bool:
    """Whether *box* is about a few addresses and nothing else."""
    is_all = box.remote == regions.EVERY_ADDRESS
    return not is_all and box._replace(remote=regions.EVERY_ADDRESS) == Box() and len(box.remote) <= _MOST_HOLES


def _ports_in(configuration: Configuration, policies: t.Mapping[str, Settings]) -> t.Iterator[tuple[str, str]]:
    """Protocols and ports (``80``, ``80-90``; ``1`` where there are none) that *policies*, services and sets name."""
    for settings in (*policies.values(), *configuration.services.values()):
        yield from ((protocol, ports) for ports, protocol in settings.get("ports", ()))
        yield from ((protocol, "1") for _ports, protocol in settings.get("source_ports", ()))
        yield from ((protocol, "1") for protocol in settings.get("protocols", ()))
        for details in (parse(text).details for text in rich_rules(settings)):
            protocol = details.get("protocol") or details.get("value")
            if protocol:
                yield protocol, details.get("port", "1")
    for ipset in filter(can_judge, configuration.ipsets.values()):
        parts = ipset.type.partition(":")[2].split(",")
        for value in (entry.split(",")[parts.index("port")] for entry in ipset.entries if "port" in parts):
            protocol, _colon, ports = value.rpartition(":")
            yield protocol or "tcp", ports


def _of_policy(matcher: Matcher, owner: str, settings: Settings) -> Stage:
    target = settings.get("target", "CONTINUE")
    ends = [Decision(_TARGETS[target], EVERYTHING, f"{owner}: target {target}")] if target in _TARGETS else []
    return [*matcher.decisions(owner, settings), *ends]


def _clipped(decisions: t.Iterable[Decision], boxes: Boxes) -> t.Iterator[Decision]:
    for decision in decisions:
        reached = meet(decision.boxes, boxes)
        if reached:
            yield dataclasses.replace(decision, boxes=reached)


_BOTH_FAMILIES = [Box(remote=family, local=family) for family in (regions.IPV4, regions.IPV6)]


def _boxes_of(flow: Flow) -> list[Box]:
    remote = regions.addresses(*flow.networks)
    sides = [(regions.both(remote, family), family) for family in (regions.IPV4, regions.IPV6)]
    return [Box(remote=side, local=family) for side, family in sides if side]


def _box_of(packet: Packet) -> Box:
    return Box(
        remote=regions.addresses(packet.remote),
        local=regions.addresses(packet.local),
        source_port=regions.ports((packet.source_port, packet.source_port)),
        interface=regions.interfaces(packet.interface),
    )


def _concerns(rule: OperatorRule, packet: Packet) -> bool:
    return (
        rule.direction == packet.direction
        and packet.protocol in rule.protocols
        and any(first <= packet.port <= last for first, last in rule.ports)
    )


def _decision_of(rule: OperatorRule) -> Decision:
    box = Box(
        remote=regions.addresses(rule.remote),
        local=regions.addresses(rule.local),
        source_port=regions.ports(*rule.source_ports),
        interface=regions.interfaces(rule.interface),
    )
    return Decision(rule.verdict, (box,), rule.text)
