# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Who takes a change back when nobody else can: a process of its own now, and the next boot.

Both run a copy of this collection's code for hosts, kept beside the journal as long as a change is pending, because
what Ansible sent is gone when the module ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import subprocess
import sys
import typing as t
import zipfile

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.journal import STATE_FOLDER
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.system import (
    has_systemd,
    lock_if_free,
    open_for_root_alone,
    put_back,
    remove,
    run,
    sync_folder,
    wait_for,
    write_atomically,
)

CODE = f"{STATE_FOLDER}/way-back.zip"

NO_BOOT_HOOK = (
    "This host boots by something other than systemd or Debian's sysv-rc, so a power cut before the change is "
    "confirmed would not take it back; the next run would."
)

_PACKAGE = "ansible_collections.netwall.datadog."
_MAIN = """import sys
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.way_back import main
sys.exit(main(sys.argv[1:]))
"""
_START_TIMEOUT = 10.0

_UNIT = "netwall-datadog-way-back.service"
_UNIT_FILE = f"/etc/systemd/system/{_UNIT}"
_UNIT_LINK = f"/etc/systemd/system/multi-user.target.wants/{_UNIT}"
# Before any chain or interface is there; the mark keeps it quiet once the change is final.
_UNIT_TEXT = f"""[Unit]
Description=Take back a change of the firewall that was not confirmed before the host went down
DefaultDependencies=no
RequiresMountsFor={STATE_FOLDER} /etc /usr
After=local-fs.target
Before=ufw.service firewalld.service network-pre.target shutdown.target
Conflicts=shutdown.target
Wants=network-pre.target
ConditionPathExists={STATE_FOLDER}/pending.json

[Service]
Type=oneshot
ExecStart={{python}} {CODE} boot

[Install]
WantedBy=multi-user.target
"""
_UPDATE_RC = "/usr/sbin/update-rc.d"
_SCRIPT_NAME = "netwall-datadog-way-back"
_SCRIPT_FILE = f"/etc/init.d/{_SCRIPT_NAME}"
_SCRIPT_TEXT = f"""#!/bin/sh
### BEGIN INIT INFO
# Provides:          {_SCRIPT_NAME}
# Required-Start:    $local_fs
# Required-Stop:
# X-Start-Before:    ufw firewalld networking
# Default-Start:     S
# Default-Stop:
# Short-Description: Take back a change of the firewall that was not confirmed before the host went down
### END INIT INFO
[ "$1" = start ] || exit 0
[ ! -e {STATE_FOLDER}/pending.json ] || {{python}} {CODE} boot
"""


def arm(change: str, maker: tuple[int, str]) -> None:
    """Have a process watch over the change with the id *change*, made by the process *maker*, and a boot take it back.

    Raises :class:`FirewallError` if that can't be had. :func:`disarm` undoes it.
    """
    write_atomically(CODE, _code())
    _install_boot_hook()
    start(change, maker)


def start(change: str, maker: tuple[int, str]) -> None:
    """Start the process that watches over *change*; raises :class:`FirewallError` if it does not come up."""
    command = [sys.executable, CODE, "watch", change, str(maker[0]), maker[1]]
    try:
        if not has_systemd():
            raise FirewallError("This host was not booted by systemd.")
        # Outside the session, which may be ended with all its processes; and back if it is killed.
        options = (
            "Restart=on-failure",
            "RestartSec=100ms",
            "StartLimitIntervalSec=0",
            "OOMScoreAdjust=-1000",
            "TimeoutStopSec=5s",
        )
        names = (
            f"--unit=netwall-datadog-watchdog-{change}",
            "--description=Take back a change of the firewall unless it is confirmed in time",
        )
        run(["systemd-run", "--quiet", "--collect", *names, *(f"--property={option}" for option in options), *command])
    except FirewallError:
        # A systemd that can't be talked to is as good as none.
        _start_apart(command)
    wait_for(
        lambda: is_watched(change),
        _START_TIMEOUT,
        "No process could be started that would take the change back if need be, so nothing was changed.",
    )


def is_armed() -> bool:
    """Whether there is anything that :func:`disarm` would remove."""
    return any(map(os.path.lexists, (CODE, _UNIT_FILE, _UNIT_LINK, _SCRIPT_FILE)))


def survives_boot() -> bool:
    """Whether a boot would take a pending change back."""
    return has_systemd() or os.path.exists(_UPDATE_RC)


def disarm() -> None:
    """Leave no way back, because it is not needed any more. The process that watches ends by itself."""
    _remove_boot_hook()
    put_back(CODE, None)


@contextlib.contextmanager
def watching(change: str) -> t.Iterator[None]:
    """Be the process that watches over *change*."""
    path = _lock(change)
    with open(path, "a", encoding="ascii", opener=open_for_root_alone) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            put_back(path, None)


def is_watched(change: str) -> bool:
    """Whether a process watches over *change*."""
    with contextlib.suppress(OSError), open(_lock(change), encoding="ascii") as lock:
        return not lock_if_free(lock, fcntl.flock)
    return False


def _lock(change: str) -> str:
    return f"/run/netwall-datadog-watchdog-{change}.lock"


def _code() -> bytes:
    """Our code that is loaded now as a program that Python runs: a zip archive."""
    sources = {"__main__.py": _MAIN}
    for name, module in sorted(sys.modules.items()):
        loader: t.Any = getattr(module, "__loader__", None)
        if name.startswith(_PACKAGE) and hasattr(loader, "get_source"):
            path = name.replace(".", "/")
            is_package = hasattr(module, "__path__")
            sources[f"{path}/__init__.py" if is_package else f"{path}.py"] = loader.get_source(name) or ""
    for path in list(sources):
        for folder in _folders(path):
            sources.setdefault(f"{folder}/__init__.py", "")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, source in sources.items():
            archive.writestr(path, source)
    return packed.getvalue()


def _folders(path: str) -> t.Iterator[str]:
    parts = path.split("/")[:-1]
    return ("/".join(parts[: end + 1]) for end in range(len(parts)))


def _start_apart(command: list[str]) -> None:
    """Start *command* so that it outlives this process, its session and its terminal."""
    subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )


def _install_boot_hook() -> None:
    """Have the next boot run our code before a firewall comes up, by whatever this host boots with."""
    if has_systemd():
        write_atomically(_UNIT_FILE, _UNIT_TEXT.format(python=sys.executable).encode(), 0o644)
        os.makedirs(os.path.dirname(_UNIT_LINK), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.symlink(_UNIT_FILE, _UNIT_LINK)
        sync_folder(os.path.dirname(_UNIT_LINK))
    elif os.path.exists(_UPDATE_RC):
        write_atomically(_SCRIPT_FILE, _SCRIPT_TEXT.format(python=sys.executable).encode(), 0o755)
        run([_UPDATE_RC, _SCRIPT_NAME, "defaults"])
        os.sync()


def _remove_boot_hook() -> None:
    remove(_UNIT_LINK)
    put_back(_UNIT_FILE, None)
    if os.path.exists(_SCRIPT_FILE):
        put_back(_SCRIPT_FILE, None)
        run([_UPDATE_RC, _SCRIPT_NAME, "remove"])
