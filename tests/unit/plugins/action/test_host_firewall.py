# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of host_firewall: a host that answers what it is told to, or can't be reached."""

from __future__ import annotations

import signal
import time
import types
import typing as t

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.netwall.datadog.plugins.action import host_firewall

FLOWS = [{"id": "ntp-udp-123-out"}]
PENDING = {"id": "c1", "confirm_within": 60, "state": "pending"}
CHANGED = {"changed": True, "added": ["ntp-udp-123-out"], "removed": [], "unchanged": [], "transaction": PENDING}
CONFIRMED: dict[str, t.Any] = {"changed": False}
UNREACHABLE = {"unreachable": True, "failed": True, "msg": "Data could not be sent\nto remote host."}
TOO_LATE = {"failed": True, "msg": "Nobody confirmed the change in time."}
CUT = "Data could not be sent to remote host."
CAUSES = (
    "Either something in the new rules cuts this connection (see 'management' and 'management_networks'), or a new "
    "connection takes longer than 'confirm_within: 60', which a slow network wants higher."
)


class Host:
    """A host that gives *answers* in their order, the last one for ever; an exception among them is raised.

    ``did`` tells what was asked of it, as ``reset`` or the arguments of the module.
    """

    transport = "ssh"

    def __init__(self, *answers: t.Any) -> None:
        self.answers = list(answers)
        self.did: list[t.Any] = []
        self._shell = types.SimpleNamespace(tmpdir="/nowhere")

    def reset(self) -> None:
        self.did.append("reset")

    def answer(self, module_name: str, module_args: dict[str, t.Any], task_vars: t.Any) -> dict[str, t.Any]:
        assert (module_name, task_vars) == ("netwall.datadog.host_firewall", {"a": "variable"})
        self.did.append(module_args)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


def run(host: Host, timeout: int = 0, **arguments: t.Any) -> dict[str, t.Any]:
    """What the task with *arguments* gives on *host*."""
    task = types.SimpleNamespace(args={"flows": FLOWS, **arguments}, timeout=timeout, async_val=0, check_mode=False)
    action: t.Any = host_firewall.ActionModule(
        t.cast("t.Any", task), t.cast("t.Any", host), *[t.cast("t.Any", None)] * 4
    )
    action._execute_module = host.answer
    result: dict[str, t.Any] = action.run(None, {"a": "variable"})
    return result


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which passes by pausing alone."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.append(now.pop() + seconds))
    return now


# --- The first call ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transaction", [{}, {"id": "c1", "confirm_within": 0, "state": "committed"}])
def test_what_is_final_needs_no_second_connection(transaction: dict[str, t.Any]) -> None:
    host = Host({**CHANGED, "transaction": transaction})
    assert run(host) == {**CHANGED, "transaction": transaction}
    assert host.did == [{"flows": FLOWS, "crosses_network": True}]


def test_what_fails_on_the_host_is_returned_as_it_is() -> None:
    host = Host({"failed": True, "msg": "It broke."})
    assert run(host, confirm_within=60) == {"failed": True, "msg": "It broke."}
    assert len(host.did) == 1


@pytest.mark.parametrize(
    ("transport", "crosses"), [("ssh", True), ("paramiko", True), ("local", False), ("podman", False)]
)
def test_only_the_controller_says_whether_the_connection_crosses_a_network(transport: str, crosses: bool) -> None:
    host = Host({"changed": False})
    host.transport = transport
    run(host, crosses_network=not crosses)
    assert host.did[0]["crosses_network"] is crosses


# --- Confirming -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [{}, {"state": "absent"}])
def test_a_pending_change_is_confirmed_over_a_connection_of_its_own(asked: dict[str, t.Any]) -> None:
    host = Host(CHANGED, CONFIRMED)
    assert run(host, confirm_within=60, **asked) == {**CHANGED, "transaction": {**PENDING, "state": "committed"}}
    assert host.did[1:] == [
        "reset",
        {"state": asked.get("state", "present"), "flows": [], "confirm": "c1", "crosses_network": True},
    ]


@pytest.mark.parametrize("cut", [UNREACHABLE, AnsibleConnectionFailure("Connection refused")])
def test_a_host_that_can_not_be_reached_is_asked_again_over_another_connection(cut: t.Any) -> None:
    host = Host(CHANGED, cut, cut, CONFIRMED)
    assert run(host, confirm_within=60)["transaction"]["state"] == "committed"
    assert host.did.count("reset") == 3


def test_a_connection_that_can_not_be_closed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(CHANGED, CONFIRMED)
    failures = [AnsibleConnectionFailure("no such socket")]

    def reset() -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr(host, "reset", reset)
    assert run(host, confirm_within=60)["transaction"]["state"] == "committed"


def test_a_host_that_took_the_change_back_says_so_and_nothing_was_changed() -> None:
    host = Host(CHANGED, UNREACHABLE, TOO_LATE)
    assert run(host, confirm_within=60) == {
        "failed": True,
        "changed": False,
        "msg": f"Nobody confirmed the change in time. The last attempt to connect that failed said: {CUT} {CAUSES}",
        "added": [],
        "removed": [],
        "unchanged": [],
        "transaction": {**PENDING, "state": "taken back"},
    }


def test_what_the_host_refuses_is_not_asked_twice() -> None:
    host = Host(CHANGED, {"failed": True, "msg": "The change can't be kept."})
    assert run(host, confirm_within=60)["msg"] == "The change can't be kept."
    assert host.did.count("reset") == 1


def test_a_connection_that_took_too_long_is_a_cause_too(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(CHANGED, TOO_LATE)
    monkeypatch.setattr(host, "reset", lambda: clock.append(clock.pop() + 60))
    assert run(host, confirm_within=60)["msg"] == f"Nobody confirmed the change in time. {CAUSES}"


def test_a_host_that_stays_away_is_given_up_some_time_after_it_took_the_change_back(clock: list[float]) -> None:
    result = run(Host(CHANGED, UNREACHABLE), confirm_within=60)
    assert result["msg"] == (
        "No new connection to the host could be opened within 60 seconds of the change, nor since. The host takes the "
        f"change back by itself. The last attempt to connect that failed said: {CUT} {CAUSES}"
    )
    assert (result["failed"], result["changed"], result["transaction"]["state"]) == (True, False, "taken back")
    assert clock[0] - 1000.0 > 60


def test_a_failure_without_a_word_is_one() -> None:
    result = run(Host(CHANGED, {"failed": True}), confirm_within=60)
    assert (result["failed"], result["msg"]) == (True, "The host did not confirm the change.")


# --- An answer that never comes ---------------------------------------------------------------------------------------


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seconds after which this process wants to be woken, in the order in which it said so."""
    seconds: list[int] = []
    monkeypatch.setattr(signal, "alarm", seconds.append)
    return seconds


def test_an_answer_is_awaited_for_a_bounded_time_and_no_longer(alarms: list[int]) -> None:
    before = signal.getsignal(signal.SIGALRM)
    run(Host({"changed": False}), confirm_within=60)
    [wait, off] = alarms
    assert wait > 60
    assert off == 0
    assert signal.getsignal(signal.SIGALRM) is before


def test_an_answer_that_never_comes_ends_in_a_connection_that_failed(alarms: list[int]) -> None:
    class Silent(Host):
        def answer(self, *_arguments: t.Any, **_more: t.Any) -> dict[str, t.Any]:
            signal.raise_signal(signal.SIGALRM)
            return {}

    with pytest.raises(AnsibleConnectionFailure, match=r"has not answered for .* so it takes it back by itself"):
        run(Silent(), confirm_within="60")
    assert alarms[-1] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"confirm_within": 0},
        {"confirm_within": "0"},
        {"confirm_within": "soon"},
        {"confirm_within": 60, "timeout": 5},
    ],
)
def test_without_a_way_back_or_with_a_timeout_of_the_task_nothing_else_ends_the_wait(
    alarms: list[int], arguments: dict[str, t.Any]
) -> None:
    run(Host({"changed": False}), **arguments)
    assert alarms == []
