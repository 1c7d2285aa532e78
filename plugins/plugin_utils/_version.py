# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Release numbers as people and package managers write them, and sets of releases."""

from __future__ import annotations

import dataclasses
import re

# An epoch, a "v", up to three numbers that count, and whatever a packager or a pre-release puts behind them.
_RELEASE = re.compile(r"(?:\d+:)?v?(\d{1,9}(?:\.\d{1,9}){0,2})(?:[.~+_-]\w[\w.~+:-]*)?", re.ASCII)

# What a number that was not given counts as: "7.60" is the newest 7.60, not the oldest.
_NEWEST = 10**9


class VersionError(ValueError):
    """A text is not a release number; the text of the error is a sentence for the user."""


@dataclasses.dataclass(frozen=True)
class Version:
    """A release: one to three numbers. A number that is missing counts as the newest."""

    parts: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Version:
        """The release that *text* names: ``7.60.0``, ``1:7.60.0-1``, ``6.17.0~rc.1``, ``7.60``, ``7``.

        An epoch, a package's revision and a pre-release are read over: 7.67.0-rc.1 speaks to Datadog as 7.67.0 does.
        Raises :class:`VersionError`.
        """
        found = _RELEASE.fullmatch(text.strip())
        if not found:
            raise VersionError(f"{text!r} is not a version; write one such as 7.60.0.")
        return cls(tuple(map(int, found[1].split("."))))

    @property
    def major(self) -> int:
        """The first number."""
        return self.parts[0]

    @property
    def is_exact(self) -> bool:
        """Whether all three numbers are known."""
        return len(self.parts) == 3

    @property
    def key(self) -> tuple[int, ...]:
        """Three numbers to compare releases by."""
        return self.parts + (_NEWEST,) * (3 - len(self.parts))

    def __str__(self) -> str:
        return ".".join(map(str, self.parts))


@dataclasses.dataclass(frozen=True)
class Releases:
    """A set of releases: spans from a first release on, up to but without an end; ``""`` leaves a side open."""

    spans: tuple[tuple[str, str], ...]

    def __contains__(self, version: Version) -> bool:
        return any(
            (not first or Version.parse(first).key <= version.key) and (not end or version.key < Version.parse(end).key)
            for first, end in self.spans
        )


NONE = Releases(())
EVERY = Releases((("", ""),))


def since(first: str, *later: str) -> Releases:
    """The releases from *first* on. *later* names where a newer major begins: ``since("6.18.0", "7.18.0")``."""
    firsts = (first, *later)
    ends = (*(f"{Version.parse(text).major}.0.0" for text in later), "")
    return Releases(tuple(zip(firsts, ends, strict=True)))


def before(end: str) -> Releases:
    """The releases older than *end*."""
    return Releases((("", end),))
