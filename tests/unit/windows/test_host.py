# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the twin has beside its firewall: registry, files, services, programs."""

from __future__ import annotations

import base64
import hashlib
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.plugin_utils._agent import windows_file
from ansible_collections.netwall.datadog.tests.windows.failures import MisuseError
from ansible_collections.netwall.datadog.tests.windows.state import access, content_of, file_key, put_agent
from ansible_collections.netwall.datadog.tests.windows.twin import Twin

KEY = r"HKLM:\SOFTWARE\netwall.datadog"
YAML = r"C:\ProgramData\Datadog\datadog.yaml"


@pytest.fixture
def twin(twin: Twin) -> Twin:
    """A Windows Server with an Agent."""
    put_agent(twin.state)
    return twin


def run(twin: Twin, module: str, *, check_mode: bool = False, **args: t.Any) -> dict[str, t.Any]:
    """What a module of ansible.windows answers, without what it was given."""
    answer = twin.run(f"ansible.windows.{module}", args, check_mode=check_mode)
    answer.pop("invocation", None)
    return answer


# --- Registry ---------------------------------------------------------------------------------------------------------


def test_values_are_written_and_read(twin: Twin) -> None:
    for name, kind, data in (("a", "string", "x"), ("b", "dword", 7), ("c", "multistring", ["p", "q"])):
        args: dict[str, t.Any] = {"path": KEY, "name": name, "type": kind, "data": data}
        assert run(twin, "win_regedit", **args)["changed"]
        assert not run(twin, "win_regedit", **args)["changed"]
    answer = run(twin, "win_reg_stat", path=KEY.lower().replace("hklm", "HKLM"))
    assert {name: value["value"] for name, value in answer["properties"].items()} == {"a": "x", "b": 7, "c": ["p", "q"]}
    assert run(twin, "win_reg_stat", path=KEY, name="C")["type"] == "REG_MULTI_SZ"
    assert "netwall.datadog" in run(twin, "win_reg_stat", path=r"HKLM:\SOFTWARE")["sub_keys"]


def test_what_is_not_there_is_said_so(twin: Twin) -> None:
    assert run(twin, "win_reg_stat", path=KEY) == {"changed": False, "exists": False}
    run(twin, "win_regedit", path=KEY)
    assert run(twin, "win_reg_stat", path=KEY, name="x") == {"changed": False, "exists": False}
    assert not run(twin, "win_regedit", path=KEY, name="x", state="absent")["changed"]
    assert run(twin, "win_regedit", path=KEY, state="absent")["changed"]
    assert not run(twin, "win_regedit", path=KEY, state="absent")["changed"]


def test_a_list_that_differs_in_capitals_alone_is_not_written(twin: Twin) -> None:
    args: dict[str, t.Any] = {"path": KEY, "name": "x", "type": "multistring"}
    run(twin, "win_regedit", **args, data=["Rule"])
    assert not run(twin, "win_regedit", **args, data=["rule"])["changed"]
    assert run(twin, "win_regedit", path=KEY, name="x", data="rule")["data_type_changed"]
    assert run(twin, "win_regedit", path=KEY, name="x", data="Rule")["data_changed"]


def test_a_path_of_the_registry_has_a_hive(twin: Twin) -> None:
    assert run(twin, "win_regedit", path=r"HKEY_LOCAL_MACHINE\SOFTWARE\x")["failed"]
    assert run(twin, "win_reg_stat", path=r"C:\x")["failed"]


def test_check_mode_writes_nothing(twin: Twin) -> None:
    assert run(twin, "win_regedit", path=KEY, name="x", data="y", check_mode=True)["changed"]
    assert not run(twin, "win_reg_stat", path=KEY)["exists"]


# --- Files ------------------------------------------------------------------------------------------------------------


def test_a_file_is_read_as_it_is(twin: Twin) -> None:
    content = base64.b64decode(run(twin, "slurp", src=YAML.upper())["content"])
    assert content == b"api_key: 0\r\nsite: datadoghq.eu\r\n"
    assert run(twin, "slurp", src=r"C:\ProgramData\Datadog")["msg"] == r"Path C:\ProgramData\Datadog is a directory"
    assert run(twin, "slurp", src=r"C:\none")["msg"] == r"Path C:\none is not found"


def test_what_is_known_of_a_file(twin: Twin) -> None:
    stat = run(twin, "win_stat", path=r"%ProgramData%\Datadog\datadog.yaml", checksum_algorithm="sha256")["stat"]
    content = content_of(twin.state.files[file_key(YAML)])
    assert (stat["path"], stat["size"], stat["isreg"]) == (YAML, len(content), True)
    assert stat["checksum"] == hashlib.sha256(content).hexdigest()
    assert run(twin, "win_stat", path=r"C:\none")["stat"] == {"exists": False}
    assert run(twin, "win_stat", path=r"C:\ProgramData\Datadog")["stat"]["size"] == len(content)


def test_folders_are_made_and_removed_with_what_is_in_them(twin: Twin) -> None:
    folder = r"C:\ProgramData\Datadog\run\transactions_to_retry"
    assert run(twin, "win_file", path=folder, state="directory", check_mode=True)["changed"]
    assert not run(twin, "win_stat", path=folder)["stat"]["exists"]
    for expected in (True, False):
        assert run(twin, "win_file", path=folder, state="directory")["changed"] is expected
    assert run(twin, "win_file", path=folder, state="file")["failed"]
    assert run(twin, "win_file", path=r"C:\ProgramData\Datadog\run", state="absent")["changed"]
    assert not run(twin, "win_stat", path=folder)["stat"]["exists"]
    assert run(twin, "win_file", path=folder, state="file")["msg"] == f"path {folder} will not be created"


def test_an_entry_of_an_acl_is_added_once(twin: Twin) -> None:
    args: dict[str, t.Any] = {
        "path": r"C:\ProgramData\Datadog",
        "user": "Administrators",
        "rights": "Modify",
        "type": "allow",
    }
    assert run(twin, "win_acl", **args, check_mode=True)["skipped"]
    for expected in (True, False):
        assert run(twin, "win_acl", **args)["changed"] is expected
    assert run(twin, "win_acl", **args, state="absent")["changed"]
    assert run(twin, "win_acl", **{**args, "user": "nobody"})["failed"]
    assert run(twin, "win_acl", **{**args, "path": r"C:\none"})["failed"]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(twin: Twin, splices: list[dict[str, t.Any]], after: bytes, **more: t.Any) -> dict[str, t.Any]:
    """What the script of this collection says when it is to make *after* of the Agent's file."""
    old = content_of(twin.state.files[file_key(YAML)])
    given = {"Path": YAML, "Before": sha256(old), "Splices": splices, "After": sha256(after), "Target": YAML}
    parameters = {**given, "Over": sha256(old), "Backup": False, **more}
    script = windows_file.SCRIPT.read_text(encoding="utf-8")
    answer = run(twin, "win_powershell", script=script, parameters=parameters, error_action="stop")
    return {"changed": answer["changed"], **answer["result"]}


EDITED = b"api_key: 0\r\nsite: us3.datadoghq.com\r\n"
SPLICE = {"offset": 18, "length": 12, "content": base64.b64encode(b"us3.datadoghq.com").decode()}


def test_a_file_that_is_put_keeps_its_rights_and_leaves_nothing_else(twin: Twin) -> None:
    before = {**twin.state.files[file_key(YAML)]}
    before["acl"] = twin.state.files[file_key(YAML)]["acl"] = [access("Administrators", "Read", inherit="None")]
    before["owner"] = twin.state.files[file_key(YAML)]["owner"] = "somebody"
    names = set(twin.state.files)
    assert put(twin, [SPLICE], EDITED)["changed"]
    after = twin.state.files[file_key(YAML)]
    assert content_of(after) == EDITED
    assert {**after, "content": 0, "written": 0} == {**before, "content": 0, "written": 0}
    assert set(twin.state.files) == names


def test_a_backup_is_the_file_that_was_there(twin: Twin) -> None:
    before = twin.state.files[file_key(YAML)]
    told = put(twin, [SPLICE], EDITED, Backup=True)
    assert twin.state.files[file_key(told["backup_file"])] == {**before, "path": told["backup_file"]}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"Before": sha256(b"")}, "was changed by somebody else since it was read"),
        ({"After": sha256(b"")}, "does not come out as it was planned"),
        ({"Over": sha256(b"")}, "was changed by somebody else meanwhile"),
        ({"Over": ""}, "was changed by somebody else meanwhile"),
        ({"Path": r"C:\none"}, "could not be written"),
    ],
)
def test_what_is_not_as_planned_is_left_alone(twin: Twin, more: dict[str, t.Any], says: str) -> None:
    before = dict(twin.state.files)
    told = put(twin, [SPLICE], EDITED, **more)
    assert not told["changed"]
    assert says in told["problem"]
    assert twin.state.files == before


def test_no_other_script_is_run(twin: Twin) -> None:
    with pytest.raises(MisuseError, match="does not know the script"):
        run(twin, "win_powershell", script="whoami", parameters={}, error_action="stop")


def test_disks_are_told(twin: Twin) -> None:
    answer = twin.run("community.windows.win_disk_facts", {"filter": ["volumes"]})
    [disk] = answer["ansible_facts"]["ansible_disks"]
    assert disk["partitions"][0]["volumes"][0]["size_remaining"] == 64 * 2**30
    with pytest.raises(MisuseError, match="volumes alone"):
        twin.run("community.windows.win_disk_facts", {})


# --- Services and programs --------------------------------------------------------------------------------------------


def test_a_service_is_told_and_restarted_with_those_that_depend_on_it(twin: Twin) -> None:
    [before] = run(twin, "win_service_info", name="DatadogAgent")["services"]
    assert before["dependency_of"] == ["datadog-trace-agent", "datadog-process-agent"]
    args: dict[str, t.Any] = {"name": "datadogagent", "state": "restarted"}
    assert "has dependent services" in run(twin, "win_service", **args)["msg"]
    assert run(twin, "win_service", **args, force_dependent_services=True)["changed"]
    assert {service["state"] for service in twin.state.services.values()} == {"started"}
    [after] = run(twin, "win_service_info", name="datadogagent")["services"]
    assert after["process_id"] != before["process_id"]
    assert run(twin, "win_service_info", name="none") == {"changed": False, "exists": False, "services": []}
    assert run(twin, "win_service", name="none", state="started")["failed"]


def test_a_service_can_die_of_a_setting(twin: Twin) -> None:
    twin.state.services["datadogagent"]["dies_of"] = [YAML, "datadoghq.eu"]
    run(twin, "win_service", name="datadogagent", state="restarted", force_dependent_services=True)
    assert run(twin, "win_service_info", name="datadogagent")["services"][0]["state"] == "stopped"


def test_a_program_is_run_but_not_in_check_mode(twin: Twin) -> None:
    argv = [r"C:\Program Files\Datadog\Datadog Agent\bin\agent.exe", "version"]
    assert run(twin, "win_command", argv=argv)["stdout"] == "Agent 7.60.0 - Commit: 0\r\n"
    assert run(twin, "win_command", argv=argv, check_mode=True)["skipped"]
    assert run(twin, "win_command", argv=["none.exe"])["rc"] == 2


def test_a_module_that_the_twin_does_not_know_is_a_fault_of_the_caller(twin: Twin) -> None:
    with pytest.raises(MisuseError, match="does not know the module"):
        run(twin, "win_reboot")


def test_what_no_log_hides_is_not_noted(twin: Twin) -> None:
    twin.run("ansible.windows.slurp", {"src": YAML}, no_log=True)
    twin.run("ansible.windows.slurp", {"src": YAML})
    assert ["args" in call for call in twin.state.calls] == [False, True]
