# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter as users call it, from playbooks."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.netwall.datadog.plugins.filter import buffering_plan
from ansible_collections.netwall.datadog.tests._play import play

AGENT = "{'installed': true, 'version': '7.60.0', 'path': '/etc/datadog-agent/datadog.yaml'}"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, t.Any]:
    """What tasks showed, by their names: the examples, and some more."""
    folder: Path = tmp_path_factory.mktemp("filter")
    tasks = yaml.safe_load(buffering_plan.EXAMPLES)
    more = {
        "no dictionary": f"'6h' | netwall.datadog.buffering_plan({AGENT})",
        "no state": f"{{}} | netwall.datadog.buffering_plan({AGENT}, state='gone')",
        "no disk": f"{{'disk': 1}} | netwall.datadog.buffering_plan({AGENT}, {{'total': 5}})",
        "absent": f"{{'memory': 1}} | netwall.datadog.buffering_plan({AGENT}, state='absent')",
        "refused": f"{{'memory': 1, 'disk': '2G'}} | netwall.datadog.buffering_plan({AGENT}, prefix='role_')",
    }
    tasks += [{"name": name, "ansible.builtin.debug": {"msg": f"{{{{ {text} }}}}"}} for name, text in more.items()]
    asked = [{**task, "register": f"task_{number}", "ignore_errors": True} for number, task in enumerate(tasks)]
    played = play(folder, asked, values=[task["register"] for task in asked])
    return {task["name"]: played.values[task["register"]]["msg"] for task in asked}


def test_the_first_example(shown: dict[str, t.Any]) -> None:
    plan = shown["Show what an outage of six hours needs"]
    assert plan == {
        "settings": {"forwarder_storage_max_size_in_bytes": 51380224},
        "names": ["forwarder_storage_max_size_in_bytes"],
        "stores": True,
        "storage_path": "/opt/datadog-agent/run/transactions_to_retry",
        "folders": plan["folders"],
        "refusals": [],
        "warnings": [],
        "reasons": plan["reasons"],
    }


def test_the_example_of_a_disk_that_is_too_small(shown: dict[str, t.Any]) -> None:
    [sentence] = shown["Show why a disk cannot hold what is asked for"]
    assert sentence.startswith(
        "The disk of /opt/datadog-agent/run/transactions_to_retry cannot hold 2.1 GB: of its 10.0"
    )


def test_the_example_of_sizes(shown: dict[str, t.Any]) -> None:
    assert shown["Show the settings that sizes of one's own stand for"] == {
        "forwarder_retry_queue_payloads_max_size": 64000000,
        "forwarder_storage_max_size_in_bytes": 2147483648,
        "forwarder_storage_max_disk_ratio": 0.9,
    }


def test_settings_are_not_for_what_is_refused(shown: dict[str, t.Any]) -> None:
    assert shown["refused"]["settings"] == {}
    [sentence] = shown["refused"]["refusals"]
    assert sentence.startswith("role_disk has the unit 'G'")


def test_settings_are_not_for_what_is_taken_out(shown: dict[str, t.Any]) -> None:
    plan = shown["absent"]
    assert (plan["settings"], plan["names"]) == ({}, ["forwarder_retry_queue_payloads_max_size"])
    assert not plan["stores"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no dictionary", "The input of buffering_plan is a dictionary, not"),
        ("no state", "The state of buffering_plan is present or absent, not gone."),
        (
            "no disk",
            "The disk of buffering_plan has 'total' and 'available', in bytes, or 'statfs', or 'volumes' and 'path'.",
        ),
    ],
)
def test_a_wrong_call_is_told(shown: dict[str, t.Any], name: str, said: str) -> None:
    assert said in str(shown[name])
