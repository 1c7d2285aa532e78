# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""From a URL to bytes: over HTTPS, or from a file. Judges no content."""

# Without "from __future__ import annotations", which would have every field of a named tuple compiled at import.
import contextlib
import os
import stat
import typing as t
import urllib.parse

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import IpRangesError

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.https import Downloads

_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_LONGEST_SITE = 240  # a host name has at most 253 characters, ours 10 more than the site


class SourceError(IpRangesError):
    """The document cannot be had; the text names the URL, without what may be secret in it, and the fault.

    ``status`` is what a server answered with, None where none did.
    """

    def __init__(self, sentence: str, status: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status


class Connection(t.NamedTuple):
    """How to fetch; the fields are options of the doc fragment ``netwall.datadog.ip_ranges``.

    ``ca_path`` is a file or folder of CA certificates that are trusted in place of the system's; ``client_cert`` and
    ``client_key`` are files. ``proxy`` is a URL, which may hold a password. ``timeout`` (seconds) limits the wait for a
    connection and for each part of the answer, three times as much a whole attempt. After a fault that may pass (no
    connection, time-out, status 5xx or 429) there are ``retries`` more attempts. ``max_size`` is in bytes, as sent and
    as unpacked.
    """

    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    proxy: str | None = None
    timeout: float = 10.0
    retries: int = 3
    max_size: int = 8 << 20
    max_redirects: int = 5

    def __repr__(self) -> str:
        """No value, since a proxy's password may be among them."""
        return f"{type(self).__name__}(…)"


class Fetched(t.NamedTuple):
    """The bytes at a URL (None: they are still those of the version that was named), and the version's names."""

    data: bytes | None
    etag: str | None = None
    last_modified: str | None = None


def url_of_site(site: str) -> str:
    """Where Datadog publishes the address ranges of *site* (``datadoghq.com``); raises :class:`SourceError`."""
    labels = site.split(".")
    is_address = labels[-1].isdigit()
    if len(site) > _LONGEST_SITE or is_address or not all(map(_is_host_label, labels)):
        raise SourceError(f"The site {site!r} is not a host name; write one such as us3.datadoghq.com.")
    return f"https://ip-ranges.{site.lower()}/"


def check_url(url: str) -> None:
    """Raise :class:`SourceError` unless *url* is ``https://HOST…`` or ``file:///PATH``."""
    try:
        parts = urllib.parse.urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise SourceError(f"The url {shown(url)} is malformed; write https://HOST/PATH or file:///PATH.") from None
    is_https = parts.scheme == "https" and has_host and not any(map(str.isspace, url))
    is_file = url.lower().startswith("file:///") and not (parts.query or parts.fragment or "%00" in url)
    if not url.isprintable() or not (is_https or is_file):
        why = " (over http anybody on the way could change it)" if parts.scheme == "http" else ""
        raise SourceError(f"The url {shown(url)} is not accepted{why}; write https://HOST/PATH or file:///PATH.")


def shown(url: str) -> str:
    """*url* as anybody may see it: without user, password and query, which may hold a key."""
    text = url if url.isprintable() else repr(url)[1:-1]
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    if scheme.lower() == "file":
        return text
    # In a password with a bare / ? or @ nobody can say where it ends: all that stands before the last @ is hidden.
    _user, has_user, rest = rest.rpartition("@")
    address, has_query, _query = rest.partition("?")
    return scheme + separator + ("***@" if has_user else "") + address + ("?***" if has_query else "")


def _is_host_label(text: str) -> bool:
    # Not by a regular expression: to compile it would take longer than all else that is asked of a site.
    return (
        text.isascii() and 0 < len(text) <= 63 and set(text.lower()) <= _HOST_CHARACTERS and text[0] != "-" != text[-1]
    )


class Source:
    """Fetches by *how*, over one connection where it can; used as a context manager."""

    def __init__(self, how: Connection) -> None:
        self._how = how
        self._stack = contextlib.ExitStack()
        self._downloads: Downloads | None = None

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def fetch(self, url: str, *, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        """The bytes at *url*, unless they are still the version that *etag* or *last_modified* name.

        Raises :class:`SourceError`.
        """
        check_url(url)
        if is_file(url):
            return Fetched(_read(url, self._how.max_size))
        # Only here, where it is needed: it brings httpx.
        from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import https  # noqa: PLC0415

        try:
            if not self._downloads:
                self._downloads = self._stack.enter_context(https.Downloads(self._how))
            return Fetched(*self._downloads.get(url, etag=etag, last_modified=last_modified))
        except https.DownloadError as error:
            raise SourceError(f"{shown(url)} cannot be read: {error}.", error.status) from None


def longest(how: Connection) -> float:
    """How many seconds a fetch by *how* may take, all attempts together, and a little more."""
    attempt = 3 * how.timeout + 8
    return (how.retries + 1) * attempt + 10


def is_file(url: str) -> bool:
    """Whether *url* names a file of the controller."""
    return url.lower().startswith("file:")


def _read(url: str, largest: int) -> bytes:
    path = os.fsdecode(urllib.parse.unquote_to_bytes(urllib.parse.urlsplit(url).path))
    try:
        # Opening a pipe or a device could wait for ever.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise SourceError(f"{shown(url)} cannot be read: it is not a regular file.")
        with open(path, "rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise SourceError(f"{shown(url)} cannot be read: {error.strerror}.") from None
    if len(data) > largest:
        raise SourceError(f"{shown(url)} cannot be read: it has more than {largest} bytes, which is what max_size is.")
    return data
