# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the scenario `windows` asks of a host's state is answered as it is, so that it can fail."""

from __future__ import annotations

import io
import ipaddress
import json
import typing as t

import pytest

from ansible_collections.netwall.datadog.tests.lab.netlab import world
from ansible_collections.netwall.datadog.tests.windows import judge
from ansible_collections.netwall.datadog.tests.windows.state import loaded, rule, saved, windows_server

if t.TYPE_CHECKING:
    from pathlib import Path

OURS: dict[str, t.Any] = {
    "Grouping": "netwall.datadog",
    "Direction": 2,
    "Protocol": 6,
    "RemotePorts": "443",
    "Enabled": True,
}
METRICS: judge.Row = {"what": "metrics go out", "from": "host", "to": "intakes.agents", "kind": "tls", "port": 443}
TRACES: judge.Row = {"what": "traces come in", "from": "neighbour", "to": "host", "kind": "tcp", "port": 8126}


def test_packets_that_fare_otherwise_than_they_have_to_are_named() -> None:
    state = windows_server()
    state.profiles["Domain"]["DefaultOutboundAction"] = "Block"
    rows: dict[str, list[judge.Row]] = {"open": [METRICS], "closed": [TRACES]}
    assert list(judge.judged(rows, state)) == [
        f"metrics go out (over IPv{family}) had to be open, but would be blocked by default." for family in (4, 6)
    ]
    [ipv4, _ipv6] = world.prefixes("agents")
    state.rules.append(rule("ours", RemoteAddresses=ipv4, ApplicationName=judge.AGENT, **OURS))
    assert [said[:27] for said in judge.judged(rows, state)] == ["metrics go out (over IPv6) "]
    stranger: list[judge.Row] = [{**METRICS, "program": r"C:\other.exe"}]
    assert len(list(judge.judged({"open": stranger}, state))) == 2
    state.rules.append(rule("theirs", Direction=1, Protocol=17, LocalPorts="8126", Enabled=True))
    assert len(list(judge.judged({"open": [], "closed": [TRACES]}, state))) == 0
    state.rules.append(rule("theirs", Direction=1, Protocol=6, LocalPorts="8126", Enabled=True))
    assert len(list(judge.judged({"open": [], "closed": [TRACES]}, state))) == 2


def test_loopback_passes_and_rules_that_nobody_understands_are_passed_over() -> None:
    state = windows_server()
    state.rules.append(rule("RPC", Protocol=6, LocalPorts="RPC", Action=0, Enabled=True))
    state.rules.append(rule("odd", Protocol=6, LocalPorts="443", RemoteAddresses="Intranet", Action=0, Enabled=True))
    local: list[judge.Row] = [{**TRACES, "from": "host", "to": to} for to in ("loopback", "itself")]
    assert list(judge.judged({"open": local, "closed": [TRACES]}, state)) == []


def test_what_became_of_our_rules_and_of_theirs() -> None:
    before, after = windows_server(), windows_server()
    before.rules += [rule("same", **OURS), rule("moved", **OURS), rule("gone", **OURS)]
    after.rules += [rule("new", **OURS), rule("moved", RemoteAddresses="192.0.2.0/24", **OURS), rule("same", **OURS)]
    assert judge.changed(before, after) == {
        "came": ["new"],
        "went": ["gone"],
        "changed": {"moved": ["RemoteAddresses"]},
        "unchanged": ["same"],
    }
    assert list(judge.lines(before, "theirs")) == list(judge.lines(after, "theirs"))
    assert list(judge.lines(before, "all")) != list(judge.lines(after, "all"))
    after.rules.append(rule("netwall.datadog", Grouping="netwall"))
    assert list(judge.lines(before, "theirs")) != list(judge.lines(after, "theirs"))


def test_newer_ranges_have_half_of_the_addresses_of_metrics_and_not_the_one_that_its_names_lead_to() -> None:
    earlier, newer = judge.document("earlier"), judge.document("newer")
    assert earlier == world.ip_ranges()
    assert newer["version"] > earlier["version"]
    assert {section for section in earlier if earlier[section] != newer[section]} == {"version", "modified", "agents"}
    intake = world.address_in("agents")
    for family, address in (("ipv4", intake.ipv4), ("ipv6", intake.ipv6)):
        [whole] = (ipaddress.ip_network(each) for each in earlier["agents"][f"prefixes_{family}"])
        kept, new = (ipaddress.ip_network(each) for each in newer["agents"][f"prefixes_{family}"])
        assert kept.num_addresses * 2 == whole.num_addresses
        assert not any(ipaddress.ip_address(address) in each for each in (kept, new))


def test_the_program_says_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    assert judge.main("new", str(store)) == 0
    assert loaded(store).network["names"]["proxy.lab.example"][0] == world.ELSEWHERE["proxy"].ipv4
    other = saved(windows_server(), tmp_path / "other")
    assert judge.main("changed", str(store), str(other)) == 0
    assert json.loads(capsys.readouterr().out)["came"] == []
    assert judge.main("print", "all", str(store)) == 0
    assert "profile Domain" in capsys.readouterr().out
    assert judge.main("document", "newer") == 0
    assert json.loads(capsys.readouterr().out) == judge.document("newer")
    for rows, code in (({"open": [METRICS]}, 0), ({"closed": [METRICS]}, 1)):
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(rows)))
        assert judge.main("packets", str(store)) == code
    assert "metrics go out (over IPv6) had to be closed" in capsys.readouterr().err
