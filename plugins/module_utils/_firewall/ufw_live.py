# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""ufw's chains in the kernel: which live rules are ours, and the one edit that makes them what they should be.

Live rules carry no mark, so ours are known by what they say, looked for from the side where ours stand.
"""

from __future__ import annotations

import collections
import difflib
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.system import run
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_rules import CHAINS, iptables_line
from ansible_collections.netwall.datadog.plugins.module_utils._flow import PROTOCOLS

DIRECTIONS = ("inbound", "outbound")

_TARGETS = ("ACCEPT", "DROP")
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

    @property
    def has_user_chains(self) -> bool:
        """Whether any of ufw's chains for users' rules is there, loaded or not."""
        return any(chain in self.chains for chain in self._user_chains)

    @property
    def _user_chains(self) -> list[str]:
        return [CHAINS[self.family, direction] for direction in DIRECTIONS]

    def user_chains(self) -> dict[str, list[str]]:
        """The lines of ufw's chains for users' rules, by chain, for :meth:`edit_back`."""
        return {chain: self.chains.get(chain, []) for chain in self._user_chains}

    def edit_back(
        self,
        chains: t.Mapping[str, list[str]],
        known: t.Sequence[Rule],
        ours: t.Sequence[Rule],
        precedence: str,
        theirs: t.Sequence[str],
    ) -> list[str]:
        """The lines for :func:`restore` that make the chains what they were when :meth:`user_chains` gave *chains*.

        *known* are all rules that are ours, *ours* those that stood then and *theirs* the lines that others have now:
        where they changed theirs in the meantime, ours go to their end of the chain, which *precedence* says.
        """
        mine = {_rule_key(CHAINS[rule.family, rule.direction], rule) for rule in known if rule.family == self.family}
        standing = collections.Counter(
            [_key(iptables_line(rule)) for rule in ours] + [_key(line) for line in theirs if _key(line) in mine]
        )
        commands: list[str] = []
        for chain, then in chains.items():
            now = self.chains.get(chain, [])
            if now == then:
                continue
            old = [_key(line) for line in then]
            said = {key: count for key, count in standing.items() if key and key[0] == chain}
            is_as_said = collections.Counter(key for key in old if key in mine) == said
            if not is_as_said or _others(now, mine) != _others(then, mine):
                return self.edit(known, ours, precedence, theirs)
            commands += [f"-D {chain} {number}" for number in range(len(now), 0, -1) if _key(now[number - 1]) in mine]
            commands += [
                line.replace(f"-A {chain}", f"-I {chain} {number}", 1)
                for number, line in enumerate(then, 1)
                if old[number - 1] in mine
            ]
        return commands

    def edit(
        self, ours: t.Iterable[Rule], wanted: t.Iterable[Rule], precedence: str, theirs: t.Iterable[str] = ()
    ) -> list[str]:
        """The lines for :func:`restore` that put *wanted* in the place of *ours*; none: all is well.

        Only our rules are named in it, by their number, so that everybody else's keep their order and counters.
        *wanted* rules may be live already, after a run that was cut off. *theirs* are the iptables lines that others
        have in ufw's files, in their order: of live rules that say the same, as many are theirs.
        """
        target = list(wanted)
        known = list(dict.fromkeys([*ours, *target]))
        foreign = list(theirs)
        return [
            command
            for direction in DIRECTIONS
            for command in self._edit_chain(
                CHAINS[self.family, direction],
                [rule for rule in known if rule.direction == direction and rule.family == self.family],
                [rule for rule in target if rule.direction == direction and rule.family == self.family],
                precedence,
                [_key(line) for line in foreign if line.startswith(f"-A {CHAINS[self.family, direction]} ")],
            )
        ]

    def _edit_chain(
        self, chain: str, ours: list[Rule], wanted: list[Rule], precedence: str, foreign: list[Key | None]
    ) -> list[str]:
        live = [_key(line) for line in self.chains.get(chain, [])]
        mine = _find_ours(live, [_rule_key(chain, rule) for rule in ours], foreign, precedence)
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
        steps = difflib.SequenceMatcher(
            None, kept, [_rule_key(chain, rule) for rule in wanted], autojunk=False
        ).get_opcodes()
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
    """Apply *lines* to the filter table in one kernel transaction, of which one failing line undoes the whole."""
    if lines:
        run([f"{_PROGRAM[family]}-restore", "--noflush", "-w", "30"], "\n".join(["*filter", *lines, "COMMIT", ""]))


def _others(lines: list[str], mine: t.Container[Key | None]) -> list[str]:
    return [line for line in lines if _key(line) not in mine]


def _before(chain: str) -> str:
    return chain.replace("-user-", "-before-")


def _find_ours(live: list[Key | None], ours: list[Key], foreign: list[Key | None], precedence: str) -> set[int]:
    """The places in *live* of the rules *ours*: of several that say the same, those nearest to our end, or, after
    *precedence* was changed, to the other, if just *foreign* is left without them."""
    ends = (True, False) if precedence == "theirs" else (False, True)
    found = [_nearest(live, ours, foreign, from_end) for from_end in ends]
    for mine in found:
        if [key for index, key in enumerate(live) if index not in mine] == foreign:
            return mine
    return found[0]


def _nearest(live: list[Key | None], ours: list[Key], foreign: list[Key | None], from_end: bool) -> set[int]:
    standing, said = collections.Counter(live), collections.Counter(foreign)
    left = {key: min(count, standing[key] - said[key]) for key, count in collections.Counter(ours).items()}
    found = set()
    for index in sorted(range(len(live)), reverse=from_end):
        key = live[index]
        if key and left.get(key, 0) > 0:
            left[key] -= 1
            found.add(index)
    return found


def _key(line: str) -> Key | None:
    """What the iptables *line* says, its chain included, if it is of a form that our rules have."""
    _append, chain, *fields = line.split()
    found = dict.fromkeys(_OPTIONS.values(), "")
    index = 0
    while index + 1 < len(fields):
        option, value = fields[index], fields[index + 1]
        if option in ("-s", "-d"):
            # The kernel's form: ufw leaves out the length of a single address.
            found[_OPTIONS[option]] = value if "/" in value else f"{value}/{128 if ':' in value else 32}"
        elif option in _OPTIONS:
            found[_OPTIONS[option]] = value
        elif option != "-m" or value != found["protocol"]:
            return None
        index += 2
    # Another the kernel may write in another way than ufw's files do: "-j REJECT --reject-with …", "-p 41".
    has_our_form = index == len(fields) and found["protocol"] in PROTOCOLS and found["jump"] in _TARGETS
    return (chain, *found.values()) if has_our_form else None


def _rule_key(chain: str, rule: Rule) -> Key:
    return _key(iptables_line(rule).replace(CHAINS[rule.family, rule.direction], chain, 1)) or ()
