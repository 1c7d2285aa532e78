# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record in the registry: what is written is read, and what was changed by somebody is not believed."""

from __future__ import annotations

import pytest

from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.record import Kept, Profile, Record, parse

RECORD = Record(
    rules=frozenset({"netwall.datadog: out allow tcp 443 #1/1", "netwall.datadog: in block tcp 8126 #1/1"}),
    flows={"logs-tcp-443-out": Kept("outbound tcp 443", "0123456789abcdef")},
    profiles={"Domain": Profile("not_configured", ("allow", "block")), "Public": Profile(is_ours=True)},
    document="42 2026-01-01",
)


def test_what_is_written_is_read() -> None:
    assert parse(RECORD.lines()) == RECORD
    assert parse("\n".join(RECORD.lines())) == RECORD


def test_a_list_of_texts_of_the_registry_holds_no_empty_one() -> None:
    assert all(RECORD.lines())


@pytest.mark.parametrize("number", range(len(RECORD.lines())))
def test_a_record_with_a_line_less_or_another_one_is_none(number: int) -> None:
    lines = RECORD.lines()
    assert parse(lines[:number] + lines[number + 1 :]) is None
    assert parse([*lines[:number], lines[number] + "x", *lines[number + 1 :]]) is None


@pytest.mark.parametrize("value", [None, 7, [], ["netwall.datadog 1"], [1, 2], "", {"a": 1}])
def test_what_is_no_record_is_none(value: object) -> None:
    assert parse(value) is None


def test_an_empty_record_says_so() -> None:
    assert Record(profiles={"Domain": Profile()}, document="42").is_empty
    assert not RECORD.is_empty
