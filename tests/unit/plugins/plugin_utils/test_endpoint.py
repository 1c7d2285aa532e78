# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Data that goes elsewhere than documented, past a proxy too, and ports that are left to others."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._flow import sort_networks
from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._endpoint import endpoints_of
from ansible_collections.netwall.datadog.plugins.plugin_utils._policy import build, sites_to_read
from ansible_collections.netwall.datadog.plugins.plugin_utils._request import PolicyError, Request
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._documents import (
    DOCUMENT,
    SECTIONS,
    document,
    section,
)

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._flow import Flow
    from ansible_collections.netwall.datadog.plugins.plugin_utils._policy import Policy

US1, EU1, US3 = "datadoghq.com", "datadoghq.eu", "us3.datadoghq.com"
# Every site has addresses that no other has.
EU_DOCUMENT = document(*(section(number, name) for number, name in enumerate(SECTIONS, start=21)))
US3_DOCUMENT = document(*(section(number, name) for number, name in enumerate(SECTIONS, start=41)))
DOCUMENTS = {US1: DOCUMENT, EU1: EU_DOCUMENT, US3: US3_DOCUMENT}
RELAY = "relay.example.test"
PROXY = "http://192.0.2.99:3128"


def request(**options: t.Any) -> Request:
    return Request(**{"site": US1, "agent_version": "7.60.0", **options})


def policy(**options: t.Any) -> Policy:
    return build(request(**options), DOCUMENTS)


def outbound(**options: t.Any) -> dict[str, Flow]:
    return {flow.id: flow for flow in policy(**options).flows if flow.direction == "outbound"}


def networks(name: str, of: t.Any = DOCUMENT) -> tuple[str, ...]:
    return (*of.sections[name].ipv4, *of.sections[name].ipv6)


def fault(**options: t.Any) -> str:
    with pytest.raises(PolicyError) as caught:
        policy(**options)
    return str(caught.value)


def warned(text: str, **options: t.Any) -> bool:
    return any(text in warning for warning in policy(**options).warnings)


def entry(product: str, host: str, port: int | None = None, *, is_additional: bool = False) -> dict[str, t.Any]:
    return {"product": product, "host": host, "port": port, "is_additional": is_additional}


def also(product: str, host: str, port: int | None = None) -> dict[str, t.Any]:
    return entry(product, host, port, is_additional=True)


# --- How a host may be written ----------------------------------------------------------------------------------------


def test_a_port_is_said_with_the_host_or_beside_it() -> None:
    entries = [
        {"product": "metrics", "host": "Relay.example.test:8443", "port": None},
        {"product": "apm", "host": RELAY, "port": "8443"},
        {"product": "logs", "host": f"https://{RELAY}:8443/api?key=k", "port": 8443},
    ]
    found = endpoints_of(entries, ["metrics", "apm", "logs"])
    assert {(endpoint.host, endpoint.port) for endpoint in found} == {(RELAY, 8443)}


KEY = "s3cr3t"


@pytest.mark.parametrize(
    "host",
    [
        "",
        f"https:///{KEY}",
        f"{KEY} host",
        f"-{KEY}",
        f"[{KEY}]",
        f"h:{KEY}",
        "fe80::1%eth0",
        f"{KEY}:0x",
    ],
)
def test_what_is_no_host_is_refused_without_being_shown(host: str) -> None:
    message = fault(endpoints=[{"product": "metrics", "host": host}])
    assert message.startswith("The option endpoints has something for metrics that is no host")
    assert KEY not in message


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"product": "metrics"}, "without product and host"),
        ({"host": RELAY}, "without product and host"),
        ({"product": "metrics", "host": RELAY, "additional": True}, "a key that is none of product, host, port"),
        ("relay.example.test", "without product and host"),
        ({"product": "metric", "host": RELAY}, "The option endpoints.product has the unknown name 'metric' (did you"),
        # Nothing of it goes to Datadog.
        ({"product": "ntp", "host": RELAY}, "The option endpoints.product has the unknown name 'ntp'"),
        ({"product": "metrics", "host": RELAY, "port": 0}, "The option endpoints.port is 0"),
        (
            {"product": "metrics", "host": f"{RELAY}:443", "port": 8443},
            "two ports for metrics, 443 in the host and 8443",
        ),
        ({"product": "metrics", "host": RELAY, "is_additional": "no"}, "an is_additional for metrics that is neither"),
    ],
)
def test_an_endpoint_that_is_none_is_an_error(wrong: t.Any, said: str) -> None:
    assert said in fault(endpoints=[wrong])


def test_the_own_site_may_be_one_that_nobody_knows() -> None:
    [endpoint] = endpoints_of([entry("metrics", "logs.dd.example.test")], ["metrics"])
    assert (endpoint.site("dd.example.test"), endpoint.site(US1)) == ("dd.example.test", None)


# --- On a site --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["https://app.datadoghq.eu", "7-60-0-app.agent.datadoghq.eu"])
def test_metrics_shipped_to_a_second_site_open_its_section_for_metrics_alone(host: str) -> None:
    alone, both = outbound(), outbound(endpoints=[also("metrics", host)])
    assert both["agents-tcp-443-out"].networks == sort_networks(networks("agents") + networks("agents", EU_DOCUMENT))
    assert {key: flow for key, flow in both.items() if not key.startswith("agents")} == {
        key: flow for key, flow in alone.items() if not key.startswith("agents")
    }


def test_what_a_site_is_asked_for_by_another_name_is_asked_by_the_documented_one() -> None:
    found = policy(products=["metrics"], endpoints=[also("metrics", "https://app.datadoghq.eu")]).destinations
    assert [d.fqdn for d in found] == ["7-60-0-app.agent.datadoghq.com", "7-60-0-app.agent.datadoghq.eu"]


def test_an_endpoint_on_another_site_closes_the_documented_one_for_its_product() -> None:
    found = outbound(products=["metrics", "apm"], endpoints=[entry("metrics", "app.datadoghq.eu")])
    assert found["agents-tcp-443-out"].networks == networks("agents", EU_DOCUMENT)
    assert found["apm-tcp-443-out"].networks == networks("apm")


@pytest.mark.parametrize(
    ("product", "host"), [("metrics", "https://app.datadoghq.com"), ("apm", "trace.agent.datadoghq.com.")]
)
def test_an_endpoint_that_says_what_is_documented_changes_nothing(product: str, host: str) -> None:
    said = policy(endpoints=[entry(product, host)])
    assert dataclasses.replace(said, endpoints=()) == policy()


def test_logs_over_tcp_go_to_the_port_of_their_endpoint() -> None:
    options: dict[str, t.Any] = {"products": ["logs"], "logs_transport": "tcp"}
    found = outbound(**options, endpoints=[also("logs", "agent-intake.logs.datadoghq.eu", 443)])
    assert {key: flow.networks for key, flow in found.items()} == {
        "logs-tcp-10516-out": networks("logs"),
        "logs-tcp-443-out": networks("logs", EU_DOCUMENT),
    }
    found = outbound(**options, endpoints=[also("logs", RELAY, 10514)], endpoint_networks={RELAY: "198.51.100.7"})
    assert found["endpoint-tcp-10514-out"].networks == ("198.51.100.7/32",)


def test_a_port_that_is_not_said_is_that_of_the_site() -> None:
    options: dict[str, t.Any] = {"site": US3, "products": ["logs"], "logs_transport": "tcp"}
    found = outbound(**options, endpoints=[also("logs", "agent-intake.logs.datadoghq.com")])
    assert {key: flow.networks for key, flow in found.items()} == {"logs-tcp-10516-out": networks("logs")}


def test_what_a_second_site_does_not_offer_is_warned_of_and_opens_nothing() -> None:
    options: dict[str, t.Any] = {
        "products": ["database-monitoring"],
        "endpoints": [also("database-monitoring", "dbm-metrics-intake.ddog-gov.com")],
    }
    assert sites_to_read(request(**options)) == (US1,)
    assert warned("database-monitoring is not offered on ddog-gov.com", **options)


def test_what_the_own_site_does_not_offer_may_go_to_another_that_does() -> None:
    documents = {EU1: EU_DOCUMENT}
    endpoints = [also("database-monitoring", "dbm-metrics-intake.datadoghq.eu")]
    asked = request(site="ddog-gov.com", products=["database-monitoring"], endpoints=endpoints)
    assert sites_to_read(asked) == (EU1,)
    found = build(asked, documents)
    assert [flow.networks for flow in found.flows if flow.section] == [networks("global", EU_DOCUMENT)]
    assert (found.version, [used.site for used in found.documents]) == (None, [EU1])


def test_the_document_of_every_site_is_needed() -> None:
    asked = request(endpoints=[also("apm", "trace.agent.datadoghq.eu")])
    assert sites_to_read(asked) == (US1, EU1)
    with pytest.raises(PolicyError, match=r"the address ranges of datadoghq\.eu, and there is no document"):
        build(asked, {US1: DOCUMENT})


def test_a_second_site_that_the_catalog_does_not_know_is_warned_of() -> None:
    options: dict[str, t.Any] = {"products": ["apm"], "endpoints": [also("apm", "trace.agent.us9.datadoghq.com")]}
    found = build(request(**options), {US1: DOCUMENT, "us9.datadoghq.com": EU_DOCUMENT})
    assert any("does not know the site us9.datadoghq.com" in warning for warning in found.warnings)


def test_an_endpoint_for_what_is_not_sent_opens_nothing_and_says_so() -> None:
    options: dict[str, t.Any] = {"products": ["metrics"], "endpoints": [entry("logs", RELAY, 8443)]}
    assert set(outbound(**options)) == {"agents-tcp-443-out"}
    assert warned("has relay.example.test for logs, which this policy is not for", **options)


# --- Elsewhere --------------------------------------------------------------------------------------------------------


def test_a_relay_takes_the_place_of_the_documented_destination() -> None:
    options: dict[str, t.Any] = {
        "products": ["metrics", "logs", "apm"],
        "endpoints": [entry("metrics", RELAY, 8443), entry("logs", RELAY, 8443), entry("apm", "192.0.2.7")],
        "endpoint_networks": {f"{RELAY.upper()}.": ["198.51.100.8/29", "2001:db8:9::8"]},
    }
    found = outbound(**options)
    assert {key: (flow.networks, flow.section) for key, flow in found.items()} == {
        "endpoint-tcp-8443-out": (("198.51.100.8/29", "2001:db8:9::8/128"), None),
        "endpoint-tcp-443-out": (("192.0.2.7/32",), None),
    }
    assert found["endpoint-tcp-8443-out"].destinations == (RELAY,)
    assert found["endpoint-tcp-8443-out"].purpose == (
        "metrics, service checks, events and metadata, to an endpoint of its own; "
        "logs over HTTP, to an endpoint of its own"
    )
    # A host that is given by address has no name.
    assert found["endpoint-tcp-443-out"].destinations == ()
    assert {(d.fqdn, d.port, d.product, d.section) for d in policy(**options).destinations} == {
        (RELAY, 8443, "metrics", None),
        (RELAY, 8443, "logs", None),
        ("192.0.2.7", 443, "apm", None),
    }
    assert sites_to_read(request(**options)) == ()


def test_a_relay_beside_the_documented_destination_leaves_it_open() -> None:
    found = outbound(products=["metrics"], endpoints=[also("metrics", "192.0.2.7", 8443)])
    assert set(found) == {"agents-tcp-443-out", "endpoint-tcp-8443-out"}


def test_a_relay_for_all_of_several_documented_destinations_closes_all_and_says_so() -> None:
    options: dict[str, t.Any] = {"products": ["network-devices"], "endpoints": [entry("network-devices", "192.0.2.7")]}
    assert set(outbound(**options)) == {"endpoint-tcp-443-out"}
    assert warned(
        "192.0.2.7 in the place of all destinations of network-devices (ndm-intake.datadoghq.com, ", **options
    )
    # What is sent to the documented one all the same, the user says.
    options["endpoints"].append(also("network-devices", "ndm-intake.datadoghq.com"))
    assert [d.fqdn for d in policy(**options).destinations] == ["192.0.2.7", "ndm-intake.datadoghq.com"]


def test_a_relay_may_replace_one_of_several_documented_destinations() -> None:
    options: dict[str, t.Any] = {
        "products": ["apm"],
        "endpoints": [{**entry("apm", "192.0.2.7"), "replaces": "trace.agent"}],
    }
    found = outbound(**options)
    assert found["apm-tcp-443-out"].destinations == ("instrumentation-telemetry-intake.datadoghq.com",)
    assert found["endpoint-tcp-443-out"].networks == ("192.0.2.7/32",)
    assert not warned("in the place of", **options)
    options["endpoints"].append({**entry("apm", RELAY), "replaces": "instrumentation-telemetry-intake"})
    assert set(outbound(**options, endpoint_networks={RELAY: "192.0.2.8"})) == {"endpoint-tcp-443-out"}


def test_what_is_replaced_must_be_documented() -> None:
    message = fault(endpoints=[{**entry("apm", "192.0.2.7"), "replaces": "trace"}])
    assert message.endswith("'trace' is replaced; write one of instrumentation-telemetry-intake, trace.agent.")


@pytest.mark.parametrize("wrong", [{"replaces": ["trace.agent"]}, {"replaces": "trace.agent", "is_additional": True}])
def test_what_is_replaced_is_one_name_and_nothing_that_stays(wrong: dict[str, t.Any]) -> None:
    assert "a replaces for apm" in fault(endpoints=[{**entry("apm", "192.0.2.7"), **wrong}])


def test_products_without_networks_may_be_listed_too() -> None:
    found = policy(products=["metrics", "snmp", "kubelet"], allow_unresolved=True)
    assert [(lacking.name, lacking.option) for lacking in found.unresolved] == [
        ("kubelet", "cluster_networks"),
        ("snmp", "device_networks"),
    ]
    assert [flow.id for flow in found.flows if flow.direction == "outbound"] == ["agents-tcp-443-out"]


def test_a_name_without_networks_is_an_error_that_names_the_option() -> None:
    message = fault(endpoints=[entry("metrics", RELAY)])
    assert RELAY in message
    assert "endpoint_networks" in message


def test_names_without_networks_may_be_listed_instead() -> None:
    options: dict[str, t.Any] = {
        "endpoints": [entry("metrics", RELAY), entry("apm", RELAY), also("logs", "logs.example.test", 10514)],
        "products": ["metrics", "apm", "logs", "key-check"],
        "logs_transport": "tcp",
        "allow_unresolved": True,
    }
    found = policy(**options)
    assert [(lacking.name, lacking.option) for lacking in found.unresolved] == [
        (RELAY, "endpoint_networks"),
        ("logs.example.test", "endpoint_networks"),
    ]
    assert {flow.id for flow in found.flows if flow.direction == "outbound"} == {
        "api-tcp-443-out",
        "logs-tcp-10516-out",
    }
    behind = policy(**options, proxy="http://proxy.example.test:3128")
    assert [(lacking.name, lacking.option) for lacking in behind.unresolved] == [
        ("proxy.example.test", "proxy_networks"),
        ("logs.example.test", "endpoint_networks"),
    ]


@pytest.mark.parametrize("given", [["127.0.0.1", "::1"], "127.0.0.0/8"])
def test_what_stays_on_the_host_needs_no_flow(given: t.Any) -> None:
    options: dict[str, t.Any] = {"products": ["metrics"], "endpoints": [entry("metrics", "localhost", 8443)]}
    assert not outbound(**options, endpoint_networks={"localhost": given})
    assert not outbound(products=["metrics"], endpoints=[entry("metrics", "127.0.0.1", 8443)])


def test_networks_of_a_family_that_is_left_out_are_warned_of() -> None:
    options: dict[str, t.Any] = {
        "products": ["metrics"],
        "endpoints": [entry("metrics", RELAY)],
        "endpoint_networks": {RELAY: ["198.51.100.7"]},
        "families": ["ipv6"],
    }
    assert not outbound(**options)
    assert warned(f"leaves out every network of endpoint_networks.{RELAY}", **options)


# --- A proxy ----------------------------------------------------------------------------------------------------------


def test_behind_a_proxy_an_endpoint_needs_no_networks_unless_it_is_logs_over_tcp() -> None:
    endpoints = [entry("metrics", RELAY, 8443), entry("logs", RELAY, 10514)]
    assert set(outbound(products=["metrics", "logs"], endpoints=endpoints, proxy=PROXY)) == {"proxy-tcp-3128-out"}
    options: dict[str, t.Any] = {"logs_transport": "tcp", "endpoint_networks": {RELAY: "198.51.100.7"}}
    found = outbound(products=["metrics", "logs"], endpoints=endpoints, proxy=PROXY, **options)
    assert set(found) == {"proxy-tcp-3128-out", "endpoint-tcp-10514-out"}


def test_what_matches_no_proxy_goes_straight_and_needs_its_ranges() -> None:
    options: dict[str, t.Any] = {
        "products": ["metrics", "apm"],
        "proxy": PROXY,
        "no_proxy": ["trace.agent.datadoghq.com"],
    }
    assert sites_to_read(request(**options)) == (US1,)
    found = outbound(**options)
    assert {key: (flow.networks, flow.destinations) for key, flow in found.items()} == {
        "proxy-tcp-3128-out": (("192.0.2.99/32",), ()),
        "apm-tcp-443-out": (networks("apm"), ("trace.agent.datadoghq.com",)),
    }
    assert "APM" in found["proxy-tcp-3128-out"].purpose  # its telemetry has another name


def test_a_proxy_that_all_is_excepted_from_has_no_flow() -> None:
    options: dict[str, t.Any] = {"products": ["metrics", "apm", "ntp"]}
    assert outbound(**options, proxy="http://proxy.example.test", no_proxy=["*"]) == outbound(**options)


def test_an_endpoint_may_be_excepted_from_the_proxy() -> None:
    options: dict[str, t.Any] = {"products": ["metrics", "apm"], "proxy": PROXY, "no_proxy": [".example.test"]}
    endpoints = [entry("metrics", RELAY, 8443)]
    assert RELAY in fault(**options, endpoints=endpoints)
    found = outbound(**options, endpoints=endpoints, endpoint_networks={RELAY: "198.51.100.7"})
    assert set(found) == {"proxy-tcp-3128-out", "endpoint-tcp-8443-out"}


def test_a_name_that_may_be_excepted_has_both_ways() -> None:
    options: dict[str, t.Any] = {"products": ["metrics"], "agent_version": "7", "proxy": PROXY}
    found = outbound(**options, no_proxy=["7-60-0-app.agent.datadoghq.com"])
    assert set(found) == {"proxy-tcp-3128-out", "agents-tcp-443-out"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (None, None),
        ("http://user:password@Proxy.example.test", "proxy.example.test:80"),
        ("socks5://[2001:db8::9]", "[2001:db8::9]:1080"),
    ],
)
def test_the_proxy_is_shown_without_user_and_password(url: str | None, shown: str | None) -> None:
    found = policy(products=["metrics"], proxy=url, proxy_networks=["192.0.2.9"])
    assert found.proxy == shown
    assert "password" not in str(found.to_dict())


# --- What holds for all -----------------------------------------------------------------------------------------------

_shipped = [p.name for p in catalog.PRODUCTS if any(route.section for route in p.routes)]
_products = st.lists(st.sampled_from(_shipped), unique=True, max_size=5)
_sites = st.sampled_from(sorted(DOCUMENTS))


def _pairs(flows: t.Iterable[Flow]) -> set[t.Any]:
    return {(*flow.match, network) for flow in flows for network in flow.networks if flow.section}


@given(
    own=_sites, other=_sites, products=_products, shipped=_products, transport=st.sampled_from([None, "http", "tcp"])
)
def test_several_sites_open_what_each_of_them_would(
    own: str, other: str, products: list[str], shipped: list[str], transport: str | None
) -> None:
    """Shipping all destinations of some products to another site as well is the union of two policies."""
    how: dict[str, t.Any] = {"logs_transport": transport}
    twice = [name for name in shipped if name in products]
    second = policy(site=other, products=twice, **how)
    endpoints = [also(d.product, d.fqdn, d.port) for d in second.destinations]
    together = policy(site=own, products=products, endpoints=endpoints, **how)
    assert _pairs(together.flows) == _pairs(policy(site=own, products=products, **how).flows) | _pairs(second.flows)


@given(own=_sites, other=_sites, products=_products)
def test_a_site_in_the_place_of_the_own_is_that_site_s_policy(own: str, other: str, products: list[str]) -> None:
    elsewhere = policy(site=other, products=products)
    endpoints = [entry(d.product, d.fqdn, d.port) for d in elsewhere.destinations]
    moved = {endpoint["product"] for endpoint in endpoints}
    found = policy(site=own, products=sorted(moved), endpoints=endpoints)
    if own != other:
        assert _pairs(found.flows) == _pairs(elsewhere.flows)


@given(
    products=_products,
    entries=st.lists(
        st.sampled_from(
            [".agent.datadoghq.com", "trace.agent.datadoghq.com", ".logs.datadoghq.com", "*", "192.0.2.0/24"]
        )
    ),
    version=st.sampled_from(["7.60.0", "7", "6.18.0"]),
)
def test_a_proxy_opens_no_more_than_itself_beside_what_would_be_open_without(
    products: list[str], entries: list[str], version: str
) -> None:
    options: dict[str, t.Any] = {"products": products, "agent_version": version}
    direct = _pairs(policy(**options).flows)
    found = policy(**options, proxy=PROXY, no_proxy=entries)
    assert _pairs(found.flows) <= direct
    assert {d.fqdn for d in found.destinations} == {d.fqdn for d in policy(**options).destinations}


# --- Ports that are left to others ------------------------------------------------------------------------------------


def inbound(**options: t.Any) -> dict[str, Flow]:
    return {flow.id: flow for flow in policy(**options).flows if flow.direction == "inbound"}


def test_nothing_is_said_of_a_port_that_is_left_to_others() -> None:
    left = inbound(unmanaged_ports=["dogstatsd", "otlp_grpc"], ports={"dogstatsd": 8135, "otlp-grpc": 4317})
    assert set(left) == {key for key in inbound() if not key.startswith("dogstatsd")}
    assert warned(
        "The port dogstatsd, 8135/udp, is left to other rules", unmanaged_ports=["dogstatsd"], ports={"dogstatsd": 8135}
    )


@pytest.mark.parametrize("given", [["198.51.100.0/24"], []])
def test_a_port_with_networks_is_managed_nevertheless(given: list[str]) -> None:
    options: dict[str, t.Any] = {"non_local_traffic": {"apm": given}}
    assert inbound(**options, unmanaged_ports=["apm"]) == inbound(**options)
    assert not warned("left to other rules", **options, unmanaged_ports=["apm"])


def test_a_port_that_is_off_is_not_left_to_anybody() -> None:
    assert not warned("left to other rules", unmanaged_ports=["apm"], ports={"apm": 0})


def test_a_port_that_is_left_to_others_is_still_the_agent_s_own() -> None:
    assert "a port of the Agent's own" in fault(unmanaged_ports=["apm"], inbound_from={"webhooks": 8126})


def test_an_unknown_port_is_an_error() -> None:
    assert "The option unmanaged_ports has the unknown name 'statsd'" in fault(unmanaged_ports=["statsd"])
