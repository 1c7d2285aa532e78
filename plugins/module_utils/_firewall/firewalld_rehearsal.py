# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What firewalld would say if it loaded the files of others now, found out where it harms nobody.

Its own check, which every reload begins with, lets much pass that then fails the reload and leaves the host without
rules: overlapping entries, an ipset of the other family, one that is not there, direct rules that nobody understands.
So firewalld's own code loads the files once into an empty network namespace, which is gone afterwards.
"""

from __future__ import annotations

import re
import shutil
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.system import read_text, run

# Our own files are left out, as they are about to be written anew, and so are flowtables, which need interfaces. A zone
# is loaded where it is in use; which are, by interfaces that a reload binds again, stands in the arguments. What failed
# goes to standard output, after the zone or policy at which it did.
_PROGRAM = """
import pathlib, re, shutil, sys, tempfile
from firewall import config
from firewall.core.fw import Firewall
with tempfile.TemporaryDirectory() as folder:
    copy = pathlib.Path(folder, "firewalld")
    shutil.copytree("/etc/firewalld", copy, ignore=shutil.ignore_patterns("netwall-*"))
    settings = copy / "firewalld.conf"
    settings.write_text(re.sub("(?m)^NftablesFlowtable=.*", "NftablesFlowtable=off", settings.read_text()))
    config.set_system_config_paths(str(copy))
    try:
        firewall = Firewall()
        firewall.start()
        for number, zone in enumerate(set(sys.argv[1:]) & set(firewall.zone.get_zones())):
            firewall.zone.add_interface(zone, f"netwall{number}")
    except Exception as error:
        place, trace = [], error.__traceback__
        while trace:
            known = trace.tb_frame.f_locals
            place += [key + " " + known[key] for key in ("zone", "policy") if isinstance(known.get(key), str)]
            trace = trace.tb_next
        print(*place[:1], error, sep=": ")
"""
_SET = re.compile(r'"set": \{[^{}]*"name": "([^"]+)"')


def what_fails(zones: t.Iterable[str], settled_direct: bool) -> str:
    """What firewalld would say instead of loading the files of others, with the thing's name; empty if it loads them.

    *zones* are those that have interfaces, the files aside. With *settled_direct* its direct rules are those in force:
    they may name what the empty namespace lacks, so nothing is made of their failing there, which comes last. Empty,
    too, on a host that allows no rehearsal.
    """
    try:
        said = run(["unshare", "--net", *_interpreter(), "-c", _PROGRAM, *zones])
    except FirewallError:
        return ""
    return "" if settled_direct and "Direct: " in said else _told(said)


def _interpreter() -> list[str]:
    """What runs firewalld: the Python that has its code."""
    program = shutil.which("firewalld", path="/usr/sbin:/sbin:/usr/bin:/bin") or ""
    return read_text(program).partition("\n")[0].lstrip("#! ").split()


def _told(said: str) -> str:
    """*said* on one line, with the ipset that was being loaded in place of all that was sent to the kernel."""
    text, _blob, sent = " ".join(said.split()).partition(" JSON blob: ")
    named = _SET.search(sent)
    return f"ipset {named.group(1)}: {text}" if named else text
