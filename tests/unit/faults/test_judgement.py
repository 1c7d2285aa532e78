# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What counts as the same rules, and what as neither the old nor the new."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest

from ansible_collections.netwall.datadog.tests.faults.attempt import (
    as_chains,
    as_meant,
    as_state,
    says_rules,
    without_counters,
)
from ansible_collections.netwall.datadog.tests.faults.faults import FaultError, compare

OLD = {"file": "old", "kernel": "old"}
NEW = {"file": "new", "kernel": "new"}

ACCEPT = {"family": "ip", "table": "filter", "name": "INPUT", "hook": "input", "policy": "accept"}
RULES = [
    {"rule": {"family": "ip", "table": "filter", "chain": "INPUT", "handle": number, "expr": [expr]}}
    for number, expr in enumerate(("first", "second"), 4)
]
SET = {"set": {"family": "ip", "table": "filter", "name": "s", "handle": 9, "elem": ["b", "a"]}}
LISTING: list[dict[str, t.Any]] = [{"chain": ACCEPT}, *RULES, SET]


POLICY = '<policy target="CONTINUE"><short>s</short><rule priority="-1"><accept/></rule><rule priority="1"/></policy>'
STATE_FILE = '{"flows": [1], "time": "noon", "transaction": "a"}'


@pytest.mark.parametrize(("found", "which"), [(OLD, 0), (NEW, 1)])
def test_a_state_that_is_there_whole_is_recognised(found: dict[str, str], which: int) -> None:
    assert compare("Found neither", found, [OLD, NEW]) == which


@pytest.mark.parametrize(
    "found", [{**OLD, "kernel": "new"}, {"file": "old"}, {**NEW, "another file": ""}], ids=["half", "less", "more"]
)
def test_what_is_not_whole_is_shown(found: dict[str, str]) -> None:
    with pytest.raises(FaultError, match=r"^Found neither"):
        compare("Found neither", found, [OLD, NEW])


def test_counters_and_times_are_no_rules() -> None:
    rules = "*filter\n:INPUT DROP{}\n-A INPUT -j ACCEPT\nCOMMIT\n"
    assert without_counters("# at noon\n" + rules.format(" [12:345]")) == rules.format("")


@pytest.mark.parametrize(("policy", "rest"), [("ACCEPT", ""), ("DROP", "*filter\n:INPUT DROP\nCOMMIT\n")])
def test_a_table_without_rules_counts_if_it_drops(policy: str, rest: str) -> None:
    assert without_counters(f"*filter\n:INPUT {policy} [0:0]\nCOMMIT\n") == rest


def test_handles_and_the_order_of_elements_are_no_rules() -> None:
    other = copy.deepcopy(LISTING)
    other[1]["rule"]["handle"] = 77
    other[3]["set"]["elem"].reverse()
    assert as_chains(other) == as_chains(LISTING)


def test_the_order_of_rules_counts() -> None:
    assert as_chains([LISTING[0], LISTING[2], LISTING[1], LISTING[3]]) != as_chains(LISTING)


@pytest.mark.parametrize(("policy", "counts"), [("accept", False), ("drop", True)])
def test_a_chain_without_rules_counts_if_it_drops(policy: str, counts: bool) -> None:
    assert bool(as_chains([{"chain": {**ACCEPT, "policy": policy}}])) is counts


@pytest.mark.parametrize("name", ["netwall-out.xml", "netwall-logs.xml.old", "user.rules", ".hidden"])
def test_a_file_that_may_say_rules_counts_whoever_wrote_it(name: str) -> None:
    assert says_rules(name)


@pytest.mark.parametrize("name", ["netwall-datadog-way-back.service", ".user.rules.netwall"])
def test_the_way_back_and_what_a_killed_write_left_are_no_rules(name: str) -> None:
    assert not says_rules(name)


def test_a_file_that_firewalld_wrote_anew_says_the_same() -> None:
    rewritten = """<?xml version="1.0"?>
        <policy target="CONTINUE">
          <rule priority="1"/>
          <rule priority="-1"> <accept/> </rule>
          <short>s</short>
        </policy>"""
    assert as_meant("netwall-out.xml", rewritten) == as_meant("netwall-out.xml", POLICY)


@pytest.mark.parametrize(("old", "new"), [("CONTINUE", "DROP"), ("<accept/>", "<drop/>"), (">s<", ">t<"), ("-1", "-2")])
def test_a_file_of_ours_that_says_another_thing_counts(old: str, new: str) -> None:
    assert as_meant("netwall-out.xml", POLICY.replace(old, new)) != as_meant("netwall-out.xml", POLICY)


@pytest.mark.parametrize("name", ["public.xml", "netwall-out.xml.old"])
def test_of_the_files_of_others_every_byte_counts(name: str) -> None:
    assert as_meant(name, POLICY) == POLICY


def test_a_damaged_file_of_ours_counts_as_it_stands() -> None:
    assert as_meant("netwall-out.xml", POLICY[:40]) == POLICY[:40]


def test_when_a_state_came_about_does_not_count() -> None:
    assert as_state(STATE_FILE) == as_state(STATE_FILE.replace("noon", "night").replace('"a"', '"b"'))


def test_what_stood_before_the_firewall_was_switched_on_counts_apart() -> None:
    states = [json.dumps({"record": {"switched_on": {"chains": {"4": found}}}}) for found in ([], ["INPUT"])]
    (kept, before), (kept_too, before_too) = map(as_state, states)
    assert kept == kept_too
    assert before != before_too


def test_of_which_flows_a_state_is_counts() -> None:
    assert as_state(STATE_FILE) != as_state(STATE_FILE.replace("[1]", "[2]"))
