# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host does with a packet, found out by walking the chains that iptables-save printed.

It shares nothing with the collection's own idea of verdicts: it judges that. An option that it does not know is an
error, never passed over.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
import typing as t
from dataclasses import dataclass, replace

MOST = {4: 2**32 - 1, 6: 2**128 - 1}
FINAL = ("ACCEPT", "DROP", "REJECT")

Span = tuple[int, int]


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection. ``hook`` is INPUT or OUTPUT, addresses are numbers.

    ``limited`` says that whoever sent it has sent too many of them, ``machine`` is the hardware address that it came
    from, where a rule may name it.
    """

    hook: str
    family: int
    protocol: str
    source: int
    destination: int
    sport: int
    dport: int
    interface: str = "host0"
    limited: bool = False
    machine: str = ""

    @property
    def remote(self) -> int:
        return self.source if self.hook == "INPUT" else self.destination

    def __str__(self) -> str:
        source, destination = (address(self.family, number) for number in (self.source, self.destination))
        way = "in" if self.hook == "INPUT" else "out"
        limited = ", one too many" if self.limited else ""
        ports = f"{self.sport}->{self.dport}"
        return f"{self.protocol} {way} at {self.interface} {source} -> {destination} {ports}{limited}"


@dataclass(frozen=True)
class Line:
    """One rule: all of its conditions as spans (inclusive) or sets; ``text`` is the whole of it without counters."""

    text: str
    target: str = ""
    protocol: str = ""
    source: Span = (0, MOST[6])
    destination: Span = (0, MOST[6])
    sports: tuple[Span, ...] = ((0, 65535),)
    dports: tuple[Span, ...] = ((0, 65535),)
    incoming: str = ""
    outgoing: str = ""
    other: tuple[tuple[str, str], ...] = ()

    def matches(self, packet: Packet) -> bool:
        """Whether its conditions hold."""
        return (
            self.protocol in ("", packet.protocol)
            and self.source[0] <= packet.source <= self.source[1]
            and self.destination[0] <= packet.destination <= self.destination[1]
            and any(first <= packet.dport <= last for first, last in self.dports)
            and any(first <= packet.sport <= last for first, last in self.sports)
            and _is_on(packet.interface if packet.hook == "INPUT" else "", self.incoming)
            and _is_on(packet.interface if packet.hook == "OUTPUT" else "", self.outgoing)
            and all(_CONDITIONS[name](value, packet) for name, value in self.other)
        )


class Table:
    """The filter table of one IP family: what iptables-save (or ip6tables-save) prints, with or without counters."""

    def __init__(self, family: int, saved: str) -> None:
        self.family = family
        self.policies: dict[str, str] = {}
        self.chains: dict[str, list[Line]] = {}
        self.counters: dict[str, list[str]] = {}
        table = ""
        for line in saved.splitlines():
            counted = re.match(r"\[(\d+:\d+)\] ", line)
            text = line[counted.end() :] if counted else line
            if text.startswith("*"):
                table = text[1:]
            elif table == "filter" and text.startswith(":"):
                name, policy = text[1:].split()[:2]
                self.policies[name] = policy
                self.chains[name], self.counters[name] = [], []
            elif table == "filter" and text.startswith("-A "):
                name = text.split()[1]
                self.chains[name].append(_read(text, family))
                self.counters[name].append(counted.group(1) if counted else "")

    def texts(self) -> dict[str, list[str]]:
        """The rules of every chain, as text."""
        return {name: [line.text for line in lines] for name, lines in self.chains.items()}

    def decide(self, packet: Packet) -> tuple[str, str]:
        """The verdict on *packet*, and the chain of the rule (or the policy) that gave it."""
        return self.decide_in(packet.hook, packet) or (self.policies.get(packet.hook, "ACCEPT"), packet.hook)

    def decide_in(self, chain: str, packet: Packet) -> tuple[str, str] | None:
        """The same for the rules of *chain* and those that it jumps to; None where they give no verdict."""
        for line in self.chains.get(chain, ()):
            if not line.matches(packet):
                continue
            if line.target in FINAL:
                return line.target, chain
            if line.target == "RETURN":
                break
            found = self.decide_in(line.target, packet)
            if found:
                return found
        return None


def span_of(network: str) -> Span:
    """The first and the last address of *network* as numbers."""
    parsed = ipaddress.ip_network(network)
    return int(parsed.network_address), int(parsed.broadcast_address)


def address(family: int, number: int) -> str:
    """The address *number*, for a person."""
    return str(ipaddress.IPv6Address(number) if family == 6 else ipaddress.IPv4Address(number))


def _read(text: str, family: int) -> Line:
    line = Line(text, source=(0, MOST[family]), destination=(0, MOST[family]))
    words = shlex.split(text)[2:]
    position = 0
    while position < len(words):
        option = words[position]
        if option == "!":
            raise ValueError(f"An option is turned round, which is not known here: {text}")
        takes = 0 if option in _FLAGS else 1
        line = _with_option(line, option, words[position + 1] if takes else "")
        position += 1 + takes
    return line


_PLAIN = {"-i": "incoming", "-o": "outgoing", "-j": "target"}
_FLAGS = ("--rsource", "--set", "--update")
# They change no verdict, or say again what another option says.
_SILENT = ("-m", "--comment", "--log-prefix", "--log-level", "--reject-with", "--limit-burst", "--name", "--mask",
           "--rsource", "--set", "--update", "--seconds")  # fmt: skip


_PROTOCOLS = {"1": "icmp", "2": "igmp", "41": "ipv6", "47": "gre", "50": "esp", "51": "ah", "58": "ipv6-icmp"}


def _with_option(line: Line, option: str, value: str) -> Line:
    if option in _SILENT:
        return line
    changes: dict[str, t.Any] = {}
    if option in ("-s", "-d"):
        changes["source" if option == "-s" else "destination"] = span_of(value)
    elif option in ("--sport", "--sports", "--dport", "--dports"):
        changes[f"{option[2]}ports"] = tuple(_port_spans(value))
    elif option == "-p":
        # Without /etc/protocols, which not every host has, some have no name.
        changes["protocol"] = _PROTOCOLS.get(value, value)
    elif option in _PLAIN:
        changes[_PLAIN[option]] = value
    elif option in _CONDITIONS:
        changes["other"] = (*line.other, (option, value))
    else:
        raise ValueError(f"The option {option} is not known here: {line.text}")
    return replace(line, **changes)


def _port_spans(value: str) -> t.Iterator[Span]:
    for part in value.split(","):
        first, _colon, last = part.partition(":")
        yield int(first), int(last or first)


def _is_on(interface: str, pattern: str) -> bool:
    if pattern.endswith("+"):
        return interface.startswith(pattern[:-1]) and bool(interface)
    return pattern in ("", interface)


def _kind(packet: Packet) -> str:
    found = ipaddress.ip_address(address(packet.family, packet.destination))
    if found.is_multicast:
        return "MULTICAST"
    return "BROADCAST" if packet.destination == MOST[4] else "LOCAL" if packet.hook == "INPUT" else "UNICAST"


_CONDITIONS: dict[str, t.Callable[[str, Packet], bool]] = {
    "--ctstate": lambda value, _packet: "NEW" in value.split(","),
    "--dst-type": lambda value, packet: value == _kind(packet),
    # The type of an ICMP packet takes the place of its port.
    "--icmp-type": lambda value, packet: value.split("/")[0] == str(packet.dport),
    "--icmpv6-type": lambda value, packet: value.split("/")[0] == str(packet.dport),
    "--rt-type": lambda _value, _packet: False,
    "--hl-eq": lambda value, _packet: value == "255",
    # Only what is logged is limited so.
    "--limit": lambda _value, packet: not packet.limited,
    "--hitcount": lambda _value, packet: packet.limited,
}
