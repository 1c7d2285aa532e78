# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role says: the plan from what a host answered, one line about a change, and its refusals, in one play."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.netwall.datadog.tests._play import play

ROLE = "netwall.datadog.agent_firewall"
LOGS = {
    "id": "logs-tcp-443-out",
    "direction": "outbound",
    "action": "allow",
    "protocol": "tcp",
    "port": 443,
    "networks": ["192.0.2.0/24"],
    "purpose": "logs",
}
DNS = {**LOGS, "id": "host-dns-udp-53-out", "protocol": "udp", "port": 53, "purpose": "name servers"}
SSH = {**LOGS, "id": "management-tcp-22-in", "direction": "inbound", "port": 22, "networks": ["0.0.0.0/0", "::/0"]}
POLICY = {
    "site": "datadoghq.com",
    "version": None,
    "modified": None,
    "flows": [LOGS],
    "destinations": [],
    "warnings": ["The policy warns."],
}
FOUND: dict[str, t.Any] = {
    "changed": True,
    "backend": "ufw",
    "switches_on": True,
    "flows": [LOGS, DNS, SSH],
    "added": [LOGS["id"], DNS["id"], SSH["id"], "management-tcp-22-replies-out"],
    "removed": [],
    "unchanged": [],
    "shadowed": ["logs-tcp-443-out"],
    "closed_ports": [{"protocol": "tcp", "port": 80, "local_address": "0.0.0.0", "program": "nginx"}],
    "refused_connections": [],
    "warnings": ["Platform linux uses the discovered Python interpreter at /usr/bin/python3.11.", "The host warns."],
}
STILL = {**FOUND, "switches_on": False, "closed_ports": [], "shadowed": [], "added": [], "unchanged": [LOGS["id"]]}

# Windows tells neither the rules of others nor what is open.
WINDOWS: dict[str, t.Any] = {
    name: value
    for name, value in {**STILL, "backend": "windows"}.items()
    if name not in ("closed_ports", "refused_connections")
}

# What the host answered, and the variables of the role, by the name of the case.
PLANS: dict[str, tuple[dict[str, t.Any], dict[str, t.Any]]] = {
    "on": (FOUND, {"agent_firewall_default_outbound": "deny"}),
    "still": (STILL, {"agent_firewall_precedence": "ours", "agent_firewall_confirm_within": 0}),
    "open": (STILL, {"agent_firewall_management": False}),
    "windows": (WINDOWS, {}),
    "failed": ({"failed": True, "msg": "ufw is installed\nbut switched off."}, {}),
    "unreachable": ({"unreachable": True, "msg": "No route to host."}, {}),
}
COMMITTED = {"id": "c1", "state": "committed", "confirm_within": 60}
RUNS = {
    "confirmed": {**FOUND, "transaction": COMMITTED},
    "final": {**FOUND, "transaction": {**COMMITTED, "confirm_within": 0}},
    "nothing": {**STILL, "transaction": {}},
}
MISSPELT: dict[str, dict[str, t.Any]] = {
    "close": {"agent_firewall_defaultoutbound": "deny"},
    "plural": {"agent_firewall_management_network": []},
    "far": {"agent_firewall_zzz": 1},
    "none": {"agent_firewall_enable": True},
}


class Said(t.NamedTuple):
    """What the role said by the name of a case: the plan as text, as Markdown and as JSON, a run's line, a refusal."""

    texts: dict[str, str]
    markdown: dict[str, str]
    plans: dict[str, dict[str, t.Any]]
    lines: dict[str, str]
    refusals: dict[str, str]


def keep(where: str, case: str, value: str) -> dict[str, t.Any]:
    return {"ansible.builtin.set_fact": {where: f"{{{{ {where} | default({{}}) | combine({{'{case}': {value}}}) }}}}"}}


def included(tasks: str, variables: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"ansible.builtin.include_role": {"name": ROLE, "tasks_from": tasks}, "vars": variables}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Said:
    folder = tmp_path_factory.mktemp("role")
    known: dict[str, t.Any] = {"__agent_firewall_policy": POLICY}
    tasks: list[dict[str, t.Any]] = []
    for case, (outcome, variables) in PLANS.items():
        path = {"agent_firewall_plan_path": str(folder / case)}
        tasks.append(included("report", {**known, **path, **variables, "__agent_firewall_outcome": outcome}))
    # The one line is a variable of the role, known once the role is.
    include = {"ansible.builtin.include_role": {"name": ROLE, "tasks_from": "report", "public": True}}
    path = {"agent_firewall_plan_path": str(folder / "any")}
    tasks.append({**include, "vars": {**known, **path, "__agent_firewall_outcome": FOUND}})
    tasks += [
        {**keep("lines", case, "__agent_firewall_summary"), "vars": {"__agent_firewall_outcome": outcome}}
        for case, outcome in RUNS.items()
    ]
    tasks += [
        {
            "block": [included("preflight", variables)],
            "rescue": [keep("refusals", case, "ansible_failed_result.msg")],
        }
        for case, variables in MISSPELT.items()
    ]
    played = play(folder, tasks, values=["lines", "refusals"])
    texts = dict(zip(PLANS, played.output.split("TASK [netwall.datadog.agent_firewall : The plan]")[1:], strict=False))
    return Said(
        texts,
        {case: (folder / case / "localhost.md").read_text() for case in PLANS},
        {case: json.loads((folder / case / "localhost.json").read_text()) for case in PLANS},
        **played.values,
    )


# --- The plan ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "sentences"),
    [
        (
            "on",
            [
                "ufw, which is off and WOULD BE SWITCHED ON",
                "denied but for these flows and for what rules of yours allow (default_outbound: deny)",
                "after rules of yours (precedence: theirs)",
                "rules of yours overrule at least a part of logs-tcp-443-out",
                "kept open by management-tcp-22-in, management-tcp-22-replies-out",
                "host-dns-udp-53-out",
                "nginx",
                "The policy warns.",
                "The host warns.",
            ],
        ),
        (
            "still",
            [
                "ufw, which is on",
                "left as it is, or as it was before this role (default_outbound: unmanaged)",
                "before rules of yours (precedence: ours)",
                "rules of yours overrule none of these flows",
                "needs no rule of ours",
                "none: no firewall is switched on",
            ],
        ),
        ("open", ["not kept (management: false)"]),
        ("failed", ["The hardening would fail: ufw is installed but switched off.", "logs-tcp-443-out", "not known"]),
        ("unreachable", ["The host could not be asked: No route to host."]),
    ],
)
def test_the_plan_says_what_would_become_of_the_host(said: Said, case: str, sentences: list[str]) -> None:
    text = said.texts[case]
    assert [sentence for sentence in sentences if sentence not in text] == []


def test_what_stands_in_the_way_stands_at_the_top(said: Said) -> None:
    assert said.texts["failed"].index("would fail") < said.texts["failed"].index("what its Datadog Agent needs")
    assert said.markdown["failed"].splitlines()[2] == (
        "**The hardening would fail: ufw is installed but switched off.**"
    )


def test_the_plan_as_markdown_says_the_same(said: Said) -> None:
    lines = said.markdown["on"].splitlines()
    assert "| firewall | ufw, which is off and **would be switched on** | |" in lines
    assert "| way in | kept open by management-tcp-22-in, management-tcp-22-replies-out | |" in lines
    assert "| 80/tcp | `0.0.0.0` | nginx |" in lines
    assert any(line.startswith("| `host-dns-udp-53-out` |") for line in lines)


def test_the_plan_as_json_says_the_same(said: Said) -> None:
    plan = said.plans["on"]
    assert (plan["fault"], plan["flows"], plan["closed_ports"]) == (None, FOUND["flows"], FOUND["closed_ports"])
    assert plan["firewall"] == {
        "backend": "ufw",
        "switches_on": True,
        "default_outbound": "deny",
        "precedence": "theirs",
        "management": True,
        "management_flows": ["management-tcp-22-in", "management-tcp-22-replies-out"],
        "shadowed": ["logs-tcp-443-out"],
    }


def test_a_plan_that_failed_still_has_the_policy_and_leaves_the_rest_open(said: Said) -> None:
    plan = said.plans["failed"]
    assert plan["fault"] == "The hardening would fail: ufw is installed but switched off."
    assert plan["flows"] == POLICY["flows"]
    unknown = [plan["closed_ports"], plan["refused_connections"], *map(plan["firewall"].get, ("backend", "shadowed"))]
    assert unknown == [None] * 4


def test_what_windows_does_not_tell_is_not_known(said: Said) -> None:
    assert '"  shadowed       not known"' in said.texts["windows"]
    assert "| shadowed | not known |" in said.markdown["windows"]
    assert said.texts["windows"].count('"  not known"') == 2
    assert said.plans["windows"]["firewall"]["shadowed"] is None


def test_a_connection_that_can_confirm_nothing_is_told_before_the_hardening_is(said: Said) -> None:
    said_of = {case: [w for w in plan["warnings"] if "crosses no network" in w] for case, plan in said.plans.items()}
    assert len(said_of["on"]) == 1
    assert said_of["still"] == []


# --- A run ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "line"),
    [
        ("confirmed", "ufw, flows: 4 added, 0 removed, 0 unchanged; confirmed over a new connection"),
        ("final", "ufw, flows: 4 added, 0 removed, 0 unchanged; final at once, without a confirmation"),
        ("nothing", "ufw, flows: 0 added, 0 removed, 1 unchanged; nothing had to be changed"),
    ],
)
def test_a_run_ends_with_one_line_about_it(said: Said, case: str, line: str) -> None:
    assert said.lines[case].strip() == line


# --- A misspelt variable ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("close", "agent_firewall_defaultoutbound; did you mean agent_firewall_default_outbound? Its variables are "),
        ("plural", "agent_firewall_management_network; did you mean agent_firewall_management_networks? Its "),
        ("far", "agent_firewall_zzz. Its variables are agent_firewall_site, "),
    ],
)
def test_a_misspelt_variable_is_met_with_what_was_meant(said: Said, case: str, sentence: str) -> None:
    assert f"The role {ROLE} has no {sentence}" in said.refusals[case]


def test_a_variable_that_there_is_is_taken(said: Said) -> None:
    assert set(said.refusals) == {"close", "plural", "far"}
