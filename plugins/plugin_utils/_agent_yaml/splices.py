# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Replacements within a text: made one after the other, and told in the end as what becomes of the first text."""

from __future__ import annotations

import typing as t


class Splice(t.NamedTuple):
    """The text from offset ``start`` to ``end`` becomes ``text``."""

    start: int
    end: int
    text: str


def spliced(text: str, splices: t.Iterable[Splice]) -> str:
    """*text* with all *splices*, whose offsets are those of *text* and which don't overlap."""
    for splice in sorted(splices, reverse=True):
        text = text[: splice.start] + splice.text + text[splice.end :]
    return text


class Pieces:
    """What a text has become: pieces of it as it was, by their offsets, and new text between them."""

    def __init__(self, text: str) -> None:
        self._pieces: list[tuple[int, int] | str] = [(0, len(text))]
        self._length = len(text)

    def apply(self, splices: t.Iterable[Splice]) -> None:
        """Make *splices*, whose offsets are those of the text as it has become by now."""
        for splice in sorted(splices, reverse=True):
            before = self._cut(0, splice.start)
            after = self._cut(splice.end, None)
            self._pieces = [*before, splice.text, *after]

    def splices(self) -> list[Splice]:
        """All of it as splices of the text as it was at first."""
        result = []
        position, new = 0, ""
        for piece in [*self._pieces, (self._length, self._length)]:
            if isinstance(piece, str):
                new += piece
                continue
            start, end = piece
            if new or start > position:
                result.append(Splice(position, start, new))
            position, new = end, ""
        return result

    def _cut(self, start: int, end: int | None) -> list[tuple[int, int] | str]:
        """The pieces that make up the text as it is now from *start* to *end*."""
        result: list[tuple[int, int] | str] = []
        position = 0
        for piece in self._pieces:
            length = len(piece) if isinstance(piece, str) else piece[1] - piece[0]
            low = max(0, start - position)
            high = length if end is None else min(length, end - position)
            position += length
            if low < high:
                result.append(piece[low:high] if isinstance(piece, str) else (piece[0] + low, piece[0] + high))
        return result
