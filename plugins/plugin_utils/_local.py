# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What may reach this host: the Agent's own ports, and which of Datadog's services connect from outside."""

from __future__ import annotations

import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, Flow
from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._request import (
    PolicyError,
    Request,
    by_name,
    left_out_by_family,
    name_of,
    networks_of,
    port_of,
)

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._version import Version

# What a port may be set to in datadog.yaml when it is to stay closed.
_OFF = (0, -1)


def own_ports(request: Request, agent: Version, warnings: list[str]) -> list[tuple[catalog.LocalPort, int]]:
    """The ports that *agent* listens on, with their numbers.

    Adds to *warnings*; raises :class:`PolicyError`.
    """
    taken: dict[tuple[str, int], str] = {}
    ports = list(_listening(request, agent, warnings))
    for local, port in ports:
        other = taken.setdefault((local.protocol, port), local.name)
        if other != local.name:
            raise PolicyError(
                f"The ports {other} and {local.name} are both {port}/{local.protocol}; move one in ports."
            )
    return ports


def local_flows(
    request: Request, ports: t.Iterable[tuple[catalog.LocalPort, int]], warnings: list[str]
) -> t.Iterator[Flow]:
    """The Agent's *ports*, denied to all (but the interface lo), and allowed where the user opens them.

    Nothing is said of those that are left to others' rules. Adds to *warnings*; raises :class:`PolicyError`.
    """
    opened = _opened(request)
    unmanaged = _unmanaged(request) - set(opened)
    for local, port in ports:
        if local.name in unmanaged:
            warnings.append(
                f"The port {local.name}, {port}/{local.protocol}, is left to other rules: this policy neither opens "
                "nor closes it. List the networks that may reach it in non_local_traffic to close it to all others."
            )
            continue
        yield _flow(local, port, "deny", ANYWHERE)
        networks = opened.get(local.name, ())
        kept = request.of_families(networks)
        if kept:
            yield _flow(local, port, "allow", kept)
        elif networks:
            warnings.append(left_out_by_family(f"non_local_traffic.{local.name}"))
        if any(network.endswith("/0") for network in kept):
            warnings.append(
                f"The option non_local_traffic opens {local.name} to every host: whoever reaches it can write to "
                "the account and read about the configuration."
            )


def sources(
    request: Request, ports: t.Iterable[tuple[catalog.LocalPort, int]], warnings: list[str]
) -> list[tuple[catalog.Source, int]]:
    """The services of Datadog's that may connect to this host, with the port that each comes to; raises as above.

    *ports* are the Agent's own.
    """
    asked = by_name("inbound_from", request.inbound_from, [source.name for source in catalog.SOURCES])
    own = {port for local, port in ports if local.protocol == "tcp"}
    found = []
    for source in catalog.SOURCES:
        if source.name in asked:
            port = port_of(f"inbound_from.{source.name}", asked[source.name])
            if port in own:
                raise PolicyError(
                    f"The option inbound_from.{source.name} is {port}, which is a port of the Agent's own."
                )
            found.append((source, port))
    if request.locations and not any(source.has_locations for source, _port in found):
        warnings.append("The option locations changes nothing: inbound_from has no source that is split by location.")
    return found


def _unmanaged(request: Request) -> set[str]:
    known = [local.name for local in catalog.LOCAL_PORTS]
    return {name_of("unmanaged_ports", name, known) for name in request.unmanaged_ports or ()}


def _opened(request: Request) -> dict[str, tuple[str, ...]]:
    known = {local.name: local for local in catalog.LOCAL_PORTS}
    opened = {}
    for name, value in by_name("non_local_traffic", request.non_local_traffic, known).items():
        if not known[name].may_open:
            may = ", ".join(local.name for local in known.values() if local.may_open)
            raise PolicyError(f"The option non_local_traffic has {name}, which is for this host alone; it takes {may}.")
        opened[name] = networks_of(f"non_local_traffic.{name}", value)
    return opened


def _listening(request: Request, agent: Version, warnings: list[str]) -> t.Iterator[tuple[catalog.LocalPort, int]]:
    opened = _opened(request)
    moved = by_name("ports", request.ports, [local.name for local in catalog.LOCAL_PORTS])
    for local in catalog.LOCAL_PORTS:
        is_asked_for = local.name in moved or local.name in opened
        if local.on_request and not is_asked_for:
            continue
        number = moved.get(local.name)
        port = local.port if number is None else port_of(f"ports.{local.name}", number, _OFF)
        if agent not in local.agents:
            if is_asked_for:
                warnings.append(f"Agent {agent} does not have the port {local.name}: there is no flow for it.")
        elif port not in _OFF:
            yield local, port
        elif opened.get(local.name):
            warnings.append(f"The port {local.name} is off: it is opened to nobody.")


def _flow(local: catalog.LocalPort, port: int, action: str, networks: tuple[str, ...]) -> Flow:
    is_denied = action == "deny"
    return Flow(
        id=f"{local.name}-{local.protocol}-{port}-in{'-deny' if is_denied else ''}",
        direction="inbound",
        action=action,
        protocol=local.protocol,
        port=port,
        networks=networks,
        purpose=f"{local.title}, {'for programs of this host alone' if is_denied else 'from other hosts'}",
    )
