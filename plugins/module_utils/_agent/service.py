# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The service of an Agent: whether it runs, restarting it, and whether it then stays up."""

from __future__ import annotations

import os
import subprocess
import time
import typing as t

# A service that says when it has started may take as long as systemd lets it by default.
_COMMAND_TIMEOUT = 120

# Where an Agent's init script notes its main process.
_PID_FILE = "/opt/datadog-agent/run/agent.pid"


class ServiceError(Exception):
    """A service can't be asked or told anything; the text is a sentence for the user."""


class Status(t.NamedTuple):
    """How a service is: whether it is up, whether nobody tries to have it up, its main process (0: not known), words.

    *user* is whose its processes are, None where nothing tells it.
    """

    is_up: bool
    is_stopped: bool
    process: int
    words: str
    user: str | None = None


class Service(t.Protocol):
    """What every service manager can do."""

    @property
    def log(self) -> str:
        """Where a person reads what the service said."""

    @property
    def poll(self) -> float:
        """The seconds between two looks at it, so that looking costs little."""

    def status(self) -> Status:
        """How the service is now. Raises :class:`ServiceError`."""

    def restart(self) -> None:
        """Start it anew. Raises :class:`ServiceError` where that fails."""


class Systemd:
    """A service of systemd's."""

    poll = 0.25

    def __init__(self, name: str) -> None:
        self.name = name
        self.log = f"journalctl -u {name}"

    def status(self) -> Status:
        """How the unit is now."""
        asked = ("LoadState", "ActiveState", "SubState", "MainPID", "Result", "ExecMainStatus", "User")
        shown = _run(["systemctl", "show", "--property={}".format(",".join(asked)), "--", self.name])
        found = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        if found.get("LoadState") in (None, "", "not-found"):
            raise ServiceError(f"This host has no service {self.name}.")
        state, main = found.get("ActiveState", ""), found.get("MainPID", "0")
        words = "{} ({})".format(state, found.get("SubState", ""))
        if found.get("Result", "success") != "success":
            words += ", its last end: {}, status {}".format(found["Result"], found.get("ExecMainStatus", ""))
        return Status(
            is_up=state in ("active", "reloading"),
            is_stopped=state in ("inactive", "failed", "deactivating"),
            process=int(main) if main.isdigit() else 0,
            words=words,
            user=found.get("User") or "root",
        )

    def restart(self) -> None:
        """Restart the unit, also where systemd has given it up after too many restarts."""
        _run(["systemctl", "reset-failed", "--", self.name], check=False)
        _run(["systemctl", "restart", "--", self.name])


class Script:
    """A service that an init script starts."""

    poll = 0.25

    def __init__(self, name: str, scripts: str = "/etc/init.d", pid_file: str = _PID_FILE) -> None:
        self.name = name
        self.log = "its log file below /var/log/datadog"
        self._script = os.path.join(scripts, name)
        self._pid_file = pid_file

    def status(self) -> Status:
        """How the script says that the service is now."""
        if not os.path.exists(self._script):
            raise ServiceError(f"This host has no service {self.name}.")
        code, said = _answer([self._script, "status"])
        words = f"{'up' if code == 0 else 'not up'} ({' '.join(said.split()) or code})"
        return Status(is_up=code == 0, is_stopped=code != 0, process=self._process(), words=words)

    def restart(self) -> None:
        """Have the script restart the service."""
        _run([self._script, "restart"])

    def _process(self) -> int:
        try:
            with open(self._pid_file, encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            return 0


def service_called(name: str) -> Service:
    """The service *name* of this host."""
    return Systemd(name) if os.path.isdir("/run/systemd/system") else Script(name)


def restart(service: Service, settle: float) -> str:
    """Restart *service* and watch it; why it did not come up, or nothing if it did.

    It has come up if it is up at once, and *settle* seconds later still with the same main process: a service that dies
    and is started again and again is up most of the time. Raises :class:`ServiceError` where it can't be asked.
    """
    try:
        service.restart()
    except ServiceError as error:
        return str(error)
    first = service.status()
    latest = first
    deadline = time.monotonic() + settle
    while True:
        if not latest.is_up:
            return f"It is {latest.words}."
        if latest.process != first.process:
            return f"Its main process ended and was started again within {settle:g} seconds."
        if time.monotonic() >= deadline:
            return ""
        time.sleep(service.poll)
        latest = service.status()


def _run(argv: list[str], check: bool = True) -> str:
    """What the command *argv* prints; raises :class:`ServiceError` with what it said if it fails."""
    code, said = _answer(argv)
    if code and check:
        raise ServiceError("'{}' ended with {}: {}".format(" ".join(argv), code, " ".join(said.split())))
    return said


def _answer(argv: list[str]) -> tuple[int, str]:
    """How the command *argv* ended, and all that it printed. Raises :class:`ServiceError` where it can't be run."""
    environment = dict(os.environ, LC_ALL="C", PATH=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin")
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            timeout=_COMMAND_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError("'{}' could not be run: {}.".format(" ".join(argv), error)) from error
    return done.returncode, done.stdout.decode("utf-8", "replace")
