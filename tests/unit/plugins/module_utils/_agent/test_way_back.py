# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The copy of a file beside it: as the file was, to the byte and with all that it had."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._agent.way_back import WayBack, WayBackError

OLD = b"# \xe9\r\napi_key: x\r\nsite: datadoghq.eu"
NEW = b"api_key: x\n"


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


def known(path: Path) -> tuple[t.Any, ...]:
    """What a file has beside its content."""
    found = path.stat()
    attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, attributes


def test_the_copy_is_as_the_file(file: Path) -> None:
    way_back = WayBack(str(file))
    way_back.keep()
    copy = Path(way_back.copy)
    assert (copy.read_bytes(), known(copy)) == (OLD, known(file))
    assert copy.parent == file.parent


def test_what_is_put_back_is_the_file_of_before(file: Path) -> None:
    before = known(file)
    way_back = WayBack(str(file))
    way_back.keep()
    file.write_bytes(NEW)
    file.chmod(0o600)
    way_back.take()
    assert (file.read_bytes(), known(file)) == (OLD, before)
    assert list(file.parent.iterdir()) == [file]


@given(old=st.binary(max_size=200), new=st.binary(max_size=200))
def test_a_copy_is_needed_while_the_file_is_another(
    tmp_path_factory: pytest.TempPathFactory, old: bytes, new: bytes
) -> None:
    file = tmp_path_factory.mktemp("file") / "datadog.yaml"
    file.write_bytes(old)
    way_back = WayBack(str(file))
    assert not way_back.is_needed()
    way_back.keep()
    assert not way_back.is_needed()
    file.write_bytes(new)
    assert way_back.is_needed() == (old != new)
    way_back.forget()
    assert (way_back.exists(), file.read_bytes()) == (False, new)


def test_a_link_stays_one(file: Path) -> None:
    link = file.parent / "link.yaml"
    link.symlink_to(file)
    way_back = WayBack(str(link))
    way_back.keep()
    file.write_bytes(NEW)
    way_back.take()
    assert (link.is_symlink(), file.read_bytes()) == (True, OLD)


def test_what_a_killed_run_left_is_no_obstacle(file: Path) -> None:
    way_back = WayBack(str(file))
    Path(way_back.copy + "~").write_bytes(b"half")
    way_back.keep()
    assert Path(way_back.copy).read_bytes() == OLD
    assert len(list(file.parent.iterdir())) == 2


def test_a_copy_that_leads_elsewhere_is_not_taken(file: Path) -> None:
    way_back = WayBack(str(file))
    Path(way_back.copy).symlink_to("/etc/hostname")
    with pytest.raises(WayBackError, match="Can't read"):
        way_back.take()
    assert file.read_bytes() == OLD


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(WayBackError, match=r"Can't read .*datadog\.yaml: No such file or directory"):
        WayBack(str(tmp_path / "datadog.yaml")).keep()
