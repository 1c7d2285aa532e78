# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's world must agree with itself, or tests with packets would show what is not so."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import combinations

import pytest

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import Guards, parse
from ansible_collections.netwall.datadog.tests.lab.netlab import world

SECTIONS = [*world.INTAKES, *world.CALLERS]
OUTSIDE = [ip_network(prefix) for prefix in world.OUTSIDE]


def is_in(address: str, section: str) -> bool:
    return any(ip_address(address) in ip_network(prefix) for prefix in world.prefixes(section))


def test_no_address_is_in_two_sections() -> None:
    networks = [ip_network(prefix) for section in SECTIONS for prefix in world.prefixes(section)]
    overlaps = [
        pair for pair in combinations(networks, 2) if pair[0].version == pair[1].version and pair[0].overlaps(pair[1])
    ]
    assert overlaps == []


@pytest.mark.parametrize("section", SECTIONS)
def test_the_internet_holds_every_address_of_a_section(section: str) -> None:
    for prefix in map(ip_network, world.prefixes(section)):
        assert any(prefix[0] in held and prefix[-1] in held for held in OUTSIDE)


@pytest.mark.parametrize("place", world.ELSEWHERE)
def test_what_is_elsewhere_is_held_by_the_internet_and_in_no_section(place: str) -> None:
    address = world.ELSEWHERE[place]
    for text in (address.ipv4, address.ipv6):
        assert any(ip_address(text) in held for held in OUTSIDE)
        assert [section for section in SECTIONS if is_in(text, section)] == []


def test_the_metadata_address_is_held_by_the_internet() -> None:
    for text in (world.METADATA.ipv4, world.METADATA.ipv6):
        assert any(ip_address(text) in held for held in OUTSIDE)


def test_every_place_on_the_lan_has_a_lease_of_its_own() -> None:
    leases = [line for line in world.dnsmasq_configuration().splitlines() if line.startswith("dhcp-host=")]
    hardware = {line.partition("=")[2].partition(",")[0] for line in leases}
    assert len(hardware) == len(leases) == world.LAST_HOST - world.FIRST_HOST + 1


@pytest.mark.parametrize("section", world.INTAKES)
def test_names_of_a_section_lead_into_it(section: str) -> None:
    names = world.names()
    for label in world.INTAKES[section]:
        for site in world.SITES:
            address = names[f"{label}.{site}"]
            assert is_in(address.ipv4, section)
            assert is_in(address.ipv6, section)


def test_the_certificate_is_good_for_every_name_that_agents_call() -> None:
    certified = set(world.certificate_names())
    # These are not called over TLS.
    others = {*world.NTP_NAMES, *(f"{label}.datadoghq.com" for label in world.DOWNLOADS)}
    called = {name for name in world.names() if name not in others}
    called |= {f"{label}.{site}" for label in ("7-60-0-app.agent", "agent-http-intake.logs") for site in world.SITES}
    assert {
        name for name in called if name not in certified and f"*.{name.partition('.')[2]}" not in certified
    } == set()


def test_the_collection_reads_the_lab_s_document() -> None:
    published, url = world.ip_ranges_files()["index.json"].encode(), world.description()["ip_ranges_url"]
    document = parse(published, url, Guards(allow_reserved=True))
    assert set(document.sections) == set(SECTIONS)
    assert set(document.sections["synthetics"].by_location) == set(world.LOCATIONS)


def test_a_folder_with_spaces_and_percent_signs_reaches_ssh_whole() -> None:
    text = world.ssh_configuration("/my copy/100%", {"h1": world.on_lan(11)})
    # ssh_config(5): percent signs start a token, quotes hold an argument together.
    assert 'IdentityFile "/my copy/100%%/key"' in text
