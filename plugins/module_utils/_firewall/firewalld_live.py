# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Our policies and ipsets at run time, and how the entries of an ipset change while packets keep coming.

firewalld takes no entry that overlaps another in the same ipset, so a network can't be replaced by its two halves
there without a moment in which neither stands. Our rules therefore name two ipsets for each flow, and a packet needs
to be in one of them: what can't be added beside the old entries waits in the spare until they are gone. At rest all
spares are empty.
"""

from __future__ import annotations

import bisect
import contextlib
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_bus import (
    FIREWALLD,
    BusError,
    Call,
    call,
    call_all,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_files import (
    AddressSet,
    Layout,
    Policy,
    is_ours,
    is_spare,
    parse_set,
    spare_of,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.system import wait_for
from ansible_collections.netwall.datadog.plugins.module_utils._flow import (
    Network,
    parse_network,
    sort_networks,
)

_ROOT = "/org/fedoraproject/FirewallD1"
_CONFIG = f"{_ROOT}/config"
_IPSET = f"{FIREWALLD}.ipset"
_POLICY = f"{FIREWALLD}.policy"
_PROPERTIES = "org.freedesktop.DBus.Properties"

# More changes than that of one ipset are made in three calls: each single one costs firewalld a look at all entries.
_MOST_SINGLES = 50
# It looks at a file that changed five seconds later.
_NOTICE_TIMEOUT = 12.0
# Between two looks at all entries of what changed.
_NOTICE_PAUSE = 0.3


class Move(t.NamedTuple):
    """One change of an ipset at run time: ``method`` is ``addEntry``, ``removeEntry`` or ``setEntries``."""

    method: str
    name: str
    entries: tuple[str, ...]


class Moves(t.NamedTuple):
    """The way from some entries to others: once ``first`` are made, all that is wanted is in."""

    first: list[Move]
    then: list[Move]


def moves_between(name: str, main: t.Collection[str], spare: t.Collection[str], wanted: t.Collection[str]) -> Moves:
    """What leaves *wanted* in the ipset *name*, in which *main* is now, and nothing in its spare, where *spare* is.

    Whatever state a run was stopped in may come in. All along, an address that is in one of the two and wanted stays
    in one of the two, and none comes in that was in neither and isn't wanted. Each of the three is disjoint in itself.
    """
    first, then = [], []
    if spare and set(main) == set(wanted):
        return Moves([], [Move("setEntries", spare_of(name), ())])
    if spare and set(spare) <= set(main):
        first.append(Move("setEntries", spare_of(name), ()))
        spare = ()
    for entry in sort_networks(spare):
        pieces = _without(entry, main)
        first += [Move("addEntry", name, (piece,)) for piece in pieces]
        first.append(Move("removeEntry", spare_of(name), (entry,)))
        main = {*main, *pieces}
    stale, missing = sort_networks(set(main) - set(wanted)), sort_networks(set(wanted) - set(main))
    if len(stale) + len(missing) > _MOST_SINGLES:
        everything = sort_networks(wanted)
        first.append(Move("setEntries", spare_of(name), everything))
        then += [Move("setEntries", name, everything), Move("setEntries", spare_of(name), ())]
        return Moves(first, then)
    waiting = [entry for entry in missing if _overlapping(entry, stale)]
    first += [Move("addEntry", spare_of(name), (entry,)) for entry in waiting]
    first += [Move("addEntry", name, (entry,)) for entry in missing if entry not in waiting]
    then += [Move("removeEntry", name, (entry,)) for entry in stale]
    then += [Move("addEntry", name, (entry,)) for entry in waiting]
    then += [Move("removeEntry", spare_of(name), (entry,)) for entry in waiting]
    return Moves(first, then)


def all_moves(live: Layout, wanted: Layout) -> list[Move]:
    """What brings the entries of *live* to those of *wanted*, which has the same structure.

    An allow beats a deny. So allows come first and go last: what both the old and the new rules allow is never left
    with a deny alone, and what both deny never with neither.
    """
    allows, denies = Moves([], []), Moves([], [])
    for name, found in live.sets.items():
        if not is_spare(name):
            spare = live.sets[spare_of(name)].entries
            moves = moves_between(name, found.entries, spare, wanted.sets[name].entries)
            kind = denies if wanted.sets[name].about.startswith("deny") else allows
            kind.first.extend(moves.first)
            kind.then.extend(moves.then)
    return [*allows.first, *denies.first, *denies.then, *allows.then]


def make(moves: t.Iterable[Move]) -> None:
    """Make *moves*, one after the other; raises :class:`FirewallError` at the first that firewalld refuses."""
    for move in moves:
        if move.method == "setEntries":
            call(_ROOT, _IPSET, move.method, "sas", move.name, list(move.entries))
        else:
            call(_ROOT, _IPSET, move.method, "ss", move.name, *move.entries)


def read_live() -> Layout:
    """Our policies and ipsets as firewalld has them at run time; raises :class:`FirewallError`."""
    all_policies, all_sets = call_all([Call(_ROOT, _POLICY, "getPolicies"), Call(_ROOT, _IPSET, "getIPSets")])
    policies, sets = [*filter(is_ours, all_policies)], [*filter(is_ours, all_sets)]
    answers = call_all(
        [
            *(Call(_ROOT, _POLICY, "getPolicySettings", "s", (name,)) for name in policies),
            *(Call(_ROOT, _IPSET, "getIPSetSettings", "s", (name,)) for name in sets),
        ]
    )
    return Layout(
        {name: _policy(settings) for name, settings in zip(policies, answers)},
        {name: _set(settings) for name, settings in zip(sets, answers[len(policies) :])},
    )


def reload() -> None:
    """Have firewalld load its files, ours among them; raises :class:`FirewallError` unless all of it is in force."""
    call(_ROOT, FIREWALLD, "reload")
    if state() != "RUNNING":
        raise FirewallError("firewalld failed to load its configuration and has no rule in force; its log says why.")


def state() -> str:
    """``RUNNING``, or ``FAILED`` where firewalld runs with no rules at all; raises :class:`FirewallError`."""
    return str(call(_ROOT, _PROPERTIES, "Get", "ss", FIREWALLD, "state"))


def wait_until_noticed(changed: t.Mapping[str, AddressSet]) -> None:
    """Return when firewalld's permanent configuration has the ipsets *changed*, by name, as its files have them.

    Until then a command that changes one of our ipsets permanently would write the old entries back. One that never
    notices (the host may be out of inotify watches) reads its files at the next reload all the same.
    """
    with contextlib.suppress(FirewallError):
        wait_for(
            lambda: all(_permanent_entries(name) == each.entries for name, each in changed.items()),
            _NOTICE_TIMEOUT,
            "firewalld does not notice its changed files.",
            _NOTICE_PAUSE,
        )


def _permanent_entries(name: str) -> frozenset[str] | None:
    try:
        path = call(_CONFIG, f"{FIREWALLD}.config", "getIPSetByName", "s", name)
        entries = call(path, f"{FIREWALLD}.config.ipset", "getEntries")
    except BusError:
        return None
    return frozenset(entries)


def _policy(settings: t.Mapping[str, t.Any]) -> Policy:
    known = ("rich_rules", "ingress_zones", "egress_zones", "priority", "target", "short", "description")
    # What somebody added to it makes it another policy than any that we write.
    foreign = {key for key, value in settings.items() if value and key not in known}
    return Policy(
        priority=settings.get("priority", -1),
        zones=(*settings.get("ingress_zones", ()), *settings.get("egress_zones", ())),
        rules=frozenset(settings.get("rich_rules", ())) | foreign,
        target=settings.get("target", "CONTINUE"),
    )


def _set(settings: t.Sequence[t.Any]) -> AddressSet:
    _version, _short, description, _kind, options, entries = settings
    try:
        return parse_set(options, entries, description)
    except ValueError:
        return AddressSet(0, frozenset())


def _overlapping(entry: str, others: t.Sequence[str]) -> bool:
    """Whether *entry* has an address in common with one of *others*, which are disjoint and sorted."""
    first, last = _span(parse_network(entry))
    spans = [_span(parse_network(other)) for other in others]
    place = bisect.bisect_right([start for start, _end in spans], last)
    return place > 0 and spans[place - 1][1] >= first


def _span(network: Network) -> tuple[int, int]:
    return int(network.network_address), int(network.broadcast_address)


def _without(entry: str, others: t.Iterable[str]) -> list[str]:
    """The networks that make up *entry* but for *others*."""
    pieces: list[t.Any] = [parse_network(entry)]
    for other in map(parse_network, others):
        pieces = [part for piece in pieces for part in _difference(piece, other)]
    return [str(piece) for piece in pieces]


def _difference(network: t.Any, other: t.Any) -> t.Iterable[t.Any]:
    if not network.overlaps(other):
        return [network]
    return [] if network.subnet_of(other) else network.address_exclude(other)
