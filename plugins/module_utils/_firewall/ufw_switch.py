# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Switching ufw on, and off again so that nothing of it stays: ``ufw disable`` alone leaves chains and settings."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.journal import STATE_FOLDER
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.system import (
    ask_systemd,
    read_bytes,
    read_text,
    run,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_live import Live, restore

Record = t.Mapping[str, t.Any]

_BUILT_IN = ("INPUT", "FORWARD", "OUTPUT")
# What ufw puts into IPv6's built-in chains where it is told to do no IPv6.
_LOOPBACK_LINES = ("-A INPUT -i lo -j ACCEPT", "-A OUTPUT -o lo -j ACCEPT")


def check(record: t.Any) -> None:
    """Raise :class:`FirewallError` unless *record* is what :func:`remember` made, or None."""
    kinds = {"files": dict, "chains": dict, "policies": dict, "loopback": list, "unit": str, "sysctls": dict}
    try:
        if record is None:
            return
        if not all(isinstance(record[key], kind) for key, kind in kinds.items()):
            raise ValueError
        for content in record["files"].values():
            base64.b64decode(content, validate=True)
        if not all(re.fullmatch(r"net(/[\w-]+)+", key) for key in record["sysctls"]):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise FirewallError(
            f"{STATE_FOLDER}/state.json, where the way back is kept, is damaged; mend it, or delete it to do without."
        ) from None


def refuse_to_switch_on(defaults: t.Mapping[str, str]) -> None:
    """Raise :class:`FirewallError` where switching ufw on would undo the work of others.

    *defaults* are the settings of /etc/default/ufw.
    """
    manages_all = defaults.get("MANAGE_BUILTINS", "no").lower() == "yes"
    no_ipv6 = defaults.get("IPV6", "no").lower() != "yes"
    for family, live in _tables().items():
        wipes = manages_all or (family == 6 and no_ipv6)
        if wipes and any(lines for chain, lines in live.chains.items() if not chain.startswith("ufw")):
            raise FirewallError(
                f"ufw, as /etc/default/ufw has it ({'MANAGE_BUILTINS=yes' if manages_all else 'IPV6=no'}), would wipe "
                f"the IPv{family} filter rules that stand in the kernel when it is switched on; remove them or change "
                "that setting."
            )


def remember(defaults: t.Mapping[str, str], rules_paths: t.Mapping[int, str]) -> Record:
    """What stands before ufw is switched on, as plain JSON types; *defaults* as above."""
    tables = _tables()
    return {
        "files": {
            str(family): base64.b64encode(read_bytes(path)).decode()
            for family, path in rules_paths.items()
            if os.path.exists(path)
        },
        "chains": {str(family): sorted(live.chains) for family, live in tables.items()},
        "policies": {
            str(family): {chain: live.policies[chain] for chain in _BUILT_IN if chain in live.policies}
            for family, live in tables.items()
        },
        "loopback": [line for line in _LOOPBACK_LINES if 6 in tables and _has(tables[6], line)],
        "unit": _unit_state(),
        "sysctls": {key: value for key in _sysctls(defaults) for value in [_sysctl(key)] if value is not None},
    }


def switch_on() -> None:
    """Start ufw now and at every boot."""
    run(["ufw", "--force", "enable"])
    if _unit_state() == "disabled":
        run(["systemctl", "enable", "--quiet", "ufw.service"])
    # They flush nothing that they write.
    os.sync()


def start_afresh() -> None:
    """Start a ufw of which only a part is loaded, or nothing; it never says that it is off if it was not."""
    for family, live in _tables().items():
        restore(family, _removal(live, (), ()))
    switch_on()


def has_chains(record: Record) -> bool:
    """Whether ufw has chains in the kernel that were not there when *record* (see :func:`remember`) was made."""
    return any(
        chain.startswith(("ufw-", "ufw6-")) and chain not in record["chains"].get(str(family), [])
        for family, live in _tables().items()
        for chain in live.chains
    )


def switch_off(record: Record, running: bool) -> None:
    """Stop ufw if it is *running*, and put back what *record* (see :func:`remember`) says stood before it."""
    if running:
        run(["ufw", "--force", "disable"])
    if record["unit"] == "disabled" and _unit_state() == "enabled":
        run(["systemctl", "disable", "--quiet", "ufw.service"])
    os.sync()
    for family, live in _tables().items():
        policies = record["policies"].get(str(family), {})
        chains = record["chains"].get(str(family), [])
        kept = [*chains, *_BUILT_IN]
        lines = _removal(live, kept, _LOOPBACK_LINES if family == 6 and not record["loopback"] else ())
        lines += [f"-P {chain} {policy}" for chain, policy in policies.items() if live.policies.get(chain) != policy]
        restore(family, lines)
        if not chains:
            _drop_empty_table(family)
    for key, value in record["sysctls"].items():
        if _sysctl(key) != value:
            with contextlib.suppress(OSError), open(f"/proc/sys/{key}", "w", encoding="ascii") as setting:
                setting.write(value)


def _removal(live: Live, kept: t.Container[str], loopback: t.Container[str]) -> list[str]:
    """The lines that remove from *live* ufw's chains that are not among *kept*, and what leads to them."""
    gone = [chain for chain in live.chains if chain.startswith(("ufw-", "ufw6-")) and chain not in kept]
    hooks = [
        line.replace("-A ", "-D ", 1)
        for chain, lines in live.chains.items()
        if chain not in gone
        for line in lines
        if line.rpartition(" -j ")[2] in gone or line in loopback
    ]
    return [*hooks, *(f"-F {chain}" for chain in gone), *(f"-X {chain}" for chain in gone)]


def _drop_empty_table(family: int) -> None:
    """Remove a filter table that was not there before, where iptables is nftables underneath and nobody uses it."""
    live = Live.read(family)
    if not any(live.chains.values()) and not set(live.chains) - set(_BUILT_IN):
        with contextlib.suppress(FirewallError):
            run(["nft", "delete", "table", "ip6" if family == 6 else "ip", "filter"])


def _tables() -> dict[int, Live]:
    """The filter tables of the families that this kernel has."""
    tables = {4: Live.read(4)}
    with contextlib.suppress(FirewallError):
        tables[6] = Live.read(6)
    return tables


def _has(live: Live, line: str) -> bool:
    return any(line in lines for lines in live.chains.values())


def _unit_state() -> str:
    return ask_systemd("is-enabled", "ufw.service")


def _sysctls(defaults: t.Mapping[str, str]) -> list[str]:
    """The kernel settings, as paths below /proc/sys, that ufw sets when it starts."""
    path = defaults.get("IPT_SYSCTL", "")
    if not path or not os.path.exists(path):
        return []
    keys = (line.partition("=")[0].strip() for line in read_text(path).splitlines() if "=" in line)
    return [key if "/" in key else key.replace(".", "/") for key in keys if not key.startswith(("#", ";"))]


def _sysctl(key: str) -> str | None:
    try:
        with open(f"/proc/sys/{key}", encoding="ascii") as setting:
            return setting.read().strip()
    except OSError:
        return None
