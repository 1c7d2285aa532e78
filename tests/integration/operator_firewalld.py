# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An operator of a host with firewalld, who writes what comes into his head: every form of rule that its tools have.

He uses few ports, networks and interfaces, those that our flows use too, so that rules meet. Some of what he writes
firewalld refuses; that is his and firewalld's affair.
"""

from __future__ import annotations

import typing as t

from ansible_collections.netwall.datadog.tests.integration.operator_ufw import NETWORKS, PORTS

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

ZONES = ("public", "internal", "work", "trusted", "drop", "block", "dmz")
SERVICES = ("ssh", "dns", "https", "dhcpv6-client", "mdns", "samba-client")
TARGETS = ("ACCEPT", "DROP", "REJECT", "default")
POLICY_TARGETS = ("ACCEPT", "DROP", "REJECT", "CONTINUE", "CONTINUE", "CONTINUE")
SETS = {
    "hash:ip": ("198.51.100.17", "203.0.113.77", "192.0.2.9"),
    "hash:net": ("198.51.100.0/28", "10.0.0.0/8", "192.0.2.0/24"),
    "hash:mac": ("02:00:00:00:00:01",),
    "hash:ip,port": ("198.51.100.17,tcp:443", "203.0.113.77,udp:8125"),
    "hash:net,port": ("198.51.100.0/28,tcp:8126", "10.0.0.0/8,udp:53"),
    "hash:net,iface": ("10.0.0.0/8,eth1",),
    "hash:ip,mark": ("198.51.100.17,0x1",),
}


def commands(rng: Random, count: int) -> list[list[str]]:
    """Some *count* commands, each as arguments of firewall-cmd, all for the permanent configuration."""
    found: list[list[str]] = []
    policies, sets = rng.randint(0, 3), rng.randint(0, 2)
    for number in range(sets):
        found += _set(rng, f"set{number}")
    for number in range(policies):
        found += _policy(rng, f"policy{number}")
    places = [f"--zone={zone}" for zone in rng.sample(ZONES, 3)] + ["--zone=public"] * 2
    places += [f"--policy=policy{number}" for number in range(policies)] * 2
    for _number in range(count):
        found += rng.choice(_FORMS)(rng, rng.choice(places))
    if sets:
        found += [[rng.choice(places), "--add-rich-rule", f"rule source ipset=set0 {rng.choice(_ACTIONS)}"]]
    return [["--permanent", *words] for words in found]


def later_commands(rng: Random) -> list[list[str]]:
    """What he does while our rules are there, too: he adds, and has it loaded."""
    zone = f"--zone={rng.choice(ZONES[:3])}"
    added = [words for _number in range(rng.randint(1, 2)) for words in rng.choice(_FORMS)(rng, zone)]
    return [*(["--permanent", *words] for words in added), ["--reload"]]


def _set(rng: Random, name: str) -> list[list[str]]:
    kind = rng.choice(tuple(SETS))
    made = [f"--new-ipset={name}", f"--type={kind}"]
    entries = rng.sample(SETS[kind], rng.randint(1, len(SETS[kind])))
    return [made, *([f"--ipset={name}", f"--add-entry={entry}"] for entry in entries)]


def _policy(rng: Random, name: str) -> list[list[str]]:
    ends = rng.choice((("ANY", "HOST"), ("HOST", "ANY"), ("public", "HOST"), ("HOST", "public"), ("ANY", "ANY")))
    priority = rng.choice((-30000, -100, -1, 1, 50, 100, 32765))
    return [
        [f"--new-policy={name}"],
        [f"--policy={name}", f"--add-ingress-zone={ends[0]}"],
        [f"--policy={name}", f"--add-egress-zone={ends[1]}"],
        [f"--policy={name}", f"--set-priority={priority}"],
        [f"--policy={name}", f"--set-target={rng.choice(POLICY_TARGETS)}"],
    ]


def _protocol(rng: Random) -> str:
    return rng.choice(("tcp", "udp"))


def _port(rng: Random) -> str:
    return rng.choice((*(f"{port}" for port in PORTS), "4000-9000", "1-500"))


def _rich(rng: Random, place: str) -> list[list[str]]:
    family = rng.choice((4, 4, 6, 0))
    networks = NETWORKS[family or 4][1:]
    words = ["rule"]
    if rng.random() < 0.4:
        words.append(f"priority={rng.choice((-200, -1, 1, 300))}")
    if family:
        words.append(f"family=ipv{family}")
        inverted = "NOT " if rng.random() < 0.1 else ""
        if rng.random() < 0.7:
            words.append(f"source {inverted}address={rng.choice(networks)}")
        if rng.random() < 0.4:
            words.append(f"destination {inverted}address={rng.choice(networks)}")
    words.append(rng.choice((
        "", f"port port={_port(rng)} protocol={_protocol(rng)}", f"port port={_port(rng)} protocol={_protocol(rng)}",
        f"service name={rng.choice(SERVICES)}", f"source-port port={_port(rng)} protocol={_protocol(rng)}",
        "protocol value=gre", "protocol value=udp", "icmp-type name=echo-request",
    )))  # fmt: skip
    words.append(rng.choice(("", "", 'log prefix="his " level=info limit value=3/m', "audit limit value=1/h")))
    words.append(rng.choice(_ACTIONS))
    return [[place, "--add-rich-rule", " ".join(filter(None, words))]]


def _zone_only(option: Callable[[Random], list[str]]) -> Callable[[Random, str], list[list[str]]]:
    return lambda rng, place: [[place if place.startswith("--zone") else "--zone=public", *option(rng)]]


_ACTIONS = ("accept", "accept", "drop", "reject", "reject type=icmp-admin-prohibited", "accept limit value=5/s",
            "mark set=0x10")  # fmt: skip
_FORMS: t.Sequence[t.Callable[[Random, str], list[list[str]]]] = (
    _rich,
    _rich,
    _rich,
    _rich,
    lambda rng, place: [[place, f"--add-service={rng.choice(SERVICES)}"]],
    lambda rng, place: [[place, f"--add-port={_port(rng)}/{_protocol(rng)}"]],
    lambda rng, place: [[place, f"--add-source-port={_port(rng)}/{_protocol(rng)}"]],
    lambda rng, place: [[place, f"--add-protocol={rng.choice(('gre', 'esp', 'ah', 'igmp', 'udp'))}"]],
    lambda rng, place: [[place, f"--add-icmp-block={rng.choice(('echo-request', 'router-advertisement'))}"]],
    lambda rng, place: [[place, f"--add-forward-port=port={rng.choice(PORTS)}:proto={_protocol(rng)}:toport=9999"]],
    _zone_only(lambda rng: [f"--add-source={rng.choice(NETWORKS[rng.choice((4, 6))][1:])}"]),
    lambda rng, _place: [["--zone=drop", f"--add-source={rng.choice(NETWORKS[rng.choice((4, 6))][1:])}"]],
    _zone_only(lambda rng: [f"--add-interface={rng.choice(('eth1', 'eth2', 'wg+'))}"]),
    _zone_only(lambda rng: [f"--set-target={rng.choice(TARGETS)}"]),
    _zone_only(lambda _rng: ["--add-masquerade"]),
    _zone_only(lambda _rng: ["--add-icmp-block-inversion"]),
    lambda rng, _place: [["--direct", "--add-rule", rng.choice(("ipv4", "ipv6")), "filter", "OUTPUT", "0", "-p", "udp",
                          "--dport", rng.choice(("9", "19")), "-j", "DROP"]],
)  # fmt: skip
