# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""agent_info and agent_config on a twin of a Windows host: what is read, what is written, and what is seen of it."""

from __future__ import annotations

import contextlib
import json
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.action.agent_config import ActionModule as Config
from ansible_collections.netwall.datadog.plugins.action.agent_info import ActionModule as Info
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent import host
from ansible_collections.netwall.datadog.tests._secrets import found
from ansible_collections.netwall.datadog.tests._tool import ROOT
from ansible_collections.netwall.datadog.tests.windows.inside import act
from ansible_collections.netwall.datadog.tests.windows.plays import play
from ansible_collections.netwall.datadog.tests.windows.state import (
    access,
    content_of,
    file_key,
    loaded,
    put_agent,
    put_file,
    put_key,
    saved,
    windows_server,
)
from ansible_collections.netwall.datadog.tests.windows.twin import Twin

if t.TYPE_CHECKING:
    from pathlib import Path

YAML = r"C:\ProgramData\Datadog\datadog.yaml"
SERVICE = r"HKLM:\SYSTEM\CurrentControlSet\Services\datadogagent"
KEY = "0123456789abcdef" * 2
PASSWORD = "a-pass-" + "word-to-find"
SECRETS = (KEY, PASSWORD)
SHIPPED = f"# Ours.\r\napi_key: {KEY}\r\nsite: datadoghq.eu\r\n# GUI_port: 5002\r\n".encode()
OWNER, RIGHTS = "SYSTEM", [access("SYSTEM", "FullControl", inherit="None")]
PORT = {"GUI_port": -1}
# What stands there with PORT: in its place, and with the line ends of the file.
WITH_PORT = SHIPPED.replace(b"5002\r\n", b"5002\r\nGUI_port: -1\r\n")


def with_file(twin: Twin, content: bytes = SHIPPED) -> Twin:
    """An Agent on *twin* whose datadog.yaml has rights that no folder hands down, and an attribute."""
    put_agent(twin.state, yaml=content)
    twin.state.files[file_key(YAML)].update(owner=OWNER, acl=RIGHTS, attributes=["Hidden", "Archive"])
    return twin


@pytest.fixture
def twin(twin: Twin) -> Twin:
    return with_file(twin)


def configured(twin: Twin, collections: Path, settings: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    options: dict[str, t.Any] = {name: more.pop(name) for name in ("state", "backup", "path") if name in more}
    return act(Config, twin, collections, {"settings": settings, **options}, **more)


def now(twin: Twin) -> bytes:
    return content_of(twin.state.files[file_key(YAML)])


def assert_guarded(twin: Twin) -> None:
    entry = twin.state.files[file_key(YAML)]
    assert (entry["owner"], entry["acl"], entry["attributes"]) == (OWNER, RIGHTS, ["Hidden", "Archive"])


# --- What is told -----------------------------------------------------------------------------------------------------


def test_an_agent_is_known(twin: Twin, collections: Path) -> None:
    put_key(twin.state, SERVICE, {"Environment": ["DD_SITE=us3.datadoghq.com", f"DD_API_KEY={KEY}"]})
    told = act(Info, twin, collections, {}, check_mode=True)
    assert (told["version"], told["version_source"], told["service"]) == ("7.60.0", "registry", "datadogagent")
    assert (told["path"], told["site"]) == (YAML, "us3.datadoghq.com")
    assert told["sources"]["site"] == "DD_SITE of the service datadogagent"
    assert told["buffering"]["usual_path"] == r"C:\ProgramData\Datadog\run\transactions_to_retry"
    assert found(SECRETS, json.dumps([told, twin.state.calls])) == []


def test_an_agent_whose_release_stands_nowhere_is_asked_for_it(twin: Twin, collections: Path) -> None:
    for key in [key for key in twin.state.registry if "UNINSTALL" in key]:
        del twin.state.registry[key]
    told = act(Info, twin, collections, {}, check_mode=True)
    assert (told["version"], told["version_source"]) == ("7.60.0", "binary")


def test_an_agent_that_has_its_settings_elsewhere(twin: Twin, collections: Path) -> None:
    put_key(twin.state, r"HKLM:\SOFTWARE\Datadog\Datadog Agent", {"ConfigRoot": "D:\\Datadog\\"})
    put_file(twin.state, r"D:\Datadog\datadog.yaml", b"\xef\xbb\xbfsite: datadoghq.com\r\n")
    told = act(Info, twin, collections, {})
    assert (told["path"], told["site"]) == (r"D:\Datadog\datadog.yaml", "datadoghq.com")


def test_a_host_without_an_agent(collections: Path) -> None:
    told = act(Info, Twin(collections), collections, {})
    assert (told["installed"], told["version"]) == (False, None)


# --- What is written --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a BOM"])
def test_a_setting_comes_once_and_goes_and_leaves_the_file_as_it_was(
    twin: Twin, collections: Path, mark: bytes
) -> None:
    with_file(twin, mark + SHIPPED)
    names = set(twin.state.files)
    told = configured(twin, collections, PORT)
    assert (told["changed"], now(twin)) == (True, mark + WITH_PORT)
    assert told["changes"] == [{"name": "GUI_port", "before": None, "after": -1}]
    assert_guarded(twin)
    assert not configured(twin, collections, PORT)["changed"]
    assert configured(twin, collections, PORT, state="absent")["changed"]
    assert now(twin) == mark + SHIPPED
    assert_guarded(twin)
    # Neither a copy nor anything that was written on the way.
    assert set(twin.state.files) == names


def test_what_it_costs_is_what_is_documented(twin: Twin, collections: Path) -> None:
    costs = (ROOT / "docs/windows.md").read_text(encoding="utf-8")
    act(Info, twin, collections, {})
    assert f"| `agent_info` | {len(twin.state.calls)} |" in costs
    twin.state.calls.clear()
    configured(twin, collections, PORT)
    assert f"nothing to change; a change | 2; {len(twin.state.calls)} |" in costs
    twin.state.calls.clear()
    configured(twin, collections, PORT)
    assert [call["module"].rpartition(".")[2] for call in twin.state.calls] == ["win_reg_stat", "slurp"]


def test_check_mode_tells_and_changes_nothing(twin: Twin, collections: Path) -> None:
    told = configured(twin, collections, PORT, check_mode=True, diff=True)
    assert (told["changed"], now(twin)) == (True, SHIPPED)
    assert told["diff"] == {"before_header": YAML, "after_header": YAML, "before": "", "after": "GUI_port: -1\n"}
    assert told["checksum"] == configured(twin, collections, PORT)["checksum"]


def test_a_backup_is_guarded_as_the_file_was(twin: Twin, collections: Path) -> None:
    told = configured(twin, collections, PORT, backup=True)
    entry = twin.state.files[file_key(told["backup_file"])]
    assert (content_of(entry), entry["owner"], entry["acl"]) == (SHIPPED, OWNER, RIGHTS)


def test_what_somebody_has_changed_meanwhile_is_left_alone(
    twin: Twin, collections: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = twin.run

    def changed_before(module: str, args: t.Mapping[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
        if module.endswith("win_powershell"):
            put_file(twin.state, YAML, b"site: theirs\r\n")
        return run(module, args, **more)

    monkeypatch.setattr(twin, "run", changed_before)
    told = configured(twin, collections, PORT)
    assert told["msg"] == f"{YAML} was changed by somebody else since it was read; run the task again."
    assert now(twin) == b"site: theirs\r\n"


def test_a_file_that_may_not_be_written_says_why(twin: Twin, collections: Path) -> None:
    twin.state.files[file_key(YAML)]["attributes"] = ["ReadOnly"]
    told = configured(twin, collections, PORT)
    assert told["msg"] == f"{YAML} could not be written: Access to the path is denied."
    assert [key for key in twin.state.files if "netwall" in key] == []


@pytest.mark.parametrize("steps", range(5))
def test_a_run_that_is_cut_off_leaves_a_whole_file_and_no_secret_unguarded(
    twin: Twin, collections: Path, steps: int
) -> None:
    twin.state.calls.clear()
    # The registry, the file, and the script.
    twin.plan(3, "within", steps)
    assert configured(twin, collections, PORT)["unreachable"]
    assert now(twin) in {SHIPPED, WITH_PORT}
    for entry in twin.state.files.values():
        if entry["content"] and KEY.encode() in content_of(entry):
            assert (entry["owner"], entry["acl"]) == (OWNER, RIGHTS)
    twin.revive()
    configured(twin, collections, PORT)
    assert now(twin) == WITH_PORT


def test_a_file_that_is_not_there(twin: Twin, collections: Path) -> None:
    told = configured(twin, collections, PORT, path=r"C:\none\datadog.yaml")
    assert told["msg"].startswith(r"There is no file C:\none\datadog.yaml on the host")


@pytest.mark.parametrize("plugin", [Info, Config])
def test_a_controller_without_the_collection_says_what_to_install(twin: Twin, tmp_path: Path, plugin: t.Any) -> None:
    told = act(plugin, twin, tmp_path, {"settings": PORT} if plugin is Config else {})
    assert told["failed"]
    assert told["msg"].endswith("(ansible-galaxy collection install ansible.windows).")


# --- What is seen of it -----------------------------------------------------------------------------------------------

PROXY = {"proxy.https": f"http://agent:{PASSWORD}@192.0.2.7:3128"}


def seen(twin: Twin, collections: Path) -> str:
    """All that a task says, and all that modules are given while they may log it."""
    told = configured(twin, collections, PROXY, diff=True, backup=True)
    assert told["changed"]
    return json.dumps([told, twin.state.calls])


def test_a_secret_is_in_no_result_and_in_no_argument_that_is_logged(twin: Twin, collections: Path) -> None:
    assert found(SECRETS, seen(twin, collections)) == []
    assert PASSWORD.encode() in now(twin)


def test_without_care_it_would_be_found(twin: Twin, collections: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "unseen", lambda _action: contextlib.nullcontext())
    # The key is read, and given to no module: an edit holds what is new in it alone.
    assert found(SECRETS, seen(twin, collections)) == ["secret 1"]


def test_a_play_as_loud_as_can_be_says_nothing(
    tmp_path: Path, collections: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "ansible.log"
    for name, value in {"DEBUG": "True", "LOG_PATH": str(log), "LOG_VERBOSITY": "7"}.items():
        monkeypatch.setenv(f"ANSIBLE_{name}", value)
    state = with_file(Twin(collections)).state
    store = saved(state, tmp_path / "twin.json")
    # As a user who takes care of it: from a file, which no task shows.
    (tmp_path / "proxy.txt").write_text(PROXY["proxy.https"])
    settings = {"proxy.https": "{{ lookup('ansible.builtin.file', 'proxy.txt') }}"}
    tasks: list[dict[str, t.Any]] = [
        {"netwall.datadog.agent_config": {"settings": settings, "backup": True}},
        {"netwall.datadog.agent_info": {}},
    ]
    played = play(tmp_path, {"win": store}, tasks, collections=collections, arguments=["-vvvvvv", "--diff"])
    assert played.code == 0, played.output
    assert PASSWORD.encode() in content_of(loaded(store).files[file_key(YAML)])
    assert found(SECRETS, "\n".join([played.output, log.read_text(), json.dumps(loaded(store).calls)])) == []
    # A task without such care shows it.
    careless: list[dict[str, t.Any]] = [{"ansible.windows.slurp": {"src": YAML}}]
    played = play(tmp_path, {"win": store}, careless, collections=collections, arguments=["-vvvvvv"])
    assert found(SECRETS, played.output) != []


def test_a_server_without_an_agent_has_no_file_to_change(collections: Path) -> None:
    told = configured(Twin(collections, state=windows_server()), collections, PORT)
    assert told["msg"] == f"There is no file {YAML} on the host: is an Agent installed, or is its file elsewhere?"
