# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The document that options point to: from the store while it is fresh, else from the server, else the last good one.

One process asks the server, and only if nobody has since it began to wait for its turn. What the server gives is kept
only after all checks, so that the store never holds less than a good document.
"""

# Without "from __future__ import annotations", which would have every field of a named tuple compiled at import.
import contextlib
import hashlib
import re
import time
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import document
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.document import Document, DocumentError, Guards
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.source import (
    Source,
    SourceError,
    is_file,
    longest,
    shown,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.store import (
    BusyError,
    Entry,
    Store,
    StoreError,
    Turn,
)

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.options import RangesOptions

# A server that goes on saying "unchanged" is believed for so many seconds, then asked for the document itself.
_LONGEST_UNCHANGED = 7 * 24 * 3600
_LOOSEST = Guards(shortest_prefix_ipv4=1, shortest_prefix_ipv6=1, max_prefixes=1_000_000, allow_reserved=True)
_SECTION_NAME = r"[a-z0-9]+(-[a-z0-9]+)*"
_UNITS = (("day", 24 * 3600), ("hour", 3600), ("minute", 60), ("second", 1))


class Kept(t.NamedTuple):
    """A file of the store, its checksum, and when the server last confirmed what is in it (seconds since 1970)."""

    name: str
    checksum: str
    checked: float


class Loaded(t.NamedTuple):
    """A checked document, its bytes, and where it came from.

    ``origin`` is ``file``, ``network`` (downloaded just now), ``cache`` (downloaded earlier, and either fresh or just
    confirmed by the server) or ``stale`` (the last good one, because there is no better). ``age`` is how many seconds
    ago the server last confirmed it, None for a file. ``warnings`` are sentences. ``kept`` is how the store has it, if
    it does.
    """

    document: Document
    data: bytes
    origin: str
    age: float | None = None
    warnings: tuple[str, ...] = ()
    kept: "Kept | None" = None

    @property
    def sha256(self) -> str:
        """The checksum of the document as it was published, in lower-case hexadecimal."""
        return _sha256(self.data)


def load(options: "RangesOptions", sections: t.Collection[str] = ()) -> Loaded:
    """The document that *options* point to, or one with at least the one section in *sections*.

    Raises :class:`IpRangesError`.
    """
    with Source(options.connection) as source:
        if is_file(options.url):
            data = t.cast("bytes", source.fetch(options.url).data)
            return Loaded(_checked(data, options.url, options), data, "file")
        loader = _Loader(options, source)
        section = _only(sections) if options.has_section_urls else None
        if section and not loader.knows(options.url):
            return loader.load_part(section)
        return loader.load(options.url)


class _Known(t.NamedTuple):
    """What the store has, and the document that it is."""

    entry: Entry
    document: Document


class _Loader:
    def __init__(self, options: "RangesOptions", source: Source) -> None:
        self._options = options
        self._source = source
        self._store = Store(options.cache_dir)

    def knows(self, url: str) -> bool:
        """Whether the store has a document of *url*, however old."""
        return self._known(url) is not None

    def load_part(self, section: str) -> Loaded:
        """A document that has at least *section*."""
        url = _part(self._options.url, section)
        try:
            loaded = self.load(url, may_lack=True)
            if section in loaded.document.sections:
                return loaded
        except SourceError as error:
            if not _is_lacking(error):
                raise
        # What the server does not have by itself, it has in the whole document, or nowhere.
        try:
            return self.load(self._options.url)
        except (SourceError, DocumentError) as error:
            return self._last_good(self._known(url), error)

    def load(self, url: str, *, may_lack: bool = False) -> Loaded:
        """The document at the https *url*; with *may_lack*, that the server does not have it is raised in any case."""
        known = self._known(url)
        if known and known.entry.age() < self._options.cache_ttl:
            return self._from_store(url, known)
        try:
            with self._store.turn(self._kept_as(url), longest(self._options.connection)) as turn:
                known = self._known(url)
                if known and (
                    known.entry.age() < self._options.cache_ttl or known.entry.is_confirmed_since(turn.began)
                ):
                    return self._from_store(url, known)
                return self._asked(url, known, turn)
        except (SourceError, DocumentError, BusyError) as error:
            if may_lack and _is_lacking(error):
                raise
            return self._last_good(known, error)

    def _from_store(self, url: str, known: _Known) -> Loaded:
        entry = known.entry
        return Loaded(known.document, entry.data, "cache", entry.age(), kept=self._kept(url, entry))

    def _known(self, url: str) -> _Known | None:
        entry = self._store.read(self._kept_as(url))
        if not entry:
            return None
        try:
            return _Known(entry, _checked(entry.data, url, self._options))
        except DocumentError:
            # Other guards may have let it in, or it was another checksum that was asked for.
            return None

    def _asked(self, url: str, known: _Known | None, turn: Turn) -> Loaded:
        """What the server says; raises what keeps us from a good document, and tells those who wait."""
        how = _fingerprint(self._options)
        failure = turn.failure(how)
        if failure:
            raise SourceError(failure.said, failure.status)
        try:
            return self._fetched(url, known)
        except (SourceError, DocumentError) as error:
            turn.note_failure(how, str(error), getattr(error, "status", None))
            raise

    def _fetched(self, url: str, known: _Known | None) -> Loaded:
        old = known.entry if known and known.entry.age("fetched") < _LONGEST_UNCHANGED else None
        fetched = self._source.fetch(
            url, etag=old.etag if old else None, last_modified=old.last_modified if old else None
        )
        now = time.time()
        if fetched.data is None and known and old:
            confirmed = old._replace(checked=now)
            return Loaded(known.document, old.data, "cache", 0.0, *self._keep(url, confirmed))
        data = fetched.data or b""
        found = _checked(data, url, self._options)
        for predecessor in [known.document] if known else [*self._unfit(url), *self._parts(url)]:
            self._check_succession(predecessor, found)
        entry = Entry(data, fetched.etag, fetched.last_modified, now, now)
        return Loaded(found, data, "network", 0.0, *self._keep(url, entry))

    def _keep(self, url: str, entry: Entry) -> tuple[tuple[str, ...], Kept | None]:
        """Keep *entry*; a good document is no worse because it can't be kept, but that has to be said."""
        try:
            return (), self._kept(url, self._store.write(self._kept_as(url), entry))
        except StoreError as error:
            return (f"{error} Until then it is fetched for every host.",), None

    def _kept(self, url: str, entry: Entry) -> Kept:
        return Kept(self._store.name_of(self._kept_as(url)), entry.checksum, entry.checked)

    def _unfit(self, url: str) -> t.Iterator[Document]:
        """The last good document by other guards than ours: not to be used, but no older one may follow on it."""
        entry = self._store.read(self._kept_as(url))
        if entry:
            with contextlib.suppress(DocumentError):
                yield document.parse(entry.data, shown(url), _LOOSEST)

    def _kept_as(self, url: str) -> str:
        # What somebody insists on may be an old document: kept apart, so that nobody else takes it for the last one.
        return url if self._options.sha256 is None else f"{url}#{self._options.sha256}"

    def _parts(self, url: str) -> t.Iterator[Document]:
        """The last good documents of single sections, where *url* is that of the whole."""
        if self._options.has_section_urls and url == self._options.url:
            for section in document.AGENT_SECTIONS + document.OTHER_SECTIONS:
                known = self._known(_part(url, section))
                if known:
                    yield known.document

    def _check_succession(self, old: Document, new: Document) -> None:
        # Only here, where it is needed: it reckons with addresses.
        from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import comparison  # noqa: PLC0415

        comparison.check_succession(
            old, new, max_shrink=self._options.max_shrink, allow_older=self._options.allow_older
        )

    def _last_good(self, known: _Known | None, error: SourceError | DocumentError | BusyError) -> Loaded:
        """The document that is *known*, if it is young enough to do where *error* keeps us from a newer one."""
        if not known:
            raise error
        age = known.entry.age()
        last = f"version {known.document.version}, which was confirmed {_ago(age)}"
        if age <= self._options.stale_if_error:
            warning = f"{error} The last good document is used in its place: {last}."
            return Loaded(known.document, known.entry.data, "stale", age, (warning,))
        allowed = f"{self._options.stale_if_error:g} seconds"
        said = f"{error} The last good document, {last}, is older than stale_if_error allows ({allowed})."
        raise SourceError(said, error.status) if isinstance(error, SourceError) else type(error)(said)


def _checked(data: bytes, url: str, options: "RangesOptions") -> Document:
    """The document that *data* is; raises :class:`DocumentError`."""
    largest = options.connection.max_size
    if len(data) > largest:  # where it comes from the store, which other options may have let it into
        raise DocumentError(
            f"The document at {shown(url)} is refused: it has more than {largest} bytes, which is what max_size is."
        )
    if options.sha256 is not None and _sha256(data) != options.sha256:
        raise DocumentError(
            f"The document at {shown(url)} is refused: its SHA-256 is {_sha256(data)}, not {options.sha256}."
        )
    return document.parse(data, shown(url), options.guards)


def _part(url: str, section: str) -> str:
    return f"{url}{section}.json"


def _is_lacking(error: Exception) -> bool:
    """Whether a server answered that it has no such document, or none for us."""
    return isinstance(error, SourceError) and error.status is not None and 400 <= error.status < 500


def _fingerprint(options: "RangesOptions") -> str:
    """What stands for all that a failure may be due to; no password can be guessed from it."""
    proxy = options.connection.proxy
    connection = options.connection._replace(proxy=None if proxy is None else shown(proxy))
    how = (*connection, *options.guards, options.sha256, options.max_shrink, options.allow_older)
    return _sha256(repr(how).encode())


def _only(sections: t.Collection[str]) -> str | None:
    """The one section that is asked for, if it is one and may be part of a URL."""
    names = list(dict.fromkeys(sections))
    is_one = len(names) == 1 and isinstance(names[0], str) and re.fullmatch(_SECTION_NAME, names[0])
    return names[0] if is_one else None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _ago(seconds: float) -> str:
    for unit, length in _UNITS:
        number = int(seconds // length) if seconds != float("inf") else 0
        if number:
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now" if seconds != float("inf") else "in the future, by this clock"
