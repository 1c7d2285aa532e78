#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packets all the while: what gets through while firewalld reloads for a change of ours. Nothing that may not.

    reloading.py --lab LAB --host HOST [--networks N] [--rate PER_SECOND] [--rounds N]

The host (image "firewalld") is the program's own. It denies outgoing traffic and has rules for N networks; in one run
of the module a flow comes that was not there, and in the next it goes: both need a reload. All the while new
connections are opened from the host and to it, as in steady.py. What both the old and the new policy refuse must not
get through, and connections that were open before go on. What both allow is held back for a moment, and how often is
printed.
"""

from __future__ import annotations

import argparse
import sys
import typing as t

from ansible_collections.netwall.datadog.tests.integration.steady import (
    ALLOWED,
    REFUSED,
    STAY,
    WEB,
    Round,
    flows,
    target,
)

MORE = {"id": "more-out", "direction": "outbound", "protocol": "tcp", "port": 10516, "networks": list(STAY)}


class Reloading(Round):
    """A host with firewalld to which a flow comes, and from which it goes."""

    def apply(self, side: int) -> tuple[float, float]:
        """Have the policy without (*side* 0) or with the flow in force."""
        wanted = [*flows(self.count, 0, self.facts["neighbour"]), *([MORE] if side else [])]
        return self.run({"flows": wanted, "default_outbound": "deny"})

    def change(self, side: int) -> bool:
        """Change under traffic; whether nothing got through that both policies refuse."""
        kinds = ("tcp", "udp")
        sent = [target("tcp", place, WEB, True) for place in ALLOWED[:2]]
        sent += [target(kind, place, port, False) for kind in kinds for place in REFUSED for port in (WEB, 80)]
        sent += [target(kind, place, 25, False) for kind in kinds for place in ALLOWED[:2]]
        sent += [target("talk", place, WEB, True) for place in ALLOWED[:2]]
        return self.under_traffic(sent, lambda: self.apply(side))

    def tell(self, seconds: float, *found: list[dict[str, t.Any]]) -> bool:
        """Print what was held back, and as ever what became of the rest; whether that was what had to be."""
        new = [row for part in found for row in part if row["passes"] and not row["name"].startswith("talk")]
        late, sent = sum(len(row["wrong"]) for row in new), sum(row["meanwhile"] for row in new)
        print(f"{self.host.name}: of {sent} new connections that both policies allow, {late} were held back")
        return super().tell(seconds, *([row for row in part if row not in new] for part in found))


def main() -> int:
    """Change to and fro; 0 if nothing leaked."""
    parser = argparse.ArgumentParser(description="Packets all the while.")
    parser.add_argument("--lab", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=1500, help="packets a second from the host; a quarter to it")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    run = Reloading(options.lab, options.host, options.networks, options.rate)
    run.prepare()
    results = [run.change(1 - number % 2) for number in range(options.rounds)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
