# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's stand-in for the Agent does what the real one documents: if it did not, tests would show what is not so."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._version import Version
from ansible_collections.netwall.datadog.tests._secrets import Secret
from ansible_collections.netwall.datadog.tests._tool import ROOT, run
from ansible_collections.netwall.datadog.tests.integration.agent_host import (
    SERVICE,
    AgentHost,
    close_intake,
    open_intake,
)
from ansible_collections.netwall.datadog.tests.integration.conftest import LAB
from ansible_collections.netwall.datadog.tests.integration.on_host import OnHost
from ansible_collections.netwall.datadog.tests.integration.secret_search import search_host, secrets_of
from ansible_collections.netwall.datadog.tests.lab.netlab.hosts import INTERNET, Lab

pytestmark = pytest.mark.lab

# An Agent that uses the proxy that asks for a password.
BEHIND_PROXY = 'site: datadoghq.eu\nproxy:\n  https: "@PROXY@"\n'
# Few bytes of memory: four payloads of the stand-in.
LITTLE_MEMORY = "forwarder_retry_queue_payloads_max_size: 8192\n"
# And of disk: eight payloads, each with the end of its line.
LITTLE_DISK = f"{LITTLE_MEMORY}forwarder_storage_max_size_in_bytes: 16392\n"
# What another Python might do in another way.
on_both_releases = pytest.mark.parametrize("agent", ["bookworm", "trixie"], indirect=True)
STORAGE = "/opt/datadog-agent/run/transactions_to_retry"


@pytest.fixture(scope="module")
def agent(lab: str, request: pytest.FixtureRequest) -> t.Iterator[AgentHost]:
    """A host without an Agent, of the release that the test names."""
    run(LAB, "up", "--lab", lab, f"agent=host:{getattr(request, 'param', 'bookworm')}", cwd=ROOT)
    yield AgentHost(lab, "agent")
    run(LAB, "down", "--lab", lab, "agent", cwd=ROOT)


@pytest.fixture
def intake(lab: str) -> t.Iterator[str]:
    """The lab, with its intake opened afterwards."""
    yield lab
    open_intake(lab)


def loopback(protocol: str, port: int) -> set[tuple[str, str]]:
    """A port at both of a host's own addresses, as ss writes it."""
    return {(protocol, f"127.0.0.1:{port}"), (protocol, f"[::1]:{port}")}


@on_both_releases
def test_it_holds_the_documented_ports_open(agent: AgentHost) -> None:
    agent.install()
    documented = {
        (port.protocol, port.port)
        for port in _catalog.LOCAL_PORTS
        if Version.parse("7.60.0") in port.agents and not port.on_request and port.name != "gui"
    }
    agent.wait(lambda: len(agent.sockets()) >= 2 * len(documented))
    assert agent.sockets() == set().union(*(loopback(*port) for port in documented))


def test_its_file_is_its_own_and_nobody_else_reads_it(agent: AgentHost) -> None:
    agent.install()
    found = agent.run("stat", "--format=%U:%G %a", "/etc/datadog-agent/datadog.yaml")
    assert found == "dd-agent:dd-agent 640\n"


def test_the_package_manager_knows_its_version(agent: AgentHost) -> None:
    agent.install(version="1:7.26.0-1")
    found = agent.run("dpkg-query", "--show", "--showformat=${Version}", "datadog-agent")
    assert (found, agent.run("datadog-agent", "version").split()[1]) == ("1:7.26.0-1", "7.26.0")


def test_it_brings_no_library_that_a_module_could_find(agent: AgentHost) -> None:
    agent.install()
    assert agent.call("python3", "-c", "import yaml").returncode != 0


def test_settings_move_its_ports_and_open_them_to_others_after_a_restart(agent: AgentHost) -> None:
    agent.install()
    agent.status()
    add = "printf 'dogstatsd_port: 18125\ndogstatsd_non_local_traffic: true\n' >>/etc/datadog-agent/datadog.yaml"
    agent.run("sh", "-c", add)
    assert loopback("udp", 8125) <= agent.sockets()
    agent.run("systemctl", "restart", SERVICE)
    agent.status()
    moved = {("udp", "0.0.0.0:18125"), ("udp", "[::]:18125")}
    assert {found for found in agent.sockets() if found[0] == "udp"} == moved


def test_what_its_environment_says_wins_over_its_file(agent: AgentHost) -> None:
    agent.install("dogstatsd_port: 18125\n")
    agent.run("sh", "-c", "echo DD_DOGSTATSD_PORT=18126 >/etc/datadog-agent/environment")
    agent.run("systemctl", "restart", SERVICE)
    found = agent.status()["ports"]["dogstatsd"]
    agent.run("rm", "/etc/datadog-agent/environment")
    assert found == 18126


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("site: [datadoghq.eu\n", "is not YAML"),
        ("dogstatsd_port: here\n", "the setting dogstatsd_port is not a whole number"),
        ("apm_config: true\nproxy: here\n", "the setting proxy.https has something above it"),
        ("api_key:\n", "no API key"),
        ("cmd_port: 22\n", "port 22 (cmd) cannot be had"),
        (
            "forwarder_storage_max_size_in_bytes: 4096\nforwarder_storage_path: /etc/cannot\n",
            "forwarder_storage_path cannot be written to: Permission denied",
        ),
    ],
)
def test_it_does_not_come_up_with_what_it_cannot_use(agent: AgentHost, settings: str, reason: str) -> None:
    agent.install(settings)
    agent.wait_until_failed()
    assert reason in agent.journal()


@on_both_releases
def test_it_sends_through_a_proxy_that_asks_who_it_is(agent: AgentHost, lab: str) -> None:
    agent.install(BEHIND_PROXY)
    agent.wait_for_forwarder(lambda forwarder: forwarder["delivered"] > 1)
    log = OnHost(lab, INTERNET).run("tail", "-n", "5", "/var/log/squid/access.log")
    assert "CONNECT 7-60-0-app.agent.datadoghq.eu:443 agent" in log


def test_the_proxy_turns_away_who_has_another_password(agent: AgentHost) -> None:
    agent.install("proxy: {https: 'http://agent:wrong@proxy.lab.example:3129'}\n")
    assert "407" in agent.wait_for_forwarder(lambda forwarder: bool(forwarder["error"]))["error"]


def test_logs_over_tcp_go_straight(agent: AgentHost) -> None:
    agent.install(f"{BEHIND_PROXY}logs_enabled: true\nlogs_config: {{force_use_tcp: true}}\n")
    agent.wait(lambda: agent.status()["logs"]["reached"] > 0)
    assert agent.status()["logs"]["intake"] == "agent-intake.logs.datadoghq.eu:443"


def test_it_loses_what_has_no_room_in_memory(agent: AgentHost, intake: str) -> None:
    close_intake(intake)
    agent.install(LITTLE_MEMORY)
    found = agent.wait_for_forwarder(lambda forwarder: forwarder["dropped"] > 1)
    assert (found["memory_bytes"], found["disk_bytes"]) == (8192, 0)


def test_it_keeps_on_disk_what_has_no_room_in_memory_up_to_what_it_may(agent: AgentHost, intake: str) -> None:
    close_intake(intake)
    agent.install(LITTLE_DISK)
    assert agent.wait_for_forwarder(lambda forwarder: forwarder["disk_files"] > 0)["dropped"] == 0
    full = agent.wait_for_forwarder(lambda forwarder: forwarder["dropped"] > 0)
    assert full["memory_bytes"] <= 8192
    assert 8192 < full["disk_bytes"] <= 16392


@on_both_releases
def test_it_delivers_what_it_kept_even_over_a_restart(agent: AgentHost, intake: str) -> None:
    close_intake(intake)
    agent.run("rm", "-rf", STORAGE)
    agent.install(LITTLE_MEMORY.replace("8192", "65536") + "forwarder_storage_max_size_in_bytes: 1048576\n")
    kept = agent.wait_for_forwarder(lambda forwarder: forwarder["memory_payloads"] > 2)["memory_payloads"]
    agent.run("systemctl", "restart", SERVICE)
    assert agent.status()["forwarder"]["disk_bytes"] >= kept * 2048
    open_intake(intake)
    found = agent.wait_for_forwarder(lambda forwarder: forwarder["disk_files"] == forwarder["memory_payloads"] == 0)
    assert found["dropped"] == 0
    assert found["delivered"] > kept


def test_it_fills_no_disk_that_is_fuller_than_it_may_be(agent: AgentHost, intake: str) -> None:
    close_intake(intake)
    agent.run("rm", "-rf", STORAGE)
    agent.install(f"{LITTLE_DISK}forwarder_storage_max_disk_ratio: 0.0\n")
    assert agent.wait_for_forwarder(lambda forwarder: forwarder["dropped"] > 0)["disk_files"] == 0


def test_an_older_one_keeps_nothing_on_disk(agent: AgentHost, intake: str) -> None:
    close_intake(intake)
    agent.run("rm", "-rf", STORAGE)
    agent.install(LITTLE_DISK, version="1:7.26.0-1")
    assert agent.wait_for_forwarder(lambda forwarder: forwarder["dropped"] > 0)["disk_bytes"] == 0


def test_it_tells_no_secret(agent: AgentHost, lab: str) -> None:
    agent.install(BEHIND_PROXY)
    agent.wait_for_forwarder(lambda forwarder: forwarder["delivered"] > 1)
    told = f"{agent.status()}{agent.journal()}".encode()
    assert [secret.name for secret in secrets_of(Lab(lab).folder) if secret.is_in(told)] == []


def test_its_secrets_are_where_it_reads_them(agent: AgentHost, lab: str) -> None:
    agent.install(BEHIND_PROXY)
    content = agent.run("cat", "/etc/datadog-agent/datadog.yaml").encode()
    assert all(secret.is_in(content) for secret in secrets_of(Lab(lab).folder))


def test_no_other_secret_would_be_taken_for_one_of_them(agent: AgentHost) -> None:
    agent.install(BEHIND_PROXY)
    content = agent.run("cat", "/etc/datadog-agent/datadog.yaml").encode()
    assert not Secret("another", "0123456789abcdef0123456789abcdef").is_in(content)


def test_a_secret_is_found_wherever_on_a_host_it_is(agent: AgentHost, lab: str) -> None:
    agent.install(BEHIND_PROXY)
    sleep = 'python3 -c "import time; time.sleep(99)" "$KEY"'
    places = {
        "agent:/var/tmp/planted": 'echo "$KEY" | base64 >/var/tmp/planted',
        "agent:/run/planted": 'echo "x$KEY" | gzip >/run/planted',
        "agent:/tmp/planted": 'echo "xx$KEY" | base64 >/tmp/planted',
        "agent: its journal": 'logger "with $KEY"',
        "agent: how its programs were called": f"systemd-run --quiet --unit=planted {sleep}",
    }
    key, password = secrets_of(Lab(lab).folder)
    agent.run("env", f"KEY={key.value}", "sh", "-euc", "\n".join(places.values()))
    found = {sentence.partition(" holds ")[0] for sentence in search_host(Lab(lab), "agent", [key, password])}
    agent.run("sh", "-c", "systemctl stop planted; rm /var/tmp/planted /run/planted /tmp/planted")
    # A unit's command stands in files of systemd's, too.
    assert found >= set(places)
