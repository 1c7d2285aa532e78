# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is seen to before modules of others run on Windows."""

from __future__ import annotations

import types
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.controller import without_sudo


def action(become: object) -> t.Any:
    return types.SimpleNamespace(_connection=types.SimpleNamespace(become=become))


@pytest.mark.parametrize("name", ["sudo", "su", "community.general.doas"])
def test_ways_to_become_root_are_passed_over_and_then_back(name: str) -> None:
    plugin = types.SimpleNamespace(name=name)
    ours = action(plugin)

    def fail() -> None:
        with without_sudo(ours):
            assert ours._connection.become is None
            raise ValueError("the module")

    with pytest.raises(ValueError, match="the module"):
        fail()
    assert ours._connection.become is plugin


@pytest.mark.parametrize("plugin", [None, types.SimpleNamespace(name="runas"), types.SimpleNamespace(name="a.b.runas")])
def test_runas_and_nothing_stay(plugin: object) -> None:
    ours = action(plugin)
    with without_sudo(ours):
        assert ours._connection.become is plugin
