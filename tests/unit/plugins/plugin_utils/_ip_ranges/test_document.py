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

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import document
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import (
    Document,
    DocumentError,
    Guards,
    Section,
    parse,
)

URL = "https://ip-ranges.example.test/"
SECTION: dict[str, t.Any] = {"prefixes_ipv4": ["192.0.2.0/24"], "prefixes_ipv6": ["2001:db8::/32"]}
DOCUMENT: dict[str, t.Any] = {"version": 47, "modified": "2022-01-25-20-00-00", "agents": SECTION}


def believed(data: bytes, **guards: t.Any) -> Document:
    """The document; its addresses may be those of documentation unless something else is said."""
    return parse(data, URL, Guards(**{"allow_reserved": True, **guards}))


def fault(data: bytes, **guards: t.Any) -> str:
    """What is said about a document that must be refused, without its beginning and its full stop."""
    with pytest.raises(DocumentError) as caught:
        believed(data, **guards)
    before, said, after = str(caught.value).partition(f"The document at {URL} is refused: ")
    assert said
    assert not before
    assert after.endswith(".")
    return after[:-1]


def fault_with(guards: t.Mapping[str, t.Any] | None = None, **changes: t.Any) -> str:
    """The same about DOCUMENT with some keys changed."""
    return fault(json.dumps({**DOCUMENT, **changes}).encode(), **(guards or {}))


def fault_in_section(guards: t.Mapping[str, t.Any] | None = None, **changes: t.Any) -> str:
    """The same about DOCUMENT with some keys of the section `agents` changed."""
    return fault_with(guards, agents={**SECTION, **changes})


def test_a_document_of_the_published_shape() -> None:
    found = believed(json.dumps(DOCUMENT).encode())
    assert found.url == URL
    assert found.version == 47
    assert found.modified == datetime.datetime(2022, 1, 25, 20, tzinfo=datetime.UTC)
    assert found.sections == {"agents": Section("agents", ("192.0.2.0/24",), ("2001:db8::/32",), {})}


def test_locations_hold_the_prefixes_of_both_families() -> None:
    by_location = {
        "prefixes_ipv4_by_location": {"aws:eu-west-1": ["192.0.2.0/25"], "azure:eastus": ["192.0.2.128/25"]},
        "prefixes_ipv6_by_location": {"aws:eu-west-1": ["2001:db8:1::/48"]},
    }
    found = believed(json.dumps({**DOCUMENT, "synthetics": {**SECTION, **by_location}}).encode())
    assert found.sections["synthetics"].by_location == {
        "aws:eu-west-1": ("192.0.2.0/25", "2001:db8:1::/48"),
        "azure:eastus": ("192.0.2.128/25",),
    }


def test_a_section_that_is_not_known_is_kept() -> None:
    assert "agents-of-tomorrow" in believed(json.dumps({**DOCUMENT, "agents-of-tomorrow": SECTION}).encode()).sections


def test_what_the_document_may_grow_is_ignored() -> None:
    grown = {**DOCUMENT, "comment": "text", "sites": [1, 2], "agents": {**SECTION, "asn": 64496}}
    assert believed(json.dumps(grown).encode()).sections == believed(json.dumps(DOCUMENT).encode()).sections


def test_prefixes_keep_their_order() -> None:
    prefixes = {**SECTION, "prefixes_ipv4": ["203.0.113.0/24", "192.0.2.0/24"]}
    section = believed(json.dumps({**DOCUMENT, "agents": prefixes}).encode()).sections["agents"]
    assert section.ipv4 == ("203.0.113.0/24", "192.0.2.0/24")


def test_a_byte_order_mark_does_no_harm() -> None:
    assert believed(b"\xef\xbb\xbf" + json.dumps(DOCUMENT).encode()).version == 47


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
        ("2001:DB8::/32", "'2001:DB8::/32' is not in canonical form (which is 2001:db8::/32)"),
        ("2001:0db8:0:0::/32", "'2001:0db8:0:0::/32' is not in canonical form (which is 2001:db8::/32)"),
        ("2001:db8::/032", "'2001:db8::/032' is not in canonical form (which is 2001:db8::/32)"),
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


# --- Guards -----------------------------------------------------------------------------------------------------------


def guarded(cidr: str, **guards: t.Any) -> str:
    """What is said about an entry that must be refused, without its place."""
    section = {"prefixes_ipv4": [], "prefixes_ipv6": [], "prefixes_ipv6" if ":" in cidr else "prefixes_ipv4": [cidr]}
    return fault_with(guards, agents=section).partition("entry 1: ")[2]


@pytest.mark.parametrize(
    ("cidr", "shortest", "whole"),
    [
        ("0.0.0.0/0", 8, " (every address there is)"),
        ("::/0", 20, " (every address there is)"),
        ("8.0.0.0/7", 8, ""),
        ("2600::/19", 20, ""),
    ],
)
@pytest.mark.parametrize("allow_reserved", [True, False])
def test_a_prefix_that_is_too_wide_is_refused(cidr: str, shortest: int, whole: str, allow_reserved: bool) -> None:
    family = "ipv6" if ":" in cidr else "ipv4"
    assert guarded(cidr, allow_reserved=allow_reserved) == (
        f"'{cidr}' is too wide{whole}, since shortest_prefix_{family} is {shortest}"
    )


@pytest.mark.parametrize("cidr", ["8.0.0.0/8", "1.1.1.1/32", "2600::/20", "2a00:1450::/32", "2001:4860::/32"])
def test_public_prefixes_are_believed(cidr: str) -> None:
    section = {"prefixes_ipv4": [], "prefixes_ipv6": [], f"prefixes_{'ipv6' if ':' in cidr else 'ipv4'}": [cidr]}
    data = json.dumps({**DOCUMENT, "agents": section}).encode()
    assert cidr in str(believed(data, allow_reserved=False).sections)


@pytest.mark.parametrize(
    ("cidr", "why"),
    [
        ("0.1.0.0/16", "0.0.0.0/8"),
        ("10.0.0.0/8", "private"),
        ("10.1.2.3/32", "private"),
        ("100.64.0.0/10", "carriers"),
        ("100.0.0.0/8", "carriers"),
        ("127.0.0.1/32", "loopback"),
        ("169.254.169.254/32", "link-local"),
        ("172.16.0.0/12", "private"),
        ("172.0.0.0/8", "private"),
        ("172.31.255.255/32", "private"),
        ("192.0.0.0/24", "protocols"),
        ("192.168.0.0/16", "private"),
        ("192.128.0.0/9", "192."),
        ("192.88.99.1/32", "6to4"),
        ("198.18.0.0/15", "benchmarks"),
        ("203.0.113.0/24", "documentation"),
        ("203.0.0.0/16", "documentation"),
        ("224.0.0.1/32", "multicast"),
        ("239.0.0.0/8", "multicast"),
        ("240.0.0.0/8", "reserved"),
        ("255.255.255.255/32", "reserved"),
        ("::1/128", "below 2000::/3"),
        ("64:ff9b::/96", "below 2000::/3"),
        ("100::/64", "below 2000::/3"),
        ("2001::/32", "protocols"),
        ("2001:db8::/32", "documentation"),
        ("2001:d00::/24", "documentation"),
        ("2002::/20", "6to4"),
        ("3fff::/20", "documentation"),
        ("4000::/20", "above 2000::/3"),
        ("fc00::/20", "above 2000::/3"),
        ("fe80::/64", "above 2000::/3"),
        ("ff02::1/128", "above 2000::/3"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "above 2000::/3"),
    ],
)
def test_a_prefix_that_touches_what_is_not_public_is_refused(cidr: str, why: str) -> None:
    said = guarded(cidr, allow_reserved=False)
    assert why in said
    assert said.endswith(", and allow_reserved is not set")


def test_the_reserved_rows_stand_in_order_and_apart() -> None:
    for family in document.FAMILIES:
        spans = document._spans(family)
        ends = [number for first, last, _why in spans for number in (first, last)]
        assert ends == sorted(ends)
        assert len({first for first, _last, _why in spans}) == len(spans)


def test_a_flood_of_prefixes_is_refused() -> None:
    lists = {"prefixes_ipv4_by_location": {"aws:eu-west-1": ["192.0.2.0/24"], "aws:us-east-1": ["192.0.2.0/24"]}}
    assert believed(json.dumps({**DOCUMENT, "synthetics": {**SECTION, **lists}}).encode(), max_prefixes=6)
    said = fault(json.dumps({**DOCUMENT, "synthetics": {**SECTION, **lists}}).encode(), max_prefixes=5)
    assert said == "it has more than 5 prefixes, which is what max_prefixes is"


def test_a_number_without_an_end_is_refused() -> None:
    assert fault(b'{"version": 1e999}') == "it has a number that is too large"


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
        believed(data)
    except DocumentError as error:
        said = str(error)
        assert said.isprintable()
        assert said.startswith(f"The document at {URL} is refused: ")
        assert said.endswith(".")
