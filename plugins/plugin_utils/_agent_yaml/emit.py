# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Values as YAML text that every reader takes for the same: the Agent's (YAML 1.2 and some of 1.1) and PyYAML (1.1).

What one of them could take for something else is quoted: ``yes``, ``~``, ``0o17``, ``1e3``, ``1:30``, ``2026-01-02``.
"""

from __future__ import annotations

import math
import re
import typing as t

from .errors import AgentYamlError

# It begins as no number, date or indicator does, and holds nothing that could end it or begin a comment.
_PLAIN = re.compile(r"[A-Za-z_/](?:[A-Za-z0-9_./\\@%+=~-]|:(?=[^\s:]))*", re.ASCII)
# The same inside of brackets, where the colon has more meanings.
_PLAIN_IN_FLOW = re.compile(r"[A-Za-z_/][A-Za-z0-9_./\\@%+=~-]*", re.ASCII)
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"})

_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", '"': '\\"'}

_LONGEST_KEY = 1000

# What the Agent's parser can hold as a whole number; above, it would take an approximation.
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


def plain(value: t.Any, name: str) -> t.Any:
    """*value* of the setting *name* in Python's own types, whatever subclasses of them a playbook hands over.

    Raises :class:`AgentYamlError` for what YAML could not say so that every reader takes it for the same.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) or hasattr(value, "__ENCRYPTED__"):
        # The latter is a text from a vault that Ansible has not yet opened.
        return _plain_text(str(value), name)
    if isinstance(value, int):
        return _plain_number(value, name)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, t.Mapping):
        return _plain_mapping(value, name)
    if isinstance(value, (list, tuple)):
        return [plain(item, name) for item in value]
    raise AgentYamlError(
        f"The value of '{name}' is neither text, number, true, false, null, list nor mapping; a date has to be "
        "text, in quotes."
    )


def _plain_text(value: str, name: str) -> str:
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise AgentYamlError(f"The value of '{name}' has half of a character in it, which no file can hold.")
    return str.__str__(value)


def _plain_number(value: int, name: str) -> int:
    if not _SMALLEST <= value <= _LARGEST:
        raise AgentYamlError(
            f"The value of '{name}' is a whole number beyond 64 bits, which the Agent would read as another one; write "
            "it as text, in quotes, if the setting takes text."
        )
    return int.__int__(value)


def _plain_mapping(value: t.Mapping[t.Any, t.Any], name: str) -> dict[t.Any, t.Any]:
    result: dict[t.Any, t.Any] = {}
    for key, item in value.items():
        if not isinstance(key, (str, int)) or isinstance(key, bool):
            raise AgentYamlError(f"The value of '{name}' has a key that is no text; write it in quotes.")
        own = plain(key, name)
        if is_too_long(own):
            raise AgentYamlError(f"The value of '{name}' has a key that is too long for YAML.")
        result[own] = plain(item, name)
    if len({as_name(key) for key in result}) < len(result):
        raise AgentYamlError(
            f"The value of '{name}' has a key both as a number and as text, which the Agent does not tell apart; "
            "write one of them."
        )
    return result


def is_too_long(name: str | int) -> bool:
    """Whether *name* can't be a key: a parser looks for the colon no further."""
    return len(key(name)) > _LONGEST_KEY


def as_name(name: t.Any) -> str:
    """What the Agent makes of a key, which it has as text."""
    return str(name).lower() if isinstance(name, bool) else "null" if name is None else str(name)


def flow(value: t.Any) -> str:
    """*value* (as :func:`plain` gives it) on one line, to stand anywhere, also inside of brackets."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return _scalar(value, _PLAIN_IN_FLOW)


def lines(name: str, value: t.Any, column: int) -> list[str]:
    """The lines, without their ends, of an entry of a mapping that is indented by *column*."""
    return _entry(" " * column + key(name), value, column)


def inner_lines(value: t.Any, column: int) -> list[str]:
    """The lines of a *value* that :func:`is_on_lines` says has some, below a key that is indented by *column*."""
    return _entry("", value, column)[1:]


def key(name: t.Any) -> str:
    """*name* as a key."""
    return _scalar(name, _PLAIN_IN_FLOW)


def is_on_lines(value: t.Any) -> bool:
    """Whether *value* is written on lines of its own below its key."""
    return isinstance(value, (dict, list)) and bool(value)


def scalar(value: t.Any) -> str:
    """*value* as it is written on the line of its key; :func:`is_on_lines` must be false."""
    return flow(value) if isinstance(value, (dict, list)) else _scalar(value, _PLAIN)


def _entry(head: str, value: t.Any, column: int) -> list[str]:
    if not is_on_lines(value):
        return [f"{head}: {scalar(value)}"]
    inner = column + 2
    result = [f"{head}:"]
    if isinstance(value, dict):
        for name, item in value.items():
            result += _entry(" " * inner + key(name), item, inner)
        return result
    for item in value:
        if isinstance(item, dict) and item:
            # The first key stands beside the dash, the others below it.
            below = [
                line for name, part in item.items() for line in _entry(" " * (inner + 2) + key(name), part, inner + 2)
            ]
            result += [" " * inner + "- " + below[0][inner + 2 :], *below[1:]]
        else:
            result.append(" " * inner + "- " + scalar(item))
    return result


def _scalar(value: t.Any, plain_text: re.Pattern[str]) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if plain_text.fullmatch(value) and value.lower() not in _WORDS:
        return t.cast("str", value)
    return '"' + "".join(map(_escaped, value)) + '"'


def _float(value: float) -> str:
    if not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    text = repr(value)
    if "e" in text and "." not in text:
        # 1e+16 is text for YAML 1.1, which wants a point in a number that has an exponent.
        text = text.replace("e", ".0e")
    return text


def _escaped(letter: str) -> str:
    """*letter* between quotes: what would end a line, be unseen or be refused by a parser is written as its number."""
    number = ord(letter)
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if letter.isprintable() and number < 0x10000:
        return letter
    return f"\\x{number:02X}" if number < 0x100 else f"\\u{number:04X}" if number < 0x10000 else f"\\U{number:08X}"
