# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module as users call it, on this machine and on twins of Windows hosts."""

from __future__ import annotations

import typing as t

import pytest
import yaml

from ansible_collections.netwall.datadog.plugins.action.addresses_info import ActionModule
from ansible_collections.netwall.datadog.plugins.modules import addresses_info
from ansible_collections.netwall.datadog.tests._play import play
from ansible_collections.netwall.datadog.tests.windows.inside import act
from ansible_collections.netwall.datadog.tests.windows.real import real_collections
from ansible_collections.netwall.datadog.tests.windows.twin import Twin

if t.TYPE_CHECKING:
    from pathlib import Path

MODULE = "netwall.datadog.addresses_info"
# A name to a program, which every resolver takes for 192.0.2.7 and asks nobody.
SHORT, NOWHERE, TOO_LONG = "192.0.519", "nowhere.invalid", f"{'x' * 64}.example.com"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, t.Any]:
    """What this machine says, in check mode."""
    folder = tmp_path_factory.mktemp("addresses")
    tasks: list[dict[str, t.Any]] = [
        {MODULE: {"names": [SHORT, NOWHERE, TOO_LONG]}, "register": "addresses", "check_mode": True},
        {MODULE: {"names": [SHORT, " "]}, "register": "empty", "ignore_errors": True},
        {MODULE: {"names": []}, "register": "nothing"},
    ]
    return play(folder, tasks, values=["addresses", "empty", "nothing"]).values


def test_names_that_resolve_have_addresses_and_others_have_none(told: dict[str, t.Any]) -> None:
    assert told["addresses"]["changed"] is False
    assert told["addresses"]["addresses"] == {SHORT: ["192.0.2.7"], NOWHERE: [], TOO_LONG: []}
    assert told["nothing"]["addresses"] == {}


def test_an_empty_name_is_refused(told: dict[str, t.Any]) -> None:
    assert told["empty"]["msg"] == "The option names has an empty element; leave it out, or write a name."


def test_the_examples_run(tmp_path: Path) -> None:
    assert "127.0.0.1" in play(tmp_path, yaml.safe_load(addresses_info.EXAMPLES)).output


# --- Windows ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def twin() -> Twin:
    """A Windows Server whose resolver knows a proxy."""
    twin = Twin(real_collections())
    twin.state.network["names"]["proxy.example.com"] = ["192.0.2.7", "2001:db8::7", "fe80::7%12", "192.0.2.7"]
    return twin


def ask(twin: Twin, collections: Path, names: t.Any, **more: t.Any) -> dict[str, t.Any]:
    return act(ActionModule, twin, collections, {"names": names}, **more)


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_windows_host_is_asked_once_for_all(twin: Twin, check_mode: bool) -> None:
    names = ["proxy.example.com", NOWHERE, "PROXY.example.com"]
    found = ["192.0.2.7", "2001:db8::7", "fe80::7"]
    answer = ask(twin, real_collections(), names, check_mode=check_mode)
    assert answer == {"changed": False, "addresses": {names[0]: found, NOWHERE: [], names[2]: found}}
    assert len(twin.state.calls) == 1


def test_a_windows_host_is_not_asked_for_nothing(twin: Twin) -> None:
    assert ask(twin, real_collections(), [])["addresses"] == {}
    assert twin.state.calls == []


def test_an_empty_name_is_refused_on_windows_too(twin: Twin) -> None:
    # Windows resolves it, to the host's own addresses.
    assert "empty element" in ask(twin, real_collections(), [""])["msg"]


def test_what_is_missing_or_fails_is_a_sentence(twin: Twin, tmp_path: Path) -> None:
    missing = ask(twin, tmp_path, ["proxy.example.com"])
    assert "ansible-galaxy collection install ansible.windows)" in missing["msg"]
    twin.plan(1, "fails")
    failed = ask(twin, real_collections(), ["proxy.example.com"])
    assert failed["msg"].startswith("The host could not be asked for the addresses of names: The twin was told to fail")
    assert "required" in act(ActionModule, twin, real_collections(), {})["msg"]


def test_a_windows_host_that_is_gone_is_unreachable(twin: Twin) -> None:
    twin.plan(1, "before")
    assert ask(twin, real_collections(), ["proxy.example.com"])["unreachable"]
