#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packets all the while: ufw's default for outgoing traffic comes and goes, and flows under it. Nothing leaks.

    closing.py --lab LAB --host HOST [--rate PER_SECOND]

The host (image "host") is the program's own. Step by step, each in one run of the module: outgoing traffic is denied by
default, other flows take the place of the first, those come back, and the default is again what it was. `ufw default`
and `ufw reload` would open the host for a second each time. All the while new connections are opened as in steady.py:
what both the old and the new policy refuse must not get through, and what both allow must not be refused.
"""

from __future__ import annotations

import argparse
import sys
import typing as t

from ansible_collections.netwall.datadog.tests.integration.steady import OPEN, SHUT, WEB, Round, target

# Refused by a rule of the operator's, whatever the default.
NEVER = 25
STAY = ("198.51.100.16/28", "2001:db8:ffff:1::/64")
ALLOWED = ("198.51.100.17", "2001:db8:ffff:1::17")
STRANGERS = ("198.51.100.200", "203.0.113.250", "2001:db8:ffff:f000::99")
FLOWS: tuple[tuple[tuple[str, str, int, tuple[str, ...]], ...], ...] = (
    (("web", "tcp", WEB, (*STAY, "203.0.113.64/28")), ("web-udp", "udp", WEB, STAY)),
    (
        ("site", "tcp", WEB, (*STAY, "203.0.113.96/28", "2001:db8:ffff:20::/64")),
        ("site-udp", "udp", WEB, STAY),
        ("intake", "tcp", 443, STAY),
        ("time", "udp", 123, ("0.0.0.0/0", "::/0")),
    ),
)
_RULES = ("allow 22/tcp", f"deny out {NEVER}", "logging medium")


class Closing(Round):
    """A host whose default for outgoing traffic comes and goes."""

    operator_of_ufw: t.ClassVar[tuple[str, ...]] = _RULES

    def apply(self, side: int) -> tuple[float, float]:
        """Have the first flows in force, and the default left alone."""
        return self.run(self.policy(side, "unmanaged"))

    def policy(self, number: int, outbound: str) -> dict[str, t.Any]:
        """What is asked of the module."""
        inside = [self.facts["neighbour"][family] for family in ("ipv4", "ipv6")]
        asked = [*((*flow, "outbound") for flow in FLOWS[number])]
        asked += [(f"open-{protocol}", protocol, OPEN, tuple(inside), "inbound") for protocol in ("tcp", "udp")]
        flows = [
            {"id": f"{name}-{way}", "direction": way, "protocol": protocol, "port": port, "networks": list(networks)}
            for name, protocol, port, networks, way in asked
        ]
        return {"flows": flows, "default_outbound": outbound}

    def step(self, number: int, outbound: str, denies_all_along: bool) -> bool:
        """Change under traffic; whether every packet met the fate that both policies have for it."""
        kinds = ("tcp", "udp")
        sent = [target(kind, place, WEB, True) for kind in kinds for place in ALLOWED]
        sent += [target(kind, place, NEVER, False) for kind in kinds for place in (*ALLOWED, *STRANGERS)]
        if denies_all_along:
            sent += [target(kind, place, port, False) for kind in kinds for place in STRANGERS for port in (WEB, SHUT)]
        sent += [target("talk", place, WEB, True) for place in ALLOWED]
        return self.under_traffic(sent, lambda: self.run(self.policy(number, outbound)))


def main() -> int:
    """Close, change, change back and open; 0 if nothing leaked and nothing was held up."""
    parser = argparse.ArgumentParser(description="Packets all the while.")
    parser.add_argument("--lab", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--rate", type=int, default=1500, help="packets a second from the host; a quarter to it")
    options = parser.parse_args()
    run = Closing(options.lab, options.host, 0, options.rate)
    run.prepare()
    steps = ((0, "deny", False), (1, "deny", True), (0, "deny", True), (0, "unmanaged", False))
    results = [run.step(*step) for step in steps]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
