# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our own code as a program that outlives what Ansible sent, and what is laid for the next boot."""

from __future__ import annotations

import fcntl
import io
import subprocess
import sys
import typing as t
import zipfile

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import transaction, watchdog
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError

if t.TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose files are in *tmp_path*, which is booted by systemd."""
    (tmp_path / "wants").mkdir()
    for name, path in {"CODE": "way-back.zip", "_UNIT_FILE": "unit", "_UNIT_LINK": "wants/unit"}.items():
        monkeypatch.setattr(watchdog, name, str(tmp_path / path))
    for name, path in {"_SCRIPT_FILE": "script", "_UPDATE_RC": "update-rc.d"}.items():
        monkeypatch.setattr(watchdog, name, str(tmp_path / path))
    monkeypatch.setattr(watchdog, "_lock", lambda change: str(tmp_path / f"{change}.lock"))
    monkeypatch.setattr(watchdog, "has_systemd", lambda: True)
    return tmp_path


def test_our_code_runs_where_nothing_of_it_is_installed(tmp_path: Path) -> None:
    assert transaction.__name__ in sys.modules
    archive = tmp_path / "way-back.zip"
    archive.write_bytes(watchdog._code())
    # All modules are loaded before the arguments are read.
    argv = [sys.executable, "-I", "-S", str(archive), "watch", "too few arguments"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "not enough values to unpack" in done.stderr


def test_our_code_has_all_backends_and_nothing_of_others() -> None:
    with zipfile.ZipFile(io.BytesIO(watchdog._code())) as archive:
        names = set(archive.namelist())
    ours = "ansible_collections/netwall/datadog/plugins/module_utils/"
    assert {f"{ours}_firewall/{name}.py" for name in ("ufw", "firewalld", "way_back", "journal")} <= names
    assert {name.split("/")[0] for name in names} == {"__main__.py", "ansible_collections"}
    assert not [name for name in names if "ansible/" in name]


def test_a_watchdog_is_seen_as_long_as_it_watches(host: Path) -> None:
    assert not watchdog.is_watched("c1")
    with watchdog.watching("c1"):
        assert watchdog.is_watched("c1")
        assert not watchdog.is_watched("c2")
    assert not watchdog.is_watched("c1")
    assert not list(host.glob("*.lock"))


def test_a_watchdog_that_was_killed_is_not_seen(host: Path) -> None:
    (host / "c1.lock").touch()
    assert not watchdog.is_watched("c1")


def armed(host: Path, monkeypatch: pytest.MonkeyPatch, commands: list[list[str]], *, starts: bool = True) -> None:
    """Arm for a change whose watchdog, once it is started, is there at once."""
    lock = (host / "c1.lock").open("a")

    def start(argv: list[str], *_more: t.Any) -> str:
        commands.append(argv)
        if starts and "watch" in argv:
            fcntl.flock(lock, fcntl.LOCK_EX)
        return ""

    monkeypatch.setattr(watchdog, "run", start)
    monkeypatch.setattr(watchdog, "_start_apart", start)
    with lock:
        watchdog.arm("c1", (7, "99"))


def test_under_systemd_the_watchdog_is_in_nobodys_session(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    armed(host, monkeypatch, commands)
    assert commands[0][0] == "systemd-run"
    assert "--description=Take back a change of the firewall unless it is confirmed in time" in commands[0]
    assert commands[0][-6:] == [sys.executable, str(host / "way-back.zip"), "watch", "c1", "7", "99"]


def test_elsewhere_it_is_started_in_a_session_of_its_own(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "has_systemd", lambda: False)
    commands: list[list[str]] = []
    armed(host, monkeypatch, commands)
    assert commands == [[sys.executable, str(host / "way-back.zip"), "watch", "c1", "7", "99"]]


def test_a_watchdog_that_does_not_start_is_an_error(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "_START_TIMEOUT", 0)
    with pytest.raises(FirewallError, match=r"No process could be started .* so nothing was changed\.\Z"):
        armed(host, monkeypatch, [], starts=False)


def test_a_boot_finds_our_unit_until_it_is_not_needed(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    armed(host, monkeypatch, [])
    text = (host / "wants" / "unit").read_text(encoding="ascii")
    assert f"ExecStart={sys.executable} " in text
    assert "Before=ufw.service firewalld.service network-pre.target" in text
    watchdog.disarm()
    assert sorted(path.name for path in host.rglob("*")) == ["c1.lock", "wants"]
    watchdog.disarm()


def test_where_sysv_rc_boots_it_finds_our_script(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "has_systemd", lambda: False)
    (host / "update-rc.d").touch()
    commands: list[list[str]] = []
    armed(host, monkeypatch, commands)
    script = host / "script"
    assert script.stat().st_mode & 0o777 == 0o755
    assert f"{sys.executable} " in script.read_text(encoding="ascii")
    watchdog.disarm()
    assert not script.exists()
    assert [argv[1:] for argv in commands if argv[0] == str(host / "update-rc.d")] == [
        ["netwall-datadog-way-back", "defaults"],
        ["netwall-datadog-way-back", "remove"],
    ]


@pytest.mark.parametrize(
    ("systemd", "sysv", "survives"), [(True, False, True), (False, True, True), (False, False, False)]
)
def test_it_is_known_whether_a_boot_would_take_it_back(
    host: Path, monkeypatch: pytest.MonkeyPatch, systemd: bool, sysv: bool, survives: bool
) -> None:
    monkeypatch.setattr(watchdog, "has_systemd", lambda: systemd)
    if sysv:
        (host / "update-rc.d").touch()
    assert watchdog.survives_boot() == survives
