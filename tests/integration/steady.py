#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packets all the while: what ten of ten thousand networks that change do to everybody's traffic. Nothing.

    steady.py --lab LAB --host HOST [--networks N] [--rate PER_SECOND] [--rounds N]

The host (image "host" or "firewalld") is the program's own. It denies outgoing traffic and has rules for N networks;
ten of them come, go, grow, shrink, are split and are joined, in one run of the module, and in the next the other way
round. All the while new connections are opened from the host and to it, over TCP and UDP, IPv4 and IPv6:

- to what both the old and the new policy allow, on the edge of what changes, too: none may be refused, not even late;
- to what both refuse: none may get through;
- on connections that were open before, one of them to a network that goes: they stay.

The rules of others keep their counters and their place in the kernel. It prints how many packets were sent, how many
of them while the module ran, and how long it ran.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import re
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from ansible_collections.netwall.datadog.tests.integration.firewalld_host import FirewalldHost
from ansible_collections.netwall.datadog.tests.integration.on_host import OnHost, arguments_of, result_in
from ansible_collections.netwall.datadog.tests.integration.ufw_host import UfwHost
from ansible_collections.netwall.datadog.tests.lab.netlab.hosts import Lab

PROGRAM = "/run/netwall-test-traffic.py"
WEB, OPEN, SHUT = 80, 8125, 8126
# What changes: networks before, networks after, and addresses in both.
CHANGES: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    (("203.0.113.64/27",), ("203.0.113.64/28",), ("203.0.113.65",)),
    (("203.0.113.96/28",), ("203.0.113.96/27",), ("203.0.113.97",)),
    (("198.51.100.32/27",), ("198.51.100.32/28", "198.51.100.48/28"), ("198.51.100.33", "198.51.100.49")),
    (("203.0.113.160/28",), (), ()),
    ((), ("203.0.113.176/28",), ()),
    (("2001:db8:ffff:20::/60",), ("2001:db8:ffff:20::/64",), ("2001:db8:ffff:20::1",)),
    (("2001:db8:ffff:40::/64",), ("2001:db8:ffff:40::/60",), ("2001:db8:ffff:40::1",)),
    (("2001:db8:ffff:60::/64", "2001:db8:ffff:61::/64"), ("2001:db8:ffff:60::/63",), ("2001:db8:ffff:61::1",)),
    (("2001:db8:ffff:80::/64",), (), ()),
    ((), ("2001:db8:ffff:a0::/64",), ()),
)
STAY = ("198.51.100.16/28", "2001:db8:ffff:1::/64")
ALLOWED = ("198.51.100.17", "2001:db8:ffff:1::17", *(place for change in CHANGES for place in change[2]))
REFUSED = ("198.51.100.200", "203.0.113.250", "2001:db8:ffff:f000::99")
# Connections that are open go on; the last two of each are to networks that then go.
TALKS = (
    ("198.51.100.17", "2001:db8:ffff:1::17", "203.0.113.161", "2001:db8:ffff:80::1"),
    ("198.51.100.17", "2001:db8:ffff:1::17", "203.0.113.177", "2001:db8:ffff:a0::1"),
)


def networks(count: int, side: int) -> list[str]:
    """*count* networks, or two more or less: of CHANGES those before (*side* 0) or after (1), and many nobody uses."""
    many = count - len(STAY) - sum(len(change[0]) for change in CHANGES)
    unused4 = ipaddress.ip_network("198.18.0.0/15").subnets(new_prefix=29)
    unused6 = ipaddress.ip_network("2001:db8:4000::/36").subnets(new_prefix=64)
    found = [str(next(unused)) for number in range(many) for unused in [unused6 if number % 2 else unused4]]
    return [*STAY, *(network for change in CHANGES for network in change[side]), *found]


def flows(count: int, side: int, neighbour: t.Mapping[str, str]) -> list[dict[str, t.Any]]:
    """The policy before (*side* 0) or after (1), of *count* networks in all."""
    some = networks(count // 2, side)
    inside = [neighbour["ipv4"], neighbour["ipv6"]]
    return [
        {"id": f"steady-{protocol}-{way}", "direction": way, "protocol": protocol, "port": port, "networks": where}
        for protocol in ("tcp", "udp")
        for way, port, where in (("outbound", WEB, some), ("inbound", OPEN, inside))
    ]


def from_host(side: int) -> list[dict[str, t.Any]]:
    """What the host itself sends, while the policy before (*side* 0) or after (1) is replaced."""
    kinds = ("tcp", "udp")
    passing = [target(kind, place, WEB, True) for kind in kinds for place in ALLOWED]
    stuck = [target(kind, place, WEB, False) for kind in kinds for place in REFUSED]
    elsewhere = [target(kind, place, 25, False) for kind in kinds for place in ALLOWED[:2]]
    return [*passing, *stuck, *elsewhere, *(target("talk", place, WEB, True) for place in TALKS[side])]


def to_host(facts: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """What the neighbour sends to it."""
    found = []
    for family in ("ipv4", "ipv6"):
        address, allowed, other = (facts[key][family] for key in ("host", "neighbour", "other_neighbour"))
        for kind in ("tcp", "echo"):
            found += [target(kind, address, OPEN, True, allowed), target(kind, address, SHUT, False, allowed)]
            found += [target(kind, address, OPEN, False, other)]
        found.append(target("talk", address, OPEN, True, allowed))
    return found


def target(kind: str, address: str, port: int, passes: bool, source: str = "") -> dict[str, t.Any]:
    name = f"{kind} {source or 'host'} -> {address} {port}"
    return {"name": name, "kind": kind, "address": address, "port": port, "source": source, "passes": passes}


@contextlib.contextmanager
def talking(command: t.Sequence[str], order: t.Any = None) -> t.Iterator[subprocess.Popen[str]]:
    """A program that is told what to do on its standard input, and then says "ready"."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
        try:
            if order is not None:
                _say(process, json.dumps(order))
            if process.stdout and process.stdout.readline() != "ready\n":
                raise SystemExit(f"{command[-1]} did not get ready")
            yield process
        finally:
            process.terminate()


def _say(process: subprocess.Popen[str], line: str) -> None:
    if process.stdin:
        process.stdin.write(line + "\n")
        process.stdin.flush()


class Round:
    """The host, and what is asked of it."""

    operator_of_ufw: t.ClassVar[tuple[str, ...]] = (
        "allow 22/tcp",
        "limit 9999/udp",
        "allow out 9998/udp",
        "reject out log 9997/tcp",
        "logging medium",
    )

    def __init__(self, lab: str, name: str, count: int, rate: int) -> None:
        self.lab, self.count, self.rate = Lab(lab), count, rate
        self.host = OnHost(lab, name)
        self.facts = json.loads((self.lab.folder / "lab.json").read_text(encoding="utf-8"))
        self.facts["host"] = self.facts["hosts"][name]
        self.has_ufw = self.facts["host"]["image"] == "host"

    def prepare(self) -> None:
        """An operator's rules, and the policy before, in force."""
        self.host.install_module()
        self.host.run("sh", "-c", f"cat >{PROGRAM}", stdin=_program())
        if self.has_ufw:
            firewall = UfwHost(self.host)
            firewall.reset()
            firewall.write([words.split() for words in self.operator_of_ufw])
            firewall.switch_on()
        else:
            FirewalldHost(self.host).reset()
        self.host.run("sh", "-euc", _OPERATOR_OF_NFT)
        self.apply(0)

    def apply(self, side: int) -> tuple[float, float]:
        """Have the module bring the host to the policy before or after; when it began and ended."""
        return self.run({"flows": flows(self.count, side, self.facts["neighbour"]), "default_outbound": "deny"})

    def run(self, asked: t.Mapping[str, t.Any]) -> tuple[float, float]:
        """Have the module do what is *asked*; when it began and ended."""
        order = arguments_of(**asked, management=False, backend="ufw" if self.has_ufw else "firewalld")
        began = time.monotonic()
        done = subprocess.run(
            self.host.module_command(), input=order, check=False, capture_output=True, encoding="utf-8"
        )
        ended = time.monotonic()
        result = result_in(done)
        if result.get("failed") or not result["changed"] or result["shadowed"]:
            raise SystemExit(f"the module did not do what it was to do: {json.dumps(result)[:2000]}")
        return began, ended

    def change(self, side: int) -> bool:
        """Change the policy under traffic and tell what became of it; whether all went well."""
        rules = []

        def apply() -> tuple[float, float]:
            rules.append(self.rules())
            moments = self.apply(side)
            rules.append(self.rules())
            return moments

        return self.under_traffic(from_host(1 - side), apply) & self.tell_rules(*rules)

    def under_traffic(self, sent: list[dict[str, t.Any]], act: t.Callable[[], tuple[float, float]]) -> bool:
        """Have the host send to the targets *sent*, and others to it, while *act* is done, which says when it was.

        Tells what became of the packets; whether all of them had the fate that they were to have.
        """
        here = self.host.command("python3", "-u", PROGRAM)
        there = self.lab.at("neighbour", [sys.executable, "-u", "-c", _program()])
        serve = self.host.command("python3", "-u", PROGRAM, "serve", str(OPEN), str(SHUT))
        orders = ({"rate": self.rate, "targets": sent}, {"rate": self.rate // 4, "targets": to_host(self.facts)})
        with talking(serve), talking(here, orders[0]) as outgoing, talking(there, orders[1]) as incoming:
            time.sleep(1)
            began, ended = act()
            time.sleep(1)
            for process in (outgoing, incoming):
                _say(process, f"{began} {ended}")
            found = [json.loads(process.communicate()[0]) for process in (outgoing, incoming)]
        return self.tell(ended - began, *found)

    def rules(self) -> dict[str, tuple[str, int]]:
        """All rules in the kernel: by number, what each says and what it counted."""
        found = {}
        for line in self.host.run("nft", "-a", "list", "ruleset").splitlines():
            rule = re.fullmatch(r"\s*(.*) # handle (\d+)", line)
            # Those of the module itself are told by their ports, which nobody else here has.
            if rule and not re.search(rf"dport ({WEB}|{OPEN})\b", line):
                counted = re.search(r"counter packets (\d+)", line)
                text = re.sub(r"counter packets \d+ bytes \d+", "counter", rule[1])
                found[f"{text} {rule[2]}"] = (text, int(counted[1]) if counted else 0)
        return found

    def tell(self, seconds: float, *found: list[dict[str, t.Any]]) -> bool:
        """Print what became of the packets; whether it was what had to be."""
        rows = [row for part in found for row in part]
        for row in rows:
            for moment, fate in row["wrong"][:3]:
                print(f"WRONG ({len(row['wrong'])} of {row['sent']}): {row['name']}: {fate}, at {moment:.3f}")
        sent, meanwhile = (sum(row[key] for row in rows) for key in ("sent", "meanwhile"))
        wrong = sum(len(row["wrong"]) for row in rows)
        print(
            f"{self.host.name}: the module ran {seconds:.2f} s; {sent} packets to {len(rows)} places, {meanwhile} of "
            f"them meanwhile; {wrong} had not the fate that both policies give them",
            flush=True,
        )
        return not wrong and meanwhile > 0

    def tell_rules(self, before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> bool:
        """Print which rules of others are not what they were; whether there are none."""
        lost = [before[key][0] for key in before if key not in after]
        reset = [before[key][0] for key in before if key in after and after[key][1] < before[key][1]]
        counting = sum(1 for key in before if before[key][1])
        print(
            f"{self.host.name}: {len(before)} rules of others, of which {counting} had counted something: {len(lost)} "
            f"lost their place in the kernel, {len(reset)} their counters {lost[:3]} {reset[:3]}",
            flush=True,
        )
        return not lost and not reset and counting > 0


# A table of his own that counts everything, beside the firewall's.
_OPERATOR_OF_NFT = """
nft 'add table inet operator; flush table inet operator'
nft 'add chain inet operator everything { type filter hook output priority 100; }'
nft add rule inet operator everything counter
"""


def _program() -> str:
    return Path(__file__).with_name("traffic.py").read_text(encoding="utf-8")


def main() -> int:
    """Change to and fro; 0 if nobody noticed."""
    parser = argparse.ArgumentParser(description="Packets all the while.")
    parser.add_argument("--lab", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--networks", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=1500, help="packets a second from the host; a quarter to it")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    run = Round(options.lab, options.host, options.networks, options.rate)
    run.prepare()
    results = [run.change(1 - number % 2) for number in range(options.rounds)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
