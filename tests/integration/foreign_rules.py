#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nobody else's rules: random operators, random flows, and after every step a look at what became of whose rules.

    foreign_rules.py --lab LAB --host HOST [--cases N] [--seed TEXT] [--only CASE]

The host (image "host": it has ufw; or "firewalld") is the program's own: what stands in its firewall is thrown away.
Each case writes rules as an operator would, applies flows, does it again, changes addresses alone, lets the operator
change his mind, changes flows, precedence and default, and removes. After each step:

- their files, ours taken out, are byte for byte as before; the kernel has their rules, in their order, and beside them
  what the files say: what a boot (ufw: tried in a network namespace of its own) or a reload (firewalld) would load;
- their counters (firewalld, which counts nothing: their rules themselves, by the kernel's number for each) are as
  before, where no more than addresses changed;
- packets at the corners of all rules get the verdict that they had, unless a flow says otherwise and may, and every
  flow has its way where theirs do not overrule it; what decides is found by walking the chains of before and after;
- `shadowed` names exactly the flows of which theirs overrule a packet;
- a run without a change reports none, and after the removal all is as it was.

What counts as theirs is what their tools write: rules, policies, and of the targets of firewalld's zones those that let
everything in, or refuse the sources that the zone has. What nobody decides is left to defaults, and so are the others.

The last line says how much was tried and with which seed. A case that goes wrong is printed as a recipe.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import sys
import time
import typing as t
from collections import Counter
from dataclasses import dataclass, field

from ansible_collections.netwall.datadog.tests.integration import firewalld_host, ufw_host
from ansible_collections.netwall.datadog.tests.integration.corners import Box, Flow, box_of, grid, holds, sample
from ansible_collections.netwall.datadog.tests.integration.on_host import OnHost
from ansible_collections.netwall.datadog.tests.integration.operator_ufw import NETWORKS, PORTS
from ansible_collections.netwall.datadog.tests.lab.netlab.hosts import Lab

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ansible_collections.netwall.datadog.tests.integration.saved_tables import Packet

JUDGES: t.Mapping[str, tuple[t.Any, t.Callable[[OnHost], t.Any]]] = {
    "host": (ufw_host, ufw_host.UfwHost),
    "firewalld": (firewalld_host, firewalld_host.FirewalldHost),
}
"""Who judges, by the image of the host: the module and the class."""
REFUSED = "DROP or REJECT"
ESSENTIAL_PORTS = (53, 67, 123, 547)
"""Where a host that denies what goes out may still go: name servers, addresses, the time."""


class FaultError(Exception):
    """The module did what it must not do; the text says what."""


@dataclass
class Case:
    """One operator and his host. ``story`` is what was done, ``base`` what stands there without us."""

    judge: t.Any
    firewall: t.Any
    rng: random.Random
    tried: Counter[str]
    story: list[str] = field(default_factory=list)
    base: t.Any = None
    flows: list[Flow] = field(default_factory=list)
    precedence: str = "theirs"
    outbound: str = "unmanaged"

    def play(self) -> None:
        """All of it; raises :class:`FaultError`."""
        rng = self.rng
        self.firewall.reset()
        self.operate(self.judge.commands(rng))
        if not self.firewall.switch_on():
            self.tried["operators whose rules do not load"] += 1
            return
        self.story.append("(switches it on)")
        before = self.base = self.firewall.look()
        self.think_anew()
        self.check(self.apply())
        self.check(self.apply(), changed=False)
        counted = self.firewall.plant_counters()
        self.flows = [{**flow, "networks": some_networks(rng)} for flow in self.flows]
        self.check(self.apply())
        must(self.judge.miscounted(self.base, counted, self.now, self.precedence))
        changed_his_mind = rng.random() < 0.6
        if changed_his_mind:
            self.change_his_mind()
            if not self.firewall.is_working():
                self.tried["operators whose rules do not load"] += 1
                return
            self.base = self.without_us()
            self.check(self.apply())
        self.think_anew()
        self.check(self.apply())
        self.remove(None if changed_his_mind else before)

    def think_anew(self) -> None:
        """Decide on other flows, and on how they are judged."""
        self.flows = some_flows(self.rng)
        self.precedence = self.rng.choice(("theirs", "theirs", "ours"))
        self.outbound = self.rng.choice(("unmanaged", "unmanaged", "deny", "deny", "allow"))

    def operate(self, commands: Iterable[list[str]]) -> None:
        """The operator writes rules."""
        for words in self.firewall.write(list(commands)):
            self.story.append(f"{self.judge.COMMAND} {shlex.join(words)}")
            self.tried["rules of operators"] += 1

    def change_his_mind(self) -> None:
        """The operator writes more, with our rules there; what he has then is theirs from now on."""
        before = self.theirs(self.now)
        commands = self.judge.later_commands(self.rng)
        if self.outbound != "unmanaged":
            # What follows the default is the module's for now: nobody could say what it would be without us.
            commands = [words for words in commands if words[0] not in ("default", "logging")]
        self.operate(commands)
        if not any("delete" in words for words in commands):
            files = self.theirs(self.firewall.look())
            must(f"a rule of theirs is lost: {line}" for line in self.judge.lost_rules(before, files))

    def without_us(self) -> t.Any:
        """What would stand there without us."""
        live = self.firewall.look()
        return self.firewall.booted(self.theirs(live), live)

    def theirs(self, look: t.Any) -> dict[str, str]:
        """The files without us."""
        return dict(self.judge.without_ours(look.files, self.base.files, self.outbound))

    def apply(self) -> Mapping[str, t.Any]:
        """Have the module put the flows into the firewall."""
        return self.module(flows=self.flows, precedence=self.precedence, default_outbound=self.outbound)

    def remove(self, before: t.Any) -> None:
        """Have the module take itself away: nothing of it is left."""
        result = self.module(state="absent")
        after = self.firewall.look()
        must(self.judge.differences_of_files(self.base.files, after.files))
        must(self.judge.differences_of_tables(before or self.base, after))
        must([] if result["changed"] else ["a removal reports no change"])

    def module(self, **options: t.Any) -> Mapping[str, t.Any]:
        """One run of the module."""
        options.update(management=False, **self.judge.OPTIONS)
        self.story.append(f"host_firewall {json.dumps(options)}")
        began = time.monotonic()
        result: Mapping[str, t.Any] = self.firewall.host.module(**options)
        self.tried["runs of the module"] += 1
        self.tried["milliseconds in it"] += int(1000 * (time.monotonic() - began))
        if result.get("failed"):
            raise FaultError(f"the module failed: {result}")
        return result

    def check(self, result: Mapping[str, t.Any], *, changed: bool | None = None) -> None:
        """Look at everything after a step."""
        self.now = self.firewall.look()
        must([] if changed in (None, result["changed"]) else [f"reports changed={result['changed']}"])
        must(self.judge.differences_of_files(self.base.files, self.theirs(self.now)))
        must(self.judge.disturbed(self.base, self.now, self.precedence, self.outbound))
        must(self.firewall.unlike_a_boot(self.now))
        must(self.wrong_verdicts())
        must(self.wrongly_shadowed(result["shadowed"]))
        self.tried["steps"] += 1

    def wrong_verdicts(self) -> Iterator[str]:
        """Packets that get another verdict than they must."""
        for family in self.judge.FAMILIES:
            mine = [box for flow in self.flows for box in _boxes(flow, family)]
            boxes = self.base.boxes(family) + mine * 4
            for packet in sample(self.rng, family, boxes, self.judge.PACKETS):
                self.tried["packets"] += 1
                wanted, found = self.wanted(packet), self.now.decide(packet)[0]
                is_right = found != "ACCEPT" if wanted == REFUSED else found == wanted
                if not is_right and not (found == "ACCEPT" and self.may_pass_anyway(packet)):
                    yield f"{packet}: {found}, but had to be {wanted} (before us: {self.base.decide(packet)[0]})"

    def wanted(self, packet: Packet) -> str:
        """The verdict that *packet* must get."""
        verdict, stage = self.base.decide(packet)
        if stage in ("before", "forwarded") or (stage == "operator" and self.precedence == "theirs"):
            return str(verdict)
        actions = {flow["action"] for flow in self.flows if holds(flow, packet)}
        if actions:
            return "ACCEPT" if "allow" in actions else REFUSED
        return self.wanted_of_the_rest(packet, verdict) if stage == "defaults" else verdict

    def wanted_of_the_rest(self, packet: Packet, verdict: str) -> str:
        """The verdict on what no rule and no flow is about, which was *verdict*."""
        if packet.hook == "INPUT" or self.outbound == "unmanaged" or (self.outbound == "deny" and verdict != "ACCEPT"):
            return verdict
        return "ACCEPT" if self.outbound == "allow" else REFUSED

    def may_pass_anyway(self, packet: Packet) -> bool:
        """Whether a host that denies what goes out may need it, where no rule that is judged before ours decides."""
        needed = packet.protocol in ("icmp", "ipv6-icmp", "igmp") or packet.dport in ESSENTIAL_PORTS
        stage = self.base.decide(packet)[1]
        is_decided = stage in ("before", "forwarded") or (stage == "operator" and self.precedence == "theirs")
        return self.outbound == "deny" and packet.hook == "OUTPUT" and needed and not is_decided

    def wrongly_shadowed(self, claimed: list[str]) -> Iterator[str]:
        """Flows that are shadowed and not named, or named and not shadowed."""
        for flow in self.flows:
            witness = self.witness(flow) if self.precedence == "theirs" else None
            self.tried["shadowed flows" if witness else "flows in force"] += 1
            is_claimed = flow["id"] in claimed
            if (witness is not None) != is_claimed:
                yield f"{json.dumps(flow)} is{'' if is_claimed else ' not'} in shadowed; overruled: {witness}"

    def witness(self, flow: Flow) -> Packet | None:
        """A packet of *flow* that a rule of theirs overrules."""
        wanted = "ACCEPT" if flow["action"] == "allow" else "DROP"
        for family in self.judge.FAMILIES:
            for packet in grid(family, flow, self.base.boxes(family), self.judge.MACHINES):
                said = self.base.overrules(packet)
                if said and (said == "ACCEPT") != (wanted == "ACCEPT"):
                    return packet
        return None


def must(faults: Iterable[str]) -> None:
    """Raise the first of *faults*, and say how many there are."""
    found = list(faults)
    if found:
        raise FaultError(f"{found[0]}\n({len(found)} of this kind)")


def some_networks(rng: random.Random) -> list[str]:
    """Networks of ours: few of those that operators write, so that they meet."""
    known = [network for family in NETWORKS for network in NETWORKS[family]] + [
        "198.51.100.16/30",
        "2001:db8:fffe::/47",
    ]
    return rng.sample(known, rng.choice((1, 2, 2, 3, 4)))


def some_flows(rng: random.Random) -> list[Flow]:
    """Flows as the policy may hand them over."""
    return [
        {
            "id": f"flow-{number}",
            "direction": rng.choice(("outbound", "inbound")),
            "action": rng.choice(("allow", "allow", "deny")),
            "protocol": rng.choice(("tcp", "udp")),
            "port": rng.choice(PORTS),
            "networks": some_networks(rng),
        }
        for number in range(rng.randint(1, 7))
    ]


def _boxes(flow: Flow, family: int) -> list[Box]:
    return [box_of(flow, network) for network in flow["networks"] if (":" in network) == (family == 6)]


def main() -> int:
    """Play the cases; 0 if all went well."""
    parser = argparse.ArgumentParser(description="Nobody else's rules: random operators, random flows.")
    parser.add_argument("--lab", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(10**6)))
    parser.add_argument("--only", type=int, metavar="CASE", help="this case alone")
    parser.add_argument("--keep-going", action="store_true", help="tell all cases that go wrong, not only the first")
    options = parser.parse_args()
    host = OnHost(options.lab, options.host)
    host.install_module()
    facts = json.loads((Lab(options.lab).folder / "lab.json").read_text(encoding="utf-8"))
    judge, firewall = JUDGES[facts["hosts"][options.host]["image"]]
    tried: Counter[str] = Counter()
    cases = range(options.cases) if options.only is None else [options.only]
    wrong = 0
    for number in cases:
        case = Case(judge, firewall(host), random.Random(f"{options.seed}/{number}"), tried)
        try:
            case.play()
        except FaultError as fault:
            wrong += 1
            print(
                "\n    ".join([f"--- case {number} of seed {options.seed} ---", *case.story, f"=> {fault}"]), flush=True
            )
            if not options.keep_going:
                break
        tried["cases"] += 1
    print(f"{options.host}, seed {options.seed}: {dict(tried)}, {wrong} of the cases went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
