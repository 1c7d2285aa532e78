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
import fcntl
import ipaddress
import os
import re
import socket
import struct
import sys
import typing as t

_ESTABLISHED, _LISTENING = "01", "0A"
_SIOCGIFADDR = 0x8915
_BYTE_ORDER: t.Literal["little", "big"] = sys.byteorder


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
        name = _interface_of(self.local_address)
        # A service's address may live on lo; its packets come in by any interface.
        return "" if name == "lo" and not ipaddress.ip_address(self.local_address).is_loopback else name


def find_session(proc: str = "/proc", pid: int | None = None) -> Session | None:
    """The connection that process *pid* (default: this one) was started over, or None if it crossed no network."""
    ancestors = list(_ancestors(proc, os.getpid() if pid is None else pid))
    for ancestor in ancestors:
        session = _from_environment(proc, ancestor)
        if session:
            return session
    sockets = _established(proc)
    for ancestor in ancestors:
        for inode in _socket_inodes(proc, ancestor):
            if inode in sockets:
                return sockets[inode]
    return None


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
                return Session(_plain_address(parts[0]), int(parts[1]), _plain_address(parts[2]), int(parts[3]))
            except (ValueError, IndexError):
                return None
    return None


def _socket_inodes(proc: str, pid: int) -> t.Iterator[str]:
    folder = os.path.join(proc, str(pid), "fd")
    try:
        descriptors = os.listdir(folder)
    except OSError:
        return
    for descriptor in descriptors:
        try:
            found = re.match(r"socket:\[(\d+)\]\Z", os.readlink(os.path.join(folder, descriptor)))
        except OSError:
            continue
        if found:
            yield found.group(1)


def _established(proc: str) -> dict[str, Session]:
    """Every established TCP connection that came in and doesn't stay on this host, by the inode of its socket."""
    sockets = {}
    served = set()
    for table in ("tcp", "tcp6"):
        try:
            with open(os.path.join(proc, "net", table), encoding="ascii") as lines:
                rows = [line.split() for line in lines][1:]
        except OSError:
            continue
        for row in rows:
            if len(row) > 9 and row[3] == _LISTENING:
                served.add(_endpoint(row[1])[1])
            if len(row) > 9 and row[3] == _ESTABLISHED:
                address, port = _endpoint(row[2])
                if not ipaddress.ip_address(address).is_loopback:
                    sockets[row[9]] = Session(address, port, *_endpoint(row[1]))
    # An ancestor may have connections that it made itself, ansible-playbook for one: nobody listens on their port.
    return {inode: session for inode, session in sockets.items() if session.local_port in served}


def _endpoint(text: str) -> tuple[str, int]:
    """Address and port from the kernel's form: 32-bit words in the machine's byte order, in hex."""
    words, _colon, port = text.partition(":")
    packed = b"".join(int(words[start : start + 8], 16).to_bytes(4, _BYTE_ORDER) for start in range(0, len(words), 8))
    return _plain_address(str(ipaddress.ip_address(packed))), int(port, 16)


def _interface_of(address: str) -> str:
    wanted = ipaddress.ip_address(address)
    if wanted.version == 6:
        try:
            with open("/proc/net/if_inet6", encoding="ascii") as lines:
                rows = [line.split() for line in lines]
        except OSError:
            return ""
        return next((row[5] for row in rows if len(row) > 5 and int(row[0], 16) == int(wanted)), "")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _index, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue
            if answer[20:24] == wanted.packed:
                return name
    return ""


def _plain_address(text: str) -> str:
    """*text* without a zone, and as IPv4 where it is IPv4 in IPv6's clothes."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
