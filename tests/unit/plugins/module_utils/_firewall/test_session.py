# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection that the play came in on, found in process trees as they stand under sudo, doas and su."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import sockets as sockets_module
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import Session, find_session, peers_on

if t.TYPE_CHECKING:
    from pathlib import Path

CONNECTION = "SSH_CONNECTION=198.51.100.7 50123 192.0.2.11 22"
SESSION = Session("198.51.100.7", 50123, "192.0.2.11", 22)
MODULE = 900

ESTABLISHED, LISTENING, CLOSING = "01", "0A", "06"
# As the kernel of a little-endian machine prints them.
ANY4, ANY6 = "00000000:0000", f"{'0' * 32}:0000"
HERE, PEER = "0B0200C0:0016", "076433C6:C3CB"
HERE6, PEER6 = "B80D0120000000000000000011000000:0016", "B80D0120000007000000000007000000:C3CB"
MAPPED_HERE, MAPPED_PEER = "0000000000000000FFFF00000B0200C0:0016", "0000000000000000FFFF0000076433C6:C3CB"
LOOPBACK, LOOPBACK_PEER = "0100007F:0016", "0100007F:C3CB"


class Proc:
    """A /proc in which processes are put by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sockets: dict[str, list[str]] = {"tcp": [], "tcp6": []}
        (folder / "net").mkdir()

    def process(
        self, pid: int, parent: int, *environ: str, name: str = "python3", sockets: t.Iterable[int] = ()
    ) -> None:
        """A process, its environment, and the sockets it has open by their inodes."""
        folder = self.folder / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "stat").write_text(f"{pid} ({name}) S {parent} {pid} {pid} 0 -1 4194304 100\n", encoding="utf-8")
        (folder / "environ").write_bytes(b"".join(variable.encode() + b"\0" for variable in environ))
        (folder / "fd" / "0").symlink_to("/dev/null")
        (folder / "fd" / "1").symlink_to("pipe:[77]")
        for number, inode in enumerate(sockets, 3):
            (folder / "fd" / str(number)).symlink_to(f"socket:[{inode}]")

    def connection(self, inode: int, local: str, remote: str, state: str = ESTABLISHED, table: str = "tcp") -> None:
        """A row of a table of TCP sockets."""
        rows = self.sockets[table]
        rows.append(f"   {len(rows)}: {local} {remote} {state} 00000000:00000000 02:0009A12F 00000000 0 0 {inode} 2")
        header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
        (self.folder / "net" / table).write_text("\n".join([header, *rows, ""]), encoding="ascii")

    def session(self) -> Session | None:
        return find_session(str(self.folder), MODULE)


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proc:
    monkeypatch.setattr(sockets_module, "_BYTE_ORDER", "little")
    return Proc(tmp_path)


# --- By the environment -----------------------------------------------------------------------------------------------


def test_without_become_the_modules_own_environment_tells(proc: Proc) -> None:
    proc.process(MODULE, 1, "PATH=/bin", CONNECTION, "HOME=/root")
    assert proc.session() == SESSION


def test_behind_sudo_an_ancestor_tells(proc: Proc) -> None:
    proc.process(600, 1, name="sshd")
    proc.process(700, 600, CONNECTION, name="sh")
    proc.process(800, 700, CONNECTION, name="sudo")
    proc.process(MODULE, 800, "SUDO_USER=ansible")
    assert proc.session() == SESSION


def test_behind_a_chain_of_doas_and_su_an_ancestor_tells(proc: Proc) -> None:
    proc.process(600, 1, name="sshd")
    proc.process(700, 600, CONNECTION, name="sh")
    for pid, parent, name in ((750, 700, "doas"), (760, 750, "su"), (770, 760, "sh"), (MODULE, 770, "python3")):
        proc.process(pid, parent, "DOAS_USER=ansible", name=name)
    assert proc.session() == SESSION


def test_the_nearest_ancestor_tells(proc: Proc) -> None:
    proc.process(700, 1, "SSH_CONNECTION=203.0.113.9 1234 192.0.2.11 22")
    proc.process(MODULE, 700, CONNECTION)
    assert proc.session() == SESSION


@pytest.mark.parametrize("name", ["tmux: server", "a) S 1 (b", "))", "(", "a\n) R 1"])
def test_the_name_of_an_ancestor_may_hold_anything(proc: Proc, name: str) -> None:
    proc.process(700, 1, CONNECTION)
    proc.process(800, 700, name=name)
    proc.process(MODULE, 800)
    assert proc.session() == SESSION


@pytest.mark.parametrize(
    ("variable", "session"),
    [
        ("2001:db8:7::7 50123 2001:db8::11 22", Session("2001:db8:7::7", 50123, "2001:db8::11", 22)),
        ("fe80::1%eth0 50123 fe80::2%eth0 22", Session("fe80::1", 50123, "fe80::2", 22)),
        ("::ffff:198.51.100.7 50123 ::ffff:192.0.2.11 22", SESSION),
        ("198.51.100.7 50123 192.0.2.11 2222", Session("198.51.100.7", 50123, "192.0.2.11", 2222)),
    ],
)
def test_addresses_are_plain(proc: Proc, variable: str, session: Session) -> None:
    proc.process(MODULE, 1, f"SSH_CONNECTION={variable}")
    assert proc.session() == session


@pytest.mark.parametrize("variable", ["", "198.51.100.7", "a b c d", "198.51.100.7 x 192.0.2.11 22", "UNKNOWN 65535"])
def test_a_variable_that_says_nothing_is_passed_over(proc: Proc, variable: str) -> None:
    proc.process(700, 1, CONNECTION)
    proc.process(MODULE, 700, f"SSH_CONNECTION={variable}")
    assert proc.session() == SESSION


def test_a_variable_with_a_longer_name_is_another(proc: Proc) -> None:
    proc.process(MODULE, 1, "OLD_SSH_CONNECTION=198.51.100.7 50123 192.0.2.11 22", "SSH_CONNECTION_=1 2 3 4")
    assert proc.session() is None


# --- By the sockets ---------------------------------------------------------------------------------------------------


def served(proc: Proc, *rows: tuple[str, str], table: str = "tcp") -> Session | None:
    """The session of a module below a server with these connections, which listens as the first of them says."""
    proc.process(600, 1, name="sshd", sockets=range(41, 41 + len(rows)))
    proc.process(MODULE, 600)
    port = rows[0][0].rpartition(":")[2]
    anywhere, nobody = (ANY6, ANY6) if table == "tcp6" else (ANY4, ANY4)
    proc.connection(40, f"{anywhere.partition(':')[0]}:{port}", nobody, LISTENING, table)
    for inode, (local, remote) in enumerate(rows, 41):
        proc.connection(inode, local, remote, table=table)
    return proc.session()


def test_without_the_variable_the_servers_socket_tells(proc: Proc) -> None:
    assert served(proc, (HERE, PEER)) == SESSION


def test_over_ipv6_the_servers_socket_tells(proc: Proc) -> None:
    assert served(proc, (HERE6, PEER6), table="tcp6") == Session("2001:db8:7::7", 50123, "2001:db8::11", 22)


def test_ipv4_on_a_socket_of_ipv6_is_ipv4(proc: Proc) -> None:
    assert served(proc, (MAPPED_HERE, MAPPED_PEER), table="tcp6") == SESSION


def test_connections_that_stay_on_the_host_are_ignored(proc: Proc) -> None:
    assert served(proc, (LOOPBACK, LOOPBACK_PEER)) is None


def test_a_connection_that_an_ancestor_made_itself_is_no_session(proc: Proc) -> None:
    proc.process(600, 1, name="ansible-playbook", sockets=[41])
    proc.process(MODULE, 600)
    proc.connection(40, "00000000:0016", ANY4, LISTENING)
    proc.connection(41, "0B0200C0:C3CB", "076433C6:01BB")
    assert proc.session() is None


def test_a_server_that_forwards_for_its_client_is_told_by_the_port_it_listens_on(proc: Proc) -> None:
    assert served(proc, (HERE, PEER), ("0B0200C0:D431", "096433C6:01BB"), ("0B0200C0:D432", "096433C6:0050")) == SESSION


@pytest.mark.parametrize("state", [CLOSING, LISTENING])
def test_only_an_established_connection_is_a_session(proc: Proc, state: str) -> None:
    proc.process(MODULE, 1, sockets=[41])
    proc.connection(40, "00000000:0016", ANY4, LISTENING)
    proc.connection(41, HERE, PEER, state)
    assert proc.session() is None


def test_a_connection_of_a_process_that_is_no_ancestor_is_ignored(proc: Proc) -> None:
    proc.process(500, 1, name="sshd", sockets=[41])
    proc.process(MODULE, 1)
    proc.connection(40, "00000000:0016", ANY4, LISTENING)
    proc.connection(41, HERE, PEER)
    assert proc.session() is None


# --- Not at all -------------------------------------------------------------------------------------------------------


def test_there_is_none_where_no_ancestor_knows_of_one(proc: Proc) -> None:
    proc.process(700, 1, name="cron")
    proc.process(MODULE, 700)
    assert proc.session() is None


def test_there_is_none_in_a_proc_that_tells_nothing(tmp_path: Path) -> None:
    assert find_session(str(tmp_path), MODULE) is None


def test_an_ancestor_that_is_gone_ends_the_search(proc: Proc) -> None:
    proc.process(MODULE, 700)
    assert proc.session() is None


# --- Who else is connected --------------------------------------------------------------------------------------------


def connected(proc: Proc, *rows: tuple[str, str], listening: str = "00000000:0016") -> set[str]:
    """The peers on port 22 of a host that listens as told."""
    proc.connection(40, listening, ANY4, LISTENING)
    for inode, (local, remote) in enumerate(rows, 41):
        proc.connection(inode, local, remote)
    return peers_on(22, str(proc.folder))


def test_all_who_have_a_session_are_peers_each_once(proc: Proc) -> None:
    assert connected(proc, (HERE, PEER), (HERE, "076433C6:C3CC"), (HERE, "086433C6:C3CB")) == {
        "198.51.100.7",
        "198.51.100.8",
    }


def test_who_is_connected_to_another_port_is_no_peer(proc: Proc) -> None:
    proc.connection(39, "00000000:01BB", ANY4, LISTENING)
    assert connected(proc, ("0B0200C0:01BB", PEER)) == set()


def test_whom_this_host_called_from_that_port_is_no_peer(proc: Proc) -> None:
    assert connected(proc, (HERE, PEER), listening="00000000:01BB") == set()


def test_this_host_is_no_peer_of_itself(proc: Proc) -> None:
    assert connected(proc, (LOOPBACK, LOOPBACK_PEER)) == set()


# --- The interface ----------------------------------------------------------------------------------------------------


def test_an_address_that_this_host_has_not_is_on_no_interface() -> None:
    assert Session("198.51.100.7", 50123, "192.0.2.11", 22).interface == ""
    assert Session("2001:db8:7::7", 50123, "2001:db8::11", 22).interface == ""


def test_the_loopback_address_is_on_lo() -> None:
    assert Session("127.0.0.1", 50123, "127.0.0.1", 22).interface == "lo"


def test_the_address_of_a_service_on_lo_is_on_an_interface_that_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets_module, "_interface_with", lambda _address: "lo")
    assert SESSION.interface == ""


def test_the_address_of_an_interface_is_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets_module, "_interface_with", {"192.0.2.11": "eth0"}.get)
    assert SESSION.interface == "eth0"
