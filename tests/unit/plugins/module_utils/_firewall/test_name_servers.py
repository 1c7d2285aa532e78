# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The name servers of hosts that are set up in the ways that hosts are."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.name_servers import find_name_servers
from ansible_collections.netwall.datadog.tests.unit.plugins.module_utils._firewall._host_files import Host, is_own

if t.TYPE_CHECKING:
    from pathlib import Path

BOTH, TLS = ("udp", "tcp"), ("tcp",)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def found(host: Host) -> list[tuple[str, int, tuple[str, ...]]]:
    """What is asked, where the files tell all of it."""
    servers = find_name_servers(host.files, is_own)
    assert servers.is_complete
    return [(server.address, server.port, server.protocols) for server in servers.servers]


def stub(host: Host, address: str = "127.0.0.1") -> None:
    host.has("/etc/resolv.conf", f"nameserver {address}\n")


def test_servers_of_resolv_conf_are_asked_directly(host: Host) -> None:
    host.has(
        "/etc/resolv.conf",
        "# nameserver 192.0.2.9\nsearch example\nnameserver 192.0.2.53\nnameserver\t2001:db8::53 # second\n"
        "nameserver fe80::1%eth0\nnameserver nonsense\noptions edns0\n",
    )
    assert found(host) == [("192.0.2.53", 53, BOTH), ("2001:db8::53", 53, BOTH), ("fe80::1", 53, BOTH)]


@pytest.mark.parametrize(
    "text", ["nameserver 127.0.0.53\n", "nameserver ::1\n", "nameserver 192.0.2.11\n", "search a\n"]
)
def test_behind_an_address_of_the_host_itself_the_stubs_servers_are_asked(host: Host, text: str) -> None:
    host.has("/etc/resolv.conf", text)
    host.has("/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.53\nnameserver 192.0.2.54\n")
    assert found(host) == [("192.0.2.53", 53, BOTH), ("192.0.2.54", 53, BOTH)]


def test_a_server_beside_the_stub_is_asked_too(host: Host) -> None:
    host.has("/etc/resolv.conf", "nameserver 127.0.0.53\nnameserver 192.0.2.54\n")
    host.has("/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.53\n")
    assert [address for address, _port, _protocols in found(host)] == ["192.0.2.54", "192.0.2.53"]


# --- systemd-resolved -------------------------------------------------------------------------------------------------


def resolved(host: Host, settings: str = "", uplinks: str = "nameserver 192.0.2.53\n") -> None:
    stub(host, "127.0.0.53")
    host.has("/run/systemd/resolve/resolv.conf", uplinks)
    host.has("/etc/systemd/resolved.conf", f"[Resolve]\n{settings}")


def test_resolveds_servers_on_other_ports_are_asked(host: Host) -> None:
    resolved(host, "DNS=192.0.2.60:5353 [2001:db8::60]:5353%eth0#dns.example 192.0.2.61#name\n", uplinks="")
    assert found(host) == [("192.0.2.60", 5353, BOTH), ("2001:db8::60", 5353, BOTH), ("192.0.2.61", 53, BOTH)]


@pytest.mark.parametrize("value", ["yes", "opportunistic"])
def test_over_tls_resolved_asks_port_853_as_well(host: Host, value: str) -> None:
    resolved(host, f"DNSOverTLS={value}\n")
    assert found(host) == [("192.0.2.53", 53, BOTH), ("192.0.2.53", 853, TLS)]


def test_without_tls_resolved_asks_port_53_alone(host: Host) -> None:
    resolved(host, "DNSOverTLS=no\n")
    assert found(host) == [("192.0.2.53", 53, BOTH)]


def test_resolveds_fallback_counts_where_there_is_nothing_else(host: Host) -> None:
    resolved(host, "FallbackDNS=192.0.2.99\n", uplinks="")
    assert found(host) == [("192.0.2.99", 53, BOTH)]


def test_resolveds_fallback_does_not_count_beside_others(host: Host) -> None:
    resolved(host, "FallbackDNS=192.0.2.99\n")
    assert found(host) == [("192.0.2.53", 53, BOTH)]


# --- Others -----------------------------------------------------------------------------------------------------------


def test_network_managers_servers_are_asked(host: Host) -> None:
    stub(host)
    host.has("/run/NetworkManager/no-stub-resolv.conf", "nameserver 192.0.2.53\n")
    assert found(host) == [("192.0.2.53", 53, BOTH)]


def test_resolvconfs_servers_are_asked(host: Host) -> None:
    stub(host)
    host.has("/run/resolvconf/interface/eth0.dhclient", "nameserver 192.0.2.53\n")
    host.has("/run/resolvconf/interface/lo.dnsmasq", "nameserver 127.0.0.1\n")
    assert found(host) == [("192.0.2.53", 53, BOTH)]


def dnsmasq(host: Host, text: str) -> None:
    stub(host)
    host.has("/usr/sbin/dnsmasq")
    host.has("/etc/dnsmasq.conf", text)


@pytest.mark.parametrize(
    ("line", "server"),
    [
        ("server=192.0.2.53", ("192.0.2.53", 53)),
        ("server = 192.0.2.53#5353 # ours", ("192.0.2.53", 5353)),
        ("server=/a.example/b.example/192.0.2.53@eth0", ("192.0.2.53", 53)),
        ("server=fe80::1%eth0#5353", ("fe80::1", 5353)),
        ("rev-server=192.0.2.0/24,192.0.2.53#54", ("192.0.2.53", 54)),
    ],
)
def test_dnsmasqs_servers_are_asked(host: Host, line: str, server: tuple[str, int]) -> None:
    dnsmasq(host, f"{line}\nserver=/local/\nserver=/x/#\nserver=127.0.0.1#5300\n")
    assert found(host) == [(*server, BOTH)]


def test_dnsmasqs_other_files_are_read(host: Host) -> None:
    dnsmasq(host, "resolv-file=/etc/upstream\nservers-file=/etc/servers\nconf-dir=/etc/more,*.conf\nconf-file=/etc/x\n")
    host.has("/etc/upstream", "nameserver 192.0.2.1\n")
    host.has("/etc/servers", "server=192.0.2.2\n")
    host.has("/etc/more/a.conf", "server=192.0.2.3\n")
    host.has("/etc/x", "server=192.0.2.4\nconf-file=/etc/x\n")
    host.has("/etc/dnsmasq.d/b", "server=192.0.2.5\n")
    host.has("/etc/dnsmasq.d/c.dpkg-old", "server=192.0.2.6\n")
    assert sorted(address for address, _port, _protocols in found(host)) == [f"192.0.2.{n}" for n in range(1, 6)]


def test_the_files_of_a_server_that_is_not_installed_are_passed_over(host: Host) -> None:
    dnsmasq(host, "server=192.0.2.53\n")
    (host.root / "usr/sbin/dnsmasq").unlink()
    assert find_name_servers(host.files, is_own).servers == ()


def unbound(host: Host, text: str) -> None:
    stub(host)
    host.has("/usr/sbin/unbound")
    host.has("/etc/unbound/unbound.conf.d/forward.conf", text)


def test_unbounds_forwarders_are_asked(host: Host) -> None:
    unbound(
        host,
        'forward-zone:\n  name: "."\n  forward-addr: 192.0.2.53\n  forward-addr: 192.0.2.54@5353\n'
        "  forward-addr: 192.0.2.55@853#dns.example\n  forward-addr: 192.0.2.56#dns.example # TLS\n",
    )
    assert found(host) == [
        ("192.0.2.53", 53, BOTH),
        ("192.0.2.54", 5353, BOTH),
        ("192.0.2.55", 853, TLS),
        ("192.0.2.56", 853, TLS),
    ]


@pytest.mark.parametrize("text", ["", "forward-zone:\n name: corp.example\n forward-addr: 192.0.2.53\n"])
def test_an_unbound_that_asks_the_world_is_told(host: Host, text: str) -> None:
    unbound(host, text)
    assert not find_name_servers(host.files, is_own).is_complete


NAMED = """\
options {
    directory "/var/cache/bind"; // forwarders { 192.0.2.98; };
    /* forwarders { 192.0.2.99; }; */
    forwarders {
        192.0.2.53;
        2001:db8::53 port 5353;
        192.0.2.55 tls local-tls; # TLS
    };
};
"""


def test_binds_forwarders_are_asked(host: Host) -> None:
    stub(host)
    host.has("/usr/sbin/named")
    host.has("/etc/bind/named.conf.options", NAMED)
    assert found(host) == [("192.0.2.53", 53, BOTH), ("2001:db8::53", 5353, BOTH), ("192.0.2.55", 853, TLS)]


@pytest.mark.parametrize(
    "text",
    ["options {\n recursion yes;\n};\n", 'zone "a.example" {\n type forward;\n forwarders { 192.0.2.53; };\n};\n'],
)
def test_a_bind_that_asks_the_world_is_told(host: Host, text: str) -> None:
    stub(host)
    host.has("/usr/sbin/named")
    host.has("/etc/bind/named.conf.local", text)
    assert not find_name_servers(host.files, is_own).is_complete


def test_stubbys_servers_are_asked_over_tls(host: Host) -> None:
    stub(host)
    host.has("/usr/bin/stubby")
    host.has(
        "/etc/stubby/stubby.yml",
        "upstream_recursive_servers:\n  - address_data: 192.0.2.53\n    tls_auth_name: a\n"
        '  - address_data: "2001:db8::53"\n    tls_port: 443\n#  - address_data: 192.0.2.99\n',
    )
    assert found(host) == [("192.0.2.53", 853, TLS), ("2001:db8::53", 443, TLS)]


@pytest.mark.parametrize("port", ["0", "65536", "99999999999"])
def test_a_port_that_is_none_is_passed_over(host: Host, port: str) -> None:
    dnsmasq(host, f"server=192.0.2.53#{port}\nserver=192.0.2.54\n")
    assert found(host) == [("192.0.2.54", 53, BOTH)]


def test_where_programs_ask_resolved_its_servers_are_asked_beside_those_of_resolv_conf(host: Host) -> None:
    host.has("/etc/resolv.conf", "nameserver 192.0.2.53\n")
    host.has("/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.54\n")
    assert [address for address, _port, _protocols in found(host)] == ["192.0.2.53"]
    host.has("/etc/nsswitch.conf", "hosts: files resolve [!UNAVAIL=return] dns\n")
    assert [address for address, _port, _protocols in found(host)] == ["192.0.2.53", "192.0.2.54"]
