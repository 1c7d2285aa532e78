# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The twin's firewall: rules that several calls make, change and remove, and the profiles."""

from __future__ import annotations

import copy
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.tests.windows.failures import HostGoneError
from ansible_collections.netwall.datadog.tests.windows.real import real_collections
from ansible_collections.netwall.datadog.tests.windows.state import State, rule
from ansible_collections.netwall.datadog.tests.windows.twin import Twin

RULE, FIREWALL = "community.windows.win_firewall_rule", "ansible.windows.win_firewall"
OURS: dict[str, t.Any] = {
    "name": "ours",
    "group": "a group",
    "direction": "out",
    "action": "allow",
    "protocol": "tcp",
    "remoteport": "443",
    "remoteip": "203.0.113.0/24,198.51.100.7",
    "profiles": ["domain", "private", "public"],
    "state": "present",
}


def named(state: State, name: str) -> list[dict[str, t.Any]]:
    """The rules called *name*, without regard to capitals."""
    return [each for each in state.rules if each["Name"].lower() == name.lower()]


def put(twin: Twin, **changes: t.Any) -> dict[str, t.Any]:
    """What the module answers to OURS with *changes*; an argument that is None is left out."""
    args = {name: value for name, value in {**OURS, **changes}.items() if value is not None}
    return twin.run(RULE, args)


# --- Rules ------------------------------------------------------------------------------------------------------------


def test_a_new_rule_is_as_the_arguments_say_and_else_as_windows_has_it(twin: Twin) -> None:
    assert put(twin)["msg"] == "Firewall rule 'ours' created."
    expected = rule(
        "ours",
        Grouping="a group",
        Direction=2,
        Protocol=6,
        RemotePorts="443",
        RemoteAddresses="198.51.100.7/255.255.255.255,203.0.113.0/255.255.255.0",
        Enabled=True,
    )
    assert named(twin.state, "ours") == [expected]


def test_the_same_again_changes_nothing_whatever_the_order_of_addresses(twin: Twin) -> None:
    put(twin)
    for remote in (OURS["remoteip"], "198.51.100.7/32,203.0.113.0/255.255.255.0"):
        answer = put(twin, remoteip=remote, name="OURS")
        assert not answer["changed"]
        assert answer["msg"] == "Firewall rule(s) changed '' - unchanged 'ours'"


def test_a_change_of_addresses_changes_one_property(twin: Twin) -> None:
    put(twin)
    [before] = copy.deepcopy(named(twin.state, "ours"))
    assert put(twin, remoteip="192.0.2.0/24")["changed"]
    assert named(twin.state, "ours") == [{**before, "RemoteAddresses": "192.0.2.0/255.255.255.0"}]


def test_what_is_not_given_stays_and_any_takes_away(twin: Twin) -> None:
    put(twin, program=r"%ProgramFiles%\a.exe", description="x")
    [found] = named(twin.state, "ours")
    assert found["ApplicationName"] == r"C:\Program Files\a.exe"
    put(twin, remoteip=None, group=None)
    [found] = named(twin.state, "ours")
    assert (found["ApplicationName"], found["Description"], found["Grouping"]) == (
        found["ApplicationName"],
        "x",
        "a group",
    )
    put(twin, program="any", remoteip="any")
    [found] = named(twin.state, "ours")
    assert (found["ApplicationName"], found["RemoteAddresses"]) == (None, "*")


def test_rules_that_share_a_name_are_changed_and_removed_together(twin: Twin) -> None:
    twin.state.rules += [rule("ours", Direction=2, Protocol=6), rule("Ours", Direction=2, Protocol=6)]
    put(twin)
    assert [each["RemotePorts"] for each in named(twin.state, "ours")] == ["443", "443"]
    answer = twin.run(RULE, {"name": "ours", "state": "absent"})
    assert answer["msg"] == "Firewall rule(s) 'ours', 'Ours' removed."
    assert named(twin.state, "ours") == []
    answer = twin.run(RULE, {"name": "ours", "state": "absent"})
    assert (answer["changed"], answer["msg"]) == (False, "Firewall rule 'ours' does not exist.")


def test_a_group_is_removed_by_the_names_of_its_rules(twin: Twin) -> None:
    # A rule that only shares its name goes instead of the one that is in the group: it stood there first.
    twin.state.rules[:0] = [rule("ours", Grouping="theirs")]
    put(twin, name="other")
    twin.state.rules.append(rule("ours", Grouping="A Group"))
    answer = twin.run(RULE, {"group": "a group", "state": "absent"})
    assert answer["msg"] == "Firewall rule(s) 'other', 'ours' removed."
    assert [each["Grouping"] for each in named(twin.state, "ours")] == ["A Group"]


def test_check_mode_tells_and_does_nothing(twin: Twin) -> None:
    before = copy.deepcopy(twin.state.rules)
    for args in (
        OURS,
        {"group": "@FirewallAPI.dll,-25000", "state": "absent"},
        {"group": "@FirewallAPI.dll,-25000", "enabled": False},
    ):
        assert twin.run(RULE, args, check_mode=True)["changed"]
    assert twin.state.rules == before


def test_a_diff_of_a_removal_lists_all_properties(twin: Twin) -> None:
    put(twin, description="it's")
    diff = twin.run(RULE, {"group": "a group", "state": "absent"}, check_mode=True, diff=True)["diff"]["prepared"]
    assert diff.startswith("-[ours]\n-Description='it's'\n-Direction='2'\n-Action='1'\n-ApplicationName=''\n")
    assert "-Enabled='True'\n-Profiles='2147483647'\n" in diff


@pytest.mark.parametrize(
    "wrong",
    [
        {"protocol": None},
        {"protocol": "any"},
        {"protocol": "icmpv4"},
        {"protocol": "sctp"},
        {"remoteport": "https"},
        {"remoteip": "example.com"},
        {"remoteip": "0.0.0.0/0"},
        {"remoteip": "::1"},
        {"name": "a|b"},
        {"name": "all"},
        {"name": None, "group": None},
        {"description": "a|b"},
        {"profiles": ["work"]},
    ],
)
def test_what_windows_or_the_module_refuses(twin: Twin, wrong: dict[str, t.Any]) -> None:
    before = copy.deepcopy(twin.state.rules)
    answer = put(twin, **wrong)
    assert answer["failed"]
    assert not answer["changed"]
    assert twin.state.rules == before


def test_a_change_that_windows_refuses_leaves_what_was_changed_before_it(twin: Twin) -> None:
    # Ports are changed before the protocol: at that moment the rule would be none.
    twin.state.rules.append(rule("ours", Direction=2))
    answer = put(twin)
    assert answer["failed"]
    [found] = named(twin.state, "ours")
    assert (found["Grouping"], found["RemoteAddresses"] != "*", found["RemotePorts"]) == ("a group", True, None)


@pytest.mark.parametrize("steps", range(4))
def test_a_host_that_goes_away_within_a_call_keeps_what_was_changed_by_then(twin: Twin, steps: int) -> None:
    twin.state.rules.append(rule("ours", Protocol=6))
    twin.plan(1, "within", steps)
    with pytest.raises(HostGoneError):
        put(twin, enabled=True)
    [found] = named(twin.state, "ours")
    changed = [
        found["Direction"] == 2,
        found["Grouping"] is not None,
        found["Enabled"],
        found["RemoteAddresses"] != "*",
    ]
    assert changed == [True] * steps + [False] * (4 - steps)
    with pytest.raises(HostGoneError):
        put(twin, enabled=True)
    twin.revive()
    assert put(twin, enabled=True)["changed"]
    assert not put(twin, enabled=True)["changed"]


NAMES = ("ours", "Ours", "theirs", "ours 2")
ADDRESSES = ("any", "203.0.113.0/24", "203.0.113.0/25,2001:db8::/32", "198.51.100.7,LocalSubnet", "192.0.2.1-192.0.2.9")
CALLS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES),
        "protocol": st.sampled_from(["tcp", "udp"]),
        "direction": st.sampled_from(["in", "out"]),
        "action": st.sampled_from(["allow", "block"]),
        "remoteip": st.sampled_from(ADDRESSES),
        "localport": st.sampled_from(["any", "80", "8125-8126"]),
        "state": st.sampled_from(["present", "present", "absent"]),
    }
)


@given(
    calls=st.lists(CALLS, max_size=8), strangers=st.lists(st.sampled_from(["ours3", "our", "theirs2", "x"]), max_size=3)
)
@settings(max_examples=150)
def test_each_call_comes_true_at_once_and_touches_no_other_name(
    calls: list[dict[str, t.Any]], strangers: list[str]
) -> None:
    twin = Twin(real_collections())
    twin.state.rules += [rule(name, Protocol=6, LocalPorts="80") for name in strangers]
    for args in calls:
        others = copy.deepcopy([each for each in twin.state.rules if each["Name"].lower() != args["name"].lower()])
        there = bool(named(twin.state, args["name"]))
        told = twin.run(RULE, args, check_mode=True)["changed"]
        answer = twin.run(RULE, args)
        assert answer["changed"] == told
        assert not answer.get("failed")
        if args["state"] == "absent":
            assert answer["changed"] == there
        assert bool(named(twin.state, args["name"])) == (args["state"] == "present")
        assert not twin.run(RULE, args)["changed"]
        assert [each for each in twin.state.rules if each["Name"].lower() != args["name"].lower()] == others


# --- Profiles ---------------------------------------------------------------------------------------------------------


def actions(twin: Twin) -> dict[str, str]:
    """What each profile does with what goes out."""
    return {name: profile["DefaultOutboundAction"] for name, profile in twin.state.profiles.items()}


def test_a_default_is_set_for_the_profiles_that_are_asked_for(twin: Twin) -> None:
    args = {"state": "enabled", "outbound_action": "block", "profiles": ["Domain", "Public"]}
    answer = twin.run(FIREWALL, args)
    assert answer["changed"]
    assert answer["Private"] == {"enabled": True, "considered": False, "currentstate": 1}
    assert actions(twin) == {"Domain": "Block", "Private": "NotConfigured", "Public": "Block"}
    assert not twin.run(FIREWALL, args)["changed"]


def test_the_old_default_is_never_told_but_can_be_asked_for_in_check_mode(twin: Twin) -> None:
    twin.state.profiles["Domain"]["DefaultOutboundAction"] = "Allow"
    asked = {"state": "enabled", "profiles": ["Domain"]}
    told = {
        action: twin.run(FIREWALL, {**asked, "outbound_action": action}, check_mode=True)["changed"]
        for action in ("allow", "block", "not_configured")
    }
    assert told == {"allow": False, "block": True, "not_configured": True}
    assert actions(twin)["Domain"] == "Allow"


def test_a_profile_that_is_off_would_be_switched_on_by_asking_for_a_default(twin: Twin) -> None:
    twin.state.profiles["Public"]["Enabled"] = 0
    args = {"state": "enabled", "profiles": ["Public"], "outbound_action": "not_configured"}
    answer = twin.run(FIREWALL, args, check_mode=True)
    assert (answer["changed"], answer["Public"]["enabled"], answer["Public"]["currentstate"]) == (True, True, 0)
    assert twin.state.profiles["Public"]["Enabled"] == 0
    twin.run(FIREWALL, args)
    assert twin.state.profiles["Public"]["Enabled"] == 1


def test_switching_off_does_not_look_at_defaults(twin: Twin) -> None:
    assert twin.run(FIREWALL, {"state": "disabled", "outbound_action": "block"})["changed"]
    assert set(actions(twin).values()) == {"NotConfigured"}
    assert [profile["Enabled"] for profile in twin.state.profiles.values()] == [0, 0, 0]
    assert not twin.run(FIREWALL, {"state": "disabled"})["changed"]
