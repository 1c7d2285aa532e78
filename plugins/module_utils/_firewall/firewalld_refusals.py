# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What makes a change of firewalld too dangerous to begin, each said before anything is touched.

refuse_daemon(read_daemon())                               # running, and in a state in which it can be changed
refuse_old(version)                                        # before it is switched on
refuse_wiped_rules(version, direct, saved_rules())         # before every start and reload
refuse_missing_ipset(version, direct)                      # before every start and reload with ipsets of ours
refuse_broken_files(runtime)                               # before every reload
"""

from __future__ import annotations

import collections
import re
import shutil
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_config import (
    Configuration,
    Daemon,
    direct_in_file,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_rehearsal import what_fails
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.system import run

OLDEST = (1, 0)
# From here on firewalld leaves iptables and ipset alone as long as it has no direct rules.
_POLITE = (2, 0)
_SAVERS = {"ipv4": "iptables-save", "ipv6": "ip6tables-save"}

# Docker and libvirt hear of firewalld's reload and make theirs again; what an operator put into DOCKER-USER stays lost.
_REMADE = re.compile(
    r"""
    -A\ (DOCKER(?!-USER\ )|LIBVIRT_)
    | -A\ DOCKER-USER\ -j\ RETURN\Z
    | -j\ (DOCKER|LIBVIRT_)
    | -[io]\ (docker|br-[0-9a-f]{12}|virbr)
    | -A\ POSTROUTING\ -s\ (?P<container>\S+)\ -d\ (?P=container)\ .*-j\ MASQUERADE\Z
    """,
    re.VERBOSE,
)
_ADDING = ("-A", "-I", "--append", "--insert")


class SavedRule(t.NamedTuple):
    """One rule of iptables: its family (``ipv4``, ``ipv6``), table, chain and line as iptables-save writes it."""

    family: str
    table: str
    chain: str
    line: str


def refuse_old(version: tuple[int, ...]) -> None:
    """Raise :class:`FirewallError` where a firewalld of *version* can't hold our rules."""
    if version < OLDEST:
        raise FirewallError(
            f"firewalld {'.'.join(map(str, version))} has no policies that could hold what is asked; update it to 1.0 "
            "or later."
        )


def refuse_daemon(daemon: Daemon) -> None:
    """Raise :class:`FirewallError` where firewalld is too old, broken, or not to be changed now."""
    refuse_old(daemon.version)
    if daemon.state != "RUNNING":
        raise FirewallError(
            f"firewalld is in state {daemon.state} and has no rules, though its service is active; find out why by "
            "'journalctl -u firewalld' and 'firewall-cmd --check-config', mend that and reload it."
        )
    if daemon.is_panicking:
        raise FirewallError("firewalld is in panic mode and drops everything; end that by 'firewall-cmd --panic-off'.")
    if daemon.is_locked_down:
        raise FirewallError(
            "firewalld is locked down, so that nobody may change it; end that by 'firewall-cmd --lockdown-off'."
        )
    if daemon.settings.get("FirewallBackend", "nftables") != "nftables":
        raise FirewallError(
            "firewalld works through iptables here, where policies are asked in another order; set "
            "'FirewallBackend=nftables' in /etc/firewalld/firewalld.conf and restart it."
        )


def saved_rules() -> list[SavedRule]:
    """Every rule of the iptables that firewalld would use; looks only, and makes no table."""
    rules = []
    for family, program in _SAVERS.items():
        if shutil.which(program, path="/usr/sbin:/sbin:/usr/bin:/bin"):
            rules += parse_saved(family, run([program]))
    return rules


def parse_saved(family: str, text: str) -> list[SavedRule]:
    """The rules in what iptables-save prints."""
    rules = []
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A "):
            rules.append(SavedRule(family, table, line.split()[1], line))
    return rules


def refuse_wiped_rules(version: tuple[int, ...], direct: t.Sequence[str], saved: t.Iterable[SavedRule]) -> None:
    """Raise :class:`FirewallError` if a start or reload would remove rules of *saved* that nobody makes again.

    *direct* is as in :class:`Configuration`. firewalld empties every table of iptables: before 2.0 always, later where
    it has something direct, and leaves the chains' policies, which may then refuse everything.
    """
    if version >= _POLITE and not direct:
        return
    wiped = foreign_rules(direct, saved)
    if wiped:
        first = wiped[0]
        whose = "ufw's" if any(rule.chain.startswith(("ufw-", "ufw6-")) for rule in wiped) else "somebody else's"
        raise FirewallError(
            f"firewalld {'.'.join(map(str, version))} would remove {len(wiped)} iptables rules of {whose} when it "
            f"starts or reloads (the first is '{first.line}' of {first.family}, table {first.table}); move them into "
            "firewalld, or remove them, and stop what makes them."
        )


def foreign_rules(direct: t.Sequence[str], saved: t.Iterable[SavedRule]) -> list[SavedRule]:
    """What of *saved* neither firewalld made out of *direct* nor anybody makes again after a reload.

    iptables writes a rule in words of its own, so rules are counted, not compared: a chain with no more than firewalld
    put there holds nothing of others.
    """
    room = collections.Counter(place for text in direct for place in _places(text))
    chains: dict[tuple[str, str, str], list[SavedRule]] = {}
    for rule in (rule for rule in saved if not _REMADE.search(rule.line)):
        chains.setdefault((rule.family, rule.table, rule.chain), []).append(rule)
    return [rule for place, rules in chains.items() if len(rules) > room[place] for rule in rules]


def refuse_broken_files(runtime: Configuration) -> None:
    """Raise :class:`FirewallError` if a reload would fail over the files of others, and leave no rule in force.

    *runtime* is what is in force.
    """
    zones = sorted(name for name, settings in runtime.zones.items() if settings.get("interfaces"))
    # firewalld itself notices a file that was edited by hand only after a while.
    fault = what_fails(zones, settled_direct=set(runtime.direct) == set(direct_in_file()))
    if fault:
        raise FirewallError(
            "This change needs firewalld to be reloaded, and it could not load what others have in /etc/firewalld "
            f"({fault}), so that no rule would be in force; mend that until 'firewall-cmd --reload' succeeds."
        )


def refuse_missing_ipset(version: tuple[int, ...], direct: t.Sequence[str]) -> None:
    """Raise :class:`FirewallError` if a reload with ipsets would fail for want of the program ``ipset``.

    Releases before 2.0 load them without it.
    """
    if version >= _POLITE and direct and not shutil.which("ipset", path="/usr/sbin:/sbin:/usr/bin:/bin"):
        raise FirewallError(
            f"firewalld {'.'.join(map(str, version))} has direct rules, and then can't load ipsets without the program "
            "'ipset', which is not installed; install it, or remove the direct rules."
        )


def _places(direct: str) -> t.Iterator[tuple[str, str, str]]:
    """Family, table and chain that a text of ``Configuration.direct`` puts a rule in."""
    _direct, kind, family, *words = direct.split()
    if kind == "rule":
        yield (family, words[0], words[1])
    elif kind == "passthrough":
        table = words[words.index("-t") + 1] if "-t" in words else "filter"
        yield from ((family, table, words[i + 1]) for i, word in enumerate(words[:-1]) if word in _ADDING)
