# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role says and refuses before it touches anything, in one play on this machine."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.netwall.datadog.plugins.modules import agent_config, agent_info, agent_restart
from ansible_collections.netwall.datadog.plugins.plugin_utils._buffering.plan import DEFAULT_RATE, SETTINGS
from ansible_collections.netwall.datadog.plugins.plugin_utils._buffering.units import SIZES
from ansible_collections.netwall.datadog.tests._play import play
from ansible_collections.netwall.datadog.tests._tool import ROOT

ROLE = "netwall.datadog.agent_buffering"
AGENT: dict[str, t.Any] = {
    "installed": True,
    "version": "7.60.0",
    "path": "/etc/datadog-agent/datadog.yaml",
    "service": "datadog-agent",
    "owner": {"user": "dd-agent", "group": "dd-agent"},
    "buffering": {"usual_path": "/opt/datadog-agent/run/transactions_to_retry"},
    "endpoints": [],
    "sources": {},
    "warnings": [],
}
VARIABLES = yaml.safe_load((ROOT / "roles/agent_buffering/defaults/main.yml").read_text())
OPTIONS = yaml.safe_load((ROOT / "roles/agent_buffering/meta/argument_specs.yml").read_text())["argument_specs"][
    "main"
]["options"]
# Variables, by the name of the case; what there is beside them of the Agent.
REFUSED: dict[str, tuple[dict[str, t.Any], dict[str, t.Any]]] = {
    "nothing": ({}, {}),
    "old": ({"agent_buffering_disk": "2GiB"}, {"version": "7.26.0"}),
    "older": ({"agent_buffering_memory": "64MB"}, {"version": "5.32.8"}),
    "none": ({"agent_buffering_outage": "6h"}, {"installed": False, "version": None, "path": None}),
    "wrong": ({"agent_buffering_memory": "64M", "agent_buffering_disk_ratio": 80}, {}),
}
MISSPELT: dict[str, dict[str, t.Any]] = {
    "close": {"agent_buffering_disksize": "2GiB"},
    "far": {"agent_buffering_zzz": 1},
    "good": {"agent_buffering_outage": "6h"},
}


def included(tasks: str, variables: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"ansible.builtin.include_role": {"name": ROLE, "tasks_from": tasks}, "vars": variables}


def refused(case: str, tasks: str, variables: dict[str, t.Any]) -> dict[str, t.Any]:
    """A block that keeps what `tasks` said when they failed."""
    kept = f"{{{{ refusals | default({{}}) | combine({{'{case}': ansible_failed_result.msg}}) }}}}"
    return {"block": [included(tasks, variables)], "rescue": [{"ansible.builtin.set_fact": {"refusals": kept}}]}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What was said, by the name of the case."""
    tasks = [
        refused(case, "plan", {**variables, "__agent_buffering_agent": {**AGENT, **agent}})
        for case, (variables, agent) in REFUSED.items()
    ]
    tasks += [refused(case, "preflight", variables) for case, variables in MISSPELT.items()]
    said: dict[str, str] = play(tmp_path_factory.mktemp("role"), tasks, values=["refusals"]).values["refusals"]
    return said


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("nothing", "Nothing is set: set agent_buffering_outage, as in 6h, or some of agent_buffering_memory, "),
        ("old", "Agent 7.26.0 does not have forwarder_storage_max_size_in_bytes, which came with 7.27.0 and 6.27.0."),
        ("older", "Agent 5.32.8 has no settings for buffering"),
        ("none", "No Datadog Agent is installed on this host"),
        ("wrong", "agent_buffering_memory has the unit 'M', which may mean two things: write 64MB"),
        ("wrong", "agent_buffering_disk_ratio is 80: it is a part of the disk"),
        ("close", "has no agent_buffering_disksize; did you mean agent_buffering_disk? Its variables are "),
        ("far", "has no agent_buffering_zzz. Its variables are agent_buffering_outage, "),
    ],
)
def test_what_cannot_be_is_told(refusals: dict[str, str], case: str, sentence: str) -> None:
    assert sentence in refusals[case]


def test_a_variable_that_there_is_is_taken(refusals: dict[str, str]) -> None:
    assert "good" not in refusals


# --- What is asked of the disk ----------------------------------------------------------------------------------------


PLACES = ("it's stored", "link", "file", "none/at/all")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, t.Any]]:
    """A folder with what an Agent stores, and what the role finds out about paths in it, by their names."""
    top = tmp_path_factory.mktemp("disk")
    stored = top / "it's stored"
    for name, size in {"a.retry": 3_000_000_000, "of/b c.retry": 5, "of/.hidden.retry": 7, "other": 900}.items():
        path = stored / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            # Without a byte on the disk.
            file.truncate(size)
    stored.chmod(0o750)
    (top / "link").symlink_to(stored)
    (top / "file").touch()
    tasks = []
    for name in PLACES:
        place = top / name
        plan = {"storage_path": str(place), "folders": [str(place), *map(str, place.parents)]}
        tasks.append(included("posix/disk", {"__agent_buffering_plan": plan, "__agent_buffering_user": ""}))
        found = "{'disk': __agent_buffering_disk, 'stat': __agent_buffering_folder.stat}"
        tasks.append({"ansible.builtin.set_fact": {"places": f"{{{{ places | default([]) + [{found}] }}}}"}})
    values = play(tmp_path_factory.mktemp("role"), tasks, values=["places"]).values
    return top, dict(zip(PLACES, values["places"], strict=True))


@pytest.mark.parametrize("name", PLACES)
def test_the_disk_is_the_one_that_the_folder_is_or_will_be_on(asked: tuple[Path, dict[str, t.Any]], name: str) -> None:
    top, found = asked
    block, blocks, _available = map(int, found[name]["disk"]["statfs"].split())
    assert block * blocks == shutil.disk_usage(top).total


@pytest.mark.parametrize(
    ("name", "size"), [("it's stored", 3_000_000_012), ("link", 3_000_000_012), ("none/at/all", 0)]
)
def test_what_is_stored_is_counted(asked: tuple[Path, dict[str, t.Any]], name: str, size: int) -> None:
    assert int(asked[1][name]["disk"]["stored"]) == size


def test_the_folder_is_known(asked: tuple[Path, dict[str, t.Any]]) -> None:
    top, found = asked
    # Others may write into the folder of the tests, or one above it.
    folder = {"exists": True, "isdir": True, "mode": "0750", "pw_name": top.owner(), "is_guarded": False}
    folder["user_may"] = "unknown"
    assert (found["it's stored"]["stat"], found["link"]["stat"]) == (folder, folder)
    assert (found["file"]["stat"]["exists"], found["file"]["stat"]["isdir"]) == (True, False)
    assert not found["none/at/all"]["stat"]["exists"]


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """Whether root alone can change the way to some folders, by their paths from a folder that is root's alone."""
    if os.getuid() != 0:
        pytest.skip("needs root, to have folders that are root's alone")
    found: dict[str, bool] = {}
    top = Path(tempfile.mkdtemp(prefix="netwall-datadog-", dir="/opt"))
    try:
        top.chmod(0o755)
        (top / "roots").mkdir()
        (top / "agents").mkdir()
        os.chown(top / "agents", 65534, 65534)
        (top / "agents/roots").mkdir()
        (top / "everybodys").mkdir()
        (top / "everybodys").chmod(0o1777)
        (top / "groups").mkdir()
        (top / "groups").chmod(0o775)
        (top / "safe").symlink_to(top / "roots/none")
        (top / "unsafe").symlink_to(top / "agents/none")
        names = ["none/at/all", "roots/none", "safe", "agents/none", "agents/roots/none", "everybodys/none"]
        names += ["groups/none", "unsafe", "unsafe/none"]
        tasks: list[dict[str, t.Any]] = []
        for name in names:
            plan = {"storage_path": str(top / name), "folders": [str(top)]}
            tasks.append(included("posix/disk", {"__agent_buffering_plan": plan, "__agent_buffering_user": ""}))
            kept = f"{{{{ ways | default({{}}) | combine({{'{name}': __agent_buffering_folder.stat.is_guarded}}) }}}}"
            tasks.append({"ansible.builtin.set_fact": {"ways": kept}})
        found = play(tmp_path_factory.mktemp("role"), tasks, values=["ways"]).values["ways"]
    finally:
        shutil.rmtree(top)
    return found


def test_the_way_is_guarded_where_root_alone_can_change_it(ways: dict[str, bool]) -> None:
    assert {name for name, is_guarded in ways.items() if is_guarded} == {"none/at/all", "roots/none", "safe"}
    assert len(ways) == 9


@pytest.fixture(scope="module")
def allowed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a user may do in some folders, or in the first above them that there is, by their paths from another."""
    if os.getuid() != 0:
        pytest.skip("needs root, to ask as another user")
    top = Path(tempfile.mkdtemp())
    try:
        top.chmod(0o755)
        for name, mode, user in (("own", 0o700, 65534), ("roots", 0o755, 0), ("it's closed", 0o700, 0)):
            (top / name).mkdir(mode=mode)
            os.chown(top / name, user, user)
        (top / "it's closed/own").mkdir()
        os.chown(top / "it's closed/own", 65534, 65534)
        tasks: list[dict[str, t.Any]] = []
        names = ["own", "own/none/at/all", "roots", "roots/none", "it's closed/own", "it's closed/none"]
        for name in names:
            place = top / name
            plan = {"storage_path": str(place), "folders": [str(place), *map(str, place.parents)]}
            tasks.append(included("posix/disk", {"__agent_buffering_plan": plan, "__agent_buffering_user": "nobody"}))
            kept = "{{ allowed | default([]) + [__agent_buffering_folder.stat.user_may] }}"
            tasks.append({"ansible.builtin.set_fact": {"allowed": kept}})
        values = play(tmp_path_factory.mktemp("role"), tasks, values=["allowed"]).values
        return dict(zip(names, values["allowed"], strict=True))
    finally:
        shutil.rmtree(top)


def test_what_the_agents_user_may_do_in_the_folder_is_asked_as_that_user(allowed: dict[str, str]) -> None:
    assert allowed == {
        "own": "write",
        "own/none/at/all": "write",
        "roots": "enter",
        "roots/none": "enter",
        "it's closed/own": "nothing",
        "it's closed/none": "nothing",
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder in which the role was told to make others, for a user to whom a part of it belongs; what failed."""
    if os.getuid() != 0:
        pytest.skip("needs root, to make folders for another user")
    top = Path(tempfile.mkdtemp())
    top.chmod(0o755)
    (top / "agents").mkdir()
    os.chown(top / "agents", 65534, 65534)
    (top / "roots").mkdir(mode=0o755)
    (top / "agents/link").symlink_to(top / "roots")
    (top / "agents/dangling").symlink_to(top / "roots/gone")
    [making] = yaml.safe_load((ROOT / "roles/agent_buffering/tasks/posix/folder.yml").read_text())
    # There is no Agent to restart.
    del making["notify"]
    tasks = []
    for name in ("agents/link/retry", "agents/dangling", "agents/run/retry", "roots/it's/retry"):
        variables = {
            "__agent_buffering_plan": {"storage_path": str(top / name)},
            "__agent_buffering_folder": {"stat": {"is_guarded": name.startswith("roots")}},
            "__agent_buffering_user": "nobody",
            "__agent_buffering_group": "",
        }
        tasks.append({**making, "vars": variables, "register": "made", "ignore_errors": True})
        kept = f"{{{{ failures | default([]) + ([{name!r}] if made is failed else []) }}}}"
        tasks.append({"ansible.builtin.set_fact": {"failures": kept}})
    failures = play(tmp_path_factory.mktemp("role"), tasks, values=["failures"]).values["failures"]
    return top, failures


def test_a_link_of_the_agents_user_leads_root_nowhere(made: tuple[Path, list[str]]) -> None:
    top, failures = made
    assert sorted(path.name for path in (top / "roots").iterdir()) == ["it's"]
    assert failures == ["agents/link/retry", "agents/dangling"]


@pytest.mark.parametrize("name", ["agents/run/retry", "roots/it's/retry"])
def test_the_folder_is_the_agents_users_alone(made: tuple[Path, list[str]], name: str) -> None:
    top = made[0]
    found = (top / name).stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o700, 65534)
    assert (top / "roots/it's").stat().st_uid == 0


def test_all_of_it_is_one_way_to_the_host_and_back() -> None:
    tasks = yaml.safe_load((ROOT / "roles/agent_buffering/tasks/posix/disk.yml").read_text())
    assert len([task for task in tasks if "ansible.builtin.set_fact" not in task]) == 1


# --- What is described ------------------------------------------------------------------------------------------------


def test_variables_of_both_roles_that_mean_the_same_are_alike() -> None:
    firewall = yaml.safe_load((ROOT / "roles/agent_firewall/meta/argument_specs.yml").read_text())
    theirs = firewall["argument_specs"]["main"]["options"]["agent_firewall_agent_path"]
    info = yaml.safe_load(agent_info.DOCUMENTATION)["options"]["path"]
    config = yaml.safe_load(agent_config.DOCUMENTATION)["options"]["path"]
    restart = yaml.safe_load(agent_restart.DOCUMENTATION)["options"]["path"]
    of_each = [OPTIONS["agent_buffering_agent_path"], theirs, info, config, restart]
    assert {option["type"] for option in of_each} == {"path"}


def test_every_variable_has_a_default_and_is_described() -> None:
    assert set(VARIABLES) == set(OPTIONS)
    assert {name: option.get("default") for name, option in OPTIONS.items()} == VARIABLES


def test_every_setting_is_a_variable_and_named_where_it_is_described() -> None:
    for name, setting in SETTINGS.items():
        [text] = OPTIONS[f"agent_buffering_{name}"]["description"]
        assert f"({setting.name})" in text


def test_the_page_says_what_the_code_says() -> None:
    page = (ROOT / "docs/agent.md").read_text(encoding="utf-8")
    assert f"{DEFAULT_RATE:,} bytes per second" in page
    units = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+) \|$", page, re.MULTILINE))
    assert {unit: int(number.replace(",", "")) for unit, number in units.items()} == {
        unit: number for unit, number in SIZES.items() if unit != "KB"
    }
