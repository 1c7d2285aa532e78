# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Hosts and ports out of what people write for them, and which Datadog site a host is of.

What is written may hold a user, a password or a key: nothing of it but host and port comes out of here.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from urllib.parse import urlsplit

from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog

# The schemes that the Agent's configuration knows, and the port that each has when a URL names none.
SCHEME_PORTS = {"http": 80, "https": 443, "socks5": 1080}

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.ASCII | re.IGNORECASE)
_USER = re.compile(r"[^/?#]*@", re.ASCII)
_LABEL = "[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?", re.ASCII)


class PlaceError(ValueError):
    """A text is no place; neither the text nor what a parser said of it goes further."""


class Place(t.NamedTuple):
    """``host`` is a name in lower case without a trailing dot, or a bare address; ``port`` None: not said."""

    host: str
    port: int | None


def parse_place(text: str) -> Place:
    """The place that a URL, ``HOST:PORT``, a name or an address means. Raises :class:`PlaceError`.

    A password with one of ``/ ? #`` in the plain ends the place before its host; what stands there then is refused
    where it could be a user.
    """
    text = without_user(text.strip())
    try:
        # The one form in which a colon is no port's.
        return Place(str(ipaddress.IPv6Address(text if "%" not in text else "")), None)
    except ValueError:
        pass
    scheme = scheme_of(text)
    try:
        parts = urlsplit(text if scheme else f"//{text}")
        host, port = bare(parts.hostname or ""), parts.port
    except ValueError:
        # Its text may quote what was written.
        host, port = "", None
    if not is_host(host) or port == 0 or (_may_be_user(host) and "@" in text):
        raise PlaceError
    return Place(host, port or SCHEME_PORTS.get(scheme or ""))


def scheme_of(url: str) -> str | None:
    """The scheme that *url* begins with, in lower case."""
    found = _SCHEME.match(url)
    return found[1].lower() if found else None


def without_user(url: str) -> str:
    """*url* without user and password, which stand before the first of ``/ ? #`` as the Agent has it."""
    scheme = _SCHEME.match(url)
    start = scheme.end() if scheme else 0
    user = _USER.match(url, start)
    return url[:start] + url[user.end() if user else start :]


def bare(host: str) -> str:
    """*host* as it is compared: in lower case, without the dot that ends a full name, an address in its usual form."""
    host = host.strip().lower().removesuffix(".")
    return str(ipaddress.ip_address(host)) if is_address(host) else host


def is_host(text: str) -> bool:
    """Whether *text*, in lower case, is a name or a bare address."""
    return is_address(text) or bool(_NAME.fullmatch(text))


def _may_be_user(host: str) -> bool:
    """Whether *host* could as well be the name of a user: no full name of a host, and no address."""
    return "." not in host and not is_address(host)


def is_address(text: str) -> bool:
    """Whether *text* is a bare address, without a zone."""
    try:
        return "%" not in text and bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def network_of(host: str) -> str | None:
    """The one address of a *host* that is given by address, as a CIDR; None for a name."""
    return str(ipaddress.ip_network(host)) if is_address(host) else None


def site_of(host: str, own: str = catalog.US1) -> str | None:
    """The Datadog site that *host* is of: *own*, one of the catalog, or one that is named like them."""
    host = bare(host)
    for site in catalog.SITES:
        if host == site.rum:
            return site.site
    below = [site for site in {own, *(site.site for site in catalog.SITES)} if f".{host}".endswith(f".{site}")]
    if not below:
        return None
    name = max(below, key=len)
    label = host.removesuffix(name).removesuffix(".").rpartition(".")[2]
    return f"{label}.{name}" if re.fullmatch(catalog.SITE_LABEL, label) else name
