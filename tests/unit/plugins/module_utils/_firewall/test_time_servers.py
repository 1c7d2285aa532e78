# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time servers of hosts that are set up in the ways that hosts are."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.time_servers import (
    TimeServer,
    find_time_servers,
)
from ansible_collections.netwall.datadog.tests.unit.plugins.module_utils._firewall._host_files import Host

if t.TYPE_CHECKING:
    from pathlib import Path

CHRONY, NTP, TIMESYNCD = "/etc/chrony/chrony.conf", "/etc/ntpsec/ntp.conf", "/etc/systemd/timesyncd.conf"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def chrony(host: Host, text: str) -> list[TimeServer]:
    host.has("/usr/sbin/chronyd")
    host.has(CHRONY, text)
    return find_time_servers(host.files)


def test_a_host_without_a_time_service_asks_nobody(host: Host) -> None:
    host.has(CHRONY, "server 192.0.2.1\n")
    host.has(TIMESYNCD, "NTP=192.0.2.1\n")
    assert find_time_servers(host.files) == []


@pytest.mark.parametrize(
    ("line", "server"),
    [
        ("server 192.0.2.1 iburst", TimeServer("192.0.2.1", CHRONY)),
        ("peer a.example", TimeServer("a.example", CHRONY)),
        ("server a.example port 1123 iburst", TimeServer("a.example", CHRONY, 1123)),
        ("pool a.example maxsources 4", TimeServer("a.example", CHRONY, is_pool=True)),
        ("server 2.debian.pool.ntp.org", TimeServer("2.debian.pool.ntp.org", CHRONY, is_pool=True)),
        ("pool 192.0.2.1", TimeServer("192.0.2.1", CHRONY)),
        ("server a.example port none", TimeServer("a.example", CHRONY)),
    ],
)
def test_each_line_of_chronys_names_a_server(host: Host, line: str, server: TimeServer) -> None:
    assert chrony(host, f"! pool x\n% pool x\n; pool x\n# pool x\n{line}\nserver\ndriftfile /a\n") == [server]


@pytest.mark.parametrize(("options", "port"), [("nts", 4460), ("nts ntsport 4461", 4461)])
def test_nts_exchanges_keys_over_tcp(host: Host, options: str, port: int) -> None:
    assert chrony(host, f"server a.example {options}\n") == [
        TimeServer("a.example", CHRONY),
        TimeServer("a.example", CHRONY, port, "tcp"),
    ]


def test_chronys_other_files_are_read(host: Host) -> None:
    host.has("/etc/chrony/conf.d/a.conf", "server 192.0.2.2\n")
    host.has("/etc/chrony/conf.d/a.bak", "server 192.0.2.99\n")
    host.has("/run/chrony-dhcp/eth0.sources", "server 192.0.2.3\n")
    host.has("/etc/more.conf", f"server 192.0.2.4\ninclude {CHRONY}\n")
    text = "server 192.0.2.1\nconfdir /etc/chrony/conf.d\nsourcedir /run/chrony-dhcp\ninclude /etc/more*\n"
    assert [server.name for server in chrony(host, text)] == [f"192.0.2.{n}" for n in range(1, 5)]


def test_ntps_servers_are_asked(host: Host) -> None:
    host.has("/usr/sbin/ntpd")
    host.has(NTP, "tos minclock 4\nserver -4 a.example iburst\npool 0.debian.pool.ntp.org\nincludefile /etc/ntp.more\n")
    host.has("/etc/ntp.more", "server 192.0.2.1\n")
    host.has("/etc/openntpd/ntpd.conf", "servers b.example\n")
    assert find_time_servers(host.files) == [
        TimeServer("a.example", NTP),
        TimeServer("0.debian.pool.ntp.org", NTP, is_pool=True),
        TimeServer("b.example", "/etc/openntpd/ntpd.conf", is_pool=True),
        TimeServer("192.0.2.1", "/etc/ntp.more"),
    ]


def timesyncd(host: Host, text: str = "") -> list[TimeServer]:
    host.has("/usr/lib/systemd/systemd-timesyncd")
    host.has("/etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service")
    host.has(TIMESYNCD, text)
    return find_time_servers(host.files)


def test_timesyncds_servers_are_asked(host: Host) -> None:
    assert timesyncd(host, "NTP=192.0.2.1 0.pool.ntp.org\nFallbackNTP=192.0.2.9\n") == [
        TimeServer("192.0.2.1", TIMESYNCD),
        TimeServer("0.pool.ntp.org", TIMESYNCD, is_pool=True),
    ]


def test_what_dhcp_told_timesyncd_is_asked(host: Host) -> None:
    host.has("/run/systemd/netif/links/2", "NTP=192.0.2.2\n")
    assert timesyncd(host, "FallbackNTP=192.0.2.9\n") == [TimeServer("192.0.2.2", TIMESYNCD)]


def test_timesyncds_fallback_is_asked_where_there_is_nothing_else(host: Host) -> None:
    assert timesyncd(host, "FallbackNTP=192.0.2.9\n") == [TimeServer("192.0.2.9", TIMESYNCD)]


def test_where_timesyncd_was_built_with_a_pool_it_may_ask_anybody(host: Host) -> None:
    assert [server.is_pool for server in timesyncd(host)] == [True]


def test_a_timesyncd_whose_fallback_is_taken_away_asks_nobody(host: Host) -> None:
    assert timesyncd(host, "FallbackNTP=\n") == []


def test_chrony_reads_its_words_in_any_case(host: Host) -> None:
    [server] = chrony(host, "Server 192.0.2.1 PORT 1123\n")
    assert (server.name, server.port) == ("192.0.2.1", 1123)
