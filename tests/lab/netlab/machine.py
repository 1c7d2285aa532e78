# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this machine must bring for the lab, and how it gets what it lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from .shell import LabError, run, say

# Commands that the lab calls, and the packages that bring them.
_TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "openssl": "openssl",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
    "losetup": "mount",
    "mkfs.ext4": "e2fsprogs",
}

# Debian's 128 is used up by a dozen hosts; a LAN of the lab holds at most 239.
_INOTIFY_INSTANCES = 4096

# What the kernel must let us do, tried and thrown away with the namespaces.
_TRIAL = """
mount -t tmpfs lab /mnt
mkdir /mnt/lower /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
! command -v ip >/dev/null || ip link add br0 type bridge
"""


def why_not(*, disk: bool = False) -> str:
    """Say why this machine cannot run the lab, not even after `prepare`: one sentence; empty if it can.

    `disk`: with hosts that have a disk of their own.
    """
    needs: dict[str, Callable[[], bool]] = {
        "Linux: this machine has no network namespaces": lambda: Path("/proc/self/ns/net").exists(),
        "root: containers, namespaces and overlay mounts are not for ordinary users": lambda: os.geteuid() == 0,
        "Debian: its hosts are built with apt and mmdebstrap": lambda: (
            Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None
        ),
        "a writable cgroup2 file system with cgroup.kill (Linux 5.14 or later)": lambda: cgroup_root() is not None,
        "loop devices: a disk that can lose something is one": lambda: not disk or Path("/dev/loop-control").exists(),
        "the command unshare (package util-linux)": lambda: shutil.which("unshare") is not None,
    }
    for need, is_met in needs.items():
        if not is_met():
            return f"it needs {need}"
    apart = ["unshare", "--mount", "--net", "sh", "-euc", _TRIAL]
    trial = subprocess.run(apart, capture_output=True, text=True, check=False)
    if trial.returncode == 0:
        return ""
    reason = (trial.stderr.strip().splitlines() or ["no message"])[-1]
    return f"it needs new mount and network namespaces, overlay mounts and bridges: {reason}"


def cgroup_root() -> Path | None:
    """Find the mount point of a cgroup2 tree that we may write to and kill in; None if there is none."""
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields, _dash, kind = line.partition(" - ")
        root = Path(fields.split()[4].replace("\\040", " "))
        if kind.startswith("cgroup2 ") and _is_usable(root):
            return root
    return None


def _is_usable(root: Path) -> bool:
    trial = root / f"netwall-lab-trial-{os.getpid()}"
    try:
        trial.mkdir()
    except OSError:
        return False
    try:
        return (trial / "cgroup.kill").exists()
    finally:
        trial.rmdir()


def make_room() -> None:
    """Raise the kernel's count of inotify instances per user, of which every systemd takes several, if it is low."""
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    if int(limit.read_text(encoding="utf-8")) >= _INOTIFY_INSTANCES:
        return
    try:
        limit.write_text(str(_INOTIFY_INSTANCES), encoding="utf-8")
        say(f"set fs.inotify.max_user_instances to {_INOTIFY_INSTANCES} until this machine boots again")
    except OSError as error:
        say(f"the machine is left with few inotify instances, enough for some ten hosts: {error}")


def missing_packages() -> list[str]:
    """List the packages that the lab needs of this machine and that are not there, sorted."""
    return sorted({package for tool, package in _TOOLS.items() if shutil.which(tool) is None})


def install_missing() -> None:
    """Install those packages, if any, with this machine's own apt."""
    packages = missing_packages()
    if not packages:
        return
    say(f"installing {' '.join(packages)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "--quiet", "--quiet", "-o", "DPkg::Lock::Timeout=300"]
    install = [*apt, "install", "--yes", "--no-install-recommends", *packages]
    try:
        run(install, env=env)
    except LabError:
        # A fresh machine has no package lists, an old one has outdated ones.
        run([*apt, "update"], env=env)
        run(install, env=env)
