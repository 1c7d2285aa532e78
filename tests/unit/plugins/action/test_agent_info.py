# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module as users call it, from playbooks, as loudly as they can."""

from __future__ import annotations

import json
import os
import typing as t
from urllib.parse import quote

import pytest
import yaml

from ansible_collections.netwall.datadog.plugins.module_utils._agent.options import INFO
from ansible_collections.netwall.datadog.plugins.modules import agent_info
from ansible_collections.netwall.datadog.tests._play import play
from ansible_collections.netwall.datadog.tests._secrets import found
from ansible_collections.netwall.datadog.tests._tool import ROOT, run
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._agent._hosts import set_up

if t.TYPE_CHECKING:
    from pathlib import Path

KEY = "89abcdef01234567" * 2
PASSWORD = "pass" + "/?&=phrase"
ENCODED = quote(PASSWORD, safe="")
CONFIG = f"""\
api_key: {KEY}
site: datadoghq.eu
logs_enabled: true
logs_config:
  force_use_http: true
proxy:
  https: http://user:{ENCODED}@proxy.example.com:3128
additional_endpoints:
  https://app.datadoghq.com: [{KEY}]
"""
VARIABLES = {
    "DD_API_KEY": KEY,
    "DD_PROXY_HTTPS": f"http://user:{ENCODED}@other.example.com",
    "DD_DOGSTATSD_PORT": "8225",
}


class Host(t.NamedTuple):
    """This machine, with programs of *folder* that tell of an Agent whose settings are in *path*."""

    folder: Path
    path: str
    environment: dict[str, str]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    folder = tmp_path / "host"
    folder.mkdir()
    set_up(folder, CONFIG, units={"datadog-agent": VARIABLES})
    return Host(folder, str(folder / "datadog.yaml"), {"PATH": f"{folder}:{os.environ['PATH']}"})


def info(name: str, **options: t.Any) -> dict[str, t.Any]:
    """A task that asks the module, whatever comes of it, and puts the result into `name`."""
    return {"netwall.datadog.agent_info": options, "register": name, "ignore_errors": True}


# --- What is documented is what happens -----------------------------------------------------------------------------


def documentation() -> dict[str, t.Any]:
    shown = run(
        "ansible-doc",
        "--json",
        "--type=module",
        "netwall.datadog.agent_info",
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "tests/ansible.cfg")},
    )
    known: dict[str, t.Any] = json.loads(shown)["netwall.datadog.agent_info"]
    return known


def test_the_documentation_has_every_option_and_result_as_it_is(host: Host, tmp_path: Path) -> None:
    known = documentation()
    assert {
        name: {key: option[key] for key in ("type", "elements", "default") if option.get(key) is not None}
        for name, option in known["doc"]["options"].items()
    } == INFO
    told = play(tmp_path, [info("told", path=host.path)], values=["told"], environment=host.environment).values["told"]
    of_ansible = {"changed", "failed", "warnings", "ansible_facts"}
    assert set(told) - of_ansible == set(known["return"])
    kinds = {"bool": bool, "str": str, "dict": dict, "list": list}
    for name, documented in known["return"].items():
        assert told[name] is None or isinstance(told[name], kinds[documented["type"]])
        assert isinstance(documented["sample"], kinds[documented["type"]])
    assert set(known["return"]["buffering"]["sample"]) == set(told["buffering"])
    assert set(known["return"]["endpoints"]["sample"][0]) == set(told["endpoints"][0])


def test_the_examples(host: Host, tmp_path: Path) -> None:
    tasks = yaml.safe_load(agent_info.EXAMPLES)
    # Where the file of this host is.
    for task in tasks:
        if "netwall.datadog.agent_info" in task:
            task["netwall.datadog.agent_info"] = {"path": host.path}
        task.setdefault("register", f"example_{tasks.index(task)}")
    played = play(
        tmp_path,
        tasks,
        values=[task["register"] for task in tasks],
        group_vars={"ansible_become": False},
        environment=host.environment,
    )
    shown = {task["name"]: played.values[task["register"]] for task in tasks}
    sent = "metrics, key-check, flare, apm, processes, containers, logs, remote-configuration, ntp"
    assert shown["Show what it sends, and to which site"]["msg"] == f"7.60.0 sends {sent} to datadoghq.eu"
    assert shown["Stop where logs do not go over HTTPS alone"]["msg"] == "All assertions passed"
    [sources] = [shown[name]["agent.sources"] for name in shown if name.startswith("Show which settings")]
    assert sources["proxy"] == "DD_PROXY_HTTPS of the service datadog-agent"
    assert shown["Read a file that lies elsewhere"]["path"] == host.path


# --- What a task gives ------------------------------------------------------------------------------------------------


def test_check_mode_tells_the_same(host: Host, tmp_path: Path) -> None:
    tasks = [info("told", path=host.path), {**info("checked", path=host.path), "check_mode": True}]
    values = play(tmp_path, tasks, values=["told", "checked"], environment=host.environment).values
    assert values["told"] == values["checked"]
    assert values["told"]["changed"] is False
    assert (values["told"]["version"], values["told"]["ports"]) == ("7.60.0", {"dogstatsd": 8225})


def test_what_is_broken_fails_the_task_with_a_sentence(host: Host, tmp_path: Path) -> None:
    broken = host.folder / "broken.yaml"
    broken.write_text(f"site: x\napi_key: {KEY}: {KEY}\n")
    wrong = host.folder / "wrong.yaml"
    wrong.write_text(f"#\nlogs_enabled: {KEY}\n")
    tasks = [info(name, path=str(host.folder / f"{name}.yaml")) for name in ("broken", "wrong", "no_file")]
    played = play(
        tmp_path,
        tasks,
        values=["broken", "wrong", "no_file"],
        environment=host.environment,
        arguments=["-vvvvvv"],
    )
    said = {name: played.values[name]["msg"] for name in ("broken", "wrong", "no_file")}
    assert said == {
        "broken": f"The file {broken} can't be read: line 2, column 42, can't be read as YAML: mapping values are "
        "not allowed here.",
        "wrong": f"In the file {wrong}, line 2, the setting logs_enabled is not true or false.",
        "no_file": f"There is no file {host.folder}/no_file.yaml on the host.",
    }
    assert found([KEY, PASSWORD], played.output) == []


@pytest.mark.parametrize("debug", ["false", "true"])
@pytest.mark.parametrize("is_pipelined", [False, True])
def test_no_secret_is_printed_logged_or_kept(host: Host, tmp_path: Path, debug: str, is_pipelined: bool) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nfor last; do :; done\nexec /bin/sh -c "$last"\n')
    ssh.chmod(0o755)
    facts, log = tmp_path / "facts", tmp_path / "ansible.log"
    played = play(
        tmp_path,
        [info("told", path=host.path), {"ansible.builtin.debug": {"var": "told"}}],
        values=["told"],
        group_vars={
            "ansible_connection": "ssh",
            "ansible_ssh_executable": str(ssh),
            "ansible_ssh_transfer_method": "piped",
            "ansible_pipelining": is_pipelined,
        },
        arguments=["-vvvvvv", "--diff"],
        environment={
            **host.environment,
            "ANSIBLE_DEBUG": debug,
            "ANSIBLE_LOG_PATH": str(log),
            "ANSIBLE_LOG_VERBOSITY": "7",
            "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(facts),
        },
    )
    assert played.values["told"]["proxy"] == "http://other.example.com:80"
    kept = [
        path.read_text(errors="replace")
        for path in (log, *facts.rglob("*"), tmp_path / "values.json")
        if path.is_file()
    ]
    assert found([KEY, PASSWORD], "\n".join([played.output, *kept])) == []
