# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Which addresses of a document: by section, family and location, less what is excluded, in the fewest CIDRs.

Or what an expression finds in it.
"""

from __future__ import annotations

import bisect
import itertools
import json
import reprlib
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import (
    AGENT_SECTIONS,
    FAMILIES,
    Document,
    Guards,
    Section,
    family_of,
    fault_of_cidr,
    is_cidr,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import (
    IpRangesError,
    MissingPackageError,
    import_netaddr,
)

if t.TYPE_CHECKING:
    import netaddr


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
    chosen = sections_of(document, sections)
    published = _at_locations(document, chosen, locations) if locations else _everywhere(chosen)
    # A dictionary: what several sections share counts once, and the order is kept.
    wanted = dict.fromkeys(cidr for cidr in published if family_of(cidr) in families)
    return _carve(list(wanted), exclude, aggregate=aggregate)


def search(  # noqa: PLR0913 - one for each option
    document: Document,
    expression: str,
    *,
    families: t.Collection[str] = FAMILIES,
    exclude: t.Collection[str] = (),
    locations: t.Collection[str] = (),
    aggregate: bool = False,
    guards: Guards | None = None,
) -> list[t.Any]:
    """What the JMESPath *expression* finds in the document as it was published: a list, or one thing alone in a list.

    *locations*: the expression sees only the sections published by location, and of them only what is published under
    these. Where *families* or *exclude* leave something out, or with *aggregate*, the result has to be a list of CIDRs;
    it is then treated and sorted as in :func:`select`. *guards*: networks in it are judged by these, since what a
    document grows may hold some that nobody has looked at. Raises :class:`SelectionError`.
    """
    found = _searched(document, expression, _view(document, locations) if locations else document.raw)
    result = found if isinstance(found, list) else [found]
    # As they were found: aggregated, they may well be wider than what was published.
    for cidr in result if guards else ():
        fault = fault_of_cidr(cidr, guards) if guards and isinstance(cidr, str) else ""
        if fault:
            raise SelectionError(f"What the query {expression!r} finds is refused: {cidr} {fault}.")
    if not (aggregate or exclude or set(families) != set(FAMILIES)):
        return result
    others = [item for item in result if not isinstance(item, str) or not is_cidr(item)]
    if others:
        raise SelectionError(
            f"What the query {expression!r} finds has {reprlib.repr(others[0])} in it, which is no CIDR, so families, "
            "exclude and aggregate can't be applied to it; leave them out, or find CIDRs alone."
        )
    wanted = dict.fromkeys(cidr for cidr in result if family_of(cidr) in families)
    return _carve(list(wanted), exclude, aggregate=aggregate)


def _searched(document: Document, expression: str, raw: t.Mapping[str, t.Any]) -> t.Any:
    try:
        import jmespath  # noqa: PLC0415 - only where it is used
    except ImportError:
        raise MissingPackageError("jmespath", "for query") from None
    try:
        found = jmespath.search(expression, raw)
    except (jmespath.exceptions.JMESPathError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        # It repeats the expression, in which there may be anything.
        said = " ".join(str(error).split()) or type(error).__name__
        why = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in said).rstrip(
            "."
        )
        raise SelectionError(f"The query {expression!r} is no JMESPath expression that works here: {why}.") from None
    if found is None:
        raise SelectionError(
            f"The query {expression!r} finds nothing in the document at {document.url}; it has {_listed(raw)}."
        )
    try:
        json.dumps(found, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise SelectionError(
            f"What the query {expression!r} finds can't be passed on: a number that is none or too large, or an "
            "expression as such (&…)."
        ) from None
    return found


def _view(document: Document, locations: t.Collection[str]) -> dict[str, t.Any]:
    """The document as it would be if nothing but *locations* were published."""
    located = [section for section in document.sections.values() if section.by_location]
    _check_locations(document, located, locations)
    view: dict[str, t.Any] = {name: value for name, value in document.raw.items() if name not in document.sections}
    for section in located:
        raw = dict(document.raw[section.name])
        for family in FAMILIES:
            by_location = raw.get(f"prefixes_{family}_by_location", {})
            kept = {location: by_location[location] for location in locations if location in by_location}
            raw[f"prefixes_{family}_by_location"] = kept
            raw[f"prefixes_{family}"] = list(dict.fromkeys(cidr for cidrs in kept.values() for cidr in cidrs))
        view[section.name] = raw
    return view


def sections_of(document: Document, names: t.Sequence[str]) -> list[Section]:
    """The sections called *names*; without any, all that an Agent sends to and that there are.

    Raises :class:`SelectionError`.
    """
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


def _at_locations(document: Document, sections: t.Sequence[Section], locations: t.Collection[str]) -> t.Iterator[str]:
    for section in sections:
        if not section.by_location:
            raise SelectionError(
                f"Section {section.name!r} of the document at {document.url} is not published by location; "
                "leave locations out, or ask for it on its own."
            )
    _check_locations(document, sections, locations)
    for section in sections:
        for location in locations:
            yield from section.by_location.get(location, ())


def _check_locations(document: Document, sections: t.Iterable[Section], locations: t.Collection[str]) -> None:
    known = {location for section in sections for location in section.by_location}
    for location in locations:
        if location not in known:
            raise SelectionError(
                f"The document at {document.url} has no location {location!r} in what was asked for; "
                f"it has {_listed(known)}."
            )


def _carve(cidrs: list[str], exclude: t.Collection[str], *, aggregate: bool) -> list[str]:
    import_netaddr()
    import netaddr  # noqa: PLC0415 - only where addresses are reckoned with

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


def _listed(names: t.Iterable[str]) -> str:
    # The document's keys that are no sections may be anything, and a terminal may obey some of it.
    return ", ".join(name if name.isprintable() else ascii(name) for name in sorted(names))
