# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab: its internet and its hosts, from nothing to answering over SSH, and back to nothing."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from . import images, keys, machine, world
from .shell import LabError, cache_folder, locked, put, run, say, wait_for
from .space import Space, interrupt, is_populated, members, number_inside, remove

BOOT_SECONDS = 60
INTERNET = "internet"
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")

# A disk that can lose what nobody asked it to keep: what is not synced is written late (commit), and a file that is
# renamed over another is not written for that alone (noauto_da_alloc). $1 host.
_MAKE_DISK = """
truncate --size=512M "/run/hosts/$1/disk.img"
mkfs.ext4 -q -E lazy_itable_init=0 "/run/hosts/$1/disk.img"
"""
# $1 image, $2 host: a layer over a cached root; on the host's own disk, if it has one.
_MOUNT = """
cd /run
mkdir -p "hosts/$2/disk" "hosts/$2/root"
[ ! -e "hosts/$2/disk.img" ] || mount -o loop,commit=300,noauto_da_alloc "hosts/$2/disk.img" "hosts/$2/disk"
mkdir -p "hosts/$2/disk/upper" "hosts/$2/disk/work"
layers=lowerdir=images/$1,upperdir=hosts/$2/disk/upper,workdir=hosts/$2/disk/work
mount -t overlay overlay -o "$layers" "hosts/$2/root"
"""
# They may be mounted or not, where a run died. $1 host.
_UNMOUNT = """
for folder in root disk; do
    ! mountpoint --quiet "/run/hosts/$1/$folder" || umount "/run/hosts/$1/$folder"
done
"""
_SYNC = 'sync --file-system "/run/hosts/$1/disk"'
_IS_ATTACHED = 'losetup --associated "/run/hosts/$1/disk.img"'
# In Linux's fs/ext4/ext4.h: EXT4_IOC_SHUTDOWN and EXT4_GOING_FLAGS_NOLOGFLUSH. After it nothing reaches the device.
_EXT4_SHUTDOWN, _WITHOUT_FLUSHING_THE_LOG = 0x8004587D, struct.pack("I", 2)
# The machine's power supply: keeps it running over reboots (nspawn then ends with 133), until it is powered off.
# $1 its cgroup, $2 host, $3 number on the LAN. The cgroups below "machine" are made by nspawn at each boot.
_POWER = """
mkdir "$1/power"
echo 0 >"$1/power/cgroup.procs"
while :; do
    [ ! -d "$1/machine" ] || find "$1/machine" -depth -type d -exec rmdir {} +
    mkdir "$1/machine"
    # After a power cut the old interface may outlive its machine for a moment.
    ip link delete "vb-n$3" 2>/dev/null || :
    status=0
    (
        echo 0 >"$1/machine/cgroup.procs"
        exec systemd-nspawn --quiet --keep-unit --register=no --settings=no --boot --directory="/run/hosts/$2/root" \
            --machine="n$3" --hostname="$2" --network-bridge=br0 --resolv-conf=off --timezone=off --link-journal=no
    ) || status=$?
    [ "$status" -eq 133 ] || exit "$status"
done
"""

# Answers nothing when all is well, otherwise the units that failed.
_ALL_SERVERS = "systemctl is-system-running --wait >/dev/null || systemctl --failed --no-legend --plain"


@dataclass(frozen=True)
class Host:
    """A machine of the lab: `number` is its place on the LAN.

    With a `disk` a power cut loses what was not synced; without, its files are in memory, which a cut leaves alone.
    With `dhcp` it asks for its addresses (and gets those of its place).
    """

    name: str
    image: str
    release: str
    number: int
    disk: bool = False
    dhcp: bool = False

    @property
    def address(self) -> world.Address:
        """Where it is on the LAN."""
        return world.on_lan(self.number)


class Lab:
    """The lab called `name`. Methods that change it are safe to call twice, and by two processes at once."""

    def __init__(self, name: str) -> None:
        _check_name("lab", name)
        self.name = name
        self.folder = cache_folder() / "labs" / name
        # Two caches may each have a lab of that name: they are different labs.
        self.space = Space(f"{name}-{hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:8]}")

    # --- What there is --------------------------------------------------------------------------------------------

    def hosts(self) -> dict[str, Host]:
        """The hosts that were asked for, running or not, without the internet."""
        if self.space.anchor() is None:
            return {}
        try:
            facts = json.loads((self.folder / "lab.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        known = {field.name for field in fields(Host)}
        return {name: Host(**{key: row[key] for key in row if key in known}) for name, row in facts["hosts"].items()}

    def host(self, name: str) -> Host:
        """A host (or the internet) by name."""
        found = {**self.hosts(), INTERNET: _internet()}.get(name)
        if found is None or self.space.anchor() is None:
            known = ", ".join(self.hosts()) or "none"
            raise LabError(f"lab {self.name} has no host {name} (it has: {known}): make it with 'lab.py up {name}'")
        return found

    def is_running(self, host: Host) -> bool:
        """Has the machine power? (It may still be booting.)"""
        return is_populated(self.space.group(_group(host)))

    # --- Up and down ----------------------------------------------------------------------------------------------

    def up(self, wanted: Sequence[str], *, disk: bool = False, dhcp: bool = False) -> None:
        """Boot the internet and hosts (`NAME`, `NAME=RELEASE` or `NAME=IMAGE:RELEASE`) and wait until all answer.

        `disk` and `dhcp` are for hosts that are new (see `Host`).
        """
        with self._locked():
            hosts = self.hosts()
            started = [_internet()]
            for request in wanted:
                started.append(placed(request, hosts, disk=disk, dhcp=dhcp))
                hosts[started[-1].name] = started[-1]
            images.prepare((host.image, host.release) for host in started)
            machine.make_room()
            if self.space.anchor() is None:
                self._open()
            self._write(hosts)
            for host in started:
                self._power_on(host)
            for host in started:
                self._await(host)

    def down(self, names: Sequence[str] = ()) -> None:
        """Remove the named hosts, or the whole lab; from inside it (`lab.py exec`) all but its network and internet."""
        with self._locked():
            if names or self.space.am_inside():
                hosts = self.hosts()
                for host in [hosts[name] for name in names or list(hosts) if name in hosts]:
                    self._discard(host)
                    del hosts[host.name]
                    self._write(hosts)
                if not names:
                    say("network and internet stay, since this command runs inside them")
                return
            self.space.kill()
            if self.folder.exists():
                shutil.rmtree(self.folder)

    def stop(self, name: str, *, hard: bool) -> None:
        """Shut a host down, or cut its power; its disk is kept."""
        host = self.host(name)
        with self._locked():
            if not self.is_running(host):
                return
            if hard:
                self._cut_power(host)
            else:
                self._ask_to_halt(host)
                wait_for(f"{name} to shut down", lambda: None if self.is_running(host) else True, seconds=120)
                self.space.kill(_group(host))

    def start(self, name: str, *, waits: bool = True) -> None:
        """Boot a stopped host with the disk it had, and wait until it answers unless told not to."""
        host = self.host(name)
        with self._locked():
            self._power_on(host)
            if waits:
                self._await(host)

    def runs(self, name: str, service: str, *, seconds: float = BOOT_SECONDS) -> bool:
        """Whether processes of a service run on a host, or come to do so within so many seconds, as while it boots."""
        group = self.space.group(f"{_group(self.host(name))}/machine/payload/system.slice/{service}")
        deadline = time.monotonic() + seconds
        while not (group.exists() and is_populated(group)):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    # --- Commands in it -------------------------------------------------------------------------------------------

    def ssh(self, *arguments: str) -> list[str]:
        """The command that runs `ssh` from the controller, with the lab's keys."""
        entered = ["nsenter", f"--net={self.space.namespace('controller')}"]
        return [*entered, "ssh", "-F", str(self.folder / "ssh_config"), *arguments]

    def at(self, namespace: str, command: Sequence[str]) -> list[str]:
        """The command that runs `command` of this machine on the network of the `controller` or the `neighbour`."""
        script = 'mount --bind "$1" /etc/resolv.conf; mount --bind "$2" /etc/nsswitch.conf; shift 2; exec "$@"'
        files = [str(self.folder / name) for name in ("resolv.conf", "nsswitch.conf")]
        apart = ["unshare", "--mount", "--propagation", "slave", "sh", "-euc", script, "-"]
        return ["nsenter", f"--net={self.space.namespace(namespace)}", *apart, *files, *command]

    def console(self, name: str, command: Sequence[str]) -> list[str]:
        """The command that runs `command` as root on a host without using its network, as if at its console."""
        host = self.host(name)
        payload = self.space.group(f"{_group(host)}/machine/payload")
        # systemd goes into a cgroup of its own.
        init = [pid for pid in members(payload / "init.scope") or members(payload) if number_inside(pid) == 1]
        if not init:
            raise LabError(f"{name} is not running: boot it with 'lab.py start {name}'")
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        clean = ["env", "-i", path, "HOME=/root", "LANG=C.UTF-8"]
        enter = ["nsenter", "--target", str(init[0]), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
        return [*enter, *clean, *command]

    # --- Steps ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with locked(self.folder.parent / f"{self.name}.lock"):
            yield

    def _open(self) -> None:
        """Make a new lab without machines. Its files come first: a lab that is open has them all."""
        self.space.kill()
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, mode=0o700)
        keys.make(self.folder)
        switch = Path("/etc/nsswitch.conf").read_text(encoding="utf-8")
        # Only the lab's DNS: other sources would ask services of the machine's own network.
        put(self.folder / "nsswitch.conf", re.sub(r"(?m)^hosts:.*$", "hosts: files dns", switch))
        put(self.folder / "resolv.conf", world.RESOLV_CONFIGURATION)
        put(self.folder / "ip-ranges.json", world.ip_ranges_files()["index.json"])
        places = [world.CONTROLLER, world.NEIGHBOUR, world.OTHER_NEIGHBOUR, world.GATEWAY]
        addresses = [text for place in places for text in (place.ipv4, place.ipv6)]
        self.space.open(images.images_folder(), self.folder / "mnt", addresses)

    def _power_on(self, host: Host) -> None:
        group = _group(host)
        if self.is_running(host):
            return
        if not (self.space.folder() / "hosts" / host.name / "root/etc/lab/complete").exists():
            self._furnish(host)
        if self.space.group(group).exists():
            remove(self.space.group(group))
        self.space.group(group).mkdir(parents=True)
        self.space.start(_POWER, self.space.group_inside(group), host.name, str(host.number), log=self._log(host))
        wait_for(f"power for {host.name}", lambda: True if self.is_running(host) else None, seconds=10)

    def _furnish(self, host: Host) -> None:
        """Give a host an empty layer over its image and put into it what makes it this host."""
        self._remove_disk(host)
        folder = self.space.folder() / "hosts" / host.name
        folder.mkdir()
        if host.disk:
            self.space.run(_MAKE_DISK, host.name)
        self._mount(host)
        root = folder / "root"
        texts = {
            "etc/hostname": f"{host.name}\n",
            "etc/hosts": f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {host.name}\n",
            "etc/machine-id": f"{uuid.uuid4().hex}\n",
        }
        if host.name == INTERNET:
            texts.update(world.internet_files())
        else:
            texts.update(world.host_files(host.number, dhcp=host.dhcp))
        if not images.IMAGES[host.image].local_resolver:
            texts["etc/resolv.conf"] = world.RESOLV_CONFIGURATION
        for path, text in texts.items():
            put(root / path, text)
        keys.hand_out(self.folder, root)
        if host.name == INTERNET:
            keys.hand_out_to_servers(self.folder, root)
        # Last: a machine without this was never finished, and is furnished anew.
        put(root / "etc/lab/complete", "")
        self.space.run(_SYNC, host.name)

    def _mount(self, host: Host) -> None:
        self.space.run(_MOUNT, images.tree(host.image, host.release).name, host.name)

    def _unmount(self, host: Host) -> None:
        self.space.run(_UNMOUNT, host.name)
        if (self.space.folder() / "hosts" / host.name / "disk.img").exists():
            # Mounted again too early, it would still be the frozen one.
            detached = f"the disk of {host.name} to be let go"
            wait_for(detached, lambda: None if self.space.run(_IS_ATTACHED, host.name) else True, seconds=20)

    def _remove_disk(self, host: Host) -> None:
        self._unmount(host)
        self.space.run('rm -rf "/run/hosts/$1"', host.name)

    def _cut_power(self, host: Host) -> None:
        if host.disk:
            self._freeze_disk(host)
        self.space.kill(_group(host))
        if host.disk:
            # Its file system reads its log as after a real cut.
            self._unmount(host)
            self._mount(host)

    def _freeze_disk(self, host: Host) -> None:
        """Leave on a running host's disk what is there at this moment: nothing more is written, not even the log."""
        disk = os.open(self.space.folder() / "hosts" / host.name / "disk", os.O_RDONLY)
        try:
            fcntl.ioctl(disk, _EXT4_SHUTDOWN, _WITHOUT_FLUSHING_THE_LOG)
        finally:
            os.close(disk)

    def _ask_to_halt(self, host: Host) -> None:
        if images.IMAGES[host.image].has_systemd:
            # nspawn passes this on as a request to halt.
            interrupt(members(self.space.group(f"{_group(host)}/machine/supervisor")))
        else:
            run(self.console(host.name, ["poweroff"]))

    def _await(self, host: Host) -> None:
        """Wait until a person can log in; for the internet, until all its servers are up as well."""
        # Addresses of the two families may come one after the other.
        ready = f"ip address show to {host.address.ipv6} | grep --quiet host0"
        command = self.ssh("-o", "ConnectTimeout=2", host.name, _ALL_SERVERS if host.name == INTERNET else ready)
        log = self._log(host)

        def answer() -> str | None:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if done.returncode != 0 and not self.is_running(host):
                raise LabError(f"{host.name} went off while it was booting; its console output is in {log}")
            return done.stdout if done.returncode == 0 else None

        what = f"{host.name} to answer over SSH (its console output is in {log})"
        failed = wait_for(what, answer, seconds=BOOT_SECONDS, pause=0.1)
        if failed:
            raise LabError(f"{host.name} is up, but these units failed: {'; '.join(failed.splitlines())}")

    def _log(self, host: Host) -> Path:
        return self.folder / f"console-{host.name}.log"

    def _discard(self, host: Host) -> None:
        self.space.kill(_group(host))
        self._remove_disk(host)

    def _write(self, hosts: Mapping[str, Host]) -> None:
        """Bring the files that describe the lab up to date."""
        folder = self.folder
        addresses = {name: host.address for name, host in hosts.items()}
        put(folder / "ssh_config", world.ssh_configuration(str(folder), {**addresses, INTERNET: world.GATEWAY}))
        put(folder / "inventory.yml", world.inventory(str(folder), addresses))
        facts = {
            "lab": self.name,
            "folder": str(folder),
            **world.description(),
            "hosts": {name: {**asdict(host), **asdict(host.address)} for name, host in hosts.items()},
        }
        put(folder / "lab.json", json.dumps(facts, indent=2) + "\n")


def placed(request: str, hosts: Mapping[str, Host], *, disk: bool = False, dhcp: bool = False) -> Host:
    """The host that is asked for: the one that is there, or a new one in the first free place on the LAN."""
    name, _equals, kind = request.partition("=")
    image, _colon, release = kind.rpartition(":")
    known = hosts.get(name)
    if known is not None:
        if (image or known.image, release or known.release) == (known.image, known.release):
            missing = [
                trait for trait, asked in (("disk", disk), ("dhcp", dhcp)) if asked and not getattr(known, trait)
            ]
            if not missing:
                return known
            kind = f"one with {' and '.join(missing)}"
        raise LabError(
            f"host {name} is there as {known.image}:{known.release}, not as {kind}: "
            f"take it down first with 'lab.py down {name}'"
        )
    _check_name("host", name)
    if name == INTERNET:
        raise LabError("every lab has its internet already: do not ask for it")
    taken = {host.number for host in hosts.values()}
    chosen = image or images.DEFAULT_IMAGE
    if dhcp and chosen in images.IMAGES and not images.IMAGES[chosen].has_systemd:
        raise LabError(f"hosts of the image {chosen} have fixed addresses: ask for one without --dhcp")
    free = [number for number in range(world.FIRST_HOST, world.LAST_HOST + 1) if number not in taken]
    if not free:
        raise LabError(f"the lab is full, there is no place for {name}: take hosts down with 'lab.py down HOST'")
    return Host(name, chosen, release or images.DEFAULT_RELEASE, free[0], disk, dhcp)


def labs() -> list[str]:
    """The names of all labs in this cache, up or left over."""
    folder = cache_folder() / "labs"
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.exists() else []


def _internet() -> Host:
    return Host(INTERNET, INTERNET, images.DEFAULT_RELEASE, 2)


def _group(host: Host) -> str:
    return f"hosts/{host.name}"


def _check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise LabError(f"{name!r} is no name for a {what}: use lower-case letters, digits and hyphens, a letter first")
