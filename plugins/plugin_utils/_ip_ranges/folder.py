# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The cache folder of a user: where it is, and what in it is whole and the user's own.

A file starts with a checksum of its name and of all that follows, so that none is taken for another.

Small on purpose, as is all that a lookup needs whose answer is there: ansible-core compiles each module of a collection
again in each process.
"""

import contextlib
import hashlib
import os
import stat

_KEY_LENGTH = 40
_NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC


def path_of(folder: str | None) -> str:
    """The folder that the option ``cache_dir`` names, or the usual one."""
    if folder:
        return folder
    # https://specifications.freedesktop.org/basedir-spec: a relative path there counts as none.
    base = os.environ.get("XDG_CACHE_HOME", "")
    return os.path.join(base if os.path.isabs(base) else os.path.expanduser("~/.cache"), "netwall", "datadog")


def key(text: str) -> str:
    """A file's name that stands for *text*, which may hold a password."""
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]


def check(folder: str) -> None:
    """Raise ``OSError`` unless *folder* is one in which nobody but its user, who is ours, can write."""
    found = os.stat(folder)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(0, "it is no folder")
    if found.st_uid != os.geteuid():
        raise PermissionError(0, "it belongs to another user")
    if found.st_mode & 0o022:
        raise PermissionError(0, f"others may write into it: chmod 700 {folder}")


def read(folder: str, name: str) -> tuple[str, bytes]:
    """Checksum and content of the file *name*; raises ``OSError`` or ``ValueError`` unless it is whole and ours."""
    check(folder)
    with open(os.path.join(folder, name), "rb", opener=_without_waiting) as file:
        found = os.fstat(file.fileno())
        # What somebody else could have put there is not ours.
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise PermissionError(0, "it is no file of ours")
        written, _newline, content = file.read().partition(b"\n")
    checksum = checksum_of(name, content)
    if checksum.encode() != written:
        raise ValueError("it is damaged")
    return checksum, content


def write(folder: str, name: str, content: bytes) -> None:
    """Have *content* in the file *name*, as a whole or not at all; raises ``OSError``."""
    path = os.path.join(folder, name)
    # By process, because a killed one may have left its own.
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "wb", opener=for_the_user_alone) as file:
            file.write(checksum_of(name, content).encode() + b"\n" + content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def checksum_of(name: str, content: bytes) -> str:
    """What a file *name* with this *content* starts with."""
    return hashlib.sha256(name.encode() + b"\n" + content).hexdigest()


def for_the_user_alone(path: str, flags: int) -> int:
    """An ``opener`` of a file that is made where there is none."""
    descriptor = os.open(path, flags | os.O_CREAT | _NO_LINK, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | _NO_LINK | os.O_NONBLOCK)
