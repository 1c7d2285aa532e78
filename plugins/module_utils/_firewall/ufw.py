# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""ufw: flows as rules in ufw's own files and chains, marked by their comment, reconciled in one go.

How ufw really behaves, and why this goes around its command, stands in docs/ufw.md.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import fcntl
import functools
import os
import shutil
import time
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import ufw_switch
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import (
    FirewallError,
    Outcome,
    Request,
    Rule,
    compile_rules,
    flow_changes,
    rules_of,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.management import (
    Standing,
    peer_of,
    refuse_lockout,
    rules_to_keep,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.transaction import (
    Transaction,
    load_state,
    lock_if_free,
    one_run_at_a_time,
    read_text,
    save_state,
    wait_for,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_live import Live, restore
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_rules import (
    RulesFile,
    Tuple,
    as_tuple,
    operator_rules,
    parse,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import overruled

RULES_PATHS = {4: "/etc/ufw/user.rules", 6: "/etc/ufw/user6.rules"}
CONFIGURATION = "/etc/ufw/ufw.conf"
DEFAULTS = "/etc/default/ufw"
UFW_LOCK = "/run/ufw.lock"

_LOCK_TIMEOUT = 60.0
_KERNEL_HAS_IPV6 = "/proc/net/if_inet6"


@dataclasses.dataclass(frozen=True)
class Host:
    """What stands on the host: the rules files taken apart, the kernel's tables, our own records.

    ``families`` are those that ufw looks after; a file of another may still have rules of ours, from before.
    """

    enabled: bool
    defaults: t.Mapping[str, str]
    families: tuple[int, ...]
    files: t.Mapping[int, RulesFile]
    live: t.Mapping[int, Live]
    state: t.Mapping[str, t.Any]

    @property
    def ours(self) -> tuple[Rule, ...]:
        return tuple(rule for file in self.files.values() for rule in file.ours)

    @property
    def standing(self) -> Standing:
        names = {"inbound": "DEFAULT_INPUT_POLICY", "outbound": "DEFAULT_OUTPUT_POLICY"}
        return Standing(
            theirs=[rule for file in self.files.values() for rule in operator_rules(file)],
            defaults={way: "allow" if self.defaults.get(name) == "ACCEPT" else "deny" for way, name in names.items()},
            families=self.families,
        )


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run will do: the rules to have, the files' new texts (only those that change), the chains' edits."""

    rules: tuple[Rule, ...]
    texts: t.Mapping[int, str]
    edits: t.Mapping[int, list[str]]
    switch_on: bool
    switch_off: bool
    outcome: Outcome


class Ufw:
    """The ufw of this host; see :class:`Backend`."""

    name = "ufw"

    def is_installed(self) -> bool:
        return bool(shutil.which("ufw", path="/usr/sbin:/sbin:/usr/bin:/bin"))

    def reconcile(self, request: Request, check_mode: bool) -> Outcome:
        if check_mode:
            return _planned(_read_host(), request).outcome
        with one_run_at_a_time(_LOCK_TIMEOUT):
            return self._reconcile(request)

    def _reconcile(self, request: Request) -> Outcome:
        """Change until a look finds nothing to change.

        A ufw command reads the files before it takes the lock. One that had read them when we wrote writes back what
        it read, so the look waits for those to end; who starts later reads what we wrote.
        """
        first: Outcome | None = None
        known: tuple[Rule, ...] = ()
        deadline = time.monotonic() + _LOCK_TIMEOUT
        while True:
            with _ufw_lock() as released:
                host = _read_host()
                plan = _planned(host, request, known)
                if not plan.outcome.changed:
                    return first or plan.outcome
                if time.monotonic() > deadline:
                    raise FirewallError(
                        f"Something keeps rewriting {RULES_PATHS[4]}: for {_LOCK_TIMEOUT:g} seconds our rules have not "
                        "stayed; find it, and run this again."
                    )
                _apply(host, plan, request, released)
                at_work = _ufw_commands()
            _wait_for_end(at_work)
            first = first or plan.outcome
            known = tuple(dict.fromkeys((*known, *host.ours, *plan.rules)))


def _planned(host: Host, request: Request, known: tuple[Rule, ...] = ()) -> Plan:
    plan = make_plan(host, request, known)
    if plan.switch_on:
        ufw_switch.refuse_to_switch_on(host.defaults)
    return plan


def make_plan(host: Host, request: Request, known: tuple[Rule, ...] = ()) -> Plan:
    """What brings *host* to *request*; raises :class:`FirewallError` where that must not be done.

    *known* are rules of ours that may be live without standing in the files any more.
    """
    absent = request.state == "absent"
    if not (absent or host.enabled or request.enable):
        raise FirewallError(
            "ufw is installed but switched off, so no rule would have an effect; set 'enable: true' to have it "
            "switched on (what comes in is then refused unless a rule allows it), or run 'ufw enable' yourself."
        )
    switch_on = not absent and not host.enabled
    switch_off = absent and "switched_on" in host.state
    warnings: list[str] = []
    rules = () if absent else _wanted(host, request, switch_on, warnings)
    stays_on = host.enabled and not switch_off
    if switch_on or stays_on:
        refuse_lockout(request, host.standing, rules, None if switch_on else host.ours)
    texts = {}
    for family, file in host.files.items():
        mine = tuple(rule for rule in rules if rule.family == family)
        if mine != file.ours or request.precedence not in file.in_place or not file.is_intact:
            texts[family] = file.with_rules(mine, request.precedence)
        if switch_off:
            texts[family] = _as_before(host, file)
    candidates = tuple(dict.fromkeys((*host.ours, *known)))
    edits = {
        family: lines
        for family, live in host.live.items()
        for lines in [
            live.edit(candidates, rules, request.precedence, host.files[family].foreign_lines) if stays_on else []
        ]
        if lines
    }
    added, removed, unchanged = flow_changes(host.ours, rules, request.flows)
    before = tuple(str(rule) for rule in compile_rules(host.ours))
    after = tuple(str(rule) for rule in rules)
    return Plan(
        rules=rules,
        texts=texts,
        edits=edits,
        switch_on=switch_on,
        switch_off=switch_off,
        outcome=Outcome(
            added=added,
            removed=removed,
            unchanged=unchanged,
            shadowed=() if absent else _shadowed(host, request),
            warnings=tuple(warnings),
            before=(f"ufw is {'on' if host.enabled else 'off'}", *_misplaced(host, request, rules), *before),
            after=(f"ufw is {'on' if switch_on or stays_on else 'off'}", *after),
            changed=bool(texts or edits or switch_on or switch_off or (absent and host.state)),
        ),
    )


def _misplaced(host: Host, request: Request, rules: tuple[Rule, ...]) -> list[str]:
    """The line of the diff without which a run that only moves our rules would look like none."""
    in_place = all(request.precedence in file.in_place for file in host.files.values())
    side = "before" if request.precedence == "theirs" else "behind"
    return [] if in_place or not rules else [f"rules of ours stand {side} rules of others"]


def _as_before(host: Host, file: RulesFile) -> str:
    """*file* without our rules; to the byte what it was before us, if nobody else changed their rules since."""
    recorded = host.state["switched_on"]["files"].get(str(file.family))
    if recorded:
        text = base64.b64decode(recorded).decode("utf-8", "surrogateescape")
        original = parse(text, file.family, RULES_PATHS[file.family])
        if [*map(_said, original.theirs)] == [*map(_said, file.theirs)]:
            file = original
    return file.with_rules((), "theirs")


def _said(found: Tuple) -> tuple[t.Any, ...]:
    return (found.match, found.action, found.comment)


def _wanted(host: Host, request: Request, switch_on: bool, warnings: list[str]) -> tuple[Rule, ...]:
    wanted = [rule for flow in request.flows for rule in rules_of(flow)]
    # The session that is open while ufw comes on; a later run, from wherever, changes nothing about it.
    peer = peer_of(request) if switch_on else host.state.get("switched_on", {}).get("peer")
    rules = compile_rules([*wanted, *rules_to_keep(request, host.standing, wanted, peer)])
    if request.management and not request.session and (switch_on or request.management_networks):
        warnings.append(
            "This play came in over no network connection, so no port was kept open for one: make sure that a rule "
            "lets you in."
        )
    if 6 not in host.families and any(rule.family == 6 for rule in wanted):
        warnings.append(
            f"ufw does no IPv6 on this host (IPV6=no in {DEFAULTS}, or a kernel without it), so the IPv6 networks of "
            "the flows were left out."
        )
    rules = tuple(rule for rule in rules if rule.family in host.families)
    if request.precedence == "ours":
        return rules
    # Judged after theirs, a rule that says the same as one of theirs would decide nothing, and ufw drops doubles.
    taken = {(file.family, found.match) for file in host.files.values() for found in file.theirs}
    return tuple(rule for rule in rules if (rule.family, as_tuple(rule).match) not in taken)


def _shadowed(host: Host, request: Request) -> tuple[str, ...]:
    if request.precedence == "ours":
        return ()
    theirs = host.standing.theirs
    return tuple(sorted({flow.id for flow in request.flows if overruled(flow, theirs)}))


def _read_host() -> Host:
    enabled = _settings(CONFIGURATION).get("ENABLED", "no").lower() == "yes"
    defaults = _settings(DEFAULTS)
    families = (4, 6) if defaults.get("IPV6", "no").lower() == "yes" and os.path.exists(_KERNEL_HAS_IPV6) else (4,)
    live = {family: Live.read(family) for family in families} if enabled else {}
    _refuse_unloaded(*live.values())
    state = load_state()
    ufw_switch.check(state.get("switched_on"))
    return Host(
        enabled=enabled,
        defaults=defaults,
        families=families,
        files={
            family: parse(read_text(path), family, path)
            for family, path in RULES_PATHS.items()
            if family in families or os.path.exists(path)
        },
        live={**_left_over(families, enabled), **live},
        state=state,
    )


def _left_over(families: tuple[int, ...], enabled: bool) -> dict[int, Live]:
    """The tables of families that ufw no longer looks after, where its chains still stand in them."""
    tables: dict[int, Live] = {}
    for family in set(RULES_PATHS) - set(families) if enabled else ():
        with contextlib.suppress(FirewallError):
            tables[family] = Live.read(family)
    return {family: table for family, table in tables.items() if table.is_loaded}


def _refuse_unloaded(*tables: Live) -> None:
    for table in tables:
        if not table.is_loaded:
            raise FirewallError(
                f"ufw is switched on, but its IPv{table.family} rules are not in the kernel (or stand in the other of "
                "iptables' two variants), and rules put there now would do nothing; see 'ufw status', run 'ufw reload'."
            )


def _settings(path: str) -> dict[str, str]:
    """The variables that a file of shell assignments sets."""
    pairs = (line.partition("=") for line in read_text(path).splitlines() if not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, equals, value in pairs if equals}


def _apply(host: Host, plan: Plan, request: Request, released: t.Callable[[], t.ContextManager[None]]) -> None:
    old_state = dict(host.state)
    before = old_state.get("switched_on", {})

    def switch_on() -> None:
        with released():
            ufw_switch.switch_on()

    def switch_off(running: bool) -> None:
        with released():
            ufw_switch.switch_off(before, running)

    with Transaction() as transaction:
        if plan.switch_off:
            transaction.step("Switching ufw off", switch_on if host.enabled else None)
            switch_off(host.enabled)
        if plan.switch_on:
            transaction.step("Recording what stood before us", lambda: save_state(old_state))
            before = {**(before or ufw_switch.remember(host.defaults, RULES_PATHS)), "peer": peer_of(request)}
            save_state({**old_state, "switched_on": before})
        _load(transaction, host, plan, request)
        if plan.switch_on:
            transaction.step("Switching ufw on", functools.partial(switch_off, True))
            switch_on()
            _refuse_unloaded(*map(Live.read, host.families))
        if request.state == "absent":
            transaction.step("Removing our records", lambda: save_state(old_state))
            save_state({})


def _load(transaction: Transaction, host: Host, plan: Plan, request: Request) -> None:
    # The kernel first: cut off between the two, the host comes up with the old rules, and the next run, which knows
    # its own rules in the kernel, goes on from here.
    for family, lines in plan.edits.items():
        transaction.step(f"Loading the IPv{family} rules", functools.partial(_unload, host, plan, request, family))
        restore(family, lines)
    for family, text in plan.texts.items():
        transaction.write(RULES_PATHS[family], text)


def _unload(host: Host, plan: Plan, request: Request, family: int) -> None:
    """Give the kernel the rules of ours that it had, wherever loading the new ones stopped."""
    other = "ours" if request.precedence == "theirs" else "theirs"
    kept_place = all(request.precedence in file.in_place for file in host.files.values())
    known = dict.fromkeys((*host.ours, *plan.rules))
    place = request.precedence if kept_place else other
    restore(family, Live.read(family).edit(known, host.ours, place, host.files[family].foreign_lines))


@contextlib.contextmanager
def _ufw_lock() -> t.Iterator[t.Callable[[], t.ContextManager[None]]]:
    """Keep ufw's commands waiting; what is yielded lets them run for a moment, for a command of our own.

    It is a POSIX lock: any other descriptor of the file that this process closes would drop it.
    """
    with open(UFW_LOCK, "a", encoding="ascii") as file:

        def take() -> None:
            wait_for(
                lambda: lock_if_free(file, fcntl.lockf),
                _LOCK_TIMEOUT,
                f"A ufw command has held {UFW_LOCK} for {_LOCK_TIMEOUT:g} seconds; try again when it is done.",
            )

        @contextlib.contextmanager
        def released() -> t.Iterator[None]:
            fcntl.lockf(file, fcntl.LOCK_UN)
            yield
            take()

        def nobody_waits() -> bool:
            take()
            if not _has_waiters(file.fileno()):
                return True
            fcntl.lockf(file, fcntl.LOCK_UN)
            return False

        # Who waits has read the files already and would write back what it read, so let it go first.
        wait_for(nobody_waits, _LOCK_TIMEOUT, "ufw commands keep coming, so our turn never came; try again later.")
        yield released


def _ufw_commands() -> set[tuple[str, str]]:
    """The ufw commands at work on this host, each by its process id and start time."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError):
            with open(f"/proc/{pid}/cmdline", "rb") as command:
                words = [os.path.basename(word) for word in command.read().split(b"\0")[:3]]
            # It is a Python script; an editor of a file of that name, or a "watch ufw", is none.
            if words[0].startswith(b"python") and b"ufw" in words[1:]:
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
                    found.add((pid, stat.read().rpartition(")")[2].split()[19]))
    return found


def _wait_for_end(commands: set[tuple[str, str]]) -> None:
    with contextlib.suppress(FirewallError):
        wait_for(lambda: not commands & _ufw_commands(), _LOCK_TIMEOUT, "A ufw command does not end.")


def _has_waiters(descriptor: int) -> bool:
    inode = f":{os.fstat(descriptor).st_ino}"
    try:
        with open("/proc/locks", encoding="ascii") as locks:
            rows = [line.split() for line in locks]
    except OSError:
        return False
    return any("->" in row and any(field.endswith(inode) for field in row) for row in rows)
