# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Switching ufw on and off: what is refused before, what is remembered, and what is put back, on a made-up kernel."""

from __future__ import annotations

import base64
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import ufw_live, ufw_switch
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError

if t.TYPE_CHECKING:
    from pathlib import Path

EMPTY = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
FOREIGN = EMPTY.replace("COMMIT", "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT")
# What is left of ufw after ``ufw disable``, beside a chain of somebody else.
LEFT_OVER = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT DROP [0:0]
:f2b-sshd - [0:0]
:ufw-before-input - [0:0]
:ufw-user-input - [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j f2b-sshd
-A INPUT -j ufw-before-input
-A INPUT -i lo -j ACCEPT
-A ufw-before-input -j ufw-user-input
COMMIT
"""
SYSTEM = {"is-enabled ufw.service": "disabled"}
IPV6 = {"IPV6": "yes"}


class Kernel:
    """Both filter tables as iptables-save prints them, None where the kernel has no such family; and what was run."""

    def __init__(self) -> None:
        self.saved: dict[str, str | None] = {"iptables-save": EMPTY, "ip6tables-save": EMPTY}
        self.system = dict(SYSTEM)
        self.ran: list[str] = []

    def run(self, argv: list[str], stdin: str | None = None) -> str:
        if argv[0] in self.saved:
            saved = self.saved[argv[0]]
            if saved is None:
                raise FirewallError("no such family")
            return saved
        self.ran += [" ".join(argv), *(stdin or "").splitlines()]
        return ""


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    for module in (ufw_live, ufw_switch):
        monkeypatch.setattr(module, "run", made.run)
    monkeypatch.setattr(ufw_switch, "ask_systemd", lambda question, unit: made.system[f"{question} {unit}"])
    return made


def remembered(**defaults: str) -> ufw_switch.Record:
    return ufw_switch.remember({**IPV6, **defaults}, {})


def refusal(defaults: t.Mapping[str, str]) -> str:
    with pytest.raises(FirewallError) as caught:
        ufw_switch.refuse_to_switch_on(defaults)
    return str(caught.value)


# --- Before -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "defaults", "said"),
    [
        ("iptables-save", {"IPV6": "yes", "MANAGE_BUILTINS": "yes"}, "(MANAGE_BUILTINS=yes), would wipe the IPv4 "),
        ("ip6tables-save", {"IPV6": "yes", "MANAGE_BUILTINS": "YES"}, "(MANAGE_BUILTINS=yes), would wipe the IPv6 "),
        ("ip6tables-save", {"IPV6": "no"}, "(IPV6=no), would wipe the IPv6 "),
    ],
)
def test_rules_of_others_that_ufw_would_wipe_are_an_obstacle(
    kernel: Kernel, table: str, defaults: dict[str, str], said: str
) -> None:
    kernel.saved[table] = FOREIGN
    assert said in refusal(defaults)


@pytest.mark.parametrize(
    ("table", "defaults"),
    [("iptables-save", IPV6), ("ip6tables-save", IPV6), ("iptables-save", {"IPV6": "no", "MANAGE_BUILTINS": "no"})],
)
def test_rules_of_others_that_ufw_leaves_alone_are_no_obstacle(
    kernel: Kernel, table: str, defaults: dict[str, str]
) -> None:
    kernel.saved[table] = FOREIGN
    ufw_switch.refuse_to_switch_on(defaults)


def test_what_stood_before_is_remembered(kernel: Kernel, tmp_path: Path) -> None:
    kernel.saved["iptables-save"] = LEFT_OVER
    rules, sysctls = tmp_path / "user.rules", tmp_path / "sysctl.conf"
    rules.write_bytes(b"theirs \xff")
    sysctls.write_text("#net/ipv4/ip_forward=1\n; net.ipv4.ip_forward=1\nnet.no-such-key=1\n", encoding="ascii")
    paths = {4: str(rules), 6: str(tmp_path / "user6.rules")}
    assert ufw_switch.remember({**IPV6, "IPT_SYSCTL": str(sysctls)}, paths) == {
        "files": {"4": base64.b64encode(b"theirs \xff").decode()},
        "chains": {
            "4": ["FORWARD", "INPUT", "OUTPUT", "f2b-sshd", "ufw-before-input", "ufw-user-input"],
            "6": ["FORWARD", "INPUT", "OUTPUT"],
        },
        "policies": {
            "4": {"INPUT": "ACCEPT", "FORWARD": "ACCEPT", "OUTPUT": "DROP"},
            "6": {"INPUT": "ACCEPT", "FORWARD": "ACCEPT", "OUTPUT": "ACCEPT"},
        },
        "loopback": [],
        "unit": "disabled",
        "sysctls": {},
    }


def test_a_kernel_without_ipv6_has_none_to_remember(kernel: Kernel) -> None:
    kernel.saved["ip6tables-save"] = None
    assert set(remembered()["chains"]) == {"4"}


# --- On and off -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "ran"),
    [
        ("disabled", ["ufw --force enable", "systemctl enable --quiet ufw.service"]),
        ("enabled", ["ufw --force enable"]),
        ("masked", ["ufw --force enable"]),
        ("", ["ufw --force enable"]),
    ],
)
def test_ufw_comes_on_now_and_at_every_boot(kernel: Kernel, unit: str, ran: list[str]) -> None:
    kernel.system["is-enabled ufw.service"] = unit
    ufw_switch.switch_on()
    assert kernel.ran == ran


def test_a_ufw_of_which_a_part_is_loaded_is_started_on_a_kernel_without_it(kernel: Kernel) -> None:
    kernel.saved["iptables-save"] = LEFT_OVER
    kernel.system["is-enabled ufw.service"] = "enabled"
    ufw_switch.start_afresh()
    assert kernel.ran == [
        "iptables-restore --noflush -w 30",
        "*filter",
        "-D INPUT -j ufw-before-input",
        "-F ufw-before-input",
        "-F ufw-user-input",
        "-X ufw-before-input",
        "-X ufw-user-input",
        "COMMIT",
        "ufw --force enable",
    ]


@pytest.mark.parametrize("table", ["iptables-save", "ip6tables-save"])
def test_chains_of_ufw_that_were_not_there_before_are_seen(kernel: Kernel, table: str) -> None:
    before = remembered()
    assert not ufw_switch.has_chains(before)
    kernel.saved[table] = LEFT_OVER.replace("ufw-", "ufw6-") if table == "ip6tables-save" else LEFT_OVER
    assert ufw_switch.has_chains(before)
    assert not ufw_switch.has_chains(remembered())


def test_chains_of_others_are_none_of_ufws(kernel: Kernel) -> None:
    before = remembered()
    kernel.saved["iptables-save"] = FOREIGN.replace("COMMIT", ":f2b-sshd - [0:0]\nCOMMIT")
    assert not ufw_switch.has_chains(before)


def test_what_ufw_left_behind_goes_and_what_others_have_stays(kernel: Kernel) -> None:
    before = remembered()
    kernel.saved["iptables-save"] = LEFT_OVER
    ufw_switch.switch_off({**before, "chains": {"4": ["INPUT", "f2b-sshd"], "6": ["INPUT"]}}, True)
    assert kernel.ran == [
        "ufw --force disable",
        "iptables-restore --noflush -w 30",
        "*filter",
        "-D INPUT -j ufw-before-input",
        "-F ufw-before-input",
        "-F ufw-user-input",
        "-X ufw-before-input",
        "-X ufw-user-input",
        "-P OUTPUT ACCEPT",
        "COMMIT",
    ]


def test_chains_of_ufw_that_stood_before_stay(kernel: Kernel) -> None:
    kernel.saved["iptables-save"] = LEFT_OVER
    before = remembered()
    ufw_switch.switch_off(before, True)
    assert kernel.ran == ["ufw --force disable"]


def test_what_ufw_let_pass_on_lo_where_it_does_no_ipv6_goes(kernel: Kernel) -> None:
    before = remembered(IPV6="no")
    kernel.saved["ip6tables-save"] = EMPTY.replace("COMMIT", "-A INPUT -i lo -j ACCEPT\nCOMMIT")
    ufw_switch.switch_off(before, False)
    assert kernel.ran == ["ip6tables-restore --noflush -w 30", "*filter", "-D INPUT -i lo -j ACCEPT", "COMMIT"]


def test_a_ufw_that_came_on_at_boot_before_still_does(kernel: Kernel) -> None:
    kernel.system["is-enabled ufw.service"] = "enabled"
    before = remembered()
    ufw_switch.switch_off(before, False)
    assert kernel.ran == []


def test_a_ufw_that_did_not_come_on_at_boot_before_does_not_again(kernel: Kernel) -> None:
    before = remembered()
    kernel.system["is-enabled ufw.service"] = "enabled"
    ufw_switch.switch_off(before, False)
    assert kernel.ran == ["systemctl disable --quiet ufw.service"]


def test_a_table_that_was_not_there_before_goes_when_it_is_empty(kernel: Kernel) -> None:
    kernel.saved["iptables-save"] = ""
    before = remembered()
    kernel.saved["iptables-save"] = EMPTY
    ufw_switch.switch_off(before, False)
    assert kernel.ran == ["nft delete table ip filter"]


def test_a_table_that_others_use_by_now_stays(kernel: Kernel) -> None:
    kernel.saved["iptables-save"] = ""
    before = remembered()
    kernel.saved["iptables-save"] = FOREIGN
    ufw_switch.switch_off(before, False)
    assert kernel.ran == []


# --- What was recorded ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("kernel")
def test_a_record_of_ours_is_accepted() -> None:
    ufw_switch.check(remembered())
    ufw_switch.check(None)


@pytest.mark.parametrize(
    "damage",
    [
        {"files": 5},
        {"files": {"4": "no base64!"}},
        {"files": {"4": 7}},
        {"sysctls": {"../../etc/shadow": "1"}},
        {"sysctls": {"kernel/core_pattern": "|/bin/sh"}},
        {"loopback": None},
    ],
)
@pytest.mark.usefixtures("kernel")
def test_a_damaged_record_is_refused(damage: dict[str, t.Any]) -> None:
    with pytest.raises(FirewallError, match="where the way back is kept, is damaged"):
        ufw_switch.check({**remembered(), **damage})


@pytest.mark.parametrize("record", [5, {}, []])
def test_what_is_no_record_is_refused(record: t.Any) -> None:
    with pytest.raises(FirewallError, match="is damaged"):
        ufw_switch.check(record)
