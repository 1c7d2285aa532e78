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
import re
import shutil
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import ufw_outbound, ufw_switch
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import (
    FirewallError,
    Outcome,
    Presence,
    Request,
    Rule,
    compile_rules,
    flow_changes,
    rules_of,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.management import (
    Standing,
    as_operator_rule,
    lets_more_out,
    peers_of,
    refuse_lockout,
    rules_to_keep,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.system import (
    encode,
    lock_if_free,
    put_back,
    read_text,
    wait_for,
    write_atomically,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_live import Live, restore
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_outbound import AFTER_PATHS
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_rules import (
    RulesFile,
    Tuple,
    as_tuple,
    operator_rules,
    parse,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import lets_more, overruled

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import Packet
    from ansible_collections.netwall.datadog.plugins.module_utils._flow import Flow

RULES_PATHS = {4: "/etc/ufw/user.rules", 6: "/etc/ufw/user6.rules"}
CONFIGURATION = "/etc/ufw/ufw.conf"
DEFAULTS = "/etc/default/ufw"
UFW_LOCK = "/run/ufw.lock"

_LOCK_TIMEOUT = 60.0
_ROOT = 0
# A host that is taken back may be cut off meanwhile, and who holds the lock may be asking somebody a question.
_LOCK_TIMEOUT_BACK = 2.0
# How often going back is looked at again because of commands that may have undone it.
_MOST_ROUNDS = 20
_KERNEL_HAS_IPV6 = "/proc/net/if_inet6"


class LockHeldError(FirewallError):
    """A command of ufw's keeps its lock."""


@dataclasses.dataclass(frozen=True)
class Host:
    """What stands on the host: ufw's files as texts by their path, and the kernel's tables.

    ``families`` are those that ufw looks after; a file of another may still have rules of ours, from before.
    """

    families: tuple[int, ...]
    texts: t.Mapping[str, str]
    live: t.Mapping[int, Live]

    @property
    def enabled(self) -> bool:
        """Whether ufw is switched on."""
        return _settings(self.texts[CONFIGURATION]).get("ENABLED", "no").lower() == "yes"

    @functools.cached_property
    def files(self) -> t.Mapping[int, RulesFile]:
        """The rules files taken apart."""
        return {
            family: parse(self.texts[path], family, path) for family, path in RULES_PATHS.items() if path in self.texts
        }

    @property
    def defaults(self) -> t.Mapping[str, str]:
        """The settings of /etc/default/ufw."""
        return _settings(self.texts[DEFAULTS])

    @property
    def log_level(self) -> str:
        """How much ufw logs, as its configuration says."""
        return _settings(self.texts[CONFIGURATION]).get("LOGLEVEL", "")

    @property
    def outbound(self) -> str:
        """What ufw does by default with outgoing traffic."""
        return ufw_outbound.policy_of(self.defaults)

    @property
    def ours(self) -> tuple[Rule, ...]:
        return tuple(rule for file in self.files.values() for rule in file.ours)

    def standing(self, outbound: str) -> Standing:
        """What decides packets beside our rules, once the default for outgoing ones is *outbound*."""
        inbound = "allow" if self.defaults.get("DEFAULT_INPUT_POLICY") == "ACCEPT" else "deny"
        return Standing(
            theirs=[rule for file in self.files.values() for rule in operator_rules(file)],
            defaults={"inbound": inbound, "outbound": "allow" if outbound == "allow" else "deny"},
            families=self.families,
        )


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run will do: the rules to have, the files' new texts (only those that change), the tables' edits."""

    host: Host
    rules: tuple[Rule, ...]
    texts: t.Mapping[str, str]
    edits: t.Mapping[int, list[str]]
    switch_on: bool
    switch_off: bool
    standing: Standing
    ours_first: bool
    switched_on: t.Mapping[str, t.Any]
    record: dict[str, t.Any]
    outcome: Outcome
    ufw: Ufw | None = None

    @property
    def snapshot(self) -> dict[str, t.Any]:
        return {
            "enabled": self.host.enabled,
            "texts": {path: self.host.texts[path] for path in self._written},
            "chains": {str(family): live.user_chains() for family, live in self.host.live.items()},
            "switches_off": self.switch_off,
            "rules": [dataclasses.asdict(rule) for rule in self.rules],
            "switched_on": self.switched_on,
        }

    @property
    def _written(self) -> t.Iterable[str]:
        """The files that we may write, and what ufw rewrites when it is switched, which a power cut may damage.

        All rules files are among them: others may make us change the second in a later round, and one that stands in
        the kernel is put back in the order of the file.
        """
        rewritten = (CONFIGURATION,) if self.switch_on or self.switch_off else ()
        paths = (*rewritten, *RULES_PATHS.values(), *self.texts)
        return dict.fromkeys(path for path in paths if path in self.host.texts)

    def apply(self, step: t.Callable[[str], None]) -> None:
        ufw = self.ufw or Ufw()
        if self.switch_off:
            step("Switching ufw off")
            with ufw.released():
                ufw_switch.switch_off(self.switched_on, self.host.enabled)
        for family, lines in self.edits.items():
            step(f"Loading the IPv{family} rules")
            restore(family, lines)
        for path, text in self.texts.items():
            step(f"Writing {path}")
            write_atomically(path, encode(text))
        if self.switch_on:
            step("Switching ufw on")
            with ufw.released():
                ufw_switch.switch_on()
            _refuse_unloaded(*map(Live.read, self.host.families))
        ufw.has_applied(self)

    def lets(self, packet: Packet) -> bool:
        return self.standing.lets(packet, [as_operator_rule(rule) for rule in self.rules], self.ours_first)


class Ufw:
    """The ufw of this host; see :class:`Backend`."""

    name = "ufw"

    def __init__(self) -> None:
        self._known: tuple[Rule, ...] = ()
        self._released: t.Callable[[], t.ContextManager[None]] = contextlib.nullcontext
        self._at_work: set[tuple[str, str]] = set()

    def presence(self) -> Presence:
        if not shutil.which("ufw", path="/usr/sbin:/sbin:/usr/bin:/bin"):
            return Presence()
        with contextlib.suppress(FirewallError):
            if _is_enabled():
                return Presence(True, Live.read(4).is_loaded, True)
        return Presence(is_installed=True)

    @contextlib.contextmanager
    def exclusive(self, timeout: float | None = None) -> t.Iterator[None]:
        """Keep ufw's commands waiting, but for those that had read its files when we wrote them.

        Such a command writes back what it read; it is waited for here, so that the next look sees what it did. Who
        starts later reads what we wrote.
        """
        with _ufw_lock(timeout or _LOCK_TIMEOUT) as self._released:
            yield
        if self._at_work:
            _wait_for_end(self._at_work)

    def released(self) -> t.ContextManager[None]:
        """Let ufw's commands run for a moment, for one of our own."""
        return self._released()

    def has_applied(self, plan: Plan) -> None:
        """Remember what *plan* put into the kernel, and who may undo it."""
        self._known = tuple(dict.fromkeys((*self._known, *plan.host.ours, *plan.rules)))
        self._at_work = _ufw_commands()

    def plan(self, request: Request, record: t.Mapping[str, t.Any]) -> Plan:
        ufw_switch.check(record.get("switched_on"))
        plan = make_plan(_read_host(), request, record, self._known)
        if plan.switch_on:
            ufw_switch.refuse_to_switch_on(plan.host.defaults)
            before = plan.switched_on or ufw_switch.remember(plan.host.defaults, RULES_PATHS)
            switched_on = {**before, "peers": peers_of(request)}
            plan = dataclasses.replace(
                plan, record={**plan.record, "switched_on": switched_on}, switched_on=switched_on
            )
        return dataclasses.replace(plan, ufw=self)

    def restore(self, snapshot: t.Mapping[str, t.Any]) -> None:
        waited_for: set[tuple[str, str]] = set()
        for _round in range(_MOST_ROUNDS):
            try:
                with self.exclusive(_LOCK_TIMEOUT_BACK):
                    self._put_back(snapshot, has_lock=True)
                    # One that does not end, because it waits for an answer, is waited for once.
                    self._at_work = _ufw_commands() - waited_for
            except LockHeldError:
                # That the host can be reached comes first. What the lock's holder writes back, the next attempt mends.
                self._put_back(snapshot, has_lock=False)
                raise
            if not self._at_work:
                return
            # They have ended, but may have read our files before, and written them back since.
            waited_for |= self._at_work
        raise FirewallError("ufw commands keep coming, and may undo what was put back; try again later.")

    def _put_back(self, snapshot: t.Mapping[str, t.Any], has_lock: bool) -> None:
        for path, text in snapshot["texts"].items():
            if _is_damaged(path):
                # ufw's commands would stumble over it.
                put_back(path, encode(text))
        before = snapshot["switched_on"]
        if before and not snapshot["enabled"] and (_is_enabled() or ufw_switch.has_chains(before)):
            with self.released():
                # Its commands would wait for the lock.
                ufw_switch.switch_off(before, has_lock)
        for path in snapshot["texts"]:
            # A ufw that was on is told by it whether it has to be started again.
            if path != CONFIGURATION or not snapshot["enabled"]:
                put_back(path, encode(_merged(path, snapshot["texts"])))
        if snapshot["enabled"]:
            self._load_again(snapshot)

    def _load_again(self, snapshot: t.Mapping[str, t.Any]) -> None:
        host = _read_files()
        if not (host.enabled or snapshot["switches_off"]):
            # It was on, and it was not us who switched it off: that is for its operator to say.
            return
        live = {family: Live.read(family) for family in host.families}
        has_chains = any(table.has_user_chains for table in live.values())
        is_loaded = all(table.is_loaded for table in live.values())
        if not host.enabled or (has_chains and not is_loaded):
            with self.released():
                ufw_switch.start_afresh()
            _refuse_unloaded(*map(Live.read, host.families))
        elif is_loaded:
            rules = [Rule(**{**rule, "flows": tuple(rule["flows"])}) for rule in snapshot["rules"]]
            known = tuple(dict.fromkeys((*rules, *host.ours)))
            tables = {**_left_over(host.families, host.enabled), **live}
            for family in tables.keys() & {int(number) for number in snapshot["chains"]}:
                restore(family, _edit_back(host, tables[family], snapshot, known))


def make_plan(host: Host, request: Request, record: t.Mapping[str, t.Any], known: tuple[Rule, ...] = ()) -> Plan:
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
    switch_off = absent and "switched_on" in record
    outbound = _outbound(host, request, record)
    standing = host.standing(outbound["set"])
    warnings: list[str] = []
    rules = () if absent else _wanted(host, request, record, switch_on, standing, warnings)
    more = _more_than(request.flows, host) if not absent and request.default_outbound == "deny" else []
    if more:
        warnings.append(lets_more_out(more))
    stays_on = host.enabled and not switch_off
    if switch_on or stays_on:
        refuse_lockout(request, standing, rules, None if switch_on else host.ours)
    texts = _texts(host, request, record, rules, outbound["set"])
    edits = _edits(host, request, rules, {**host.texts, **texts}, known) if stays_on else {}
    added, removed, unchanged = flow_changes(host.ours, rules, request.flows)
    before = tuple(str(rule) for rule in compile_rules(host.ours))
    after = tuple(str(rule) for rule in rules)
    incoming = f"incoming: {'allowed' if standing.defaults['inbound'] == 'allow' else 'denied'} by default"
    is_managed = not absent and outbound["set"] != outbound["before"]
    return Plan(
        host=host,
        rules=rules,
        texts=texts,
        edits=edits,
        switch_on=switch_on,
        switch_off=switch_off,
        standing=standing,
        ours_first=request.precedence == "ours",
        switched_on=record.get("switched_on", {}),
        record={
            **({"switched_on": record["switched_on"]} if "switched_on" in record and not absent else {}),
            **({"outbound": outbound} if is_managed else {}),
        },
        outcome=Outcome(
            added=added,
            removed=removed,
            unchanged=unchanged,
            shadowed=() if absent else _shadowed(request, standing),
            warnings=tuple(warnings),
            before=(
                f"ufw is {'on' if host.enabled else 'off'}",
                f"outgoing: {host.outbound} by default",
                *([incoming] if host.enabled else []),
                *_misplaced(host, request, rules),
                *before,
            ),
            after=(
                f"ufw is {'on' if switch_on or stays_on else 'off'}",
                f"outgoing: {outbound['set']} by default",
                *([incoming] if switch_on or stays_on else []),
                *after,
            ),
            changed=bool(texts or edits or switch_on or switch_off),
        ),
    )


def _outbound(host: Host, request: Request, record: t.Mapping[str, t.Any]) -> dict[str, str]:
    """What happens to outgoing traffic that no rule names: as it was ``before`` us, and as it shall be ``set``."""
    now = host.outbound
    ours = record.get("outbound")
    # One that somebody changed since we set it is theirs.
    before = ours["before"] if ours and ours["set"] == now else now
    if request.state == "absent" or request.default_outbound == "unmanaged":
        return {"before": before, "set": before}
    if request.default_outbound == "deny" and before != "allow":
        return {"before": before, "set": before}
    return {"before": before, "set": request.default_outbound}


def _texts(
    host: Host, request: Request, record: t.Mapping[str, t.Any], rules: tuple[Rule, ...], outbound: str
) -> dict[str, str]:
    """The files that change, by path."""
    texts = {}
    if outbound != host.outbound:
        texts[DEFAULTS] = ufw_outbound.with_policy(host.texts[DEFAULTS], outbound)
    is_off_again = request.state == "absent" and "switched_on" in record
    lets_protocols = request.state == "present" and request.default_outbound == "deny"
    for family, path in AFTER_PATHS.items():
        if path in host.texts:
            texts[path] = ufw_outbound.with_block(host.texts[path], family, lets_protocols)
    for family, file in host.files.items():
        mine = tuple(rule for rule in rules if rule.family == family)
        if is_off_again:
            text = _as_before(record["switched_on"], file)
        elif mine != file.ours or request.precedence not in file.in_place or not file.is_intact:
            text = file.with_rules(mine, request.precedence)
        else:
            text = host.texts[RULES_PATHS[family]]
        if outbound != host.outbound and not is_off_again:
            text = ufw_outbound.with_logging(text, family, outbound, host.log_level)
        texts[RULES_PATHS[family]] = text
    return {path: text for path, text in texts.items() if text != host.texts[path]}


def _edits(
    host: Host, request: Request, rules: tuple[Rule, ...], texts: t.Mapping[str, str], known: tuple[Rule, ...]
) -> dict[int, list[str]]:
    """What changes in the kernel, by family: the lines of one transaction each. *texts* are the files as they shall be.

    What ufw does by default is looked at only where it is ours to say: an operator's own chains may be others.
    """
    candidates = tuple(dict.fromkeys((*host.ours, *known)))
    outbound = ufw_outbound.policy_of(_settings(texts[DEFAULTS]))
    is_ours = request.default_outbound != "unmanaged" or any(
        texts[path] != host.texts[path] for path in (DEFAULTS, *AFTER_PATHS.values()) if path in texts
    )
    edits = {}
    for family, live in host.live.items():
        foreign = host.files[family].foreign_lines if family in host.files else []
        lines = live.edit(candidates, rules, request.precedence, foreign)
        if is_ours and family in host.families:
            lines += ufw_outbound.live_lines(live, outbound, host.log_level, texts[AFTER_PATHS[family]])
        if lines:
            edits[family] = lines
    return edits


def _edit_back(host: Host, live: Live, snapshot: t.Mapping[str, t.Any], known: tuple[Rule, ...]) -> list[str]:
    """What brings *live* back to *snapshot*, once the files of *host* are; *known* are all rules that are ours."""
    file = host.files.get(live.family)
    ours, theirs, in_place = (file.ours, file.foreign_lines, file.in_place) if file else ((), [], ("theirs",))
    precedence = "theirs" if "theirs" in in_place else "ours"
    lines = live.edit_back(snapshot["chains"][str(live.family)], known, ours, precedence, theirs)
    had_default = not snapshot["texts"].keys().isdisjoint((DEFAULTS, *AFTER_PATHS.values()))
    if had_default and live.family in host.families:
        after = host.texts[AFTER_PATHS[live.family]]
        lines += ufw_outbound.live_lines(live, host.outbound, host.log_level, after)
    return lines


def _misplaced(host: Host, request: Request, rules: tuple[Rule, ...]) -> list[str]:
    """The line of the diff without which a run that only moves our rules would look like none."""
    in_place = all(request.precedence in file.in_place for file in host.files.values())
    side = "before" if request.precedence == "theirs" else "behind"
    return [] if in_place or not rules else [f"rules of ours stand {side} rules of others"]


def _as_before(switched_on: t.Mapping[str, t.Any], file: RulesFile) -> str:
    """*file* without our rules; to the byte what it was before us, if nobody else changed their rules since."""
    recorded = switched_on["files"].get(str(file.family))
    if recorded:
        text = base64.b64decode(recorded).decode("utf-8", "surrogateescape")
        original = parse(text, file.family, RULES_PATHS[file.family])
        if [*map(_said, original.theirs)] == [*map(_said, file.theirs)]:
            file = original
    return file.with_rules((), "theirs")


def _merged(path: str, texts: t.Mapping[str, str]) -> str:
    """The file at *path* as it was when the files held *texts*, but for what others changed in it since."""
    old = texts[path]
    now = read_text(path) if os.path.exists(path) else old
    if path == CONFIGURATION:
        enabled = _settings(old).get("ENABLED", "no")
        return re.sub(r"^(ENABLED=).*$", lambda found: found.group(1) + enabled, now, flags=re.MULTILINE)
    if path == DEFAULTS:
        return ufw_outbound.with_policy(now, ufw_outbound.policy_of(_settings(old)))
    for family, rules_path in RULES_PATHS.items():
        if path == AFTER_PATHS[family]:
            return ufw_outbound.with_block(now, family, ufw_outbound.has_block(old))
        if path == rules_path:
            return _merged_rules(parse(old, family, path), parse(now, family, path), texts)
    return old


def _merged_rules(before: RulesFile, now: RulesFile, texts: t.Mapping[str, str]) -> str:
    """*before*, or where others changed their rules since, *now* with our rules of *before*; *texts* as above."""
    if [*map(_said, before.theirs)] == [*map(_said, now.theirs)]:
        return texts[RULES_PATHS[before.family]]
    text = now.with_rules(before.ours, "theirs" if "theirs" in before.in_place else "ours")
    if DEFAULTS not in texts:
        return text
    # With the default we changed what is logged of the packets that meet it.
    level = _settings(read_text(CONFIGURATION)).get("LOGLEVEL", "")
    return ufw_outbound.with_logging(text, before.family, ufw_outbound.policy_of(_settings(texts[DEFAULTS])), level)


def _is_damaged(path: str) -> bool:
    """Whether the file at *path* is not whole: ufw flushes nothing, so that a power cut may leave it empty or short."""
    if not os.path.exists(path):
        return True
    text = read_text(path)
    if path in RULES_PATHS.values():
        return "### RULES ###" not in text or "\nCOMMIT" not in text
    return not text.strip("\0 \n")


def _said(found: Tuple) -> tuple[t.Any, ...]:
    return (found.match, found.action, found.comment)


def _wanted(
    host: Host,
    request: Request,
    record: t.Mapping[str, t.Any],
    switch_on: bool,
    standing: Standing,
    warnings: list[str],
) -> tuple[Rule, ...]:
    wanted = [rule for flow in request.flows for rule in rules_of(flow)]
    # The sessions that are open while ufw comes on; a later run, from wherever, changes nothing about them.
    peers = peers_of(request) if switch_on else record.get("switched_on", {}).get("peers", [])
    rules = compile_rules([*wanted, *rules_to_keep(request, standing, wanted, peers, host.ours)])
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


def _more_than(flows: t.Sequence[Flow], host: Host) -> list[str]:
    """The rules of others on *host*, as ufw is told them, that let out what none of *flows* does."""
    names: dict[str, None] = {}
    for file in host.files.values():
        judged = {rule.text: rule for rule in operator_rules(file)}
        for found in file.theirs:
            # One that is not judged is of a protocol that no flow has.
            if found.lets_out and (found.line not in judged or lets_more(judged[found.line], flows)):
                names[f"'{found}'"] = None
    return list(names)


def _shadowed(request: Request, standing: Standing) -> tuple[str, ...]:
    if request.precedence == "ours":
        return ()
    return tuple(sorted({flow.id for flow in request.flows if overruled(flow, standing.theirs)}))


def _read_host() -> Host:
    host = _read_files()
    live = {family: Live.read(family) for family in host.families} if host.enabled else {}
    _refuse_unloaded(*live.values())
    return dataclasses.replace(host, live={**_left_over(host.families, host.enabled), **live})


def _read_files() -> Host:
    defaults = read_text(DEFAULTS)
    does_ipv6 = _settings(defaults).get("IPV6", "no").lower() == "yes" and os.path.exists(_KERNEL_HAS_IPV6)
    families = (4, 6) if does_ipv6 else (4,)
    needed = [path for family in families for path in (RULES_PATHS[family], AFTER_PATHS[family])]
    others = [path for path in (*RULES_PATHS.values(), *AFTER_PATHS.values()) if os.path.exists(path)]
    paths = dict.fromkeys((CONFIGURATION, *needed, *others))
    return Host(families=families, texts={DEFAULTS: defaults, **{path: read_text(path) for path in paths}}, live={})


def _is_enabled() -> bool:
    return _settings(read_text(CONFIGURATION)).get("ENABLED", "no").lower() == "yes"


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


def _settings(text: str) -> dict[str, str]:
    """The variables that the shell assignments in *text* set."""
    pairs = (line.partition("=") for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, equals, value in pairs if equals}


@contextlib.contextmanager
def _ufw_lock(timeout: float) -> t.Iterator[t.Callable[[], t.ContextManager[None]]]:
    """Keep ufw's commands waiting; what is yielded lets them run for a moment, for a command of our own.

    It is a POSIX lock: any other descriptor of the file that this process closes would drop it.
    """
    with open(UFW_LOCK, "a", encoding="ascii") as file:
        # Who may read it may lock it, too.
        os.fchmod(file.fileno(), 0o600)

        def take() -> None:
            wait_for(
                lambda: lock_if_free(file, fcntl.lockf),
                timeout,
                f"A ufw command has held {UFW_LOCK} for {timeout:g} seconds; try again when it is done.",
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
        try:
            wait_for(nobody_waits, timeout, "ufw commands keep coming, so our turn never came; try again later.")
        except FirewallError as error:
            raise LockHeldError(str(error)) from error
        yield released


def _ufw_commands() -> set[tuple[str, str]]:
    """The ufw commands at work on this host, each by its process id and start time."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError):
            with open(f"/proc/{pid}/cmdline", "rb") as command:
                words = [os.path.basename(word) for word in command.read().split(b"\0")[:3]]
            # It is a Python script of root's; an editor of a file of that name, or a "watch ufw", is none.
            if os.stat(f"/proc/{pid}").st_uid == _ROOT and words[0].startswith(b"python") and b"ufw" in words[1:]:
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
