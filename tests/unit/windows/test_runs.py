# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host_firewall on a twin of a Windows host: its rules let through what the flows do, and a run may be cut off."""

from __future__ import annotations

import copy
import typing as t

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.action.host_firewall import ActionModule
from ansible_collections.netwall.datadog.tests.unit.windows._policies import AGENT, FOREIGN_RULES, POLICIES, packets
from ansible_collections.netwall.datadog.tests.windows.inside import act
from ansible_collections.netwall.datadog.tests.windows.matcher import verdict
from ansible_collections.netwall.datadog.tests.windows.policy import Policy
from ansible_collections.netwall.datadog.tests.windows.state import State, windows_server
from ansible_collections.netwall.datadog.tests.windows.twin import Twin

if t.TYPE_CHECKING:
    from pathlib import Path

ANYWHERE = ["0.0.0.0/0", "::/0"]
LOGS = {"id": "logs", "direction": "outbound", "protocol": "tcp", "port": 443, "networks": ["203.0.113.0/24"]}
CLOSED = {**LOGS, "id": "apm", "direction": "inbound", "action": "deny", "port": 8126, "networks": ANYWHERE}
OPENED = {**CLOSED, "id": "apm-from", "action": "allow", "networks": ["10.0.0.0/8", "fd00::/8"]}
PLAIN = Policy([LOGS, CLOSED], programs=frozenset({AGENT}))
MOVED = Policy([{**LOGS, "networks": ["198.51.100.0/24"]}, CLOSED, OPENED], "deny", frozenset({AGENT}))
NOTHING = None


def arguments(policy: Policy | None) -> dict[str, t.Any]:
    if policy is None:
        return {"state": "absent"}
    return {
        "flows": [dict(flow) for flow in policy.flows],
        "default_outbound": policy.default_outbound,
        "programs": sorted(policy.programs or ()),
    }


def applied(twin: Twin, policy: Policy | None, collections: Path, **more: t.Any) -> dict[str, t.Any]:
    result = act(ActionModule, twin, collections, arguments(policy), **more)
    assert not result.get("failed"), result["msg"]
    return result


def host(state: State) -> t.Any:
    """What of *state* a run may change."""
    return copy.deepcopy((state.rules, state.profiles, state.registry))


# Without shrinking, which takes minutes for what is as quickly read off a failure.
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(first=POLICIES, second=POLICIES, foreign=FOREIGN_RULES, data=st.data())
def test_the_verdict_of_the_rules_is_that_of_the_policy(
    collections: Path, first: Policy, second: Policy, foreign: list[dict[str, t.Any]], data: st.DataObject
) -> None:
    before = windows_server()
    before.rules += foreign
    before.profiles["Public"]["DefaultOutboundAction"] = data.draw(st.sampled_from(["Allow", "Block"]))
    untouched = copy.deepcopy(before)
    twin = Twin(collections, state=before)
    for policy in (first, second):
        applied(twin, policy, collections)
        for packet in data.draw(packets(policy)):
            assert verdict(twin.state, packet).passes == policy.passes(untouched, packet), packet
        done = host(twin.state)
        twin.state.calls.clear()
        assert applied(twin, policy, collections)["changed"] is False
        assert host(twin.state) == done
        ours = [rule for rule in twin.state.rules if rule not in untouched.rules]
        assert len(twin.state.calls) <= len(ours) + 3
    applied(twin, NOTHING, collections)
    assert (twin.state.rules, twin.state.profiles) == (untouched.rules, untouched.profiles)


@pytest.mark.parametrize("kind", ["before", "after", "fails"])
@pytest.mark.parametrize(
    ("earlier", "wanted"),
    [(NOTHING, MOVED), (PLAIN, MOVED), (MOVED, PLAIN), (MOVED, NOTHING)],
    ids=["new", "to deny", "from deny", "removal"],
)
def test_a_run_that_is_cut_off_at_any_call_is_completed_by_the_next(
    collections: Path, earlier: Policy | None, wanted: Policy | None, kind: str
) -> None:
    start = Twin(collections)
    applied(start, earlier, collections)
    undisturbed = Twin(collections, state=copy.deepcopy(start.state))
    undisturbed.state.calls.clear()
    applied(undisturbed, wanted, collections)
    for number in range(1, len(undisturbed.state.calls) + 1):
        twin = Twin(collections, state=copy.deepcopy(start.state))
        twin.plan(number, kind)
        assert act(ActionModule, twin, collections, arguments(wanted))["failed"]
        twin.revive()
        applied(twin, wanted, collections)
        assert _sorted(twin.state) == _sorted(undisturbed.state), f"cut off at call {number}"


def _sorted(state: State) -> t.Any:
    return sorted(state.rules, key=lambda rule: str(rule["Name"])), state.profiles, state.registry


@pytest.mark.parametrize("steps", range(4))
def test_profiles_that_were_half_set_are_set_by_the_next_run_and_put_back_by_the_last(
    collections: Path, steps: int
) -> None:
    twin = Twin(collections)
    before = copy.deepcopy(twin.state.profiles)
    applied(twin, MOVED, collections)
    setting = 1 + max(
        number
        for number, call in enumerate(twin.state.calls)
        if call["module"].endswith("win_firewall") and not call["check_mode"]
    )
    twin = Twin(collections)
    twin.plan(setting, "within", steps)
    assert act(ActionModule, twin, collections, arguments(MOVED))["failed"]
    twin.revive()
    applied(twin, MOVED, collections)
    assert {profile["DefaultOutboundAction"] for profile in twin.state.profiles.values()} == {"Block"}
    applied(twin, NOTHING, collections)
    assert twin.state.profiles == before


def test_check_mode_predicts_and_changes_nothing(collections: Path) -> None:
    twin = Twin(collections)
    before = host(twin.state)
    predicted = applied(twin, MOVED, collections, check_mode=True, diff=True)
    assert host(twin.state) == before
    done = applied(twin, MOVED, collections, diff=True)
    for key in ("changed", "added", "removed", "unchanged", "diff", "backend", "warnings"):
        assert predicted[key] == done[key]


def test_a_controller_without_the_collections_says_what_to_install(collections: Path, tmp_path: Path) -> None:
    result = act(ActionModule, Twin(collections), tmp_path, arguments(PLAIN))
    assert result["failed"]
    assert "ansible-galaxy collection install ansible.windows community.windows" in result["msg"]
