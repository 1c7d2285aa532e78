# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a packet get through? A probe for hosts, neighbour and internet of the lab: one file, standard library only.

    python3 probe.py tcp HOST PORT     is a connection accepted, and what is the first line said, if any?
    python3 probe.py udp HOST PORT     does a datagram get an answer?
    python3 probe.py tls HOST PORT     does a server prove its name, and answer HTTP? (--servername NAME --ca FILE)
    python3 probe.py ntp HOST          does a time server answer?
    options: --source ADDRESS --timeout SECONDS

Prints one line of JSON and exits with 0 whenever the probe ran. `outcome` is
    open     answered
    refused  answered by a refusal: a reset, an ICMP message, or this host's own firewall
    timeout  not answered: dropped on the way there or back
    error    none of these, so the probe says nothing about firewalls; `detail` says what it was
"""

from __future__ import annotations

import argparse
import errno
import json
import socket
import ssl
import time
from typing import Any

# ICMP "administratively prohibited" is EHOSTUNREACH for IPv4, EACCES for IPv6; EPERM is this host's own output chain.
_REFUSALS = (errno.ECONNREFUSED, errno.EACCES, errno.EPERM)
# EHOSTUNREACH is also what becomes of an address that nobody has, but only after a second of asking around.
_AT_ONCE = 0.5


def probe(options: argparse.Namespace) -> dict[str, Any]:
    """Run one probe; returns `outcome` and what is known besides."""
    try:
        place = _resolve(options.host, options.port, options.source, options.kind)
    except OSError as error:
        return {"outcome": "error", "detail": f"{options.host}: {error}"}
    found: dict[str, Any] = {"address": place[1][0], "port": place[1][1]}
    begin = time.monotonic()
    try:
        with socket.socket(place[0], _TRANSPORTS[options.kind]) as connection:
            connection.settimeout(options.timeout)
            if options.source:
                connection.bind((options.source, 0))
            connection.connect(place[1])
            found.update(_KINDS[options.kind](connection, options), outcome="open")
    except TimeoutError:
        found.update(outcome="timeout")
    except ssl.SSLError as error:
        # Bytes came and went: no firewall's doing. (Its numbers are OpenSSL's own, not the system's.)
        found.update(outcome="error", detail=str(error))
    except OSError as error:
        refused = error.errno in _REFUSALS or (
            error.errno == errno.EHOSTUNREACH and time.monotonic() - begin < _AT_ONCE
        )
        found.update(outcome="refused" if refused else "error", detail=str(error))
    found["seconds"] = round(time.monotonic() - begin, 3)
    return found


def _resolve(host: str, port: int, source: str, kind: str) -> tuple[int, tuple[Any, ...]]:
    """Family and address to connect to; the source's family decides where a name has both."""
    family = socket.AF_UNSPEC
    if source:
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
    found = socket.getaddrinfo(host, port, family, _TRANSPORTS[kind])[0]
    return found[0], found[4]


def _tcp(connection: socket.socket, _options: argparse.Namespace) -> dict[str, Any]:
    # Accepted is accepted; whether the server speaks first is its own business.
    connection.settimeout(0.2)
    try:
        return {"answer": connection.recv(200).decode("utf-8", "replace").strip()}
    except TimeoutError:
        return {}


def _udp(connection: socket.socket, _options: argparse.Namespace) -> dict[str, Any]:
    connection.send(b"probe")
    return {"answer": connection.recv(200).decode("utf-8", "replace")}


def _tls(connection: socket.socket, options: argparse.Namespace) -> dict[str, Any]:
    name = options.servername or options.host
    context = ssl.create_default_context(cafile=options.ca)
    with context.wrap_socket(connection, server_hostname=name) as secured:
        secured.sendall(f"GET / HTTP/1.0\r\nHost: {name}\r\n\r\n".encode())
        return {"answer": secured.recv(200).decode("utf-8", "replace").splitlines()[0]}


def _ntp(connection: socket.socket, _options: argparse.Namespace) -> dict[str, Any]:
    # RFC 5905: version 4, mode 3 (client), all else unset; the answer's second octet is the server's stratum.
    connection.send(b"\x23" + bytes(47))
    return {"stratum": connection.recv(48)[1]}


_KINDS = {"tcp": _tcp, "udp": _udp, "tls": _tls, "ntp": _ntp}
_TRANSPORTS = {
    "tcp": socket.SOCK_STREAM,
    "udp": socket.SOCK_DGRAM,
    "tls": socket.SOCK_STREAM,
    "ntp": socket.SOCK_DGRAM,
}


def main() -> None:
    """Read the command line, probe, print."""
    parser = argparse.ArgumentParser(description="Does one packet get through?")
    parser.add_argument("kind", choices=sorted(_KINDS))
    parser.add_argument("host")
    parser.add_argument("port", type=int, nargs="?")
    parser.add_argument("--source", default="", help="address to speak from")
    parser.add_argument("--timeout", type=float, default=2.0, metavar="SECONDS")
    parser.add_argument("--servername", default="", help="the name that the server has to prove (default: HOST)")
    parser.add_argument("--ca", metavar="FILE", help="who may vouch for it (default: whom this host trusts)")
    options = parser.parse_args()
    if options.port is None:
        if options.kind != "ntp":
            parser.error(f"say which port to probe: {options.kind} HOST PORT")
        options.port = 123
    print(json.dumps(probe(options)))


if __name__ == "__main__":
    main()
