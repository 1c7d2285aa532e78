# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with firewalld, as a judge sees it: its files and chains, whose they are, what they do to packets."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass
from functools import cached_property

from ansible_collections.netwall.datadog.tests.integration import operator_firewalld
from ansible_collections.netwall.datadog.tests.integration.nft_rules import Ruleset
from ansible_collections.netwall.datadog.tests.integration.ufw_host import difference, differences_of_files

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from random import Random

    from ansible_collections.netwall.datadog.tests.integration.corners import Box
    from ansible_collections.netwall.datadog.tests.integration.on_host import OnHost
    from ansible_collections.netwall.datadog.tests.integration.saved_tables import Packet

__all__ = ["differences_of_files"]

FAMILIES = (4, 6)
# Senders that a rule may name by their hardware.
MACHINES = ("", *operator_firewalld.SETS["hash:mac"])
PACKETS = 300
COMMAND = "firewall-cmd"
OPTIONS = {"backend": "firewalld"}

# As Debian ships it: no files but its settings.
_RESET = r"""
systemctl stop firewalld
find /etc/firewalld -name '*.xml*' ! -name lockdown-whitelist.xml -delete
rm -rf /var/lib/netwall
nft flush ruleset
systemctl start firewalld
"""
_LOOK = r"""
import json, os, subprocess
def read(path):
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()
def said(*command):
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
top = "/etc/firewalld"
paths = [os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names]
print(json.dumps({
    "files": {path: read(path) for path in sorted(paths)},
    "listed": said("nft", "-j", "list", "ruleset"),
    "zones": said("firewall-cmd", "--list-all-zones"),
}))
"""
_OURS = re.compile(r"/netwall-[^/]*$")


@dataclass(frozen=True)
class Look:
    """What stands on the host: files by path, what nft listed, and the zones as firewall-cmd lists them."""

    files: Mapping[str, str]
    listed: str
    zones: str

    @cached_property
    def rules(self) -> Ruleset:
        """firewalld's table, taken apart."""
        return Ruleset(self.listed, dict(re.findall(r"^(\S+).*\n  target: (\S+)", self.zones, re.MULTILINE)))

    def decide(self, packet: Packet) -> tuple[str, str]:
        """The verdict, and whose it is."""
        return self.rules.decide(packet)

    def overrules(self, packet: Packet) -> str:
        """The verdict of the rules that are judged before ours, empty if they have none."""
        verdict, stage = self.rules.decide(packet)
        return verdict if stage in ("operator", "forwarded") else ""

    def boxes(self, family: int) -> list[Box]:
        """What its rules are about."""
        return list(self.rules.boxes(family))


class FirewalldHost:
    """The firewalld of *host*."""

    def __init__(self, host: OnHost) -> None:
        self.host = host

    def reset(self) -> None:
        """firewalld as Debian ships it, without a trace of ours."""
        self.host.run("sh", "-euc", _RESET)

    def switch_on(self) -> bool:
        """What an operator does before he has rules in force; whether firewalld took them all together."""
        return not self.host.call("firewall-cmd", "--reload").returncode

    def is_working(self) -> bool:
        """Whether his rules are in force: firewalld takes some that it cannot load."""
        return not self.host.call("firewall-cmd", "--state").returncode

    def write(self, commands: Sequence[Sequence[str]]) -> list[list[str]]:
        """Have firewalld execute *commands*; those that it took."""
        return [list(words) for words in commands if not self.host.call("firewall-cmd", *words).returncode]

    def look(self) -> Look:
        """What stands there now."""
        found = json.loads(self.host.run("python3", "-c", _LOOK))
        return Look(found["files"], found["listed"], found["zones"])

    def booted(self, files: Mapping[str, str], live: Look) -> Look:
        """What stands there, without us."""
        items = [item for item in json.loads(live.listed)["nftables"] if not _names_ours(item)]
        return Look(files, json.dumps({"nftables": items}), live.zones)

    def unlike_a_boot(self, now: Look) -> Iterator[str]:
        """Where the kernel has not what it would have after a reload."""
        self.host.run("firewall-cmd", "--reload")
        return differences_of_tables(self.look(), now)

    def plant_counters(self) -> Look:
        """There are none: what is kept instead are the rules themselves, each with the kernel's number for it."""
        return self.look()


def commands(rng: Random) -> list[list[str]]:
    """What the operator wrote before us."""
    return operator_firewalld.commands(rng, rng.randint(2, 9))


later_commands = operator_firewalld.later_commands


def without_ours(files: Mapping[str, str], _before: Mapping[str, str], _outbound: str) -> dict[str, str]:
    """*files* but for ours."""
    return {path: text for path, text in files.items() if not _OURS.search(path)}


def lost_rules(_before: Mapping[str, str], _after: Mapping[str, str]) -> list[str]:
    """Nobody writes to another's files here."""
    return []


def differences_of_tables(before: Look, after: Look) -> Iterator[str]:
    """What is not rule for rule the same."""
    old, new = (_plain(look, ours=True) for look in (before, after))
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield f"chain {name} is not as before: {difference(old.get(name, []), new.get(name, []))}"


def disturbed(before: Look, after: Look, _precedence: str, _outbound: str) -> Iterator[str]:
    """Where rules of *before* are not in *after* any more, all of them, in their order, and no others but ours."""
    old, new = (_plain(look, ours=False) for look in (before, after))
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield f"chain {name} is not as before: {difference(old.get(name, []), new.get(name, []))}"


def miscounted(_before: Look, counted: Look, after: Look, _precedence: str) -> Iterator[str]:
    """Where a rule was made anew."""
    old, new = (_plain(look, ours=False, handles=True) for look in (counted, after))
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield f"chain {name} was made anew: {difference(old.get(name, []), new.get(name, []))}"


def _plain(look: Look, *, ours: bool, handles: bool = False) -> dict[str, list[str]]:
    """All chains and sets of all tables, as texts."""
    found: dict[str, list[str]] = {}
    for item in json.loads(look.listed)["nftables"]:
        [(kind, what)] = item.items()
        if kind not in ("rule", "set") or (not ours and _names_ours(item)):
            continue
        place = f"{what['family']} {what['table']} {what.get('chain', what.get('name'))}"
        said = what["expr"] if kind == "rule" else sorted(map(json.dumps, what.get("elem", [])))
        found.setdefault(place, []).append(json.dumps([said, what["handle"] if handles else 0]))
    return found


def _names_ours(item: t.Any) -> bool:
    return "netwall-" in json.dumps(item)
