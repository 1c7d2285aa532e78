# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What a host must go on doing where outgoing traffic is denied: asking for names, the time, its address, itself.

As flows, so that no backend needs to know of it. What no flow can say (loopback, answers, ICMP, IGMP) is not here.
"""

from __future__ import annotations

import collections
import socket
import threading
import time
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.host_files import HostFiles, as_address
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.name_servers import (
    RESOLV_CONF,
    find_name_servers,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.sockets import is_own
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.time_servers import find_time_servers
from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, Flow, sort_networks

_RESOLVE_TIMEOUT = 5.0

# A lease is renewed with whichever server gave it, which may stand anywhere behind a relay.
_DHCP = Flow("host-dhcp-udp-67-out", "outbound", "allow", "udp", 67, (ANYWHERE[0],), "renewing leases with any server")
# To all servers and relays on the link, and to one of them.
_DHCPV6 = Flow(
    "host-dhcpv6-udp-547-out", "outbound", "allow", "udp", 547, ("fe80::/10", "ff02::1:2/128"), "leases of IPv6"
)
_METADATA = Flow(
    "host-metadata-tcp-80-out",
    "outbound",
    "allow",
    "tcp",
    80,
    ("169.254.169.254/32", "fd00:ec2::254/128"),
    "the cloud's metadata service",
)

# What a flow is made of: kind, protocol and port, and, for each, networks and where they come from.
_Found = t.Dict[t.Tuple[str, str, int], t.List[t.Tuple[str, str]]]
Resolve = t.Callable[[t.Sequence[str]], t.Mapping[str, t.Sequence[str]]]


class Essentials(t.NamedTuple):
    """Allowed outbound flows with ids that start with ``host-``, and sentences about what could not be found."""

    flows: tuple[Flow, ...]
    warnings: tuple[str, ...]


def resolve(names: t.Sequence[str], timeout: float = _RESOLVE_TIMEOUT) -> dict[str, list[str]]:
    """The addresses of each of *names* that has some, all of them asked at once, for at most *timeout* seconds."""
    found: dict[str, list[str]] = {}

    def ask(name: str) -> None:
        try:
            answers = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError):
            return
        found[name] = sorted({str(address[0]).partition("%")[0] for *_rest, address in answers})

    # Daemons, because a question that is never answered must not keep the process from ending.
    asking = [threading.Thread(target=ask, args=(name,), daemon=True) for name in names]
    for thread in asking:
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in asking:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(found)


def find_essentials(
    metadata: bool,
    flows: t.Sequence[Flow],
    root: str = "/",
    *,
    earlier: t.Iterable[t.Mapping[str, t.Any]] = (),
    ask: Resolve = resolve,
    owns: t.Callable[[str], bool] = is_own,
) -> Essentials:
    """What this host must go on doing, from its files below *root*; with *metadata* the cloud's service for it, too.

    *flows* are what is let out anyway: they may name the name servers where the host's files don't. *earlier* are the
    flows of the last run, as dictionaries: while a time server's name can't be resolved, its addresses of then do.
    *ask* resolves names, *owns* knows the host's own addresses. Raises :class:`FirewallError` where the name servers
    can't be found.
    """
    files = HostFiles(root)
    found: _Found = collections.defaultdict(list)
    warnings = [*_add_names(found, files, flows, owns), *_add_time(found, files, _networks_by_id(earlier), ask, owns)]
    essential = [_flow(*key, parts) for key, parts in sorted(found.items())]
    essential += [_DHCP, _DHCPV6, *([_METADATA] if metadata else [])]
    return Essentials(tuple(essential), (*files.warnings, *warnings))


def _add_names(
    found: _Found, files: HostFiles, flows: t.Sequence[Flow], owns: t.Callable[[str], bool]
) -> t.Iterator[str]:
    if not files.exists(RESOLV_CONF):
        yield f"This host has no {RESOLV_CONF}, so no name server was let out to; name any by a flow to port 53."
        return
    names = find_name_servers(files, owns)
    for server in names.servers:
        for protocol in server.protocols:
            found["dns", protocol, server.port].append((server.address, f"name servers in {server.source}"))
    if names.is_complete:
        return
    what = (
        f"{RESOLV_CONF} names a server on this host itself, and which servers that one asks can't be found in its "
        "files (it may ask the whole world)"
    )
    if not any(
        (flow.direction, flow.action, flow.protocol, flow.port) == ("outbound", "allow", "udp", 53) for flow in flows
    ):
        raise FirewallError(
            f"{what}; with outgoing traffic denied no name could be resolved any more, so nothing was changed: add "
            "flows that allow udp and tcp to port 53 of those servers."
        )
    yield f"{what}; it is left to the flows to port 53 that were given."


def _add_time(
    found: _Found,
    files: HostFiles,
    earlier: t.Mapping[str, t.Sequence[str]],
    ask: Resolve,
    owns: t.Callable[[str], bool],
) -> t.Iterator[str]:
    servers = find_time_servers(files)
    names = {server.name for server in servers if not server.is_pool and as_address(server.name) is None}
    resolved = ask(sorted(names)) if names else {}
    for server in servers:
        key = ("ntp", server.protocol, server.port)
        if server.name in names - set(resolved):
            known = earlier.get(_id(*key), ())
            if known:
                found[key] += [(network, "time servers of an earlier run") for network in known]
            what = "the addresses of an earlier run were let out to in its place" if known else "it was not let out to"
            yield f"The time server {server.name} can't be resolved, so {what}; run this again when it can be."
        if server.is_pool:
            found[key] += [(net, f"{server.name} in {server.source} may be anywhere") for net in ANYWHERE]
            continue
        address = as_address(server.name)
        for beyond in [address] if address else resolved.get(server.name, ()):
            if not owns(beyond):
                found[key].append((beyond, f"time servers in {server.source}"))


def _networks_by_id(flows: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, t.Sequence[str]]:
    return {str(flow.get("id")): flow.get("networks", ()) for flow in flows}


def _id(kind: str, protocol: str, port: int) -> str:
    return f"host-{kind}-{protocol}-{port}-out"


def _flow(kind: str, protocol: str, port: int, parts: t.Sequence[tuple[str, str]]) -> Flow:
    networks = sort_networks(network for network, _source in parts)
    # What is let out to anywhere needs no list of single addresses beside it.
    wide = tuple(network for network in ANYWHERE if network in networks)
    purpose = "; ".join(dict.fromkeys(source for _network, source in parts))
    purpose = "".join(character for character in purpose if character.isprintable())
    return Flow(_id(kind, protocol, port), "outbound", "allow", protocol, port, wide or networks, purpose)
