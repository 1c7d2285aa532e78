#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kills the module while the firewalld that it switched on loads its rules: is the host as before, and stays so?

    loading.py --lab LAB --host HOST [--moments table:dies,rules:goes-on,…] [--spread 0]

The host (image "firewalld") is the program's own. Its firewalld is off, and has files of an operator's. Each moment of
attempt.py's MOMENTS is met by holding the process again and again; what becomes of it while the change is being taken
back is said behind the colon. A spread adds so many more moments, evenly over the time that loading takes here.

One that dies was told to leave its rules (CleanupOnExit=no), one that goes on has a direct rule too. Afterwards no rule
may be left; and firewalld, started again, has each rule once: what it has when it is started for the first time. A
firewalld that is off with its rules in force is not switched on, and they stay.

Prints what was met. Exit status 1 if something else was found, with sentences about it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
import typing as t

from ansible_collections.netwall.datadog.tests.faults.faults import ATTEMPT, FaultError, compare
from ansible_collections.netwall.datadog.tests.faults.states import OPERATORS_RULES, STATES
from ansible_collections.netwall.datadog.tests.integration.on_host import OnHost, arguments_of, program_from

PATIENCE = 200
# A moment of the clock may come too late; one that is looked for, when the machine is very busy.
ATTEMPTS = 4
_UNLIKE = ("settings", "/var/lib/netwall/datadog/state.json")
_CLEANUP = "sed -i 's/^CleanupOnExit=.*/CleanupOnExit={}/' /etc/firewalld/firewalld.conf"
ENDS = {
    "dies": _CLEANUP.format("no"),
    "goes on": "firewall-offline-cmd -q --direct --add-rule ipv4 filter INPUT 0 -p tcp --dport 2222 -j ACCEPT",
}
"""What becomes of a firewalld that loads, and what it is given before."""
_AS_BEFORE = f"{_CLEANUP.format('yes')}\nrm -f /etc/firewalld/direct.xml*"
# It takes its name on the bus first, and answers when it has loaded.
_START = "systemctl start firewalld\nfirewall-cmd --quiet --state"


class Loading:
    """The firewalld of a host, and what its rules look like when it is off and when it has been started."""

    def __init__(self, host: OnHost) -> None:
        self.host = host
        self.off: dict[str, str] = {}
        self.on: dict[str, str] = {}
        self.seconds = 0.0

    def prepare(self) -> None:
        """Give it an operator's files, and learn what the two look like."""
        self.shell("\n".join(OPERATORS_RULES["firewalld"]))
        self.host.install_module()
        self.off, self.on = self.look(), self.start()
        self.stop("It leaves something when it is stopped in order")

    def shell(self, script: str) -> None:
        """Run a script there."""
        self.host.run("sh", "-euc", script)

    def attempt(self, order: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Have an order of attempt.py carried out; what that reports."""
        report: dict[str, t.Any] = json.loads(
            self.host.run("python3", "-c", ATTEMPT, stdin=json.dumps({"patience": PATIENCE, **order}))
        )
        if report["settled"] is None:
            raise FaultError(f"The change was still pending {PATIENCE} s later.")
        return report

    def look(self) -> dict[str, str]:
        """What stands there, but for what a change may leave that has no rule in it."""
        found: dict[str, str] = self.attempt({})["found"]
        tables = self.host.run("nft", "list", "tables")
        kept = {name: text for name, text in found.items() if name not in _UNLIKE}
        return {**kept, "tables": "\n".join(line for line in tables.splitlines() if line.startswith("table inet "))}

    def start(self) -> dict[str, str]:
        """Start it; what it has then."""
        begin = time.monotonic()
        self.shell(_START)
        self.seconds = time.monotonic() - begin
        return self.look()

    def stop(self, otherwise: str) -> None:
        """Stop it; raises :class:`FaultError` with *otherwise* if anything is left."""
        self.shell("systemctl stop firewalld")
        compare(otherwise, self.look(), [self.off])

    def switch_on(self, **order: t.Any) -> dict[str, t.Any]:
        """Have the module switch it on; the report."""
        asked = {"enable": True, "backend": "firewalld", "management": False, "crosses_network": True}
        given = arguments_of(**asked, **STATES["one set, switched on"])
        return self.attempt({"command": program_from(), "input": given, "group": True, **order})

    def disturb(self, moment: str | float, end: str) -> str:
        """Kill the module at a *moment* and let the change be taken back; what was met, empty if nothing was."""
        for _attempt in range(ATTEMPTS):
            self.shell(ENDS[end])
            phase: str = self.switch_on(loading=moment, firewalld=end)["phase"]
            if phase:
                self.shell(_AS_BEFORE)
                compare(f"The old rules are not back ({phase})", self.look(), [self.off])
                compare(f"It has not each of its rules once ({phase})", self.start(), [self.on])
                self.stop(f"It leaves something when it is stopped after that ({phase})")
                return phase
            self.shell(f"{_AS_BEFORE}\nsystemctl disable --now --quiet firewalld\nrm -rf /var/lib/netwall")
            self.shell("nft flush ruleset\nfind /etc/firewalld -name 'netwall-*' -delete")
        if isinstance(moment, str):
            raise FaultError(f"It was never met at '{moment}'.")
        return ""

    def keep(self) -> None:
        """Leave its rules in force without it, as its operator may want: they are nobody else's to touch."""
        self.shell(_CLEANUP.format("no"))
        self.shell(f"{_START}\nsystemctl stop firewalld")
        kept = self.look()
        if kept["nft"] == self.off["nft"]:
            raise FaultError("Told to leave its rules, it left none.")
        result = json.loads(self.switch_on()["output"])
        if "inet firewalld" not in result.get("msg", ""):
            raise FaultError(f"A firewalld whose rules stand without it was switched on: {result}")
        compare("The rules that were kept are not as they were", self.look(), [kept])


def main() -> int:
    """Read the command line, do as told; the exit status."""
    parser = argparse.ArgumentParser(
        description="Are the old rules back, whenever firewalld is stopped while it loads?"
    )
    parser.add_argument("--lab", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--moments", default="table:dies,rules:dies,rules:goes-on")
    parser.add_argument("--spread", type=int, default=0, help="so many more, by the clock (default: none)")
    options = parser.parse_args()
    subject = Loading(OnHost(options.lab, options.host))
    try:
        subject.prepare()
        named = [tuple(each.replace("-", " ").split(":")) for each in options.moments.split(",")]
        # Its program takes a while to begin, and the last of its rules stand before it is done.
        spread = [round(subject.seconds * (number + 0.5) / options.spread, 3) for number in range(options.spread)]
        moments: list[tuple[t.Any, str]] = [*named, *zip(spread, itertools.cycle(ENDS))]
        for moment, end in moments:
            met = subject.disturb(moment, end)
            print(f"{options.host}: {met or f'{moment}: too late'}", flush=True)
        subject.keep()
    except FaultError as error:
        print(f"{options.host}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
