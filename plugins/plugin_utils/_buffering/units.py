# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Sizes, rates and times as people write them, and as they are shown to them."""

from __future__ import annotations

import re
from fractions import Fraction

SIZES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
"""What each unit of size is in bytes: decimal as in SI, binary as in IEC 80000-13."""

PERIODS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
"""What each unit of time behind the slash of a rate is in seconds."""

# The Agent keeps sizes in 64 bits with a sign.
_LARGEST = 2**63 - 1
# Nobody plans for longer, and a slip of the keyboard should not pass.
_LONGEST = 366 * 86400

_AMOUNT = re.compile(r"(\d{1,19}(?:\.\d{1,18})?)\s?([A-Za-z]*)", re.ASCII)
_SPAN = re.compile(r"(?:(\d{1,9})d)?\s?(?:(\d{1,9})h)?\s?(?:(\d{1,9})m)?\s?(?:(\d{1,9})s)?", re.ASCII)
_DIGITS = re.compile(r"\d{1,19}", re.ASCII)


class UnitError(ValueError):
    """A text is no size, rate or time; the text of the error follows on from the name of what was set."""


def size(value: object) -> int:
    """The bytes that *value* stands for: a whole number of them, or a text such as ``64MB``, ``1.5 GiB``.

    Raises :class:`UnitError`.
    """
    text = _text(value)
    found = _AMOUNT.fullmatch(text)
    if not found:
        raise UnitError(f"is {text!r}, which is no size: write bytes, or a number and a unit as in 64MB or 2GiB.")
    number = Fraction(found[1]) * _unit(found[1], found[2] or "B")
    if number.denominator != 1:
        raise UnitError(f"is {text!r}, which is no whole number of bytes.")
    if number > _LARGEST:
        raise UnitError(f"is {text!r}, which is more than the Agent can count ({_LARGEST:,} bytes).")
    return int(number)


def rate(value: object) -> Fraction:
    """The bytes per second that *value* stands for: a number of them, or a text such as ``2kB/s``, ``120KB/min``.

    Raises :class:`UnitError`.
    """
    text = _text(value)
    amount, slash, period = (part.strip() for part in text.partition("/"))
    found = _AMOUNT.fullmatch(amount)
    if not found or bool(slash) != bool(period) or (found[2] and not slash):
        raise UnitError(f"is {text!r}, which is no rate: write bytes per second, or as in 2kB/s or 120KB/min.")
    seconds = PERIODS.get(period or "s")
    if seconds is None:
        raise UnitError(f"is {text!r}, in which {period!r} is no time: write one of {', '.join(PERIODS)}.")
    result = Fraction(found[1]) * _unit(found[1], found[2] or "B") / seconds
    if not 0 < result <= SIZES["GB"]:
        raise UnitError(f"is {text!r}; a rate is more than nothing and at most 1 GB/s.")
    return result


def duration(value: object) -> int:
    """The seconds that *value* stands for: a whole number of them, or a text such as ``6h``, ``90m``, ``1d12h``.

    Raises :class:`UnitError`.
    """
    text = _text(value)
    if _DIGITS.fullmatch(text):
        seconds = int(text)
    else:
        found = _SPAN.fullmatch(text)
        if not found or not text:
            raise UnitError(f"is {text!r}, which is no time: write seconds, or as in 90m, 6h, 2d or 1d12h.")
        days, hours, minutes, rest = (int(part or 0) for part in found.groups())
        seconds = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    if not 0 < seconds <= _LONGEST:
        raise UnitError(f"is {text!r}; it has to be longer than nothing and at most 366 days.")
    return seconds


def shown(number: int) -> str:
    """*number* bytes as people read them, with one decimal unit: ``51.4 MB``."""
    for name in ("TB", "GB", "MB", "kB"):
        if abs(number) >= SIZES[name]:
            return f"{number / SIZES[name]:,.1f} {name}"
    return f"{number:,} bytes"


def _text(value: object) -> str:
    # YAML makes numbers of what looks like one. Yes and no are numbers to Python alone.
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise UnitError(f"is {value!r}, which is neither a number nor a text.")
    return str(value).strip()


def _unit(number: str, name: str) -> int:
    if name in SIZES:
        return SIZES[name]
    if len(name) == 1 and f"{name.upper()}iB" in SIZES:
        binary, decimal = f"{name.upper()}iB", f"{name.upper()}B"
        raise UnitError(
            f"has the unit {name!r}, which may mean two things: write {number}{decimal} ({SIZES[decimal]:,} bytes "
            f"each) or {number}{binary} ({SIZES[binary]:,} bytes each)."
        )
    raise UnitError(f"has the unit {name!r}, which is not known: write one of {', '.join(SIZES)}.")
