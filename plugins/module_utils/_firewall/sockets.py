# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The kernel's tables of sockets, who holds them, and which addresses are this host's own."""

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

# A UDP socket that nobody is connected to is in the state that means "closed" for TCP.
ESTABLISHED, LISTENING, UNCONNECTED = "01", "0A", "07"

_SIOCGIFADDR = 0x8915
_BYTE_ORDER: t.Literal["little", "big"] = sys.byteorder


@dataclasses.dataclass(frozen=True)
class Socket:
    """A row of a table: ``protocol`` is ``tcp`` or ``udp``, ``state`` the kernel's two hexadecimal digits."""

    protocol: str
    state: str
    local_address: str
    local_port: int
    address: str
    port: int
    inode: str


def read_sockets(proc: str = "/proc", protocols: t.Iterable[str] = ("tcp", "udp")) -> list[Socket]:
    """All sockets of *protocols*, of both IP families; a table that can't be read has none."""
    found = []
    for protocol in protocols:
        for table in (protocol, f"{protocol}6"):
            try:
                with open(os.path.join(proc, "net", table), encoding="ascii") as lines:
                    rows = [line.split() for line in lines][1:]
            except OSError:
                continue
            found += [
                Socket(protocol, row[3], *_endpoint(row[1]), *_endpoint(row[2]), row[9]) for row in rows if len(row) > 9
            ]
    return found


def socket_inodes(proc: str, pid: int) -> t.Iterator[str]:
    """The inodes of the sockets that process *pid* has open."""
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


def interface_of(address: str) -> str:
    """The name of the interface that has *address*; empty where that can't be told, or where packets for it come in
    by any interface, because it is a service's address on ``lo``."""
    name = _interface_with(address)
    return "" if name == "lo" and not ipaddress.ip_address(address).is_loopback else name


def is_own(address: str) -> bool:
    """Whether packets for *address* stay on this host. Nothing is sent."""
    parsed = ipaddress.ip_address(address)
    if parsed.is_loopback or parsed.is_unspecified:
        return True
    if parsed.version == 6 and parsed.is_link_local:
        return bool(_interface_with(address))
    try:
        with socket.socket(socket.AF_INET6 if parsed.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.connect((address, 9))
            # Towards an address of its own a host speaks from that very address.
            return bool(asking.getsockname()[0] == str(parsed))
    except OSError:
        return False


def own_addresses() -> list[tuple[str, str]]:
    """The addresses by which others reach this host, of IPv6 those that reach beyond a link, each with its interface.

    The interface is as in :func:`interface_of`.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        found = [(_ipv4_of(asking, name), name) for _index, name in socket.if_nameindex()]
    # The fourth field is the scope, 0 for the whole world.
    found += [(str(ipaddress.IPv6Address(int(row[0], 16))), row[5]) for row in _if_inet6() if row[3] == "00"]
    return [
        (address, "" if name == "lo" else name)
        for address, name in found
        if address and not ipaddress.ip_address(address).is_loopback
    ]


def plain_address(text: str) -> str:
    """*text* without a zone, and as IPv4 where it is IPv4 in IPv6's clothes; raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _endpoint(text: str) -> tuple[str, int]:
    """Address and port from the kernel's form: 32-bit words in the machine's byte order, in hex."""
    words, _colon, port = text.partition(":")
    packed = b"".join(int(words[start : start + 8], 16).to_bytes(4, _BYTE_ORDER) for start in range(0, len(words), 8))
    return plain_address(str(ipaddress.ip_address(packed))), int(port, 16)


def _interface_with(address: str) -> str:
    wanted = ipaddress.ip_address(address)
    if wanted.version == 6:
        return next((row[5] for row in _if_inet6() if int(row[0], 16) == int(wanted)), "")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        names = [name for _index, name in socket.if_nameindex()]
        return next((name for name in names if _ipv4_of(asking, name) == str(wanted)), "")


def _if_inet6() -> list[list[str]]:
    """The kernel's rows about this host's IPv6 addresses."""
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as lines:
            return [row for row in map(str.split, lines) if len(row) > 5]
    except OSError:
        return []


def _ipv4_of(asking: socket.socket, interface: str) -> str:
    """The IPv4 address of *interface*, empty where it has none; *asking* is any socket."""
    try:
        answer = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
    except OSError:
        return ""
    return socket.inet_ntoa(answer[20:24])
