# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with ufw, as a judge sees it: what stands in its files and chains, whose it is, what it does to packets."""

from __future__ import annotations

import difflib
import json
import re
import typing as t
from dataclasses import dataclass
from functools import cached_property

from ansible_collections.netwall.datadog.tests.integration import operator_ufw
from ansible_collections.netwall.datadog.tests.integration.corners import PROTOCOLS, Box
from ansible_collections.netwall.datadog.tests.integration.saved_tables import Line, Packet, Table

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from random import Random

    from ansible_collections.netwall.datadog.tests.integration.on_host import OnHost

FAMILIES = (4, 6)
# Senders that a rule may name by their hardware.
MACHINES = ("",)
# How many packets are asked about after each step, for each family.
PACKETS = 1500
COMMAND = "ufw"
OPTIONS = {"backend": "ufw"}
_PROGRAM = {4: "iptables", 6: "ip6tables"}
# What a planted counter is a multiple of: packets that come by in the meantime are fewer.
_PLANTED = 10**6

# Whatever stood there goes; what Debian ships is kept aside the first time.
_RESET = r"""
aside=/run/netwall-test-ufw
ufw --force disable >/dev/null
[ -d $aside ] || { mkdir $aside; cp -a /etc/ufw $aside/etc; cp -a /etc/default/ufw $aside/default; }
rm -rf /etc/ufw /var/lib/netwall
cp -a $aside/etc /etc/ufw
cp -a $aside/default /etc/default/ufw
for program in iptables ip6tables; do
    printf '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n' | $program-restore
done
"""
_FILES = r"""
import json, os, subprocess, sys
paths = ["/etc/default/ufw", *(os.path.join(top, name) for top, _, names in os.walk("/etc/ufw") for name in names)]
def read(path):
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()
def saved(program):
    return subprocess.run([program + "-save", "-c"], check=True, capture_output=True, encoding="utf-8").stdout
print(json.dumps({
    "files": {path: read(path) for path in sorted(paths)},
    "saved": {"4": saved("iptables"), "6": saved("ip6tables")},
}))
"""
# What a boot would load, in a place of its own.
_BOOT = r"""
import json, os, subprocess, sys
files = json.load(sys.stdin)
subprocess.run(["mount", "-t", "tmpfs", "none", "/mnt"], check=True)
for path, text in files.items():
    os.makedirs("/mnt" + os.path.dirname(path), exist_ok=True)
    with open("/mnt" + path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
    os.chmod("/mnt" + path, 0o640)
subprocess.run(["mount", "--bind", "/mnt/etc/ufw", "/etc/ufw"], check=True)
subprocess.run(["mount", "--bind", "/mnt/etc/default/ufw", "/etc/default/ufw"], check=True)
done = subprocess.run(["/lib/ufw/ufw-init", "start"], capture_output=True, encoding="utf-8")
if done.returncode:
    sys.exit("ufw-init: " + done.stdout + done.stderr)
def saved(program):
    return subprocess.run([program + "-save"], check=True, capture_output=True, encoding="utf-8").stdout
print(json.dumps({"4": saved("iptables"), "6": saved("ip6tables")}))
"""
_OUR_RULE = re.compile(r"\n### tuple ### [^\n]* comment=(?P<comment>[0-9a-f]+)\n-A [^\n]*\n")
_OUR_COMMENT = re.compile(r"netwall\.datadog: [a-z0-9-]+(, [a-z0-9-]+)*\Z")
_OUR_BLOCK = re.compile(r"^# netwall\.datadog: .*\n(?:.*\n)*?# netwall\.datadog: end\n", re.MULTILINE)
# What follows the default for outgoing traffic, in files and in chains.
_DEFAULT_LINES = {
    "/etc/default/ufw": re.compile(r"^DEFAULT_OUTPUT_POLICY=.*\n", re.MULTILINE),
    "/etc/ufw/user.rules": re.compile(r"^-A ufw-after-logging-output .*\n", re.MULTILINE),
    "/etc/ufw/user6.rules": re.compile(r"^-A ufw6-after-logging-output .*\n", re.MULTILINE),
}
_LOGGING = re.compile(r"^### LOGGING ###\n.*?^### END LOGGING ###$", re.MULTILINE | re.DOTALL)
_DEFAULT_CHAINS = re.compile(r"ufw6?-(after-logging|skip-to-policy|reject|track)-output$")
_TUPLE = re.compile(r"### tuple ### (?P<action>\S+) (?P<match>.*?)( comment=.*)?$", re.MULTILINE)
_RULES_FILES = ("/etc/ufw/user.rules", "/etc/ufw/user6.rules")
_USER_CHAINS = re.compile(r"ufw6?-user-(input|output)$")
# "ufw logging" removes a rule of the operator's own (-j RETURN, of "limit log") from the first of these, and a verdict
# may be missing in the others, after "ufw enable". No rule of ours ever stands there.
_QUIRKY = re.compile(r"(\[\d+:\d+\] )?-A (ufw6?-user-(logging-\w+|limit|limit-accept)) ")
_DEFAULTS = re.compile(r"ufw6?-(after|skip-to-policy|reject|track)-|INPUT|OUTPUT")


@dataclass(frozen=True)
class Look:
    """What stands on the host: files by path, and per family what iptables-save printed."""

    files: Mapping[str, str]
    saved: Mapping[int, str]

    @cached_property
    def tables(self) -> Mapping[int, Table]:
        """The filter tables, taken apart."""
        return {family: Table(family, saved) for family, saved in self.saved.items()}

    def decide(self, packet: Packet) -> tuple[str, str]:
        """The verdict, and whose it is: of rules judged ``before`` others, the ``operator``'s, or ``defaults``."""
        verdict, chain = self.tables[packet.family].decide(packet)
        stage = "operator" if "-user-" in chain else "defaults" if _DEFAULTS.match(chain) else "before"
        return verdict, stage

    def overrules(self, packet: Packet) -> str:
        """The verdict of the rules that ufw's own tool wrote, empty if they have none."""
        way = "input" if packet.hook == "INPUT" else "output"
        chain = f"ufw{'6' if packet.family == 6 else ''}-user-{way}"
        found = self.tables[packet.family].decide_in(chain, packet)
        return found[0] if found else ""

    def boxes(self, family: int) -> list[Box]:
        """What its rules are about; those of the operator several times, since they matter most."""
        chains = self.tables[family].chains.items()
        return [_box(line) for name, lines in chains for line in lines for _n in range(8 if "user" in name else 1)]


class UfwHost:
    """The ufw of *host*."""

    def __init__(self, host: OnHost) -> None:
        self.host = host

    def reset(self) -> None:
        """ufw as Debian ships it, switched off, without a trace of ours."""
        self.host.run("sh", "-euc", _RESET)

    def switch_on(self) -> bool:
        """What an operator does before he has rules in force; whether ufw took them all together."""
        return not self.host.call("ufw", "--force", "enable").returncode

    def is_working(self) -> bool:
        """Whether his rules are in force; ufw takes none that are not."""
        return True

    def write(self, commands: Sequence[Sequence[str]]) -> list[list[str]]:
        """Have ufw execute *commands*; those that it took."""
        return [list(words) for words in commands if not self.host.call("ufw", *words).returncode]

    def look(self) -> Look:
        """What stands there now."""
        found = json.loads(self.host.run("python3", "-c", _FILES))
        return Look(found["files"], {int(family): saved for family, saved in found["saved"].items()})

    def booted(self, files: Mapping[str, str], live: Look) -> Look:
        """What would stand in the kernel if the host booted with *files*.

        The chains that ufw's own commands do not leave as a boot would are those of *live*.
        """
        said = json.loads(self.host.run("unshare", "-m", "-n", "python3", "-c", _BOOT, stdin=json.dumps(files)))
        return Look(files, {family: _with_quirks(said[str(family)], live.saved[family]) for family in FAMILIES})

    def unlike_a_boot(self, now: Look) -> Iterator[str]:
        """Where the kernel has not what it would have after a boot."""
        return differences_of_tables(self.booted(now.files, now), now)

    def plant_counters(self) -> Look:
        """Give each rule a count of its own, and look."""
        for family, table in self.look().tables.items():
            lines = [f":{name} {policy} [0:0]" for name, policy in table.policies.items()]
            rules = [line.text for chain in table.chains.values() for line in chain]
            lines += [f"[{_PLANTED * number}:{_PLANTED * number}] {rule}" for number, rule in enumerate(rules, 1)]
            text = "\n".join(["*filter", *lines, "COMMIT", ""])
            self.host.run(f"{_PROGRAM[family]}-restore", "-c", stdin=text)
        return self.look()


def commands(rng: Random) -> list[list[str]]:
    """What the operator wrote before us."""
    return operator_ufw.commands(rng, rng.randint(3, 14))


later_commands = operator_ufw.later_commands


def without_ours(files: Mapping[str, str], before: Mapping[str, str], outbound: str) -> dict[str, str]:
    """*files* with our rules taken out, and with the default for outgoing traffic of *before* where that is ours."""
    theirs = {path: _OUR_BLOCK.sub("", _OUR_RULE.sub(_unless_ours, text)) for path, text in files.items()}
    for path, lines in _DEFAULT_LINES.items() if outbound != "unmanaged" else ():
        old, new = (_of_default(lines, text[path]) for text in (before, theirs))
        if [lines.sub("", part) for part in old] == [lines.sub("", part) for part in new]:
            theirs[path] = theirs[path].replace(new[0], old[0], 1)
    return theirs


def lost_rules(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The tuples of *before* that *after* has no tuple of the same match for."""
    return [
        found.group(0)
        for path in _RULES_FILES
        for kept in [{found["match"] for found in _TUPLE.finditer(after[path])}]
        for found in _TUPLE.finditer(before[path])
        if found["match"] not in kept
    ]


def differences_of_files(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """What is not byte for byte the same."""
    for path in sorted({*before, *after}):
        if before.get(path) != after.get(path):
            old, new = before.get(path, ""), after.get(path, "")
            yield f"{path} is not as before: {difference(old.splitlines(), new.splitlines())}"


def differences_of_tables(before: Look, after: Look) -> Iterator[str]:
    """What is not rule for rule the same."""
    for family in FAMILIES:
        old, new = before.tables[family], after.tables[family]
        for name in sorted({*old.chains, *new.chains}):
            if old.texts().get(name) != new.texts().get(name) or old.policies.get(name) != new.policies.get(name):
                changed = difference(old.texts().get(name, []), new.texts().get(name, []))
                yield f"chain {name}, before {old.policies.get(name)}, now {new.policies.get(name)}: {changed}"


def disturbed(before: Look, after: Look, precedence: str, outbound: str) -> Iterator[str]:
    """Where rules of *before* are not in *after* any more, all of them, in their order, on their side of ours."""
    for family in FAMILIES:
        found = after.tables[family].texts()
        for name, lines in before.tables[family].texts().items():
            if outbound != "unmanaged" and _DEFAULT_CHAINS.match(name):
                continue
            there = _theirs(name, lines, found.get(name, []), precedence)
            if [found.get(name, [])[index] for index in there] != lines:
                yield f"chain {name} is not as before: {difference(lines, found.get(name, []))}"


def miscounted(before: Look, counted: Look, after: Look, precedence: str) -> Iterator[str]:
    """Where a rule of *before* has not the counter in *after* that it had in *counted*."""
    for family in FAMILIES:
        for name, lines in before.tables[family].texts().items():
            if _DEFAULT_CHAINS.match(name):
                continue
            counters = []
            for table in (counted.tables[family], after.tables[family]):
                there = _theirs(name, lines, table.texts()[name], precedence)
                counters.append([int(table.counters[name][index].split(":")[0]) // _PLANTED for index in there])
            if counters[0] != counters[1]:
                yield f"chain {name} {lines} counted {counters[0]}\n--- but now ---\n{counters[1]}"


def _theirs(name: str, lines: Sequence[str], found: Sequence[str], precedence: str) -> list[int]:
    """The places in *found* where the rules *lines* have to stand."""
    if not _USER_CHAINS.match(name):
        # What ours need there may stand anywhere.
        rest = iter(enumerate(found))
        return [next((index for index, text in rest if text == line), 0) for line in lines]
    first = 0 if precedence == "theirs" else max(0, len(found) - len(lines))
    return list(range(first, min(len(found), first + len(lines))))


def _of_default(lines: re.Pattern[str], text: str) -> list[str]:
    """The part of *text* in which *lines* may stand or not."""
    return _LOGGING.findall(text) if "logging" in lines.pattern else lines.findall(text)


def difference(before: Sequence[str], after: Sequence[str]) -> str:
    """What changed, for a person."""
    return "\n" + "\n".join(difflib.unified_diff(before, after, "before", "now", lineterm="", n=1))


def _with_quirks(saved: str, live: str) -> str:
    plain = [line for line in saved.splitlines() if not _QUIRKY.match(line)]
    end = plain.index("COMMIT", plain.index("*filter"))
    return "\n".join([*plain[:end], *(line for line in live.splitlines() if _QUIRKY.match(line)), *plain[end:]])


def _unless_ours(found: re.Match[str]) -> str:
    comment = bytes.fromhex(found["comment"]).decode("utf-8", "replace")
    return "" if _OUR_COMMENT.match(comment) else found.group(0)


def _box(line: Line) -> Box:
    hook = "OUTPUT" if "-output" in line.text.split()[1] or line.outgoing else "INPUT"
    protocols = (line.protocol,) if line.protocol else PROTOCOLS
    interface = line.outgoing or line.incoming
    return Box(hook, protocols, line.source, line.destination, line.sports, line.dports, interface)
