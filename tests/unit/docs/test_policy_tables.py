# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of docs/policy.md say what the catalog says."""

from __future__ import annotations

import pytest

from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._version import EVERY, NONE, Releases
from ansible_collections.netwall.datadog.tests._tool import ROOT

PAGE = (ROOT / "docs/policy.md").read_text(encoding="utf-8")
SITE_NAMES = {site.site: site.name for site in catalog.SITES}


def _table(heading: str) -> list[list[str]]:
    """The rows of the first table after *heading*, without its head and without code marks."""
    lines = PAGE.split(f"\n{heading}\n", 1)[1].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    return rows


def _releases(releases: Releases) -> str:
    words = {EVERY: "every Agent", NONE: "on request"}
    return words.get(releases) or " and ".join(
        f"{first} on" if first else f"before {end}" for first, end in releases.spans
    )


def _place(route: catalog.Route) -> str:
    ports = {route.port, *route.port_on.values()}
    where = route.section or route.given or "by name alone"
    return f"{where} {', '.join(map(str, sorted(ports)))}/{route.protocol}"


def _sites(product: catalog.Product) -> str:
    only, never = (" ".join(SITE_NAMES[site] for site in sites) for sites in (product.only_on, product.not_on))
    return only or (f"not {never}" if never else "all")


def test_products() -> None:
    assert _table("## Products") == [
        [
            product.name,
            product.title,
            "; ".join(dict.fromkeys(map(_place, product.routes))),
            _releases(product.default),
            _sites(product),
        ]
        for product in catalog.PRODUCTS
    ]


def test_ports() -> None:
    assert _table("## The Agent's own ports") == [
        [
            port.name,
            f"{port.port}/{port.protocol}",
            port.title,
            port.setting,
            "on request" if port.on_request else _releases(port.agents),
            "yes" if port.may_open else "never",
        ]
        for port in catalog.LOCAL_PORTS
    ]


def test_sites() -> None:
    assert _table("## Sites") == [[site.name, site.site, site.rum] for site in catalog.SITES]


def test_sources() -> None:
    assert _table("## What Datadog connects from") == [[source.name, source.section] for source in catalog.SOURCES]


@pytest.mark.parametrize("option", ["proxy_networks", "ntp_networks", "cluster_networks", "device_networks"])
def test_options_that_give_networks_are_told_of(option: str) -> None:
    assert f"`{option}`" in PAGE
