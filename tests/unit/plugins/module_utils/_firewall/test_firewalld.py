# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import (
    firewalld,
    firewalld_config,
    firewalld_live,
    firewalld_switch,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError, Request
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld import Host, Plan, Running, make_plan
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_bus import BusError, Call
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_config import Configuration, Daemon
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_files import (
    AddressSet,
    Layout,
    keep_if_same,
    parse_files,
    texts_of,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.management import lets_more_out
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import Session
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import Packet
from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, Flow

LOGS = Flow("logs-tcp-443-out", "outbound", "allow", "tcp", 443, ("198.51.100.0/28", "2001:db8::/64"))
APM = Flow("apm-tcp-8126-in", "inbound", "deny", "tcp", 8126, ANYWHERE)
SSH_IN = Flow("ssh-tcp-22-in", "inbound", "deny", "tcp", 22, ANYWHERE)
SESSION = Session("203.0.113.9", 50000, "192.0.2.11", 22)
PUBLIC = Configuration(
    default_zone="public",
    zones={"public": {"target": "default", "services": ["ssh"]}},
    services={"ssh": {"ports": [("22", "tcp")]}},
)
DAEMON = Daemon(version=(1, 3, 3), state="RUNNING")


@pytest.fixture(autouse=True)
def host_without_iptables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firewalld, "saved_rules", list)
    monkeypatch.setattr(firewalld, "refuse_broken_files", lambda _runtime: None)
    monkeypatch.setattr(firewalld, "peers_of", lambda request: [request.session.address] if request.session else [])
    monkeypatch.setattr(firewalld_switch, "refuse_to_switch_on", lambda _left: None)


def running(live: Layout | None = None, **others: t.Any) -> Running:
    base = Running(DAEMON, live or Layout(), PUBLIC, PUBLIC)
    return replace(base, **others)


def on(live: Layout | None = None, texts: t.Mapping[str, str] | None = None, **others: t.Any) -> Host:
    return Host(texts or texts_of(live or Layout()), "enabled", running(live, **others))


OFF = Host({}, "disabled")


def after(request: Request) -> Host:
    """The host once *request* was applied to one that had nothing of ours."""
    return on(make_plan(on(), request, {}).wanted)


def asked(*flows: Flow, **others: t.Any) -> Request:
    return Request(flows=flows, **others)


def test_what_was_applied_needs_nothing_more() -> None:
    request = asked(LOGS, APM, default_outbound="deny", session=SESSION)
    outcome = make_plan(after(request), request, {}).outcome
    assert not outcome.changed
    assert outcome.unchanged == ("apm-tcp-8126-in", "logs-tcp-443-out")


def test_the_first_flows_need_a_reload() -> None:
    plan = make_plan(on(), asked(LOGS), {})
    assert plan.needs_reload
    assert plan.outcome.added == ("logs-tcp-443-out",)


@pytest.mark.parametrize("networks", [("203.0.113.0/24",), ("0.0.0.0/0",), ("2001:db8:1::/48",), ANYWHERE])
def test_other_addresses_need_no_reload(networks: tuple[str, ...]) -> None:
    plan = make_plan(after(asked(LOGS)), asked(replace(LOGS, networks=networks)), {})
    assert not plan.needs_reload
    assert plan.outcome.changed


def test_a_change_of_addresses_leaves_other_files_alone() -> None:
    host = after(asked(LOGS, APM))
    plan = make_plan(host, asked(replace(LOGS, networks=("198.51.100.0/28",)), APM), {})
    changed = {path for path, text in plan.texts.items() if host.texts[path] != text}
    assert len(changed) == 1


@pytest.mark.parametrize(
    "request_",
    [asked(LOGS), asked(APM), asked(LOGS, APM, default_outbound="deny"), asked(LOGS, APM, precedence="ours"), asked()],
)
def test_other_rules_need_a_reload(request_: Request) -> None:
    assert make_plan(after(asked(LOGS, APM)), request_, {}).needs_reload


def test_entries_that_somebody_changed_at_run_time_are_mended_without_a_reload() -> None:
    host = after(asked(LOGS))
    live = make_plan(on(), asked(replace(LOGS, networks=("198.51.100.0/24",))), {}).wanted
    plan = make_plan(on(live, host.texts), asked(LOGS), {})
    assert plan.outcome.changed
    assert not plan.needs_reload
    assert "what is in force of ours is not what our files say" in plan.outcome.before


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, ("outgoing: allowed, as firewalld has it", "our rules are judged after yours (priority 32766)")),
        ({"precedence": "ours"}, ("our rules are judged before yours (priority -32768)",)),
        ({"default_outbound": "deny"}, ("outgoing: denied by default", "incoming: denied by default")),
    ],
)
def test_the_diff_says_in_plain_words_what_is_judged_when(changes: dict[str, t.Any], lines: tuple[str, ...]) -> None:
    told = make_plan(on(), asked(LOGS, **changes), {}).outcome.after
    assert set(lines) <= set(told)
    assert len([line for line in told if "rules are judged" in line]) == 1


def test_files_that_say_the_same_in_other_words_are_no_change() -> None:
    host = after(asked(LOGS))
    rewritten = {path: text.replace("  ", "\t") for path, text in host.texts.items()}
    assert all(keep_if_same(path, rewritten[path], text) == rewritten[path] for path, text in host.texts.items())
    assert not make_plan(replace(host, texts=rewritten), asked(LOGS), {}).outcome.changed


def test_absent_takes_all_of_ours() -> None:
    plan = make_plan(after(asked(LOGS, APM, default_outbound="deny")), Request(state="absent"), {})
    assert plan.texts == {}
    assert plan.outcome.removed == ("apm-tcp-8126-in", "logs-tcp-443-out")


def test_absent_where_nothing_is_ours_changes_nothing() -> None:
    assert not make_plan(on(), Request(state="absent"), {}).outcome.changed


def test_the_snapshot_has_all_of_our_files() -> None:
    host = after(asked(LOGS))
    snapshot = make_plan(host, Request(state="absent"), {}).snapshot
    assert snapshot == {"texts": host.texts, "running": True, "failed": False, "unit": "enabled", "left": []}


# --- Refusals ---------------------------------------------------------------------------------------------------------


def test_a_firewalld_that_is_off_is_left_off_unless_that_is_asked() -> None:
    with pytest.raises(FirewallError, match=r"switched off.*enable: true"):
        make_plan(OFF, asked(LOGS), {})


LOSING = replace(PUBLIC, zones={"public": {"target": "default", "services": ["ssh", "http"]}})


def test_a_reload_that_would_lose_rules_of_others_is_refused() -> None:
    with pytest.raises(FirewallError, match=r"http.*reload: force"):
        make_plan(on(runtime=LOSING), asked(LOGS), {})


def test_a_reload_that_would_lose_rules_of_others_can_be_forced() -> None:
    assert make_plan(on(runtime=LOSING), asked(LOGS, reload="force"), {}).needs_reload


def test_rules_at_run_time_alone_don_t_matter_where_nothing_is_reloaded() -> None:
    host = on(after(asked(LOGS)).running.live, runtime=LOSING)  # type: ignore[union-attr]
    assert make_plan(host, asked(replace(LOGS, networks=("203.0.113.0/24",))), {}).outcome.changed


def test_rules_that_a_reload_would_bring_to_life_are_named() -> None:
    (warning,) = make_plan(on(permanent=LOSING), asked(LOGS), {}).outcome.warnings
    assert "http" in warning


def test_a_failed_firewalld_is_refused() -> None:
    with pytest.raises(FirewallError, match="FAILED"):
        make_plan(on(daemon=replace(DAEMON, state="FAILED")), asked(LOGS), {})


class OldBus:
    """A firewalld of *version* in *state* that knows no policies, and says nothing but how it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, version: str, state: str = "RUNNING") -> None:
        self.about = {"version": version, "state": state}
        monkeypatch.setattr(firewalld_config, "call_all", self.call_all)
        monkeypatch.setattr(firewalld_live, "call_all", self.call_all)
        monkeypatch.setattr(firewalld_switch, "is_running", lambda: True)
        monkeypatch.setattr(firewalld_switch, "unit_state", lambda: "enabled")

    def call_all(self, calls: t.Sequence[Call], _destination: str = "") -> list[t.Any]:
        return [self.answer(each) for each in calls]

    def answer(self, call: Call) -> t.Any:
        if call.method == "GetAll":
            return self.about
        if call.method in ("queryPanicMode", "queryLockdown", "NameHasOwner"):
            return False
        raise BusError(f"firewalld refused: No such method '{call.method}'")


@pytest.mark.parametrize("version", ["0.6.3", "0.9.11"])
def test_a_firewalld_without_policies_is_refused_by_its_version(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    OldBus(monkeypatch, version)
    with pytest.raises(FirewallError, match=rf"firewalld {version} has no policies .* update it to 1\.0"):
        firewalld.Firewalld().plan(asked(LOGS, session=SESSION), {})


def test_from_a_firewalld_without_policies_nothing_has_to_be_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    OldBus(monkeypatch, "0.9.11")
    assert not firewalld.Firewalld().plan(Request(state="absent"), {}).outcome.changed


def test_a_reload_that_would_fail_over_the_files_of_others_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_runtime: Configuration) -> None:
        raise FirewallError("could not load")

    monkeypatch.setattr(firewalld, "refuse_broken_files", refuse)
    with pytest.raises(FirewallError, match="could not load"):
        make_plan(on(), asked(LOGS, reload="force"), {})


def test_where_nothing_is_reloaded_the_files_of_others_may_be_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    host = after(asked(LOGS))
    monkeypatch.setattr(firewalld, "refuse_broken_files", lambda _runtime: pytest.fail("a reload was rehearsed"))
    assert make_plan(host, asked(replace(LOGS, networks=("203.0.113.0/24",))), {}).outcome.changed


# --- Failed -----------------------------------------------------------------------------------------------------------


def failed(monkeypatch: pytest.MonkeyPatch, folder: t.Any) -> FakeHost:
    """A firewalld that has failed already and would fail again."""
    host = FakeHost(monkeypatch, folder, True, Layout())
    OldBus(monkeypatch, "1.3.3", "FAILED")
    monkeypatch.setattr(firewalld, "state", lambda: "FAILED")
    return host


def test_absent_where_nothing_is_ours_leaves_a_failed_firewalld_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any
) -> None:
    failed(monkeypatch, tmp_path)
    outcome = firewalld.Firewalld().plan(Request(state="absent"), {}).outcome
    assert not outcome.changed
    assert [warning.startswith("firewalld has failed and has no rule") for warning in outcome.warnings] == [True]


def test_absent_takes_our_files_from_a_failed_firewalld_without_a_reload(
    monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any
) -> None:
    host = failed(monkeypatch, tmp_path)
    firewalld._write(host.texts(layout(LOGS)), lambda _step: None)
    plan = firewalld.Firewalld().plan(Request(state="absent"), {})
    assert plan.outcome.removed == (LOGS.id,)
    plan.apply(lambda _step: None)
    assert host.layout() == Layout()
    assert not firewalld.Firewalld().plan(Request(state="absent"), {}).outcome.changed
    assert "reload" not in host.done


def test_what_stood_in_a_failed_firewalld_is_brought_back_without_a_reload(
    monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any
) -> None:
    host = failed(monkeypatch, tmp_path)
    firewalld._write(host.texts(layout(LOGS)), lambda _step: None)
    snapshot = firewalld.Firewalld().plan(Request(state="absent"), {}).snapshot
    firewalld._write({}, lambda _step: None)
    firewalld.Firewalld().restore(snapshot)
    assert host.layout() == layout(LOGS)
    assert "reload" not in host.done


def test_what_failed_by_our_change_alone_is_brought_back_by_a_reload(
    monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any
) -> None:
    host = failed(monkeypatch, tmp_path)
    firewalld.Firewalld().restore(
        {"texts": host.texts(layout(LOGS)), "running": True, "failed": False, "unit": "enabled"}
    )
    assert "reload" in host.done


def test_a_rule_that_would_cut_the_management_connection_is_answered_by_one_that_keeps_it() -> None:
    plan = make_plan(on(), asked(SSH_IN, session=SESSION, precedence="ours"), {})
    assert "management-tcp-22-in" in plan.outcome.added


def test_a_change_that_would_cut_the_management_connection_is_refused() -> None:
    request = asked(SSH_IN, session=SESSION, precedence="ours", management_networks=("192.0.2.200/32",))
    with pytest.raises(FirewallError, match="would refuse the connection"):
        make_plan(on(), request, {})


def test_behind_theirs_a_denial_of_ours_cuts_nothing_that_theirs_let_in() -> None:
    assert make_plan(on(), asked(SSH_IN, session=SESSION), {}).outcome.shadowed == ("ssh-tcp-22-in",)


# --- Theirs beside ours -----------------------------------------------------------------------------------------------

HOOK = Flow("hook-tcp-8443-in", "inbound", "allow", "tcp", 8443, ANYWHERE)


def with_theirs(live: Layout | None = None, version: tuple[int, ...] = DAEMON.version, **theirs: t.Any) -> Host:
    """A host where *theirs* stand beside the zone public."""
    zones = {**PUBLIC.zones, **theirs.pop("zones", {})}
    configuration = replace(PUBLIC, zones=zones, **theirs)
    daemon = replace(DAEMON, version=version)
    return on(live, runtime=configuration, permanent=configuration, daemon=daemon)


def shut_out(*sources: str) -> dict[str, t.Any]:
    return {"zones": {"drop": {"target": "DROP", "sources": list(sources)}}}


def arriving(address: str) -> Packet:
    return Packet("inbound", "tcp", address, "192.0.2.11", 8443, 40000, "eth0")


@pytest.mark.parametrize("version", [(1, 3, 3), (2, 3, 1)])
def test_sources_that_a_zone_of_theirs_drops_stay_dropped(version: tuple[int, ...]) -> None:
    plan = make_plan(with_theirs(version=version, **shut_out("203.0.113.0/24")), asked(HOOK), {})
    assert [plan.lets(arriving(address)) for address in ("203.0.113.77", "203.0.114.1")] == [False, True]
    assert plan.outcome.shadowed == (HOOK.id,)
    assert not make_plan(with_theirs(plan.wanted, version, **shut_out("203.0.113.0/24")), asked(HOOK), {}).needs_reload


def test_other_sources_in_a_zone_that_drops_need_no_reload() -> None:
    before = make_plan(with_theirs(**shut_out("203.0.113.0/24")), asked(HOOK), {})
    plan = make_plan(with_theirs(before.wanted, **shut_out("198.51.100.0/24", "2001:db8::1")), asked(HOOK), {})
    assert plan.outcome.changed
    assert not plan.needs_reload


def test_a_flow_of_which_nothing_is_left_keeps_its_place_so_that_more_of_it_needs_no_reload() -> None:
    inside = replace(HOOK, networks=("203.0.113.16/28",))
    plan = make_plan(with_theirs(**shut_out("203.0.113.0/24")), asked(inside), {})
    assert not plan.lets(arriving("203.0.113.17"))
    host = with_theirs(plan.wanted, **shut_out("203.0.113.0/24"))
    assert not make_plan(host, asked(inside), {}).outcome.changed
    more = make_plan(host, asked(replace(HOOK, networks=("203.0.113.16/28", "198.51.100.0/24"))), {})
    assert more.outcome.changed
    assert not more.needs_reload
    assert more.lets(arriving("198.51.100.1"))


def test_the_management_port_is_not_opened_to_sources_that_a_zone_drops() -> None:
    request = asked(SSH_IN, session=SESSION, management_networks=("203.0.113.0/24",))
    plan = make_plan(with_theirs(**shut_out("203.0.113.128/25")), request, {})
    (kept,) = [rule.network for rule in plan.rules if rule.action == "allow"]
    assert kept == "203.0.113.0/25"


def test_before_theirs_ours_let_in_what_a_zone_would_drop() -> None:
    plan = make_plan(with_theirs(**shut_out("203.0.113.0/24")), asked(HOOK, precedence="ours"), {})
    assert plan.lets(arriving("203.0.113.77"))


def test_a_target_that_ours_come_before_is_warned_of() -> None:
    host = with_theirs(zones={"drop": {"target": "DROP", "interfaces": ["eth1"]}})
    (warning,) = make_plan(host, asked(HOOK), {}).outcome.warnings
    assert warning.startswith("What the target of zone drop (eth1) would refuse, our inbound flows let in all the same")
    assert make_plan(host, asked(LOGS), {}).outcome.warnings == ()


def outbound(priority: int, target: str) -> dict[str, t.Any]:
    policy = {"ingress_zones": ["HOST"], "egress_zones": ["ANY"], "priority": priority, "target": target}
    return {"policies": {"mine": policy}}


@pytest.mark.parametrize("precedence", ["theirs", "ours"])
def test_what_others_let_out_is_warned_of_where_the_rest_is_denied(precedence: str) -> None:
    host = with_theirs(**outbound(-1, "ACCEPT"))
    plan = make_plan(host, asked(LOGS, default_outbound="deny", precedence=precedence), {})
    assert plan.outcome.warnings == (lets_more_out(["policy mine: target ACCEPT"]),)
    assert make_plan(host, asked(LOGS), {}).outcome.warnings == ()


@pytest.mark.parametrize(
    ("priority", "more"),
    [
        (32766, {}),
        (32767, {"default_outbound": "deny"}),
        (-32768, {"precedence": "ours"}),
        (32767, {"default_outbound": "deny", "precedence": "ours"}),
    ],
)
def test_a_policy_of_theirs_in_a_place_of_ours_is_refused(priority: int, more: dict[str, t.Any]) -> None:
    with pytest.raises(
        FirewallError, match=rf"policy mine has the priority {priority}, .*--policy=mine --set-priority"
    ):
        make_plan(with_theirs(**outbound(priority, "DROP")), asked(LOGS, **more), {})


@pytest.mark.parametrize(
    ("priority", "more"), [(32767, {}), (-32768, {}), (32766, {"precedence": "ours"}), (32766, {"state": "absent"})]
)
def test_a_policy_of_theirs_elsewhere_is_not(priority: int, more: dict[str, t.Any]) -> None:
    make_plan(with_theirs(**outbound(priority, "DROP")), asked(LOGS, **more), {})


# --- On and off -------------------------------------------------------------------------------------------------------


def switched_on() -> Plan:
    return make_plan(OFF, asked(LOGS, enable=True, default_outbound="deny", session=SESSION), {})


def test_what_is_switched_on_keeps_the_session_that_is_open() -> None:
    assert switched_on().outcome.added == (
        "logs-tcp-443-out",
        "management-tcp-22-in",
        "management-tcp-22-replies-out",
    )


def test_what_stood_before_is_recorded() -> None:
    record = {"switched_on": {"running": False, "unit": "disabled", "peers": ["203.0.113.9"]}}
    assert switched_on().record == record


def test_a_later_run_from_elsewhere_keeps_the_rules_of_that_session() -> None:
    plan = switched_on()
    elsewhere = replace(SESSION, address="203.0.113.77")
    request = asked(LOGS, enable=True, default_outbound="deny", session=elsewhere)
    later = make_plan(on(plan.wanted), request, plan.record)
    assert not later.outcome.changed
    assert later.record == plan.record


def test_absent_switches_off_what_we_switched_on() -> None:
    plan = make_plan(on(switched_on().wanted), Request(state="absent"), switched_on().record)
    assert plan.switch_off
    assert not plan.needs_reload
    assert plan.record == {}


def test_absent_leaves_on_what_others_switched_on() -> None:
    assert not make_plan(after(asked(LOGS)), Request(state="absent"), {}).switch_off


def test_one_that_runs_but_not_after_a_boot_is_warned_of() -> None:
    (warning,) = make_plan(replace(after(asked(LOGS)), unit="disabled"), asked(LOGS), {}).outcome.warnings
    assert "does not start at boot" in warning


def test_one_that_runs_but_not_after_a_boot_is_enabled_if_asked() -> None:
    plan = make_plan(replace(after(asked(LOGS)), unit="disabled"), asked(LOGS, enable=True), {})
    assert plan.switch_on
    assert plan.record["switched_on"]["running"] is True


# --- Packets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remote", "port", "passes"),
    [
        ("198.51.100.1", 443, True),
        ("198.51.100.200", 443, False),
        ("198.51.100.1", 80, False),
        ("2001:db8::1", 443, True),
    ],
)
@pytest.mark.parametrize("precedence", ["theirs", "ours"])
def test_what_is_denied_by_default(precedence: str, remote: str, port: int, passes: bool) -> None:
    plan = make_plan(on(), asked(LOGS, default_outbound="deny", precedence=precedence), {})
    local = "2001:db8:1::11" if ":" in remote else "192.0.2.11"
    assert plan.lets(Packet("outbound", "tcp", remote, local, port, 50000, "eth0")) is passes


def test_on_lo_everything_passes() -> None:
    plan = make_plan(on(), asked(default_outbound="deny"), {})
    assert plan.lets(Packet("outbound", "tcp", "127.0.0.1", "127.0.0.1", 80, 50000, "lo"))


def test_what_nobody_denies_passes() -> None:
    assert make_plan(on(), asked(LOGS), {}).lets(
        Packet("outbound", "tcp", "192.0.2.77", "192.0.2.11", 80, 50000, "eth0")
    )


# --- Doing it ---------------------------------------------------------------------------------------------------------


class FakeHost:
    """A host on which what is done is only written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: t.Any, is_running: bool, live: Layout) -> None:
        self.done: list[str] = []
        self.is_running = is_running
        self.is_booting = False
        self.live = live
        switch = firewalld_switch
        folders = tuple(str(folder / name) for name in ("ipsets", "policies"))
        monkeypatch.setattr(firewalld, "_FOLDERS", folders)
        monkeypatch.setattr(switch, "is_running", lambda: self.is_running)
        monkeypatch.setattr(switch, "is_booting", lambda: self.is_booting)
        self.kept: t.Collection[str] | None = None
        monkeypatch.setattr(switch, "start", lambda: self.done.append("start"))
        monkeypatch.setattr(switch, "stop", self.stop)
        monkeypatch.setattr(switch, "put_back", lambda unit: self.done.append(f"unit {unit}"))
        monkeypatch.setattr(firewalld, "state", lambda: "RUNNING")
        monkeypatch.setattr(firewalld, "read_live", lambda: self.live)
        monkeypatch.setattr(firewalld, "reload", lambda: self.done.append("reload"))
        monkeypatch.setattr(firewalld, "make", lambda moves: self.done.append(f"{len(moves)} moves"))
        self.folder = folder

    def stop(self, kept: t.Collection[str]) -> None:
        self.kept = kept
        self.done.append("stop")

    def texts(self, layout: Layout) -> dict[str, str]:
        return {path.replace("/etc/firewalld", str(self.folder)): text for path, text in texts_of(layout).items()}

    def layout(self) -> Layout:
        return parse_files({str(path): path.read_text() for path in self.folder.glob("*/*")})


def layout(*flows: Flow) -> Layout:
    return make_plan(on(), asked(*flows), {}).wanted


def test_other_addresses_are_brought_back_by_single_moves(monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    old = layout(LOGS)
    host = FakeHost(monkeypatch, tmp_path, True, layout(replace(LOGS, networks=("203.0.113.0/24", "2001:db8::/64"))))
    firewalld.Firewalld().restore({"texts": host.texts(old), "running": True, "failed": False, "unit": "enabled"})
    assert host.done[0] == "2 moves"
    assert "reload" not in host.done
    assert host.layout() == old


def test_another_structure_is_brought_back_by_a_reload(monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    host = FakeHost(monkeypatch, tmp_path, True, layout(LOGS, APM))
    firewalld.Firewalld().restore(
        {"texts": host.texts(layout(LOGS)), "running": True, "failed": False, "unit": "enabled"}
    )
    assert host.done[0] == "reload"


def test_before_firewalld_has_started_files_alone_are_brought_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any
) -> None:
    host = FakeHost(monkeypatch, tmp_path, False, Layout())
    host.is_booting = True
    firewalld.Firewalld().restore(
        {"texts": host.texts(layout(LOGS)), "running": True, "failed": False, "unit": "enabled"}
    )
    assert host.done == ["unit enabled", "start"]
    assert host.layout() == layout(LOGS)


@pytest.mark.parametrize(
    ("is_booting", "done"), [(True, ["stop", "unit disabled"]), (False, ["unit disabled", "start"])]
)
def test_one_that_was_started_by_hand_is_not_started_at_boot(
    monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any, is_booting: bool, done: list[str]
) -> None:
    host = FakeHost(monkeypatch, tmp_path, False, Layout())
    host.is_booting = is_booting
    firewalld.Firewalld().restore(
        {"texts": host.texts(layout(LOGS)), "running": True, "failed": False, "unit": "disabled"}
    )
    assert host.done == done
    assert host.layout() == layout(LOGS)


def test_only_what_changed_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    other = replace(LOGS, id="other-tcp-80-out", port=80)
    before = after(asked(LOGS, other))
    FakeHost(monkeypatch, tmp_path, True, before.running.live)  # type: ignore[union-attr]
    monkeypatch.setattr(firewalld, "_write", lambda _texts, _step: None)
    waited: list[t.Mapping[str, AddressSet]] = []
    monkeypatch.setattr(firewalld, "wait_until_noticed", waited.append)
    make_plan(before, asked(replace(LOGS, networks=("203.0.113.0/24", "2001:db8::/64")), other), {}).apply(
        lambda _step: None
    )
    assert [each.entries for each in waited[0].values()] == [{"203.0.113.0/24"}]


def test_what_we_switched_on_is_switched_off_before_anything_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any
) -> None:
    host = FakeHost(monkeypatch, tmp_path, False, Layout())
    firewalld.Firewalld().restore({"texts": {}, "running": False, "failed": False, "unit": "disabled"})
    assert host.done == ["stop", "unit disabled"]
    # Where nobody has looked for rules that stood without it, none are taken away.
    assert host.kept == firewalld_switch.TABLES


@pytest.mark.parametrize("left", [(), ("firewalld",)])
def test_rules_that_stood_without_firewalld_before_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any, left: tuple[str, ...]
) -> None:
    host = FakeHost(monkeypatch, tmp_path, False, Layout())
    snapshot = make_plan(replace(OFF, left=left), Request(state="absent"), {}).snapshot
    firewalld.Firewalld().restore(snapshot)
    assert host.kept == list(left)


def test_what_somebody_has_stopped_since_keeps_its_rules(monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    host = FakeHost(monkeypatch, tmp_path, False, Layout())
    record = {"switched_on": {"running": False, "unit": "disabled", "peers": []}}
    make_plan(replace(OFF, left=("firewalld",)), Request(state="absent"), record).apply(lambda _name: None)
    assert host.kept == ("firewalld",)


def test_what_a_killed_run_left_is_cleared_away(monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    host = FakeHost(monkeypatch, tmp_path, False, Layout())
    (tmp_path / "ipsets").mkdir()
    ours, theirs = f"netwall-{0:010x}-4", ["netwall-office.xml", "office.xml", "office.xml.old"]
    for name in (f".{ours}.xml.netwall", f"{ours}.xml", f"{ours}-spare.xml.old", *theirs):
        (tmp_path / "ipsets" / name).write_text("")
    firewalld.Firewalld().restore({"texts": {}, "running": True, "failed": False, "unit": "enabled"})
    assert sorted(path.name for path in host.folder.glob("*/*")) == theirs


def test_no_policy_is_written_before_the_ipsets_that_it_names(monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    host = FakeHost(monkeypatch, tmp_path, False, Layout())
    written: list[str] = []
    firewalld._write(host.texts(layout(LOGS)), written.append)
    firewalld._write({}, written.append)
    kinds = [(name.split(" ")[0], "policies" in name) for name in written]
    ipsets, policies = ("Writing", False), ("Writing", True)
    assert kinds == [*[ipsets] * 4, policies, ("Removing", True), *[("Removing", False)] * 4]


# --- What a reload leaves ---------------------------------------------------------------------------------------------

WITHOUT_SSH = replace(PUBLIC, zones={"public": {"target": "default", "services": []}})


def test_a_reload_that_brings_to_life_what_would_lock_us_out_is_refused() -> None:
    with pytest.raises(FirewallError, match="This change would refuse"):
        make_plan(on(permanent=WITHOUT_SSH), asked(LOGS, session=SESSION, reload="force"), {})


def test_what_is_permanent_locks_nobody_out_where_nothing_is_reloaded() -> None:
    host = on(make_plan(on(), asked(LOGS), {}).wanted, permanent=WITHOUT_SSH)
    other = replace(LOGS, networks=("203.0.113.0/24",))
    assert make_plan(host, asked(other, session=SESSION), {}).outcome.changed


def test_a_removal_that_would_lock_us_out_of_a_firewalld_that_stays_on_is_refused() -> None:
    arrivals = replace(APM, id="ssh-in", action="allow", port=SESSION.local_port, networks=ANYWHERE)
    live = make_plan(on(), asked(arrivals), {}).wanted
    host = on(live, runtime=WITHOUT_SSH, permanent=WITHOUT_SSH)
    with pytest.raises(FirewallError, match="This change would refuse"):
        make_plan(host, Request(state="absent", session=SESSION), {})
    assert make_plan(host, Request(state="absent", management=False), {}).outcome.changed


def test_interfaces_that_firewalld_binds_again_are_bound_after_a_reload() -> None:
    runtime = replace(PUBLIC, zones={"public": {"target": "default", "interfaces": ["host0"]}})
    for daemon, bound in ((DAEMON, ()), (replace(DAEMON, has_network_manager=True), ["host0"])):
        left = firewalld_config.after_reload(daemon, runtime, PUBLIC)
        assert list(left.zones["public"].get("interfaces", ())) == list(bound)
        assert left.zones["public"].get("services") == PUBLIC.zones["public"].get("services")
