# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Switching firewalld on, now and at every boot, and back to what it was."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_config import (
    direct_in_file,
    parse_version,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_live import state
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_refusals import (
    refuse_missing_ipset,
    refuse_old,
    refuse_wiped_rules,
    saved_rules,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.system import ask_systemd, has_systemd, run

_UNIT = "firewalld.service"

TABLES = ("firewalld", "firewalld_policy_drop", "firewalld_probe")
"""The tables of family ``inet`` that a firewalld may leave: its rules, what keeps packets out while it reloads, and one
by which releases from 2.0 on find out what the kernel can do."""


def is_running() -> bool:
    """Whether firewalld runs; its rules may be in force or not (see :func:`firewalld_live.state`)."""
    if has_systemd():
        # Asked over D-Bus at boot, the question could wait for the answer to itself.
        return ask_systemd("is-active", _UNIT) in ("active", "reloading")
    with contextlib.suppress(FirewallError):
        return bool(state())
    return False


def unit_state() -> str:
    """What systemd says of firewalld at boot, such as ``enabled`` or ``disabled``; empty without systemd."""
    return ask_systemd("is-enabled", _UNIT)


def is_booting() -> bool:
    """Whether the host has not yet started all that it starts at boot."""
    return ask_systemd("is-system-running") in ("initializing", "starting")


def is_down() -> bool:
    """Whether firewalld is off and nobody is about to start or stop it; never without systemd, which has to say so."""
    return ask_systemd("is-active", _UNIT) in ("inactive", "failed")


def left_tables() -> tuple[str, ...]:
    """Those of ``TABLES`` that stand although firewalld is down; none without the program nft."""
    if not is_down():
        return ()
    with contextlib.suppress(FirewallError):
        lines = [line.split() for line in run(["nft", "list", "tables", "inet"]).splitlines()]
        return tuple(name for name in TABLES if ["table", "inet", name] in lines)
    return ()


def refuse_to_switch_on(left: t.Sequence[str] = ()) -> None:
    """Raise :class:`FirewallError` where switching firewalld on would undo the work of others, or can't be done.

    *left* are the tables that stand while it is down. Releases before 2.0 would put all of their rules there a second
    time, later ones replace them, and we could not put them back.
    """
    if not has_systemd():
        raise FirewallError("firewalld is off, and without systemd only you can start it; do that and run this again.")
    if left:
        names = ", ".join(f"'inet {name}'" for name in left)
        raise FirewallError(
            f"firewalld is off, but its rules still stand in the kernel (nft table {names}): it was killed, or stopped "
            "with 'CleanupOnExit=no'. Switching it on would mix them with new ones, and they could not be put back; "
            f"remove them ({'; '.join(f'nft delete table inet {name}' for name in left)}), or see to it that firewalld "
            "runs, and run this again."
        )
    version = parse_version(run(["firewall-offline-cmd", "--version"]))
    refuse_old(version)
    direct = list(direct_in_file())
    refuse_missing_ipset(version, direct)
    refuse_wiped_rules(version, direct, saved_rules())


def switch_on() -> None:
    """Start firewalld now and at every boot; raises :class:`FirewallError`."""
    if unit_state() == "disabled":
        run(["systemctl", "enable", "--quiet", _UNIT])
        # It flushes nothing that it writes.
        os.sync()
    start()


def start() -> None:
    """Start firewalld unless it runs, also one that is just about to be stopped; raises :class:`FirewallError`.

    Returns when its rules are in force or could not be loaded; at boot, without waiting for that.
    """
    if has_systemd() or not is_running():
        patience = _patience()
        run(["systemctl", *patience, "start", _UNIT])
        if not patience:
            # It takes its name on the bus, for which systemd waits, before it loads its rules, and answers after that.
            state()


def stop(kept: t.Collection[str] = ()) -> None:
    """Stop firewalld, also one that is just about to be started; raises :class:`FirewallError`.

    Of its tables only those called *kept* are left. While the host boots, nothing is waited for, or looked at.
    """
    patience = _patience()
    if not patience and ask_systemd("is-active", _UNIT) in ("active", "activating", "reloading"):
        # Before it has loaded all its rules it heeds no signal: it would be killed, and leave what it has loaded, also
        # in iptables. One that never gets there is killed all the same.
        with contextlib.suppress(FirewallError):
            start()
    run(["systemctl", *patience, "stop", _UNIT])
    if not patience:
        _clear_away(kept)


def _clear_away(kept: t.Collection[str]) -> None:
    """Remove what a firewalld left that died while it was starting, or was told to leave its rules (CleanupOnExit=no).

    Those called *kept* stood before: they are the operator's.
    """
    for name in left_tables():
        if name not in kept:
            run(["nft", "delete", "table", "inet", name])


def put_back(unit: str) -> None:
    """Have firewalld start at boot, or not, as when :func:`unit_state` was *unit*."""
    now = unit_state()
    if (now, unit) in (("enabled", "disabled"), ("disabled", "enabled")):
        run(["systemctl", "disable" if unit == "disabled" else "enable", "--quiet", _UNIT])
        os.sync()


def _patience() -> list[str]:
    """While the host boots, the unit may wait for us: we had better not wait for it."""
    return ["--no-block"] if is_booting() else []
