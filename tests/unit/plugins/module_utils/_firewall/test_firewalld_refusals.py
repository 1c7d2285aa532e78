# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is noticed of a host before firewalld is started, reloaded or changed."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import firewalld_refusals
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_config import Daemon
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_refusals import (
    foreign_rules,
    parse_saved,
    refuse_daemon,
    refuse_missing_ipset,
    refuse_wiped_rules,
    saved_rules,
)

BOOKWORM, TRIXIE = (1, 3, 3), (2, 3, 1)
HEALTHY = Daemon(BOOKWORM, "RUNNING", {"FirewallBackend": "nftables"})
DIRECT = ("direct rule ipv4 filter INPUT 0 -p tcp --dport 999 -j DROP",)


def _saved(*lines: str, table: str = "filter", family: str = "ipv4") -> list[firewalld_refusals.SavedRule]:
    return parse_saved(family, "\n".join(["# Generated", f"*{table}", ":INPUT ACCEPT [0:0]", *lines, "COMMIT"]))


OWN = "-A INPUT -p tcp -m tcp --dport 999 -j DROP"
FOREIGN = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"


def test_a_healthy_firewalld_is_not_refused() -> None:
    refuse_daemon(HEALTHY)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": (0, 9, 11)}, r"firewalld 0\.9\.11 .* update it to 1\.0"),
        ({"state": "FAILED"}, "state FAILED"),
        ({"is_panicking": True}, "--panic-off"),
        ({"is_locked_down": True}, "--lockdown-off"),
        ({"settings": {"FirewallBackend": "iptables"}}, "FirewallBackend=nftables"),
    ],
)
def test_a_firewalld_that_cannot_take_our_rules_is_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(FirewallError, match=sentence):
        refuse_daemon(dataclasses.replace(HEALTHY, **change))  # type: ignore[arg-type]


def test_before_2_0_rules_of_others_are_in_danger_always() -> None:
    with pytest.raises(
        FirewallError, match=r"1\.3\.3 would remove 1 .*'-A INPUT .* 22 -j ACCEPT' of ipv4, table filter"
    ):
        refuse_wiped_rules(BOOKWORM, (), _saved(FOREIGN))


def test_from_2_0_on_they_are_in_danger_with_direct_rules_alone() -> None:
    refuse_wiped_rules(TRIXIE, (), _saved(FOREIGN))
    with pytest.raises(FirewallError, match="would remove"):
        refuse_wiped_rules(TRIXIE, DIRECT, _saved(OWN, FOREIGN))


@pytest.mark.parametrize("version", [BOOKWORM, TRIXIE])
def test_what_firewalld_made_of_direct_rules_is_not_foreign(version: tuple[int, ...]) -> None:
    refuse_wiped_rules(version, DIRECT, _saved(OWN))


def test_rules_of_the_other_family_are_foreign_all_the_same() -> None:
    with pytest.raises(FirewallError, match="of ipv6"):
        refuse_wiped_rules(BOOKWORM, DIRECT, _saved(OWN, family="ipv6"))


def test_rules_of_ufw_are_called_by_their_name() -> None:
    with pytest.raises(FirewallError, match="ufw's"):
        refuse_wiped_rules(BOOKWORM, (), _saved("-A ufw-user-input -j RETURN"))


@pytest.mark.parametrize(
    "passthrough",
    ["direct passthrough ipv4 -t nat -A PREROUTING -j x", "direct passthrough ipv4 -t nat -I PREROUTING 1 -j x"],
)
def test_what_firewalld_passed_through_is_not_foreign(passthrough: str) -> None:
    assert not foreign_rules([passthrough], _saved("-A PREROUTING -j x", table="nat"))


def test_a_passthrough_without_a_table_means_filter() -> None:
    assert not foreign_rules(["direct passthrough ipv4 -A INPUT -j x"], _saved("-A INPUT -j x"))


DOCKER = (
    "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
    "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
    "-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE",
    "-A DOCKER -i docker0 -j RETURN",
    "-A DOCKER-USER -j RETURN",
    "-A FORWARD -o br-0123456789ab -j DOCKER",
)


def test_what_docker_makes_again_after_a_reload_is_not_in_danger() -> None:
    refuse_wiped_rules(BOOKWORM, (), _saved(*DOCKER))


def test_what_docker_makes_again_leaves_room_for_direct_rules_in_the_same_chain() -> None:
    rule = "direct rule ipv4 filter FORWARD 0 -j ACCEPT"
    refuse_wiped_rules(BOOKWORM, (rule,), _saved("-A FORWARD -j ACCEPT", "-A FORWARD -o docker0 -j DOCKER"))


def test_what_an_operator_put_into_dockers_user_chain_is() -> None:
    with pytest.raises(FirewallError, match="DOCKER-USER -s"):
        refuse_wiped_rules(BOOKWORM, (), _saved(*DOCKER, "-A DOCKER-USER -s 192.0.2.1/32 -j DROP"))


@pytest.mark.parametrize(
    ("version", "direct", "found", "refused"),
    [
        (TRIXIE, DIRECT, None, True),
        (TRIXIE, DIRECT, "/usr/sbin/ipset", False),
        (TRIXIE, (), None, False),
        (BOOKWORM, DIRECT, None, False),
    ],
)
def test_from_2_0_on_direct_rules_need_the_program_ipset(
    monkeypatch: pytest.MonkeyPatch,
    version: tuple[int, ...],
    direct: tuple[str, ...],
    found: str | None,
    refused: bool,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_more: found)
    expected = pytest.raises(FirewallError, match="install it") if refused else contextlib.nullcontext()
    with expected:
        refuse_missing_ipset(version, direct)


def test_both_families_are_looked_at_without_naming_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(argv: list[str]) -> str:
        asked.append(argv)
        return f"*filter\n{FOREIGN}\nCOMMIT\n"

    monkeypatch.setattr(shutil, "which", lambda *_args, **_more: "/usr/sbin/iptables-save")
    monkeypatch.setattr(firewalld_refusals, "run", run)
    assert [(rule.family, rule.table, rule.chain) for rule in saved_rules()] == [
        ("ipv4", "filter", "INPUT"),
        ("ipv6", "filter", "INPUT"),
    ]
    assert asked == [["iptables-save"], ["ip6tables-save"]]
