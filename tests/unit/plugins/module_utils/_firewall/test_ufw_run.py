# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole runs on a host whose files are real and whose kernel is made up: all or nothing, and who comes in between."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import fcntl
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import (
    system,
    transaction,
    ufw,
    ufw_live,
    ufw_switch,
    watchdog,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import (
    FirewallError,
    Outcome,
    Presence,
    Request,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.journal import Journal
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import Session
from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, Flow
from ansible_collections.netwall.datadog.tests.unit.plugins.module_utils._firewall._ufw_files import (
    OperatorsRule,
    block,
    rules_file,
)

NTP = Flow("ntp-udp-123-out", "outbound", "allow", "udp", 123, ANYWHERE)
LOGS = Flow("logs-tcp-443-out", "outbound", "allow", "tcp", 443, ("192.0.2.0/24", "2001:db8::/32"))
WEB = OperatorsRule("allow", "tcp", dport="80")


class Machine:
    """A host with ufw; *broken* is the name of the command that fails, *after* is called when one has worked."""

    def __init__(self, folder: Path) -> None:
        self.rules = {4: folder / "user.rules", 6: folder / "user6.rules"}
        for family, path in self.rules.items():
            path.write_text(rules_file(family, block(WEB, family)), encoding="ascii")
        self.after_rules = {4: folder / "after.rules", 6: folder / "after6.rules"}
        for path in self.after_rules.values():
            path.write_text("*filter\nCOMMIT\n", encoding="ascii")
        self.configuration, self.defaults = folder / "ufw.conf", folder / "default"
        self.configuration.write_text("# the switch\nENABLED=yes\n", encoding="ascii")
        self.defaults.write_text('IPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\nDEFAULT_OUTPUT_POLICY="ACCEPT"\n', "ascii")
        self.state = folder / "state" / "datadog"
        self.broken = ""
        self.after: t.Callable[[], None] = lambda: None
        self.kernel: dict[int, dict[str, list[str]]] = {}
        self.load()

    def load(self) -> None:
        """What ``ufw reload`` does."""
        for family, path in self.rules.items():
            lines = [line for line in path.read_text(encoding="ascii").splitlines() if line.startswith("-A ")]
            prefix = "ufw6" if family == 6 else "ufw"
            self.kernel[family] = {
                **{f"{prefix}-before-{way}": [f"-A {prefix}-before-{way} -j {prefix}-user-{way}"] for way in WAYS},
                **{f"{prefix}-user-{way}": [x for x in lines if f" {prefix}-user-{way} " in x] for way in WAYS},
            }

    def command(self, argv: list[str], stdin: str | None = None) -> str:
        """iptables-save and iptables-restore, for both families."""
        name, _dash, what = argv[0].partition("-")
        if argv[0] == self.broken:
            raise FirewallError(f"'{argv[0]}' ended with 4: no such luck")
        chains = self.kernel[6 if name == "ip6tables" else 4]
        if what == "save":
            return "\n".join(["*filter", *(line for rules in chains.values() for line in rules), "COMMIT", ""])
        for line in (stdin or "").splitlines()[1:-1]:
            if line.startswith("-P"):
                continue
            command, chain, *rest = line.split(" ")
            if command == "-A":
                chains[chain].append(line)
            elif command == "-D":
                del chains[chain][int(rest[0]) - 1]
            else:
                chains[chain].insert(int(rest[0]) - 1, " ".join(["-A", chain, *rest[1:]]))
        self.after()
        return ""

    def run(self, *flows: Flow, check_mode: bool = False, **asked: t.Any) -> Outcome:
        request = Request(flows=flows, **asked)
        if check_mode:
            return transaction.predict(ufw.Ufw(), request).outcome
        return transaction.reconcile(ufw.Ufw(), request, {}, 0).outcome

    def fault(self, *flows: Flow, **asked: t.Any) -> str:
        with pytest.raises(FirewallError) as caught:
            self.run(*flows, **asked)
        return str(caught.value)

    def everything(self) -> t.Any:
        """All that a run could change."""
        files = (*self.rules.values(), *self.after_rules.values(), self.defaults)
        return {path.name: path.read_bytes() for path in files}, copy.deepcopy(self.kernel), self.state.exists()

    @property
    def record(self) -> t.Any:
        """What is kept about a ufw that we switched on."""
        return Journal(str(self.state)).state()["record"].get("switched_on")


WAYS = ("input", "output")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(ufw, "RULES_PATHS", {family: str(path) for family, path in made.rules.items()})
    monkeypatch.setattr(ufw, "CONFIGURATION", str(made.configuration))
    monkeypatch.setattr(ufw, "DEFAULTS", str(made.defaults))
    monkeypatch.setattr(ufw, "UFW_LOCK", str(tmp_path / "ufw.lock"))
    monkeypatch.setattr(ufw, "_KERNEL_HAS_IPV6", str(made.defaults))
    monkeypatch.setattr(ufw, "AFTER_PATHS", {family: str(path) for family, path in made.after_rules.items()})
    monkeypatch.setattr(transaction, "Journal", lambda: Journal(str(made.state)))
    lock = str(tmp_path / "lock")
    monkeypatch.setattr(transaction, "one_run_at_a_time", lambda timeout: system.one_run_at_a_time(timeout, lock))
    monkeypatch.setattr(watchdog, "arm", lambda *_of_what: None)
    monkeypatch.setattr(watchdog, "disarm", lambda: None)
    monkeypatch.setattr(ufw_live, "run", made.command)
    monkeypatch.setattr(system, "_POLL", 0.001)
    return made


# --- A run ------------------------------------------------------------------------------------------------------------


def test_a_run_changes_files_and_kernel_alike(machine: Machine) -> None:
    outcome = machine.run(NTP, LOGS)
    assert outcome.added == ("logs-tcp-443-out", "ntp-udp-123-out")
    _files, kernel, _state = machine.everything()
    assert [line.rpartition(" -j ")[0] for line in kernel[4]["ufw-user-output"]] == [
        "-A ufw-user-output -p tcp -d 192.0.2.0/24 --dport 443",
        "-A ufw-user-output -p udp --dport 123",
    ]
    machine.load()
    assert machine.kernel == kernel


def test_a_second_run_touches_nothing(machine: Machine) -> None:
    machine.run(NTP)
    machine.broken = "iptables-restore"
    before = [path.stat().st_ino for path in machine.rules.values()]
    assert not machine.run(NTP).changed
    assert [path.stat().st_ino for path in machine.rules.values()] == before


@pytest.mark.parametrize("flows", [(), (NTP,), (NTP, LOGS)])
def test_check_mode_predicts_what_the_run_then_does_and_changes_nothing(
    machine: Machine, flows: tuple[Flow, ...]
) -> None:
    machine.run(LOGS)
    before = machine.everything()
    predicted = machine.run(*flows, check_mode=True)
    assert machine.everything() == before
    assert machine.run(*flows) == predicted


def test_absent_leaves_what_was_there(machine: Machine) -> None:
    before = machine.everything()
    machine.run(NTP, LOGS)
    machine.run(state="absent")
    assert machine.everything() == before


@pytest.mark.parametrize("value", ["no", '"no"', "maybe"])
def test_ipv6_is_left_alone_where_ufw_does_none(machine: Machine, value: str) -> None:
    machine.defaults.write_text(f"IPV6=yes\n#IPV6=yes\nIPV6={value}\nDEFAULT_OUTPUT_POLICY=ACCEPT\n", encoding="ascii")
    before = machine.everything()
    assert machine.run(NTP).warnings
    after = machine.everything()
    assert (after[0]["user6.rules"], after[1][6]) == (before[0]["user6.rules"], before[1][6])


# --- All or nothing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("iptables-restore", "Loading the IPv4 rules failed: 'iptables-restore' ended with 4: no such luck; "),
        ("ip6tables-restore", "Loading the IPv6 rules failed: 'ip6tables-restore' ended with 4: no such luck; "),
    ],
)
def test_a_kernel_that_takes_one_family_only_gets_none(machine: Machine, broken: str, said: str) -> None:
    machine.run(LOGS)
    before = machine.everything()
    machine.broken = broken
    assert machine.fault(NTP, precedence="ours").startswith(said)
    assert machine.everything() == before


def test_going_back_knows_ours_from_theirs_that_say_the_same(machine: Machine) -> None:
    same = OperatorsRule("allow", "tcp", dport="443", dst="192.0.2.0/24", way="out")
    everything = OperatorsRule("deny", way="out")
    machine.rules[4].write_text(rules_file(4, block(everything, 4), block(same, 4)), encoding="ascii")
    machine.load()
    machine.run(LOGS, precedence="ours")
    before = machine.everything()
    machine.broken = "ip6tables-restore"
    assert "Loading the IPv6 rules failed" in machine.fault(LOGS, NTP, precedence="theirs")
    assert machine.everything() == before


@pytest.mark.parametrize("name", ["user.rules", "user6.rules"])
def test_a_file_that_cannot_be_written_leaves_all_as_it_was(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    machine.run(LOGS)
    before = machine.everything()
    write, left = system.write_atomically, [name]

    def write_or_fail(path: str, data: bytes) -> None:
        if path.endswith(f"/{name}") and left:
            left.clear()
            raise OSError(28, "No space left on device")
        write(path, data)

    monkeypatch.setattr(ufw, "write_atomically", write_or_fail)
    said = machine.fault(NTP, precedence="ours")
    assert said.endswith(f"/{name} failed: No space left on device; the old rules are back.")
    assert machine.everything() == before


# As little as stood on a host before us.
RECORD = {"files": {}, "chains": {}, "policies": {}, "loopback": [], "unit": "", "sysctls": {}}


@pytest.fixture
def switch(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> list[t.Any]:
    """What was done to the switch of a ufw that is off; it is stuck if the list begins with an error."""
    machine.configuration.write_text("ENABLED=no\n", encoding="ascii")
    calls: list[t.Any] = []

    def switch_on() -> None:
        calls.append("on")
        if isinstance(calls[0], Exception):
            raise calls[0]
        machine.configuration.write_text("ENABLED=yes\n", encoding="ascii")
        machine.load()

    monkeypatch.setattr(ufw_switch, "refuse_to_switch_on", lambda _defaults: None)
    monkeypatch.setattr(ufw_switch, "remember", lambda *_arguments: RECORD)
    monkeypatch.setattr(ufw_switch, "switch_on", switch_on)
    monkeypatch.setattr(ufw_switch, "switch_off", lambda record, running: calls.append(("off", record, running)))
    return calls


def test_a_ufw_that_does_not_come_on_is_left_off_with_its_old_rules(machine: Machine, switch: list[t.Any]) -> None:
    before = machine.everything()
    switch.append(FirewallError("ufw is ill"))
    said = machine.fault(NTP, enable=True, management=False)
    assert said == "Switching ufw on failed: ufw is ill; the old rules are back."
    assert switch[1:] == ["on", ("off", {**RECORD, "peers": []}, True)]
    assert machine.everything() == before


def test_a_ufw_that_came_on_by_our_hand_is_on_record(machine: Machine, switch: list[t.Any]) -> None:
    assert machine.run(NTP, enable=True, management=False).after[0] == "ufw is on"
    assert switch == ["on"]
    assert machine.record == {**RECORD, "peers": []}


def test_what_forbids_to_switch_ufw_on_is_said_in_check_mode_too(
    machine: Machine, switch: list[t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_defaults: t.Mapping[str, str]) -> None:
        raise FirewallError("There is another firewall.")

    monkeypatch.setattr(ufw_switch, "refuse_to_switch_on", refuse)
    for check_mode in (True, False):
        said = machine.fault(NTP, enable=True, management=False, check_mode=check_mode)
        assert said == "There is another firewall."
    assert switch == []


def test_the_session_that_is_kept_is_the_one_that_is_open_when_ufw_comes_on(
    machine: Machine, switch: list[t.Any]
) -> None:
    for number in (1, 2):
        switch.append("off by hand")
        machine.configuration.write_text("ENABLED=no\n", encoding="ascii")
        session = Session(f"198.51.100.{number}", 50000, "192.0.2.11", 22)
        machine.run(NTP, enable=True, session=session)
    assert machine.record == {**RECORD, "peers": ["198.51.100.2"]}


def test_a_ufw_that_came_on_by_our_hand_goes_off_again(machine: Machine, switch: list[t.Any]) -> None:
    before = machine.everything()
    machine.run(NTP, enable=True, management=False)
    assert machine.run(state="absent").after[0] == "ufw is off"
    assert switch == ["on", ("off", {**RECORD, "peers": []}, True)]
    assert machine.everything()[0::2] == before[0::2]


@pytest.mark.parametrize("family", [4, 6])
def test_a_ufw_that_is_not_loaded_is_refused_before_anything_is_changed(machine: Machine, family: int) -> None:
    machine.kernel[family] = {}
    before = machine.everything()
    assert machine.fault(NTP).startswith(f"ufw is switched on, but its IPv{family} rules are not in the kernel ")
    assert machine.everything() == before


@pytest.mark.parametrize("name", ["user.rules", "user6.rules"])
def test_chains_that_a_ufw_left_which_somebody_switched_off_are_no_obstacle_to_going_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    machine.run(NTP)
    machine.configuration.write_text("ENABLED=no\n", encoding="ascii")
    before = machine.everything()

    def write_or_fail(path: str, data: bytes) -> None:
        if path.endswith(f"/{name}"):
            raise OSError(28, "No space left on device")
        system.write_atomically(path, data)

    monkeypatch.setattr(ufw_switch, "run", machine.command)
    monkeypatch.setattr(ufw, "write_atomically", write_or_fail)
    assert machine.fault(state="absent").endswith("No space left on device; the old rules are back.")
    assert machine.everything() == before


def test_rules_of_a_family_that_ufw_no_longer_looks_after_come_back_too(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.run(NTP)
    machine.defaults.write_text('IPV6=no\nDEFAULT_OUTPUT_POLICY="ACCEPT"\n', encoding="ascii")
    before = machine.everything()

    def fail(*_arguments: t.Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ufw, "write_atomically", fail)
    assert machine.fault(state="absent").endswith("No space left on device; the old rules are back.")
    assert machine.everything() == before


# --- What there is ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("enabled", "loaded", "presence"),
    [
        ("yes", True, Presence(is_installed=True, is_active=True, is_enabled=True)),
        ("yes", False, Presence(is_installed=True, is_enabled=True)),
        ("no", True, Presence(is_installed=True)),
    ],
)
def test_a_ufw_that_is_installed_tells_whether_it_is_in_force_and_will_be(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, enabled: str, loaded: bool, presence: Presence
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_name, **_path: "/usr/sbin/ufw")
    machine.configuration.write_text(f"ENABLED={enabled}\n", encoding="ascii")
    if not loaded:
        machine.kernel[4] = {}
    assert ufw.Ufw().presence() == presence


def test_what_can_not_be_read_is_not_in_force(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_name, **_path: "/usr/sbin/ufw")
    machine.broken = "iptables-save"
    assert ufw.Ufw().presence() == Presence(is_installed=True)


def test_without_its_command_there_is_no_ufw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_name, **_path: None)
    assert ufw.Ufw().presence() == Presence()


# --- Others at work ---------------------------------------------------------------------------------------------------


def rewrite(machine: Machine, times: int) -> t.Callable[[], None]:
    """An operator's ``ufw allow 8080`` that had read the files before us and writes back what it read, some times."""
    left = [None] * times
    text = rules_file(4, block(WEB, 4), block(dataclasses.replace(WEB, dport="8080"), 4))

    def write_back() -> None:
        if left:
            left.pop()
            machine.rules[4].write_text(text, encoding="ascii")
            machine.load()

    return write_back


def test_a_ufw_command_that_erases_our_rules_is_followed_by_another_pass(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ufw, "_ufw_lock", between(rewrite(machine, 1)))
    assert machine.run(NTP).added == ("ntp-udp-123-out",)
    text = machine.rules[4].read_text(encoding="ascii")
    assert "--dport 8080" in text
    assert "--dport 123" in text


def test_something_that_erases_our_rules_again_and_again_is_reported(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "_TIMEOUT", 0.3)
    monkeypatch.setattr(ufw, "_ufw_lock", between(rewrite(machine, 999)))
    assert "something keeps changing the firewall: for 0.3 seconds our rules have not stayed" in machine.fault(NTP)


def between(happens: t.Callable[[], None]) -> t.Callable[[float], t.ContextManager[t.Any]]:
    """ufw's lock, and what *happens* whenever we have let it go."""
    lock = ufw._ufw_lock

    @contextlib.contextmanager
    def lock_and_after(timeout: float) -> t.Iterator[t.Any]:
        held = contextlib.ExitStack()
        held.callback(happens)
        try:
            yield held.enter_context(lock(timeout))
        finally:
            held.close()

    return lock_and_after


WAITING = """
import fcntl, sys
with open(sys.argv[1], "a") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def a_ufw_command(machine: Machine) -> t.Iterator[subprocess.Popen[str]]:
    """A process that waits for ufw's lock, as ``ufw`` does, and then holds it until its input ends."""
    argv = [sys.executable, "-c", WAITING, str(machine.rules[4].with_name("ufw.lock"))]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_ufw_command_at_work_is_waited_for_and_then_given_up_on(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ufw, "_LOCK_TIMEOUT", 0.05)
    before = machine.everything()
    with a_ufw_command(machine) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        assert machine.fault(NTP) == (
            f"A ufw command has held {ufw.UFW_LOCK} for 0.05 seconds; try again when it is done."
        )
    assert machine.everything() == before
    assert machine.run(NTP).changed


def test_a_ufw_command_that_waits_for_the_lock_is_seen(machine: Machine) -> None:
    with open(ufw.UFW_LOCK, "a", encoding="ascii") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        assert not ufw._has_waiters(lock.fileno())
        with a_ufw_command(machine):
            system.wait_for(lambda: ufw._has_waiters(lock.fileno()), 30, "it was never seen")


def test_a_program_that_only_has_ufw_in_its_arguments_is_no_ufw_command(tmp_path: Path) -> None:
    log = tmp_path / "ufw"
    log.write_text("at work\n", encoding="ascii")
    before = ufw._ufw_commands()
    with subprocess.Popen(["tail", "-f", log], stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == "at work\n"
        assert ufw._ufw_commands() == before
        reader.kill()


def test_a_ufw_command_at_work_is_seen_until_it_ends(tmp_path: Path) -> None:
    script = tmp_path / "ufw"
    script.write_text("import sys\nprint('at work', flush=True)\nsys.stdin.read()\n", encoding="ascii")
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout
        assert command.stdout.readline() == "at work\n"
        # Beside it there may be commands of hosts that other tests have here.
        [seen] = [found for found in ufw._ufw_commands() if found[0] == str(command.pid)]
    assert seen not in ufw._ufw_commands()


# --- Whoever holds ufw's lock -----------------------------------------------------------------------------------------


def test_a_change_is_taken_back_though_somebody_holds_the_lock_and_again_once_nobody_does(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.run(LOGS)
    before = machine.everything()
    monkeypatch.setattr(ufw, "_LOCK_TIMEOUT_BACK", 0.05)
    snapshot = ufw.Ufw().plan(Request(flows=(NTP,)), {}).snapshot
    machine.run(NTP)
    with a_ufw_command(machine) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        with pytest.raises(ufw.LockHeldError, match="A ufw command has held"):
            ufw.Ufw().restore(snapshot)
        assert machine.everything() == before
    machine.run(NTP)
    ufw.Ufw().restore(snapshot)
    assert machine.everything() == before


def test_nobody_else_may_hold_the_lock(machine: Machine) -> None:
    machine.run(NTP)
    assert Path(ufw.UFW_LOCK).stat().st_mode & 0o777 == 0o600


def test_a_process_of_somebody_else_is_no_ufw_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "ufw"
    script.write_text("import sys\nprint('at work', flush=True)\nsys.stdin.read()\n", encoding="ascii")
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"at work\n"
            at_work = {pid for pid, _start in ufw._ufw_commands()}
            assert f"{process.pid}" in at_work
            monkeypatch.setattr(ufw, "_ROOT", 65534)
            assert f"{process.pid}" not in {pid for pid, _start in ufw._ufw_commands()}
        finally:
            process.kill()
