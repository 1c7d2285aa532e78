# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done to a Windows host, in which order, and what stands when a run is cut off at any call."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, Flow
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.essentials import essentials
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.firewall import reconcile
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.modules import (
    UnreachableError,
    WindowsFirewallError,
    WindowsModules,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.outcome import Outcome
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.record import parse
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.rules import (
    Program,
    compile_rules,
    is_name_of_ours,
    wants_of,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.work import Request
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._windows._windows_host import (
    PROFILES,
    CutError,
    Host,
)

AGENT = Program(r"C:\Program Files\Datadog\Datadog Agent\bin\agent.exe")
LOGS = Flow("logs-tcp-443-out", "outbound", "allow", "tcp", 443, ("203.0.113.0/24", "2001:db8::/32"), "logs")
NTP = Flow("ntp-udp-123-out", "outbound", "allow", "udp", 123, ANYWHERE, "time")
TRACE = Flow("trace-tcp-8126-in", "inbound", "deny", "tcp", 8126, ANYWHERE, "traces")
OPENED = Flow("trace-open-tcp-8126-in", "inbound", "allow", "tcp", 8126, ("10.0.0.0/8",), "traces of others")
MANAGEMENT = Flow("management-tcp-5986-in", "inbound", "allow", "tcp", 5986, ANYWHERE)
ESSENTIALS = {rule.name for rule in compile_rules(essentials(metadata=True))}
KEPT = "netwall.datadog: in allow tcp 5986 #1/1"
FOREIGN = {"netwall.datadog: out allow tcp 443": {"Grouping": "theirs"}, "NETWALL": {"Grouping": "netwall.datadog"}}


def request(*flows: Flow, **options: t.Any) -> Request:
    denies = options.get("default_outbound") == "deny"
    return dataclasses.replace(
        Request(
            wants=tuple(wants_of(flows, [AGENT], ())),
            management=wants_of([MANAGEMENT], (), ())[0],
            essentials=essentials(metadata=True) if denies else (),
        ),
        **options,
    )


PLAIN = request(LOGS, NTP, TRACE)
OTHER = request(dataclasses.replace(LOGS, networks=("203.0.113.0/25", "198.51.100.0/24")), TRACE, OPENED)
DENY = request(LOGS, NTP, TRACE, default_outbound="deny")
OTHER_DENY = dataclasses.replace(OTHER, default_outbound="deny", essentials=essentials(metadata=True))
ALLOW = request(LOGS, default_outbound="allow")
ENABLE = request(LOGS, TRACE, default_outbound="deny", enable=True)
ABSENT = request(is_present=False)
REQUESTS = {
    "plain": PLAIN,
    "other": OTHER,
    "deny": DENY,
    "other-deny": OTHER_DENY,
    "allow": ALLOW,
    "enable": ENABLE,
    "absent": ABSENT,
}


def run(host: Host, wanted: Request, *, is_check: bool = False) -> Outcome:
    host.calls = []
    return reconcile(WindowsModules(host), wanted, is_check=is_check)


def host_with(*wanted: Request, **profiles: str) -> Host:
    host = Host(**profiles)
    for one in wanted:
        run(host, one)
    host.calls = []
    return host


# --- One run ----------------------------------------------------------------------------------------------------------


def test_rules_stand_after_a_run_and_the_next_one_changes_nothing() -> None:
    host = Host()
    first = run(host, PLAIN)
    assert first.changed
    assert first.added == ("logs-tcp-443-out", "ntp-udp-123-out", "trace-tcp-8126-in")
    assert len(host.rules) == 3
    before = host.state
    second = run(host, PLAIN)
    assert (second.changed, second.added, second.removed) == (False, (), ())
    assert second.unchanged == first.added
    assert second.before == second.after
    assert second.transaction == {}
    assert host.state == before
    assert host.changes == []


@pytest.mark.parametrize("wanted", [PLAIN, OTHER, DENY, ALLOW, ENABLE])
def test_a_run_that_changes_nothing_takes_four_calls_whatever_the_number_of_rules(wanted: Request) -> None:
    host = host_with(wanted)
    run(host, wanted)
    assert len(host.calls) == 4 <= len(host.rules) + 3


@pytest.mark.parametrize("wanted", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("earlier", REQUESTS.values(), ids=REQUESTS)
def test_check_mode_changes_nothing_and_tells_what_the_run_then_does(earlier: Request, wanted: Request) -> None:
    host = host_with(earlier)
    host.profiles["Public"]["on"] = not wanted.enable
    before = host.state
    predicted = run(host, wanted, is_check=True)
    assert host.state == before
    assert all(is_check for name, _arguments, is_check in host.calls if name != "win_reg_stat")
    done = run(host, wanted)
    assert dataclasses.replace(predicted, transaction={}) == dataclasses.replace(done, transaction={})
    assert predicted.transaction == {}
    assert bool(done.transaction) is done.changed


def test_a_change_of_addresses_changes_only_the_rules_concerned() -> None:
    host = host_with(PLAIN)
    outcome = run(host, request(dataclasses.replace(LOGS, networks=("203.0.113.0/25",)), NTP, TRACE))
    assert [arguments.get("remoteip") for name, arguments in host.changes if name == "win_firewall_rule"] == [
        "203.0.113.0/25"
    ]
    assert (outcome.added, outcome.removed) == ((LOGS.id,), (LOGS.id,))
    assert outcome.unchanged == (NTP.id, TRACE.id)


def test_what_a_newer_policy_no_longer_has_is_gone_and_foreign_rules_with_similar_names_stay() -> None:
    host = host_with(PLAIN)
    host.rules.update(
        copy.deepcopy(t.cast("t.Any", {n: {**next(iter(host.rules.values())), **p} for n, p in FOREIGN.items()}))
    )
    outcome = run(host, request(TRACE))
    assert outcome.removed == (LOGS.id, NTP.id)
    assert set(host.rules) == {"netwall.datadog: in block tcp 8126 #1/1", *FOREIGN}
    run(host, ABSENT)
    assert set(host.rules) == set(FOREIGN)
    assert host.record is None


def test_what_is_opened_to_others_is_cut_out_of_the_block() -> None:
    host = host_with(request(TRACE, OPENED))
    block = host.rules["netwall.datadog: in block tcp 8126 #1/1"]["RemoteAddresses"]
    assert "9.255.255.255" in block
    assert "*" not in block


def test_a_rule_that_somebody_changed_is_mended_and_told() -> None:
    host = host_with(PLAIN)
    before = host.state
    [name] = [name for name in host.rules if " udp 123 " in name]
    host.rules[name].update(Enabled=False, LocalAddresses="192.0.2.1/255.255.255.255", Action=0)
    outcome = run(host, PLAIN)
    assert (outcome.added, outcome.removed) == ((NTP.id,), ())
    assert host.state == before


def test_an_address_that_moves_to_another_rule_is_in_one_of_them_at_every_moment() -> None:
    many = [f"10.{high}.{low}.0/25" for high in range(2) for low in range(150)]
    host = host_with(request(dataclasses.replace(LOGS, networks=tuple(many))))
    parts = [name for name in host.rules if name.endswith("/2")]
    assert len(parts) == 2
    lists = {name: host.rules[name]["RemoteAddresses"].split(",") for name in parts}
    seen = []

    def watch(now: Host) -> None:
        seen.append({one for name in parts for one in now.rules[name]["RemoteAddresses"].split(",")})

    # One half of each list goes to the other rule.
    swapped = {
        name: ",".join([*lists[name][10:], *lists[other][:10]]) for name, other in zip(parts, parts[::-1], strict=True)
    }
    for name in parts:
        host.rules[name]["RemoteAddresses"] = swapped[name]
    host.watch = watch
    run(host, request(dataclasses.replace(LOGS, networks=tuple(many))))
    whole = {one for entries in lists.values() for one in entries}
    assert all(whole <= now for now in seen)
    assert {name: sorted(host.rules[name]["RemoteAddresses"].split(",")) for name in parts} == {
        name: sorted(entries) for name, entries in lists.items()
    }


# --- Outgoing traffic -------------------------------------------------------------------------------------------------


def test_outgoing_traffic_is_denied_only_once_every_allow_stands() -> None:
    host = Host()
    run(host, DENY)
    kinds = [(name, arguments.get("outbound_action")) for name, arguments in host.changes]
    at = kinds.index(("win_firewall", "block"))
    assert {name for name, _action in kinds[at + 1 :]} == {"win_regedit"}
    assert all(profile == {"on": True, "action": "block"} for profile in host.profiles.values())
    assert {*ESSENTIALS, KEPT} <= set(host.rules)


@pytest.mark.parametrize("back", [PLAIN, ABSENT])
@pytest.mark.parametrize("actions", list(itertools.product(["not_configured", "allow", "block"], repeat=3)))
def test_each_profile_gets_back_what_it_did(actions: tuple[str, ...], back: Request) -> None:
    profiles = dict(zip(PROFILES, actions, strict=True))
    host = host_with(DENY, **profiles)
    first = run(host, back)
    assert {name: profile["action"] for name, profile in host.profiles.items()} == profiles
    assert first.changed
    assert not ESSENTIALS & set(host.rules)
    assert not run(host, back).changed


def test_traffic_is_let_out_again_before_a_rule_goes() -> None:
    host = host_with(DENY)
    run(host, ABSENT)
    kinds = [name for name, _arguments in host.changes]
    assert kinds.index("win_firewall") < kinds.index("win_firewall_rule")
    assert kinds[-1] == "win_regedit"


def test_what_somebody_set_meanwhile_stays() -> None:
    host = host_with(DENY)
    host.profiles["Private"]["action"] = "allow"
    run(host, ABSENT)
    assert {name: profile["action"] for name, profile in host.profiles.items()} == {
        "Domain": "not_configured",
        "Private": "allow",
        "Public": "not_configured",
    }


def test_from_deny_to_allow_traffic_is_let_out_before_a_rule_goes() -> None:
    host = host_with(DENY)
    run(host, ALLOW)
    assert {profile["action"] for profile in host.profiles.values()} == {"allow"}
    actions = [arguments.get("outbound_action") for _name, arguments in host.changes]
    removals = [arguments.get("state") for _name, arguments in host.changes]
    assert actions.index("allow") < removals.index("absent")
    run(host, ABSENT)
    assert {profile["action"] for profile in host.profiles.values()} == {"not_configured"}


def test_allow_is_set_where_nothing_is_configured_so_that_one_question_answers_for_all() -> None:
    host = Host(Domain="block", Private="allow")
    run(host, ALLOW)
    assert {profile["action"] for profile in host.profiles.values()} == {"allow"}
    run(host, ALLOW)
    assert sum(name == "win_firewall" for name, _arguments, _is_check in host.calls) == 1
    run(host, PLAIN)
    assert [profile["action"] for profile in host.profiles.values()] == ["block", "allow", "not_configured"]


def test_few_questions_find_what_profiles_do_where_they_do_the_same() -> None:
    host = Host()
    run(host, DENY)
    assert sum(name == "win_firewall" and is_check for name, _arguments, is_check in host.calls) == 2


# --- Profiles that are off --------------------------------------------------------------------------------------------


def test_a_profile_that_is_off_is_never_switched_on_unasked_but_told_of() -> None:
    host = Host()
    host.profiles["Public"] = {"on": False, "action": "allow"}
    outcome = run(host, DENY)
    assert host.profiles["Public"] == {"on": False, "action": "allow"}
    assert any("off in the profile Public" in warning for warning in outcome.warnings)
    assert {host.profiles[name]["action"] for name in ("Domain", "Private")} == {"block"}
    run(host, DENY)
    assert len(host.calls) == 4


def test_where_all_are_off_that_is_an_error_and_nothing_is_changed() -> None:
    host = Host()
    for profile in host.profiles.values():
        profile["on"] = False
    with pytest.raises(WindowsFirewallError, match=r"off in all of its profiles.*enable: true"):
        run(host, PLAIN)
    assert host.changes == []


def test_what_was_off_is_switched_on_after_all_rules_and_off_again_before_they_go() -> None:
    host = Host()
    for name, action in (("Public", "allow"), ("Domain", "not_configured")):
        host.profiles[name] = {"on": False, "action": action}
    before = copy.deepcopy(host.profiles)
    outcome = run(host, ENABLE)
    assert outcome.switches_on
    assert outcome.keeps_management
    assert all(profile == {"on": True, "action": "block"} for profile in host.profiles.values())
    kinds = [name for name, _arguments in host.changes]
    assert "win_firewall_rule" not in kinds[kinds.index("win_firewall") :]
    run(host, ABSENT)
    assert host.profiles == before
    kinds = [name for name, _arguments in host.changes]
    assert kinds.index("win_firewall") < kinds.index("win_firewall_rule")


def test_a_default_that_can_not_be_put_back_is_told_of_and_put_back_later() -> None:
    host = host_with(DENY)
    host.profiles["Public"]["on"] = False
    outcome = run(host, ABSENT)
    assert any("Public" in warning and "run this again" in warning for warning in outcome.warnings)
    assert host.profiles["Public"] == {"on": False, "action": "block"}
    host.profiles["Public"]["on"] = True
    run(host, ABSENT)
    assert host.profiles["Public"] == {"on": True, "action": "not_configured"}
    assert host.record is None


def test_group_policy_is_told_of() -> None:
    host = Host()
    host.policy = ["DomainProfile"]
    assert any("Group policy" in warning for warning in run(host, PLAIN).warnings)


# --- The management connection ----------------------------------------------------------------------------------------


def test_the_management_port_is_never_blocked() -> None:
    closing = Flow("close-5986", "inbound", "deny", "tcp", 5986, ANYWHERE)
    host = host_with(request(closing))
    assert host.rules == {}
    narrow = wants_of([dataclasses.replace(MANAGEMENT, networks=("192.0.2.0/24",))], (), ())[0]
    run(host, request(closing, management=narrow, must_keep=True))
    assert host.rules[KEPT]["RemoteAddresses"] == "192.0.2.0/255.255.255.0"
    assert "192.0.1.255,192.0.3.0-" in host.rules["netwall.datadog: in block tcp 5986 #1/1"]["RemoteAddresses"]


def test_it_has_a_rule_where_a_default_changes_and_else_none() -> None:
    assert KEPT not in host_with(PLAIN).rules
    assert KEPT in host_with(DENY).rules
    assert KEPT not in host_with(DENY, PLAIN).rules


# --- Cut off ----------------------------------------------------------------------------------------------------------


def clean(earlier: Request, wanted: Request) -> Host:
    key = (id(earlier), wanted.enable)
    if key not in _CLEAN:
        _CLEAN[key] = _made(earlier, is_off=wanted.enable)
    return copy.deepcopy(_CLEAN[key])


_CLEAN: dict[tuple[int, bool], Host] = {}


def _made(earlier: Request, *, is_off: bool) -> Host:
    host = Host(Private="allow")
    host.profiles["Public"]["on"] = not is_off
    host.rules.update(copy.deepcopy(_foreign()))
    run(host, earlier)
    host.calls = []
    return host


def _foreign() -> dict[str, dict[str, t.Any]]:
    host = host_with(request(NTP))
    [properties] = host.rules.values()
    return {name: {**properties, **more} for name, more in FOREIGN.items()}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("wanted", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("earlier", REQUESTS.values(), ids=REQUESTS)
def test_a_run_that_is_cut_off_at_any_call_leaves_a_safe_state_that_the_next_one_completes(
    earlier: Request, wanted: Request, after: bool
) -> None:
    undisturbed = clean(earlier, wanted)
    run(undisturbed, wanted)
    calls = len(undisturbed.calls)
    for number in range(1, calls + 1):
        host = clean(earlier, wanted)
        host.watch = lambda now: check_safe(now, earlier, wanted)
        host.fails_at, host.after = number, after
        with pytest.raises(CutError):
            run(host, wanted)
        host.fails_at = 0
        run(host, wanted)
        assert host.state == undisturbed.state, f"cut off at call {number}"
        assert not run(host, wanted).changed


def check_safe(host: Host, earlier: Request, wanted: Request) -> None:
    """What has to hold at every moment of a run from *earlier* to *wanted*."""
    ours = {name for name in host.rules if is_name_of_ours(name)}
    record = parse(host.record)
    assert ours <= (record.rules if record else set())
    assert {name: host.rules[name] for name in FOREIGN} == _FOREIGN
    if any(profile == {"on": True, "action": "block"} for profile in host.profiles.values()):
        assert {*ESSENTIALS, KEPT} <= ours
        assert any(name.startswith("netwall.datadog: out allow tcp 443 for agent.exe") for name in ours)
    if earlier.is_present and wanted.is_present and ALLOW not in (earlier, wanted):
        assert "netwall.datadog: in block tcp 8126 #1/1" in ours
    opened = host.rules.get("netwall.datadog: in block tcp 8126 #1/1", {}).get("RemoteAddresses", "*")
    assert opened == "*" or "10.0.0.0" not in opened


_FOREIGN = _foreign()


def test_a_step_that_fails_is_told_and_that_another_run_completes_it() -> None:
    host = host_with()

    def refusing(module: str, arguments: dict[str, t.Any], *, is_check: bool, is_diff: bool) -> dict[str, t.Any]:
        if " udp 123 " in arguments.get("name", ""):
            return {"failed": True, "msg": "Access is\ndenied."}
        return host(module, arguments, is_check=is_check, is_diff=is_diff)

    with pytest.raises(WindowsFirewallError, match=r"udp 123 .* could not be set: Access is denied\. .*run this again"):
        reconcile(WindowsModules(refusing), PLAIN, is_check=False)
    assert run(host, PLAIN).changed


def test_a_first_call_that_fails_promises_nothing() -> None:
    def refusing(*_arguments: t.Any, **_more: t.Any) -> dict[str, t.Any]:
        return {"failed": True}

    with pytest.raises(WindowsFirewallError, match=r"can't be read: it did not say why\.$"):
        reconcile(WindowsModules(refusing), PLAIN, is_check=False)


def test_a_host_that_can_not_be_reached_is_no_failure_of_a_module() -> None:
    def gone(*_arguments: t.Any, **_more: t.Any) -> dict[str, t.Any]:
        return {"unreachable": True, "msg": "no route"}

    with pytest.raises(UnreachableError):
        reconcile(WindowsModules(gone), PLAIN, is_check=False)


# --- The record -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("record", [None, ["netwall.datadog 1", "sum 0"]], ids=["gone", "damaged"])
@pytest.mark.parametrize("wanted", [PLAIN, DENY, ABSENT], ids=["plain", "deny", "absent"])
def test_without_its_record_the_rules_are_found_by_their_group(record: t.Any, wanted: Request) -> None:
    host = host_with(OTHER_DENY)
    host.record = record
    outcome = run(host, wanted)
    assert any("record" in warning for warning in outcome.warnings)
    expected = host_with(OTHER_DENY, wanted)
    assert host.rules == expected.rules
    assert host.profiles == expected.profiles
    run(host, ABSENT)
    assert host.rules == {}
    assert host.record is None
    assert {profile["action"] for profile in host.profiles.values()} == {"not_configured"}


def test_a_default_of_theirs_is_not_taken_for_ours_where_the_record_is_gone() -> None:
    host = host_with(PLAIN, Domain="block")
    host.record = None
    run(host, ABSENT)
    assert host.profiles["Domain"]["action"] == "block"


def test_a_rule_whose_group_somebody_changed_is_still_ours_by_its_name() -> None:
    host = host_with(PLAIN)
    for properties in host.rules.values():
        properties["Grouping"] = "another"
    run(host, ABSENT)
    assert host.rules == {}


def test_a_module_that_lists_names_alone_is_asked_for_each_rule() -> None:
    host = host_with(PLAIN)
    host.tells = False
    outcome = run(host, PLAIN)
    assert (outcome.changed, outcome.unchanged) == (False, (LOGS.id, NTP.id, TRACE.id))
    assert len(host.calls) == len(host.rules) + 4
    predicted = run(host, OTHER, is_check=True)
    done = run(host, OTHER)
    assert (predicted.added, predicted.removed, predicted.changed) == (done.added, done.removed, done.changed)
    assert done.changed


def test_the_version_of_the_document_alone_is_recorded_and_changes_nothing() -> None:
    host = host_with(dataclasses.replace(PLAIN, document="1"))
    outcome = run(host, dataclasses.replace(PLAIN, document="2"))
    assert not outcome.changed
    assert "document 2" in host.record


# --- What docs/windows.md says that a run costs -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("earlier", "wanted", "more"),
    [
        (ABSENT, PLAIN, 3 + 6),
        (ABSENT, DENY, len(ESSENTIALS) + 4 + 8),
        (PLAIN, request(dataclasses.replace(LOGS, networks=("203.0.113.0/25",)), NTP, TRACE), 7),
        (PLAIN, ABSENT, 3 + 5),
        (DENY, ABSENT, len(ESSENTIALS) + 4 + 6),
    ],
    ids=["first", "first with deny", "one change", "removal", "removal with deny"],
)
def test_a_run_takes_as_many_calls_as_is_documented(earlier: Request, wanted: Request, more: int) -> None:
    host = host_with(earlier)
    run(host, wanted)
    assert len(host.calls) == more
