# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands, and the module itself, run as root on a host of a lab without using its network.

The module goes there as Ansible packs it, once; what changes from call to call, its arguments, comes over stdin. So a
call costs what the module costs, and it works on a host that has locked everybody out.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import typing as t

from ansible_collections.netwall.datadog.tests._tool import ROOT
from ansible_collections.netwall.datadog.tests.lab.netlab.hosts import Lab

MODULE = "netwall.datadog.host_firewall"
PROGRAM = "/run/netwall-test-module.py"
"""Where the packed module lies on a host."""
FIRST, LATER = ("192.0.2.1", 40001), ("192.0.2.1", 40002)
"""Where a play seems to come from: once, and over a new connection."""

_NO_ARGUMENTS = json.dumps({"ANSIBLE_MODULE_ARGS": {}})
# In a process of its own: Ansible's importer has to come before anything of a collection is imported.
_PACK = """
import sys
from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
init_plugin_loader()
python = {"ansible_python_interpreter": "/usr/bin/python3"}
built = modify_module(
    module_name=sys.argv[1], module_path=sys.argv[2], module_args={}, templar=Templar(DataLoader()), task_vars=python
)
print(built.b_module_data.decode())
"""


class OnHostError(Exception):
    """A command on the host failed; the text says which and how."""


class OnHost:
    """The host *name* of the lab called *lab*, which is up."""

    def __init__(self, lab: str, name: str) -> None:
        self.lab = lab
        self.name = name

    def command(self, *argv: str) -> list[str]:
        """The command of this machine that runs *argv* there, as root."""
        return Lab(self.lab).console(self.name, argv)

    def call(self, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run *argv* there to its end, however it ends."""
        return subprocess.run(self.command(*argv), input=stdin, check=False, capture_output=True, encoding="utf-8")

    def run(self, *argv: str, stdin: str = "") -> str:
        """What *argv* prints there; raises :class:`OnHostError` if it fails."""
        done = self.call(*argv, stdin=stdin)
        if done.returncode:
            raise OnHostError(f"{' '.join(argv)}: status {done.returncode}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def install_module(self) -> None:
        """Put the packed module there: once, before the first call."""
        self.run("sh", "-c", f"cat >{PROGRAM}", stdin=packed_module())

    def module_command(self) -> list[str]:
        """The command of this machine that runs the module there; it reads :func:`arguments_of` from stdin."""
        return self.command(*program_from())

    def module(self, **options: t.Any) -> dict[str, t.Any]:
        """What the module returns, called with *options*; raises :class:`OnHostError` where it says nothing."""
        done = self.call(*program_from(), stdin=arguments_of(**options))
        return result_in(done)


def program_from(peer: tuple[str, int] = FIRST) -> list[str]:
    """The command of a host that runs the module as if the play had come in over SSH from *peer*."""
    return ["env", f"SSH_CONNECTION={peer[0]} {peer[1]} 192.0.2.11 22", "python3", PROGRAM]


def arguments_of(**options: t.Any) -> str:
    """The module's *options* as it reads them."""
    common = {"_ansible_diff": True, "_ansible_check_mode": options.pop("check_mode", False)}
    return json.dumps({"ANSIBLE_MODULE_ARGS": {**options, **common}})


def result_in(done: subprocess.CompletedProcess[str]) -> dict[str, t.Any]:
    """The result that a run of the module printed; raises :class:`OnHostError` if it printed none."""
    try:
        result: dict[str, t.Any] = json.loads(done.stdout)
    except ValueError:
        raise OnHostError(f"The module ended with {done.returncode}: {done.stderr.strip() or done.stdout}") from None
    return result


@functools.cache
def packed_module() -> str:
    """The module as Ansible packs it, a Python program, but for its arguments: it reads those from stdin."""
    done = subprocess.run(
        [sys.executable, "-c", _PACK, MODULE, str(ROOT / "plugins/modules/host_firewall.py")],
        check=False,
        capture_output=True,
        encoding="utf-8",
    )
    there, asked = f"params={_NO_ARGUMENTS!r},", "params=__import__('sys').stdin.read(),"
    if done.returncode or there not in done.stdout:
        raise OnHostError(f"Ansible packs modules in another way than on_host.py knows. {done.stderr}")
    return done.stdout.replace(there, asked)
