# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""agent_restart on a twin of a Windows host: a way back is kept, guarded like the file, and taken where need be."""

from __future__ import annotations

import copy
import hashlib
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.action.agent_restart import ActionModule
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.windows_restart import NOTES
from ansible_collections.netwall.datadog.tests.windows.inside import act
from ansible_collections.netwall.datadog.tests.windows.state import access, content_of, file_key, put_agent
from ansible_collections.netwall.datadog.tests.windows.twin import Twin

if t.TYPE_CHECKING:
    from pathlib import Path

YAML = r"C:\ProgramData\Datadog\datadog.yaml"
COPY = r"C:\ProgramData\Datadog\.datadog.yaml.netwall-before"
OLD, NEW, BAD = b"site: old\r\n", b"site: new\r\n", b"site: bad\r\n"
SERVICES = ("datadogagent", "datadog-trace-agent", "datadog-process-agent")


@pytest.fixture
def twin(twin: Twin) -> Twin:
    """A Windows Server whose Agent does not come up with BAD, and whose datadog.yaml has rights of its own."""
    put_agent(twin.state, yaml=OLD)
    twin.state.services["datadogagent"]["dies_of"] = [YAML, "bad"]
    twin.state.files[file_key(YAML)].update(owner="SYSTEM", acl=[access("SYSTEM", "FullControl", inherit="None")])
    return twin


def asked(twin: Twin, collections: Path, *, check_mode: bool = False, **more: t.Any) -> dict[str, t.Any]:
    arguments = {"path": YAML, "service": "datadogagent", "settle": 0, **more}
    return act(ActionModule, twin, collections, arguments, check_mode=check_mode)


def prepared(twin: Twin, collections: Path, content: bytes | None = None, **more: t.Any) -> dict[str, t.Any]:
    """What is said before the file becomes *content*."""
    checksum: dict[str, t.Any] = {} if content is None else {"checksum": hashlib.sha256(content).hexdigest()}
    return asked(twin, collections, state="prepared", **checksum, **more)


def become(twin: Twin, content: bytes) -> None:
    """Change the file as agent_config does: nothing of it but the content."""
    entry = twin.state.files[file_key(YAML)]
    other = copy.deepcopy(twin)
    put_agent(other.state, yaml=content)
    entry["content"] = other.state.files[file_key(YAML)]["content"]


def changed(twin: Twin, collections: Path, content: bytes) -> None:
    """As after a run that changed the file to *content* and was cut off."""
    assert not prepared(twin, collections, content).get("failed")
    become(twin, content)


def now(twin: Twin) -> bytes:
    return content_of(twin.state.files[file_key(YAML)])


def notes(twin: Twin) -> list[t.Any]:
    return list(twin.state.registry.get(NOTES.upper(), {"values": {}})["values"])


def restarts(twin: Twin) -> int:
    return sum(call["module"].endswith("win_service") for call in twin.state.calls)


def rights(twin: Twin, path: str = YAML) -> t.Any:
    entry = twin.state.files[file_key(path)]
    return entry["owner"], entry["acl"]


def test_a_copy_is_kept_before_a_change_and_is_guarded_like_the_file(twin: Twin, collections: Path) -> None:
    told = prepared(twin, collections, NEW)
    assert told == {"changed": False, "is_running": True, "is_due": False, "user": r"HOST\ddagentuser"}
    assert content_of(twin.state.files[file_key(COPY)]) == OLD
    assert rights(twin, COPY) == rights(twin)
    assert notes(twin) == [YAML.lower()]
    # What is not the file's own would be handed down by the folder.
    assert rights(twin) != rights(twin, r"C:\ProgramData\Datadog")


def test_nothing_is_kept_where_nothing_is_to_change(twin: Twin, collections: Path) -> None:
    assert not prepared(twin, collections)["is_due"]
    prepared(twin, collections, NEW, check_mode=True)
    assert file_key(COPY) not in twin.state.files
    assert notes(twin) == []
    twin.state.calls.clear()
    prepared(twin, collections)
    assert [call["module"] for call in twin.state.calls] == [
        "ansible.windows.win_service_info",
        "ansible.windows.win_stat",
    ]


def test_a_restart_that_did_not_come_is_due(twin: Twin, collections: Path) -> None:
    changed(twin, collections, NEW)
    assert prepared(twin, collections)["is_due"]
    changed(twin, collections, BAD)
    assert content_of(twin.state.files[file_key(COPY)]) == OLD
    told = asked(twin, collections)
    assert (told["failed"], told["is_put_back"], now(twin)) == (True, True, OLD)


def test_a_copy_of_what_is_still_so_is_cleared_away(twin: Twin, collections: Path) -> None:
    prepared(twin, collections, NEW)
    assert not prepared(twin, collections)["is_due"]
    assert (file_key(COPY) in twin.state.files, notes(twin)) == (False, [])


def test_an_agent_that_comes_up_has_no_way_back(twin: Twin, collections: Path) -> None:
    changed(twin, collections, NEW)
    processes = [twin.state.services[name]["process_id"] for name in SERVICES]
    told = asked(twin, collections)
    assert told == {"changed": True, "is_running": True, "is_put_back": False, "user": r"HOST\ddagentuser"}
    assert (now(twin), file_key(COPY) in twin.state.files, notes(twin)) == (NEW, False, [])
    # Those that depend on it, too.
    assert {twin.state.services[name]["state"] for name in SERVICES} == {"started"}
    assert not {twin.state.services[name]["process_id"] for name in SERVICES} & set(processes)


def test_an_agent_that_does_not_come_up_gets_its_settings_back(twin: Twin, collections: Path) -> None:
    before = rights(twin)
    changed(twin, collections, BAD)
    told = asked(twin, collections)
    assert (told["failed"], told["is_put_back"]) == (True, True)
    assert f"It is stopped. {YAML} is as it was before, and the Agent runs with it." in told["msg"]
    assert told["msg"].endswith(r"What it said: the event log, and C:\ProgramData\Datadog\logs.")
    assert (now(twin), rights(twin), restarts(twin)) == (OLD, before, 2)
    assert [key for key in twin.state.files if "netwall" in key or ".bak" in key] == []
    assert notes(twin) == []
    assert {twin.state.services[name]["state"] for name in SERVICES} == {"started"}


def test_a_restart_that_windows_refuses_is_one_that_did_not_come_up(twin: Twin, collections: Path) -> None:
    changed(twin, collections, NEW)
    # How the service is, what is noted, what is noted then, and the restart.
    twin.plan(4, "fails")
    told = asked(twin, collections)
    assert (told["failed"], told["is_put_back"], now(twin)) == (True, True, OLD)
    assert "The module ansible.windows.win_service failed on the host: The twin was told to fail here." in told["msg"]


def test_what_somebody_else_has_changed_is_not_thrown_away(twin: Twin, collections: Path) -> None:
    changed(twin, collections, NEW)
    become(twin, BAD)
    told = asked(twin, collections)
    assert (told["failed"], told["is_put_back"], restarts(twin)) == (True, False, 1)
    assert (now(twin), content_of(twin.state.files[file_key(COPY)])) == (BAD, OLD)
    assert COPY in told["msg"]


def test_an_agent_that_was_stopped_stays_so(twin: Twin, collections: Path) -> None:
    changed(twin, collections, NEW)
    twin.state.services["datadogagent"].update(state="stopped", process_id=0)
    assert not asked(twin, collections)["changed"]
    assert (now(twin), restarts(twin)) == (NEW, 0)


def test_nothing_is_restarted_in_check_mode(twin: Twin, collections: Path) -> None:
    assert asked(twin, collections, check_mode=True)["changed"]
    assert restarts(twin) == 0


@pytest.mark.parametrize("kind", ["before", "after"])
def test_a_run_that_is_cut_off_at_any_call_leaves_the_old_file_somewhere_whole(
    twin: Twin, collections: Path, kind: str
) -> None:
    changed(twin, collections, BAD)
    undisturbed = copy.deepcopy(twin)
    undisturbed.state.calls.clear()
    asked(undisturbed, collections)
    for number in range(1, len(undisturbed.state.calls) + 1):
        cut = copy.deepcopy(twin)
        cut.plan(number, kind)
        assert asked(cut, collections)["failed"]
        cut.revive()
        files = [content_of(cut.state.files[key]) for key in map(file_key, (YAML, COPY)) if key in cut.state.files]
        assert OLD in files, f"cut off at call {number}"
        # What is done next puts it back, or finds that it is.
        asked(cut, collections)
        assert now(cut) == OLD, f"cut off at call {number}"


@pytest.mark.parametrize("steps", range(5))
def test_a_script_that_is_cut_off_leaves_a_whole_file(twin: Twin, collections: Path, steps: int) -> None:
    changed(twin, collections, BAD)
    counted = copy.deepcopy(twin)
    counted.state.calls.clear()
    asked(counted, collections)
    scripts = [number for number, call in enumerate(counted.state.calls, 1) if call["module"].endswith("powershell")]
    assert len(scripts) == 1
    twin.plan(scripts[0], "within", steps)
    assert asked(twin, collections)["failed"]
    assert now(twin) in {OLD, BAD}
    for key in twin.state.files:
        if "netwall" in key or ".bak" in key:
            entry = twin.state.files[key]
            assert content_of(entry) == b"" or (entry["owner"], entry["acl"]) == rights(twin)
    twin.revive()
    asked(twin, collections)
    assert now(twin) == OLD


def test_a_service_that_is_not_there_is_told(twin: Twin, collections: Path) -> None:
    told = prepared(twin, collections, NEW, service="other")
    assert told["msg"] == "This host has no service other."


def test_a_file_that_is_not_there_is_told(twin: Twin, collections: Path) -> None:
    del twin.state.files[file_key(YAML)]
    told = prepared(twin, collections, NEW)
    assert told["msg"].startswith(f"{COPY} could not be written: Could not find file")


def test_a_controller_without_the_collection_says_what_to_install(twin: Twin, tmp_path: Path) -> None:
    told = asked(twin, tmp_path)
    assert told["msg"].endswith("(ansible-galaxy collection install ansible.windows).")
