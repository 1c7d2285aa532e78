# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""One thing that is told of an Agent, and where it was found."""

from __future__ import annotations

import dataclasses
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.values import Value


@dataclasses.dataclass
class Answer:
    """``value``: None or empty if nothing tells it. ``warnings``: sentences for the user.

    ``parts``: where each part of it was found, where that is told part by part.
    """

    value: t.Any = None
    sources: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    parts: dict[str, str] = dataclasses.field(default_factory=dict)

    def found(self, *values: Value | None) -> None:
        """Note that what these say is in the answer."""
        self.sources.extend(value.source for value in values if value is not None and value.source not in self.sources)

    @property
    def source(self) -> str | dict[str, str] | None:
        """Where it was found, for a person; None if there is nothing."""
        if self.parts:
            return self.parts
        return ", ".join(self.sources) if self.sources and self.value not in (None, {}, []) else None
