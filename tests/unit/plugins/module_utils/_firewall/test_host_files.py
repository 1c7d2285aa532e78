# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration files as systemd and others read them."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.host_files import as_address
from ansible_collections.netwall.datadog.tests.unit.plugins.module_utils._firewall._host_files import Host

if t.TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_file_that_is_missing_says_nothing(host: Host) -> None:
    files = host.files
    assert files.text("/etc/resolv.conf") == ""
    assert files.warnings == []


def test_a_file_that_cannot_be_read_is_told(host: Host) -> None:
    (host.root / "etc").mkdir()
    files = host.files
    assert files.text("/etc") == ""
    assert files.warnings == ["Can't read /etc (Is a directory), so what it names is not let out."]


def test_words_end_where_a_comment_starts(host: Host) -> None:
    host.has("/a", "one two # three\n\n; four\n  five#six\n\udc80".encode("utf-8", "replace").decode())
    assert host.files.rows("/a", "#;") == [["one", "two"], ["five#six"], ["?"]]


def test_bytes_that_are_no_text_are_survived(host: Host) -> None:
    host.has("/a")
    (host.root / "a").write_bytes(b"nameserver \xff\n")
    assert host.files.rows("/a") == [["nameserver", "\ufffd"]]


def test_a_list_of_systemds_grows_and_starts_anew(host: Host) -> None:
    host.has("/etc/systemd/timesyncd.conf", "[Time]\nNTP=a b\n#NTP=x\nNTP=c\n")
    assert host.files.systemd_settings("timesyncd.conf") == {"NTP": ["a", "b", "c"]}
    host.has("/etc/systemd/timesyncd.conf.d/10.conf", "[Time]\nNTP=\nNTP=d\n")
    assert host.files.systemd_settings("timesyncd.conf") == {"NTP": ["d"]}


def test_etc_comes_before_usr(host: Host) -> None:
    host.has("/usr/lib/systemd/resolved.conf", "DNS=a\n")
    host.has("/etc/systemd/resolved.conf", "DNS=b\n")
    assert host.files.systemd_settings("resolved.conf") == {"DNS": ["b"]}


def test_a_drop_in_takes_the_place_of_one_of_its_name(host: Host) -> None:
    host.has("/usr/lib/systemd/resolved.conf.d/10.conf", "DNS=a\n")
    host.has("/run/systemd/resolved.conf.d/20.conf", "DNS=b\n")
    host.has("/etc/systemd/resolved.conf.d/10.conf", "DNS=c\n")
    assert host.files.systemd_settings("resolved.conf") == {"DNS": ["c", "b"]}


def test_what_interfaces_were_given_is_read(host: Host) -> None:
    host.has("/run/systemd/netif/links/2", "NTP=192.0.2.1 2001:db8::1\nDNS=\n")
    host.has("/run/systemd/netif/links/3", "NTP=192.0.2.2\n")
    assert host.files.link_settings("NTP") == ["192.0.2.1", "2001:db8::1", "192.0.2.2"]


@pytest.mark.parametrize(
    ("text", "address"),
    [("192.0.2.1", "192.0.2.1"), ("[2001:DB8::1]", "2001:db8::1"), ("fe80::1%eth0", "fe80::1"), ("a.example", None)],
)
def test_an_address_is_told_from_a_name(text: str, address: str | None) -> None:
    assert as_address(text) == address
