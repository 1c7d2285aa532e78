# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The options of a task that is about an Agent, checked on the controller.

Ansible's own check repeats a wrong value, which may be a secret here, and takes a path for one of the controller's,
whose user and variables it fills in. Here no sentence has a value, and a path is the host's to understand.
"""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.validation import check_type_bool, check_type_float

Spec = t.Mapping[str, t.Mapping[str, t.Any]]


class OptionError(Exception):
    """An option is wrong; the text is a sentence for the user, without a value that may be secret."""


def checked(module: str, args: t.Mapping[str, t.Any], spec: Spec) -> dict[str, t.Any]:
    """The options of *module* in *args*, all that *spec* has, with their defaults and as their types.

    Raises :class:`OptionError`.
    """
    unknown = sorted(str(name) for name in args if name not in spec)
    if unknown:
        # What the action plugin fills in itself is nothing to ask for.
        known = [name for name, option in spec.items() if not option.get("no_log")]
        raise OptionError(f"{module} has no option {', '.join(unknown)}; it has {_listed(known)}.")
    return {name: _value(name, args.get(name), option) for name, option in spec.items()}


def _value(name: str, value: object, option: t.Mapping[str, t.Any]) -> t.Any:
    if value is None:
        value = option.get("default")
    if value is None:
        if option.get("required"):
            raise OptionError(f"The option '{name}' has to be set.")
        return None
    if "choices" in option:
        if value not in option["choices"]:
            raise OptionError(f"The option '{name}' has to be {' or '.join(map(repr, option['choices']))}.")
        return value
    understand, what = _TYPES[option["type"]]
    try:
        return understand(value)
    except (TypeError, ValueError):
        raise OptionError(f"The option '{name}' has to be {what}.") from None


def _mapping(value: object) -> t.Mapping[str, t.Any]:
    if not isinstance(value, t.Mapping):
        raise TypeError
    return value


def _text(value: object) -> str:
    if not (isinstance(value, str) and value):
        raise TypeError
    return value


_TYPES: dict[str, tuple[t.Callable[[t.Any], t.Any], str]] = {
    "bool": (check_type_bool, "true or false"),
    "dict": (_mapping, "a mapping of names to values"),
    "float": (check_type_float, "a number"),
    "path": (_text, "the path of a file"),
    "str": (_text, "a text"),
}


def _listed(names: t.Sequence[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
