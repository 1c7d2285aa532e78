# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What an Agent shall buffer: wishes, what the host says of its Agent, and its disk give settings, or why not.

How an Agent buffers is from its own sources (comp/forwarder/defaultforwarder/internal/retry in DataDog/datadog-agent)
and from its release notes; docs/agent.md tells it with the places.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
import typing as t
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath

from ansible_collections.netwall.datadog.plugins.plugin_utils._buffering import units
from ansible_collections.netwall.datadog.plugins.plugin_utils._version import Releases, Version, VersionError, since

DEFAULT_RATE = 2000
"""Bytes per second of payloads where nobody measured: two and a half times what Datadog measured of a plain Agent."""

DEFAULT_MEMORY = 15 * 2**20
"""Bytes that an Agent keeps in memory by default."""

LOWEST_DISK_RATIO = Fraction("0.80")
"""The lower of the two defaults that releases had; before 7.31.0 and 6.31.0 it was 0.95 (datadog-agent #8857)."""

DEFAULT_DAYS = 10
"""Days after which an Agent that starts removes what it finds on its disk."""

_DAY = 86400
_MIB = 2**20
# The part of the memory that is written to one file (forwarder_flush_to_disk_mem_ratio).
_FLUSHED = Fraction(1, 2)


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting of datadog.yaml: its name there, what it is called in agent_info, and who knows it."""

    name: str
    fact: str
    releases: Releases
    is_of_disk: bool

    @property
    def variable(self) -> str:
        """The variable of the service's environment that overrides it."""
        return f"DD_{self.name.upper()}"


_DISK_RELEASES = since("6.27.0", "7.27.0")
SETTINGS = {
    "memory": Setting("forwarder_retry_queue_payloads_max_size", "memory_bytes", since("6.24.0", "7.24.0"), False),
    "disk": Setting("forwarder_storage_max_size_in_bytes", "disk_bytes", _DISK_RELEASES, True),
    "path": Setting("forwarder_storage_path", "storage_path", _DISK_RELEASES, True),
    "disk_ratio": Setting("forwarder_storage_max_disk_ratio", "disk_ratio", _DISK_RELEASES, True),
    "outdated_days": Setting("forwarder_outdated_file_in_days", "outdated_days", _DISK_RELEASES, True),
}
"""The settings by the name of the wish."""


@dataclasses.dataclass(frozen=True)
class Disk:
    """A disk in bytes: all of it, what a user who is not root may still write, and what the Agent has there already."""

    total: int
    available: int
    stored: int

    @classmethod
    def of_statfs(cls, line: str, stored: int) -> Disk:
        """The disk of which ``stat -f -c '%S %b %a'`` says *line*; raises :class:`ValueError`."""
        block, blocks, available = map(int, line.split())
        return cls(block * blocks, block * available, stored)

    @classmethod
    def of_windows(cls, disks: t.Iterable[t.Mapping[str, t.Any]], folder: str, stored: int) -> Disk | None:
        """The volume that *folder* is on, of those in *disks* (ansible_disks of community.windows.win_disk_facts).

        A volume may be at a folder of another one: the longest path counts. None where there is no such volume.
        """
        wanted = f"{folder}\\".replace("/", "\\").lower()
        found: list[tuple[int, Disk]] = []
        for partition in itertools.chain.from_iterable(_each(disk.get("partitions")) for disk in disks):
            letter = partition.get("drive_letter")
            paths = [*(partition.get("access_paths") or ()), *([f"{letter}:\\"] if letter else ())]
            found += [
                (len(path), cls(int(volume["size"]), int(volume["size_remaining"]), stored))
                for volume in _each(partition.get("volumes"))
                for path in paths
                if wanted.startswith(path.lower())
            ]
        return max(found, key=lambda each: each[0])[1] if found else None

    def room(self, ratio: Fraction) -> int:
        """What the Agent may have there in all, as it computes it itself (disk_usage_limit.go)."""
        return self.stored + self.available - math.ceil(self.total * (1 - ratio))


class Plan:
    """Works out the settings for one Agent. What is refused is collected, so that all of it is told at once."""

    def __init__(self, wishes: t.Mapping[str, t.Any], agent: t.Mapping[str, t.Any], prefix: str = "") -> None:
        """Take *wishes* (memory, disk, path, disk_ratio, outdated_days, outage, payload_rate; null is not set).

        *agent* is what agent_info returned; *prefix* stands before the names of wishes in sentences.
        """
        self._agent = agent
        self._prefix = prefix
        self._known: t.Mapping[str, t.Any] = agent.get("buffering") or {}
        self.refusals: list[str] = []
        self.warnings: list[str] = []
        self.reasons: list[str] = []
        self.values: dict[str, t.Any] = {}
        self._given = {name: value for name, value in wishes.items() if value is not None and value != ""}
        self._outage: int | None = None
        self._rate = Fraction(DEFAULT_RATE)

    # --- What comes out -----------------------------------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, t.Any]:
        """The settings of datadog.yaml, by name."""
        return {
            SETTINGS[name].name: float(value) if isinstance(value, Fraction) else value
            for name, value in self.values.items()
        }

    @property
    def stores(self) -> bool:
        """Whether the Agent will keep anything on disk."""
        return self._disk() > 0

    @property
    def storage_path(self) -> str:
        """The folder that it will keep it in."""
        return str(self._in_force("path", self._known.get("usual_path") or ""))

    @property
    def is_storage_ours_to_make(self) -> bool:
        """Whether a person named that folder, or it is the Agent's own default: root may make it then.

        Any other is a value of datadog.yaml or of a file beside it, which the Agent's user may write, too.
        """
        sources = (self._agent.get("sources") or {}).get("buffering") or {}
        return "path" in self._given or not (self._known.get("storage_path") or "usual_path" in sources)

    @property
    def folders(self) -> list[str]:
        """That folder and all above it: the first that there is lies on the disk that the folder will be on."""
        path = (PureWindowsPath if self._is_windows() else PurePosixPath)(self.storage_path)
        return [str(path), *map(str, path.parents)]

    def to_set(self, disk: Disk | None) -> None:
        """Judge setting them; *disk* is that of the storage path, or None where it is not known yet."""
        self._read_all()
        if not self._given.keys() & {*SETTINGS, "outage"} and not self.refusals:
            self._refuse(
                "Nothing is set: set "
                f"{self._prefix}outage, as in 6h, or some of {', '.join(self._prefix + name for name in SETTINGS)}."
            )
        if not self._is_there():
            return
        if self._outage:
            self._plan_outage(self._outage)
        self._check_releases()
        self._check_environment()
        self._check_sizes()
        self._check_storage_path()
        if disk and self.stores:
            self._check_disk(disk)

    def to_remove(self) -> list[str]:
        """Judge taking them out; the names of those that are meant: what wishes name, or all."""
        named = [name for name in SETTINGS if name in self._given]
        if "outage" in self._given:
            named += [name for name in ("disk", "outdated_days") if name not in named]
        if self._is_there():
            for name in named or SETTINGS:
                if self._is_of_environment(name):
                    self.warnings.append(
                        f"{SETTINGS[name].variable} stays in the environment of the service {self._service()}; it is "
                        "not in the file."
                    )
        return [SETTINGS[name].name for name in named or SETTINGS]

    # --- One question each --------------------------------------------------------------------------------------------

    def _is_there(self) -> bool:
        """Whether there is an Agent that could be set."""
        version = self._version()
        if not self._agent.get("installed"):
            self._refuse("No Datadog Agent is installed on this host; install it first.")
        elif version and version.major < 6:
            self._refuse(f"Agent {version} has no settings for buffering; they came with Agent 6.")
        elif not self._agent.get("path"):
            self._refuse("The Agent of this host has no datadog.yaml; give it one first.")
        else:
            return True
        return False

    def _plan_outage(self, outage: int) -> None:
        """Find the size on disk that holds an outage of so many seconds, and the days that it has to be kept."""
        if "disk" in self._given:
            self._refuse(
                f"{self._prefix}outage and {self._prefix}disk both say how much is kept on disk; set one of them."
            )
            return
        payloads = math.ceil(self._rate * outage)
        version = self._version()
        if version and version not in _DISK_RELEASES:
            self._refuse(
                f"{self._prefix}outage needs buffering on disk, which Agent {version} does not have; it came with "
                f"7.27.0 and 6.27.0. Update the Agent, or set {self._prefix}memory alone (the outage makes "
                f"{payloads:,} bytes of payloads)."
            )
            return
        # When there is no room left the oldest file goes as a whole: one more makes up for it.
        file = math.ceil(self._memory() * _FLUSHED)
        self.values["disk"] = math.ceil((payloads + file) / _MIB) * _MIB
        self.reasons.append(
            f"{outage:,} s of outage at {float(self._rate):,.6g} bytes/s make {units.shown(payloads)} of payloads; "
            f"with one file of {units.shown(file)} more, in whole MiB, {self.values['disk']:,} bytes on disk."
        )
        days = math.ceil(Fraction(outage, _DAY))
        if days >= self._in_force("outdated_days", DEFAULT_DAYS):
            if "outdated_days" in self._given:
                self._refuse(
                    f"{self._prefix}outdated_days is {self.values['outdated_days']}: an Agent that starts after the "
                    f"outage would throw away what is older. Set it to {days + 1} or more, or leave it unset."
                )
            else:
                self.values["outdated_days"] = days + 1
                self.reasons.append(f"What is on disk is kept for {days + 1} days, so that the outage is over before.")

    def _check_releases(self) -> None:
        """Refuse what this Agent would not know: it would read over it in silence."""
        version = self._version()
        if version is None:
            self.warnings.append(
                "The Agent's version is not known. Agents older than 7.27.0 and 6.27.0 read over what is set for the "
                "disk."
            )
            return
        unknown = [name for name in self.values if version not in SETTINGS[name].releases]
        for is_of_disk, first in ((True, "7.27.0 and 6.27.0"), (False, "7.24.0 and 6.24.0")):
            names = [name for name in unknown if SETTINGS[name].is_of_disk is is_of_disk]
            if names:
                self._refuse(
                    f"Agent {version} does not have {_listed(SETTINGS[name].name for name in names)}, which came with "
                    f"{first}. Update the Agent, or leave {_listed(self._prefix + name for name in names)} unset."
                )

    def _check_environment(self) -> None:
        """Refuse what would be written in vain: the service's environment wins over the file."""
        for name, value in list(self.values.items()):
            if not self._is_of_environment(name):
                continue
            setting = SETTINGS[name]
            if _same(self._known.get(setting.fact), value):
                del self.values[name]
                self.warnings.append(
                    f"{setting.name} is already so by {setting.variable} in the environment of the service "
                    f"{self._service()}, and not written into the file."
                )
            else:
                self._refuse(
                    f"{setting.variable} in the environment of the service {self._service()} wins over datadog.yaml, "
                    f"so {setting.name} would be written in vain. Take the variable out there, or leave "
                    f"{self._prefix}{name} unset."
                )

    def _check_sizes(self) -> None:
        """Refuse a disk that no file of the Agent fits on; warn of what has no effect."""
        file = math.ceil(self._memory() * _FLUSHED)
        size = self._disk()
        if 0 < size < file and {"disk", "memory"} & self.values.keys():
            self._refuse(
                f"With {units.shown(self._memory())} in memory the Agent writes files of {units.shown(file)} (half of "
                f"it), none of which fits into the {units.shown(size)} on disk: nothing would be kept there. Set "
                f"{self._prefix}disk higher, or {self._prefix}memory lower."
            )
        idle = [name for name, setting in SETTINGS.items() if setting.is_of_disk and name in self.values]
        if idle and "disk" not in idle and not self.stores:
            self.warnings.append(
                f"Buffering on disk is off, so that {_listed(SETTINGS[name].name for name in idle)} changes nothing. "
                f"Set {self._prefix}disk or {self._prefix}outage."
            )

    def _check_storage_path(self) -> None:
        """Refuse a folder that the host names and nobody could mean, before the host is asked about it."""
        if not self.stores or "path" in self._given or not self.storage_path:
            return
        try:
            self._folder(self.storage_path)
        except units.UnitError as error:
            self._refuse(f"The folder that the Agent stores in, {SETTINGS['path'].name} of its settings, {error}")

    def _check_disk(self, disk: Disk) -> None:
        """Refuse a size that the disk cannot hold at the ratio, as the Agent judges it."""
        size, count = self._disk(), self._destinations()
        given = self._in_force("disk_ratio", None)
        ratio = LOWEST_DISK_RATIO if given is None else Fraction(str(given))
        room = disk.room(ratio)
        if size * count <= room:
            return
        each = f" for each of the {count} destinations of metrics" if count > 1 else ""
        assumed = (
            " That ratio is assumed, since none is set: it is the default from Agent 7.31.0 on; older ones had 0.95."
            if given is None
            else ""
        )
        already = f", the {units.shown(disk.stored)} included that it has there already" if disk.stored else ""
        self._refuse(
            f"The disk of {self.storage_path} cannot hold {units.shown(size)}{each}: of its {units.shown(disk.total)}, "
            f"{units.shown(disk.available)} are free, and filled to a ratio of {float(ratio):.2f} it leaves the Agent "
            f"{units.shown(max(room, 0))}{already}. Free some of it, ask for less "
            f"({self._prefix}{'outage' if self._outage else 'disk'}), or choose another disk ({self._prefix}path) or "
            f"ratio ({self._prefix}disk_ratio).{assumed}"
        )

    def miss_disk(self) -> None:
        """Refuse a folder whose disk the host does not name."""
        self._refuse(
            f"The host does not name the disk that {self.storage_path} is on, or will be: it is no local volume with a "
            f"letter or a folder. Choose another {self._prefix}path."
        )

    def check_folder(self, stat: t.Mapping[str, t.Any], user: str) -> None:
        """Refuse a folder that is there and that the Agent's *user* could not use, and one that is not ours to make.

        *stat* is what ansible.builtin.stat says of it, and two things more. ``is_guarded``: whether root alone can
        change the way to it. ``user_may``: what *user* may do in it, or where it is not there in the first folder above
        it that is (``write``, ``enter``, ``nothing``); anything else where that is not known.
        Without *user* nothing is known of who uses it. A folder that is there is left as it is.
        """
        if not stat.get("exists"):
            self._check_making(stat, user)
            return
        if not stat.get("isdir"):
            self._refuse(f"{self.storage_path} is no folder. Remove it, or choose another {self._prefix}path.")
            return
        if not self.is_storage_ours_to_make and user and stat.get("pw_name", user) != user:
            self._refuse(
                f"The Agent's settings have {self.storage_path} as the folder to store in, which belongs to "
                f"{stat.get('pw_name')} and not to the Agent's user {user}. Give it to {user}, or set "
                f"{self._prefix}path."
            )
            return
        mode = int(str(stat.get("mode", "0777")), 8)
        # Who is in its group is not known, nor whom a list beside the mode names; that shows in the group's part.
        parts = (0o300,) if stat.get("pw_name") == user else (0o030, 0o003)
        is_open = any(mode & part == part for part in parts)
        may = stat.get("user_may")
        if user in {"", "root"}:
            return
        if may == "nothing" and is_open:
            self._refuse(
                f"The Agent's user {user} cannot get into {self.storage_path}: it is closed to that user, or a folder "
                f"on the way to it is. Open the way, or choose another {self._prefix}path."
            )
        elif may == "enter" or (may != "write" and not is_open):
            self._refuse(
                f"{self.storage_path} belongs to {stat.get('pw_name')}, and the Agent's user {user} may not write "
                f"there (mode {stat.get('mode')}). Give it to {user}, or choose another {self._prefix}path."
            )

    def _check_making(self, stat: t.Mapping[str, t.Any], user: str) -> None:
        """Refuse to make a folder with root's rights where that would give them to the Agent's *user*."""
        if not self.is_storage_ours_to_make:
            owner = f" and give it to {user}" if user else ""
            self._refuse(
                f"The Agent's settings have {self.storage_path} as the folder to store in, which is not there. It is "
                "not made on their word alone, since the Agent's user may write them: set "
                f"{self._prefix}path to it, or make it{owner}."
            )
        elif not stat.get("is_guarded", True) and user in {"", "root"}:
            self._refuse(
                f"{self.storage_path} is not there, and others than root may change a folder on the way to it, so root "
                f"does not make it. Make it yourself, or choose another {self._prefix}path."
            )
        elif user not in {"", "root"} and stat.get("user_may") == "nothing":
            self._refuse(
                f"{self.storage_path} is not there, and the way to it is closed to the Agent's user {user}. Open the "
                f"way, or choose another {self._prefix}path."
            )
        elif user not in {"", "root"} and stat.get("user_may") == "enter" and not stat.get("is_guarded", True):
            self._refuse(
                f"{self.storage_path} is not there, and the Agent's user {user}, who would make it, may not write into "
                f"the folder above it. Make it and give it to {user}, or choose another {self._prefix}path."
            )

    # --- What the host says -------------------------------------------------------------------------------------------

    def _version(self) -> Version | None:
        try:
            return Version.parse(str(self._agent["version"])) if self._agent.get("version") else None
        except VersionError:
            return None

    def _service(self) -> str:
        return str(self._agent.get("service") or "datadog-agent")

    def _is_windows(self) -> bool:
        return re.match(r"[A-Za-z]:", str(self._agent.get("path") or "")) is not None

    def _destinations(self) -> int:
        """How many queues there are: each destination of metrics has its own, with all of the limits."""
        more = {
            (endpoint.get("host"), endpoint.get("port"))
            for endpoint in self._agent.get("endpoints") or []
            if endpoint.get("product") == "metrics" and endpoint.get("is_additional")
        }
        return 1 + len(more)

    def _is_of_environment(self, name: str) -> bool:
        """Whether the environment of the service sets it; agent_info names the variable as its source."""
        setting = SETTINGS[name]
        sources = (self._agent.get("sources") or {}).get("buffering") or {}
        return str(sources.get(setting.fact) or "").startswith(f"{setting.variable} ")

    def _in_force(self, name: str, otherwise: t.Any) -> t.Any:
        """What will hold: what is asked for, else what holds now, else the default."""
        known = self._known.get(SETTINGS[name].fact)
        return self.values.get(name, otherwise if known is None or known == "" else known)

    def _memory(self) -> int:
        return int(self._in_force("memory", DEFAULT_MEMORY))

    def _disk(self) -> int:
        """The bytes that will be kept on disk. An Agent that keeps none there reads over what it is told of them."""
        version = self._version()
        return 0 if version and version not in _DISK_RELEASES else int(self._in_force("disk", 0))

    # --- Reading ------------------------------------------------------------------------------------------------------

    def _read_all(self) -> None:
        """Understand what was asked for."""
        self._outage = self._read("outage", units.duration)
        self._rate = self._read("payload_rate", units.rate) or self._rate
        readers: dict[str, t.Callable[[t.Any], t.Any]] = {
            "memory": _positive_size,
            "disk": units.size,
            "path": self._folder,
            "disk_ratio": _ratio,
            "outdated_days": _days,
        }
        for name, reader in readers.items():
            value = self._read(name, reader)
            if value is not None:
                self.values[name] = value

    def _read(self, name: str, reader: t.Callable[[t.Any], t.Any]) -> t.Any:
        if name not in self._given:
            return None
        try:
            return reader(self._given[name])
        except units.UnitError as error:
            self._refuse(f"{self._prefix}{name} {error}")
            return None

    def _refuse(self, sentence: str) -> None:
        self.refusals.append(sentence)

    def _folder(self, value: object) -> str:
        path = str(value)
        parts = re.split(r"[\\/]" if self._is_windows() else "/", path)
        # What has a $ is another path for a shell, and for some of Ansible's modules.
        is_whole = re.match(r"[A-Za-z]:[\\/]." if self._is_windows() else r"/[^$]+\Z", path)
        if not is_whole or {".", ".."} & set(parts) or re.search(r"[\x00-\x1f]", path):
            example = r"D:\Datadog\retry" if self._is_windows() else "/srv/datadog/retry"
            raise units.UnitError(f"is {path!r}, which is no folder's whole path; write one such as {example}.")
        return path.rstrip("\\/") if self._is_windows() else path.rstrip("/")


def _each(value: t.Any) -> list[t.Mapping[str, t.Any]]:
    """PowerShell may write a list of one as that one."""
    return [value] if isinstance(value, dict) else list(value or ())


def _positive_size(value: object) -> int:
    size = units.size(value)
    if not size:
        raise units.UnitError("is 0: an Agent without memory could send nothing.")
    return size


def _ratio(value: object) -> Fraction:
    try:
        # Yes and no have no value as a fraction either.
        ratio = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        raise units.UnitError(f"is {value!r}, which is no number; write one such as 0.80.") from None
    if not 0 < ratio <= 1:
        raise units.UnitError(f"is {value!r}: it is a part of the disk, more than 0 and at most 1, such as 0.80.")
    return ratio


def _days(value: object) -> int:
    text = "" if isinstance(value, bool) else str(value).strip()
    if not re.fullmatch(r"\d{1,4}", text, re.ASCII) or not int(text):
        raise units.UnitError(f"is {value!r}, which is no number of days; write one such as 10.")
    return int(text)


def _same(known: object, value: object) -> bool:
    if isinstance(value, Fraction):
        return isinstance(known, (int, float)) and Fraction(str(known)) == value
    return known == value


def _listed(names: t.Iterable[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
