# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release numbers and sets of releases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils._version import (
    EVERY,
    NONE,
    Version,
    VersionError,
    before,
    since,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("7.60.0", (7, 60, 0)),
        ("1:7.60.0-1", (7, 60, 0)),
        ("6.17.0~rc.1", (6, 17, 0)),
        ("7.60.0-rc.2", (7, 60, 0)),
        ("7.60.0+git.12.abcdef", (7, 60, 0)),
        ("7.60.0.1", (7, 60, 0)),
        ("v7.60", (7, 60)),
        ("7-jmx", (7,)),
        (" 7 ", (7,)),
    ],
)
def test_a_release_is_read_from_what_packages_call_it(text: str, parts: tuple[int, ...]) -> None:
    assert Version.parse(text).parts == parts


@pytest.mark.parametrize(
    "text", ["", "latest", "7..1", "7.", ".7", "-7", "7 60", "7.60.0 ; id", "\u0667", "1:", "7" * 10]
)
def test_what_is_no_release_is_an_error_that_shows_the_form(text: str) -> None:
    with pytest.raises(VersionError, match=r"is not a version; write one such as 7\.60\.0\.$"):
        Version.parse(text)


@given(st.lists(st.integers(0, 10**9 - 1), min_size=1, max_size=3))
def test_a_release_is_written_as_it_was_read(parts: list[int]) -> None:
    text = ".".join(map(str, parts))
    assert str(Version.parse(text)) == text


@given(st.tuples(*[st.integers(0, 99)] * 3), st.tuples(*[st.integers(0, 99)] * 3))
def test_releases_since_and_before_one_share_all_out(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    text = ".".join(map(str, one))
    assert (Version(other) in since(text)) == (other >= one)
    assert (Version(other) in before(text)) == (other < one)


@pytest.mark.parametrize(
    ("version", "is_in"),
    [("5.32.0", False), ("6.17.9", False), ("6.18.0", True), ("6.53.0", True), ("7.0.0", False), ("7.18.0", True)],
)
def test_each_major_has_its_own_beginning(version: str, is_in: bool) -> None:
    assert (Version.parse(version) in since("6.18.0", "7.18.0")) == is_in


def test_a_number_that_is_missing_counts_as_the_newest() -> None:
    assert Version.parse("7") in since("7.99.99")
    assert Version.parse("7.18") not in since("7.19.0")


@given(st.lists(st.integers(0, 99), min_size=1, max_size=3))
def test_every_release_is_in_every_and_none_in_none(parts: list[int]) -> None:
    assert Version(tuple(parts)) in EVERY
    assert Version(tuple(parts)) not in NONE
