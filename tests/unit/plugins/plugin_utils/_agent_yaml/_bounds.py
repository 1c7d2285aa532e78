# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a file may go where settings change, and which lines may be others; told without the editor's own means."""

from __future__ import annotations

import re
import typing as t

import yaml

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._agent_yaml.edit import ByteSplice

_ENDS = "\n\r\x85\u2028\u2029"
_LINE = re.compile(f"[^{_ENDS}]*(?:\r\n|[{_ENDS}]|$)")
_PIECE = re.compile(f"[^{_ENDS}]*[{_ENDS}]|[^{_ENDS}]+$")
_NULLS = ("", "~", "null", "Null")

Span = tuple[int, int]


class Place(t.NamedTuple):
    """Where a key and its value stand: from an anchor or a tag on to the last word, without what comes after it."""

    key: Span
    start: int
    end: int
    is_flow: bool = False
    is_in_flow: bool = False
    is_on_lines: bool = False
    is_null: bool = False


class _Walk:
    """Collects the place of each key by its path from what a parser says before it makes nodes; () is the whole."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.found: dict[tuple[str, ...], Place] = {}
        self._events: t.Iterator[t.Any] = iter(list(yaml.parse(text, yaml.SafeLoader)))
        for event in self._events:
            if isinstance(event, yaml.NodeEvent):
                self._node(event, (), (0, 0), is_in_flow=False)

    def _node(self, event: t.Any, path: tuple[str, ...] | None, key: Span, *, is_in_flow: bool) -> int:
        """Take one node's events; where its last word ends."""
        start, end = event.start_mark.index, event.end_mark.index
        is_flow = bool(getattr(event, "flow_style", False))
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        is_scalar = isinstance(event, yaml.ScalarEvent)
        if is_scalar and start == end and self._text[start - 1 : start] not in (":", "-"):
            # The mark of nothing is where the next thing begins, if no sign says that there is nothing.
            start = end = key[1]
        if isinstance(event, yaml.CollectionStartEvent):
            for inner in self._events:
                if isinstance(inner, yaml.CollectionEndEvent):
                    end = t.cast("yaml.Mark", inner.end_mark).index if is_flow else end
                    break
                end = max(end, self._item(inner, path if is_mapping else None, is_mapping, is_flow or is_in_flow))
        if path is not None:
            is_null = is_scalar and event.value in _NULLS and (not event.style or not event.implicit[1])
            is_on_lines = isinstance(event, yaml.CollectionStartEvent) and not is_flow
            self.found.setdefault(path, Place(key, start, end, is_flow, is_in_flow, is_on_lines, is_null))
        return t.cast("int", end)

    def _item(self, event: t.Any, path: tuple[str, ...] | None, is_mapping: bool, is_in_flow: bool) -> int:
        if not is_mapping:
            return self._node(event, None, (0, 0), is_in_flow=is_in_flow)
        key = (event.start_mark.index, self._node(event, None, (0, 0), is_in_flow=is_in_flow))
        is_named = path is not None and isinstance(event, yaml.ScalarEvent)
        below = (*(path or ()), event.value) if is_named else None
        return self._node(next(self._events), below, key, is_in_flow=is_in_flow)


class Bounds:
    """Within what *text* may change where settings come, change and go: see :meth:`judge`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.places = _Walk(text).found
        self._lines = [match.span() for match in _LINE.finditer(text) if match.end() > match.start()]
        # What may be taken away, and what else may have something put into its lines.
        self._gone: list[Span] = []
        self._touched: list[Span] = []

    def set(self, path: tuple[str, ...]) -> None:
        """The setting *path* gets a value."""
        if path in self.places:
            place = self.places[path]
            self._gone.append(self._value(place))
            self._touched.append((place.key[0], place.key[1] + 1))
            return
        while path and path not in self.places:
            path = path[:-1]
        place = self.places.get(path, Place((0, 0), 0, 0))
        if path and place.is_null:
            # The words of the mark keep it.
            self._gone += [(place.start, place.end)] if place.is_in_flow else []
            self._touched.append((place.key[0], place.end + 1))
        if place.is_in_flow:
            # Where it is null, the brackets come before the next sign, which may be on another line.
            place = self.places[path[:-1]]
        if place.is_flow:
            self._touched.append((place.start, place.end + 1))

    def unset(self, path: tuple[str, ...]) -> None:
        """The setting *path* goes, if it is there."""
        if path in self.places:
            place, outer = self.places[path], self.places[path[:-1]]
            if outer.is_flow:
                sign = self.text[: place.key[0]].rstrip(f" {_ENDS}")
                self._gone.append((len(sign) - 1 if sign.endswith("?") else place.key[0], place.end))
                self._touched.append((outer.start, outer.end))
            else:
                self._gone.append((self._line(place.key[0])[0], self._line(max(place.key[0], place.end - 1))[1]))

    def judge(self, content: bytes, splices: t.Iterable[ByteSplice], new: str) -> None:
        """Check that *splices* take away no more of *content* than that, and that all other lines are in *new*.

        Spaces, commas and ends of lines are nothing by themselves; those of other lines are looked at with them.
        """
        for offset, length, _new in splices:
            begin = len(content[:offset].decode("utf-8-sig"))
            span = (begin, begin + len(content[offset : offset + length].decode("utf-8-sig")))
            assert not any(self.text[place - 1 : place + 1] == "\r\n" for place in span if place), (self.text, new)
            lost = "".join(
                letter
                for index, letter in enumerate(self.text[slice(*span)], start=begin)
                if not any(start <= index < end for start, end in self._gone)
            )
            assert not lost.strip(f" \t,{_ENDS}"), (lost, self.text, new)
        other = [
            line
            for line in self._lines
            if not any(start < line[1] and line[0] < end for start, end in (*self._gone, *self._touched))
        ]
        texts = [self.text[start:end] for start, end in other]
        if texts and self.text[-1] not in _ENDS:
            # Where the last line of all has no end, the one that is last now has none.
            texts[-1] = texts[-1].rstrip(_ENDS)
        # Where what was between two lines goes, one's CR may come before another's LF.
        pieces = iter(_PIECE.findall(new))
        *most, last = [piece for text in texts for piece in _PIECE.findall(text)] or [""]
        for piece in most:
            assert piece in pieces, (piece, self.text, new)
        assert not last or any(piece.startswith(last) for piece in pieces), (last, self.text, new)

    def _value(self, place: Place) -> Span:
        """What of a value may go; one on lines of its own goes with the whole of its first and last."""
        if not place.is_on_lines:
            return place.start, place.end
        first = self._line(place.start)[0]
        start = first if not self.text[first : place.start].strip(" ") else place.start
        return start, self._line(max(place.start, place.end - 1))[1]

    def _line(self, offset: int) -> Span:
        return next((line for line in self._lines if line[0] <= offset < line[1]), (offset, offset))


def known(text: str, names: t.Container[str]) -> list[str]:
    """The settings that *text* has, if it can be read, all parts of whose names are *names*."""
    try:
        found = _Walk(text).found
    except yaml.YAMLError:
        return []
    return [".".join(path) for path in found if path and all(name in names for name in path)]
