# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file systems of the lab: what they hold, and how they are built once and cached.

A new kind of host is a new row in `IMAGES`; a new Debian release is a new name in its `releases`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, List, Tuple

from .shell import LabError, cache_folder, locked, run, say

_BASE = (
    "systemd systemd-sysv dbus python3 iproute2 procps iputils-ping openssh-server sudo ca-certificates openssl curl"
).split()

# Every image: no key of its own, no first-boot work, nothing that wakes up by itself; `operator` as its person.
_SETUP = """
rm -f /etc/ssh/ssh_host_*
echo uninitialized >/etc/machine-id
useradd --create-home --shell /bin/bash --gid operator operator
echo 'operator ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/operator
chmod 0440 /etc/sudoers.d/operator
systemctl --quiet enable systemd-networkd.service
systemctl --quiet mask systemd-networkd-wait-online.service console-getty.service getty.target systemd-firstboot.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer
rm -f /etc/apt/apt.conf.d/99mmdebstrap
"""


@dataclass(frozen=True)
class Image:
    """A kind of machine: the packages on top of the base and the shell commands that finish it (run in the new root)."""

    name: str
    packages: Tuple[str, ...]
    setup: str = ""
    releases: Tuple[str, ...] = ("bookworm", "trixie")


IMAGES = {
    image.name: image
    for image in (
        # ufw is installed as Debian ships it: present, not enabled.
        Image("host", tuple("ufw iptables nftables conntrack strace".split())),
        # firewalld is installed as Debian ships it: running from the first boot, SSH allowed.
        Image("firewalld", tuple("firewalld ipset iptables nftables conntrack strace".split())),
        Image(
            "internet",
            tuple("nginx-light dnsmasq chrony squid".split()),
            # A container may not set the clock, which chrony's unit insists on; squid waits half a minute to stop.
            setup="""
mkdir -p /etc/systemd/system/chrony.service.d
printf '[Unit]\\nConditionCapability=\\n' >/etc/systemd/system/chrony.service.d/lab.conf
rm -f /etc/nginx/sites-enabled/default
systemctl --quiet mask logrotate.timer
""",
            releases=("bookworm",),
        ),
    )
}
DEFAULT_IMAGE = "host"
DEFAULT_RELEASE = "bookworm"

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
}

# What the kernel must let us do, tried and thrown away.
_TRIAL = """
mount -t tmpfs lab /mnt
mkdir /mnt/lower /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
ip link add br0 type bridge 2>/dev/null || ! command -v ip >/dev/null
"""


def why_not() -> str:
    """The one reason why this machine cannot run the lab, as a sentence; empty if it can (after `prepare`)."""
    if not os.path.exists("/proc/self/ns/net"):
        return "the lab needs Linux: this machine has no network namespaces"
    if os.geteuid() != 0:
        return "the lab needs root: containers, namespaces and overlay mounts are not for ordinary users"
    if shutil.which("apt-get") is None or not Path("/etc/debian_version").exists():
        return "the lab needs Debian: its hosts are built with apt and mmdebstrap"
    if cgroup_root() is None:
        return "the lab needs a writable cgroup2 file system with cgroup.kill (Linux 5.14 or later)"
    if shutil.which("unshare") is None:
        return "the lab needs the command unshare (package util-linux)"
    trial = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-euc", _TRIAL], capture_output=True, text=True, check=False
    )
    if trial.returncode != 0:
        reason = (trial.stderr.strip().splitlines() or ["no message"])[-1]
        return f"the lab needs new mount and network namespaces, overlay mounts and bridges: {reason}"
    return ""


def cgroup_root() -> Path | None:
    """The mount point of a cgroup2 tree that we may write to and kill in; None if there is none."""
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields, _dash, kind = line.partition(" - ")
        if not kind.startswith("cgroup2 "):
            continue
        root = Path(fields.split()[4].replace("\\040", " "))
        trial = root / f"netwall-lab-trial-{os.getpid()}"
        try:
            trial.mkdir()
        except OSError:
            continue
        able = (trial / "cgroup.kill").exists()
        trial.rmdir()
        if able:
            return root
    return None


def missing_packages() -> List[str]:
    """Packages of this machine that the lab needs and that are not there, sorted."""
    return sorted({package for tool, package in _TOOLS.items() if shutil.which(tool) is None})


def tree(name: str, release: str) -> Path:
    """Where the root file system of image `name` of `release` is kept, built or not. A changed recipe is another path."""
    image = IMAGES.get(name)
    if image is None:
        raise LabError(f"the lab has no image called {name}; it has: {', '.join(IMAGES)}")
    if release not in image.releases:
        raise LabError(f"the lab's image {name} exists for {', '.join(image.releases)}, not for {release}")
    recipe = "\0".join((*_BASE, *image.packages, _SETUP, image.setup))
    return images_folder() / f"{name}-{release}-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}"


def images_folder() -> Path:
    """The folder that holds all root file systems."""
    return cache_folder() / "lab-images"


def prepare(wanted: Iterable[Tuple[str, str]], *, prune: bool = False) -> None:
    """Install what the machine lacks and build the (image, release) pairs that are not cached yet; `prune` drops outdated ones."""
    pairs = list(dict.fromkeys(wanted))
    if not missing_packages() and all(tree(*pair).exists() for pair in pairs):
        return
    with locked(cache_folder() / "lab-images.lock"):
        _install_missing()
        folder = images_folder()
        folder.mkdir(parents=True, exist_ok=True)
        current = {tree(image.name, release) for image in IMAGES.values() for release in image.releases}
        for found in folder.iterdir():
            # Under the lock, a hidden folder is what a crashed build left.
            if found.name.startswith(".") or (prune and found not in current):
                shutil.rmtree(found)
        for pair in pairs:
            if not tree(*pair).exists():
                _build(*pair)


def _install_missing() -> None:
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


def _build(name: str, release: str) -> None:
    image, target = IMAGES[name], tree(name, release)
    say(f"building {target.name} (once; kept in {target.parent})")
    begin = time.monotonic()
    draft = target.parent / f".{target.name}"
    # Own mount and process namespaces: whatever becomes of the build, no mount and no daemon outlives it.
    apart = ["unshare", "--mount", "--propagation", "slave", "--pid", "--fork", "--kill-child"]
    packages = ",".join((*_BASE, *image.packages))
    run(
        [*apart, "mmdebstrap", "--quiet", "--variant=apt", f"--include={packages}", *_apt_options()]
        + [release, str(draft), *_sources(release)]
    )
    run([*apart, "chroot", str(draft), "sh", "-eu"], stdin=_SETUP + image.setup)
    draft.rename(target)
    say(f"built {target.name} in {time.monotonic() - begin:.0f} s")


def _sources(release: str) -> List[str]:
    """Apt lines for `release` from the mirrors that this machine's own apt uses; none lets mmdebstrap take its defaults."""
    targets = run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN)\t$(REPO_URI)\t$(CODENAME)", "Created-By: Packages"]
    )
    lines = []
    for target in targets.splitlines():
        origin, uri, codename = target.split("\t")
        if origin == "Debian":
            _own, dash, pocket = codename.partition("-")
            lines.append(f"deb {uri} {release}{dash}{pocket} main")
    return list(dict.fromkeys(lines))


def _apt_options() -> List[str]:
    """This machine's way to its mirrors (proxies, certificates), handed on to the new root's apt while it is built."""
    settings = run(["apt-config", "dump"]).splitlines()
    return [f"--aptopt={line}" for line in settings if line.startswith(("Acquire::http::", "Acquire::https::"))]
