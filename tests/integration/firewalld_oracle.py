#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random zones, policies and ipsets on a real firewalld: do we know what it does with packets?

    firewalld_oracle.py --lab LAB --host HOST [--seconds N] [--seed N]      from the controller
    firewalld_oracle.py --here [--seconds N] [--seed N]                     on the host

The host (image "firewalld") is the program's own: what an operator has written there is thrown away. Each world is
written as firewalld's files and loaded, read back as the module reads it, and packets at the corners of everything in
it are judged twice: by TheirStanding, and by walking the nftables rules that firewalld made of it. `overrules` must be
true of exactly the flows of which some packet gets another verdict than the flow asks for; for that, half of the worlds
have policies in the places of ours. The last line counts; a world that is judged wrongly is printed with its seed.
"""

from __future__ import annotations

import argparse
import io
import ipaddress
import itertools
import json
import random
import shutil
import subprocess
import sys
import tarfile
import time
import typing as t
from collections import Counter
from pathlib import Path
from xml.sax.saxutils import quoteattr

FOLDER = Path("/etc/firewalld")
KINDS = ("zones", "policies", "ipsets", "services")
PORT, PLACE = 8126, 32000
# Networks in which rules are nested; beside their addresses, some outside of them are tried.
REMOTE = {4: ("192.0.2.16/29", "203.0.113.1", "192.0.2.24"), 6: ("2001:db8:1::8/126", "2001:db8:f::1", "2001:db8:1::c")}
LOCAL = {
    4: ("198.51.100.0/31", "203.0.113.2", "198.51.100.2"),
    6: ("2001:db8:2::/127", "2001:db8:f::2", "2001:db8:2::2"),
}
INTERFACES = ("eth0", "eth1", "eth2", "wlan0", "wlan1", "tun0")
PATTERNS = ("eth0", "eth1", "wlan0", "eth+", "wlan+")
# No rule names the last.
MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03", "02:00:00:00:00:99")
SOURCE_PORTS = (1, 1000, 1001, PORT, 40000)
ZONES = ("za", "zb", "zc", "public", "work")
NEAR_SETS = {"near": 4, "near6": 6, "smac": 0, "ipport": 4, "netif": 4}
FAR_SETS = {"far": 4, "far6": 6}
SERVICES = {
    "sport": f'<port port="{PORT}" protocol="tcp"/>',
    "sdest": f'<port port="{PORT}" protocol="tcp"/><destination ipv4="{LOCAL[4][0]}"/>',
    "sinc": '<include service="sport"/><include service="sdest"/><port port="443" protocol="tcp"/>',
    "ssrc": '<source-port port="1000-1001" protocol="tcp"/>',
}
WHOLE_WORLD = ("0.0.0.0/0", "::/0")


# --- Random worlds, as firewalld's own files --------------------------------------------------------------------------


def _tag(tag: str, inner: str = "", /, **attributes: t.Any) -> str:
    said = "".join(f" {key.replace('_', '-')}={quoteattr(str(v))}" for key, v in attributes.items() if v != "")
    return f"<{tag}{said}>{inner}</{tag}>"


class World:
    """What an operator wrote; *has_priorities* says that his zones may have some, *ours* that we wrote something."""

    def __init__(self, rng: random.Random, has_priorities: bool, ours: bool) -> None:
        self._rng = rng
        self._has_priorities = has_priorities
        self.files: dict[str, str] = {f"services/{name}": _tag("service", text) for name, text in SERVICES.items()}
        self._make_ipsets()
        self._make_zones()
        self._make_policies(32500 if ours else 30000)
        if ours:
            self._policy("netwall-in", "ACCEPT", PLACE, ["ANY"], ["HOST"], "")
            self._policy("netwall-out", "REJECT", PLACE, ["HOST"], ["ANY"], "")

    def write(self) -> None:
        """Put it in the place of whatever stands in firewalld's folder."""
        (FOLDER / "direct.xml").unlink(missing_ok=True)
        for kind in KINDS:
            shutil.rmtree(FOLDER / kind, ignore_errors=True)
            (FOLDER / kind).mkdir()
        for name, text in self.files.items():
            (FOLDER / f"{name}.xml").write_text(f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n', encoding="utf-8")

    def keep_out(self, refused: t.Sequence[str]) -> None:
        """Have what is ours let in everything but what comes from the networks *refused*."""
        rules = ""
        for family in (4, 6):
            entries = "".join(_tag("entry", each) for each in refused if (":" in each) == (family == 6))
            option = _tag("option", name="family", value="inet6") if family == 6 else ""
            self.files[f"ipsets/netwall-{family}"] = _tag("ipset", option + entries, type="hash:net")
            end = _tag("source", ipset=f"netwall-{family}", invert="True")
            rules += _tag("rule", end + _tag("accept"), family=f"ipv{family}")
        self._policy("netwall-in", "CONTINUE", PLACE, ["ANY"], ["HOST"], rules)
        self.write()

    def network(self, space: tuple[str, ...], family: int) -> str:
        """A network in *space*, or around it, or everything."""
        whole = ipaddress.ip_network(space[0])
        if self._rng.random() < 0.15:
            return self._rng.choice([WHOLE_WORLD[family == 6], str(whole.supernet())])
        length = self._rng.randint(whole.prefixlen, whole.max_prefixlen)
        chosen = str(self._rng.choice([*whole.subnets(new_prefix=length)]))
        is_bare = length == whole.max_prefixlen and self._rng.random() < 0.5
        return chosen.partition("/")[0] if is_bare else chosen

    def _make_ipsets(self) -> None:
        choice = self._rng.choice
        entry = f"{choice(_addresses(REMOTE[4]))},{choice(['', 'udp:'])}{choice(['1000', '1', PORT, '1000-1001'])}"
        sets = {
            "near": ("hash:net", [self._narrow(4)]),
            "near6": ("hash:net", [self._narrow(6)]),
            "far": ("hash:ip", ["198.51.100.0"]),
            "far6": ("hash:ip", ["2001:db8:2::1"]),
            "smac": ("hash:mac", self._rng.sample(MACS[:3], 2)),
            "ipport": ("hash:ip,port", [entry]),
            "netif": ("hash:net,iface", [f"192.0.2.{choice([16, 20])}/30,{choice(INTERFACES)}"]),
        }
        for name, (kind, entries) in sets.items():
            inner = _tag("option", name="family", value="inet6") if name.endswith("6") else ""
            self.files[f"ipsets/{name}"] = _tag("ipset", inner + "".join(_tag("entry", e) for e in entries), type=kind)

    def _narrow(self, family: int) -> str:
        """A network that an ipset or a zone takes: not everything."""
        found = self.network(REMOTE[family], family)
        return REMOTE[family][0] if found in WHOLE_WORLD else found

    def _make_zones(self) -> None:
        rng = self._rng
        owned: dict[str, str] = dict.fromkeys(ZONES, "")
        for pattern in rng.sample(PATTERNS if rng.random() < 0.3 else PATTERNS[:3], rng.randint(0, 3)):
            owned[rng.choice(ZONES)] += _tag("interface", name=pattern)
        sources = [_tag("source", address=address) for address in {self._narrow(4), self._narrow(6), *MACS[:2]}]
        sources += [_tag("source", ipset=name) for name in ("near", "smac", "ipport", "netif")]
        for source in rng.sample(sorted(sources), rng.randint(0, 3)):
            owned[rng.choice(ZONES)] += source
        for zone in ZONES:
            places = {}
            if self._has_priorities and rng.random() < 0.3:
                places = {side: rng.choice([-10, 5, 10]) for side in ("ingress_priority", "egress_priority")}
            target = rng.choice(["", "", "", "ACCEPT", "DROP", "%%REJECT%%"])
            self.files[f"zones/{zone}"] = _tag("zone", owned[zone] + self._contents(False), target=target, **places)

    def _make_policies(self, last: int) -> None:
        rng = self._rng
        for number, priority in enumerate(rng.sample([-30000, -500, -1, 1, 100, 20000, last], rng.randint(0, 4))):
            zones = ["ANY"] if rng.random() < 0.5 else rng.sample(ZONES, rng.randint(1, 3))
            outbound = rng.random() < 0.5
            ends = (["HOST"], zones) if outbound else (zones, ["HOST"])
            target = rng.choice(["CONTINUE", "CONTINUE", "CONTINUE", "ACCEPT", "DROP", "REJECT"])
            self._policy(f"policy{number}", target, priority, *ends, self._contents(outbound))

    def _policy(self, name: str, target: str, priority: int, ingress: list[str], egress: list[str], inner: str) -> None:
        zones = [_tag("ingress-zone", name=zone) for zone in ingress] + [_tag("egress-zone", name=z) for z in egress]
        self.files[f"policies/{name}"] = _tag("policy", "".join(zones) + inner, target=target, priority=priority)

    def _contents(self, outbound: bool) -> str:
        rng = self._rng
        # One rule for each priority: firewalld has no order among equals.
        priorities = rng.sample([-300, -200, -100, -1, 1, 2, 50, 60], 4)
        parts = {
            self._rich_rule(rng.choice([0, 0, priorities.pop()]), outbound)
            for _number in range(rng.choice([0, 0, 1, 2, 4]))
        }
        if rng.random() < 0.3:
            parts.add(_tag("port", port=self._ports(), protocol=self._protocol()))
        if rng.random() < 0.15:
            parts.add(_tag("service", name=rng.choice(list(SERVICES))))
        if rng.random() < 0.1:
            parts.add(_tag("protocol", value=self._protocol()))
        if rng.random() < 0.1:
            parts.add(_tag("source-port", port="1000", protocol=self._protocol()))
        return "".join(sorted(parts))

    def _rich_rule(self, priority: int, outbound: bool) -> str:
        rng = self._rng
        family = rng.choice([4, 4, 6])
        near, far = (LOCAL, REMOTE) if outbound else (REMOTE, LOCAL)
        parts = [self._source(near, FAR_SETS if outbound else NEAR_SETS, family, outbound)]
        if rng.random() < 0.3:
            parts.append(self._end("destination", address=self.network(far[family], family)))
        elif rng.random() < 0.1 and not outbound:
            parts.append(self._end("destination", ipset="far6" if family == 6 else "far"))
        parts.append(self._element(any(part.startswith("<destination") for part in parts)))
        if not any(parts):
            parts.append(_tag("port", port=self._ports(), protocol="tcp"))
        if rng.random() < 0.15:
            parts.append(_tag("log", _tag("limit", value="1/m"), prefix="x y", level="info"))
        parts.append(_tag(rng.choice(["accept", "accept", "drop", "reject"])))
        return _tag("rule", "".join(parts), family=f"ipv{family}", priority=priority or "")

    def _source(self, near: t.Mapping[int, tuple[str, ...]], sets: dict[str, int], family: int, outbound: bool) -> str:
        chance = self._rng.random()
        if chance < 0.5:
            return self._end("source", address=self.network(near[family], family))
        if chance < 0.65:
            return self._end("source", ipset=self._rng.choice([n for n, f in sets.items() if f in (0, family)]))
        if chance < 0.72 and not outbound:
            return self._end("source", mac=self._rng.choice(MACS[:3]))
        return ""

    def _end(self, name: str, **what: str) -> str:
        return _tag(name, **what, invert="True" if self._rng.random() < 0.25 else "")

    def _element(self, has_destination: bool) -> str:
        chance = self._rng.random()
        if chance < 0.3:
            return _tag("port", port=self._ports(), protocol=self._protocol())
        if chance < 0.4:
            return _tag("source-port", port=self._rng.choice(["1000-1001", "1", "1001"]), protocol=self._protocol())
        if chance < 0.5:
            return _tag("protocol", value=self._protocol())
        if chance < 0.6 and not has_destination:
            return _tag("service", name=self._rng.choice(list(SERVICES)))
        return ""

    def _ports(self) -> str:
        return self._rng.choice([str(PORT), str(PORT), "8000-9000", "443"])

    def _protocol(self) -> str:
        return self._rng.choice(["tcp", "tcp", "udp"])


# --- On the host ------------------------------------------------------------------------------------------------------


def _addresses(space: tuple[str, ...]) -> list[str]:
    return [*map(str, ipaddress.ip_network(space[0])), *space[1:]]


def _corners(direction: str, networks: t.Iterable[str]) -> t.Iterator[tuple[str, str, int, str, str]]:
    """Remote and local address, source port, interface and hardware address of all that rules can tell apart."""
    wanted = [ipaddress.ip_network(network) for network in networks]
    for family in (4, 6):
        remotes = [a for a in _addresses(REMOTE[family]) if any(ipaddress.ip_address(a) in each for each in wanted)]
        macs = MACS if direction == "inbound" else MACS[:1]
        yield from itertools.product(remotes, _addresses(LOCAL[family]), SOURCE_PORTS, INTERFACES, macs)


def _is_ours(name: str) -> bool:
    return name.startswith("netwall-")


def _try_world(rng: random.Random, version: tuple[int, ...], tried: Counter[str]) -> list[str]:
    """What we say wrongly of one random world, one line each."""
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall import regions  # noqa: PLC0415
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_config import (  # noqa: PLC0415
        read_configurations,
    )
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_theirs import (  # noqa: PLC0415
        TheirStanding,
    )
    from ansible_collections.netwall.datadog.tests.integration import firewalld_rules  # noqa: PLC0415

    ours = rng.random() < 0.5
    world = World(rng, version >= (2, 0), ours)
    world.write()
    done = subprocess.run(["firewall-cmd", "--reload"], check=False, capture_output=True, encoding="utf-8")
    if done.returncode:
        tried["refused by firewalld"] += 1
        print(f"firewalld refused a world: {' '.join(done.stderr.split())[:200]}")
        return []
    tried["worlds"] += 1
    if ours:
        theirs = TheirStanding(version, read_configurations(_is_ours)[0], _is_ours, PLACE)
        world.keep_out(regions.networks(theirs.refused_sources))
        subprocess.run(["firewall-cmd", "--reload"], check=True, capture_output=True)
    table = firewalld_rules.Table(json.loads(firewalld_rules.listed()))
    theirs = TheirStanding(version, read_configurations(_is_ours)[0], _is_ours, PLACE)
    wrong = [] if ours else list(_wrong_packets(rng, table, theirs, tried))
    return wrong + list(_wrong_flows(rng, world, ours, table, theirs, tried))


def _wrong_packets(rng: random.Random, table: t.Any, theirs: t.Any, tried: Counter[str]) -> t.Iterator[str]:
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import Packet  # noqa: PLC0415

    for direction in ("inbound", "outbound"):
        for remote, local, source_port, interface, _mac in rng.sample(list(_corners(direction, WHOLE_WORLD)), 60):
            protocol = rng.choice(["tcp", "udp"])
            packet = Packet(direction, protocol, remote, local, PORT, source_port, interface)
            tried["packets"] += 1
            # Where its hardware address matters, it passes if it would from everybody.
            passes = all(_lets(table, packet, mac) for mac in MACS)
            if theirs.lets(packet) != passes:
                yield f"{packet} {'passes' if passes else 'is refused'}"


def _wrong_flows(
    rng: random.Random, world: World, ours: bool, table: t.Any, theirs: t.Any, tried: Counter[str]
) -> t.Iterator[str]:
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.verdict import Packet  # noqa: PLC0415
    from ansible_collections.netwall.datadog.plugins.module_utils._flow import Flow  # noqa: PLC0415

    # Ours are there and let everything in and nothing out, or not there; what flow that stands for depends.
    kinds = (("inbound", "allow" if ours else "deny"), ("outbound", "deny" if ours else "allow"))
    for (direction, action), protocol in itertools.product(kinds, ("tcp", "udp")):
        networks = [world.network(REMOTE[family], family) for family in rng.sample([4, 6], rng.randint(1, 2))]
        flow = Flow("a-flow", direction, action, protocol, PORT, tuple(str(ipaddress.ip_network(n)) for n in networks))
        overruled = any(
            _lets(table, Packet(direction, protocol, remote, local, PORT, source_port, interface), mac)
            != (action == "allow")
            for remote, local, source_port, interface, mac in _corners(direction, flow.networks)
        )
        tried["flows"] += 1
        tried["flows overruled"] += overruled
        if theirs.overrules(flow) != overruled:
            yield f"{flow} is {'' if overruled else 'not '}overruled"


def _lets(table: t.Any, packet: t.Any, mac: str) -> bool:
    from ansible_collections.netwall.datadog.tests.integration import firewalld_rules  # noqa: PLC0415

    about = (packet.direction, packet.protocol, packet.remote, packet.local, packet.port, packet.source_port)
    return bool(table.lets(firewalld_rules.packet(*about, interface=packet.interface, mac=mac)))


def try_here(seconds: float, seed: int) -> bool:
    """Try worlds for that long on this host; returns whether there were any, and all were judged rightly."""
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_config import (  # noqa: PLC0415
        read_daemon,
    )

    version = read_daemon().version
    tried: Counter[str] = Counter()
    end = time.monotonic() + seconds
    for number in itertools.count(seed):
        wrong = _try_world(random.Random(number), version, tried)
        if wrong:
            tried["worlds judged wrongly"] += 1
            print(f"seed {number}: {wrong[0]}, and {len(wrong) - 1} more")
        if time.monotonic() > end:
            break
    print(f"firewalld {'.'.join(map(str, version))}, from seed {seed}: ", end="")
    print(", ".join(f"{count} {what}" for what, count in tried.items()))
    return tried["worlds judged wrongly"] == 0 < tried["worlds"]


# --- From the controller ----------------------------------------------------------------------------------------------


def _packed() -> bytes:
    """What the host needs of the collection, as a tar file of a collections folder."""
    root = Path(__file__).resolve().parents[2]
    files = [*(root / "plugins/module_utils").rglob("*.py"), *(root / "tests/integration").glob("firewalld_*.py")]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in files:
            tar.add(file, f"ansible_collections/netwall/datadog/{file.relative_to(root)}")
    return buffer.getvalue()


def try_there(lab: str, host: str, seconds: float, seed: int) -> int:
    """Do it on the host *host* of *lab*; returns the exit status."""
    from ansible_collections.netwall.datadog.tests.lab.netlab.hosts import Lab  # noqa: PLC0415

    folder = "/run/netwall-oracle"
    program = "ansible_collections.netwall.datadog.tests.integration.firewalld_oracle"
    arguments = f"--here --seconds {seconds:g} --seed {seed}"
    script = f"mkdir -p {folder} && cd {folder} && tar x && exec python3 -B -m {program} {arguments}"
    return subprocess.run(Lab(lab).console(host, ["sh", "-c", script]), input=_packed(), check=False).returncode


def main(argv: t.Sequence[str]) -> int:
    """Run one command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--here", action="store_true", help="this machine is the host")
    parser.add_argument("--lab", default="default")
    parser.add_argument("--host", default="f1")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    if options.here:
        return 0 if try_here(options.seconds, options.seed) else 1
    return try_there(options.lab, options.host, options.seconds, options.seed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
