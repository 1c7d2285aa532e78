# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is made of firewalld's answer to the files of others; what it answers is tried on real hosts (lab)."""

from __future__ import annotations

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import firewalld_refusals, firewalld_rehearsal
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_config import Configuration

OVERLAP = (
    "COMMAND_FAILED: 'python-nftables' failed: internal:0:0-0: Error: conflicting intervals specified\n\n\n"
    'JSON blob:\n{"nftables": [{"metainfo": {"json_schema_version": 1}}, {"add": {"set": {"family": "inet", '
    '"table": "firewalld", "name": "office", "type": "ipv4_addr", "flags": ["interval"]}}}]}\n'
)
OTHER_FAMILY = "zone public: INVALID_RULE: Source address family 'ipv6' conflicts with rule family 'ipv4'.\n"
DIRECT = "COMMAND_FAILED: Direct: '/usr/sbin/iptables-restore -w -n' failed: Set foreign doesn't exist.\n"


def rehearsed(monkeypatch: pytest.MonkeyPatch, said: str | FirewallError) -> list[list[str]]:
    """Have the rehearsal print *said*, or fail to take place; the commands that are run."""
    asked: list[list[str]] = []

    def run(argv: list[str]) -> str:
        asked.append(argv)
        if isinstance(said, FirewallError):
            raise said
        return said

    monkeypatch.setattr(firewalld_rehearsal, "run", run)
    monkeypatch.setattr(firewalld_rehearsal, "read_text", lambda _path: "#! /usr/bin/python3 -sP\nimport sys\n")
    return asked


def test_what_loads_has_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = rehearsed(monkeypatch, "")
    assert firewalld_rehearsal.what_fails([], settled_direct=False) == ""
    assert asked[0][:5] == ["unshare", "--net", "/usr/bin/python3", "-sP", "-c"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (OVERLAP, "ipset office: COMMAND_FAILED: .* conflicting intervals specified"),
        (OTHER_FAMILY, "zone public: INVALID_RULE: .* conflicts with rule family 'ipv4'."),
        (DIRECT, "COMMAND_FAILED: Direct: .* Set foreign doesn't exist."),
    ],
)
def test_a_fault_is_told_with_the_name_of_what_has_it(monkeypatch: pytest.MonkeyPatch, said: str, told: str) -> None:
    rehearsed(monkeypatch, said)
    with pytest.raises(FirewallError, match=rf"could not load .* \({told}\), so that no rule would be in force; mend"):
        firewalld_refusals.refuse_broken_files(Configuration("public", direct=("direct rule no longer in the file",)))


def test_direct_rules_in_force_may_need_what_is_not_there_in_a_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsed(monkeypatch, DIRECT)
    monkeypatch.setattr(firewalld_refusals, "direct_in_file", lambda: ["direct rule x", "direct rule y"])
    firewalld_refusals.refuse_broken_files(Configuration("public", direct=("direct rule y", "direct rule x")))


def test_where_no_rehearsal_can_take_place_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsed(monkeypatch, FirewallError("'unshare --net' ended with 1: Operation not permitted"))
    firewalld_refusals.refuse_broken_files(Configuration("public"))


def test_zones_that_have_interfaces_are_rehearsed_with_some(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = rehearsed(monkeypatch, "")
    zones = {"work": {"interfaces": ["eth1"]}, "home": {"sources": ["192.0.2.1"]}, "dmz": {"interfaces": ["eth2"]}}
    firewalld_refusals.refuse_broken_files(Configuration("public", zones))
    assert asked[0][-2:] == ["dmz", "work"]
