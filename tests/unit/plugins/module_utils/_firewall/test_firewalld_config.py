# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of firewalld, and what a reload would make of it."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import firewalld_config
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_bus import Call
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_config import (
    Configuration,
    Daemon,
    IPSet,
    lost_by_reload,
    parse_version,
    read_configurations,
    read_daemon,
    revived_by_reload,
)

DAEMON = Daemon((2, 3, 1), "RUNNING", {"FlushAllOnReload": "yes"})
PERMANENT = Configuration("public", {"public": {"services": ["ssh"], "target": "default", "masquerade": False}})


def is_ours(name: str) -> bool:
    return name.startswith("netwall-")


def _lost(runtime: Configuration, daemon: Daemon = DAEMON) -> list[str]:
    return lost_by_reload(daemon, runtime, PERMANENT, is_ours)


def _public(**settings: t.Any) -> Configuration:
    return dataclasses.replace(PERMANENT, zones={"public": {**PERMANENT.zones["public"], **settings}})


@pytest.mark.parametrize(
    ("runtime", "text"),
    [
        (_public(services=["http", "ssh"]), "zone public: service http"),
        (_public(ports=[("8126", "tcp")]), "zone public: port 8126/tcp"),
        (_public(rules_str=['rule priority="-1" drop']), 'zone public: rich rule priority="-1" drop'),
        (_public(interfaces=["eth5"]), "zone public: interface eth5"),
        (_public(forward_ports=[("80", "tcp", "81", "")]), "zone public: forward port 80/tcp/81"),
        (_public(target="ACCEPT"), "zone public: target ACCEPT"),
        (_public(masquerade=True), "zone public: masquerade on"),
        (dataclasses.replace(PERMANENT, default_zone="work"), "default zone work"),
        (dataclasses.replace(PERMANENT, policies={"p": {}}), "policy p as a whole"),
        (dataclasses.replace(PERMANENT, ipsets={"s": IPSet("hash:ip")}), "ipset s as a whole"),
        (dataclasses.replace(PERMANENT, direct=("direct chain ipv4 filter x",)), "direct chain ipv4 filter x"),
    ],
)
def test_what_stands_at_run_time_alone_is_lost(runtime: Configuration, text: str) -> None:
    assert _lost(runtime) == [text]
    assert revived_by_reload(PERMANENT, runtime, is_ours) == [text]


@pytest.mark.parametrize(
    "runtime",
    [
        PERMANENT,
        _public(description="Other words"),
        _public(ports=[]),
        dataclasses.replace(PERMANENT, policies={"netwall-in": {}}, ipsets={"netwall-x": IPSet("hash:net")}),
        dataclasses.replace(PERMANENT, services={"http": {"ports": [("80", "tcp")]}}),
    ],
)
def test_what_decides_nothing_or_is_ours_is_not_lost(runtime: Configuration) -> None:
    assert not _lost(runtime)


def test_the_order_of_a_list_is_no_difference() -> None:
    these, those = _public(services=["a", "b"]), _public(services=["b", "a"])
    assert not lost_by_reload(DAEMON, these, those, is_ours)


def test_entries_are_counted_not_listed() -> None:
    runtime = dataclasses.replace(
        PERMANENT, ipsets={"s": IPSet("hash:ip", {}, ("192.0.2.1", "192.0.2.2", "192.0.2.3"))}
    )
    permanent = dataclasses.replace(PERMANENT, ipsets={"s": IPSet("hash:ip", {}, ("192.0.2.2",))})
    assert lost_by_reload(DAEMON, runtime, permanent, is_ours) == ["ipset s: entry 192.0.2.1 and 1 more"]


KEPT = dataclasses.replace(_public(interfaces=["eth5"]), ipsets={"s": IPSet("hash:ip")}, direct=("direct rule x",))


def test_a_reload_that_flushes_nothing_keeps_bindings_ipsets_and_direct_rules() -> None:
    assert not _lost(KEPT, dataclasses.replace(DAEMON, settings={"FlushAllOnReload": "no"}))


def test_network_manager_binds_interfaces_again() -> None:
    assert _lost(KEPT, dataclasses.replace(DAEMON, has_network_manager=True)) == ["ipset s as a whole", "direct rule x"]


@pytest.mark.parametrize(
    ("text", "version"), [("1.3.3", (1, 3, 3)), ("2.3.1\n", (2, 3, 1)), ("2.0.0-rc1", (2, 0)), ("", ())]
)
def test_a_version_ends_where_its_numbers_do(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


# --- Reading ----------------------------------------------------------------------------------------------------------

SAMBA = {"ports": [("139", "tcp")], "includes": ["samba-client"]}
ANSWERS: dict[tuple[str, ...], t.Any] = {
    ("GetAll", "org.fedoraproject.FirewallD1"): {"version": "2.3.1", "state": "RUNNING"},
    ("GetAll", "org.fedoraproject.FirewallD1.config"): {"DefaultZone": "work"},
    ("queryPanicMode",): False,
    ("queryLockdown",): True,
    ("NameHasOwner", "org.freedesktop.NetworkManager"): True,
    ("getDefaultZone",): "public",
    ("listServices",): ["samba", "samba-client", "ssh", "unused"],
    ("getServiceNames",): ["samba", "samba-client", "ssh", "unused"],
    ("getZones",): ["public"],
    ("getZoneNames",): ["work"],
    ("getPolicies",): ["p"],
    ("getPolicyNames",): [],
    ("getIPSets",): ["netwall-a", "s"],
    ("getIPSetNames",): [],
    ("getAllChains",): [],
    ("getAllRules",): [("ipv4", "filter", "INPUT", 0, ["-j", "DROP"])],
    ("getAllPassthroughs",): [("ipv6", ["-A", "INPUT"])],
    ("getSettings",): ([("ipv4", "filter", "mine")], [], []),
    ("getZoneSettings2", "public"): {"services": ["missing"]},
    ("getPolicySettings", "p"): {"rich_rules": ['rule service name="samba" accept']},
    ("getIPSetSettings", "s"): ("", "", "", "hash:ip", {"family": "inet"}, ["192.0.2.1"]),
    ("getServiceSettings2", "samba"): SAMBA,
    ("getServiceSettings2", "samba-client"): {},
    ("getZoneByName", "work"): "/zone/0",
    ("getSettings2",): {"services": ["ssh"]},
    ("getServiceByName", "ssh"): "/service/3",
}


@pytest.fixture
def _bus(monkeypatch: pytest.MonkeyPatch) -> None:
    def call_all(calls: t.Sequence[Call], _destination: str = "") -> list[t.Any]:
        return [ANSWERS[(each.method, *each.args)] for each in calls]

    monkeypatch.setattr(firewalld_config, "call_all", call_all)


@pytest.mark.usefixtures("_bus")
def test_the_daemon_says_how_it_is() -> None:
    assert read_daemon() == Daemon(
        (2, 3, 1), "RUNNING", {"DefaultZone": "work"}, is_locked_down=True, has_network_manager=True
    )


@pytest.mark.usefixtures("_bus")
def test_at_run_time_everything_in_use_is_read_but_for_sets_of_ours() -> None:
    runtime, _permanent = read_configurations(is_ours)
    assert runtime == Configuration(
        "public",
        {"public": {"services": ["missing"]}},
        {"p": {"rich_rules": ['rule service name="samba" accept']}},
        {"s": IPSet("hash:ip", {"family": "inet"}, ("192.0.2.1",))},
        {"samba": SAMBA, "samba-client": {}},
        ("direct rule ipv4 filter INPUT 0 -j DROP", "direct passthrough ipv6 -A INPUT"),
    )


@pytest.mark.usefixtures("_bus")
def test_what_is_permanent_is_read_too() -> None:
    _runtime, permanent = read_configurations(is_ours)
    zone = {"services": ["ssh"]}
    assert permanent == Configuration("work", {"work": zone}, {}, {}, {"ssh": zone}, ("direct chain ipv4 filter mine",))
