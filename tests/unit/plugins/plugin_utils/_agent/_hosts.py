# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action plugins whose hosts are here: a Linux host that is a folder of programs, a Windows host that is a table."""

from __future__ import annotations

import base64
import subprocess
import types
import typing as t
from pathlib import Path

REGISTRY = r"HKLM:\SOFTWARE\Datadog\Datadog Agent"
SERVICES = r"HKLM:\SYSTEM\CurrentControlSet\Services"

# What Windows Installer keeps of a product: by its upgrade code the product's own, by that its release. That code
# is the example of community.revenera.com, "Locating MSI Upgrade Codes in the Windows Registry".
_KEPT = r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion"
UPGRADES = rf"{_KEPT}\Installer\UpgradeCodes\B12405C0BFEA51F48A90A72F656D805A"
UPGRADES_FIPS = rf"{_KEPT}\Installer\UpgradeCodes\471124ED51699EF48B8AB2F321B3CDF4"
PRODUCT = "2CCAB6107DB47314AB175756630CCD04"
UNINSTALL = rf"{_KEPT}\Uninstall\{{016BACC2-4BD7-4137-BA71-756536C0DC40}}"


class Action:
    """As much of an action plugin as reads a host. ``seen``: what was said while no_log was not set everywhere."""

    def __init__(self, *, is_windows: bool = False, check_mode: bool = False) -> None:
        self._play_context = types.SimpleNamespace(no_log=False)
        self._task = types.SimpleNamespace(no_log=False, check_mode=check_mode)
        self._connection = types.SimpleNamespace(
            _play_context=self._play_context, _shell=types.SimpleNamespace(_IS_WINDOWS=is_windows)
        )
        self.seen: list[t.Any] = []
        self.did: list[t.Any] = []

    def note(self, what: t.Any) -> None:
        self.did.append(what)
        if not (self._play_context.no_log and self._connection._play_context.no_log and self._task.no_log):
            self.seen.append(what)


class LinuxAction(Action):
    """A host whose commands are real, run with the programs of *folder* before this machine's own."""

    def __init__(self, folder: Path, **more: t.Any) -> None:
        super().__init__(**more)
        self.folder = folder

    def _low_level_execute_command(self, cmd: str) -> dict[str, t.Any]:
        self.note(cmd)
        done = subprocess.run(
            ["/bin/sh", "-c", cmd],
            env={"PATH": f"{self.folder}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        return {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}

    def _execute_module(
        self, *, module_name: str, module_args: dict[str, t.Any], task_vars: dict[str, t.Any]
    ) -> dict[str, t.Any]:
        """What ansible.builtin.slurp returns, in the words of its newer releases."""
        assert module_name == "ansible.builtin.slurp", task_vars
        self.note((module_name, module_args))
        path = Path(module_args["src"])
        # As root, a test may read anything.
        if path.name.startswith("secret"):
            return {"failed": True, "msg": f"File is not readable: {path}"}
        if path.is_dir():
            return {"failed": True, "msg": f"Source is a directory and must be a file: {path}"}
        if not path.exists():
            return {"failed": True, "msg": f"File not found: {path}"}
        content = base64.b64encode(path.read_bytes()).decode()
        found = {"discovered_interpreter_python": "/usr/bin/python3", "of_nobody": 1}
        return {"content": content, "encoding": "base64", "source": str(path), "ansible_facts": found}


class WindowsAction(Action):
    """A host with the registry *keys* (path → name → value) and *files*, whose Agent says *said* of its version."""

    def __init__(
        self,
        keys: t.Mapping[str, t.Mapping[str, t.Any]] = types.MappingProxyType({}),
        files: t.Mapping[str, bytes] = types.MappingProxyType({}),
        *,
        said: str = "",
        has_collection: bool = True,
        **more: t.Any,
    ) -> None:
        super().__init__(is_windows=True, **more)
        self.keys, self.files, self.said = keys, files, said
        loader = types.SimpleNamespace(find_plugin=lambda name, mod_type: name if has_collection and mod_type else None)
        self._shared_loader_obj = types.SimpleNamespace(module_loader=loader)

    def _execute_module(
        self, *, module_name: str, module_args: dict[str, t.Any], task_vars: dict[str, t.Any]
    ) -> dict[str, t.Any]:
        self.note((module_name, module_args))
        if module_name == "ansible.windows.slurp":
            return self.slurp(**module_args)
        if module_name == "ansible.windows.win_reg_stat":
            return self.win_reg_stat(**module_args)
        assert module_name == "ansible.windows.win_command", task_vars
        assert not self._task.check_mode
        return {"rc": 0, "stdout": self.said}

    def slurp(self, src: str) -> dict[str, t.Any]:
        if src not in self.files:
            return {"failed": True, "msg": f"Path {src} is not found"}
        return {"content": base64.b64encode(self.files[src]).decode(), "encoding": "base64"}

    def win_reg_stat(self, path: str, name: str | None = None) -> dict[str, t.Any]:
        key = self.keys.get(path)
        if key is None or (name is not None and name not in key):
            return {"exists": False}
        if name is None:
            return {"exists": True, "properties": {each: {"value": value} for each, value in key.items()}}
        return {"exists": True, "type": "REG_MULTI_SZ", "value": key[name], "raw_value": key[name]}


def program(folder: Path, name: str, *, said: str = "", code: int = 0) -> None:
    """Put a program *name* into *folder* that prints *said* whatever it is asked."""
    (folder / f"{name}.txt").write_text(said)
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat '{folder}/{name}.txt'\nexit {code}\n")
    path.chmod(0o755)


def set_up(
    folder: Path,
    yaml: str | bytes | None = None,
    *,
    package: str = "1:7.60.0-1",
    units: t.Mapping[str, t.Mapping[str, str]] = types.MappingProxyType({}),
    **files: str,
) -> LinuxAction:
    """A Linux host in *folder* whose datadog.yaml is *yaml*.

    *package*: the release that is installed, none if empty. *units*: the variables of services by their names. *files*:
    further ones in the same folder, an underscore in their names for the dot.
    """
    for name in ("dpkg-query", "rpm", "systemctl"):
        program(folder, name, code=1)
    if package:
        program(folder, "dpkg-query", said=f"datadog-agent install ok installed {package}\n")
    shown = "\n".join(
        f"Id={unit}.service\nLoadState=loaded\nEnvironment="
        + " ".join(
            '"' + f"{name}={value}".replace("\\", "\\\\").replace('"', '\\"') + '"' for name, value in own.items()
        )
        + "\n"
        for unit, own in units.items()
    )
    program(folder, "systemctl", said=shown)
    if yaml is not None:
        (folder / "datadog.yaml").write_bytes(yaml if isinstance(yaml, bytes) else yaml.encode())
    for name, content in files.items():
        (folder / name.replace("_", ".").replace("system.probe", "system-probe")).write_text(content)
    return LinuxAction(folder)
