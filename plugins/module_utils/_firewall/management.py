# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Keeping the connection that the play came in on: the rules it needs, and the refusal to cut it."""

from __future__ import annotations

import dataclasses
import itertools
import re
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError, Request, Rule
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import peers_on
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import (
    ANY_PORT,
    OperatorRule,
    Packet,
    decide,
)
from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, Flow, parse_network

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import Session

# More than a handful of names nobody reads in a warning.
_MOST_NAMES = 5


# The flows of rules_to_keep().
_MANAGEMENT = re.compile(r"management-tcp-\d+-(in|replies-out)\Z")


class Judge(t.Protocol):
    """What decides packets beside our own rules: here is what may be asked of it, :class:`Standing` is one."""

    def lets(self, packet: Packet, ours: t.Sequence[OperatorRule] = (), ours_first: bool = False) -> bool:
        """Whether *packet* passes when *ours* are judged before or after theirs; on ``lo`` all do."""

    def decider(
        self, packet: Packet, ours: t.Sequence[OperatorRule] = (), ours_first: bool = False
    ) -> OperatorRule | None:
        """The rule that decides *packet*, None for the default."""


@dataclasses.dataclass(frozen=True)
class Standing:
    """What decides packets beside our own rules: those of others, in their order, and the default per direction.

    A packet of another than *families* is refused, whatever the rules.
    """

    theirs: t.Sequence[OperatorRule]
    defaults: t.Mapping[str, str]
    families: t.Container[int] = (4, 6)

    def lets(self, packet: Packet, ours: t.Sequence[OperatorRule] = (), ours_first: bool = False) -> bool:
        """Whether *packet* passes when *ours* are judged before or after theirs; on ``lo`` all do."""
        if packet.interface == "lo":
            return True
        if (6 if ":" in packet.remote else 4) not in self.families:
            return False
        decided = self.decider(packet, ours, ours_first)
        return (decided.verdict if decided else self.defaults[packet.direction]) != "deny"

    def decider(
        self, packet: Packet, ours: t.Sequence[OperatorRule] = (), ours_first: bool = False
    ) -> OperatorRule | None:
        """The rule that decides *packet*, None for the default."""
        if (6 if ":" in packet.remote else 4) not in self.families:
            return None
        return decide([*ours, *self.theirs] if ours_first else [*self.theirs, *ours], packet)


def peers_of(request: Request) -> list[str]:
    """The addresses whose sessions on the port of the management connection are open, none if it needs no keeping."""
    if not request.management or not request.session:
        return []
    return sorted({request.session.address, *peers_on(request.session.local_port)})


def rules_to_keep(
    request: Request, standing: Judge, rules: t.Sequence[Rule], peers: t.Sequence[str], earlier: t.Iterable[Rule] = ()
) -> list[Rule]:
    """The rules that keep the management connection beside *rules*, as few as it needs.

    A run that came in over no network keeps those of *earlier*, our rules so far: others may come in by them.
    *peers* are the addresses whose sessions were open when the firewall came on by our hand, none where somebody else
    switched it on: there the connection got in without us, and needs us only against our own denials.
    """
    session = request.session
    if not request.management:
        return []
    if not session:
        flows = ((rule, tuple(filter(_MANAGEMENT.match, rule.flows))) for rule in earlier)
        return [dataclasses.replace(rule, flows=kept) for rule, kept in flows if kept]
    port = session.local_port
    denials = [
        as_operator_rule(rule)
        for rule in rules
        if (rule.direction, rule.action, rule.protocol, rule.port) == ("inbound", "deny", "tcp", port)
    ]
    kept: list[Rule] = []
    concerns_us = peers or denials
    ours_first = request.precedence == "ours"
    if request.management_networks or (concerns_us and not standing.lets(_arrival(session), denials, ours_first)):
        kept += [
            Rule("inbound", "allow", "tcp", network, port, flows=(_arrival_id(session),))
            for network in request.management_networks or ANYWHERE
        ]
    # To connection tracking, which starts with the firewall, an open session's next reply is a new connection.
    kept += [
        Rule(
            direction="outbound",
            action="allow",
            protocol="tcp",
            network=f"{peer}/{128 if ':' in peer else 32}",
            port=None,
            source_port=port,
            flows=(f"management-tcp-{port}-replies-out",),
        )
        for peer in peers
        if not standing.lets(_reply(session, peer))
    ]
    return kept


def refuse_lockout(
    request: Request,
    standing: Judge,
    rules: t.Sequence[Rule],
    before: t.Sequence[Rule] | None = None,
    standing_before: Judge | None = None,
) -> None:
    """Raise :class:`FirewallError` if the management connection would not pass a firewall with *rules*.

    *before* are our rules in a firewall that is on, None where it is off; *standing_before* is what decides beside them
    where that changes, too. A connection that gets past neither got in
    by a way that can't be seen from here, and is no worse off than before.
    """
    session = request.session
    if not request.management or not session:
        return
    arrival, reply = _arrival(session), _reply(session, session.address)
    if before is None:
        packets = [
            (arrival, "Switching the firewall on would refuse"),
            (reply, "Switching the firewall on would refuse replies of"),
        ]
    else:
        known = [as_operator_rule(rule) for rule in before]
        now = standing_before or standing
        passes = any(now.lets(arrival, known, ours_first) for ours_first in (False, True))
        packets = [(arrival, "This change would refuse")] if passes else []
    ours = [as_operator_rule(rule) for rule in rules]
    for packet, what in packets:
        if not standing.lets(packet, ours, request.precedence == "ours"):
            culprit = standing.decider(packet, ours, request.precedence == "ours")
            reason = f"the rule '{culprit.text}'" if culprit else "the firewall's default"
            raise FirewallError(
                f"{what} the connection that this play came in on "
                f"({session.address} to port {session.local_port}) because of {reason}; change that, widen "
                "'management_networks' if you set it, or set 'management: false' if you have another way in."
            )


def lets_more_out(names: t.Sequence[str]) -> str:
    """The sentence about rules of others, called *names*, that let out what no flow does where the rest is denied."""
    shown = ", ".join(names[:_MOST_NAMES])
    more = len(names) - _MOST_NAMES
    return (
        "default_outbound is deny, but rules of others still let out more than the flows: "
        f"{shown}{f' and {more} more' if more > 0 else ''}; remove them if that is not meant."
    )


def kept_flow(request: Request, named: t.Container[str]) -> Flow | None:
    """The flow of the rule that keeps the port of the management connection open; None where *named*, the ids of the
    flows that have rules, does not have it."""
    session = request.session
    if not session or _arrival_id(session) not in named:
        return None
    return Flow(
        id=_arrival_id(session),
        direction="inbound",
        action="allow",
        protocol="tcp",
        port=session.local_port,
        networks=request.management_networks or ANYWHERE,
        purpose="keeps the connection that the play came in on",
    )


def denied_in_vain(kept: Flow, flows: t.Iterable[Flow]) -> list[str]:
    """A sentence for each of *flows* that would close what *kept*, the management connection's flow, keeps open."""
    whence = "anywhere" if kept.networks == ANYWHERE else ", ".join(kept.networks)
    return [
        f"Flow {flow.id} closes port {kept.port}/tcp, over which this play came in; it stays open from {whence}. "
        "Set management_networks to narrow that."
        for flow in flows
        if flow.match == ("inbound", "deny", "tcp", kept.port) and _share_addresses(flow.networks, kept.networks)
    ]


def _share_addresses(some: t.Iterable[str], others: t.Iterable[str]) -> bool:
    pairs = itertools.product(map(parse_network, some), map(parse_network, others))
    # Of two networks one holds the other, or they have nothing in common.
    return any(one.version == other.version and (one[0] in other or other[0] in one) for one, other in pairs)


def _arrival_id(session: Session) -> str:
    return f"management-tcp-{session.local_port}-in"


def as_operator_rule(rule: Rule) -> OperatorRule:
    """*rule* of ours in the form in which verdicts are computed."""
    return OperatorRule(
        direction=rule.direction,
        verdict=rule.action,
        protocols=(rule.protocol,),
        remote=rule.network,
        local=ANYWHERE[rule.family == 6],
        ports=((rule.port, rule.port),) if rule.port else ANY_PORT,
        source_ports=((rule.source_port, rule.source_port),) if rule.source_port else ANY_PORT,
        text=str(rule),
    )


def _arrival(session: Session) -> Packet:
    return Packet(
        "inbound", "tcp", session.address, session.local_address, session.local_port, session.port, session.interface
    )


def _reply(session: Session, peer: str) -> Packet:
    return Packet("outbound", "tcp", peer, session.local_address, session.port, session.local_port, session.interface)
