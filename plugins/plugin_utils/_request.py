# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What is asked of the policy, and the checks of what a user may write there."""

from __future__ import annotations

import dataclasses
import difflib
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._flow import FlowError, parse_network, sort_networks
from ansible_collections.netwall.datadog.plugins.plugin_utils._version import Version, VersionError

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.options import RangesOptions


class PolicyError(ValueError):
    """No policy can be made from what was asked; the text is one sentence for the user."""


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked for; the fields are the options of the lookup ``traffic_policy``, None where not set.

    ``proxy`` may hold a password: it is in no result, message or representation.
    """

    site: str
    agent_version: str | None = None
    worker_version: str | None = None
    products: t.Sequence[str] | None = None
    logs_transport: str | None = None
    proxy: str | None = dataclasses.field(default=None, repr=False)
    proxy_networks: t.Sequence[str] | None = None
    no_proxy: t.Sequence[str] | None = None
    endpoints: t.Sequence[t.Mapping[str, t.Any]] | None = None
    endpoint_networks: t.Mapping[str, t.Any] | None = None
    ntp_networks: t.Sequence[str] | None = None
    cluster_networks: t.Sequence[str] | None = None
    device_networks: t.Sequence[str] | None = None
    non_local_traffic: t.Mapping[str, t.Any] | None = None
    inbound_from: t.Mapping[str, t.Any] | None = None
    ports: t.Mapping[str, t.Any] | None = None
    unmanaged_ports: t.Sequence[str] | None = None
    extra_flows: t.Sequence[t.Mapping[str, t.Any]] | None = None
    families: t.Sequence[str] = ("ipv4", "ipv6")
    exclude: t.Sequence[str] = ()
    locations: t.Sequence[str] = ()
    aggregate: bool = True
    allow_unresolved: bool = False

    @classmethod
    def from_options(cls, raw: t.Mapping[str, t.Any], ranges: RangesOptions) -> Request:
        """The request in the options *raw* of a plugin; those that choose addresses are taken from *ranges*."""
        values: dict[str, t.Any] = {field.name: raw.get(field.name) for field in dataclasses.fields(cls)}
        for name in ("site", "families", "exclude", "locations", "aggregate"):
            values[name] = getattr(ranges, name)
        return cls(**values)

    def of_families(self, networks: t.Iterable[str]) -> tuple[str, ...]:
        """Those of *networks* that ``families`` leaves in."""
        return tuple(network for network in networks if f"ipv{parse_network(network).version}" in self.families)


def left_out_by_family(option: str) -> str:
    """The warning that ``families`` leaves nothing of what *option* lists."""
    return f"The option families leaves out every network of {option}: nothing is opened for it."


def version_of(option: str, text: str) -> Version:
    """The version that *option* gives; raises :class:`PolicyError`."""
    try:
        return Version.parse(str(text))
    except VersionError as error:
        raise PolicyError(f"The option {option} is wrong: {error}") from None


def name_of(option: str, name: t.Any, known: t.Collection[str]) -> str:
    """*name* as the catalog writes it; ``_`` does for ``-``. Raises :class:`PolicyError` unless it is *known*."""
    slug = str(name).strip().lower().replace("_", "-")
    if slug in known:
        return slug
    close = difflib.get_close_matches(slug, known, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise PolicyError(f"The option {option} has the unknown name {name!r}{hint}; there are {', '.join(known)}.")


def by_name(option: str, values: t.Mapping[str, t.Any] | None, known: t.Collection[str]) -> dict[str, t.Any]:
    """*values* by the catalog's names; raises :class:`PolicyError` for an unknown name or one given twice."""
    named: dict[str, t.Any] = {}
    for key, value in (values or {}).items():
        name = name_of(option, key, known)
        if name in named:
            raise PolicyError(f"The option {option} has {name} twice, once with _ for -; write it once.")
        named[name] = value
    return named


def networks_of(option: str, value: t.Any) -> tuple[str, ...]:
    """The canonical networks that *value*, a list or one network, names; raises :class:`PolicyError`."""
    networks = [value] if isinstance(value, str) else value
    if not isinstance(networks, (list, tuple)):
        raise PolicyError(f"The option {option} is {value!r}; write a list of networks such as [192.0.2.0/24].")
    try:
        return sort_networks(str(network) for network in networks)
    except FlowError as error:
        raise PolicyError(f"The option {option} is wrong: {error}") from None


def port_of(option: str, value: t.Any, off: tuple[int, ...] = ()) -> int:
    """The port that *value* names, or one of the numbers that mean *off*; raises :class:`PolicyError`."""
    port: int | None
    try:
        port = int(str(value))
    except ValueError:
        port = None
    if port is None or not (1 <= port <= 65535 or port in off):
        also = f", or {' or '.join(map(str, off))} for off" if off else ""
        raise PolicyError(f"The option {option} is {value!r}; write a port from 1 to 65535{also}.")
    return port
