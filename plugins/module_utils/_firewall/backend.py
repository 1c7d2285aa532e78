# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What every firewall backend is given, what it gives back, and what all of them compile flows into."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._flow import Flow, parse_network

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import Session


class FirewallError(Exception):
    """The firewall can't be brought to what was asked; the text is a sentence for the user."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """One line of a firewall: traffic with one remote network, and the ids of the flows it serves.

    ``network`` is a canonical CIDR. Exactly one of ``port`` (where the traffic goes) and ``source_port`` (where it
    comes from; only replies of the management connection need it) is set.
    """

    direction: str
    action: str
    protocol: str
    network: str
    port: int | None
    source_port: int | None = None
    flows: tuple[str, ...] = ()

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.network else 4

    def __str__(self) -> str:
        side = "to" if self.direction == "outbound" else "from"
        port = f"{self.port}" if self.port else f"from port {self.source_port}"
        way = "out" if self.direction == "outbound" else "in"
        return f"{self.action} {way} {port}/{self.protocol} {side} {self.network}  # {', '.join(self.flows)}"


@dataclasses.dataclass(frozen=True)
class Request:
    """What the module was asked for.

    ``session`` is the connection that the play came in on, None where it crosses no network; ``management_networks``
    are canonical CIDRs, empty for "from anywhere".
    """

    flows: tuple[Flow, ...] = ()
    state: str = "present"
    enable: bool = False
    management: bool = True
    management_networks: tuple[str, ...] = ()
    precedence: str = "theirs"
    session: Session | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a run did, or in check mode would do. ``before`` and ``after`` are the lines of the diff."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    shadowed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    changed: bool = False


class Backend(t.Protocol):
    """One kind of firewall on this host."""

    name: str

    def is_installed(self) -> bool:
        """Whether this host has the firewall at all, running or not."""

    def reconcile(self, request: Request, check_mode: bool) -> Outcome:
        """Bring our rules to *request*, everybody else's left alone; raises :class:`FirewallError`, nothing changed."""


def rules_of(flow: Flow) -> t.Iterator[Rule]:
    """One rule for each of *flow*'s networks."""
    for network in flow.networks:
        yield Rule(flow.direction, flow.action, flow.protocol, network, flow.port, flows=(flow.id,))


def compile_rules(rules: t.Iterable[Rule]) -> tuple[Rule, ...]:
    """*rules* without doubles, allows first, in a stable order.

    Flows that ask for the same traffic share a rule; a deny that an allow of just the same traffic overrules is
    left out, so that no firewall ever holds both.
    """
    flows: dict[Rule, set[str]] = {}
    for rule in rules:
        flows.setdefault(dataclasses.replace(rule, flows=()), set()).update(rule.flows)
    compiled = (
        dataclasses.replace(rule, flows=tuple(sorted(ids)))
        for rule, ids in flows.items()
        if rule.action == "allow" or dataclasses.replace(rule, action="allow") not in flows
    )
    return tuple(sorted(compiled, key=_order))


def flow_changes(
    before: t.Iterable[Rule], after: t.Iterable[Rule], flows: t.Iterable[Flow] = ()
) -> tuple[tuple[str, ...], ...]:
    """The ids of flows that gain rules, that lose some, and that stay as they are, each sorted.

    Of *flows* some may need no rule of ours, because a rule of somebody else says the same.
    """
    old = {(flow, dataclasses.replace(rule, flows=())) for rule in before for flow in rule.flows}
    new = {(flow, dataclasses.replace(rule, flows=())) for rule in after for flow in rule.flows}
    added = {flow for flow, _rule in new - old}
    removed = {flow for flow, _rule in old - new}
    unchanged = {flow for flow, _rule in new} | {flow.id for flow in flows}
    return tuple(sorted(added)), tuple(sorted(removed)), tuple(sorted(unchanged - added - removed))


def _order(rule: Rule) -> tuple[t.Any, ...]:
    network = parse_network(rule.network)
    return (
        rule.action != "allow",
        rule.direction,
        rule.protocol,
        rule.port or 0,
        rule.source_port or 0,
        network.version,
        network.network_address,
        network.prefixlen,
    )
