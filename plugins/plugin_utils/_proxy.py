# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Where a proxy stands, read from its URL. Nothing here keeps, returns or prints the user and password in it."""

from __future__ import annotations

import dataclasses
from urllib.parse import urlsplit

from ansible_collections.netwall.datadog.plugins.plugin_utils._hosts import SCHEME_PORTS, is_host, network_of


class ProxyError(ValueError):
    """A text is not a proxy's URL; the sentence for the user never repeats the text."""


@dataclasses.dataclass(frozen=True)
class Proxy:
    """The end of a proxy that faces us: ``host`` is a name or a bare address."""

    host: str
    port: int

    @property
    def network(self) -> str | None:
        """The one address of a proxy that is given by address, as a CIDR; None for a name."""
        return network_of(self.host)

    def __str__(self) -> str:
        """``HOST:PORT``, all that anybody may see."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """The proxy at *url*: ``http``, ``https`` or ``socks5``, with or without user and password.

        Raises :class:`ProxyError`.
        """
        try:
            parts = urlsplit(url.strip())
            scheme, host, port = parts.scheme, (parts.hostname or "").lower(), parts.port
        except ValueError:
            # Its text may quote the password: no error of ours is raised while that one is handled.
            scheme, host, port = "", "", None
        # A password with / ? or # in the plain cuts the URL short: what is left of it is no host, or a host and a path.
        has_more = scheme and (parts.path not in ("", "/") or parts.query or parts.fragment)
        if scheme not in SCHEME_PORTS or has_more or port == 0 or not is_host(host):
            raise ProxyError(_MALFORMED)
        return cls(host=host, port=port or SCHEME_PORTS[scheme])


_MALFORMED = (
    f"The proxy's URL is not of the form SCHEME://HOST:PORT, with {', '.join(SCHEME_PORTS)} as the scheme; "
    "percent-encode special characters of a user or password in it."
)
