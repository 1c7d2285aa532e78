# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""An Agent's file of settings, asked for one setting at a time: datadog.yaml, and datadog.conf of Agent 5.

What a parser says of a file that is broken quotes the file, which holds secrets: only the line goes further.
"""

from __future__ import annotations

import configparser
import dataclasses
import io
import re
import typing as t

import yaml

from ansible_collections.netwall.datadog.plugins.plugin_utils._agent import numbers
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent_yaml import document as yaml_text
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent_yaml.data import members
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent_yaml.errors import AgentYamlError

# A file as shipped has 120 kB.
_MOST_BYTES = 2**20

_TAG = "tag:yaml.org,2002:"
_TRUE = {"true", "yes", "on", "y"}

# The one section of datadog.conf that the Agent itself reads.
_MAIN = "Main"


class AgentFileError(Exception):
    """A file of settings can't be read; the text is a sentence for the user that quotes no value."""


@dataclasses.dataclass(frozen=True)
class Found:
    """What a file says of a setting.

    ``value``: None, a bool, a number, a text, or a list or dictionary of these. ``text``: as it is written, where it is
    a single one.
    """

    value: t.Any
    text: str
    line: int


class Document(t.Protocol):
    """A file of settings; ``path`` is where it is on its host."""

    @property
    def path(self) -> str: ...

    def find(self, setting: str) -> Found | None:
        """What the file says of *setting* (its names from the outside in, with dots); None if it says nothing.

        Raises :class:`AgentFileError`.
        """


class YamlDocument:
    """datadog.yaml, or a file like it."""

    def __init__(self, path: str, content: bytes) -> None:
        """Raises :class:`AgentFileError`."""
        self.path = path
        self._root = _document(path, _decoded(path, content)).node
        # By node, as aliases make many of few.
        self._members: dict[int, dict[str, tuple[int, yaml.Node]]] = {}

    def find(self, setting: str) -> Found | None:
        try:
            node = self._root and self._below(self._root, setting.lower().split("."), "")
            value = _value(node) if node else None
        except RecursionError:
            # Deeper than the text nests, by aliases.
            raise AgentFileError(f"The setting {setting} in the file {self.path} is nested too deeply.") from None
        if not node:
            return None
        return Found(
            value=value,
            text=node.value if isinstance(node, yaml.ScalarNode) else "",
            line=node.start_mark.line + 1,
        )

    def _below(self, node: yaml.Node, names: list[str], section: str) -> yaml.Node | None:
        if not names:
            return node
        if not isinstance(node, yaml.MappingNode):
            if isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}null":
                return None
            raise AgentFileError(
                f"In the file {self.path}, line {node.start_mark.line + 1}, the setting {section} is not a mapping of "
                "settings."
            )
        # A name may be written with its section's, as one key.
        for count in range(len(names), 0, -1):
            name = ".".join(names[:count])
            inner = self._member(node, name)
            found = inner and self._below(inner, names[count:], f"{section}.{name}".lstrip("."))
            if found:
                return found
        return None

    def _member(self, node: yaml.MappingNode, name: str) -> yaml.Node | None:
        """What *node* has of the setting *name*; the Agent does not care for the case of names."""
        if id(node) not in self._members:
            pairs = members(node)
            self._members[id(node)] = {key.value: (key.start_mark.line + 1, value) for key, value in pairs}
        found = [place for key, place in self._members[id(node)].items() if key.lower() == name]
        if len(found) > 1:
            lines = " and ".join(str(line) for line, _value in sorted(found, key=lambda each: each[0]))
            raise AgentFileError(
                f"The file {self.path} has the setting {name} on the lines {lines}, in capitals and in small letters, "
                "which the Agent does not tell apart: remove all but one."
            )
        return found[0][1] if found else None


class IniDocument:
    """datadog.conf of Agent 5."""

    def __init__(self, path: str, content: bytes) -> None:
        """Raises :class:`AgentFileError`."""
        self.path = path
        text = _decoded(path, content)
        # As the Agent does, which reads over blanks before a name.
        self._lines = [line.strip() for line in text.splitlines()]
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_file(io.StringIO("\n".join(self._lines)))
        except configparser.MissingSectionHeaderError as error:
            raise AgentFileError(f"The file {path} is broken: line {error.lineno} stands in no section.") from None
        except configparser.ParsingError as error:
            raise AgentFileError(
                f"The file {path} is broken: line {error.errors[0][0]} is no setting of the form NAME: VALUE."
            ) from None
        values = parser.items(_MAIN) if parser.has_section(_MAIN) else []
        self._values = {name: _uncommented(text) for name, text in values}

    def find(self, setting: str) -> Found | None:
        text = self._values.get(setting)
        if not text:
            return None
        name = re.compile(rf"{re.escape(setting)}\s*[:=]", re.IGNORECASE)
        line = next((at for at, line in enumerate(self._lines, 1) if name.match(line)), 1)
        return Found(value=text, text=text, line=line)


def _uncommented(text: str) -> str:
    """*text* without the comment at its end, as the Python 2 of Agent 5 has it: the first ; after a blank begins it."""
    at = text.find(";")
    return text[:at].rstrip() if at > 0 and text[at - 1].isspace() else text


def _decoded(path: str, content: bytes) -> str:
    if len(content) > _MOST_BYTES:
        raise AgentFileError(f"The file {path} has more than {_MOST_BYTES} bytes: it is no file of settings.")
    try:
        return yaml_text.decoded(content)[1]
    except AgentYamlError as error:
        why = str(error)
    raise _unreadable(path, why)


def _document(path: str, text: str) -> yaml_text.Document:
    try:
        return yaml_text.Document(text)
    except AgentYamlError as error:
        why = str(error)
    # Raised here, as what that was raised from quotes the file.
    raise _unreadable(path, why)


def _unreadable(path: str, why: str) -> AgentFileError:
    return AgentFileError(f"The file {path} can't be read: {why[:1].lower()}{why[1:]}")


def _value(node: yaml.Node) -> t.Any:
    if isinstance(node, yaml.MappingNode):
        return {key.value: _value(value) for key, value in members(node)}
    if isinstance(node, yaml.SequenceNode):
        return [_value(each) for each in node.value]
    text: str = node.value
    kind = node.tag.removeprefix(_TAG)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in _TRUE
    # The parser has marks for what is written between quotes, or as a block, alone.
    number = None if getattr(node, "style", None) else numbers.in_yaml(text)
    return text if number is None else number
