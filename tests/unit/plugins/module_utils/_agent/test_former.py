# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The copy of a file beside it: as the file was, to the byte and with all that it had; and what was noted with it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._agent.former import FormerError, FormerFile

OLD = b"# \xe9\r\napi_key: x\r\nsite: datadoghq.eu"
NEW = b"api_key: x\n"
# As the kernel keeps it: rw for the owner and for user 1000, r for the group, up to rw.
ACL = bytes.fromhex("0200000001000600ffffffff02000600e803000004000400ffffffff10000600ffffffff20000000ffffffff")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that is not as new files are."""
    path = tmp_path / "datadog.yaml"
    path.write_bytes(OLD)
    path.chmod(0o640)
    if os.getuid() == 0:
        os.chown(path, 12, 34)
    with contextlib.suppress(OSError):
        os.setxattr(path, "user.kept", b"yes")
    return path


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def known(path: Path) -> tuple[t.Any, ...]:
    """What a file has beside its content."""
    found = path.stat()
    attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, attributes


def test_the_copy_is_as_the_file(file: Path) -> None:
    former = FormerFile(str(file))
    former.keep()
    copy = Path(former.copy)
    assert (copy.read_bytes(), known(copy)) == (OLD, known(file))
    assert copy.parent == file.parent


def test_what_is_put_back_is_the_file_of_before(file: Path) -> None:
    before = known(file)
    former = FormerFile(str(file))
    former.keep()
    file.write_bytes(NEW)
    file.chmod(0o600)
    former.take()
    assert (file.read_bytes(), known(file)) == (OLD, before)
    assert list(file.parent.iterdir()) == [file]


@given(old=st.binary(max_size=200), new=st.binary(max_size=200))
def test_a_copy_is_needed_while_the_file_is_another(
    tmp_path_factory: pytest.TempPathFactory, old: bytes, new: bytes
) -> None:
    file = tmp_path_factory.mktemp("file") / "datadog.yaml"
    file.write_bytes(old)
    former = FormerFile(str(file))
    assert not former.is_needed()
    former.keep()
    assert not former.is_needed()
    file.write_bytes(new)
    assert former.is_needed() == (old != new)
    former.forget()
    assert (former.exists(), file.read_bytes()) == (False, new)


def test_a_link_stays_one(file: Path) -> None:
    link = file.parent / "link.yaml"
    link.symlink_to(file)
    former = FormerFile(str(link))
    former.keep()
    file.write_bytes(NEW)
    former.take()
    assert (link.is_symlink(), file.read_bytes()) == (True, OLD)


def test_the_default_acl_of_the_folder_opens_neither_the_copy_nor_what_is_put_back(file: Path) -> None:
    try:
        os.setxattr(file.parent, "system.posix_acl_default", ACL)
    except OSError as error:
        pytest.skip(f"the file system of the tests has no ACLs: {error}")
    before = known(file)
    former = FormerFile(str(file))
    former.keep()
    former.expect(digest(NEW))
    assert [known(path) for path in file.parent.iterdir()] == [before] * 3
    file.write_bytes(NEW)
    former.take()
    assert (known(file), list(file.parent.iterdir())) == (before, [file])


def test_what_cannot_be_guarded_alike_is_not_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "user.kept" not in os.listxattr(file):
        pytest.skip("the file system of the tests has no extended attributes")

    def refuse(*_arguments: t.Any) -> t.NoReturn:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "setxattr", refuse)
    with pytest.raises(FormerError, match="Operation not permitted"):
        FormerFile(str(file)).keep()
    assert list(file.parent.iterdir()) == [file]


# --- What was noted ---------------------------------------------------------------------------------------------------


def test_only_what_was_noted_is_expected(file: Path) -> None:
    former = FormerFile(str(file))
    former.keep()
    assert not former.is_expected()
    former.expect(digest(NEW))
    assert not former.is_expected()
    file.write_bytes(NEW)
    assert former.is_expected()
    file.write_bytes(NEW + b"# of somebody else\n")
    assert not former.is_expected()


def test_what_was_noted_before_is_expected_until_it_is_forgotten(file: Path) -> None:
    former = FormerFile(str(file))
    former.expect(digest(NEW))
    former.expect(digest(OLD))
    assert former.is_expected()
    file.write_bytes(NEW)
    assert former.is_expected()
    former.forget()
    assert (former.is_expected(), list(file.parent.iterdir())) == (False, [file])


def test_a_copy_that_leads_elsewhere_is_not_taken(file: Path) -> None:
    former = FormerFile(str(file))
    Path(former.copy).symlink_to("/etc/hostname")
    with pytest.raises(FormerError, match="Can't read"):
        former.take()
    assert file.read_bytes() == OLD


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FormerError, match=r"Can't read .*datadog\.yaml: No such file or directory"):
        FormerFile(str(tmp_path / "datadog.yaml")).keep()
