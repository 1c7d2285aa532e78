# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What two documents have in common and what not, by address and not by spelling."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import (
    FAMILIES,
    Document,
    DocumentError,
    family_of,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import import_netaddr

# The addresses of a section by name: CIDRs of both families.
Sections = t.Mapping[str, t.Sequence[str]]


@dataclasses.dataclass(frozen=True)
class Change:
    """Which addresses a section gained and lost, each as the fewest CIDRs, IPv4 first and in numerical order."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


def addresses_of(document: Document) -> dict[str, list[str]]:
    """All that *document* publishes in each section, by location or not."""
    return {
        name: [*section.ipv4, *section.ipv6, *(cidr for cidrs in section.by_location.values() for cidr in cidrs)]
        for name, section in document.sections.items()
    }


def changes(old: Sections, new: Sections) -> dict[str, Change]:
    """What changed from *old* to *new*, by section; a section whose addresses are the same is left out.

    Raises :class:`MissingPackageError`.
    """
    netaddr = import_netaddr()
    found = {}
    for name in [*new, *(name for name in old if name not in new)]:
        before, after = netaddr.IPSet(old.get(name, ())), netaddr.IPSet(new.get(name, ()))
        if before != after or (name in old) != (name in new):
            found[name] = Change(_cidrs(after - before), _cidrs(before - after))
    return found


def check_succession(old: Document, new: Document, *, max_shrink: float, allow_older: bool) -> None:
    """Raise :class:`DocumentError` unless *new* may follow on *old*, the last that was good.

    Its version may not be lower, unless *allow_older*; and no section may lose a share of more than *max_shrink* (from
    0 to 1) of its addresses in one family.
    """
    if new.version < old.version and not allow_older:
        raise DocumentError(
            f"The document at {new.url} is refused: its version {new.version} is older than {old.version}, the last "
            "good one's; set allow_older if it was really taken back."
        )
    if max_shrink >= 1:
        return
    netaddr = import_netaddr()
    after = addresses_of(new)
    for name, cidrs in addresses_of(old).items():
        for family in FAMILIES:
            before = netaddr.IPSet(cidr for cidr in cidrs if family_of(cidr) == family)
            lost = before - netaddr.IPSet(cidr for cidr in after.get(name, ()) if family_of(cidr) == family)
            if lost.size > max_shrink * before.size:
                raise DocumentError(
                    f"The document at {new.url} is refused: of the IPv{family[-1]} addresses that section '{name}' had "
                    f"in version {old.version}, it drops {_percent(lost.size, before.size)} ({lost.iter_cidrs()[0]} is "
                    f"one of {len(lost.iter_cidrs())} networks), more than max_shrink, which is {max_shrink:g}."
                )


def _percent(part: int, whole: int) -> str:
    return "all" if part == whole else f"{100 * part // whole} %"


def _cidrs(addresses: t.Any) -> tuple[str, ...]:
    return tuple(str(cidr) for cidr in addresses.iter_cidrs())
