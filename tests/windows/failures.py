# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a call of a module on the twin can end badly."""

from __future__ import annotations

import typing as t


class ModuleError(Exception):
    """The real module would answer that it failed; the text is its ``msg``, *more* what else is in the answer."""

    def __init__(self, msg: str, **more: t.Any) -> None:
        super().__init__(msg)
        self.more = more


class MisuseError(AssertionError):
    """A call that no documentation covers: what Windows makes of it is not known here. It is a fault of the caller."""


class HostGoneError(Exception):
    """The host does not answer any more; the text says after which call."""
