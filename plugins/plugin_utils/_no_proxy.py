# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Which destinations an Agent asks without its proxy."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._flow import Network


class NoProxy:
    """The entries of the option ``no_proxy``.

    A name matches itself, ``.example.com`` and ``*.example.com`` what is below that, an address or a CIDR the hosts
    that are given by address, ``*`` everything; with ``:PORT`` behind it, on that port alone. What is none of these
    matches nothing, as it does in the Agent.
    """

    def __init__(self, entries: t.Iterable[t.Any]) -> None:
        self._entries = [_Entry(str(entry).strip().lower()) for entry in entries]

    def covers(self, host: str, port: int) -> bool:
        """Whether *host*, a name, a name with a wildcard or an address, is asked without the proxy for certain."""
        return any(entry.covers(host, port) for entry in self._entries)

    def may_cover(self, host: str, port: int) -> bool:
        """Whether at least one name that *host* may stand for is."""
        return any(entry.covers(host, port) or entry.is_one_of(host, port) for entry in self._entries)


class _Entry:
    def __init__(self, text: str) -> None:
        self._network = _network(text.removeprefix("[").removesuffix("]"))
        head, colon, port = text.rpartition(":")
        self._port = None
        if colon and port.isdecimal() and self._network is None:
            text, self._port = head, int(port)
            self._network = _network(text.removeprefix("[").removesuffix("]"))
        self._name = text.removeprefix("*").removesuffix(".") if text != "*" else text

    def covers(self, host: str, port: int) -> bool:
        if self._port not in (None, port):
            return False
        address = _network(host)
        if self._network is not None and address is not None:
            return self._network.version == address.version and address.network_address in self._network
        if self._name.startswith("."):
            return address is None and host.removeprefix("*").endswith(self._name)
        return self._name in ("*", host)

    def is_one_of(self, host: str, port: int) -> bool:
        """Whether this is a name for which *host* with its wildcard may stand."""
        label, _dot, domain = self._name.partition(".")
        is_like_it = bool(re.fullmatch(catalog.VERSION_LABEL, label)) and host == f"*.{domain}"
        return is_like_it and self._port in (None, port)


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
