# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What Datadog documents about Agent traffic, as tables. Whoever follows a change there edits a row here, nothing else.

Source: docs.datadoghq.com, "Network Traffic" (https://docs.datadoghq.com/agent/configuration/network/), the current
edition, and an older one where a row says so; ports of the Agent's own also from its configuration reference,
datadog.yaml. That ``app.<site>`` is not within the published ranges is said in DataDog/datadog-unix-agent, pull
request 106. What an Agent sends out of the box (``default``) is from datadog.yaml as shipped and, where a release
changed it, from that release's documentation.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE
from ansible_collections.netwall.datadog.plugins.plugin_utils._version import EVERY, NONE, Releases, before, since

US1 = "datadoghq.com"
US3 = "us3.datadoghq.com"
US5 = "us5.datadoghq.com"
EU1 = "datadoghq.eu"
AP1 = "ap1.datadoghq.com"
AP2 = "ap2.datadoghq.com"
UK1 = "uk1.datadoghq.com"
US1_FED = "ddog-gov.com"
US2_FED = "us2.ddog-gov.com"

GOVERNMENT = (US1_FED, US2_FED)


@dataclasses.dataclass(frozen=True)
class Caution:
    """A sentence for the user, with ``{site}`` in it. It holds for some releases, and on ``sites`` (none: on all)."""

    text: str
    agents: Releases = EVERY
    workers: Releases = EVERY
    sites: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Site:
    """A Datadog site: ``site`` is what the Agent's setting of that name holds, ``rum`` where browsers send to."""

    name: str
    site: str
    rum: str

    @classmethod
    def unknown(cls, site: str) -> Site:
        """A site that is not in the table; its RUM intake is by the pattern of those that are."""
        labels, _dot, top = site.rpartition(".")
        return cls(site, site, f"browser-intake-{labels.replace('.', '-')}.{top}")


@dataclasses.dataclass(frozen=True)
class Route:
    """One way on which a product's data leaves the host.

    ``names``: FQDN templates; ``{app}`` and ``{flare}`` hold the Agent's version, ``{rum}`` the site's RUM intake.
    Where the other end is, is said by one of: ``section``, a section of the address ranges; ``given``, the option by
    which the user says it; neither, when the names resolve to addresses outside the ranges.
    ``https``: goes through the Agent's proxy where there is one; everything else goes straight.
    ``port_on``: where a site has another port. ``only_on`` (none: everywhere), ``not_on``, ``agents``, ``workers``,
    ``logs_transport``: when this route is taken. ``hint``: what to do where a site does not offer it.
    """

    names: tuple[str, ...] = ()
    section: str | None = None
    given: str | None = None
    protocol: str = "tcp"
    port: int = 443
    port_on: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    https: bool = True
    purpose: str = ""
    only_on: tuple[str, ...] = ()
    not_on: tuple[str, ...] = ()
    agents: Releases = EVERY
    workers: Releases = EVERY
    logs_transport: str | None = None
    cautions: tuple[Caution, ...] = ()
    hint: str = ""


@dataclasses.dataclass(frozen=True)
class Product:
    """Something that an Agent may do. ``agents`` can do it, ``default`` do it with the settings as shipped.

    ``only_on`` (none: everywhere) and ``not_on`` are sites. Every route whose own conditions hold is taken.
    """

    name: str
    title: str
    routes: tuple[Route, ...]
    agents: Releases = EVERY
    default: Releases = NONE
    only_on: tuple[str, ...] = ()
    not_on: tuple[str, ...] = ()
    cautions: tuple[Caution, ...] = ()


def is_offered(what: Product | Route, site: str) -> bool:
    """Whether *site* has *what*."""
    return site not in what.not_on and (not what.only_on or site in what.only_on)


@dataclasses.dataclass(frozen=True)
class LocalPort:
    """A port on which the Agent listens for programs of the same host.

    ``setting``: where datadog.yaml moves it. ``on_request``: it is closed unless the configuration opens it.
    ``may_open``: other hosts have a documented reason to reach it; all others are never opened.
    """

    name: str
    title: str
    port: int
    protocol: str = "tcp"
    setting: str = ""
    agents: Releases = EVERY
    on_request: bool = False
    may_open: bool = False


@dataclasses.dataclass(frozen=True)
class Source:
    """Something of Datadog's that connects to the user, from the addresses of ``section``."""

    name: str
    title: str
    section: str
    has_locations: bool = False


# --- Sites ------------------------------------------------------------------------------------------------------------

SITES = (
    Site("US1", US1, "browser-intake-datadoghq.com"),
    Site("US3", US3, "browser-intake-us3-datadoghq.com"),
    Site("US5", US5, "browser-intake-us5-datadoghq.com"),
    Site("EU1", EU1, "browser-intake-datadoghq.eu"),
    Site("AP1", AP1, "browser-intake-ap1-datadoghq.com"),
    Site("AP2", AP2, "browser-intake-ap2-datadoghq.com"),
    # The intakes of the next one and of the last follow the pattern of the others: see _RUM.
    Site("UK1", UK1, "browser-intake-uk1-datadoghq.com"),
    Site("US1-FED", US1_FED, "browser-intake-ddog-gov.com"),
    # Stands in Datadog's API reference; the Network Traffic page has no word on it.
    Site("US2-FED", US2_FED, "browser-intake-us2-ddog-gov.com"),
)

# How the name of a site begins that stands below another's (us3.datadoghq.com, us2.ddog-gov.com).
SITE_LABEL = r"[a-z]{2}[0-9]{1,2}"

# What the wildcard in the names of intakes stands for: 7-60-0-app.
VERSION_LABEL = r"[0-9]+-[0-9]+-[0-9]+-[a-z]+"

# An Agent whose dd_url is https://app.<site> asks the name with its version in it: that of the documentation.
ALIAS = "app"

# The port of an endpoint that is no site's, when it is not said.
ENDPOINT_PORT = 443

# --- Cautions that hold whatever the products -------------------------------------------------------------------------

CAUTIONS = (
    Caution(
        "The site {site} stands in Datadog's API reference alone: its names and offers are assumed to be those of "
        f"{US1_FED}.",
        sites=(US2_FED,),
    ),
    Caution(
        "From version 7.67.0 on the Agent asks DNS for its sites' names with a trailing dot (trace.agent.{site}.): "
        "filters and proxies that go by name must take both forms.",
        agents=since("7.67.0"),
    ),
    # The documentation gives the names; that they are not in the ranges is by design.
    Caution(
        "Packages and keys (install., apt., yum., keys. and windows-agent.datadoghq.com) and the address ranges "
        "themselves (ip-ranges.{site}) cannot be allowed by address: where outgoing traffic is denied, fetch them "
        "through a mirror or a proxy.",
    ),
)

# --- Products ---------------------------------------------------------------------------------------------------------

# Where a document lacks a section, the first of these that it has stands in for it.
FALLBACK_SECTIONS = ("global", "agents")

# The major releases that the tables speak of.
MAJORS = (4, 5, 6, 7)

# "To the servers configured, or anywhere."
DEFAULT_NETWORKS = {"ntp_networks": ANYWHERE}

# "Agent 5 and 4: 443/tcp and 123/udp alone."
OLD_AGENTS = before("6.0.0")
OLD_AGENT_PORTS = (("tcp", 443), ("udp", 123))

# The transport of logs that an Agent takes unless it is told: the first row that holds.
LOGS_TRANSPORTS = (("http", since("6.19.0", "7.19.0")), ("tcp", EVERY))

OTHER_TRANSPORT = (
    "Agent {agent} sends logs over {default} unless it is told otherwise, which {site} does not offer: the policy is "
    "for {other}, so set logs_config.use_http."
)

# Log intakes over TCP are deprecated, and were never offered elsewhere.
_TCP_LOG_PORTS = {US1: 10516, EU1: 443}

_HTTP_FALLS_BACK = Caution(
    "At start the Agent tries to send logs over HTTPS and falls back to TCP, for which nothing is opened: set "
    "logs_config.force_use_http to keep it to HTTPS.",
    agents=since("6.19.0", "7.19.0"),
)
_TCP_DEPRECATED = Caution("Datadog has deprecated logs over TCP: have the Agent send them over HTTP.")
_HIPAA_PORT = Caution(
    "The documentation does not say on which ports the legacy HIPAA log intakes listen: those over TCP are taken to "
    "share the site's port for logs over TCP, or 443 where it has none."
)
_RUM = (
    Caution("RUM data is sent by browsers, not by the Agent: rum opens the way for browsers on this very host."),
    Caution(
        "The RUM intake of {site} is derived from the pattern of the other sites: the documentation does not confirm "
        "it.",
        sites=(UK1, US2_FED),
    ),
)
_WORKER_GAP = Caution(
    "The documentation does not say where private location workers 0.1.5 and 0.1.6 send to: both the older and the "
    "newer intake are listed.",
    workers=Releases((("0.1.5", "0.1.7"),)),
)

_WORKERS = "synthetics-private-locations"

PRODUCTS = (
    Product(
        "metrics",
        "metrics, service checks, events and metadata",
        (
            Route(("{app}.agent.{site}",), "agents", agents=since("5.2.0")),
            Route(("app.{site}",), agents=before("5.2.0")),
        ),
        default=EVERY,
    ),
    Product(
        "key-check",
        "check of the API key",
        (
            Route(("api.{site}",), "api", agents=since("6.18.0", "7.18.0")),
            Route(("app.{site}",), agents=Releases((("", "6.18.0"), ("7.0.0", "7.18.0")))),
        ),
        agents=since("6.1.0"),
        default=since("6.1.0"),
    ),
    # By default although it is sent at an operator's command alone: it opens nothing that metrics does not. The
    # naming by version begins with that of metrics.
    Product(
        "flare",
        "flares",
        (Route(("{flare}.agent.{site}",), "agents"),),
        default=since("5.2.0"),
    ),
    # apm_config.enabled is true as shipped; Agent 5 had the Trace Agent on from 5.13.0.
    Product(
        "apm",
        "APM",
        (Route(("trace.agent.{site}", "instrumentation-telemetry-intake.{site}"), "apm"),),
        default=since("5.13.0"),
    ),
    # By libraries that are told to.
    Product("llm-observability", "LLM observability", (Route(("llmobs-intake.{site}",), "global"),)),
    # By libraries that are told to, through the Agent.
    Product("profiling", "profiling", (Route(("intake.profile.{site}",), "global"),)),
    # process_config.process_collection is off, but process_discovery is on and sends to the same intake; since 7.34.
    Product(
        "processes",
        "live processes",
        (Route(("process.{site}",), "process"),),
        default=since("6.34.0", "7.34.0"),
    ),
    # process_config.container_collection is on as shipped.
    Product(
        "containers",
        "live containers",
        (Route(("process.{site}",), "process"),),
        default=since("6.0.0"),
    ),
    # The next two: by system-probe, off as shipped.
    Product("network-monitoring", "network monitoring", (Route(("process.{site}",), "process"),)),
    Product("universal-service-monitoring", "universal service monitoring", (Route(("process.{site}",), "process"),)),
    # In Kubernetes and on container hosts alone.
    Product(
        "orchestrator",
        "orchestrator",
        (Route(("orchestrator.{site}", "contlcycle-intake.{site}"), "orchestrator"),),
    ),
    # On container hosts alone; not by default, since it needs the addresses of all of Datadog.
    Product("container-images", "container images", (Route(("contimage-intake.{site}",), "global"),)),
    # sbom.enabled is off as shipped.
    Product("sbom", "vulnerabilities (SBOM)", (Route(("sbom-intake.{site}",), "global"),)),
    # logs_enabled is off as shipped. Agents 4 and 5 collect no logs.
    Product(
        "logs",
        "logs",
        (
            Route(
                ("agent-http-intake.logs.{site}",),
                "logs",
                logs_transport="http",
                purpose="logs over HTTP",
                cautions=(_HTTP_FALLS_BACK,),
            ),
            Route(
                ("agent-intake.logs.{site}",),
                "logs",
                port_on=_TCP_LOG_PORTS,
                https=False,
                only_on=tuple(_TCP_LOG_PORTS),
                logs_transport="tcp",
                purpose="logs over TCP",
                cautions=(_TCP_DEPRECATED,),
                hint="set logs_transport to http",
            ),
        ),
        agents=since("6.0.0"),
    ),
    Product(
        "logs-hipaa",
        "HIPAA logs (legacy)",
        (
            Route(("http-encrypted-intake.logs.{site}", "gcp-encrypted-intake.logs.{site}"), "logs"),
            Route(
                ("lambda-tcp-encrypted-intake.logs.{site}",),
                "logs",
                port_on=_TCP_LOG_PORTS,
                https=False,
            ),
            Route(
                ("tcp-encrypted-intake.logs.{site}",),
                "logs",
                port_on=_TCP_LOG_PORTS,
                https=False,
                only_on=tuple(_TCP_LOG_PORTS),
            ),
        ),
        agents=since("6.0.0"),
        not_on=(AP1, AP2, UK1),
        cautions=(_HIPAA_PORT,),
    ),
    # Where devices are configured.
    Product(
        "network-devices",
        "network devices",
        (Route(("ndm-intake.{site}", "snmp-traps-intake.{site}", "ndmflow-intake.{site}"), "global"),),
    ),
    # Where paths are configured.
    Product("network-path", "network path", (Route(("netpath-intake.{site}",), "global"),)),
    # Where an integration has dbm on.
    Product(
        "database-monitoring",
        "database monitoring",
        (Route(("dbm-metrics-intake.{site}", "dbquery-intake.{site}"), "global"),),
        not_on=GOVERNMENT,
    ),
    # remote_configuration.enabled is true since 7.47.0.
    Product(
        "remote-configuration",
        "remote configuration",
        (Route(("config.{site}",), "remote-configuration"),),
        default=since("7.47.0"),
        not_on=GOVERNMENT,
    ),
    # A trial of protocols without customers' data; nothing is lost without it, so it is not by default.
    Product(
        "remote-configuration-test",
        "connectivity test of remote configuration",
        (Route(("config.{site}",), "remote-configuration", port=8042, https=False),),
        only_on=(US1, EU1),
    ),
    # Where software inventory is on.
    Product(
        "end-user-devices",
        "end user devices",
        (Route(("softinv-intake.{site}", "eudm-intake.{site}"), "global"),),
        not_on=GOVERNMENT,
    ),
    Product("rum", "RUM", (Route(("{rum}",), "global"),), cautions=_RUM),
    # The older edition of the page.
    Product("rum-older", "RUM (older intake)", (Route(("rum-http-intake.logs.{site}",), "logs"),), cautions=_RUM[:1]),
    # "> 0.1.6" and "> 0.2.0" begin with the next patch.
    Product(
        "synthetics-private-location",
        "Synthetics private location",
        (
            Route(("api.{site}",), _WORKERS, workers=before("0.1.7")),
            Route(("intake.synthetics.{site}",), _WORKERS, workers=since("0.1.5")),
            Route(("intake-v2.synthetics.{site}",), _WORKERS, workers=Releases((("0.2.1", "1.5.0"),))),
        ),
        cautions=(_WORKER_GAP,),
    ),
    # The check ntp is on as shipped, in every Agent.
    Product(
        "ntp",
        "NTP",
        (Route(given="ntp_networks", protocol="udp", port=123, https=False),),
        default=EVERY,
    ),
    # In Kubernetes alone, all three of them to the cluster and not to Datadog.
    Product(
        "kubelet",
        "kubelet",
        (
            Route(given="cluster_networks", port=10250, https=False, purpose="kubelet over HTTPS"),
            Route(given="cluster_networks", port=10255, https=False, purpose="kubelet over HTTP, not encrypted"),
        ),
    ),
    Product(
        "autoscaling",
        "custom Agent autoscaling",
        (Route(given="cluster_networks", port=8443, https=False),),
        only_on=(US1, EU1),
    ),
    # Where devices are configured.
    Product(
        "snmp",
        "SNMP",
        (Route(given="device_networks", protocol="udp", port=161, https=False),),
    ),
)

# --- The Agent's own ports --------------------------------------------------------------------------------------------

_NEW = since("6.0.0")
_OLD = before("6.0.0")
_OTLP = "otlp_config.receiver.protocols"
_NETFLOW = "network_devices.netflow.listeners"

LOCAL_PORTS = (
    LocalPort("expvar", "go_expvar", 5000, setting="expvar_port", agents=_NEW),
    LocalPort("cmd", "IPC API", 5001, setting="cmd_port", agents=_NEW),
    # Off (-1) as shipped on Linux, on elsewhere.
    LocalPort("gui", "browser GUI", 5002, setting="GUI_port", agents=_NEW),
    LocalPort("apm-expvar", "APM go_expvar", 5012, setting="apm_config.debug.port", agents=_NEW),
    LocalPort("process-expvar", "Process Agent debug", 6062, setting="process_config.expvar_port"),
    LocalPort("process-cmd", "Process Agent runtime settings", 6162, setting="process_config.cmd_port"),
    LocalPort("dogstatsd", "DogStatsD", 8125, "udp", setting="dogstatsd_port", may_open=True),
    LocalPort("apm", "APM receiver", 8126, setting="apm_config.receiver_port", may_open=True),
    # The next two are set in datadog.conf. The graphite adapter is off as shipped.
    LocalPort("forwarder", "forwarder", 17123, setting="listen_port", agents=_OLD),
    LocalPort("graphite", "graphite adapter", 17124, setting="graphite_listen_port", agents=_OLD),
    LocalPort("otlp-grpc", "OTLP over gRPC", 4317, setting=f"{_OTLP}.grpc.endpoint", on_request=True, may_open=True),
    LocalPort("otlp-http", "OTLP over HTTP", 4318, setting=f"{_OTLP}.http.endpoint", on_request=True, may_open=True),
    LocalPort(
        "snmp-traps",
        "SNMP traps",
        9162,
        "udp",
        setting="network_devices.snmp_traps.port",
        on_request=True,
        may_open=True,
    ),
    # Named as the setting's flow_type.
    LocalPort("netflow9", "NetFlow 9", 2055, "udp", setting=_NETFLOW, on_request=True, may_open=True),
    LocalPort("netflow5", "NetFlow 5", 2056, "udp", setting=_NETFLOW, on_request=True, may_open=True),
    LocalPort("ipfix", "IPFIX", 4739, "udp", setting=_NETFLOW, on_request=True, may_open=True),
    LocalPort("sflow5", "sFlow", 6343, "udp", setting=_NETFLOW, on_request=True, may_open=True),
)

# --- What Datadog connects from ---------------------------------------------------------------------------------------

SOURCES = (
    Source("webhooks", "webhooks of Datadog", "webhooks"),
    Source("synthetics", "Synthetic tests of Datadog", "synthetics", has_locations=True),
)
