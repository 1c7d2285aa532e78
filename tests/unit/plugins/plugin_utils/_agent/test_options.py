# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of tasks: what is taken, and what is said of what is not, without a value."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._agent.options import CONFIG, INFO, RESTART
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.options import OptionError, checked

SECRET = "0123456789abcdef" * 2
SPECS = {"agent_info": INFO, "agent_config": CONFIG, "agent_restart": RESTART}


@pytest.mark.parametrize(
    ("module", "args", "expected"),
    [
        ("agent_info", {}, {"path": None}),
        # The host's user and variables are not the controller's.
        ("agent_info", {"path": "~/$HOME/datadog.yaml"}, {"path": "~/$HOME/datadog.yaml"}),
        (
            "agent_config",
            {"settings": {"a": 1}, "backup": "yes", "state": None},
            {"settings": {"a": 1}, "state": "present", "path": None, "backup": True, "edit": None},
        ),
        (
            "agent_restart",
            {"path": "/x", "service": "y", "settle": "0.5"},
            {"state": "restarted", "path": "/x", "service": "y", "checksum": None, "settle": 0.5},
        ),
    ],
)
def test_what_is_set_and_what_is_not(module: str, args: dict[str, t.Any], expected: dict[str, t.Any]) -> None:
    assert checked(module, args, SPECS[module]) == expected


@pytest.mark.parametrize(
    ("module", "args", "said"),
    [
        ("agent_info", {"paht": SECRET}, "agent_info has no option paht; it has path."),
        (
            "agent_config",
            {"setings": {}, "Path": "/x"},
            "agent_config has no option Path, setings; it has settings, state, path and backup.",
        ),
        ("agent_config", {}, "The option 'settings' has to be set."),
        (
            "agent_config",
            {"settings": f"api_key={SECRET}"},
            "The option 'settings' has to be a mapping of names to values.",
        ),
        ("agent_config", {"settings": {}, "state": SECRET}, "The option 'state' has to be 'present' or 'absent'."),
        ("agent_config", {"settings": {}, "state": {}}, "The option 'state' has to be 'present' or 'absent'."),
        ("agent_config", {"settings": {}, "path": [SECRET]}, "The option 'path' has to be the path of a file."),
        ("agent_config", {"settings": {}, "path": ""}, "The option 'path' has to be the path of a file."),
        ("agent_config", {"settings": {}, "backup": SECRET}, "The option 'backup' has to be true or false."),
        ("agent_restart", {"path": "/x", "service": [SECRET]}, "The option 'service' has to be a text."),
        ("agent_restart", {"path": "/x", "service": "y", "settle": SECRET}, "The option 'settle' has to be a number."),
    ],
)
def test_what_is_wrong_is_said_without_its_value(module: str, args: dict[str, t.Any], said: str) -> None:
    with pytest.raises(OptionError) as caught:
        checked(module, args, SPECS[module])
    assert str(caught.value) == said
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
