# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The management connection: which rules it gets, and what is refused because it would cut it."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import management
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError, Request, Rule
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.management import (
    Standing,
    as_operator_rule,
    denied_in_vain,
    kept_flow,
    lets_more_out,
    peers_of,
    refuse_lockout,
    rules_to_keep,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import Session
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import OperatorRule
from ansible_collections.netwall.datadog.plugins.module_utils._flow import Flow

ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
PEER, PEER6 = "198.51.100.7", "2001:db8:7::7"


@dataclasses.dataclass(frozen=True)
class SessionOn(Session):
    """A session of which the interface is given, not looked for on this host."""

    on: str = "eth0"

    @property
    def interface(self) -> str:
        return self.on


SESSION = SessionOn(PEER, 50123, "192.0.2.11", 22)
SESSION6 = SessionOn(PEER6, 50123, "2001:db8::11", 22)


def standing(*theirs: OperatorRule, inbound: str = "deny", outbound: str = "allow") -> Standing:
    return Standing(theirs, {"inbound": inbound, "outbound": outbound})


def operator(verdict: str, direction: str = "inbound", family: int = 4, **changes: t.Any) -> OperatorRule:
    """A rule about port 22 of this host; replies are told by their source port."""
    ports = "ports" if direction == "inbound" else "source_ports"
    known = {"remote": ANYWHERE[family], "local": ANYWHERE[family], ports: ((22, 22),), "text": f"their {verdict}"}
    return OperatorRule(direction, verdict, ("tcp",), **{**known, **changes})


def request(**changes: t.Any) -> Request:
    return Request(**{"session": SESSION, **changes})


def ours(action: str, network: str = "0.0.0.0/0", protocol: str = "tcp", port: int = 22) -> Rule:
    return Rule("inbound", action, protocol, network, port, flows=("ours",))


def arrivals(*networks: str, port: int = 22) -> list[Rule]:
    return [
        Rule("inbound", "allow", "tcp", network, port, flows=(f"management-tcp-{port}-in",)) for network in networks
    ]


def replies(network: str) -> list[Rule]:
    return [Rule("outbound", "allow", "tcp", network, None, 22, flows=("management-tcp-22-replies-out",))]


# --- What the connection gets -----------------------------------------------------------------------------------------

NOTHING: list[Rule] = []
FROM_ANYWHERE = arrivals("0.0.0.0/0", "::/0")


@pytest.mark.parametrize(
    ("asked", "stands", "rules", "peers", "kept"),
    [
        pytest.param({}, standing(), [], [], NOTHING, id="somebody else's firewall: nothing"),
        pytest.param({}, standing(), [], [PEER], FROM_ANYWHERE, id="ours: the port from anywhere"),
        pytest.param({"management": False}, standing(), [], [PEER], NOTHING, id="not asked for: nothing"),
        pytest.param({"session": None}, standing(), [], [PEER], NOTHING, id="no connection: nothing"),
        pytest.param(
            {"session": dataclasses.replace(SESSION, local_port=2222)},
            standing(),
            [],
            [PEER],
            arrivals("0.0.0.0/0", "::/0", port=2222),
            id="another port: that port",
        ),
        pytest.param({"session": SESSION6}, standing(), [], [PEER6], FROM_ANYWHERE, id="over IPv6: both families"),
        pytest.param({}, standing(inbound="allow"), [], [PEER], NOTHING, id="what comes in is allowed: nothing"),
        pytest.param(
            {"management_networks": ("198.51.100.0/24",)},
            standing(),
            [],
            [PEER],
            arrivals("198.51.100.0/24"),
            id="networks given: just those",
        ),
        pytest.param(
            {"management_networks": ("192.0.2.0/24", "2001:db8::/32")},
            standing(operator("allow")),
            [],
            [],
            arrivals("192.0.2.0/24", "2001:db8::/32"),
            id="networks given: those, needed or not",
        ),
        pytest.param(
            {},
            standing(operator("allow", remote="198.51.100.0/24")),
            [],
            [PEER],
            NOTHING,
            id="theirs lets us in: nothing",
        ),
        pytest.param({}, standing(operator("limit")), [], [PEER], NOTHING, id="theirs limits us: nothing"),
        pytest.param(
            {},
            standing(operator("allow", remote="203.0.113.0/24")),
            [],
            [PEER],
            FROM_ANYWHERE,
            id="theirs lets others in: a rule",
        ),
        pytest.param(
            {}, standing(operator("allow", interface="eth1")), [], [PEER], FROM_ANYWHERE, id="another interface: a rule"
        ),
        pytest.param(
            {}, standing(operator("allow", interface="eth0")), [], [PEER], NOTHING, id="our interface: nothing"
        ),
        pytest.param(
            {"session": dataclasses.replace(SESSION, on="")},
            standing(operator("allow", interface="eth0")),
            [],
            [PEER],
            FROM_ANYWHERE,
            id="an interface that can't be told: a rule",
        ),
        pytest.param(
            {},
            standing(operator("allow", local="192.0.2.99/32")),
            [],
            [PEER],
            FROM_ANYWHERE,
            id="another address: a rule",
        ),
        pytest.param({}, standing(), [ours("deny")], [], FROM_ANYWHERE, id="our own denial of the port: a rule"),
        pytest.param(
            {},
            standing(operator("allow")),
            [ours("deny")],
            [],
            NOTHING,
            id="our own denial, judged after their permission: nothing",
        ),
        pytest.param(
            {"precedence": "ours"},
            standing(operator("allow")),
            [ours("deny")],
            [],
            FROM_ANYWHERE,
            id="our own denial, judged before their permission: a rule",
        ),
        pytest.param({}, standing(), [ours("deny", protocol="udp")], [], NOTHING, id="a denial of udp: nothing"),
        pytest.param({}, standing(), [ours("deny", port=8126)], [], NOTHING, id="a denial elsewhere: nothing"),
        pytest.param(
            {},
            standing(outbound="deny"),
            [],
            [PEER],
            FROM_ANYWHERE + replies(f"{PEER}/32"),
            id="replies refused: a rule",
        ),
        pytest.param(
            {"session": SESSION6},
            standing(outbound="deny"),
            [],
            [PEER6],
            FROM_ANYWHERE + replies(f"{PEER6}/128"),
            id="replies refused over IPv6: a rule",
        ),
        pytest.param(
            {},
            standing(outbound="deny"),
            [],
            ["203.0.113.9"],
            FROM_ANYWHERE + replies("203.0.113.9/32"),
            id="replies: to the peer that was there when it came on",
        ),
        pytest.param({}, standing(outbound="deny"), [], [], NOTHING, id="replies on somebody else's: nothing"),
        pytest.param(
            {},
            standing(operator("allow", "outbound", source_ports=((0, 65535),)), outbound="deny"),
            [],
            [PEER],
            FROM_ANYWHERE,
            id="theirs lets replies out: no rule for them",
        ),
        pytest.param(
            {"session": SessionOn("127.0.0.1", 50123, "127.0.0.1", 22, "lo")},
            standing(outbound="deny"),
            [],
            ["127.0.0.1"],
            NOTHING,
            id="over lo: nothing",
        ),
    ],
)
def test_the_connection_gets_what_it_needs_and_no_more(
    asked: dict[str, t.Any], stands: Standing, rules: list[Rule], peers: list[str], kept: list[Rule]
) -> None:
    assert rules_to_keep(request(**asked), stands, rules, peers) == kept


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """On port 22 of this host somebody else has a session, too."""
    monkeypatch.setattr(management, "peers_on", lambda port: {"203.0.113.9"} if port == 22 else set())


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(
    ("asked", "peers"),
    [
        ({}, [PEER, "203.0.113.9"]),
        ({"session": SESSION6}, [PEER6, "203.0.113.9"]),
        ({"session": dataclasses.replace(SESSION, local_port=2222)}, [PEER]),
        ({"session": None}, []),
        ({"management": False}, []),
    ],
)
def test_the_peers_are_the_other_ends_of_all_sessions_on_the_port(asked: dict[str, t.Any], peers: list[str]) -> None:
    assert peers_of(request(**asked)) == sorted(peers)


# --- What it keeps open against a denial ------------------------------------------------------------------------------

KEPT = "management-tcp-22-in"


def denial(*networks: str, **changes: t.Any) -> Flow:
    return dataclasses.replace(Flow("ssh-deny", "inbound", "deny", "tcp", 22, networks), **changes)


@pytest.mark.parametrize(
    ("networks", "flow", "whence"),
    [
        ((), denial("0.0.0.0/0", "::/0"), "anywhere"),
        ((), denial("203.0.113.0/24"), "anywhere"),
        (("198.51.100.0/24", "2001:db8::/32"), denial("0.0.0.0/0"), "198.51.100.0/24, 2001:db8::/32"),
    ],
)
def test_a_denial_of_what_is_kept_open_is_told(networks: tuple[str, ...], flow: Flow, whence: str) -> None:
    kept = kept_flow(request(management_networks=networks), [KEPT])
    assert kept
    [sentence] = denied_in_vain(kept, [flow])
    assert sentence == (
        f"Flow ssh-deny closes port 22/tcp, over which this play came in; it stays open from {whence}. "
        "Set management_networks to narrow that."
    )


@pytest.mark.parametrize(
    "flow",
    [
        denial("203.0.113.0/24"),
        denial("2001:db8::/32"),
        denial("0.0.0.0/0", port=2222),
        denial("0.0.0.0/0", protocol="udp"),
        denial("0.0.0.0/0", action="allow"),
        denial("0.0.0.0/0", direction="outbound"),
    ],
)
def test_a_flow_that_closes_nothing_of_what_is_kept_is_not_told(flow: Flow) -> None:
    kept = kept_flow(request(management_networks=("198.51.100.0/24",)), [KEPT])
    assert kept
    assert denied_in_vain(kept, [flow]) == []


def test_what_is_kept_is_told_as_a_flow() -> None:
    assert kept_flow(request(), [KEPT]) == Flow(
        KEPT, "inbound", "allow", "tcp", 22, ("0.0.0.0/0", "::/0"), "keeps the connection that the play came in on"
    )


@pytest.mark.parametrize(("asked", "named"), [(request(), ["ssh-deny"]), (request(session=None), [KEPT])])
def test_a_connection_that_got_no_rule_is_kept_by_none(asked: Request, named: list[str]) -> None:
    assert kept_flow(asked, named) is None


# --- What is refused when the firewall comes on -----------------------------------------------------------------------


def refusal(asked: Request, stands: Standing, rules: t.Sequence[Rule], before: t.Sequence[Rule] | None = None) -> str:
    with pytest.raises(FirewallError) as caught:
        refuse_lockout(asked, stands, rules, before)
    return str(caught.value)


def accepted(asked: Request, stands: Standing, rules: t.Sequence[Rule], before: t.Sequence[Rule] | None = None) -> None:
    refuse_lockout(asked, stands, rules, before)


def test_what_is_kept_is_never_refused() -> None:
    for session, peer in ((SESSION, PEER), (SESSION6, PEER6)):
        asked, stands = request(session=session), standing(outbound="deny")
        accepted(asked, stands, rules_to_keep(asked, stands, [], [peer]))


def test_a_denial_of_theirs_is_named() -> None:
    stands = standing(operator("deny", text="### tuple ### deny tcp 22 …"))
    assert refusal(request(), stands, FROM_ANYWHERE) == (
        "Switching the firewall on would refuse the connection that this play came in on (198.51.100.7 to port 22) "
        "because of the rule '### tuple ### deny tcp 22 …'; change that, widen 'management_networks' if you set it, or "
        "set 'management: false' if you have another way in."
    )


def test_networks_that_leave_the_peer_out_are_refused() -> None:
    asked = request(management_networks=("203.0.113.0/24",))
    assert "because of the firewall's default; change that, widen 'management_networks' " in refusal(
        asked, standing(), rules_to_keep(asked, standing(), [], PEER)
    )


def test_a_denial_of_its_replies_is_refused() -> None:
    stands = standing(operator("deny", "outbound"))
    assert refusal(request(), stands, [*FROM_ANYWHERE, *replies(f"{PEER}/32")]).startswith(
        "Switching the firewall on would refuse replies of the connection that this play came in on "
    )


def test_a_denial_of_theirs_is_no_obstacle_where_ours_are_judged_first() -> None:
    stands = standing(operator("deny"), operator("deny", "outbound"))
    accepted(request(precedence="ours"), stands, [*FROM_ANYWHERE, *replies(f"{PEER}/32")])


def test_a_denial_of_our_own_is_named_as_the_diff_shows_it() -> None:
    assert "because of the rule 'deny in 22/tcp from 198.51.100.0/24  # ours'" in refusal(
        request(), standing(), [ours("deny", "198.51.100.0/24"), *FROM_ANYWHERE]
    )


@pytest.mark.parametrize("asked", [request(management=False), request(session=None)])
def test_nothing_is_refused_where_there_is_no_connection_to_keep(asked: Request) -> None:
    accepted(asked, standing(operator("deny")), [])


def test_a_connection_over_lo_is_never_refused() -> None:
    asked = request(session=SessionOn("127.0.0.1", 50123, "127.0.0.1", 22, "lo"))
    accepted(asked, standing(operator("deny"), outbound="deny"), [])


# --- What is refused in a firewall that is on -------------------------------------------------------------------------


def test_a_change_that_takes_the_connections_only_rule_away_is_refused() -> None:
    assert refusal(request(), standing(), arrivals("203.0.113.0/24"), before=FROM_ANYWHERE) == (
        "This change would refuse the connection that this play came in on (198.51.100.7 to port 22) because of the "
        "firewall's default; change that, widen 'management_networks' if you set it, or set 'management: false' if you "
        "have another way in."
    )


def test_ours_stepping_back_behind_a_denial_of_theirs_is_refused() -> None:
    assert "because of the rule 'their deny'" in refusal(
        request(precedence="theirs"), standing(operator("deny")), FROM_ANYWHERE, before=FROM_ANYWHERE
    )


@pytest.mark.parametrize("rules", [FROM_ANYWHERE, arrivals("198.51.100.0/24")])
def test_a_change_that_leaves_the_connection_its_rule_is_accepted(rules: list[Rule]) -> None:
    accepted(request(), standing(), rules, before=FROM_ANYWHERE)


def test_a_connection_that_came_in_by_a_way_that_cannot_be_seen_is_no_obstacle() -> None:
    accepted(request(), standing(), [], before=[])


def test_replies_are_no_concern_of_a_firewall_that_knows_the_connection() -> None:
    accepted(request(), standing(outbound="deny"), FROM_ANYWHERE, before=FROM_ANYWHERE)


# --- Ours in the form of verdicts -------------------------------------------------------------------------------------


def test_a_rule_of_ours_is_judged_as_what_it_says() -> None:
    assert as_operator_rule(ours("deny", "2001:db8::/32")) == OperatorRule(
        "inbound",
        "deny",
        ("tcp",),
        remote="2001:db8::/32",
        local="::/0",
        ports=((22, 22),),
        text="deny in 22/tcp from 2001:db8::/32  # ours",
    )
    assert as_operator_rule(replies("192.0.2.1/32")[0]).source_ports == ((22, 22),)


def test_a_connection_of_a_family_that_the_firewall_shuts_out_is_refused() -> None:
    asked = request(session=Session("2001:db8::9", 50000, "2001:db8::11", 22))
    stands = dataclasses.replace(standing(inbound="allow"), families=(4,))
    assert "because of the firewall's default" in refusal(asked, stands, [])
    accepted(asked, dataclasses.replace(stands, families=(4, 6)), [])


# --- What others let out ----------------------------------------------------------------------------------------------


def test_rules_that_let_out_more_are_named() -> None:
    assert lets_more_out(["a", "b"]) == (
        "default_outbound is deny, but rules of others still let out more than the flows: a, b; remove them if that is "
        "not meant."
    )


def test_of_many_rules_that_let_out_more_a_handful_is_named() -> None:
    assert "the flows: a, b, c, d, e and 2 more; remove" in lets_more_out(list("abcdefg"))


# --- A run from the host itself ---------------------------------------------------------------------------------------


def test_a_run_from_the_host_itself_keeps_the_way_in_that_an_earlier_run_made() -> None:
    earlier = [*FROM_ANYWHERE, *replies("198.51.100.7/32"), ours("allow")]
    shared = dataclasses.replace(FROM_ANYWHERE[0], flows=("management-tcp-22-in", "ours"))
    request = Request(session=None)
    assert rules_to_keep(request, standing(), [], [PEER], earlier) == earlier[:-1]
    assert rules_to_keep(request, standing(), [], [PEER], [shared]) == [FROM_ANYWHERE[0]]
    assert rules_to_keep(Request(session=None, management=False), standing(), [], [PEER], earlier) == []
    assert rules_to_keep(Request(session=SESSION), standing(), [], [], earlier) == []
