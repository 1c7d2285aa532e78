# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role makes of an Agent's own settings: real files of them, read by agent_info in one play.

No Agent is installed where the tests run: the files count because the user's variable names them.
"""

from __future__ import annotations

import json
import typing as t
import urllib.parse

import pytest
import yaml

from ansible_collections.netwall.datadog.tests._play import play
from ansible_collections.netwall.datadog.tests._secrets import found
from ansible_collections.netwall.datadog.tests.unit.plugins.lookup.test_traffic_policy import EU, published

ROLE = "netwall.datadog.agent_firewall"
KEY, PASSWORD = "0123456789abcdef0123456789abcdef", "s3cr3t/Pa55?&" + "word"
# Some releases of Ansible show what the user says where they include the role; but it is in no plan.
OWN_PASSWORD = "users-own-" + "Pa55"
BUILT_IN = "built-in default"
# A name to the role, which every resolver takes for 192.0.2.7 and asks nobody.
RELAY = "192.0.519"
NAMELESS = "relay.invalid"
PRODUCTS = ["metrics", "apm", "logs", "ntp"]

SETTINGS: dict[str, t.Any] = {
    "api_key": KEY,
    "site": "datadoghq.eu",
    "logs_enabled": True,
    "logs_config": {"force_use_tcp": True},
    "dogstatsd_port": 8135,
    "GUI_port": -1,
    "dogstatsd_non_local_traffic": True,
    "apm_config": {"apm_non_local_traffic": True},
    "proxy": {
        "https": f"http://user:{urllib.parse.quote(PASSWORD, safe='')}@localhost:3128",
        "no_proxy": ["trace.agent.datadoghq.eu"],
    },
    "additional_endpoints": {"https://app.datadoghq.com": [KEY]},
}

# The settings of the host's Agent, and the variables of the role, by the name of the case.
CASES: dict[str, tuple[t.Any, dict[str, t.Any]]] = {
    "told": (SETTINGS, {"agent_firewall_products": PRODUCTS}),
    "overruled": (
        SETTINGS,
        {
            "agent_firewall_site": "us3.datadoghq.com",
            "agent_firewall_agent_version": "7.60.0",
            "agent_firewall_products": PRODUCTS,
            "agent_firewall_logs_transport": "http",
            "agent_firewall_ports": {"GUI": 5002, "apm_expvar": 5099},
            "agent_firewall_non_local_traffic": {"apm": ["198.51.100.0/24"]},
            "agent_firewall_proxy": f"http://user:{OWN_PASSWORD}@192.0.2.99:8080",
            "agent_firewall_no_proxy": [],
            "agent_firewall_endpoints": [],
        },
    ),
    "nobody": (SETTINGS, {"agent_firewall_products": [], "agent_firewall_unmanaged_ports": []}),
    "unread": (SETTINGS, {"agent_firewall_products": PRODUCTS, "agent_firewall_from_agent": False}),
    "unread text": (SETTINGS, {"agent_firewall_products": PRODUCTS, "agent_firewall_from_agent": "false"}),
    "relay": ({"dd_url": f"https://{RELAY}:8443"}, {"agent_firewall_products": ["metrics"]}),
    "relay with networks": (
        {"dd_url": f"https://{NAMELESS}:8443"},
        {
            "agent_firewall_products": ["metrics"],
            "agent_firewall_endpoint_networks": {NAMELESS: ["198.51.100.0/29"]},
        },
    ),
    "nothing": ({}, {"agent_firewall_products": ["metrics"]}),
    "asked in vain": (SETTINGS, {"agent_firewall_from_agent": True}),
    "nameless relay": ({"dd_url": f"https://{NAMELESS}"}, {"agent_firewall_products": ["metrics"]}),
    "nameless proxy": ({"proxy": {"https": f"http://{NAMELESS}:3128"}}, {"agent_firewall_products": ["metrics"]}),
    "unknown site": ({"site": "datadog.example"}, {"agent_firewall_products": ["metrics"]}),
    "broken": (f"site: datadoghq.eu\napi_key: [{KEY}\nlogs_enabled: true\n", {}),
    "another type": ({"dogstatsd_port": "many"}, {}),
    "user lacks networks": ({}, {"agent_firewall_products": ["snmp"]}),
}

# What agent_info would return where there is a package.
INSTALLED = {
    "installed": True,
    "version": "7.60.0",
    "version_source": "package",
    "site": None,
    "products": ["metrics", "ntp", "snmp"],
    "logs_transport": None,
    "ports": {},
    "non_local_traffic": {},
    "proxy": None,
    "no_proxy": [],
    "endpoints": [],
    "sources": {"products": "as shipped, datadog.yaml"},
    "warnings": ["The Agent warns."],
}
LEFT_BEHIND = {
    **INSTALLED,
    "installed": False,
    "version": None,
    "version_source": None,
    "site": "datadoghq.eu",
    "products": None,
    "ports": {"dogstatsd": 8135},
    "non_local_traffic": {"apm": True},
    "proxy": "http://192.0.2.99:3128",
    "sources": dict.fromkeys(("site", "ports", "non_local_traffic", "proxy"), "datadog.yaml"),
}


class Read(t.NamedTuple):
    """By the name of a case: its plan as JSON and as text, or the sentence that it failed with; and all output."""

    plans: dict[str, dict[str, t.Any]]
    texts: dict[str, str]
    failed: dict[str, str]
    output: str
    was_owned: bool

    def flows(self, case: str) -> dict[str, dict[str, t.Any]]:
        """The flows of a plan by id."""
        return {flow["id"]: flow for flow in self.plans[case]["flows"]}

    def sources(self, case: str) -> dict[str, str]:
        """Where each value of a plan is from."""
        return {name: value["source"] for name, value in self.plans[case]["values"].items()}


def included(tasks: str, variables: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"ansible.builtin.include_role": {"name": ROLE, "tasks_from": tasks}, "vars": variables}


def shown(case: str, variables: dict[str, t.Any], *first: str) -> dict[str, t.Any]:
    """A block that has the plan of a case written, or keeps why there is none."""
    keep = f"{{{{ failed | combine({{'{case}': ansible_failed_result.msg}}) }}}}"
    return {
        "block": [included(tasks, variables) for tasks in (*first, "policy", "report")],
        "rescue": [{"ansible.builtin.set_fact": {"failed": keep}}],
    }


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    folder = tmp_path_factory.mktemp("from_agent")
    (folder / "us.json").write_text(json.dumps(published()))
    (folder / "eu.json").write_text(json.dumps(EU))
    us, eu = (folder / "us.json").as_uri(), (folder / "eu.json").as_uri()
    owned = folder / "owned"
    bait = f"{{{{ lookup('ansible.builtin.pipe', 'touch {owned}') }}}}"
    hostile: dict[str, tuple[t.Any, dict[str, t.Any]]] = {
        "hostile": (
            {"proxy": {"https": "http://192.0.2.99", "no_proxy": [bait]}, "site": "datadoghq.eu"},
            {"agent_firewall_products": ["metrics"]},
        ),
        "hostile site": ({"site": bait}, {"agent_firewall_products": ["metrics"]}),
        "hostile site of its own": ({"site": f"{bait}.datadoghq.eu"}, {"agent_firewall_products": ["metrics"]}),
    }
    everywhere: dict[str, t.Any] = {
        "agent_firewall_ip_ranges_site_urls": {"datadoghq.com": us, "us3.datadoghq.com": us, "datadoghq.eu": eu},
        "__agent_firewall_outcome": {"failed": True, "msg": "Nobody asked."},
    }
    tasks: list[dict[str, t.Any]] = []
    for case, (settings, variables) in {**CASES, **hostile}.items():
        path = folder / f"{case}.yaml"
        path.write_text(settings if isinstance(settings, str) else yaml.safe_dump(settings))
        known = {"agent_firewall_agent_path": str(path), "agent_firewall_plan_path": str(folder / "plans" / case)}
        tasks.append(shown(case, {**everywhere, **known, **variables}, "agent"))
    stand_ins: dict[str, dict[str, t.Any]] = {
        "installed": {"__agent_firewall_agent": INSTALLED},
        # What an Agent left behind when it was removed, and the same where the user names its file.
        "left behind": {"__agent_firewall_agent": LEFT_BEHIND, "agent_firewall_products": ["metrics"]},
        "named": {
            "__agent_firewall_agent": LEFT_BEHIND,
            "agent_firewall_agent_path": "/etc/datadog-agent/datadog.yaml",
            "agent_firewall_products": ["metrics"],
        },
        "wanted": {"__agent_firewall_agent": LEFT_BEHIND, "agent_firewall_from_agent": True},
        # The plan goes on where the Agent's settings can't be read, from what else is known.
        "unreadable": {
            "__agent_firewall_agent": {"failed": True, "msg": "The file\nis broken."},
            "agent_firewall_products": ["ntp"],
        },
    }
    for case, variables in stand_ins.items():
        path = folder / "plans" / case
        tasks.append(shown(case, {**everywhere, "agent_firewall_plan_path": str(path), **variables}))
    # What a host answers, in all places where agent_info would let no such text pass.
    answer = {
        **INSTALLED,
        "products": ["ntp"],
        "no_proxy": [bait],
        "warnings": [bait],
        "sources": {"products": bait, "no_proxy": bait},
    }
    (folder / "answer.json").write_text(json.dumps(answer))
    tasks += [
        {"ansible.builtin.command": {"argv": ["cat", str(folder / "answer.json")]}, "register": "answer"},
        {"ansible.builtin.set_fact": {"__agent_firewall_agent": "{{ answer.stdout | from_json }}"}},
        shown("bait", {**everywhere, "agent_firewall_plan_path": str(folder / "plans" / "bait")}),
    ]
    arguments = ("-vvvv", "-e", "ansible_become=false")
    played = play(folder, tasks, values=["failed"], group_vars={"failed": {}}, arguments=arguments)
    plans = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("plans/*/localhost.json")}
    texts = {path.parent.name: path.read_text() for path in folder.glob("plans/*/localhost.md")}
    return Read(plans, texts, played.values["failed"], played.output, owned.exists())


def test_nothing_fails_that_should_not(read: Read) -> None:
    assert set(read.failed) == {
        "asked in vain",
        "wanted",
        "nameless relay",
        "nameless proxy",
        "broken",
        "another type",
        "user lacks networks",
        "unknown site",
        "hostile site",
        "hostile site of its own",
    }


# --- What the Agent says ----------------------------------------------------------------------------------------------


def test_an_agent_s_settings_give_exactly_its_flows(read: Read) -> None:
    found = read.flows("told")
    allowed = {key: flow["networks"] for key, flow in found.items() if flow["action"] == "allow"}
    proxied = allowed.pop("proxy-tcp-3128-out")
    assert set(proxied) <= {"127.0.0.1/32", "::1/128"}
    assert allowed == {
        # Traces go past the proxy, and so do logs over TCP.
        "apm-tcp-443-out": ["198.51.100.16/28"],
        "logs-tcp-443-out": ["198.51.100.32/28"],
        "ntp-udp-123-out": ["0.0.0.0/0", "::/0"],
    }
    denied = {(flow["protocol"], flow["port"]) for flow in found.values() if flow["action"] == "deny"}
    # Neither the browser GUI, which is off, nor what others may reach.
    assert denied == {("tcp", port) for port in (5000, 5001, 5012, 6062, 6162)}


def test_ports_that_are_open_to_others_are_left_alone_with_a_warning(read: Read) -> None:
    said = " ".join(read.plans["told"]["warnings"])
    assert "The port dogstatsd, 8135/udp, is left to other rules" in said
    assert "The port apm, 8126/tcp, is left to other rules" in said


def test_the_plan_says_where_each_value_is_from(read: Read) -> None:
    names = {*read.sources("told")} - {"agent_version", "products", "non_local_traffic"}
    assert {name: read.sources("told")[name] for name in names} == dict.fromkeys(names, "told.yaml")
    assert read.sources("told")["products"] == "agent_firewall_products"
    lines = read.texts["told"].splitlines()
    for said in (
        "site datadoghq.eu: told.yaml",
        "Agent version 7, the newest: built-in default",
        "products metrics, apm, logs, ntp: agent_firewall_products",
        "own ports gui off, dogstatsd 8135: told.yaml",
    ):
        assert f'"  {said}"' in read.output
    for line in (
        "| site | datadoghq.eu | told.yaml |",
        "| products | metrics, apm, logs, ntp | agent_firewall_products |",
        "| logs over | tcp | told.yaml |",
        "| own ports | gui off, dogstatsd 8135 | told.yaml |",
        "| opened to | nobody | built-in default |",
        "| left alone | dogstatsd, apm | told.yaml |",
        "| proxy | localhost:3128 | told.yaml |",
        "| past it | trace.agent.datadoghq.eu | told.yaml |",
    ):
        assert line in lines
    assert any(line.startswith("| endpoints | metrics also to app.datadoghq.com 443/tcp") for line in lines)


def test_what_the_user_sets_wins(read: Read) -> None:
    found = read.flows("overruled")
    allowed = {key: flow["networks"] for key, flow in found.items() if flow["action"] == "allow"}
    assert allowed == {
        "proxy-tcp-8080-out": ["192.0.2.99/32"],
        "ntp-udp-123-out": ["0.0.0.0/0", "::/0"],
        "apm-tcp-8126-in": ["198.51.100.0/24"],
    }
    # One port of the user's beside those of the Agent's; and the port with networks is managed.
    denied = {flow["port"] for flow in found.values() if flow["action"] == "deny"}
    assert denied == {5000, 5001, 5002, 5099, 6062, 6162, 8126}
    assert read.sources("overruled") == {
        **{name: f"agent_firewall_{name}" for name in read.sources("overruled")},
        "ports": "agent_firewall_ports; overruled.yaml",
        "unmanaged_ports": "overruled.yaml",
    }


def test_an_empty_list_of_ports_to_leave_alone_closes_them(read: Read) -> None:
    assert {8126, 8135} <= {flow["port"] for flow in read.flows("nobody").values() if flow["action"] == "deny"}


@pytest.mark.parametrize("case", ["unread", "unread text"])
def test_settings_that_are_not_to_be_read_count_for_nothing(read: Read, case: str) -> None:
    assert set(read.sources(case).values()) == {"agent_firewall_products", BUILT_IN}
    assert read.plans[case]["site"] == "datadoghq.com"


def test_settings_count_for_nothing_where_no_agent_is_installed(read: Read) -> None:
    assert set(read.sources("left behind").values()) == {"agent_firewall_products", BUILT_IN}
    assert read.plans["left behind"]["flows"] == read.plans["nothing"]["flows"]
    assert "The Agent warns." not in read.plans["left behind"]["warnings"]


def test_settings_count_without_an_agent_where_the_user_names_their_file(read: Read) -> None:
    sources = read.sources("named")
    told = {name for name, source in sources.items() if source == "datadog.yaml"}
    assert told == {"site", "ports", "unmanaged_ports", "proxy"}
    assert (read.plans["named"]["site"], read.plans["named"]["proxy"]) == ("datadoghq.eu", "192.0.2.99:3128")
    assert "The Agent warns." in read.plans["named"]["warnings"]


def test_settings_that_say_nothing_leave_the_defaults(read: Read) -> None:
    assert read.plans["nothing"]["flows"] == [
        flow
        for flow in read.plans["unread"]["flows"]
        if flow["id"] not in {"apm-tcp-443-out", "logs-tcp-443-out", "ntp-udp-123-out"}
    ]


def test_what_takes_networks_that_settings_do_not_tell_is_left_out_with_a_warning(read: Read) -> None:
    outbound = [flow["id"] for flow in read.plans["installed"]["flows"] if flow["direction"] == "outbound"]
    assert outbound == ["agents-tcp-443-out", "ntp-udp-123-out"]
    warnings = read.plans["installed"]["warnings"]
    assert "snmp is left out: its networks are not known; list them in agent_firewall_device_networks." in warnings
    assert "The Agent warns." in warnings
    assert read.sources("installed")["products"] == "as shipped, datadog.yaml"
    assert read.sources("installed")["agent_version"] == "the Agent's package"


def test_an_agent_that_can_not_be_read_is_what_the_hardening_would_fail_of(read: Read) -> None:
    plan = read.plans["unreadable"]
    assert plan["fault"] == "The hardening would fail: The file is broken."
    assert plan["site"] == "datadoghq.com"


# --- Names ------------------------------------------------------------------------------------------------------------


def test_a_relay_is_resolved_on_the_host_and_its_addresses_may_change(read: Read) -> None:
    flow = read.flows("relay")["endpoint-tcp-8443-out"]
    assert (flow["networks"], flow["destinations"]) == (["192.0.2.7/32"], [RELAY])
    assert [w for w in read.plans["relay"]["warnings"] if w.startswith(f"{RELAY} is allowed at the addresses that")]
    assert "agents-tcp-443-out" not in read.flows("relay")


def test_networks_that_the_user_gives_are_not_asked_for(read: Read) -> None:
    assert read.flows("relay with networks")["endpoint-tcp-8443-out"]["networks"] == ["198.51.100.0/29"]
    assert not [w for w in read.plans["relay with networks"]["warnings"] if "is allowed at the addresses" in w]


@pytest.mark.parametrize(
    ("case", "variable"),
    [("nameless relay", "agent_firewall_endpoint_networks"), ("nameless proxy", "agent_firewall_proxy_networks")],
)
def test_a_name_that_the_host_can_not_resolve_is_an_error_that_names_the_variable(
    read: Read, case: str, variable: str
) -> None:
    assert read.failed[case] == (
        f"The host can't resolve {NAMELESS}, which its Agent sends to; mend its name service, or set {variable}."
    )


# --- What stops the play ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("asked in vain", "agent_firewall_from_agent is true, but the host has no Datadog Agent"),
        ("wanted", "agent_firewall_from_agent is true, but the host has no Datadog Agent"),
        ("broken", "broken.yaml can't be read: line 3, "),
        ("another type", "dogstatsd_port"),
        ("unknown site", "if it is right, set agent_firewall_site: datadog.example."),
        ("user lacks networks", "The product snmp needs the option device_networks"),
    ],
)
def test_what_can_not_be_used_stops_the_play_with_a_sentence(read: Read, case: str, sentence: str) -> None:
    assert sentence in read.failed[case]
    assert "Traceback" not in read.failed[case]


def test_what_a_host_says_is_not_run_on_the_controller(read: Read) -> None:
    assert not read.was_owned
    assert read.flows("hostile")["proxy-tcp-80-out"]["networks"] == ["192.0.2.99/32"]
    for case in ("hostile site", "hostile site of its own"):
        assert "site" in read.failed[case]
    bait = read.plans["bait"]
    for text in (
        bait["values"]["no_proxy"]["value"][0],
        bait["values"]["products"]["source"],
        bait["warnings"][-2],
        read.texts["bait"],
    ):
        assert "{{ lookup('ansible.builtin.pipe'" in text


def test_no_secret_is_printed_or_planned(read: Read) -> None:
    told = "\n".join([json.dumps([read.plans, read.failed]), *read.texts.values()])
    assert found([KEY, PASSWORD], read.output) == []
    assert found([KEY, PASSWORD, OWN_PASSWORD], told) == []
