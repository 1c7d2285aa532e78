# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An operator of a host with ufw, who writes what comes into his head: every form of rule that ufw's own tool has.

He uses few ports, networks and interfaces, those that our flows use too, so that rules meet. Some of what he writes ufw
refuses; that is his and ufw's affair.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from random import Random

PORTS = (22, 53, 443, 4317, 8125, 8126)
NETWORKS = {
    4: ("0.0.0.0/0", "10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "198.51.100.0/28", "198.51.100.16/28",
        "198.51.100.17", "203.0.113.0/25", "203.0.113.77"),
    6: ("::/0", "2001:db8::/32", "2001:db8:1::/64", "2001:db8:ffff::/48", "2001:db8:ffff:1::/64",
        "2001:db8:ffff:1::17", "fe80::/10"),
}  # fmt: skip
HERE = {4: ("192.0.2.11", "192.0.2.0/24", "10.0.0.0/8"), 6: ("2001:db8:1::11", "2001:db8::/32", "fe80::/10")}
INTERFACES = ("host0", "eth1", "eth+", "lo")
APPLICATIONS = ("OpenSSH", "DNS", "WWW Full", "MSN", "Kerberos Full", "CIFS")
# Marks that are none, and what a shell, a file or a tuple could trip over.
COMMENTS = ("backup", "netwall.datadog: Mine", "netwall.datadog", "x ### tuple ### allow any", "ümläut $HOME \\", "-")
PROTOCOLS = ("ah", "esp", "gre", "igmp", "ipv6")

ALL_FORMS = ("simple", "application", "full", "full", "full", "full", "protocol", "route")


def commands(rng: Random, count: int, forms: t.Sequence[str] = ALL_FORMS) -> list[list[str]]:
    """Some *count* commands, each as arguments of ufw."""
    written = [_rule(rng, rng.choice(forms)) for _number in range(count)]
    settings = [
        *(["default", rng.choice(("allow", "deny", "reject")), way] for way in ("incoming", "outgoing", "routed")),
        ["logging", rng.choice(("off", "low", "medium", "high", "full"))],
    ]
    return [*(words for words in settings if rng.random() < 0.4), *written]


def later_commands(rng: Random) -> list[list[str]]:
    """What he does while our rules are there, too: he adds, removes, sets."""
    found = commands(rng, rng.randint(0, 2))
    if rng.random() < 0.3:
        found.append(["--force", "delete", str(rng.randint(1, 4))])
    return found or commands(rng, 1)


def _rule(rng: Random, form: str) -> list[str]:
    if form == "route":
        return ["route", *_placed(rng, [_action(rng), *_interfaces(rng), *_log(rng), *_ends(rng), *_comment(rng)])]
    way = [rng.choice(("in", "out"))] if rng.random() < 0.8 else []
    on = ["on", rng.choice(INTERFACES)] if way and rng.random() < 0.25 else []
    rule = {"simple": _simple, "application": _application, "full": _ends, "protocol": _protocol}[form](rng)
    return _placed(rng, [_action(rng), *way, *on, *_log(rng), *rule, *_comment(rng)])


def _action(rng: Random) -> str:
    return rng.choice(("allow", "allow", "deny", "deny", "reject", "limit"))


def _placed(rng: Random, rule: list[str]) -> list[str]:
    return [*rng.choice(([], [], [], ["prepend"], ["insert", str(rng.randint(1, 4))])), *rule]


def _interfaces(rng: Random) -> list[str]:
    ways: tuple[list[str], ...] = (
        ["in", "on", "host0"],
        ["out", "on", "eth1"],
        ["in", "on", "eth1", "out", "on", "eth+"],
        [],
    )
    return list(rng.choice(ways))


def _log(rng: Random) -> list[str]:
    return rng.choice(([], [], [], ["log"], ["log-all"]))


def _comment(rng: Random) -> list[str]:
    return ["comment", rng.choice(COMMENTS)] if rng.random() < 0.3 else []


def _simple(rng: Random) -> list[str]:
    port, protocol = rng.choice(PORTS), rng.choice(("tcp", "udp"))
    return [rng.choice((f"{port}", f"{port}/{protocol}", f"{port},9999/{protocol}", "8000:8200/tcp", "ssh"))]


def _application(rng: Random) -> list[str]:
    return [rng.choice(APPLICATIONS)]


def _protocol(rng: Random) -> list[str]:
    family = rng.choice((4, 6))
    return ["proto", rng.choice(PROTOCOLS), "from", rng.choice(NETWORKS[family]), "to", rng.choice(HERE[family])]


def _ends(rng: Random) -> list[str]:
    """The long form: from and to, each with an address, ports or an application."""
    family = rng.choice((4, 4, 6, 6, 0))
    protocol = rng.choice(("tcp", "udp", "any"))
    words = [] if protocol == "any" else ["proto", protocol]
    remote = rng.choice(NETWORKS[family]) if family else "any"
    here = rng.choice(HERE[family]) if family and rng.random() < 0.3 else "any"
    for side, network, has_port in zip(
        ("from", "to"), rng.sample((remote, here), 2), (rng.random() < 0.15, rng.random() < 0.8), strict=True
    ):
        words += [side, network]
        if has_port and protocol == "any" and rng.random() < 0.3:
            words += ["app", rng.choice(APPLICATIONS)]
        elif has_port:
            words += ["port", _ports(rng, protocol)]
    return words


def _ports(rng: Random, protocol: str) -> str:
    port = rng.choice(PORTS)
    several = (f"{port}", f"{port},{rng.choice(PORTS) + 1}", "1:500", "4000:9000", f"{port},30000:40000")
    return f"{port}" if protocol == "any" else rng.choice((f"{port}", *several))
