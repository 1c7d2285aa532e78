# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""A copy of a file beside it, from before it is changed until what reads it has come up with the change.

As long as the copy is there, a restart is due: a run that was cut off after the change is completed by the next one.
"""

from __future__ import annotations

import contextlib
import os
import stat


class WayBackError(Exception):
    """The copy can't be made, read or taken; the text is a sentence for the user."""


class WayBack:
    """The copy of the file at *path*: ``.NAME.netwall-before`` in the same folder, with its owner, mode and attributes.

    Where *path* is a link, the file that it leads to counts.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path)
        folder, name = os.path.split(self.path)
        self.copy = os.path.join(folder, f".{name}.netwall-before")

    def exists(self) -> bool:
        """Whether there is a copy."""
        return os.path.lexists(self.copy)

    def is_needed(self) -> bool:
        """Whether there is a copy, and the file is another one by now. Raises :class:`WayBackError`."""
        return self.exists() and _content(self.copy) != _content(self.path)

    def keep(self) -> None:
        """Make the copy, whole or not at all. Raises :class:`WayBackError`."""
        data = _content(self.path)
        temporary = self.copy + "~"
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    _give_attributes(self.path, file.fileno())
                    os.fsync(file.fileno())
                os.rename(temporary, self.copy)
            except BaseException:
                os.unlink(temporary)
                raise
            _sync_folder(self.copy)
        except OSError as error:
            raise WayBackError(f"Can't keep a copy of {self.path} beside it: {error.strerror}.") from error

    def take(self) -> None:
        """Put the copy in the file's place, in one step. Raises :class:`WayBackError`."""
        # What lies there under its name and is no file was not put there by us.
        _content(self.copy)
        try:
            os.rename(self.copy, self.path)
            _sync_folder(self.path)
        except OSError as error:
            raise WayBackError(f"Can't put {self.path} back; it is whole in {self.copy}: {error.strerror}.") from error

    def forget(self) -> None:
        """Remove the copy, if there is one. Raises :class:`WayBackError`."""
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.copy)
                _sync_folder(self.copy)
        except OSError as error:
            raise WayBackError(f"Can't remove {self.copy}: {error.strerror}.") from error


def _content(path: str) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise WayBackError(f"{path} is no ordinary file; remove it.")
            return file.read()
    except OSError as error:
        raise WayBackError(f"Can't read {path}: {error.strerror}.") from error


def _give_attributes(source: str, handle: int) -> None:
    known = os.stat(source)
    os.fchown(handle, known.st_uid, known.st_gid)
    os.fchmod(handle, stat.S_IMODE(known.st_mode))
    # Access control lists and the SELinux context are extended attributes, too.
    for name in os.listxattr(source):
        with contextlib.suppress(OSError):
            os.setxattr(handle, name, os.getxattr(source, name))


def _sync_folder(path: str) -> None:
    handle = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
