# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with ufw that can be stopped between any two things that are done to it: real files, a made-up kernel."""

from __future__ import annotations

import copy
import os
import re
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import (
    system,
    ufw,
    ufw_live,
    ufw_outbound,
    ufw_switch,
)
from ansible_collections.netwall.datadog.tests.unit.plugins.module_utils._firewall._ufw_files import rules_file

if t.TYPE_CHECKING:
    from pathlib import Path

_LIMIT = " -m limit --limit 3/min --limit-burst 10"
_BUILT_IN = ("INPUT", "FORWARD", "OUTPUT")
_REJECT = "-j REJECT --reject-with icmp{}-port-unreachable"


class Stopped(BaseException):
    """The run is killed here."""


class Table:
    """A filter table as the kernel has it."""

    def __init__(self) -> None:
        self.policies = dict.fromkeys(_BUILT_IN, "ACCEPT")
        self.chains: dict[str, list[str]] = {chain: [] for chain in _BUILT_IN}

    def saved(self) -> str:
        """What iptables-save prints."""
        heads = [f":{chain} {self.policies.get(chain, '-')} [0:0]" for chain in self.chains]
        return "\n".join(["*filter", *heads, *(line for lines in self.chains.values() for line in lines), "COMMIT", ""])

    def restore(self, lines: list[str]) -> None:
        """What iptables-restore makes of *lines*, all of it or nothing; what does not fit is an error."""
        policies, chains = dict(self.policies), copy.deepcopy(self.chains)
        for line in lines:
            command, chain, *rest = line.split(" ")
            if command == "-P":
                policies[chain] = rest[0]
            elif command == "-F":
                chains[chain].clear()
            elif command == "-X":
                assert not chains.pop(chain)
            elif command == "-A":
                chains[chain].append(line)
            elif rest[0].isdigit():
                self._at_number(chains[chain], command, chain, rest)
            else:
                chains[chain].remove(line.replace("-D ", "-A ", 1))
        self.policies, self.chains = policies, chains

    @staticmethod
    def _at_number(rules: list[str], command: str, chain: str, rest: list[str]) -> None:
        place = int(rest[0]) - 1
        assert 0 <= place < len(rules) + (command == "-I")
        if command == "-D":
            del rules[place]
        else:
            rules.insert(place, " ".join(["-A", chain, *rest[1:]]))


class Machine:
    """The host below *folder*, with ufw's *rules* by family; :meth:`everything` is all that a run could change.

    ``left`` is how many more things may be done to it before :class:`Stopped`, None for any number. A command of ufw's
    that has begun goes on when we are killed; where the power is cut, it does not (``cuts_power``), and of what ufw
    has written since the last sync, which it does not ask for itself, ``unflushed`` files may be lost.
    """

    def __init__(self, folder: Path, rules: t.Mapping[int, str], outbound: str = "allow", enabled: bool = True) -> None:
        self.left: int | None = None
        self.cuts_power = False
        self.unflushed: set[Path] = set()
        self.rules = {4: folder / "user.rules", 6: folder / "user6.rules"}
        self.after = {4: folder / "after.rules", 6: folder / "after6.rules"}
        self.defaults, self.configuration = folder / "default", folder / "ufw.conf"
        self.defaults.write_text(
            ufw_outbound.with_policy('IPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\n', outbound), encoding="utf-8"
        )
        self.configuration.write_text("ENABLED=no\nLOGLEVEL=low\n", encoding="utf-8")
        for family, text in rules.items():
            logged = ufw_outbound.with_logging(text, family, outbound, "low")
            self.rules[family].write_text(logged, encoding="utf-8")
            self.after[family].write_text("# theirs\n*filter\nCOMMIT\n", encoding="utf-8")
        self.kernel: dict[int, Table] = {}
        self.boot()
        if enabled:
            self._enable()

    def settle(self, put: t.Callable[[t.Any, str, t.Any], None]) -> None:
        """Have our code find this host in the place of its own."""
        put(ufw, "RULES_PATHS", {family: str(path) for family, path in self.rules.items()})
        put(ufw, "AFTER_PATHS", {family: str(path) for family, path in self.after.items()})
        put(ufw, "CONFIGURATION", str(self.configuration))
        put(ufw, "DEFAULTS", str(self.defaults))
        put(ufw, "UFW_LOCK", str(self.defaults.with_name("lock")))
        put(ufw, "_KERNEL_HAS_IPV6", str(self.defaults))
        put(ufw, "_ufw_commands", set)
        for name in ("write_atomically", "put_back"):
            put(ufw, name, self._counted(getattr(system, name)))
        put(ufw_switch, "ask_systemd", lambda *_question: "")
        put(os, "sync", self.unflushed.clear)
        for module in (ufw_live, ufw_switch):
            put(module, "run", self._command)

    def everything(self) -> dict[str, t.Any]:
        files = [*self.rules.values(), *self.after.values(), self.defaults, self.configuration]
        return {
            **{path.name: path.read_bytes() for path in files},
            **{f"IPv{family}": (table.policies, table.chains) for family, table in copy.deepcopy(self.kernel).items()},
        }

    @property
    def enabled(self) -> bool:
        return "ENABLED=yes" in self.configuration.read_text(encoding="utf-8")

    def loaded(self) -> dict[int, Table]:
        """The kernel's tables as ufw makes them of its files."""
        return {family: self._table(family) for family in self.rules}

    def boot(self, lost: t.Container[str] = ()) -> None:
        """The host comes up: nothing is in the kernel; of the files that may be lost, those named so are."""
        self.kernel = {family: Table() for family in self.rules}
        for path in self.unflushed:
            if path.name in lost:
                path.write_bytes(b"")
        self.unflushed.clear()

    def start(self) -> None:
        """ufw's part of a boot."""
        if self.enabled:
            self.kernel = self.loaded()

    def operator_adds(self, text: str, family: int, lines: list[str], reloads: bool) -> None:
        """An operator's ``ufw`` adds a rule: its *text* to the file; to the kernel its *lines*, or all of the file."""
        path = self.rules[family]
        before, end, after = path.read_text(encoding="utf-8").partition("\n### END RULES ###\n")
        path.write_text(before + text + end + after, encoding="utf-8")
        if reloads:
            fresh = self._table(family).chains
            self.kernel[family].chains.update({chain: fresh[chain] for chain in fresh if "-user-" in chain})
        else:
            self.kernel[family].restore([line for line in lines if line.split()[1] in self.kernel[family].chains])

    def _table(self, family: int) -> Table:
        prefix = "ufw6" if family == 6 else "ufw"
        lines = [
            line
            for path in (self.rules[family], self.after[family])
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.startswith("-A ")
        ]
        reject = _REJECT.format("6" if family == 6 else "")
        [policy] = re.findall(
            r'^DEFAULT_OUTPUT_POLICY="(\w+)"', self.defaults.read_text(encoding="utf-8"), re.MULTILINE
        )
        own = {
            "before-input": [f"-j {prefix}-user-input"],
            "before-output": [f"-j {prefix}-user-output"],
            "skip-to-policy-output": [reject if policy == "REJECT" else f"-j {policy}"],
            "reject-output": [reject] if policy == "REJECT" else [],
            "track-output": [
                f"-p {protocol} -m conntrack --ctstate NEW -j ACCEPT"
                for protocol in ("tcp", "udp")
                if policy == "ACCEPT"
            ],
        }
        table = Table()
        table.policies.update(INPUT="DROP", OUTPUT="ACCEPT" if policy == "ACCEPT" else "DROP")
        table.chains["INPUT"].append(f"-A INPUT -j {prefix}-before-input")
        table.chains["OUTPUT"].append(f"-A OUTPUT -j {prefix}-before-output")
        for name, rules in own.items():
            table.chains[f"{prefix}-{name}"] = [f"-A {prefix}-{name} {rule}" for rule in rules]
        for name in ("user-input", "user-output", "after-output", "after-logging-output"):
            chain = f"{prefix}-{name}"
            table.chains[chain] = [_as_kept(line) for line in lines if line.split()[1] == chain]
        return table

    def _done(self) -> None:
        if self.left is not None:
            if not self.left:
                raise Stopped
            self.left -= 1

    def _counted(self, write: t.Callable[..., None]) -> t.Callable[..., None]:
        def counted(*arguments: t.Any) -> None:
            self._done()
            write(*arguments)

        return counted

    def _command(self, argv: list[str], stdin: str | None = None) -> str:
        if argv[0].endswith("-save"):
            return self.kernel[_family(argv[0])].saved()
        if argv[0].endswith("-restore"):
            self._done()
            self.kernel[_family(argv[0])].restore((stdin or "").splitlines()[1:-1])
        else:
            self._done()
            assert argv[:2] == ["ufw", "--force"]
            {"enable": self._enable, "disable": self._disable}[argv[2]]()
        return ""

    def _enable(self) -> None:
        self._switch("yes")
        for family, path in self.rules.items():
            self._write(path, _as_ufw_writes(path.read_text(encoding="utf-8"), family))
        for family in self.rules:
            self.kernel[family] = self._table(family)

    def _disable(self) -> None:
        self._switch("no")
        for table in self.kernel.values():
            table.policies = dict.fromkeys(_BUILT_IN, "ACCEPT")
            for chain in table.chains:
                if chain not in _BUILT_IN:
                    table.chains[chain] = []

    def _switch(self, value: str) -> None:
        text = self.configuration.read_text(encoding="utf-8")
        self._write(self.configuration, re.sub("ENABLED=.*", f"ENABLED={value}", text))

    def _write(self, path: Path, text: str) -> None:
        """Have ufw write a file."""
        if self.cuts_power:
            self._done()
        path.write_text(text, encoding="utf-8")
        self.unflushed.add(path)


def _family(program: str) -> int:
    return 6 if program.startswith("ip6") else 4


def _as_kept(line: str) -> str:
    """*line* as the kernel gives it back, as far as it matters here."""
    head, jump, rest = line.partition(" -j LOG ")
    return f"{head}{_LIMIT}{jump}{rest.replace(_LIMIT, '')}" if jump and rest.endswith(_LIMIT) else line


def _as_ufw_writes(text: str, family: int) -> str:
    """*text* of a rules file as ufw writes it again: its rules in its own frame."""
    if "### END RULES ###" in text:
        return text
    rules = text.partition("### RULES ###\n")[2].partition("-A ufw-user-limit -m")[0].removesuffix("COMMIT\n")
    return rules_file(family, rules)
