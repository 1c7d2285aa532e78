#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the Molecule scenario `windows` asks of a Windows host, by its state in a file (see state.py), a twin's or not.

    judge.py new STORE                    makes a twin with an Agent that sends logs
    judge.py document earlier|newer       prints address ranges of the lab, those that it serves or newer ones
    judge.py print all|theirs STATE       prints rules, profiles and record as lines; theirs: the rules of others alone
    judge.py changed BEFORE AFTER         prints which of our rules came, went or changed, and in what, as JSON
    judge.py packets STATE <rows.json     judges packets, in rows as tests/integration/packets.py sends them

What a packet would meet is worked out by matcher.py. A row may have a "program", which else is the Agent's; places are
those of lab.json that the lab has always. Exit status 1, and a sentence for each, if a packet of "open" would not pass
or one of "closed" would.
"""

from __future__ import annotations

import copy
import ipaddress
import json
import sys
import typing as t
from pathlib import Path

from ansible_collections.netwall.datadog.tests.lab.netlab import world
from ansible_collections.netwall.datadog.tests.windows.addresses import ANY, KEYWORDS, port_ranges, span
from ansible_collections.netwall.datadog.tests.windows.failures import MisuseError
from ansible_collections.netwall.datadog.tests.windows.matcher import Packet, verdict
from ansible_collections.netwall.datadog.tests.windows.state import State, loaded, put_agent, saved, windows_server

GROUP = "netwall.datadog"
RECORD = "HKLM:\\SOFTWARE\\NETWALL.DATADOG"
AGENT = r"C:\Program Files\Datadog\Datadog Agent\bin\agent.exe"
FAMILIES = {4: "ipv4", 6: "ipv6"}
_HERE = ("loopback", "itself")

Row = t.Mapping[str, t.Any]
Rule = dict[str, t.Any]


def new_twin() -> State:
    """A Windows Server in the lab's world, with an Agent that sends logs."""
    state = windows_server()
    put_agent(state, yaml=b"api_key: 0\r\nlogs_enabled: true\r\n")
    proxy = world.ELSEWHERE["proxy"]
    state.network["names"]["proxy.lab.example"] = [proxy.ipv4, proxy.ipv6]
    return state


def document(edition: str) -> dict[str, t.Any]:
    """The lab's address ranges; in the newer edition half of those for metrics are others."""
    ranges = world.ip_ranges()
    if edition == "newer":
        ranges.update(version=ranges["version"] + 1, modified="2026-01-02-00-00-00")
        moved = world.ELSEWHERE["downloads"]
        for family, address, size in (("ipv4", moved.ipv4, 32), ("ipv6", moved.ipv6, 128)):
            [whole] = ranges["agents"][f"prefixes_{family}"]
            # The names of the section lead to an address of the half that goes.
            [_gone, kept] = ipaddress.ip_network(whole).subnets()
            ranges["agents"][f"prefixes_{family}"] = [str(kept), f"{address}/{size}"]
    return ranges


def is_ours(rule: Rule) -> bool:
    """Whether *rule* is in the group of this collection."""
    return str(rule["Grouping"] or "").lower() == GROUP


def lines(state: State, part: str) -> t.Iterator[str]:
    """*part* of what *state* has of a firewall, each rule and profile in a line; the order of rules means nothing."""
    rules = [rule for rule in state.rules if part == "all" or not is_ours(rule)]
    yield from sorted(f"rule {json.dumps(rule, sort_keys=True)}" for rule in rules)
    if part == "all":
        yield from (f"profile {name} {json.dumps(state.profiles[name], sort_keys=True)}" for name in state.profiles)
        yield f"record {json.dumps(state.registry.get(RECORD), sort_keys=True)}"


def changed(before: State, after: State) -> dict[str, t.Any]:
    """What became of our rules: the names of those that came and went, and the properties of those that changed."""
    old, new = ({rule["Name"]: rule for rule in state.rules if is_ours(rule)} for state in (before, after))
    both = {name: [key for key in old[name] if old[name][key] != new[name][key]] for name in old if name in new}
    return {
        "came": sorted(set(new) - set(old)),
        "went": sorted(set(old) - set(new)),
        "changed": {name: properties for name, properties in both.items() if properties},
        "unchanged": sorted(name for name, properties in both.items() if not properties),
    }


def judged(table: t.Mapping[str, list[Row]], state: State) -> t.Iterator[str]:
    """A sentence for each packet of *table* that would fare otherwise than it has to on the host of *state*."""
    # A real host has rules of others whose ports are a keyword (RPC, Teredo and so on); they are passed over.
    state = copy.copy(state)
    state.rules = [rule for rule in state.rules if is_ours(rule) or _is_understood(rule)]
    places = world.description()
    for expected in ("open", "closed"):
        for row in table.get(expected, []):
            for family in row.get("families", FAMILIES):
                found = verdict(state, packet(row, family, places))
                if found.passes != (expected == "open"):
                    yield f"{row['what']} (over IPv{family}) had to be {expected}, but would be {found.value}."


def packet(row: Row, family: int, places: t.Mapping[str, t.Any]) -> Packet:
    """The first packet that *row* tells of; *places* are those of lab.json."""
    is_inbound = row["to"] in ("host", *_HERE)
    remote: t.Any = places
    other_end = row["from"] if is_inbound else row["to"]
    if row["to"] in _HERE:
        remote = {"ipv4": "127.0.0.1", "ipv6": "::1"}
    else:
        for part in other_end.split("."):
            remote = remote[part]
    return Packet(
        direction="inbound" if is_inbound else "outbound",
        protocol="udp" if row["kind"] in ("udp", "ntp") else "tcp",
        port=int(row.get("port", 123)),
        remote=ipaddress.ip_address(remote[FAMILIES[family]]),
        program=row.get("program", AGENT),
        is_loopback=row["to"] in _HERE,
    )


def _is_understood(rule: Rule) -> bool:
    """Whether the matcher knows what *rule* says of ports and addresses."""
    try:
        for name in ("LocalPorts", "RemotePorts"):
            port_ranges((rule[name] or "*").replace("*", "0"))
        for name in ("LocalAddresses", "RemoteAddresses"):
            for token in rule[name].split(","):
                if token != ANY and token not in KEYWORDS:
                    span(token)
    except (ValueError, MisuseError):
        return False
    return True


def main(command: str, *arguments: str) -> int:
    """Do what one line of the above says; the exit status."""
    if command == "new":
        saved(new_twin(), Path(arguments[0]))
    elif command == "document":
        print(json.dumps(document(arguments[0]), indent=2))
    elif command == "print":
        print(*lines(loaded(Path(arguments[1])), arguments[0]), sep="\n")
    elif command == "changed":
        print(json.dumps(changed(*(loaded(Path(path)) for path in arguments))))
    elif command == "packets":
        wrong = list(judged(json.load(sys.stdin), loaded(Path(arguments[0]))))
        print(*wrong, sep="\n", end="", file=sys.stderr)
        return 1 if wrong else 0
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
