# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The options of the modules for an Agent, which their action plugins read, too."""

from __future__ import annotations

import typing as t

INFO: dict[str, dict[str, t.Any]] = {"path": {"type": "path"}}

CONFIG: dict[str, dict[str, t.Any]] = {
    "settings": {"type": "dict", "required": True},
    "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
    "path": {"type": "path"},
    "backup": {"type": "bool", "default": False},
    # All that may be secret is in it.
    "edit": {"type": "str", "no_log": True},
}

RESTART: dict[str, dict[str, t.Any]] = {
    "state": {"type": "str", "choices": ["prepared", "restarted"], "default": "restarted"},
    "path": {"type": "path", "required": True},
    "service": {"type": "str", "required": True},
    "checksum": {"type": "str"},
    "settle": {"type": "float", "default": 10},
}


def fault(options: t.Mapping[str, t.Any]) -> str:
    """What is wrong with the values of RESTART in *options*, in a sentence; nothing if they are good."""
    settle = options["settle"]
    return "" if 0 <= settle <= 600 else f"'settle' is {settle:g}; it is from 0 to 600 seconds."
