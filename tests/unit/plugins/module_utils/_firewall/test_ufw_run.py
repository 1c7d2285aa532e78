# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole runs on a host whose files are real and whose kernel is made up: all or nothing, and who comes in between."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import (
    management,
    system,
    transaction,
    ufw,
    ufw_live,
    ufw_switch,
    watchdog,
    way_back,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError, Outcome, Request
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.journal import Journal
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import Session
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_outbound import with_logging
from ansible_collections.netwall.datadog.plugins.module_utils._flow import ANYWHERE, Flow
from ansible_collections.netwall.datadog.tests.unit.plugins.module_utils._firewall._ufw_files import (
    OperatorsRule,
    block,
    rules_file,
)

NTP = Flow("ntp-udp-123-out", "outbound", "allow", "udp", 123, ANYWHERE)
LOGS = Flow("logs-tcp-443-out", "outbound", "allow", "tcp", 443, ("192.0.2.0/24", "2001:db8::/32"))
CLOSED = Flow("dogstatsd-udp-8125-in", "inbound", "deny", "udp", 8125, ANYWHERE)
WEB = OperatorsRule("allow", "tcp", dport="80")
SAME_AS_OURS = OperatorsRule("allow", "tcp", dport="443", dst="192.0.2.0/24", way="out")

WAYS = ("input", "output")
PREFIX = {4: "ufw", 6: "ufw6"}
PROGRAMS = {4: "iptables", 6: "ip6tables"}
TARGETS = {"ACCEPT": "ACCEPT", "DROP": "DROP", "REJECT": "REJECT --reject-with icmp{}-port-unreachable"}
DEFAULTS = 'IPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\nDEFAULT_OUTPUT_POLICY="{}"\n'
BEFORE = """\
*filter
:{0}-before-input - [0:0]
:{0}-before-output - [0:0]
-A {0}-before-output -o lo -j ACCEPT
COMMIT
"""


class KilledError(BaseException):
    """The process was killed."""


@dataclasses.dataclass
class Table:
    """A filter table of the kernel."""

    policies: dict[str, str]
    chains: dict[str, list[str]]

    def saved(self) -> str:
        heads = [f":{chain} {self.policies.get(chain, '-')} [0:0]" for chain in self.chains]
        return "\n".join(["*filter", *heads, *(line for rules in self.chains.values() for line in rules), "COMMIT"])

    def take(self, line: str) -> None:
        """What one line of iptables-restore's does; it raises where the kernel would refuse."""
        command, chain, *rest = line.split(" ")
        rules = self.chains[chain]
        if command == "-P":
            self.policies[chain] = rest[0]
        elif command == "-A":
            rules.append(line)
        elif command == "-D" and rest[0].isdigit():
            del rules[int(rest[0]) - 1]
        elif command == "-D":
            rules.remove(line.replace("-D", "-A", 1))
        elif command == "-F":
            rules.clear()
        elif command == "-X":
            assert not self.chains.pop(chain)
        else:
            assert command == "-I"
            assert 1 <= int(rest[0]) <= len(rules) + 1
            rules.insert(int(rest[0]) - 1, " ".join(["-A", chain, *rest[1:]]))


def untouched() -> Table:
    """A table that no firewall has been in."""
    return Table({"INPUT": "ACCEPT", "OUTPUT": "ACCEPT"}, {"INPUT": [], "OUTPUT": []})


class Machine:
    """A host with ufw in *folder*; ``broken`` is the command that fails, ``lives`` counts effects until the end."""

    def __init__(self, folder: Path, outbound: str = "ACCEPT", *theirs: OperatorsRule) -> None:
        self.folder = folder
        self.rules = {4: folder / "user.rules", 6: folder / "user6.rules"}
        self.befores = {4: folder / "before.rules", 6: folder / "before6.rules"}
        self.configuration, self.defaults = folder / "ufw.conf", folder / "default"
        policy = {"ACCEPT": "allow", "DROP": "deny", "REJECT": "reject"}[outbound]
        for family, path in self.rules.items():
            text = rules_file(family, *(block(rule, family) for rule in theirs or [WEB]))
            path.write_text(with_logging(text, family, policy, "high"), encoding="ascii")
            self.befores[family].write_text(BEFORE.format(PREFIX[family]), encoding="ascii")
        self.configuration.write_text("# the switch\nENABLED=yes\nLOGLEVEL=high\n", encoding="ascii")
        self.defaults.write_text(DEFAULTS.format(outbound), encoding="ascii")
        self.record: dict[str, t.Any] = {}
        self.broken = ""
        self.lives: int | None = None
        self.kernel = {4: untouched(), 6: untouched()}
        self.load()

    # --- What ufw does ---

    def load(self) -> None:
        """What ``ufw reload`` does."""
        for family in self.kernel:
            self.kernel[family] = self.loaded(family)

    def loaded(self, family: int) -> Table:
        """The table that the files stand for."""
        prefix, word = PREFIX[family], self.defaults.read_text(encoding="ascii").split('"')[3]
        target = TARGETS[word].format("6" if family == 6 else "")
        track = [f"-p {name} -m conntrack --ctstate NEW -j ACCEPT" for name in ("tcp", "udp")]
        files = [path[family].read_text(encoding="ascii").splitlines() for path in (self.befores, self.rules)]
        chains = {
            "before-output": [],
            "before-input": [],
            "user-input": [],
            "user-output": [],
            "after-logging-output": [],
            "skip-to-policy-output": [f"-j {target}"],
            "reject-output": [f"-j {target}"] if word == "REJECT" else [],
            "track-output": track if word == "ACCEPT" else [],
        }
        for line in [line for text in files for line in text if line.startswith("-A ")]:
            chain, _space, rule = line.partition(" ")[2].partition(" ")
            if chain.partition("-")[2] in chains:
                chains[chain.partition("-")[2]].append(rule)
        for way in WAYS:
            chains[f"before-{way}"].append(f"-j {prefix}-user-{way}")
        table = untouched()
        table.policies["OUTPUT"] = "ACCEPT" if word == "ACCEPT" else "DROP"
        table.policies["INPUT"] = "DROP"
        for way in WAYS:
            table.chains[way.upper()].append(f"-A {way.upper()} -j {prefix}-before-{way}")
        for chain, rules in chains.items():
            table.chains[f"{prefix}-{chain}"] = [f"-A {prefix}-{chain} {rule}" for rule in rules]
        return table

    def switch(self, on: bool) -> None:
        """What ``ufw enable`` and ``ufw disable`` do; the latter leaves its chains behind."""
        text = self.configuration.read_text(encoding="ascii").partition("ENABLED=")
        self.configuration.write_text(f"{text[0]}ENABLED={'yes' if on else 'no'}\nLOGLEVEL=high\n", encoding="ascii")
        for family in self.kernel:
            self.happen()
            if on:
                self.kernel[family] = self.loaded(family)
            else:
                self.kernel[family].policies.update(INPUT="ACCEPT", OUTPUT="ACCEPT")

    def add(self, rule: OperatorsRule, first: bool = False) -> None:
        """What ``ufw`` does to add an operator's *rule*, before or behind all that stands."""
        before, start, rest = self.rules[4].read_text(encoding="ascii").partition("### RULES ###\n")
        rules, end, after = rest.partition("\n### END RULES ###\n")
        rules = block(rule, 4) + rules if first else rules + block(rule, 4)
        self.rules[4].write_text(before + start + rules + end + after, encoding="ascii")
        if first:
            loaded = self.loaded(4).chains
            self.kernel[4].chains.update({chain: loaded[chain] for chain in ("ufw-user-input", "ufw-user-output")})
        else:
            for line in rule.iptables_lines(4):
                self.kernel[4].take(line)

    # --- What we do ---

    def happen(self) -> None:
        """Be killed before the next effect, if it is time."""
        if self.lives is not None:
            if not self.lives:
                raise KilledError
            self.lives -= 1

    def command(self, argv: list[str], stdin: str | None = None) -> str:
        """iptables-save and iptables-restore, for both families; ufw itself."""
        if argv[0] == self.broken:
            raise FirewallError(f"'{argv[0]}' ended with 4: no such luck")
        if argv[0] == "ufw":
            self.happen()
            self.switch(argv[-1] == "enable")
            return ""
        program, _dash, what = argv[0].partition("-")
        family = 6 if program == "ip6tables" else 4
        if what == "save":
            return self.kernel[family].saved()
        self.happen()
        changed = copy.deepcopy(self.kernel[family])
        for line in (stdin or "").splitlines()[1:-1]:
            changed.take(line)
        self.kernel[family] = changed
        return ""

    def write(self, path: str, data: bytes) -> None:
        """Write a file, or leave a half of it beside it when killed."""
        try:
            self.happen()
        except KilledError:
            self.folder.joinpath(f".{os.path.basename(path)}.netwall").write_bytes(data[:7])
            raise
        WRITE(path, data)

    def run(self, *flows: Flow, **asked: t.Any) -> Outcome:
        return transaction.reconcile(ufw.Ufw(), Request(flows=flows, **asked), {}, 0).outcome

    def predict(self, *flows: Flow, **asked: t.Any) -> Outcome:
        return transaction.predict(ufw.Ufw(), Request(flows=flows, **asked)).outcome

    def fault(self, *flows: Flow, **asked: t.Any) -> str:
        with pytest.raises(FirewallError) as caught:
            self.run(*flows, **asked)
        return str(caught.value)

    def start(self, *flows: Flow, lives: int | None = None, **asked: t.Any) -> dict[str, t.Any]:
        """Begin a run of which only the first *lives* effects come about; its way back, as it is kept on the disk."""
        backend = ufw.Ufw()
        with backend.exclusive(), self.limited(lives):
            plan = backend.plan(Request(flows=flows, **asked), self.record)
            self.record = json.loads(json.dumps(plan.record))
            snapshot: dict[str, t.Any] = json.loads(json.dumps(plan.snapshot))
            plan.apply(lambda _step: None)
        return snapshot

    def restore(self, snapshot: dict[str, t.Any], lives: int | None = None) -> None:
        with self.limited(lives):
            ufw.Ufw().restore(snapshot)

    @contextlib.contextmanager
    def limited(self, lives: int | None) -> t.Iterator[None]:
        self.lives = lives
        with contextlib.suppress(KilledError):
            yield
        self.lives = None

    def everything(self) -> t.Any:
        """All that a run could change."""
        files = {path.name: path.read_bytes() for path in self.folder.iterdir() if path.is_file()}
        return {name: content for name, content in files.items() if "lock" not in name}, copy.deepcopy(self.kernel)


WRITE = system.write_atomically


def made(folder: Path, patch: pytest.MonkeyPatch, outbound: str = "ACCEPT", *theirs: OperatorsRule) -> Machine:
    """A host in *folder* that is taken for this one."""
    machine = Machine(folder, outbound, *theirs)
    patch.setattr(ufw, "RULES_PATHS", {family: str(path) for family, path in machine.rules.items()})
    patch.setattr(ufw, "BEFORE_PATHS", {family: str(path) for family, path in machine.befores.items()})
    patch.setattr(ufw, "CONFIGURATION", str(machine.configuration))
    patch.setattr(ufw, "DEFAULTS", str(machine.defaults))
    patch.setattr(ufw, "UFW_LOCK", str(folder / "ufw.lock"))
    patch.setattr(ufw, "_KERNEL_HAS_IPV6", str(machine.defaults))
    patch.setattr(management, "peers_on", lambda _port: set())
    for module in (ufw_live, ufw_switch):
        patch.setattr(module, "run", machine.command)
    for module in (ufw, system):
        patch.setattr(module, "write_atomically", machine.write)
    patch.setattr(ufw_switch, "has_systemd", lambda: False)
    patch.setattr(system, "_POLL", 0.001)
    return machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A host with ufw whose journal and lock are in *tmp_path*, and whose watchdog is always there."""
    state, lock = str(tmp_path / "state" / "datadog"), str(tmp_path / "lock")
    (tmp_path / "state").mkdir()
    for module in (transaction, way_back):
        monkeypatch.setattr(module, "Journal", lambda: Journal(state))
        monkeypatch.setattr(module, "one_run_at_a_time", lambda timeout: system.one_run_at_a_time(timeout, lock))
    monkeypatch.setattr(watchdog, "arm", lambda _change, _maker: None)
    monkeypatch.setattr(watchdog, "disarm", lambda: None)
    return made(tmp_path, monkeypatch)


# --- A run ------------------------------------------------------------------------------------------------------------


def test_a_run_changes_files_and_kernel_alike(machine: Machine) -> None:
    outcome = machine.run(NTP, LOGS)
    assert outcome.added == ("logs-tcp-443-out", "ntp-udp-123-out")
    _files, kernel = machine.everything()
    assert [line.rpartition(" -j ")[0] for line in kernel[4].chains["ufw-user-output"]] == [
        "-A ufw-user-output -p tcp -d 192.0.2.0/24 --dport 443",
        "-A ufw-user-output -p udp --dport 123",
    ]
    machine.load()
    assert machine.kernel == kernel


@pytest.mark.parametrize("default", ["allow", "deny", "unmanaged"])
def test_a_second_run_touches_nothing(machine: Machine, default: str) -> None:
    machine.run(NTP, default_outbound=default)
    machine.broken = "iptables-restore"
    before = [path.stat().st_ino for path in machine.rules.values()]
    assert not machine.run(NTP, default_outbound=default).changed
    assert [path.stat().st_ino for path in machine.rules.values()] == before


@pytest.mark.parametrize("flows", [(), (NTP,), (NTP, LOGS)])
def test_what_is_predicted_is_what_the_run_then_does_and_changes_nothing(
    machine: Machine, flows: tuple[Flow, ...]
) -> None:
    machine.run(LOGS)
    before = machine.everything()
    predicted = machine.predict(*flows)
    assert machine.everything() == before
    assert machine.run(*flows) == predicted


@pytest.mark.parametrize("default", ["allow", "deny", "unmanaged"])
def test_absent_leaves_what_was_there(machine: Machine, default: str) -> None:
    before = machine.everything()
    machine.run(NTP, LOGS, default_outbound=default)
    machine.run(state="absent")
    assert machine.everything() == before


@pytest.mark.parametrize("default", ["allow", "deny"])
@pytest.mark.parametrize("stood", ["ACCEPT", "DROP", "REJECT"])
def test_the_kernel_has_the_default_that_the_files_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stood: str, default: str
) -> None:
    machine = made(tmp_path, monkeypatch, stood)
    machine.start(NTP, default_outbound=default)
    kernel = copy.deepcopy(machine.kernel)
    machine.load()
    assert machine.kernel == kernel
    assert machine.kernel[4].policies["OUTPUT"] == ("DROP" if default == "deny" else "ACCEPT")


@pytest.mark.parametrize("value", ["no", '"no"', "maybe"])
def test_ipv6_is_left_alone_where_ufw_does_none(machine: Machine, value: str) -> None:
    machine.defaults.write_text(f"{DEFAULTS.format('ACCEPT')}#IPV6=yes\nIPV6={value}\n", encoding="ascii")
    before = machine.everything()
    assert machine.run(NTP).warnings
    after = machine.everything()
    assert (after[0]["user6.rules"], after[1][6]) == (before[0]["user6.rules"], before[1][6])


def test_a_firewall_tells_what_there_is_of_it(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def said() -> tuple[bool, bool, bool]:
        found = ufw.Ufw().presence()
        return found.is_installed, found.is_active, found.is_enabled

    monkeypatch.setattr(ufw.shutil, "which", lambda *_arguments, **_path: "/usr/sbin/ufw")
    assert said() == (True, True, True)
    machine.kernel[4] = untouched()
    assert said() == (True, False, True)
    machine.switch(on=False)
    assert said() == (True, False, False)
    monkeypatch.setattr(ufw.shutil, "which", lambda *_arguments, **_path: None)
    assert said() == (False, False, False)


# --- All or nothing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("iptables-restore", "Loading the IPv4 rules failed: 'iptables-restore' ended with 4: no such luck; "),
        ("ip6tables-restore", "Loading the IPv6 rules failed: 'ip6tables-restore' ended with 4: no such luck; "),
    ],
)
@pytest.mark.parametrize("default", ["deny", "unmanaged"])
def test_a_kernel_that_takes_one_family_only_gets_none(
    machine: Machine, broken: str, said: str, default: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.run(LOGS)
    before = machine.everything()
    machine.broken = broken
    # What is broken is well again when we go back, but for what was never changed.
    monkeypatch.setattr(way_back, "take_back", mended(machine, way_back.take_back))
    monkeypatch.setattr(transaction, "take_back", mended(machine, way_back.take_back))
    assert machine.fault(NTP, precedence="ours", default_outbound=default).startswith(said)
    assert machine.everything() == before


def mended(machine: Machine, work: t.Callable[..., None]) -> t.Callable[..., None]:
    """*work* that is done once nothing is broken any more."""

    def do(*arguments: t.Any) -> None:
        machine.broken = ""
        work(*arguments)

    return do


def test_going_back_knows_ours_from_theirs_that_say_the_same(machine: Machine) -> None:
    everything = OperatorsRule("deny", way="out")
    machine.rules[4].write_text(rules_file(4, block(everything, 4), block(SAME_AS_OURS, 4)), encoding="ascii")
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

    def write_or_fail(path: str, data: bytes) -> None:
        if path.endswith(f"/{name}"):
            raise OSError(28, "No space left on device")
        WRITE(path, data)

    monkeypatch.setattr(ufw, "write_atomically", write_or_fail)
    said = machine.fault(NTP, precedence="ours")
    assert said.endswith(f"/{name} failed: [Errno 28] No space left on device; the old rules are back.")
    assert machine.everything() == before


@pytest.mark.parametrize("family", [4, 6])
def test_a_ufw_that_is_not_loaded_is_refused_before_anything_is_changed(machine: Machine, family: int) -> None:
    machine.kernel[family] = untouched()
    before = machine.everything()
    assert machine.fault(NTP).startswith(f"ufw is switched on, but its IPv{family} rules are not in the kernel ")
    assert machine.everything() == before


# --- Back from every point --------------------------------------------------------------------------------------------

THEIRS = (
    WEB,
    SAME_AS_OURS,
    OperatorsRule("deny", "udp", way="out"),
    OperatorsRule("limit", "tcp", dport="22"),
    OperatorsRule("allow", "tcp", dport="25", way="out", interface="eth0"),
    OperatorsRule("deny", "udp", dport="8125"),
)
ADDED = (OperatorsRule("deny", "tcp", dport="8443", way="out"), OperatorsRule("allow", "tcp", dport="8080"))
_theirs = st.lists(st.sampled_from(THEIRS), min_size=1, max_size=4, unique=True)
_asked = st.fixed_dictionaries(
    {
        "flows": st.lists(st.sampled_from([NTP, LOGS, CLOSED]), unique=True).map(tuple),
        "precedence": st.sampled_from(["theirs", "ours"]),
        "default_outbound": st.sampled_from(["unmanaged", "allow", "deny"]),
        "state": st.sampled_from(["present", "present", "present", "absent"]),
    }
)
_words = st.sampled_from(["ACCEPT", "DROP", "REJECT"])
_additions = st.tuples(st.sampled_from(ADDED), st.booleans())
_lives = st.one_of(st.none(), st.integers(0, 16))
NOTHING_ASKED = {"flows": (), "precedence": "theirs", "default_outbound": "unmanaged", "state": "present"}
ASKED = {**NOTHING_ASKED, "flows": (NTP, LOGS), "precedence": "ours", "default_outbound": "deny"}


def begin(machine: Machine, asked: dict[str, t.Any], lives: int | None = None) -> dict[str, t.Any]:
    return machine.start(*asked["flows"], lives=lives, **{name: asked[name] for name in asked if name != "flows"})


@contextlib.contextmanager
def a_machine(outbound: str = "ACCEPT", theirs: t.Sequence[OperatorsRule] = (WEB,)) -> t.Iterator[Machine]:
    """A host of one example's own, whose disk needs no waiting for."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        patch.setattr(ufw, "_ufw_commands", set)
        yield made(Path(folder), patch, outbound, *theirs)


@given(_words, _theirs, _asked, _asked, st.none() | _additions, _lives, _lives)
@example("ACCEPT", [WEB], NOTHING_ASKED, ASKED, None, None, None)
def test_from_wherever_a_run_was_stopped_the_way_back_leads_to_what_stood(
    outbound: str,
    theirs: list[OperatorsRule],
    before: dict[str, t.Any],
    then: dict[str, t.Any],
    addition: tuple[OperatorsRule, bool] | None,
    lives: int | None,
    lives_back: int | None,
) -> None:
    with a_machine(outbound, theirs) as machine:
        begin(machine, before)
        if addition:
            machine.add(*addition)
        stood = machine.everything()
        snapshot = begin(machine, then, lives)
        machine.restore(snapshot, lives_back)
        machine.restore(snapshot)
        assert machine.everything() == stood
        machine.restore(snapshot)
        assert machine.everything() == stood


@given(_words, _theirs, _asked, _asked, _additions, _lives)
def test_what_an_operator_did_in_between_stays_and_ours_are_the_old_ones(
    outbound: str,
    theirs: list[OperatorsRule],
    before: dict[str, t.Any],
    then: dict[str, t.Any],
    addition: tuple[OperatorsRule, bool],
    lives: int | None,
) -> None:
    with a_machine(outbound, theirs) as machine:
        begin(machine, before)
        ours = ufw._read_files().ours
        foreign = [rule for rule in ufw._read_files().files[4].theirs]
        default = machine.defaults.read_bytes()
        snapshot = begin(machine, then, lives)
        machine.add(*addition)
        machine.restore(snapshot)
        host = ufw._read_files()
        kept = [rule.line for rule in host.files[4].theirs]
        added = addition[0].tuple_line(4)
        assert kept == ([added, *(r.line for r in foreign)] if addition[1] else [*(r.line for r in foreign), added])
        assert (host.ours, machine.defaults.read_bytes()) == (ours, default)
        kernel = copy.deepcopy(machine.kernel)
        machine.load()
        assert machine.kernel == kernel


@given(_asked.filter(lambda asked: asked["state"] == "present"), _lives, _lives)
def test_a_ufw_that_was_off_is_off_again_and_nothing_of_it_is_left(
    asked: dict[str, t.Any], lives: int | None, lives_back: int | None
) -> None:
    with a_machine() as machine:
        off(machine)
        stood = machine.everything()
        snapshot = begin(machine, {**asked, "enable": True, "management": False}, lives)
        machine.restore(snapshot, lives_back)
        machine.restore(snapshot)
        assert machine.everything() == stood


@given(_asked.filter(lambda asked: asked["state"] == "present"), _lives, _lives)
def test_a_ufw_that_we_were_switching_off_is_on_again(
    asked: dict[str, t.Any], lives: int | None, lives_back: int | None
) -> None:
    with a_machine() as machine:
        off(machine)
        begin(machine, {**asked, "enable": True, "management": False})
        stood = machine.everything()
        snapshot = begin(machine, {**NOTHING_ASKED, "state": "absent"}, lives)
        machine.restore(snapshot, lives_back)
        machine.restore(snapshot)
        assert machine.everything() == stood


def off(machine: Machine) -> None:
    """Have a ufw that was never on."""
    machine.switch(on=False)
    machine.kernel = {4: untouched(), 6: untouched()}


def test_at_boot_before_ufw_has_started_the_way_back_writes_files_alone(machine: Machine) -> None:
    files, _kernel = machine.everything()
    snapshot = machine.start(NTP, default_outbound="deny")
    machine.kernel = {4: untouched(), 6: untouched()}
    machine.restore(snapshot)
    assert machine.everything() == (files, {4: untouched(), 6: untouched()})


def test_a_ufw_that_is_half_loaded_is_started_afresh(machine: Machine) -> None:
    stood = machine.everything()
    snapshot = machine.start(NTP)
    del machine.kernel[4].chains["ufw-before-output"][-1]
    machine.restore(snapshot)
    assert machine.everything() == stood


def test_rules_of_a_family_that_ufw_no_longer_looks_after_come_back_too(machine: Machine) -> None:
    machine.start(NTP)
    machine.defaults.write_text(DEFAULTS.format("ACCEPT").replace("IPV6=yes", "IPV6=no"), encoding="ascii")
    stood = machine.everything()
    snapshot = machine.start(state="absent")
    assert machine.everything()[1][6] != stood[1][6]
    machine.restore(snapshot)
    assert machine.everything() == stood


def test_chains_that_a_ufw_left_which_somebody_switched_off_are_no_concern_of_the_way_back(machine: Machine) -> None:
    machine.start(NTP)
    machine.switch(on=False)
    stood = machine.everything()
    snapshot = machine.start(state="absent")
    assert machine.everything() != stood
    machine.restore(snapshot)
    assert machine.everything() == stood


# --- Switched on by our hand ------------------------------------------------------------------------------------------


def record(machine: Machine) -> t.Any:
    """What is known of the time before ufw came on."""
    return transaction.Journal().state()["record"]["switched_on"]


def test_a_ufw_that_does_not_come_on_is_left_off_with_its_old_rules(machine: Machine) -> None:
    off(machine)
    before = machine.everything()
    machine.broken = "ufw"
    said = machine.fault(NTP, enable=True, management=False)
    assert said == "Switching ufw on failed: 'ufw' ended with 4: no such luck; the old rules are back."
    assert machine.everything() == before


def test_a_ufw_that_came_on_by_our_hand_is_on_record(machine: Machine) -> None:
    off(machine)
    assert machine.run(NTP, enable=True, management=False).after[0] == "ufw is on"
    assert record(machine)["peers"] == []
    assert record(machine)["policies"]["4"] == {"INPUT": "ACCEPT", "OUTPUT": "ACCEPT"}


def test_a_ufw_that_comes_on_denies_what_it_was_told_to(machine: Machine) -> None:
    off(machine)
    machine.run(NTP, enable=True, management=False, default_outbound="deny")
    kernel = copy.deepcopy(machine.kernel)
    machine.load()
    assert machine.kernel == kernel
    assert kernel[6].policies["OUTPUT"] == "DROP"


def test_what_forbids_to_switch_ufw_on_is_predicted(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_defaults: t.Mapping[str, str]) -> None:
        raise FirewallError("There is another firewall.")

    off(machine)
    monkeypatch.setattr(ufw_switch, "refuse_to_switch_on", refuse)
    before = machine.everything()
    assert machine.fault(NTP, enable=True, management=False) == "There is another firewall."
    with pytest.raises(FirewallError, match=r"There is another firewall\."):
        machine.predict(NTP, enable=True, management=False)
    assert machine.everything() == before


def test_the_sessions_that_are_kept_are_those_that_are_open_when_ufw_comes_on(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(management, "peers_on", lambda _port: {"203.0.113.9"})
    for number in (1, 2):
        machine.switch(on=False)
        machine.run(NTP, enable=True, session=Session(f"198.51.100.{number}", 50000, "192.0.2.11", 22))
    assert record(machine)["peers"] == ["198.51.100.2", "203.0.113.9"]


def test_a_ufw_that_came_on_by_our_hand_goes_off_again(machine: Machine) -> None:
    off(machine)
    before = machine.everything()
    machine.run(NTP, enable=True, management=False, default_outbound="deny")
    assert machine.run(state="absent").after[0] == "ufw is off"
    assert machine.everything() == before


# --- Others at work ---------------------------------------------------------------------------------------------------


def test_a_ufw_command_that_erases_our_rules_is_followed_by_another_pass(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator's ``ufw allow 8080`` that had read the files before us and writes back what it read."""
    left = [rules_file(4, block(WEB, 4), block(dataclasses.replace(WEB, dport="8080"), 4))]

    def write_back() -> None:
        if left:
            machine.rules[4].write_text(left.pop(), encoding="ascii")
            machine.load()

    monkeypatch.setattr(ufw, "_ufw_lock", between(write_back))
    assert machine.run(NTP).added == ("ntp-udp-123-out",)
    text = machine.rules[4].read_text(encoding="ascii")
    assert "--dport 8080" in text
    assert "--dport 123" in text


def between(happens: t.Callable[[], None]) -> t.Callable[[], t.ContextManager[t.Any]]:
    """ufw's lock, and what *happens* whenever we have let it go."""
    lock = ufw._ufw_lock

    @contextlib.contextmanager
    def lock_and_after() -> t.Iterator[t.Any]:
        held = contextlib.ExitStack()
        held.callback(happens)
        try:
            yield held.enter_context(lock())
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
    before = ufw._ufw_commands()
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout
        assert command.stdout.readline() == "at work\n"
        [(pid, _started)] = ufw._ufw_commands() - before
    assert pid == str(command.pid)
    assert not ufw._ufw_commands() - before
