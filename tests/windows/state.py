# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a twin is made of: plain JSON types, so that a play and a later one in another process meet the same host."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import fcntl
import json
import ntpath
import typing as t
from pathlib import Path

PROFILES = ("Domain", "Private", "Public")

# %NAME% in a path, as the service of the connection has it.
ENVIRONMENT = {
    "ALLUSERSPROFILE": r"C:\ProgramData",
    "PROGRAMDATA": r"C:\ProgramData",
    "PROGRAMFILES": r"C:\Program Files",
    "SYSTEMROOT": r"C:\Windows",
    "TEMP": r"C:\Windows\TEMP",
    "WINDIR": r"C:\Windows",
}

# The entries that a new folder or file has from above it.
_INHERITED = [("NT AUTHORITY\\SYSTEM", "FullControl"), ("BUILTIN\\Administrators", "FullControl")]
ADMINISTRATORS = "BUILTIN\\Administrators"


@dataclasses.dataclass
class State:
    """All that a twin knows.

    ``rules`` are dictionaries of the properties of INetFwRule; ``profiles`` what Get-NetFirewallProfile says of each;
    ``network`` what the keywords of addresses stand for, the ``profile`` of its network, and ``names`` that resolve;
    ``registry`` keys by path in capitals; ``files`` by path in small letters; ``services`` and ``programs`` by name and
    path in small letters.
    ``calls`` tells what was asked of the host, ``faults`` what will go wrong (see twin.py).
    """

    rules: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    profiles: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    network: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    registry: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    files: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    services: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    programs: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    disks: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    accounts: list[str] = dataclasses.field(default_factory=list)
    calls: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    faults: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    is_gone: bool = False
    clock: int = 1_790_000_000

    def tick(self) -> int:
        """The time, in seconds of the epoch; it passes by being asked for."""
        self.clock += 1
        return self.clock


@contextlib.contextmanager
def opened(path: Path) -> t.Iterator[State]:
    """The state in the file *path*, which is written back whatever happens; one process at a time has it."""
    with path.open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        state = State(**json.load(file))
        try:
            yield state
        finally:
            text = json.dumps(vars(state))
            file.seek(0)
            file.write(text)
            file.truncate()
            file.flush()


def saved(state: State, path: Path) -> Path:
    """Put *state* into the new file *path*."""
    path.write_text(json.dumps(vars(state)), encoding="utf-8")
    return path


def loaded(path: Path) -> State:
    """A copy of the state in the file *path*."""
    return State(**json.loads(path.read_text(encoding="utf-8")))


def windows_server() -> State:
    """A Windows Server in a network of its domain, with its firewall on and a few of the rules that Windows has."""
    state = State(
        profiles={
            name: {"Enabled": 1, "DefaultInboundAction": "NotConfigured", "DefaultOutboundAction": "NotConfigured"}
            for name in PROFILES
        },
        network={
            "profile": "Domain",
            "LocalSubnet": ["192.0.2.0/24", "2001:db8::/64", "fe80::/10"],
            "DNS": ["192.0.2.53"],
            "DHCP": ["192.0.2.67"],
            "WINS": [],
            "DefaultGateway": ["192.0.2.1", "fe80::1"],
            # What its resolver knows, in small letters.
            "names": {"localhost": ["::1", "127.0.0.1"]},
        },
        disks={"c:": {"size": 128 * 2**30, "free": 64 * 2**30}},
        accounts=["SYSTEM", "NT AUTHORITY\\SYSTEM", ADMINISTRATORS, "Administrators"],
    )
    for folder in ("C:\\", "C:\\ProgramData", "C:\\Program Files", "C:\\Windows", "C:\\Windows\\TEMP"):
        put_folder(state, folder)
    for key in ("HKLM:\\SOFTWARE", "HKLM:\\SYSTEM\\CurrentControlSet\\Services"):
        put_key(state, key, {})
    core = {"Grouping": "@FirewallAPI.dll,-25000", "Enabled": True}
    state.rules = [
        rule(
            "Core Networking - DNS (UDP-Out)",
            Direction=2,
            Protocol=17,
            RemotePorts="53",
            ServiceName="dnscache",
            **core,
        ),
        rule("Core Networking - DHCP (DHCP-Out)", Direction=2, Protocol=17, LocalPorts="68", RemotePorts="67", **core),
        rule(
            "Windows Remote Management (HTTP-In)",
            Protocol=6,
            LocalPorts="5985",
            Enabled=True,
            Grouping="@FirewallAPI.dll,-30267",
        ),
    ]
    return state


def rule(name: str, **properties: t.Any) -> dict[str, t.Any]:
    """A rule as New-Object -ComObject HNetCfg.FWRule makes it, but for its *name* and *properties*.

    The defaults are from Microsoft's documentation of INetFwRule; ports are none until there is a protocol with ports.
    """
    return {
        "Name": name,
        "Description": None,
        "ApplicationName": None,
        "ServiceName": None,
        "Protocol": 256,
        "LocalPorts": None,
        "RemotePorts": None,
        "LocalAddresses": "*",
        "RemoteAddresses": "*",
        "IcmpTypesAndCodes": None,
        "Direction": 1,
        "InterfaceTypes": "All",
        "Enabled": False,
        "Grouping": None,
        "Profiles": 0x7FFFFFFF,
        "EdgeTraversalOptions": 0,
        "Action": 1,
        "SecureFlags": 0,
        **properties,
    }


def expanded(path: str) -> str:
    """*path* with the values of the variables that it names between per cent signs."""
    for name, value in ENVIRONMENT.items():
        at = path.upper().find(f"%{name}%")
        if at >= 0:
            path = path[:at] + value + path[at + len(name) + 2 :]
    return path


# --- Files ------------------------------------------------------------------------------------------------------------


def file_key(path: str) -> str:
    """By what name ``files`` has *path*."""
    return ntpath.normpath(expanded(path)).rstrip("\\").lower()


def put_folder(state: State, path: str) -> dict[str, t.Any]:
    """Make the folder *path*, and those above it that are not there; what there is of it already stays."""
    parent = ntpath.dirname(path.rstrip("\\"))
    if ntpath.splitdrive(path)[1].strip("\\") and file_key(parent) not in state.files:
        put_folder(state, parent)
    return state.files.setdefault(file_key(path), _entry(state, path, ["Directory"], None))


def put_file(state: State, path: str, content: bytes) -> dict[str, t.Any]:
    """Make the file *path* anew: what it has of access rights is what its folder hands down."""
    put_folder(state, ntpath.dirname(path))
    state.files[file_key(path)] = _entry(state, path, ["Archive"], content)
    return state.files[file_key(path)]


def content_of(entry: t.Mapping[str, t.Any]) -> bytes:
    """What is in a file."""
    return base64.b64decode(entry["content"])


def _entry(state: State, path: str, attributes: list[str], content: bytes | None) -> dict[str, t.Any]:
    return {
        "path": expanded(path).rstrip("\\") or path,
        "attributes": attributes,
        "content": None if content is None else base64.b64encode(content).decode(),
        "owner": ADMINISTRATORS,
        "acl": _handed_down(state, path),
        "written": state.tick(),
    }


def _handed_down(state: State, path: str) -> list[dict[str, t.Any]]:
    """The entries that what is made at *path* has from the folder above it."""
    above = state.files.get(file_key(ntpath.dirname(path.rstrip("\\"))))
    if above is None:
        return [access(user, rights, is_inherited=True) for user, rights in _INHERITED]
    return [{**entry, "is_inherited": True} for entry in above["acl"] if entry["inherit"] != "None"]


def access(
    user: str, rights: str, *, inherit: str = "ContainerInherit, ObjectInherit", is_inherited: bool = False, **more: str
) -> dict[str, t.Any]:
    """An entry of an access control list."""
    return {
        "user": user,
        "rights": rights,
        "type": more.get("type", "allow"),
        "inherit": inherit,
        "propagation": more.get("propagation", "None"),
        "is_inherited": is_inherited,
    }


# --- Registry and services --------------------------------------------------------------------------------------------


def put_key(state: State, path: str, values: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Make the key *path* and those above it, and give it *values*: texts, numbers (DWord) and lists of texts."""
    parent, _separator, _name = path.rpartition("\\")
    if parent and not parent.endswith(":") and parent.upper() not in state.registry:
        put_key(state, parent, {})
    key = state.registry.setdefault(path.upper(), {"path": path, "values": {}})
    kinds = {str: "String", int: "DWord", list: "MultiString"}
    for name, value in values.items():
        key["values"][name] = {"type": kinds[type(value)], "data": value}
    return key


def put_service(state: State, name: str, **more: t.Any) -> dict[str, t.Any]:
    """A service that runs; *more* may give its ``username``, ``dependencies``, and what makes it stop at once.

    ``dies_of`` is ``[path, text]``: with *text* in the file *path* it stops as soon as it was started.
    """
    service = {
        "name": name,
        "display_name": name,
        "state": "started",
        "process_id": 1000 + len(state.services),
        "username": "NT AUTHORITY\\SYSTEM",
        "start_mode": "auto",
        "path": f"C:\\Program Files\\{name}.exe",
        "dependencies": [],
        "dies_of": None,
        **more,
    }
    state.services[name.lower()] = service
    put_key(state, f"HKLM:\\SYSTEM\\CurrentControlSet\\Services\\{name}", {"ImagePath": service["path"]})
    return service


def put_agent(state: State, version: str = "7.60.0", yaml: bytes = b"api_key: 0\r\nsite: datadoghq.eu\r\n") -> None:
    """An Agent of *version* as its installer leaves it, with *yaml* in datadog.yaml."""
    root, programs = r"C:\ProgramData\Datadog", r"C:\Program Files\Datadog\Datadog Agent"
    account = r"HOST\ddagentuser"
    # AgentInstaller.cs of datadog-agent, and what Windows Installer keeps of each product.
    agent = {"ConfigRoot": root + "\\", "InstallPath": programs + "\\"}
    put_key(state, r"HKLM:\SOFTWARE\Datadog\Datadog Agent", agent)
    kept = r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion"
    product = {"2CCAB6107DB47314AB175756630CCD04": ""}
    put_key(state, rf"{kept}\Installer\UpgradeCodes\B12405C0BFEA51F48A90A72F656D805A", product)
    uninstall = {"DisplayName": "Datadog Agent", "DisplayVersion": f"{version}.0"}
    put_key(state, rf"{kept}\Uninstall\{{016BACC2-4BD7-4137-BA71-756536C0DC40}}", uninstall)
    state.accounts.append(account)
    put_folder(state, root)["acl"].append(access(account, "FullControl"))
    put_file(state, f"{root}\\datadog.yaml", yaml)
    put_file(state, f"{programs}\\bin\\agent.exe", b"MZ")
    state.programs[f"{programs}\\bin\\agent.exe".lower()] = {"stdout": f"Agent {version} - Commit: 0\r\n", "rc": 0}
    put_service(state, "datadogagent", username=account, path=f"{programs}\\bin\\agent.exe")
    for name in ("datadog-trace-agent", "datadog-process-agent"):
        put_service(state, name, username=account, dependencies=["datadogagent"])
