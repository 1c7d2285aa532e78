# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""As much of PowerShell as says what arguments a module takes: a literal of tables, and calls of Get-AnsibleParam."""

from __future__ import annotations

import re
import typing as t

_TOKEN = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
  | (?P<space>[ \t\r]+)
  | (?P<end>[\n;])
  | (?P<open>@\{|@\()
  | (?P<close>[)}])
  | (?P<mark>[=,])
  | '(?P<single>(?:[^']|'')*)'
  | "(?P<double>[^"$]*)"
  | \$(?P<variable>\w+)
  | (?P<word>[\w.-]+)
    """,
    re.VERBOSE,
)
# The full name of a module for Windows, wherever it is named.
MODULE_NAME = re.compile(r"\b(?:ansible|community)\.windows\.(?:win_\w+|slurp|setup)")

_CONSTANTS = {"true": True, "false": False, "null": None}


class Variable(str):
    """The name of a variable whose value a literal does not say."""

    __slots__ = ()


class Tokens:
    """The tokens of a source from a position on, one at a time."""

    def __init__(self, source: str, position: int) -> None:
        self._found = self._read(source, position)
        self.kind, self.text = "", ""
        self.take()

    def take(self) -> str:
        """The text of the token that is next, which is passed by this."""
        text = self.text
        self.kind, self.text = next(self._found, ("", ""))
        return text

    def skip_ends(self) -> None:
        """Pass all line ends."""
        while self.kind == "end":
            self.take()

    @staticmethod
    def _read(source: str, position: int) -> t.Iterator[tuple[str, str]]:
        while position < len(source):
            token = _TOKEN.match(source, position)
            if token is None:
                raise ValueError(f"this is no literal: {source[position : position + 40]!r}")
            position = token.end()
            kind = token.lastgroup or ""
            if kind not in {"comment", "space"}:
                yield kind, token[kind]


def literal(source: str, name: str) -> t.Any:
    """The value of the variable *name* where *source* gives it as a table (``$name = @{``) of constants."""
    begins = re.search(rf"^\${name} = (?=@\{{)", source, re.MULTILINE)
    if begins is None:
        raise ValueError(f"there is no table ${name}")
    return _value(Tokens(source, begins.end()))


def _expression(tokens: Tokens) -> t.Any:
    """One value, or a list of those that commas join; a comma before the first makes a list of it."""
    is_list = tokens.kind == "mark" and tokens.text == ","
    if is_list:
        tokens.take()
    values = [_value(tokens)]
    while tokens.kind == "mark" and tokens.text == ",":
        is_list = True
        tokens.take()
        tokens.skip_ends()
        values.append(_value(tokens))
    return values if is_list else values[0]


def _value(tokens: Tokens) -> t.Any:
    kind, text = tokens.kind, tokens.take()
    if kind == "open":
        return _table(tokens) if text == "@{" else _array(tokens)
    if kind == "variable":
        return _CONSTANTS.get(text.lower(), Variable(text))
    if kind == "word" and text.isdigit():
        return int(text)
    return text.replace("''", "'")


def _table(tokens: Tokens) -> dict[str, t.Any]:
    table: dict[str, t.Any] = {}
    while True:
        tokens.skip_ends()
        if tokens.kind == "close":
            tokens.take()
            return table
        key = tokens.take()
        tokens.take()  # the equals sign
        table[key] = _expression(tokens)


def _array(tokens: Tokens) -> list[t.Any]:
    values: list[t.Any] = []
    while True:
        tokens.skip_ends()
        if tokens.kind == "close":
            tokens.take()
            return values
        value = _expression(tokens)
        values += value if isinstance(value, list) else [value]


# --- Older modules ----------------------------------------------------------------------------------------------------

_PARAMETER = re.compile(
    r"^\$(?P<variable>\w+)\s*=\s*Get-AnsibleParam\s+(?:-obj\s+)?\$params\s+-name\s+[\"'](?P<name>\w+)[\"'](?P<rest>.*)$",
    re.MULTILINE | re.IGNORECASE,
)
_OPTION = re.compile(
    r"-(?P<name>[a-z]+)\s+(?P<value>(?:\([^)]*\)|\$?[\w:]+|\"[^\"]*\"|'[^']*')(?:\s*,\s*\"[^\"]*\")*)", re.IGNORECASE
)
_TEXT = re.compile(r"[\"']([^\"']*)[\"']")


def parameters(source: str) -> dict[str, dict[str, t.Any]]:
    """What the calls of Get-AnsibleParam in *source* say of each parameter."""
    found = {}
    for call in _PARAMETER.finditer(source):
        said = {option["name"].lower(): option["value"] for option in _OPTION.finditer(call["rest"])}
        found[call["name"]] = {
            "type": "".join(_TEXT.findall(said.get("type", ""))) or "raw",
            "choices": _texts(said.get("validateset", ""), source),
            "aliases": _texts(said.get("aliases", ""), source),
            "default": _default(said.get("default", "")),
            # An expression, which depends on other parameters, is not judged.
            "required": said.get("failifempty", "").lower() == "$true",
        }
    return found


def _texts(said: str, source: str) -> list[str]:
    """The texts of a list, or of the variable that holds them."""
    if said.startswith("$"):
        line = re.search(rf"^{re.escape(said)} = (.*)$", source, re.MULTILINE)
        said = line[1] if line else ""
    return _TEXT.findall(said)


def _default(said: str) -> t.Any:
    if said.startswith("$"):
        return _CONSTANTS.get(said[1:].lower())
    return "".join(_TEXT.findall(said)) or None
