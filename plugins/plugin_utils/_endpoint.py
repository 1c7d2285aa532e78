# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Where a product's data goes instead of, or beside, the destination that Datadog documents for it."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._hosts import (
    PlaceError,
    bare,
    network_of,
    parse_place,
    site_of,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._request import PolicyError, name_of, port_of

_KEYS = ("product", "host", "port", "is_additional", "replaces")


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
        return network_of(self.host)

    def site(self, own: str) -> str | None:
        """The Datadog site that the host belongs to: *own*, one of the catalog, or one named like them."""
        return site_of(self.host, own)


def endpoints_of(value: t.Sequence[t.Any] | None, known: t.Collection[str]) -> tuple[Endpoint, ...]:
    """The endpoints that the option ``endpoints`` lists, for products that are *known*; raises :class:`PolicyError`.

    What stands for the host is not repeated in a message: the path of a URL may be a key.
    """
    return tuple(dict.fromkeys(_endpoint(entry, known) for entry in value or ()))


def networks_by_host(value: t.Mapping[str, t.Any] | None) -> dict[str, t.Any]:
    """What ``endpoint_networks`` gives, by the host as an :class:`Endpoint` has it."""
    return {bare(str(host)): networks for host, networks in (value or {}).items()}


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
    try:
        host, port = parse_place(str(entry["host"]))
    except PlaceError:
        raise PolicyError(
            f"The option endpoints has something for {product} that is no host (it is not shown, since it may hold a "
            "key); write a name, an address or a URL."
        ) from None
    if entry.get("port") is not None:
        given = port_of("endpoints.port", entry["port"])
        if port not in (None, given):
            raise PolicyError(f"The option endpoints has two ports for {product}, {port} in the host and {given}.")
        port = given
    return Endpoint(product, host, port, is_additional, replaces)
