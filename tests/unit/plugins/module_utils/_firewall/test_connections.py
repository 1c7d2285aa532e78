# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Open connections as the kernel lists them, and those of them that a policy would refuse."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import connections as connections_module
from ansible_collections.netwall.datadog.plugins.module_utils._firewall import sockets as sockets_module
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.connections import (
    Connection,
    closed_ports,
    open_connections,
    refused,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import Packet

if t.TYPE_CHECKING:
    from pathlib import Path

ESTABLISHED, LISTENING, WAITING, UNCONNECTED = "01", "0A", "06", "07"
# 192.0.2.11, 198.51.100.7 and their like, as the kernel of a little-endian machine prints them.
HERE, THERE, NOBODY, LOOPBACK = "0B0200C0", "076433C6", "00000000", "0100007F"
HERE6, THERE6 = "B80D0120000000000000000011000000", "B80D0120000007000000000007000000"
OWN = ("192.0.2.11", "2001:db8::11")


class Proc:
    """A /proc with sockets and the processes that hold them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "net").mkdir()

    def socket(
        self, table: str, local: str, remote: str, *, state: str = ESTABLISHED, inode: int = 1, program: str = ""
    ) -> None:
        path = self.folder / "net" / table
        known = path.read_text(encoding="ascii") if path.exists() else "  sl  local_address rem_address\n"
        row = f"   0: {local} {remote} {state} 00000000:00000000 02:0009A12F 00000000 0 0 {inode} 2\n"
        path.write_text(known + row, encoding="ascii")
        if program:
            self.process(program, inode)

    def process(self, program: str, inode: int, pid: int = 100) -> None:
        folder = self.folder / str(pid + inode)
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text(f"{program}\n", encoding="utf-8")
        (folder / "fd" / "3").symlink_to(f"socket:[{inode}]")

    @property
    def connections(self) -> list[Connection]:
        return open_connections(str(self.folder))


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proc:
    monkeypatch.setattr(sockets_module, "_BYTE_ORDER", "little")
    monkeypatch.setattr(connections_module, "is_own", lambda address: address in (*OWN, "127.0.0.1"))
    monkeypatch.setattr(connections_module, "interface_of", {OWN[0]: "eth0", OWN[1]: "eth1"}.get)
    return Proc(tmp_path)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_what_this_host_opened_goes_out(proc: Proc, protocol: str) -> None:
    proc.socket(protocol, f"{HERE}:D431", f"{THERE}:01BB", program="agent")
    packet = Packet("outbound", protocol, "198.51.100.7", "192.0.2.11", 443, 54321, "eth0")
    assert proc.connections == [Connection(packet, "agent")]


def test_what_leads_to_a_port_that_is_served_came_in(proc: Proc) -> None:
    proc.socket("tcp", f"{NOBODY}:0016", f"{NOBODY}:0000", state=LISTENING, inode=2)
    proc.socket("tcp", f"{HERE}:0016", f"{THERE}:D431", program="sshd")
    packet = Packet("inbound", "tcp", "198.51.100.7", "192.0.2.11", 22, 54321, "eth0")
    assert proc.connections == [Connection(packet, "sshd")]


def test_ipv6_is_told_alike(proc: Proc) -> None:
    proc.socket("tcp6", f"{HERE6}:D431", f"{THERE6}:01BB")
    packet = Packet("outbound", "tcp", "2001:db8:7::7", "2001:db8::11", 443, 54321, "eth1")
    assert proc.connections == [Connection(packet)]


@pytest.mark.parametrize("remote", [f"{LOOPBACK}:01BB", f"{HERE}:01BB"])
def test_what_stays_on_the_host_is_left_out(proc: Proc, remote: str) -> None:
    proc.socket("tcp", f"{HERE}:D431", remote)
    assert proc.connections == []


@pytest.mark.parametrize("state", [LISTENING, WAITING])
def test_what_is_not_open_is_left_out(proc: Proc, state: str) -> None:
    proc.socket("tcp", f"{HERE}:D431", f"{THERE}:01BB", state=state)
    assert proc.connections == []


def test_a_udp_socket_that_speaks_to_anybody_is_left_out(proc: Proc) -> None:
    proc.socket("udp", f"{NOBODY}:1FBD", f"{NOBODY}:0000", state="07")
    assert proc.connections == []


def test_of_several_processes_the_oldest_names_the_program(proc: Proc) -> None:
    proc.socket("tcp", f"{HERE}:D431", f"{THERE}:01BB", program="worker")
    proc.process("parent", 1, pid=50)
    assert [connection.program for connection in proc.connections] == ["parent"]


def test_a_name_that_is_none_is_made_printable(proc: Proc) -> None:
    proc.socket("tcp", f"{HERE}:D431", f"{THERE}:01BB", program="a\x1b[31mb")
    assert [connection.program for connection in proc.connections] == ["a[31mb"]


def test_a_proc_that_tells_nothing_has_none(tmp_path: Path) -> None:
    assert open_connections(str(tmp_path)) == []


# --- Ports that others can no longer reach ----------------------------------------------------------------------------

EVERY6 = "0" * 32
LOOPBACK6 = "000000000000000000000000" + "01000000"
PUBLIC = [("192.0.2.11", "eth0"), ("2001:db8::11", "eth1")]


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The addresses of the host and their interfaces, for a test to change."""
    addresses = list(PUBLIC)
    monkeypatch.setattr(connections_module, "own_addresses", lambda: addresses)
    return addresses


def closed(proc: Proc, lets: t.Callable[[Packet], bool] = lambda _packet: False) -> list[tuple[str, int, str, str]]:
    return [tuple(row.values()) for row in closed_ports(lets, str(proc.folder))]


@pytest.mark.usefixtures("own")
def test_a_port_that_a_program_listens_on_and_no_stranger_reaches_is_closed(proc: Proc) -> None:
    proc.socket("tcp", f"{NOBODY}:0050", f"{NOBODY}:0000", state=LISTENING, program="nginx")
    proc.socket("udp", f"{NOBODY}:1F90", f"{NOBODY}:0000", state=UNCONNECTED, inode=2, program="statsd")
    assert closed_ports(lambda _packet: False, str(proc.folder)) == [
        {"protocol": "tcp", "port": 80, "local_address": "0.0.0.0", "program": "nginx"},
        {"protocol": "udp", "port": 8080, "local_address": "0.0.0.0", "program": "statsd"},
    ]


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("table", "local", "state"),
    [
        ("tcp", f"{LOOPBACK}:0050", LISTENING),
        ("tcp6", f"{LOOPBACK6}:0050", LISTENING),
        ("tcp", f"{HERE}:0050", ESTABLISHED),
        ("udp", f"{NOBODY}:0044", UNCONNECTED),
        ("udp6", f"{EVERY6}:0222", UNCONNECTED),
    ],
)
def test_what_no_other_comes_to_is_not_closed(proc: Proc, table: str, local: str, state: str) -> None:
    remote = f"{THERE}:D431" if state == ESTABLISHED else f"{EVERY6 if table.endswith('6') else NOBODY}:0000"
    proc.socket(table, local, remote, state=state)
    assert closed(proc) == []


@pytest.mark.usefixtures("own")
def test_a_port_that_strangers_still_reach_is_not_closed(proc: Proc) -> None:
    for inode, port in enumerate(("0016", "0050"), 1):
        proc.socket("tcp", f"{NOBODY}:{port}", f"{NOBODY}:0000", state=LISTENING, inode=inode)
    assert closed(proc, lambda packet: packet.port == 22) == [("tcp", 80, "0.0.0.0", "")]


@pytest.mark.usefixtures("own")
def test_a_port_that_a_rule_opens_to_some_alone_is_closed_to_strangers(proc: Proc) -> None:
    proc.socket("tcp", f"{NOBODY}:0050", f"{NOBODY}:0000", state=LISTENING)
    assert closed(proc, lambda packet: packet.remote.startswith("198.51.100.")) == [("tcp", 80, "0.0.0.0", "")]


@pytest.mark.usefixtures("own")
def test_a_program_that_listens_on_all_ipv6_addresses_serves_ipv4_too(proc: Proc) -> None:
    proc.socket("tcp6", f"{EVERY6}:0050", f"{EVERY6}:0000", state=LISTENING)
    assert closed(proc) == [("tcp", 80, "0.0.0.0", ""), ("tcp", 80, "::", "")]
    assert closed(proc, lambda packet: ":" in packet.remote) == [("tcp", 80, "0.0.0.0", "")]


@pytest.mark.usefixtures("own")
def test_a_program_that_listens_on_both_by_itself_is_told_of_once_for_each(proc: Proc) -> None:
    proc.socket("tcp", f"{NOBODY}:0050", f"{NOBODY}:0000", state=LISTENING)
    proc.socket("tcp6", f"{EVERY6}:0050", f"{EVERY6}:0000", state=LISTENING, inode=2)
    assert closed(proc) == [("tcp", 80, "0.0.0.0", ""), ("tcp", 80, "::", "")]


def test_a_family_in_which_the_host_has_no_address_has_no_ports(proc: Proc, own: list[tuple[str, str]]) -> None:
    del own[1]
    proc.socket("tcp6", f"{EVERY6}:0050", f"{EVERY6}:0000", state=LISTENING)
    assert closed(proc) == [("tcp", 80, "0.0.0.0", "")]


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("local", [HERE, NOBODY])
def test_a_stranger_comes_in_by_the_interface_that_has_the_address(proc: Proc, local: str) -> None:
    asked: list[Packet] = []
    proc.socket("tcp", f"{local}:0050", f"{NOBODY}:0000", state=LISTENING)

    def lets(packet: Packet) -> bool:
        asked.append(packet)
        return False

    closed(proc, lets)
    assert {(packet.direction, packet.local, packet.port, packet.interface) for packet in asked} == {
        ("inbound", "192.0.2.11", 80, "eth0")
    }


@pytest.mark.usefixtures("own")
def test_an_address_through_which_strangers_come_is_enough(proc: Proc, own: list[tuple[str, str]]) -> None:
    own.append(("198.51.100.11", "eth2"))
    proc.socket("tcp", f"{NOBODY}:0050", f"{NOBODY}:0000", state=LISTENING)
    assert closed(proc, lambda packet: packet.interface == "eth2") == []


# --- Refused ----------------------------------------------------------------------------------------------------------


def out(address: str, port: int, source_port: int = 50000, program: str = "agent") -> Connection:
    return Connection(Packet("outbound", "tcp", address, "192.0.2.11", port, source_port, "eth0"), program)


def test_what_passes_is_not_refused() -> None:
    assert refused([out("198.51.100.7", 443)], lambda _packet: True) == []


def test_what_is_refused_is_told_in_plain_words() -> None:
    assert refused([out("198.51.100.7", 25)], lambda packet: packet.port != 25) == [
        {
            "direction": "outbound",
            "protocol": "tcp",
            "address": "198.51.100.7",
            "port": 25,
            "local_address": "192.0.2.11",
            "program": "agent",
        }
    ]


def test_connections_of_one_kind_are_told_once() -> None:
    many = [out("198.51.100.7", 25, source_port) for source_port in range(50000, 50100)]
    assert len(refused(many, lambda _packet: False)) == 1


def test_they_are_sorted() -> None:
    found = refused([out("198.51.100.7", 443), out("203.0.113.9", 25), out("198.51.100.7", 25)], lambda _packet: False)
    assert [(row["port"], row["address"]) for row in found] == [
        (25, "198.51.100.7"),
        (25, "203.0.113.9"),
        (443, "198.51.100.7"),
    ]
