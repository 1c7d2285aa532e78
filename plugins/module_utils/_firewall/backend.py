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
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import Packet


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
    are canonical CIDRs, empty for "from anywhere". With ``default_outbound`` ``deny``, ``flows`` hold what the host
    itself must go on doing (see ``essentials.py``), but for what no flow can say: loopback, answers, ICMP and IGMP.
    """

    flows: tuple[Flow, ...] = ()
    state: str = "present"
    enable: bool = False
    management: bool = True
    management_networks: tuple[str, ...] = ()
    precedence: str = "theirs"
    session: Session | None = None
    default_outbound: str = "unmanaged"
    reload: str = "careful"


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


@dataclasses.dataclass(frozen=True)
class Presence:
    """Whether a host has a firewall at all, whether it is in force now, and whether it will be after a boot."""

    is_installed: bool = False
    is_active: bool = False
    is_enabled: bool = False


class Plan(t.Protocol):
    """What a backend found, and what it would do about it. Nothing has been changed yet.

    ``snapshot`` is all that :meth:`Backend.restore` needs to put back what stands now, ``record`` what the backend
    wants to know in later runs; both as plain JSON types.
    """

    @property
    def outcome(self) -> Outcome: ...

    @property
    def snapshot(self) -> dict[str, t.Any]: ...

    @property
    def record(self) -> dict[str, t.Any]: ...

    def apply(self, step: t.Callable[[str], None]) -> None:
        """Do it, naming each step ("Writing …") before it is taken; raises, wherever it stopped."""

    def lets(self, packet: Packet) -> bool:
        """Whether the first packet of a connection would pass once this is done, as far as can be told."""


class Backend(t.Protocol):
    """One kind of firewall on this host."""

    name: str

    def presence(self) -> Presence:
        """What there is of it; never raises."""

    def exclusive(self) -> t.ContextManager[None]:
        """Keep the firewall's own tools from writing as long as that takes, or do nothing where there is no way to."""

    def plan(self, request: Request, record: t.Mapping[str, t.Any]) -> Plan:
        """What brings our rules to *request*, everybody else's left alone; raises :class:`FirewallError`.

        *record* is what the last run left, empty if there was none. A run plans until a plan's outcome is not changed,
        which says that files and live rules are as asked; a backend may remember what it did in between.
        """

    def restore(self, snapshot: t.Mapping[str, t.Any]) -> None:
        """Put back, in files and in the kernel, what *snapshot* says, from whatever point a run was stopped at.

        What others wrote since is kept. Safe to call again after it was itself stopped, and at boot, before the
        firewall has started (then it writes files alone). Raises :class:`FirewallError`.
        """


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
        if not _is_overruled(rule, flows)
    )
    return tuple(sorted(compiled, key=_order))


def flow_changes(
    before: t.Iterable[Rule], after: t.Iterable[Rule], flows: t.Iterable[Flow] = ()
) -> tuple[tuple[str, ...], ...]:
    """The ids of flows that gain rules, that lose some, and that stay as they are, each sorted.

    A denial that an allow of just the same traffic overrules is no rule (see :func:`compile_rules`), and a flow of
    nothing else is not told of. Of *flows* some may need no rule of ours, as a rule of somebody else says the same.
    """
    old, new = _by_flow(before), _by_flow(after)
    added = {flow for flow, _rule in new - old}
    removed = {flow for flow, _rule in old - new}
    rules = {rule for _flow, rule in new}
    idle = {flow.id for flow in flows if not all(_is_overruled(rule, rules) for rule in rules_of(flow))}
    unchanged = {flow for flow, _rule in new} | idle
    return tuple(sorted(added)), tuple(sorted(removed)), tuple(sorted(unchanged - added - removed))


def _by_flow(rules: t.Iterable[Rule]) -> set[tuple[str, Rule]]:
    """Each flow of *rules* with each of its rules that decides something."""
    told = [(rule.flows, dataclasses.replace(rule, flows=())) for rule in rules]
    bare = {rule for _flows, rule in told}
    return {(flow, rule) for flows, rule in told if not _is_overruled(rule, bare) for flow in flows}


def _is_overruled(rule: Rule, rules: t.Container[Rule]) -> bool:
    """Whether *rule* is a denial whose contrary is among *rules*, which name no flows."""
    return rule.action == "deny" and dataclasses.replace(rule, action="allow", flows=()) in rules


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
