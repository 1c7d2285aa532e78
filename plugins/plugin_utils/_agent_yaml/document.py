# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""YAML text with everything in it where it stands: what the parser's marks tell, and which lines are comments.

All positions are offsets in characters. The parser ends a line at ``\n``, ``\r\n``, a lone ``\r``, NEL, U+2028 and
U+2029, and so does everything here.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import re
import typing as t

import yaml

from .data import build, same
from .errors import AgentYamlError

NEWLINE = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_BOM = b"\xef\xbb\xbf"
# Tabs that other readers take for spaces: after the colon of a key, before a comment, and at the end of a line.
_TABS = re.compile(r"(?<=:)[ \t]*\t[ \t]*|[ \t]*\t[ \t]*(?=#|[\r\n]|$)")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
# What the parser calls the parts of YAML ("<block end>", "]"), quoted as it quotes them: no word of a file is one.
_PARTS = {repr(kind.id) for kind in yaml.tokens.Token.__subclasses__() if hasattr(kind, "id")}


@dataclasses.dataclass(frozen=True)
class Value:
    """The value of a setting: the text from ``start`` to ``end``, without comments and blank lines after it.

    ``kept_end`` goes on to where the parser leaves the value: the blank lines after a block scalar are of it if it
    keeps them (``|+``). ``style`` is ``plain``, ``quoted``, ``block`` (a block scalar), ``lines`` (a mapping or list
    in block style), ``flow`` or ``alias``. ``inner`` is where a flow mapping's first entry may stand.
    """

    start: int
    end: int
    kept_end: int
    style: str
    is_mapping: bool = False
    is_null: bool = False
    is_in_flow: bool = False
    inner: int = 0
    entries: tuple[Entry, ...] = ()

    @property
    def is_blank(self) -> bool:
        """Whether it is null because nothing is written there."""
        return self.start == self.end


@dataclasses.dataclass(frozen=True)
class Entry:
    """A key of a mapping with its value; ``name`` is None for a key that is not a string written out."""

    name: str | None
    start: int
    key_end: int
    value: Value

    @property
    def end(self) -> int:
        return max(self.key_end, self.value.end)

    @property
    def kept_end(self) -> int:
        return max(self.end, self.value.kept_end)


def decoded(content: bytes) -> tuple[bytes, str]:
    """The byte order mark of a file, or nothing, and its text. Raises :class:`AgentYamlError`."""
    bom = _BOM if content.startswith(_BOM) else b""
    try:
        return bom, content[len(bom) :].decode()
    except UnicodeDecodeError as error:
        line = content[: len(bom) + error.start].count(b"\n") + 1
    # Raised here, as the other one holds the file.
    raise AgentYamlError(f"The file is not UTF-8: line {line} has a byte that is no part of a character.")


class _TabError(AgentYamlError):
    """A tab stands where PyYAML wants spaces."""

    def __init__(self, line: int) -> None:
        super().__init__(f"Line {line} has a tab where YAML wants spaces; write spaces instead, or quote the value.")


class Unreadable:
    """Stands for what a parser can't read; equal to nothing."""


class _Loader(yaml.SafeLoader):
    """Remembers the tokens' places, and where aliases stand, which the tree of nodes doesn't tell."""

    def __init__(self, text: str) -> None:
        self.spans: list[tuple[int, int]] = []
        self.aliases: dict[tuple[int, t.Any], tuple[int, int]] = {}
        # Before the base class asks for anything.
        super().__init__(text)

    def get_token(self) -> t.Any:
        token: t.Any = super().get_token()  # type: ignore[no-untyped-call]
        if token and token.end_mark.index > token.start_mark.index:
            self.spans.append((token.start_mark.index, token.end_mark.index))
        return token

    def compose_node(self, parent: t.Any, index: t.Any) -> t.Any:
        if parent is not None and self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            place = len(parent.value) if index is None else id(index) if isinstance(index, yaml.Node) else index
            self.aliases[id(parent), place] = (event.start_mark.index, event.end_mark.index)
        return super().compose_node(parent, index)


class Document:
    """One YAML document whose top is a mapping, or nothing at all.

    ``data`` is what it means (see :func:`build`), ``node`` the parser's tree of that; ``root`` is None if there is
    nothing but comments.
    Raises :class:`AgentYamlError` for a text that is not that.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        breaks = list(NEWLINE.finditer(text))
        # Every line as (start, end of what is written on it, start of the next one).
        self.lines = list(
            zip([0, *(b.end() for b in breaks)], [b.start() for b in breaks], [b.end() for b in breaks], strict=False)
        )
        last = breaks[-1].end() if breaks else 0
        if last < len(text):
            self.lines.append((last, len(text), len(text)))
        self._starts = [start for start, _end, _next in self.lines]
        try:
            node, self._loader = _compose(text)
            tab = None
        except _TabError as error:
            tab = error
            # Spaces take as much room, so that all positions stay as they are.
            node, self._loader = _compose(_TABS.sub(lambda found: " " * len(found[0]), text))
        self.node: yaml.Node | None = node
        try:
            self.data: t.Any = build(node, self._loader) if node else None
            root = self._value(node, self._loader.aliases, None, False) if node else None
        except RecursionError:
            raise AgentYamlError("The file is nested too deeply to be read.") from None
        # After a '---' that nothing follows the parser reports a null.
        self.root = None if root and root.is_null and not node.value else root
        if self.root and self.root.is_null:
            raise AgentYamlError(
                f"Line {self.line_of(self.root.start) + 1} has a null where the settings should be; remove it."
            )
        if self.root and not self.root.is_mapping:
            raise AgentYamlError("The top of the file is not a mapping of settings to values.")
        # Whether these tabs were spaces is for libyaml to say.
        if tab and not (hasattr(yaml, "CSafeLoader") and same(self.other_reading, self.data)):
            raise tab

    @functools.cached_property
    def other_reading(self) -> t.Any:
        """What libyaml reads, of which the Agent's parser is a translation; :class:`Unreadable` where it can't.

        Where libyaml is missing on this controller it is what PyYAML reads.
        """
        loader = getattr(yaml, "CSafeLoader", None)
        if not loader:
            return self.data
        try:
            reader = loader(self.text)
            node = reader.get_single_node()
            return build(node, reader) if node else None
        except (yaml.YAMLError, AgentYamlError, ValueError, OverflowError, RecursionError):
            return Unreadable()

    def line_of(self, offset: int) -> int:
        """The index of the line that *offset* is on; the end of the text is on its last line."""
        return max(0, bisect.bisect_right(self._starts, offset) - 1)

    def place(self, offset: int) -> str:
        """Where *offset* is, for a person."""
        return f"line {self.line_of(offset) + 1}"

    def next_token(self, offset: int) -> int:
        """Where the first thing begins, from *offset* on, that is neither space nor comment."""
        spans = self._loader.spans
        index = bisect.bisect_left(spans, (offset, 0))
        return spans[index][0] if index < len(spans) else len(self.text)

    def column(self, offset: int) -> int:
        """How far the line of *offset* is indented."""
        start, end, _next = self.lines[self.line_of(offset)]
        return len(self.text[start:end]) - len(self.text[start:end].lstrip(" "))

    @functools.cached_property
    def comments(self) -> tuple[int, ...]:
        """The indexes of the lines that hold a comment and nothing else."""
        taken: set[int] = set()
        for start, end in self._loader.spans:
            taken.update(range(self.line_of(start), self.line_of(end - 1) + 1))
        return tuple(
            index
            for index, (start, end, _next) in enumerate(self.lines)
            if index not in taken and self.text[start:end].lstrip(" \t").startswith("#")
        )

    def _value(self, node: t.Any, aliases: t.Any, alias: tuple[int, int] | None, is_in_flow: bool) -> Value:
        if alias:
            return Value(*alias, alias[1], "alias", is_in_flow=is_in_flow)
        start, end = node.start_mark.index, node.end_mark.index
        if isinstance(node, yaml.ScalarNode):
            is_null = node.tag == "tag:yaml.org,2002:null"
            if node.style in ("|", ">"):
                return Value(start, self._written_end(start, end), end, "block", is_in_flow=is_in_flow)
            style = "quoted" if node.style else "plain"
            return Value(start, end, end, style, is_null=is_null, is_in_flow=is_in_flow)
        if isinstance(node, yaml.MappingNode):
            entries = tuple(self._entries(node, aliases, is_in_flow or bool(node.flow_style)))
            parts: t.Sequence[Entry | Value] = entries
        else:
            parts = [
                self._value(item, aliases, aliases.get((id(node), index)), is_in_flow or bool(node.flow_style))
                for index, item in enumerate(node.value)
            ]
            entries = ()
        if not node.flow_style:
            end, kept_end = parts[-1].end, parts[-1].kept_end
            style = "lines"
        else:
            kept_end, style = end, "flow"
        return Value(
            start,
            end,
            kept_end,
            style,
            is_mapping=isinstance(node, yaml.MappingNode),
            is_in_flow=is_in_flow,
            inner=self._inner(node, entries) if node.flow_style else 0,
            entries=entries,
        )

    def _entries(self, node: yaml.MappingNode, aliases: t.Any, is_in_flow: bool) -> list[Entry]:
        entries = []
        for index, (key, item) in enumerate(node.value):
            span = aliases.get((id(node), index))
            start, key_end = span or (key.start_mark.index, key.end_mark.index)
            value = self._value(item, aliases, aliases.get((id(node), id(key))), is_in_flow)
            if value.is_blank and self.text[value.start - 1 : value.start] != ":":
                # A key without a colon: the parser sets the mark of its value where the next thing begins.
                value = dataclasses.replace(value, start=key_end, end=key_end, kept_end=key_end)
            is_text = not span and isinstance(key, yaml.ScalarNode) and key.tag == "tag:yaml.org,2002:str"
            entries.append(Entry(key.value if is_text else None, start, key_end, value))
        return entries

    def _inner(self, node: yaml.CollectionNode, entries: t.Sequence[Entry]) -> int:
        """Behind the bracket of the flow collection *node*: an anchor or a tag may stand before it."""
        start = self.next_token(node.start_mark.index)
        if self.text[start] not in "{[&!" or (entries and entries[0].start == start):
            # One pair in a list needs no bracket: [a: b].
            return start
        while self.text[start] not in "{[":
            start = self.next_token(start + 1)
        return start + 1

    def _written_end(self, start: int, end: int) -> int:
        """Where the last line of a block scalar ends that is not blank."""
        index = self.line_of(end - 1)
        while index > self.line_of(start) and not self.text[self.lines[index][0] : self.lines[index][1]].strip(" "):
            index -= 1
        return min(end, self.lines[index][1])


def _unquoted(quoted: re.Match[str]) -> str:
    return quoted[0] if quoted[0] in _PARTS else "…"


def _compose(text: str) -> tuple[t.Any, _Loader]:
    """The tree of nodes and the loader that made it; a parser's sentence may quote the file, so ours is another one."""
    try:
        loader = _Loader(text)
        return loader.get_single_node(), loader
    except yaml.reader.ReaderError as error:
        line = len(NEWLINE.findall(text[: error.position])) + 1
        code: t.Any = error.character
        code = code if isinstance(code, int) else ord(code)
        raise AgentYamlError(f"Line {line} has the character U+{code:04X}, which YAML does not allow.") from None
    except yaml.MarkedYAMLError as error:
        mark: t.Any = error.problem_mark or error.context_mark
        if isinstance(error, yaml.composer.ComposerError) and error.context and "single document" in error.context:
            raise AgentYamlError(
                f"Line {mark.line + 1} begins another document; the Agent reads one, so there must be one alone."
            ) from None
        if mark.buffer is not None and mark.buffer[mark.pointer] == "\t":
            raise _TabError(mark.line + 1) from None
        problem = _QUOTED.sub(_unquoted, error.problem or error.context or "")
        raise AgentYamlError(
            f"Line {mark.line + 1}, column {mark.column + 1}, can't be read as YAML: {problem}."
        ) from None
    except RecursionError:
        raise AgentYamlError("The file is nested too deeply to be read.") from None
    except (ValueError, OverflowError):
        # The parser lets errors of Python's own through, for example of a \U escape that is no character.
        raise AgentYamlError("The file can't be read as YAML: an escape in it stands for no character.") from None
