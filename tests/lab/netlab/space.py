# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab's room on this machine: one cgroup, and namespaces that live as long as a process in it does.

Every process of a lab is in the lab's cgroup, every mount and interface in namespaces that only those processes hold
open. To end a lab is to kill its cgroup: the kernel then takes mounts, interfaces and namespaces with it. Nothing is
recorded anywhere that a crash could make wrong, and no process that the lab did not start can be hit.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .machine import cgroup_root
from .shell import LabError, run, wait_for

# Runs as the anchor: makes the rooms, says so, then only holds the namespaces open. /run is the lab's own workspace.
# $1 anchor's cgroup, $2 cgroup2 mount, $3 images, $4 an empty folder; then IPv4 and IPv6 of the controller, of the
# neighbour, of the other neighbour and of the way out.
_ANCHOR = """
echo 0 >"$1/cgroup.procs"
mount -t tmpfs -o mode=0755 lab "$4"
mkdir "$4/images" "$4/hosts"
mount --bind "$3" "$4/images"
mount --rbind "$4" /run
# A machine that is booted takes a copy of all mounts with it: what is unmounted here shall be gone there too.
mount --make-rshared /run
[ "$2" = /sys/fs/cgroup ] || mount --bind "$2" /sys/fs/cgroup
shift 4
ip link set lo up
ip link add br0 type bridge
# The way out advertises itself to hosts that listen; the machines here have been told already.
echo 0 >/proc/sys/net/ipv6/conf/br0/accept_ra || :
ip link set br0 up
ip address add "$1/24" dev br0
ip address add "$2/64" dev br0 nodad
ip route add default via "$7"
ip -6 route add default via "$8"
shift 2
: >/run/neighbour
unshare --net=/run/neighbour true
ip link add vb-neighbour master br0 type veth peer name eth0
nsenter --net=/run/neighbour sleep infinity </dev/null >/dev/null 2>&1 &
neighbour=$!
until [ /proc/$neighbour/ns/net -ef /run/neighbour ]; do :; done
ip link set eth0 netns $neighbour
kill $neighbour
ip link set vb-neighbour up
nsenter --net=/run/neighbour sh -euc '
ip link set lo up
echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_ra || :
ip link set eth0 up
ip address add "$1/24" dev eth0
ip address add "$2/64" dev eth0 nodad
ip address add "$3/24" dev eth0
ip address add "$4/64" dev eth0 nodad preferred_lft 0
ip route add default via "$5"
ip -6 route add default via "$6"' - "$@"
: >/run/ready
exec sleep infinity
"""


class Space:
    """The cgroup and the namespaces of the lab called `name` (unique on this machine)."""

    def __init__(self, name: str) -> None:
        root = cgroup_root()
        if root is None:
            raise LabError("the lab needs a writable cgroup2 file system with cgroup.kill (Linux 5.14 or later)")
        self._mounted = root
        self._inside = f"netwall-lab/{name}"
        self.cgroup = root / self._inside

    def group(self, name: str) -> Path:
        """The cgroup of one part of the lab, as this process sees it."""
        return self.cgroup / name

    def group_inside(self, name: str) -> str:
        """The same as processes in the lab see it."""
        return f"/sys/fs/cgroup/{self._inside}/{name}"

    def anchor(self) -> int | None:
        """The process that holds the namespaces open; None while there is no lab, or one that was not finished."""
        for pid in members(self.group("anchor")):
            if Path(f"/proc/{pid}/root/run/ready").exists():
                return pid
        return None

    def folder(self) -> Path:
        """The workspace (`/run` for processes in the lab), reachable from here."""
        return Path(f"/proc/{self._held()}/root/run")

    def namespace(self, name: str) -> Path:
        """The network namespace of the `controller` or the `neighbour`."""
        held = self._held()
        return Path(f"/proc/{held}/ns/net") if name == "controller" else Path(f"/proc/{held}/root/run/{name}")

    def am_inside(self) -> bool:
        """Does this very process stand in the lab's controller namespace?"""
        return self.anchor() is not None and os.path.samefile("/proc/self/ns/net", self.namespace("controller"))

    def open(self, images: Path, empty: Path, addresses: Sequence[str]) -> None:
        """Make the namespaces: bridge and controller, neighbour, workspace. What a crashed run left goes first."""
        self.kill()
        self.group("anchor").mkdir(parents=True)
        empty.mkdir(parents=True, exist_ok=True)
        log = empty.parent / "anchor.log"
        arguments = [str(self.group("anchor")), str(self._mounted), str(images), str(empty), *addresses]
        with open(log, "w", encoding="utf-8") as output:
            process = subprocess.Popen(
                ["unshare", "--mount", "--net", "--propagation", "slave", "sh", "-euc", _ANCHOR, "-", *arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/",
            )  # fmt: skip

        def ready() -> int | None:
            if process.poll() is not None:
                raise LabError(f"the lab's network could not be made: {log.read_text(encoding='utf-8').strip()}")
            return self.anchor()

        wait_for("the lab's network", ready, seconds=20)

    def run(self, script: str, *arguments: str) -> str:
        """Run a shell script in the lab's mount and network namespaces, where `/run` is the workspace."""
        return run([*self._enter(), "sh", "-euc", script, "-", *arguments])

    def start(self, script: str, *arguments: str, log: Path) -> None:
        """The same without waiting for the end; its output is added to `log`. The script moves itself into a cgroup."""
        with open(log, "a", encoding="utf-8") as output:
            subprocess.Popen(
                [*self._enter(), "sh", "-euc", script, "-", *arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/",
            )  # fmt: skip

    def kill(self, name: str = "") -> None:
        """End all processes of the lab, or of one part of it, at once, and remove the cgroups."""
        group = self.group(name) if name else self.cgroup
        if not group.exists():
            return
        (group / "cgroup.kill").write_text("1", encoding="utf-8")
        wait_for(f"the end of the processes in {group}", lambda: None if is_populated(group) else True, seconds=20)
        remove(group)

    def _held(self) -> int:
        anchor = self.anchor()
        if anchor is None:
            raise LabError("this lab is not up: start it with 'lab.py up'")
        return anchor

    def _enter(self) -> list[str]:
        return ["nsenter", "--target", str(self._held()), "--mount", "--net"]


def members(group: Path) -> list[int]:
    """The processes of a cgroup itself (not of those below it)."""
    try:
        return [int(pid) for pid in (group / "cgroup.procs").read_text(encoding="utf-8").split()]
    except OSError:
        return []


def number_inside(pid: int) -> int:
    """Which number a process has in its own namespace (1 is what a machine was booted with), 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return int(status.partition("NSpid:")[2].partition("\n")[0].split()[-1])


def is_populated(group: Path) -> bool:
    """Is there a process in a cgroup or below it?"""
    try:
        return "populated 1" in (group / "cgroup.events").read_text(encoding="utf-8")
    except OSError:
        return False


def remove(group: Path) -> None:
    """Remove a cgroup without processes and those below it."""
    for folder, _folders, _files in os.walk(group, topdown=False):
        os.rmdir(folder)


def interrupt(pids: Sequence[int]) -> None:
    """Ask processes to end."""
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
