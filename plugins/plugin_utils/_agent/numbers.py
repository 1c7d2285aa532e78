# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Numbers as the Agent reads them, which is written in Go.

In YAML a whole number may be written in base 2, 8 or 16 and with underscores, and ``5e8`` is a number without a dot,
which PyYAML does not take for one; ``1:30`` is a text, which PyYAML takes for ninety. In a text, a variable for
example, it is what Go's ``strconv.ParseInt`` takes with base 0.
"""

from __future__ import annotations

import re
import typing as t

# Sign, base and digits. A zero in front means base 8.
_WHOLE = re.compile(
    r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))",
    re.ASCII,
)
_BASES = (16, 2, 8, 10)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_LONGEST = 100
_MOST = 2**63


def in_yaml(text: str) -> int | float | None:
    """The number that *text*, written without quotes, is to a YAML file; None if it is none."""
    text = text.replace("_", "") if text[:1] != "_" else ""
    number = _whole_in(text)
    if number is None and len(text) <= _LONGEST and _FLOAT.fullmatch(text):
        return float(text)
    return number


def whole(value: t.Any) -> int | None:
    """The whole number that *value*, a number or a text of one, is; None if it is none, or one that 64 bits don't hold.

    A yes or no is no number.
    """
    number: int | None = None
    if isinstance(value, str):
        number = _whole_in(value.strip().replace("_", ""))
    elif isinstance(value, float):
        number = int(value) if value.is_integer() else None
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    return number if number is not None and -_MOST <= number < _MOST else None


def _whole_in(text: str) -> int | None:
    found = _WHOLE.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        return None
    sign, *digits = found.groups()
    return next(int(sign + part, base) for part, base in zip(digits, _BASES, strict=True) if part is not None)
