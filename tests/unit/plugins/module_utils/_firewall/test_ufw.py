# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ufw: the plan that follows from what stands on a host, and runs of it on a host that is made up."""

from __future__ import annotations

import base64
import dataclasses
import typing as t

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError, Request, Rule
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import Session
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw import (
    CONFIGURATION,
    DEFAULTS,
    RULES_PATHS,
    Host,
    Plan,
    make_plan,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_live import Live
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_outbound import (
    AFTER_PATHS,
    has_block,
    with_logging,
    with_policy,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_rules import parse
from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, Flow
from ansible_collections.netwall.datadog.tests.unit.plugins.module_utils._firewall._ufw_files import (
    TEMPLATES,
    OperatorsRule,
    block,
    operators_rules,
    rules_file,
)

LOGS = Flow("logs-tcp-443-out", "outbound", "allow", "tcp", 443, ("192.0.2.0/24", "2001:db8::/32"))
NTP = Flow("ntp-udp-123-out", "outbound", "allow", "udp", 123, ANYWHERE)
CLOSED = Flow("dogstatsd-udp-8125-in", "inbound", "deny", "udp", 8125, ANYWHERE)
SESSION = Session("198.51.100.7", 50123, "192.0.2.11", 22)

CHAINS = {4: ("ufw-user-input", "ufw-user-output"), 6: ("ufw6-user-input", "ufw6-user-output")}


def kernel_lines(text: str, family: int) -> dict[str, list[str]]:
    """What the kernel's chains hold after ufw has loaded the file *text*."""
    lines = [line for line in text.splitlines() if line.startswith("-A ")]
    return {chain: [line for line in lines if line.split()[1] == chain] for chain in CHAINS[family]}


class World:
    """A made-up host: ufw's files, the kernel's chains, our records."""

    def __init__(
        self, *theirs: OperatorsRule, enabled: bool = True, families: tuple[int, ...] = (4, 6), outbound: str = "ACCEPT"
    ) -> None:
        self.enabled = enabled
        self.texts = {family: rules_file(family, *(block(rule, family) for rule in theirs)) for family in families}
        self.defaults = f'DEFAULT_INPUT_POLICY="DROP"\nDEFAULT_OUTPUT_POLICY="{outbound}"\n'
        self.afters = dict.fromkeys((AFTER_PATHS[family] for family in families), "*filter\nCOMMIT\n")
        self.record: dict[str, t.Any] = {}
        self.chains: dict[str, list[str]] = {}
        self.load()

    def load(self) -> None:
        """What ``ufw reload`` does."""
        tables = [kernel_lines(text, family) for family, text in self.texts.items() if self.enabled]
        self.chains = {chain: lines for table in tables for chain, lines in table.items()}

    @property
    def host(self) -> Host:
        saved = {
            family: "\n".join(["*filter", *(line for chain in CHAINS[family] for line in self.chains[chain])])
            for family in self.texts
            if self.enabled
        }
        return Host(
            families=tuple(self.texts),
            texts={
                CONFIGURATION: f"ENABLED={'yes' if self.enabled else 'no'}\nLOGLEVEL=low\n",
                DEFAULTS: self.defaults,
                **self.afters,
                **{RULES_PATHS[family]: text for family, text in self.texts.items()},
            },
            live={family: Live(family, text) for family, text in saved.items()},
        )

    def plan(self, *flows: Flow, **asked: t.Any) -> Plan:
        return make_plan(self.host, Request(flows=flows, **asked), self.record)

    def run(self, *flows: Flow, **asked: t.Any) -> Plan:
        """Do what is planned, as far as it can be seen from here."""
        plan = self.plan(*flows, **asked)
        self.record = dict(plan.record)
        if plan.switch_on:
            self.record["switched_on"] = recorded(self.texts, asked.get("session"))
        for lines in plan.edits.values():
            apply_edit(self.chains, lines)
        self.write(plan.texts)
        if plan.switch_on or plan.switch_off:
            self.enabled = plan.switch_on
            self.load()
        return plan

    def write(self, texts: t.Mapping[str, str]) -> None:
        """Write *texts* by their path."""
        self.defaults = texts.get(DEFAULTS, self.defaults)
        self.afters.update({path: text for path, text in texts.items() if path in self.afters})
        self.texts.update(
            {family: texts[path] for family, path in RULES_PATHS.items() if path in texts and family in self.texts}
        )

    def foreign(self) -> dict[int, str]:
        """The files' bytes without our rules."""
        return {family: parse(text, family, "").with_rules((), "theirs") for family, text in self.texts.items()}


def recorded(texts: t.Mapping[int, str], session: Session | None) -> dict[str, t.Any]:
    """Our record of the files before ufw was switched on."""
    files = {str(family): base64.b64encode(text.encode()).decode() for family, text in texts.items()}
    return {"peers": [session.address] if session else [], "files": files}


def apply_edit(chains: dict[str, list[str]], lines: list[str]) -> None:
    """What iptables-restore makes of *lines* in the chains that are looked at; it refuses what does not fit."""
    for line in lines:
        command, chain, *rest = line.split(" ")
        if "-user-" not in chain:
            continue
        rules = chains[chain]
        if command == "-A":
            rules.append(line)
            continue
        position = int(rest[0])
        assert 1 <= position <= len(rules)
        if command == "-D":
            del rules[position - 1]
        else:
            rules.insert(position - 1, " ".join(["-A", chain, *rest[1:]]))


def fault(world: World, *flows: Flow, **asked: t.Any) -> str:
    with pytest.raises(FirewallError) as caught:
        world.plan(*flows, **asked)
    return str(caught.value)


# --- Whatever stands on the host --------------------------------------------------------------------------------------

SAME_AS_OURS = [
    OperatorsRule("allow", "tcp", dport="443", dst="192.0.2.0/24", way="out"),
    OperatorsRule("deny", "tcp", dport="443", dst="192.0.2.0/24", way="out"),
    OperatorsRule("allow", "udp", dport="123", way="out"),
    OperatorsRule("deny", "udp", dport="8125"),
]
_theirs = st.lists(st.one_of(st.sampled_from(SAME_AS_OURS), operators_rules(4)), max_size=5)
_flows = st.lists(
    st.sampled_from(
        [
            LOGS,
            NTP,
            CLOSED,
            dataclasses.replace(LOGS, networks=("192.0.2.0/25", "192.0.2.7/32", "198.51.100.0/24")),
            dataclasses.replace(CLOSED, id="dogstatsd-udp-8125-in-allow", action="allow", networks=("192.0.2.0/24",)),
        ]
    ),
    max_size=4,
    unique_by=lambda flow: flow.id,
)
_requests = st.builds(
    lambda flows, precedence, absent: Request(
        flows=() if absent else tuple(flows), precedence=precedence, state="absent" if absent else "present"
    ),
    _flows,
    st.sampled_from(["theirs", "ours"]),
    st.sampled_from([False, False, False, True]),
)
_operators_steps = st.tuples(operators_rules(4), st.booleans())
_steps = st.lists(st.one_of(_requests, _requests, _operators_steps), min_size=1, max_size=5)


def operators_step(world: World, rule: OperatorsRule, first: bool) -> None:
    """An operator's ``ufw`` adds *rule*, before or behind all that stands, and loads it."""
    before, start, rest = world.texts[4].partition("### RULES ###\n")
    rules, end, after = rest.partition("\n### END RULES ###\n")
    rules = block(rule, 4) + rules if first else rules + block(rule, 4)
    world.texts[4] = before + start + rules + end + after
    world.load()


def take(world: World, step: t.Any) -> None:
    if isinstance(step, Request):
        world.run(*step.flows, **asked(step))
    else:
        operators_step(world, *step)


def asked(request: Request) -> dict[str, t.Any]:
    return {"precedence": request.precedence, "state": request.state}


WEB_OUT = OperatorsRule("allow", way="out")


@given(_theirs, _steps)
@example([WEB_OUT, SAME_AS_OURS[0]], [Request((LOGS,), precedence="ours"), Request(state="absent")])
def test_the_kernel_always_has_what_the_files_say(theirs: list[OperatorsRule], steps: list[t.Any]) -> None:
    world = World(*theirs, families=(4,))
    for step in steps:
        take(world, step)
        assert world.chains == kernel_lines(world.texts[4], 4)


@given(_theirs, _steps)
def test_theirs_stay_to_the_byte(theirs: list[OperatorsRule], steps: list[t.Any]) -> None:
    world = World(*theirs, families=(4,))
    for step in steps:
        expected = world.foreign()
        take(world, step)
        if isinstance(step, Request):
            assert world.foreign() == expected


@given(_theirs, _steps)
def test_when_ours_are_gone_the_files_are_what_they_were(theirs: list[OperatorsRule], steps: list[t.Any]) -> None:
    world = World(*theirs, families=(4,))
    expected = dict(world.texts)
    for step in steps:
        if isinstance(step, Request):
            take(world, step)
    world.run(state="absent")
    assert world.texts == expected


@given(_theirs, _steps, _requests)
def test_a_second_run_changes_nothing(theirs: list[OperatorsRule], steps: list[t.Any], request: Request) -> None:
    world = World(*theirs, families=(4,))
    for step in steps:
        take(world, step)
    first = world.run(*request.flows, **asked(request))
    second = world.plan(*request.flows, **asked(request))
    assert (second.texts, second.edits, second.outcome.changed) == ({}, {}, False)
    assert (second.outcome.added, second.outcome.removed) == ((), ())
    assert second.outcome.before == first.outcome.after


# --- Off, and on by our hand ------------------------------------------------------------------------------------------


def test_a_ufw_that_is_off_is_refused_unless_it_shall_be_switched_on() -> None:
    assert fault(World(enabled=False), LOGS) == (
        "ufw is installed but switched off, so no rule would have an effect; set 'enable: true' to have it switched on "
        "(what comes in is then refused unless a rule allows it), or run 'ufw enable' yourself."
    )


def test_switched_on_ufw_has_the_flows_and_lets_the_operator_in() -> None:
    plan = World(enabled=False, outbound="DROP").plan(NTP, enable=True, session=SESSION)
    assert (plan.switch_on, plan.switch_off, plan.outcome.changed) == (True, False, True)
    assert plan.outcome.before == ("ufw is off", "outgoing: deny by default")
    assert plan.outcome.after == (
        "ufw is on",
        "outgoing: deny by default",
        "incoming: denied by default",
        "allow in 22/tcp from 0.0.0.0/0  # management-tcp-22-in",
        "allow in 22/tcp from ::/0  # management-tcp-22-in",
        "allow out from port 22/tcp to 198.51.100.7/32  # management-tcp-22-replies-out",
        "allow out 123/udp to 0.0.0.0/0  # ntp-udp-123-out",
        "allow out 123/udp to ::/0  # ntp-udp-123-out",
    )


def test_ufw_that_is_on_already_stays_as_it_is() -> None:
    plan = World().plan(NTP, enable=True, session=SESSION)
    assert not plan.switch_on
    assert plan.outcome.added == ("ntp-udp-123-out",)


def test_a_ufw_that_would_cut_us_off_is_not_switched_on() -> None:
    denied = OperatorsRule("deny", "tcp", dport="22")
    said = fault(World(denied, enabled=False), NTP, enable=True, session=SESSION)
    assert said.startswith("Switching the firewall on would refuse the connection that this play came in on ")
    assert f"the rule '{denied.tuple_line(4)}'" in said


def test_what_keeps_us_is_kept_for_a_later_run_from_elsewhere() -> None:
    world = World(enabled=False, outbound="DROP")
    world.run(NTP, enable=True, session=SESSION)
    elsewhere = Session("203.0.113.9", 50124, "192.0.2.11", 22)
    plan = world.plan(NTP, session=elsewhere)
    assert not plan.outcome.changed
    assert "allow out from port 22/tcp to 198.51.100.7/32  # management-tcp-22-replies-out" in plan.outcome.after


def test_networks_that_would_cut_us_off_are_refused_while_ufw_is_on() -> None:
    world = World(enabled=False)
    world.run(NTP, enable=True, session=SESSION)
    said = fault(world, NTP, session=SESSION, management_networks=("203.0.113.0/24",))
    assert said.startswith("This change would refuse the connection that this play came in on ")


def test_a_removal_that_would_cut_us_off_is_refused() -> None:
    world = World()
    world.run(NTP, session=SESSION, management_networks=("198.51.100.0/24",))
    said = fault(world, state="absent", session=SESSION)
    assert said.startswith("This change would refuse the connection that this play came in on ")
    assert world.plan(state="absent").outcome.changed


def test_without_a_connection_nothing_is_kept_and_that_is_said() -> None:
    plan = World(enabled=False).plan(NTP, enable=True)
    assert plan.outcome.added == ("ntp-udp-123-out",)
    [said] = plan.outcome.warnings
    assert said == (
        "This play came in over no network connection, so no port was kept open for one: make sure that a rule lets "
        "you in."
    )


def test_without_a_connection_on_a_ufw_that_is_on_nothing_needs_to_be_said() -> None:
    assert World().plan(NTP).outcome.warnings == ()


# --- Away -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("enabled", [True, False])
def test_what_is_not_there_need_not_be_removed(enabled: bool) -> None:
    plan = World(SAME_AS_OURS[0], enabled=enabled).plan(state="absent")
    assert not plan.outcome.changed
    assert plan.outcome.after == plan.outcome.before


def test_absent_takes_ours_away_and_leaves_ufw_on() -> None:
    world = World(SAME_AS_OURS[0])
    world.run(NTP, CLOSED)
    plan = world.run(state="absent")
    assert (plan.switch_off, plan.outcome.changed) == (False, True)
    assert plan.outcome.removed == ("dogstatsd-udp-8125-in", "ntp-udp-123-out")
    assert plan.outcome.after == ("ufw is on", "outgoing: allow by default", "incoming: denied by default")


def test_absent_switches_off_what_we_switched_on() -> None:
    world = World(enabled=False)
    world.run(NTP, enable=True, session=SESSION)
    plan = world.plan(state="absent", session=SESSION)
    assert plan.switch_off
    assert plan.outcome.after == ("ufw is off", "outgoing: allow by default")
    assert plan.edits == {}


def test_what_we_switched_on_and_somebody_switched_off_leaves_no_records() -> None:
    world = World(enabled=False)
    world.run(NTP, enable=True, session=SESSION)
    world.enabled = False
    plan = world.run(state="absent")
    assert plan.switch_off
    assert plan.outcome.changed
    assert not world.plan(state="absent").outcome.changed


def rewritten_by_ufw(world: World, *theirs: OperatorsRule) -> None:
    """What ``ufw enable`` makes of files that it never wrote: its own form, with its end mark; *theirs* stand in it."""
    for family, text in world.texts.items():
        ours = text.partition("### RULES ###\n")[2].partition("-A ufw-user-limit -m")[0].removesuffix("COMMIT\n")
        world.texts[family] = rules_file(family, *(block(rule, family) for rule in theirs), ours)
    world.load()


def test_files_that_ufw_rewrote_when_we_switched_it_on_go_back_to_the_byte() -> None:
    world = World(enabled=False)
    world.texts = dict(TEMPLATES)
    world.run(NTP, CLOSED, enable=True, session=SESSION)
    rewritten_by_ufw(world)
    assert world.host.ours
    world.run(state="absent")
    assert world.texts == TEMPLATES


def test_files_in_which_others_have_rules_since_lose_ours_alone() -> None:
    web = OperatorsRule("allow", "tcp", dport="80")
    world = World(enabled=False)
    world.texts = dict(TEMPLATES)
    world.run(NTP, CLOSED, enable=True, session=SESSION)
    rewritten_by_ufw(world, web)
    world.run(state="absent")
    assert world.texts == {family: rules_file(family, block(web, family)) for family in (4, 6)}


def test_rules_of_ours_that_stood_before_we_switched_it_on_do_not_come_back() -> None:
    world = World(SAME_AS_OURS[0])
    untouched = dict(world.texts)
    world.run(NTP)
    world.enabled = False
    world.run(NTP, enable=True, session=SESSION)
    world.run(state="absent")
    assert world.texts == untouched


# --- What goes out by default -----------------------------------------------------------------------------------------

PATHS = {DEFAULTS, *AFTER_PATHS.values(), *RULES_PATHS.values()}


def default(world: World) -> str:
    """What the host does with outgoing traffic that no rule names."""
    return world.host.outbound


def texts_of(world: World) -> dict[str, str]:
    return {path: text for path, text in world.host.texts.items() if path in PATHS}


def test_left_alone_the_default_is_no_concern_of_ours() -> None:
    plan = World(outbound="REJECT").plan(NTP)
    assert set(plan.texts) == set(RULES_PATHS.values())
    assert not any("OUTPUT" in line or "-before-" in line for lines in plan.edits.values() for line in lines)
    assert plan.record == {}


def test_denied_outgoing_traffic_is_denied_in_every_file_and_in_the_kernel() -> None:
    plan = World().plan(NTP, default_outbound="deny")
    assert set(plan.texts) == PATHS
    assert plan.texts[DEFAULTS] == 'DEFAULT_INPUT_POLICY="DROP"\nDEFAULT_OUTPUT_POLICY="DROP"\n'
    for family, prefix in ((4, "ufw"), (6, "ufw6")):
        assert has_block(plan.texts[AFTER_PATHS[family]])
        assert f"-A {prefix}-after-logging-output -j LOG" in plan.texts[RULES_PATHS[family]]
        assert "-P OUTPUT DROP" in plan.edits[family]
        assert f"-I {prefix}-skip-to-policy-output 1 -j DROP" in plan.edits[family]
    assert plan.record == {"outbound": {"before": "allow", "set": "deny"}}


def test_the_diff_tells_the_default() -> None:
    outcome = World().plan(NTP, default_outbound="deny").outcome
    assert (outcome.before[1], outcome.after[1]) == ("outgoing: allow by default", "outgoing: deny by default")


@pytest.mark.parametrize(
    ("stood", "asked_for", "then", "record"),
    [
        ("ACCEPT", "deny", "deny", {"before": "allow", "set": "deny"}),
        ("ACCEPT", "allow", "allow", None),
        ("ACCEPT", "unmanaged", "allow", None),
        ("DROP", "deny", "deny", None),
        ("DROP", "allow", "allow", {"before": "deny", "set": "allow"}),
        ("DROP", "unmanaged", "deny", None),
        ("REJECT", "deny", "reject", None),
        ("REJECT", "allow", "allow", {"before": "reject", "set": "allow"}),
    ],
)
def test_the_default_becomes_what_is_asked_for_and_what_stood_before_is_kept(
    stood: str, asked_for: str, then: str, record: dict[str, str] | None
) -> None:
    world = World(outbound=stood)
    plan = world.run(NTP, default_outbound=asked_for)
    assert default(world) == then
    assert plan.record.get("outbound") == record


@pytest.mark.parametrize("stood", ["ACCEPT", "DROP", "REJECT"])
@pytest.mark.parametrize("asked_for", ["deny", "allow"])
@pytest.mark.parametrize("away", [{"state": "absent"}, {"default_outbound": "unmanaged"}])
def test_the_default_that_stood_before_comes_back(stood: str, asked_for: str, away: dict[str, str]) -> None:
    world = World(outbound=stood)
    world.texts = {family: with_logging(text, family, default(world), "low") for family, text in world.texts.items()}
    before = texts_of(world)
    world.run(default_outbound=asked_for)
    world.run(default_outbound=asked_for)
    plan = world.run(**away)
    assert texts_of(world) == before
    assert plan.record == {}


def test_from_one_default_to_the_other_the_one_before_us_is_not_forgotten() -> None:
    world = World(outbound="REJECT")
    world.run(NTP, default_outbound="allow")
    plan = world.run(NTP, default_outbound="deny")
    assert default(world) == "reject"
    assert plan.record == {}


@pytest.mark.parametrize("away", [{"state": "absent"}, {"default_outbound": "unmanaged"}])
def test_a_default_that_an_operator_set_since_is_theirs_and_stays(away: dict[str, str]) -> None:
    world = World()
    world.run(NTP, default_outbound="deny")
    world.defaults = with_policy(world.defaults, "reject")
    plan = world.run(NTP, default_outbound="deny")
    assert (default(world), plan.record) == ("reject", {})
    world.run(**away)
    assert default(world) == "reject"
    assert not any(map(has_block, world.afters.values()))


def test_an_operators_default_that_is_weaker_than_ours_is_set_again_and_comes_back() -> None:
    world = World(outbound="REJECT")
    world.run(NTP, default_outbound="allow")
    world.defaults = with_policy(world.defaults, "deny")
    assert world.run(NTP, default_outbound="allow").record == {"outbound": {"before": "deny", "set": "allow"}}
    world.run(state="absent")
    assert default(world) == "deny"


def test_without_an_allowed_default_the_kept_session_gets_its_replies_out() -> None:
    plan = World(enabled=False).plan(NTP, enable=True, session=SESSION, default_outbound="deny")
    assert "allow out from port 22/tcp to 198.51.100.7/32  # management-tcp-22-replies-out" in plan.outcome.after


def more_out(world: World, *flows: Flow, **asked: t.Any) -> list[str]:
    """The names in the warning of rules that let out more than *flows*."""
    warnings = world.plan(*flows, **{"default_outbound": "deny", **asked}).outcome.warnings
    said = " ".join(warnings).partition("more than the flows: ")[2].partition("; remove")[0]
    return said.split(", ") if said else []


@pytest.mark.parametrize(
    ("theirs", "name"),
    [
        (WEB_OUT, "allow out to any"),
        (OperatorsRule("limit", "tcp", dport="25", way="out"), "limit out to any port 25 proto tcp"),
        (OperatorsRule("allow", "tcp", dport="443", way="out", log="log"), "allow out to any port 443 proto tcp"),
        (OperatorsRule("allow", "tcp", dport="443", dst="192.0.2.0/23", way="out"), "allow out to 192.0.2.0/23 port"),
        (OperatorsRule("allow", "tcp", dport="440:443", dst="192.0.2.0/24", way="out"), "allow out to 192.0.2.0/24"),
        (OperatorsRule("allow", dport="123", way="out"), "allow out to any port 123"),
        (OperatorsRule("allow", way="out", interface="eth1"), "allow out on eth1 to any"),
        (OperatorsRule("allow", "tcp", sport="80", way="out"), "allow out to any from any port 80 proto tcp"),
        (OperatorsRule("allow", "esp", way="out"), "allow out to any proto esp"),
        (OperatorsRule("allow", "tcp", dport="80", way="out", apps=("WWW", "")), "allow out to any app WWW"),
    ],
)
def test_a_rule_of_theirs_that_lets_out_more_than_the_flows_is_told(theirs: OperatorsRule, name: str) -> None:
    [told] = more_out(World(theirs), LOGS, NTP)
    assert told.startswith(f"'{name}")


@pytest.mark.parametrize(
    "theirs",
    [
        OperatorsRule("allow", "tcp", dport="443", dst="192.0.2.128/25", way="out"),
        OperatorsRule("allow", "udp", dport="123", way="out"),
        OperatorsRule("allow", "tcp", dport="22"),
        OperatorsRule("deny", way="out"),
        OperatorsRule("allow", way="out", interface="lo"),
        OperatorsRule("allow", "tcp", dport="25", interface="eth1", routed_to="eth2"),
    ],
)
def test_a_rule_of_theirs_that_lets_out_no_more_than_the_flows_is_not_told(theirs: OperatorsRule) -> None:
    assert more_out(World(theirs), LOGS, NTP) == []


@pytest.mark.parametrize("asked", [{"default_outbound": "unmanaged"}, {"state": "absent"}])
def test_where_nothing_is_denied_nobody_is_told_what_theirs_let_out(asked: dict[str, str]) -> None:
    assert more_out(World(WEB_OUT), **asked) == []


def test_where_ufw_does_no_ipv6_its_default_for_it_is_left_alone() -> None:
    world = World()
    host = dataclasses.replace(world.host, families=(4,))
    plan = make_plan(host, Request(default_outbound="deny"), {})
    assert set(plan.edits) == {4}


# --- Theirs and ours --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theirs", SAME_AS_OURS[:2])
def test_a_rule_that_says_the_same_as_one_of_theirs_is_left_out_until_theirs_goes(theirs: OperatorsRule) -> None:
    world = World(theirs)
    plan = world.run(LOGS)
    assert plan.rules == (Rule("outbound", "allow", "tcp", "2001:db8::/32", 443, flows=("logs-tcp-443-out",)),)
    world.texts[4] = rules_file(4)
    world.load()
    assert world.plan(LOGS).rules[0].network == "192.0.2.0/24"


def test_judged_first_ours_stand_even_where_theirs_say_the_same() -> None:
    plan = World(SAME_AS_OURS[0]).plan(LOGS, precedence="ours")
    assert [rule.network for rule in plan.rules] == ["192.0.2.0/24", "2001:db8::/32"]
    assert plan.texts[RULES_PATHS[4]].count("\n-A ufw-user-output -p tcp -d 192.0.2.0/24 --dport 443 -j ACCEPT\n") == 2


def test_a_flow_that_theirs_overrule_is_shadowed_and_still_written() -> None:
    denied = OperatorsRule("deny", "tcp", dst="192.0.2.128/25", way="out")
    plan = World(denied, families=(4,)).plan(LOGS, NTP)
    assert plan.outcome.shadowed == ("logs-tcp-443-out",)
    assert "logs-tcp-443-out" in plan.outcome.added


def test_judged_first_no_flow_is_shadowed() -> None:
    assert World(OperatorsRule("deny", way="out")).plan(LOGS, precedence="ours").outcome.shadowed == ()


def test_the_place_of_ours_follows_the_precedence_and_no_flow_changes() -> None:
    world = World(OperatorsRule("allow", "tcp", dport="22"))
    world.run(NTP)
    plan = world.run(NTP, precedence="ours")
    assert plan.outcome.changed
    assert (plan.outcome.added, plan.outcome.removed, plan.outcome.unchanged) == ((), (), ("ntp-udp-123-out",))
    assert world.host.files[4].in_place == {"ours"}


def test_a_rule_that_an_operator_added_behind_ours_is_judged_before_them_again() -> None:
    world = World()
    world.run(NTP)
    operators_step(world, OperatorsRule("deny", "udp", way="out"), False)
    plan = world.run(NTP)
    assert (plan.outcome.changed, plan.outcome.shadowed) == (True, ("ntp-udp-123-out",))
    assert world.host.files[4].in_place == {"theirs"}


# --- What a run tells -------------------------------------------------------------------------------------------------


def test_flows_are_told_by_what_became_of_them() -> None:
    world = World()
    world.run(LOGS, NTP)
    plan = world.plan(dataclasses.replace(LOGS, networks=("198.51.100.0/24", "2001:db8::/32")), CLOSED)
    assert plan.outcome.added == ("dogstatsd-udp-8125-in", "logs-tcp-443-out")
    assert plan.outcome.removed == ("logs-tcp-443-out", "ntp-udp-123-out")
    assert plan.outcome.unchanged == ()


def test_a_change_of_one_network_touches_its_own_family_alone() -> None:
    world = World()
    world.run(LOGS, NTP)
    plan = world.plan(dataclasses.replace(LOGS, networks=("192.0.2.0/24", "2001:db8:1::/48")), NTP)
    assert set(plan.texts) == {RULES_PATHS[6]}
    assert {family: len(lines) for family, lines in plan.edits.items()} == {6: 2}


def test_rules_that_are_live_without_standing_in_the_files_go() -> None:
    world = World()
    plan = world.run(NTP)
    world.texts = {family: rules_file(family) for family in (4, 6)}
    assert make_plan(world.host, Request(state="absent"), {}, known=plan.rules).edits == {
        4: ["-D ufw-user-output 1"],
        6: ["-D ufw6-user-output 1"],
    }


def test_rules_that_the_kernel_lost_come_back() -> None:
    world = World()
    world.run(NTP)
    world.chains["ufw-user-output"].clear()
    plan = world.run(NTP)
    assert plan.outcome.changed
    assert plan.texts == {}
    assert world.chains["ufw-user-output"] == ["-A ufw-user-output -p udp --dport 123 -j ACCEPT"]


# --- Without IPv6 -----------------------------------------------------------------------------------------------------

NO_IPV6 = (
    "ufw does no IPv6 on this host (IPV6=no in /etc/default/ufw, or a kernel without it), so the IPv6 networks of the "
    "flows were left out."
)


def test_without_ipv6_its_networks_are_left_out_and_that_is_said() -> None:
    plan = World(families=(4,)).plan(LOGS)
    assert [rule.network for rule in plan.rules] == ["192.0.2.0/24"]
    assert plan.outcome.warnings == (NO_IPV6,)


def test_without_ipv6_flows_that_have_none_of_it_lose_nothing() -> None:
    only_ipv4 = dataclasses.replace(LOGS, networks=("192.0.2.0/24",))
    plan = World(enabled=False, families=(4,)).plan(only_ipv4, enable=True, session=SESSION)
    assert [rule.family for rule in plan.rules] == [4, 4]
    assert plan.outcome.warnings == ()


def test_without_ipv6_rules_of_ours_from_before_go_too() -> None:
    world = World()
    world.run(NTP)
    host = dataclasses.replace(world.host, families=(4,))
    plan = make_plan(host, Request(state="absent"), {})
    assert set(plan.texts) == {RULES_PATHS[family] for family in (4, 6)}
    assert set(plan.edits) == {4, 6}
    assert "netwall" not in plan.texts[RULES_PATHS[6]]


def test_a_rule_whose_line_was_changed_is_written_again() -> None:
    world = World()
    world.run(NTP)
    world.texts[4] = world.texts[4].replace("--dport 123 -j ACCEPT", "--dport 123 -j DROP")
    plan = world.plan(NTP)
    assert plan.outcome.changed
    assert "--dport 123 -j ACCEPT" in plan.texts[RULES_PATHS[4]]
