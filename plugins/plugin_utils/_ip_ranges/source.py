# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""From a URL to bytes: over HTTPS, or from a file. Judges no content."""

from __future__ import annotations

import os
import re
import stat
import urllib.parse

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import IpRangesError

# Bytes. The documents published so far have less than 100 KiB.
_LARGEST = 8 * 1024 * 1024

_HOST_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)", re.IGNORECASE)
_LONGEST_SITE = 240  # a host name has at most 253 characters, ours 10 more than the site


class SourceError(IpRangesError):
    """The document cannot be had; the text names the URL, without what may be secret in it, and the fault."""


def url_of_site(site: str) -> str:
    """Where Datadog publishes the address ranges of *site* (``datadoghq.com``); raises :class:`SourceError`."""
    labels = site.split(".")
    is_address = labels[-1].isdigit()
    if len(site) > _LONGEST_SITE or is_address or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise SourceError(f"The site {site!r} is not a host name; write one such as us3.datadoghq.com.")
    return f"https://ip-ranges.{site.lower()}/"


def check_url(url: str) -> None:
    """Raise :class:`SourceError` unless *url* is ``https://HOST…`` or ``file:///PATH``."""
    try:
        parts = urllib.parse.urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise SourceError(f"The url {shown(url)} is malformed; write https://HOST/PATH or file:///PATH.") from None
    is_https = parts.scheme == "https" and has_host and not re.search(r"\s", url)
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


def fetch(url: str, *, ca_path: str | None, timeout: float, retries: int) -> bytes:
    """The bytes at *url*, at most 8 MiB; raises :class:`SourceError`.

    *ca_path* is a file or folder of CA certificates that are trusted in place of the system's. *timeout* (seconds)
    limits the wait for a connection and for each part of the answer, three times as much a whole attempt. After a
    fault that may pass (no connection, time-out, status 5xx or 429) there are *retries* more attempts.
    """
    check_url(url)
    if url.lower().startswith("file:"):
        return _read(url)
    # Only here, where it is needed: it brings httpx.
    from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import https  # noqa: PLC0415

    try:
        return https.download(url, ca_path=ca_path, timeout=timeout, retries=retries, largest=_LARGEST)
    except https.DownloadError as error:
        raise SourceError(f"{shown(url)} cannot be read: {error}.") from None


def _read(url: str) -> bytes:
    path = os.fsdecode(urllib.parse.unquote_to_bytes(urllib.parse.urlsplit(url).path))
    try:
        # Opening a pipe or a device could wait for ever.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise SourceError(f"{shown(url)} cannot be read: it is not a regular file.")
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise SourceError(f"{shown(url)} cannot be read: {error.strerror}.") from None
    if len(data) > _LARGEST:
        raise SourceError(f"{shown(url)} cannot be read: it has more than {_LARGEST >> 20} MiB.")
    return data
