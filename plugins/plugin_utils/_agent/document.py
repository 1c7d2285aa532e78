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

# A file as shipped has 120 kB, and nests six deep.
_MOST_BYTES = 2**20
_DEEPEST = 50
_MOST_VALUES = 10_000

# What may be shown of a key: a word as settings are named, and none that an API key could be.
_SHOWABLE = re.compile(r"(?![0-9a-fA-F]{16,})[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_WHOLE = re.compile(r"[-+]?[0-9]{1,30}", re.ASCII)

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
        root = _composed(path, _decoded(path, content))
        if root is not None and root.tag == f"{_TAG}null":
            root = None
        if root is not None and not isinstance(root, yaml.MappingNode):
            raise AgentFileError(f"The file {path} is not a mapping of settings.")
        self._root = root
        if root is not None:
            _check_keys(path, root)

    def find(self, setting: str) -> Found | None:
        node = self._root and self._below(self._root, setting.lower().split("."), "")
        if not node:
            return None
        return Found(
            value=_Values(self.path).of(node),
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
        pairs = _pairs(node)
        # A name may be written with its section's, as one key.
        for count in range(len(names), 0, -1):
            key = ".".join(names[:count])
            if key in pairs:
                found = self._below(pairs[key], names[count:], f"{section}.{key}".lstrip("."))
                if found is not None:
                    return found
        return None


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
        self._values = dict(parser.items(_MAIN)) if parser.has_section(_MAIN) else {}

    def find(self, setting: str) -> Found | None:
        text = self._values.get(setting)
        if not text:
            return None
        name = re.compile(rf"{re.escape(setting)}\s*[:=]", re.IGNORECASE)
        line = next((at for at, line in enumerate(self._lines, 1) if name.match(line)), 1)
        return Found(value=text, text=text, line=line)


def _decoded(path: str, content: bytes) -> str:
    if len(content) > _MOST_BYTES:
        raise AgentFileError(f"The file {path} has more than {_MOST_BYTES} bytes: it is no file of settings.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    raise AgentFileError(f"The file {path} is not UTF-8 text (line {line}).")


def _composed(path: str, text: str) -> yaml.Node | None:
    """The tree of the one document in *text*; its aliases are not copies, so that it is no larger than the text."""
    try:
        _check_depth(path, text)
        documents = list(yaml.compose_all(text, yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1})" if mark else ""
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        where = f" (line {line}, which has a character that YAML does not allow)"
    else:
        if len(documents) > 1:
            line = documents[1].start_mark.line + 1
            raise AgentFileError(
                f"The file {path} has a second YAML document (line {line}), which the Agent never reads."
            )
        return documents[0] if documents else None
    # Raised here, as the parser's own message quotes the file.
    raise AgentFileError(f"The file {path} is not valid YAML{where}.")


def _check_depth(path: str, text: str) -> None:
    """Raise :class:`AgentFileError` if *text* nests deeper than what follows could bear."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise AgentFileError(f"The file {path} nests deeper than {_DEEPEST} levels (line {line}).")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_keys(path: str, root: yaml.Node) -> None:
    """Raise :class:`AgentFileError` if a mapping has a key twice."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
            continue
        lines: dict[str, int] = {}
        for key, value in node.value:
            waiting.append(value)
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                name = f"the setting {key.value}" if _SHOWABLE.fullmatch(key.value) else "one key"
                raise AgentFileError(
                    f"The file {path} has {name} twice (lines {lines[key.value]} and {line}): remove one of them."
                )
            lines[key.value] = line


def _pairs(node: yaml.MappingNode, depth: int = 0) -> dict[str, yaml.Node]:
    """The settings in a mapping by name, in lower case as the Agent takes them; merged ones (``<<``) stand behind."""
    own: dict[str, yaml.Node] = {}
    merged: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.tag == f"{_TAG}merge" and depth < _DEEPEST:
            for other in value.value if isinstance(value, yaml.SequenceNode) else (value,):
                if isinstance(other, yaml.MappingNode):
                    merged = {**_pairs(other, depth + 1), **merged}
        else:
            own[key.value.lower()] = value
    return {**merged, **own}


class _Values:
    """Makes values of nodes; raises :class:`AgentFileError` for more of them than any setting has."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.left = _MOST_VALUES

    def of(self, node: yaml.Node, depth: int = 0) -> t.Any:
        self.left -= 1
        if self.left < 0 or depth > _DEEPEST:
            raise AgentFileError(
                f"In the file {self.path}, line {node.start_mark.line + 1}, a setting has more values than make sense."
            )
        if isinstance(node, yaml.MappingNode):
            return {
                key.value: self.of(value, depth + 1) for key, value in node.value if isinstance(key, yaml.ScalarNode)
            }
        if isinstance(node, yaml.SequenceNode):
            return [self.of(each, depth + 1) for each in node.value]
        return _single(node)


def _single(node: yaml.Node) -> t.Any:
    text: str = node.value
    kind = node.tag.removeprefix(_TAG)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in _TRUE
    if kind == "int" and _WHOLE.fullmatch(text):
        return int(text)
    if kind == "float":
        try:
            return float(text)
        except ValueError:
            return text
    return text
