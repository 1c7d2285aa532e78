# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import (
    firewalld_config,
    firewalld_switch,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_refusals import SavedRule

UNIT = "firewalld.service"
LOADED = "asked for its state"


class FakeSystem:
    """systemd by its answers; what changes something is written down."""

    def __init__(self, active: str, enabled: str, system: str = "running") -> None:
        self.answers = {"is-active": active, "is-enabled": enabled, "is-system-running": system}
        self.done: list[str] = []
        self.version = "1.3.3"
        self.tables: list[str] | None = []
        self.dies = False

    def run(self, argv: list[str]) -> str:
        if argv[0] == "firewall-offline-cmd":
            return f"{self.version}\n"
        if argv == ["nft", "list", "tables", "inet"]:
            if self.tables is None:
                raise FirewallError("'nft' could not be run")
            return "".join(f"table inet {name}\n" for name in self.tables)
        self.done.append(" ".join(argv))
        if argv == ["systemctl", "start", UNIT] and self.dies:
            raise FirewallError("Job for firewalld.service failed")
        if argv == ["systemctl", "stop", UNIT]:
            self.answers["is-active"] = "inactive"
        return ""


Boot = t.Callable[..., FakeSystem]


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch) -> Boot:
    def start(*answers: str) -> FakeSystem:
        system = FakeSystem(*answers)
        monkeypatch.setattr(firewalld_switch, "state", lambda: system.done.append(LOADED))
        monkeypatch.setattr(firewalld_switch, "has_systemd", lambda: True)
        monkeypatch.setattr(firewalld_switch, "run", system.run)
        monkeypatch.setattr(firewalld_switch, "ask_systemd", lambda question, *_unit: system.answers[question])
        monkeypatch.setattr(firewalld_switch, "saved_rules", list)
        monkeypatch.setattr(firewalld_config, "_DIRECT", "/nonexistent")
        return system

    return start


@pytest.mark.parametrize(("active", "expected"), [("active", True), ("inactive", False), ("failed", False)])
def test_whether_it_runs_is_asked_of_systemd(boot: Boot, active: str, expected: bool) -> None:
    boot(active, "enabled")
    assert firewalld_switch.is_running() is expected


def test_on_is_on_at_every_boot(boot: Boot) -> None:
    system = boot("inactive", "disabled")
    firewalld_switch.switch_on()
    assert system.done == [f"systemctl enable --quiet {UNIT}", f"systemctl start {UNIT}", LOADED]


def test_what_is_on_is_started_all_the_same_since_it_may_be_about_to_stop(boot: Boot) -> None:
    system = boot("active", "enabled")
    firewalld_switch.switch_on()
    assert system.done == [f"systemctl start {UNIT}", LOADED]


def test_while_the_host_boots_nothing_is_waited_for(boot: Boot) -> None:
    system = boot("inactive", "disabled", "starting")
    firewalld_switch.stop()
    assert system.done == [f"systemctl --no-block stop {UNIT}"]


@pytest.mark.parametrize(
    ("now", "before", "done"),
    [
        ("enabled", "disabled", [f"systemctl disable --quiet {UNIT}"]),
        ("disabled", "enabled", [f"systemctl enable --quiet {UNIT}"]),
        ("enabled", "enabled", []),
        ("masked", "enabled", []),
    ],
)
def test_what_happens_at_boot_is_put_back(boot: Boot, now: str, before: str, done: list[str]) -> None:
    system = boot("active", now)
    firewalld_switch.put_back(before)
    assert system.done == done


def test_it_is_not_switched_on_where_it_would_wipe_rules_of_others(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    boot("inactive", "disabled")
    rule = SavedRule("ipv4", "filter", "INPUT", "-A INPUT -p tcp --dport 22 -j ACCEPT")
    monkeypatch.setattr(firewalld_switch, "saved_rules", lambda: [rule])
    with pytest.raises(FirewallError, match="would remove 1 iptables rules"):
        firewalld_switch.refuse_to_switch_on()


def test_direct_rules_that_it_will_load_are_found_in_its_file(
    boot: Boot, monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any
) -> None:
    boot("inactive", "disabled")
    (tmp_path / "direct.xml").write_text(
        '<direct><rule ipv="ipv4" table="filter" chain="INPUT" priority="0">-j LOG --log-prefix "a b"</rule></direct>'
    )
    monkeypatch.setattr(firewalld_config, "_DIRECT", str(tmp_path / "direct.xml"))
    assert list(firewalld_config.direct_in_file()) == ["direct rule ipv4 filter INPUT 0 -j LOG --log-prefix a b"]


def test_one_that_is_too_old_is_not_switched_on(boot: Boot) -> None:
    boot("inactive", "disabled").version = "0.9.3"
    with pytest.raises(FirewallError, match=r"firewalld 0\.9\.3 has no policies"):
        firewalld_switch.refuse_to_switch_on()


def test_without_direct_rules_nothing_is_refused(boot: Boot) -> None:
    system = boot("inactive", "disabled")
    firewalld_switch.refuse_to_switch_on()
    assert system.done == []


def test_without_systemd_it_can_t_be_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firewalld_switch, "has_systemd", lambda: False)
    with pytest.raises(FirewallError, match="without systemd"):
        firewalld_switch.refuse_to_switch_on()


@pytest.mark.parametrize("active", ["active", "activating", "reloading"])
def test_what_loads_its_rules_is_not_stopped_before_it_can_end_in_order(boot: Boot, active: str) -> None:
    system = boot(active, "disabled")
    firewalld_switch.stop()
    assert system.done == [f"systemctl start {UNIT}", LOADED, f"systemctl stop {UNIT}"]


@pytest.mark.parametrize("active", ["inactive", "failed", "deactivating"])
def test_what_is_off_is_not_started_to_be_stopped(boot: Boot, active: str) -> None:
    system = boot(active, "disabled")
    firewalld_switch.stop()
    assert system.done == [f"systemctl stop {UNIT}"]


def test_what_dies_while_it_loads_is_stopped_and_what_it_left_removed(boot: Boot) -> None:
    system = boot("activating", "disabled")
    system.dies, system.tables = True, ["firewalld", "firewalld_policy_drop", "firewalld_probe"]
    firewalld_switch.stop()
    assert system.done[1:] == [f"systemctl stop {UNIT}", *(f"nft delete table inet {name}" for name in system.tables)]


@pytest.mark.parametrize(
    ("tables", "kept", "removed"),
    [
        (None, [], []),
        (["filter", "firewalld_of_mine"], [], []),
        (["filter", "firewalld"], [], ["firewalld"]),
        (["firewalld", "firewalld_policy_drop"], ["firewalld"], ["firewalld_policy_drop"]),
    ],
)
def test_of_the_tables_of_one_that_is_down_only_those_stay_that_stood_before(
    boot: Boot, tables: list[str] | None, kept: list[str], removed: list[str]
) -> None:
    system = boot("inactive", "disabled")
    system.tables = tables
    firewalld_switch.stop(kept)
    assert [done for done in system.done if done.startswith("nft ")] == [f"nft delete table inet {x}" for x in removed]


@pytest.mark.parametrize("active", ["active", "activating", "reloading", "deactivating", ""])
def test_the_tables_of_one_that_is_not_down_are_nothing_that_it_left(boot: Boot, active: str) -> None:
    boot(active, "enabled").tables = ["firewalld"]
    assert firewalld_switch.left_tables() == ()


def test_one_whose_rules_stand_without_it_is_not_switched_on(boot: Boot) -> None:
    boot("inactive", "disabled").tables = ["firewalld"]
    with pytest.raises(FirewallError, match=r"nft table 'inet firewalld'.*nft delete table inet firewalld"):
        firewalld_switch.refuse_to_switch_on(firewalld_switch.left_tables())
