# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""How an action plugin reads the host of an Agent: its files, its version and its service, and no secret is shown.

Where things are is from docs.datadoghq.com, "Agent Configuration Files", "Agent Environment Variables" and "Agent
Commands", and from the packages themselves: the systemd units name /etc/datadog-agent/environment as a file of
variables, Debian's init script reads /etc/default/datadog-agent, and the installer for Windows keeps InstallPath and
ConfigRoot in the registry (AgentInstaller.cs of datadog-agent), where each service's key may hold a value Environment.
Its release stands where Windows Installer has that of every product, below a code that each release has anew; which
code that is stands under one that stays the same (AgentFlavor.cs).
"""

from __future__ import annotations

import abc
import base64
import binascii
import contextlib
import functools
import ntpath
import posixpath
import re
import shlex
import stat
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._agent import environment
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.unseen import unseen
from ansible_collections.netwall.datadog.plugins.plugin_utils._version import Version, VersionError
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows import controller

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

# What installs an Agent, in the names of Datadog's packages for apt and yum.
_PACKAGES = ("datadog-agent", "datadog-fips-agent", "datadog-iot-agent")
_BINARIES = ("/opt/datadog-agent/bin/agent/agent", "/usr/bin/datadog-agent")

# Which of an Agent's programs reads a variable: each may be a service of its own, with an environment of its own.
CORE, TRACE, PROCESS, PROBE = "core", "trace", "process", "probe"

# By what Windows Installer knows an Agent of any release: the usual one, and the one for FIPS 140.
_UPGRADE_CODES = ("0c50421b-aefb-4f15-a809-7af256d608a5", "de421174-9615-4fe9-b8a8-2b3f123bdc4f")
_PACKED = re.compile(r"[0-9A-Fa-f]{32}")
# How many digits of a code stand reversed in the registry, from the first on.
_REVERSED = (8, 4, 4, *[2] * 8)

# What an Agent says when it is asked for its version: "Agent 7.60.0 - Commit: …".
_SAID = re.compile(r"Agent\s+v?(\d\S*)")

_STORAGE = "transactions_to_retry"

# What a host says of a file: type and permissions, size, user, group, name. No user and no group has a colon in it.
_LOOK = "stat -L -c %f:%s:%U:%G:%n --"
_LOOKED = re.compile(r"([0-9a-f]+):([0-9]+):([^:\n]*):([^:\n]*):(.*)")

# What is no file; whoever reads from a pipe may wait for ever, and a device may have no end.
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# A file of settings as shipped has 120 kB.
_MOST_BYTES = 4 * 2**20

# How long an Agent's program may take to tell its version, in seconds.
_PATIENCE = 10

# The file of variables that the Agent's own units name.
_VARIABLES = "/etc/datadog-agent/environment"

# What means something to a shell, but for the signs of a pattern.
_NOT_OF_A_PATTERN = re.compile(r"([^\w/.*?[\]-])", re.ASCII)

# Marks between the parts of what one command prints, since each command is a way to the host and back.
_MARK = "netwall-part:"
_LONGEST_REASON = 200


class AgentHostError(Exception):
    """A host could not be read; the text is a sentence for the user, without anything that may be secret."""


class Owner(t.NamedTuple):
    """Whose a file is."""

    user: str
    group: str


class _Look(t.NamedTuple):
    """What a file is, without having been read: its ``st_mode``, its size in bytes, and whose it is."""

    mode: int
    size: int
    owner: Owner

    def check(self, path: str) -> None:
        """Raises :class:`AgentHostError` unless *path*, which this is of, can be read as a whole."""
        if not stat.S_ISREG(self.mode):
            kind = _KINDS.get(stat.S_IFMT(self.mode), "something else")
            raise AgentHostError(f"{path} is no file but {kind}: nothing is read from it.")
        if self.size > _MOST_BYTES:
            raise _too_large(path)


class Installed(t.NamedTuple):
    """An Agent: its release (None where nothing tells it) and what told it (``package``, ``registry``, ``binary``)."""

    version: str | None
    source: str | None


class AgentHost(abc.ABC):
    """The host of a task, as an Agent's.

    ``facts``: what Ansible found out about the host on the way; a result has it as ``ansible_facts``.
    """

    service: str
    services: t.Mapping[str, str]

    def __init__(self, action: ActionBase, task_vars: dict[str, t.Any] | None) -> None:
        self.action: t.Any = action
        self.task_vars = {} if task_vars is None else task_vars
        self.facts: dict[str, t.Any] = {}
        self._expected: list[str] = []

    @property
    @abc.abstractmethod
    def usual_config(self) -> str:
        """Where datadog.yaml is unless somebody moved it."""

    @property
    @abc.abstractmethod
    def agent5_config(self) -> str:
        """Where Agent 5 has its datadog.conf."""

    @property
    @abc.abstractmethod
    def usual_run(self) -> str:
        """The folder that an Agent keeps what it needs in while it runs (``run_path``) unless its settings move it."""

    @abc.abstractmethod
    def storage_in(self, run: str) -> str:
        """Where an Agent whose ``run_path`` is *run* stores what it could not send (options.go of its forwarder)."""

    @abc.abstractmethod
    def read(self, path: str) -> bytes | None:
        """What is in the file *path*, None if there is none. Raises :class:`AgentHostError`."""

    @property
    @abc.abstractmethod
    def agent(self) -> Installed | None:
        """What Agent is installed; None if there is none. Raises :class:`AgentHostError`."""

    @property
    @abc.abstractmethod
    def environments(self) -> t.Mapping[str, t.Mapping[str, str]]:
        """The variables of each of the Agent's services that the host has, by CORE, TRACE, PROCESS and PROBE.

        Raises :class:`AgentHostError`.
        """

    @abc.abstractmethod
    def owner(self, path: str) -> Owner | None:
        """Whose the file *path* is; None where the platform has no such thing or there is no such file."""

    def expect(self, paths: t.Iterable[str]) -> None:
        """Say which files will be asked for, before anything is: a host may tell of them all in one answer."""
        self._expected.extend(paths)

    def read_if_there(self, path: str) -> bytes | None:
        """As :meth:`read`, for a file that most hosts do not have. Raises :class:`AgentHostError`."""
        return self.read(path)

    def run(self, module: str, args: t.Mapping[str, t.Any], *, is_secret: bool) -> dict[str, t.Any]:
        """What *module* returns, failed or not; nothing that it is given or returns is shown if *is_secret*.

        Raises :class:`AgentHostError` where it cannot be run at all.
        """
        with unseen(self.action) if is_secret else contextlib.nullcontext():
            answer: dict[str, t.Any] = self.action._execute_module(  # noqa: SLF001
                module_name=module, module_args=dict(args), task_vars=self.task_vars
            )
        found = answer.pop("ansible_facts", None) or {}
        self.facts.update({name: value for name, value in found.items() if name.startswith("discovered_interpreter")})
        answer.pop("invocation", None)
        if answer.get("failed") and "module_stdout" in answer:
            # What was printed instead of an answer may hold anything: it goes no further.
            raise AgentHostError(f"The module {module} could not be run on the host: {_line(answer)}")
        return answer

    def _slurp(self, module: str, path: str) -> bytes | None:
        answer = self.run(module, {"src": path}, is_secret=True)
        if not answer.get("failed"):
            try:
                content = base64.b64decode(answer.get("content", ""), validate=True)
            except (binascii.Error, TypeError, ValueError):
                raise AgentHostError(f"What the host returned for the file {path} is not whole.") from None
            if len(content) > _MOST_BYTES:
                raise _too_large(path)
            return content
        said = _line(answer)
        if "not found" in said.lower():
            return None
        if "not readable" in said.lower() or "denied" in said.lower():
            raise AgentHostError(
                f"The user of this connection may not read the file {path}: become one who may (become: true)."
            )
        if "{source}" in said:
            # The module has no reason of its own for this.
            said = "it is a link that leads to itself, or on a disk that fails."
        raise AgentHostError(f"The file {path} could not be read: {said}")


class PosixHost(AgentHost):
    """Linux, and what is like it."""

    service = "datadog-agent"
    usual_config = "/etc/datadog-agent/datadog.yaml"
    agent5_config = "/etc/dd-agent/datadog.conf"
    usual_run = "/opt/datadog-agent/run"
    services: t.Mapping[str, str] = {
        CORE: "datadog-agent",
        TRACE: "datadog-agent-trace",
        PROCESS: "datadog-agent-process",
        PROBE: "datadog-agent-sysprobe",
    }

    def storage_in(self, run: str) -> str:
        return posixpath.join(run, _STORAGE)

    def read(self, path: str) -> bytes | None:
        look = self._look(path)
        if look:
            look.check(path)
            # Some files of the kernel's have no size and no end.
            if not look.size:
                return b""
        # Where the host could not look, the module tells why.
        return self._slurp("ansible.builtin.slurp", path)

    def read_if_there(self, path: str) -> bytes | None:
        # To ask whether it is there costs a tenth of a module.
        return self.read(path) if self._look(path) else None

    @functools.cached_property
    def agent(self) -> Installed | None:
        known = [line.split(" ") for line in self._told["packages"].splitlines()]
        for name, *status in known:
            if name in _PACKAGES and status[1:3] == ["ok", "installed"] and len(status) == 4:
                return Installed(_release(status[3]), "package")
        binaries = self._told["binaries"].split()
        if not binaries:
            return None
        said = _SAID.search(self._shell(_in_time(f"{shlex.quote(binaries[0])} version")))
        return Installed(_release(said[1]), "binary") if said else Installed(None, None)

    @functools.cached_property
    def environments(self) -> t.Mapping[str, t.Mapping[str, str]]:
        units = environment.units(self._told["units"])
        if not units:
            script = self.read(f"/etc/default/{self.service}") if self._told["init"].strip() else None
            return {CORE: environment.wanted(environment.exported_in_script(script))} if script else {}
        patterns = {pattern for unit in units.values() for pattern in unit.files}
        files = {_VARIABLES: self._found(self._told["variables"]), **self._files(patterns - {_VARIABLES})}
        contents: dict[str, dict[str, str]] = {}
        found = {}
        for process, name in self.services.items():
            unit = units.get(f"{name}.service")
            if unit is None:
                continue
            variables = dict(unit.variables)
            for pattern in unit.files:
                for path in files[pattern]:
                    if path not in contents:
                        contents[path] = environment.variables_in_file(self.read(path) or b"")
                    variables.update(contents[path])
            found[process] = environment.wanted(variables)
        return found

    def owner(self, path: str) -> Owner | None:
        look = self._look(path)
        return look.owner if look else None

    def _look(self, path: str) -> _Look | None:
        """What the file *path* is; None where there is none, or the user of the connection may not look."""
        if path not in self._looks:
            command = f"{_LOOK} {shlex.quote(path)}"
            self._found(self._told[command] if path in self._expected else self._shell(f"{command} 2>/dev/null"))
        return self._looks.setdefault(path, None)

    def _found(self, said: str) -> list[str]:
        """The files that the host has told of, in its order, what they are being kept in mind."""
        paths = []
        for mode, size, user, group, path in _LOOKED.findall(said):
            self._looks[path] = _Look(int(mode, 16), int(size), Owner(user, group))
            paths.append(path)
        return paths

    @functools.cached_property
    def _looks(self) -> dict[str, _Look | None]:
        """By path, what the host has told so far of its files."""
        return {}

    @functools.cached_property
    def _told(self) -> dict[str, str]:
        """What the host says of itself, all at once since each command is a way to the host and back.

        ``packages``, ``binaries``, ``init`` (a script for its service), ``units``, ``variables`` (the usual file of
        them), and what each file is that is expected, by the command that asks for it.
        """
        packages = " ".join(_PACKAGES)
        units = " ".join(f"{name}.service" for name in self.services.values())
        properties = "Id,LoadState,Environment,EnvironmentFiles"
        return self._parts(
            {
                "packages": (
                    f"dpkg-query -W -f='${{Package}} ${{Status}} ${{Version}}\\n' {packages}; "
                    f"rpm -q --qf '%{{NAME}} install ok installed %{{VERSION}}\\n' {packages}"
                ),
                "binaries": f'for it in {" ".join(_BINARIES)}; do [ -x "$it" ] && echo "$it"; done',
                "init": f"[ -e /etc/default/{self.service} ] && echo yes",
                "units": f"systemctl show --no-pager -p {properties} {units}",
                "variables": f"{_LOOK} {_VARIABLES}",
                **{command: command for command in (f"{_LOOK} {shlex.quote(path)}" for path in self._expected)},
            }
        )

    def _files(self, patterns: t.Iterable[str]) -> dict[str, list[str]]:
        """The files that there are of each of *patterns*, in the order of their names."""
        # Signs of a pattern must reach the shell, and no other sign may mean anything to it.
        words = {pattern: _NOT_OF_A_PATTERN.sub(r"\\\1", pattern) for pattern in patterns}
        told = self._parts({pattern: f"{_LOOK} {word}" for pattern, word in words.items()})
        return {pattern: self._found(said) for pattern, said in told.items()}

    def _parts(self, commands: t.Mapping[str, str]) -> dict[str, str]:
        """What each of *commands* prints."""
        script = "LC_ALL=C; export LC_ALL\n" + "".join(
            f"echo {_MARK}\n{{ {command}\n}} 2>/dev/null </dev/null\n" for command in commands.values()
        )
        if not commands:
            return {}
        said = self._shell(f"{script}echo {_MARK}\n")
        # Whatever comes before the first mark (a greeting, a warning of sudo's) is none of ours.
        before, *parts = said.split(f"{_MARK}\n")
        if len(parts) != len(commands) + 1:
            # None of ours has run where there is no mark, so that this tells no secret.
            why = "" if parts else " ".join(before.split())[:_LONGEST_REASON]
            raise AgentHostError(
                f"The host did not run the commands that read what Agent it has{f': {why}' if why else '.'}"
            )
        return dict(zip(commands, parts, strict=False))

    def _shell(self, script: str) -> str:
        """What *script* prints. It runs in check mode too, needs no Python, and leaves nothing in the journal."""
        with unseen(self.action):
            answer: dict[str, t.Any] = self.action._low_level_execute_command(script)  # noqa: SLF001
        # What the scripts themselves complain of is thrown away: this is of sudo or the like, instead of them.
        said = answer.get("stdout") or answer.get("stderr") or ""
        return str(said).replace("\r\n", "\n")


class WindowsHost(AgentHost):
    """Windows, asked by modules of the collection ansible.windows."""

    service = "datadogagent"
    agent5_config = r"C:\ProgramData\Datadog\datadog.conf"
    services: t.Mapping[str, str] = {
        CORE: "datadogagent",
        TRACE: "datadog-trace-agent",
        PROCESS: "datadog-process-agent",
        PROBE: "datadog-system-probe",
    }
    _usual_root = r"C:\ProgramData\Datadog"
    _usual_programs = r"C:\Program Files\Datadog\Datadog Agent"
    _product = r"HKLM:\SOFTWARE\Datadog\Datadog Agent"
    _upgrades = r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Installer\UpgradeCodes"
    _products = r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"
    _service_keys = r"HKLM:\SYSTEM\CurrentControlSet\Services"

    @property
    def usual_config(self) -> str:
        return ntpath.join(self._root, "datadog.yaml")

    @property
    def usual_run(self) -> str:
        return ntpath.join(self._root, "run")

    def storage_in(self, run: str) -> str:
        return ntpath.join(run, _STORAGE)

    def run(self, module: str, args: t.Mapping[str, t.Any], *, is_secret: bool) -> dict[str, t.Any]:
        try:
            controller.require(self.action, [module])
        except controller.MissingModuleError as error:
            raise AgentHostError(str(error)) from None
        with controller.without_sudo(self.action):
            return super().run(module, args, is_secret=is_secret)

    def read(self, path: str) -> bytes | None:
        return self._slurp("ansible.windows.slurp", path)

    @functools.cached_property
    def agent(self) -> Installed | None:
        if not self._properties:
            return None
        for code in _UPGRADE_CODES:
            release = self._release_of(code)
            if release:
                return Installed(release, "registry")
        programs = _text(self._properties, "InstallPath") or self._usual_programs
        said = _SAID.search(self._said_by(ntpath.join(programs, "bin", "agent.exe")))
        return Installed(_release(said[1]), "binary") if said else Installed(None, None)

    @functools.cached_property
    def environments(self) -> t.Mapping[str, t.Mapping[str, str]]:
        found = {}
        for process, name in self.services.items():
            key = ntpath.join(self._service_keys, name)
            answer = self._asked("ansible.windows.win_reg_stat", {"path": key, "name": "Environment"})
            if answer.get("exists"):
                found[process] = environment.wanted(environment.variables_in_registry(answer.get("value")))
        return found

    def owner(self, path: str) -> Owner | None:  # noqa: ARG002
        return None

    @functools.cached_property
    def _properties(self) -> dict[str, t.Any]:
        """What the installer keeps in the registry, by name."""
        answer = self._asked("ansible.windows.win_reg_stat", {"path": self._product})
        return dict(answer.get("properties") or {}) if answer.get("exists") else {}

    def _release_of(self, code: str) -> str | None:
        """The release of the product that Windows Installer knows by its upgrade *code*."""
        key = ntpath.join(self._upgrades, _packed(code.replace("-", "")))
        products = self._asked("ansible.windows.win_reg_stat", {"path": key}).get("properties") or {}
        for product in filter(_PACKED.fullmatch, products):
            digits = _packed(product)
            parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
            key = ntpath.join(self._products, f"{{{'-'.join(parts)}}}")
            answer = self._asked("ansible.windows.win_reg_stat", {"path": key, "name": "DisplayVersion"})
            release = _release(str(answer.get("value") or ""))
            if release:
                return release
        return None

    @property
    def _root(self) -> str:
        return _text(self._properties, "ConfigRoot").rstrip("\\") or self._usual_root

    def _asked(self, module: str, args: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        answer = self.run(module, args, is_secret=True)
        if answer.get("failed"):
            raise AgentHostError(f"The registry of the host could not be read: {_line(answer)}")
        return answer

    def _said_by(self, program: str) -> str:
        """What an Agent's *program* says of its version; nothing if it does not say."""
        # The module runs nothing in check mode; this changes nothing.
        with controller.in_mode(self.action, check_mode=False):
            answer = self.run("ansible.windows.win_command", {"argv": [program, "version"]}, is_secret=True)
        return str(answer.get("stdout", ""))


def host_of(action: ActionBase, task_vars: dict[str, t.Any] | None) -> AgentHost:
    """The host of *action*'s task; its platform is told by the shell that the connection speaks to."""
    return (WindowsHost if controller.is_windows(action) else PosixHost)(action, task_vars)


def _in_time(command: str) -> str:
    """*command*, without input and ended when it takes too long, where the host has a program for that."""
    limit = "timeout -s KILL"
    quiet = "</dev/null 2>/dev/null"
    return f"if {limit} 1 true {quiet}; then {limit} {_PATIENCE} {command}; else {command}; fi {quiet}"


def _too_large(path: str) -> AgentHostError:
    return AgentHostError(f"The file {path} has more than {_MOST_BYTES} bytes: it is no file of settings.")


def _packed(digits: str) -> str:
    """The *digits* of a code as Windows Installer writes its names in the registry, or back again."""
    packed, at = "", 0
    for count in _REVERSED:
        packed += digits[at : at + count][::-1]
        at += count
    return packed.upper()


def _release(text: str) -> str | None:
    try:
        return str(Version.parse(text))
    except VersionError:
        return None


def _text(properties: t.Mapping[str, t.Any], name: str) -> str:
    value = (properties.get(name) or {}).get("value")
    return value.strip() if isinstance(value, str) else ""


def _line(answer: t.Mapping[str, t.Any]) -> str:
    """Why a module failed, in one line."""
    return " ".join(str(answer.get("msg", "")).split()) or "it did not say why."
