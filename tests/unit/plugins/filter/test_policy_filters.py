# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""agent_policy_options and policy_values as users call them, from playbooks."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.netwall.datadog.plugins.filter import agent_policy_options, policy_values
from ansible_collections.netwall.datadog.tests._play import play
from ansible_collections.netwall.datadog.tests.unit.plugins.lookup.test_traffic_policy import EU

OPTIONS = "netwall.datadog.agent_policy_options"
VALUES = "netwall.datadog.policy_values"

WRONG = {
    f"'datadoghq.eu' | {OPTIONS}": "The input of agent_policy_options is a dictionary, not",
    f"{{}} | {OPTIONS}('none')": "The agent of agent_policy_options is a dictionary, not",
    f"{{}} | {OPTIONS}({{}}, ['datadoghq.eu'])": "The fallbacks of agent_policy_options is a dictionary, not",
    f"{{'ports': 'gui'}} | {OPTIONS}({{'installed': true, 'ports': {{'gui': 1}}}}, prefix='my_')": (
        "my_ports is 'gui'; write a dictionary"
    ),
    f"'' | {VALUES}({{}})": "The input of policy_values is a dictionary, not",
    f"{{}} | {VALUES}('')": "The choice of policy_values is a dictionary, not",
    f"{{}} | {VALUES}({{'options': {{}}}})": "The choice of policy_values is a result of agent_policy_options.",
}


class Shown(t.NamedTuple):
    """What tasks showed, by their names; what became of a host's answer; and whether that was run as a template."""

    tasks: dict[str, t.Any]
    choice: dict[str, t.Any]
    values: list[dict[str, t.Any]]
    bait: str
    was_owned: bool


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder: Path = tmp_path_factory.mktemp("filter")
    (folder / "eu.json").write_text(json.dumps(EU))
    owned = folder / "owned"
    bait = f"{{{{ lookup('ansible.builtin.pipe', 'touch {owned}') }}}}"
    # Whatever a host may say is said in one place, and comes by the way that a module's answer takes.
    answer = {
        "installed": True,
        "version": bait,
        "version_source": bait,
        # Another than the known ones is refused.
        "site": "datadoghq.eu",
        "products": [bait],
        "ports": {bait: bait},
        "non_local_traffic": {bait: True},
        "proxy": bait,
        "no_proxy": [bait],
        "endpoints": [{"product": bait, "host": bait, "port": bait}],
        "sources": dict.fromkeys(("site", "products", "ports", "proxy", "no_proxy", "endpoints"), bait),
        "warnings": [bait],
    }
    (folder / "answer.json").write_text(json.dumps(answer))
    tasks = [*yaml.safe_load(agent_policy_options.EXAMPLES), *yaml.safe_load(policy_values.EXAMPLES)]
    tasks += [{"name": text, "ansible.builtin.debug": {"msg": f"{{{{ {text} }}}}"}} for text in WRONG]
    asked = [{**task, "register": f"task_{number}", "ignore_errors": True} for number, task in enumerate(tasks)]
    kept = {
        "choice": f"{{{{ {{'ports': {{'gui': 5010}}}} | {OPTIONS}(answer.stdout | from_json) }}}}",
        "seen": "{{ choice.options }}",
        "values": f"{{{{ {{'endpoints': choice.options.endpoints}} | {VALUES}(choice) }}}}",
    }
    hostile: list[dict[str, t.Any]] = [
        {"ansible.builtin.command": {"argv": ["cat", str(folder / "answer.json")]}, "register": "answer"},
        *({"ansible.builtin.set_fact": {name: text}} for name, text in kept.items()),
        {"ansible.builtin.debug": {"msg": ["{{ choice }}", "{{ seen.products }}", "{{ values }}"]}},
    ]
    played = play(
        folder,
        [*asked, *hostile],
        values=[*(task["register"] for task in asked), "choice", "values"],
        environment={"NETWALL_DATADOG_URL": (folder / "eu.json").as_uri()},
    )
    results = {task["name"]: played.values[task["register"]] for task in asked}
    return Shown(results, played.values["choice"], played.values["values"], bait, owned.exists())


# --- The examples -----------------------------------------------------------------------------------------------------


def test_the_example_of_an_agent_s_settings(shown: Shown) -> None:
    assert shown.tasks["Show what becomes of an Agent's settings where the user sets something, too"]["msg"] == {
        "options": {
            "agent_version": "7.60.0",
            "site": "datadoghq.eu",
            "products": ["metrics", "logs"],
            "ports": {"dogstatsd": 8135, "gui": 5010},
        },
        "sources": {
            **dict.fromkeys(
                ("logs_transport", "non_local_traffic", "unmanaged_ports", "proxy", "no_proxy", "endpoints"),
                "built-in default",
            ),
            "agent_version": "the Agent's package",
            "site": "datadog.yaml",
            "products": "as shipped, datadog.yaml",
            "ports": "my_ports; datadog.yaml",
        },
        "warnings": [],
    }


def test_the_example_without_an_agent(shown: Shown) -> None:
    assert shown.tasks["Show the site where no Agent is installed"]["msg"] == "us3.datadoghq.com (inventory)"


def test_the_example_of_what_a_policy_goes_by(shown: Shown) -> None:
    [name] = [task["name"] for task in yaml.safe_load(policy_values.EXAMPLES)]
    assert [result["msg"] for result in shown.tasks[name]["results"]] == [
        "site datadoghq.eu - datadog.yaml",
        "Agent version 7, the newest - built-in default",
        "products metrics - my_products",
        "logs over what the version takes - built-in default",
        "own ports dogstatsd 8135, gui off - datadog.yaml",
        "opened to nobody - built-in default",
        "left alone none - built-in default",
        "proxy 192.0.2.99:3128 - DD_PROXY_HTTPS of the service datadog-agent",
        "past it none - built-in default",
        "endpoints as documented - built-in default",
    ]


# --- What a host says -------------------------------------------------------------------------------------------------


def test_what_a_host_says_is_passed_on_and_not_run_as_a_template(shown: Shown) -> None:
    assert not shown.was_owned
    bait, options = shown.bait, shown.choice["options"]
    assert options["ports"] == {bait: bait, "gui": 5010}
    assert (options["products"], options["unmanaged_ports"]) == ([bait], [bait])
    assert shown.choice["sources"]["agent_version"] == f"the Agent's {bait}"
    assert shown.choice["warnings"] == [bait]
    said = {row["name"]: row for row in shown.values}
    assert said["ports"]["text"] == f"{bait} {bait}, gui 5010"
    assert said["ports"]["source"] == f"ports; {bait}"
    assert said["endpoints"]["text"] == f"{bait} to {bait} {bait}/tcp"


# --- Calls that are wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_call_is_told(shown: Shown, text: str) -> None:
    assert shown.tasks[text]["failed"]
    assert WRONG[text] in str(shown.tasks[text])
