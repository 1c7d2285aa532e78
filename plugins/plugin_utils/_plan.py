# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What one Agent sends, by the catalog: the routes that its products take from its site, version and endpoints."""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._endpoint import (
    Endpoint,
    endpoints_of,
    networks_by_host,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.source import SourceError, url_of_site
from ansible_collections.netwall.datadog.plugins.plugin_utils._no_proxy import NoProxy
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
    """A route that is taken; ``port`` and ``names`` (FQDNs) are those of the site and the Agent.

    With ``endpoint`` it leads to a host that is no site's: the user says where that is.
    """

    product: catalog.Product
    route: catalog.Route
    site: catalog.Site
    port: int
    names: tuple[str, ...]
    is_proxied: bool = False
    endpoint: Endpoint | None = None

    @property
    def purpose(self) -> str:
        """One line for a person."""
        return self.route.purpose or self.product.title

    @property
    def section(self) -> str | None:
        """The section of the site's document whose addresses the host itself must reach, if any."""
        return None if self.is_proxied else self.route.section

    @property
    def is_by_name_alone(self) -> bool:
        """Whether nothing is known of the addresses that the host itself must reach."""
        return not (self.route.section or self.route.given or self.endpoint or self.is_proxied)


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

    ``warnings`` collects sentences, here and while flows are made; ``unresolved`` the hosts and products whose networks
    are needed and not given, where the request allows for that, each with the option that would give them. Raises
    :class:`PolicyError`.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.warnings: list[str] = []
        self.unresolved: dict[tuple[str, str], None] = {}
        self._sites: dict[str, catalog.Site] = {}
        self.site = self.site_of(request.site)
        self.agent = version_of("agent_version", request.agent_version or _NEWEST)
        self.worker = version_of("worker_version", request.worker_version or _NEWEST_WORKER)
        if self.agent.major not in catalog.MAJORS:
            known = f"{catalog.MAJORS[0]} to {catalog.MAJORS[-1]}"
            raise PolicyError(f"The option agent_version is {self.agent}; the catalog knows Agents {known}.")
        self.transports = self._transports()
        self.proxy = self._proxy()
        self._no_proxy = NoProxy(request.no_proxy or ())
        self.endpoints = self._endpoints()
        self.endpoint_networks = networks_by_host(request.endpoint_networks)
        products = self._products()
        self._warn_of_idle_endpoints(products)
        self.hops = [hop for product in products for hop in self._hops(product)]

    def caution(self, cautions: t.Iterable[catalog.Caution], site: catalog.Site | None = None) -> None:
        """Warn of those *cautions* that concern *site* (the Agent's own, unless it is given) and these releases."""
        name = (site or self.site).site
        for caution in cautions:
            concerns_site = not caution.sites or name in caution.sites
            if concerns_site and self.agent in caution.agents and self.worker in caution.workers:
                self.warnings.append(caution.text.format(site=name))

    def lacks_networks(self, name: str, option: str, complaint: str) -> None:
        """Note that *option* does not give the networks of *name*; raise *complaint* where that is not allowed."""
        if not self.request.allow_unresolved:
            raise PolicyError(complaint)
        self.unresolved[name, option] = None

    def site_of(self, name: str) -> catalog.Site:
        """The site *name*, from the catalog or by the pattern of its sites; the latter is warned of, once."""
        if name not in self._sites:
            self._sites[name] = self._looked_up(name)
        return self._sites[name]

    def _looked_up(self, name: str) -> catalog.Site:
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

    def _endpoints(self) -> dict[str, list[Endpoint]]:
        """The endpoints by product."""
        known = [p.name for p in catalog.PRODUCTS if any(route.names for route in p.routes)]
        found: dict[str, list[Endpoint]] = {}
        for endpoint in endpoints_of(self.request.endpoints, known):
            found.setdefault(endpoint.product, []).append(endpoint)
        return found

    def _warn_of_idle_endpoints(self, products: t.Collection[catalog.Product]) -> None:
        taken = {product.name for product in products}
        for name, endpoints in self.endpoints.items():
            if name not in taken:
                hosts = ", ".join(dict.fromkeys(endpoint.host for endpoint in endpoints))
                self.warnings.append(
                    f"The option endpoints has {hosts} for {name}, which this policy is not for: {_NOTHING}."
                )

    def _products(self) -> list[catalog.Product]:
        if self.request.products is None:
            return [p for p in catalog.PRODUCTS if self.agent in p.default and self._is_sent(p)]
        known = [product.name for product in catalog.PRODUCTS]
        asked = {name_of("products", name, known) for name in self.request.products}
        return [p for p in catalog.PRODUCTS if p.name in asked and self._exists(p)]

    def _is_sent(self, product: catalog.Product) -> bool:
        return catalog.is_offered(product, self.site.site) or product.name in self.endpoints

    def _exists(self, product: catalog.Product) -> bool:
        if self.agent not in product.agents:
            self.warnings.append(f"Agent {self.agent} does not have the product {product.name}: {_NOTHING}.")
            return False
        if not self._is_sent(product):
            self._warn_of_offer(product, self.site)
            return False
        return True

    def _warn_of_offer(self, product: catalog.Product, site: catalog.Site) -> None:
        self.warnings.append(f"The product {product.name} is not offered on {site.site}: {_NOTHING}.")

    def _hops(self, product: catalog.Product) -> list[Hop]:
        hops = [split for hop in self._taken(product) for split in self._split(hop)]
        for hop in hops:
            self.caution(hop.route.cautions, hop.site)
            if hop.is_by_name_alone:
                self.warnings.append(
                    f"{', '.join(hop.names)} resolves to addresses outside the published ranges: {product.title} "
                    "cannot be allowed by address. Use a newer Agent or a proxy, or allow the name by other means."
                )
        for site in dict.fromkeys(hop.site for hop in hops if not hop.endpoint):
            self.caution(product.cautions, site)
        return hops

    def _taken(self, product: catalog.Product) -> t.Iterator[Hop]:
        """The ways of *product* to its documented destinations, or to endpoints in their place, and to more of them."""
        endpoints = self.endpoints.get(product.name, [])
        replaced = self._replaced(product, endpoints)
        if catalog.is_offered(product, self.site.site) and (not replaced or replaced < self._names(product)):
            for hop in self._documented(product, self.site):
                names = tuple(name for name in hop.names if name not in replaced)
                if names or not hop.names:
                    yield dataclasses.replace(hop, names=names)
        for endpoint in endpoints:
            hop_there = self._hop_to(product, endpoint)
            if hop_there:
                yield hop_there

    def _names(self, product: catalog.Product) -> set[str]:
        return {name for hop in self._by_the_book(product) for name in hop.names}

    def _replaced(self, product: catalog.Product, endpoints: t.Iterable[Endpoint]) -> set[str]:
        """The documented names of *product* that *endpoints* take the place of."""
        documented = self._names(product)
        replaced: set[str] = set()
        for endpoint in endpoints:
            if not self._is_instead(product, endpoint):
                continue
            if endpoint.replaces is None:
                if len(documented) > 1:
                    self._warn_of_what_is_closed(product, endpoint)
                return documented
            name = f"{endpoint.replaces}.{self.site.site}"
            if name not in documented:
                named = ", ".join(sorted(name.removesuffix(f".{self.site.site}") for name in documented))
                raise PolicyError(
                    f"The option endpoints says for {product.name} that {endpoint.replaces!r} is replaced; write one "
                    f"of {named}."
                )
            replaced.add(name)
        return replaced

    def _is_instead(self, product: catalog.Product, endpoint: Endpoint) -> bool:
        """Whether *endpoint* takes the place of what is documented: it does not where it only says the same."""
        if endpoint.is_additional:
            return False
        return not any(
            (endpoint.host == _alias(self.site) or _fits(endpoint, hop)) and endpoint.port in (None, hop.port)
            for hop in self._by_the_book(product)
        )

    def _by_the_book(self, product: catalog.Product) -> list[Hop]:
        """The ways to the Agent's own site as they are documented, whether the site offers them or not."""
        transport = self.transports[0]
        routes = [route for route in product.routes if route.logs_transport in (None, transport)]
        return [self._hop(product, route, self.site) for route in routes if self._is_of_releases(route)]

    def _documented(self, product: catalog.Product, site: catalog.Site) -> list[Hop]:
        hops = (self._hop(product, route, site) for route in self._routes(product, site))
        return [hop for hop in hops if self._is_within_reach(hop)]

    def _warn_of_what_is_closed(self, product: catalog.Product, endpoint: Endpoint) -> None:
        """A product with several destinations has several settings, and it was not said which of them was changed."""
        self.warnings.append(
            f"The option endpoints puts {endpoint.host} in the place of all destinations of {product.name} "
            f"({', '.join(sorted(self._names(product)))}): say by replaces which one it is, if it is not all."
        )

    def _hop_to(self, product: catalog.Product, endpoint: Endpoint) -> Hop | None:
        name = endpoint.site(self.site.site)
        if name is None:
            return self._hop_elsewhere(product, endpoint)
        site = self.site_of(name)
        if not catalog.is_offered(product, site.site):
            self._warn_of_offer(product, site)
            return None
        hops = self._documented(product, site)
        fitting = [hop for hop in hops if _fits(endpoint, hop)]
        for hop in (fitting or hops)[:1]:
            names = hop.names if endpoint.host == _alias(site) else (endpoint.host,)
            return dataclasses.replace(hop, port=endpoint.port or hop.port, names=names)
        return None

    def _hop_elsewhere(self, product: catalog.Product, endpoint: Endpoint) -> Hop | None:
        for route in product.routes:
            if self._is_of_releases(route) and route.logs_transport in (None, self.transports[0]):
                elsewhere = dataclasses.replace(route, section=None, cautions=())
                port = endpoint.port or catalog.ENDPOINT_PORT
                return Hop(product, elsewhere, self.site, port, (endpoint.host,), endpoint=endpoint)
        return None

    def _is_of_releases(self, route: catalog.Route) -> bool:
        return self.agent in route.agents and self.worker in route.workers

    def _routes(self, product: catalog.Product, site: catalog.Site) -> list[catalog.Route]:
        """The routes for these releases that *site* offers, over the first transport that it offers."""
        taken = [route for route in product.routes if self._is_of_releases(route)]
        for transport in self.transports:
            routes = [route for route in taken if route.logs_transport in (None, transport)]
            offered = [route for route in routes if catalog.is_offered(route, site.site)]
            if offered:
                if transport != self.transports[0]:
                    self._warn_of_transport(transport, site)
                return offered
        for route in taken:
            if route.logs_transport in self.transports:
                self.warnings.append(
                    f"The product {product.name} ({route.purpose}) is not offered on {site.site}: {_NOTHING}; "
                    f"{route.hint}."
                )
        return []

    def _warn_of_transport(self, transport: str, site: catalog.Site) -> None:
        facts = {"agent": self.agent, "site": site.site, "default": self.transports[0], "other": transport}
        self.warnings.append(catalog.OTHER_TRANSPORT.format(**facts))

    def _hop(self, product: catalog.Product, route: catalog.Route, site: catalog.Site) -> Hop:
        version = "-".join(map(str, self.agent.parts))
        facts = {
            "site": site.site,
            "rum": site.rum,
            # Only the whole version is in the name; otherwise its wildcard, for lists of names.
            "app": f"{version}-app" if self.agent.is_exact else "*",
            "flare": f"{version}-flare" if self.agent.is_exact else "*",
        }
        return Hop(
            product=product,
            route=route,
            site=site,
            port=route.port_on.get(site.site, route.port),
            names=tuple(name.format(**facts) for name in route.names),
        )

    def _split(self, hop: Hop) -> t.Iterator[Hop]:
        """The ways past the proxy and through it: the names of one route may take both."""
        if self.proxy is None or not hop.route.https:
            yield hop
            return
        direct = tuple(name for name in hop.names if self._no_proxy.may_cover(name, hop.port))
        proxied = tuple(name for name in hop.names if not self._no_proxy.covers(name, hop.port))
        if direct:
            yield dataclasses.replace(hop, names=direct)
        if proxied:
            yield dataclasses.replace(hop, names=proxied, is_proxied=True)

    def _is_within_reach(self, hop: Hop) -> bool:
        if self.agent not in catalog.OLD_AGENTS or (hop.route.protocol, hop.port) in catalog.OLD_AGENT_PORTS:
            return True
        ports = " and ".join(f"{port}/{protocol}" for protocol, port in catalog.OLD_AGENT_PORTS)
        self.warnings.append(
            f"Agent {self.agent} sends to {ports} alone: nothing is opened for the product {hop.product.name} on "
            f"{hop.port}/{hop.route.protocol}."
        )
        return False


def _alias(site: catalog.Site) -> str:
    return f"{catalog.ALIAS}.{site.site}"


def _fits(endpoint: Endpoint, hop: Hop) -> bool:
    return any(fnmatch.fnmatchcase(endpoint.host, name) for name in hop.names)


_NOTHING = "nothing is opened for it"
