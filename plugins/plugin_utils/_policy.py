# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""From facts (the catalog), addresses (the documents) and one Agent (the request) to flows.

Pure functions: what Datadog documents stands in the catalog, and nothing here decides by a site, a product or a
version. How names, flows and warnings come about is told in docs/policy.md.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._flow import Flow, FlowError, merge, parse_network
from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.selection import select
from ansible_collections.netwall.datadog.plugins.plugin_utils._local import local_flows, own_ports, sources
from ansible_collections.netwall.datadog.plugins.plugin_utils._plan import Hop, Plan
from ansible_collections.netwall.datadog.plugins.plugin_utils._request import (
    PolicyError,
    Request,
    left_out_by_family,
    networks_of,
)

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._endpoint import Endpoint
    from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import Document


@dataclasses.dataclass(frozen=True)
class Destination:
    """A name that the Agent sends to; ``section`` is the documented one, None for a name outside the ranges."""

    fqdn: str
    protocol: str
    port: int
    product: str
    section: str | None


@dataclasses.dataclass(frozen=True)
class Used:
    """A document whose addresses are in the policy."""

    site: str
    version: int
    modified: str

    @classmethod
    def of(cls, site: str, document: Document) -> Used:
        """The document of *site*, briefly."""
        return cls(site, document.version, document.modified.strftime("%Y-%m-%dT%H:%M:%SZ"))


@dataclasses.dataclass(frozen=True)
class Unresolved:
    """A host or a product whose networks ``option`` does not give."""

    name: str
    option: str


@dataclasses.dataclass(frozen=True)
class Policy:
    """What to allow and to deny, and why.

    ``version`` and ``modified`` are those of the site's own document, None where none was used; ``documents`` are all
    that were. ``proxy`` is ``HOST:PORT``, ``endpoints`` what was asked for in one form. ``unresolved`` are the hosts
    and products whose networks are needed and not given, each with the option that would give them: their flows are
    missing.
    """

    site: str
    version: int | None
    modified: str | None
    documents: tuple[Used, ...]
    proxy: str | None
    endpoints: tuple[Endpoint, ...]
    flows: tuple[Flow, ...]
    destinations: tuple[Destination, ...]
    unresolved: tuple[Unresolved, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, t.Any]:
        """The policy as plain JSON types."""
        return {
            "site": self.site,
            "version": self.version,
            "modified": self.modified,
            "documents": [dataclasses.asdict(used) for used in self.documents],
            "proxy": self.proxy,
            "endpoints": [dataclasses.asdict(endpoint) for endpoint in self.endpoints],
            "flows": [flow.to_dict() for flow in self.flows],
            "destinations": [dataclasses.asdict(destination) for destination in self.destinations],
            "unresolved": [dataclasses.asdict(lacking) for lacking in self.unresolved],
            "warnings": list(self.warnings),
        }


def sites_to_read(request: Request) -> tuple[str, ...]:
    """The sites whose address ranges :func:`build` needs for *request*; raises :class:`PolicyError` as that would."""
    return _Draft(request).sites


def build(request: Request, documents: t.Mapping[str, Document]) -> Policy:
    """The policy for *request*; *documents* are those of the sites that :func:`sites_to_read` names.

    Raises :class:`PolicyError`, and what ``select`` raises.
    """
    draft = _Draft(request)
    plan = draft.plan
    for site in draft.sites:
        if site not in documents:
            raise PolicyError(f"This policy needs the address ranges of {site}, and there is no document.")
    used = [Used.of(site, documents[site]) for site in draft.sites]
    own = next((document for document in used if document.site == plan.site.site), None)
    flows = [
        *draft.through_proxy,
        *_to_sections(plan, documents),
        *draft.to_endpoints,
        *draft.to_given_networks,
        *draft.local,
        *(_from_datadog(plan, documents[plan.site.site], draft.sources) if draft.sources else ()),
    ]
    plan.caution(catalog.CAUTIONS)
    for site in draft.sites:
        plan.caution([caution for caution in catalog.CAUTIONS if site in caution.sites], plan.site_of(site))
    destinations = (
        Destination(name, hop.route.protocol, hop.port, hop.product.name, hop.route.section)
        for hop in plan.hops
        for name in hop.names
    )
    return Policy(
        site=plan.site.site,
        version=own.version if own else None,
        modified=own.modified if own else None,
        documents=tuple(used),
        proxy=str(plan.proxy) if plan.proxy else None,
        endpoints=tuple(endpoint for endpoints in plan.endpoints.values() for endpoint in endpoints),
        flows=_with_extra(flows, request.extra_flows or ()),
        destinations=tuple(dict.fromkeys(destinations)),
        unresolved=tuple(Unresolved(name, option) for name, option in plan.unresolved),
        warnings=tuple(dict.fromkeys(plan.warnings)),
    )


def _with_extra(flows: list[Flow], extra: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[Flow, ...]:
    try:
        return tuple(merge([*flows, *map(Flow.from_dict, extra)]))
    except FlowError as error:
        raise PolicyError(f"The option extra_flows is wrong: {error}") from None


class _Draft:
    """All that can be said, and complained of, before an address is known."""

    def __init__(self, request: Request) -> None:
        self.plan = Plan(request)
        self.through_proxy = list(_through_proxy(self.plan))
        self.to_endpoints = list(_to_endpoints(self.plan))
        self.to_given_networks = list(_to_given_networks(self.plan))
        ports = own_ports(request, self.plan.agent, self.plan.warnings)
        self.local = list(local_flows(request, ports, self.plan.warnings))
        self.sources = sources(request, ports, self.plan.warnings)

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites whose address ranges are needed."""
        own = [self.plan.site.site] if self.sources else []
        return tuple(dict.fromkeys([*own, *(hop.site.site for hop in self.plan.hops if hop.section)]))


# --- Outbound ---------------------------------------------------------------------------------------------------------


def _outbound(name: str, protocol: str, port: int, networks: tuple[str, ...], **more: t.Any) -> Flow:
    return Flow(
        id=f"{name}-{protocol}-{port}-out",
        direction="outbound",
        action="allow",
        protocol=protocol,
        port=port,
        networks=networks,
        **more,
    )


def _purpose(hops: list[Hop]) -> str:
    return "; ".join(dict.fromkeys(hop.purpose for hop in hops))


def _through_proxy(plan: Plan) -> t.Iterator[Flow]:
    hops = [hop for hop in plan.hops if hop.is_proxied]
    if not plan.proxy or not hops:
        return
    networks = networks_of("proxy_networks", plan.request.proxy_networks or [])
    if not networks and not plan.proxy.network:
        plan.lacks_networks(
            plan.proxy.host,
            "proxy_networks",
            "The option proxy gives the proxy by name; give its addresses in proxy_networks.",
        )
        return
    kept = plan.request.of_families(networks or [str(plan.proxy.network)])
    if not kept:
        # Unlike elsewhere no warning will do: nothing at all would get out.
        raise PolicyError("The option families leaves out all addresses of the proxy.")
    names = () if plan.proxy.network else (plan.proxy.host,)
    purpose = f"through the proxy: {_purpose(hops)}"
    yield _outbound("proxy", "tcp", plan.proxy.port, kept, purpose=purpose, destinations=names)


def _to_sections(plan: Plan, documents: t.Mapping[str, Document]) -> t.Iterator[Flow]:
    """The flows to the sections of each site; those of one section, protocol and port have one id."""
    grouped: dict[tuple[str, str, str, int], list[Hop]] = {}
    for hop in plan.hops:
        if hop.section:
            site = hop.site.site
            section = _section(plan, documents[site], hop.section)
            grouped.setdefault((site, section, hop.route.protocol, hop.port), []).append(hop)
    for (site, section, protocol, port), hops in grouped.items():
        networks = _addresses(plan, documents[site], section)
        if networks:
            names = tuple(dict.fromkeys(name for hop in hops for name in hop.names))
            more = {"purpose": _purpose(hops), "section": section, "destinations": names}
            yield _outbound(section, protocol, port, networks, **more)
        else:
            plan.warnings.append(
                f"The options families and exclude leave no address of section '{section}': nothing is opened for "
                f"{', '.join(dict.fromkeys(hop.product.name for hop in hops))}."
            )


def _section(plan: Plan, document: Document, wanted: str) -> str:
    """The section that has the addresses for *wanted*: itself, or the first fallback that the document has."""
    for name in (wanted, *catalog.FALLBACK_SECTIONS):
        if _has_addresses(document, name):
            if name != wanted:
                plan.warnings.append(
                    f"Version {document.version} of {document.url} has no addresses in section '{wanted}': those of "
                    f"section '{name}' are allowed instead."
                )
            return name
    raise PolicyError(
        f"Version {document.version} of {document.url} has no addresses in section '{wanted}', nor in "
        f"{' or '.join(catalog.FALLBACK_SECTIONS)} to stand in for it."
    )


def _has_addresses(document: Document, name: str) -> bool:
    section = document.sections.get(name)
    return section is not None and bool(section.ipv4 or section.ipv6)


def _addresses(plan: Plan, document: Document, section: str, locations: t.Sequence[str] = ()) -> tuple[str, ...]:
    request = plan.request
    return tuple(
        select(
            document,
            [section],
            families=request.families,
            exclude=request.exclude,
            locations=locations,
            aggregate=request.aggregate,
        )
    )


def _to_endpoints(plan: Plan) -> t.Iterator[Flow]:
    """The flows to endpoints that are no site's, past the proxy; those of one protocol and port have one id."""
    for hop in plan.hops:
        if not hop.endpoint or hop.is_proxied:
            continue
        host, networks = hop.endpoint.host, _networks_of(plan, hop.endpoint)
        # What stays on the host passes over the interface lo, which nothing of ours concerns.
        away = [network for network in networks if not parse_network(network).is_loopback]
        kept = plan.request.of_families(away)
        if kept:
            names = () if hop.endpoint.network else (host,)
            more = {"purpose": f"{hop.purpose}, to an endpoint of its own", "destinations": names}
            yield _outbound("endpoint", hop.route.protocol, hop.port, kept, **more)
        elif away:
            plan.warnings.append(left_out_by_family(f"endpoint_networks.{host}"))


def _networks_of(plan: Plan, endpoint: Endpoint) -> tuple[str, ...]:
    if endpoint.network:
        return (endpoint.network,)
    networks = networks_of(f"endpoint_networks.{endpoint.host}", plan.endpoint_networks.get(endpoint.host) or [])
    if not networks:
        plan.lacks_networks(
            endpoint.host,
            "endpoint_networks",
            f"The option endpoints has {endpoint.host} for {endpoint.product}, which is no site of Datadog's; give its "
            "addresses in endpoint_networks.",
        )
    return networks


def _to_given_networks(plan: Plan) -> t.Iterator[Flow]:
    for hop in plan.hops:
        option = hop.route.given
        if not option:
            continue
        given = getattr(plan.request, option) or list(catalog.DEFAULT_NETWORKS.get(option, ()))
        if not given:
            name = hop.product.name
            plan.lacks_networks(
                name, option, f"The product {name} needs the option {option}; list the networks to reach."
            )
            continue
        kept = plan.request.of_families(networks_of(option, given))
        if kept:
            yield _outbound(hop.product.name, hop.route.protocol, hop.port, kept, purpose=hop.purpose)
        else:
            plan.warnings.append(left_out_by_family(option))


# --- Inbound ----------------------------------------------------------------------------------------------------------


def _from_datadog(plan: Plan, document: Document, sources: list[tuple[catalog.Source, int]]) -> t.Iterator[Flow]:
    for source, port in sources:
        if not _has_addresses(document, source.section):
            # No other section will do: these are the addresses that Datadog comes from.
            raise PolicyError(
                f"Version {document.version} of {document.url} has no addresses in section '{source.section}', so "
                f"inbound_from cannot have {source.name}."
            )
        networks = _addresses(plan, document, source.section, plan.request.locations if source.has_locations else ())
        if not networks:
            raise PolicyError(
                f"The options families, exclude and locations leave no address of section '{source.section}', so "
                f"inbound_from cannot have {source.name}."
            )
        yield Flow(
            id=f"{source.name}-tcp-{port}-in",
            direction="inbound",
            action="allow",
            protocol="tcp",
            port=port,
            networks=networks,
            purpose=source.title,
            section=source.section,
        )
