# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host must go on doing, as flows."""

from __future__ import annotations

import dataclasses
import socket
import threading
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.essentials import (
    Essentials,
    find_essentials,
    resolve,
)
from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, Flow, merge
from ansible_collections.netwall.datadog.tests.unit.plugins.module_utils._firewall._host_files import Host, is_own

if t.TYPE_CHECKING:
    from pathlib import Path

NAMES = {"a.example": ["192.0.2.1", "2001:db8::1"], "self.example": ["192.0.2.11"]}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def find(
    host: Host, *flows: Flow, metadata: bool = True, earlier: t.Sequence[t.Mapping[str, t.Any]] = ()
) -> Essentials:
    return find_essentials(
        metadata,
        flows,
        str(host.root),
        earlier=earlier,
        ask=lambda names: {name: NAMES[name] for name in names if name in NAMES},
        owns=is_own,
    )


def networks(found: Essentials) -> dict[str, tuple[str, ...]]:
    return {flow.id: flow.networks for flow in found.flows}


def chrony(host: Host, text: str) -> None:
    host.has("/usr/sbin/chronyd")
    host.has("/etc/chrony/chrony.conf", text)


def test_every_host_keeps_its_addresses_and_its_metadata(host: Host) -> None:
    assert networks(find(host)) == {
        "host-dhcp-udp-67-out": ("0.0.0.0/0",),
        "host-dhcpv6-udp-547-out": ("fe80::/10", "ff02::1:2/128"),
        "host-metadata-tcp-80-out": ("169.254.169.254/32", "fd00:ec2::254/128"),
    }


def test_metadata_can_be_left_out(host: Host) -> None:
    assert "host-metadata-tcp-80-out" not in networks(find(host, metadata=False))


def test_name_servers_are_reached_over_both_protocols(host: Host) -> None:
    host.has("/etc/resolv.conf", "nameserver 2001:db8::53\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\n")
    found = networks(find(host))
    assert found["host-dns-udp-53-out"] == found["host-dns-tcp-53-out"]
    assert found["host-dns-udp-53-out"] == ("192.0.2.53/32", "2001:db8::53/128", "fe80::1/128")


def test_a_port_has_a_flow_of_its_own(host: Host) -> None:
    host.has("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    host.has("/usr/sbin/dnsmasq")
    host.has("/etc/dnsmasq.conf", "server=192.0.2.53#5353\n")
    found = networks(find(host))
    assert found["host-dns-udp-5353-out"] == found["host-dns-tcp-5353-out"] == ("192.0.2.53/32",)


def test_a_flow_says_which_file_asks_for_it(host: Host) -> None:
    host.has("/etc/resolv.conf", "nameserver 192.0.2.53\n")
    assert {flow.purpose for flow in find(host).flows if "dns" in flow.id} == {"name servers in /etc/resolv.conf"}


def test_a_host_without_a_resolv_conf_is_told_so(host: Host) -> None:
    found = find(host)
    assert [warning for warning in found.warnings if "resolv.conf" in warning]
    assert not [flow for flow in found.flows if "dns" in flow.id]


def test_a_stub_that_asks_the_world_is_refused(host: Host) -> None:
    host.has("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    with pytest.raises(FirewallError, match="add flows that allow udp and tcp to port 53"):
        find(host)


def test_a_stub_that_asks_the_world_is_left_to_a_flow_of_the_users(host: Host) -> None:
    host.has("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    flow = Flow("names-udp-53-out", "outbound", "allow", "udp", 53, ANYWHERE)
    assert [warning for warning in find(host, flow).warnings if "port 53" in warning]


@pytest.mark.parametrize(("direction", "action"), [("inbound", "allow"), ("outbound", "deny")])
def test_another_flow_of_port_53_does_not_help_the_stub(host: Host, direction: str, action: str) -> None:
    host.has("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    with pytest.raises(FirewallError):
        find(host, Flow("other", direction, action, "udp", 53, ANYWHERE))


def test_time_servers_are_let_out_to_by_address(host: Host) -> None:
    chrony(host, "server a.example\nserver 192.0.2.7\nserver self.example\nserver 127.127.1.0\n")
    assert networks(find(host))["host-ntp-udp-123-out"] == ("192.0.2.1/32", "192.0.2.7/32", "2001:db8::1/128")


def test_a_pool_may_be_anywhere_and_the_flow_says_why(host: Host) -> None:
    chrony(host, "pool 2.debian.pool.ntp.org\nserver 192.0.2.7\n")
    (flow,) = [flow for flow in find(host).flows if "ntp" in flow.id]
    assert flow.networks == ANYWHERE
    assert "2.debian.pool.ntp.org in /etc/chrony/chrony.conf may be anywhere" in flow.purpose


def test_nts_has_a_flow_of_its_own(host: Host) -> None:
    chrony(host, "server a.example nts\n")
    assert networks(find(host))["host-ntp-tcp-4460-out"] == ("192.0.2.1/32", "2001:db8::1/128")


def test_a_time_server_that_cannot_be_resolved_is_named(host: Host) -> None:
    chrony(host, "server b.example\n")
    found = find(host)
    assert [warning for warning in found.warnings if "b.example" in warning]
    assert not [flow for flow in found.flows if "ntp" in flow.id]


def test_a_time_server_that_cannot_be_resolved_now_is_let_out_to_where_it_was(host: Host) -> None:
    chrony(host, "server a.example\nserver b.example\n")
    earlier = [
        {"id": "host-ntp-udp-123-out", "networks": ["192.0.2.99/32"]},
        {"id": "host-dns-udp-53-out", "networks": ["192.0.2.98/32"]},
    ]
    found = find(host, earlier=earlier)
    assert networks(found)["host-ntp-udp-123-out"] == ("192.0.2.1/32", "192.0.2.99/32", "2001:db8::1/128")
    assert [warning for warning in found.warnings if "b.example" in warning and "an earlier run" in warning]


def test_a_file_that_cannot_be_read_is_told(host: Host) -> None:
    host.has("/etc/resolv.conf", "nameserver 192.0.2.53\n")
    host.has("/usr/sbin/chronyd")
    host.has("/etc/chrony/chrony.conf", "include /etc/chrony/loop\n")
    (host.root / "etc/chrony/loop").symlink_to("loop")
    assert [warning for warning in find(host).warnings if "/etc/chrony/loop" in warning]


def test_every_flow_is_one_that_a_user_could_write_but_for_its_id(host: Host) -> None:
    host.has("/etc/resolv.conf", "nameserver 192.0.2.53\nnameserver fe80::1%eth0\n")
    chrony(host, "pool \x07odd\nserver a.example port 1123 nts\n")
    flows = find(host).flows
    theirs = [dataclasses.replace(flow, id=f"a-{flow.id}") for flow in flows]
    assert [Flow.from_dict(flow.to_dict()) for flow in theirs] == theirs
    assert all(flow.id.startswith("host-") and (flow.direction, flow.action) == ("outbound", "allow") for flow in flows)
    assert merge(flows) == list(flows)


# --- Names ------------------------------------------------------------------------------------------------------------


def answers(name: str, *_rest: object, **_options: object) -> list[tuple[object, ...]]:
    if name == "nobody.example":
        raise OSError
    return [
        (2, 2, 17, "", ("192.0.2.2", 0)),
        (2, 2, 17, "", ("192.0.2.1", 0)),
        (10, 2, 17, "", ("fe80::1%eth0", 0, 0, 2)),
    ]


def test_names_become_addresses_of_both_families(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers)
    assert resolve(["a.example", "nobody.example"]) == {"a.example": ["192.0.2.1", "192.0.2.2", "fe80::1"]}


def test_a_name_that_is_never_answered_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def wait(*_arguments: object, **_options: object) -> list[tuple[object, ...]]:
        answered.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    try:
        assert resolve(["a.example", "b.example"], timeout=0.01) == {}
    finally:
        answered.set()
