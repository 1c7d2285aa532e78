# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""How a lookup plugin of this collection reads its options."""

from __future__ import annotations

import typing as t

# What Ansible itself passes to run() on some versions and in some ways of calling.
_OF_ANSIBLE = {"allow_unsafe", "errors", "wantlist"}


class LookupOptionsError(Exception):
    """A lookup was called with an option that it does not have; the text is a sentence for the user."""


if t.TYPE_CHECKING:
    # Only here, since to make a protocol takes time and nobody needs it at run time.

    class Lookup(t.Protocol):
        """The part of Ansible's ``LookupBase`` that options come from."""

        @property
        def option_definitions(self) -> t.Mapping[str, t.Any]: ...

        def set_options(self, *, var_options: t.Any = None, direct: t.Any = None) -> None: ...

        def set_option(self, option: str, value: t.Any) -> None: ...

        def get_option(self, option: str) -> t.Any: ...

        def get_options(self) -> dict[str, t.Any]: ...

        def get_option_and_origin(self, option: str, hostvars: t.Any = None) -> tuple[t.Any, str]: ...

    class Templar(t.Protocol):
        """The part of Ansible's templar that options need."""

        def template(self, variable: t.Any) -> t.Any: ...


def read_options(
    lookup: Lookup,
    templar: Templar | None,
    variables: t.Mapping[str, t.Any] | None,
    direct: t.Mapping[str, t.Any],
) -> dict[str, t.Any]:
    """All options of *lookup* by name: from *direct* (the call's arguments), *variables*, environment or default.

    What a variable holds goes through *templar*, which leaves alone what Ansible does not trust: Ansible itself leaves
    that to the plugin. A value from anywhere else is never templated, since an argument was already and the
    environment may be anybody's. A variable (or one of the environment) that is empty counts as not set.

    Raises :class:`LookupOptionsError` for an option that does not exist, which Ansible would overlook: a misspelt
    ``exclude`` must not open more.
    """
    definitions = lookup.option_definitions
    unknown = sorted(set(direct) - set(definitions) - _OF_ANSIBLE)
    if unknown:
        options = ", ".join(sorted(set(definitions) - {"_terms"}))
        raise LookupOptionsError(f"There is no option {unknown[0]!r}; there are {options}.")
    lookup.set_options(var_options=variables, direct=direct)
    for name, definition in definitions.items():
        # Asked first, as ansible-core 2.17 and 2.18 forget the arguments when they tell where a value came from.
        if direct.get(name) is not None:
            continue
        if "vars" in definition and templar is not None:
            origin = lookup.get_option_and_origin(name, hostvars=variables)[1]
            if origin.startswith("var: "):
                # Set to None, an option takes its value from the next place in line.
                lookup.set_option(name, templar.template(lookup.get_option(name)) or None)
        if lookup.get_option(name) == "":
            lookup.set_option(name, definition.get("default"))
    return lookup.get_options()
