# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import time
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import firewalld_live
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_bus import BusError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_files import AddressSet, Layout
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_live import all_moves, moves_between

SPACE = "192.0.2.0/28"
SUBNETS = [str(n) for length in range(28, 33) for n in ipaddress.ip_network(SPACE).subnets(new_prefix=length)]


def disjoint(texts: list[str]) -> frozenset[str]:
    kept: list[str] = []
    for text in texts:
        if not any(ipaddress.ip_network(text).overlaps(ipaddress.ip_network(other)) for other in kept):
            kept.append(text)
    return frozenset(kept)


Entries = frozenset[str]
ENTRIES = st.lists(st.sampled_from(SUBNETS), max_size=8).map(disjoint)


def addresses(*entries: frozenset[str]) -> set[str]:
    return {str(address) for each in entries for entry in each for address in ipaddress.ip_network(entry)}


class FakeSets:
    """ipsets that behave as firewalld's: no overlapping entries, and what is set is emptied first."""

    def __init__(self, **sets: Entries) -> None:
        self.sets = {name.replace("_", "-"): set(entries) for name, entries in sets.items()}
        self.seen = [self._now()]

    def make(self, move: firewalld_live.Move) -> None:
        there = self.sets[move.name]
        if move.method == "setEntries":
            there.clear()
            self.seen.append(self._now())
        for entry in move.entries:
            if move.method == "removeEntry":
                there.remove(entry)
            else:
                network = ipaddress.ip_network(entry)
                assert not any(network.overlaps(ipaddress.ip_network(other)) for other in there)
                there.add(entry)
            self.seen.append(self._now())

    def _now(self) -> dict[str, Entries]:
        return {name: frozenset(entries) for name, entries in self.sets.items()}


@pytest.fixture(autouse=True, scope="module", params=[50, 0], ids=["one by one", "all at once"])
def most_singles(request: pytest.FixtureRequest) -> t.Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(firewalld_live, "_MOST_SINGLES", request.param)
        yield


def walked(main: Entries, spare: Entries, wanted: Entries) -> FakeSets:
    sets = FakeSets(x=main, x_spare=spare)
    moves = moves_between("x", main, spare, wanted)
    for move in [*moves.first, *moves.then]:
        sets.make(move)
    return sets


@given(ENTRIES, ENTRIES)
def test_the_end_is_what_is_wanted_and_an_empty_spare(main: Entries, wanted: Entries) -> None:
    assert walked(main, frozenset(), wanted).sets == {"x": set(wanted), "x-spare": set()}


@given(ENTRIES, ENTRIES)
def test_no_moment_lacks_what_is_in_both_or_has_what_is_in_neither(main: Entries, wanted: Entries) -> None:
    old, new = addresses(main), addresses(wanted)
    for moment in walked(main, frozenset(), wanted).seen:
        assert old & new <= addresses(*moment.values()) <= old | new


@given(ENTRIES, ENTRIES, ENTRIES)
def test_every_state_in_the_spare_leads_to_what_is_wanted(main: Entries, spare: Entries, wanted: Entries) -> None:
    assert walked(main, spare, wanted).sets == {"x": set(wanted), "x-spare": set()}


@given(ENTRIES, ENTRIES, st.data())
def test_a_run_that_was_stopped_anywhere_can_go_back_without_a_gap(
    main: Entries, wanted: Entries, data: st.DataObject
) -> None:
    stopped = data.draw(st.sampled_from(walked(main, frozenset(), wanted).seen))
    back = walked(stopped["x"], stopped["x-spare"], main)
    assert back.sets == {"x": set(main), "x-spare": set()}
    if firewalld_live._MOST_SINGLES:
        assert all(addresses(main) & addresses(wanted) <= addresses(*moment.values()) for moment in back.seen)


@given(ENTRIES)
def test_where_nothing_changes_nothing_is_done(entries: Entries) -> None:
    assert moves_between("x", entries, frozenset(), entries) == ([], [])


@given(ENTRIES, ENTRIES, ENTRIES, ENTRIES, st.booleans())
def test_a_packet_that_both_allow_or_both_refuse_is_never_judged_otherwise(
    allow: Entries, allowed: Entries, deny: Entries, denied: Entries, default: bool
) -> None:
    def layout(allows: Entries, denies: Entries) -> Layout:
        sets = {"a": AddressSet(4, allows, "allow x"), "d": AddressSet(4, denies, "deny x")}
        sets.update({f"{name}-spare": AddressSet(4, frozenset()) for name in ("a", "d")})
        return Layout({}, sets)

    def passing(allows: set[str], denies: set[str]) -> set[str]:
        return allows | (addresses(frozenset([SPACE])) - denies if default else set())

    sets = FakeSets(a=allow, a_spare=frozenset(), d=deny, d_spare=frozenset())
    for move in all_moves(layout(allow, deny), layout(allowed, denied)):
        sets.make(move)
    old, new = passing(addresses(allow), addresses(deny)), passing(addresses(allowed), addresses(denied))
    for moment in sets.seen:
        now = passing(addresses(moment["a"], moment["a-spare"]), addresses(moment["d"], moment["d-spare"]))
        assert old & new <= now <= old | new


# --- What firewalld answers -------------------------------------------------------------------------------------------


class FakeFirewalld:
    """Answers by the method's name; an answer that is an error is raised."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: object) -> None:
        self.answers = answers
        self.asked: list[tuple[object, ...]] = []
        monkeypatch.setattr(firewalld_live, "call", self.call)
        monkeypatch.setattr(firewalld_live, "call_all", lambda calls: [self.call(*c[:4], *c[4]) for c in calls])

    def call(self, _path: str, _interface: str, method: str, _signature: str = "", *args: object) -> object:
        self.asked.append((method, *args))
        answer = self.answers.get(method)
        if isinstance(answer, list) and method == "getEntries":
            return answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


POLICY = {
    "rich_rules": ["rule accept"],
    "ingress_zones": ["HOST"],
    "egress_zones": ["ANY"],
    "priority": 5,
    "target": "DROP",
}


def test_only_ours_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeFirewalld(
        monkeypatch,
        getPolicies=["netwall-out", "theirs"],
        getIPSets=["netwall-0123456789-4", "netwall-office", "office"],
        getPolicySettings=POLICY,
        getIPSetSettings=("", "", "", "hash:net", {"family": "inet"}, ["192.0.2.0/24"]),
    )
    live = firewalld_live.read_live()
    assert (list(live.policies), list(live.sets)) == (["netwall-out"], ["netwall-0123456789-4"])
    assert live.policies["netwall-out"].zones == ("HOST", "ANY")


def test_a_policy_to_which_somebody_added_something_at_run_time_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"getPolicies": ["netwall-out"], "getIPSets": []}
    FakeFirewalld(monkeypatch, **answers, getPolicySettings=POLICY)
    plain = firewalld_live.read_live()
    FakeFirewalld(monkeypatch, **answers, getPolicySettings={**POLICY, "services": ["http"]})
    assert firewalld_live.read_live() != plain


def test_a_reload_that_leaves_firewalld_failed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeFirewalld(monkeypatch, Get="FAILED")
    with pytest.raises(FirewallError, match="no rule in force"):
        firewalld_live.reload()


def test_a_reload_that_firewalld_refuses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeFirewalld(monkeypatch, reload=BusError("firewalld refused: COMMAND_FAILED"), Get="RUNNING")
    with pytest.raises(FirewallError, match="COMMAND_FAILED"):
        firewalld_live.reload()


def test_moves_are_made_as_calls_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    firewalld = FakeFirewalld(monkeypatch)
    firewalld_live.make(
        [firewalld_live.Move("addEntry", "x", ("192.0.2.0/24",)), firewalld_live.Move("setEntries", "y", ("a", "b"))]
    )
    assert firewalld.asked == [("addEntry", "x", "192.0.2.0/24"), ("setEntries", "y", ["a", "b"])]


def test_firewalld_is_waited_for_until_it_has_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    firewalld = FakeFirewalld(monkeypatch, getIPSetByName="/p", getEntries=[["old"], ["192.0.2.0/24"]])
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    firewalld_live.wait_until_noticed({"x": AddressSet(4, frozenset(["192.0.2.0/24"]))})
    assert firewalld.asked.count(("getEntries",)) == len(["old", "new"])
    assert pauses == [firewalld_live._NOTICE_PAUSE]


def test_a_firewalld_that_notices_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firewalld_live, "_NOTICE_TIMEOUT", 0.0)
    FakeFirewalld(monkeypatch, getIPSetByName=BusError("no such ipset"))
    firewalld_live.wait_until_noticed({"x": AddressSet(4, frozenset())})
