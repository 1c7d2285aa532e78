# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An operator's own commands beside ours on a real host: ufw's that come at the wrong moment, another iptables."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_rules import parse
from ansible_collections.netwall.datadog.tests.integration.on_host import OnHost, arguments_of
from ansible_collections.netwall.datadog.tests.integration.ufw_host import UfwHost

pytestmark = [pytest.mark.lab, pytest.mark.parametrize("host", ["host:bookworm"], indirect=True, ids=["ufw"])]

PORTS = range(3001, 3009)
# ufw reads its files before it asks for its lock. This one stops in between until it is told to go on.
_LATE_UFW = """
import fcntl, os, runpy, sys, time
lock = fcntl.lockf
def lock_late(file, how, *more):
    if how == fcntl.LOCK_EX and not os.path.exists("{folder}/has-read"):
        open("{folder}/has-read", "w").close()
        while not os.path.exists("{folder}/may-go-on"):
            time.sleep(0.01)
    return lock(file, how, *more)
fcntl.lockf = lock_late
sys.argv[0] = "/usr/sbin/ufw"
runpy.run_path("/usr/sbin/ufw", run_name="__main__")
"""
_FOLDER = "/run/netwall-test-late"
_RULES_FILES = {4: "/etc/ufw/user.rules", 6: "/etc/ufw/user6.rules"}
NETWORKS = (["192.0.2.0/28", "2001:db8:1::/64"], ["192.0.2.16/28", "198.51.100.0/24", "2001:db8:2::/64"])
CONFIRM_WITHIN = 2
PATIENCE = 30.0


@pytest.fixture
def on_host(lab: str, host: str) -> OnHost:
    """A host with the module, and a ufw that is on, with nothing in it."""
    found = OnHost(lab, host)
    found.install_module()
    found.run("sh", "-euc", f"mkdir {_FOLDER}; cat >{_FOLDER}/ufw", stdin=_LATE_UFW.format(folder=_FOLDER))
    UfwHost(found).switch_on()
    return found


def options(side: int) -> dict[str, t.Any]:
    """What lets out traffic to one or the other NETWORKS."""
    flow = {"id": "web-out", "direction": "outbound", "protocol": "tcp", "port": 80, "networks": NETWORKS[side]}
    return {"flows": [flow], "backend": "ufw", "management": False}


def apply(on_host: OnHost, side: int, **more: t.Any) -> dict[str, t.Any]:
    """Have the module bring that about."""
    return on_host.module(**options(side), **more)


def begin(on_host: OnHost, side: int) -> subprocess.Popen[str]:
    """Have the module begin to bring that about."""
    run = subprocess.Popen(on_host.module_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
    if run.stdin:
        run.stdin.write(arguments_of(**options(side)))
        run.stdin.close()
        run.stdin = None
    return run


def allow(on_host: OnHost, *ports: int) -> None:
    """What an operator does, one command after the other."""
    for port in ports:
        on_host.run("ufw", "allow", f"{port}/tcp")


@contextlib.contextmanager
def late_command(on_host: OnHost, port: int) -> t.Iterator[None]:
    """An operator's command that reads before what is done here, and writes after it."""
    command = on_host.command("python3", f"{_FOLDER}/ufw", "allow", f"{port}/tcp")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as late:
        try:
            wait_for(on_host, f"test -e {_FOLDER}/has-read")
            yield
        finally:
            on_host.run("touch", f"{_FOLDER}/may-go-on")
        assert late.wait(PATIENCE) == 0
    on_host.run("rm", f"{_FOLDER}/has-read", f"{_FOLDER}/may-go-on")


def wait_for(on_host: OnHost, condition: str) -> None:
    """Wait until a command of a shell succeeds on the host."""
    deadline = time.monotonic() + PATIENCE
    while on_host.call("sh", "-c", condition).returncode:
        assert time.monotonic() < deadline, condition
        time.sleep(0.02)


def wait_for_ours(on_host: OnHost, side: int) -> None:
    """Wait until the last of the files that we write has our rules of *side*, and no others."""
    here, there = (f"-d {networks[-1]} " for networks in (NETWORKS[side], NETWORKS[1 - side]))
    wait_for(on_host, f"grep -q -e '{here}' {_RULES_FILES[6]} && ! grep -q -e '{there}' {_RULES_FILES[6]}")


def faults(on_host: OnHost, side: int, ports: t.Iterable[int]) -> list[str]:
    """What is not as it has to be: ours of *side*, theirs for *ports*, and in the kernel what is in the files."""
    firewall = UfwHost(on_host)
    look = firewall.look()
    files = {path: parse(look.files[path], family, path) for family, path in _RULES_FILES.items()}
    ours = [rule.network for file in files.values() for rule in file.ours]
    theirs = {path: sorted(found.dport for found in file.theirs) for path, file in files.items()}
    return [
        *([f"ours are {ours}"] if ours != NETWORKS[side] else []),
        *(f"in {path} theirs are {found}" for path, found in theirs.items() if found != [str(port) for port in ports]),
        *firewall.unlike_a_boot(look),
    ]


def test_commands_of_ufw_that_come_late_to_runs_lose_nothing_and_undo_nothing(on_host: OnHost) -> None:
    for side, (early, late) in enumerate(zip(PORTS[::2], PORTS[1::2], strict=True)):
        allow(on_host, early)
        with late_command(on_host, late):
            run = begin(on_host, side % 2)
            wait_for_ours(on_host, side % 2)
        assert json.loads(run.communicate(timeout=PATIENCE)[0])["changed"]
        assert faults(on_host, side % 2, PORTS[: 2 * side + 2]) == []


def test_commands_of_ufw_that_come_late_to_a_take_back_lose_nothing_and_undo_nothing(on_host: OnHost) -> None:
    apply(on_host, 0)
    assert apply(on_host, 1, confirm_within=CONFIRM_WITHIN, crosses_network=True)["changed"]
    allow(on_host, *PORTS[:2])
    with late_command(on_host, PORTS[2]):
        wait_for_ours(on_host, 0)
    allow(on_host, *PORTS[3:])
    wait_for(on_host, "! test -e /var/lib/netwall/datadog/pending.json")
    assert faults(on_host, 0, PORTS) == []


def use_iptables(on_host: OnHost, variant: str) -> None:
    """Have the commands called iptables and ip6tables be of a *variant*."""
    for program in ("iptables", "ip6tables"):
        on_host.run("update-alternatives", "--quiet", "--set", program, f"/usr/sbin/{program}-{variant}")


def everything(on_host: OnHost) -> str:
    """ufw's files and the rules in the kernel, of either variant, without counters."""
    commands = ("nft --stateless list ruleset", "iptables-legacy-save", "ip6tables-legacy-save")
    said = [on_host.run("sh", "-c", f"{command} 2>/dev/null | sed '/^#/d; s/\\[.*//'") for command in commands]
    return json.dumps([UfwHost(on_host).look().files, *said])


@pytest.mark.parametrize(("loaded", "asked"), [("nft", "legacy"), ("legacy", "nft")])
def test_where_iptables_is_not_the_one_that_ufw_was_loaded_with_the_run_refuses(
    on_host: OnHost, loaded: str, asked: str
) -> None:
    if on_host.call("iptables-legacy", "--list").returncode:
        pytest.skip("this machine's kernel has no legacy iptables")
    on_host.run("ufw", "--force", "disable")
    use_iptables(on_host, loaded)
    on_host.run("ufw", "--force", "enable")
    use_iptables(on_host, asked)
    before = everything(on_host)
    result = apply(on_host, 0)
    assert result["failed"]
    assert "or stand in the other of iptables' two variants" in result["msg"]
    assert everything(on_host) == before
