# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real plays on twins: action plugins of this collection and modules of others', on the connection of the tests."""

from __future__ import annotations

import json
import typing as t

import pytest
import yaml

from ansible_collections.netwall.datadog.tests._tool import ROOT
from ansible_collections.netwall.datadog.tests.lab.netlab.world import ip_ranges
from ansible_collections.netwall.datadog.tests.windows.plays import play
from ansible_collections.netwall.datadog.tests.windows.state import loaded, put_agent, saved, windows_server
from ansible_collections.netwall.datadog.tests.windows.twin import Twin

if t.TYPE_CHECKING:
    from pathlib import Path

RULE = {
    "community.windows.win_firewall_rule": {
        "name": "a rule",
        "direction": "out",
        "action": "allow",
        "protocol": "tcp",
        "remoteport": "443",
        "remoteip": "203.0.113.0/24",
    },
    "register": "rule",
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The file of a Windows Server with an Agent."""
    state = windows_server()
    put_agent(state)
    return saved(state, tmp_path / "twin.json")


def test_a_later_play_meets_the_host_that_an_earlier_one_left(tmp_path: Path, store: Path, collections: Path) -> None:
    inform: dict[str, t.Any] = {"netwall.datadog.agent_info": {}, "register": "agent"}
    service = {
        "ansible.windows.win_service": {"name": "datadogagent", "state": "stopped", "force_dependent_services": True}
    }
    tasks = [RULE, inform, {**service, "register": "service"}]
    read = ["rule.changed", "agent.version", "agent.site", "service.changed", "ansible_os_family"]
    first = play(tmp_path, {"win": store}, tasks, collections=collections, values=read, gather_facts=True)
    assert first.code == 0, first.output
    assert list(first.values.values()) == [True, "7.60.0", "datadoghq.eu", True, "Windows"]
    again = play(tmp_path, {"win": store}, tasks, collections=collections, values=["rule.changed", "service.changed"])
    assert list(again.values.values()) == [False, False]
    assert [rule["Name"] for rule in loaded(store).rules].count("a rule") == 1


def test_check_mode_and_diff_reach_the_host(tmp_path: Path, store: Path, collections: Path) -> None:
    before = loaded(store).rules
    checked = play(tmp_path, {"win": store}, [RULE], collections=collections, arguments=["--check", "--diff"])
    assert checked.code == 0, checked.output
    assert "+RemoteAddresses='203.0.113.0/255.255.255.0'" in checked.output
    assert loaded(store).rules == before


def test_what_is_secret_is_noted_nowhere_and_shown_by_no_verbosity(tmp_path: Path, collections: Path) -> None:
    state = windows_server()
    put_agent(state, yaml=b"api_key: 'hidden-and-secret'\r\n")
    store = saved(state, tmp_path / "twin.json")
    tasks: list[dict[str, t.Any]] = [{"netwall.datadog.agent_info": {}}]
    shown = play(tmp_path, {"win": store}, tasks, collections=collections, arguments=["-vvvv"])
    assert shown.code == 0, shown.output
    assert "hidden-and-secret" not in shown.output
    assert [call for call in loaded(store).calls if "args" in call] == []


REFUSED: tuple[tuple[dict[str, t.Any], str], ...] = (
    ({"ansible.builtin.raw": "whoami"}, "runs no commands but those of its modules"),
    ({"ansible.windows.win_reboot": None}, "runs no commands but those of its modules"),
    ({"ansible.windows.win_hostname": {"name": "x"}}, "the twin does not know the module ansible.windows.win_hostname"),
    ({"ansible.windows.win_file": {"path": "x", "sate": "file"}}, "documents no argument 'sate'"),
    ({"ansible.windows.win_ping": None, "async": 5}, "runs nothing in the background"),
)


def test_what_the_twin_refuses(tmp_path: Path, store: Path, collections: Path) -> None:
    names = [f"task_{number}" for number in range(len(REFUSED))]
    tasks = [
        {**task, "register": name, "ignore_errors": True} for name, (task, _says) in zip(names, REFUSED, strict=True)
    ]
    refused = play(tmp_path, {"win": store}, tasks, collections=collections, values=names)
    for name, (_task, says) in zip(names, REFUSED, strict=True):
        assert refused.values[name]["failed"]
        assert says in refused.values[name]["msg"]


def test_a_module_that_is_not_installed_is_a_sentence(tmp_path: Path, store: Path) -> None:
    tasks: list[dict[str, t.Any]] = [{"netwall.datadog.agent_info": {}}]
    refused = play(tmp_path, {"win": store}, tasks, collections=None)
    assert refused.code == 2, refused.output
    assert "ansible-galaxy collection install ansible.windows" in " ".join(refused.output.split())
    assert "Traceback" not in refused.output


def test_a_host_that_goes_away_is_unreachable(tmp_path: Path, store: Path, collections: Path) -> None:
    twin = Twin(collections, store=store)
    twin.plan(1, "after")
    cut = play(tmp_path, {"win": store}, [RULE], collections=collections)
    assert cut.code == 4, cut.output
    assert loaded(store).rules[-1]["Name"] == "a rule"
    assert play(tmp_path, {"win": store}, [RULE], collections=collections).code == 4
    twin.revive()
    assert play(tmp_path, {"win": store}, [RULE], collections=collections).code == 0


def test_tasks_on_other_connections_are_left_alone(tmp_path: Path, store: Path, collections: Path) -> None:
    command = {"ansible.builtin.command": "echo here", "delegate_to": "controller", "register": "said"}
    mixed = play(tmp_path, {"win": store}, [RULE, command], collections=collections, values=["said.stdout"])
    assert mixed.code == 0, mixed.output
    assert mixed.values == {"said.stdout": "here"}
    assert [call["module"] for call in loaded(store).calls] == ["community.windows.win_firewall_rule"]


ROLE: dict[str, t.Any] = {
    "ansible.builtin.include_role": {"name": "netwall.datadog.agent_firewall"},
    "vars": {
        "agent_firewall_ip_ranges_url": "file://{{ playbook_dir }}/ranges.json",
        "agent_firewall_ip_ranges_allow_reserved": True,
        "agent_firewall_ip_ranges_cache_dir": "{{ playbook_dir }}/cache",
        "agent_firewall_products": ["metrics"],
        "agent_firewall_proxy": "http://proxy.lab.example:3128",
    },
}
OUTCOME = "__agent_firewall_outcome"


def with_ranges(folder: Path) -> Path:
    """The new file of a Windows Server that knows a proxy; address ranges lie beside it."""
    (folder / "ranges.json").write_text(json.dumps(ip_ranges()), encoding="utf-8")
    state = windows_server()
    put_agent(state)
    state.network["names"]["proxy.lab.example"] = ["203.0.113.134", "2001:db8:ffff:f000::134"]
    return saved(state, folder / "twin.json")


def test_a_play_that_becomes_root_everywhere_needs_no_word_for_windows(tmp_path: Path, collections: Path) -> None:
    store = with_ranges(tmp_path)
    hardened = play(tmp_path, {"win": store}, [ROLE], collections=collections, values=[OUTCOME], arguments=["--become"])
    assert hardened.code == 0, hardened.output
    assert hardened.values[OUTCOME]["backend"] == "windows"
    assert "final at once, since on Windows no change can be confirmed" in hardened.output
    # The host resolved the name of the proxy.
    opened = {rule["RemoteAddresses"] for rule in loaded(store).rules if rule["RemotePorts"] == "3128"}
    assert opened == {"203.0.113.134/255.255.255.255,2001:db8:ffff:f000::134/128"}

    calls = len(loaded(store).calls)
    again = play(tmp_path, {"win": store}, [ROLE], collections=collections, values=[OUTCOME])
    assert again.values[OUTCOME]["changed"] is False
    costs = (ROOT / "docs/windows.md").read_text(encoding="utf-8")
    assert f"`agent_info` and `host_firewall`; with names to resolve {len(loaded(store).calls) - calls} |" in costs


def test_the_playbook_of_the_readme_serves_a_windows_host(tmp_path: Path, collections: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [written] = yaml.safe_load(readme.partition("```yaml\n")[2].partition("```")[0])
    assert written["become"] is True
    store = with_ranges(tmp_path)
    hardened = play(
        tmp_path,
        {"win": store},
        written["tasks"],
        collections=collections,
        arguments=["--become", "--extra-vars", json.dumps(ROLE["vars"])],
        # Ansible itself refuses sudo for the facts that it gathers.
        gather_facts=written.get("gather_facts", True),
    )
    assert hardened.code == 0, hardened.output
    assert [rule for rule in loaded(store).rules if rule["Grouping"] == "netwall.datadog"] != []


def test_ansible_refuses_sudo_for_modules_that_are_not_ours(tmp_path: Path, store: Path, collections: Path) -> None:
    refused = play(tmp_path, {"win": store}, [RULE], collections=collections, arguments=["--become"])
    assert refused.code == 2, refused.output
    assert "Make sure to set the become method to runas" in " ".join(refused.output.split())
    assert loaded(store).calls == []


def test_a_play_that_runs_as_another_user_does(tmp_path: Path, store: Path, collections: Path) -> None:
    runas = ["--become", "--become-method=runas", "--become-user=SYSTEM"]
    done = play(tmp_path, {"win": store}, [RULE], collections=collections, arguments=runas)
    assert done.code == 0, done.output


def test_the_plan_of_a_windows_host_changes_nothing(tmp_path: Path, collections: Path) -> None:
    store = with_ranges(tmp_path)
    before = loaded(store)
    role = {"ansible.builtin.include_role": {"name": "netwall.datadog.agent_firewall", "tasks_from": "plan"}}
    planned = play(tmp_path, {"win": store}, [{**ROLE, **role}], collections=collections, values=[OUTCOME])
    assert planned.code == 0, planned.output
    assert planned.values[OUTCOME]["flows"] != []
    assert "windows, which is on" in planned.output
    assert {**vars(loaded(store)), "calls": 0, "clock": 0} == {**vars(before), "calls": 0, "clock": 0}


def test_a_role_without_the_collections_ends_in_a_sentence(tmp_path: Path) -> None:
    store = with_ranges(tmp_path)
    refused = play(tmp_path, {"win": store}, [ROLE], collections=None)
    assert refused.code == 2, refused.output
    assert "ansible-galaxy collection install ansible.windows" in " ".join(refused.output.split())
    assert "Traceback" not in refused.output
