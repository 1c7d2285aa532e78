# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Changes parts of a file on the host so that there is always the old file or the new one, whole and guarded alike."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import json
import os
import stat
import tempfile
import time
import typing as t

# Beside these, what a file has in extended attributes (its ACL and SELinux context among them) goes with it: they are
# made by the kernel from what is in the file, or by who may write there.
_NOT_COPIED = ("security.ima", "security.evm")
_ACL = "system.posix_acl_access"

_WHY = {
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "this user may not do that there",
    errno.EPERM: "this user may not do that there, or the file is protected (lsattr shows it)",
    errno.ENOSPC: "the file system is full",
    errno.EDQUOT: "this user's quota is used up",
    errno.EBUSY: "something is mounted over the file",
}


class FileChangeError(Exception):
    """A file was left as it is; the text says why, and nothing of what is in it."""


class Edit(t.NamedTuple):
    """What becomes of a file: ``splices`` are (offset, length, new content) in bytes, ordered and apart.

    ``before`` and ``after`` are the SHA-256 of the whole file.
    """

    before: str
    after: str
    splices: tuple[tuple[int, int, bytes], ...]

    @classmethod
    def from_text(cls, text: str) -> Edit:
        """The edit that :meth:`to_text` made *text* from; raises ValueError for another text."""
        try:
            known = json.loads(base64.b64decode(text, validate=True))
            splices = tuple((int(at), int(length), base64.b64decode(new)) for at, length, new in known["splices"])
            return cls(str(known["before"]), str(known["after"]), splices)
        except (ValueError, KeyError, TypeError):
            # The error's own text would repeat a part of it.
            raise ValueError("This is no edit of a file.") from None

    def to_text(self) -> str:
        """It as one text that tells nothing at a glance."""
        splices = [(at, length, base64.b64encode(new).decode()) for at, length, new in self.splices]
        known = {"before": self.before, "after": self.after, "splices": splices}
        return base64.b64encode(json.dumps(known).encode()).decode()

    def apply(self, content: bytes) -> bytes:
        """What becomes of *content*."""
        parts: list[bytes] = []
        position = 0
        for offset, length, new in self.splices:
            parts += [content[position:offset], new]
            position = offset + length
        return b"".join([*parts, content[position:]])


class Changed(t.NamedTuple):
    """The file that was changed, links followed, and the path of the copy of what it was (empty if there is none)."""

    target: str
    backup: str


def change_file(path: str, edit: Edit, *, backup: bool, is_check: bool) -> Changed:
    """Make *edit* of the file at *path*, or with *is_check* only see whether it can be made.

    Raises :class:`FileChangeError`, and then the file is as it was.
    """
    target = os.path.realpath(path)
    name = path if os.path.abspath(path) == target else f"{path}, which is a link to {target},"
    copies: list[str] = []
    try:
        with opened(target) as old:
            content = everything(old, name)
            new = _edited(content, edit, name)
            if is_check:
                _see_whether_writable(target)
                return Changed(target, "")
            status = os.fstat(old)
            if backup:
                # The name that Ansible's own modules give.
                when = time.strftime("%Y-%m-%d@%H:%M:%S~", time.localtime())
                copies.append(f"{target}.{os.getpid()}.{when}")
                write_like(copies[0], content, old)
            write_like(target, new, old, lambda: _see_whether_unchanged(name, target, status))
    except (OSError, FileChangeError) as error:
        for copy in copies:
            _remove(copy)
        if isinstance(error, FileChangeError):
            raise
        if not os.path.lexists(target):
            raise FileChangeError(f"There is no file {name.rstrip(',')} on the host.") from None
        why = _WHY.get(error.errno or 0, os.strerror(error.errno or errno.EIO).lower())
        raise FileChangeError(f"{name} can't be changed: {why}. It is as it was.") from None
    return Changed(target, "".join(copies))


def _edited(content: bytes, edit: Edit, name: str) -> bytes:
    if _sha256(content) != edit.before:
        raise FileChangeError(f"{name} was changed by somebody else since it was read; run the task again.")
    new = edit.apply(content)
    if _sha256(new) != edit.after:
        raise FileChangeError(f"{name} does not come out as it was planned, so it is left as it is.")
    return new


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def opened(path: str, flags: int = os.O_RDONLY) -> t.Iterator[int]:
    """The file *path* as an open one; raises OSError."""
    # A pipe would keep us waiting for somebody who writes into it.
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def everything(descriptor: int, name: str) -> bytes:
    """All that is in an open file; raises OSError, and :class:`FileChangeError` if *name* is no ordinary file."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise FileChangeError(f"{name} is no file.")
    parts: list[bytes] = []
    while True:
        part = os.read(descriptor, 1 << 20)
        if not part:
            return b"".join(parts)
        parts.append(part)


def write_like(path: str, content: bytes, like: int, check: t.Callable[[], None] = lambda: None) -> None:
    """Put a new file with *content* at *path*, guarded like the open file *like*; *check* may stop it at the last.

    There is always the whole new one or what was there before. Raises OSError.
    """
    folder, name = os.path.split(path)
    # It is nobody's but this user's (0600) until it is the file's owner's and has its mode.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".new", dir=folder)
    try:
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            _guard(descriptor, like)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        check()
        os.replace(temporary, path)
    except BaseException:
        _remove(temporary)
        raise
    sync_folder(folder)


def sync_folder(folder: str) -> None:
    """Have what was done in *folder* survive a power cut, where the file system can do that. It is done by now."""
    with contextlib.suppress(OSError), opened(folder, os.O_DIRECTORY) as descriptor:
        os.fsync(descriptor)


def _guard(new: int, like: int) -> None:
    """Give the open file *new* the owner, the group, the extended attributes and the mode of *like*."""
    status, own = os.fstat(like), os.fstat(new)
    if (status.st_uid, status.st_gid) != (own.st_uid, own.st_gid):
        os.fchown(new, status.st_uid, status.st_gid)
    if hasattr(os, "listxattr"):
        wanted, present = _attributes(like), _attributes(new)
        if _ACL in present and _ACL not in wanted:
            # It came from the folder's default.
            os.removexattr(new, _ACL)
        for name, value in wanted.items():
            if present.get(name) != value:
                os.setxattr(new, name, value)
    # At last: the mode of a file with an ACL is a part of that.
    os.fchmod(new, stat.S_IMODE(status.st_mode))


def _attributes(descriptor: int) -> dict[str, bytes]:
    try:
        names = os.listxattr(descriptor)
        return {name: os.getxattr(descriptor, name) for name in names if name not in _NOT_COPIED}
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EOPNOTSUPP):
            return {}
        raise


def _see_whether_writable(path: str) -> None:
    """Raise the OSError that putting another file in the place of *path* would raise, as far as looking can tell."""
    status, folder = os.stat(path), os.path.dirname(path)
    # Who may write into it by its mode and still may not is kept from it by chattr, or by what it is mounted from.
    may = os.geteuid() == 0 or (os.geteuid() == status.st_uid and status.st_mode & stat.S_IWUSR)
    if may and not os.access(path, os.W_OK):
        is_read_only = os.statvfs(path).f_flag & os.ST_RDONLY
        raise OSError(errno.EROFS if is_read_only else errno.EPERM, "")
    if not os.access(folder, os.W_OK | os.X_OK):
        is_read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        raise OSError(errno.EROFS if is_read_only else errno.EACCES, "")


def _see_whether_unchanged(name: str, path: str, status: os.stat_result) -> None:
    now = os.stat(path)
    if any(getattr(now, of) != getattr(status, of) for of in ("st_dev", "st_ino", "st_size", "st_mtime_ns")):
        raise FileChangeError(f"{name} was changed by somebody else while it was edited; run the task again.")


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
