# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the firewalls that a host has, or has not, gets the flows."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import choice
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError, Outcome, Request


@dataclasses.dataclass
class Wall:
    """A firewall that changes whatever it is asked to, except in check mode."""

    name: str
    installed: bool

    def is_installed(self) -> bool:
        return self.installed

    def reconcile(self, request: Request, check_mode: bool) -> Outcome:
        return Outcome(warnings=(f"{self.name} {request.state} {check_mode}",))


@pytest.fixture(autouse=True)
def walls(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Which firewalls are installed."""
    installed = {"first": False, "second": False}
    backends = {name: lambda name=name: Wall(name, installed[name]) for name in installed}
    monkeypatch.setattr(choice, "BACKENDS", backends)
    return installed


@pytest.mark.parametrize("name", ["first", "second"])
def test_auto_takes_the_one_that_is_installed(walls: dict[str, bool], name: str) -> None:
    walls[name] = True
    assert choice.reconcile("auto", Request(), True) == (name, Outcome(warnings=(f"{name} present True",)))


def test_a_firewall_is_taken_by_its_name(walls: dict[str, bool]) -> None:
    walls.update(first=True, second=True)
    assert choice.reconcile("second", Request(), False)[0] == "second"


@pytest.mark.parametrize(("wanted", "named"), [("auto", "first or second"), ("second", "second")])
def test_a_host_without_a_firewall_is_told_what_to_install(wanted: str, named: str) -> None:
    with pytest.raises(FirewallError) as caught:
        choice.reconcile(wanted, Request(), False)
    assert str(caught.value).startswith(f"{named} is not installed on this host; install it, unless ")


def test_a_firewall_that_was_asked_for_is_not_replaced_by_another(walls: dict[str, bool]) -> None:
    walls["first"] = True
    with pytest.raises(FirewallError, match="second is not installed"):
        choice.reconcile("second", Request(), False)


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> dict[str, t.Any]:
    """What stands in our records, instead of this machine's own."""
    state: dict[str, t.Any] = {}
    monkeypatch.setattr(choice, "load_state", lambda: state)

    def save(new: dict[str, t.Any]) -> None:
        state.clear()
        state.update(new)

    monkeypatch.setattr(choice, "save_state", save)
    return state


@pytest.mark.usefixtures("noted")
@pytest.mark.parametrize("wanted", ["auto", "first"])
def test_from_a_host_without_a_firewall_nothing_needs_to_be_removed(wanted: str) -> None:
    assert choice.reconcile(wanted, Request(state="absent"), False) == ("none", Outcome())


def test_records_of_a_firewall_that_was_taken_off_the_host_are_removed(noted: dict[str, t.Any]) -> None:
    noted["switched_on"] = {}
    absent = Request(state="absent")
    assert choice.reconcile("auto", absent, True) == ("none", Outcome(changed=True))
    assert noted == {"switched_on": {}}
    assert choice.reconcile("auto", absent, False) == ("none", Outcome(changed=True))
    assert noted == {}
