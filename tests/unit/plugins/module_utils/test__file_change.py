# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that are changed in parts: always the old one or the new one, and guarded alike."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils import _file_change
from ansible_collections.netwall.datadog.plugins.module_utils._file_change import Edit, FileChangeError, change_file

OLD = b"one\ntwo\nthree\n"
NEW = b"one\n2\nthree\nfour\n"
SPLICES = ((4, 3, b"2"), (14, 0, b"four\n"))

# An ACL as the kernel keeps it: rw for the owner and for user 1000, r for the group, up to rw.
ACL = bytes.fromhex(
    "02000000 01000600ffffffff 02000600e8030000 04000400ffffffff 10000600ffffffff 20000000ffffffff".replace(" ", "")
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may give files away")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


EDIT = Edit(digest(OLD), digest(NEW), SPLICES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "datadog.yaml"
    path.write_bytes(OLD)
    path.chmod(0o640)
    return path


def change(path: Path, edit: Edit = EDIT, *, backup: bool = False, is_check: bool = False) -> _file_change.Changed:
    return change_file(str(path), edit, backup=backup, is_check=is_check)


def refused(path: Path, edit: Edit = EDIT, **options: bool) -> str:
    """Why the file is refused; nothing is left of the attempt."""
    before = sorted(path.parent.iterdir())
    with pytest.raises(FileChangeError) as caught:
        change(path, edit, **options)
    assert sorted(path.parent.iterdir()) == before
    return str(caught.value)


def test_an_edit_travels_as_one_text() -> None:
    assert Edit.from_text(EDIT.to_text()) == EDIT
    with pytest.raises(ValueError, match="This is no edit of a file") as caught:
        Edit.from_text("c2VjcmV0")
    assert caught.value.__suppress_context__


def test_the_parts_change_and_the_mode_stays(path: Path) -> None:
    before = path.stat()
    assert change(path) == (str(path), "")
    assert path.read_bytes() == NEW
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    # Another file in its place: whoever reads has the whole old one or the whole new one.
    assert path.stat().st_ino != before.st_ino
    assert list(path.parent.iterdir()) == [path]


def test_a_new_file_is_nobody_elses_until_it_is_guarded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    guard = _file_change._guard

    def watched(new: int, like: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(new).st_mode))
        guard(new, like)

    monkeypatch.setattr(_file_change, "_guard", watched)
    path.chmod(0o666)

    change(path, backup=True)
    assert modes == [0o600, 0o600]


@needs_root
def test_owner_group_and_mode_stay_of_the_file_and_its_backup(path: Path) -> None:
    os.chown(path, 4711, 4712)
    path.chmod(0o4640)
    backup = Path(change(path, backup=True).backup)
    for file, content in ((path, NEW), (backup, OLD)):
        status = file.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (4711, 4712, 0o4640)
        assert file.read_bytes() == content


@needs_root
def test_acl_selinux_context_and_other_attributes_stay(path: Path) -> None:
    wanted = {
        "system.posix_acl_access": ACL,
        "security.selinux": b"system_u:object_r:etc_t:s0\0",
        "user.note": b"ours",
    }
    try:
        for name, value in wanted.items():
            os.setxattr(path, name, value)
    except OSError as error:
        pytest.skip(f"the file system of the tests has no extended attributes: {error}")
    backup = Path(change(path, backup=True).backup)
    for file in (path, backup):
        assert {name: os.getxattr(file, name) for name in os.listxattr(file)} == wanted
        assert stat.S_IMODE(file.stat().st_mode) == 0o660


@needs_root
def test_the_default_acl_of_the_folder_opens_the_file_to_nobody(path: Path) -> None:
    try:
        os.setxattr(path.parent, "system.posix_acl_default", ACL)
    except OSError as error:
        pytest.skip(f"the file system of the tests has no ACLs: {error}")
    change(path)
    assert "system.posix_acl_access" not in os.listxattr(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_context_that_can_not_be_kept_is_a_reason_to_stop(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        os.setxattr(path, "user.note", b"ours")
    except OSError as error:
        pytest.skip(f"the file system of the tests has no extended attributes: {error}")

    def refuse(*_arguments: t.Any) -> t.NoReturn:
        raise OSError(errno.EPERM, "")

    monkeypatch.setattr(os, "setxattr", refuse)
    assert "this user may not do that there" in refused(path, backup=True)
    assert path.read_bytes() == OLD


def test_a_link_stays_and_leads_to_the_new_file(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.yaml"
    link.symlink_to(path.name)
    assert change(link).target == str(path)
    assert link.is_symlink()
    assert path.read_bytes() == NEW


def test_a_file_that_is_another_one_meanwhile_is_left_alone(path: Path) -> None:
    path.write_bytes(OLD + b"more\n")
    assert refused(path) == f"{path} was changed by somebody else since it was read; run the task again."
    assert path.read_bytes() == OLD + b"more\n"


def test_a_file_that_changes_at_the_last_moment_is_left_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def changed(descriptor: int) -> None:
        fsync(descriptor)
        path.write_bytes(OLD + b"more\n")

    monkeypatch.setattr(os, "fsync", changed)
    assert "was changed by somebody else while it was edited" in refused(path)
    assert path.read_bytes() == OLD + b"more\n"


def test_what_does_not_come_out_as_planned_is_not_written(path: Path) -> None:
    assert "does not come out as it was planned" in refused(path, EDIT._replace(splices=()))
    assert path.read_bytes() == OLD


def test_a_missing_file_and_what_is_no_file(tmp_path: Path) -> None:
    assert refused(tmp_path / "missing") == f"There is no file {tmp_path / 'missing'} on the host."
    assert refused(tmp_path) == f"{tmp_path} is no file."
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "missing")
    said = f"There is no file {dangling}, which is a link to {tmp_path / 'missing'} on the host."
    assert refused(dangling) == said
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert refused(pipe) == f"{pipe} is no file."


def test_check_mode_does_nothing_but_look(path: Path) -> None:
    assert change(path, is_check=True, backup=True) == (str(path), "")
    assert path.read_bytes() == OLD
    assert list(path.parent.iterdir()) == [path]
    assert "was changed by somebody else" in refused(path, EDIT._replace(before=digest(b"")), is_check=True)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fail(_descriptor: int) -> t.NoReturn:
        raise OSError(number, "")

    monkeypatch.setattr(os, "fsync", fail)
    assert refused(path, backup=True).endswith("It is as it was.")
    assert path.read_bytes() == OLD


@needs_root
@pytest.mark.parametrize("is_check", [False, True])
def test_a_file_that_may_not_be_changed_is_a_sentence(path: Path, is_check: bool) -> None:
    chattr = shutil.which("chattr")
    if not chattr or subprocess.run([chattr, "+i", path], capture_output=True, check=False).returncode:
        pytest.skip("this machine protects no file (chattr)")
    try:
        said = refused(path, is_check=is_check)
    finally:
        subprocess.run([chattr, "-i", path], check=True)
    why = "this user may not do that there, or the file is protected (lsattr shows it)"
    assert said == f"{path} can't be changed: {why}. It is as it was."
    assert path.read_bytes() == OLD


@needs_root
@pytest.mark.parametrize("is_check", [False, True])
def test_a_read_only_file_system_is_a_sentence(path: Path, is_check: bool) -> None:
    if not shutil.which("unshare"):
        pytest.skip("needs unshare, to mount in a namespace of its own")
    program = (
        "import sys; from pathlib import Path; "
        "from ansible_collections.netwall.datadog.tests.unit.plugins.module_utils import test__file_change as it; "
        "print(it.refused(Path(sys.argv[1]), is_check=sys.argv[2] == 'True'))"
    )
    mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 9; shift; exec "$@"'
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "sh",
            "-c",
            mount,
            "sh",
            path.parent,
            sys.executable,
            "-c",
            program,
            path,
            str(is_check),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode == 9:
        pytest.skip("this machine mounts nothing read-only")
    assert done.stdout == f"{path} can't be changed: the file system is read-only. It is as it was.\n"
    assert path.read_bytes() == OLD
