# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What an Agent's settings mean for its traffic, as tables. Whoever follows a change there edits a row, nothing else.

Sources: the Agent's configuration reference, datadog.yaml as shipped (each setting with its variable, ``@param`` and
``@env``); docs.datadoghq.com, "Agent Environment Variables", "Agent Proxy Configuration", "Dual Shipping", "Agent
Transport for Logs", "OTLP Ingestion by the Datadog Agent", "NetFlow Monitoring" and "SNMP Traps"; for variables that
go by other names than their settings, and for what a setting is when it is not set, the Agent's public sources
(DataDog/datadog-agent, pkg/config/setup). Products and ports are those of the catalog; what a release does as shipped
is said there.

Not to be seen in these settings: what an integration is told in conf.d (Database Monitoring, devices to poll by SNMP,
network paths to test, the NTP servers), and what libraries that report to the Agent are told.
"""

from __future__ import annotations

import dataclasses

from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import PROBE, PROCESS, TRACE
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.values import Setting
from ansible_collections.netwall.datadog.plugins.plugin_utils._version import Version

SYSTEM_PROBE = "system-probe.yaml"

_NEWEST = Version((max(catalog.MAJORS),))

SITE = Setting("site")
DD_URL = Setting("dd_url", ("DD_DD_URL", "DD_URL"))

# --- Products ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Switch:
    """A setting that switches *products* on or off.

    ``is_on``: what it is when it is not set; None: what the catalog says of the release. A product is on when any of
    its switches is. ``kind``: ``flag``; ``filled``, on when a list has something in it; or a text that it must be.
    """

    products: tuple[str, ...]
    setting: Setting
    is_on: bool | None = False
    kind: str = "flag"


def _process(name: str, *more: str) -> Setting:
    """A setting of process_config, whose variables have two beginnings."""
    variable = name.upper().replace(".", "_")
    return Setting(
        f"process_config.{name}", (f"DD_PROCESS_CONFIG_{variable}", f"DD_PROCESS_AGENT_{variable}", *more), PROCESS
    )


PROCESS_COLLECTION = _process("process_collection.enabled")
CONTAINER_COLLECTION = _process("container_collection.enabled")
# The older way to say both: "true" processes, "false" containers, "disabled" neither. A variable that is not true
# disables.
PROCESS_CONFIG = _process("enabled")
PROCESS_CONFIG_MEANS = {"true": (True, False), "false": (False, True), "disabled": (False, False)}

SWITCHES = (
    Switch(("logs",), Setting("logs_enabled")),
    # Its older name.
    Switch(("logs",), Setting("log_enabled")),
    Switch(("apm",), Setting("apm_config.enabled", ("DD_APM_ENABLED",), TRACE), is_on=None),
    Switch(("processes",), PROCESS_COLLECTION),
    Switch(
        ("processes",),
        _process(
            "process_discovery.enabled", "DD_PROCESS_CONFIG_DISCOVERY_ENABLED", "DD_PROCESS_AGENT_DISCOVERY_ENABLED"
        ),
        is_on=None,
    ),
    Switch(("containers",), CONTAINER_COLLECTION, is_on=None),
    Switch(
        ("network-monitoring",),
        Setting("network_config.enabled", ("DD_SYSTEM_PROBE_NETWORK_ENABLED",), PROBE, SYSTEM_PROBE),
    ),
    Switch(
        ("universal-service-monitoring",),
        Setting(
            "service_monitoring_config.enabled", ("DD_SYSTEM_PROBE_SERVICE_MONITORING_ENABLED",), PROBE, SYSTEM_PROBE
        ),
    ),
    Switch(("remote-configuration",), Setting("remote_configuration.enabled"), is_on=None),
    # The next two are on as shipped, but do something in Kubernetes and on container hosts alone: where a host's own
    # file says so, that is what it is.
    Switch(("orchestrator",), Setting("orchestrator_explorer.enabled")),
    Switch(("container-images",), Setting("container_image.enabled")),
    Switch(("sbom",), Setting("sbom.enabled")),
    Switch(("network-devices",), Setting("network_devices.snmp_traps.enabled")),
    Switch(("network-devices",), Setting("network_devices.netflow.enabled")),
    Switch(("network-devices", "snmp"), Setting("network_devices.autodiscovery.configs"), kind="filled"),
    Switch(("network-devices", "snmp"), Setting("snmp_listener.configs"), kind="filled"),
    Switch(("network-path",), Setting("network_path.connections_monitoring.enabled")),
    Switch(("end-user-devices",), Setting("software_inventory.enabled")),
    Switch(("end-user-devices", "processes"), Setting("infrastructure_mode"), kind="end_user_device"),
    Switch(("database-monitoring",), Setting("database_monitoring.autodiscovery.aurora.enabled")),
    Switch(("database-monitoring",), Setting("database_monitoring.autodiscovery.rds.enabled")),
    Switch(("profiling",), Setting("internal_profiling.enabled")),
)

# --- Logs -------------------------------------------------------------------------------------------------------------

# The first of these that is on decides; without any the Agent takes what its release prefers.
LOGS_TRANSPORTS = (
    ("http", Setting("logs_config.force_use_http")),
    ("http", Setting("logs_config.use_http")),
    ("tcp", Setting("logs_config.force_use_tcp", ("DD_LOGS_CONFIG_FORCE_USE_TCP", "DD_LOGS_FORCE_USE_TCP"))),
    ("tcp", Setting("logs_config.use_tcp")),
)
# These make the Agent take TCP too, unless it is told to take HTTP.
LOGS_SOCKS = Setting("logs_config.socks5_proxy_address")
LOGS_ADDITIONAL = Setting("logs_config.additional_endpoints")

# --- Where data goes --------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Target:
    """A setting that says where data of *products* goes.

    ``kind``: ``url`` (a URL, or HOST:PORT); ``keys``, a mapping of URLs to API keys; ``hosts``, a list of mappings with
    a host and a port. ``needs``: counts only where that is on. ``instead_of``: counts only where none of those is set.
    ``replaces``: which documented name it takes the place of, of a product that has several. ``is_beside``: it moves
    what no documented name is for, so that those all stay.
    """

    products: tuple[str, ...]
    setting: Setting
    kind: str = "url"
    needs: Setting | None = None
    instead_of: tuple[Setting, ...] = ()
    replaces: str | None = None
    is_beside: bool = False

    @property
    def is_additional(self) -> bool:
        """Whether data goes there too, and not instead."""
        return self.kind != "url" or self.is_beside


_INTAKE = ("metrics", "key-check", "flare")
_PROCESSES = ("processes", "containers", "network-monitoring", "universal-service-monitoring")


def _apm(
    products: tuple[str, ...], name: str, kind: str = "url", replaces: str | None = None, *, is_beside: bool = False
) -> Target:
    """A setting of apm_config, whose variables begin with DD_APM."""
    variable = f"DD_APM_{name.removeprefix('apm_').upper().replace('.', '_')}"
    setting = Setting(f"apm_config.{name}", (variable,), TRACE)
    return Target(products, setting, kind, replaces=replaces, is_beside=is_beside)


def _forwarder(
    product: str, section: str, replaces: str | None = None, *, is_beside: bool = False
) -> tuple[Target, ...]:
    """The three settings that each section of those which send as logs do has."""
    first = Setting(f"{section}.logs_dd_url")
    return (
        Target((product,), first, replaces=replaces, is_beside=is_beside),
        Target((product,), Setting(f"{section}.dd_url"), instead_of=(first,), replaces=replaces, is_beside=is_beside),
        Target((product,), Setting(f"{section}.additional_endpoints"), kind="hosts"),
    )


def _pipelines(product: str, data: str, program: str, replaces: str | None = None) -> tuple[Target, ...]:
    """What sends *data* to a worker of Observability Pipelines, or Vector, and not to Datadog."""
    return tuple(
        Target(
            (product,),
            Setting(f"{section}.{data}.url", program=program),
            needs=Setting(f"{section}.{data}.enabled", program=program),
            replaces=replaces,
        )
        for section in ("observability_pipelines_worker", "vector")
    )


_ORCHESTRATOR = Setting(
    "orchestrator_explorer.orchestrator_dd_url",
    ("DD_ORCHESTRATOR_EXPLORER_ORCHESTRATOR_DD_URL", "DD_ORCHESTRATOR_URL"),
)

TARGETS = (
    Target(_INTAKE, DD_URL),
    Target(_INTAKE, Setting("additional_endpoints"), kind="keys"),
    *_pipelines("metrics", "metrics", "core"),
    _apm(("apm",), "apm_dd_url", replaces="trace.agent"),
    _apm(("apm",), "additional_endpoints", "keys"),
    _apm(("apm",), "telemetry.dd_url", replaces="instrumentation-telemetry-intake"),
    _apm(("apm",), "telemetry.additional_endpoints", "keys"),
    _apm(("apm",), "debugger_dd_url", is_beside=True),
    _apm(("apm",), "debugger_additional_endpoints", "keys"),
    _apm(("apm",), "debugger_diagnostics_dd_url", is_beside=True),
    _apm(("apm",), "debugger_diagnostics_additional_endpoints", "keys"),
    _apm(("apm",), "symdb_dd_url", is_beside=True),
    _apm(("apm",), "symdb_additional_endpoints", "keys"),
    _apm(("profiling",), "profiling_dd_url"),
    _apm(("profiling",), "profiling_additional_endpoints", "keys"),
    Target(("apm",), Setting("evp_proxy_config.dd_url", program=TRACE), is_beside=True),
    Target(("apm",), Setting("evp_proxy_config.additional_endpoints", program=TRACE), kind="keys"),
    *_pipelines("apm", "traces", TRACE, "trace.agent"),
    Target(("profiling",), Setting("internal_profiling.profile_dd_url"), needs=Setting("internal_profiling.enabled")),
    Target(_PROCESSES, _process("process_dd_url", "DD_PROCESS_AGENT_URL", "DD_PROCESS_CONFIG_URL")),
    Target(_PROCESSES, _process("additional_endpoints", "DD_PROCESS_ADDITIONAL_ENDPOINTS"), kind="keys"),
    Target(("processes",), _process("events_dd_url"), is_beside=True),
    Target(("processes",), _process("events_additional_endpoints"), kind="keys"),
    Target(("orchestrator",), _ORCHESTRATOR, replaces="orchestrator"),
    Target(("orchestrator",), _process("orchestrator_dd_url"), instead_of=(_ORCHESTRATOR,), replaces="orchestrator"),
    Target(
        ("orchestrator",),
        Setting(
            "orchestrator_explorer.orchestrator_additional_endpoints",
            ("DD_ORCHESTRATOR_EXPLORER_ORCHESTRATOR_ADDITIONAL_ENDPOINTS", "DD_ORCHESTRATOR_ADDITIONAL_ENDPOINTS"),
        ),
        kind="keys",
    ),
    Target(("orchestrator",), _process("orchestrator_additional_endpoints"), kind="keys"),
    *_forwarder("orchestrator", "container_lifecycle", "contlcycle-intake"),
    *_forwarder("container-images", "container_image"),
    *_forwarder("sbom", "sbom"),
    *_forwarder("logs", "logs_config"),
    *_pipelines("logs", "logs", "core"),
    *_forwarder("network-devices", "network_devices.metadata", "ndm-intake"),
    *_forwarder("network-devices", "network_devices.snmp_traps.forwarder", "snmp-traps-intake"),
    *_forwarder("network-devices", "network_devices.netflow.forwarder", "ndmflow-intake"),
    *_forwarder("network-path", "network_path.forwarder"),
    # Three settings for two documented names, which nobody says that they go to: none of these is taken for closed.
    *_forwarder("database-monitoring", "database_monitoring.samples", is_beside=True),
    *_forwarder("database-monitoring", "database_monitoring.activity", is_beside=True),
    *_forwarder("database-monitoring", "database_monitoring.metrics", is_beside=True),
    *_forwarder("end-user-devices", "software_inventory.forwarder", "softinv-intake"),
    Target(("remote-configuration",), Setting("remote_configuration.rc_dd_url")),
)

# The product whose destinations depend on the transport of logs, and the port that each has unless it is said.
LOGS = "logs"
LOGS_PORTS = {"http": 443, "tcp": 10516}

# Over TCP, LOGS_443 sends logs to 443 of LOGS_443_HOST instead of LOGS_HOST, whatever the site is.
LOGS_443 = Setting("logs_config.use_port_443")
LOGS_443_HOST = Setting("logs_config.dd_url_443")
LOGS_443_USUAL_HOST = "agent-443-intake.logs.datadoghq.com"
LOGS_HOST = Setting("logs_config.dd_url")

# --- The Agent's own ports --------------------------------------------------------------------------------------------

# What moves a port, by the port's name; those that are there on request alone are below.
PORTS = {
    **{
        local.name: Setting(local.setting)
        for local in catalog.LOCAL_PORTS
        if not local.on_request and _NEWEST in local.agents
    },
    # Where the variable has another name than the setting, or another program reads it.
    "apm": Setting("apm_config.receiver_port", ("DD_APM_RECEIVER_PORT", "DD_RECEIVER_PORT"), TRACE),
    "apm-expvar": Setting("apm_config.debug.port", ("DD_APM_DEBUG_PORT",), TRACE),
    "process-expvar": _process("expvar_port"),
    "process-cmd": _process("cmd_port"),
}

# What is no port, and what switches nothing on.
OFF = (0, -1)

# Ports that a setting closes when it is off.
CLOSED_BY = (
    ("dogstatsd", Setting("use_dogstatsd")),
    ("apm", Setting("apm_config.enabled", ("DD_APM_ENABLED",), TRACE)),
    ("apm", Setting("apm_config.receiver_enabled", ("DD_APM_RECEIVER_ENABLED",), TRACE)),
    ("apm-expvar", Setting("apm_config.enabled", ("DD_APM_ENABLED",), TRACE)),
)

# Ports that are opened to other hosts by a setting of their own; without it they listen on BIND_HOST.
OPENED_BY = (
    ("dogstatsd", Setting("dogstatsd_non_local_traffic")),
    ("apm", Setting("apm_config.apm_non_local_traffic", ("DD_APM_NON_LOCAL_TRAFFIC",), TRACE)),
)
BIND_HOST = Setting("bind_host")

# Ports that are there when their section is, by the section; each has an endpoint HOST:PORT, and listens everywhere
# unless that names another host. A transport other than these has no port.
OTLP = (
    ("otlp-grpc", "otlp_config.receiver.protocols.grpc"),
    ("otlp-http", "otlp_config.receiver.protocols.http"),
)
OTLP_TRANSPORTS = ("", "tcp", "tcp4", "tcp6")

SNMP_TRAPS = "network_devices.snmp_traps"
NETFLOW = "network_devices.netflow"
# By flow_type, which is also the port's name in the catalog.
NETFLOW_PORTS = {"netflow5": 2055, "netflow9": 2055, "ipfix": 4739, "sflow5": 6343}

# --- Proxy ------------------------------------------------------------------------------------------------------------

# The first that is there counts, even an empty one; then the file.
PROXY_VARIABLES = ("DD_PROXY_HTTPS", "HTTPS_PROXY", "https_proxy")
PROXY = Setting("proxy.https")
# The separators of the list in each.
NO_PROXY_VARIABLES = (("DD_PROXY_NO_PROXY", " ,"), ("NO_PROXY", ","), ("no_proxy", ","))
NO_PROXY = Setting("proxy.no_proxy")
NO_PROXY_NONEXACT = Setting("no_proxy_nonexact_match")
# With it, all goes to a proxy on the same host, and no other proxy counts.
FIPS = Setting("fips.enabled")

# Variables that every program of the Agent should have alike, as all of them send.
SHARED_VARIABLES = ("DD_SITE", *PROXY_VARIABLES, *(name for name, _separators in NO_PROXY_VARIABLES))

# --- Buffering --------------------------------------------------------------------------------------------------------

BUFFERING = {
    "memory_bytes": ("whole", Setting("forwarder_retry_queue_payloads_max_size")),
    "disk_bytes": ("whole", Setting("forwarder_storage_max_size_in_bytes")),
    "storage_path": ("text", Setting("forwarder_storage_path")),
    "disk_ratio": ("number", Setting("forwarder_storage_max_disk_ratio")),
    "outdated_days": ("whole", Setting("forwarder_outdated_file_in_days")),
}
# The folder in which it stores where the settings name none.
RUN_PATH = Setting("run_path")

# --- What nothing else here knows of ----------------------------------------------------------------------------------

# What is warned of when it is on, or set to something; ``kind`` is how it is read.
BEYOND: tuple[tuple[str, Setting, str], ...] = (
    ("flag", FIPS, "all data goes to the FIPS proxy of this host, whose own traffic has to be allowed by extra flows."),
    (
        "flag",
        Setting("multi_region_failover.enabled"),
        "where data goes on a failover has to be allowed by extra flows.",
    ),
    (
        "flag",
        Setting("runtime_security_config.enabled", program=PROBE, file=SYSTEM_PROBE),
        "the catalog does not know where Workload Protection sends to, which has to be allowed by extra flows.",
    ),
    (
        "flag",
        Setting("compliance_config.enabled"),
        "the catalog does not know where Cloud Security sends to, which has to be allowed by extra flows.",
    ),
    (
        "flag",
        Setting("external_metrics_provider.enabled"),
        "add the product autoscaling where this is a Cluster Agent.",
    ),
    (
        "port",
        Setting("health_port"),
        "on that port the Agent answers health checks of every host, which has to be dealt with by extra flows.",
    ),
    (
        "text",
        Setting("statsd_forward_host"),
        "DogStatsD forwards to that host, on the port of statsd_forward_port, which has to be allowed by extra flows.",
    ),
)

# --- Agent 5 ----------------------------------------------------------------------------------------------------------


AGENT5_SWITCHES = (
    Switch(("apm",), Setting("apm_enabled", ("DD_APM_ENABLED",), TRACE), is_on=None),
    Switch(("processes",), Setting("process_agent_enabled", ("DD_PROCESS_AGENT_ENABLED",), PROCESS)),
)
# A list, where data goes to several sites or accounts: the first is where it goes, the others are additional.
AGENT5_DD_URL = Setting("dd_url")
AGENT5_PORTS = {
    "dogstatsd": Setting("dogstatsd_port"),
    "forwarder": Setting("listen_port"),
    "graphite": Setting("graphite_listen_port"),
}
AGENT5_CLOSED_BY = (
    ("dogstatsd", Setting("use_dogstatsd")),
    ("apm", Setting("apm_enabled", ("DD_APM_ENABLED",), TRACE)),
)
AGENT5_OPENED_BY = (("dogstatsd", Setting("non_local_traffic")),)
AGENT5_PROXY_HOST = Setting("proxy_host")
AGENT5_PROXY_PORT = Setting("proxy_port")
AGENT5_PROXY_DEFAULT_PORT = 3128
