# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab does what tests rely on: if it did not, they would show what is not so."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.netwall.datadog.tests._tool import ROOT, run
from ansible_collections.netwall.datadog.tests.integration.conftest import LAB

if t.TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., str]

pytestmark = pytest.mark.lab

# Asks one DNS server for one name; prints the address it gives. RFC 1035: header, then the name's labels.
_ASK = """
import socket, sys
server, labels = sys.argv[1], sys.argv[2].encode().split(b".")
with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as question:
    question.settimeout(5)
    question.connect((server, 53))
    name = b"".join(bytes([len(label)]) + label for label in labels)
    question.send(bytes.fromhex("000101000001000000000000") + name + bytes.fromhex("0000010001"))
    print(socket.inet_ntoa(question.recv(512)[-4:]))
"""


@pytest.fixture(scope="module")
def command(lab: str) -> Command:
    """Runs lab.py in the tests' lab."""

    def call(what: str, *arguments: str) -> str:
        return run(LAB, what, "--lab", lab, *arguments, cwd=ROOT)

    return call


@pytest.fixture(scope="module")
def host(command: Command) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """A host that asks for its addresses, and the lab's facts."""
    folder = command("up", "--dhcp", "asks").strip()
    yield "asks", json.loads((Path(folder) / "lab.json").read_text(encoding="utf-8"))
    command("down", "asks")


@pytest.fixture(scope="module")
def disk(command: Command) -> str:
    """The content, by name, of files on a disk after a power cut."""
    run(LAB, "check", "--disk", cwd=ROOT)
    command("up", "--disk", "disk")
    write = """
import os

def write(name, is_synced):
    with open(name, "w") as file:
        file.write("new")
        file.flush()
        if is_synced:
            os.fsync(file.fileno())

def sync_folder():
    folder = os.open(".", os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)

os.chdir("/root")
write("renamed", True)
sync_folder()
write("draft", False)
os.rename("draft", "renamed")
write("synced", True)
sync_folder()
write("not synced", False)
write("draft", True)
os.rename("draft", "named and not synced")
"""
    command("console", "disk", "--", "python3", "-c", write)
    command("stop", "disk", "--hard")
    command("start", "disk")
    found = command("console", "disk", "--", "sh", "-c", "cd /root && head -c 99 -v * </dev/null")
    command("down", "disk")
    return found


def test_a_power_cut_keeps_what_was_synced(disk: str) -> None:
    assert "==> synced <==\nnew" in disk


def test_a_power_cut_loses_content_that_was_not_synced(disk: str) -> None:
    assert "==> not synced <==\nnew" not in disk


def test_a_power_cut_loses_a_name_that_was_not_synced(disk: str) -> None:
    assert "==> named and not synced <==" not in disk


def test_a_power_cut_empties_a_file_that_was_renamed_over_another_before_it_was_synced(disk: str) -> None:
    assert "==> renamed <==\n\n" in disk


def test_a_host_gets_both_its_addresses_when_it_asks(command: Command, host: tuple[str, dict[str, t.Any]]) -> None:
    name, facts = host
    addresses = command("console", name, "--", "ip", "address", "show", "dynamic", "dev", "host0")
    assert all(facts["hosts"][name][family] in addresses for family in ("ipv4", "ipv6"))


def test_a_host_hears_of_its_way_out_by_router_advertisements(command: Command, host: tuple[str, object]) -> None:
    assert "proto ra" in command("console", host[0], "--", "ip", "-6", "route", "show", "default")


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("resolver", ["resolver", "other_resolver"])
def test_every_resolver_answers(
    command: Command, host: tuple[str, dict[str, t.Any]], resolver: str, family: str
) -> None:
    name, facts = host
    api = facts["intakes"]["api"]
    answer = command("console", name, "--", "python3", "-c", _ASK, facts["elsewhere"][resolver][family], api["name"])
    assert answer.strip() == api["ipv4"]


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_the_metadata_address_answers(command: Command, host: tuple[str, dict[str, t.Any]], family: str) -> None:
    name, facts = host
    address = facts["metadata"][family]
    url = f"http://[{address}]/" if ":" in address else f"http://{address}/"
    assert json.loads(command("console", name, "--", "curl", "-sS", url))["server"] == address


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_names_go_through_a_stub_on_a_host_that_has_one(command: Command, release: str) -> None:
    command("up", f"stub=resolved:{release}")
    question = "grep nameserver /etc/resolv.conf && getent ahostsv4 api.datadoghq.com"
    found = command("console", "stub", "--", "sh", "-c", question)
    command("down", "stub")
    assert found.startswith("nameserver 127.0.0.53\n")


def test_a_host_without_systemd_answers_and_halts(command: Command) -> None:
    command("up", "old=sysvinit:bookworm")
    found = command("ssh", "old", "cat /proc/1/comm; sudo ufw status")
    command("stop", "old")
    command("start", "old")
    command("down", "old")
    assert found == "init\nStatus: inactive\n"
