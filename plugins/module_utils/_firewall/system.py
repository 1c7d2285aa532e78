# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The host as far as every backend touches it: files that are replaced whole, commands, locks, waiting."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import subprocess
import time
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError

RUN_LOCK = "/run/netwall-datadog.lock"

_COMMAND_TIMEOUT = 120
_POLL = 0.05

# Descriptors that the commands we run inherit, see one_run_at_a_time().
_shared: list[int] = []


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


def write_atomically(path: str, data: bytes, mode: int = 0o600) -> None:
    """Replace the file at *path* by *data*, or leave it whole, whenever the power goes.

    Its mode, owner and extended attributes are kept; a new file gets *mode*. Where *path* is a link, the file that it
    leads to is replaced.
    """
    path = os.path.realpath(path)
    temporary = _temporary(path)
    # One name for each file, so that the next write clears away what a killed one left.
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            with contextlib.suppress(FileNotFoundError):
                _copy_attributes(path, temporary)
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_folder(os.path.dirname(path))


def put_back(path: str, data: bytes | None) -> None:
    """Have the file at *path* hold *data*, or be gone (None), and nothing beside it that a killed write left."""
    path = os.path.realpath(path)
    remove(_temporary(path))
    if data is None:
        remove(path)
    elif not os.path.exists(path) or read_bytes(path) != data:
        write_atomically(path, data)


def written_for(name: str) -> str:
    """The name of the file that the one called *name* was to become; *name* itself if it is no temporary one."""
    match = re.match(r"\.(.+)\.netwall\Z", name)
    return match.group(1) if match else name


def remove(path: str) -> None:
    """Remove the file at *path*, if there is one, so that it does not come back when the power goes."""
    # On a read-only file system even what is not there can't be removed.
    if not os.path.lexists(path):
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        sync_folder(os.path.dirname(path))


def sync_folder(folder: str) -> None:
    """Have the names in *folder* on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def has_systemd() -> bool:
    """Whether this host was booted by systemd."""
    return os.path.isdir("/run/systemd/system")


def ask_systemd(question: str, *unit: str) -> str:
    """What systemd answers to *question*, such as ``is-enabled``, about *unit*: ``enabled``, ``disabled``, ``active``…

    Empty without systemd, where it can't be asked, and, depending on its release, about a unit that it does not know.
    """
    if not has_systemd():
        return ""
    with contextlib.suppress(FirewallError):
        # It answers anything but a plain yes with a status of its own.
        return run(["systemctl", question, *unit], check=False).strip()
    return ""


def run(argv: list[str], stdin: str | None = None, check: bool = True) -> str:
    """What the command *argv* prints; raises :class:`FirewallError` with what it said if it fails.

    Without *check* its status says nothing, and only a command that can't be run fails.
    """
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
            pass_fds=_shared,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FirewallError(f"'{' '.join(argv)}' could not be run: {error}.") from error
    if check and done.returncode:
        said = " ".join((done.stderr + done.stdout).decode("utf-8", "replace").split())
        raise FirewallError(f"'{' '.join(argv)}' ended with {done.returncode}: {said or 'no message'}")
    return done.stdout.decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def one_run_at_a_time(timeout: float, path: str = RUN_LOCK) -> t.Iterator[None]:
    """Keep a second run on this host waiting, at most *timeout* seconds; raises :class:`FirewallError` after that.

    Commands that we run hold the lock too: where we are killed, nobody comes in before the last of them has ended.
    """
    with contextlib.ExitStack() as held:

        def take() -> bool:
            # Whoever may open it could hold its lock for ever, so nobody else may.
            lock = held.enter_context(open(path, "a", encoding="ascii", opener=open_for_root_alone))
            # The file that we locked may be one that the run before us has just removed.
            with contextlib.suppress(FileNotFoundError):
                if lock_if_free(lock, fcntl.flock) and os.path.samestat(os.fstat(lock.fileno()), os.stat(path)):
                    _shared.append(lock.fileno())
                    return True
            held.close()
            return False

        wait_for(
            take,
            timeout,
            "Another run is changing this firewall and does not come to an end; try again when it is done.",
        )
        try:
            yield
        finally:
            _shared.pop()
            # Whatever became of the file meanwhile, what was done while we held it is done.
            with contextlib.suppress(OSError):
                os.unlink(path)


def lock_if_free(file: t.TextIO, lock: t.Callable[[t.TextIO, int], object]) -> bool:
    """Take the lock of *file* by the function *lock* if nobody else has it; says whether it was free."""
    try:
        lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def wait_for(condition: t.Callable[[], bool], timeout: float, otherwise: str, pause: float = _POLL) -> None:
    """Return once *condition*, asked every *pause* seconds, holds.

    Raises :class:`FirewallError` with *otherwise* after *timeout* seconds.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise FirewallError(otherwise)
        time.sleep(pause)


def _temporary(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.netwall")


def open_for_root_alone(path: str, flags: int) -> int:
    """An ``opener`` for files whose lock nobody else may take, since he could keep it for ever."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def _copy_attributes(source: str, target: str) -> None:
    known = os.stat(source)
    os.chown(target, known.st_uid, known.st_gid)
    os.chmod(target, stat.S_IMODE(known.st_mode))
    for name in os.listxattr(source):
        with contextlib.suppress(OSError):
            os.setxattr(target, name, os.getxattr(source, name))
