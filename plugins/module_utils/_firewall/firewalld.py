# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""firewalld: flows as policies and ipsets of its own kind, in files of our own, brought to life without a gap.

How firewalld really behaves, and why it is driven like this, stands in docs/firewalld.md.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import shutil
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import firewalld_switch, regions
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
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_config import (
    Configuration,
    after_reload,
    lost_by_reload,
    read_configurations,
    read_daemon,
    revived_by_reload,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_files import (
    FOLDER,
    LAST_PLACE,
    PLACES,
    Layout,
    canonical,
    compile_layout,
    decides,
    denies_outbound,
    is_ours,
    keep_if_same,
    parse_files,
    rules_in,
    texts_of,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_live import (
    all_moves,
    make,
    read_live,
    reload,
    state,
    wait_until_noticed,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_refusals import (
    OLDEST,
    refuse_broken_files,
    refuse_daemon,
    refuse_missing_ipset,
    refuse_wiped_rules,
    saved_rules,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_theirs import (
    TheirStanding,
    unjudged,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.management import (
    Judge,
    Standing,
    as_operator_rule,
    lets_more_out,
    peers_of,
    refuse_lockout,
    rules_to_keep,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.system import (
    encode,
    put_back,
    read_text,
    written_for,
)
from ansible_collections.netwall.datadog.plugins.module_utils._flow import merge

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_config import Daemon
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.regions import Ranges
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import OperatorRule, Packet

# ipsets before policies, so that nothing names one that is not there yet.
_FOLDERS = (f"{FOLDER}/ipsets", f"{FOLDER}/policies")

Step = t.Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class DenyingOutbound:
    """*theirs* above our last policy, which refuses the outgoing traffic that nobody let pass."""

    theirs: Judge

    def lets(self, packet: Packet, ours: t.Sequence[OperatorRule] = (), ours_first: bool = False) -> bool:
        """Whether *packet* passes; on ``lo`` all do."""
        if not self.theirs.lets(packet, ours, ours_first):
            return False
        is_denied = packet.direction == "outbound" and packet.interface != "lo"
        return not is_denied or self.decider(packet, ours, ours_first) is not None

    def decider(
        self, packet: Packet, ours: t.Sequence[OperatorRule] = (), ours_first: bool = False
    ) -> OperatorRule | None:
        """The rule that decides *packet*, None for the default."""
        return self.theirs.decider(packet, ours, ours_first)


@dataclasses.dataclass(frozen=True)
class Running:
    """What a firewalld that runs has: ours at run time, everybody's at run time and permanently."""

    daemon: Daemon
    live: Layout
    runtime: Configuration
    permanent: Configuration

    @classmethod
    def read(cls) -> Running:
        """Ask it; raises :class:`FirewallError`.

        One that is too old for policies, or has failed, has nothing of ours, and can't be asked what else it has.
        """
        daemon = read_daemon()
        if daemon.version < OLDEST or daemon.state != "RUNNING":
            return cls(daemon, Layout(), Configuration(""), Configuration(""))
        return cls(daemon, read_live(), *read_configurations(is_ours))


@dataclasses.dataclass(frozen=True)
class Host:
    """What stands on the host: our files as texts by their path, the unit's state, and firewalld if it runs.

    ``left`` are the tables of one that does not, see :data:`firewalld_switch.TABLES`.
    """

    texts: t.Mapping[str, str]
    unit: str
    running: Running | None = None
    left: tuple[str, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Whether firewalld runs without a rule, because it could not load its files."""
        return self.running is not None and self.running.daemon.state != "RUNNING"

    @classmethod
    def read(cls) -> Host:
        """Look; raises :class:`FirewallError`."""
        running = Running.read() if firewalld_switch.is_running() else None
        return cls(_our_texts(), firewalld_switch.unit_state(), running, firewalld_switch.left_tables())


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run will do; ``switched_on`` says what stood before we switched firewalld on, empty if we didn't."""

    host: Host
    request: Request
    wanted: Layout
    rules: tuple[Rule, ...]
    theirs: TheirStanding | None
    judge: Judge
    switch_on: bool
    switch_off: bool
    switched_on: dict[str, t.Any]

    @functools.cached_property
    def texts(self) -> dict[str, str]:
        """Our files as they shall be; one that says the same already stays as it is."""
        new = texts_of(self.wanted)
        return {path: keep_if_same(path, self.host.texts.get(path), text) for path, text in new.items()}

    @property
    def needs_reload(self) -> bool:
        """Whether firewalld, which runs and goes on to, has to load our files."""
        running = self.host.running
        if not running or (self.switch_off and not self.switched_on["running"]):
            return False
        return running.live.structure != self.wanted.structure

    @property
    def is_live(self) -> bool:
        """Whether what is wanted is in force."""
        return not self.host.running or (not self.needs_reload and self.host.running.live == self.wanted)

    @functools.cached_property
    def outcome(self) -> Outcome:
        return _outcome(self)

    @property
    def snapshot(self) -> dict[str, t.Any]:
        return {
            "texts": dict(self.host.texts),
            "running": self.host.running is not None,
            "failed": self.host.has_failed,
            "unit": self.host.unit,
            "left": list(self.host.left),
        }

    @property
    def record(self) -> dict[str, t.Any]:
        return {"switched_on": self.switched_on} if self.switched_on and not self.switch_off else {}

    def apply(self, step: Step) -> None:
        if self.switch_off:
            step("Switching firewalld off")
            # What stands without it now is the work of somebody who has stopped it since.
            _switch_back(self.switched_on, self.host.left)
        _bring(self.texts, step, self.host.has_failed)
        if self.switch_on:
            step("Switching firewalld on")
            firewalld_switch.switch_on()
        if not self.host.running and self.switch_on:
            # Only now can it be asked what else it has.
            running = Running.read()
            refuse_daemon(running.daemon)
            refuse_lockout(self.request, _judge(_theirs(running), self.request), _deciding(self.rules, self.request))
        elif self.host.running and self.texts != self.host.texts and not self.needs_reload:
            step("Waiting for firewalld to notice its changed files")
            before = parse_files(self.host.texts).sets
            wait_until_noticed({name: s for name, s in self.wanted.sets.items() if s != before.get(name)})

    def lets(self, packet: Packet) -> bool:
        ours = [as_operator_rule(rule) for rule in _deciding(self.rules, self.request)]
        return self.judge.lets(packet, ours, self.request.precedence == "ours")


class Firewalld:
    """The firewalld of this host; see :class:`Backend`."""

    name = "firewalld"

    def presence(self) -> Presence:
        if not shutil.which("firewalld", path="/usr/sbin:/sbin:/usr/bin:/bin"):
            return Presence()
        return Presence(True, firewalld_switch.is_running(), firewalld_switch.unit_state() == "enabled")

    def exclusive(self) -> t.ContextManager[None]:
        """Nothing: firewalld does one thing at a time by itself, and nobody else writes our files."""
        return contextlib.nullcontext()

    def plan(self, request: Request, record: t.Mapping[str, t.Any]) -> Plan:
        return make_plan(Host.read(), request, record)

    def restore(self, snapshot: t.Mapping[str, t.Any]) -> None:
        # What somebody had started by hand does not run after a boot.
        runs = snapshot["running"] and (snapshot["unit"] == "enabled" or not firewalld_switch.is_booting())
        if not runs:
            # What an older release wrote down doesn't say: nothing is removed then.
            _switch_back({**snapshot, "running": False}, snapshot.get("left", firewalld_switch.TABLES))
        _bring(snapshot["texts"], lambda _name: None, snapshot.get("failed", False))
        if runs:
            firewalld_switch.put_back(snapshot["unit"])
            firewalld_switch.start()


def make_plan(host: Host, request: Request, record: t.Mapping[str, t.Any]) -> Plan:
    """What brings *host* to *request*; raises :class:`FirewallError` where that must not be done."""
    absent = request.state == "absent"
    if host.running and not absent:
        refuse_daemon(host.running.daemon)
    if not (absent or host.running or request.enable):
        raise FirewallError(
            "firewalld is installed but switched off, so no rule would have an effect; set 'enable: true' to have it "
            "switched on (what comes in is then refused unless a rule allows it), or start it yourself."
        )
    switch_on = not absent and request.enable and (not host.running or host.unit == "disabled")
    switched_on = _switched_on(host, request, record, switch_on)
    switch_off = absent and bool(switched_on)
    theirs = _theirs(host.running)
    judge = _judge(theirs, request)
    asked = _rules(request, switched_on, theirs, rules_in(parse_files(host.texts)))
    refused = theirs.refused_sources if theirs and request.precedence == "theirs" else ()
    rules = tuple(part for rule in asked for part in _without(rule, refused))
    plan = Plan(
        host=host,
        request=request,
        wanted=_layout(asked, rules, request),
        rules=rules,
        theirs=theirs,
        judge=judge,
        switch_on=switch_on,
        switch_off=switch_off,
        switched_on=switched_on,
    )
    _refuse_harm(plan)
    return plan


def _switched_on(host: Host, request: Request, record: t.Mapping[str, t.Any], switch_on: bool) -> dict[str, t.Any]:
    """What stood before we switched firewalld on, and whose sessions were open then; empty if we did not."""
    before = dict(record.get("switched_on", {}))
    if not switch_on:
        return before
    now = {"running": host.running is not None, "unit": host.unit}
    return {**now, **before, "peers": [] if host.running else peers_of(request)}


def _rules(
    request: Request, switched_on: t.Mapping[str, t.Any], theirs: TheirStanding | None, earlier: tuple[Rule, ...]
) -> tuple[Rule, ...]:
    """The rules to have, each of one flow and with its canonical networks, whatever others keep out of them."""
    if request.state == "absent":
        return ()
    flows = [rule for flow in merge(request.flows) for rule in rules_of(canonical(flow))]
    # Of a firewalld that is off nobody can say what it will let in; and what we found then, later runs keep to.
    judge = _judge(None if switched_on else theirs, request)
    kept = rules_to_keep(request, judge, _deciding(flows, request), switched_on.get("peers", []), earlier)
    return (*flows, *kept)


def _layout(asked: tuple[Rule, ...], rules: tuple[Rule, ...], request: Request) -> Layout:
    """*rules* in firewalld's terms, with a place for all that was *asked*.

    So what others keep out is a question of entries alone, also where nothing is left of a flow.
    """
    deny_outbound = request.state != "absent" and request.default_outbound == "deny"
    layout = compile_layout(asked, request.precedence, deny_outbound)
    if rules == asked:
        return layout
    left = compile_layout(rules, request.precedence, deny_outbound).sets
    return dataclasses.replace(
        layout,
        sets={
            name: dataclasses.replace(each, entries=left[name].entries if name in left else frozenset())
            for name, each in layout.sets.items()
        },
    )


def _without(rule: Rule, refused: Ranges) -> t.Iterator[Rule]:
    """*rule*, or what is left of one that lets in without the addresses *refused*."""
    network = regions.addresses(rule.network)
    if not _lets_in(rule) or not regions.both(network, refused):
        yield rule
        return
    for part in regions.networks(regions.without(network, refused)):
        yield dataclasses.replace(rule, network=part)


def _lets_in(rule: Rule) -> bool:
    return (rule.direction, rule.action) == ("inbound", "allow")


def _theirs(running: Running | None, is_reloaded: bool = False) -> TheirStanding | None:
    """What others have in a firewalld that is on, or will have once it *is reloaded*."""
    if not running:
        return None
    found = running.runtime
    if is_reloaded:
        found = after_reload(running.daemon, running.runtime, running.permanent)
    return TheirStanding(running.daemon.version, found, is_ours, PLACES["theirs"])


def _judge(theirs: TheirStanding | None, request: Request) -> Judge:
    """What decides beside our rules; where firewalld is off, no more than that it refuses what comes in."""
    judge: Judge = theirs or Standing(theirs=[], defaults={"inbound": "deny", "outbound": "allow"})
    return DenyingOutbound(judge) if request.default_outbound == "deny" else judge


def _deciding(rules: t.Iterable[Rule], request: Request) -> tuple[Rule, ...]:
    """Those of *rules* that decide packets, in the order in which they do."""
    return compile_rules(rule for rule in rules if decides(rule, request.precedence))


def _refuse_harm(plan: Plan) -> None:
    """Raise :class:`FirewallError` where *plan* would lock somebody out or undo somebody's work."""
    host, request, running = plan.host, plan.request, plan.host.running
    absent = request.state == "absent"
    if plan.switch_on and not running:
        firewalld_switch.refuse_to_switch_on(host.left)
    if running and not absent:
        _refuse_equal_places(running, plan.wanted)
    if running and plan.needs_reload:
        _refuse_loss(running, request)
    stays_on = running and not (plan.switch_off and not plan.switched_on["running"])
    if stays_on or not absent:
        before = _deciding(rules_in(parse_files(host.texts)), request) if running else None
        # A reload also brings to life what others made permanent, and loses what they did not.
        after = _judge(_theirs(running, is_reloaded=plan.needs_reload), request)
        refuse_lockout(request, after, _deciding(plan.rules, request), before, plan.judge)


def _refuse_equal_places(running: Running, wanted: Layout) -> None:
    """Raise :class:`FirewallError` where a policy of others stands in the place of one of *wanted*.

    Which of the two would be asked first depends on firewalld's release.
    """
    places = {policy.priority for policy in wanted.policies.values()}
    for name, settings in {**running.permanent.policies, **running.runtime.policies}.items():
        ends = (*settings.get("ingress_zones", ()), *settings.get("egress_zones", ()))
        if not is_ours(name) and "HOST" in ends and settings.get("priority") in places:
            raise FirewallError(
                f"The policy {name} has the priority {settings['priority']}, as one of ours has to, and firewalld's "
                "releases ask equals in opposite order; give it another "
                f"('firewall-cmd --permanent --policy={name} --set-priority=…') and reload firewalld."
            )


def _refuse_loss(running: Running, request: Request) -> None:
    """Raise :class:`FirewallError` where a reload would fail, or lose rules of others that are not given up."""
    version, direct = running.daemon.version, running.runtime.direct or running.permanent.direct
    refuse_missing_ipset(version, direct)
    refuse_wiped_rules(version, direct, saved_rules())
    lost = lost_by_reload(running.daemon, running.runtime, running.permanent, is_ours)
    if lost and request.reload != "force":
        raise FirewallError(
            f"firewalld has to be reloaded for this change, and would lose what stands at run time alone: "
            f"{'; '.join(lost)}; make it permanent ('firewall-cmd --runtime-to-permanent'), or set 'reload: force'."
        )
    refuse_broken_files(running.runtime)


def _outcome(plan: Plan) -> Outcome:
    host, request, running = plan.host, plan.request, plan.host.running
    absent = request.state == "absent"
    found = parse_files(host.texts)
    ours = rules_in(found)
    added, removed, unchanged = flow_changes(ours, plan.rules, request.flows)
    is_on = not absent if not running else not (plan.switch_off and not plan.switched_on["running"])
    return Outcome(
        added=added,
        removed=removed,
        unchanged=unchanged,
        shadowed=() if absent else _shadowed(plan.theirs, request),
        warnings=tuple(_warnings(plan)),
        before=(*_lines(bool(running), found, ours), *_departed(plan)),
        after=_lines(is_on, plan.wanted, plan.rules),
        changed=plan.texts != host.texts or not plan.is_live or plan.switch_on or plan.switch_off,
    )


def _lines(is_on: bool, layout: Layout, rules: t.Iterable[Rule]) -> tuple[str, ...]:
    """The lines of the diff."""
    return (
        f"firewalld is {'on' if is_on else 'off'}",
        f"outgoing: {'denied by default' if denies_outbound(layout) else 'allowed, as firewalld has it'}",
        *(["incoming: denied by default"] if is_on else []),
        *(_place(priority) for priority in sorted({each.priority for each in layout.policies.values()} - {LAST_PLACE})),
        *map(str, compile_rules(rules)),
    )


def _place(priority: int) -> str:
    """The line of the diff about where our rules stand."""
    place = "after" if priority == PLACES["theirs"] else "before"
    return f"our rules are judged {place} yours (priority {priority})"


def _departed(plan: Plan) -> list[str]:
    """The line of the diff without which a run that only mends what is in force would look like none."""
    return (
        [] if plan.is_live or plan.texts != plan.host.texts else ["what is in force of ours is not what our files say"]
    )


def _shadowed(theirs: TheirStanding | None, request: Request) -> tuple[str, ...]:
    if request.precedence == "ours" or not theirs:
        return ()
    return tuple(sorted({flow.id for flow in request.flows if theirs.overrules(flow)}))


def _warnings(plan: Plan) -> t.Iterator[str]:
    running, request = plan.host.running, plan.request
    if request.state == "absent":
        if plan.host.has_failed:
            yield (
                "firewalld has failed and has no rule in force, and it was not reloaded; 'journalctl -u firewalld' "
                "says why it failed."
            )
        return
    if request.management and not request.session and (plan.switch_on or request.management_networks):
        yield (
            "This play came in over no network connection, so no port was kept open for one: make sure that a rule "
            "lets you in."
        )
    if not running or not plan.theirs:
        return
    yield from unjudged(running.runtime)
    yield from _warnings_of_theirs(plan, plan.theirs)
    if not plan.switch_on and running and plan.host.unit == "disabled":
        yield "firewalld runs but does not start at boot, and without it no rule holds; 'enable: true' changes that."
    if plan.needs_reload:
        revived = revived_by_reload(running.runtime, running.permanent, is_ours)
        if revived:
            yield f"The reload brings to life what others made permanent, but not yet effective: {'; '.join(revived)}."


def _warnings_of_theirs(plan: Plan, theirs: TheirStanding) -> t.Iterator[str]:
    more = theirs.lets_out(plan.request.flows) if plan.request.default_outbound == "deny" else []
    if more:
        yield lets_more_out(more)
    unheeded = theirs.unheeded_targets()
    if unheeded and plan.request.precedence == "theirs" and any(map(_lets_in, plan.rules)):
        yield (
            f"What the target of {'; '.join(unheeded)} would refuse, our inbound flows let in all the same; a rich "
            "rule of that zone ('rule priority=\"32767\" drop') is asked before them."
        )


# --- The host ---------------------------------------------------------------------------------------------------------


def _our_texts() -> dict[str, str]:
    """Our files by path."""
    return {path: read_text(path) for path in _our_paths() if path.endswith(".xml") and os.path.exists(path)}


def _our_paths() -> t.Iterator[str]:
    """The paths of our files, of those that a killed run began, and of old versions that firewalld keeps."""
    for folder in filter(os.path.isdir, _FOLDERS):
        for name in sorted(os.listdir(folder)):
            final = written_for(name)
            if is_ours(final.partition(".")[0]) and final.endswith((".xml", ".xml.old")):
                yield os.path.join(folder, final)


def _bring(texts: t.Mapping[str, str], step: Step, had_failed: bool) -> None:
    """Have our files hold *texts*, and firewalld, if it runs, what they say: by single changes, or one reload.

    One that *had_failed* before us, and still has, would only fail again.
    """
    wanted = parse_files(texts)
    is_running = firewalld_switch.is_running()
    works = is_running and state() == "RUNNING"
    if not is_running or (had_failed and not works):
        _write(texts, step)
    elif works and (live := read_live()).structure == wanted.structure:
        step("Changing the entries of firewalld's ipsets")
        make(all_moves(live, wanted))
        _write(texts, step)
    else:
        _write(texts, step)
        step("Reloading firewalld")
        reload()


def _write(texts: t.Mapping[str, str], step: Step) -> None:
    """Have our files hold *texts*; whenever firewalld loads them, no policy names an ipset that is not there."""
    gone = sorted(set(_our_paths()) - set(texts), reverse=True)
    for path, text in sorted(texts.items()):
        step(f"Writing {path}")
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        put_back(path, encode(text))
    for path in gone:
        step(f"Removing {path}")
        put_back(path, None)


def _switch_back(before: t.Mapping[str, t.Any], left: t.Collection[str]) -> None:
    """Have firewalld run, and start at boot, as it did *before*; of the tables of one that did not, *left* stood."""
    if not before["running"]:
        firewalld_switch.stop(left)
    firewalld_switch.put_back(before["unit"])
