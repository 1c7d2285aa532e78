# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person may ask for as a host, and which host that is."""

from __future__ import annotations

import pytest

from ansible_collections.netwall.datadog.tests.lab.netlab.hosts import Host, placed
from ansible_collections.netwall.datadog.tests.lab.netlab.shell import LabError

H1 = Host("h1", "host", "bookworm", 11)
H2 = Host("h2", "firewalld", "trixie", 12)


@pytest.mark.parametrize(
    ("request_", "image", "release"),
    [
        ("new", "host", "bookworm"),
        ("new=trixie", "host", "trixie"),
        ("new=firewalld:", "firewalld", "bookworm"),
        ("new=firewalld:trixie", "firewalld", "trixie"),
    ],
)
def test_a_new_host_is_of_the_image_and_release_that_were_asked_for(request_: str, image: str, release: str) -> None:
    assert placed(request_, {}) == Host("new", image, release, 11)


def test_a_new_host_takes_the_first_free_place() -> None:
    assert placed("new", {"h2": H2}).number == 11
    assert placed("new", {"h1": H1, "h2": H2}).number == 13


@pytest.mark.parametrize("request_", ["h2", "h2=trixie", "h2=firewalld:trixie"])
def test_a_host_that_is_there_keeps_its_kind_and_place(request_: str) -> None:
    assert placed(request_, {"h2": H2}) == H2


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ("h1=trixie", "host h1 is there as host:bookworm, not as trixie"),
        ("internet", "every lab has its internet already"),
        ("No Name", "is no name for a host"),
        ("h-", "is no name for a host"),
    ],
)
def test_what_cannot_be_had_is_refused_with_a_sentence(request_: str, reason: str) -> None:
    with pytest.raises(LabError, match=reason):
        placed(request_, {"h1": H1})


@pytest.mark.parametrize("trait", ["disk", "dhcp"])
def test_a_new_host_has_what_was_asked_for(trait: str) -> None:
    assert getattr(placed("new", {}, **{trait: True}), trait)


@pytest.mark.parametrize("trait", ["disk", "dhcp"])
def test_a_host_that_is_there_without_what_is_asked_for_is_refused_with_a_sentence(trait: str) -> None:
    with pytest.raises(LabError, match=f"host h1 is there as host:bookworm, not as one with {trait}"):
        placed("h1", {"h1": H1}, **{trait: True})


def test_a_host_without_systemd_has_no_addresses_from_dhcp() -> None:
    with pytest.raises(LabError, match="hosts of the image sysvinit have fixed addresses"):
        placed("new=sysvinit:bookworm", {}, dhcp=True)


def test_a_full_lab_is_refused_with_a_sentence() -> None:
    hosts = {f"m{number}": Host(f"m{number}", "host", "bookworm", number) for number in range(11, 250)}
    with pytest.raises(LabError, match="the lab is full"):
        placed("new", hosts)
