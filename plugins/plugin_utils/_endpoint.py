# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Where a product's data goes instead of, or beside, the destination that Datadog documents for it."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t
from urllib.parse import urlsplit

from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._proxy import is_host
from ansible_collections.netwall.datadog.plugins.plugin_utils._request import PolicyError, name_of, port_of

_KEYS = ("product", "host", "port", "is_additional", "replaces")
_SCHEME_PORTS = {"http": 80, "https": 443}


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """``host`` is a name in lower case without a trailing dot, or a bare address; ``port`` None: as documented.

    ``replaces``: the documented name whose place it takes, without the site, where it is not that of all of them.
    """

    product: str
    host: str
    port: int | None
    is_additional: bool
    replaces: str | None = None

    @property
    def network(self) -> str | None:
        """The one address of a host that is given by address, as a CIDR; None for a name."""
        try:
            return str(ipaddress.ip_network(self.host))
        except ValueError:
            return None

    def site(self, own: str) -> str | None:
        """The Datadog site that the host belongs to: *own*, one of the catalog, or one named like them."""
        for site in catalog.SITES:
            if self.host == site.rum:
                return site.site
        below = [site for site in {own, *(site.site for site in catalog.SITES)} if _is_below(self.host, site)]
        if not below:
            return None
        name = max(below, key=len)
        label = self.host.removesuffix(name).removesuffix(".").rpartition(".")[2]
        return f"{label}.{name}" if re.fullmatch(catalog.SITE_LABEL, label) else name


def _is_below(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def endpoints_of(value: t.Sequence[t.Any] | None, known: t.Collection[str]) -> tuple[Endpoint, ...]:
    """The endpoints that the option ``endpoints`` lists, for products that are *known*; raises :class:`PolicyError`.

    What stands for the host is not repeated in a message: the path of a URL may be a key.
    """
    return tuple(dict.fromkeys(_endpoint(entry, known) for entry in value or ()))


def networks_by_host(value: t.Mapping[str, t.Any] | None) -> dict[str, t.Any]:
    """What ``endpoint_networks`` gives, by the host as an :class:`Endpoint` has it."""
    return {_bare(str(host)): networks for host, networks in (value or {}).items()}


def _endpoint(entry: t.Any, known: t.Collection[str]) -> Endpoint:
    if not isinstance(entry, t.Mapping) or not {"product", "host"} <= set(entry) <= set(_KEYS):
        raise PolicyError(
            f"The option endpoints has an entry without product and host, or with a key that is none of "
            f"{', '.join(_KEYS)}; write entries such as {{product: metrics, host: relay.example.com, port: 8443}}."
        )
    product = name_of("endpoints.product", entry["product"], known)
    is_additional = entry.get("is_additional") or False
    if not isinstance(is_additional, bool):
        raise PolicyError(f"The option endpoints has an is_additional for {product} that is neither true nor false.")
    replaces = entry.get("replaces") or None
    if replaces is not None and (is_additional or not isinstance(replaces, str)):
        raise PolicyError(
            f"The option endpoints has a replaces for {product} that is no name, or stands beside is_additional."
        )
    host, port = _host_and_port(product, str(entry["host"]))
    if entry.get("port") is not None:
        given = port_of("endpoints.port", entry["port"])
        if port not in (None, given):
            raise PolicyError(f"The option endpoints has two ports for {product}, {port} in the host and {given}.")
        port = given
    return Endpoint(product, host, port, is_additional, replaces)


def _host_and_port(product: str, text: str) -> tuple[str, int | None]:
    text = text.strip()
    try:
        # The one form in which a colon is no port's.
        return str(ipaddress.IPv6Address(text if "%" not in text else "")), None
    except ValueError:
        pass
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, port = _bare(parts.hostname or ""), parts.port or _SCHEME_PORTS.get(parts.scheme)
    except ValueError:
        host, port = "", None
    if not is_host(host):
        raise PolicyError(
            f"The option endpoints has something for {product} that is no host (it is not shown, since it may hold a "
            "key); write a name, an address or a URL."
        )
    return host, port


def _bare(host: str) -> str:
    return host.strip().lower().removesuffix(".")
