# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents of address ranges for the tests of the policy: every section has addresses of its own."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import Document, Section
from ansible_collections.netwall.datadog.plugins.plugin_utils._policy import build, sites_to_read

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._policy import Policy
    from ansible_collections.netwall.datadog.plugins.plugin_utils._request import Request

SECTIONS = (
    "agents",
    "api",
    "apm",
    "logs",
    "process",
    "orchestrator",
    "remote-configuration",
    "global",
    "webhooks",
    "synthetics-private-locations",
)
LOCATIONS = {"aws:eu-west-1": ("203.0.113.240/29", "2001:db8:f0::/48"), "aws:us-east-1": ("203.0.113.248/29",)}


def section(number: int, name: str) -> Section:
    """A section with two IPv4 prefixes and one IPv6 prefix that no other *number* has."""
    ipv4 = (f"192.0.2.{number * 4}/31", f"203.0.113.{number * 4}/30")
    return Section(name, ipv4, (f"2001:db8:{number:x}::/48",), {})


def document(*sections: Section) -> Document:
    """A document of these sections."""
    modified = datetime.datetime(2026, 3, 4, 5, 6, 7, tzinfo=datetime.UTC)
    return Document("https://ip-ranges.example.test/", 7, modified, {entry.name: entry for entry in sections})


SYNTHETICS = Section("synthetics", ("203.0.113.240/29", "203.0.113.248/29"), ("2001:db8:f0::/48",), LOCATIONS)
DOCUMENT = document(*(section(number, name) for number, name in enumerate(SECTIONS, start=1)), SYNTHETICS)


def without(*names: str) -> Document:
    """The document without some sections."""
    return document(*(entry for entry in DOCUMENT.sections.values() if entry.name not in names))


def built(request: Request, of_every_site: Document | None = DOCUMENT) -> Policy:
    """The policy for *request*, with one document for whatever site, or with none."""
    return build(request, dict.fromkeys(sites_to_read(request), of_every_site) if of_every_site else {})
