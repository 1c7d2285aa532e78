# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Set and remove single settings in YAML text so that every other byte of it stays.

Each step is read again and compared with what it had to give, and a setting that was not there is only added where
removing it gives back the same bytes.
"""

from __future__ import annotations

import typing as t

from . import emit
from .data import same
from .document import Document, Entry, decoded
from .errors import AgentYamlError
from .places import Path, find, insertions, removals, replacements
from .splices import Pieces, Splice, spliced


class Change(t.NamedTuple):
    """One setting that was or will be another; ``before`` and ``after`` are None where it is not there."""

    name: str
    before: t.Any
    after: t.Any


class ByteSplice(t.NamedTuple):
    """``length`` bytes at ``offset`` of the file as it was become ``content``."""

    offset: int
    length: int
    content: bytes


class Edit(t.NamedTuple):
    """A file as it has become: its content, the splices that lead there, and what of its settings changed."""

    content: bytes
    splices: tuple[ByteSplice, ...]
    changes: tuple[Change, ...]


def edit(content: bytes, settings: t.Mapping[str, t.Any], *, is_present: bool) -> Edit:
    """*content* with all *settings* (values by dotted name), or without them whatever their values are.

    Raises :class:`AgentYamlError` for a file that can't be read and for what can't be done in it.
    """
    bom, text = decoded(content)
    wanted = _wanted(settings, is_present=is_present)
    document = Document(text)
    pieces = Pieces(text)
    changes = []
    for path, value in wanted:
        step = _set(document, path, value) if is_present else _unset(document, path)
        if step:
            for splices in step.splices:
                pieces.apply(splices)
            document = step.document
            changes.append(step.change)
    byte_splices = tuple(_in_bytes(text, len(bom), pieces.splices()))
    return Edit(bom + document.text.encode(), byte_splices, tuple(changes))


class _Step(t.NamedTuple):
    """One setting done: the document, the splices that led there, one after the other, and what changed."""

    document: Document
    splices: list[list[Splice]]
    change: Change


def _wanted(settings: t.Mapping[str, t.Any], *, is_present: bool) -> list[tuple[Path, t.Any]]:
    wanted: dict[Path, t.Any] = {}
    for name, value in settings.items():
        path = tuple(str.__str__(name).split(".")) if isinstance(name, str) else ()
        if not all(path) or not path:
            raise AgentYamlError(f"'{name}' is not the name of a setting, such as 'site' or 'proxy.https'.")
        if any(emit.is_too_long(part) for part in path):
            raise AgentYamlError(
                f"The name of a setting that begins with '{name[:20]}' has a part that is too long for a key in YAML."
            )
        wanted[path] = emit.plain(value, ".".join(path)) if is_present else None
    for path in wanted if is_present else ():
        for length in range(1, len(path)):
            if path[:length] in wanted:
                raise AgentYamlError(
                    f"'{'.'.join(path)}' is a part of '{'.'.join(path[:length])}', and both are asked for; write one."
                )
    return list(wanted.items())


def _look(data: t.Any, path: Path) -> tuple[bool, t.Any]:
    """Whether *path* is in *data*, and its value."""
    for name in path:
        if not isinstance(data, dict) or name not in data:
            return False, None
        data = data[name]
    return True, data


def _with(data: t.Any, path: Path, value: t.Any) -> t.Any:
    """*data* with another *value* at *path*; it is not changed itself."""
    if not path:
        return value
    outer = data if isinstance(data, dict) else {}
    return {**outer, path[0]: _with(outer.get(path[0]), path[1:], value)}


def _without(data: t.Any, path: Path) -> t.Any:
    """*data* without *path*, which is there."""
    if len(path) == 1:
        return {key: value for key, value in data.items() if key != path[0]}
    return {**data, path[0]: _without(data[path[0]], path[1:])}


# --- Setting --------------------------------------------------------------------------------------------------------


def _set(document: Document, path: Path, value: t.Any) -> _Step | None:
    is_there, before = _look(document.data, path)
    if is_there and same(before, value):
        return None
    _refuse_what_is_written_otherwise(document.data, path)
    chain = find(document, path)
    change = Change(".".join(path), before if is_there else None, value)
    _refuse_what_is_no_section(document, path, chain)
    expected = _with(document.data, path, value)
    if len(chain) < len(path):
        added = _added(document, path, value, expected, document)
        if added:
            return _Step(added[0], added[1], change)
        raise _cannot(document, path, chain, "added")
    for splices in replacements(document, chain[-1], value):
        new = _read(spliced(document.text, splices))
        if new and _is(document, new, expected):
            return _Step(new, [splices], change)
    raise _cannot(document, path, chain, "given another value")


def _added(
    document: Document, path: Path, value: t.Any, expected: t.Any, origin: Document
) -> tuple[Document, list[list[Splice]]] | None:
    """The first way to add *path* that means what is *expected* and can be taken back to *origin*, byte by byte."""
    depth = len(find(document, path))
    for splices in insertions(document, path, value):
        new = _read(spliced(document.text, splices))
        if not new:
            continue
        if len(find(new, path)) == len(path):
            if _is(document, new, expected) and _is_undone(new, path, origin):
                return new, [splices]
        elif _is(document, new, _with(document.data, path[: depth + 1], None)):
            inner = _added(new, path, value, expected, origin)
            if inner:
                return inner[0], [splices, *inner[1]]
    return None


def _is_undone(new: Document, path: Path, origin: Document) -> bool:
    """Whether removing *path* from *new* would give *origin*, byte by byte."""
    back = spliced(new.text, next(removals(new, path)).splices)
    return back == origin.text and _is(new, origin, origin.data)


def _refuse_what_is_written_otherwise(data: t.Any, path: Path) -> None:
    """Refuse a *path* that the Agent finds under another key: one with dots, or one that is no text (1, true)."""
    name = ".".join(path)
    for depth, part in enumerate(path):
        if not isinstance(data, dict):
            return
        joined = {".".join(path[depth:end]) for end in range(depth + 2, len(path) + 1)}
        dotted = next((key for key in data if isinstance(key, str) and key in joined), None)
        if dotted is not None:
            raise AgentYamlError(
                f"The file has a key '{dotted}' with the dots in it, which the Agent takes for '{name}' or a section "
                "of it; nest it, section by section, by hand first."
            )
        if any(not isinstance(key, str) and emit.as_name(key) == part for key in data):
            raise AgentYamlError(
                f"'{name}' is a text to YAML, and the file has the key '{part}' as a number, a boolean or a date; "
                "put that key into quotes by hand first."
            )
        data = data.get(part)


def _refuse_what_is_no_section(document: Document, path: Path, chain: list[Entry]) -> None:
    for depth, entry in enumerate(chain[: len(path) - 1], start=1):
        name = ".".join(path[:depth])
        value = entry.value
        if value.style == "alias":
            raise AgentYamlError(
                f"'{name}' on {document.place(entry.start)} stands for a value that is written elsewhere (an alias), "
                f"so setting '{'.'.join(path)}' would change that as well; write '{name}' out first."
            )
        if not value.is_mapping and not value.is_null:
            raise AgentYamlError(
                f"'{name}' on {document.place(entry.start)} has a value of its own, so there can't be a setting "
                f"'{'.'.join(path)}' in it."
            )
    if len(chain) < len(path) - 1 and _look(document.data, path[: len(chain) + 1])[0]:
        raise _from_elsewhere(path[: len(chain) + 1], "added to")


def _from_elsewhere(path: Path, what: str) -> AgentYamlError:
    return AgentYamlError(
        f"'{'.'.join(path)}' comes from elsewhere in the file, by an alias or a merge (<<), so it can't be {what} "
        "where it is; change it by hand."
    )


def _cannot(document: Document, path: Path, chain: list[Entry], what: str) -> AgentYamlError:
    where = f"on {document.place(chain[-1].start)}" if chain else "at the top of the file"
    return AgentYamlError(
        f"'{'.'.join(path)}' can't be {what} {where} without changing something else: an anchor, a merge (<<), a tag "
        "or an unusual notation is in the way; change it by hand."
    )


# --- Removing -------------------------------------------------------------------------------------------------------


def _unset(document: Document, path: Path) -> _Step | None:
    is_there, before = _look(document.data, path)
    if not is_there:
        _refuse_what_is_written_otherwise(document.data, path)
        return None
    chain = find(document, path)
    if len(chain) < len(path):
        raise _from_elsewhere(path, "removed")
    for gone, splices in removals(document, path):
        new = _read(spliced(document.text, splices))
        if new and any(_is(document, new, expected) for expected in _left(document.data, gone)):
            return _Step(new, [splices], Change(".".join(path), before, None))
    raise _cannot(document, path, chain, "removed")


def _left(data: t.Any, gone: Path) -> t.Iterator[t.Any]:
    """What may be left without *gone*: a section that has nothing in it may be empty or null, and so may the file."""
    left = _without(data, gone)
    yield left
    section = _look(left, gone[:-1])[1]
    if not section:
        yield _with(left, gone[:-1], None)


# --- Reading again --------------------------------------------------------------------------------------------------


def _read(text: str) -> Document | None:
    try:
        return Document(text)
    except AgentYamlError:
        return None


def _is(old: Document, new: Document | None, expected: t.Any) -> bool:
    """Whether *new* means what is *expected*, and no less to the Agent's parser than *old* did."""
    if not new or not same(new.data, expected):
        return False
    return same(new.other_reading, new.data) or not same(old.other_reading, old.data)


def _in_bytes(text: str, offset: int, splices: t.Iterable[Splice]) -> t.Iterator[ByteSplice]:
    """*splices* of *text*, which begins at *offset* of its file, counted in bytes."""
    position = 0
    for start, end, new in splices:
        offset += len(text[position:start].encode())
        length = len(text[start:end].encode())
        yield ByteSplice(offset, length, new.encode())
        offset += length
        position = end
