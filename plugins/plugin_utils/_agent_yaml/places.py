# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Where text goes in and out so that one setting comes or goes, and nothing else changes.

What is given here are proposals, the best first: whoever takes one reads the result and compares (see edit.py).
"""

from __future__ import annotations

import typing as t

from . import emit
from .document import NEWLINE, Document, Entry, Value
from .outline import templates
from .splices import Splice

Path = tuple[str, ...]

# A section of ours says so, and goes with its last setting. In block style the words stand behind the key,
# in flow style behind the bracket.
MARK = "# netwall.datadog: goes with its last setting"
# A null that somebody wrote out is commented out by this while its section has settings of ours.
NULL_MARK = "# netwall.datadog: comes back with the last setting: "


def find(document: Document, path: Path) -> list[Entry]:
    """The entries that lead to *path*, as far as they are written there: fewer than its parts if not all are."""
    found: list[Entry] = []
    value = document.root
    for name in path:
        entry = next((entry for entry in value.entries if entry.name == name), None) if value else None
        if not entry:
            break
        found.append(entry)
        value = entry.value
    return found


# --- A setting that is not there ------------------------------------------------------------------------------------


def insertions(document: Document, path: Path, value: t.Any) -> t.Iterator[list[Splice]]:
    """Ways to write the first part of *path* that is not there.

    It is the setting itself or, where more than one part is missing, a section of ours that has nothing in it yet; in
    flow style all of it at once.
    """
    chain = find(document, path)
    depth = len(chain)
    parent = chain[-1].value if chain else document.root
    if parent and parent.style == "flow":
        yield from _into_flow(document, parent, path[depth:], value)
    elif parent and parent.is_in_flow:
        yield [_in_place_of_null(document, parent, path[depth:], value)]
    else:
        is_commented = not parent or parent.is_mapping or parent.is_blank
        prefix = [] if is_commented or not parent else [Splice(parent.start, parent.start, NULL_MARK)]
        is_leaf = depth + 1 == len(path)
        for place in _places(document, chain, path[: depth + 1], is_leaf=is_leaf):
            section = f"{' ' * place.column}{emit.key(path[depth])}:  {MARK}"
            lines = emit.lines(path[-1], value, place.column) if is_leaf else [section]
            yield [*prefix, _new_lines(document, place, lines)]


class _Place(t.NamedTuple):
    """Where a line may come to be: above or below the line of an index, and how far it is indented."""

    line: int
    column: int
    is_below: bool = True


def _places(document: Document, chain: list[Entry], path: Path, *, is_leaf: bool) -> t.Iterator[_Place]:
    """Where the last part of *path* may stand; *chain* has the entries that lead to its section."""
    parent = chain[-1].value if chain else document.root
    entries = parent.entries if parent else ()
    outer = document.column(chain[-1].start) if chain else -1
    column = document.column(entries[0].start) if entries else None
    first = document.line_of(chain[-1].start) + 1 if chain else 0
    limit = _limit(document, chain)
    for template in templates(document).get(path, ()):
        line = template.last if is_leaf else template.line
        if first <= line + 1 <= limit and not _is_inside(document, entries, line + 1):
            own = template.column if template.column > outer else outer + 2
            yield _Place(line, own if column is None else column)
    if column is None:
        column = outer + 2 if chain else 0
    # A line of spaces at the very end may be of a block scalar, as long as nothing comes after it.
    if not chain and not (entries and document.text[-1:] in (" ", "\t")):
        yield _Place(len(document.lines) - 1, column)
    if entries:
        yield from _beside_entries(document, entries, column)
    elif chain:
        yield _Place(document.line_of(chain[-1].end), column)
    else:
        yield from (_Place(index, column, is_below=False) for index in _ends(document))


def _beside_entries(document: Document, entries: tuple[Entry, ...], column: int) -> t.Iterator[_Place]:
    for end in dict.fromkeys((entries[-1].end, entries[-1].kept_end)):
        yield _Place(_last_line(document, end), column)
    # A block scalar that ends with the file, in the middle of a line, changes if anything comes after it.
    yield _Place(document.line_of(entries[-1].start), column, is_below=False)


def _ends(document: Document) -> list[int]:
    """The lines that may say that the document ends."""
    return [
        index for index, (start, _end, _next) in enumerate(document.lines) if document.text[start : start + 3] == "..."
    ]


def _last_line(document: Document, end: int) -> int:
    """The line that ends at *end* or holds it: the parser leaves a block scalar at the beginning of the next line."""
    index = document.line_of(end)
    return index - 1 if index and document.lines[index][0] == end else index


def _limit(document: Document, chain: list[Entry]) -> int:
    """The index of the line of the first setting after the last of *chain* and all in it, or beyond the last line."""
    limit = len(document.lines)
    value = document.root
    for entry in chain:
        after = [other.start for other in value.entries if other.start > entry.start] if value else []
        if after:
            limit = document.line_of(min(after))
        value = entry.value
    return limit


def _is_inside(document: Document, entries: t.Iterable[Entry], index: int) -> bool:
    """Whether what comes to be above the line *index* is in the middle of one of *entries*."""
    offset = document.lines[index][0] if index < len(document.lines) else len(document.text)
    return any(entry.start < offset <= entry.end for entry in entries)


def _newline(document: Document, index: int) -> str:
    """How a new line beside the line *index* ends: as that one does, or else as others in the file do."""
    own = document.text[slice(*document.lines[index][1:])] if document.lines else ""
    if own in ("\n", "\r\n", "\r"):
        return own
    others = (match[0] for match in NEWLINE.finditer(document.text))
    return next((other for other in others if other in ("\n", "\r\n", "\r")), "\n")


def _new_lines(document: Document, place: _Place, lines: list[str]) -> Splice:
    newline = _newline(document, max(place.line, 0))
    if not document.lines:
        return Splice(0, 0, "".join(line + newline for line in lines))
    start, end, after = document.lines[place.line]
    if place.is_below and end == after:
        # The last line has no end, and the new last line shall have none either.
        return Splice(end, end, "".join(newline + line for line in lines))
    offset = after if place.is_below else start
    return Splice(offset, offset, "".join(line + newline for line in lines))


def _into_flow(document: Document, parent: Value, rest: Path, value: t.Any) -> t.Iterator[list[Splice]]:
    text = _flow_entry(document, parent, rest, value)
    if parent.entries:
        last = parent.entries[-1]
        # A colon right before a comma is a part of the name to some parsers.
        end = document.next_token(last.end) if last.value.is_blank else last.end
        yield [Splice(end, end, ", " + text)]
    else:
        yield [Splice(parent.inner, parent.inner, text)]
        # Right behind the bracket a comment may begin.
        yield [Splice(parent.end - 1, parent.end - 1, text)]


def _in_place_of_null(document: Document, parent: Value, rest: Path, value: t.Any) -> Splice:
    """A mapping where a null was, which its mark keeps."""
    newline, indent = _flow_line(document, parent)
    text = _flow_entry(document, parent, rest, value)
    start, end = parent.start, parent.end
    was = document.text[start:end]
    if parent.is_blank:
        # A colon and a bracket have to stand apart.
        start = end = document.next_token(end)
    return Splice(start, end, f"{{  {NULL_MARK}{was}{newline}{indent}{text}}}")


def _flow_entry(document: Document, parent: Value, rest: Path, value: t.Any) -> str:
    """The last part of *rest* with *value*, in sections of ours for the parts before."""
    text = f"{emit.key(rest[-1])}: {emit.flow(value)}"
    newline, indent = _flow_line(document, parent)
    for name in reversed(rest[:-1]):
        text = f"{emit.key(name)}: {{  {MARK}{newline}{indent}{text}}}"
    return text


def _flow_line(document: Document, value: Value) -> tuple[str, str]:
    """How a line within brackets ends and the next one begins: deeper than whatever it is in."""
    return _newline(document, document.line_of(value.start)), " " * (document.column(value.start) + 2)


# --- A setting that has another value -------------------------------------------------------------------------------


def replacements(document: Document, entry: Entry, value: t.Any) -> t.Iterator[list[Splice]]:
    """Ways to give *entry* another value. What follows the old one on its line stays, and a comment beside its key."""
    old = entry.value
    key_line = document.line_of(entry.key_end)
    on_line = emit.flow(value) if old.is_in_flow or emit.is_on_lines(value) else emit.scalar(value)
    if not old.is_in_flow and old.style == "lines" and document.line_of(old.start) > key_line:
        yield from _instead_of_lines(document, entry, value, on_line)
    elif old.style == "block":
        header_end = _header_end(document, old)
        first = document.line_of(header_end) + 1
        for last in dict.fromkeys((_last_line(document, old.end), _last_line(document, old.kept_end))):
            cut = [_cut(document, first, last)] if last >= first else []
            yield from _beside(document, entry, header_end, value, on_line, cut)
    else:
        yield from _beside(document, entry, old.end, value, on_line, [])


def _instead_of_lines(document: Document, entry: Entry, value: t.Any, on_line: str) -> t.Iterator[list[Splice]]:
    """Instead of a mapping or list on lines below its key."""
    old = entry.value
    colon = document.text.index(":", entry.key_end)
    for end in dict.fromkeys((old.end, old.kept_end)):
        first, last = document.line_of(old.start), _last_line(document, end)
        if emit.is_on_lines(value) and not old.is_in_flow:
            lines = emit.inner_lines(value, document.column(entry.start))
            start, stop = document.lines[first][0], document.lines[last][1]
            yield [Splice(start, stop, _newline(document, first).join(lines))]
        yield [Splice(colon + 1, colon + 1, " " + on_line), _cut(document, first, last)]


def _beside(
    document: Document, entry: Entry, end: int, value: t.Any, on_line: str, cut: list[Splice]
) -> t.Iterator[list[Splice]]:
    """Instead of a value that begins on the line of its key and ends at *end*; *cut* is what else of it goes."""
    old = entry.value
    line_start = document.lines[document.line_of(old.start)][0]
    line_end = document.lines[document.line_of(end)][1]
    if emit.is_on_lines(value) and not old.is_in_flow and entry.key_end < line_start <= old.start - 1:
        # It stands below its key, and comments may stand in between.
        if not document.text[line_start : old.start].strip(" "):
            lines = emit.inner_lines(value, document.column(entry.start))
            yield [Splice(line_start, end, _newline(document, document.line_of(old.start)).join(lines)), *cut]
    elif emit.is_on_lines(value) and not old.is_in_flow and document.text[entry.key_end : entry.key_end + 1] == ":":
        has_comment = bool(document.text[end:line_end].strip())
        place = _Place(document.line_of(end), 0)
        below = _new_lines(document, place, emit.inner_lines(value, document.column(entry.start)))
        yield [Splice(entry.key_end + 1, end if has_comment else line_end, ""), below, *cut]
    space = " " if old.is_blank else ""
    yield [Splice(old.start, end, space + on_line), *cut]


def _header_end(document: Document, value: Value) -> int:
    """Where the sign that begins a block scalar ends, such as ``|+``: an anchor or a tag may stand before it."""
    _start, line_end, _next = document.lines[document.line_of(value.start)]
    position = value.start
    while position < line_end and document.text[position] not in "|>":
        position = document.text.find(" ", position) + 1 or line_end
    while position < line_end and not document.text[position].isspace():
        position += 1
    return position


# --- A setting that goes --------------------------------------------------------------------------------------------


class Removal(t.NamedTuple):
    """How to take out the setting or section ``path``, where a section of ours goes with the last that was in it."""

    path: Path
    splices: list[Splice]


def removals(document: Document, path: Path) -> t.Iterator[Removal]:
    """Ways to take *path* out, all parts of which are there."""
    chain = find(document, path)
    emptied = []
    for is_kept in (False, True):
        lines: set[int] = set()
        depth = len(path) - 1
        splices = _take_out(document, chain, depth, lines, is_kept=is_kept)
        while (section := _own_section(document, chain, depth)) is not None:
            depth -= 1
            if section:
                splices = section
                break
            splices = _take_out(document, chain, depth, lines, is_kept=is_kept, is_section=True)
        gone = path[: depth + 1] if not section else path[: depth + 2]
        yield Removal(gone, [*splices, *_cuts(document, lines)])
        if lines:
            emptied.append(Removal(gone, [*splices, *_emptied(document, chain[depth], lines)]))
    yield from emptied


def _take_out(
    document: Document, chain: list[Entry], depth: int, lines: set[int], *, is_kept: bool, is_section: bool = False
) -> list[Splice]:
    """Take out the entry *depth* of *chain*: as splices within brackets, or by adding to *lines* if it has its own."""
    entry = chain[depth]
    container = chain[depth - 1].value if depth else document.root
    if container and container.style == "flow":
        return _out_of_brackets(document, container.entries, entry, is_kept=is_kept)
    # Of a section that is emptied the key alone is left.
    end = entry.key_end if is_section else entry.kept_end if is_kept else entry.end
    lines.update(range(document.line_of(entry.start), _last_line(document, end) + 1))
    return []


def _out_of_brackets(document: Document, entries: tuple[Entry, ...], entry: Entry, *, is_kept: bool) -> list[Splice]:
    """Take *entry* out with the comma before it, or else after it; *is_kept* says to try another way.

    Comments stay: beside the comma they may be about the entry's neighbour.
    """
    index = entries.index(entry)
    own = Splice(entry.start, entry.end, "")
    after = entries[index + 1] if index + 1 < len(entries) else None
    if index:
        before = entries[index - 1].end
        gap = _gap(document, before if is_kept else document.next_token(before), entry.start, "#")
        if not after or gap.end == entry.start:
            return [gap, own]
    if after:
        # A question mark may belong to the one after it.
        return [own, _gap(document, entry.end, after.start, "#?")]
    comma = document.next_token(entry.end)
    if is_kept and document.text[comma : comma + 1] == ",":
        return [own, _gap(document, entry.end, comma + 1, "#")]
    return [own]


def _gap(document: Document, start: int, end: int, kept: str) -> Splice:
    """Take out what is between two entries, or the comma alone if there is one of the letters *kept*."""
    if not set(kept).intersection(document.text[start:end]):
        return Splice(start, end, "")
    comma = document.next_token(start)
    return Splice(comma, comma + 1, "")


def _own_section(document: Document, chain: list[Entry], depth: int) -> list[Splice] | None:
    """What to do about the section of the entry *depth*, the only one in it.

    None if nothing; no splices if it is all ours; or those that bring back the null which was there.
    """
    if not depth:
        return None
    owner, entry = chain[depth - 1], chain[depth]
    if len(owner.value.entries) > 1:
        return None
    text = document.text
    is_flow = owner.value.style == "flow"
    begin, bracket = (owner.value.inner, "  ") if is_flow else (owner.key_end, ":  ")
    end = document.lines[document.line_of(begin)][1]
    if text[begin:end] == bracket + MARK:
        return []
    mark = text.find(NULL_MARK, begin, entry.start)
    if mark < 0:
        return None
    if is_flow:
        was = text[mark + len(NULL_MARK) : end]
        return [Splice(owner.value.start, owner.value.end, was)]
    return [Splice(mark, mark + len(NULL_MARK), "")]


def _emptied(document: Document, entry: Entry, lines: set[int]) -> list[Splice]:
    """Write braces where *lines* were: what is left of a mapping that has a tag, for example, must be a mapping."""
    first, *more = sorted(lines)
    start, end, _next = document.lines[first]
    return [Splice(start, end, " " * document.column(entry.start) + "{}"), *_cuts(document, set(more))]


def _cuts(document: Document, lines: set[int]) -> list[Splice]:
    """Take out *lines*, given by their indexes."""
    splices = []
    for index in sorted(lines):
        if index - 1 not in lines:
            first = index
        if index + 1 not in lines:
            splices.append(_cut(document, first, index))
    return splices


def _cut(document: Document, first: int, last: int) -> Splice:
    """Take out the lines from *first* to *last*; if the last line of the file had no end, the new one has none."""
    _start, end, after = document.lines[last]
    if end == after and first:
        return Splice(document.lines[first - 1][1], after, "")
    return Splice(document.lines[first][0], after, "")
