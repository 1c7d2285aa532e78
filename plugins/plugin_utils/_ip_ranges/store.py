# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Documents that passed all checks, kept for the user who fetched them: one file per URL, and one lock.

``KEY.json``     the last good document at the URL: a checksum of all that follows, facts about it, its bytes
``KEY.lock``     held by the one process that asks the server; its content is the outcome of the last failure
``KEY.answer``   see the module ``answers``
KEY stands for the URL, which may hold a password and is written nowhere.
"""

# Without "from __future__ import annotations", which would have every field of a named tuple compiled at import.
import contextlib
import fcntl
import json
import os
import re
import time
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import folder as own
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.answers import SUFFIX
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import IpRangesError

_POLL = 0.05
_OURS = r"[0-9a-f]{40}\.(json|lock|answer)\b.*"


class StoreError(IpRangesError):
    """The cache folder can't be used; the text names it and says why."""


class BusyError(StoreError):
    """Another process has been asking for the document for too long."""


class Entry(t.NamedTuple):
    """The last good document at a URL, as its bytes.

    ``etag`` and ``last_modified`` are what the server called it. ``fetched`` is when it was downloaded, ``checked``
    when the server last said that it is still the same; both in seconds since 1970. ``checksum`` is that of the file.
    """

    data: bytes
    etag: str | None
    last_modified: str | None
    fetched: float
    checked: float
    checksum: str = ""

    def age(self, since: str = "checked") -> float:
        """Seconds since it was *checked* or *fetched*; infinite if that lies in the future, where clocks went wrong."""
        age = time.time() - float(getattr(self, since))
        return age if age >= 0 else float("inf")

    def is_confirmed_since(self, moment: float) -> bool:
        """Whether the server confirmed it after *moment*, which is in seconds since 1970."""
        return moment <= self.checked <= time.time()


class Store:
    """The files in *folder*, which is made where there is none and a document is to be kept."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def read(self, url: str) -> Entry | None:
        """The last good document at *url*; None if there is none, or none that is whole."""
        name = self.name_of(url)
        try:
            return _parsed(*own.read(self.folder, name))
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def write(self, url: str, entry: Entry) -> Entry:
        """Keep *entry* as the last good document at *url*, and return it as kept; raises :class:`StoreError`."""
        name, content = self.name_of(url), _packed(entry)
        with self._faults():
            own.write(self.folder, name, content)
            self._clear_away(name)
        return entry._replace(checksum=own.checksum_of(name, content))

    @staticmethod
    def name_of(url: str) -> str:
        """The file that the document at *url* is kept in."""
        return own.key(url) + ".json"

    @contextlib.contextmanager
    def turn(self, url: str, timeout: float) -> "t.Iterator[Turn]":
        """Be the only process that asks for *url*; raises :class:`BusyError` after *timeout* seconds of waiting.

        Raises :class:`StoreError` where the folder can't be used.
        """
        began = time.time()
        with self._faults():
            self._make()
            # Without a buffer: what a full disk does not take must not be tried again when it is closed.
            path = os.path.join(self.folder, own.key(url) + ".lock")
            lock = open(path, "r+b", 0, opener=own.for_the_user_alone)  # noqa: SIM115 - closed below
        with lock:
            with self._faults():
                self._wait(lock, timeout)
            yield Turn(lock, began)

    def _wait(self, lock: t.BinaryIO, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not _taken(lock):
            if time.monotonic() > deadline:
                raise BusyError(
                    f"Another process has been asking for the same address ranges for {timeout:g} seconds; try "
                    f"again, or name another cache_dir than {self.folder}."
                )
            time.sleep(_POLL)

    def _make(self) -> None:
        """Have a folder that belongs to the user alone."""
        with contextlib.suppress(FileExistsError):
            os.makedirs(self.folder, 0o700)
        own.check(self.folder)
        # One that was there before is closed to others, unless somebody has something else in it.
        if os.stat(self.folder).st_mode & 0o077 and all(re.fullmatch(_OURS, name) for name in os.listdir(self.folder)):
            os.chmod(self.folder, 0o700)

    def _clear_away(self, name: str) -> None:
        """Remove what killed processes left, and all answers: there may be a better document for them."""
        for other in os.listdir(self.folder):
            if other.startswith(f"{name}.") or SUFFIX in other:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.folder, other))

    @contextlib.contextmanager
    def _faults(self) -> t.Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise StoreError(
                f"The folder {self.folder}, where address ranges are kept, can't be used ({why}); mend "
                "that, or name another by cache_dir."
            ) from None


class Failure(t.NamedTuple):
    """Why there was no document: a sentence, and what a server answered with, if one did."""

    said: str
    status: int | None


class Turn:
    """The time in which nobody else asks for a URL; ``began`` is when this process began to wait for it."""

    def __init__(self, lock: t.BinaryIO, began: float) -> None:
        self._lock = lock
        self.began = began

    def failure(self, how: str) -> Failure | None:
        """What kept somebody from a document while this process waited: it need not find out again.

        Nobody but who asked in the same way, which *how* stands for.
        """
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            self._lock.seek(0)
            noted = json.loads(self._lock.read())
            # A moment in the future is of a clock that was set back since.
            if self.began <= noted["time"] <= time.time() and noted["how"] == how:
                return Failure(noted["said"], noted["status"])
        return None

    def note_failure(self, how: str, said: str, status: int | None) -> None:
        """Tell those who wait, and ask in the same way, that there is no document, and why."""
        noted = {"time": time.time(), "said": said, "status": status, "how": how}
        # Where there is no room for it, they find out for themselves.
        with contextlib.suppress(OSError):
            self._lock.seek(0)
            self._lock.truncate()
            self._lock.write(json.dumps(noted).encode())


def _packed(entry: Entry) -> bytes:
    facts = {name: value for name, value in entry._asdict().items() if name not in ("data", "checksum")}
    return json.dumps(facts).encode() + b"\n" + entry.data


def _parsed(checksum: str, content: bytes) -> Entry | None:
    facts, _newline, data = content.partition(b"\n")
    entry = Entry(data=data, checksum=checksum, **json.loads(facts))
    # A checksum can be reckoned by anybody: other types would go wrong later, where nobody expects it.
    are_names = all(isinstance(name, str | None) for name in (entry.etag, entry.last_modified))
    are_moments = all(type(moment) in (int, float) for moment in (entry.fetched, entry.checked))
    return entry if are_names and are_moments else None


def _taken(lock: t.BinaryIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
