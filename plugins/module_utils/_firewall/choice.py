# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Which firewall a host's flows go to."""

from __future__ import annotations

import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld import Firewalld
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw import Ufw

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import Backend

BACKENDS: t.Mapping[str, t.Callable[[], Backend]] = {"ufw": Ufw, "firewalld": Firewalld}


def choose(wanted: str, state: str, earlier: str | None) -> Backend | None:
    """The firewall *wanted* (a key of :data:`BACKENDS`, or ``auto``), None if there is none and none is needed.

    *state* is ``present`` or ``absent``, *earlier* the firewall that has our rules already. Raises
    :class:`FirewallError` where it can't be had, or where there is more than one and none stands out.
    """
    names = list(BACKENDS) if wanted == "auto" else [wanted]
    found = {backend: backend.presence() for backend in (BACKENDS[name]() for name in names)}
    installed = [backend for backend, presence in found.items() if presence.is_installed]
    if not installed and state == "present":
        raise FirewallError(
            f"{' or '.join(names)} is not installed on this host; install it, unless another firewall is in use here."
        )
    if state == "absent" and earlier in [backend.name for backend in installed]:
        return next(backend for backend in installed if backend.name == earlier)
    active = [backend for backend in installed if found[backend].is_active]
    enabled = [backend for backend in installed if found[backend].is_enabled]
    if len(active) > 1:
        raise FirewallError(
            f"{' and '.join(backend.name for backend in active)} are both on, and two firewalls on one host undo each "
            "other; stop one of them for good, or name the one to use by 'backend'."
        )
    for candidates in (active, enabled, installed):
        if len(candidates) == 1:
            return candidates[0]
    if len(installed) > 1 and state == "present":
        raise FirewallError(
            f"{' and '.join(backend.name for backend in installed)} are both installed and off; "
            "name the one to use by 'backend'."
        )
    return installed[0] if installed else None
