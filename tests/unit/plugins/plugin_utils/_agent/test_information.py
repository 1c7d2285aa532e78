# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is told of an Agent, from files and variables as they are on a host."""

from __future__ import annotations

import itertools
import json
import typing as t
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent import settings as table
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.document import AgentFileError
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import AgentHostError, host_of
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.information import inform
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.values import SettingError
from ansible_collections.netwall.datadog.plugins.plugin_utils._buffering.plan import Plan
from ansible_collections.netwall.datadog.plugins.plugin_utils._policy import build
from ansible_collections.netwall.datadog.plugins.plugin_utils._request import Request
from ansible_collections.netwall.datadog.tests._secrets import found
from ansible_collections.netwall.datadog.tests._tool import ROOT
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._agent._hosts import (
    PRODUCT,
    REGISTRY,
    SERVICES,
    UNINSTALL,
    UPGRADES,
    Action,
    WindowsAction,
    program,
    set_up,
)
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._documents import DOCUMENT

US1 = catalog.US1
KEY = "0123456789abcdef" * 2
PASSWORD = "pa$$" + "/w?rd"
HINT = "; percent-encode the signs / ? # of a user or password in it."
ENCODED = quote(PASSWORD, safe="")
SHIPPED = ["metrics", "key-check", "flare", "apm", "processes", "containers", "remote-configuration", "ntp"]
FLOW_TYPES = "ipfix, netflow5, netflow9, sflow5"
USUAL_STORAGE = "/opt/datadog-agent/run/transactions_to_retry"
_METRICS_AT_X = {(name, "x.example.com", 443, False) for name in ("metrics", "key-check", "flare")}
EXAMPLE = ROOT.parent / "shared" / "data" / "datadog.yaml.example"


def told_on(action: Action, path: str | None = None) -> dict[str, t.Any]:
    return inform(host_of(t.cast("t.Any", action), {}), path)


def told(folder: Path, yaml: str | None, **more: t.Any) -> dict[str, t.Any]:
    """What is told of a Linux host whose datadog.yaml is *yaml*."""
    return told_on(set_up(folder, yaml, **more), str(folder / "datadog.yaml"))


def told_by(folder: Path, variables: dict[str, str], yaml: str = "") -> dict[str, t.Any]:
    """What is told of a Linux host whose Agent's services all have these variables."""
    units = dict.fromkeys(("datadog-agent", "datadog-agent-trace", "datadog-agent-process"), variables)
    return told(folder, yaml, units=units)


# --- The whole --------------------------------------------------------------------------------------------------------


def test_all_that_is_told(tmp_path: Path) -> None:
    yaml = f"""\
api_key: {KEY}
site: datadoghq.eu
logs_enabled: true
logs_config:
  force_use_tcp: true
dogstatsd_port: 8225
dogstatsd_non_local_traffic: true
proxy:
  https: http://user:{ENCODED}@proxy.example.com:3128
  no_proxy: [intake.example.com]
additional_endpoints:
  https://app.datadoghq.com: [{KEY}]
forwarder_storage_max_size_in_bytes: 1000000
"""
    path = tmp_path / "datadog.yaml"
    known = told(tmp_path, yaml, units={"datadog-agent": {"DD_FORWARDER_STORAGE_MAX_DISK_RATIO": "0.5"}})
    assert known == {
        "installed": True,
        "version": "7.60.0",
        "version_source": "package",
        "path": str(path),
        "service": "datadog-agent",
        "owner": {"user": path.owner(), "group": path.group()},
        "site": "datadoghq.eu",
        "products": [*SHIPPED[:6], "logs", *SHIPPED[6:]],
        "logs_transport": "tcp",
        "ports": {"dogstatsd": 8225},
        "non_local_traffic": {"dogstatsd": True},
        "proxy": "http://proxy.example.com:3128",
        "no_proxy": ["intake.example.com"],
        "endpoints": [
            {"product": name, "host": "app.datadoghq.com", "port": 443, "is_additional": True} for name in SHIPPED[:3]
        ],
        "buffering": {
            "memory_bytes": None,
            "disk_bytes": 1000000,
            "storage_path": None,
            "disk_ratio": 0.5,
            "outdated_days": None,
            "usual_path": "/opt/datadog-agent/run/transactions_to_retry",
        },
        "sources": {
            "site": "datadog.yaml",
            "products": "as shipped, datadog.yaml",
            "logs_transport": "datadog.yaml",
            "ports": "datadog.yaml",
            "non_local_traffic": "datadog.yaml",
            "proxy": "datadog.yaml",
            "no_proxy": "datadog.yaml",
            "endpoints": "datadog.yaml",
            "buffering": {
                "disk_bytes": "datadog.yaml",
                "disk_ratio": "DD_FORWARDER_STORAGE_MAX_DISK_RATIO of the service datadog-agent",
            },
        },
        "warnings": [],
    }
    assert found([KEY, PASSWORD], json.dumps(known)) == []


NOTHING: dict[str, t.Any] = {
    "site": None,
    "logs_transport": None,
    "ports": {},
    "non_local_traffic": {},
    "proxy": None,
    "no_proxy": [],
    "endpoints": [],
    "warnings": [],
}


@pytest.mark.skipif(not EXAMPLE.exists(), reason="there is no ../shared/data here")
def test_a_file_as_it_is_shipped(tmp_path: Path) -> None:
    known = told(tmp_path, EXAMPLE.read_text())
    assert known["products"] == SHIPPED
    assert known["sources"] == {"products": "as shipped"}
    assert {name: known[name] for name in NOTHING} == NOTHING


def test_what_an_agent_left_behind_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = f"site: datadoghq.eu\nbroken: [{KEY}\n"
    units = {"datadog-agent": {"DD_SITE": "datadoghq.eu"}}
    action = set_up(tmp_path, left, package="", units=units, datadog_conf=f"[Main]\n{KEY}\n")
    host: t.Any = host_of(t.cast("t.Any", action), {})
    monkeypatch.setattr(type(host), "usual_config", str(tmp_path / "datadog.yaml"))
    monkeypatch.setattr(type(host), "agent5_config", str(tmp_path / "datadog.conf"))
    known = inform(host, None)
    assert {name: known[name] for name in NOTHING} == NOTHING
    assert (known["installed"], known["version"], known["path"], known["owner"], known["products"]) == (
        False,
        None,
        None,
        None,
        None,
    )
    assert known["sources"] == {}
    assert len(action.did) == 1


def test_what_was_asked_for_is_read_where_no_agent_is_installed(tmp_path: Path) -> None:
    units = {"datadog-agent": {"DD_DOGSTATSD_PORT": "8225"}}
    known = told(tmp_path, "site: datadoghq.eu\n", package="", units=units)
    assert (known["installed"], known["products"]) == (False, None)
    assert (known["site"], known["ports"]) == ("datadoghq.eu", {"dogstatsd": 8225})


def test_no_agent_on_windows() -> None:
    action = WindowsAction(files={r"C:\ProgramData\Datadog\datadog.yaml": b"site: datadoghq.eu\r\n"})
    assert (told_on(action)["installed"], told_on(action)["site"]) == (False, None)
    assert told_on(action, r"C:\ProgramData\Datadog\datadog.yaml")["site"] == "datadoghq.eu"


def test_a_usual_host_is_asked_twice(tmp_path: Path) -> None:
    action = set_up(tmp_path, "site: datadoghq.eu\n")
    unit = "LoadState=loaded\nEnvironmentFiles=/etc/datadog-agent/environment (ignore_errors=yes)\n"
    program(tmp_path, "systemctl", said="\n".join(f"Id=datadog-agent{of}.service\n{unit}" for of in ("", "-trace")))
    known = told_on(action, str(tmp_path / "datadog.yaml"))
    assert (known["site"], known["owner"]) == (
        "datadoghq.eu",
        {"user": (tmp_path / "datadog.yaml").owner(), "group": (tmp_path / "datadog.yaml").group()},
    )
    assert [isinstance(each, str) for each in action.did] == [True, False]


def test_the_file_of_agent_5_is_read_where_there_is_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    action = set_up(tmp_path, package="1:5.32.8-1", datadog_conf="[Main]\ndd_url: https://app.datadoghq.eu\n")
    host: t.Any = host_of(t.cast("t.Any", action), {})
    monkeypatch.setattr(type(host), "usual_config", str(tmp_path / "datadog.yaml"))
    monkeypatch.setattr(type(host), "agent5_config", str(tmp_path / "datadog.conf"))
    known = inform(host, None)
    assert (known["path"], known["site"]) == (str(tmp_path / "datadog.conf"), "datadoghq.eu")


def test_a_file_that_was_asked_for_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(AgentHostError, match=r"^There is no file .*/datadog\.yaml on the host\.$"):
        told(tmp_path, None)


def test_windows() -> None:
    keys: dict[str, dict[str, t.Any]] = {
        REGISTRY: {"ConfigRoot": "D:\\Datadog\\"},
        UPGRADES: {PRODUCT: ""},
        UNINSTALL: {"DisplayVersion": "7.60.0.0"},
        rf"{SERVICES}\datadogagent": {"Environment": ["DD_SITE=us3.datadoghq.com"]},
        rf"{SERVICES}\datadog-trace-agent": {"Environment": ["DD_SITE=us3.datadoghq.com", "DD_APM_ENABLED=false"]},
    }
    files = {
        r"D:\Datadog\datadog.yaml": b"site: datadoghq.eu\r\nGUI_port: -1\r\n",
        r"D:\Datadog\system-probe.yaml": b"network_config:\r\n  enabled: true\r\n",
    }
    known = told_on(WindowsAction(keys, files))
    assert (known["path"], known["service"], known["owner"]) == (r"D:\Datadog\datadog.yaml", "datadogagent", None)
    assert (known["version"], known["version_source"]) == ("7.60.0", "registry")
    assert (known["site"], known["sources"]["site"]) == ("us3.datadoghq.com", "DD_SITE of the service datadogagent")
    assert known["ports"] == {"gui": -1, "apm": 0, "apm-expvar": 0}
    assert "apm" not in known["products"]
    assert "network-monitoring" in known["products"]


# --- The site ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("yaml", "site"),
    [
        ("site: datadoghq.eu\n", "datadoghq.eu"),
        ("site: datadoghq.eu.\n", "datadoghq.eu"),
        ("site: DATADOGHQ.EU\ndd_url: https://app.us3.datadoghq.com\n", "datadoghq.eu"),
        ("dd_url: https://app.datadoghq.com\n", "datadoghq.com"),
        ("dd_url: https://7-60-0-app.agent.us5.datadoghq.com.\n", "us5.datadoghq.com"),
        ("dd_url: https://app.us9.datadoghq.com\n", "us9.datadoghq.com"),
        ("dd_url: app.ddog-gov.com:443\n", "ddog-gov.com"),
        ("dd_url: https://metrics.example.com\n", None),
        ("dd_url: https://datadoghq.com.example.com\n", None),
        ("dd_url: https://xdatadoghq.com\n", None),
        ("site:\n", None),
        ("site: ENC[site]\n", None),
    ],
)
def test_the_site(tmp_path: Path, yaml: str, site: str | None) -> None:
    assert told(tmp_path, yaml)["site"] == site


def test_a_site_that_dd_url_alone_tells_is_warned_of(tmp_path: Path) -> None:
    [warning] = told(tmp_path, "dd_url: https://app.datadoghq.eu\n")["warnings"]
    assert "the Agent sends everything else to datadoghq.com: set site." in warning


def test_variables_win_over_the_file(tmp_path: Path) -> None:
    known = told_by(
        tmp_path, {"DD_SITE": "us5.datadoghq.com", "DD_URL": "https://x.example.com"}, "site: datadoghq.eu\n"
    )
    assert known["site"] == "us5.datadoghq.com"
    assert known["sources"]["site"] == "DD_SITE of the service datadog-agent"
    assert {each["host"] for each in known["endpoints"]} == {"x.example.com"}


def test_an_empty_variable_says_nothing(tmp_path: Path) -> None:
    assert told_by(tmp_path, {"DD_SITE": ""}, "site: datadoghq.eu\n")["site"] == "datadoghq.eu"


def test_services_that_differ_are_warned_of_without_their_values(tmp_path: Path) -> None:
    units = {
        "datadog-agent": {"DD_PROXY_HTTPS": f"http://a:{ENCODED}@x:1", "DD_SITE": "datadoghq.eu"},
        "datadog-agent-trace": {"DD_PROXY_HTTPS": "http://x:1", "DD_SITE": "datadoghq.eu"},
    }
    [warning] = told(tmp_path, "", units=units)["warnings"]
    assert warning == (
        "The services datadog-agent and datadog-agent-trace differ in their variables DD_PROXY_HTTPS: what the first "
        "has is what is told here."
    )


# --- Products ---------------------------------------------------------------------------------------------------------


def products(folder: Path, yaml: str, version: str = "7.60.0", **more: t.Any) -> tuple[set[str], set[str]]:
    """What of *yaml* is on that this release has not as shipped, and what is off."""
    shipped = set(told(folder, "", package=version)["products"])
    now = told(folder, yaml, package=version, **more)["products"]
    return set(now) - shipped, shipped - set(now)


@pytest.mark.parametrize(
    ("yaml", "more", "less"),
    [
        ("logs_enabled: true", {"logs"}, set()),
        ("log_enabled: true", {"logs"}, set()),
        ("logs_enabled: false\nlog_enabled: true", {"logs"}, set()),
        ("logs_enabled: 'false'", set(), set()),
        ("apm_config: {enabled: false}", set(), {"apm"}),
        ("apm_config.enabled: false", set(), {"apm"}),
        ("apm_config: {enabled: true}", set(), set()),
        ("remote_configuration: {enabled: false}", set(), {"remote-configuration"}),
        ("process_config: {process_collection: {enabled: true}}", set(), set()),
        ("process_config: {process_discovery: {enabled: false}}", set(), {"processes"}),
        ("process_config: {process_discovery: {enabled: false}, process_collection: {enabled: true}}", set(), set()),
        ("process_config: {container_collection: {enabled: false}}", set(), {"containers"}),
        ("process_config: {enabled: 'disabled'}", set(), {"containers"}),
        ("process_config: {enabled: 'true'}", set(), {"containers"}),
        ("process_config: {enabled: false}", set(), set()),
        ("network_config: {enabled: true}", {"network-monitoring"}, set()),
        ("sbom: {enabled: true}", {"sbom"}, set()),
        ("container_image: {enabled: true}", {"container-images"}, set()),
        ("orchestrator_explorer: {enabled: true}", {"orchestrator"}, set()),
        ("orchestrator_explorer: {enabled: false}", set(), set()),
        ("network_devices: {snmp_traps: {enabled: true}}", {"network-devices"}, set()),
        ("network_devices: {netflow: {enabled: true}}", {"network-devices"}, set()),
        ("network_devices: {autodiscovery: {configs: []}}", set(), set()),
        (
            "network_devices: {autodiscovery: {configs: [{network_address: 192.0.2.0/24}]}}",
            {"network-devices", "snmp"},
            set(),
        ),
        ("snmp_listener: {configs: [{network_address: 192.0.2.0/24}]}", {"network-devices", "snmp"}, set()),
        ("network_path: {connections_monitoring: {enabled: true}}", {"network-path"}, set()),
        ("software_inventory: {enabled: true}", {"end-user-devices"}, set()),
        ("infrastructure_mode: end_user_device", {"end-user-devices"}, set()),
        ("infrastructure_mode: full", set(), set()),
        ("internal_profiling: {enabled: true}", {"profiling"}, set()),
        ("database_monitoring: {autodiscovery: {aurora: {enabled: true}}}", {"database-monitoring"}, set()),
        ("site: ddog-gov.com", set(), {"remote-configuration"}),
        ("site: ddog-gov.com\nremote_configuration: {enabled: true}", set(), set()),
    ],
)
def test_what_is_switched_on_and_off(tmp_path: Path, yaml: str, more: set[str], less: set[str]) -> None:
    assert products(tmp_path, yaml) == (more, less)


@pytest.mark.parametrize(
    ("version", "yaml", "more", "less"),
    [
        ("6.17.0", "process_config: {enabled: 'true'}", {"processes"}, {"containers"}),
        ("7.46.0", "remote_configuration: {enabled: true}", {"remote-configuration"}, set()),
    ],
)
def test_what_releases_do_as_shipped_differs(
    tmp_path: Path, version: str, yaml: str, more: set[str], less: set[str]
) -> None:
    assert products(tmp_path, yaml, version) == (more, less)


def test_the_file_of_system_probe_goes_before_the_agents_own(tmp_path: Path) -> None:
    probe = {"system-probe_yaml": "network_config: {enabled: true}\nservice_monitoring_config: {enabled: true}\n"}
    more, less = products(tmp_path, "network_config: {enabled: false}", **probe)
    assert (more, less) == ({"network-monitoring", "universal-service-monitoring"}, set())


@pytest.mark.parametrize(
    ("variable", "value", "name", "is_on"),
    [
        ("DD_LOGS_ENABLED", "true", "logs", True),
        ("DD_LOGS_ENABLED", "1", "logs", True),
        ("DD_APM_ENABLED", "false", "apm", False),
        ("DD_PROCESS_CONFIG_ENABLED", "false", "containers", False),
        ("DD_PROCESS_AGENT_ENABLED", "true", "processes", True),
        ("DD_PROCESS_AGENT_PROCESS_DISCOVERY_ENABLED", "0", "processes", False),
        ("DD_PROCESS_CONFIG_DISCOVERY_ENABLED", "0", "processes", False),
        ("DD_SYSTEM_PROBE_NETWORK_ENABLED", "true", "network-monitoring", True),
        ("DD_SYSTEM_PROBE_SERVICE_MONITORING_ENABLED", "true", "universal-service-monitoring", True),
        ("DD_REMOTE_CONFIGURATION_ENABLED", "False", "remote-configuration", False),
        ("DD_SBOM_ENABLED", "T", "sbom", True),
    ],
)
def test_variables_switch(tmp_path: Path, variable: str, value: str, name: str, is_on: bool) -> None:
    known = told_by(tmp_path, {variable: value})
    assert (name in known["products"]) is is_on
    assert f"{variable} of the service" in known["sources"]["products"]


def test_a_program_reads_the_variables_of_its_own_service(tmp_path: Path) -> None:
    units = {"datadog-agent": {"DD_APM_ENABLED": "false"}, "datadog-agent-trace": {"DD_LOGS_ENABLED": "true"}}
    assert told(tmp_path, "", units=units)["products"] == SHIPPED
    # Where it has none, everything runs in one.
    known = told(tmp_path, "", units={"datadog-agent": {"DD_APM_ENABLED": "false"}})
    assert "apm" not in known["products"]


def test_the_tables_name_what_the_catalog_has() -> None:
    known = {product.name for product in catalog.PRODUCTS}
    named = [name for switch in (*table.SWITCHES, *table.AGENT5_SWITCHES) for name in switch.products]
    assert known.issuperset([*named, *(name for target in table.TARGETS for name in target.products)])
    ports = {local.name for local in catalog.LOCAL_PORTS}
    closed = [name for name, _setting in (*table.CLOSED_BY, *table.OPENED_BY, *table.OTLP, *table.AGENT5_OPENED_BY)]
    assert ports.issuperset([*closed, *table.PORTS, *table.AGENT5_PORTS, *table.NETFLOW_PORTS])


@pytest.mark.skipif(not EXAMPLE.exists(), reason="there is no ../shared/data here")
def test_variables_are_those_of_the_reference() -> None:
    # Each setting that stands right above its variable, outside of any section: others are not named in full there.
    lines = EXAMPLE.read_text().splitlines()
    documented = {}
    for line, following in itertools.pairwise(lines):
        if line.startswith("## @param ") and following.startswith("## @env "):
            documented[line.split()[2]] = following.split()[2]
    ours = [
        *(switch.setting for switch in table.SWITCHES),
        *table.PORTS.values(),
        *(setting for _name, setting in (*table.OPENED_BY, *table.CLOSED_BY)),
        *(setting for _kind, setting in table.BUFFERING.values()),
        table.SITE,
        table.DD_URL,
        table.BIND_HOST,
        table.NO_PROXY_NONEXACT,
    ]
    checked = [setting for setting in ours if setting.name in documented]
    assert len(checked) > 10
    for setting in checked:
        assert documented[setting.name] in setting.names_of_variables


# --- Logs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("yaml", "transport"),
    [
        ("logs_config: {}", None),
        ("logs_config: {force_use_http: true}", "http"),
        ("logs_config: {use_http: true}", "http"),
        ("logs_config: {use_http: false}", None),
        ("logs_config: {force_use_tcp: true}", "tcp"),
        ("logs_config: {use_tcp: true}", "tcp"),
        ("logs_config: {use_tcp: true, use_http: true}", "http"),
        ("logs_config: {socks5_proxy_address: 'x.example.com:1080'}", "tcp"),
        ("logs_config: {additional_endpoints: [{Host: x.example.com}]}", "tcp"),
        ("logs_config: {additional_endpoints: [{Host: x.example.com}], force_use_http: true}", "http"),
    ],
)
def test_how_logs_are_sent(tmp_path: Path, yaml: str, transport: str | None) -> None:
    assert told(tmp_path, yaml)["logs_transport"] == transport


@pytest.mark.parametrize("variable", ["DD_LOGS_CONFIG_FORCE_USE_TCP", "DD_LOGS_FORCE_USE_TCP"])
def test_variables_say_how_logs_are_sent(tmp_path: Path, variable: str) -> None:
    assert told_by(tmp_path, {variable: "true"})["logs_transport"] == "tcp"


# --- Ports ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("yaml", "ports", "opened"),
    [
        ("dogstatsd_port: 8125", {}, []),
        ("dogstatsd_port: '8225'", {"dogstatsd": 8225}, []),
        ("dogstatsd_port: 0x2021", {"dogstatsd": 8225}, []),
        ("use_dogstatsd: false\ndogstatsd_non_local_traffic: true", {"dogstatsd": 0}, []),
        ("dogstatsd_port: 0\nbind_host: 0.0.0.0\n", {"dogstatsd": 0}, ["apm"]),
        ("expvar_port: 5100\ncmd_port: 5101\nGUI_port: 5102", {"expvar": 5100, "cmd": 5101, "gui": 5102}, []),
        ("GUI_port: -1", {"gui": -1}, []),
        ("apm_config: {receiver_port: 8127, debug: {port: 5013}}", {"apm": 8127, "apm-expvar": 5013}, []),
        ("apm_config: {receiver_port: 0, apm_non_local_traffic: true}", {"apm": 0}, []),
        ("apm_config: {enabled: false, apm_non_local_traffic: true}", {"apm": 0, "apm-expvar": 0}, []),
        ("apm_config: {receiver_enabled: false}", {"apm": 0}, []),
        ("process_config: {expvar_port: 6063, cmd_port: 6163}", {"process-expvar": 6063, "process-cmd": 6163}, []),
        ("dogstatsd_non_local_traffic: true", {}, ["dogstatsd"]),
        ("apm_config: {apm_non_local_traffic: true}", {}, ["apm"]),
        ("bind_host: 127.0.0.2", {}, []),
        ("bind_host: '::1'", {}, []),
        ("bind_host: LOCALHOST", {}, []),
        ("bind_host: 0.0.0.0", {}, ["apm", "dogstatsd"]),
        ("bind_host: 192.0.2.1\ndogstatsd_non_local_traffic: false", {}, ["apm", "dogstatsd"]),
        ("otlp_config: {receiver: {protocols: {grpc:, http: {}}}}", {"otlp-grpc": 4317, "otlp-http": 4318}, "ports"),
        (
            "otlp_config: {receiver: {protocols: {grpc: {endpoint: 'localhost:4327'}}}}",
            {"otlp-grpc": 4327},
            [],
        ),
        ("otlp_config: {receiver: {protocols: {http: {endpoint: '[::1]:4328'}}}}", {"otlp-http": 4328}, []),
        ("otlp_config: {receiver: {protocols: {http: {endpoint: ':4328'}}}}", {"otlp-http": 4328}, "ports"),
        ("otlp_config: {receiver: {protocols: {grpc: {transport: unix, endpoint: /run/x}}}}", {}, []),
        ("otlp_config: {receiver:}", {}, []),
        ("network_devices: {snmp_traps: {enabled: true}}", {"snmp-traps": 9162}, "ports"),
        (
            "network_devices: {snmp_traps: {enabled: true, port: 162, bind_host: 127.0.0.1}}",
            {"snmp-traps": 162},
            [],
        ),
        ("network_devices: {snmp_traps: {enabled: false, port: 162}}", {}, []),
        (
            "network_devices.netflow: {enabled: true, listeners: [{flow_type: netflow5}, {flow_type: ipfix, port: 1}]}",
            {"netflow5": 2055, "ipfix": 1},
            "ports",
        ),
        (
            "network_devices: {netflow: {enabled: true, listeners: [{flow_type: sflow5, bind_host: localhost}]}}",
            {"sflow5": 6343},
            [],
        ),
        (
            "network_devices.netflow: {enabled: true, listeners: [{flow_type: ipfix, port: 0x1283}]}",
            {"ipfix": 4739},
            "ports",
        ),
        ("network_devices: {netflow: {enabled: true}}", {}, []),
        ("network_devices: {netflow: {listeners: [{flow_type: ipfix}]}}", {}, []),
    ],
)
def test_ports(tmp_path: Path, yaml: str, ports: dict[str, int], opened: t.Any) -> None:
    known = told(tmp_path, yaml)
    assert known["ports"] == ports
    assert known["non_local_traffic"] == dict.fromkeys(ports if opened == "ports" else opened, True)


@pytest.mark.parametrize(
    ("variable", "value", "ports"),
    [
        ("DD_DOGSTATSD_PORT", "8225", {"dogstatsd": 8225}),
        ("DD_USE_DOGSTATSD", "false", {"dogstatsd": 0}),
        ("DD_GUI_PORT", "-1", {"gui": -1}),
        ("DD_APM_RECEIVER_PORT", "8127", {"apm": 8127}),
        ("DD_RECEIVER_PORT", "8127", {"apm": 8127}),
        ("DD_APM_DEBUG_PORT", "5013", {"apm-expvar": 5013}),
        ("DD_PROCESS_CONFIG_CMD_PORT", "6163", {"process-cmd": 6163}),
        ("DD_OTLP_CONFIG_RECEIVER_PROTOCOLS_GRPC_ENDPOINT", "localhost:4317", {"otlp-grpc": 4317}),
    ],
)
def test_variables_move_ports(tmp_path: Path, variable: str, value: str, ports: dict[str, int]) -> None:
    assert told_by(tmp_path, {variable: value})["ports"] == ports


def test_a_second_listener_of_one_kind_is_warned_of(tmp_path: Path) -> None:
    listeners = "[{flow_type: ipfix}, {flow_type: ipfix, port: 4740}]"
    known = told(tmp_path, f"network_devices: {{netflow: {{enabled: true, listeners: {listeners}}}}}")
    assert known["ports"] == {"ipfix": 4739}
    assert "The port 4740 has to be dealt with by extra flows." in known["warnings"][0]


# --- Proxy ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://proxy.example.com:3128", "http://proxy.example.com:3128"),
        (f"http://user:{ENCODED}@proxy.example.com:3128", "http://proxy.example.com:3128"),
        (f"https://{ENCODED}@PROXY.example.com/", "https://proxy.example.com:443"),
        ("http://a@b:c@d@192.0.2.1", "http://192.0.2.1:80"),
        ("socks5://[2001:db8::1]:1081", "socks5://[2001:db8::1]:1081"),
        ("proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("http://user:ENC[proxy]@proxy.example.com:3128", "http://proxy.example.com:3128"),
    ],
)
def test_the_proxy_without_its_user(tmp_path: Path, url: str, shown: str) -> None:
    known = told(tmp_path, f"proxy:\n  https: '{url}'\n  http: http://other.example.com\n")
    assert known["proxy"] == shown
    assert told_by(tmp_path, {"DD_PROXY_HTTPS": url})["proxy"] == shown


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({"DD_PROXY_HTTPS": "http://a:1", "HTTPS_PROXY": "http://b:1"}, "http://a:1"),
        ({"HTTPS_PROXY": "http://b:1", "https_proxy": "http://c:1"}, "http://b:1"),
        ({"https_proxy": "http://c:1"}, "http://c:1"),
        ({"DD_PROXY_HTTPS": ""}, None),
        ({"DD_PROXY_HTTP": "http://d:1"}, "http://file:1"),
    ],
)
def test_which_proxy(tmp_path: Path, variables: dict[str, str], proxy: str | None) -> None:
    assert told_by(tmp_path, variables, "proxy: {https: 'http://file:1'}\n")["proxy"] == proxy


def test_a_proxy_that_a_secret_backend_knows_is_warned_of(tmp_path: Path) -> None:
    known = told(tmp_path, "proxy: {https: 'ENC[the_proxy]', no_proxy: [a]}")
    assert (known["proxy"], known["no_proxy"]) == (None, ["a"])
    [warning] = known["warnings"]
    assert warning == "The value of proxy.https is a handle of a secret backend (ENC[...]): it can't be known here."


@pytest.mark.parametrize(
    ("entries", "exact", "flexible"),
    [
        ("[a.example.com]", ["a.example.com"], ["a.example.com", ".a.example.com"]),
        ("['A.example.com.:443', 'b:80']", ["a.example.com"], ["a.example.com", ".a.example.com"]),
        ("[.example.com, '*.example.org']", [], [".example.com", ".example.org"]),
        ("['*']", [], ["*"]),
        ("[192.0.2.1, 192.0.2.0/24]", ["192.0.2.1", "192.0.2.0/24"], ["192.0.2.1", "192.0.2.0/24"]),
        ("['2001:db8::1', '[2001:db8::2]:443']", ["2001:db8::1", "2001:db8::2"], ["2001:db8::1", "2001:db8::2"]),
        (f"['http://u:{PASSWORD}@x', {KEY}, 'a b', '/']", [], []),
        ("[localhost, dead.beef]", ["localhost", "dead.beef"], ["localhost", ".localhost", "dead.beef", ".dead.beef"]),
        ("[]", [], []),
        ("", [], []),
    ],
)
def test_what_goes_without_the_proxy(tmp_path: Path, entries: str, exact: list[str], flexible: list[str]) -> None:
    yaml = f"proxy:\n  no_proxy: {entries}\n"
    assert told(tmp_path, yaml)["no_proxy"] == exact
    assert told(tmp_path, f"{yaml}no_proxy_nonexact_match: true\n")["no_proxy"] == flexible


def test_variables_say_what_goes_without_the_proxy(tmp_path: Path) -> None:
    assert told_by(tmp_path, {"DD_PROXY_NO_PROXY": "a b,c", "NO_PROXY": "d"})["no_proxy"] == ["a", "b", "c"]
    assert told_by(tmp_path, {"NO_PROXY": "d, e"})["no_proxy"] == ["d", "e"]


# --- Destinations -----------------------------------------------------------------------------------------------------


def endpoints(known: dict[str, t.Any]) -> set[tuple[str, str, int, bool]]:
    return {(each["product"], each["host"], each["port"], each["is_additional"]) for each in known["endpoints"]}


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("dd_url: https://app.datadoghq.com", set()),
        ("dd_url: https://app.datadoghq.eu\nsite: datadoghq.eu", set()),
        (
            "dd_url: https://app.datadoghq.com\nsite: datadoghq.eu",
            {(name, "app.datadoghq.com", 443, False) for name in ("metrics", "key-check", "flare")},
        ),
        (
            "dd_url: http://x.example.com",
            {(name, "x.example.com", 80, False) for name in ("metrics", "key-check", "flare")},
        ),
        ("dd_url: 'https://x.example.com/?user=me@y.example.com'", _METRICS_AT_X),
        ("dd_url: 'https://x.example.com/tenant@prod#@z'", _METRICS_AT_X),
        ("apm_config: {apm_dd_url: 'https://u:p@x.example.com:8443/path'}", {("apm", "x.example.com", 8443, False)}),
        (
            "apm_config: {profiling_dd_url: 'https://x.example.com/api/v2/profile'}",
            {("profiling", "x.example.com", 443, False)},
        ),
        ("apm_config: {telemetry: {dd_url: 'https://x.example.com'}}", {("apm", "x.example.com", 443, False)}),
        (
            f"apm_config: {{additional_endpoints: {{'https://trace.agent.datadoghq.eu': [{KEY}]}}}}",
            {("apm", "trace.agent.datadoghq.eu", 443, True)},
        ),
        (
            "process_config: {process_dd_url: 'https://x.example.com'}",
            {
                (name, "x.example.com", 443, False)
                for name in ("processes", "containers", "network-monitoring", "universal-service-monitoring")
            },
        ),
        (
            "{orchestrator_explorer: {orchestrator_dd_url: 'a.example.com'}, process_config: {orchestrator_dd_url: b}}",
            {("orchestrator", "a.example.com", 443, False)},
        ),
        (
            "process_config: {orchestrator_dd_url: 'https://b.example.com'}",
            {("orchestrator", "b.example.com", 443, False)},
        ),
        ("logs_config: {logs_dd_url: 'x.example.com:8080'}", {("logs", "x.example.com", 8080, False)}),
        ("logs_config: {logs_dd_url: 'a.example.com:1', dd_url: b.example.com}", {("logs", "a.example.com", 1, False)}),
        ("logs_config: {dd_url: b.example.com}", {("logs", "b.example.com", 443, False)}),
        ("logs_config: {dd_url: b.example.com, use_tcp: true}", {("logs", "b.example.com", 10516, False)}),
        (
            "logs_config: {force_use_tcp: true, use_port_443: true}",
            {("logs", "agent-443-intake.logs.datadoghq.com", 443, False)},
        ),
        (
            "logs_config: {use_tcp: true, use_port_443: true, dd_url: b.example.com, dd_url_443: c.example.com}",
            {("logs", "c.example.com", 443, False)},
        ),
        (
            "logs_config: {use_tcp: true, use_port_443: true, logs_dd_url: 'a.example.com:1'}",
            {("logs", "a.example.com", 1, False)},
        ),
        (
            "logs_config: {use_tcp: true, use_port_443: false, dd_url: b.example.com}",
            {("logs", "b.example.com", 10516, False)},
        ),
        ("logs_config: {force_use_http: true, use_port_443: true}", set()),
        ("logs_config: {use_port_443: true}", set()),
        (
            f"logs_config: {{use_http: true, additional_endpoints: [{{api_key: {KEY}, host: example.com, Port: 1}}]}}",
            {("logs", "example.com", 1, True)},
        ),
        (
            f"logs_config: {{additional_endpoints: [{{api_key: {KEY}, Host: x.example.com}}]}}",
            {("logs", "x.example.com", 10516, True)},
        ),
        (
            f"x: &x {{'https://app.datadoghq.eu': [{KEY}]}}\nadditional_endpoints: {{<<: *x}}",
            {(name, "app.datadoghq.eu", 443, True) for name in ("metrics", "key-check", "flare")},
        ),
        (
            "x: &x {Host: x.example.com}\nlogs_config: {additional_endpoints: [{<<: *x, Port: 0x10}]}",
            {("logs", "x.example.com", 16, True)},
        ),
        ("network_devices: {metadata: {dd_url: x.example.com}}", {("network-devices", "x.example.com", 443, False)}),
        (
            "network_devices: {netflow: {forwarder: {logs_dd_url: 'x.example.com:1'}}}",
            {("network-devices", "x.example.com", 1, False)},
        ),
        (
            "database_monitoring: {samples: {dd_url: x.example.com}}",
            {("database-monitoring", "x.example.com", 443, True)},
        ),
        ("sbom: {dd_url: x.example.com}", {("sbom", "x.example.com", 443, False)}),
        ("container_image: {dd_url: x.example.com}", {("container-images", "x.example.com", 443, False)}),
        (
            "remote_configuration: {rc_dd_url: 'https://x.example.com'}",
            {("remote-configuration", "x.example.com", 443, False)},
        ),
        (
            "vector: {metrics: {enabled: true, url: 'http://x.example.com:8080'}}",
            {("metrics", "x.example.com", 8080, False)},
        ),
        ("vector: {metrics: {url: 'http://x.example.com:8080'}}", set()),
        (
            "observability_pipelines_worker: {logs: {enabled: true, url: 'https://x.example.com'}}",
            {("logs", "x.example.com", 443, False)},
        ),
    ],
)
def test_where_data_goes(tmp_path: Path, yaml: str, expected: set[t.Any]) -> None:
    known = told(tmp_path, yaml)
    assert endpoints(known) == expected
    assert found([KEY], json.dumps(known)) == []


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("DD_DD_URL", "https://x.example.com", {("metrics", "x.example.com", 443, False)}),
        (
            "DD_ADDITIONAL_ENDPOINTS",
            json.dumps({"https://app.datadoghq.eu": [KEY]}),
            {("metrics", "app.datadoghq.eu", 443, True)},
        ),
        ("DD_APM_DD_URL", "https://x.example.com", {("apm", "x.example.com", 443, False)}),
        (
            "DD_APM_ADDITIONAL_ENDPOINTS",
            json.dumps({"https://trace.agent.datadoghq.eu": [KEY]}),
            {("apm", "trace.agent.datadoghq.eu", 443, True)},
        ),
        ("DD_PROCESS_AGENT_URL", "https://x.example.com", {("processes", "x.example.com", 443, False)}),
        ("DD_LOGS_CONFIG_LOGS_DD_URL", "x.example.com:443", {("logs", "x.example.com", 443, False)}),
        ("DD_LOGS_CONFIG_DD_URL", "x.example.com", {("logs", "x.example.com", 443, False)}),
        (
            "DD_LOGS_CONFIG_ADDITIONAL_ENDPOINTS",
            json.dumps([{"api_key": KEY, "Host": "x.example.com", "Port": 443}]),
            {("logs", "x.example.com", 443, True)},
        ),
        ("DD_ORCHESTRATOR_URL", "https://x.example.com", {("orchestrator", "x.example.com", 443, False)}),
    ],
)
def test_variables_say_where_data_goes(tmp_path: Path, variable: str, value: str, expected: set[t.Any]) -> None:
    known = told_by(tmp_path, {variable: value})
    assert endpoints(known) >= expected
    assert {each[1:] for each in endpoints(known)} == {each[1:] for each in expected}


def test_a_release_that_sends_logs_over_tcp_unless_it_is_told_does(tmp_path: Path) -> None:
    known = told(tmp_path, "logs_config: {use_port_443: true}", package="1:7.18.0-1")
    assert endpoints(known) == {("logs", "agent-443-intake.logs.datadoghq.com", 443, False)}
    known = told(tmp_path, "logs_config: {dd_url: b.example.com}", package="1:7.18.0-1")
    assert endpoints(known) == {("logs", "b.example.com", 10516, False)}


def test_logs_on_443_that_go_to_another_site_are_warned_of(tmp_path: Path) -> None:
    yaml = "site: datadoghq.eu\nlogs_config: {use_tcp: true, use_port_443: true}\n"
    [warning] = told(tmp_path, yaml)["warnings"]
    assert "sends logs to agent-443-intake.logs.datadoghq.com, which is not of the site datadoghq.eu" in warning
    assert told(tmp_path, yaml.replace("datadoghq.eu", "datadoghq.com"))["warnings"] == []


def test_a_policy_opens_443_for_logs_on_443(tmp_path: Path) -> None:
    known = told(tmp_path, "logs_enabled: true\nlogs_config: {use_tcp: true, use_port_443: true}\n")
    names = ("products", "logs_transport", "endpoints")
    asked = Request(site=US1, agent_version="7.60.0", **{name: known[name] for name in names})
    flows = {flow.id: flow for flow in build(asked, {US1: DOCUMENT}).flows}
    assert flows["logs-tcp-443-out"].destinations == ("agent-443-intake.logs.datadoghq.com",)
    assert "logs-tcp-10516-out" not in flows


def test_a_destination_that_a_secret_backend_knows_is_warned_of(tmp_path: Path) -> None:
    known = told(tmp_path, f"additional_endpoints:\n  'ENC[{KEY}]': [{KEY}]\n")
    assert known["endpoints"] == []
    assert "is a handle of a secret backend" in known["warnings"][0]
    assert found([KEY], json.dumps(known)) == []


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("fips: {enabled: true}", "fips.enabled is on (datadog.yaml): all data goes to the FIPS proxy"),
        ("multi_region_failover: {enabled: true}", "multi_region_failover.enabled is on (datadog.yaml)"),
        ("health_port: 5555", "health_port is set (datadog.yaml): on that port the Agent answers health checks"),
        ("statsd_forward_host: x", "statsd_forward_host is set (datadog.yaml): DogStatsD forwards to that host"),
        ("compliance_config: {enabled: true}", "the catalog does not know where Cloud Security sends to"),
    ],
)
def test_what_the_tables_do_not_know_is_warned_of(tmp_path: Path, yaml: str, said: str) -> None:
    assert said in " ".join(told(tmp_path, yaml)["warnings"])


@pytest.mark.parametrize(
    "yaml", ["health_port: 0", "health_port: -1", "statsd_forward_host: ''", "fips: {enabled: false}"]
)
def test_what_is_off_is_not_warned_of(tmp_path: Path, yaml: str) -> None:
    assert told(tmp_path, yaml)["warnings"] == []


def test_no_proxy_counts_where_all_goes_to_the_fips_proxy(tmp_path: Path) -> None:
    assert told(tmp_path, "fips: {enabled: true}\nproxy: {https: 'http://a:1'}")["proxy"] is None


# --- Buffering --------------------------------------------------------------------------------------------------------


def test_buffering(tmp_path: Path) -> None:
    yaml = """\
forwarder_retry_queue_payloads_max_size: 1
forwarder_storage_max_size_in_bytes: '2'
forwarder_storage_path: /x
forwarder_storage_max_disk_ratio: 1
forwarder_outdated_file_in_days: 3
"""
    expected = {"memory_bytes": 1, "disk_bytes": 2, "storage_path": "/x", "disk_ratio": 1.0, "outdated_days": 3}
    known = told(tmp_path, yaml)
    assert known["buffering"] == {**expected, "usual_path": USUAL_STORAGE}
    assert known["sources"]["buffering"] == dict.fromkeys(expected, "datadog.yaml")
    known = told_by(tmp_path, {"DD_FORWARDER_STORAGE_MAX_SIZE_IN_BYTES": "4"}, yaml)
    assert known["buffering"] == {**expected, "disk_bytes": 4, "usual_path": USUAL_STORAGE}
    assert known["sources"]["buffering"] == {
        **dict.fromkeys(expected, "datadog.yaml"),
        "disk_bytes": "DD_FORWARDER_STORAGE_MAX_SIZE_IN_BYTES of the service datadog-agent",
    }


def test_where_it_stores_unless_it_is_told_where(tmp_path: Path) -> None:
    known = told(tmp_path, "run_path: /srv/run/\n")
    assert known["buffering"]["usual_path"] == "/srv/run/transactions_to_retry"
    assert known["sources"]["buffering"] == {"usual_path": "datadog.yaml"}
    known = told_by(tmp_path, {"DD_RUN_PATH": "/srv/other"}, "run_path: /srv/run\n")
    assert known["buffering"]["usual_path"] == "/srv/other/transactions_to_retry"


def test_where_it_stores_on_windows() -> None:
    keys = {REGISTRY: {"ConfigRoot": "D:\\Datadog\\"}}
    files = {r"D:\Datadog\datadog.yaml": b"site: datadoghq.eu\r\n"}
    known = told_on(WindowsAction(keys, files))
    assert known["buffering"]["usual_path"] == r"D:\Datadog\run\transactions_to_retry"
    files = {r"D:\Datadog\datadog.yaml": b"run_path: E:\\run\r\n"}
    known = told_on(WindowsAction(keys, files))
    assert known["buffering"]["usual_path"] == r"E:\run\transactions_to_retry"


def test_a_buffer_that_a_variable_sets_is_known_to_the_plan_as_such(tmp_path: Path) -> None:
    # What is told here is what the plan is given: they have to mean the same by it.
    known = told_by(tmp_path, {"DD_FORWARDER_STORAGE_MAX_SIZE_IN_BYTES": "4000000000"}, "run_path: /srv/run\n")
    plan = Plan({"disk": "1GB"}, known)
    plan.to_set(None)
    assert [sentence.partition(" in the")[0] for sentence in plan.refusals] == [
        "DD_FORWARDER_STORAGE_MAX_SIZE_IN_BYTES"
    ]
    plan = Plan({"disk_ratio": 0.9}, known)
    plan.to_set(None)
    assert (plan.refusals, plan.storage_path) == ([], "/srv/run/transactions_to_retry")


@pytest.mark.parametrize(
    ("text", "number"), [("64_000_000", 64000000), ("5e8", 500000000), ("0x10", 16), ("'0x10'", 16), ("'1_0'", 10)]
)
def test_a_size_is_a_number_as_the_agent_reads_it(tmp_path: Path, text: str, number: int) -> None:
    assert told(tmp_path, f"forwarder_storage_max_size_in_bytes: {text}\n")["buffering"]["disk_bytes"] == number


# --- Agent 5 ----------------------------------------------------------------------------------------------------------


def test_agent_5(tmp_path: Path) -> None:
    conf = f"""\
[Main]
dd_url: https://app.datadoghq.eu, https://app.datadoghq.com
api_key: {KEY}, {KEY}
proxy_host: proxy.example.com
proxy_user: user
proxy_password: {PASSWORD}
non_local_traffic: yes
dogstatsd_port: 8225
listen_port: 17200
graphite_listen_port: 17124
apm_enabled: false
"""
    action = set_up(tmp_path, package="1:5.32.8-1", datadog_conf=conf)
    known = told_on(action, str(tmp_path / "datadog.conf"))
    assert (known["version"], known["site"]) == ("5.32.8", "datadoghq.eu")
    assert known["products"] == ["metrics", "flare", "ntp"]
    assert known["proxy"] == "http://proxy.example.com:3128"
    assert known["ports"] == {"dogstatsd": 8225, "forwarder": 17200, "apm": 0}
    assert known["non_local_traffic"] == {"dogstatsd": True}
    assert endpoints(known) == {(name, "app.datadoghq.com", 443, True) for name in ("metrics", "key-check", "flare")}
    assert known["warnings"] == []
    assert set(known["buffering"].values()) == {None}
    assert known["sources"]["site"] == "datadog.conf"
    assert found([KEY, PASSWORD], json.dumps(known)) == []


def test_agent_5_as_shipped(tmp_path: Path) -> None:
    action = set_up(
        tmp_path, package="1:5.32.8-1", datadog_conf="[Main]\ndd_url: https://app.datadoghq.com\napi_key:\n"
    )
    known = told_on(action, str(tmp_path / "datadog.conf"))
    assert known["site"] == "datadoghq.com"
    assert known["products"] == ["metrics", "flare", "apm", "ntp"]
    assert (known["endpoints"], known["ports"], known["proxy"]) == ([], {}, None)


# --- Values of another kind -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("yaml", "line", "said"),
    [
        (f"site: [{KEY}]", 1, "the setting site is not a text."),
        (f"#\nlogs_enabled: {KEY}", 2, "the setting logs_enabled is not true or false."),
        (f"dogstatsd_port: {KEY}", 1, "the setting dogstatsd_port is not a whole number."),
        ("dogstatsd_port: true", 1, "the setting dogstatsd_port is not a whole number."),
        ("dogstatsd_port: 8125.5", 1, "the setting dogstatsd_port is not a whole number."),
        ("dogstatsd_port: 65536", 1, "the setting dogstatsd_port is not a port."),
        ("forwarder_storage_max_disk_ratio: .nan", 1, "the setting forwarder_storage_max_disk_ratio is not a number."),
        (f"additional_endpoints: {KEY}", 1, "the setting additional_endpoints is not a mapping."),
        (
            f"additional_endpoints:\n  'http://{KEY}{KEY} x': []",
            2,
            "the setting additional_endpoints is not a URL, or of the form HOST:PORT" + HINT,
        ),
        (
            f"logs_config: {{additional_endpoints: [{KEY}]}}",
            1,
            "the setting logs_config.additional_endpoints is not a list of mappings.",
        ),
        (
            f"logs_config: {{additional_endpoints: [{{api_key: {KEY}}}]}}",
            1,
            "the setting logs_config.additional_endpoints is not a list of mappings that have each a Host.",
        ),
        (
            f"logs_config: {{additional_endpoints: [{{Host: a, Port: {KEY}}}]}}",
            1,
            "the setting logs_config.additional_endpoints is not a list of mappings whose Port is each a port.",
        ),
        (
            f"proxy: {{https: 'ftp://u:{KEY}@x'}}",
            1,
            "the setting proxy.https is not a proxy's URL of the form SCHEME://HOST:PORT" + HINT,
        ),
        (
            f"proxy: {{https: 'http://{KEY}:x'}}",
            1,
            "the setting proxy.https is not a proxy's URL of the form SCHEME://HOST:PORT" + HINT,
        ),
        ("dogstatsd_port: '5e3'", 1, "the setting dogstatsd_port is not a whole number."),
        (
            "forwarder_storage_max_size_in_bytes: 0x8000000000000000",
            1,
            "the setting forwarder_storage_max_size_in_bytes is not a whole number.",
        ),
        (f"proxy: {{no_proxy: [[{KEY}]]}}", 1, "the setting proxy.no_proxy is not a list of texts."),
        (
            f"dd_url: 'https://user:{PASSWORD}@x.example.com'",
            1,
            "the setting dd_url is not a URL, or of the form HOST:PORT" + HINT,
        ),
        (
            f"dd_url: 'https://{KEY[:5]}/{PASSWORD}@x.example.com'",
            1,
            "the setting dd_url is not a URL, or of the form HOST:PORT" + HINT,
        ),
        (
            f"proxy: {{https: 'http://user:{PASSWORD}@x.example.com:1'}}",
            1,
            "the setting proxy.https is not a proxy's URL of the form SCHEME://HOST:PORT" + HINT,
        ),
        (
            "proxy: {https: 'http://proxy.example.com:3128#@other.example.com:1'}",
            1,
            "the setting proxy.https is not a proxy's URL of the form SCHEME://HOST:PORT" + HINT,
        ),
        (f"site: {KEY}", 1, "the setting site is not the name of a site, such as datadoghq.eu."),
        (f"dd_url: {KEY}", 1, "the setting dd_url is not a URL, or of the form HOST:PORT" + HINT),
        (
            f"proxy: {{https: 'http://{KEY}:1'}}",
            1,
            "the setting proxy.https is not a proxy's URL of the form SCHEME://HOST:PORT" + HINT,
        ),
        (f"dd_url: 'http://[{KEY}'", 1, "the setting dd_url is not a URL, or of the form HOST:PORT" + HINT),
        (
            f"process_config: {{enabled: {KEY}}}",
            1,
            "the setting process_config.enabled is not one of true, false and disabled.",
        ),
        (
            f"otlp_config: {{receiver: {{protocols: {{grpc: {{endpoint: {KEY}}}}}}}}}",
            1,
            "the setting otlp_config.receiver.protocols.grpc.endpoint is not of the form HOST:PORT.",
        ),
        (
            f"network_devices: {{netflow: {{enabled: true, listeners: [{{flow_type: {KEY}}}]}}}}",
            1,
            f"the setting network_devices.netflow.listeners is not a list whose flow_type is each one of {FLOW_TYPES}.",
        ),
        (
            f"network_devices: {{netflow: {{enabled: true, listeners: [{{flow_type: ipfix, port: {KEY}}}]}}}}",
            1,
            "the setting network_devices.netflow.listeners is not a list whose port is each a port.",
        ),
    ],
)
def test_what_is_said_of_values_of_another_kind(tmp_path: Path, yaml: str, line: int, said: str) -> None:
    with pytest.raises(SettingError) as refused:
        told(tmp_path, yaml)
    # A mapping begins on the line of its first key.
    assert str(refused.value) == f"In the file {tmp_path}/datadog.yaml, line {line}, {said}"


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("DD_LOGS_ENABLED", "true or false"),
        ("DD_DOGSTATSD_PORT", "a whole number"),
        ("DD_ADDITIONAL_ENDPOINTS", "a mapping"),
    ],
)
def test_what_is_said_of_variables_of_another_kind(tmp_path: Path, variable: str, said: str) -> None:
    with pytest.raises(SettingError) as refused:
        told_by(tmp_path, {variable: KEY})
    assert str(refused.value) == f"The variable {variable} of the service datadog-agent is not {said}."


def test_what_is_said_of_a_variable_that_is_broken_json(tmp_path: Path) -> None:
    with pytest.raises(SettingError) as refused:
        told_by(tmp_path, {"DD_ADDITIONAL_ENDPOINTS": f'{{"https://x": ["{KEY}"'})
    assert str(refused.value) == "The variable DD_ADDITIONAL_ENDPOINTS of the service datadog-agent is not JSON."


# --- Nothing secret, whatever is set ----------------------------------------------------------------------------------

_NAMES = sorted(
    {
        *(switch.setting.name for switch in table.SWITCHES),
        *(target.setting.name for target in table.TARGETS),
        *(setting.name for setting in table.PORTS.values()),
        *(setting.name for _transport, setting in table.LOGS_TRANSPORTS),
        *(setting.name for _kind, setting in table.BUFFERING.values()),
        *(f"{section}.endpoint" for _name, section in table.OTLP),
        table.LOGS_SOCKS.name,
        table.PROXY.name,
        table.NO_PROXY.name,
        table.SITE.name,
        f"{table.NETFLOW}.listeners",
    }
    # A path is told as it is set.
    - {"forwarder_storage_path"}
)
_SECRETS = st.sampled_from(
    [
        KEY,
        PASSWORD,
        f"http://u:{PASSWORD}@x.example.com:1",
        f"{PASSWORD}@x.example.com",
        f"https://x.example.com/?api_key={KEY}",
        [KEY],
        [{"api_key": KEY, "Host": "x.example.com"}],
        [{"Host": f"u:{PASSWORD}@x.example.com"}],
        {"https://x.example.com": [KEY]},
        {f"https://u:{PASSWORD}@x.example.com": [KEY, None]},
        {KEY: None},
        [{"flow_type": KEY}],
        True,
        None,
        8126,
    ]
)


@hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(_NAMES), _SECRETS, max_size=6), st.booleans())
def test_nothing_secret_is_told_whatever_is_set(
    tmp_path: Path, values: dict[str, t.Any], is_in_variables: bool
) -> None:
    if is_in_variables:
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
        variables = {f"DD_{name.upper().replace('.', '_')}": text for name, text in texts.items()}
        action = set_up(tmp_path, "", units={"datadog-agent": variables})
    else:
        action = set_up(tmp_path, json.dumps(values))
    try:
        said = json.dumps(told_on(action, str(tmp_path / "datadog.yaml")))
    except (SettingError, AgentFileError) as error:
        said = str(error)
    assert found([KEY, PASSWORD], said) == []


def test_what_is_told_is_what_a_policy_takes(tmp_path: Path) -> None:
    options = set(Request.__dataclass_fields__)
    known = told(tmp_path, "")
    assert {"site", "products", "logs_transport", "ports", "proxy"} <= options & set(known)


# --- Which documented name an endpoint takes the place of -------------------------------------------------------------


def test_every_name_that_is_replaced_is_documented_for_its_product() -> None:
    documented = {
        product.name: {name.removesuffix(".{site}") for route in product.routes for name in route.names}
        for product in catalog.PRODUCTS
    }
    replaced = [(name, target.replaces) for target in table.TARGETS for name in target.products if target.replaces]
    assert replaced
    assert [pair for pair in replaced if pair[1] not in documented[pair[0]]] == []


def test_no_setting_for_one_of_several_destinations_closes_them_all() -> None:
    several = {p.name for p in catalog.PRODUCTS if len({name for route in p.routes for name in route.names}) > 1}
    # These are of one name at a time: by transport, or by release.
    several -= {"logs", "metrics", "key-check"}
    closing = [
        (target.setting.name, name)
        for target in table.TARGETS
        for name in target.products
        if name in several and not target.is_additional and target.replaces is None
    ]
    assert closing == []
