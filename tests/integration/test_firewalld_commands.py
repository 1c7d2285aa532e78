# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An operator's own files and commands beside ours on real firewalld, and a reload under traffic."""

from __future__ import annotations

import sys
import typing as t

import pytest

from ansible_collections.netwall.datadog.tests._tool import ROOT, run
from ansible_collections.netwall.datadog.tests.integration.firewalld_host import FirewalldHost
from ansible_collections.netwall.datadog.tests.integration.on_host import OnHost

RELEASES = ["firewalld:bookworm", "firewalld:trixie"]

pytestmark = [pytest.mark.lab, pytest.mark.parametrize("host", RELEASES, indirect=True, ids=["1.3", "2.3"])]

NETWORKS = (["192.0.2.0/28", "2001:db8:1::/64"], ["192.0.2.16/28", "198.51.100.0/24", "2001:db8:2::/64"])
# Files that firewalld's own check lets pass, and that fail a reload.
BROKEN = {
    "ipset office": {
        "ipsets/office": '<ipset type="hash:net"><entry>10.0.0.0/8</entry><entry>10.1.0.0/16</entry></ipset>',
    },
    "zone public": {
        "ipsets/six": '<ipset type="hash:net"><option name="family" value="inet6"/></ipset>',
        "zones/public": '<zone><rule family="ipv4"><source ipset="six"/><accept/></rule></zone>',
    },
    # Bound below at run time alone, which counts where a reload keeps that.
    "zone work": {
        "ipsets/six": '<ipset type="hash:net"><option name="family" value="inet6"/></ipset>',
        "zones/work": '<zone><rule family="ipv4"><source ipset="six"/><accept/></rule></zone>',
    },
    "zone drop": {"zones/drop": '<zone target="DROP"><source ipset="nowhere"/></zone>'},
    "Direct": {"direct": '<direct><passthrough ipv="ipv4">-A NOWHERE -j ACCEPT</passthrough></direct>'},
}


@pytest.fixture
def on_host(lab: str, host: str) -> OnHost:
    """A host with the module, and a firewalld that is on."""
    found = OnHost(lab, host)
    found.install_module()
    FirewalldHost(found).reset()
    found.run("firewall-cmd", "--state")
    return found


def apply(host: OnHost, side: int, **more: t.Any) -> dict[str, t.Any]:
    """Have the module let out traffic to one or the other NETWORKS."""
    flow = {"id": "web-out", "direction": "outbound", "protocol": "tcp", "port": 80, "networks": NETWORKS[side]}
    return host.module(flows=[flow], backend="firewalld", management=False, **more)


def entries(host: OnHost, *where: str) -> list[str]:
    """What is in the ipsets of ours, at run time or *where*."""
    names = [name for name in host.run("firewall-cmd", *where, "--get-ipsets").split() if name.startswith("netwall-")]
    return sorted(
        entry
        for name in names
        for entry in host.run("firewall-cmd", *where, f"--ipset={name}", "--get-entries").split()
    )


def test_a_permanent_command_right_after_ours_does_not_undo_it(on_host: OnHost) -> None:
    apply(on_host, 0)
    assert apply(on_host, 1)["changed"]
    on_host.run("firewall-cmd", "--permanent", "--zone=public", "--add-port=7777/tcp")
    assert entries(on_host, "--permanent") == sorted(NETWORKS[1])
    on_host.run("firewall-cmd", "--reload")
    assert entries(on_host) == sorted(NETWORKS[1])
    assert not apply(on_host, 1)["changed"]


def test_a_permanent_command_for_an_ipset_of_ours_right_after_us_adds_to_what_we_wrote(on_host: OnHost) -> None:
    apply(on_host, 0)
    apply(on_host, 1)
    name = next(name for name in on_host.run("firewall-cmd", "--get-ipsets").split() if name.endswith("-4"))
    on_host.run("firewall-cmd", "--permanent", f"--ipset={name}", "--add-entry=203.0.113.0/24")
    assert entries(on_host, "--permanent") == sorted([*NETWORKS[1], "203.0.113.0/24"])


def test_files_of_others_that_would_fail_a_reload_are_told_and_the_old_rules_stay(on_host: OnHost) -> None:
    apply(on_host, 0)
    on_host.run("sed", "-i", "s/^FlushAllOnReload=.*/FlushAllOnReload=no/", "/etc/firewalld/firewalld.conf")
    on_host.run("firewall-cmd", "--reload")
    on_host.run("firewall-cmd", "--zone=work", "--add-interface=eth9")
    for named, files in BROKEN.items():
        for name, text in files.items():
            content = f'<?xml version="1.0" encoding="utf-8"?>{text}'
            on_host.run("sh", "-euc", f"mkdir -p /etc/firewalld/zones; cat >/etc/firewalld/{name}.xml", stdin=content)
        result = apply(on_host, 0, default_outbound="deny")
        assert named in result.get("msg", result)
        assert on_host.run("firewall-cmd", "--state")
        on_host.run("sh", "-euc", "".join(f"rm /etc/firewalld/{name}.xml;" for name in files))
    assert entries(on_host) == sorted(NETWORKS[0])


def test_our_files_leave_a_failed_firewalld_without_another_reload(on_host: OnHost) -> None:
    apply(on_host, 0)
    content = BROKEN["ipset office"]["ipsets/office"]
    on_host.run("sh", "-euc", "cat >/etc/firewalld/ipsets/office.xml", stdin=content)
    on_host.call("firewall-cmd", "--reload")
    assert [on_host.module(state="absent", backend="firewalld")["changed"] for _run in range(2)] == [True, False]
    assert on_host.run("sh", "-c", "find /etc/firewalld /var/lib -name '*netwall*'") == ""


def test_nothing_leaks_while_firewalld_reloads(lab: str, host: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(sys.executable, ROOT / "tests/integration/reloading.py", "--lab", lab, "--host", host, cwd=ROOT)
    with capsys.disabled():
        print(f"\n{said}", end="")
