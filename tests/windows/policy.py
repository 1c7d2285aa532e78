# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a policy wants of a packet, read off its flows as docs/architecture.md says what a flow is.

An allow beats a deny of the same direction, protocol and port. What no flow is about is left as it is without the
policy, unless the default is to deny. What another's rules block stays blocked: Windows lets no allow beat a block.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ansible_collections.netwall.datadog.tests.windows.matcher import Verdict, verdict

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.tests.windows.matcher import Packet
    from ansible_collections.netwall.datadog.tests.windows.state import State

Flow = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Policy:
    """Flows, and what goes with them: ``programs`` that alone may use what is open outbound (None: all may)."""

    flows: t.Sequence[Flow]
    default_outbound: str = "unmanaged"
    programs: frozenset[str] | None = None

    def wants(self, packet: Packet) -> str | None:
        """``allow`` or ``deny`` where a flow is about *packet*, else None; a flow says nothing about loopback."""
        if packet.is_loopback:
            return None
        about = [flow for flow in self.flows if _is_about(flow, packet)]
        if any(flow.get("action", "allow") == "allow" for flow in about):
            # What is open for the Agent is not closed for others by a deny of the same traffic: blocks know no "but".
            return "allow" if self._may_use(packet) else None
        return "deny" if about else None

    def _may_use(self, packet: Packet) -> bool:
        if packet.direction == "inbound" or self.programs is None:
            return True
        return packet.program.lower() in {program.lower() for program in self.programs}

    def passes(self, before: State, packet: Packet) -> bool:
        """Whether *packet* has to pass on a host that was *before* without this policy."""
        found = verdict(before, packet)
        wanted = self.wants(packet)
        profile = before.profiles[packet.profile or before.network["profile"]]
        if packet.is_loopback or profile["Enabled"] == 0:
            return True
        if found is Verdict.BLOCKED or wanted == "deny":
            return False
        if wanted == "allow" or found is Verdict.ALLOWED:
            return True
        if packet.direction == "outbound" and self.default_outbound != "unmanaged":
            return self.default_outbound == "allow"
        return found.passes


def _is_about(flow: Flow, packet: Packet) -> bool:
    return (
        flow["direction"] == packet.direction
        and flow["protocol"] == packet.protocol
        and int(flow["port"]) == packet.port
        and any(packet.remote in ipaddress.ip_network(network) for network in flow["networks"])
    )
