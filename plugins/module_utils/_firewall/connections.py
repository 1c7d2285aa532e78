# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What this host has open right now, and what of it a policy would refuse."""

from __future__ import annotations

import dataclasses
import functools
import os
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.sockets import (
    ESTABLISHED,
    LISTENING,
    Socket,
    interface_of,
    is_own,
    read_sockets,
    socket_inodes,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import Packet


@dataclasses.dataclass(frozen=True)
class Connection:
    """An open connection as its first ``packet`` would be today, and the name of the ``program`` that holds it (empty:
    it can't be told)."""

    packet: Packet
    program: str = ""


def open_connections(proc: str = "/proc") -> list[Connection]:
    """The TCP connections and connected UDP sockets of this host that lead to another.

    A connection to a port that a program here listens on came in; every other was made by this host.
    """
    sockets = read_sockets(proc)
    served = {(found.protocol, found.local_port) for found in sockets if found.state == LISTENING}
    open_ = [found for found in sockets if found.state == ESTABLISHED and found.port]
    names = _programs(proc, {found.inode for found in open_})
    stays, interface = functools.lru_cache(None)(is_own), functools.lru_cache(None)(interface_of)
    return [
        Connection(
            _first_packet(found, (found.protocol, found.local_port) in served, interface(found.local_address)),
            names.get(found.inode, ""),
        )
        for found in open_
        if not stays(found.address)
    ]


def refused(connections: t.Iterable[Connection], lets: t.Callable[[Packet], bool]) -> list[dict[str, t.Any]]:
    """Those of *connections* that a firewall which *lets* packets pass or not would refuse, were they opened now.

    As plain dictionaries of ``direction``, ``protocol``, ``address`` (the other end), ``port`` (where it was opened
    to), ``local_address`` and ``program``, sorted, each once however often the connection is open.
    """
    found = {
        (
            connection.packet.direction,
            connection.packet.protocol,
            connection.packet.port,
            connection.packet.remote,
            connection.packet.local,
            connection.program,
        )
        for connection in connections
        if not lets(connection.packet)
    }
    return [
        {
            "direction": direction,
            "protocol": protocol,
            "address": address,
            "port": port,
            "local_address": local,
            "program": program,
        }
        for direction, protocol, port, address, local, program in sorted(found)
    ]


def _first_packet(found: Socket, came_in: bool, interface: str) -> Packet:
    ports = (found.local_port, found.port) if came_in else (found.port, found.local_port)
    direction = "inbound" if came_in else "outbound"
    return Packet(direction, found.protocol, found.address, found.local_address, *ports, interface)


def _programs(proc: str, inodes: t.Container[str]) -> dict[str, str]:
    """The name of the program behind each of *inodes*, of the oldest process where several hold one."""
    names: dict[str, str] = {}
    try:
        processes = sorted(int(name) for name in os.listdir(proc) if name.isdigit())
    except OSError:
        return names
    for pid in processes:
        for inode in socket_inodes(proc, pid):
            if inode in inodes and inode not in names:
                names[inode] = _program(proc, pid)
    return names


def _program(proc: str, pid: int) -> str:
    try:
        with open(os.path.join(proc, str(pid), "comm"), encoding="utf-8", errors="replace") as comm:
            return "".join(character for character in comm.read().strip() if character.isprintable())
    except OSError:
        return ""
