# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Which addresses of a document: by section, family and location, less what is excluded, in the fewest CIDRs."""

from __future__ import annotations

import bisect
import itertools
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import (
    AGENT_SECTIONS,
    Document,
    Section,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import (
    IpRangesError,
    MissingPackageError,
)

if t.TYPE_CHECKING:
    import netaddr

FAMILIES = ("ipv4", "ipv6")


class SelectionError(IpRangesError):
    """The document does not have what was asked for; the text names the document and what it has."""


def select(
    document: Document,
    sections: t.Sequence[str],
    *,
    families: t.Collection[str] = FAMILIES,
    exclude: t.Collection[str] = (),
    locations: t.Collection[str] = (),
    aggregate: bool = True,
) -> list[str]:
    """The CIDRs of *sections* together, each once, IPv4 first and in numerical order; raises :class:`SelectionError`.

    No sections: all that an Agent sends to and that the document has. *families*: of :data:`FAMILIES`. *exclude*:
    CIDRs whose addresses are left out. *locations*: only the prefixes published under these. *aggregate*: the fewest
    CIDRs that cover exactly these addresses; otherwise the prefixes as published, where *exclude* cuts into one the
    fewest CIDRs that cover exactly the rest of it.
    """
    chosen = _sections(document, sections)
    published = _at_locations(document, chosen, locations) if locations else _everywhere(chosen)
    # A dictionary: what several sections share counts once, and the order is kept.
    wanted = dict.fromkeys(cidr for cidr in published if _family(cidr) in families)
    return _carve(list(wanted), exclude, aggregate=aggregate)


def _sections(document: Document, names: t.Sequence[str]) -> list[Section]:
    known = document.sections
    for name in names:
        if not isinstance(name, str):
            raise SelectionError(f"{name!r} is not the name of a section; write query(…, *names) to pass on a list.")
        if name not in known:
            raise SelectionError(f"The document at {document.url} has no section {name!r}; it has {_listed(known)}.")
    chosen = [known[name] for name in names or AGENT_SECTIONS if name in known]
    if not chosen:
        raise SelectionError(
            f"The document at {document.url} has no section that an Agent sends to; it has {_listed(known)}."
        )
    return chosen


def _everywhere(sections: t.Iterable[Section]) -> t.Iterator[str]:
    for section in sections:
        yield from section.ipv4
        yield from section.ipv6


def _at_locations(document: Document, sections: t.Iterable[Section], locations: t.Collection[str]) -> t.Iterator[str]:
    known: set[str] = set()
    for section in sections:
        if not section.by_location:
            raise SelectionError(
                f"Section {section.name!r} of the document at {document.url} is not published by location; "
                "leave locations out, or ask for it on its own."
            )
        known.update(section.by_location)
        for location in locations:
            yield from section.by_location.get(location, ())
    for location in locations:
        if location not in known:
            raise SelectionError(
                f"The document at {document.url} has no location {location!r} in what was asked for; "
                f"it has {_listed(known)}."
            )


def _carve(cidrs: list[str], exclude: t.Collection[str], *, aggregate: bool) -> list[str]:
    try:
        import netaddr  # noqa: PLC0415 - only where addresses are reckoned with
    except ImportError:
        raise MissingPackageError("netaddr", "to reckon with networks") from None

    excluded = netaddr.cidr_merge(exclude)  # without overlap, in order, IPv4 first
    ends = [(network.version, network.last) for network in excluded]

    def rest(network: netaddr.IPNetwork) -> list[netaddr.IPNetwork]:
        # Most networks have nothing to do with what is excluded, and finding that out must not cost much.
        near = excluded[bisect.bisect_left(ends, (network.version, network.first)) :]
        inside = list(itertools.takewhile(lambda other: _start(other) <= (network.version, network.last), near))
        return list((netaddr.IPSet([network]) - netaddr.IPSet(inside)).iter_cidrs()) if inside else [network]

    networks = netaddr.cidr_merge(cidrs) if aggregate else [netaddr.IPNetwork(cidr) for cidr in cidrs]
    if excluded:
        networks = [piece for network in networks for piece in rest(network)]
    if not aggregate:  # prefixes may lie within others, and so may what is left of them
        by_number = {(*_start(network), network.prefixlen): network for network in networks}
        networks = [by_number[number] for number in sorted(by_number)]
    return [str(network) for network in networks]


def _start(network: netaddr.IPNetwork) -> tuple[int, int]:
    return (network.version, network.first)


def _family(cidr: str) -> str:
    return "ipv6" if ":" in cidr else "ipv4"


def _listed(names: t.Iterable[str]) -> str:
    return ", ".join(sorted(names))
