#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What address ranges cost: a document of 10,000 prefixes beside netaddr, and a lookup that needs no network.

    ranges.py [--prefixes 10000] [--rounds 25]

Each figure is the median of so many rounds. The stages of a document are timed in turns with netaddr's ``cidr_merge``
of the same prefixes. A lookup is timed in processes of its own, as Ansible runs it: what Ansible and netaddr bring is
imported before, what the collection brings counts. It waits for nothing, so that the time of the processor says what it
costs, however busy the machine is.

Exit status 1 if a limit is missed: a selection of more than 1.5 times ``cidr_merge``; a cached lookup of more than 5
ms, or one that imports httpx, jmespath or ssl.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t

import netaddr
import trustme

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import Guards, parse
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.selection import select
from ansible_collections.netwall.datadog.tests._https import HttpsServer, body, running
from ansible_collections.netwall.datadog.tests._tool import ROOT

MOST_OF_MERGE = 1.5
MOST_OF_LOOKUP = 0.005
PUBLISHED = ROOT.parent / "shared" / "data" / "ip-ranges" / "datadoghq.com-v47.json"
SECTIONS = ("agents", "api", "apm", "logs", "process", "orchestrator", "remote-configuration", "global")

# Runs in a process of its own, after one of the beginnings below.
LOOKUP = """
import gc, json, sys, time
import ansible.plugins.lookup, ansible.utils.display, netaddr
from ansible.plugins.loader import init_plugin_loader, lookup_loader
# From here on, ansible-core's own loader imports what is of a collection; it keeps nothing that it compiled.
init_plugin_loader()
# What the lookup's own file lies in.
import ansible_collections.netwall.datadog.plugins.lookup
options = {options!r}
# Else the collector could have its turn meanwhile, for all that Ansible has made.
gc.collect()
before = set(sys.modules)
clock = time.process_time
begin = clock()
import ansible_collections.netwall.datadog.plugins.lookup.ip_ranges
imported = clock() - begin
# Ansible reads the documentation of any plugin that has options, and this one again.
lookup = lookup_loader.get("netwall.datadog.ip_ranges")
gc.collect()
begin = clock()
found = lookup.run([], {{}}, **options)
print(json.dumps([len(found), sorted(set(sys.modules) - before), imported, clock() - begin]))
"""


def made(number: int, sections: t.Sequence[str], seed: int = 1) -> bytes:
    """A document of so many prefixes of all lengths, of which some lie side by side or within others."""
    how = random.Random(seed)
    lists: dict[str, dict[str, list[str]]] = {name: {"prefixes_ipv4": [], "prefixes_ipv6": []} for name in sections}
    for _time in range(number):
        is_ipv6 = how.random() < 0.2
        length = how.choice((48, 56, 64, 128)) if is_ipv6 else how.choice((16, 20, 22, 24, 24, 28, 32, 32, 32))
        first = 0x2600 << 112 | how.getrandbits(24) << 88 if is_ipv6 else 0x03000000 + how.getrandbits(25)
        network = ipaddress.ip_network((first, length), strict=False)
        lists[how.choice(sections)][f"prefixes_ipv{network.version}"].append(str(network))
    return json.dumps({"version": 1, "modified": "2026-03-04-05-06-07", **lists}).encode()


def seconds(work: t.Callable[[], object]) -> float:
    """How long *work* takes, once."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def bench_document(prefixes: int, rounds: int) -> bool:
    """Print what each stage of a large document costs beside netaddr; return whether the limit holds."""
    data = made(prefixes, SECTIONS)
    document = parse(data, "made", Guards())
    lists = [(section.ipv4, section.ipv6) for section in document.sections.values()]
    cidrs = [cidr for both in lists for some in both for cidr in some]
    stages: dict[str, t.Callable[[], object]] = {
        "cidr_merge of the same list": lambda: netaddr.cidr_merge(cidrs),
        "JSON alone (json.loads)": lambda: json.loads(data),
        "parse and check": lambda: parse(data, "made", Guards()),
        "select and aggregate": lambda: select(document, SECTIONS),
        "select, not aggregated": lambda: select(document, SECTIONS, aggregate=False),
        "select, aggregate, exclude 3": lambda: select(
            document, SECTIONS, exclude=["3.0.0.0/12", "4.1.0.0/16", "2600::/40"]
        ),
    }
    taken: dict[str, list[float]] = {name: [] for name in stages}
    for _time in range(rounds):
        # In turns, so that what else the machine does is shared fairly.
        for name, work in stages.items():
            taken[name].append(seconds(work))
    [merge, *_others] = taken.values()
    print(f"A document of {len(cidrs)} prefixes, {len(data) >> 10} KiB, in {len(SECTIONS)} sections:")
    for name, times in taken.items():
        # The ratio of neighbours in time, not of medians: the machine may have been slower meanwhile.
        ratio = statistics.median(one / other for one, other in zip(times, merge, strict=True))
        print(f"  {name:<30} {statistics.median(times) * 1000:8.1f} ms   {ratio:5.2f} x cidr_merge")
    ratio = statistics.median(one / other for one, other in zip(taken["select and aggregate"], merge, strict=True))
    return judged("a selection", f"{ratio:.2f} times cidr_merge", ratio <= MOST_OF_MERGE, f"{MOST_OF_MERGE} times")


def bench_lookup(rounds: int) -> bool:
    """Print what a lookup costs that finds its document in the store; return whether the limits hold."""
    data = PUBLISHED.read_bytes() if PUBLISHED.is_file() else made(90, (*SECTIONS, "synthetics", "webhooks"))
    authority = trustme.CA()
    with tempfile.TemporaryDirectory() as folder, running(HttpsServer(authority.issue_cert("localhost"))) as server:
        authority.cert_pem.write_to_path(f"{folder}/ca.pem")
        options = {
            "url": server.answer(body(data)),
            "ca_path": f"{folder}/ca.pem",
            "cache_dir": f"{folder}/cache",
        }
        first, *cached = [_lookup(options) for _time in range(rounds + 1)]
        requests = len(server.requests)
    if requests != 1 or len({run.number for run in (first, *cached)}) != 1:
        print(f"  the store was not used: {requests} requests, {[run.number for run in (first, *cached)]} networks")
        return False
    print(f"A cached lookup of a document of {len(data)} bytes, beyond importing netaddr (time of the processor):")
    for name, part in (("imports, by ansible-core", 0), ("the answer", 1)):
        print(f"  {name:<30} {statistics.median(run.times[part] for run in cached) * 1000:8.2f} ms")
    whole = statistics.median(sum(run.times) for run in cached)
    heavy = sorted({module for run in cached for module in run.modules} & {"httpx", "jmespath", "ssl", "_ssl"})
    most = f"{MOST_OF_LOOKUP * 1000:g} ms"
    return all(
        [
            judged("a cached lookup", f"{whole * 1000:.2f} ms", whole < MOST_OF_LOOKUP, most),
            judged("of httpx, jmespath and ssl it imports", ", ".join(heavy) or "none", not heavy, "none"),
        ]
    )


class _Run(t.NamedTuple):
    """One lookup: how many networks, which modules it imported, seconds of the processor for imports and answer."""

    number: int
    modules: list[str]
    times: tuple[float, float]


def _lookup(options: dict[str, t.Any]) -> _Run:
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-c", LOOKUP.format(options=options)],
        check=True,
        capture_output=True,
        encoding="utf-8",
        env=environment,
    )
    number, modules, *times = json.loads(done.stdout)
    return _Run(number, modules, tuple(times))


def judged(what: str, found: str, is_kept: bool, limit: str) -> bool:
    """Print whether a limit is kept, and return it."""
    print(f"  => {what}: {found} (limit: {limit}){'' if is_kept else '  MISSED'}")
    return is_kept


def main() -> int:
    """Print all figures."""
    parser = argparse.ArgumentParser(description="What address ranges cost.")
    parser.add_argument("--prefixes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=20)
    asked = parser.parse_args()
    are_kept = [bench_document(asked.prefixes, asked.rounds), bench_lookup(asked.rounds)]
    return 0 if all(are_kept) else 1


if __name__ == "__main__":
    sys.exit(main())
