#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disposable Debian hosts and an "internet" for them: the command line (see README.md beside this file)."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from netlab import agent, images, machine
from netlab.hosts import INTERNET, Lab, labs
from netlab.shell import LabError, cache_folder, say

CANNOT_RUN = 3
# Set inside `exec`: a process outside, whose network reaches the package mirrors.
_OUTSIDE = "NETWALL_LAB_OUTSIDE"
# Which lab, where none is named: a command inside `exec` means the lab that it is in.
_LAB = "NETWALL_LAB"


def main(argv: Sequence[str]) -> int:
    """Run one command line; returns the exit status (3: this machine cannot run the lab)."""
    options = _parser().parse_args(argv)
    reason = machine.why_not(disk=getattr(options, "disk", False))
    if reason:
        print(f"The lab cannot run here: {reason}.")
        return CANNOT_RUN
    try:
        return _COMMANDS[options.what](options)
    except LabError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; the next 'lab.py up' or 'lab.py down' sets right what was left half done")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab.py", description="Disposable Debian hosts and an internet for them.")
    commands = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")

    which = f"which lab (default: {_LAB} in the environment, else 'default')"

    def add(name: str, explanation: str, *, lab: bool = True) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=explanation, description=explanation)
        if lab:
            command.add_argument("--lab", default=os.environ.get(_LAB, "default"), metavar="NAME", help=which)
        return command

    command = add("check", "say in one line whether this machine can run the lab (exit status 3: it cannot)", lab=False)
    command.add_argument("--disk", action="store_true", help="with hosts that have a disk of their own")
    command = add("prepare", "install what the machine lacks and build the images of the releases", lab=False)
    command.add_argument("release", nargs="*", help=f"Debian releases (default: {images.DEFAULT_RELEASE})")
    command = add("up", "boot the internet and the hosts and wait until they answer")
    command.add_argument("host", nargs="*", help="NAME, NAME=RELEASE or NAME=IMAGE:RELEASE")
    command.add_argument("--disk", action="store_true", help="with a disk that loses in a power cut what is not synced")
    command.add_argument("--dhcp", action="store_true", help="with addresses from DHCP, DHCPv6 and advertisements")
    command = add("down", "remove the named hosts, or the whole lab")
    command.add_argument("host", nargs="*")
    add("status", "list all labs and their hosts", lab=False)
    command = add("ssh", "log in to a host as operator, or run a command there")
    command.add_argument("host")
    command.add_argument("command", nargs=argparse.REMAINDER)
    command = add("console", "run a command as root on a host without using its network")
    command.add_argument("host")
    command.add_argument("command", nargs=argparse.REMAINDER)
    for name, explanation in (
        ("exec", "run a command of this machine as the controller, in the lab's network: exec -- COMMAND"),
        ("neighbour", "run a command of this machine as another machine on the hosts' LAN: neighbour -- COMMAND"),
    ):
        add(name, explanation).add_argument("command", nargs=argparse.REMAINDER)
    command = add("stop", "shut a host down; its disk is kept")
    command.add_argument("host")
    command.add_argument("--hard", action="store_true", help="cut the power instead")
    command = add("start", "boot a stopped host")
    command.add_argument("host")
    command = add("agent", "install the stand-in for the Datadog Agent on a host; its settings are on standard input")
    command.add_argument("host")
    command.add_argument("--version", default=agent.DEFAULT_VERSION, help="of the package (default: %(default)s)")
    return parser


def _check(_options: argparse.Namespace) -> int:
    missing = machine.missing_packages()
    later = f", once 'lab.py prepare' has installed {' '.join(missing)}" if missing else ""
    print(f"The lab can run here{later}.")
    return 0


def _prepare(options: argparse.Namespace) -> int:
    _step_outside()
    hosts = [(images.DEFAULT_IMAGE, release) for release in options.release or [images.DEFAULT_RELEASE]]
    images.prepare([(INTERNET, images.DEFAULT_RELEASE), *hosts])
    if not any(lab.space.anchor() for lab in map(Lab, labs())):
        images.prune()
    return 0


def _up(options: argparse.Namespace) -> int:
    _step_outside()
    lab = Lab(options.lab)
    lab.up(options.host, disk=options.disk, dhcp=options.dhcp)
    print(lab.folder)
    return 0


def _down(options: argparse.Namespace) -> int:
    Lab(options.lab).down(options.host)
    return 0


def _status(_options: argparse.Namespace) -> int:
    if not labs():
        print("No lab is up.")
    for name in labs():
        lab = Lab(name)
        if lab.space.anchor() is None:
            print(f"{name}: left over from a run that died; 'lab.py down --lab {name}' removes it")
            continue
        print(f"{name}: up, described in {lab.folder}")
        for host in [*lab.hosts().values(), lab.host(INTERNET)]:
            state = "running" if lab.is_running(host) else "stopped"
            print(f"  {host.name:20} {host.address.ipv4:12} {host.address.ipv6:18} {host.image}:{host.release} {state}")
    return 0


def _ssh(options: argparse.Namespace) -> int:
    lab = Lab(options.lab)
    return _call(lab.ssh(lab.host(options.host).name, *_given(options)), lab)


def _console(options: argparse.Namespace) -> int:
    lab = Lab(options.lab)
    return _call(lab.console(options.host, _given(options) or ["bash", "-l"]), lab)


def _exec(options: argparse.Namespace) -> int:
    command, lab = _needed(options), Lab(options.lab)
    lab.up([])
    return _call(lab.at("controller", command), lab)


def _neighbour(options: argparse.Namespace) -> int:
    lab = Lab(options.lab)
    return _call(lab.at("neighbour", _needed(options)), lab)


def _stop(options: argparse.Namespace) -> int:
    Lab(options.lab).stop(options.host, hard=options.hard)
    return 0


def _start(options: argparse.Namespace) -> int:
    Lab(options.lab).start(options.host)
    return 0


def _agent(options: argparse.Namespace) -> int:
    settings = "" if sys.stdin.isatty() else sys.stdin.read()
    agent.install(Lab(options.lab), options.host, options.version, settings)
    return 0


_COMMANDS = {
    "agent": _agent,
    "check": _check,
    "prepare": _prepare,
    "up": _up,
    "down": _down,
    "status": _status,
    "ssh": _ssh,
    "console": _console,
    "exec": _exec,
    "neighbour": _neighbour,
    "stop": _stop,
    "start": _start,
}


def _given(options: argparse.Namespace) -> list[str]:
    """The command to run there: all that follows, a first "--" aside."""
    command = list(options.command)
    return command[1:] if command[:1] == ["--"] else command


def _needed(options: argparse.Namespace) -> list[str]:
    if not _given(options):
        raise LabError(f"say which command to run: lab.py {options.what} -- COMMAND")
    return _given(options)


def _call(command: Sequence[str], lab: Lab) -> int:
    """Run a command with this terminal and pass its exit status on; what asks us to end is passed on to it."""
    # Proxies of the machine cannot be reached from a lab.
    env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    # The lab's own programs inside know by these which lab they are in, and the way out of it.
    process = subprocess.Popen(command, env={_OUTSIDE: str(os.getpid()), **env, _LAB: lab.name})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _frame: process.send_signal(number))
    status = process.wait()
    return status if status >= 0 else 128 - status


def _step_outside() -> None:
    """Inside `exec` there is no way to the package mirrors: go on where the process is that waits outside."""
    outside = os.environ.pop(_OUTSIDE, "")
    if outside and os.path.exists(f"/proc/{outside}/ns/net"):
        os.environ["NETWALL_CACHE"] = str(cache_folder())
        python = [sys.executable, os.path.abspath(__file__), *sys.argv[1:]]
        os.execvp("nsenter", ["nsenter", "--target", outside, "--mount", "--net", *python])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
