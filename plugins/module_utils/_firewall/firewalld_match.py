# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What one zone or policy of firewalld's decides, of packets of one direction, protocol and port.

Inside it firewalld asks rich rules of negative priority, then what denies, then what allows, then rich rules of
positive priority. Among rules of one priority there is no order that could be told from outside: the worst is assumed.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import regions
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_config import (
    Configuration,
    IPSet,
    Settings,
    rich_rules,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_rich import Address, parse
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.regions import Box, Decision, Ranges

_MAC = re.compile(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\Z")
_NUMBERS = {"tcp": "6", "udp": "17"}
_FAMILIES = {"ipv4": regions.IPV4, "ipv6": regions.IPV6}
_VERDICTS = {"accept": "allow", "reject": "deny", "drop": "deny"}

Boxes = t.Tuple[Box, ...]

EVERYTHING: Boxes = (Box(),)


class Matcher:
    """Reads *configuration* for packets of *direction* to *port* of *protocol*.

    *is_modern* says that firewalld is of release 2.0 or later. Where the order is unknown, what has the verdict
    *feared* comes first.
    """

    def __init__(
        self, configuration: Configuration, is_modern: bool, direction: str, protocol: str, port: int, feared: str
    ) -> None:
        self._configuration = configuration
        self._is_modern = is_modern
        self._inbound = direction == "inbound"
        self._protocol = protocol
        self._port = port
        self._feared = feared
        self._of_set = functools.lru_cache(maxsize=None)(self._set_boxes)

    def decisions(self, owner: str, settings: Settings) -> list[Decision]:
        """What a zone or policy with *settings* decides, in firewalld's order, but for its target."""
        ranked: list[tuple[int, Decision]] = []
        denials: list[Decision] = []
        permissions: list[Decision] = []
        for text in rich_rules(settings):
            rule = parse(text)
            decision = self._rich_decision(owner, text)
            if decision is None:
                continue
            if rule.priority:
                ranked.append((rule.priority, decision))
            else:
                (denials if decision.verdict == "deny" else permissions).append(decision)
        permissions += self._plain_decisions(owner, settings)
        ranked.sort(key=lambda each: (each[0], each[1].verdict != self._feared))
        first = [decision for priority, decision in ranked if priority < 0]
        last = [decision for priority, decision in ranked if priority > 0]
        return [*first, *denials, *permissions, *last]

    def translations(self, owner: str, settings: Settings) -> list[Decision]:
        """Which inbound packets are sent elsewhere by forward ports, and so let in whatever rule follows."""
        found = []
        for ports, protocol, _to_port, to_address in settings.get("forward_ports", ()):
            if self._hits(ports, protocol):
                family = regions.IPV6 if ":" in to_address else regions.IPV4
                found.append(Decision("allow", (Box(remote=family, local=family),), f"{owner}: forward port {ports}"))
        for text in rich_rules(settings):
            rule = parse(text)
            if rule.element == "forward-port" and self._hits(rule.details["port"], rule.details["protocol"]):
                ends = self._ends(rule.family, rule.source, rule.destination)
                found.append(Decision("allow", ends, _say(owner, text)))
        return found

    def bound(self, settings: Settings) -> tuple[Boxes, Boxes]:
        """The packets that a zone with *settings* has by its sources, and by its interfaces."""
        side = functools.partial(self._address, is_source=self._inbound)
        sources = tuple(box for source in settings.get("sources", ()) for box in side(_source(source)))
        interfaces = tuple(Box(interface=regions.interfaces(name)) for name in settings.get("interfaces", ()))
        return sources, interfaces

    def _rich_decision(self, owner: str, text: str) -> Decision | None:
        rule = parse(text)
        if rule.action not in _VERDICTS:
            return None
        ends = self._ends(rule.family, rule.source, rule.destination)
        boxes = meet(ends, self._element(rule.element, rule.details))
        return Decision(_VERDICTS[rule.action], boxes, _say(owner, text), rule.is_limited)

    def _plain_decisions(self, owner: str, settings: Settings) -> t.Iterator[Decision]:
        for name in settings.get("services", ()):
            yield Decision("allow", self._service(name), f"{owner}: service {name}")
        for ports, protocol in settings.get("ports", ()):
            if self._hits(ports, protocol):
                yield Decision("allow", EVERYTHING, f"{owner}: port {ports}/{protocol}")
        for protocol in settings.get("protocols", ()):
            if self._is_protocol(protocol):
                yield Decision("allow", EVERYTHING, f"{owner}: protocol {protocol}")
        for ports, protocol in settings.get("source_ports", ()):
            yield Decision("allow", self._from(ports, protocol), f"{owner}: source port {ports}/{protocol}")

    # What a rule is about

    def _element(self, element: str, details: t.Mapping[str, str]) -> Boxes:
        if not element:
            return EVERYTHING
        if element == "service":
            return self._service(details["name"])
        if element == "port":
            return EVERYTHING if self._hits(details["port"], details["protocol"]) else ()
        if element == "source-port":
            return self._from(details["port"], details["protocol"])
        return EVERYTHING if element == "protocol" and self._is_protocol(details["value"]) else ()

    def _service(self, name: str, seen: tuple[str, ...] = ()) -> Boxes:
        settings = self._configuration.services.get(name)
        if settings is None or name in seen:
            return ()
        boxes: list[Box] = []
        if any(self._hits(*entry) for entry in settings.get("ports", ())):
            boxes += EVERYTHING
        if any(map(self._is_protocol, settings.get("protocols", ()))):
            boxes += EVERYTHING
        for entry in settings.get("source_ports", ()):
            boxes += self._from(*entry)
        destinations = settings.get("destination") or {}
        if destinations:
            ends = tuple(b for address in destinations.values() for b in self._address(Address(address), False))
            boxes = list(meet(tuple(boxes), ends))
        for included in settings.get("includes", ()):
            boxes += self._service(included, (*seen, name))
        return tuple(boxes)

    def _hits(self, ports: str, protocol: str) -> bool:
        first, last = _port_range(ports)
        return protocol == self._protocol and first <= self._port <= last

    def _is_protocol(self, protocol: str) -> bool:
        return protocol in (self._protocol, _NUMBERS.get(self._protocol))

    def _from(self, ports: str, protocol: str) -> Boxes:
        return (Box(source_port=regions.ports(_port_range(ports))),) if protocol == self._protocol else ()

    # Where a packet comes from and goes to

    def _ends(self, family: str, source: Address | None, destination: Address | None) -> Boxes:
        side = _FAMILIES.get(family, regions.EVERY_ADDRESS)
        boxes: Boxes = (Box(remote=side, local=side),)
        if source:
            boxes = meet(boxes, self._address(source, True))
        if destination:
            boxes = meet(boxes, self._address(destination, False))
        return boxes

    def _address(self, address: Address, is_source: bool) -> Boxes:
        if address.mac:
            return self._hardware(regions.mac_address(address.mac), address.inverted, is_source)
        if address.ipset:
            return self._of_set(address.ipset, address.inverted, is_source)
        found = _addresses(address.address)
        return (self._side(regions.without(_family(found), found) if address.inverted else found, is_source),)

    def _side(self, found: Ranges, is_source: bool) -> Box:
        return Box(remote=found) if is_source == self._inbound else Box(local=found)

    def _hardware(self, found: Ranges, inverted: bool, is_source: bool) -> Boxes:
        """Hardware addresses are seen of packets that come in, and only where from is asked here."""
        if not (is_source and self._inbound):
            return ()
        return (Box(mac=regions.without(regions.EVERY_MAC, found) if inverted else found),)

    def _set_boxes(self, name: str, inverted: bool, is_source: bool) -> Boxes:
        ipset = self._configuration.ipsets.get(name)
        if ipset is None or not can_judge(ipset):
            return ()
        parts = ipset.type.partition(":")[2].split(",")
        if parts == ["mac"]:
            hardware = regions.union(span for entry in ipset.entries for span in regions.mac_address(entry))
            return self._hardware(hardware, inverted, is_source)
        family = _FAMILIES["ipv6" if ipset.options.get("family") == "inet6" else "ipv4"]
        if len(parts) == 1:
            found = regions.union(span for entry in ipset.entries for span in _addresses(entry))
            return (self._side(regions.without(family, found) if inverted else found, is_source),)
        boxes = tuple(box for entry in ipset.entries for box in self._entry(parts, entry.split(","), is_source))
        return tuple(regions.subtract_all([self._side(family, is_source)], boxes)) if inverted else boxes

    def _entry(self, parts: t.Sequence[str], values: t.Sequence[str], is_source: bool) -> Boxes:
        """The packets that have, each in its part of a set's type, the *values* of one entry."""
        boxes = EVERYTHING
        for part, value in zip(parts, values):
            if part == "port":
                protocol, _colon, ports = value.rpartition(":")
                boxes = meet(boxes, self._at(ports, protocol or "tcp", is_source))
            elif part == "iface":
                # Releases before 2.0 compare the interface of the other direction.
                is_seen = (is_source == self._inbound) == self._is_modern
                boxes = meet(boxes, (Box(interface=regions.interfaces(value)),) if is_seen else ())
            else:
                boxes = meet(boxes, (self._side(_addresses(value), is_source),))
        return boxes

    def _at(self, ports: str, protocol: str, is_source: bool) -> Boxes:
        if is_source:
            return self._from(ports, protocol)
        return EVERYTHING if self._hits(ports, protocol) else ()


def can_judge(ipset: IPSet) -> bool:
    """Whether a set's entries say which packets are in it: neither marks, nor entries that firewalld doesn't know."""
    return "mark" not in ipset.type and ipset.options.get("timeout", "0") == "0"


def meet(these: Boxes, those: Boxes) -> Boxes:
    """What is in both."""
    return tuple(part for box in these for other in those for part in regions.intersect(box, other))


def _source(text: str) -> Address:
    if text.startswith("ipset:"):
        return Address(ipset=text[len("ipset:") :])
    return Address(mac=text) if _MAC.match(text) else Address(address=text)


@functools.lru_cache(maxsize=1 << 16)
def _addresses(text: str) -> Ranges:
    """The addresses that *text* means, with host bits and netmasks as firewalld takes them."""
    first, dash, last = text.partition("-")
    if dash:
        return regions.address_range(first, last)
    return regions.addresses(str(ipaddress.ip_network(text, strict=False)))


def _family(found: Ranges) -> Ranges:
    return regions.IPV4 if regions.both(found, regions.IPV4) else regions.IPV6


def _port_range(text: str) -> tuple[int, int]:
    first, _dash, last = text.partition("-")
    return (int(first), int(last or first))


def _say(owner: str, text: str) -> str:
    return f"{owner}: rich {text}"
