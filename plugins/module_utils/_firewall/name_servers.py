# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The name servers a host asks: those in its resolv.conf, and, where that leads to itself, those behind its stub."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.host_files import HostFiles, as_address

RESOLV_CONF = "/etc/resolv.conf"

_TLS = 853


class NameServer(t.NamedTuple):
    """A server at ``address``, asked by ``protocols`` on ``port``; ``source`` is the file that names it."""

    address: str
    source: str
    port: int = 53
    protocols: tuple[str, ...] = ("udp", "tcp")


class NameServers(t.NamedTuple):
    """What was found. ``is_complete`` is false where names are asked for that no file tells us of."""

    servers: tuple[NameServer, ...]
    is_complete: bool


def find_name_servers(files: HostFiles, is_own: t.Callable[[str], bool]) -> NameServers:
    """The name servers beyond this host that it is configured with; *is_own* tells its own addresses."""
    asked = _resolv_conf(files, RESOLV_CONF) or [NameServer("127.0.0.1", RESOLV_CONF)]
    if not any(is_own(server.address) for server in asked):
        behind = _resolved(files).servers if _asks_resolved(files) else ()
        return NameServers(tuple(dict.fromkeys((*asked, *(s for s in behind if not is_own(s.address))))), True)
    # Which of the programs answers at that address is not asked: what any of them is configured with is the host's.
    stubs = [stub(files) for stub in (_resolved, _network_manager, _resolvconf, _dnsmasq, _unbound, _named, _stubby)]
    beyond = [
        stub._replace(servers=tuple(s for s in stub.servers if not is_own(s.address) and 0 < s.port < 65536))
        for stub in stubs
    ]
    servers = [
        *(server for server in asked if not is_own(server.address)),
        *(s for stub in beyond for s in stub.servers),
    ]
    return NameServers(tuple(dict.fromkeys(servers)), any(stub.servers and stub.is_complete for stub in beyond))


def _resolv_conf(files: HostFiles, path: str) -> list[NameServer]:
    rows = files.rows(path, "#;")
    return _servers([words[1] for words in rows if words[0] == "nameserver" and len(words) > 1], path)


def _asks_resolved(files: HostFiles) -> bool:
    """Whether programs ask systemd-resolved, whatever /etc/resolv.conf says: by libnss-resolve."""
    return any(row[0] == "hosts:" and "resolve" in row for row in files.rows("/etc/nsswitch.conf"))


def _resolved(files: HostFiles) -> NameServers:
    """systemd-resolved."""
    uplinks = "/run/systemd/resolve/resolv.conf"
    if not files.exists(uplinks):
        return NameServers((), False)
    settings = files.systemd_settings("resolved.conf")
    # Its file for others has room for port 53 alone.
    found = _resolv_conf(files, uplinks)
    found += _servers(settings.get("DNS", []), "/etc/systemd/resolved.conf", ":")
    found += _servers(files.link_settings("DNS"), "/run/systemd/netif/links", ":")
    found = found or _servers(settings.get("FallbackDNS", []), "/etc/systemd/resolved.conf", ":")
    over_tls = {word.lower() for word in settings.get("DNSOverTLS", [])[-1:] + files.link_settings("DNS_OVER_TLS")}
    if over_tls & {"yes", "true", "1", "on", "opportunistic"}:
        found += [server._replace(port=_TLS, protocols=("tcp",)) for server in found if server.port == 53]
    return NameServers(tuple(dict.fromkeys(found)), True)


def _network_manager(files: HostFiles) -> NameServers:
    return NameServers(tuple(_resolv_conf(files, "/run/NetworkManager/no-stub-resolv.conf")), True)


def _resolvconf(files: HostFiles) -> NameServers:
    """What resolvconf or openresolv was told by whoever configures interfaces."""
    paths = files.find("/run/resolvconf/interface/*", "/run/resolvconf/interfaces/*", "/run/resolvconf/keys/*")
    return NameServers(tuple(server for path in paths for server in _resolv_conf(files, path)), True)


def _dnsmasq(files: HostFiles) -> NameServers:
    if not files.exists("/usr/sbin/dnsmasq"):
        return NameServers((), False)
    found = _resolv_conf(files, "/run/dnsmasq/resolv.conf")
    waiting, seen = ["/etc/dnsmasq.conf", *files.find("/etc/dnsmasq.d/*")], set()
    while waiting:
        path = waiting.pop(0)
        if path in seen or path.endswith((".dpkg-dist", ".dpkg-old", ".dpkg-new", "~")):
            continue
        seen.add(path)
        for option, value in _dnsmasq_options(files, path):
            if option in ("server", "local", "rev-server"):
                # server=/a.domain/b.domain/192.0.2.1#5353@interface, rev-server=192.0.2.0/24,192.0.2.1
                found += _servers([re.split("[/,]", value)[-1].partition("@")[0]], path)
            found += _resolv_conf(files, value) if option == "resolv-file" else []
            waiting += [value] if option in ("conf-file", "servers-file") else []
            waiting += files.find(f"{value.partition(',')[0]}/*") if option == "conf-dir" else []
    return NameServers(tuple(found), True)


def _dnsmasq_options(files: HostFiles, path: str) -> t.Iterator[tuple[str, str]]:
    for words in files.rows(path):
        option, _equals, value = "".join(words).partition("=")
        yield option, value


def _unbound(files: HostFiles) -> NameServers:
    """unbound: complete if one zone it forwards is the root; without that it asks the whole world itself."""
    if not files.exists("/usr/sbin/unbound"):
        return NameServers((), False)
    found: list[NameServer] = []
    forwards_all = False
    for path in files.find("/etc/unbound/unbound.conf", "/etc/unbound/*.d/*.conf"):
        clause = ""
        for words in files.rows(path):
            option, values = words[0], [word.strip("\"'") for word in words[1:]]
            clause = option if not values and option.endswith(":") else clause
            forwards_all = forwards_all or (clause == "forward-zone:" and option == "name:" and values == ["."])
            if option in ("forward-addr:", "stub-addr:"):
                found += [_unbound_server(value, path) for value in values if as_address(re.split("[@#]", value)[0])]
    return NameServers(tuple(found), forwards_all)


def _unbound_server(text: str, path: str) -> NameServer:
    # 192.0.2.1@853#name.example: only TLS needs a name.
    plain, _hash, name = text.partition("#")
    address, _at, port = plain.partition("@")
    number = int(port) if port.isdigit() else _TLS if name else 53
    return _at_port(as_address(address) or "", number, path)


def _named(files: HostFiles) -> NameServers:
    """BIND: complete if it forwards what it doesn't know itself; without that it asks the whole world itself."""
    if not files.exists("/usr/sbin/named"):
        return NameServers((), False)
    found: list[NameServer] = []
    forwards_all = False
    for path in files.find("/etc/bind/named.conf*", "/etc/named.conf", "/etc/named/*.conf"):
        text = re.sub(r"/\*.*?\*/|(?://|#)[^\n]*", "", files.text(path), flags=re.DOTALL)
        for group in re.finditer(r"\bforwarders\b([^{};]*)\{([^{}]*)\}", text):
            before = text[: group.start()]
            # In the options themselves, not in a zone of its own.
            is_for_all = "zone" not in before[before.rfind("\n}") + 1 :]
            for entry in filter(None, map(str.split, group.group(2).split(";"))):
                words = entry + group.group(1).split()
                port = words[words.index("port") + 1 : words.index("port") + 2] if "port" in words else []
                number = int(port[0]) if port and port[0].isdigit() else _TLS if "tls" in words else 53
                address = as_address(entry[0])
                if address:
                    found.append(_at_port(address, number, path))
                    forwards_all = forwards_all or is_for_all
    return NameServers(tuple(found), forwards_all)


def _stubby(files: HostFiles) -> NameServers:
    path = "/etc/stubby/stubby.yml"
    if not files.exists("/usr/bin/stubby"):
        return NameServers((), False)
    found = []
    for words in files.rows(path):
        key, _colon, value = " ".join(words).lstrip("- ").partition(":")
        address = as_address(value.strip().strip("\"'").partition("@")[0])
        if key == "address_data" and address:
            found.append(_at_port(address, _TLS, path))
        elif key == "tls_port" and found and value.strip().isdigit():
            found[-1] = found[-1]._replace(port=int(value))
    return NameServers(tuple(found), True)


def _servers(texts: t.Iterable[str], source: str, port_mark: str = "#") -> list[NameServer]:
    """The servers that *texts* name: each an address, with perhaps a port after *port_mark*, and after ``:`` a name
    behind ``#``."""
    found = []
    for text in texts:
        plain, _hash, port = text.partition("#")
        if port_mark == ":":
            port = ""
            if as_address(plain) is None:
                plain, _colon, port = plain.rpartition(":")
        address = as_address(plain)
        number = port.partition("%")[0] or "53"
        if address and number.isdigit():
            found.append(_at_port(address, int(number), source))
    return found


def _at_port(address: str, port: int, source: str) -> NameServer:
    return NameServer(address, os.path.normpath(source), port, ("tcp",) if port == _TLS else ("udp", "tcp"))
