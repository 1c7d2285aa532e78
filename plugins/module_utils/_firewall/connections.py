# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What this host has open right now, and what of it a policy would refuse or close."""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import os
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.sockets import (
    ESTABLISHED,
    LISTENING,
    UNCONNECTED,
    Socket,
    interface_of,
    is_own,
    own_addresses,
    read_sockets,
    socket_inodes,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import Packet

# Addresses in different parts of the internet that hardly a rule names one by one; nothing is ever sent to them.
_STRANGERS = {4: ("1.255.255.254", "203.255.255.254"), 6: ("2400:ffff:ffff::1", "2a0f:ffff:ffff::1")}
_STRANGE_PORT = 50000
# Where leases are received: every firewall lets them pass by itself.
_LEASES = (("udp", 68), ("udp", 546))
_WILDCARDS = ("0.0.0.0", "::")


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


def closed_ports(lets: t.Callable[[Packet], bool], proc: str = "/proc") -> list[dict[str, t.Any]]:
    """The ports that programs listen on and that a firewall which *lets* packets pass or not keeps from strangers.

    A stranger is an address that no rule names. As plain dictionaries of ``protocol``, ``port``, ``local_address`` (as
    the program has it: ``0.0.0.0`` and ``::`` mean all) and ``program``, sorted, each once.
    """
    served = _served(read_sockets(proc))
    names = _programs(proc, {found.inode for found in served})
    own = own_addresses()
    closed = {
        (found.protocol, found.local_port, found.local_address, names.get(found.inode, ""))
        for found in served
        if _is_closed(found, own, lets)
    }
    return [
        {"protocol": protocol, "port": port, "local_address": address, "program": program}
        for protocol, port, address, program in sorted(closed)
    ]


def _served(sockets: t.Iterable[Socket]) -> list[Socket]:
    """Those of *sockets* that wait for others to come, of which one for all IPv6 may serve IPv4, too."""
    served = [
        found
        for found in sockets
        if (found.protocol, found.state) in (("tcp", LISTENING), ("udp", UNCONNECTED))
        and (found.protocol, found.local_port) not in _LEASES
        and found.local_port
        and not ipaddress.ip_address(found.local_address).is_loopback
    ]
    taken = {(found.protocol, found.local_port) for found in served if found.local_address == "0.0.0.0"}
    both = [
        dataclasses.replace(found, local_address="0.0.0.0")
        for found in served
        if found.local_address == "::" and (found.protocol, found.local_port) not in taken
    ]
    return served + both


def _is_closed(found: Socket, own: t.Iterable[tuple[str, str]], lets: t.Callable[[Packet], bool]) -> bool:
    """Whether no stranger gets through to *found*; *own* are this host's addresses, each with its interface."""
    family = 6 if ":" in found.local_address else 4
    if found.local_address in _WILDCARDS:
        doors = [(address, name) for address, name in own if (6 if ":" in address else 4) == family]
    else:
        doors = [(found.local_address, interface_of(found.local_address))]
    packets = [
        Packet("inbound", found.protocol, stranger, address, found.local_port, _STRANGE_PORT, name)
        for address, name in doors
        for stranger in _STRANGERS[family]
    ]
    return bool(packets) and not any(map(lets, packets))


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
