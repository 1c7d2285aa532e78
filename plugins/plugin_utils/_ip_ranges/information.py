# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What is known of a document, as the module ip_ranges_info tells it."""

from __future__ import annotations

import base64
import typing as t
import urllib.parse

from ansible_collections.netwall.datadog.plugins.module_utils._flow import FlowError, sort_networks
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import comparison, document, selection
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.loading import Loaded, load
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.options import OptionsError, RangesOptions
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.source import (
    Source,
    SourceError,
    is_file,
    shown,
)

# The options of the module; their documentation is that of the module and of the doc fragment (a test compares them).
ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "site": {"type": "str", "default": "datadoghq.com"},
    "url": {"type": "str"},
    "sha256": {"type": "str"},
    "sections": {"type": "list", "elements": "str", "default": []},
    "families": {"type": "list", "elements": "str", "default": ["ipv4", "ipv6"]},
    "locations": {"type": "list", "elements": "str", "default": []},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "aggregate": {"type": "bool"},
    "query": {"type": "str"},
    "compare_to": {"type": "raw"},
    "content": {"type": "bool", "default": False},
    "proxy": {"type": "str"},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path"},
    "timeout": {"type": "float", "default": 10},
    "retries": {"type": "int", "default": 3},
    "cache_dir": {"type": "path"},
    "cache_ttl": {"type": "int", "default": 3600},
    "stale_if_error": {"type": "int", "default": 604800},
    "shortest_prefix_ipv4": {"type": "int", "default": 8},
    "shortest_prefix_ipv6": {"type": "int", "default": 20},
    "allow_reserved": {"type": "bool", "default": False},
    "max_prefixes": {"type": "int", "default": 20000},
    "max_size": {"type": "int", "default": 8388608},
    "max_redirects": {"type": "int", "default": 5},
    "max_shrink": {"type": "float", "default": 0.5},
    "allow_older": {"type": "bool", "default": False},
}


def inform(raw: t.Mapping[str, t.Any], resolve: t.Callable[[str], str]) -> tuple[dict[str, t.Any], tuple[str, ...]]:
    """What the module returns for its options *raw*, as plain JSON types, and warnings.

    *resolve* makes a path that is relative to the play an absolute one. Raises :class:`IpRangesError`.
    """
    options = RangesOptions.from_mapping(raw)
    names = tuple(raw["sections"])
    # The whole document, however few sections are asked for: its checksum is to be the same whatever is kept.
    loaded = load(options)
    found = loaded.document
    sections = selection.sections_of(found, names) if names else list(found.sections.values())
    information: dict[str, t.Any] = {
        "site": options.site,
        "url": found.url,
        "version": found.version,
        "modified": found.modified.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "sections": {section.name: _plain(section) for section in sections},
        "networks": options.select(found, names),
        "origin": loaded.origin,
        "age": None if loaded.age is None else int(loaded.age),
        "sha256": loaded.sha256,
    }
    if raw["compare_to"] is not None:
        information["changes"] = _changes(_earlier(raw["compare_to"], options, resolve), loaded, names)
    if raw["content"]:
        information["content"] = base64.b64encode(loaded.data).decode("ascii")
    return information, loaded.warnings


def _plain(section: document.Section) -> dict[str, t.Any]:
    return {
        "ipv4": list(section.ipv4),
        "ipv6": list(section.ipv6),
        "by_location": {name: list(cidrs) for name, cidrs in section.by_location.items()},
    }


def _changes(earlier: comparison.Sections, loaded: Loaded, names: t.Collection[str]) -> dict[str, t.Any]:
    now = comparison.addresses_of(loaded.document)
    # What was not asked for is no part of either, also where the document has no more than that.
    old, new = ({name: each[name] for name in each if name in names or not names} for each in (earlier, now))
    return {
        name: {"added": list(change.added), "removed": list(change.removed)}
        for name, change in comparison.changes(old, new).items()
    }


def _earlier(compare_to: t.Any, options: RangesOptions, resolve: t.Callable[[str], str]) -> comparison.Sections:
    """The addresses by section of the document at a path, or of an earlier result."""
    if isinstance(compare_to, str):
        url = compare_to
        if not is_file(url):
            if "://" in url:
                raise _no_result(f"is {shown(url)}, which is not fetched")
            url = "file://" + urllib.parse.quote(resolve(url))
        try:
            with Source(options.connection) as source:
                data = t.cast("bytes", source.fetch(url).data)
            return comparison.addresses_of(document.parse(data, shown(url), options.guards))
        except (SourceError, document.DocumentError) as error:
            raise OptionsError(f"compare_to: {error}") from None
    sections = compare_to.get("sections", compare_to) if isinstance(compare_to, dict) else None
    if not isinstance(sections, dict):
        raise _no_result("is neither a path nor an earlier result")
    return {str(name): _addresses(name, section) for name, section in sections.items()}


def _addresses(name: str, section: t.Any) -> list[str]:
    try:
        lists = [section["ipv4"], section["ipv6"], *section.get("by_location", {}).values()]
        return list(sort_networks(cidr for cidrs in lists for cidr in cidrs))
    except (KeyError, TypeError, AttributeError):
        raise _no_result(f"has no lists ipv4 and ipv6 in its section {name!r}") from None
    except FlowError as error:
        raise _no_result(f"can't be used: {str(error).rstrip('.')}") from None


def _no_result(why: str) -> OptionsError:
    return OptionsError(
        f"compare_to {why}; give the path of a document, a registered result of this module, or its sections."
    )
