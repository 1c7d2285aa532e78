# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""YAML files as nobody should write them, and settings for them, made from a source of random choices."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from random import Random

NAMES = ("a", "b", "c", "d_e", "site", "x-y")
# Keys that are no names of settings, and names in other words.
_KEYS = (
    "5000",
    "yes",
    "~",
    "'q r'",
    '"a b"',
    "é",
    '"é"',
    "1.5",
    "x.y",
    "? b",
    "'d_e'",
    '"a"',
    "1:30",
    "2026-01-02",
    "=",
)
_PLAIN = (
    "1",
    "-7",
    "0x1F",
    "0o17",
    "017",
    "1_000",
    "1.5",
    "1e3",
    ".inf",
    "yes",
    "No",
    "true",
    "2026-01-02",
    "1:30",
    "text",
    "two words",
    "http://h:1/p?q#f",
    "-x",
    "a:b",
    "grüße",
    "<<",
    "a # c",
    "!!str 5",
    "! 5",
    "!own thing",
    "!!float 1",
    "日本",
    "\U0001f600",
)
_NULLS = ("", "", "", "~", "null", "Null", "!!null ''")
_SPACE = (" ", " ", " ", "  ", "   ")
_PROSE = (
    "# comment",
    "#",
    "##",
    "# - a",
    "#a: 1",
    "## @param {0} - integer",
    "#   {0}: 1",
    "# {0}:",
    "# {0}: 1",
    "#{0}: 1",
    "#\t{0}: 1",
    "# {0}: 1  # {0}: 2",
    "# 'quote",
    "# {{ [ & * ! |",
    "#   - item",
)
VALUES: tuple[t.Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**63,
    1.0,
    0.8,
    1e16,
    1e-7,
    float("inf"),
    "",
    "yes",
    "y",
    "~",
    "0o17",
    "1e3",
    "1:30",
    "2026-01-02",
    "<<",
    "=",
    "# x",
    "a: b",
    "a:",
    "- a",
    "x\ny\n",
    " lead",
    "trail ",
    "\t",
    "\x85\u2028\ufeff\x00\x1b",
    "grüße \U0001f600",
    "'\"\\",
    "C:\\ProgramData\\Datadog",
    "/opt/x",
    "http://u:p@h:1",
    "{{ x }}",
    "---",
    "...",
    "%YAML",
    "long " * 60,
    "nan",
    [],
    {},
    [1, "a", None, [], {}, [2, ["b"]]],
    {"k": 1, "l": {"m": [True, {"n": "o", "p": {"q": "r"}}]}},
    [{"k": [1], "l": "x"}, {"m": {}}],
    {"https://app.example.com": ["key"], "yes": "no", "1": 1, "a b": {"": ""}},
)


def settings(random: Random, names: t.Sequence[str] = NAMES, known: t.Sequence[str] = ()) -> dict[str, t.Any]:
    """Some settings, none within another; about every other is of *known* ones, if there are any."""
    wanted: dict[str, t.Any] = {}
    for _number in range(random.choice((1, 1, 1, 2, 3, 5))):
        path = [random.choice(names) for _part in range(random.choice((1, 1, 2, 2, 3)))]
        name = random.choice(known) if known and random.randrange(2) else ".".join(path)
        if not any(f"{name}.".startswith(f"{other}.") or f"{other}.".startswith(f"{name}.") for other in wanted):
            wanted[name] = random.choice(VALUES)
    return wanted


class Writer:
    """Writes one file; ``text`` is what came of it, which is not always YAML."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.anchors: list[str] = []
        self.maps: list[str] = []
        self.newlines = random.choice((("\n",), ("\n",), ("\r\n",), ("\r",), ("\n", "\r\n", "\r", "\x85", "\u2028")))
        lines = []
        column = random.choice((0, 0, 0, 0, 2))
        if self.one_in(8):
            lines.append("%YAML 1.1")
            lines.append("---")
        elif self.one_in(6):
            lines.append(random.choice(("---", "--- # comment", "--- !!map", "--- &top")))
        lines += self.odd(column)
        if self.one_in(12):
            lines += self.flow_map(0).split("\n")
        elif not self.one_in(12):
            lines += self.mapping(column, 0)
        lines += self.odd(column)
        if self.one_in(10):
            lines += ["..."]
            lines += self.odd(0)
        text = "".join(line + random.choice(self.newlines) for line in lines)
        if self.one_in(4) and text:
            text = text.rstrip("\r\n\x85\u2028") if self.one_in(2) else text[:-1]
        self.text = ("\ufeff" if self.one_in(8) else "") + text

    def one_in(self, number: int) -> bool:
        # Nothing odd where all choices are the first one, which is what Hypothesis takes for the simplest.
        return self.random.randrange(number) == number - 1

    def odd(self, column: int) -> list[str]:
        """Comments and blank lines, some of them templates."""
        lines = []
        while self.one_in(2):
            if self.one_in(3):
                lines.append(" " * self.random.choice((0, 0, column, column + 2, 9)))
                continue
            indent = " " * self.random.choice((0, column, column, column + 2, max(0, column - 1)))
            lines.append(indent + self.random.choice(_PROSE).format(self.random.choice(NAMES)))
        return lines

    def comment(self) -> str:
        return self.random.choice(("  # c", " # {0}: 1", " # c", " #", "   ")) if self.one_in(4) else ""

    def anchor(self, anchors: list[str]) -> str:
        if not self.one_in(8):
            return ""
        name = f"n{len(self.anchors) + len(self.maps)}"
        anchors.append(name)
        return f"&{name} "

    def key(self) -> str:
        return self.random.choice(_KEYS) if self.one_in(8) else self.random.choice(NAMES)

    def mapping(self, column: int, depth: int) -> list[str]:
        lines = []
        keys: set[str] = set()
        for _number in range(self.random.choice((1, 1, 2, 3, 4))):
            key = self.key()
            if key in keys:
                continue
            keys.add(key)
            lines += self.entry(key, column, depth)
            lines += self.odd(column)
        if self.maps and self.one_in(4):
            lines.insert(0, " " * column + f"<<: *{self.random.choice(self.maps)}")
        return lines

    def entry(self, key: str, column: int, depth: int) -> list[str]:
        head = " " * column + key
        if key.startswith("? "):
            return [head, " " * column + ": 1"] if self.one_in(2) else [head]
        head += self.random.choice((":", ":", ":", ":", " :"))
        ways: list[t.Callable[[str, int], list[str]]] = [
            self.scalar,
            self.block_scalar,
            self.quoted,
            self.folded,
            self.in_brackets,
            self.in_brackets,
            self.alias,
            self.block_scalar_below,
            self.null,
            self.null,
            self.below,
        ]
        if depth < 3:
            ways += [lambda head, column: self.on_lines(head, column, depth)] * 5
        return self.random.choice(ways)(head, column)

    def deeper(self, column: int) -> int:
        return column + self.random.choice((1, 2, 2, 2, 4))

    def space(self) -> str:
        return self.random.choice(_SPACE)

    def on_lines(self, head: str, column: int, depth: int) -> list[str]:
        deeper = self.deeper(column)
        if self.one_in(5):
            return [head + self.comment(), *self.sequence(self.random.choice((column, deeper)), depth + 1)]
        anchor = self.anchor(self.maps).rstrip()
        odd = self.odd(deeper)
        return [f"{head}{anchor and ' ' + anchor}{self.comment()}", *odd, *self.mapping(deeper, depth + 1)]

    def block_scalar(self, head: str, column: int) -> list[str]:
        deeper = self.deeper(column)
        style = self.random.choice(("|", ">")) + self.random.choice(("", "", "-", "+"))
        texts = ("text", "# no comment", "key: value", "- x", "...", " more")
        body = [" " * deeper + self.random.choice(texts) for _number in range(self.random.randrange(4))]
        blanks = ("", "", " " * deeper, " " * (deeper + 2))
        blank = [self.random.choice(blanks) for _number in range(self.random.randrange(3))]
        return [f"{head} {self.anchor(self.anchors)}{style}{self.random.choice(('', '', ' # c'))}", *body, *blank]

    def block_scalar_below(self, head: str, column: int) -> list[str]:
        first, *rest = self.block_scalar("", column)
        return [head + self.comment(), *self.odd(column + 1), " " * self.deeper(column) + first.lstrip(" "), *rest]

    def quoted(self, head: str, column: int) -> list[str]:
        quote = self.random.choice("'\"")
        blank = [""] * self.random.randrange(2)
        return [
            f"{head}{self.space()}{quote}one",
            *blank,
            f"{' ' * self.deeper(column)}# two{quote}{self.comment()}",
        ]

    def folded(self, head: str, column: int) -> list[str]:
        return [f"{head}{self.space()}one", f"{' ' * self.deeper(column)}two{self.comment()}"]

    def in_brackets(self, head: str, column: int) -> list[str]:
        deeper = self.deeper(column)
        inner = self.flow_list(deeper) if self.one_in(3) else self.anchor(self.maps) + self.flow_map(deeper)
        return f"{head}{self.space()}{inner}{self.comment()}".split("\n")

    def alias(self, head: str, column: int) -> list[str]:
        if not self.anchors + self.maps:
            return self.scalar(head, column)
        return [f"{head}{self.space()}*{self.random.choice(self.anchors + self.maps)}{self.comment()}"]

    def null(self, head: str, _column: int) -> list[str]:
        null = self.random.choice(_NULLS)
        return [f"{head}{self.space() if null else ''}{null}{self.comment()}"]

    def below(self, head: str, column: int) -> list[str]:
        deeper = self.deeper(column)
        return [head, *self.odd(deeper), f"{' ' * deeper}{self.random.choice(_PLAIN)}{self.comment()}"]

    def scalar(self, head: str, _column: int) -> list[str]:
        return [f"{head}{self.space()}{self.anchor(self.anchors)}{self.random.choice(_PLAIN)}{self.comment()}"]

    def sequence(self, column: int, depth: int) -> list[str]:
        lines = []
        for _number in range(self.random.choice((1, 2, 3))):
            dash = " " * column + "-"
            if self.one_in(3):
                inner = self.mapping(column + 2, depth + 1)
                lines += [dash + " " + inner[0][column + 2 :], *inner[1:]]
            elif self.one_in(6):
                lines.append(dash)
            else:
                lines.append(f"{dash} {self.random.choice(_PLAIN)}{self.comment()}")
            lines += self.odd(column)
        return lines

    def flow_break(self, column: int) -> str:
        if not self.one_in(5):
            return self.random.choice(("", " ", " "))
        return self.random.choice(("", " # c")) + "\n" + " " * column

    def flow_map(self, column: int) -> str:
        parts = []
        keys: set[str] = set()
        for _number in range(self.random.randrange(4)):
            key = self.key()
            if key in keys:
                continue
            keys.add(key)
            value = self.random.choice((": 1", ": ", ":", "", ": ~", ": x", ": 'y'", ": []", ": {}", "map", "list"))
            if value == "map":
                value = ": " + self.flow_map(column)
            elif value == "list":
                value = ": " + self.flow_list(column)
            parts.append(self.flow_break(column) + key + value + self.flow_break(column))
        return (
            "{" + ",".join(parts) + self.random.choice(("", "", "," if parts else "")) + self.flow_break(column) + "}"
        )

    def flow_list(self, column: int) -> str:
        parts = [
            self.flow_break(column) + self.random.choice(("1", "x", "'y'", "{a: 1}", "a: 1", "? a", "a: {b: 1}"))
            for _n in range(self.random.randrange(4))
        ]
        return "[" + ",".join(parts) + self.flow_break(column) + "]"
