# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Which firewall a host's flows go to."""

from __future__ import annotations

import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError, Presence
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld import Firewalld
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw import Ufw

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import Backend

BACKENDS: t.Mapping[str, t.Callable[[], Backend]] = {"ufw": Ufw, "firewalld": Firewalld}


def choose(wanted: str, state: str, earlier: str | None, enable: bool = False) -> Backend | None:
    """The firewall *wanted* (a key of :data:`BACKENDS`, or ``auto``), None if there is none and none is needed.

    *state* is ``present`` or ``absent``, *earlier* the firewall that has our rules already; *enable* says that one that
    is off will be switched on. Raises :class:`FirewallError` where it can't be had, or where there is more than one
    and none stands out.
    """
    names = list(BACKENDS) if wanted == "auto" else [wanted]
    found = {backend: backend.presence() for backend in (BACKENDS[name]() for name in names)}
    installed = [backend for backend, presence in found.items() if presence.is_installed]
    if not installed and state == "present":
        raise FirewallError(
            f"{' or '.join(names)} is not installed on this host; install it, unless another firewall is in use here."
        )
    chosen = _choose(found, installed, state, earlier)
    _refuse_two(chosen, state, earlier)
    if chosen and enable and state == "present":
        _refuse_second(chosen.name, found[chosen])
    return chosen


def _choose(
    found: t.Mapping[Backend, Presence], installed: t.Sequence[Backend], state: str, earlier: str | None
) -> Backend | None:
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


def _refuse_second(name: str, known: Presence) -> None:
    """Raise :class:`FirewallError` where *name*, of which this is *known*, would be switched on beside another."""
    if known.is_active and known.is_enabled:
        return
    for other in BACKENDS.keys() - {name}:
        presence = BACKENDS[other]().presence()
        if presence.is_active or presence.is_enabled:
            raise FirewallError(
                f"{other} is {'on' if presence.is_active else 'off now but comes on at every boot'}, and two firewalls "
                f"on one host undo each other; switch {other} off for good before {name} is switched on."
            )


def _refuse_two(chosen: Backend | None, state: str, earlier: str | None) -> None:
    """Raise :class:`FirewallError` where a firewall still has rules of ours that is not the one *chosen*."""
    if not chosen or earlier is None or earlier == chosen.name or earlier not in BACKENDS:
        return
    if not BACKENDS[earlier]().presence().is_installed:
        # What it had went with it.
        return
    if state == "absent":
        raise FirewallError(
            f"Our rules on this host stand in {earlier}, not in {chosen.name}; leave 'backend' out, or name {earlier}."
        )
    raise FirewallError(
        f"An earlier run put our rules into {earlier}, and now {chosen.name} is to have them; take them back first "
        "('state: absent'), then run this again."
    )
