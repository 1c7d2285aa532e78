# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host, as root: starts the module, kills it at a given moment, waits for the watchdog, says what it finds.

One file, standard library only. Reads an order from standard input, writes a report to standard output; both are JSON:

    {"command": [WORD, …], "input": TEXT,    what to run; without "command" it only waits and looks
     "after": SECONDS,                       kill it so long after its start
     "at_call": [NAME, NUMBER],              or when it is about to make this system call for that time
     "count": true,                          or let it end, and list its calls (those of CALLS)
     "loading": MOMENT,                      or while firewalld loads its rules, see MOMENTS, or so many seconds after
                                             its process began
     "firewalld": "goes on",                 which is held at that moment until the change is being taken back
     "firewalld": "dies",                    or killed then
     "group": true,                          kill its children with it
     "way_back": "watching",                 then kill the process that watches over the change
     "way_back": SECONDS,                    or so long after it began to take the change back
     "patience": SECONDS}                    how long the change may stay pending; null: do not wait for its end

    {"status": NUMBER,                       what it ended with; negative: killed
     "output": TEXT, "errors": TEXT, "seconds": NUMBER, "calls": [NAME, …],
     "phase": TEXT,                          what it was doing when it was killed
     "way_back": TEXT,                       how far the change was when the process that watches was killed; empty:
                                             there was none any more
     "settled": SECONDS,                     how long it took until nothing was pending; null: longer than "patience"
     "found": {NAME: TEXT}}                  files and live rules, in a form that can be compared
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Iterator

PENDING = Path("/var/lib/netwall/datadog/pending.json")
STATE = PENDING.with_name("state.json")
WAY_BACK = "netwall-datadog-way-back.service"
CALLS = "fsync,rename,unlink,symlink,mkdir,rmdir,flock,vfork,clone,clone3,wait4,sendto"
"""System calls of the module's own process between which something changes: files, locks, commands, messages."""
FILES = ("etc/ufw/**/*", "etc/default/ufw", "etc/firewalld/**/*", "etc/systemd/system/**/*")
SETTINGS = "proc/sys/net/ipv[46]/conf/*/accept_*"
RUN_LOCK = Path("/run/netwall-datadog.lock")
MOMENTS = ("program", "table", "rules")
"""Of a firewalld that starts: its program runs; its table is there, without a rule; its rules are.

At none of them can it be told to end in order: until it catches SIGTERM that kills it.
"""
_FIREWALLD = b"/usr/sbin/firewalld"
_LISTED = ("nft", "--terse", "list", "table", "inet", "firewalld")
# How long it runs between two looks, and how long it may take to begin.
_STEP, _BEGIN = 0.004, 60
# How long the way back has for its first words to a firewalld that is held.
_HELD = 0.6
_POLL = 0.02


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Run the module as ordered; what became of it."""
    command = order["command"]
    with tempfile.NamedTemporaryFile() as calls:
        trace = ["strace", "-qq", "-o", calls.name, "-e", "trace=" + CALLS]
        if "at_call" in order:
            # Only the module itself is traced: its children are not to be killed in its place.
            name, number = order["at_call"]
            command = [*trace, "-e", f"inject={name}:signal=KILL:when={number}", *command]
        elif order.get("count"):
            command = [*trace, *command]
        begin = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        output, errors, phase = talk(process, order)
        traced = Path(calls.name).read_text(encoding="utf-8", errors="replace")
    if "at_call" in order:
        phase = f"{journal_state()}, at {order['at_call'][0]}"
    return {
        "status": process.returncode,
        "output": output,
        "errors": errors,
        "seconds": time.monotonic() - begin,
        "calls": re.findall(r"(?m)^\w+(?=\()", traced),
        "phase": phase,
    }


def talk(process: subprocess.Popen[str], order: dict[str, Any]) -> tuple[str, str, str]:
    """Give the module its input, and the end that was ordered; its output, its errors and what it was doing then."""
    phase = ""
    if "loading" in order:
        assert process.stdin
        process.stdin.write(order["input"])
        process.stdin.close()
        process.stdin = None
        phase = kill_while_loading(process, order)
        return *process.communicate(), phase
    try:
        output, errors = process.communicate(order["input"], timeout=order.get("after"))
    except subprocess.TimeoutExpired:
        phase = stop_and_kill(process.pid, is_group=order.get("group", False))
        output, errors = "", ""
        if order.get("group"):
            output, errors = process.communicate()
        else:
            # Orphans may hold its pipes for as long as they run.
            process.wait()
    return output, errors, phase


def stop_and_kill(pid: int, *, is_group: bool) -> str:
    """Kill a process, or it and its children, at this very moment; what it was doing."""
    send = os.killpg if is_group else os.kill
    send(pid, signal.SIGSTOP)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    names = [Path(f"/proc/{child}/comm").read_text(encoding="utf-8").strip() for child in children]
    phase = ", ".join([journal_state(), *(f"{name} runs" for name in names)])
    send(pid, signal.SIGKILL)
    return phase


def kill_while_loading(process: subprocess.Popen[str], order: dict[str, Any]) -> str:
    """Kill the module and its children while firewalld loads; at which moment, empty if none was met."""
    firewalld = hold_firewalld(process, order["loading"])
    if firewalld is None:
        return ""
    os.killpg(process.pid, signal.SIGKILL)
    if order["firewalld"] == "goes on":
        begin = time.monotonic()
        while not is_taking_back() and time.monotonic() - begin < _BEGIN:
            time.sleep(_POLL)
        time.sleep(_HELD)
    with contextlib.suppress(ProcessLookupError):
        os.kill(firewalld, signal.SIGCONT if order["firewalld"] == "goes on" else signal.SIGKILL)
    return f"{order['loading']}, {order['firewalld']}"


def hold_firewalld(process: subprocess.Popen[str], moment: str | float) -> int | None:
    """Stop firewalld at a *moment* of its start, and leave it so; its process, None if it got past that moment."""
    firewalld = None
    begin = time.monotonic()
    while firewalld is None:
        if process.poll() is not None or time.monotonic() - begin > _BEGIN:
            return None
        firewalld = next(running(_FIREWALLD), None)
    begin = time.monotonic()
    while True:
        # However busy the machine is, a step is no longer than that, and nothing happens while we look.
        os.kill(firewalld, signal.SIGSTOP)
        if catches_end(firewalld):
            os.kill(firewalld, signal.SIGCONT)
            return None
        if moment == moment_of_loading() or (isinstance(moment, float) and time.monotonic() - begin >= moment):
            return firewalld
        os.kill(firewalld, signal.SIGCONT)
        time.sleep(_STEP)


def moment_of_loading() -> str:
    """Which of MOMENTS it is."""
    listed = subprocess.run(_LISTED, capture_output=True, text=True, check=False)
    return "program" if listed.returncode else "rules" if "chain " in listed.stdout else "table"


def catches_end(pid: int) -> bool:
    """Whether a process does something of its own about SIGTERM; not one that is gone."""
    with contextlib.suppress(OSError):
        caught = re.search(r"(?m)^SigCgt:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
        return bool(caught and int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def running(program: bytes) -> Iterator[int]:
    """The processes in which Python runs *program*."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes().split(b"\0")[1:2] == [program]:
                yield int(path.parent.name)


def journal_state() -> str:
    """How far the change is."""
    try:
        pending = json.loads(PENDING.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "not pending"
    return "applied, not confirmed" if pending.get("deadline") else "being applied"


def kill_way_back(moment: str | float, patience: float) -> str:
    """Kill the process that watches over the change, at once or so many seconds after it began to take it back."""
    begin = time.monotonic()
    if moment != "watching":
        while not is_taking_back() and PENDING.exists() and time.monotonic() - begin < patience:
            time.sleep(_POLL / 10)
        time.sleep(float(moment))
    watching = watchers()
    phase = f"{journal_state()}, {'being taken back' if is_taking_back() else 'watched'}" if watching else ""
    for pid in watching:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return phase


def watchers() -> list[int]:
    """The processes that watch over a change."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if words[1:3] == [bytes(PENDING.with_name("way-back.zip")), b"watch"]:
                found.append(int(path.parent.name))
    return found


def is_taking_back() -> bool:
    """Whether one of those has the lock under which a change is taken back."""
    with contextlib.suppress(FileNotFoundError):
        inode = RUN_LOCK.stat().st_ino
        locks = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
        holders = {int(words[4]) for words in locks if words[1] == "FLOCK" and words[5].endswith(f":{inode}")}
        return not holders.isdisjoint(watchers())
    return False


def settle(patience: float | None) -> float | None:
    """Wait until nothing is pending and nobody is at work; the seconds that took, None if it never came."""
    begin = time.monotonic()
    if patience is None:
        return 0
    while PENDING.exists() or not is_idle():
        if time.monotonic() - begin > patience:
            return None
        time.sleep(_POLL)
    return time.monotonic() - begin


def is_idle() -> bool:
    """Whether no run, and no command of a dead run, holds the lock; and no watchdog waits."""
    for path in Path("/run").glob("netwall-datadog*.lock"):
        with contextlib.suppress(FileNotFoundError), path.open(encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
    return True


def look() -> dict[str, str]:
    """Everything that a change may touch: name → text."""
    found = {}
    for pattern in FILES:
        for path in sorted(Path("/").glob(pattern)):
            if path.is_file() and says_rules(path.name):
                text = path.read_text(encoding="utf-8", errors="replace")
                found[str(path)] = f"{path.stat().st_mode:o}\n{as_meant(path.name, text)}"
    found[str(STATE)], stood_before = as_state(STATE.read_text(encoding="utf-8")) if STATE.exists() else ("", "")
    for program in ("iptables-save", "ip6tables-save"):
        found[program] = without_counters(printed(program))
    found["nft"] = as_chains(json.loads(printed("nft", "--json", "--stateless", "list", "ruleset"))["nftables"])
    settings = "".join(f"{path} {path.read_text()}" for path in sorted(Path("/").glob(SETTINGS)))
    found["settings"] = settings + stood_before
    return found


def says_rules(name: str) -> bool:
    """Whether a file called so may say what the rules are: the way back and what a killed write left do not.

    Both may wait for the next run.
    """
    return name != WAY_BACK and not re.fullmatch(r"\..+\.netwall", name)


def as_meant(name: str, text: str) -> str:
    """The *text* of the file called *name*; of ours that firewalld reads, and may write anew, what it means."""
    if not re.fullmatch(r"netwall-.+\.xml", name):
        return text
    try:
        return as_elements(ElementTree.fromstring(text))
    except ElementTree.ParseError:
        return text


def as_elements(element: ElementTree.Element, depth: int = 0) -> str:
    """An element of XML as lines, what is in it sorted."""
    said = {**element.attrib, "": (element.text or "").strip()}
    inside = "".join(sorted(as_elements(child, depth + 1) for child in element))
    return f"{'  ' * depth}{element.tag} {json.dumps(said, sort_keys=True)}\n{inside}"


def as_state(text: str) -> tuple[str, str]:
    """What state.json says, but for what differs from run to run; and of this what differs from boot to boot.

    That is what stood before the firewall was switched on: settings, and whether the kernel had tables already.
    """
    state = json.loads(text)
    stood_before = state.get("record", {}).pop("switched_on", None)
    kept = {key: state[key] for key in {*state} - {"time", "transaction"}}
    return json.dumps(kept, sort_keys=True, indent=1), json.dumps(stood_before, sort_keys=True, indent=1)


def litter() -> list[str]:
    """What has our name: the paths. (What lies in /tmp is Ansible's, what systemd keeps in memory ends with a unit.)"""
    places = ["/etc", "/run", "/usr/local", "/var/lib"]
    found = printed("find", *places, "-xdev", "-path", "/run/systemd", "-prune", "-o", "-iname", "*netwall*", "-print")
    return sorted(found.split())


def printed(*command: str) -> str:
    """What a command prints, empty where it is not installed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        return ""


def without_counters(text: str) -> str:
    """What iptables-save printed, without times, counters and tables that do nothing."""
    rules = re.sub(r"(?m)^#.*\n| \[\d+:\d+\]$", "", text)
    return re.sub(r"\*\w+\n(:\w+ ACCEPT\n)*COMMIT\n", "", rules)


def as_chains(objects: list[dict[str, Any]]) -> str:
    """What nft printed: chains and sets by name, elements sorted, rules in their order; no handles, no empty chains."""
    blocks: dict[str, list[str]] = {}
    for kind, value in (item for thing in objects for item in thing.items()):
        if kind in ("metainfo", "table"):
            continue
        said = {key: item for key, item in value.items() if key not in ("handle", "index")}
        if isinstance(said.get("elem"), list):
            said["elem"] = sorted(json.dumps(element, sort_keys=True) for element in said["elem"])
        place = f"{value['family']} {value['table']} {value.get('chain') or value['name']}"
        blocks.setdefault(place, []).append(f"{kind} {json.dumps(said, sort_keys=True)}\n")
    does_nothing = re.compile(r'chain .*"policy": "accept".*\n\Z')
    return "".join("".join(lines) for _place, lines in sorted(blocks.items()) if not does_nothing.match("".join(lines)))


def main() -> None:
    """Carry out one order."""
    order = json.load(sys.stdin)
    report = run(order) if "command" in order else {}
    if "way_back" in order:
        report["way_back"] = kill_way_back(order["way_back"], order["patience"])
    report["settled"] = settle(order["patience"])
    print(json.dumps({**report, "found": look(), "litter": litter()}))


if __name__ == "__main__":
    main()
