# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ufw's default for outgoing traffic: the texts and the commands, as ufw itself was seen to write and load them."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_live import Live
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_outbound import (
    has_block,
    live_lines,
    policy_of,
    with_block,
    with_logging,
    with_policy,
)

POLICIES = ("allow", "deny", "reject")
LEVELS = ("off", "low", "medium", "high", "full")

AFTER = """\
# Don't delete these required lines, otherwise there will be errors
*filter
:ufw-after-input - [0:0]
:ufw-after-output - [0:0]
# End required lines
-A ufw-after-input -p udp --dport 137 -j ufw-skip-to-policy-input
# don't delete the 'COMMIT' line or these rules won't be processed
COMMIT
"""
ICMP = "-A ufw-after-output -p 1 -j ACCEPT\n"
IGMP = "-A ufw-after-output -p 2 -j ACCEPT\n"
ICMPV6 = "-A ufw6-after-output -p 58 -j ACCEPT\n"
AFTER6 = AFTER.replace("ufw-", "ufw6-")
NAT = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080\nCOMMIT\n"


# --- /etc/default/ufw -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("word", "policy"), [("ACCEPT", "allow"), ("DROP", "deny"), ("REJECT", "reject")])
def test_the_setting_names_the_policy(word: str, policy: str) -> None:
    assert policy_of({"DEFAULT_OUTPUT_POLICY": word, "DEFAULT_INPUT_POLICY": "DROP"}) == policy


@pytest.mark.parametrize("defaults", [{}, {"DEFAULT_OUTPUT_POLICY": ""}, {"DEFAULT_OUTPUT_POLICY": "accept"}])
def test_a_setting_that_ufw_could_not_load_is_refused(defaults: dict[str, str]) -> None:
    with pytest.raises(FirewallError, match="DEFAULT_OUTPUT_POLICY"):
        policy_of(defaults)


@pytest.mark.parametrize(
    "line", ['DEFAULT_OUTPUT_POLICY="{}"', "DEFAULT_OUTPUT_POLICY={}", "DEFAULT_OUTPUT_POLICY='{}'  # by hand\r"]
)
def test_only_the_word_of_the_setting_changes(line: str) -> None:
    text = f'# DEFAULT_OUTPUT_POLICY="DROP"\nIPV6=yes\n{line}\nDEFAULT_INPUT_POLICY="DROP"\n'
    assert with_policy(text.format("ACCEPT"), "reject") == text.format("REJECT")


def test_a_setting_that_is_missing_is_added() -> None:
    assert with_policy("IPV6=yes", "deny") == 'IPV6=yes\nDEFAULT_OUTPUT_POLICY="DROP"\n'


# --- after.rules ------------------------------------------------------------------------------------------------------


def test_icmp_and_igmp_are_let_out_behind_what_the_operator_wrote() -> None:
    text = with_block(AFTER, 4, True)
    assert text.index("--dport 137") < text.index(ICMP) < text.index(IGMP) < text.index("\nCOMMIT")


def test_for_ipv6_icmpv6_is_let_out() -> None:
    text = with_block(AFTER6, 6, True)
    assert text.index("--dport 137") < text.index(ICMPV6) < text.index("\nCOMMIT")


def test_what_the_operator_lets_out_already_is_left_out() -> None:
    text = with_block(AFTER.replace("COMMIT", "-A ufw-after-output -p icmp -j ACCEPT\nCOMMIT"), 4, True)
    assert ICMP not in text
    assert IGMP in text


def test_the_block_stands_in_the_last_filter_table() -> None:
    text = with_block(AFTER + NAT + AFTER + NAT, 4, True)
    assert text.startswith(AFTER + NAT)
    assert text.endswith(NAT)
    assert with_block(AFTER, 4, True) in text


def test_a_commit_in_a_comment_is_none() -> None:
    comment = "#\x0cCOMMIT\n# COMMIT\n"
    assert with_block(AFTER + comment, 4, True) == with_block(AFTER, 4, True) + comment


@pytest.mark.parametrize("text", ["", NAT, AFTER.replace("\nCOMMIT\n", "\n"), AFTER.replace("*filter", "*mangle")])
def test_a_file_that_has_no_filter_table_is_refused(text: str) -> None:
    with pytest.raises(FirewallError, match=r"after\.rules"):
        with_block(text, 4, True)


def test_what_somebody_wrote_into_the_block_stays() -> None:
    theirs = "-A ufw-after-output -p gre -j ACCEPT\n"
    text = with_block(AFTER, 4, True).replace(IGMP, IGMP + theirs)
    assert with_block(text, 4, False) == AFTER.replace("COMMIT\n", f"{theirs}COMMIT\n", 1)


def test_a_file_tells_whether_it_has_the_block() -> None:
    assert has_block(with_block(AFTER, 4, True))
    assert not has_block(AFTER)


PIECES = [
    AFTER,
    AFTER6,
    NAT,
    "# a comment\n",
    "\n",
    "COMMIT\n",
    "*filter\n",
    "*filter\r\nCOMMIT\r\n",
    ICMP,
    "\udc80\x0c",
]


@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), st.sampled_from([4, 6]))
def test_without_the_block_a_file_is_what_it_was(text: str, family: int) -> None:
    try:
        changed = with_block(text, family, True)
    except FirewallError:
        return
    assert with_block(changed, family, False) == text
    assert with_block(changed, family, True) == changed


# --- user.rules -------------------------------------------------------------------------------------------------------


def user_rules(*logging: str) -> str:
    return "\n".join(["### END RULES ###", "", "### LOGGING ###", *logging, "### END LOGGING ###", "COMMIT", ""])


INPUT = '-A ufw-after-logging-input -j LOG --log-prefix "[UFW BLOCK] "'
FORWARD = '-A ufw-after-logging-forward -j LOG --log-prefix "[UFW BLOCK] "'
BLOCKED = '-A ufw-after-logging-output -j LOG --log-prefix "[UFW BLOCK] "'
ALLOWED = '-A ufw-after-logging-output -j LOG --log-prefix "[UFW ALLOW] "'
LIMIT = " -m limit --limit 3/min --limit-burst 10"
LOGGED = {
    ("allow", "off"): None,
    ("allow", "low"): None,
    ("allow", "medium"): ALLOWED + LIMIT,
    ("allow", "high"): ALLOWED,
    ("allow", "full"): ALLOWED,
    ("deny", "off"): None,
    ("deny", "low"): BLOCKED + LIMIT,
    ("deny", "medium"): BLOCKED + LIMIT,
    ("deny", "high"): BLOCKED,
    ("reject", "full"): BLOCKED,
}


@pytest.mark.parametrize(("policy", "level"), LOGGED)
def test_what_meets_the_default_is_logged_as_ufw_logs_it(policy: str, level: str) -> None:
    line = LOGGED[policy, level]
    wanted = user_rules(INPUT, *([line] if line else []), FORWARD)
    for present in ([], [ALLOWED], [BLOCKED + LIMIT]):
        assert with_logging(user_rules(INPUT, *present, FORWARD), 4, policy, level) == wanted


def test_rules_that_ufw_has_not_written_yet_are_left_to_it() -> None:
    assert with_logging("*filter\n### RULES ###\nCOMMIT\n", 4, "deny", "low") == "*filter\n### RULES ###\nCOMMIT\n"


# --- The kernel -------------------------------------------------------------------------------------------------------


class Kernel:
    """A filter table that takes iptables-restore's commands."""

    def __init__(self, family: int, policy: str, level: str, icmp: t.Sequence[str] = ()) -> None:
        self.family = family
        prefix = "ufw6" if family == 6 else "ufw"
        reject = f"REJECT --reject-with icmp{'6' if family == 6 else ''}-port-unreachable"
        logged = LOGGED.get((policy, level)) or (BLOCKED if policy == "reject" and level in ("high", "full") else None)
        self.policy = "ACCEPT" if policy == "allow" else "DROP"
        self.chains: dict[str, list[str]] = {
            f"{prefix}-after-output": ["-p gre -j ACCEPT", *icmp],
            f"{prefix}-skip-to-policy-output": [
                {"allow": "-j ACCEPT", "deny": "-j DROP", "reject": f"-j {reject}"}[policy]
            ],
            f"{prefix}-reject-output": [f"-j {reject}"] if policy == "reject" else [],
            f"{prefix}-track-output": [
                f"-p {protocol} -m conntrack --ctstate NEW -j ACCEPT" for protocol in ("tcp", "udp")
            ]
            if policy == "allow"
            else [],
            f"{prefix}-after-logging-output": [self._as_loaded(logged)] if logged else [],
        }

    @staticmethod
    def _as_loaded(line: str) -> str:
        rule = line.split(" ", 2)[2]
        return f"{LIMIT.strip()} {rule.replace(LIMIT, '')}" if LIMIT in rule else rule

    @property
    def live(self) -> Live:
        rules = [f"-A {chain} {rule}" for chain, rules in self.chains.items() for rule in rules]
        heads = [f":{chain} - [0:0]" for chain in self.chains]
        return Live(self.family, "\n".join(["*filter", f":OUTPUT {self.policy} [0:0]", *heads, *rules, "COMMIT"]))

    def take(self, commands: t.Iterable[str]) -> None:
        for command in commands:
            verb, chain, rest = command.split(" ", 2)
            number, _space, rule = rest.partition(" ")
            if verb == "-P":
                self.policy = rest
            elif verb == "-D":
                del self.chains[chain][int(number) - 1]
            else:
                self.chains[chain].insert(int(number) - 1, rule)


TRANSITIONS = [(a, b) for a in POLICIES for b in POLICIES]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("level", ["off", "high"])
@pytest.mark.parametrize(("old", "new"), TRANSITIONS)
def test_the_kernel_ends_where_a_reload_would_end(family: int, level: str, old: str, new: str) -> None:
    kernel, wanted = Kernel(family, old, level), Kernel(family, new, level)
    if family == 6:
        for each in (kernel, wanted):
            each.chains = {
                chain: [rule.replace("ufw-", "ufw6-") for rule in rules] for chain, rules in each.chains.items()
            }
    kernel.take(live_lines(kernel.live, new, level, ""))
    assert (kernel.policy, kernel.chains) == (wanted.policy, wanted.chains)


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_so_already_needs_no_command(policy: str) -> None:
    before = with_block(AFTER, 4, True)
    kernel = Kernel(4, policy, "high", ["-p icmp -j ACCEPT", "-p igmp -j ACCEPT"])
    assert live_lines(kernel.live, policy, "high", before) == []


@pytest.mark.parametrize("loaded", [[], ["-p icmp -j ACCEPT"], ["-p 2 -j ACCEPT"]])
def test_icmp_goes_live_behind_what_others_have(loaded: list[str]) -> None:
    kernel = Kernel(4, "deny", "off", loaded)
    kernel.take(live_lines(kernel.live, "deny", "off", with_block(AFTER, 4, True)))
    rules = kernel.chains["ufw-after-output"]
    assert rules[0] == "-p gre -j ACCEPT"
    assert {rule.replace("icmp", "1") for rule in rules[1:]} == {"-p 1 -j ACCEPT", "-p 2 -j ACCEPT"}


def test_an_icmp_rule_of_the_operators_stays_when_ours_goes() -> None:
    theirs = AFTER.replace("COMMIT", "-A ufw-after-output -p icmp -j ACCEPT\nCOMMIT")
    kernel = Kernel(4, "deny", "off", ["-p icmp -j ACCEPT", "-p igmp -j ACCEPT"])
    kernel.take(live_lines(kernel.live, "allow", "off", theirs))
    assert kernel.chains["ufw-after-output"] == ["-p gre -j ACCEPT", "-p icmp -j ACCEPT"]


def test_rules_of_others_in_ufws_chains_are_not_touched() -> None:
    kernel = Kernel(4, "allow", "off")
    kernel.chains["ufw-track-output"].append("-p sctp -j ACCEPT")
    kernel.chains["ufw-after-logging-output"].append("-p udp -j LOG --log-prefix mine")
    kernel.take(live_lines(kernel.live, "deny", "low", AFTER))
    assert kernel.chains["ufw-track-output"] == ["-p sctp -j ACCEPT"]
    assert kernel.chains["ufw-after-logging-output"][1:] == ["-p udp -j LOG --log-prefix mine"]
