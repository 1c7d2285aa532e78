# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""A copy of a file beside it, from before it is changed until what reads it has come up with the change.

As long as the copy is there, a restart is due: a run that was cut off after the change is completed by the next one.
Beside the copy stands the SHA-256 of what the file was about to become; of each, where a run that was cut off was
followed by one that changed more. Where the file has none of them, somebody else has changed it too, and to put the
copy back would throw that away.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._file_change import (
    FileChangeError,
    everything,
    opened,
    sync_folder,
    write_like,
)

COPY_NAME = ".{}.netwall-before"
"""What the copy of a file of some name is called."""

NOTE_NAME = ".{}.netwall-sha256"
"""What the file is called that says what the changed one is about to become."""


BEGUN = "restarting"
"""What is noted beside the SHA-256 when a restart with the changed file begins."""


class FormerError(Exception):
    """The copy can't be made, read or taken; the text is a sentence for the user."""


class Former(t.Protocol):
    """What a file was before it was changed, wherever the file is."""

    @property
    def path(self) -> str:
        """The file."""

    @property
    def copy(self) -> str:
        """Its copy."""

    def exists(self) -> bool:
        """Whether there is a copy. Raises :class:`FormerError`."""

    def is_needed(self) -> bool:
        """Whether there is a copy, and the file is another one by now. Raises :class:`FormerError`."""

    def is_expected(self) -> bool:
        """Whether the file is what was noted: nobody else has changed it. Raises :class:`FormerError`."""

    def keep(self) -> None:
        """Make the copy, whole or not at all. Raises :class:`FormerError`."""

    def expect(self, checksum: str) -> None:
        """Note that the file is about to become one with this SHA-256. Raises :class:`FormerError`."""

    def begin(self) -> None:
        """Note that a restart with the file begins, if there is a copy. Raises :class:`FormerError`."""

    def is_begun(self) -> bool:
        """Whether that was noted: what is stopped now ran before. Raises :class:`FormerError`."""

    def take(self) -> None:
        """Put the copy in the file's place, in one step. Raises :class:`FormerError`."""

    def forget(self) -> None:
        """Remove the copy and the note, if there are any. Raises :class:`FormerError`."""


class FormerFile:
    """The copy of the file at *path*, in the same folder and guarded like the file: owner, mode, attributes, ACL.

    Where *path* is a link, the file that it leads to counts.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path)
        self._folder, name = os.path.split(self.path)
        self.copy = os.path.join(self._folder, COPY_NAME.format(name))
        self._note = os.path.join(self._folder, NOTE_NAME.format(name))

    def exists(self) -> bool:
        """Whether there is a copy."""
        return os.path.lexists(self.copy)

    def is_needed(self) -> bool:
        """Whether there is a copy, and the file is another one by now."""
        return self.exists() and _content(self.copy) != _content(self.path)

    def is_expected(self) -> bool:
        """Whether the file is what was noted with the copy."""
        return hashlib.sha256(_content(self.path)).hexdigest().encode() in self._expected()

    def keep(self) -> None:
        """Make the copy."""
        self._write(self.copy, _content(self.path))

    def expect(self, checksum: str) -> None:
        """Note what the file is about to become, beside what was noted since the copy was made."""
        self._write(self._note, b"".join(line + b"\n" for line in [*self._expected(), checksum.encode()]))

    def begin(self) -> None:
        """Note that a restart with the file begins."""
        if self.exists() and not self.is_begun():
            self.expect(BEGUN)

    def is_begun(self) -> bool:
        """Whether that was noted."""
        return self.exists() and BEGUN.encode() in self._expected()

    def take(self) -> None:
        """Put the copy in the file's place."""
        # What lies there under its name and is no file was not put there by us.
        _content(self.copy)
        try:
            os.replace(self.copy, self.path)
        except OSError as error:
            raise FormerError(f"Can't put {self.path} back; it is whole in {self.copy}: {error.strerror}.") from error
        sync_folder(self._folder)
        self.forget()

    def forget(self) -> None:
        """Remove the copy and the note."""
        # The copy goes first: a note alone means nothing.
        for path in (self.copy, self._note):
            try:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            except OSError as error:
                raise FormerError(f"Can't remove {path}: {error.strerror}.") from error
        sync_folder(self._folder)

    def _expected(self) -> list[bytes]:
        return _content(self._note).split() if os.path.lexists(self._note) else []

    def _write(self, path: str, content: bytes) -> None:
        try:
            with opened(self.path, os.O_RDONLY | os.O_NOFOLLOW) as like:
                write_like(path, content, like)
        except OSError as error:
            raise FormerError(f"Can't write {path}, beside {self.path}: {error.strerror}.") from error


def _content(path: str) -> bytes:
    try:
        with opened(path, os.O_RDONLY | os.O_NOFOLLOW) as file:
            return everything(file, path)
    except OSError as error:
        raise FormerError(f"Can't read {path}: {error.strerror}.") from error
    except FileChangeError:
        raise FormerError(f"{path} is no ordinary file; remove it.") from None
