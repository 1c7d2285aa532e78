# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sizes, rates and times: what each stands for, and what is said of one that stands for nothing."""

from __future__ import annotations

import re
import typing as t
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils._buffering import units

# --- What each stands for ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "number"),
    [
        (0, 0),
        (15728640, 15728640),
        ("15728640", 15728640),
        ("512B", 512),
        ("1kB", 1000),
        ("1KB", 1000),
        ("64MB", 64_000_000),
        ("64 MB", 64_000_000),
        ("64MiB", 67_108_864),
        ("2GB", 2_000_000_000),
        ("2GiB", 2_147_483_648),
        ("1.5GiB", 1_610_612_736),
        ("1TB", 10**12),
        ("1TiB", 2**40),
    ],
)
def test_a_size_is_exact(written: object, number: int) -> None:
    assert units.size(written) == number


@pytest.mark.parametrize(
    ("written", "number"),
    [
        (2000, Fraction(2000)),
        (0.5, Fraction(1, 2)),
        ("2kB/s", Fraction(2000)),
        ("120KB/min", Fraction(2000)),
        ("1 MiB / h", Fraction(2**20, 3600)),
        ("86400/d", Fraction(1)),
    ],
)
def test_a_rate_is_exact(written: object, number: Fraction) -> None:
    assert units.rate(written) == number


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90, 90),
        ("90", 90),
        ("90s", 90),
        ("90m", 5400),
        ("6h", 21600),
        ("2d", 172800),
        ("1d12h", 129600),
        ("1h 30m", 5400),
    ],
)
def test_a_time_is_in_seconds(written: object, seconds: int) -> None:
    assert units.duration(written) == seconds


@given(st.integers(0, 2**63 - 1))
def test_bytes_are_what_they_are(number: int) -> None:
    assert units.size(number) == units.size(str(number)) == units.size(f"{number}B") == number


@given(st.integers(0, 10**6), st.sampled_from(sorted(units.SIZES)))
def test_a_unit_multiplies(number: int, unit: str) -> None:
    assert units.size(f"{number}{unit}") == number * units.SIZES[unit]


@given(st.integers(0, 300), st.integers(0, 99), st.integers(0, 99), st.integers(1, 99))
def test_parts_of_a_time_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    assert (
        units.duration(f"{days}d{hours}h{minutes}m{seconds}s") == days * 86400 + hours * 3600 + minutes * 60 + seconds
    )


# --- What stands for nothing ------------------------------------------------------------------------------------------

FAULTS: list[tuple[t.Callable[[object], object], object, str]] = [
    (units.size, "64M", "write 64MB (1,000,000 bytes each) or 64MiB (1,048,576 bytes each)"),
    (units.size, "2g", "write 2GB (1,000,000,000 bytes each) or 2GiB"),
    (units.size, "64Mb", "has the unit 'Mb', which is not known: write one of B, kB"),
    (units.size, "64mb", "has the unit 'mb', which is not known"),
    (units.size, "-1", "is '-1', which is no size"),
    (units.size, -1, "is '-1', which is no size"),
    (units.size, "", "is '', which is no size"),
    (units.size, "MB", "is 'MB', which is no size"),
    (units.size, "1e9", "is '1e9', which is no size"),
    (units.size, "٣MB", "which is no size"),
    (units.size, 1.5, "is '1.5', which is no whole number of bytes"),
    (units.size, "0.1KiB", "which is no whole number of bytes"),
    (units.size, True, "is True, which is neither a number nor a text"),
    (units.size, [64], "is [64], which is neither a number nor a text"),
    (units.size, "9999999TB", "which is more than the Agent can count"),
    (units.rate, "2kB", "is '2kB', which is no rate"),
    (units.rate, "2kB/", "is '2kB/', which is no rate"),
    (units.rate, "2kB/week", "in which 'week' is no time: write one of s, min, h, d"),
    (units.rate, 0, "is '0'; a rate is more than nothing"),
    (units.rate, "2TB/s", "at most 1 GB/s"),
    (units.duration, "6 hours", "is '6 hours', which is no time"),
    (units.duration, "", "is '', which is no time"),
    (units.duration, "30m6h", "which is no time"),
    (units.duration, "1.5h", "which is no time"),
    (units.duration, 0, "longer than nothing"),
    (units.duration, "367d", "at most 366 days"),
    (units.duration, False, "is False, which is neither a number nor a text"),
]


@pytest.mark.parametrize(("reader", "written", "said"), FAULTS)
def test_a_fault_is_told(reader: t.Callable[[object], object], written: object, said: str) -> None:
    with pytest.raises(units.UnitError) as raised:
        reader(written)
    assert said in str(raised.value)


@given(st.one_of(st.text(max_size=12), st.floats(), st.none(), st.lists(st.integers(), max_size=2)))
def test_whatever_is_written_is_understood_or_told(written: object) -> None:
    for reader in (units.size, units.rate, units.duration):
        try:
            said = str(reader(written))
        except units.UnitError as error:
            said = f"{error}"
        assert re.fullmatch(r"\d+(/\d+)?|(is|has) .+\.", said, re.DOTALL)


# --- How a size is shown ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (51_380_224, "51.4 MB"), (2 * 10**9, "2.0 GB")],
)
def test_a_size_is_shown_with_one_decimal_unit(number: int, text: str) -> None:
    assert units.shown(number) == text
