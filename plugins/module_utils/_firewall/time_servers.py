# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The time servers that a host asks, by address or by name, as its own time service is configured."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.host_files import HostFiles, as_address

# Names that stand for other addresses from one answer to the next.
PUBLIC_POOLS = ("pool.ntp.org", "ntp.ubuntu.com", "time.nist.gov", "time.windows.com")

_NTP, _NTS = 123, 4460
_TIMESYNCD = "/etc/systemd/timesyncd.conf"


class TimeServer(t.NamedTuple):
    """A server called ``name`` (or an address); of a pool any address may be asked. ``source`` is the file."""

    name: str
    source: str
    port: int = _NTP
    protocol: str = "udp"
    is_pool: bool = False


class _Daemon(t.NamedTuple):
    """A time service: it is there if one of ``programs`` is, and reads the ``files`` (shell patterns)."""

    programs: tuple[str, ...]
    files: tuple[str, ...]


_DAEMONS = (
    _Daemon(("/usr/sbin/chronyd",), ("/etc/chrony/chrony.conf", "/etc/chrony.conf")),
    _Daemon(
        ("/usr/sbin/ntpd",),
        (
            "/etc/ntp.conf",
            "/run/ntp.conf.dhcp",
            "/etc/ntpsec/ntp.conf",
            "/etc/ntpsec/ntp.d/*.conf",
            "/run/ntpsec/ntp.conf.dhcp",
            "/etc/openntpd/ntpd.conf",
            "/etc/ntpd.conf",
        ),
    ),
)
_TIMESYNCD_PROGRAMS = ("/usr/lib/systemd/systemd-timesyncd", "/lib/systemd/systemd-timesyncd")
_TIMESYNCD_LINKS = (
    "/etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service",
    "/etc/systemd/system/dbus-org.freedesktop.timesync1.service",
)


def find_time_servers(files: HostFiles) -> list[TimeServer]:
    """The servers of every time service that this host has."""
    found = []
    for daemon in _DAEMONS:
        if files.exists(*daemon.programs):
            found += _of_daemon(files, files.find(*daemon.files))
    if files.exists(*_TIMESYNCD_PROGRAMS) and files.exists(*_TIMESYNCD_LINKS):
        found += _of_timesyncd(files)
    return list(dict.fromkeys(found))


def _of_daemon(files: HostFiles, paths: list[str]) -> list[TimeServer]:
    """What chrony's and ntpd's files say: a server per line, and other files to read."""
    found: list[TimeServer] = []
    waiting, seen = list(paths), set()
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        for directive, *words in files.rows(path, "#!;%"):
            keyword = directive.lower()
            if keyword in ("server", "servers", "pool", "peer") and _without_family(words):
                found += _of_line(keyword, _without_family(words), path)
            elif keyword in ("include", "includefile"):
                waiting += files.find(*words)
            elif keyword in ("confdir", "sourcedir"):
                ending = "conf" if keyword == "confdir" else "sources"
                waiting += files.find(*(os.path.join(folder, f"*.{ending}") for folder in words))
    return found


def _without_family(words: list[str]) -> list[str]:
    return words[1:] if words[:1] in (["-4"], ["-6"]) else words


def _of_line(keyword: str, words: list[str], path: str) -> t.Iterator[TimeServer]:
    name, options = words[0], [word.lower() for word in words[1:]]
    # OpenNTPD's "servers" means all addresses of a name.
    is_pool = as_address(name) is None and (keyword in ("pool", "servers") or name.endswith(PUBLIC_POOLS))
    yield TimeServer(name, path, _number(options, "port", _NTP), is_pool=is_pool)
    if "nts" in options:
        yield TimeServer(name, path, _number(options, "ntsport", _NTS), "tcp", is_pool)


def _number(options: list[str], key: str, otherwise: int) -> int:
    value = options[options.index(key) + 1 :][:1] if key in options else []
    return int(value[0]) if value and value[0].isdigit() and 0 < int(value[0]) < 65536 else otherwise


def _of_timesyncd(files: HostFiles) -> list[TimeServer]:
    settings = files.systemd_settings("timesyncd.conf")
    names = settings.get("NTP", []) + files.link_settings("NTP") or settings.get("FallbackNTP", [])
    if not names and "FallbackNTP" not in settings:
        return [TimeServer("the servers that systemd-timesyncd was built with", _TIMESYNCD, is_pool=True)]
    return [TimeServer(name, _TIMESYNCD, is_pool=name.endswith(PUBLIC_POOLS)) for name in names]
