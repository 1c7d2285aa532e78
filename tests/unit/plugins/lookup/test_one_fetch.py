# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""However many hosts and forks, one request per site: counted at the server, in runs of ansible-playbook."""

from __future__ import annotations

import collections
import json
import typing as t

import pytest

from ansible_collections.netwall.datadog.tests._https import HttpsServer, Proxy, _Handler, body
from ansible_collections.netwall.datadog.tests._play import play

if t.TYPE_CHECKING:
    from pathlib import Path

NETWORKS = {
    "datadoghq.com": ["192.0.2.0/24", "2001:db8:1::/48"],
    "us3.datadoghq.com": ["198.51.100.0/24", "203.0.113.0/24"],
}
HOSTS = [f"host{number}" for number in range(200)]

BY_LOOKUP = [
    {
        "name": "Each host knows the networks of each site",
        "ansible.builtin.assert": {
            "that": [
                f"query('netwall.datadog.ip_ranges', site='{site}') == {cidrs}" for site, cidrs in NETWORKS.items()
            ],
            "quiet": True,
        },
    }
]
BY_MODULE = [
    {
        "name": "Each host asks for each site",
        "netwall.datadog.ip_ranges_info": {"site": "{{ item }}", "allow_reserved": True},
        "loop": list(NETWORKS),
        "register": "found",
    },
    {
        "name": "Each host knows the networks of each site",
        "ansible.builtin.assert": {
            "that": [f"found.results | map(attribute='networks') | list == {list(NETWORKS.values())}"],
            "quiet": True,
        },
    },
]


def answer(handler: _Handler) -> None:
    """The document of the site that is asked for."""
    site = handler.headers["Host"].removeprefix("ip-ranges.").split(":")[0]
    networks = NETWORKS[site]
    section = {
        f"prefixes_{family}": [cidr for cidr in networks if (":" in cidr) == (family == "ipv6")]
        for family in ("ipv4", "ipv6")
    }
    body(json.dumps({"version": 7, "modified": "2026-03-04-05-06-07", "agents": section}).encode())(handler)


@pytest.mark.slow
@pytest.mark.parametrize("tasks", [BY_LOOKUP, BY_MODULE], ids=["lookup", "module"])
def test_two_hundred_hosts_in_fifty_forks_make_one_request_per_site(
    tasks: list[dict[str, t.Any]], server: HttpsServer, proxy: Proxy, ca_path: Path, tmp_path: Path
) -> None:
    # The proxy leads both sites to the tests' own server.
    server.answer(answer)
    played = play(
        tmp_path,
        tasks,
        hosts=HOSTS,
        arguments=["--forks", "50"],
        environment={"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(ca_path)},
    )
    assert played.output.count("failed=0") == len(HOSTS)
    asked = collections.Counter(headers["host"] for _path, headers in server.requests)
    assert asked == {f"ip-ranges.{site}": 1 for site in NETWORKS}
