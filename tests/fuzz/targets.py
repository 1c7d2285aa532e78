# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One case each: bytes in, and an exception out where the code does what it must not.

What the code may raise is :class:`IpRangesError`, with one printable sentence, and only where the oracle agrees.
"""

from __future__ import annotations

import ipaddress
import itertools
import math
import typing as t

import jmespath

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import (
    AGENT_SECTIONS,
    FAMILIES,
    Document,
    DocumentError,
    Guards,
    parse,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import IpRangesError
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.information import ARGUMENT_SPEC
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.options import OptionsError, RangesOptions
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.selection import SelectionError
from ansible_collections.netwall.datadog.tests.fuzz import cases, oracles
from ansible_collections.netwall.datadog.tests.fuzz.cases import Choices
from ansible_collections.netwall.datadog.tests.fuzz.oracles import RefusedError

URL = "https://ip-ranges.example.test/"
DEFAULT = Guards()
LOOSE = Guards(shortest_prefix_ipv4=1, shortest_prefix_ipv6=1, allow_reserved=True)
TIGHT = Guards(shortest_prefix_ipv4=24, shortest_prefix_ipv6=48, max_prefixes=4)
# The documents are judged by LOOSE, and so is what a query finds in them.
_DEFAULTS = {
    **{name: option.get("default") for name, option in ARGUMENT_SPEC.items()},
    **LOOSE._asdict(),
}


class FoundError(AssertionError):
    """A fault in the code under test; the text says which."""


def check_document(data: bytes) -> None:
    """A document is accepted if and only if its guards allow it, and then it is what was published."""
    choices = Choices(data)
    guards = choices.pick((DEFAULT, LOOSE, TIGHT))
    judge(cases.document_of(choices), guards)


def judge(content: bytes, guards: Guards) -> None:
    """The same of the document *content*."""
    try:
        document = parse(content, URL, guards)
    except DocumentError as error:
        _check_said(error, f"The document at {URL} is refused: ")
        # How deep the stack is already when it runs out is not the oracle's to know.
        if "nested too deeply" not in str(error) and _is_believed(content, guards):
            raise FoundError(f"refused without reason: {error}") from None
        return
    try:
        raw = oracles.judge(content, guards)
    except RefusedError as error:
        raise FoundError(f"accepted in spite of {error}") from None
    _check_content(document, raw)


def _is_believed(content: bytes, guards: Guards) -> bool:
    try:
        return bool(oracles.judge(content, guards))
    except RefusedError:
        return False


def _check_content(document: Document, raw: dict[str, t.Any]) -> None:
    _same(document.raw, raw)
    _same((document.url, document.version), (URL, raw["version"]))
    moment = document.modified
    _same(f"{moment.year:04}{moment:-%m-%d-%H-%M-%S%z}", raw["modified"] + "+0000")
    sections = oracles.sections_in(raw)
    _same(list(document.sections), list(sections))
    for name, section in document.sections.items():
        _same(section.name, name)
        _same(list(section.ipv4), sections[name]["prefixes_ipv4"])
        _same(list(section.ipv6), sections[name]["prefixes_ipv6"])
        located = {location: list(cidrs) for location, cidrs in section.by_location.items()}
        _same(located, oracles.by_location_in(sections[name]))


def check_selection(data: bytes) -> None:
    """A selection covers exactly the addresses that it should, in exactly the CIDRs that it should."""
    choices = Choices(data)
    document = parse(cases.document_to_select_from(choices), URL, LOOSE)
    names = choices.some((*cases.SECTIONS, "none"), 3)
    options = _options(choices)
    if not options:
        return
    try:
        found = options.select(document, names)
    except SelectionError as error:
        _check_said(error)
        if _published(document.raw, names, options.locations) is not None:
            raise FoundError(f"refused without reason: {error}") from None
        return
    published = _published(document.raw, names, options.locations)
    if published is None:
        raise FoundError("something was selected that is not there")
    wanted = [cidr for cidr in published if f"ipv{6 if ':' in cidr else 4}" in options.families]
    _same(found, oracles.selected(wanted, options.exclude, aggregate=options.aggregate))


def check_query(data: bytes) -> None:
    """An expression finds what JMESPath finds, and networks among that are treated as those of a section."""
    choices = Choices(data)
    document = parse(cases.document_to_select_from(choices), URL, LOOSE)
    options = _options(choices, with_query=True)
    if not options or options.query is None:
        return
    expected = _expected(document.raw, options, options.query)
    try:
        found = options.select(document, ())
    except SelectionError as error:
        _check_said(error)
        if expected is not None:
            raise FoundError(f"refused without reason: {error}") from None
        return
    _same(found, expected)


def _options(choices: Choices, *, with_query: bool = False) -> RangesOptions | None:
    """Options by *choices*; None where they are refused, and rightly so."""
    raw: dict[str, t.Any] = {
        **_DEFAULTS,
        "families": choices.pick((["ipv4", "ipv6"], ["ipv4"], ["ipv6"])),
        "exclude": cases.exclude_of(choices),
        "locations": choices.some((*cases.LOCATIONS, "none"), 2) if choices.is_so() else [],
        "aggregate": choices.pick((None, True, False)),
        "query": cases.expression_of(choices) if with_query else None,
    }
    try:
        options = RangesOptions.from_mapping(raw)
    except OptionsError as error:
        _check_said(error, "exclude: ")
        if all(map(_is_network, raw["exclude"])):
            raise FoundError(f"refused without reason: {error}") from None
        return None
    if not all(map(_is_network, raw["exclude"])):
        raise FoundError(f"accepted as networks: {raw['exclude']}")
    _same(oracles.spans_of(options.exclude), oracles.spans_of(text.strip() for text in raw["exclude"]))
    return options


def _is_network(text: str) -> bool:
    try:
        return bool(ipaddress.ip_network(text.strip())) and "%" not in text
    except ValueError:
        return False


def _published(raw: t.Mapping[str, t.Any], names: list[str], locations: t.Sequence[str]) -> list[str] | None:
    """The CIDRs of what is asked for, None where it is not there."""
    sections = oracles.sections_in(raw)
    if not set(names) <= set(sections):
        return None
    chosen = [sections[name] for name in names or AGENT_SECTIONS if name in sections]
    located = [oracles.by_location_in(section) for section in chosen]
    if not chosen or (locations and not all(located)):
        return None
    if locations:
        is_known = set(locations) <= {location for by_location in located for location in by_location}
        lists = [by_location.get(location, []) for by_location in located for location in locations]
        return list(itertools.chain(*lists)) if is_known else None
    return [cidr for section in chosen for cidr in section["prefixes_ipv4"] + section["prefixes_ipv6"]]


def _expected(raw: t.Mapping[str, t.Any], options: RangesOptions, expression: str) -> list[t.Any] | None:
    """What the expression has to find, None where it has to be refused."""
    seen = _view(raw, options.locations) if options.locations else raw
    if seen is None:
        return None
    try:
        found = jmespath.search(expression, seen)
    except Exception:  # noqa: BLE001 - whatever it is, the code under test has to turn it into a sentence
        return None
    result = found if isinstance(found, list) else [found]
    if found is None or not _is_plain(found) or any(_is_forbidden(item, options.guards) for item in result):
        return None
    if not options.aggregate and not options.exclude and len(set(options.families)) == len(FAMILIES):
        return result
    if not all(isinstance(item, str) and _is_cidr(item) for item in result):
        return None
    wanted = [cidr for cidr in result if f"ipv{ipaddress.ip_network(cidr).version}" in options.families]
    return oracles.selected(wanted, options.exclude, aggregate=options.aggregate)


def _is_forbidden(item: t.Any, guards: Guards) -> bool:
    """Whether it is a network of which a guard says no."""
    if not isinstance(item, str) or not _is_cidr(item):
        return False
    return not oracles.may_be_in(item, f"ipv{ipaddress.ip_network(item).version}", guards)


def _view(raw: t.Mapping[str, t.Any], locations: t.Sequence[str]) -> dict[str, t.Any] | None:
    """The document as if only *locations* were published; None where one of them is unknown."""
    sections = oracles.sections_in(raw)
    located = {name: section for name, section in sections.items() if oracles.by_location_in(section)}
    if not set(locations) <= {place for section in located.values() for place in oracles.by_location_in(section)}:
        return None
    view = {name: value for name, value in raw.items() if name not in sections}
    for name, section in located.items():
        view[name] = dict(section)
        for family in FAMILIES:
            there = section.get(f"prefixes_{family}_by_location", {})
            kept = {location: there[location] for location in dict.fromkeys(locations) if location in there}
            view[name][f"prefixes_{family}_by_location"] = kept
            view[name][f"prefixes_{family}"] = list(dict.fromkeys(itertools.chain(*kept.values())))
    return view


def _is_cidr(text: str) -> bool:
    try:
        return ipaddress.ip_network(text).with_prefixlen == text and "%" not in text
    except ValueError:
        return False


def _is_plain(value: t.Any) -> bool:
    """Whether it can be told in JSON; not so NaN, infinity, and expressions as such (``&a``)."""
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            todo += value.values()
        elif isinstance(value, list):
            todo += value
        elif isinstance(value, float):
            if not math.isfinite(value):
                return False
        elif not (value is None or isinstance(value, bool | int | str)):
            return False
    return True


def _check_said(error: IpRangesError, begin: str = "") -> None:
    said = str(error)
    if not (said.isprintable() and said.startswith(begin) and said.endswith(".")):
        raise FoundError(f"no sentence: {said!r}")


def _same(found: t.Any, expected: t.Any) -> None:
    if found != expected:
        raise FoundError(f"{found!r} where {expected!r} belongs")
