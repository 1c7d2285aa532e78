# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of every plugin that reads Datadog's address ranges."""

from __future__ import annotations


class ModuleDocFragment:
    """The options themselves, for lookups and modules, and what lookups alone may add to them."""

    DOCUMENTATION = r"""
requirements:
  - httpx (Python library, on the controller; for V(https://) alone)
  - netaddr (Python library, on the controller)
options:
  site:
    description:
      - The Datadog site whose address ranges are read, from C(https://ip-ranges.<site>/).
      - Any host name is accepted, whether this collection knows the site or not.
    type: str
    default: datadoghq.com
  url:
    description:
      - Where the document is, instead of at O(site). A mirror (V(https://mirror.example.com/datadoghq.json)) or a
        file on the controller (V(file:///srv/mirror/datadoghq.json)).
      - Nothing is read over V(http://), where anybody on the way could change it.
      - A user and password in the URL are sent to the server, and shown nowhere.
    type: str
  families:
    description:
      - The address families wanted, V(ipv4) and V(ipv6); at least one.
    type: list
    elements: str
    default: [ipv4, ipv6]
  locations:
    description:
      - Only the prefixes published under these locations, such as V(aws:eu-west-1).
      - Only for sections that are published by location, which today is V(synthetics).
    type: list
    elements: str
    default: []
  exclude:
    description:
      - CIDRs or addresses to cut out. The result covers exactly what is left.
    type: list
    elements: str
    default: []
  aggregate:
    description:
      - With V(true), the result is the fewest CIDRs that cover exactly the selected addresses.
      - With V(false), it is the prefixes as Datadog publishes them. One that O(exclude) cuts into is replaced by the
        fewest CIDRs that cover exactly the rest of it.
    type: bool
    default: true
  ca_path:
    description:
      - A file of CA certificates (PEM), or a folder of them prepared by C(openssl rehash).
      - They are trusted in place of the system's, so that a private mirror is the only server that can answer.
    type: path
  timeout:
    description:
      - How many seconds to wait for a connection, and for each part of the answer.
      - An attempt as a whole is given up after three times as long. At most V(3600).
    type: float
    default: 10
  retries:
    description:
      - How many more attempts to make, at growing intervals, when there is no connection, no answer in time, or one
        with status 5xx or 429. From V(0) to V(10).
      - What does not pass by itself, such as a certificate that is not trusted, is never tried again.
    type: int
    default: 3
"""

    # Ansible merges the fragments' options key by key; a module may not have these keys.
    LOOKUP = r"""
options:
  site:
    env:
      - name: DD_SITE
    vars:
      - name: datadog_site
"""
