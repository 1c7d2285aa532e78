# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of every plugin that reads Datadog's address ranges."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of all, those that the policy does not have, and what lookups alone may add to them."""

    DOCUMENTATION = r"""
requirements:
  - httpx (Python library, on the controller; for V(https://) alone)
  - netaddr (Python library, on the controller)
notes:
  - A document that passed all checks is kept for the user who fetched it, in O(cache_dir), and is used again while it
    is fresh. However many hosts and forks ask at once, one of them asks the server and the others wait for its answer.
  - Where the server can't be reached, or gives a document that is refused, the last good one is used with a warning,
    for as long as O(stale_if_error) allows.
  - Proxies are taken from the environment of the controller (E(HTTPS_PROXY), E(NO_PROXY)), and so are the CA
    certificates of the system where E(SSL_CERT_FILE) names others.
options:
  site:
    description:
      - The Datadog site whose address ranges are read, from C(https://ip-ranges.<site>/).
      - Any host name is accepted, whether this collection knows the site or not.
    type: str
    default: datadoghq.com
  url:
    description:
      - Where the document is, instead of at O(site). A mirror (V(https://mirror.example.com/datadoghq.com.json)) or a
        file on the controller (V(file:///srv/mirror/datadoghq.com.json)).
      - Nothing is read over V(http://), where anybody on the way could change it.
      - A user and password in the URL are sent to the server, and shown nowhere.
      - A file is read anew each time and not kept, so that nothing is compared with what it held before.
    type: str
  sha256:
    description:
      - The SHA-256 that the document must have, as 64 hexadecimal digits. Any other is refused.
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
      - When not set, V(true); but what an expression finds is left as it is.
    type: bool
  ca_path:
    description:
      - A file of CA certificates (PEM), or a folder of them prepared by C(openssl rehash).
      - They are trusted in place of the system's, so that a private mirror is the only server that can answer.
    type: path
  client_cert:
    description:
      - A file with the certificate (PEM) by which a private mirror knows this controller, and with its key unless
        O(client_key) names that.
    type: path
  client_key:
    description:
      - A file with the key (PEM, without a password) of O(client_cert).
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
  cache_dir:
    description:
      - The folder on the controller where documents are kept, made for this user alone if there is none.
      - When not set, C(netwall/datadog) in E(XDG_CACHE_HOME) or, without that, in C(~/.cache).
    type: path
  cache_ttl:
    description:
      - For how many seconds a document is used without asking the server again. After that, the server is asked whether
        it has another one.
      - V(0) asks the server every time.
    type: int
    default: 3600
  stale_if_error:
    description:
      - Up to what age, in seconds since the server last confirmed it, the last good document is used where there is no
        better one. Seven days when not set; with V(0) never.
    type: int
    default: 604800
  shortest_prefix_ipv4:
    description:
      - Guards against a document that opens too much. An IPv4 prefix that is shorter is refused.
    type: int
    default: 8
  shortest_prefix_ipv6:
    description:
      - Guards against a document that opens too much. An IPv6 prefix that is shorter is refused.
    type: int
    default: 20
  allow_reserved:
    description:
      - Guards against a document that opens the way to one's own networks. Without it, prefixes are refused that touch
        private, loopback, link-local, multicast, documentation or other reserved addresses.
      - Meant for tests and for mirrors with networks of their own.
    type: bool
    default: false
  max_prefixes:
    description:
      - Guards against a flood. A document with more prefixes in all its lists together is refused.
    type: int
    default: 20000
  max_size:
    description:
      - Guards against a flood. A document with more bytes, as sent or as unpacked, is refused. 8 MiB when not set.
    type: int
    default: 8388608
  max_redirects:
    description:
      - Guards against being led astray. A server that redirects more often is given up. A redirect to anything but
        V(https://) is refused in any case.
    type: int
    default: 5
  max_shrink:
    description:
      - Guards against a document that has lost a part. Refused is one that drops more than this share of the addresses
        that a section had in the last good one, in either family; V(0.5) is a half, V(1) allows everything.
    type: float
    default: 0.5
  allow_older:
    description:
      - Guards against an old document in place of the current one. Without it, a document is refused that has a lower
        version than the last good one.
    type: bool
    default: false
"""

    QUERY = r"""
requirements:
  - jmespath (Python library, on the controller; for O(query) alone)
options:
  query:
    description:
      - A JMESPath expression over the document as it was published. A list that it finds is the result; anything else
        is the single element of it. That it finds nothing is an error.
      - O(locations) lets the expression see the sections alone that are published by location, and of these only what
        is published under the locations named.
      - O(families), O(exclude) and O(aggregate) are applied to what it finds, which then has to be a list of CIDRs.
      - It takes the place of section names.
    type: str
  proxy:
    description:
      - The URL of a proxy to fetch through, with the scheme V(http), V(https) or V(socks5), instead of those in the
        environment. It is used for every server, whatever E(NO_PROXY) says.
      - A user and password in the URL are shown nowhere.
    type: str
"""

    # Ansible merges the fragments' options key by key; a module may not have these keys.
    LOOKUP = r"""
options:
  site:
    env:
      - name: DD_SITE
    vars:
      - name: datadog_site
  allow_reserved:
    env:
      - name: NETWALL_DATADOG_ALLOW_RESERVED
"""
