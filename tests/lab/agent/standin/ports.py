# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The local ports of the stand-in: which its settings ask for, held open until it is stopped."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .settings import ConfigurationError

LOOPBACK = ("127.0.0.1", "::1")
ANY = ("0.0.0.0", "::")


@dataclass(frozen=True)
class Port:
    """A port that one of the Agent's programs listens on, at each of `addresses`."""

    name: str
    number: int
    addresses: tuple[str, ...] = LOOPBACK
    kind: socket.SocketKind = socket.SOCK_STREAM


def of_agent(settings: Mapping[str, Any]) -> list[Port]:
    """The ports of the Agent itself."""
    own = _addresses(settings, is_for_all=False)
    ports = [
        Port("cmd", settings["cmd_port"], own),
        Port("expvar", settings["expvar_port"], own),
        Port("gui", settings["GUI_port"], own),
    ]
    if settings["use_dogstatsd"]:
        addresses = _addresses(settings, is_for_all=settings["dogstatsd_non_local_traffic"])
        ports.append(Port("dogstatsd", settings["dogstatsd_port"], addresses, socket.SOCK_DGRAM))
    for protocol in ("grpc", "http"):
        host, _colon, number = settings[f"otlp_config.receiver.protocols.{protocol}.endpoint"].rpartition(":")
        if number:
            ports.append(Port(f"otlp-{protocol}", int(number), _named(host)))
    return _open(ports)


def of_trace_agent(settings: Mapping[str, Any]) -> list[Port]:
    """The ports of the Trace Agent."""
    if not settings["apm_config.enabled"]:
        return []
    addresses = _addresses(settings, is_for_all=settings["apm_config.apm_non_local_traffic"])
    return _open(
        [
            Port("apm", settings["apm_config.receiver_port"], addresses),
            Port("apm-expvar", settings["apm_config.debug.port"]),
        ]
    )


def of_process_agent(settings: Mapping[str, Any]) -> list[Port]:
    """The ports of the Process Agent."""
    return _open(
        [
            Port("process-expvar", settings["process_config.expvar_port"]),
            Port("process-cmd", settings["process_config.cmd_port"]),
        ]
    )


def _open(ports: list[Port]) -> list[Port]:
    """Leave out what is switched off."""
    return [port for port in ports if port.number > 0]


def _addresses(settings: Mapping[str, Any], *, is_for_all: bool) -> tuple[str, ...]:
    return ANY if is_for_all else _named(settings["bind_host"])


def _named(host: str) -> tuple[str, ...]:
    address = host.strip("[]")
    return {"localhost": LOOPBACK, "": ANY, "0.0.0.0": ANY, "::": ANY}.get(address, (address,))


@contextlib.contextmanager
def listening(ports: list[Port], status: Callable[[], bytes]) -> Iterator[Callable[[], None]]:
    """Hold `ports` open; gives what serves them, a moment at a time. `status` is what the port `cmd` tells.

    Raises `ConfigurationError` where a port cannot be had.
    """
    with contextlib.ExitStack() as held, selectors.DefaultSelector() as ready:
        for port in ports:
            for address in port.addresses:
                ready.register(held.enter_context(_listener(port, address)), selectors.EVENT_READ, port)

        def serve() -> None:
            for key, _events in ready.select(0.2):
                # A peer that is gone is no reason to stop answering the others.
                with contextlib.suppress(OSError):
                    _answer(key.fileobj, key.data, status)  # type: ignore[arg-type]

        yield serve


def _listener(port: Port, address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, port.kind)
    try:
        if port.kind == socket.SOCK_STREAM:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port.number))
        if port.kind == socket.SOCK_STREAM:
            listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        number = error.errno if isinstance(error, OSError) else None
        reason = errno.errorcode.get(number or 0, "no such port")
        raise ConfigurationError(f"port {port.number} ({port.name}) cannot be had at {address}: {reason}") from None
    return listener


def _answer(listener: socket.socket, port: Port, status: Callable[[], bytes]) -> None:
    """Serve one datagram or one connection. Unlike the real Agent all answer, so that a probe can tell."""
    if port.kind == socket.SOCK_DGRAM:
        data, peer = listener.recvfrom(65535)
        listener.sendto(data, peer)
        return
    connection, _peer = listener.accept()
    with connection:
        content = status() if port.name == "cmd" else f"{port.name}\n".encode()
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + content)
        # Closed with a request unread, the answer might be lost to a reset.
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(0.2)
        connection.recv(65535)
