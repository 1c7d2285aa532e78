# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to hold for every file and every setting, told without the editor's own means."""

from __future__ import annotations

import typing as t

import yaml

from ansible_collections.netwall.datadog.plugins.plugin_utils._agent_yaml.edit import Edit, edit
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent_yaml.errors import AgentYamlError

from ._bounds import Bounds

if t.TYPE_CHECKING:
    from random import Random

# Why a file is left alone, by words of the sentence that says so.
REFUSALS = (
    "can't be read as YAML",
    "begins a value that holds itself",
    "already; which of them",
    "begins another document",
    "is a mapping or a list; a setting has a name",
    "not a mapping of settings",
    "merges (<<) what is no mapping",
    "has a value of its own",
    "stands for a value that is written elsewhere",
    "comes from elsewhere in the file",
    "without changing something else",
    "does not allow",
    "where YAML wants spaces",
    "a null where the settings should be",
    "with the dots in it",
    "is a text to YAML",
)


class Same:
    """Tells values apart as YAML does: by type, too."""

    @staticmethod
    def form(value: t.Any) -> t.Any:
        if isinstance(value, dict):
            return ("map", sorted(((repr(key), Same.form(item)) for key, item in value.items()), key=repr))
        if isinstance(value, (list, tuple)):
            return ("list", [Same.form(item) for item in value])
        return (type(value).__name__, repr(value))


class Loader(yaml.SafeLoader):
    """PyYAML's own, but for tags that it doesn't know."""


def _unknown(_loader: Loader, tag: str, node: yaml.Node) -> tuple[str, str]:
    return tag, str(node.value)[:99] if isinstance(node, yaml.ScalarNode) else "?"


Loader.add_multi_constructor("", _unknown)


def meaning(content: bytes) -> t.Any:
    return yaml.load(content.decode("utf-8-sig"), Loader)


def is_beyond(content: bytes) -> bool:
    """Whether the parser that judges here can't read it: it takes no tabs where libyaml does."""
    try:
        meaning(content)
    except yaml.YAMLError:
        assert b"\t" in content
        return True
    return False


def put(data: t.Any, path: list[str], value: t.Any) -> t.Any:
    inner = data if isinstance(data, dict) else {}
    return {**inner, path[0]: put(inner.get(path[0]), path[1:], value) if path[1:] else value}


def has(data: t.Any, path: list[str]) -> bool:
    for name in path:
        if not isinstance(data, dict) or name not in data:
            return False
        data = data[name]
    return True


def attempt(content: bytes, wanted: dict[str, t.Any], *, is_present: bool) -> Edit | str:
    try:
        return edit(content, wanted, is_present=is_present)
    except AgentYamlError as error:
        for known in REFUSALS:
            if known in str(error):
                return known
        raise


def judge_bytes(content: bytes, done: Edit, names: t.Iterable[str], *, is_present: bool) -> None:
    """Check that nothing but what belongs to *names* is another by the bytes, and that the splices tell the same."""
    rebuilt = bytearray(content)
    for offset, length, new in reversed(done.splices):
        rebuilt[offset : offset + length] = new
    assert bytes(rebuilt) == done.content
    bounds = Bounds(content.decode("utf-8-sig"))
    for name in names:
        (bounds.set if is_present else bounds.unset)(tuple(name.split(".")))
    bounds.judge(content, done.splices, done.content.decode("utf-8-sig"))


def check(content: bytes, wanted: dict[str, t.Any], order: Random) -> str:
    """Check all that is promised about setting and removing *wanted*; what came of it, for counting."""
    done = attempt(content, wanted, is_present=True)
    if isinstance(done, str):
        return done
    if is_beyond(content):
        return "tabs"
    expected = meaning(content)
    absent = [name for name in wanted if not has(expected, name.split("."))]
    for name, value in wanted.items():
        expected = put(expected, name.split("."), value)
    assert Same.form(meaning(done.content)) == Same.form(expected)
    judge_bytes(content, done, [change.name for change in done.changes], is_present=True)
    again = edit(done.content, wanted, is_present=True)
    assert again == Edit(done.content, (), ())
    if len(absent) == len(wanted):
        # Nothing of theirs goes, but for a null in brackets that its mark keeps.
        assert all(not length or b"netwall" in new for _offset, length, new in done.splices)
        back = done.content
        names = list(wanted)
        order.shuffle(names)
        for name in names:
            back = edit(back, {name: None}, is_present=False).content
        assert back == content, (back, content)
        assert edit(done.content, wanted, is_present=False).content == content
        return "added"
    gone = attempt(done.content, wanted, is_present=False)
    if isinstance(gone, str):
        return "changed; " + gone
    left = meaning(gone.content)
    assert not any(has(left, name.split(".")) for name in wanted)
    assert not edit(gone.content, wanted, is_present=False).changes
    return "changed"


def removed(content: bytes, names: list[str]) -> str:
    """Check all that is promised about removing what is there."""
    done = attempt(content, dict.fromkeys(names), is_present=False)
    if isinstance(done, str):
        return done
    if is_beyond(content):
        return "tabs"
    data = meaning(content)
    for name in names:
        assert not has(meaning(done.content), name.split("."))
    judge_bytes(content, done, [change.name for change in done.changes], is_present=False)
    form = Same.form(prune(meaning(done.content)))
    for name in names:
        if has(data, name.split(".")):
            data = drop(data, name.split("."))
    assert form == Same.form(prune(data))
    return "removed" if done.changes else "nothing"


def drop(data: t.Any, path: list[str]) -> t.Any:
    if not path[1:]:
        return {key: value for key, value in data.items() if key != path[0]}
    return {**data, path[0]: drop(data[path[0]], path[1:])}


def prune(data: t.Any) -> t.Any:
    """*data* where an empty mapping is null."""
    if isinstance(data, dict):
        return {key: prune(value) for key, value in data.items()} or None
    return data
