# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Where a file has a setting in comments: the template line that a person would uncomment.

The Agent's own file nests templates in two ways, and both may hang below a section that is not commented out:

    # proxy:                          # apm_config:
    #   https: http://…                 # receiver_port: 8126

Who comments a section out without a blank after the sign (`#proxy:`, `#  https: …`) has the indent in what follows it.
"""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from .document import Document, Value

Path = tuple[str, ...]

_TEMPLATE = re.compile(r"( *)#( *)([A-Za-z_][\w.-]*):(?=\s|$)")
_PARAMETER = re.compile(r"( *)##+ *@param +([A-Za-z_][\w.-]*)")
_CONTINUED = re.compile(r" *#( *)([^\s#].*)")


class Template(t.NamedTuple):
    """A commented-out setting: the index of its line and of the last line of its value, and how far it is indented."""

    line: int
    last: int
    column: int


def templates(document: Document) -> dict[Path, list[Template]]:
    """The templates of *document* by the path of their setting, the better ones first.

    A ``## @param`` heading stands for a setting that has no template line.
    """
    comments = set(document.comments)
    found: dict[Path, list[Template]] = {}
    headings: dict[Path, list[Template]] = {}
    real = dict(_real(document, document.root, ())) if document.root else {}
    # How far they are indented, their paths, and whether no blank stands after the sign.
    above: list[tuple[int, Path, bool]] = []
    for index in range(len(document.lines)):
        if index in real:
            column, path = real[index]
            # A section that was set under its template goes on with the template's lines.
            is_bare = (column, path, True) in above
            above = [item for item in above if item[0] < column]
            above.append((column, path, is_bare))
        if index not in comments:
            continue
        text = _line(document, index)
        if match := _TEMPLATE.match(text):
            column = len(match[1]) + max(0, len(match[2]) - 1)
            above = [item for item in above if item[0] < column]
            is_bare = above[-1][2] if above else not match[2]
            path = ((above[-1][1]) if above else ()) + (match[3],)
            column += bool(above and is_bare)
            above.append((column, path, is_bare))
            last = _last(document, comments, index, match.start(3))
            found.setdefault(path, []).append(Template(index, last, column))
        elif match := _PARAMETER.match(text):
            column = len(match[1])
            outer = [path for there, path, _is_bare in above if there < column]
            path = (outer[-1] if outer else ()) + (match[2],)
            last = index
            while last + 1 in comments:
                last += 1
            headings.setdefault(path, []).append(Template(last, last, column))
    return {path: found.get(path, []) + headings.get(path, []) for path in {**found, **headings}}


def _line(document: Document, index: int) -> str:
    start, end, _next = document.lines[index]
    return document.text[start:end]


def _real(document: Document, value: Value, path: Path) -> t.Iterator[tuple[int, tuple[int, Path]]]:
    """The lines of settings that are there: how far each is indented, and its path."""
    if value.style != "lines":
        return
    for entry in value.entries:
        if entry.name is not None:
            below = (*path, entry.name)
            yield document.line_of(entry.start), (document.column(entry.start), below)
            yield from _real(document, entry.value, below)


def _last(document: Document, comments: set[int], index: int, column: int) -> int:
    """The last line of the template at *index*, whose name is at *column*: deeper comments go on with its value."""
    while index + 1 in comments:
        match = _CONTINUED.fullmatch(_line(document, index + 1))
        if not match or not (match.start(2) > column or (match.start(2) == column and match[2].startswith("- "))):
            break
        index += 1
    return index
