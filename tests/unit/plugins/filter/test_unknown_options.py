# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter as users call it, from playbooks; and what it says of names of any kind."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.filter import unknown_options as plugin
from ansible_collections.netwall.datadog.plugins.filter.unknown_options import unknown_options
from ansible_collections.netwall.datadog.tests._play import play
from ansible_collections.netwall.datadog.tests._tool import ROOT

ROLES = ("agent_buffering", "agent_firewall")
NAMES = st.lists(st.text("abc_", min_size=1, max_size=6), max_size=5, unique=True)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, t.Any]:
    """What tasks said, by their names: the examples, and some more."""
    tasks = yaml.safe_load(plugin.EXAMPLES)
    more = {
        "no list": "'web_port' | netwall.datadog.unknown_options(['web_port'])",
        "no names": "['web_port'] | netwall.datadog.unknown_options('web_port')",
    }
    tasks += [{"name": name, "ansible.builtin.debug": {"msg": f"{{{{ {text} }}}}"}} for name, text in more.items()]
    asked = [{**task, "register": f"task_{number}", "ignore_errors": True} for number, task in enumerate(tasks)]
    played = play(
        tmp_path_factory.mktemp("filter"),
        asked,
        values=[task["register"] for task in asked],
        group_vars={"web_prot": 80},
    )
    return {task["name"]: played.values[task["register"]]["msg"] for task in asked}


def test_the_examples(shown: dict[str, t.Any]) -> None:
    documented = yaml.safe_load(plugin.RETURN)["_value"]["sample"]
    assert shown["Show what is no option, and what was meant"] == documented
    assert shown["Refuse variables that nothing reads"] == "There is no web_prot."


@pytest.mark.parametrize(("name", "what"), [("no list", "input"), ("no names", "known names")])
def test_a_wrong_call_is_told(shown: dict[str, t.Any], name: str, what: str) -> None:
    assert f"The {what} of unknown_options: a list is needed, not " in str(shown[name])


@given(NAMES, NAMES)
def test_what_is_known_is_never_told_and_what_is_not_always(names: list[str], known: list[str]) -> None:
    found = unknown_options(names, known)
    assert list(found) == [name for name in names if name not in known]
    assert {meant for meant in found.values() if meant} <= set(known)


def test_what_all_names_begin_with_makes_none_alike() -> None:
    known = ["agent_firewall_site"]
    assert unknown_options(["agent_firewall_zzz"], known) == {"agent_firewall_zzz": "agent_firewall_site"}
    assert unknown_options(["agent_firewall_zzz"], known, prefix="agent_firewall_") == {"agent_firewall_zzz": ""}


@pytest.mark.parametrize("role", ROLES)
def test_a_variable_with_a_letter_too_many_is_understood(role: str) -> None:
    specification = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text())
    known = list(specification["argument_specs"]["main"]["options"])
    for name in known:
        misspelt = name + name[-1]
        assert unknown_options([misspelt], known, prefix=f"{role}_") == {misspelt: name}


def test_both_roles_ask_it() -> None:
    for role in ROLES:
        assert "netwall.datadog.unknown_options(" in (ROOT / f"roles/{role}/tasks/preflight.yml").read_text()
