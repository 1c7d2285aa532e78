# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The environment of a service as systemd tells and stores it, as an init script exports it, and as Windows keeps it.

What systemd takes for a file of variables is from systemd.exec(5), EnvironmentFile=; how it quotes what it shows is
from its own `systemctl show`, in releases that quote like a shell and in older ones that write a space as ``\\x20``.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

# What a service reads of its environment that is about an Agent; the rest is nobody's business.
_WANTED = re.compile(r"DD_\w+|(?:HTTPS?|NO)_PROXY|(?:https?|no)_proxy", re.ASCII)

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)

# C's escapes of one letter.
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|([0-7]{3})|(.))", re.DOTALL)

# Between double quotes, in a file of variables, a backslash before anything else is itself.
_ESCAPABLE = '"\\`$'


@dataclasses.dataclass(frozen=True)
class Unit:
    """A service as systemd has loaded it: its own variables, and patterns of the files that hold more of them."""

    variables: t.Mapping[str, str]
    files: tuple[str, ...]


def wanted(variables: t.Mapping[str, str]) -> dict[str, str]:
    """Those of *variables* that an Agent reads: ``DD_*``, and what every program takes a proxy from."""
    return {name: value for name, value in variables.items() if _WANTED.fullmatch(name)}


def units(shown: str) -> dict[str, Unit]:
    """The services in what ``systemctl show`` printed (Id, LoadState, Environment, EnvironmentFiles), by name.

    A service that is not there is left out.
    """
    found = {}
    for block in shown.split("\n\n"):
        lines = [line.partition("=") for line in block.splitlines()]
        values = {name: value for name, _equals, value in lines}
        if values.get("LoadState") == "loaded":
            # systemd puts behind each path whether it may be missing.
            files = tuple(
                value.rpartition(" (ignore_errors=")[0] or value
                for name, _equals, value in lines
                if name == "EnvironmentFiles" and value
            )
            found[values.get("Id", "")] = Unit(_assignments(words(values.get("Environment", ""))), files)
    return found


def words(shown: str) -> list[str]:
    """The strings of a list that systemd shows in one line, each without its quotes."""
    found: list[str] = []
    rest = shown.strip()
    while rest:
        word, rest = _first_word(rest)
        found.append(word)
    return found


def variables_in_file(content: bytes) -> dict[str, str]:
    """What a file of variables (``EnvironmentFile=``) sets. What systemd could not read in it is left out."""
    text = content.decode("utf-8", "replace").replace("\r\n", "\n")
    return {name: value for name, value in _FileReader(text).assignments() if _NAME.fullmatch(name)}


def exported_in_script(content: bytes) -> dict[str, str]:
    """The variables that a script of shell assignments exports with plain words, such as ``export DD_SITE=example``.

    An init script reads such a file (/etc/default/datadog-agent). Nothing is run: what needs a shell is left out.
    """
    text = content.decode("utf-8", "replace").replace("\r\n", "\n")
    lines = [line.strip() for line in text.splitlines()]
    exported: set[str] = set()
    for line in lines:
        if line.startswith("export "):
            exported.update(word.partition("=")[0] for word in line.split()[1:])
    plain = "\n".join(line.removeprefix("export ").lstrip() for line in lines if not _needs_shell(line))
    return {name: value for name, value in variables_in_file(plain.encode()).items() if name in exported}


def variables_in_registry(value: object) -> dict[str, str]:
    """What the value ``Environment`` of a Windows service's key sets: a list of ``NAME=VALUE``."""
    return _assignments([word for word in value if isinstance(word, str)]) if isinstance(value, list) else {}


def _assignments(texts: t.Iterable[str]) -> dict[str, str]:
    pairs = (text.partition("=") for text in texts)
    return {name: value for name, equals, value in pairs if equals and name}


def _first_word(text: str) -> tuple[str, str]:
    """The first string of *text*, and what follows it."""
    word = ""
    quote = ""
    at = 0
    while at < len(text) and (quote or text[at] != " "):
        escape = _ESCAPE.match(text, at) if quote != "'" or text[:2] == "$'" else None
        if escape:
            code, octal, letter = escape.groups()
            word += chr(int(code, 16)) if code else chr(int(octal, 8)) if octal else _LETTERS.get(letter, letter)
            at = escape.end()
            continue
        if text[at] == quote:
            quote = ""
        elif not quote and text[at] in "\"'":
            quote = text[at]
        elif quote or text[at : at + 2] != "$'":
            word += text[at]
        at += 1
    return _joined_bytes(word), text[at:].lstrip(" ")


def _joined_bytes(word: str) -> str:
    """*word*, with characters that were escaped byte by byte put together."""
    if word.isascii():
        return word
    try:
        return word.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return word


def _needs_shell(line: str) -> bool:
    return any(sign in line for sign in ("$", "`", "&", ";", "|", "<", ">", "(")) and not line.startswith("#")


class _FileReader:
    """Reads a file of variables from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def assignments(self) -> t.Iterator[tuple[str, str]]:
        while self.at < len(self.text):
            sign = self.text[self.at]
            if sign in " \t\n":
                self.at += 1
            elif sign in "#;":
                self._skip_comment()
            else:
                end = self._end_of_line()
                equals = self.text.find("=", self.at, end)
                if equals < 0:
                    self.at = end
                    continue
                name = self.text[self.at : equals].rstrip()
                self.at = equals + 1
                yield name, self._value()

    def _end_of_line(self) -> int:
        end = self.text.find("\n", self.at)
        return len(self.text) if end < 0 else end

    def _skip_comment(self) -> None:
        """A comment goes on where its line ends with a backslash."""
        while True:
            end = self._end_of_line()
            is_continued = self.text[self.at : end].endswith("\\")
            self.at = end + 1
            if not is_continued or self.at >= len(self.text):
                return

    def _value(self) -> str:
        value = ""
        # How much of it stays although it ends with blanks.
        kept = 0
        while self.at < len(self.text) and self.text[self.at] != "\n":
            sign = self.text[self.at]
            self.at += 1
            if sign in "\"'":
                value += self._quoted(sign)
                kept = len(value)
            elif sign == "\\":
                following = self.text[self.at : self.at + 1]
                self.at += 1
                if following != "\n":
                    value += following
                    kept = len(value)
            elif value or sign not in " \t":
                value += sign
                if sign not in " \t":
                    kept = len(value)
        return value[:kept]

    def _quoted(self, quote: str) -> str:
        value = ""
        while self.at < len(self.text):
            sign = self.text[self.at]
            self.at += 1
            if sign == quote:
                break
            if sign == "\\" and quote == '"':
                following = self.text[self.at : self.at + 1]
                self.at += 1
                if following != "\n":
                    value += following if following in _ESCAPABLE else f"\\{following}"
            else:
                value += sign
        return value
