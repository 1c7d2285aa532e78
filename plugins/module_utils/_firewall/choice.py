# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Which firewall a host's flows go to."""

from __future__ import annotations

import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError, Outcome
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.transaction import load_state, save_state
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw import Ufw

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import Backend, Request

BACKENDS: t.Mapping[str, t.Callable[[], Backend]] = {"ufw": Ufw}


def reconcile(wanted: str, request: Request, check_mode: bool) -> tuple[str, Outcome]:
    """Bring the firewall *wanted* (a key of :data:`BACKENDS`, or ``auto``) to *request*.

    Returns the backend's name and what was done; raises :class:`FirewallError`.
    """
    names = list(BACKENDS) if wanted == "auto" else [wanted]
    installed = [backend for backend in (BACKENDS[name]() for name in names) if backend.is_installed()]
    if installed:
        return installed[0].name, installed[0].reconcile(request, check_mode)
    if request.state == "absent":
        # A firewall that was taken off the host took our rules with it; what we noted is of no more use.
        noted = bool(load_state())
        if noted and not check_mode:
            save_state({})
        return "none", Outcome(changed=noted)
    raise FirewallError(
        f"{' or '.join(names)} is not installed on this host; install it, unless another firewall is in use here."
    )
