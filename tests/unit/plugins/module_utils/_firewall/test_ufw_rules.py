# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ufw's rules files: ours found again, theirs left to the byte, and what theirs mean."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import (
    FirewallError,
    Rule,
    compile_rules,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_rules import (
    RulesFile,
    operator_rules,
    parse,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import OperatorRule
from ansible_collections.netwall.datadog.tests.unit.plugins.module_utils._firewall._ufw_files import (
    ANYWHERE,
    TEMPLATES,
    OperatorsRule,
    block,
    operators_rules,
    rules_file,
)

PATH = "/etc/ufw/user.rules"
OURS = Rule("outbound", "allow", "tcp", "192.0.2.0/24", 443, flows=("logs-tcp-443-out",))

precedences = st.sampled_from(["ours", "theirs"])
families = st.sampled_from([4, 6])


def read(text: str, family: int = 4) -> RulesFile:
    return parse(text, family, PATH)


def only_tuple(line: str, family: int = 4) -> RulesFile:
    """A file with one rule, of which *line* is the tuple, without the mark of a tuple."""
    return read(rules_file(family, f"\n### tuple ### {line}\n-A ufw-user-input -p tcp --dport 1 -j ACCEPT\n"), family)


def marked(fields: str, comment: str = "netwall.datadog: logs-tcp-443-out") -> RulesFile:
    return only_tuple(f"{fields} comment={comment.encode().hex()}")


# --- Random files -----------------------------------------------------------------------------------------------------

BY_HAND = (
    "# our own rules\n",
    "\n\n",
    "-A ufw-user-input -p icmp -j ACCEPT\n",
    "-A ufw-user-input -p tcp --dport 8080 -j ACCEPT\n",
    "### tuple ### allow tcp\n",
    "### tuple ### allow tcp 22 anywhere any anywhere in\n",
    "\n### tuple ### deny tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=xyz\n-A ufw-user-input -j DROP\n",
    "\n### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0\n-A ufw-user-input -p tcp --dport 22 -j ACCEPT\n",
    "# caf\udce9, not in UTF-8\n",
    "# no line ends here: \u2028 \x0b \x0c \x85\n",
    "#\ttabs  and  spaces  \n",
)


_blocks = {family: st.builds(block, operators_rules(family), st.just(family)) for family in (4, 6)}
_parts = {f: st.lists(st.one_of(_blocks[f], _blocks[f], st.sampled_from(BY_HAND)), max_size=6) for f in (4, 6)}


@st.composite
def operators_files(draw: st.DrawFn, family: int) -> str:
    """A file as an operator may have left it: by ufw, by hand, by an editor with ideas of its own."""
    parts = draw(_parts[family])
    text = rules_file(family, *parts)
    if draw(st.booleans()):
        before, _mark, after = TEMPLATES[family].partition("### RULES ###\n")
        text = before + _mark + "".join(parts) + after
    if draw(st.integers(0, 4)) == 0:
        text = text.replace("\n", "\r\n")
    return text if draw(st.integers(0, 4)) else text.rstrip()


def _our_rules(family: int) -> st.SearchStrategy[tuple[Rule, ...]]:
    networks = {
        4: ["0.0.0.0/0", "192.0.2.0/24", "192.0.2.1/32", "10.0.0.0/8"],
        6: ["::/0", "2001:db8::/32", "2001:db8::1/128"],
    }
    ports = st.sampled_from([(443, None), (8125, None), (None, 22)])
    flows = st.lists(st.sampled_from(["agents-tcp-443-out", "apm", "logs"]), min_size=1, max_size=2, unique=True)
    rules = st.builds(
        lambda direction, action, protocol, network, ports, flows: Rule(
            direction, action, protocol, network, ports[0], ports[1], tuple(flows)
        ),
        st.sampled_from(["inbound", "outbound"]),
        st.sampled_from(["allow", "deny"]),
        st.sampled_from(["tcp", "udp"]),
        st.sampled_from(networks[family]),
        ports,
        flows,
    )
    return st.lists(rules, max_size=6).map(compile_rules)


_worlds = families.flatmap(
    {f: st.tuples(st.just(f), operators_files(f), _our_rules(f), _our_rules(f)) for f in (4, 6)}.__getitem__
)


# --- Ours in, ours out ------------------------------------------------------------------------------------------------


@given(_worlds, precedences)
def test_our_rules_are_found_again_in_their_order(
    world: tuple[int, str, tuple[Rule, ...], tuple[Rule, ...]], precedence: str
) -> None:
    family, text, rules, _others = world
    found = read(read(text, family).with_rules(rules, precedence), family)
    assert found.ours == rules
    assert precedence in found.in_place


@given(_worlds, precedences)
def test_without_our_rules_the_file_is_what_it_was_to_the_byte(
    world: tuple[int, str, tuple[Rule, ...], tuple[Rule, ...]], precedence: str
) -> None:
    family, text, rules, _others = world
    with_ours = read(text, family).with_rules(rules, precedence)
    assert read(with_ours, family).with_rules((), precedence) == text


@given(_worlds, precedences, precedences)
def test_other_rules_in_another_place_leave_theirs_as_they_were(
    world: tuple[int, str, tuple[Rule, ...], tuple[Rule, ...]], before: str, after: str
) -> None:
    family, text, rules, others = world
    with_ours = read(text, family).with_rules(rules, before)
    with_others = read(with_ours, family).with_rules(others, after)
    assert read(with_others, family).with_rules((), after) == text
    assert read(with_others, family).theirs == read(text, family).theirs


@given(_worlds)
def test_a_file_without_our_rules_has_none(world: tuple[int, str, tuple[Rule, ...], tuple[Rule, ...]]) -> None:
    family, text, _rules, _others = world
    found = read(text, family)
    assert found.ours == ()
    assert found.in_place == {"ours", "theirs"}
    assert found.with_rules((), "theirs") == found.with_rules((), "ours") == text


def test_our_rules_stand_in_the_form_that_ufw_writes() -> None:
    theirs = block(OperatorsRule(protocol="tcp", dport="22"), 4)
    inbound = Rule("inbound", "deny", "udp", "192.0.2.9/32", 8125, flows=("apm", "dogstatsd"))
    text = read(rules_file(4, theirs)).with_rules([OURS, inbound], "theirs")
    assert text.partition(theirs)[2].startswith(
        "\n### tuple ### allow tcp 443 192.0.2.0/24 any 0.0.0.0/0 out "
        "comment=6e657477616c6c2e64617461646f673a206c6f67732d7463702d3434332d6f7574\n"
        "-A ufw-user-output -p tcp -d 192.0.2.0/24 --dport 443 -j ACCEPT\n"
        "\n### tuple ### deny udp 8125 0.0.0.0/0 any 192.0.2.9 in "
        "comment=6e657477616c6c2e64617461646f673a2061706d2c20646f67737461747364\n"
        "-A ufw-user-input -p udp --dport 8125 -s 192.0.2.9 -j DROP\n"
        "\n### END RULES ###\n"
    )


def test_our_rules_of_ipv6_stand_in_the_chains_of_ipv6() -> None:
    text = read(TEMPLATES[6], 6).with_rules([dataclasses.replace(OURS, network="::/0")], "theirs")
    assert "allow tcp 443 ::/0 any ::/0 out comment=" in text
    assert "\n-A ufw6-user-output -p tcp --dport 443 -j ACCEPT\nCOMMIT\n" in text


@pytest.mark.parametrize(("precedence", "first"), [("ours", "192.0.2.0/24"), ("theirs", "0.0.0.0/0")])
def test_ours_stand_before_or_behind_all_of_theirs(precedence: str, first: str) -> None:
    theirs = block(OperatorsRule(protocol="tcp", dport="443", way="out"), 4)
    lines = read(rules_file(4, theirs)).with_rules([OURS], precedence).splitlines()
    assert next(line for line in lines if line.startswith("### tuple")).split()[6] == first


def test_ours_between_theirs_are_in_no_place() -> None:
    ssh, web = (block(OperatorsRule(protocol="tcp", dport=port), 4) for port in ("22", "80"))
    ours = read(rules_file(4)).with_rules([OURS], "theirs").partition("### RULES ###\n")[2].partition("\n### END")[0]
    assert read(rules_file(4, ssh, ours, web)).in_place == frozenset()
    assert read(rules_file(4, ours, web)).in_place == {"ours"}
    assert read(rules_file(4, ssh, ours)).in_place == {"theirs"}


@pytest.mark.parametrize("family", [4, 6])
def test_a_file_of_a_ufw_that_was_never_enabled_takes_ours_and_gives_them_back(family: int) -> None:
    ours = dataclasses.replace(OURS, network=ANYWHERE[family])
    text = read(TEMPLATES[family], family).with_rules([ours], "theirs")
    again = read(text, family)
    assert again.ours == (ours,)
    assert again.with_rules((), "theirs") == TEMPLATES[family]
    changed = again.with_rules([ours, dataclasses.replace(ours, port=444)], "theirs")
    for written in (text, changed):
        assert written.endswith(TEMPLATES[family].partition("### RULES ###\n")[2])


@pytest.mark.parametrize("text", ["", "*filter\nCOMMIT\n", "### END RULES ###\n", "# ### RULES ###\n"])
def test_a_file_that_is_not_ufws_is_refused(text: str) -> None:
    with pytest.raises(FirewallError) as caught:
        read(text)
    assert str(caught.value) == (
        "/etc/ufw/user.rules has no line '### RULES ###'; it is not a rules file of ufw's, so it was left alone."
    )


# --- Whose is it? -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ("allow tcp 443 192.0.2.9 any 0.0.0.0/0 out", dataclasses.replace(OURS, network="192.0.2.9/32")),
        ("allow tcp 443 192.0.2.9/32 any 0.0.0.0/0 out", dataclasses.replace(OURS, network="192.0.2.9/32")),
        ("allow tcp 443 192.0.2.7/24 any 0.0.0.0/0 out", OURS),
        ("allow tcp 443 192.0.2.0/255.255.255.0 any 0.0.0.0/0 out", OURS),
        (
            "deny udp 8125 0.0.0.0/0 any 0.0.0.0/0",
            Rule("inbound", "deny", "udp", "0.0.0.0/0", 8125, flows=OURS.flows),
        ),
        (
            "allow tcp any 192.0.2.9 22 0.0.0.0/0 out",
            Rule("outbound", "allow", "tcp", "192.0.2.9/32", None, 22, flows=OURS.flows),
        ),
    ],
)
def test_ours_are_known_in_any_spelling_of_ufws(fields: str, rule: Rule) -> None:
    found = marked(fields)
    assert found.ours == (rule,)
    assert found.theirs == ()


@pytest.mark.parametrize(
    "comment",
    [
        "netwall.datadog",
        "netwall.datadog:",
        "netwall.datadog: ",
        "netwall.datadog: Foo",
        "netwall.datadog: logs_tcp",
        "netwall.datadog: logs,apm",
        "netwall.datadog: logs, ",
        "netwall.datadog: logs (see the wiki)",
        "netwall.datadog: logs\n",
        "not netwall.datadog: logs",
        "netwallxdatadog: logs",
        "Netwall.datadog: logs",
        "",
    ],
)
def test_a_comment_that_only_resembles_ours_is_theirs(comment: str) -> None:
    found = marked("allow tcp 443 192.0.2.0/24 any 0.0.0.0/0 out", comment)
    assert found.ours == ()
    assert [entry.comment for entry in found.theirs] == [comment]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param("reject tcp 443 192.0.2.0/24 any 0.0.0.0/0 out", id="another action"),
        pytest.param("allow_log tcp 443 192.0.2.0/24 any 0.0.0.0/0 out", id="with a log"),
        pytest.param("route:allow tcp 443 192.0.2.0/24 any 0.0.0.0/0 out", id="routed"),
        pytest.param("allow tcp 443 192.0.2.0/24 any 0.0.0.0/0 out_eth0", id="on an interface"),
        pytest.param("allow tcp 443 192.0.2.0/24 any 0.0.0.0/0 Web - out", id="of an application"),
        pytest.param("allow any 443 192.0.2.0/24 any 0.0.0.0/0 out", id="of two protocols, two lines"),
        pytest.param("allow tcp 443,444 192.0.2.0/24 any 0.0.0.0/0 out", id="of two ports"),
        pytest.param("allow tcp 443:444 192.0.2.0/24 any 0.0.0.0/0 out", id="of a range of ports"),
        pytest.param("allow tcp 443 192.0.2.0/24 22 0.0.0.0/0 out", id="of both kinds of ports"),
        pytest.param("allow tcp any 192.0.2.0/24 any 0.0.0.0/0 out", id="of all ports"),
        pytest.param("allow tcp 443 192.0.2.0/24 any 198.51.100.1 out", id="from one of our addresses"),
        pytest.param("allow tcp 443 everywhere any 0.0.0.0/0 out", id="not readable"),
    ],
)
def test_a_rule_of_a_form_that_we_never_write_is_theirs_whatever_its_comment(fields: str) -> None:
    found = marked(fields)
    assert found.ours == ()
    assert len(found.theirs) == 1


def test_a_comment_that_is_not_hex_makes_a_rule_theirs() -> None:
    found = only_tuple("allow tcp 443 192.0.2.0/24 any 0.0.0.0/0 out comment=netwall.datadog:%20logs")
    assert (found.ours, found.theirs[0].comment) == ((), "")


def test_the_iptables_lines_of_others_are_all_that_are_not_ours() -> None:
    limited = OperatorsRule(action="limit", protocol="tcp", dport="22")
    text = rules_file(4, block(limited, 4), "-A ufw-user-input -p icmp -j ACCEPT\n")
    lines = [*limited.iptables_lines(4), "-A ufw-user-input -p icmp -j ACCEPT"]
    assert read(read(text).with_rules([OURS], "ours")).foreign_lines == lines


# --- What theirs say --------------------------------------------------------------------------------------------------


def _operator(direction: str, verdict: str, protocols: tuple[str, ...], **changes: t.Any) -> OperatorRule:
    return OperatorRule(direction, verdict, protocols, **{"remote": "0.0.0.0/0", "local": "0.0.0.0/0", **changes})


@pytest.mark.parametrize(
    ("rule", "meaning"),
    [
        (
            OperatorsRule("deny", "tcp", dport="25", way="out"),
            _operator("outbound", "deny", ("tcp",), ports=((25, 25),)),
        ),
        (OperatorsRule("reject"), _operator("inbound", "deny", ("tcp", "udp"))),
        (
            OperatorsRule("limit", dport="22", log="log-all"),
            _operator("inbound", "limit", ("tcp", "udp"), ports=((22, 22),)),
        ),
        (
            OperatorsRule("allow", "udp", dport="53,8000:9000", sport="1024:65535", log="log"),
            _operator("inbound", "allow", ("udp",), ports=((53, 53), (8000, 9000)), source_ports=((1024, 65535),)),
        ),
        (
            OperatorsRule(src="192.0.2.1", dst="198.51.100.0/24", interface="br_lan"),
            _operator(
                "inbound",
                "allow",
                ("tcp", "udp"),
                remote="192.0.2.1/32",
                local="198.51.100.0/24",
                interface="br_lan",
            ),
        ),
        (
            OperatorsRule(src="192.0.2.1", dst="198.51.100.0/24", way="out", interface="eth+"),
            _operator(
                "outbound",
                "allow",
                ("tcp", "udp"),
                remote="198.51.100.0/24",
                local="192.0.2.1/32",
                interface="eth+",
            ),
        ),
        (
            OperatorsRule("allow", "tcp", dport="80,443", apps=("WWW Full", "")),
            _operator("inbound", "allow", ("tcp",), ports=((80, 80), (443, 443))),
        ),
    ],
)
def test_what_an_operator_told_ufw_is_understood(rule: OperatorsRule, meaning: OperatorRule) -> None:
    [understood] = operator_rules(read(rules_file(4, block(rule, 4))))
    assert dataclasses.replace(understood, text="") == meaning
    assert understood.text == rule.tuple_line(4)


def test_anywhere_is_of_the_files_family() -> None:
    [rule] = operator_rules(only_tuple("allow tcp 22 any any any in", 6))
    assert (rule.remote, rule.local) == ("::/0", "::/0")


@pytest.mark.parametrize(
    "rule",
    [
        OperatorsRule(interface="eth0", routed_to="eth1"),
        OperatorsRule(protocol="esp"),
        OperatorsRule(protocol="gre", way="out"),
    ],
)
def test_what_cannot_concern_a_flow_is_left_out(rule: OperatorsRule) -> None:
    assert operator_rules(read(rules_file(4, block(rule, 4)))) == []


@pytest.mark.parametrize("line", ["allow tcp 22", "allow tcp x 0.0.0.0/0 any 0.0.0.0/0 in", "allow tcp 22 a any b in"])
def test_a_tuple_that_cannot_be_read_says_nothing(line: str) -> None:
    assert operator_rules(only_tuple(line)) == []


@given(families.flatmap(lambda family: st.tuples(st.just(family), st.lists(operators_rules(family), max_size=5))))
def test_their_order_is_kept(world: tuple[int, list[OperatorsRule]]) -> None:
    family, rules = world
    understood = operator_rules(read(rules_file(family, *(block(rule, family) for rule in rules)), family))
    concern_us = [rule for rule in rules if rule.protocol in ("any", "tcp", "udp") and not rule.routed_to]
    assert [rule.text for rule in understood] == [rule.tuple_line(family) for rule in concern_us]


# --- What ufw takes for the same --------------------------------------------------------------------------------------

SAME = "allow tcp 80,443 192.0.2.0/24 any 0.0.0.0/0 out"


@pytest.mark.parametrize(
    "line",
    [
        "deny tcp 80,443 192.0.2.0/24 any 0.0.0.0/0 out",
        "limit_log tcp 80,443 192.0.2.0/24 any 0.0.0.0/0 out comment=776562",
        "allow tcp 443,80 192.0.2.0/24 any 0.0.0.0/0 out",
        "allow tcp 80,443 192.0.2.77/24 any 0.0.0.0/0 out",
        "allow tcp 80,443 192.0.2.0/255.255.255.0 any 0.0.0.0/0 out",
        "allow tcp 80,443 192.0.2.0/24 any any out",
        "allow tcp 80,443 192.0.2.0/24 any 0.0.0.0/0 - - out",
    ],
)
def test_rules_that_differ_in_verdict_comment_or_spelling_alone_are_the_same_to_ufw(line: str) -> None:
    assert only_tuple(line).theirs[0].match == only_tuple(SAME).theirs[0].match


@pytest.mark.parametrize(
    "line",
    [
        "allow udp 80,443 192.0.2.0/24 any 0.0.0.0/0 out",
        "allow tcp 80 192.0.2.0/24 any 0.0.0.0/0 out",
        "allow tcp 80,443 192.0.2.0/25 any 0.0.0.0/0 out",
        "allow tcp 80,443 192.0.2.0/24 any 0.0.0.0/0 in",
        "allow tcp 80,443 192.0.2.0/24 any 0.0.0.0/0 out_eth0",
        "allow tcp 80,443 192.0.2.0/24 22 0.0.0.0/0 out",
        "allow tcp 80,443 192.0.2.0/24 any 198.51.100.1 out",
        "allow tcp 80,443 192.0.2.0/24 any 0.0.0.0/0 Web - out",
        "route:allow tcp 80,443 192.0.2.0/24 any 0.0.0.0/0 out",
        "allow any 80,443 192.0.2.0/24 any 0.0.0.0/0 out",
    ],
)
def test_rules_that_differ_in_what_they_match_are_not_the_same_to_ufw(line: str) -> None:
    assert only_tuple(line).theirs[0].match != only_tuple(SAME).theirs[0].match


# --- What the kernel would be given ----------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["-A ufw-user-output -p tcp --dport 443 -j ACCEPT", ""])
def test_a_rule_of_ours_whose_line_says_something_else_is_not_intact(damage: str) -> None:
    text = read(rules_file(4, "")).with_rules([OURS], "theirs")
    line = "-A ufw-user-output -p tcp -d 192.0.2.0/24 --dport 443 -j ACCEPT"
    assert read(text).is_intact
    damaged = read(text.replace(line, damage))
    assert not damaged.is_intact
    assert damaged.ours == (OURS,)
    assert line in damaged.with_rules([OURS], "theirs")
