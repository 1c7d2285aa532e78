# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading an Agent's host: what is found, what is said of what can't be, and that nobody sees what is read."""

from __future__ import annotations

import os
import socket
import time
import typing as t

import pytest
from ansible import constants
from ansible.utils.display import Display

from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import (
    CORE,
    TRACE,
    AgentHost,
    AgentHostError,
    Installed,
    Owner,
    PosixHost,
    WindowsHost,
    host_of,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.unseen import unseen
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._agent._hosts import (
    PRODUCT,
    REGISTRY,
    SERVICES,
    UNINSTALL,
    UPGRADES,
    UPGRADES_FIPS,
    Action,
    LinuxAction,
    WindowsAction,
    program,
)

if t.TYPE_CHECKING:
    from pathlib import Path

SECRET = "0123456789abcdef" * 2
YAML = r"C:\ProgramData\Datadog\datadog.yaml"


def on(action: Action) -> AgentHost:
    return host_of(t.cast("t.Any", action), {})


@pytest.fixture
def linux(tmp_path: Path) -> LinuxAction:
    """A host without an Agent."""
    for name in ("dpkg-query", "rpm", "systemctl"):
        program(tmp_path, name, code=1)
    return LinuxAction(tmp_path)


# --- Which host -------------------------------------------------------------------------------------------------------


def test_the_shell_tells_the_platform(linux: LinuxAction) -> None:
    assert isinstance(on(linux), PosixHost)
    assert isinstance(on(WindowsAction()), WindowsHost)


def test_where_things_are(linux: LinuxAction) -> None:
    host = on(linux)
    assert (host.service, host.usual_config) == ("datadog-agent", "/etc/datadog-agent/datadog.yaml")
    assert host.storage_in(host.usual_run) == "/opt/datadog-agent/run/transactions_to_retry"
    host = on(WindowsAction())
    assert (host.service, host.usual_config) == ("datadogagent", YAML)
    assert host.storage_in(host.usual_run) == r"C:\ProgramData\Datadog\run\transactions_to_retry"


def test_the_registry_tells_where_things_are_on_windows() -> None:
    host = on(WindowsAction({REGISTRY: {"ConfigRoot": "D:\\Datadog\\"}}))
    assert host.usual_config == r"D:\Datadog\datadog.yaml"
    assert host.storage_in(host.usual_run) == r"D:\Datadog\run\transactions_to_retry"


# --- Files ------------------------------------------------------------------------------------------------------------


def test_a_file(linux: LinuxAction, tmp_path: Path) -> None:
    (tmp_path / "datadog.yaml").write_bytes(b"\xef\xbb\xbfsite: x\r\n\0")
    host = on(linux)
    assert host.read(str(tmp_path / "datadog.yaml")) == b"\xef\xbb\xbfsite: x\r\n\0"
    assert host.facts == {"discovered_interpreter_python": "/usr/bin/python3"}
    assert on(WindowsAction(files={YAML: b"\r\n"})).read(YAML) == b"\r\n"


def test_a_file_that_is_not_there_is_none(linux: LinuxAction, tmp_path: Path) -> None:
    assert on(linux).read(str(tmp_path / "datadog.yaml")) is None
    assert on(WindowsAction()).read(YAML) is None


def test_a_file_that_may_not_be_read_is_told_from_one_that_is_not_there(linux: LinuxAction) -> None:
    with pytest.raises(AgentHostError) as refused:
        on(linux).read("/etc/secret.yaml")
    assert str(refused.value) == (
        "The user of this connection may not read the file /etc/secret.yaml: become one who may (become: true)."
    )


@pytest.mark.parametrize("is_expected", [False, True])
@pytest.mark.parametrize(
    ("name", "kind"), [("folder", "a folder"), ("pipe", "a named pipe"), ("link", "a device"), ("socket", "a socket")]
)
def test_nothing_is_read_from_what_is_no_file(
    linux: LinuxAction, tmp_path: Path, name: str, kind: str, is_expected: bool
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    host, path = on(linux), str(tmp_path / name)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        if is_expected:
            host.expect([path])
        with pytest.raises(AgentHostError) as refused:
            host.read(path)
    assert str(refused.value) == f"{path} is no file but {kind}: nothing is read from it."
    assert len(linux.did) == 1


def test_what_is_too_large_is_not_fetched(linux: LinuxAction, tmp_path: Path) -> None:
    path, most = tmp_path / "datadog.yaml", 4 * 2**20
    path.write_bytes(b"#" * most)
    assert on(linux).read(str(path)) == b"#" * most
    path.write_bytes(b"#" * (most + 1))
    linux.did.clear()
    said = f"^The file {path} has more than 4194304 bytes: it is no file of settings.$"
    with pytest.raises(AgentHostError, match=said):
        on(linux).read(str(path))
    assert len(linux.did) == 1
    with pytest.raises(AgentHostError, match="has more than 4194304 bytes"):
        on(WindowsAction(files={YAML: b"#" * (most + 1)})).read(YAML)


def test_a_file_that_the_kernel_makes_up_is_empty(linux: LinuxAction) -> None:
    assert on(linux).read("/proc/self/status") == b""


def test_a_pipe_of_variables_is_refused(linux: LinuxAction, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "environment")
    shown = f"Id=datadog-agent.service\nLoadState=loaded\nEnvironmentFiles={tmp_path}/environment (ignore_errors=yes)\n"
    program(tmp_path, "systemctl", said=shown)
    with pytest.raises(AgentHostError, match="environment is no file but a named pipe"):
        _environments = on(linux).environments


def test_whose_a_file_is(linux: LinuxAction, tmp_path: Path) -> None:
    (tmp_path / "it's.yaml").touch()
    owner = on(linux).owner(str(tmp_path / "it's.yaml"))
    assert owner == Owner((tmp_path / "it's.yaml").owner(), (tmp_path / "it's.yaml").group())
    assert on(linux).owner(str(tmp_path / "none")) is None
    host = on(linux)
    host.expect([str(tmp_path / "it's.yaml"), str(tmp_path / "none")])
    linux.did.clear()
    assert (host.owner(str(tmp_path / "it's.yaml")), host.owner(str(tmp_path / "none"))) == (owner, None)
    assert (host.agent, len(linux.did)) == (None, 1)
    assert on(WindowsAction()).owner(YAML) is None


# --- The Agent --------------------------------------------------------------------------------------------------------


def test_a_binary_that_does_not_answer_is_ended(linux: LinuxAction, monkeypatch: pytest.MonkeyPatch) -> None:
    where = "ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host"
    monkeypatch.setattr(f"{where}._BINARIES", (str(linux.folder / "agent"),))
    monkeypatch.setattr(f"{where}._PATIENCE", 1)
    program(linux.folder, "agent")
    (linux.folder / "agent").write_text("#!/bin/sh\ntrap '' TERM\ncat\nsleep 60\necho Agent 7.60.0\n")
    begun = time.monotonic()
    assert on(linux).agent == Installed(None, None)
    assert time.monotonic() - begun < 20
    # A host that has no program for that waits.
    program(linux.folder, "timeout", code=125)
    program(linux.folder, "agent", said="Agent 7.60.0 - Commit: 1\n")
    assert on(linux).agent == Installed("7.60.0", "binary")


def test_no_agent(linux: LinuxAction) -> None:
    assert on(linux).agent is None
    assert on(WindowsAction()).agent is None


@pytest.mark.parametrize(
    ("name", "said", "version"),
    [
        ("dpkg-query", "datadog-agent install ok installed 1:7.60.0-1\n", "7.60.0"),
        ("dpkg-query", "datadog-agent hold ok installed 1:7.60.0~rc.1-1\n", "7.60.0"),
        ("rpm", "package datadog-iot-agent is not installed\ndatadog-agent install ok installed 6.17.0\n", "6.17.0"),
        ("rpm", "datadog-fips-agent install ok installed 7.65.1\n", "7.65.1"),
        ("dpkg-query", "datadog-agent install ok installed nightly\n", None),
    ],
)
def test_a_package(linux: LinuxAction, name: str, said: str, version: str | None) -> None:
    program(linux.folder, name, said=said, code=1)
    assert on(linux).agent == Installed(version, "package")


@pytest.mark.parametrize("status", ["deinstall ok config-files", "install ok half-installed"])
def test_a_package_that_was_removed_is_none(linux: LinuxAction, status: str) -> None:
    program(linux.folder, "dpkg-query", said=f"datadog-agent {status} 1:7.60.0-1\n")
    assert on(linux).agent is None


def test_the_binary_is_asked_where_no_package_tells(linux: LinuxAction, monkeypatch: pytest.MonkeyPatch) -> None:
    program(linux.folder, "agent", said="Agent 7.55.2 - Commit: 1 - Serialization version: 5 - Go version: go1.21\n")
    monkeypatch.setattr(
        "ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host._BINARIES",
        ("/nowhere/agent", str(linux.folder / "agent")),
    )
    assert on(linux).agent == Installed("7.55.2", "binary")
    program(linux.folder, "agent", said="Agent\n")
    assert on(linux).agent == Installed(None, None)


@pytest.mark.parametrize("check_mode", [False, True])
def test_the_binary_is_asked_on_windows(check_mode: bool) -> None:
    action = WindowsAction(
        {REGISTRY: {"InstallPath": "D:\\Agent\\"}}, said="Agent 7.60.0 - Commit: 1\r\n", check_mode=check_mode
    )
    assert on(action).agent == Installed("7.60.0", "binary")
    assert ("ansible.windows.win_command", {"argv": [r"D:\Agent\bin\agent.exe", "version"]}) in action.did
    assert action._task.check_mode is check_mode


@pytest.mark.parametrize("upgrades", [UPGRADES, UPGRADES_FIPS])
def test_the_registry_goes_first_on_windows(upgrades: str) -> None:
    keys = {REGISTRY: {"InstallPath": ""}, upgrades: {PRODUCT: ""}, UNINSTALL: {"DisplayVersion": "7.60.0.0"}}
    action = WindowsAction(keys, said="Agent 7.61.0 - Commit: 1")
    assert on(action).agent == Installed("7.60.0", "registry")
    assert "win_command" not in str(action.did)


@pytest.mark.parametrize("products", [{}, {"": ""}, {"not a code": ""}, {PRODUCT: ""}])
def test_a_registry_that_does_not_tell_is_no_answer(products: dict[str, str]) -> None:
    keys = {REGISTRY: {"InstallPath": ""}, UPGRADES: products, UNINSTALL: {"DisplayVersion": "?"}}
    assert on(WindowsAction(keys, said="Agent 7.61.0 - Commit: 1")).agent == Installed("7.61.0", "binary")


# --- The service's environment ----------------------------------------------------------------------------------------


def test_what_is_set_in_units_and_their_files(linux: LinuxAction, tmp_path: Path) -> None:
    (tmp_path / "environment").write_text("DD_URL='https://example.com'\nDD_SITE=of-the-file\n")
    more = tmp_path / "more $(touch x)"
    more.mkdir()
    (more / "10.conf").write_text("DD_A=10\nDD_B=10\n")
    (more / "20.conf").write_text("DD_A=20\n")
    shown = "".join(
        f"Id={unit}.service\nLoadState=loaded\nEnvironment=DD_SITE=of-the-unit DD_U={unit} PATH=/bin\n"
        f"EnvironmentFiles={tmp_path}/environment (ignore_errors=yes)\n"
        f"EnvironmentFiles={more}/*.conf (ignore_errors=yes)\n"
        f"EnvironmentFiles={tmp_path}/none (ignore_errors=yes)\n\n"
        for unit in ("datadog-agent", "datadog-agent-trace")
    )
    program(tmp_path, "systemctl", said=shown)
    host = on(linux)
    of_both = {"DD_SITE": "of-the-file", "DD_URL": "https://example.com", "DD_A": "20", "DD_B": "10"}
    assert host.environments == {
        CORE: {**of_both, "DD_U": "datadog-agent"},
        TRACE: {**of_both, "DD_U": "datadog-agent-trace"},
    }
    # Each file is fetched once; a pattern is a pattern, and nothing else means anything to the shell.
    assert len([each for each in linux.did if isinstance(each, tuple)]) == 3
    assert not (tmp_path / "x").exists()


def test_a_host_without_systemd_sets_nothing(linux: LinuxAction) -> None:
    assert on(linux).environments == {}


def test_what_is_set_for_services_of_windows() -> None:
    keys = {
        rf"{SERVICES}\datadogagent": {"Environment": [f"DD_API_KEY={SECRET}", "TEMP=x"]},
        rf"{SERVICES}\datadog-trace-agent": {"Environment": ["DD_APM_RECEIVER_PORT=8127"]},
        rf"{SERVICES}\datadog-process-agent": {},
    }
    host = on(WindowsAction(keys))
    assert host.environments[CORE] == {"DD_API_KEY": SECRET}
    assert host.environments[TRACE] == {"DD_APM_RECEIVER_PORT": "8127"}


def test_a_missing_collection_is_one_sentence() -> None:
    with pytest.raises(AgentHostError, match=r"on the controller there is no ansible\.windows\.slurp: install"):
        on(WindowsAction(has_collection=False)).read(YAML)


def test_a_host_that_runs_nothing_says_why(linux: LinuxAction) -> None:
    def refuse(cmd: str) -> dict[str, t.Any]:
        return {"rc": 1, "stdout": "", "stderr": f"sudo: a password is required\n{cmd[:0]}"}

    linux._low_level_execute_command = refuse  # type: ignore[method-assign]
    with pytest.raises(AgentHostError, match=r"read what Agent it has: sudo: a password is required$"):
        _agent = on(linux).agent


# --- Nobody sees it ---------------------------------------------------------------------------------------------------


def state(action: Action) -> list[t.Any]:
    """All that says what is shown."""
    contexts = (action._play_context, action._connection._play_context, action._task)
    display = Display()
    return [
        *[each.no_log for each in contexts],
        display.verbosity,
        display.log_verbosity,
        vars(constants)["DEFAULT_DEBUG"],
    ]


@pytest.fixture
def loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """The most that a user can ask to be shown."""
    monkeypatch.setattr(Display(), "verbosity", 6)
    monkeypatch.setattr(Display(), "log_verbosity", 7)
    monkeypatch.setattr(constants, "DEFAULT_DEBUG", True)


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("error", [None, KeyError, KeyboardInterrupt])
def test_all_is_as_before_whatever_happens(linux: LinuxAction, error: type[BaseException] | None) -> None:
    # The connection may hold another play context than the action.
    linux._connection._play_context = type(linux._play_context)(no_log=False)
    before = state(linux)
    try:
        with unseen(t.cast("t.Any", linux)):
            assert state(linux) == [True, True, True, 2, 2, False]
            if error is not None:
                raise error
    except (KeyError, KeyboardInterrupt):
        pass
    assert state(linux) == before == [False, False, False, 6, 7, True]


def test_what_a_user_has_hidden_stays_hidden(linux: LinuxAction) -> None:
    linux._task.no_log = linux._play_context.no_log = True
    with unseen(t.cast("t.Any", linux)):
        pass
    assert state(linux)[:3] == [True, True, True]


def test_all_that_is_read_is_unseen(linux: LinuxAction) -> None:
    windows = WindowsAction({REGISTRY: {}, rf"{SERVICES}\datadogagent": {"Environment": []}}, said="Agent 7.60.0")
    for action in (linux, windows):
        host = on(action)
        _agent, _environments = host.agent, host.environments
        host.read(host.usual_config)
        host.owner(host.usual_config)
        assert action.did
        assert action.seen == []


def test_what_a_module_prints_instead_of_an_answer_goes_no_further(linux: LinuxAction) -> None:
    def broken(**_arguments: t.Any) -> dict[str, t.Any]:
        return {"failed": True, "msg": "MODULE FAILURE\nSee stdout", "module_stdout": SECRET, "module_stderr": SECRET}

    linux._execute_module = broken  # type: ignore[method-assign]
    with pytest.raises(AgentHostError) as refused:
        on(linux).run("netwall.datadog.any", {"a": SECRET}, is_secret=True)
    assert str(refused.value) == (
        "The module netwall.datadog.any could not be run on the host: MODULE FAILURE See stdout"
    )
