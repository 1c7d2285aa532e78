# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Sets of packets, exactly: which part of one set a list of rules leaves undecided.

A packet is a point, a set of packets a list of boxes, a box one set of values for each dimension, and such a set a
sequence of ranges that hold their first value and not their last. IPv4 and IPv6 addresses lie on one line of numbers,
IPv4 first; interfaces are ordered like words, so that all that begin with ``eth`` are one range.
"""

from __future__ import annotations

import bisect
import dataclasses
import ipaddress
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._flow import parse_network

# Half-open, in order, neither overlapping nor touching.
Ranges = t.Tuple[t.Tuple[t.Any, t.Any], ...]

_V6 = 1 << 32
_LAST_WORD = "\U0010ffff"

IPV4: Ranges = ((0, _V6),)
IPV6: Ranges = ((_V6, _V6 + (1 << 128)),)
EVERY_ADDRESS: Ranges = ((0, _V6 + (1 << 128)),)
EVERY_PORT: Ranges = ((0, 1 << 16),)
EVERY_MAC: Ranges = ((0, 1 << 48),)
# On the loopback interface no firewall that we know asks its rules.
EVERY_INTERFACE: Ranges = (("", "lo"), ("lo\0", _LAST_WORD))


class Box(t.NamedTuple):
    """The packets that have, in every dimension, one of its values; empty where a dimension is."""

    remote: Ranges = EVERY_ADDRESS
    local: Ranges = EVERY_ADDRESS
    source_port: Ranges = EVERY_PORT
    interface: Ranges = EVERY_INTERFACE
    mac: Ranges = EVERY_MAC


@dataclasses.dataclass(frozen=True)
class Decision:
    """What a rule says of the packets in ``boxes``.

    ``verdict`` is ``allow``, ``deny``, or ``pass``: no rule behind it in its list is asked. Where ``is_partial``, it
    says so of some of them only, nobody knows which, and leaves the others to the next.
    """

    verdict: str
    boxes: tuple[Box, ...]
    text: str = ""
    is_partial: bool = False


def judge(boxes: t.Iterable[Box], decisions: t.Iterable[Decision]) -> tuple[list[Decision], list[Box]]:
    """Which of *decisions*, taken in turn, meet packets of *boxes*, and the packets that none of them decides."""
    left = list(boxes)
    passed: list[Box] = []
    met = []
    for decision in decisions:
        hit = [part for box in left for other in decision.boxes for part in intersect(box, other)]
        if not hit:
            continue
        if decision.verdict == "pass":
            passed += hit
        else:
            met.append(decision)
        if not decision.is_partial:
            left = subtract_all(left, decision.boxes)
        if not left:
            break
    return met, left + passed


def judge_in_turn(boxes: t.Iterable[Box], stages: t.Iterable[t.Sequence[Decision]]) -> tuple[list[Decision], list[Box]]:
    """As :func:`judge`, for several lists one after the other: ``pass`` in one leads to the next."""
    met: list[Decision] = []
    left = list(boxes)
    for stage in stages:
        more, left = judge(left, stage)
        met += more
    return met, left


def intersect(box: Box, other: Box) -> list[Box]:
    """What both hold: one box or none."""
    common = Box(*map(both, box, other))
    return [common] if all(common) else []


def subtract_all(boxes: t.Iterable[Box], others: t.Iterable[Box]) -> list[Box]:
    """What *boxes* hold and *others* don't."""
    left = list(boxes)
    for other in others:
        left = [part for box in left for part in subtract(box, other)]
    return left


def subtract(box: Box, other: Box) -> t.Iterator[Box]:
    """Boxes that don't overlap and together hold what *box* holds and *other* doesn't."""
    if not intersect(box, other):
        yield box
        return
    rest = list(box)
    for dimension, values in enumerate(box):
        outside = without(values, other[dimension])
        if outside:
            yield Box(*[*rest[:dimension], outside, *rest[dimension + 1 :]])
        rest[dimension] = both(values, other[dimension])


def both(these: Ranges, those: Ranges) -> Ranges:
    """The values in both."""
    if these == those:
        return these
    few, many = sorted((these, those), key=len)
    found = []
    for start, end in few:
        position = max(bisect.bisect_right(many, (start,)) - 1, 0)
        while position < len(many) and many[position][0] < end:
            low, high = max(start, many[position][0]), min(end, many[position][1])
            if low < high:
                found.append((low, high))
            position += 1
    return tuple(found)


def without(these: Ranges, those: Ranges) -> Ranges:
    """The values in *these* and not in *those*."""
    left = list(these)
    for start, end in those:
        first = max(bisect.bisect_right(left, (start,)) - 1, 0)
        while first < len(left) and left[first][1] <= start:
            first += 1
        last = first
        while last < len(left) and left[last][0] < end:
            last += 1
        cut = left[first:last]
        edges = [(cut[0][0], start), (end, cut[-1][1])] if cut else []
        left[first:last] = [(low, high) for low, high in edges if low < high]
    return tuple(left)


def union(parts: t.Iterable[tuple[t.Any, t.Any]]) -> Ranges:
    """The values in any of *parts*, which may overlap, in any order."""
    joined: list[tuple[t.Any, t.Any]] = []
    for start, end in sorted(parts):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif start < end:
            joined.append((start, end))
    return tuple(joined)


def addresses(*networks: str) -> Ranges:
    """The addresses in *networks*, canonical CIDRs or bare addresses of either family."""
    return union(map(_span, networks))


def networks(found: Ranges) -> list[str]:
    """The fewest CIDRs that hold the addresses in *found*."""
    kinds: tuple[tuple[Ranges, t.Any], ...] = ((IPV4, ipaddress.IPv4Address), (IPV6, ipaddress.IPv6Address))
    return [
        str(network)
        for family, address in kinds
        for start, end in both(found, family)
        for network in ipaddress.summarize_address_range(*(address(n - family[0][0]) for n in (start, end - 1)))
    ]


def address_range(first: str, last: str) -> Ranges:
    """The addresses from *first* to *last*."""
    return ((_span(first)[0], _span(last)[1]),)


def _span(network: str) -> tuple[int, int]:
    parsed = parse_network(network)
    offset = _V6 if parsed.version == 6 else 0
    return (offset + int(parsed.network_address), offset + int(parsed.broadcast_address) + 1)


def ports(*pairs: tuple[int, int]) -> Ranges:
    """The ports of *pairs* of a first and a last."""
    return union((first, last + 1) for first, last in pairs)


def interfaces(pattern: str) -> Ranges:
    """The interfaces that *pattern* names: all for an empty one, all that begin so where it ends in ``+``."""
    if pattern in ("", "+"):
        return EVERY_INTERFACE
    if pattern.endswith("+"):
        prefix = pattern[:-1]
        return both(EVERY_INTERFACE, ((prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)),))
    return both(EVERY_INTERFACE, ((pattern, pattern + "\0"),))


def mac_address(text: str) -> Ranges:
    """The one hardware address that *text* writes."""
    number = int(text.replace(":", "").replace("-", ""), 16)
    return ((number, number + 1),)
