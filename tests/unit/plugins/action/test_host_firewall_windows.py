# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host_firewall on Windows: options in, modules of other collections run, the result of the same words as on Linux."""

from __future__ import annotations

import types
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.action import host_firewall
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._windows._windows_host import Host

MODULE = "netwall.datadog.host_firewall"
LOGS = {
    "id": "logs-tcp-443-out",
    "direction": "outbound",
    "protocol": "tcp",
    "port": 443,
    "networks": ["203.0.113.0/24"],
}
MAIL = {**LOGS, "id": "mail-tcp-25-out", "port": 25}
CLOSED = {**LOGS, "id": "trace-tcp-8126-in", "direction": "inbound", "action": "deny", "port": 8126}
VARIABLES = {"a": "variable"}


class Connection:
    """A connection to a Windows host, over *transport*; a plugin without an option says so by an error."""

    def __init__(self, transport: str, is_windows: bool, **port: t.Any) -> None:
        self.transport = transport
        self._shell = types.SimpleNamespace(_IS_WINDOWS=is_windows, tmpdir=None)
        self.options: dict[str, t.Any] = {name: port.pop(name) for name in ("port", "protocol") if name in port}
        for name, value in port.items():
            setattr(self, name, value)

    def get_option(self, name: str) -> t.Any:
        return self.options[name]


class Task:
    """What came of one task: its ``result``, and what its host was asked."""

    def __init__(
        self,
        host: Host | None = None,
        connection: Connection | None = None,
        *,
        missing: t.Collection[str] = (),
        check: bool = False,
        diff: bool = False,
        variables: t.Mapping[str, t.Any] | None = None,
        **arguments: t.Any,
    ) -> None:
        variables = VARIABLES if variables is None else variables
        self.host = host or Host()
        task = types.SimpleNamespace(action=MODULE, args=arguments, timeout=0, async_val=0, check_mode=check, diff=diff)
        loader = types.SimpleNamespace(
            find_plugin=lambda name, mod_type: None if name in missing or mod_type != ".ps1" else f"/{name}.ps1"
        )
        action: t.Any = host_firewall.ActionModule(
            t.cast("t.Any", task),
            t.cast("t.Any", connection or Connection("winrm", is_windows=True, _winrm_port=5985)),
            *[t.cast("t.Any", None)] * 4,
        )
        action._shared_loader_obj = types.SimpleNamespace(module_loader=loader)

        def execute(module_name: str, module_args: dict[str, t.Any], task_vars: t.Any) -> dict[str, t.Any]:
            assert task_vars is variables
            return self.host(module_name, module_args, is_check=task.check_mode, is_diff=task.diff)

        action._execute_module = execute
        self.result: dict[str, t.Any] = action.run(None, variables)
        assert (task.check_mode, task.diff) == (check, diff)


def test_the_result_has_the_words_that_it_has_on_linux() -> None:
    task = Task(flows=[LOGS, CLOSED])
    transaction = task.result.pop("transaction")
    assert task.result == {
        "backend": "windows",
        "changed": True,
        "added": ["logs-tcp-443-out", "trace-tcp-8126-in"],
        "removed": [],
        "unchanged": [],
        "shadowed": [],
    }
    assert (transaction["confirm_within"], transaction["state"]) == (0, "committed")
    assert Task(task.host, flows=[LOGS, CLOSED]).result == {
        "backend": "windows",
        "changed": False,
        "added": [],
        "removed": [],
        "unchanged": ["logs-tcp-443-out", "trace-tcp-8126-in"],
        "shadowed": [],
        "transaction": {},
    }


def test_windows_can_be_said_where_the_shell_does_not_tell() -> None:
    task = Task(connection=Connection("ssh", is_windows=False), backend="windows", flows=[LOGS])
    assert task.result["backend"] == "windows"


def test_what_fails_where_the_shell_is_another_one_says_what_tells_it() -> None:
    task = Task(connection=Connection("ssh", is_windows=False), backend="windows", flows=None)
    assert "needs 'ansible_shell_type: powershell'" in task.result["msg"]
    assert "ansible_shell_type" not in Task(backend="windows", flows=None).result["msg"]


def test_outbound_flows_are_for_the_agents_programs_and_those_set_apart_for_any() -> None:
    task = Task(flows=[LOGS, MAIL], programs_except=["mail-tcp-25-out"])
    programs = {(rule["RemotePorts"], rule["ApplicationName"]) for rule in task.host.rules.values()}
    assert ("25", "") in programs
    assert ("443", r"C:\Program Files\Datadog\Datadog Agent\bin\agent.exe") in programs
    assert len(programs) == 6


@pytest.mark.parametrize("option", ["programs", "firewall_windows_programs"])
def test_the_programs_can_be_said(option: str) -> None:
    own = [r"C:\own.exe", {"path": r"C:\other.exe", "service": "other"}, r"c:\OWN.exe"]
    task = Task(flows=[LOGS], **t.cast("dict[str, t.Any]", {option: own}))
    assert {(rule["ApplicationName"], rule["ServiceName"]) for rule in task.host.rules.values()} == {
        (r"C:\own.exe", ""),
        (r"C:\other.exe", "other"),
    }
    untied = Task(flows=[LOGS], **t.cast("dict[str, t.Any]", {option: []}))
    assert {rule["ApplicationName"] for rule in untied.host.rules.values()} == {""}


def test_check_mode_tells_all_flows_and_diff_shows_rules() -> None:
    task = Task(check=True, diff=True, flows=[LOGS], default_outbound="deny", programs=[])
    assert task.host.rules == {}
    assert [flow["id"] for flow in task.result["flows"]] == [
        "logs-tcp-443-out",
        "host-dns-udp-53-out",
        "host-dns-tcp-53-out",
        "host-dhcp-udp-67-out",
        "host-dhcpv6-udp-547-out",
        "host-ntp-udp-123-out",
        "host-metadata-tcp-80-out",
        "management-tcp-5985-in",
    ]
    networks = {flow["id"]: flow["networks"] for flow in task.result["flows"]}
    assert networks["host-dns-udp-53-out"] == ["DNS"]
    assert networks["host-dhcp-udp-67-out"] == ["0.0.0.0/0"]
    assert networks["host-dhcpv6-udp-547-out"] == ["fe80::/10", "ff02::1:2/128"]
    assert networks["host-ntp-udp-123-out"] == ["0.0.0.0/0", "::/0"]
    assert task.result["switches_on"] is False
    assert "netwall.datadog: out allow tcp 443 #1/1: 203.0.113.0/24\n" in task.result["diff"]["after"]
    assert "outgoing by default in Domain: not_configured\n" in task.result["diff"]["before"]
    assert {"host-icmp-out", "host-icmpv6-out", "host-igmp-out"} <= set(task.result["added"])


def test_a_diff_shows_what_differs_and_not_how_windows_writes_it() -> None:
    wide = {**LOGS, "networks": ["203.0.113.0/24", "198.51.100.7", "2001:db8::/32"]}
    host = Task(flows=[wide, MAIL], programs=[], default_outbound="deny").host
    diff = Task(host, check=True, diff=True, flows=[LOGS, MAIL], programs=[], default_outbound="deny").result["diff"]
    lines = {name: set(text.splitlines()) for name, text in diff.items()}
    rule = "netwall.datadog: out allow tcp 443 #1/1"
    assert lines["before"] - lines["after"] == {f"{rule}: 198.51.100.7, 203.0.113.0/24, 2001:db8::/32"}
    assert lines["after"] - lines["before"] == {f"{rule}: 203.0.113.0/24"}
    gone = Task(host, check=True, diff=True, state="absent").result["diff"]["before"]
    assert "netwall.datadog: out allow icmpv4 #1/1: any\n" in gone
    assert "netwall.datadog: out allow tcp 53 to dns #1/1: DNS\n" in gone


def test_without_metadata_no_rule_leads_there() -> None:
    task = Task(flows=[], default_outbound="deny", metadata=False)
    assert not any("169.254" in rule["RemoteAddresses"] for rule in task.host.rules.values())


@pytest.mark.parametrize(
    ("connection", "variables", "port"),
    [
        (Connection("winrm", is_windows=True, _winrm_port=5985), {}, 5985),
        (Connection("winrm", is_windows=True), {}, 5986),
        (Connection("psrp", is_windows=True, _psrp_port=5985), {}, 5985),
        (Connection("ansible.builtin.psrp", is_windows=True, port=15986), {}, 15986),
        # It is asked before it connects, so its attribute may not be there.
        (Connection("psrp", is_windows=True, port=None, protocol="http"), {}, 5985),
        (Connection("psrp", is_windows=True, port=None, protocol="https"), {}, 5986),
        (Connection("psrp", is_windows=True, port=None, protocol=None), {}, 5986),
        (Connection("psrp", is_windows=True, port=15985, protocol="http"), {}, 15985),
        (Connection("ssh", is_windows=True), {}, 22),
        (Connection("ssh", is_windows=True), {"ansible_port": "2222"}, 2222),
        # A task that is delegated has the variables of the host that it is delegated from.
        (Connection("ssh", is_windows=True, port=None), {"ansible_port": "2222"}, 22),
        (Connection("aws_ssm", is_windows=True), {}, None),
    ],
)
def test_the_connections_own_port_is_kept(
    connection: Connection, variables: dict[str, t.Any], port: int | None
) -> None:
    task = Task(connection=connection, variables=variables, flows=[], default_outbound="deny")
    kept = [rule["LocalPorts"] for rule in task.host.rules.values() if rule["Direction"] == 1]
    assert kept == ([str(port)] if port else [])


def test_management_can_be_left_to_others_or_narrowed() -> None:
    task = Task(flows=[], default_outbound="deny", management=False)
    assert not any(rule["Direction"] == 1 for rule in task.host.rules.values())
    task = Task(flows=[], management_networks=["192.0.2.0/24"])
    assert [rule["RemoteAddresses"] for rule in task.host.rules.values()] == ["192.0.2.0/255.255.255.0"]


def test_a_flow_that_would_close_the_management_port_is_told_of() -> None:
    closing = {**CLOSED, "id": "close", "port": 5985, "networks": ["0.0.0.0/0", "::/0"]}
    assert any("closes port 5985/tcp" in warning for warning in Task(flows=[closing]).result["warnings"])


def test_a_denied_flow_that_leaves_other_programs_a_path_is_told_of() -> None:
    denied = {**LOGS, "id": "deny", "action": "deny", "networks": ["0.0.0.0/0"]}
    assert any("other programs" in warning for warning in Task(flows=[LOGS, denied]).result["warnings"])
    assert "warnings" not in Task(flows=[LOGS, denied], programs=[]).result


def test_a_task_for_all_hosts_is_final_at_once_here() -> None:
    task = Task(flows=[LOGS], confirm_within=60, confirm_if_supported=True)
    assert task.result["transaction"]["confirm_within"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"confirm_within": 60}, "can't be confirmed on Windows"),
        ({"precedence": "ours"}, "a block always beats an allow"),
        ({"backend": "ufw"}, "no Windows host has"),
        ({"flows": None}, "'flows' is null"),
        ({"management_networks": ["here"]}, "management_networks is wrong"),
        ({"programs": [{"name": "agent"}]}, "has the element"),
        ({"programs": ["C:\\a\n.exe"]}, "agent_firewall_windows_programs of the role) has the element"),
        *[
            ({"programs": [path]}, "write the whole path")
            for path in (
                "any",
                "agent.exe",
                "C:agent.exe",
                "C:/agent.exe",
                r"%ProgramFiles%\agent.exe",
                r"C:\%A%\a.exe",
                r"C:\a.exe|App=C:\b.exe",
            )
        ],
        ({"programs": ["  "]}, "has the element"),
        # Words that let out every program: the one is the module's, the other Windows's.
        *[
            ({"programs": [{"path": r"C:\a.exe", "service": word}]}, "the short name of one service")
            for word in ("Any", "*")
        ],
        ({"programs": ["*"]}, "write the whole path"),
        ({"flows": [{**LOGS, "id": "host-mine"}]}, "belong to the flows"),
        ({"state": "gone"}, "state"),
        (
            {"no_such": 1},
            f"Unsupported parameters for ({MODULE}) module: no_such. Supported parameters include: backend,",
        ),
        ({"no_such": 1, "state": "gone"}, "got: gone. Unsupported parameters for"),
    ],
)
def test_what_can_not_be_had_is_refused_before_anything_is_asked(arguments: dict[str, t.Any], said: str) -> None:
    task = Task(**{"flows": [LOGS], **arguments})
    assert task.result["failed"] is True
    assert said in task.result["msg"]
    assert task.host.calls == []


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (["community.windows.win_firewall_rule"], "install community.windows)"),
        (["ansible.windows.win_regedit", "ansible.windows.win_firewall"], "install ansible.windows)"),
    ],
)
def test_a_missing_collection_is_a_sentence(missing: list[str], said: str) -> None:
    task = Task(missing=missing, flows=[LOGS])
    assert task.result["failed"] is True
    assert said in task.result["msg"]
    assert all(name in task.result["msg"] for name in missing)


def test_a_host_that_is_gone_is_unreachable() -> None:
    class Gone(Host):
        def __call__(self, *_arguments: t.Any, **_more: t.Any) -> dict[str, t.Any]:
            return {"unreachable": True, "msg": "no route"}

    assert Task(Gone(), flows=[LOGS]).result["unreachable"] is True


def test_absent_takes_all_back() -> None:
    host = Task(flows=[LOGS, CLOSED], default_outbound="deny").host
    task = Task(host, state="absent")
    assert (task.result["changed"], host.rules, host.record) == (True, {}, None)
    assert {"logs-tcp-443-out", "host-icmp-out", "management-tcp-5985-in"} <= set(task.result["removed"])
    assert Task(host, state="absent").result["changed"] is False
