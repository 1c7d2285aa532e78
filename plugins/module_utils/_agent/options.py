# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The options of agent_restart, which its action plugin reads itself where the host has no Python."""

from __future__ import annotations

import typing as t

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "state": {"type": "str", "choices": ["prepared", "restarted"], "default": "restarted"},
    "path": {"type": "path", "required": True},
    "service": {"type": "str", "required": True},
    "change": {"type": "bool", "default": True},
    "settle": {"type": "float", "default": 10},
}


def fault(options: t.Mapping[str, t.Any]) -> str:
    """What is wrong with the values of *options*, in a sentence; nothing if they are good."""
    settle = options["settle"]
    return "" if 0 <= settle <= 600 else f"'settle' is {settle:g}; it is from 0 to 600 seconds."
