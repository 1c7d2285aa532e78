# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What can go wrong with address ranges; every text is one sentence for the user."""

from __future__ import annotations

import sys
import types


class IpRangesError(Exception):
    """The base of all errors of this package: whoever calls it catches this one."""


class MissingPackageError(IpRangesError):
    """A Python package that the controller needs is not installed."""

    def __init__(self, package: str, purpose: str) -> None:
        super().__init__(
            f"The Python package {package} is needed on the controller {purpose}; install it for {sys.executable}."
        )


def import_netaddr() -> types.ModuleType:
    """The package netaddr, imported only where addresses are reckoned with; raises :class:`MissingPackageError`."""
    try:
        import netaddr  # noqa: PLC0415 - see above
    except ImportError:
        raise MissingPackageError("netaddr", "to reckon with networks") from None
    return netaddr
