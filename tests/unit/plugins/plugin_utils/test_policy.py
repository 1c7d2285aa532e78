# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules by which values become flows, whatever the catalog's facts are."""

from __future__ import annotations

import ipaddress
import json
import traceback
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, Flow, sort_networks
from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import parse
from ansible_collections.netwall.datadog.plugins.plugin_utils._plan import hint_at_sites
from ansible_collections.netwall.datadog.plugins.plugin_utils._policy import sites_to_read
from ansible_collections.netwall.datadog.plugins.plugin_utils._request import PolicyError, Request
from ansible_collections.netwall.datadog.tests._tool import ROOT
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._documents import (
    DOCUMENT,
    LOCATIONS,
    built,
    document,
    without,
)

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import Document
    from ansible_collections.netwall.datadog.plugins.plugin_utils._policy import Policy

US1 = "datadoghq.com"
PUBLISHED = ROOT.parent / "shared/data/ip-ranges/datadoghq.com-v47.json"


def policy(document: Document | None = DOCUMENT, **options: t.Any) -> Policy:
    return built(Request(**{"site": US1, "agent_version": "7.60.0", **options}), document)


def flows(document: Document | None = DOCUMENT, **options: t.Any) -> dict[str, Flow]:
    return {flow.id: flow for flow in policy(document, **options).flows}


def outbound(document: Document | None = DOCUMENT, **options: t.Any) -> dict[str, Flow]:
    return {key: flow for key, flow in flows(document, **options).items() if flow.direction == "outbound"}


def warned(text: str, **options: t.Any) -> bool:
    return any(text in warning for warning in policy(**options).warnings)


def fault(**options: t.Any) -> str:
    with pytest.raises(PolicyError) as caught:
        policy(**options)
    return str(caught.value)


# --- Flows to sections ------------------------------------------------------------------------------------------------


def test_products_of_one_section_share_one_flow_that_names_them_all() -> None:
    assert outbound(products=["flare", "metrics"]) == {
        "agents-tcp-443-out": Flow(
            id="agents-tcp-443-out",
            direction="outbound",
            action="allow",
            protocol="tcp",
            port=443,
            networks=("192.0.2.4/31", "203.0.113.4/30", "2001:db8:1::/48"),
            purpose="metrics, service checks, events and metadata; flares",
            section="agents",
            destinations=("7-60-0-app.agent.datadoghq.com", "7-60-0-flare.agent.datadoghq.com"),
        )
    }


def test_one_section_on_two_ports_is_two_flows() -> None:
    found = outbound(products=["remote-configuration", "remote-configuration-test"])
    assert set(found) == {"remote-configuration-tcp-443-out", "remote-configuration-tcp-8042-out"}


def test_a_name_outside_the_ranges_is_a_destination_and_no_flow() -> None:
    result = policy(None, products=["metrics"], agent_version="5.1.0")
    assert [(d.fqdn, d.section) for d in result.destinations] == [("app.datadoghq.com", None)]
    assert not [flow for flow in result.flows if flow.direction == "outbound"]


@pytest.mark.parametrize("version", [None, "7", "7.60", ""])
def test_a_version_that_is_not_known_whole_gives_the_wildcard_name(version: str | None) -> None:
    result = policy(products=["metrics", "flare"], agent_version=version)
    assert {d.fqdn for d in result.destinations} == {"*.agent.datadoghq.com"}


@pytest.mark.parametrize("version", ["7.60.0", "1:7.60.0-1", "7.60.0~rc.1", "v7.60.0", "7.60.0.1"])
def test_a_package_s_version_is_read_for_its_release(version: str) -> None:
    [destination] = policy(products=["metrics"], agent_version=version).destinations
    assert destination.fqdn == "7-60-0-app.agent.datadoghq.com"


@pytest.mark.parametrize("version", ["", "6", "6.19"])
def test_a_number_that_is_missing_counts_as_the_newest(version: str) -> None:
    assert set(outbound(products=["logs"], agent_version=version)) == {"logs-tcp-443-out"}


@pytest.mark.parametrize("version", ["latest", "7..1", "seven", "7.60.0 && id", "3.11.0", "8.0.0"])
def test_a_version_that_is_none_of_an_agent_is_an_error(version: str) -> None:
    message = fault(agent_version=version)
    assert message.startswith("The option agent_version is")


# --- Sections that are missing ----------------------------------------------------------------------------------------


def test_a_missing_section_falls_back_to_global_and_says_so() -> None:
    result = policy(without("remote-configuration"), products=["remote-configuration"])
    [flow] = [flow for flow in result.flows if flow.direction == "outbound"]
    assert (flow.id, flow.section) == ("global-tcp-443-out", "global")
    assert flow.networks == DOCUMENT.sections["global"].ipv4 + DOCUMENT.sections["global"].ipv6
    assert [d.section for d in result.destinations] == ["remote-configuration"]
    assert any("section 'remote-configuration'" in text and "'global'" in text for text in result.warnings)


def test_without_global_the_fallback_is_agents() -> None:
    found = outbound(without("remote-configuration", "global"), products=["metrics", "remote-configuration", "sbom"])
    assert set(found) == {"agents-tcp-443-out"}


def test_without_any_fallback_it_is_an_error() -> None:
    message = fault(document=without("apm", "global", "agents"), products=["apm"])
    assert message == (
        "Version 7 of https://ip-ranges.example.test/ has no addresses in section 'apm', nor in global or agents to "
        "stand in for it."
    )


def test_a_section_without_addresses_counts_as_missing() -> None:
    empty = catalog_section("apm", (), ())
    found = outbound(document(empty, DOCUMENT.sections["global"]), products=["apm"])
    assert set(found) == {"global-tcp-443-out"}


def catalog_section(name: str, ipv4: tuple[str, ...], ipv6: tuple[str, ...]) -> t.Any:
    return type(DOCUMENT.sections["apm"])(name, ipv4, ipv6, {})


def test_a_section_of_the_other_family_alone_opens_nothing_and_says_so() -> None:
    old = document(catalog_section("agents", ("192.0.2.0/24",), ()), DOCUMENT.sections["apm"])
    options: dict[str, t.Any] = {"products": ["metrics", "flare", "apm"], "families": ["ipv6"]}
    assert set(outbound(old, **options)) == {"apm-tcp-443-out"}
    assert any("section 'agents': nothing is opened for metrics, flare." in w for w in policy(old, **options).warnings)


def test_what_is_excluded_is_in_no_flow() -> None:
    found = outbound(products=["metrics"], exclude=["203.0.113.0/24"])
    assert found["agents-tcp-443-out"].networks == ("192.0.2.4/31", "2001:db8:1::/48")


def test_prefixes_are_left_as_published_where_that_is_asked_for() -> None:
    options: dict[str, t.Any] = {"products": [], "inbound_from": {"synthetics": 443}}
    published = DOCUMENT.sections["synthetics"]
    assert flows(**options, aggregate=False)["synthetics-tcp-443-in"].networks == published.ipv4 + published.ipv6
    assert len(flows(**options)["synthetics-tcp-443-in"].networks) < len(published.ipv4 + published.ipv6)


# --- Logs -------------------------------------------------------------------------------------------------------------


def test_a_transport_that_the_user_chose_wins_over_the_version_s() -> None:
    assert set(outbound(products=["logs"], logs_transport="tcp")) == {"logs-tcp-10516-out"}
    assert set(outbound(products=["logs"], logs_transport="http", agent_version="6.17.0")) == {"logs-tcp-443-out"}


def test_tcp_chosen_where_it_is_not_offered_opens_nothing_and_names_the_way_out() -> None:
    options: dict[str, t.Any] = {"site": "us3.datadoghq.com", "products": ["logs"], "logs_transport": "tcp"}
    assert not outbound(**options)
    assert warned("set logs_transport to http", **options)


def test_tcp_by_default_where_it_is_not_offered_gives_way_to_http_and_says_what_to_set() -> None:
    options: dict[str, t.Any] = {"site": "us3.datadoghq.com", "products": ["logs"], "agent_version": "6.17.0"}
    assert set(outbound(**options)) == {"logs-tcp-443-out"}
    assert warned("logs_config.use_http", **options)


@pytest.mark.parametrize(
    ("version", "is_warned"), [("6.18.9", False), ("6.19.0", True), ("7.18.9", False), ("7.19.0", True), (None, True)]
)
def test_an_agent_that_falls_back_from_http_to_tcp_is_warned_of(version: str | None, is_warned: bool) -> None:
    options: dict[str, t.Any] = {"products": ["logs"], "logs_transport": "http", "agent_version": version}
    assert warned("logs_config.force_use_http", **options) == is_warned


# --- Doubts -----------------------------------------------------------------------------------------------------------


def test_a_site_that_the_catalog_does_not_know_is_used_with_a_warning() -> None:
    options: dict[str, t.Any] = {"site": "dd.example.test", "products": ["metrics", "rum", "logs"]}
    assert [d.fqdn for d in policy(**options).destinations] == [
        "7-60-0-app.agent.dd.example.test",
        "agent-http-intake.logs.dd.example.test",
        "browser-intake-dd-example.test",
    ]
    assert warned("does not know the site dd.example.test", **options)


def test_who_may_have_mistyped_a_site_is_told_which_there_are() -> None:
    said = hint_at_sites("datadoghq.con")
    assert said.startswith(
        " The catalog does not know the site datadoghq.con (did you mean datadoghq.com? Datadog's sites are "
    )
    assert all(site.site in said for site in catalog.SITES)
    assert "did you mean" not in hint_at_sites("ranges.example.test")


def test_a_site_of_the_catalog_needs_no_hint() -> None:
    assert hint_at_sites("datadoghq.eu") == ""


@pytest.mark.parametrize("site", ["US1", "eu1", "US1-FED"])
def test_datadog_s_own_name_of_a_site_is_an_error_that_names_the_site(site: str) -> None:
    known = {"US1": US1, "eu1": "datadoghq.eu", "US1-FED": "ddog-gov.com"}
    assert known[site] in fault(site=site)


@pytest.mark.parametrize("site", ["https://datadoghq.com", "data doghq.com", "", "datadoghq.com/", "192.0.2.1"])
def test_a_site_that_is_no_host_name_is_an_error(site: str) -> None:
    assert "is not a host name" in fault(site=site)


@pytest.mark.parametrize("site", ["uk1.datadoghq.com", "us2.ddog-gov.com"])
def test_a_rum_intake_that_is_not_confirmed_is_warned_of(site: str) -> None:
    assert warned(f"The RUM intake of {site}", site=site, products=["rum"])


def test_a_rum_intake_that_is_documented_is_not_warned_of() -> None:
    assert not warned("The RUM intake of", products=["rum"])


@pytest.mark.parametrize(
    ("version", "is_warned"), [("7.66.1", False), ("7.67.0", True), (None, True), ("6.53.0", False)]
)
def test_the_trailing_dot_is_warned_of_where_the_agent_writes_it(version: str | None, is_warned: bool) -> None:
    assert warned("trailing dot", products=[], document=None, agent_version=version) == is_warned


@pytest.mark.parametrize("options", [{}, {"products": []}, {"agent_version": "5.1.0"}, {"proxy": "http://192.0.2.9"}])
def test_what_can_never_be_allowed_by_address_is_always_warned_of(options: dict[str, t.Any]) -> None:
    assert warned("ip-ranges.datadoghq.com", **options)
    assert warned("windows-agent.datadoghq.com", **options)


def test_the_second_government_site_is_warned_of() -> None:
    assert warned("The site us2.ddog-gov.com stands in Datadog's API reference", site="us2.ddog-gov.com")


def test_the_ports_of_the_legacy_intakes_are_doubted() -> None:
    assert warned("does not say on which ports", products=["logs-hipaa"])


@pytest.mark.parametrize("product", ["logs", "key-check", "kubelet", "snmp", "remote-configuration-test"])
def test_what_an_old_agent_cannot_do_is_a_warning_and_needs_no_networks(product: str) -> None:
    assert warned(f"the product {product}", products=[product], agent_version="5.11.3")


# --- Names ------------------------------------------------------------------------------------------------------------


def test_underscores_do_for_hyphens_in_names() -> None:
    asked = policy(products=["key_check"], ports={"apm_expvar": 5099}, non_local_traffic={"otlp_grpc": []})
    assert asked == policy(products=["key-check"], ports={"apm-expvar": 5099}, non_local_traffic={"otlp-grpc": []})


def test_an_unknown_product_is_an_error_that_guesses_and_lists() -> None:
    message = fault(products=["metric"])
    assert "'metric' (did you mean metrics?)" in message
    assert all(product.name in message for product in catalog.PRODUCTS)


@pytest.mark.parametrize("option", ["ports", "non_local_traffic", "inbound_from"])
def test_an_unknown_name_is_an_error_that_names_the_option(option: str) -> None:
    assert f"The option {option} has the unknown name 'statsd'" in fault(**{option: {"statsd": 1}})


def test_a_name_given_in_both_spellings_is_an_error() -> None:
    assert "otlp-grpc twice" in fault(ports={"otlp_grpc": 4317, "otlp-grpc": 4318})


def test_an_unknown_transport_is_an_error() -> None:
    assert "The option logs_transport has the unknown name 'udp'" in fault(logs_transport="udp")


# --- A proxy ----------------------------------------------------------------------------------------------------------


def test_a_proxy_takes_the_https_flows_and_no_others() -> None:
    found = outbound(
        proxy="http://192.0.2.99:3128",
        products=["metrics", "ntp", "kubelet", "autoscaling", "snmp", "logs", "remote-configuration-test"],
        logs_transport="tcp",
        site="datadoghq.eu",
        cluster_networks=["198.51.100.0/24"],
        device_networks=["198.51.100.0/24"],
    )
    assert set(found) == {
        "proxy-tcp-3128-out",
        "logs-tcp-443-out",
        "ntp-udp-123-out",
        "kubelet-tcp-10250-out",
        "kubelet-tcp-10255-out",
        "autoscaling-tcp-8443-out",
        "snmp-udp-161-out",
        "remote-configuration-tcp-8042-out",
    }
    assert found["proxy-tcp-3128-out"].networks == ("192.0.2.99/32",)
    assert found["logs-tcp-443-out"].section == "logs"


def test_logs_over_http_go_through_the_proxy() -> None:
    assert set(outbound(None, proxy="http://192.0.2.99:3128", products=["logs"])) == {"proxy-tcp-3128-out"}


def test_the_names_that_the_proxy_must_reach_are_still_listed() -> None:
    [destination] = policy(None, proxy="http://192.0.2.99:3128", products=["metrics"]).destinations
    assert (destination.fqdn, destination.port, destination.section) == (
        "7-60-0-app.agent.datadoghq.com",
        443,
        "agents",
    )


def test_a_name_outside_the_ranges_is_no_trouble_for_a_proxy() -> None:
    options: dict[str, t.Any] = {"proxy": "http://192.0.2.99:3128", "products": ["metrics"], "agent_version": "5.1.0"}
    assert set(outbound(None, **options)) == {"proxy-tcp-3128-out"}
    assert not warned("cannot be allowed by address. Use", document=None, **options)


@pytest.mark.parametrize(
    ("url", "port", "network"),
    [
        ("http://192.0.2.99", 80, "192.0.2.99/32"),
        ("https://192.0.2.99/", 443, "192.0.2.99/32"),
        ("socks5://192.0.2.99", 1080, "192.0.2.99/32"),
        ("http://[2001:db8::99]:3128", 3128, "2001:db8::99/128"),
        ("HTTP://user:pass@192.0.2.99:8080", 8080, "192.0.2.99/32"),
    ],
)
def test_a_proxy_by_address_needs_nothing_else(url: str, port: int, network: str) -> None:
    [flow] = outbound(None, proxy=url, products=["metrics"]).values()
    assert (flow.id, flow.networks, flow.destinations) == (f"proxy-tcp-{port}-out", (network,), ())


def test_a_proxy_by_name_is_reached_in_the_networks_given() -> None:
    [flow] = outbound(
        None, proxy="http://Proxy.example.test:3128", proxy_networks=["192.0.2.99", "2001:db8::99"], products=["apm"]
    ).values()
    assert flow.networks == ("192.0.2.99/32", "2001:db8::99/128")
    assert flow.destinations == ("proxy.example.test",)


def test_a_proxy_by_name_alone_is_an_error_that_names_the_option() -> None:
    assert "proxy_networks" in fault(proxy="http://proxy.example.test:3128")


def test_a_proxy_of_the_other_family_is_an_error() -> None:
    assert "families" in fault(proxy="http://192.0.2.99:3128", families=["ipv6"])


def test_a_proxy_that_nothing_goes_through_has_no_flow() -> None:
    assert set(outbound(None, proxy="http://proxy.example.test:3128", products=["ntp"])) == {"ntp-udp-123-out"}


SECRET = "s3cr3t-Pa55"


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{SECRET}@192.0.2.99:3128",
        f"http://{SECRET}@proxy.example.test:3128",
        f"socks5://user:{SECRET}@proxy.example.test",
        f"ftp://user:{SECRET}@proxy.example.test",
        f"user:{SECRET}@proxy.example.test:3128",
        f"http://user:{SECRET}",
        f"http://user:{SECRET}@",
        f"http://user:{SECRET}@proxy.example.test:port",
        f"http://user:{SECRET}@proxy.example.test:99999",
        f"http://user:{SECRET}@[2001:db8::99",
        f"http://user:{SECRET}@[2001:db8::zz]:3128",
        f"http://user:12/{SECRET}@proxy.example.test:3128",
        f"http://user:12?{SECRET}@proxy.example.test:3128",
        f"http://user:12#{SECRET}@proxy.example.test:3128",
        f"http://user:a@{SECRET}@proxy.example.test:3128",
        f"http://proxy.example.test/{SECRET}",
        f" http://user:{SECRET}@proxy .example.test ",
        f"http:user:{SECRET}@proxy.example.test",
        SECRET,
    ],
)
@pytest.mark.parametrize("networks", [None, ["192.0.2.99"], ["nonsense"]])
def test_a_proxy_s_user_and_password_are_shown_nowhere(url: str, networks: list[str] | None) -> None:
    request = Request(site=US1, proxy=url, proxy_networks=networks)
    try:
        shown = json.dumps(built(request).to_dict())
    except PolicyError as error:
        shown = "".join(traceback.format_exception(error)) + repr(error.__context__)
    assert SECRET.lower() not in (shown + repr(request)).lower()


@pytest.mark.parametrize(
    "url", ["proxy.example.test:3128", "http://", "http://:3128", "http://192.0.2.9:0", "http://a/b"]
)
def test_a_proxy_that_is_no_url_is_an_error_that_shows_the_form(url: str) -> None:
    assert "SCHEME://HOST:PORT" in fault(proxy=url, proxy_networks=["192.0.2.99"])


# --- Networks that the user gives -------------------------------------------------------------------------------------


def test_ntp_goes_anywhere_unless_servers_are_given() -> None:
    assert flows(None, products=["ntp"])["ntp-udp-123-out"].networks == ANYWHERE
    given = flows(None, products=["ntp"], ntp_networks=["2001:db8::7b", "192.0.2.123"])
    assert given["ntp-udp-123-out"].networks == ("192.0.2.123/32", "2001:db8::7b/128")


@pytest.mark.parametrize(
    ("product", "option"),
    [("kubelet", "cluster_networks"), ("autoscaling", "cluster_networks"), ("snmp", "device_networks")],
)
def test_what_is_not_datadog_s_needs_its_networks(product: str, option: str) -> None:
    assert fault(document=None, products=[product]) == (
        f"The product {product} needs the option {option}; list the networks to reach."
    )


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"ntp_networks": ["192.0.2.1/24"]}, "ntp_networks"),
        ({"products": ["kubelet"], "cluster_networks": ["cluster"]}, "cluster_networks"),
        ({"non_local_traffic": {"apm": ["192.0.2.0/33"]}}, "non_local_traffic.apm"),
        ({"non_local_traffic": {"apm": {"networks": []}}}, "non_local_traffic.apm"),
        ({"proxy": "http://proxy.example.test", "proxy_networks": ["proxy.example.test"]}, "proxy_networks"),
    ],
)
def test_a_network_that_is_none_is_an_error_that_names_the_option(options: dict[str, t.Any], named: str) -> None:
    assert fault(**options).startswith(f"The option {named} is")


def test_families_restrict_what_is_allowed() -> None:
    found = flows(
        products=["metrics", "ntp"],
        families=["ipv6"],
        non_local_traffic={"apm": ["192.0.2.0/24", "2001:db8:5::/48"]},
        inbound_from={"webhooks": 443},
    )
    allowed = {key: flow.networks for key, flow in found.items() if flow.action == "allow"}
    assert allowed == {
        "agents-tcp-443-out": ("2001:db8:1::/48",),
        "ntp-udp-123-out": ("::/0",),
        "apm-tcp-8126-in": ("2001:db8:5::/48",),
        "webhooks-tcp-443-in": ("2001:db8:9::/48",),
    }


def test_families_never_restrict_what_is_denied() -> None:
    found = flows(None, products=[], families=["ipv6"])
    assert {flow.networks for flow in found.values()} == {ANYWHERE}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"products": ["ntp"], "ntp_networks": ["192.0.2.1"]}, "ntp_networks"),
        ({"products": [], "non_local_traffic": {"apm": ["192.0.2.1"]}}, "non_local_traffic.apm"),
    ],
)
def test_networks_of_a_family_that_is_left_out_open_nothing_and_are_warned_of(
    options: dict[str, t.Any], named: str
) -> None:
    assert not [flow for flow in flows(None, families=["ipv6"], **options).values() if flow.action == "allow"]
    assert warned(f"leaves out every network of {named}", document=None, families=["ipv6"], **options)


# --- The Agent's own ports --------------------------------------------------------------------------------------------


def test_a_port_that_was_moved_is_denied_where_it_is_now() -> None:
    found = flows(None, products=[], ports={"dogstatsd": "8135"})
    assert "dogstatsd-udp-8135-in-deny" in found
    assert "dogstatsd-udp-8125-in-deny" not in found


@pytest.mark.parametrize("off", [0, -1, "0", "-1"])
def test_a_port_that_is_off_has_no_flow(off: int | str) -> None:
    assert not [key for key in flows(None, products=[], ports={"gui": off}) if key.startswith("gui")]


def test_null_for_a_port_is_its_usual_number() -> None:
    assert "otlp-grpc-tcp-4317-in-deny" in flows(None, products=[], ports={"otlp-grpc": None})


@pytest.mark.parametrize("port", [65536, -2, "dogstatsd", True, 1.5, [8125]])
def test_a_port_that_is_none_is_an_error_that_names_the_option(port: t.Any) -> None:
    assert fault(ports={"dogstatsd": port}).startswith("The option ports.dogstatsd is")


def test_two_names_on_one_port_are_an_error_that_names_both() -> None:
    assert fault(ports={"apm": 5001}) == "The ports cmd and apm are both 5001/tcp; move one in ports."


def test_two_names_on_one_number_of_different_protocols_are_fine() -> None:
    assert {"dogstatsd-udp-8126-in-deny", "apm-tcp-8126-in-deny"} <= set(
        flows(None, products=[], ports={"dogstatsd": 8126})
    )


def test_non_local_traffic_allows_its_networks_beside_the_denial() -> None:
    found = flows(None, products=[], non_local_traffic={"dogstatsd": "198.51.100.0/24", "apm": ["2001:db8:5::/48"]})
    assert found["dogstatsd-udp-8125-in"].networks == ("198.51.100.0/24",)
    assert found["apm-tcp-8126-in"].networks == ("2001:db8:5::/48",)
    assert found["dogstatsd-udp-8125-in-deny"].networks == ANYWHERE
    assert [key for key, flow in found.items() if flow.action == "allow"] == [
        "dogstatsd-udp-8125-in",
        "apm-tcp-8126-in",
    ]


def test_non_local_traffic_without_networks_closes_a_port_that_is_closed_on_request_alone() -> None:
    found = flows(None, products=[], non_local_traffic={"snmp-traps": []})
    assert [key for key in found if key.startswith("snmp-traps")] == ["snmp-traps-udp-9162-in-deny"]


MAY_OPEN = {"dogstatsd", "apm", "otlp-grpc", "otlp-http", "snmp-traps", "netflow9", "netflow5", "ipfix", "sflow5"}


@pytest.mark.parametrize("name", sorted({port.name for port in catalog.LOCAL_PORTS} - MAY_OPEN))
def test_a_port_that_is_for_this_host_alone_is_opened_to_nobody(name: str) -> None:
    message = fault(products=[], non_local_traffic={name: ["192.0.2.0/24"]})
    assert message.startswith(f"The option non_local_traffic has {name}, which is for this host alone")


def test_a_port_that_is_off_or_that_the_agent_lacks_is_opened_to_nobody_with_a_warning() -> None:
    off: dict[str, t.Any] = {"ports": {"apm": 0}, "non_local_traffic": {"apm": ["192.0.2.0/24"]}}
    assert not [key for key in flows(None, products=[], **off) if key.startswith("apm-tcp")]
    assert warned("The port apm is off", document=None, products=[], **off)
    lacking: dict[str, t.Any] = {"ports": {"forwarder": 17123}}
    assert not [key for key in flows(None, products=[], **lacking) if key.startswith("forwarder")]
    assert warned("does not have the port forwarder", document=None, products=[], **lacking)


@pytest.mark.parametrize(("network", "is_warned"), [("0.0.0.0/0", True), ("::/0", True), ("192.0.2.0/24", False)])
def test_a_port_that_is_opened_to_the_world_is_warned_of(network: str, is_warned: bool) -> None:
    assert warned("opens apm to every host", non_local_traffic={"apm": [network]}) == is_warned


# --- What Datadog connects from ---------------------------------------------------------------------------------------


def test_datadog_s_services_may_connect_where_they_are_asked_for() -> None:
    found = flows(products=[], inbound_from={"webhooks": 8443, "synthetics": "443"})
    allowed = {key: (flow.port, flow.section, flow.networks) for key, flow in found.items() if flow.action == "allow"}
    webhooks, synthetics = DOCUMENT.sections["webhooks"], DOCUMENT.sections["synthetics"]
    assert allowed == {
        "webhooks-tcp-8443-in": (8443, "webhooks", webhooks.ipv4 + webhooks.ipv6),
        # Two prefixes that make one.
        "synthetics-tcp-443-in": (443, "synthetics", ("203.0.113.240/28", *synthetics.ipv6)),
    }


def test_locations_restrict_synthetics_alone() -> None:
    options: dict[str, t.Any] = {"inbound_from": {"webhooks": 8443, "synthetics": 443}, "locations": ["aws:eu-west-1"]}
    found = flows(products=["metrics"], **options)
    assert found["synthetics-tcp-443-in"].networks == LOCATIONS["aws:eu-west-1"]
    everywhere = flows(products=["metrics"], inbound_from={"webhooks": 8443})
    assert {key: flow for key, flow in found.items() if key != "synthetics-tcp-443-in"} == everywhere


def test_locations_without_synthetics_are_warned_of() -> None:
    assert warned("The option locations changes nothing", locations=["aws:eu-west-1"])


@pytest.mark.parametrize("source", ["webhooks", "synthetics"])
def test_no_other_section_stands_in_for_what_connects(source: str) -> None:
    message = fault(document=without(source), products=[], inbound_from={source: 443})
    assert message.startswith(f"Version 7 of https://ip-ranges.example.test/ has no addresses in section '{source}'")


def test_what_connects_from_a_family_that_is_left_out_is_an_error() -> None:
    old = document(catalog_section("webhooks", ("192.0.2.0/24",), ()))
    message = fault(document=old, products=[], inbound_from={"webhooks": 443}, families=["ipv6"])
    assert "leave no address of section 'webhooks'" in message


def test_datadog_s_services_are_not_let_in_on_the_agent_s_own_ports() -> None:
    assert "a port of the Agent's own" in fault(inbound_from={"webhooks": 8126})


# --- The document -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"products": []},
        {"products": ["ntp"]},
        {"products": ["metrics"], "agent_version": "5.1.0"},
        {"proxy": "http://192.0.2.99:3128"},
        {"proxy": "http://192.0.2.99:3128", "products": ["logs", "ntp"]},
    ],
)
def test_no_document_is_needed_where_no_flow_goes_by_section(options: dict[str, t.Any]) -> None:
    assert not sites_to_read(Request(site=US1, **options))
    result = policy(None, **options)
    assert (result.version, result.modified) == (None, None)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"products": ["metrics"]},
        {"products": [], "inbound_from": {"webhooks": 443}},
        {"proxy": "http://192.0.2.99:3128", "products": ["logs"], "logs_transport": "tcp"},
    ],
)
def test_a_document_is_needed_where_a_flow_goes_by_section(options: dict[str, t.Any]) -> None:
    assert sites_to_read(Request(site=US1, **options))
    with pytest.raises(PolicyError, match="there is no document"):
        policy(None, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"non_local_traffic": {"cmd": ["192.0.2.0/24"]}},
        {"inbound_from": {"webhooks": "https"}},
        {"products": ["kubelet", "metrics"]},
        {"proxy": "http://proxy.example.test"},
    ],
)
def test_what_is_wrong_is_said_before_a_document_is_fetched(options: dict[str, t.Any]) -> None:
    with pytest.raises(PolicyError):
        sites_to_read(Request(site=US1, **options))


def test_the_result_carries_the_document_s_version_and_time() -> None:
    result = policy().to_dict()
    assert (result["site"], result["version"], result["modified"]) == (US1, 7, "2026-03-04T05:06:07Z")


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f"needs {PUBLISHED.name}, a published document")
def test_a_published_document_without_a_section_for_remote_configuration_gives_a_whole_policy() -> None:
    result = policy(parse(Path(PUBLISHED).read_bytes(), "file:///published.json"), inbound_from={"synthetics": 443})
    both = ("3.233.144.0/20", "2600:1f18:24e6:b900::/56")
    by_section = {flow.section: flow.networks for flow in result.flows if flow.section and flow.direction == "outbound"}
    assert by_section == dict.fromkeys(["agents", "api", "apm", "process", "global"], both)
    assert result.version == 47


# --- What holds for all requests --------------------------------------------------------------------------------------

_networks = st.sampled_from(["198.51.100.0/24", "198.51.100.7/32", "2001:db8:aaaa::/48", "0.0.0.0/0", "::/0"])
_networks_list = st.lists(_networks, min_size=1, max_size=3)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A request that is right in itself, though not all of it can be done."""
    names = [product.name for product in catalog.PRODUCTS]
    ports = draw(
        st.dictionaries(st.sampled_from([p.name for p in catalog.LOCAL_PORTS]), st.sampled_from([0, -1, None]))
    )
    return Request(
        site=draw(st.sampled_from([*(site.site for site in catalog.SITES), "dd.example.test"])),
        agent_version=draw(st.sampled_from([None, "4.4.0", "5.1.0", "5.11.3", "6.0.0", "6.17.0", "7.18.0", "7.67.0"])),
        worker_version=draw(st.sampled_from([None, "0.1.4", "0.1.6", "0.2.0", "1.4.0", "1.5.0"])),
        products=draw(st.none() | st.lists(st.sampled_from(names))),
        logs_transport=draw(st.sampled_from([None, "http", "tcp"])),
        proxy=draw(st.sampled_from([None, f"http://user:{SECRET}@proxy.example.test:3128"])),
        proxy_networks=["198.51.100.9", "2001:db8:9999::9"],
        ntp_networks=draw(st.none() | _networks_list),
        cluster_networks=draw(_networks_list),
        device_networks=draw(_networks_list),
        non_local_traffic=draw(st.dictionaries(st.sampled_from(sorted(MAY_OPEN)), st.lists(_networks, max_size=3))),
        inbound_from=draw(st.dictionaries(st.sampled_from(["webhooks", "synthetics"]), st.sampled_from([443, 8443]))),
        ports=ports,
        families=draw(st.sampled_from([["ipv4"], ["ipv6"], ["ipv4", "ipv6"]])),
        aggregate=draw(st.booleans()),
    )


def _is_covered(network: str, by: t.Iterable[str]) -> bool:
    """Whether all of *network*'s addresses are in one of *by*."""
    inner = ipaddress.ip_network(network)
    outers = [ipaddress.ip_network(outer) for outer in by]
    return any(
        inner.version == outer.version and inner.network_address in outer and inner.broadcast_address in outer
        for outer in outers
    )


@given(requests())
def test_every_flow_to_a_section_stays_within_that_section(request: Request) -> None:
    for flow in built(request).flows:
        if flow.section:
            section = DOCUMENT.sections[flow.section]
            whole = [str(n) for n in ipaddress.collapse_addresses(map(ipaddress.IPv4Network, section.ipv4))]
            assert all(_is_covered(network, [*whole, *section.ipv6]) for network in flow.networks)


@given(requests())
def test_flows_are_whole_and_their_ids_unique(request: Request) -> None:
    found = built(request).flows
    assert len({flow.id for flow in found}) == len(found)
    for flow in found:
        assert Flow.from_dict(flow.to_dict()) == flow
        assert flow.networks == sort_networks(flow.networks)


@given(requests())
def test_the_result_is_plain_and_the_same_each_time(request: Request) -> None:
    first, second = built(request).to_dict(), built(request).to_dict()
    assert json.loads(json.dumps(first)) == first == second
    assert SECRET not in json.dumps(first)
    assert len(set(first["warnings"])) == len(first["warnings"])


@given(requests(), st.randoms())
def test_the_order_in_which_products_are_asked_for_does_not_matter(request: Request, random: t.Any) -> None:
    if request.products:
        shuffled = [*request.products, *request.products[:1]]
        random.shuffle(shuffled)
        other = Request(**{**vars(request), "products": shuffled})
        assert built(other, DOCUMENT) == built(request)


@given(requests())
def test_nothing_is_opened_to_others_but_what_was_asked_for(request: Request) -> None:
    names = {*(request.non_local_traffic or {}), *(request.inbound_from or {})}
    for flow in built(request).flows:
        if flow.direction == "inbound" and flow.action == "allow":
            assert flow.id.rsplit(f"-{flow.protocol}-", 1)[0] in names


@given(requests())
def test_a_denial_covers_both_families_whole(request: Request) -> None:
    denials = [flow for flow in built(request).flows if flow.action == "deny"]
    assert {(flow.direction, flow.networks) for flow in denials} <= {("inbound", ANYWHERE)}


@given(requests())
def test_whatever_is_opened_to_others_is_denied_to_the_rest(request: Request) -> None:
    found = built(request).flows
    denied = {(flow.protocol, flow.port) for flow in found if flow.action == "deny"}
    opened = {flow for flow in found if flow.direction == "inbound" and flow.action == "allow" and not flow.section}
    assert {(flow.protocol, flow.port) for flow in opened} <= denied


@given(requests())
def test_each_product_adds_its_flows_to_those_of_the_others(request: Request) -> None:
    """A policy for several products opens what the policies for each of them open, no more and no less."""
    together = built(request).flows
    products = request.products if request.products is not None else default_products(request)
    alone = {
        (flow.direction, flow.action, flow.protocol, flow.port, network)
        for product in products
        for flow in built(Request(**{**vars(request), "products": [product]})).flows
        for network in flow.networks
    }
    if products:
        assert alone == {(*flow.match, network) for flow in together for network in flow.networks}


def default_products(request: Request) -> list[str]:
    sent = [d.product for d in built(request).destinations]
    return list(dict.fromkeys([*sent, "ntp"]))


# --- More flows of the user's -----------------------------------------------------------------------------------------

MIRROR = {"id": "mirror-tcp-443-out", "direction": "outbound", "protocol": "tcp", "port": 443}


def test_more_flows_stand_behind_the_others_in_their_checked_form() -> None:
    found = policy(products=["ntp"], extra_flows=[{**MIRROR, "networks": ["2001:db8:9::/48", "192.0.2.9"]}]).flows
    assert found[-1] == Flow.from_dict({**MIRROR, "networks": ["192.0.2.9/32", "2001:db8:9::/48"]})
    assert found[0].id == "ntp-udp-123-out"


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        (MIRROR, "has no networks"),
        ({**MIRROR, "network": ["192.0.2.9"]}, "the unknown key 'network'"),
        ({**MIRROR, "networks": ["192.0.2.9/8"]}, "host bits set"),
        ({**MIRROR, "networks": ["192.0.2.9"], "id": "ntp-udp-123-out"}, "give each its own id"),
    ],
)
def test_a_flow_of_the_user_s_that_is_none_is_an_error(flow: dict[str, t.Any], said: str) -> None:
    message = fault(products=["ntp"], extra_flows=[flow])
    assert message.startswith("The option extra_flows is wrong: ")
    assert said in message
