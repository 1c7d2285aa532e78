# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What YAML text means, as plain values that are told apart by type: 1, 1.0, true and "1" are four values."""

from __future__ import annotations

import dataclasses
import typing as t

import yaml

from .errors import AgentYamlError

# More values than this come of aliases that multiply; no configuration has them.
_MOST = 200_000

# A whole number with more bits is not one that anybody counts with, and Python writes it only so far.
_MOST_BITS = 1024

_TAG = "tag:yaml.org,2002:"


@dataclasses.dataclass(frozen=True)
class Opaque:
    """A value with a tag that this collection gives no meaning to; equal if it is written the same."""

    tag: str
    value: t.Any

    def __str__(self) -> str:
        """How it is written, where it is a scalar."""
        return str(self.value)


def same(one: t.Any, other: t.Any) -> bool:
    """Whether two values are the same for every reader; the order of keys tells nothing."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        # Keys are compared as values: True and 1 are one key to Python.
        keys = {(type(key), key) for key in one}
        return keys == {(type(key), key) for key in other} and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other) if isinstance(one, float) else bool(one == other)


def build(root: t.Any, loader: t.Any) -> t.Any:
    """The value of the node *root*, aliases and merges followed.

    Raises :class:`AgentYamlError` for keys that come twice, for keys that are no scalars, and for what never ends.
    """
    return _Builder(loader).value(root)


def members(node: yaml.MappingNode) -> t.Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    """The keys and values of a mapping that :func:`build` has taken, those that are merged into it (``<<``) included.

    Of several with one key the last one counts.
    """
    merges = [value for key, value in node.value if key.tag == f"{_TAG}merge"]
    for merge in merges:
        # Of several that are merged, the first one counts.
        for other in reversed(merge.value) if isinstance(merge, yaml.SequenceNode) else (merge,):
            yield from members(other)
    yield from (pair for pair in node.value if pair[0].tag != f"{_TAG}merge")


class _Builder:
    def __init__(self, loader: t.Any) -> None:
        self._loader = loader
        # By node: its value and how many values it has; None while it is being built.
        self._built: dict[int, tuple[t.Any, int] | None] = {}

    def value(self, node: t.Any) -> t.Any:
        return self._sized(node)[0]

    def _sized(self, node: t.Any) -> tuple[t.Any, int]:
        known = self._built.get(id(node), ())
        if known is None:
            raise AgentYamlError(f"Line {node.start_mark.line + 1} begins a value that holds itself.")
        if known:
            return known
        self._built[id(node)] = None
        size = 1
        if isinstance(node, yaml.ScalarNode):
            value: t.Any = self._scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            items = [self._sized(item) for item in node.value]
            value, size = [item for item, _size in items], size + sum(size for _item, size in items)
            value = value if node.tag == f"{_TAG}seq" else Opaque(node.tag, repr(value))
        else:
            value, size = self._mapping(node)
            value = value if node.tag == f"{_TAG}map" else Opaque(node.tag, repr(value))
        if size > _MOST:
            raise AgentYamlError(f"Line {node.start_mark.line + 1} begins a value that its aliases make too large.")
        self._built[id(node)] = (value, size)
        return value, size

    def _scalar(self, node: yaml.ScalarNode) -> t.Any:
        try:
            value = self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError, LookupError, TypeError, AttributeError):
            return Opaque(node.tag, node.value)
        # The tag of a collection before a scalar makes an empty one, which no other reader takes for that.
        is_collection = not isinstance(value, t.Hashable)
        is_endless = isinstance(value, int) and value.bit_length() > _MOST_BITS
        return Opaque(node.tag, node.value) if is_collection or is_endless else value

    def _mapping(self, node: yaml.MappingNode) -> tuple[dict[t.Any, t.Any], int]:
        own: dict[t.Any, t.Any] = {}
        lines: dict[tuple[type, t.Any, bool], int] = {}
        merged: list[t.Any] = []
        size = 1
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise AgentYamlError(f"Line {line} has a key that is a mapping or a list; a setting has a name.")
            is_merge = key_node.tag == f"{_TAG}merge"
            key = "<<" if is_merge else self.value(key_node)
            kind = (type(key), key, is_merge)
            if kind in lines:
                first = lines[kind]
                raise AgentYamlError(
                    f"Line {line} has a key that its mapping has on line {first} already; which of them the Agent "
                    "takes is not defined, so remove one."
                )
            lines[kind] = line
            if not is_merge and key in own:
                # One key to Python, but not to YAML: 1, 1.0 and true.
                key = Opaque(key_node.tag, key_node.value)
            value, more = self._sized(value_node)
            size += more
            if is_merge:
                merged = value if isinstance(value, list) else [value]
                if not all(isinstance(item, dict) for item in merged):
                    raise AgentYamlError(f"Line {line} merges (<<) what is no mapping.")
            else:
                own[key] = value
        result: dict[t.Any, t.Any] = {}
        for item in reversed(merged):
            result.update(item)
        result.update(own)
        return result, size
