# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host as every backend touches it: files replaced or left whole, commands, one run at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import subprocess
import sys
import time
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import system
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.system import (
    encode,
    lock_if_free,
    one_run_at_a_time,
    put_back,
    read_text,
    remove,
    run,
    wait_for,
    write_atomically,
)

if t.TYPE_CHECKING:
    from pathlib import Path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "user.rules"
    path.write_text("old", encoding="ascii")
    return path


def full_disk(*_arguments: object) -> t.NoReturn:
    raise OSError(28, "No space left on device")


# --- Files ------------------------------------------------------------------------------------------------------------


def test_bytes_that_are_not_utf8_survive(file: Path) -> None:
    file.write_bytes(bytes(range(256)))
    assert encode(read_text(str(file))) == bytes(range(256))


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o644])
def test_a_files_mode_is_kept(file: Path, kept: int) -> None:
    file.chmod(kept)
    write_atomically(str(file), b"new")
    assert (file.read_bytes(), mode(file)) == (b"new", kept)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_files_owner_is_kept(file: Path) -> None:
    os.chown(file, 65534, 65533)
    write_atomically(str(file), b"new")
    assert (file.stat().st_uid, file.stat().st_gid) == (65534, 65533)


def test_a_files_extended_attributes_are_kept(file: Path) -> None:
    try:
        os.setxattr(file, "user.netwall", b"kept")
    except OSError:
        pytest.skip("this file system has no extended attributes of users")
    write_atomically(str(file), b"new")
    assert os.getxattr(file, "user.netwall") == b"kept"


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    write_atomically(str(tmp_path / "new"), b"")
    assert mode(tmp_path / "new") == 0o600


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere"
    link.symlink_to(file)
    write_atomically(str(link), b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"


@pytest.mark.parametrize("broken", ["fsync", "rename", "chown", "chmod"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    file: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    monkeypatch.setattr(os, broken, full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(str(file), b"new")
    assert [path.name for path in file.parent.iterdir()] == ["user.rules"]
    assert file.read_bytes() == b"old"


def test_a_write_that_is_interrupted_leaves_the_old_file_and_nothing_else(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object) -> t.NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(str(file), b"new")
    assert [path.name for path in file.parent.iterdir()] == ["user.rules"]


def test_data_is_on_the_disk_before_its_name_is_and_the_name_before_we_go_on(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, rename = os.fsync, os.rename

    def watched_fsync(handle: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else f"data: {os.fstat(handle).st_size} bytes")
        fsync(handle)

    def watched_rename(old: str, new: str) -> None:
        calls.append("name")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "rename", watched_rename)
    write_atomically(str(file), b"new")
    assert calls == ["data: 3 bytes", "name", "folder"]


def test_what_a_killed_write_left_is_cleared_away(file: Path) -> None:
    (file.parent / ".user.rules.netwall").write_bytes(b"half of it, and longer than the new")
    write_atomically(str(file), b"new")
    assert [path.name for path in file.parent.iterdir()] == ["user.rules"]
    assert file.read_bytes() == b"new"


@pytest.mark.parametrize("before", [None, b"other", b"wanted"])
@pytest.mark.parametrize("wanted", [None, b"wanted"])
def test_a_file_is_put_back_or_gone(tmp_path: Path, before: bytes | None, wanted: bytes | None) -> None:
    path = tmp_path / "user.rules"
    if before is not None:
        path.write_bytes(before)
    (tmp_path / ".user.rules.netwall").write_bytes(b"half")
    put_back(str(path), wanted)
    assert {found.name: found.read_bytes() for found in tmp_path.iterdir()} == (
        {} if wanted is None else {"user.rules": wanted}
    )


def test_a_file_that_is_as_it_was_is_not_written_again(file: Path) -> None:
    before = file.stat()
    put_back(str(file), b"old")
    assert file.stat().st_ino == before.st_ino


def test_what_is_not_there_need_not_be_removed(tmp_path: Path) -> None:
    remove(str(tmp_path / "nothing"))
    assert not list(tmp_path.iterdir())


# --- Commands ---------------------------------------------------------------------------------------------------------


def command_fault(*argv: str) -> str:
    with pytest.raises(FirewallError) as caught:
        run(list(argv))
    return str(caught.value)


def test_a_command_gives_what_it_prints() -> None:
    assert run(["printf", r"caf\351"]) == "caf\udce9"


def test_a_command_gets_its_input_and_nothing_else() -> None:
    assert run(["cat"], "caf\udce9") == "caf\udce9"
    assert run(["cat"]) == ""


def test_a_command_is_looked_for_where_systems_keep_theirs_and_speaks_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert run(["sh", "-c", 'echo "$LC_ALL $PATH"']) == "C /usr/sbin:/usr/bin:/sbin:/bin\n"


def test_a_command_that_fails_is_quoted_on_one_line() -> None:
    assert command_fault("sh", "-c", "echo out; echo line 2 >&2; echo 'failed' >&2; exit 4") == (
        "'sh -c echo out; echo line 2 >&2; echo 'failed' >&2; exit 4' ended with 4: line 2 failed out"
    )


def test_a_command_that_fails_silently_is_told_apart() -> None:
    assert command_fault("false") == "'false' ended with 1: no message"


def test_a_command_that_is_missing_is_named() -> None:
    assert command_fault("no-such-firewall", "-L") == (
        "'no-such-firewall -L' could not be run: [Errno 2] No such file or directory: 'no-such-firewall'."
    )


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_COMMAND_TIMEOUT", 0.05)
    assert command_fault("tail", "-f", "/dev/null").startswith("'tail -f /dev/null' could not be run: Command ")


# --- One run at a time ------------------------------------------------------------------------------------------------

MODULE = system.__name__
HOLDER = f"""
import sys
from {MODULE} import one_run_at_a_time
with one_run_at_a_time(30, sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
COUNTER = f"""
import sys
from {MODULE} import one_run_at_a_time
sys.modules["{MODULE}"]._POLL = 0.001
for turn in range(100):
    with one_run_at_a_time(30, sys.argv[1]):
        with open(sys.argv[2], "r+", encoding="ascii") as counter:
            number = int(counter.read())
            counter.seek(0)
            counter.write(str(number + 1))
"""


@contextlib.contextmanager
def another(program: str, *arguments: Path) -> t.Iterator[subprocess.Popen[str]]:
    """Another process of this Python; ended, if it hasn't by then, when the block is left."""
    argv = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_a_second_run_gives_up_with_a_sentence_and_a_third_gets_its_turn(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with another(HOLDER, lock) as holder:
        assert said(holder) == "held"
        with pytest.raises(FirewallError) as caught, one_run_at_a_time(0.1, str(lock)):
            pass
        assert str(caught.value) == (
            "Another run is changing this firewall and does not come to an end; try again when it is done."
        )
        assert holder.stdin
        holder.stdin.close()
        with one_run_at_a_time(30, str(lock)):
            assert lock.exists()
    assert not lock.exists()


def test_a_run_that_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with another(HOLDER, lock) as holder:
        assert said(holder) == "held"
    assert lock.exists()
    with one_run_at_a_time(30, str(lock)):
        pass


PARENT = f"""
import sys
from {MODULE} import one_run_at_a_time, run
with one_run_at_a_time(30, sys.argv[1]):
    run(["sh", "-c", "echo started >" + sys.argv[2] + "; read word <" + sys.argv[3]])
"""


def test_a_command_of_a_run_that_was_killed_keeps_others_out_until_it_ends(tmp_path: Path) -> None:
    lock, started, gate = tmp_path / "lock", tmp_path / "started", tmp_path / "gate"
    os.mkfifo(gate)
    with another(PARENT, lock, started, gate) as parent:
        wait_for(started.exists, 30, "the command never started")
        parent.kill()
        parent.wait()
        with pytest.raises(FirewallError), one_run_at_a_time(0.1, str(lock)):
            pass
        gate.write_text("on\n", encoding="ascii")
        with one_run_at_a_time(30, str(lock)):
            assert lock.exists()


def test_a_run_that_fails_leaves_no_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with contextlib.suppress(FirewallError), one_run_at_a_time(0, str(lock)):
        raise FirewallError("no")
    assert not lock.exists()


def test_no_two_runs_are_ever_inside(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0", encoding="ascii")
    with contextlib.ExitStack() as started:
        runs = [started.enter_context(another(COUNTER, tmp_path / "lock", counter)) for _number in range(3)]
        assert [process.wait(60) for process in runs] == [0, 0, 0]
    assert counter.read_text(encoding="ascii") == "300"


@pytest.mark.parametrize("lock", [fcntl.flock, fcntl.lockf])
def test_a_lock_is_taken_if_it_is_free(tmp_path: Path, lock: t.Callable[[t.TextIO, int], object]) -> None:
    with open(tmp_path / "lock", "a", encoding="ascii") as file:
        assert lock_if_free(file, lock)


def test_waiting_asks_no_more_often_than_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    answers = iter([False, False, True])
    wait_for(lambda: next(answers), 30, "never", pause=0.25)
    assert pauses == [0.25, 0.25]


def test_waiting_ends_with_the_condition() -> None:
    answers = iter([False, False, True])
    wait_for(lambda: next(answers), 30, "never")
    assert not list(answers)


def test_waiting_ends_with_the_time() -> None:
    with pytest.raises(FirewallError, match=r"\Atoo late\Z"):
        wait_for(lambda: False, 0, "too late")


def test_a_file_that_is_being_written_has_not_the_ending_of_the_one_it_becomes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, renamed = os.rename, []

    def watch(source: str, target: str) -> None:
        renamed.append((os.path.splitext(source)[1], os.path.dirname(source) == os.path.dirname(target)))
        rename(source, target)

    monkeypatch.setattr(os, "rename", watch)
    write_atomically(str(tmp_path / "netwall-out.xml"), b"<policy/>")
    # firewalld loads whatever ends in .xml.
    assert renamed == [(".netwall", True)]


# --- systemd ----------------------------------------------------------------------------------------------------------


class Systemctl:
    """What systemctl prints and its status, to be set; and how it was called."""

    def __init__(self) -> None:
        self.status, self.said = 0, b"enabled\n"
        self.called: list[list[str]] = []

    def run(self, argv: list[str], **_options: object) -> subprocess.CompletedProcess[bytes]:
        self.called.append(argv)
        return subprocess.CompletedProcess(argv, self.status, stdout=self.said, stderr=b"No such file or directory\n")


@pytest.fixture
def systemctl(monkeypatch: pytest.MonkeyPatch) -> Systemctl:
    made = Systemctl()
    monkeypatch.setattr(system, "has_systemd", lambda: True)
    monkeypatch.setattr(subprocess, "run", made.run)
    return made


@pytest.mark.parametrize(("status", "said"), [(0, b"enabled\n"), (1, b"disabled\n"), (3, b"inactive\n"), (1, b"")])
def test_what_systemd_answers_counts_whatever_its_status(systemctl: Systemctl, status: int, said: bytes) -> None:
    systemctl.status, systemctl.said = status, said
    assert system.ask_systemd("is-enabled", "ufw.service") == said.decode().strip()
    assert systemctl.called == [["systemctl", "is-enabled", "ufw.service"]]


def test_where_there_is_no_systemd_it_is_not_asked(systemctl: Systemctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "has_systemd", lambda: False)
    assert system.ask_systemd("is-active", "ufw.service") == ""
    assert systemctl.called == []


def test_where_systemd_can_t_be_asked_it_answers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_argv: list[str], **_options: object) -> None:
        raise FileNotFoundError("systemctl")

    monkeypatch.setattr(system, "has_systemd", lambda: True)
    monkeypatch.setattr(subprocess, "run", fail)
    assert system.ask_systemd("is-system-running") == ""


def test_what_is_not_there_needs_no_removing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(_path: object) -> t.NoReturn:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "unlink", read_only)
    system.remove(str(tmp_path / "nowhere"))
    (tmp_path / "there").write_text("")
    with pytest.raises(OSError, match="Read-only"):
        system.remove(str(tmp_path / "there"))
