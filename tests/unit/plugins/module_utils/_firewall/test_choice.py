# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the firewalls that a host has, or has not, gets the flows."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import choice
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError, Presence

AWAY, OFF = Presence(), Presence(is_installed=True)
ON, STARTED = Presence(True, True, True), Presence(True, is_active=True)
AT_BOOT = Presence(True, is_enabled=True)


@dataclasses.dataclass(frozen=True)
class Wall:
    """A firewall of which it is known what there is of it."""

    name: str
    known: Presence

    def presence(self) -> Presence:
        return self.known


@pytest.fixture
def walls(monkeypatch: pytest.MonkeyPatch) -> dict[str, Presence]:
    """The firewalls that there are, by name."""
    known = {"first": AWAY, "second": AWAY}
    monkeypatch.setattr(choice, "BACKENDS", {name: lambda name=name: Wall(name, known[name]) for name in known})
    return known


def chosen(wanted: str, state: str = "present", earlier: str | None = None, *, enable: bool = False) -> str | None:
    backend = choice.choose(wanted, state, earlier, enable)
    return backend.name if backend else None


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        (ON, AWAY, "first"),
        (OFF, AWAY, "first"),
        (AWAY, ON, "second"),
        (ON, OFF, "first"),
        (OFF, ON, "second"),
        (OFF, STARTED, "second"),
        (AT_BOOT, STARTED, "second"),
        (AT_BOOT, OFF, "first"),
        (OFF, AT_BOOT, "second"),
    ],
)
def test_auto_takes_what_is_on_then_what_comes_on_then_what_there_is(
    walls: dict[str, Presence], first: Presence, second: Presence, name: str
) -> None:
    walls.update(first=first, second=second)
    assert chosen("auto") == name


@pytest.mark.parametrize(("first", "second"), [(ON, ON), (ON, STARTED), (STARTED, STARTED)])
def test_of_two_that_are_on_none_is_guessed(walls: dict[str, Presence], first: Presence, second: Presence) -> None:
    walls.update(first=first, second=second)
    with pytest.raises(FirewallError, match=r"\Afirst and second are both on, .* name the one to use by 'backend'\.\Z"):
        chosen("auto")
    assert chosen("second") == "second"


@pytest.mark.parametrize(("first", "second"), [(OFF, OFF), (AT_BOOT, AT_BOOT)])
def test_of_two_that_are_off_none_is_guessed(walls: dict[str, Presence], first: Presence, second: Presence) -> None:
    walls.update(first=first, second=second)
    with pytest.raises(FirewallError, match=r"\Afirst and second are both installed and off; name the one to use"):
        chosen("auto")


@pytest.mark.usefixtures("walls")
@pytest.mark.parametrize(("wanted", "named"), [("auto", "first or second"), ("second", "second")])
def test_a_host_without_a_firewall_is_told_what_to_install(wanted: str, named: str) -> None:
    with pytest.raises(FirewallError) as caught:
        chosen(wanted)
    assert str(caught.value).startswith(f"{named} is not installed on this host; install it, unless ")


def test_a_firewall_that_was_asked_for_is_not_replaced_by_another(walls: dict[str, Presence]) -> None:
    walls["first"] = ON
    with pytest.raises(FirewallError, match="second is not installed"):
        chosen("second")


@pytest.mark.usefixtures("walls")
@pytest.mark.parametrize("wanted", ["auto", "first"])
def test_from_a_host_without_a_firewall_nothing_needs_to_be_removed(wanted: str) -> None:
    assert chosen(wanted, "absent") is None


@pytest.mark.parametrize("second", [ON, OFF])
def test_a_removal_goes_to_the_firewall_that_has_our_rules(walls: dict[str, Presence], second: Presence) -> None:
    walls.update(first=ON, second=second)
    assert chosen("auto", "absent", "second") == "second"


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("wanted", ["auto", "second"])
def test_rules_that_stand_in_another_firewall_are_not_forgotten(
    walls: dict[str, Presence], wanted: str, state: str
) -> None:
    walls.update(first=OFF, second=ON)
    if (wanted, state) == ("auto", "absent"):
        assert chosen(wanted, state, earlier="first") == "first"
        return
    with pytest.raises(FirewallError, match=r"take them back first|stand in first, not in second"):
        chosen(wanted, state, earlier="first")


@pytest.mark.parametrize("earlier", ["first", "one that nobody knows"])
def test_rules_in_a_firewall_that_is_gone_are_gone_with_it(walls: dict[str, Presence], earlier: str) -> None:
    walls.update(second=ON)
    assert chosen("auto", earlier=earlier) == "second"


@pytest.mark.parametrize(
    ("first", "second"), [(OFF, ON), (OFF, STARTED), (OFF, AT_BOOT), (AT_BOOT, STARTED), (STARTED, AT_BOOT)]
)
def test_none_is_switched_on_beside_another(walls: dict[str, Presence], first: Presence, second: Presence) -> None:
    walls.update(first=first, second=second)
    with pytest.raises(
        FirewallError, match=r"\Asecond is (on|off now .* boot), .* switch second off for good before first "
    ):
        chosen("first", enable=True)
    walls.update(first=second, second=first)
    with pytest.raises(
        FirewallError, match=r"\Afirst is (on|off now .* boot), .* switch first off for good before second "
    ):
        chosen("second", enable=True)


@pytest.mark.parametrize(
    ("first", "second", "state"), [(ON, ON, "present"), (OFF, ON, "absent"), (OFF, OFF, "present")]
)
def test_what_is_on_or_alone_or_not_wanted_is_no_second_one(
    walls: dict[str, Presence], first: Presence, second: Presence, state: str
) -> None:
    walls.update(first=first, second=second)
    assert chosen("first", state, enable=True) == "first"
