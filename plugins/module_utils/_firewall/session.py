# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The connection that the play came in on, found on the host itself.

``become`` drops SSH_CONNECTION from the environment, and a port may be translated on the way here, so that the
controller's idea of it would not do. The process tree keeps the truth: one of our ancestors is the server process.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.sockets import (
    ESTABLISHED,
    LISTENING,
    interface_of,
    plain_address,
    read_sockets,
    socket_inodes,
)


@dataclasses.dataclass(frozen=True)
class Session:
    """A TCP connection as this host sees it: the peer's ``address`` and ``port``, and our own end of it."""

    address: str
    port: int
    local_address: str
    local_port: int

    @property
    def interface(self) -> str:
        """The name of the interface that has our address, empty where that can't be told."""
        return interface_of(self.local_address)


def find_session(proc: str = "/proc", pid: int | None = None) -> Session | None:
    """The connection that process *pid* (default: this one) was started over, or None if it crossed no network."""
    ancestors = list(_ancestors(proc, os.getpid() if pid is None else pid))
    for ancestor in ancestors:
        session = _from_environment(proc, ancestor)
        if session:
            return session
    sockets = _established(proc)
    for ancestor in ancestors:
        for inode in socket_inodes(proc, ancestor):
            if inode in sockets:
                return sockets[inode]
    return None


def peers_on(port: int, proc: str = "/proc") -> set[str]:
    """The addresses that have a connection with *port* of this host."""
    return {session.address for session in _established(proc).values() if session.local_port == port}


def _ancestors(proc: str, pid: int) -> t.Iterator[int]:
    while pid > 1:
        yield pid
        try:
            with open(os.path.join(proc, str(pid), "stat"), encoding="utf-8", errors="replace") as stat:
                # The command's name stands in parentheses and may hold anything, more parentheses included.
                pid = int(stat.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return


def _from_environment(proc: str, pid: int) -> Session | None:
    try:
        with open(os.path.join(proc, str(pid), "environ"), "rb") as environ:
            variables = environ.read().split(b"\0")
    except OSError:
        return None
    for variable in variables:
        if variable.startswith(b"SSH_CONNECTION="):
            parts = variable.partition(b"=")[2].decode("ascii", "replace").split()
            try:
                return Session(plain_address(parts[0]), int(parts[1]), plain_address(parts[2]), int(parts[3]))
            except (ValueError, IndexError):
                return None
    return None


def _established(proc: str) -> dict[str, Session]:
    """Every established TCP connection that came in and doesn't stay on this host, by the inode of its socket."""
    sockets = read_sockets(proc, ["tcp"])
    # An ancestor may have connections that it made itself, ansible-playbook for one: nobody listens on their port.
    served = {found.local_port for found in sockets if found.state == LISTENING}
    return {
        found.inode: Session(found.address, found.port, found.local_address, found.local_port)
        for found in sockets
        if found.state == ESTABLISHED
        and found.local_port in served
        and not ipaddress.ip_address(found.address).is_loopback
    }
