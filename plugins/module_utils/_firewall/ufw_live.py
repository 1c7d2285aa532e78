# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""ufw's chains in the kernel: which live rules are ours, and the one edit that makes them what they should be.

Live rules carry no mark, so ours are known by what they say, looked for from the side where ours stand.
"""

from __future__ import annotations

import difflib
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.transaction import run
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_rules import CHAINS, iptables_line
from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE

DIRECTIONS = ("inbound", "outbound")

_PROGRAM = {4: "iptables", 6: "ip6tables"}
_OPTIONS = {"-s": "source", "-d": "destination", "-p": "protocol", "--sport": "sport", "--dport": "dport", "-j": "jump"}

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import Rule

Key = t.Tuple[str, ...]


class Live:
    """The filter table of one IP family as the kernel has it: ``policies`` and ``chains`` by name.

    *saved* is what iptables-save prints.
    """

    def __init__(self, family: int, saved: str) -> None:
        self.family = family
        self.policies: dict[str, str] = {}
        self.chains: dict[str, list[str]] = {}
        table = ""
        for line in saved.splitlines():
            if line.startswith("*"):
                table = line[1:]
            elif table != "filter":
                continue
            elif line.startswith(":"):
                chain, policy = line[1:].split()[:2]
                self.policies[chain] = policy
                self.chains.setdefault(chain, [])
            elif line.startswith("-A "):
                self.chains.setdefault(line.split(" ", 2)[1], []).append(line)

    @classmethod
    def read(cls, family: int) -> Live:
        """The live table; raises :class:`FirewallError`."""
        # Asked for one table by name, iptables-save makes it where there is none.
        return cls(family, run([f"{_PROGRAM[family]}-save"]))

    @property
    def is_loaded(self) -> bool:
        """Whether packets reach ufw's user chains. Rules put there while nothing jumps to them would do nothing."""
        return all(
            f"-A {_before(chain)} -j {chain}" in self.chains.get(_before(chain), ())
            for chain in (CHAINS[self.family, direction] for direction in DIRECTIONS)
        )

    def edit(self, ours: t.Iterable[Rule], wanted: t.Iterable[Rule], precedence: str) -> list[str]:
        """The lines for one ``iptables-restore --noflush`` that put *wanted* in the place of *ours*; none: all is well.

        Only our rules are named in it, by their number, so that everybody else's keep their order and counters.
        """
        known, target = list(ours), list(wanted)
        commands = [
            command
            for direction in DIRECTIONS
            for command in self._edit_chain(
                CHAINS[self.family, direction],
                [rule for rule in known if rule.direction == direction and rule.family == self.family],
                [rule for rule in target if rule.direction == direction and rule.family == self.family],
                precedence,
            )
        ]
        return ["*filter", *commands, "COMMIT"] if commands else []

    def _edit_chain(self, chain: str, ours: list[Rule], wanted: list[Rule], precedence: str) -> list[str]:
        live = [_key(line) or line for line in self.chains.get(chain, [])]
        mine = _find(live, [_rule_key(rule) for rule in ours], from_end=precedence == "theirs")
        others = [index for index in range(len(live)) if index not in mine]
        # Ours stay where they stand if no rule of others comes between them and our end of the chain.
        if precedence == "ours":
            start, end = 0, others[0] if others else len(live)
        else:
            start, end = others[-1] + 1 if others else 0, len(live)
        gone = {index for index in mine if not start <= index < end}
        start -= sum(index < start for index in gone)
        lines = [iptables_line(rule).replace(f"-A {chain} ", "", 1) for rule in wanted]
        kept = [live[index] for index in range(len(live)) if index in mine and index not in gone]
        steps = difflib.SequenceMatcher(None, kept, [_rule_key(rule) for rule in wanted], autojunk=False).get_opcodes()
        length = len(live) - len(gone)
        deletes = [index + 1 for index in gone]
        inserts: list[str] = []
        offset = end - len(kept)
        for kind, old_start, old_end, _new_start, _new_end in steps:
            if kind in ("delete", "replace"):
                deletes += range(offset + old_start + 1, offset + old_end + 1)
                length -= old_end - old_start
        for kind, _old_start, _old_end, new_start, new_end in steps:
            if kind in ("insert", "replace"):
                for number in range(new_start, new_end):
                    place = start + number
                    where = f"-A {chain}" if place == length else f"-I {chain} {place + 1}"
                    inserts.append(f"{where} {lines[number]}")
                    length += 1
        return [f"-D {chain} {number}" for number in sorted(deletes, reverse=True)] + inserts


def restore(family: int, lines: list[str]) -> None:
    """Apply *lines* in one kernel transaction, of which one failing line undoes the whole."""
    if lines:
        run([f"{_PROGRAM[family]}-restore", "--noflush", "-w", "30"], "\n".join(lines) + "\n")


def _before(chain: str) -> str:
    return chain.replace("-user-", "-before-")


def _find(live: list[t.Any], ours: list[Key], from_end: bool) -> set[int]:
    """The places in *live* of the rules *ours*; of several that say the same, those nearest to our end."""
    wanted: dict[Key, int] = {}
    for key in ours:
        wanted[key] = wanted.get(key, 0) + 1
    found = set()
    for index in sorted(range(len(live)), reverse=from_end):
        if isinstance(live[index], tuple) and wanted.get(live[index], 0):
            wanted[live[index]] -= 1
            found.add(index)
    return found


def _key(line: str) -> Key | None:
    """What *line* says, if it is of a form that our rules have."""
    fields = line.split()[2:]
    found = dict.fromkeys(_OPTIONS.values(), "")
    index = 0
    while index + 1 < len(fields):
        option, value = fields[index], fields[index + 1]
        if option in _OPTIONS:
            found[_OPTIONS[option]] = value
        elif option != "-m" or value != found["protocol"]:
            return None
        index += 2
    return tuple(found.values()) if index == len(fields) else None


def _rule_key(rule: Rule) -> Key:
    inbound = rule.direction == "inbound"
    network = "" if rule.network in ANYWHERE else rule.network
    return (
        network if inbound else "",
        "" if inbound else network,
        rule.protocol,
        str(rule.source_port or ""),
        str(rule.port or ""),
        {"allow": "ACCEPT", "deny": "DROP"}[rule.action],
    )
