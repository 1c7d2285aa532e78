# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What changed between two documents, by address."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.comparison import (
    Change,
    addresses_of,
    changes,
    check_succession,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import (
    Document,
    DocumentError,
    Section,
)

MODIFIED = datetime.datetime(2026, 3, 4, tzinfo=datetime.UTC)
SMALL = ["192.0.2.0/25", "192.0.2.128/25", "192.0.2.0/24", "192.0.2.64/26", "2001:db8::/33", "2001:db8:8000::/33"]


def document(version: int = 7, **sections: t.Sequence[str]) -> Document:
    """A document of sections that have these prefixes, IPv4 alone."""
    found = {name: Section(name, tuple(cidrs), (), {}) for name, cidrs in sections.items()}
    return Document("https://ip-ranges.example.test/", version, MODIFIED, found)


def test_all_that_a_section_publishes_counts_by_location_or_not() -> None:
    section = Section("synthetics", ("192.0.2.1/32",), ("2001:db8::/48",), {"aws:x": ("192.0.2.2/32",)})
    found = addresses_of(Document("file:///x", 1, MODIFIED, {"synthetics": section}))
    assert found == {"synthetics": ["192.0.2.1/32", "2001:db8::/48", "192.0.2.2/32"]}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["192.0.2.0/24"], ["192.0.2.128/25", "192.0.2.0/25"]),
        (["192.0.2.0/24", "192.0.2.0/25"], ["192.0.2.0/24"]),
        (["2001:db8::/32"], ["2001:db8:8000::/33", "2001:db8::/33"]),
    ],
)
def test_another_spelling_is_no_change(old: list[str], new: list[str]) -> None:
    assert changes({"agents": old}, {"agents": new}) == {}


def test_what_came_and_what_went_is_told_by_section() -> None:
    old = {"agents": ["192.0.2.0/24"], "api": ["198.51.100.0/24"], "apm": ["203.0.113.0/24"]}
    new = {"agents": ["192.0.2.0/25", "2001:db8::/32"], "api": ["198.51.100.0/24"], "logs": ["203.0.113.0/24"]}
    assert changes(old, new) == {
        "agents": Change(("2001:db8::/32",), ("192.0.2.128/25",)),
        "apm": Change((), ("203.0.113.0/24",)),
        "logs": Change(("203.0.113.0/24",), ()),
    }


def test_a_section_without_addresses_that_goes_is_a_change() -> None:
    assert changes({"agents": [], "api": []}, {"agents": []}) == {"api": Change((), ())}


@given(st.lists(st.sampled_from(SMALL)), st.lists(st.sampled_from(SMALL)))
def test_what_went_and_what_came_lead_from_the_one_to_the_other(old: list[str], new: list[str]) -> None:
    found = changes({"agents": old}, {"agents": new}).get("agents", Change((), ()))
    there = {"agents": [*new, *found.removed]}
    assert changes(there, {"agents": [*old, *found.added]}) == {}
    assert changes({"agents": found.added}, {"agents": []}).get("agents", Change((), ())).removed == found.added


@pytest.mark.parametrize(
    ("old", "new", "share"),
    [
        (["192.0.2.0/24"], ["192.0.2.0/25"], 0.5),
        (["192.0.2.0/24"], ["192.0.2.0/24", "198.51.100.0/24"], 0.0),
        ([], [], 0.0),
        (["192.0.2.0/24"], [], 1.0),
    ],
)
def test_a_document_may_lose_as_much_as_is_allowed(old: list[str], new: list[str], share: float) -> None:
    check_succession(document(agents=old), document(8, agents=new), max_shrink=share, allow_older=False)


@pytest.mark.parametrize(
    ("new", "lost"),
    [
        ({"agents": ["192.0.2.0/26"]}, "75 % (192.0.2.64/26 is one of 2 networks)"),
        ({"agents": ["198.51.100.0/24"]}, "all (192.0.2.0/24 is one of 1 networks)"),
        ({"api": ["192.0.2.0/24"]}, "all (192.0.2.0/24 is one of 1 networks)"),
    ],
)
def test_a_document_that_lost_a_part_is_refused(new: dict[str, list[str]], lost: str) -> None:
    with pytest.raises(DocumentError) as caught:
        check_succession(document(agents=["192.0.2.0/24"]), document(8, **new), max_shrink=0.5, allow_older=False)
    assert str(caught.value) == (
        "The document at https://ip-ranges.example.test/ is refused: of the IPv4 addresses that section 'agents' had "
        f"in version 7, it drops {lost}, more than max_shrink, which is 0.5."
    )


def test_ipv6_can_not_make_up_for_what_ipv4_lost() -> None:
    old = Section("agents", ("192.0.2.0/24",), ("2001:db8::/32",), {})
    new = Section("agents", (), ("2001:db8::/32",), {})
    before, after = (
        Document("https://x.test/", version, MODIFIED, {"agents": section}) for version, section in ((7, old), (8, new))
    )
    with pytest.raises(
        DocumentError, match="of the IPv4 addresses that section 'agents' had in version 7, it drops all"
    ):
        check_succession(before, after, max_shrink=0.5, allow_older=False)


@pytest.mark.parametrize("version", [7, 8])
def test_the_same_or_a_newer_version_may_follow(version: int) -> None:
    check_succession(document(7, agents=[]), document(version, agents=[]), max_shrink=0, allow_older=False)


def test_an_older_version_may_follow_only_if_that_is_allowed() -> None:
    check_succession(document(7, agents=[]), document(6, agents=[]), max_shrink=0, allow_older=True)
    with pytest.raises(DocumentError, match="its version 6 is older than 7, the last good one's; set allow_older if"):
        check_succession(document(7, agents=[]), document(6, agents=[]), max_shrink=0, allow_older=False)
