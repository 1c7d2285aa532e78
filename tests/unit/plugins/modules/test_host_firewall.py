# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's half of host_firewall: from options to a request, and from what was done to a result."""

from __future__ import annotations

import os
import types
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import published, transaction, watchdog
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import (
    FirewallError,
    Outcome,
    Presence,
    Request,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.essentials import Essentials
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.journal import Journal
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import Session
from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, Flow
from ansible_collections.netwall.datadog.plugins.modules import host_firewall

if t.TYPE_CHECKING:
    from pathlib import Path

SESSION = Session("198.51.100.7", 50123, "192.0.2.11", 22)
NTP = Flow("ntp-udp-123-out", "outbound", "allow", "udp", 123, ANYWHERE)
CLOSED = Flow("dogstatsd-udp-8125-in", "inbound", "deny", "udp", 8125, ANYWHERE)
DNS = Flow("host-dns-udp-53-out", "outbound", "allow", "udp", 53, ("192.0.2.53/32",))
OUTCOME = Outcome(
    added=(NTP.id,), shadowed=(CLOSED.id,), warnings=("Beware.",), before=("off",), after=("on",), changed=True
)
SSH = Flow("ssh-deny", "inbound", "deny", "tcp", 22, ANYWHERE)
EMPTY = {"transaction": {}, "backend": "none"}


class DoneError(Exception):
    """The module has given its result."""


class Module:
    """What AnsibleModule gives and takes; the options that are not *asked* have their defaults."""

    check_mode = False
    _diff = False

    def __init__(self, **asked: t.Any) -> None:
        options = t.cast("dict[str, dict[str, t.Any]]", host_firewall.ARGUMENT_SPEC)
        defaults = {name: option.get("default") for name, option in options.items()}
        self.params = {**defaults, "crosses_network": True, **asked}
        self.result: dict[str, t.Any] = {}
        self.warnings: list[str] = []

    def warn(self, warning: str) -> None:
        self.warnings.append(warning)

    def exit_json(self, **result: t.Any) -> t.NoReturn:
        self.result = result
        raise DoneError

    def fail_json(self, msg: str) -> t.NoReturn:
        self.exit_json(failed=True, msg=msg)


class Host:
    """A host with or without a firewall (``wall``) on which nothing is done; ``asked`` are the requests that came."""

    def __init__(self, folder: str) -> None:
        self.session: Session | None = SESSION
        self.is_active = True
        self.wall: t.Any = types.SimpleNamespace(name="wall", presence=lambda: Presence(True, self.is_active, True))
        self.asked: list[t.Any] = []
        self.journal = Journal(folder)
        self.faults: list[Exception] = []
        self.id = "c1"
        self.outcome = OUTCOME

    def reconcile(self, wall: object, request: Request, document: object, within: int) -> transaction.Applied:
        assert wall is self.wall
        self.asked.append((request, document, within))
        for fault in self.faults:
            raise fault
        return transaction.Applied(self.outcome, self.id)

    def predict(self, _wall: object, request: Request) -> t.Any:
        self.asked.append(request)
        return types.SimpleNamespace(outcome=self.outcome, lets=lambda _packet: False)

    def run(self, module: Module) -> dict[str, t.Any]:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(host_firewall, "AnsibleModule", lambda **_arguments: module)
            with pytest.raises(DoneError):
                host_firewall.main()
        return module.result

    def request(self, **asked: t.Any) -> Request:
        """The request that a run makes of the options."""
        result = self.run(Module(**asked))
        assert "msg" not in result
        request: Request = self.asked[-1][0]
        return request

    def refusal(self, **asked: t.Any) -> str:
        """What a run says that does nothing."""
        said: str = self.run(Module(**asked))["msg"]
        assert self.asked == []
        return said


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(str(tmp_path / "netwall" / "datadog"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(host_firewall, "find_session", lambda: made.session)
    monkeypatch.setattr(host_firewall, "choose", lambda *_arguments: made.wall)
    monkeypatch.setattr(host_firewall, "Journal", lambda: made.journal)
    monkeypatch.setattr(host_firewall, "open_connections", list)
    monkeypatch.setattr(host_firewall, "closed_ports", lambda lets: [f"a port, {lets(None)}"])
    monkeypatch.setattr(
        host_firewall, "find_essentials", lambda *_of_what, **_more: Essentials((DNS,), ("No time server.",))
    )
    monkeypatch.setattr(published, "published_ports", lambda _ports: [])
    monkeypatch.setattr(watchdog, "survives_boot", lambda: True)
    monkeypatch.setattr(transaction, "reconcile", made.reconcile)
    monkeypatch.setattr(transaction, "predict", made.predict)
    return made


def flows(*wanted: Flow) -> list[dict[str, t.Any]]:
    return [flow.to_dict() for flow in wanted]


# --- What is asked ----------------------------------------------------------------------------------------------------


def test_options_become_a_request(host: Host) -> None:
    assert host.request(
        flows=flows(NTP),
        enable=True,
        precedence="ours",
        management_networks=["2001:db8::/32", "192.0.2.0/24"],
        default_outbound="allow",
        reload="force",
    ) == Request(
        flows=(NTP,),
        enable=True,
        precedence="ours",
        management_networks=("192.0.2.0/24", "2001:db8::/32"),
        session=SESSION,
        default_outbound="allow",
        reload="force",
    )


def test_where_all_else_is_denied_the_host_may_do_what_it_must(host: Host) -> None:
    module = Module(flows=flows(NTP), default_outbound="deny")
    host.run(module)
    assert set(host.asked[0][0].flows) == {NTP, DNS}
    assert "No time server." in module.warnings


@pytest.mark.parametrize("asked", [{"default_outbound": "allow"}, {"default_outbound": "deny", "state": "absent"}])
def test_elsewhere_nothing_is_added(host: Host, asked: dict[str, str]) -> None:
    assert DNS not in host.request(flows=[], **asked).flows


def test_a_session_that_need_not_be_kept_is_not_looked_for(host: Host) -> None:
    assert host.request(flows=[], management=False).session is None
    assert host.request(flows=[], management=False, confirm_within=60).session == SESSION


# --- What is refused --------------------------------------------------------------------------------------------------


def test_only_root_can_do_it(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert host.refusal(flows=[]) == "Only root can see and change the firewall; set 'become: true'."


def test_a_flow_that_is_none_is_refused(host: Host) -> None:
    assert host.refusal(flows=[{**NTP.to_dict(), "networks": ["nowhere"]}])


def test_what_crosses_no_network_can_not_be_confirmed(host: Host) -> None:
    assert "set 'confirm_within: 0'" in host.refusal(flows=[], confirm_within=60, crosses_network=False)


@pytest.mark.parametrize("within", [-1, 3601])
def test_a_time_to_confirm_that_is_none_is_refused_by_its_value(host: Host, within: int) -> None:
    assert host.refusal(flows=[], confirm_within=within) == (
        f"'confirm_within' is {within}; write a number of seconds from 1 to 3600, or 0 for a change that is final at "
        "once."
    )


def test_an_hour_to_confirm_is_taken(host: Host) -> None:
    host.request(flows=[], confirm_within=3600)


def test_management_networks_that_are_none_are_refused_by_the_options_name(host: Host) -> None:
    assert host.refusal(flows=[], management_networks=["192.0.2.7/24"]).startswith(
        "The option management_networks is wrong: '192.0.2.7/24' has host bits set; "
    )


def test_a_connection_that_can_not_be_found_can_not_be_kept(host: Host) -> None:
    host.session = None
    assert "set 'management: false' if you have another way in" in host.refusal(flows=[])


@pytest.mark.parametrize("asked", [{"management": False}, {"crosses_network": False}, {"state": "absent"}])
def test_a_connection_that_need_not_be_kept_need_not_be_found(host: Host, asked: dict[str, t.Any]) -> None:
    host.session = None
    assert host.request(flows=[], **asked).session is None


# --- What is returned -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "within", "told"),
    [
        ("c1", 0, {"id": "c1", "confirm_within": 0, "state": "committed"}),
        ("c1", 60, {"id": "c1", "confirm_within": 60, "state": "pending"}),
        ("", 60, {}),
    ],
)
def test_a_run_tells_what_it_did_and_whether_that_is_final(
    host: Host, change: str, within: int, told: dict[str, t.Any]
) -> None:
    host.id = change
    assert host.run(Module(flows=[], confirm_within=within, document={"version": 47})) == {
        "changed": True,
        "added": [NTP.id],
        "removed": [],
        "unchanged": [],
        "shadowed": [CLOSED.id],
        "backend": "wall",
        "transaction": told,
    }
    assert host.asked[0][1:] == ({"version": 47}, within)


def test_a_failure_on_the_way_is_told_in_its_words(host: Host) -> None:
    host.faults.append(FirewallError("Loading failed: no; the old rules are back."))
    assert host.run(Module(flows=[])) == {"failed": True, "msg": "Loading failed: no; the old rules are back."}


def test_a_system_that_does_not_let_us_is_told_in_a_sentence(host: Host) -> None:
    host.faults.append(OSError(30, "Read-only file system", "/run/netwall-datadog.lock"))
    assert host.run(Module(flows=[]))["msg"] == (
        "The host does not let us do what is needed: [Errno 30] Read-only file system: '/run/netwall-datadog.lock'."
    )


def test_flows_that_are_null_are_no_order_to_remove_all(host: Host) -> None:
    assert host.refusal(flows=None) == "'flows' is null; write a list, and an empty one ([]) where there shall be none."


@pytest.mark.parametrize("session", [None, Session("127.0.0.1", 50123, "127.0.0.1", 22)])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_a_new_connection_could_not_prove_is_not_to_be_confirmed(
    host: Host, session: Session | None, state: str
) -> None:
    host.session = session
    assert "set 'confirm_within: 0'" in host.refusal(flows=[], state=state, management=False, confirm_within=60)


def test_all_that_has_to_be_said_is_said(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "survives_boot", lambda: False)
    monkeypatch.setattr(published, "published_ports", list)
    module = Module(flows=flows(NTP, CLOSED), confirm_within=60)
    host.run(module)
    assert module.warnings == [
        published.warning(("udp", 8125)),
        watchdog.NO_BOOT_HOOK,
        "Beware.",
        "Rules of others, which are judged first, overrule at least a part of dogstatsd-udp-8125-in.",
    ]


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_denial_of_the_way_in_is_said_to_be_in_vain(host: Host, check_mode: bool) -> None:
    host.outcome = Outcome(unchanged=("management-tcp-22-in",))
    module = Module(flows=flows(SSH))
    module.check_mode = check_mode
    assert "ssh-deny" not in host.run(module)["unchanged"]
    [sentence] = module.warnings
    assert sentence == (
        "Flow ssh-deny closes port 22/tcp, over which this play came in; it stays open from anywhere. "
        "Set management_networks to narrow that."
    )


def test_a_denial_that_no_rule_of_ours_overrules_is_not(host: Host) -> None:
    host.outcome = Outcome(unchanged=("ssh-deny",))
    module = Module(flows=flows(SSH))
    host.run(module)
    assert module.warnings == []


def test_a_diff_is_given_to_who_wants_it(host: Host) -> None:
    module = Module(flows=[])
    module._diff = True
    assert host.run(module)["diff"] == {"before": "off\n", "after": "on\n"}


def test_check_mode_does_nothing_and_tells_what_would_be_refused(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_firewall, "open_connections", lambda: ["a connection"])
    monkeypatch.setattr(host_firewall, "refused", lambda found, lets: [*found, lets(None)])
    module = Module(flows=[])
    module.check_mode = True
    result = host.run(module)
    assert (result["backend"], result["transaction"], result["changed"]) == ("wall", {}, True)
    assert result["refused_connections"] == ["a connection", False]
    assert isinstance(host.asked[0], Request)


def checked(host: Host, **asked: t.Any) -> dict[str, t.Any]:
    module = Module(**asked)
    module.check_mode = True
    return host.run(module)


def test_check_mode_tells_what_switching_on_closes(host: Host) -> None:
    host.is_active = False
    result = checked(host, flows=[], enable=True)
    assert (result["switches_on"], result["closed_ports"]) == (True, ["a port, False"])


@pytest.mark.parametrize(("is_active", "state"), [(True, "present"), (False, "absent")])
def test_a_firewall_that_is_not_switched_on_closes_nothing_by_it(host: Host, is_active: bool, state: str) -> None:
    host.is_active = is_active
    result = checked(host, flows=[], state=state)
    assert (result["switches_on"], result["closed_ports"]) == (False, [])


def test_check_mode_tells_all_flows_those_that_nobody_gave_included(host: Host) -> None:
    host.outcome = Outcome(added=("management-tcp-22-in",))
    told = checked(host, flows=flows(NTP), default_outbound="deny", management_networks=["192.0.2.0/24"])["flows"]
    assert [flow["id"] for flow in told] == [NTP.id, DNS.id, "management-tcp-22-in"]
    assert told[:2] == flows(NTP, DNS)
    assert told[2]["networks"] == ["192.0.2.0/24"]


def test_once_all_is_removed_there_are_no_flows(host: Host) -> None:
    assert checked(host, flows=flows(NTP), state="absent")["flows"] == []


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("state", [{}, {"backend": "ufw"}])
def test_without_a_firewall_all_that_can_be_removed_is_what_was_kept_of_one(
    host: Host, monkeypatch: pytest.MonkeyPatch, state: dict[str, str], check_mode: bool
) -> None:
    host.wall = None
    host.journal.save_state(state)
    monkeypatch.setattr(transaction, "forget", lambda: bool(host.journal.state()))
    module = Module(state="absent")
    module.check_mode = check_mode
    result = host.run(module)
    assert (result["changed"], host.asked) == (bool(state), [])
    assert {name: result[name] for name in EMPTY} == EMPTY


# --- Confirming -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "is_removal"), [("present", False), ("absent", True)])
def test_an_order_to_confirm_does_nothing_else(
    host: Host, monkeypatch: pytest.MonkeyPatch, state: str, is_removal: bool
) -> None:
    confirmed: list[t.Any] = []
    monkeypatch.setattr(transaction, "confirm", lambda *what: confirmed.append(what))
    assert host.run(Module(state=state, flows=[], confirm="c1")) == {"changed": False}
    assert (confirmed, host.asked) == ([("c1", is_removal, SESSION)], [])


def test_what_can_not_be_confirmed_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_late(*_arguments: object) -> t.NoReturn:
        raise FirewallError("Too late.")

    monkeypatch.setattr(transaction, "confirm", too_late)
    assert host.refusal(flows=[], confirm="c1") == "Too late."
