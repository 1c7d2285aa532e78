# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The options that every plugin for address ranges shares, and the way from them to a document."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._flow import FlowError, sort_networks
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import document, selection, source
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import IpRangesError

_LONGEST_TIMEOUT = 3600
_MOST_RETRIES = 10


class OptionsError(IpRangesError):
    """An option has a value that it cannot have; the text names the option and what it may be."""


@dataclasses.dataclass(frozen=True)
class RangesOptions:
    """The options of the doc fragment ``netwall.datadog.ip_ranges``, checked.

    ``url`` is where the document is, whether the user gave it or it follows from ``site``; it may hold a password.
    ``exclude`` are canonical CIDRs, ``timeout`` seconds.
    """

    site: str
    url: str = dataclasses.field(repr=False)
    families: tuple[str, ...]
    exclude: tuple[str, ...]
    aggregate: bool
    locations: tuple[str, ...]
    ca_path: str | None
    timeout: float
    retries: int

    @classmethod
    def from_mapping(cls, raw: t.Mapping[str, t.Any]) -> RangesOptions:
        """The options in *raw*, which may have others too; raises :class:`IpRangesError`."""
        site = raw["site"].lower()
        url = source.url_of_site(site)
        if raw["url"] is not None:
            url = raw["url"]
            source.check_url(url)
        return cls(
            site=site,
            url=url,
            families=_families(raw["families"]),
            exclude=_networks(raw["exclude"]),
            aggregate=raw["aggregate"],
            locations=tuple(raw["locations"] or ()),
            ca_path=raw["ca_path"],
            timeout=_timeout(raw["timeout"]),
            retries=_retries(raw["retries"]),
        )

    def select(self, from_document: document.Document, sections: t.Sequence[str]) -> list[str]:
        """The CIDRs of *sections* that these options want (see :func:`selection.select`)."""
        return selection.select(
            from_document,
            sections,
            families=self.families,
            exclude=self.exclude,
            locations=self.locations,
            aggregate=self.aggregate,
        )


def load(options: RangesOptions) -> document.Document:
    """The document that *options* point to, fetched and checked; raises :class:`IpRangesError`."""
    data = source.fetch(options.url, ca_path=options.ca_path, timeout=options.timeout, retries=options.retries)
    return document.parse(data, source.shown(options.url))


def _families(values: t.Sequence[str]) -> tuple[str, ...]:
    if not values or not set(values) <= set(selection.FAMILIES):
        raise OptionsError(f"families is {list(values)!r}; it must list {' or '.join(selection.FAMILIES)} or both.")
    return tuple(values)


def _networks(values: t.Sequence[t.Any] | None) -> tuple[str, ...]:
    try:
        return sort_networks(str(value) for value in values or ())
    except FlowError as error:
        raise OptionsError(f"exclude: {error}") from None


def _timeout(value: float) -> float:
    if not 0 < value <= _LONGEST_TIMEOUT:
        raise OptionsError(f"timeout is {value:g}; it must be seconds, above 0 and at most {_LONGEST_TIMEOUT}.")
    return value


def _retries(value: int) -> int:
    if not 0 <= value <= _MOST_RETRIES:
        raise OptionsError(f"retries is {value}; it must be a number from 0 to {_MOST_RETRIES}.")
    return value
