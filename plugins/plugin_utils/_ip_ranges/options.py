# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The options that every plugin for address ranges shares."""

# Without "from __future__ import annotations", which would have every field of a named tuple compiled at import.
import re
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import folder, selection, source
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import FAMILIES, Document, Guards
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import IpRangesError

_SHA256 = r"[0-9a-f]{64}"


class OptionsError(IpRangesError):
    """An option has a value that it cannot have; the text names the option and what it may be."""


class RangesOptions(t.NamedTuple):
    """The options of the doc fragment ``netwall.datadog.ip_ranges``, checked.

    ``url`` is where the document is, whether the user gave it or it follows from ``site`` (then ``has_section_urls``:
    each section is there by itself, too); it may hold a password. ``exclude`` are canonical CIDRs, ``cache_ttl`` and
    ``stale_if_error`` seconds, ``max_shrink`` is a share from 0 to 1, ``sha256`` in lower case.
    """

    site: str
    url: str
    has_section_urls: bool
    families: tuple[str, ...]
    exclude: tuple[str, ...]
    aggregate: bool
    locations: tuple[str, ...]
    query: str | None
    connection: source.Connection
    guards: Guards
    cache_dir: str
    cache_ttl: float
    stale_if_error: float
    max_shrink: float
    allow_older: bool
    sha256: str | None

    def __repr__(self) -> str:
        """The site alone: in the url may be a password."""
        return f"{type(self).__name__}(site={self.site!r}, …)"

    @classmethod
    def from_mapping(cls, raw: t.Mapping[str, t.Any], proxy: str = "proxy") -> "RangesOptions":
        """The options in *raw*, which may have others too; raises :class:`IpRangesError`.

        *proxy* is what the option is called that names the proxy to fetch through.
        """
        site = raw["site"].lower()
        url = source.url_of_site(site)
        if raw["url"] is not None:
            url = raw["url"]
            source.check_url(url)
        query = raw.get("query")
        return cls(
            site=site,
            url=url,
            has_section_urls=raw["url"] is None and query is None and raw["sha256"] is None,
            families=_families(raw["families"]),
            exclude=_networks(raw["exclude"]),
            # What an expression finds is left as it is, unless somebody asks for more.
            aggregate=query is None if raw["aggregate"] is None else raw["aggregate"],
            locations=tuple(raw["locations"] or ()),
            query=query,
            connection=_connection(raw, proxy),
            guards=Guards(
                shortest_prefix_ipv4=_number(raw, "shortest_prefix_ipv4", 1, 32),
                shortest_prefix_ipv6=_number(raw, "shortest_prefix_ipv6", 1, 128),
                max_prefixes=_number(raw, "max_prefixes", 1, 1_000_000),
                allow_reserved=raw["allow_reserved"],
            ),
            cache_dir=folder.path_of(raw["cache_dir"]),
            cache_ttl=_number(raw, "cache_ttl", 0, _YEAR, "seconds"),
            stale_if_error=_number(raw, "stale_if_error", 0, _YEAR, "seconds"),
            max_shrink=_number(raw, "max_shrink", 0, 1),
            allow_older=raw["allow_older"],
            sha256=_sha256(raw["sha256"]),
        )

    def of_site(self, site: str, urls: t.Mapping[str, t.Any]) -> "RangesOptions":
        """The same options for the document of *site*, which *urls*, by site, may say to be elsewhere.

        A ``url`` or ``sha256`` that was given is that of the own site's document, and of no other. Raises
        :class:`IpRangesError`.
        """
        by_site = {str(name).lower(): str(url) for name, url in urls.items()}
        is_own = site == self.site
        has_own_url = self.url != source.url_of_site(self.site)
        if is_own and (has_own_url or site not in by_site):
            return self
        url = by_site.get(site, source.url_of_site(site))
        source.check_url(url)
        sha256 = self.sha256 if is_own else None
        return self._replace(site=site, url=url, has_section_urls=site not in by_site, sha256=sha256)

    def select(self, from_document: Document, sections: t.Sequence[str]) -> list[t.Any]:
        """What these options want: the CIDRs of *sections* (see :func:`selection.select`), or what ``query`` finds.

        Raises :class:`IpRangesError`.
        """
        how: dict[str, t.Any] = {
            "families": self.families,
            "exclude": self.exclude,
            "locations": self.locations,
            "aggregate": self.aggregate,
        }
        if self.query is None:
            return selection.select(from_document, sections, **how)
        if sections:
            raise OptionsError(
                f"query is given beside the section {sections[0]!r}; name sections in the expression, or leave it out."
            )
        return selection.search(from_document, self.query, guards=self.guards, **how)


_YEAR = 366 * 24 * 3600
_Number = t.TypeVar("_Number", int, float)


def _connection(raw: t.Mapping[str, t.Any], proxy: str) -> source.Connection:
    if raw["client_key"] is not None and raw["client_cert"] is None:
        raise OptionsError("client_key is given without client_cert; give both, or a client_cert that holds its key.")
    if raw[proxy] is not None:
        _check_proxy(proxy, raw[proxy])
    return source.Connection(
        ca_path=raw["ca_path"],
        client_cert=raw["client_cert"],
        client_key=raw["client_key"],
        proxy=raw[proxy],
        timeout=_above_zero(raw, "timeout", 3600),
        retries=_number(raw, "retries", 0, 10),
        max_size=_number(raw, "max_size", 1, 1 << 30, "bytes"),
        max_redirects=_number(raw, "max_redirects", 0, 20),
    )


def _families(values: t.Sequence[str]) -> tuple[str, ...]:
    if not values or not set(values) <= set(FAMILIES):
        raise OptionsError(f"families is {list(values)!r}; it must list {' or '.join(FAMILIES)} or both.")
    return tuple(values)


def _networks(values: t.Sequence[t.Any] | None) -> tuple[str, ...]:
    if not values:
        return ()
    # Only here, where it is needed.
    from ansible_collections.netwall.datadog.plugins.module_utils._flow import (  # noqa: PLC0415
        FlowError,
        sort_networks,
    )

    try:
        return sort_networks(str(value) for value in values)
    except FlowError as error:
        raise OptionsError(f"exclude: {error}") from None


def _check_proxy(option: str, url: str) -> None:
    scheme, separator, rest = url.partition("://")
    if (
        scheme.lower() not in ("http", "https", "socks5", "socks5h")
        or not separator
        or not rest
        or not url.isprintable()
    ):
        raise OptionsError(
            f"{option} is no URL of a proxy (it is not shown, since it may hold a password); write one such as "
            "http://proxy.example.com:3128."
        )


def _number(raw: t.Mapping[str, t.Any], name: str, least: _Number, most: _Number, unit: str = "") -> _Number:
    value: _Number = raw[name]
    if not least <= value <= most:
        what = unit or "a number"
        raise OptionsError(f"{name} is {value}; it must be {what} from {least} to {most}.")
    return value


def _above_zero(raw: t.Mapping[str, t.Any], name: str, most: float) -> float:
    value: float = raw[name]
    if not 0 < value <= most:
        raise OptionsError(f"{name} is {value:g}; it must be seconds, above 0 and at most {most}.")
    return value


def _sha256(value: str | None) -> str | None:
    if value is None:
        return None
    checksum = value.strip().lower()
    if not re.fullmatch(_SHA256, checksum):
        raise OptionsError(f"sha256 is {value!r}; it must be 64 hexadecimal digits.")
    return checksum
