# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""All or nothing: files written so that they can be put back, and what stood before us, kept for the way back."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import subprocess
import tempfile
import time
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError

STATE_FOLDER = "/var/lib/netwall/datadog"

_COMMAND_TIMEOUT = 120
_POLL = 0.05


class Transaction:
    """Steps that are all undone, last first, if one of them fails; used as a context manager.

    A failure leaves the block as a :class:`FirewallError` that names the step.
    """

    def __init__(self) -> None:
        self._step = "Starting"
        self._undo: list[t.Callable[[], None]] = []

    def __enter__(self) -> Transaction:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            return
        failed: list[str] = []
        # A stack calls them all, last first, whatever one of them raises.
        with contextlib.ExitStack() as way_back:
            for undo in self._undo:
                way_back.callback(_attempt, undo, failed)
        if isinstance(error, (OSError, FirewallError)):
            end = f"and going back failed too: {'; '.join(failed)}" if failed else "the old rules are back"
            raise FirewallError(f"{self._step} failed: {str(error).rstrip('.')}; {end}.") from error

    def step(self, name: str, undo: t.Callable[[], None] | None = None) -> None:
        """Say what comes next, as "Writing …", and how to undo it even if it gets only half-way."""
        self._step = name
        if undo:
            self._undo.append(undo)

    def write(self, path: str, text: str) -> None:
        """Replace the content of the file at *path*."""
        self.step(f"Writing {path}")
        old = read_bytes(path)
        self.step(f"Writing {path}", lambda: _put_back(path, old))
        write_atomically(path, encode(text))


def _put_back(path: str, old: bytes) -> None:
    # Where nothing can be written, what could not be changed need not be put back.
    if read_bytes(path) != old:
        write_atomically(path, old)


def encode(text: str) -> bytes:
    """*text* as the bytes it was decoded from."""
    return text.encode("utf-8", "surrogateescape")


def read_text(path: str) -> str:
    """The content of the file at *path*; bytes that aren't UTF-8 survive :func:`encode`."""
    return read_bytes(path).decode("utf-8", "surrogateescape")


def read_bytes(path: str) -> bytes:
    """The content of the file at *path*; raises :class:`FirewallError`."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise FirewallError(f"Can't read {path}: {error.strerror}.") from error


def write_atomically(path: str, data: bytes) -> None:
    """Replace the file at *path* by *data*, or leave it whole: mode, owner and extended attributes are kept.

    Where *path* is a link, the file that it leads to is replaced.
    """
    path = os.path.realpath(path)
    folder = os.path.dirname(path)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".netwall-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            with contextlib.suppress(FileNotFoundError):
                _copy_attributes(path, temporary)
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(folder)


def run(argv: list[str], stdin: str | None = None) -> str:
    """What the command *argv* prints; raises :class:`FirewallError` with what it said if it fails."""
    environment = dict(os.environ, LC_ALL="C", PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    try:
        done = subprocess.run(
            argv,
            input=None if stdin is None else encode(stdin),
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=environment,
            timeout=_COMMAND_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FirewallError(f"'{' '.join(argv)}' could not be run: {error}.") from error
    if done.returncode:
        said = " ".join((done.stderr + done.stdout).decode("utf-8", "replace").split())
        raise FirewallError(f"'{' '.join(argv)}' ended with {done.returncode}: {said or 'no message'}")
    return done.stdout.decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def one_run_at_a_time(timeout: float, path: str = "/run/netwall-datadog.lock") -> t.Iterator[None]:
    """Keep a second run on this host waiting, at most *timeout* seconds; raises :class:`FirewallError` after that."""
    with contextlib.ExitStack() as held:

        def take() -> bool:
            # Whoever may open it could hold its lock for ever, so nobody else may.
            lock = held.enter_context(open(path, "a", encoding="ascii", opener=_for_root_alone))
            # The file that we locked may be one that the run before us has just removed.
            with contextlib.suppress(FileNotFoundError):
                if lock_if_free(lock, fcntl.flock) and os.path.samestat(os.fstat(lock.fileno()), os.stat(path)):
                    return True
            held.close()
            return False

        wait_for(
            take,
            timeout,
            f"Another run has been changing this firewall for {timeout:g} seconds; try again when it is done.",
        )
        try:
            yield
        finally:
            os.unlink(path)


def lock_if_free(file: t.TextIO, lock: t.Callable[[t.TextIO, int], object]) -> bool:
    """Take the lock of *file* by the function *lock* if nobody else has it; says whether it was free."""
    try:
        lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def wait_for(condition: t.Callable[[], bool], timeout: float, otherwise: str) -> None:
    """Return as soon as *condition* holds; raises :class:`FirewallError` with *otherwise* after *timeout* seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise FirewallError(otherwise)
        time.sleep(_POLL)


def load_state(folder: str = STATE_FOLDER) -> dict[str, t.Any]:
    """What earlier runs recorded on this host, empty if nothing; raises :class:`FirewallError` if it is damaged."""
    path = os.path.join(folder, "state.json")
    if not os.path.exists(path):
        return {}
    try:
        state = json.loads(read_bytes(path))
    except ValueError:
        state = None
    if not isinstance(state, dict):
        raise FirewallError(f"{path}, where the way back is kept, is damaged; mend it, or delete it to do without.")
    return state


def save_state(state: dict[str, t.Any], folder: str = STATE_FOLDER) -> None:
    """Record *state*, readable by root alone; an empty one removes every trace of it."""
    path = os.path.join(folder, "state.json")
    if state:
        for level in (os.path.dirname(folder), folder):
            _make_private(level)
        write_atomically(path, json.dumps(state, indent=1, sort_keys=True).encode())
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    for emptied in (folder, os.path.dirname(folder)):
        with contextlib.suppress(OSError):
            os.rmdir(emptied)


def _attempt(undo: t.Callable[[], None], failed: list[str]) -> None:
    try:
        undo()
    except (OSError, FirewallError) as error:
        failed.append(str(error).rstrip("."))


def _for_root_alone(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def _make_private(folder: str) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    if os.path.islink(folder):
        raise FirewallError(f"{folder}, where the way back is kept, is a link, which anybody may have made; remove it.")
    os.chmod(folder, 0o700)


def _copy_attributes(source: str, target: str) -> None:
    known = os.stat(source)
    os.chown(target, known.st_uid, known.st_gid)
    os.chmod(target, stat.S_IMODE(known.st_mode))
    for name in os.listxattr(source):
        with contextlib.suppress(OSError):
            os.setxattr(target, name, os.getxattr(source, name))


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
