# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the Agent's local ports on a host of the lab: answers on TCP and UDP ports until it is stopped.

    systemd-run --unit=listeners --property=Type=notify /usr/bin/python3 /path/listeners.py --udp 8125 --tcp 8126

listens on all addresses of both families (or on each --address given). Over UDP it sends back what comes, over TCP
it says one line and hangs up. Under Type=notify the command above returns when all ports are open.
"""

from __future__ import annotations

import argparse
import os
import selectors
import socket

ANY = ["0.0.0.0", "::"]


def listen(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A bound (and, for TCP, listening) socket."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        # Each family has its own socket, as IPv4 must be probed as IPv4.
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((address, port))
    if kind == socket.SOCK_STREAM:
        listener.listen()
    return listener


def answer(listener: socket.socket) -> None:
    """Serve one datagram or one connection."""
    if listener.type == socket.SOCK_DGRAM:
        data, peer = listener.recvfrom(65535)
        listener.sendto(data, peer)
        return
    connection, peer = listener.accept()
    with connection:
        connection.sendall(f"port {listener.getsockname()[1]} hears {peer[0]}\n".encode())


def notify_ready() -> None:
    """Tell systemd that all ports are open (sd_notify(3)); nothing outside of Type=notify."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(b"READY=1", "\0" + path[1:] if path.startswith("@") else path)


def main() -> None:
    """Open all ports and answer for ever."""
    parser = argparse.ArgumentParser(description="Answers on TCP and UDP ports.")
    parser.add_argument("--tcp", type=int, action="append", default=[], metavar="PORT")
    parser.add_argument("--udp", type=int, action="append", default=[], metavar="PORT")
    parser.add_argument("--address", action="append", metavar="ADDRESS")
    options = parser.parse_args()
    listeners = {}
    with selectors.DefaultSelector() as ready:
        for kind, ports in ((socket.SOCK_STREAM, options.tcp), (socket.SOCK_DGRAM, options.udp)):
            for port in ports:
                for address in options.address or ANY:
                    listener = listen(address, port, kind)
                    listeners[ready.register(listener, selectors.EVENT_READ).fd] = listener
        notify_ready()
        while True:
            for key, _events in ready.select():
                try:
                    answer(listeners[key.fd])
                except OSError:
                    # A peer that is gone is no reason to stop answering the others.
                    continue


if __name__ == "__main__":
    main()
