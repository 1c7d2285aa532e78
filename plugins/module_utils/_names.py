# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What a host resolves names to."""

from __future__ import annotations

import socket
import typing as t

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {"names": {"type": "list", "elements": "str", "required": True}}


def fault(names: t.Iterable[str]) -> str:
    """What is wrong with *names*, as a sentence; nothing if nothing is."""
    # Some resolvers take no name at all for the host itself.
    if not all(name.strip() for name in names):
        return "The option names has an empty element; leave it out, or write a name."
    return ""


def resolve(name: str) -> list[str]:
    """The addresses that this host resolves *name* to, each once; none if it does not resolve."""
    try:
        # As getent and most programs ask: without addresses of a family that the host has none of itself.
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except (OSError, UnicodeError):
        # The second: what can't be a name, such as one with a label that is too long.
        return []
    return plain(str(entry[4][0]) for entry in found)


def plain(addresses: t.Iterable[str]) -> list[str]:
    """*addresses*, each once, without the zones that stand behind a per cent sign."""
    return list(dict.fromkeys(address.partition("%")[0] for address in addresses))
