# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The programs of the stand-in's package: agent, trace-agent and process-agent."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from . import ports, settings
from .forwarder import Forwarder, Logs

HOME = Path("/opt/datadog-agent")


def version() -> str:
    """The version that the package was built with."""
    found = json.loads((HOME / "version-manifest.json").read_text(encoding="utf-8"))
    return str(found["build_version"])


def main(program: str) -> int:
    """Run the program of that name as its command line says; returns its exit status."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("command", choices=("run", "status", "version"), default="run", nargs="?")
    parser.add_argument("-p", "--pidfile", type=Path, help="where to write the number of the process")
    parser.add_argument("-c", "--cfgpath", "--config", type=Path, default=settings.FILE, help="datadog.yaml")
    options = parser.parse_args()
    try:
        if options.command == "version":
            print(f"Agent {version()} - Commit: stand-in of a lab")
        elif options.command == "status":
            print(_ask(options.cfgpath))
        else:
            _run(program, options)
    except settings.ConfigurationError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    return 0


def _ask(path: Path) -> str:
    """What the running Agent says of itself."""
    port = settings.load(path, {})["cmd_port"]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/agent/status", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError as error:
        raise settings.ConfigurationError(f"no Agent answers on port {port}: {error}") from None


def _run(program: str, options: argparse.Namespace) -> None:
    """Run until it is asked to end."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    values = settings.load(options.cfgpath, os.environ)
    open_ports = _PORTS[program](values)
    if not open_ports:
        print(f"{program}: nothing to do")
        return
    with _work(program, values, open_ports) as status, ports.listening(open_ports, status) as serve:
        if options.pidfile:
            options.pidfile.write_text(f"{os.getpid()}\n", encoding="ascii")
        print(f"{program}: version {version()} listens on {', '.join(map(_said, open_ports))}", flush=True)
        while True:
            serve()


@contextlib.contextmanager
def _work(program: str, values: Mapping[str, Any], held: list[ports.Port]) -> Iterator[Callable[[], bytes]]:
    """Send, if that is this program's task; gives what tells how it goes."""
    started = time.time()
    told: dict[str, Callable[[], Any]] = {}
    forwarder = None
    if program == "agent":
        forwarder, logs = Forwarder(values, version()), Logs(values)
        told = {"forwarder": forwarder.status, "logs": logs.status}
        logs.start()
        forwarder.start()

    def status() -> bytes:
        found = {
            "version": version(),
            "pid": os.getpid(),
            "started": started,
            "settings": settings.shown(values),
            "ports": {port.name: port.number for port in held},
            **{name: tell() for name, tell in told.items()},
        }
        return json.dumps(found, indent=2).encode() + b"\n"

    try:
        yield status
    finally:
        if forwarder:
            forwarder.stop()


def _said(port: ports.Port) -> str:
    return f"{port.name} {' and '.join(port.addresses)} port {port.number}"


_PORTS = {
    "agent": ports.of_agent,
    "trace-agent": ports.of_trace_agent,
    "process-agent": ports.of_process_agent,
}
