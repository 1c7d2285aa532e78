# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options as Ansible gives them, for tests below Ansible."""

from __future__ import annotations

import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.information import ARGUMENT_SPEC
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.options import RangesOptions

# What the user sets nothing of; but the tests' documents have documentation addresses.
DEFAULTS: dict[str, t.Any] = {
    **{name: option.get("default") for name, option in ARGUMENT_SPEC.items()},
    "allow_reserved": True,
}


def options(**changes: t.Any) -> RangesOptions:
    """The options with some set."""
    return RangesOptions.from_mapping({**DEFAULTS, **changes})
