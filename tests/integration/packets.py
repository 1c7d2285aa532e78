#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What passes and what doesn't, as a table of packets: sends them in a lab, prints what became of them.

    packets.py --lab FOLDER --host HOST [--no-firewall] <rows.json

FOLDER is what `lab.py up` prints. The input is {"open": [ROW, …], "closed": [ROW, …]}; each row is sent over IPv4 and
over IPv6, unless it lists "families":
    what    what it shows, for a person
    from    where it starts: a place
    to      where it goes: a place
    kind    tcp, udp, tls or ntp (see tests/lab/probe.py)
    port    the port it goes to
    name    the name that a TLS server has to prove
A place is "host" (the one of --host), "loopback" or "itself" (where it starts), the name of another host, or a path in
lab.json such as "neighbour", "intakes.agents", "callers.webhooks" or "elsewhere.stranger".

Exit status 1, and a sentence on standard error for each, if a packet of "open" is not answered or one of "closed" is;
with --no-firewall all are to be answered.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

LAB = Path(__file__).parents[1] / "lab"
FAMILIES = {4: "ipv4", 6: "ipv6"}
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
# What is expected to come is waited for; what isn't has had its time after this many seconds.
TIMEOUTS = {"open": 10.0, "closed": 2.0}
WORDS = {"open": "passes", "refused": "refused", "timeout": "blocked", "error": "error"}

# Runs where the packets start, all of that place at once.
_SENDER = """
import json, sys
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
order = json.load(sys.stdin)
program = {"__name__": "probe"}
exec(order["program"], program)
with ThreadPoolExecutor(len(order["probes"])) as pool:
    print(json.dumps(list(pool.map(lambda options: program["probe"](Namespace(**options)), order["probes"]))))
"""


@dataclass(frozen=True)
class Probe:
    """The options of probe.py."""

    kind: str
    host: str
    port: int
    source: str
    timeout: float
    servername: str
    ca: str | None = None


@dataclass(frozen=True)
class Packet:
    """One row in one family, and whether it is to be answered (``expected`` is ``open`` or ``closed``)."""

    row: t.Mapping[str, t.Any]
    family: int
    expected: str


class World:
    """A lab as lab.json describes it, seen from the host called ``host``."""

    def __init__(self, folder: Path, host: str) -> None:
        self.facts = json.loads((folder / "lab.json").read_text(encoding="utf-8"))
        self.host = host

    def address(self, place: str, family: int) -> str:
        """The address of a place."""
        found = self.facts["hosts"].get(self.host if place == "host" else place)
        if found is None:
            found = self.facts
            for part in place.split("."):
                found = found[part]
        return str(found[FAMILIES[family]])

    def sender(self, place: str) -> tuple[str, ...]:
        """The command that runs ``_SENDER`` where packets from a place start."""

        def lab(command: str, *arguments: str) -> tuple[str, ...]:
            return (sys.executable, str(LAB / "lab.py"), command, "--lab", self.facts["lab"], *arguments)

        if place == "controller":
            return lab("exec", "--", sys.executable, "-c", _SENDER)
        if place in ("neighbour", "other_neighbour"):
            return lab("neighbour", "--", sys.executable, "-c", _SENDER)
        name = self.host if place == "host" else place if place in self.facts["hosts"] else "internet"
        return lab("ssh", name, f"python3 -c {shlex.quote(_SENDER)}")

    def probe(self, packet: Packet) -> Probe:
        """What to send."""
        row, family = packet.row, packet.family
        start, end = row["from"], row["to"]
        place = start if end == "itself" else end
        host = LOOPBACK[family] if place == "loopback" else self.address(place, family)
        return Probe(
            kind=row["kind"],
            host=host,
            port=row.get("port", 123),
            # A host speaks from the address that it chooses; other places have several.
            source="" if start == "host" or start in self.facts["hosts"] else self.address(start, family),
            timeout=TIMEOUTS[packet.expected],
            servername=row.get("name", ""),
        )


def send(world: World, packets: t.Sequence[Packet]) -> dict[int, dict[str, t.Any]]:
    """Send all packets at once; what became of each (see probe.py), by its place in ``packets``."""
    places: dict[tuple[str, ...], list[int]] = {}
    for number, packet in enumerate(packets):
        places.setdefault(world.sender(packet.row["from"]), []).append(number)
    program = (LAB / "probe.py").read_text(encoding="utf-8")

    def send_from(command: tuple[str, ...]) -> list[tuple[int, dict[str, t.Any]]]:
        numbers = places[command]
        order = {"program": program, "probes": [asdict(world.probe(packets[number])) for number in numbers]}
        done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"Packets from {packets[numbers[0]].row['from']} could not be sent: {done.stderr.strip()}")
        return list(zip(numbers, json.loads(done.stdout), strict=True))

    with ThreadPoolExecutor(len(places)) as pool:
        return {number: found for part in pool.map(send_from, places) for number, found in part}


def is_as_expected(packet: Packet, found: t.Mapping[str, t.Any]) -> bool:
    """Whether it was answered, or not, as it had to be; a probe that says nothing is never as expected."""
    return found["outcome"] in (("open",) if packet.expected == "open" else ("timeout", "refused"))


def route(packet: Packet) -> str:
    """One packet for a person."""
    row = packet.row
    way = f"{row['from']} → {row['to']}"
    return f"{way} {row['port']}/{'udp' if row['kind'] == 'udp' else 'tcp'}" if "port" in row else f"{way} 123/udp"


def main() -> None:
    """Read the table, send it, print it."""
    parser = argparse.ArgumentParser(description="What passes and what doesn't, as a table of packets.")
    parser.add_argument("--lab", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--host", required=True, metavar="NAME")
    parser.add_argument("--no-firewall", action="store_true", help="all packets are to be answered")
    options = parser.parse_args()
    table = json.load(sys.stdin)
    if options.no_firewall:
        table = {"open": [row for rows in table.values() for row in rows]}
    packets = [
        Packet(row, family, expected)
        for expected in TIMEOUTS
        for row in table.get(expected, [])
        for family in row.get("families", FAMILIES)
    ]
    found = send(World(options.lab, options.host), packets)
    lines: dict[int, tuple[str, str, dict[int, str]]] = {}
    for number, packet in enumerate(packets):
        words = lines.setdefault(id(packet.row), (packet.row["what"], route(packet), {}))[2]
        words[packet.family] = WORDS[found[number]["outcome"]]
    print(f"{'IPv4':8} {'IPv6':8} what it is")
    for what, way, words in lines.values():
        print(f"{words.get(4, ''):8} {words.get(6, ''):8} {what} ({way})")
    wrong = [number for number, packet in enumerate(packets) if not is_as_expected(packet, found[number])]
    for number in wrong:
        packet, outcome = packets[number], found[number]
        detail = ": ".join(part for part in (outcome["outcome"], outcome.get("detail", "")) if part)
        print(
            f"{packet.row['what']} ({route(packet)} over IPv{packet.family}, at {options.host}) had to be "
            f"{packet.expected}, but was {detail}.",
            file=sys.stderr,
        )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
