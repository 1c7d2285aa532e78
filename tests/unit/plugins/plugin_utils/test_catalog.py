# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Datadog documents, site by site, version by version and product by product, written down by hand.

The tables here are made from the documentation and not from the catalog: they are what the catalog is held against.
"""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.plugin_utils._request import Request
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._documents import DOCUMENT, built

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._policy import Policy

# The site and its RUM browser intake.
SITES = {
    "datadoghq.com": "browser-intake-datadoghq.com",
    "us3.datadoghq.com": "browser-intake-us3-datadoghq.com",
    "us5.datadoghq.com": "browser-intake-us5-datadoghq.com",
    "datadoghq.eu": "browser-intake-datadoghq.eu",
    "ap1.datadoghq.com": "browser-intake-ap1-datadoghq.com",
    "ap2.datadoghq.com": "browser-intake-ap2-datadoghq.com",
    "uk1.datadoghq.com": "browser-intake-uk1-datadoghq.com",
    "ddog-gov.com": "browser-intake-ddog-gov.com",
    "us2.ddog-gov.com": "browser-intake-us2-ddog-gov.com",
}
VERSIONS = ("5.1.0", "5.11.3", "6.17.0", "7.17.0", "7.18.0", "7.60.0")

# product | versions | sites | what is sent, each as NAME SECTION PORT/PROTOCOL, or @OPTION PORT/PROTOCOL.
# In versions and sites * is all and ! is all but; VERSION in a name stands for 7-60-0 and so on, SITE for the site.
# What has no row for a product, a version and a site is not sent: nothing may be opened for it.
FACTS = """
metrics        | 5.1.0  | * | app.SITE - 443/tcp
metrics        | !5.1.0 | * | VERSION-app.agent.SITE agents 443/tcp
key-check      | 6.17.0 7.17.0 | * | app.SITE - 443/tcp
key-check      | 7.18.0 7.60.0 | * | api.SITE api 443/tcp
flare          | * | * | VERSION-flare.agent.SITE agents 443/tcp
apm            | * | * | trace.agent.SITE apm 443/tcp, instrumentation-telemetry-intake.SITE apm 443/tcp
llm-observability | * | * | llmobs-intake.SITE global 443/tcp
profiling      | * | * | intake.profile.SITE global 443/tcp
processes      | * | * | process.SITE process 443/tcp
containers     | * | * | process.SITE process 443/tcp
network-monitoring | * | * | process.SITE process 443/tcp
universal-service-monitoring | * | * | process.SITE process 443/tcp
orchestrator   | * | * | orchestrator.SITE orchestrator 443/tcp, contlcycle-intake.SITE orchestrator 443/tcp
container-images | * | * | contimage-intake.SITE global 443/tcp
sbom           | * | * | sbom-intake.SITE global 443/tcp
logs           | 6.17.0 7.17.0 7.18.0 | datadoghq.com | agent-intake.logs.SITE logs 10516/tcp
logs           | 6.17.0 7.17.0 7.18.0 | datadoghq.eu  | agent-intake.logs.SITE logs 443/tcp
logs           | 6.17.0 7.17.0 7.18.0 | !datadoghq.com datadoghq.eu | agent-http-intake.logs.SITE logs 443/tcp
logs           | 7.60.0 | * | agent-http-intake.logs.SITE logs 443/tcp
logs-hipaa     | !5.1.0 5.11.3 | datadoghq.com | http-encrypted-intake.logs.SITE logs 443/tcp
logs-hipaa     | !5.1.0 5.11.3 | datadoghq.com | gcp-encrypted-intake.logs.SITE logs 443/tcp
logs-hipaa     | !5.1.0 5.11.3 | datadoghq.com | tcp-encrypted-intake.logs.SITE logs 10516/tcp
logs-hipaa     | !5.1.0 5.11.3 | datadoghq.com | lambda-tcp-encrypted-intake.logs.SITE logs 10516/tcp
logs-hipaa     | !5.1.0 5.11.3 | datadoghq.eu | http-encrypted-intake.logs.SITE logs 443/tcp
logs-hipaa     | !5.1.0 5.11.3 | datadoghq.eu | gcp-encrypted-intake.logs.SITE logs 443/tcp
logs-hipaa     | !5.1.0 5.11.3 | datadoghq.eu | tcp-encrypted-intake.logs.SITE logs 443/tcp
logs-hipaa     | !5.1.0 5.11.3 | datadoghq.eu | lambda-tcp-encrypted-intake.logs.SITE logs 443/tcp
logs-hipaa     | !5.1.0 5.11.3 | us3.datadoghq.com | http-encrypted-intake.logs.SITE logs 443/tcp
logs-hipaa     | !5.1.0 5.11.3 | us5.datadoghq.com | http-encrypted-intake.logs.SITE logs 443/tcp
logs-hipaa     | !5.1.0 5.11.3 | us3.datadoghq.com | gcp-encrypted-intake.logs.SITE logs 443/tcp
logs-hipaa     | !5.1.0 5.11.3 | us5.datadoghq.com | gcp-encrypted-intake.logs.SITE logs 443/tcp
logs-hipaa     | !5.1.0 5.11.3 | us3.datadoghq.com | lambda-tcp-encrypted-intake.logs.SITE logs 443/tcp
logs-hipaa     | !5.1.0 5.11.3 | us5.datadoghq.com | lambda-tcp-encrypted-intake.logs.SITE logs 443/tcp
logs-hipaa     | !5.1.0 5.11.3 | ddog-gov.com us2.ddog-gov.com | http-encrypted-intake.logs.SITE logs 443/tcp
logs-hipaa     | !5.1.0 5.11.3 | ddog-gov.com us2.ddog-gov.com | gcp-encrypted-intake.logs.SITE logs 443/tcp
logs-hipaa     | !5.1.0 5.11.3 | ddog-gov.com us2.ddog-gov.com | lambda-tcp-encrypted-intake.logs.SITE logs 443/tcp
network-devices | * | * | ndm-intake.SITE global 443/tcp, snmp-traps-intake.SITE global 443/tcp
network-devices | * | * | ndmflow-intake.SITE global 443/tcp
network-path   | * | * | netpath-intake.SITE global 443/tcp
database-monitoring | * | !ddog-gov.com us2.ddog-gov.com | dbm-metrics-intake.SITE global 443/tcp
database-monitoring | * | !ddog-gov.com us2.ddog-gov.com | dbquery-intake.SITE global 443/tcp
remote-configuration | * | !ddog-gov.com us2.ddog-gov.com | config.SITE remote-configuration 443/tcp
remote-configuration-test | !5.1.0 5.11.3 | datadoghq.com datadoghq.eu | config.SITE remote-configuration 8042/tcp
end-user-devices | * | !ddog-gov.com us2.ddog-gov.com | softinv-intake.SITE global 443/tcp
end-user-devices | * | !ddog-gov.com us2.ddog-gov.com | eudm-intake.SITE global 443/tcp
rum            | * | * | RUM global 443/tcp
rum-older      | * | * | rum-http-intake.logs.SITE logs 443/tcp
synthetics-private-location | * | * | intake.synthetics.SITE synthetics-private-locations 443/tcp
ntp            | * | * | @ntp_networks 123/udp
kubelet        | !5.1.0 5.11.3 | * | @cluster_networks 10250/tcp, @cluster_networks 10255/tcp
autoscaling    | !5.1.0 5.11.3 | datadoghq.com datadoghq.eu | @cluster_networks 8443/tcp
snmp           | !5.1.0 5.11.3 | * | @device_networks 161/udp
"""

# Where the host's own networks are given, each by an address that tells it from the others.
GIVEN = {
    "ntp_networks": "198.51.100.1/32",
    "cluster_networks": "198.51.100.2/32",
    "device_networks": "198.51.100.3/32",
}

Expected = set[tuple[str, str, str, int]]


def _holds(choice: str, value: str) -> bool:
    listed = choice.lstrip("!").split()
    return choice == "*" or (value in listed) != choice.startswith("!")


def _expected(product: str, version: str, site: str) -> Expected:
    """What is sent, as name (or @option), section (or -), protocol and port."""
    expected: Expected = set()
    for row in FACTS.strip().splitlines():
        name, versions, sites, sent = (column.strip() for column in row.split("|"))
        if name == product and _holds(versions, version) and _holds(sites, site):
            for item in sent.split(","):
                *place, port = item.split()
                number, protocol = port.split("/")
                fqdn = place[0].replace("VERSION", version.replace(".", "-")).replace("SITE", site)
                fqdn = SITES[site] if fqdn == "RUM" else fqdn
                expected.add((fqdn, place[1] if len(place) > 1 else "-", protocol, int(number)))
    return expected


def _policy(product: str, version: str, site: str) -> Policy:
    given: dict[str, t.Any] = {option: [network] for option, network in GIVEN.items()}
    return built(Request(site=site, agent_version=version, products=[product], **given), DOCUMENT)


PRODUCTS = sorted({row.split("|")[0].strip() for row in FACTS.strip().splitlines()})
every_row = pytest.mark.parametrize(
    ("product", "version", "site"),
    [(product, version, site) for product in PRODUCTS for version in VERSIONS for site in SITES],
)


@every_row
def test_destinations_are_the_documented_ones(product: str, version: str, site: str) -> None:
    policy = _policy(product, version, site)
    expected = {row for row in _expected(product, version, site) if not row[0].startswith("@")}
    found = {(d.fqdn, d.section or "-", d.protocol, d.port) for d in policy.destinations}
    assert found == expected
    assert {d.product for d in policy.destinations} <= {product}


@every_row
def test_flows_open_the_documented_sections_and_networks_and_nothing_else(
    product: str, version: str, site: str
) -> None:
    expected: set[tuple[str, int, tuple[str, ...]]] = set()
    for name, section, protocol, port in _expected(product, version, site):
        if name.startswith("@"):
            expected.add((protocol, port, (GIVEN[name[1:]],)))
        elif section != "-":
            expected.add((protocol, port, DOCUMENT.sections[section].ipv4 + DOCUMENT.sections[section].ipv6))
    outbound = [flow for flow in _policy(product, version, site).flows if flow.direction == "outbound"]
    assert {(flow.protocol, flow.port, flow.networks) for flow in outbound} == expected
    assert all(flow.action == "allow" for flow in outbound)


@every_row
def test_what_is_not_opened_is_warned_of(product: str, version: str, site: str) -> None:
    expected = _expected(product, version, site)
    outside = [name for name, section, *_place in expected if section == "-" and not name.startswith("@")]
    warnings = _policy(product, version, site).warnings
    refused = [warning for warning in warnings if f"the product {product}" in warning.lower()]
    by_name = [warning for warning in warnings if "resolves to addresses outside the published ranges" in warning]
    assert bool(refused) == (not expected)
    assert bool(by_name) == bool(outside)


# What an Agent of each version sends with the settings as shipped, on a site that offers everything.
BY_DEFAULT = {
    "4.4.0": {"metrics", "ntp"},
    "5.1.0": {"metrics", "ntp"},
    "5.11.3": {"metrics", "flare", "ntp"},
    "5.13.0": {"metrics", "flare", "apm", "ntp"},
    "6.0.0": {"metrics", "flare", "apm", "containers", "ntp"},
    "6.17.0": {"metrics", "key-check", "flare", "apm", "containers", "ntp"},
    "7.17.0": {"metrics", "key-check", "flare", "apm", "containers", "ntp"},
    "7.18.0": {"metrics", "key-check", "flare", "apm", "containers", "ntp"},
    "7.46.0": {"metrics", "key-check", "flare", "apm", "containers", "processes", "ntp"},
    "7.60.0": {"metrics", "key-check", "flare", "apm", "containers", "processes", "remote-configuration", "ntp"},
}


def _sent_by_default(version: str, site: str) -> Policy:
    return built(Request(site=site, agent_version=version, ntp_networks=[GIVEN["ntp_networks"]]), DOCUMENT)


@pytest.mark.parametrize("version", BY_DEFAULT)
def test_by_default_an_agent_gets_what_it_sends_out_of_the_box(version: str) -> None:
    policy = _sent_by_default(version, "datadoghq.com")
    has_ntp = any(flow.id == "ntp-udp-123-out" for flow in policy.flows)
    assert {d.product for d in policy.destinations} | ({"ntp"} if has_ntp else set()) == BY_DEFAULT[version]


@pytest.mark.parametrize("site", ["ddog-gov.com", "us2.ddog-gov.com"])
def test_by_default_remote_configuration_is_left_out_without_a_word_where_it_is_not_offered(site: str) -> None:
    policy = _sent_by_default("7.60.0", site)
    assert "remote-configuration" not in {d.product for d in policy.destinations}
    assert not [warning for warning in policy.warnings if "is not offered" in warning]


# name, port, protocol, Agents
LOCAL_PORTS = """
expvar 5000/tcp 6 7
cmd 5001/tcp 6 7
gui 5002/tcp 6 7
apm-expvar 5012/tcp 6 7
process-expvar 6062/tcp 4 5 6 7
process-cmd 6162/tcp 4 5 6 7
dogstatsd 8125/udp 4 5 6 7
apm 8126/tcp 4 5 6 7
forwarder 17123/tcp 4 5
graphite 17124/tcp 4 5
"""

ON_REQUEST = """
otlp-grpc 4317/tcp
otlp-http 4318/tcp
snmp-traps 9162/udp
netflow9 2055/udp
netflow5 2056/udp
ipfix 4739/udp
sflow5 6343/udp
"""


@pytest.mark.parametrize("version", ["4.4.0", "5.1.0", "5.11.3", "6.17.0", "7.17.0", "7.18.0", "7.60.0"])
def test_the_ports_that_an_agent_listens_on_are_denied_to_everyone(version: str) -> None:
    expected = set()
    for name, place, *majors in (row.split() for row in LOCAL_PORTS.strip().splitlines()):
        port, protocol = place.split("/")
        if version[0] in majors:
            expected.add((f"{name}-{protocol}-{port}-in-deny", protocol, int(port), ("0.0.0.0/0", "::/0")))
    flows = built(Request(site="datadoghq.com", agent_version=version, products=[]), None).flows
    assert {(flow.id, flow.protocol, flow.port, flow.networks) for flow in flows} == expected
    assert {(flow.direction, flow.action) for flow in flows} == {("inbound", "deny")}


@pytest.mark.parametrize("row", ON_REQUEST.strip().splitlines())
def test_a_port_that_the_configuration_opens_is_denied_on_request_alone(row: str) -> None:
    name, place = row.split()
    port, protocol = place.split("/")
    by_default = built(Request(site="datadoghq.com", products=[]), None)
    asked = built(Request(site="datadoghq.com", products=[], ports={name: int(port)}), None)
    assert {flow.id for flow in asked.flows} - {flow.id for flow in by_default.flows} == {
        f"{name}-{protocol}-{port}-in-deny"
    }


# Worker version, and the intakes of its results.
WORKERS = {
    None: {"intake.synthetics"},
    "1.5.0": {"intake.synthetics"},
    "1.40.0": {"intake.synthetics"},
    "1.4.9": {"intake.synthetics", "intake-v2.synthetics"},
    "0.2.1": {"intake.synthetics", "intake-v2.synthetics"},
    "0.2.0": {"intake.synthetics"},
    "0.1.7": {"intake.synthetics"},
    "0.1.4": {"api"},
    # Not documented: whichever of the two it is.
    "0.1.5": {"intake.synthetics", "api"},
    "0.1.6": {"intake.synthetics", "api"},
}


@pytest.mark.parametrize("version", WORKERS)
def test_a_private_location_worker_sends_to_the_intakes_of_its_version(version: str | None) -> None:
    request = Request(site="datadoghq.com", products=["synthetics-private-location"], worker_version=version)
    policy = built(request)
    assert {d.fqdn.removesuffix(".datadoghq.com") for d in policy.destinations} == WORKERS[version]
    assert {d.section for d in policy.destinations} == {"synthetics-private-locations"}
    is_undocumented = version in ("0.1.5", "0.1.6")
    assert any("0.1.5 and 0.1.6" in warning for warning in policy.warnings) == is_undocumented
