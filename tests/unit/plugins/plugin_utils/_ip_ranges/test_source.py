# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which URLs are read, how they are shown, and what is read from a file."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import source
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.source import (
    SourceError,
    check_url,
    shown,
    url_of_site,
)


def fetch(url: str) -> bytes:
    """What `url` holds; no test here needs the network."""
    with source.Source(source.Connection(timeout=1, retries=0)) as opened:
        data = opened.fetch(url).data
    assert data is not None
    return data


def fault(url: str) -> str:
    """What is said about a URL that cannot be read."""
    with pytest.raises(SourceError) as caught:
        fetch(url)
    return str(caught.value)


@pytest.mark.parametrize(
    "site", ["datadoghq.com", "us3.datadoghq.com", "ddog-gov.com", "us2.ddog-gov.com", "x.test", "mirror"]
)
def test_the_document_of_a_site(site: str) -> None:
    assert url_of_site(site) == f"https://ip-ranges.{site}/"


@pytest.mark.parametrize(
    "site",
    [
        "",
        "datadoghq.com/",
        "https://datadoghq.com",
        "datadoghq.com:443",
        "user@datadoghq.com",
        "data doghq.com",
        "datadoghq..com",
        "-x.com",
        "x-.com",
        ".com",
        "192.0.2.1",
        "2001:db8::1",
        "datadoghq.com\n",
        "{{ site }}",
        "dätadoghq.com",
        "x" * 64 + ".com",
        "x." * 120 + "com",
        "datadoghq.com?x",
        "datadoghq.com#x",
    ],
)
def test_a_site_that_is_no_host_name_is_refused(site: str) -> None:
    with pytest.raises(SourceError) as caught:
        url_of_site(site)
    assert str(caught.value) == f"The site {site!r} is not a host name; write one such as us3.datadoghq.com."


@pytest.mark.parametrize(
    "url",
    [
        "https://mirror.example.com/datadoghq.json",
        "https://mirror.example.com:8443/",
        "https://user:password@mirror.example.com/?key=1",
        "HTTPS://192.0.2.1/",
        "https://[2001:db8::1]/",
        "file:///srv/mirror/datadoghq.json",
        "file:///srv/a%20b.json",
        "file:///srv/a b.json",
    ],
)
def test_a_url_that_is_accepted(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.com/", "http://example.com/ is not accepted (over http anybody on the way could change it)"),
        (
            "http://me:pw@example.com/",
            "http://***@example.com/ is not accepted (over http anybody on the way could change it)",
        ),
        ("ftp://example.com/", "ftp://example.com/ is not accepted"),
        ("example.com", "example.com is not accepted"),
        ("", " is not accepted"),
        ("https://", "https:// is not accepted"),
        ("https:///path", "https:///path is not accepted"),
        ("https://:443/", "https://:443/ is not accepted"),
        ("https://example.com:0/", "https://example.com:0/ is not accepted"),
        ("https://exa mple.com/", "https://exa mple.com/ is not accepted"),
        ("https://example.com/\n", "https://example.com/\\n is not accepted"),
        ("https://example.com:x/", "https://example.com:x/ is malformed"),
        ("https://example.com:70000/", "https://example.com:70000/ is malformed"),
        ("https://[2001:db8::1/", "https://[2001:db8::1/ is malformed"),
        ("https://me:p/w@example.com/", "https://***@example.com/ is malformed"),
        ("file://host/path", "file://host/path is not accepted"),
        ("file://relative.json", "file://relative.json is not accepted"),
        ("file:/path", "file:/path is not accepted"),
        ("file:///path?query", "file:///path?query is not accepted"),
        ("file:///path#fragment", "file:///path#fragment is not accepted"),
        ("file:///path%00", "file:///path%00 is not accepted"),
    ],
)
def test_a_url_that_is_not_accepted(url: str, said: str) -> None:
    expected = f"The url {said}; write https://HOST/PATH or file:///PATH."
    with pytest.raises(SourceError) as caught:
        check_url(url)
    assert str(caught.value) == expected
    assert fault(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com/a", "https://example.com/a"),
        ("https://user@example.com/a", "https://***@example.com/a"),
        ("https://user:password@example.com/a", "https://***@example.com/a"),
        ("https://user:p/a?s@s@example.com/a", "https://***@example.com/a"),
        ("https://example.com/a?signature=key", "https://example.com/a?***"),
        ("user:password@example.com", "***@example.com"),
        ("file:///home/user@example.com/a", "file:///home/user@example.com/a"),
        ("https://example.com/\x1b[31m", "https://example.com/\\x1b[31m"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, expected: str) -> None:
    assert shown(url) == expected


@given(st.sampled_from(["https", "http", "HTTPS", "x"]), st.text("p:/?#@%[] \n", min_size=1))
def test_no_part_of_a_password_is_ever_shown(scheme: str, password: str) -> None:
    assert "p" not in shown(f"{scheme}://u:{password}@host/a?b").removeprefix("http")


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "document.json").write_bytes(b"{}")
    assert fetch(f"file://{tmp_path}/document.json") == b"{}"


def test_a_file_with_any_name(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"a b%#?\xff.json")
    path.write_bytes(b"{}")
    assert fetch(path.as_uri()) == b"{}"


def _missing(_path: Path) -> None:
    pass


def _too_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(8 * 1024 * 1024 + 1)


def _loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_missing, "No such file or directory"),
        (Path.mkdir, "it is not a regular file"),
        (os.mkfifo, "it is not a regular file"),
        (_loop, "Too many levels of symbolic links"),
        (_too_large, "it has more than 8388608 bytes, which is what max_size is"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, make: t.Callable[[Path], object], said: str) -> None:
    path = tmp_path / "document.json"
    make(path)
    assert fault(f"file://{path}") == f"file://{path} cannot be read: {said}."


def test_a_file_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests may run as root, to whom everything is permitted.
    def refuse(*_: object) -> t.NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    assert fault("file:///document.json") == "file:///document.json cannot be read: Permission denied."


def test_a_file_of_the_largest_size(tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    with path.open("wb") as file:
        file.truncate(8 * 1024 * 1024)
    assert len(fetch(f"file://{path}")) == 8 * 1024 * 1024
