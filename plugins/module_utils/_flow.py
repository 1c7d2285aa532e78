# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The flow: the one value that the policy (left) and the firewalls (right) both speak.

A flow says nothing about how a firewall expresses it, and nothing about how Datadog came to need it.
"""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import re
import typing as t

ANYWHERE = ("0.0.0.0/0", "::/0")

DIRECTIONS = ("outbound", "inbound")
ACTIONS = ("allow", "deny")
PROTOCOLS = ("tcp", "udp")

# The argument spec of one flow, for modules that take them.
FLOW_OPTIONS: dict[str, dict[str, t.Any]] = {
    "id": {"type": "str", "required": True},
    "direction": {"type": "str", "required": True, "choices": list(DIRECTIONS)},
    "action": {"type": "str", "default": "allow", "choices": list(ACTIONS)},
    "protocol": {"type": "str", "required": True, "choices": list(PROTOCOLS)},
    "port": {"type": "int", "required": True},
    "networks": {"type": "list", "elements": "str", "required": True},
    "purpose": {"type": "str", "default": ""},
    "section": {"type": "str"},
    "destinations": {"type": "list", "elements": "str", "default": []},
}

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_LONGEST_ID = 80
# How the ids of flows begin that nobody asked for.
_OWN_IDS = ("host-", "management-")

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


class FlowError(ValueError):
    """A flow, or a part of one, is not what it must be; the text is a sentence for the user."""


@dataclasses.dataclass(frozen=True)
class Flow:
    """Traffic of one direction, protocol and port between this host and some networks.

    ``networks`` are the remote ends: canonical CIDRs, IPv4 first, in numerical order, never empty.
    A denied inbound flow never concerns the interface ``lo``.
    """

    id: str
    direction: str
    action: str
    protocol: str
    port: int
    networks: tuple[str, ...]
    purpose: str = ""
    section: str | None = None
    destinations: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, raw: t.Mapping[str, t.Any]) -> Flow:
        """The flow that *raw* (see :data:`FLOW_OPTIONS`), written by a user, describes; raises :class:`FlowError`."""
        name = _checked_id(raw.get("id"))
        unknown = sorted(set(raw) - set(FLOW_OPTIONS))
        if unknown:
            raise FlowError(f"Flow '{name}' has the unknown key '{unknown[0]}'; it may have {', '.join(FLOW_OPTIONS)}.")
        return cls(
            id=name,
            direction=_choice(name, raw, "direction", DIRECTIONS),
            action=_choice(name, raw, "action", ACTIONS, default="allow"),
            protocol=_choice(name, raw, "protocol", PROTOCOLS),
            port=_checked_port(name, raw.get("port")),
            networks=_checked_networks(name, raw.get("networks")),
            purpose=_one_line(name, raw.get("purpose")),
            section=None if raw.get("section") is None else str(raw["section"]),
            destinations=_checked_destinations(name, raw.get("destinations") or ()),
        )

    def to_dict(self) -> dict[str, t.Any]:
        """The flow as plain JSON types, with the keys of :data:`FLOW_OPTIONS`."""
        raw = dataclasses.asdict(self)
        raw["networks"] = list(self.networks)
        raw["destinations"] = list(self.destinations)
        return raw

    @property
    def match(self) -> tuple[str, str, str, int]:
        """What two flows must share to be one flow with both networks."""
        return (self.direction, self.action, self.protocol, self.port)


# The same few thousand networks are compared, sorted and written again and again in one run.
@functools.lru_cache(maxsize=1 << 16)
def parse_network(text: str) -> Network:
    """The network that *text*, a CIDR or a bare address, names; raises :class:`FlowError`."""
    try:
        if "%" in text:
            raise ValueError("a zone has no place in a network")
        return ipaddress.ip_network(text.strip(), strict=True)
    except ValueError:
        pass
    try:
        loose = ipaddress.ip_network(text.strip(), strict=False)
    except (ValueError, AttributeError):
        raise FlowError(f"'{text}' is not a network; write an address or a CIDR such as 192.0.2.0/24.") from None
    if "%" in text:
        raise FlowError(f"'{text}' is not a network; leave the zone (%…) out.")
    raise FlowError(f"'{text}' has host bits set; write {loose}, or {text.split('/')[0]} for the one address.")


def sort_networks(networks: t.Iterable[str]) -> tuple[str, ...]:
    """*networks* as canonical CIDRs without duplicates, IPv4 first, in numerical order."""
    return tuple(str(network) for network in sorted({parse_network(n) for n in networks}, key=_network_key))


def merge(flows: t.Iterable[Flow]) -> list[Flow]:
    """One flow per id, in order of first appearance, networks and destinations united.

    Raises :class:`FlowError` where one id stands for different traffic.
    """
    merged: dict[str, Flow] = {}
    for flow in flows:
        known = merged.setdefault(flow.id, flow)
        if known.match != flow.match:
            raise FlowError(
                f"Flow id '{flow.id}' is used for {' '.join(map(str, known.match))} and for "
                f"{' '.join(map(str, flow.match))}; give each its own id."
            )
        if known is not flow:
            merged[flow.id] = dataclasses.replace(
                known,
                networks=sort_networks(known.networks + flow.networks),
                purpose=_joined(known.purpose, flow.purpose),
                destinations=tuple(dict.fromkeys(known.destinations + flow.destinations)),
            )
    return list(merged.values())


def _joined(*purposes: str) -> str:
    return "; ".join(dict.fromkeys(part for purpose in purposes for part in purpose.split("; ") if part))


def _network_key(network: Network) -> tuple[int, int, int]:
    return (network.version, int(network.network_address), network.prefixlen)


def _checked_id(value: t.Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_ID or not _SLUG.match(value):
        raise FlowError(
            f"A flow has the id {value!r}; an id is lower-case words and digits joined by hyphens, "
            f"at most {_LONGEST_ID} characters, such as logs-tcp-443-out."
        )
    if value.startswith(_OWN_IDS):
        raise FlowError(
            f"A flow has the id {value!r}, but ids that begin with {' or '.join(_OWN_IDS)} belong to the flows that "
            "keep the host and its management connection working; choose another."
        )
    return value


def _choice(name: str, raw: t.Mapping[str, t.Any], key: str, allowed: tuple[str, ...], default: str = "") -> str:
    value = raw.get(key) or default
    if not value:
        raise FlowError(f"Flow '{name}' has no {key}; it must have one of {', '.join(allowed)}.")
    if value not in allowed:
        raise FlowError(f"Flow '{name}' has the {key} {value!r}; it must be one of {', '.join(allowed)}.")
    return str(value)


def _checked_port(name: str, value: t.Any) -> int:
    try:
        port = int(str(value))
    except ValueError:
        port = 0
    if not 1 <= port <= 65535:
        raise FlowError(f"Flow '{name}' has the port {value!r}; it must be a number from 1 to 65535.")
    return port


def _checked_networks(name: str, value: t.Any) -> tuple[str, ...]:
    networks = [value] if value and isinstance(value, str) else value
    if not networks:
        raise FlowError(
            f"Flow '{name}' has no networks; list CIDRs, and write {' and '.join(ANYWHERE)} if you mean anywhere."
        )
    if not isinstance(networks, (list, tuple)):
        raise FlowError(f"Flow '{name}' has the networks {value!r}; write a list of CIDRs such as [192.0.2.0/24].")
    try:
        return sort_networks(str(network) for network in networks)
    except FlowError as error:
        raise FlowError(f"Flow '{name}': {error}") from None


def _checked_destinations(name: str, value: t.Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise FlowError(f"Flow '{name}' has destinations that are not a list; write a list of names.")
    return tuple(str(fqdn) for fqdn in value)


def _one_line(name: str, value: t.Any) -> str:
    text = "" if value is None else str(value)
    if not text.isprintable():
        raise FlowError(f"Flow '{name}' has a purpose with line breaks or control characters; write one plain line.")
    return text
