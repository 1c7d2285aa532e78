# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What one Agent sends, by the catalog: the routes that its products take from its site and its version."""

from __future__ import annotations

import dataclasses
import difflib
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.source import SourceError, url_of_site
from ansible_collections.netwall.datadog.plugins.plugin_utils._proxy import Proxy, ProxyError
from ansible_collections.netwall.datadog.plugins.plugin_utils._request import (
    PolicyError,
    Request,
    name_of,
    version_of,
)

_NEWEST = str(catalog.MAJORS[-1])
_NEWEST_WORKER = "999999999"


@dataclasses.dataclass(frozen=True)
class Hop:
    """A route that is taken; ``port`` and ``names`` (FQDNs) are those of the site and the Agent."""

    product: catalog.Product
    route: catalog.Route
    port: int
    names: tuple[str, ...]
    is_proxied: bool

    @property
    def purpose(self) -> str:
        """One line for a person."""
        return self.route.purpose or self.product.title

    @property
    def section(self) -> str | None:
        """The section of the document whose addresses the host itself must reach, if any."""
        return None if self.is_proxied else self.route.section


def hint_at_sites(name: str) -> str:
    """What to say beside the news that the ranges of the site *name* can't be had; empty for a site of the catalog."""
    known = [site.site for site in catalog.SITES]
    if name in known:
        return ""
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {close[0]}? " if close else ""
    return f" The catalog does not know the site {name} ({meant}Datadog's sites are {', '.join(known)})."


class Plan:
    """The request, checked and looked up in the catalog: ``hops`` in the catalog's order.

    ``warnings`` collects sentences, here and while flows are made. Raises :class:`PolicyError`.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.warnings: list[str] = []
        self.site = self._site()
        self.agent = version_of("agent_version", request.agent_version or _NEWEST)
        self.worker = version_of("worker_version", request.worker_version or _NEWEST_WORKER)
        if self.agent.major not in catalog.MAJORS:
            known = f"{catalog.MAJORS[0]} to {catalog.MAJORS[-1]}"
            raise PolicyError(f"The option agent_version is {self.agent}; the catalog knows Agents {known}.")
        self.transports = self._transports()
        self.proxy = self._proxy()
        self.hops = [hop for product in self._products() for hop in self._hops(product)]

    def caution(self, cautions: t.Iterable[catalog.Caution]) -> None:
        """Warn of those *cautions* that concern this site and these releases."""
        for caution in cautions:
            concerns_site = not caution.sites or self.site.site in caution.sites
            if concerns_site and self.agent in caution.agents and self.worker in caution.workers:
                self.warnings.append(caution.text.format(site=self.site.site))

    def _site(self) -> catalog.Site:
        name = self.request.site
        for site in catalog.SITES:
            if name == site.site:
                return site
            if name.upper() == site.name:
                raise PolicyError(f"The site {name!r} is Datadog's own name for {site.site}; write that.")
        try:
            url_of_site(name)
        except SourceError as error:
            raise PolicyError(str(error)) from None
        self.warnings.append(
            f"The catalog does not know the site {name}: its names, ports and offers are assumed to be those of the "
            "other sites."
        )
        return catalog.Site.unknown(name)

    def _transports(self) -> list[str]:
        """The transports of logs to try, in order: what the user chose, or what the Agent prefers and the others."""
        known = list(dict(catalog.LOGS_TRANSPORTS))
        chosen = self.request.logs_transport
        if not chosen:
            preferred = next(name for name, agents in catalog.LOGS_TRANSPORTS if self.agent in agents)
            return [preferred, *(name for name in known if name != preferred)]
        return [name_of("logs_transport", chosen, known)]

    def _proxy(self) -> Proxy | None:
        if not self.request.proxy:
            return None
        try:
            return Proxy.parse(self.request.proxy)
        except ProxyError as error:
            raise PolicyError(f"The option proxy is wrong: {error}") from None

    def _is_offered(self, what: catalog.Product | catalog.Route) -> bool:
        return self.site.site not in what.not_on and (not what.only_on or self.site.site in what.only_on)

    def _products(self) -> list[catalog.Product]:
        if self.request.products is None:
            return [p for p in catalog.PRODUCTS if self.agent in p.default and self._is_offered(p)]
        known = [product.name for product in catalog.PRODUCTS]
        asked = {name_of("products", name, known) for name in self.request.products}
        return [p for p in catalog.PRODUCTS if p.name in asked and self._exists(p)]

    def _exists(self, product: catalog.Product) -> bool:
        if self.agent not in product.agents:
            self.warnings.append(f"Agent {self.agent} does not have the product {product.name}: {_NOTHING}.")
            return False
        if not self._is_offered(product):
            self.warnings.append(f"The product {product.name} is not offered on {self.site.site}: {_NOTHING}.")
            return False
        return True

    def _hops(self, product: catalog.Product) -> list[Hop]:
        hops = [self._hop(product, route) for route in self._routes(product)]
        hops = [hop for hop in hops if self._is_within_reach(hop)]
        for hop in hops:
            self.caution(hop.route.cautions)
            if not (hop.route.section or hop.route.given or hop.is_proxied):
                self.warnings.append(
                    f"{', '.join(hop.names)} resolves to addresses outside the published ranges: {product.title} "
                    "cannot be allowed by address. Use a newer Agent or a proxy, or allow the name by other means."
                )
        self.caution(product.cautions if hops else ())
        return hops

    def _routes(self, product: catalog.Product) -> list[catalog.Route]:
        """The routes for these releases that the site offers, over the first transport that it offers."""
        taken = [route for route in product.routes if self.agent in route.agents and self.worker in route.workers]
        for transport in self.transports:
            routes = [route for route in taken if route.logs_transport in (None, transport)]
            offered = [route for route in routes if self._is_offered(route)]
            if offered:
                if transport != self.transports[0]:
                    self._warn_of_transport(transport)
                return offered
        for route in taken:
            if route.logs_transport in self.transports:
                self.warnings.append(
                    f"The product {product.name} ({route.purpose}) is not offered on {self.site.site}: {_NOTHING}; "
                    f"{route.hint}."
                )
        return []

    def _warn_of_transport(self, transport: str) -> None:
        facts = {"agent": self.agent, "site": self.site.site, "default": self.transports[0], "other": transport}
        self.warnings.append(catalog.OTHER_TRANSPORT.format(**facts))

    def _hop(self, product: catalog.Product, route: catalog.Route) -> Hop:
        version = "-".join(map(str, self.agent.parts))
        facts = {
            "site": self.site.site,
            "rum": self.site.rum,
            # Only the whole version is in the name; otherwise its wildcard, for lists of names.
            "app": f"{version}-app" if self.agent.is_exact else "*",
            "flare": f"{version}-flare" if self.agent.is_exact else "*",
        }
        return Hop(
            product=product,
            route=route,
            port=route.port_on.get(self.site.site, route.port),
            names=tuple(name.format(**facts) for name in route.names),
            is_proxied=self.proxy is not None and route.https,
        )

    def _is_within_reach(self, hop: Hop) -> bool:
        if self.agent not in catalog.OLD_AGENTS or (hop.route.protocol, hop.port) in catalog.OLD_AGENT_PORTS:
            return True
        ports = " and ".join(f"{port}/{protocol}" for protocol, port in catalog.OLD_AGENT_PORTS)
        self.warnings.append(
            f"Agent {self.agent} sends to {ports} alone: nothing is opened for the product {hop.product.name} on "
            f"{hop.port}/{hop.route.protocol}."
        )
        return False


_NOTHING = "nothing is opened for it"
