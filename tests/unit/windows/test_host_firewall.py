# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host_firewall on twins of Windows hosts: what the rules do to packets is what the policy wants, at every moment."""

from __future__ import annotations

import copy
import ipaddress
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.action import host_firewall
from ansible_collections.netwall.datadog.tests.unit.windows import _policies as policies
from ansible_collections.netwall.datadog.tests.windows.inside import act
from ansible_collections.netwall.datadog.tests.windows.matcher import Packet, Verdict, verdict
from ansible_collections.netwall.datadog.tests.windows.policy import Policy
from ansible_collections.netwall.datadog.tests.windows.real import real_collections
from ansible_collections.netwall.datadog.tests.windows.state import PROFILES, State, windows_server
from ansible_collections.netwall.datadog.tests.windows.twin import Twin

if t.TYPE_CHECKING:
    from pathlib import Path

GROUP = "netwall.datadog"
# "At most one module call per rule plus three" is what a run that changes nothing may cost.
MORE_CALLS = 3


def windows_host(rules: list[dict[str, t.Any]], enabled: tuple[int, ...], outbound: tuple[str, ...]) -> State:
    """A Windows Server with *rules* of others, and with what is *enabled* and done *outbound* by each profile."""
    state = windows_server()
    state.rules += rules
    for name, is_on, action in zip(PROFILES, enabled, outbound, strict=True):
        state.profiles[name].update(Enabled=is_on, DefaultOutboundAction=action)
    return state


# Off, on, and not configured, which is on; one at least is not off.
_ENABLED = st.sampled_from([1, 1, 1, 0, 2])
_OUTBOUND = st.sampled_from(["NotConfigured", "Allow", "Block"])
HOSTS = st.builds(
    windows_host,
    rules=policies.FOREIGN_RULES,
    enabled=st.tuples(_ENABLED, _ENABLED, _ENABLED).filter(any),
    outbound=st.tuples(_OUTBOUND, _OUTBOUND, _OUTBOUND),
)


def run(
    twin: Twin, policy: Policy | None, *, check_mode: bool = False, diff: bool = False, **options: t.Any
) -> dict[str, t.Any]:
    """What host_firewall results in for *policy*; None is no policy any more."""
    arguments: dict[str, t.Any] = {"state": "absent", **options}
    if policy is not None:
        flows = [dict(flow) for flow in policy.flows]
        programs = sorted(policy.programs or ())
        arguments = {"flows": flows, "default_outbound": policy.default_outbound, "programs": programs, **options}
    return act(host_firewall.ActionModule, twin, real_collections(), arguments, check_mode=check_mode, diff=diff)


def done(twin: Twin, policy: Policy | None, **options: t.Any) -> dict[str, t.Any]:
    """As :func:`run`, which has to come out well."""
    result = run(twin, policy, **options)
    assert not result.get("failed"), result
    return result


def foreign(state: State) -> list[dict[str, t.Any]]:
    """The rules that are none of ours."""
    return [rule for rule in state.rules if rule["Grouping"] != GROUP]


def ours(state: State) -> list[dict[str, t.Any]]:
    """The rules that are ours."""
    return [rule for rule in state.rules if rule["Grouping"] == GROUP]


# --- What is meant ----------------------------------------------------------------------------------------------------


@given(policy=policies.POLICIES, host=HOSTS, data=st.data())
@settings(max_examples=150)
def test_the_rules_do_what_the_policy_wants(policy: Policy, host: State, data: st.DataObject) -> None:
    twin = Twin(real_collections(), state=copy.deepcopy(host))
    done(twin, policy)
    assert foreign(twin.state) == host.rules
    for packet in data.draw(policies.packets(policy)):
        assert verdict(twin.state, packet).passes == policy.passes(host, packet), packet


@given(first=policies.POLICIES, second=policies.POLICIES, host=HOSTS, data=st.data())
@settings(max_examples=100)
def test_a_newer_policy_leaves_nothing_of_the_older_one(
    first: Policy, second: Policy, host: State, data: st.DataObject
) -> None:
    twin, fresh = (Twin(real_collections(), state=copy.deepcopy(host)) for _each in range(2))
    done(twin, first)
    done(twin, second)
    done(fresh, second)
    by_name = {rule["Name"]: rule for rule in fresh.state.rules}
    assert {rule["Name"]: rule for rule in twin.state.rules} == by_name
    assert foreign(twin.state) == host.rules
    for packet in data.draw(policies.packets(first, second)):
        assert verdict(twin.state, packet).passes == second.passes(host, packet), packet


@given(policy=policies.POLICIES, host=HOSTS)
@settings(max_examples=75)
def test_absent_takes_everything_back(policy: Policy, host: State) -> None:
    twin = Twin(real_collections(), state=copy.deepcopy(host))
    done(twin, policy)
    done(twin, None)
    assert twin.state.rules == host.rules
    assert twin.state.registry == host.registry
    # A default that is not configured lets out what one that allows does.
    assert twin.state.profiles == host.profiles
    assert not done(twin, None)["changed"]


# --- What it costs, and what it tells ---------------------------------------------------------------------------------


@given(policy=policies.POLICIES, host=HOSTS)
@settings(max_examples=75)
def test_the_same_again_changes_nothing_and_costs_little(policy: Policy, host: State) -> None:
    twin = Twin(real_collections(), state=copy.deepcopy(host))
    done(twin, policy)
    before = copy.deepcopy(twin.state)
    assert not done(twin, policy)["changed"]
    assert {**vars(twin.state), "calls": 0, "clock": 0} == {**vars(before), "calls": 0, "clock": 0}
    calls = len(twin.state.calls) - len(before.calls)
    assert calls <= len(ours(twin.state)) + MORE_CALLS


@given(first=policies.POLICIES, second=policies.POLICIES, host=HOSTS)
@settings(max_examples=75)
def test_check_mode_changes_nothing_and_tells_what_would_be(first: Policy, second: Policy, host: State) -> None:
    twin = Twin(real_collections(), state=copy.deepcopy(host))
    done(twin, first)
    before = copy.deepcopy(twin.state)
    told = done(twin, second, check_mode=True, diff=True)
    assert {**vars(twin.state), "calls": 0, "clock": 0} == {**vars(before), "calls": 0, "clock": 0}
    result = done(twin, second, diff=True)
    for name in ("changed", "added", "removed", "unchanged", "diff", "backend", "warnings"):
        assert told.get(name) == result.get(name), name


def test_a_change_of_addresses_changes_only_the_rules_concerned(collections: Path) -> None:
    flows = [
        {
            "id": f"out-{port}",
            "direction": "outbound",
            "action": "allow",
            "protocol": "tcp",
            "port": port,
            "networks": ["203.0.113.0/24", "2001:db8::/32"],
        }
        for port in (443, 8126)
    ]
    twin = Twin(collections)
    done(twin, Policy(flows))
    before = {rule["Name"]: dict(rule) for rule in ours(twin.state)}
    done(twin, Policy([flows[0], {**flows[1], "networks": ["198.51.100.0/24", "2001:db8::/32"]}]))
    after = {rule["Name"]: rule for rule in ours(twin.state)}
    assert set(after) == set(before)
    changed = {
        (prop, after[name]["RemotePorts"])
        for name in after
        for prop in after[name]
        if after[name][prop] != before[name][prop]
    }
    assert changed == {("RemoteAddresses", "8126")}


# --- Changed by hand --------------------------------------------------------------------------------------------------

_BY_HAND: tuple[dict[str, t.Any], ...] = (
    # The module sets ports before the protocol, which Windows refuses here.
    {"Protocol": 1, "RemotePorts": None, "LocalPorts": None},
    {"Protocol": 256, "RemotePorts": None, "LocalPorts": None},
    {"Direction": 3},
    {"ServiceName": "other"},
    {"InterfaceTypes": "Wireless"},
    {"EdgeTraversalOptions": 1},
    {"SecureFlags": 3},
    {"LocalAddresses": "192.0.2.1/255.255.255.255"},
    {"ApplicationName": "C:\\other.exe"},
    {"Enabled": False},
    {"RemoteAddresses": "*"},
)
_HAND = Policy(
    [
        {"id": "out", "direction": "outbound", "protocol": "tcp", "port": 443, "networks": ["203.0.113.0/24"]},
        {"id": "in", "direction": "inbound", "protocol": "tcp", "port": 5986, "networks": ["198.51.100.0/24"]},
        {
            "id": "shut",
            "direction": "inbound",
            "action": "deny",
            "protocol": "tcp",
            "port": 8126,
            "networks": ["10.0.0.0/8"],
        },
    ]
)


def by_hand(collections: Path, number: int, changes: dict[str, t.Any]) -> tuple[Twin, list[dict[str, t.Any]]]:
    """A twin of whose rules somebody changed one, and what they were before."""
    twin = Twin(collections)
    done(twin, _HAND)
    before = copy.deepcopy(ours(twin.state))
    rule = ours(twin.state)[number]
    rule.update({name: 3 - rule["Direction"] if name == "Direction" else value for name, value in changes.items()})
    return twin, before


def in_order(rules: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    return sorted(rules, key=lambda rule: str(rule["Name"]))


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("changes", _BY_HAND, ids=",".join)
def test_a_rule_that_somebody_changed_is_as_it_was(number: int, changes: dict[str, t.Any], collections: Path) -> None:
    twin, before = by_hand(collections, number, changes)
    told = done(twin, _HAND, check_mode=True)
    result = done(twin, _HAND)
    assert (told["changed"], told["added"]) == (result["changed"], result["added"])
    assert result["changed"]
    assert in_order(ours(twin.state)) == in_order(before)
    assert not done(twin, _HAND)["changed"]


def test_rules_that_share_a_name_of_ours_are_one_again(collections: Path) -> None:
    twin, before = by_hand(collections, 0, {})
    twin.state.rules.insert(0, {**ours(twin.state)[0], "RemoteAddresses": "*", "ApplicationName": None})
    assert done(twin, _HAND)["changed"]
    assert in_order(ours(twin.state)) == in_order(before)


def test_a_name_in_capitals_is_ours(collections: Path) -> None:
    twin, _before = by_hand(collections, 0, {})
    ours(twin.state)[0]["Name"] = ours(twin.state)[0]["Name"].upper()
    assert not done(twin, _HAND)["changed"]
    done(twin, None)
    assert not ours(twin.state)


def test_a_description_in_capitals_is_the_same_as_to_the_module(collections: Path) -> None:
    twin, _before = by_hand(collections, 0, {"Description": "IN"})
    assert not done(twin, _HAND, check_mode=True)["changed"]
    assert not done(twin, _HAND)["changed"]


@pytest.mark.parametrize("fault", ["before", "after", "fails"])
def test_a_rule_that_is_made_anew_is_never_missing(fault: str, collections: Path) -> None:
    packet = Packet("inbound", "tcp", 5986, ipaddress.ip_address("198.51.100.7"))
    start, _before = by_hand(collections, 0, {})
    rule = next(rule for rule in ours(start.state) if rule["LocalPorts"] == "5986")
    rule["EdgeTraversalOptions"] = 1
    whole = Twin(collections, state=copy.deepcopy(start.state))
    done(whole, _HAND)
    for at in range(1, len(whole.state.calls) - len(start.state.calls) + 1):
        twin = Twin(collections, state=copy.deepcopy(start.state))
        twin.plan(at, fault)
        assert run(twin, _HAND)["failed"]
        assert verdict(twin.state, packet) is Verdict.ALLOWED, at
        twin.revive()
        removed = Twin(collections, state=copy.deepcopy(twin.state))
        done(removed, None)
        assert not ours(removed.state), at
        done(twin, _HAND)
        assert in_order(twin.state.rules) == in_order(whole.state.rules), at
        assert twin.state.registry == whole.state.registry, at


# --- Cut off anywhere -------------------------------------------------------------------------------------------------


@given(
    first=st.one_of(st.none(), policies.POLICIES),
    second=st.one_of(st.none(), policies.POLICIES),
    host=HOSTS,
    fault=st.sampled_from(["before", "after", "within", "fails"]),
    data=st.data(),
)
@settings(max_examples=300)
def test_a_run_that_is_cut_off_anywhere_is_safe_and_the_next_one_completes_it(
    first: Policy | None, second: Policy | None, host: State, fault: str, data: st.DataObject
) -> None:
    old, new = first or Policy([]), second or Policy([])
    twin, whole = (Twin(real_collections(), state=copy.deepcopy(host)) for _each in range(2))
    for each in (twin, whole):
        if first is not None:
            done(each, first)
    begun = len(whole.state.calls)
    done(whole, second)
    at = data.draw(st.integers(1, len(whole.state.calls) - begun), label="call")
    twin.plan(at, fault, data.draw(st.integers(0, 3), label="steps"))
    result = run(twin, second)
    assert result.get("failed")
    assert foreign(twin.state) == host.rules
    for packet in data.draw(policies.packets(old, new)):
        before, after = old.passes(host, packet), new.passes(host, packet)
        # What both policies let pass is never cut off; what both stop is never let pass.
        if before == after:
            assert verdict(twin.state, packet).passes == before, packet
    twin.revive()
    done(twin, second)
    assert {rule["Name"]: rule for rule in twin.state.rules} == {rule["Name"]: rule for rule in whole.state.rules}
    assert twin.state.profiles == whole.state.profiles
    assert twin.state.registry == whole.state.registry
    done(twin, None)
    assert (twin.state.rules, twin.state.profiles) == (host.rules, host.profiles)


_OUT = {"id": "logs", "direction": "outbound", "protocol": "tcp", "port": 443, "networks": ["203.0.113.0/24"]}
_CLOSED = {
    **_OUT,
    "id": "apm",
    "direction": "inbound",
    "action": "deny",
    "port": 8126,
    "networks": ["0.0.0.0/0", "::/0"],
}
_OPENED = {**_CLOSED, "id": "apm-from", "action": "allow", "networks": ["10.0.0.0/8", "fd00::/8"]}
_PLAIN = Policy([_OUT, _CLOSED], programs=frozenset({policies.AGENT}))
_MOVED = Policy(
    [{**_OUT, "networks": ["198.51.100.0/24"]}, _CLOSED, _OPENED], "deny", programs=frozenset({policies.AGENT})
)


# The above takes calls at random; these are all of them.
@pytest.mark.parametrize("fault", ["before", "after", "fails"])
@pytest.mark.parametrize(
    ("first", "second"),
    [(None, _MOVED), (_PLAIN, _MOVED), (_MOVED, _PLAIN), (_MOVED, None)],
    ids=["new", "to deny", "from deny", "removal"],
)
def test_every_call_may_be_the_last(first: Policy | None, second: Policy | None, fault: str, collections: Path) -> None:
    start = Twin(collections)
    done(start, first)
    whole = Twin(collections, state=copy.deepcopy(start.state))
    done(whole, second)
    for at in range(1, len(whole.state.calls) - len(start.state.calls) + 1):
        twin = Twin(collections, state=copy.deepcopy(start.state))
        twin.plan(at, fault)
        assert run(twin, second)["failed"]
        twin.revive()
        done(twin, second)
        rules = ({rule["Name"]: rule for rule in each.state.rules} for each in (twin, whole))
        assert next(rules) == next(rules), f"cut off at call {at}"
        assert (twin.state.profiles, twin.state.registry) == (whole.state.profiles, whole.state.registry), at


@pytest.mark.parametrize("before", ["NotConfigured", "Block"])
@pytest.mark.parametrize(("first", "second"), [("allow", "deny"), ("deny", "allow"), ("deny", "unmanaged")])
@pytest.mark.parametrize("third", [None, Policy([])], ids=["absent", "unmanaged"])
def test_a_default_of_ours_goes_back_after_runs_for_others_that_were_cut_off(
    before: str, first: str, second: str, third: Policy | None, collections: Path
) -> None:
    start = Twin(collections)
    start.state.profiles["Public"]["DefaultOutboundAction"] = before
    profiles = copy.deepcopy(start.state.profiles)
    done(start, Policy([], first))
    at = 0
    is_whole = False
    while not is_whole:
        at += 1
        twin = Twin(collections, state=copy.deepcopy(start.state))
        twin.plan(at, "before")
        is_whole = not run(twin, Policy([], second)).get("failed")
        twin.revive()
        done(twin, third)
        assert twin.state.profiles == profiles, f"cut off before call {at}"


@pytest.mark.parametrize("second", ["deny", "allow", "unmanaged"])
def test_a_deny_of_ours_is_not_taken_for_anothers_where_the_record_is_lost(second: str, collections: Path) -> None:
    twin = Twin(collections)
    profiles = copy.deepcopy(twin.state.profiles)
    done(twin, Policy([], "deny"))
    del twin.state.registry[r"HKLM:\SOFTWARE\NETWALL.DATADOG"]
    done(twin, Policy([], second))
    done(twin, None)
    assert twin.state.profiles == profiles


def test_a_profile_that_was_not_switched_on_after_all_is_forgotten_at_once(collections: Path) -> None:
    twin = Twin(collections)
    twin.state.profiles["Public"]["Enabled"] = 0
    off = copy.deepcopy(twin.state)
    at = 0
    while not any(call["module"].endswith("win_regedit") for call in twin.state.calls):
        at += 1
        twin = Twin(collections, state=copy.deepcopy(off))
        twin.plan(at, "after")
        assert run(twin, Policy([]), enable=True)["failed"]
    twin.revive()
    assert twin.state.profiles["Public"]["Enabled"] == 0
    done(twin, Policy([]))
    assert not done(twin, Policy([]))["changed"]


def test_what_is_closed_by_default_and_then_by_a_flow_is_closed_all_the_time(collections: Path) -> None:
    about = {"direction": "outbound", "protocol": "tcp", "port": 443}
    flow = {"id": "closed", **about, "action": "deny", "networks": ["0.0.0.0/0", "::/0"]}
    packet = Packet("outbound", "tcp", 443, ipaddress.ip_address("198.51.100.7"))
    at = 0
    while True:
        at += 1
        twin = Twin(collections)
        done(twin, Policy([], default_outbound="deny"))
        twin.plan(at, "before")
        is_whole = not run(twin, Policy([flow])).get("failed")
        assert not verdict(twin.state, packet).passes, f"cut off before call {at}"
        if is_whole:
            break


# --- What a host must go on doing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["winrm", "psrp", "ssh"])
def test_the_connection_of_the_play_is_kept(transport: str, collections: Path) -> None:
    port = 22 if transport == "ssh" else 5986
    deny = {
        "direction": "inbound",
        "action": "deny",
        "protocol": "tcp",
        "port": port,
        "networks": ["0.0.0.0/0", "::/0"],
    }
    twin = Twin(collections)
    flows = [{"id": "closed", **deny}]
    result = act(
        host_firewall.ActionModule,
        twin,
        collections,
        {"flows": flows, "default_outbound": "deny", "programs": []},
        transport=transport,
    )
    assert not result.get("failed"), result
    packet = Packet("inbound", "tcp", port, ipaddress.ip_address("198.51.100.7"))
    assert verdict(twin.state, packet).passes


@pytest.mark.parametrize(
    ("packet", "passes"),
    [
        (Packet("outbound", "udp", 53, ipaddress.ip_address("192.0.2.53")), True),
        (Packet("outbound", "tcp", 53, ipaddress.ip_address("192.0.2.53")), True),
        (Packet("outbound", "udp", 53, ipaddress.ip_address("198.51.100.7")), False),
        (Packet("outbound", "udp", 67, ipaddress.ip_address("192.0.2.67"), 68, service="Dhcp"), True),
        (Packet("outbound", "udp", 547, ipaddress.ip_address("ff02::1:2"), 546, service="dhcp"), True),
        (Packet("outbound", "udp", 123, ipaddress.ip_address("198.51.100.7"), service="w32time"), True),
        (Packet("outbound", "udp", 123, ipaddress.ip_address("198.51.100.7")), False),
        (Packet("outbound", "tcp", 80, ipaddress.ip_address("169.254.169.254")), True),
        (Packet("outbound", "tcp", 80, ipaddress.ip_address("198.51.100.7")), False),
        (Packet("outbound", "tcp", 9, ipaddress.ip_address("127.0.0.1"), is_loopback=True), True),
    ],
)
def test_what_a_host_must_go_on_doing_passes_where_the_default_is_to_deny(
    packet: Packet, passes: bool, collections: Path
) -> None:
    twin = Twin(collections)
    # Windows' own rules may have been removed.
    twin.state.rules = []
    done(twin, Policy([], default_outbound="deny"))
    assert verdict(twin.state, packet).passes == passes


def test_no_profile_is_switched_on_unless_that_is_asked_for(collections: Path) -> None:
    twin = Twin(collections)
    twin.state.profiles["Public"]["Enabled"] = 0
    policy = Policy([], default_outbound="deny")
    done(twin, policy)
    assert twin.state.profiles["Public"] == {
        **twin.state.profiles["Public"],
        "Enabled": 0,
        "DefaultOutboundAction": "NotConfigured",
    }
    done(twin, policy, enable=True)
    assert {(each["Enabled"], each["DefaultOutboundAction"]) for each in twin.state.profiles.values()} == {(1, "Block")}
    done(twin, None)
    assert [twin.state.profiles[name]["Enabled"] for name in PROFILES] == [1, 1, 0]
    assert (
        verdict(twin.state, Packet("outbound", "tcp", 443, ipaddress.ip_address("198.51.100.7")))
        is Verdict.ALLOWED_BY_DEFAULT
    )


def test_a_missing_collection_is_a_sentence(tmp_path: Path, collections: Path) -> None:
    result = act(host_firewall.ActionModule, Twin(collections), tmp_path, {"flows": []})
    assert "ansible-galaxy collection install ansible.windows community.windows" in result["msg"]
