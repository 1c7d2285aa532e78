# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What firewalld has at run time and permanently, read over D-Bus, and what a reload would make of the difference.

    daemon = read_daemon()
    runtime, permanent = read_configurations(is_ours)
    lost_by_reload(daemon, runtime, permanent, is_ours)       # sentences' parts: "zone public: service http"
    revived_by_reload(runtime, permanent, is_ours)

``is_ours`` says of the name of a policy or ipset whether it is one of ours.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import typing as t
from xml.etree import ElementTree

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_bus import FIREWALLD, Call, call_all
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.system import read_bytes

_ROOT = "/org/fedoraproject/FirewallD1"
_CONFIG = f"{_ROOT}/config"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_BUS = "org.freedesktop.DBus"
_NETWORK_MANAGER = "org.freedesktop.NetworkManager"
_DIRECT = "/etc/firewalld/direct.xml"

# Settings that describe, and decide nothing.
_REMARKS = ("version", "short", "description")
# What a reload keeps with FlushAllOnReload=no.
_KEPT = ("interface", "ipset", "direct")
_SERVICE = re.compile(r'service name="([^"]+)"')

Settings = t.Mapping[str, t.Any]
IsOurs = t.Callable[[str], bool]


@dataclasses.dataclass(frozen=True)
class Daemon:
    """firewalld itself: ``settings`` are those of firewalld.conf, ``state`` is ``RUNNING`` where all is well."""

    version: tuple[int, ...]
    state: str
    settings: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    is_panicking: bool = False
    is_locked_down: bool = False
    has_network_manager: bool = False


@dataclasses.dataclass(frozen=True)
class IPSet:
    """A named set; ``type`` is such as ``hash:net``, ``entries`` are as firewalld writes them."""

    type: str
    options: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    entries: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Configuration:
    """All that decides packets, by name; settings have the keys and values of firewalld's D-Bus interface.

    ``services`` are those in use; sets of ours are left out; ``direct`` are rules, chains and passthroughs of
    the direct interface, one text each.
    """

    default_zone: str
    zones: t.Mapping[str, Settings] = dataclasses.field(default_factory=dict)
    policies: t.Mapping[str, Settings] = dataclasses.field(default_factory=dict)
    ipsets: t.Mapping[str, IPSet] = dataclasses.field(default_factory=dict)
    services: t.Mapping[str, Settings] = dataclasses.field(default_factory=dict)
    direct: tuple[str, ...] = ()


def read_daemon() -> Daemon:
    """What firewalld says of itself, also where it is in state ``FAILED``; raises :class:`FirewallError`."""
    about, settings, panics, locked = call_all(
        [
            Call(_ROOT, _PROPERTIES, "GetAll", "s", (FIREWALLD,)),
            Call(_CONFIG, _PROPERTIES, "GetAll", "s", (f"{FIREWALLD}.config",)),
            Call(_ROOT, FIREWALLD, "queryPanicMode"),
            Call(_ROOT, f"{FIREWALLD}.policies", "queryLockdown"),
        ]
    )
    (managed,) = call_all([Call("/org/freedesktop/DBus", _BUS, "NameHasOwner", "s", (_NETWORK_MANAGER,))], _BUS)
    return Daemon(
        version=parse_version(about["version"]),
        state=about["state"],
        settings=settings,
        is_panicking=panics,
        is_locked_down=locked,
        has_network_manager=managed,
    )


def parse_version(text: str) -> tuple[int, ...]:
    """``1.3.3`` as ``(1, 3, 3)``; what is no number ends it."""
    parts: list[int] = []
    for part in text.strip().split("."):
        if not part.isdigit():
            break
        parts.append(int(part))
    return tuple(parts)


def read_configurations(is_ours: IsOurs) -> tuple[Configuration, Configuration]:
    """What holds at run time and what is permanent; raises :class:`FirewallError`."""
    return _read_runtime(is_ours), _read_permanent(is_ours)


def after_reload(daemon: Daemon, runtime: Configuration, permanent: Configuration) -> Configuration:
    """What holds once firewalld has been reloaded."""
    kept = _kept_by_reload(daemon)
    zones = permanent.zones
    if "interface" in kept:
        zones = {
            name: {**settings, "interfaces": runtime.zones.get(name, settings).get("interfaces", ())}
            for name, settings in zones.items()
        }
    return dataclasses.replace(
        permanent,
        zones=zones,
        ipsets={**permanent.ipsets, **runtime.ipsets} if "ipset" in kept else permanent.ipsets,
        direct=runtime.direct if "direct" in kept else permanent.direct,
    )


def lost_by_reload(daemon: Daemon, runtime: Configuration, permanent: Configuration, is_ours: IsOurs) -> list[str]:
    """What stands at run time only and a reload would lose, one text for each thing of others."""
    kept = _kept_by_reload(daemon)
    return [text for kind, text in _beyond(runtime, permanent, is_ours) if kind not in kept]


def revived_by_reload(runtime: Configuration, permanent: Configuration, is_ours: IsOurs) -> list[str]:
    """What others wrote permanently and a reload would bring to life, one text for each thing."""
    return [text for _kind, text in _beyond(permanent, runtime, is_ours)]


# --- Reading ----------------------------------------------------------------------------------------------------------


def _read_runtime(is_ours: IsOurs) -> Configuration:
    default_zone, services, zones, policies, ipsets, *direct = call_all(
        [
            Call(_ROOT, FIREWALLD, "getDefaultZone"),
            Call(_ROOT, FIREWALLD, "listServices"),
            Call(_ROOT, f"{FIREWALLD}.zone", "getZones"),
            Call(_ROOT, f"{FIREWALLD}.policy", "getPolicies"),
            Call(_ROOT, f"{FIREWALLD}.ipset", "getIPSets"),
            Call(_ROOT, f"{FIREWALLD}.direct", "getAllChains"),
            Call(_ROOT, f"{FIREWALLD}.direct", "getAllRules"),
            Call(_ROOT, f"{FIREWALLD}.direct", "getAllPassthroughs"),
        ]
    )
    methods = {
        "Zone": (f"{FIREWALLD}.zone", "getZoneSettings2"),
        "Policy": (f"{FIREWALLD}.policy", "getPolicySettings"),
        "IPSet": (f"{FIREWALLD}.ipset", "getIPSetSettings"),
        "Service": (FIREWALLD, "getServiceSettings2"),
    }
    names = {"Zone": zones, "Policy": policies, "IPSet": _not(is_ours, ipsets), "Service": services}
    return _read_all(
        default_zone,
        names,
        lambda kind, some: call_all([Call(_ROOT, *methods[kind], "s", (name,)) for name in some]),
        direct,
    )


def _read_permanent(is_ours: IsOurs) -> Configuration:
    interface = f"{FIREWALLD}.config"
    settings, services, zones, policies, ipsets, direct = call_all(
        [
            Call(_CONFIG, _PROPERTIES, "GetAll", "s", (interface,)),
            Call(_CONFIG, interface, "getServiceNames"),
            Call(_CONFIG, interface, "getZoneNames"),
            Call(_CONFIG, interface, "getPolicyNames"),
            Call(_CONFIG, interface, "getIPSetNames"),
            Call(_CONFIG, f"{interface}.direct", "getSettings"),
        ]
    )
    names = {"Zone": zones, "Policy": policies, "IPSet": _not(is_ours, ipsets), "Service": services}

    def settings_of(kind: str, some: t.Sequence[str]) -> list[t.Any]:
        paths = call_all([Call(_CONFIG, interface, f"get{kind}ByName", "s", (name,)) for name in some])
        method = "getSettings2" if kind in ("Zone", "Service") else "getSettings"
        return call_all([Call(path, f"{interface}.{kind.lower()}", method) for path in paths])

    return _read_all(settings["DefaultZone"], names, settings_of, direct)


def _read_all(
    default_zone: str,
    names: t.Mapping[str, t.Sequence[str]],
    settings_of: t.Callable[[str, t.Sequence[str]], list[t.Any]],
    direct: t.Sequence[t.Sequence[t.Any]],
) -> Configuration:
    def read(kind: str, some: t.Iterable[str]) -> dict[str, t.Any]:
        wanted = sorted(set(some) & set(names[kind]))
        return dict(zip(wanted, settings_of(kind, wanted)))

    zones, policies = read("Zone", names["Zone"]), read("Policy", names["Policy"])
    services: dict[str, Settings] = {}
    wanted = {name for each in (*zones.values(), *policies.values()) for name in services_in(each)}
    while wanted:
        found = read("Service", wanted)
        services.update(found)
        wanted = {name for each in found.values() for name in each.get("includes", ())} - set(services)
    ipsets = {
        name: IPSet(kind, options, tuple(entries))
        for name, (_version, _short, _text, kind, options, entries) in read("IPSet", names["IPSet"]).items()
    }
    return Configuration(default_zone, zones, policies, ipsets, services, _direct(*direct))


def services_in(settings: Settings) -> set[str]:
    """The names of the services that a zone or policy with *settings* names, also in its rich rules."""
    named = {match.group(1) for text in rich_rules(settings) for match in _SERVICE.finditer(text)}
    return named | set(settings.get("services", ()))


def rich_rules(settings: Settings) -> tuple[str, ...]:
    """The rich rules of a zone (whose key for them is another one) or policy."""
    return tuple(settings.get("rich_rules") or settings.get("rules_str") or ())


def _not(is_ours: IsOurs, names: t.Iterable[str]) -> list[str]:
    return [name for name in names if not is_ours(name)]


def _direct(
    chains: t.Iterable[t.Sequence[str]], rules: t.Iterable[t.Sequence[t.Any]], passed: t.Iterable[t.Sequence[t.Any]]
) -> tuple[str, ...]:
    return (
        *(f"direct chain {' '.join(chain)}" for chain in chains),
        *(f"direct rule {' '.join(map(str, rule[:-1]))} {' '.join(rule[-1])}" for rule in rules),
        *(f"direct passthrough {family} {' '.join(arguments)}" for family, arguments in passed),
    )


def direct_in_file() -> t.Iterator[str]:
    """The direct rules that firewalld will load next, as in :class:`Configuration`; raises :class:`FirewallError`."""
    try:
        root = ElementTree.fromstring(read_bytes(_DIRECT)) if os.path.exists(_DIRECT) else ElementTree.Element("direct")
        for each in root:
            values = [each.get(key, "") for key in ("ipv", "table", "chain", "priority")]
            yield " ".join(["direct", each.tag, *filter(None, values), *shlex.split(each.text or "")])
    except (ElementTree.ParseError, ValueError) as error:
        raise FirewallError(f"{_DIRECT} is damaged ({error}); mend it before firewalld loads it.") from error


# --- The difference that a reload makes -------------------------------------------------------------------------------


def _kept_by_reload(daemon: Daemon) -> t.Container[str]:
    """The kinds of things that a reload leaves as they are at run time."""
    if daemon.settings.get("FlushAllOnReload") == "no":
        return _KEPT
    # firewalld asks it for its interfaces, and binds them again.
    return ("interface",) if daemon.has_network_manager else ()


def _beyond(these: Configuration, those: Configuration, is_ours: IsOurs) -> t.Iterator[tuple[str, str]]:
    """What stands in *these* and not in *those*: what kind of thing it is, and a text that names it."""
    if these.default_zone != those.default_zone:
        yield "default zone", f"default zone {these.default_zone}"
    for what, mine, others in (
        ("zone", these.zones, those.zones),
        ("policy", _theirs(these.policies, is_ours), those.policies),
        ("service", these.services, those.services),
    ):
        for name, settings in mine.items():
            # A service that is in use on one side alone says nothing; the use of it does.
            if what != "service" or name in others:
                yield from _settings_beyond(f"{what} {name}", settings, others.get(name))
    for name, ipset in _theirs(these.ipsets, is_ours).items():
        yield from (("ipset", text) for text in _entries_beyond(name, ipset, those.ipsets.get(name)))
    yield from (("direct", text) for text in these.direct if text not in those.direct)


_Value = t.TypeVar("_Value")


def _theirs(these: t.Mapping[str, _Value], is_ours: IsOurs) -> dict[str, _Value]:
    return {name: value for name, value in these.items() if not is_ours(name)}


def _settings_beyond(owner: str, these: Settings, those: Settings | None) -> t.Iterator[tuple[str, str]]:
    if those is None:
        yield "", f"{owner} as a whole"
        return
    for key in sorted({*these, *those} - {*_REMARKS}):
        mine, others = these.get(key), those.get(key)
        if isinstance(mine or others, (list, tuple)):
            yield from (
                (_word(key), f"{owner}: {_word(key)} {_text(x)}") for x in mine or () if x not in (others or ())
            )
        elif (mine or None) != (others or None):
            yield "", f"{owner}: {_word(key)} {_text(mine)}"


def _entries_beyond(name: str, these: IPSet, those: IPSet | None) -> t.Iterator[str]:
    if those is None or (these.type, these.options) != (those.type, those.options):
        yield f"ipset {name} as a whole"
        return
    entries = sorted(set(these.entries) - set(those.entries))
    if entries:
        yield f"ipset {name}: entry {entries[0]}" + (f" and {len(entries) - 1} more" if entries[1:] else "")


def _word(key: str) -> str:
    """What a person calls one of the things that the setting *key* holds."""
    if key in ("rich_rules", "rules_str"):
        return "rich"
    word = key.replace("_", " ")
    return word[:-1] if word.endswith("s") else word


def _text(value: t.Any) -> str:
    if isinstance(value, (list, tuple)):
        return "/".join(str(part) for part in value if part != "")
    return {"True": "on", "False": "off", "None": "not set"}.get(str(value), str(value))
