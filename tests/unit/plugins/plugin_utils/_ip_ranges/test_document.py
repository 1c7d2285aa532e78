# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is taken as Datadog's document, and what is not."""

from __future__ import annotations

import datetime
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import (
    DocumentError,
    Section,
    parse,
)

URL = "https://ip-ranges.example.test/"
SECTION: dict[str, t.Any] = {"prefixes_ipv4": ["192.0.2.0/24"], "prefixes_ipv6": ["2001:db8::/32"]}
DOCUMENT: dict[str, t.Any] = {"version": 47, "modified": "2022-01-25-20-00-00", "agents": SECTION}


def fault(data: bytes) -> str:
    """What is said about a document that must be refused, without its beginning and its full stop."""
    with pytest.raises(DocumentError) as caught:
        parse(data, URL)
    before, said, after = str(caught.value).partition(f"The document at {URL} is refused: ")
    assert said
    assert not before
    assert after.endswith(".")
    return after[:-1]


def fault_with(**changes: t.Any) -> str:
    """The same about DOCUMENT with some keys changed."""
    return fault(json.dumps({**DOCUMENT, **changes}).encode())


def fault_in_section(**changes: t.Any) -> str:
    """The same about DOCUMENT with some keys of the section `agents` changed."""
    return fault_with(agents={**SECTION, **changes})


def test_a_document_of_the_published_shape() -> None:
    document = parse(json.dumps(DOCUMENT).encode(), URL)
    assert document.url == URL
    assert document.version == 47
    assert document.modified == datetime.datetime(2022, 1, 25, 20, tzinfo=datetime.UTC)
    assert document.sections == {"agents": Section("agents", ("192.0.2.0/24",), ("2001:db8::/32",), {})}


def test_locations_hold_the_prefixes_of_both_families() -> None:
    by_location = {
        "prefixes_ipv4_by_location": {"aws:eu-west-1": ["192.0.2.0/25"], "azure:eastus": ["192.0.2.128/25"]},
        "prefixes_ipv6_by_location": {"aws:eu-west-1": ["2001:db8:1::/48"]},
    }
    document = parse(json.dumps({**DOCUMENT, "synthetics": {**SECTION, **by_location}}).encode(), URL)
    assert document.sections["synthetics"].by_location == {
        "aws:eu-west-1": ("192.0.2.0/25", "2001:db8:1::/48"),
        "azure:eastus": ("192.0.2.128/25",),
    }


def test_a_section_that_is_not_known_is_kept() -> None:
    assert "agents-of-tomorrow" in parse(json.dumps({**DOCUMENT, "agents-of-tomorrow": SECTION}).encode(), URL).sections


def test_what_the_document_may_grow_is_ignored() -> None:
    grown = {**DOCUMENT, "comment": "text", "sites": [1, 2], "agents": {**SECTION, "asn": 64496}}
    assert parse(json.dumps(grown).encode(), URL) == parse(json.dumps(DOCUMENT).encode(), URL)


def test_prefixes_keep_their_order_and_become_canonical() -> None:
    prefixes = {"prefixes_ipv4": ["203.0.113.0/24", "192.0.2.0/24"], "prefixes_ipv6": ["2001:0DB8:0:0::/32"]}
    section = parse(json.dumps({**DOCUMENT, "agents": prefixes}).encode(), URL).sections["agents"]
    assert (section.ipv4, section.ipv6) == (("203.0.113.0/24", "192.0.2.0/24"), ("2001:db8::/32",))


def test_a_byte_order_mark_does_no_harm() -> None:
    assert parse(b"\xef\xbb\xbf" + json.dumps(DOCUMENT).encode(), URL).version == 47


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "it is not JSON (line 1, column 1: Expecting value)"),
        (b"<!DOCTYPE html>\n<html>", "it is not JSON (line 1, column 1: Expecting value)"),
        (b'{"version": 1,\n', "it is not JSON (line 2, column 1: Expecting property name enclosed in double quotes)"),
        (b'{"version": "\xff"}', "it is not JSON (byte 13 is not UTF-8)"),
        (b'{"version": NaN}', "it is not JSON (it has the value NaN)"),
        (b'{"version": -Infinity}', "it is not JSON (it has the value -Infinity)"),
        (b'{"version": 1, "version": 2}', "it has the key 'version' twice in one object"),
        (b'{"agents": {"a": 1, "a": 2}}', "it has the key 'a' twice in one object"),
        (b'{"version": ' + b"1" * 5000 + b"}", "it has a number that is too long"),
        (b"[" * 500_000, "it is nested too deeply"),
        (b'{"a":' * 500_000, "it is nested too deeply"),
        (b"null", "it is missing where an object with sections belongs"),
        (b"[]", "it is a list where an object with sections belongs"),
        (b'"agents"', "it is a text where an object with sections belongs"),
        (b"47", "it is a number where an object with sections belongs"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_not_a_json_object_is_refused(data: bytes, expected: str) -> None:
    assert fault(data) == expected


@pytest.mark.parametrize("value", [None, True, 47.0, "47", [47], -1])
def test_a_version_that_is_no_whole_number_is_refused(value: t.Any) -> None:
    shown = "missing" if value is None else repr(value)
    assert fault_with(version=value) == f"version is {shown} where a whole number belongs"


@pytest.mark.parametrize(
    "value",
    [
        None,
        20220125,
        "2022-01-25",
        "2022-01-25T20:00:00Z",
        "2022-13-25-20-00-00",
        "0000-01-01-00-00-00",
        "\uff12022-01-25-20-00-00",
    ],
)
def test_a_time_that_is_none_is_refused(value: t.Any) -> None:
    shown = "missing" if value is None else repr(value)
    assert fault_with(modified=value) == f"modified is {shown} where a time such as 2022-01-25-20-00-00 belongs"


def test_a_document_without_sections_is_refused() -> None:
    assert fault(b'{"version": 1, "modified": "2022-01-25-20-00-00", "x": []}') == "it has no sections"


@pytest.mark.parametrize(
    ("value", "kind"), [(None, "missing"), ([], "a list"), ("x", "a text"), (True, "a truth value")]
)
def test_a_known_section_that_is_no_object_is_refused(value: t.Any, kind: str) -> None:
    assert fault_with(webhooks=value) == f"section 'webhooks' is {kind} where an object belongs"


@pytest.mark.parametrize("key", ["prefixes_ipv4", "prefixes_ipv6"])
@pytest.mark.parametrize(("value", "kind"), [(None, "missing"), ({}, "an object"), ("192.0.2.0/24", "a text")])
def test_prefixes_that_are_no_list_are_refused(key: str, value: t.Any, kind: str) -> None:
    assert fault_in_section(**{key: value}) == f"section 'agents', {key} is {kind} where a list of CIDRs belongs"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("192.0.2.1/24", "'192.0.2.1/24' has host bits set (its network is 192.0.2.0/24)"),
        ("192.0.2.0", "'192.0.2.0' is not an IPv4 CIDR"),
        ("192.0.2.0/33", "'192.0.2.0/33' is not an IPv4 CIDR"),
        ("192.0.2.0/-1", "'192.0.2.0/-1' is not an IPv4 CIDR"),
        ("192.0.2.0/255.255.255.0", "'192.0.2.0/255.255.255.0' is not an IPv4 CIDR"),
        ("192.0.2/24", "'192.0.2/24' is not an IPv4 CIDR"),
        ("192.0.2.00/24", "'192.0.2.00/24' is not an IPv4 CIDR"),
        (" 192.0.2.0/24", "' 192.0.2.0/24' is not an IPv4 CIDR"),
        ("192.0.2.0/24\n", "'192.0.2.0/24\\n' is not an IPv4 CIDR"),
        ("2001:db8::/32", "'2001:db8::/32' is not an IPv4 CIDR"),
        ("", "'' is not an IPv4 CIDR"),
        (3232235521, "3232235521 is not an IPv4 CIDR"),
        (None, "missing is not an IPv4 CIDR"),
        (["192.0.2.0/24"], "['192.0.2.0/24'] is not an IPv4 CIDR"),
    ],
)
def test_an_ipv4_prefix_that_is_none_is_refused(value: t.Any, said: str) -> None:
    prefixes = ["198.51.100.0/24", value]
    assert fault_in_section(prefixes_ipv4=prefixes) == f"section 'agents', prefixes_ipv4, entry 2: {said}"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2001:db8::1/32", "'2001:db8::1/32' has host bits set (its network is 2001:db8::/32)"),
        ("2001:db8::", "'2001:db8::' is not an IPv6 CIDR"),
        ("2001:db8::/129", "'2001:db8::/129' is not an IPv6 CIDR"),
        ("fe80::%eth0/64", "'fe80::%eth0/64' is not an IPv6 CIDR"),
        ("192.0.2.0/24", "'192.0.2.0/24' is not an IPv6 CIDR"),
    ],
)
def test_an_ipv6_prefix_that_is_none_is_refused(value: str, said: str) -> None:
    assert fault_in_section(prefixes_ipv6=[value]) == f"section 'agents', prefixes_ipv6, entry 1: {said}"


def test_a_fault_under_a_location_names_the_location() -> None:
    said = fault_in_section(prefixes_ipv6_by_location={"aws:eu-west-1": ["x"]})
    place = "section 'agents', prefixes_ipv6_by_location, location 'aws:eu-west-1', entry 1"
    assert said == f"{place}: 'x' is not an IPv6 CIDR"


def test_locations_that_are_no_object_are_refused() -> None:
    said = fault_in_section(prefixes_ipv4_by_location=[])
    assert said == "section 'agents', prefixes_ipv4_by_location is a list where an object with locations belongs"


@pytest.mark.parametrize("name", ["", "two\nlines", "\ud800", "\x1b[31m"])
def test_a_name_that_cannot_be_printed_is_refused(name: str) -> None:
    expected = f"{name!r} is no name of a section or location"
    assert fault_with(**{name: SECTION}) == expected
    assert fault_in_section(prefixes_ipv4_by_location={name: []}) == expected


def test_a_long_entry_is_cut_in_the_message() -> None:
    assert len(fault_in_section(prefixes_ipv4=["1" * 100_000])) < 200


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["192.0.2.0/24", "::/0"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(sorted(SECTION)), inner),
    max_leaves=20,
)
_ALMOST = st.fixed_dictionaries(
    {}, optional={"version": _JSON, "modified": _JSON | st.just("2022-01-25-20-00-00"), "agents": _JSON, "x": _JSON}
)


@given(st.binary() | (_JSON | _ALMOST).map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_a_document_or_one_sentence(data: bytes) -> None:
    try:
        parse(data, URL)
    except DocumentError as error:
        said = str(error)
        assert said.isprintable()
        assert said.startswith(f"The document at {URL} is refused: ")
        assert said.endswith(".")
