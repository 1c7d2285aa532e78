# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Root file systems of the lab: what they hold, and how they are built once and cached.

A new kind of host is a new row in `IMAGES`; a new Debian release is a new name in its `releases`.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .machine import install_missing, missing_packages
from .shell import LabError, cache_folder, locked, run, say

_COMMON = "python3 iproute2 procps iputils-ping openssh-server sudo ca-certificates openssl curl"
_BASE = f"systemd systemd-sysv dbus {_COMMON}"

# Every image: no key of its own, `operator` as its person.
_SETUP_ALWAYS = """
rm -f /etc/ssh/ssh_host_* /etc/apt/apt.conf.d/99mmdebstrap
useradd --create-home --shell /bin/bash --gid operator operator
echo 'operator ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/operator
chmod 0440 /etc/sudoers.d/operator
"""
# With systemd: no first-boot work, nothing that wakes up by itself.
_SETUP = f"""{_SETUP_ALWAYS}\
systemctl --quiet enable systemd-networkd.service
systemctl --quiet mask systemd-networkd-wait-online.service systemd-firstboot.service console-getty.service \
    getty.target apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer
"""


@dataclass(frozen=True)
class Image:
    """A kind of machine: packages on top of the base, and shell commands that finish it (run in the new root)."""

    name: str
    packages: str
    setup: str = ""
    releases: tuple[str, ...] = ("bookworm", "trixie")
    has_systemd: bool = True
    local_resolver: bool = False

    @property
    def all_packages(self) -> str:
        """What is installed, the base included."""
        return f"{_BASE if self.has_systemd else _COMMON} {self.packages}"

    @property
    def whole_setup(self) -> str:
        """The commands that finish it, those of every image included."""
        return f"{_SETUP if self.has_systemd else _SETUP_ALWAYS}\n{self.setup}"


IMAGES = {
    image.name: image
    for image in (
        # ufw is installed as Debian ships it: present, not enabled.
        Image("host", "ufw iptables nftables conntrack strace"),
        # firewalld is installed as Debian ships it: running from the first boot, SSH allowed.
        Image("firewalld", "firewalld ipset iptables nftables conntrack strace"),
        # firewalld as above, and a ufw beside it that nobody switched on.
        Image("both", "firewalld ipset ufw iptables nftables conntrack strace"),
        # DNS goes through a stub of this host: /etc/resolv.conf leads to systemd-resolved.
        Image(
            "resolved",
            "systemd-resolved ufw iptables nftables conntrack strace",
            setup="ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf\n",
            local_resolver=True,
        ),
        # Debian without systemd. What its scripts do at boot to disks, clock and consoles is no container's business.
        Image(
            "sysvinit",
            "sysvinit-core ifupdown ufw iptables nftables conntrack strace",
            setup="sed -i '/getty/d' /etc/inittab\n",
            releases=("bookworm",),
            has_systemd=False,
        ),
        Image(
            "internet",
            "nginx-light dnsmasq chrony squid",
            # A container may not set the clock, on which chrony's unit insists.
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


def tree(name: str, release: str) -> Path:
    """Name the folder of image `name` of `release`, built or not; a changed recipe has another folder."""
    image = IMAGES.get(name)
    if image is None:
        raise LabError(f"the lab has no image called {name}; it has: {', '.join(IMAGES)}")
    if release not in image.releases:
        raise LabError(f"the lab's image {name} exists for {', '.join(image.releases)}, not for {release}")
    recipe = f"{image.all_packages}\n{image.whole_setup}"
    return images_folder() / f"{name}-{release}-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}"


def images_folder() -> Path:
    """Name the folder that holds all root file systems."""
    return cache_folder() / "lab-images"


def prepare(wanted: Iterable[tuple[str, str]]) -> None:
    """Install what the machine lacks and build the (image, release) pairs that are not cached yet."""
    pairs = list(dict.fromkeys(wanted))
    if not missing_packages() and all(tree(*pair).exists() for pair in pairs):
        return
    with _alone() as folder:
        install_missing()
        for found in folder.glob(".*"):
            # What a build left that died: nobody else builds while we hold the lock.
            shutil.rmtree(found)
        absent = [pair for pair in pairs if not tree(*pair).exists()]
        with ThreadPoolExecutor(max_workers=2) as builders:
            list(builders.map(lambda pair: _build(*pair), absent))


def prune() -> None:
    """Remove root file systems of recipes that are no longer in `IMAGES`; no lab may be up."""
    current = {tree(image.name, release) for image in IMAGES.values() for release in image.releases}
    with _alone() as folder:
        for found in set(folder.iterdir()) - current:
            shutil.rmtree(found)


@contextlib.contextmanager
def _alone() -> Iterator[Path]:
    """Give the images' folder, with nobody else changing it."""
    with locked(cache_folder() / "lab-images.lock"):
        images_folder().mkdir(parents=True, exist_ok=True)
        yield images_folder()


def _build(name: str, release: str) -> None:
    image, target = IMAGES[name], tree(name, release)
    say(f"building {target.name} (once; kept in {target.parent})")
    begin = time.monotonic()
    draft = target.with_name(f".{target.name}")
    # Own mount and process namespaces, ended with us: no mount, daemon or half of a build outlives this run.
    apart = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "slave"]
    apart += ["--pid", "--fork", "--kill-child"]
    include = ",".join(image.all_packages.split())
    build = ["mmdebstrap", "--quiet", "--variant=apt", f"--include={include}", *_apt_options()]
    run([*apart, *build, release, str(draft), *_sources(release)])
    run([*apart, "chroot", str(draft), "sh", "-eu"], stdin=image.whole_setup)
    draft.rename(target)
    say(f"built {target.name} in {time.monotonic() - begin:.0f} s")


def _sources(release: str) -> list[str]:
    """Write apt lines for `release` from the mirrors of this machine's own apt; with none, mmdebstrap has its own."""
    wanted = "$(ORIGIN)\t$(REPO_URI)\t$(CODENAME)"
    lines = []
    for target in run(["apt-get", "indextargets", "--format", wanted, "Created-By: Packages"]).splitlines():
        origin, uri, codename = target.split("\t")
        if origin == "Debian":
            _own, dash, pocket = codename.partition("-")
            lines.append(f"deb {uri} {release}{dash}{pocket} main")
    return list(dict.fromkeys(lines))


def _apt_options() -> list[str]:
    """Hand this machine's way to its mirrors (proxies, certificates) on to the new root's apt while it is built."""
    settings = run(["apt-config", "dump"]).splitlines()
    return [f"--aptopt={line}" for line in settings if line.startswith(("Acquire::http::", "Acquire::https::"))]
