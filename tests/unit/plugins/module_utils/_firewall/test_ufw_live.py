# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one edit of ufw's live chains: simulated on a list, for any mixture of rules."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import Rule, compile_rules
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_live import Live
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_rules import iptables_line

CHAIN = "ufw-user-output"


def _rule(number: int, action: str = "allow") -> Rule:
    return Rule("outbound", action, "tcp", f"192.0.2.{number}/32", 443, flows=("agents-tcp-443-out",))


def _as_saved(rule: Rule) -> str:
    """A rule of ours as iptables-save prints it."""
    target = {"allow": "ACCEPT", "deny": "DROP"}[rule.action]
    return f"-A {CHAIN} -d {rule.network} -p tcp -m tcp --dport {rule.port} -j {target}"


def _after(live: list[str], lines: list[str]) -> list[str]:
    """What the kernel's chain *live* is after *lines*; refuses what iptables-restore would."""
    chain = list(live)
    for line in lines:
        command, name, rest = (line + " ").split(" ", 2)
        assert name == CHAIN
        if command == "-D":
            del chain[int(rest) - 1]
        elif command == "-I":
            position, spec = rest.strip().split(" ", 1)
            assert 1 <= int(position) <= len(chain) + 1
            chain.insert(int(position) - 1, _saved_form(spec))
        else:
            chain.append(_saved_form(rest.strip()))
    return chain


def _saved_form(spec: str) -> str:
    words = spec.split()
    if words[0] == "-d":
        return f"-A {CHAIN} {spec.strip()}"
    assert words[:3] == ["-p", "tcp", "-d"]
    address = words[3] if "/" in words[3] else f"{words[3]}/32"
    return f"-A {CHAIN} -d {address} -p tcp -m tcp {' '.join(words[4:])}"


def _live(lines: list[str]) -> Live:
    return Live(4, "\n".join(["*nat", f"-A {CHAIN} -j RETURN", "COMMIT", "*filter", f":{CHAIN} - [0:0]", *lines]))


_numbers = st.lists(st.integers(0, 12), unique=True, max_size=10)
_theirs = st.lists(
    st.integers(0, 40).map(lambda n: f"-A {CHAIN} -d 198.51.100.{n}/32 -p tcp -m tcp --dport 25 -j DROP"), max_size=6
)


@given(_numbers, _numbers, _theirs, st.randoms(), st.sampled_from(["ours", "theirs"]))
def test_edit_gives_exactly_ours_at_our_end_and_leaves_theirs_in_their_order(
    old: list[int], new: list[int], theirs: list[str], random: t.Any, precedence: str
) -> None:
    ours = [_rule(number) for number in old]
    wanted = list(compile_rules(_rule(number) for number in new))
    mixed = [("o", _as_saved(rule)) for rule in ours] + [("t", line) for line in theirs]
    order = sorted(range(len(mixed)), key=lambda _index: random.random())
    live = [mixed[index][1] for index in order]
    their_order = [mixed[index][1] for index in order if mixed[index][0] == "t"]

    after = _after(live, _live(live).edit(ours, wanted, precedence))

    expected = [_as_saved(rule) for rule in wanted]
    assert after == (expected + their_order if precedence == "ours" else their_order + expected)
    assert _live(after).edit(wanted, wanted, precedence) == []


@given(_numbers, _numbers, _theirs, st.randoms(), st.sampled_from(["ours", "theirs"]))
def test_whatever_an_edit_did_the_way_back_undoes_it_line_by_line(
    old: list[int], new: list[int], theirs: list[str], random: t.Any, precedence: str
) -> None:
    ours = [_rule(number) for number in old]
    wanted = list(compile_rules(_rule(number) for number in new))
    live = [*map(_as_saved, ours), *theirs]
    random.shuffle(live)
    foreign = [line for line in live if line in theirs]
    after = _after(live, _live(live).edit(ours, wanted, precedence, foreign))
    known = [*ours, *wanted]
    back = _live(after).edit_back(_live(live).user_chains(), known, ours, "theirs", foreign)
    assert _after(after, back) == live
    assert _live(live).edit_back(_live(live).user_chains(), known, ours, "theirs", foreign) == []


@pytest.mark.parametrize("precedence", ["theirs", "ours"])
def test_the_way_back_keeps_what_others_added_since(precedence: str) -> None:
    ours, wanted = [_rule(1)], [_rule(2)]
    theirs = f"-A {CHAIN} -p tcp -m tcp --dport 25 -j DROP"
    before = [_as_saved(_rule(1))]
    now = [_as_saved(_rule(2)), theirs]
    lines = _live(now).edit_back(_live(before).user_chains(), [*ours, *wanted], ours, precedence, [theirs])
    expected = [theirs, _as_saved(_rule(1))]
    assert _after(now, lines) == (expected if precedence == "theirs" else expected[::-1])


def test_the_way_back_keeps_a_rule_of_ours_that_somebody_made_theirs() -> None:
    taken_over = iptables_line(_rule(2))
    live = _live([_as_saved(_rule(2))])
    assert live.edit_back(_live([]).user_chains(), [_rule(2)], [], "theirs", [taken_over]) == []


@given(_numbers, st.integers(20, 30))
def test_one_more_address_is_one_more_line(numbers: list[int], new: int) -> None:
    ours = compile_rules(_rule(number) for number in numbers)
    wanted = compile_rules([*ours, _rule(new)])
    lines = _live([_as_saved(rule) for rule in ours]).edit(ours, wanted, "theirs")
    assert len(lines) == 1
    assert not any(line.startswith("-D") for line in lines)


def test_a_rule_of_theirs_that_says_the_same_as_ours_is_not_taken_for_ours() -> None:
    ours = _rule(1)
    theirs = [_as_saved(ours), f"-A {CHAIN} -p tcp -m tcp --dport 25 -j DROP"]
    lines = _live([*theirs, _as_saved(ours)]).edit([ours], [], "theirs")
    assert lines == [f"-D {CHAIN} 3"]


@pytest.mark.parametrize(
    "line",
    [
        "-d 192.0.2.1/32 -p tcp -m tcp --dport 443 -m comment --comment x -j ACCEPT",
        "-d 192.0.2.1/32 -o eth0 -p tcp -m tcp --dport 443 -j ACCEPT",
        "! -d 192.0.2.1/32 -p tcp -m tcp --dport 443 -j ACCEPT",
        "-d 192.0.2.1/32 -p tcp -m tcp --dport 443 -j REJECT --reject-with tcp-reset",
    ],
)
def test_a_line_that_says_more_than_ours_is_theirs(line: str) -> None:
    assert _live([f"-A {CHAIN} {line}"]).edit([_rule(1)], [], "theirs") == []


def test_ufw_is_loaded_only_if_both_directions_jump_to_its_user_chains() -> None:
    inbound, outbound = (f"-A ufw-before-{way} -j ufw-user-{way}" for way in ("input", "output"))
    assert Live(4, f"*filter\n{inbound}\n{outbound}").is_loaded
    assert not Live(4, f"*filter\n{inbound}").is_loaded
    assert not Live(6, f"*filter\n{inbound}\n{outbound}").is_loaded


def test_lines_are_written_as_ufw_writes_them() -> None:
    rules = [
        Rule("outbound", "allow", "tcp", "192.0.2.0/24", 443),
        Rule("outbound", "allow", "udp", "::/0", 123),
        Rule("inbound", "deny", "udp", "0.0.0.0/0", 8125),
        Rule("inbound", "allow", "tcp", "2001:db8::1/128", 8126),
        Rule("outbound", "allow", "tcp", "192.0.2.7/32", None, 22),
    ]
    assert [iptables_line(rule) for rule in rules] == [
        "-A ufw-user-output -p tcp -d 192.0.2.0/24 --dport 443 -j ACCEPT",
        "-A ufw6-user-output -p udp --dport 123 -j ACCEPT",
        "-A ufw-user-input -p udp --dport 8125 -j DROP",
        "-A ufw6-user-input -p tcp --dport 8126 -s 2001:db8::1 -j ACCEPT",
        "-A ufw-user-output -p tcp -d 192.0.2.7 --sport 22 -j ACCEPT",
    ]
