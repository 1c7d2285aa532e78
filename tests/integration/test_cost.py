# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run costs that finds nothing to change, counted on real hosts: the programs that it starts."""

from __future__ import annotations

import json
import re

import pytest

from ansible_collections.netwall.datadog.tests.integration.on_host import PROGRAM, OnHost, arguments_of

TRACE = "/run/netwall-test-trace"
# A file for each process, so that no line is torn in two by another.
_TRACED = f"rm -f {TRACE}.*; exec strace -ff -qq -e trace=execve -o {TRACE} python3 {PROGRAM}"
FEW, MANY = 5, 2000


def options(backend: str, count: int) -> str:
    """What the module is asked for: *count* networks out, and a port closed to others."""
    networks = [f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}/32" for number in range(count)]
    out = {"id": "web-out", "direction": "outbound", "protocol": "tcp", "port": 80, "networks": networks}
    closed = {"id": "apm-in", "direction": "inbound", "action": "deny", "protocol": "tcp", "port": 8126}
    flows = [out, {**closed, "networks": ["0.0.0.0/0", "::/0"]}]
    return arguments_of(flows=flows, backend=backend, enable=True, management=False)


def programs_of_a_run_without_a_change(host: OnHost, order: str) -> list[str]:
    """The names of the programs that such a run starts, itself included, once what *order* asks for is there."""
    host.run("python3", PROGRAM, stdin=order)
    assert not json.loads(host.run("sh", "-c", _TRACED, stdin=order))["changed"]
    traced = host.run("sh", "-c", f"cat {TRACE}.*")
    return sorted(path.rpartition("/")[2] for path in re.findall(r'(?m)^execve\("([^"]+)".* = 0$', traced))


@pytest.mark.lab
@pytest.mark.parametrize(
    ("host", "backend"), [("host:bookworm", "ufw"), ("firewalld:bookworm", "firewalld")], indirect=["host"]
)
def test_a_run_without_a_change_starts_as_few_programs_for_many_networks_as_for_few(
    lab: str, host: str, backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    on_host = OnHost(lab, host)
    on_host.install_module()
    few, many = (programs_of_a_run_without_a_change(on_host, options(backend, count)) for count in (FEW, MANY))
    with capsys.disabled():
        print(f"\n{backend}: {len(few)} programs for {FEW} networks, {len(many)} for {MANY}: {' '.join(many)}")
    assert few == many
    assert not {"ufw", "firewall-cmd", "firewall-offline-cmd"} & set(many)
