# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking for a secret in all the forms in which it could leak.

A secret is known plain, as UTF-16, URL-encoded (in part or more than once, too), escaped, in hexadecimal digits, and as
what base64 makes of these, whatever stands before it. What is packed is looked into, also where base64 hides it.
"""

from __future__ import annotations

import base64
import bz2
import io
import lzma
import re
import subprocess
import typing as t
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, quote_plus

# Lines that base64 was broken into are put together, whether they were written or written of.
_BREAKS = (b"\n", b"\r\n", b"\\n", b"\\r\\n")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{40,}")
_DEEPEST = 8


class UnreadableError(Exception):
    """Something is packed in a way that cannot be looked into here."""


@dataclass(frozen=True)
class Secret:
    """A text that may stand nowhere, and what it is called in a report."""

    name: str
    value: str

    @cached_property
    def _forms(self) -> frozenset[bytes]:
        """What programs make of it, but for escapes."""
        quoted = quote(self.value, safe="")
        lower = re.sub("%..", lambda digits: digits[0].lower(), quoted)
        texts = {self.value, quoted, lower, quote(self.value), quote_plus(self.value)}
        coded = {text.encode(coding) for text in texts for coding in ("utf-8", "utf-16-le", "utf-16-be")}
        digits = self.value.encode().hex()
        return frozenset(coded).union([digits.encode(), digits.upper().encode()], *map(_in_base64, coded))

    @cached_property
    def _escaped(self) -> re.Pattern[bytes]:
        """The secret with any of its characters as URLs, JSON or shells may write it."""
        return re.compile(b"".join(map(_escapes, self.value.encode())))

    def is_in(self, content: bytes) -> bool:
        """Whether it stands there in any form."""
        whole = {content, *(content.replace(end, b"") for end in _BREAKS if end in content)}
        return self._escaped.search(content) is not None or any(form in text for text in whole for form in self._forms)


def _escapes(byte: int) -> bytes:
    plain, digits = re.escape(bytes([byte])), b"(?i:%02x)" % byte
    # A form has another sign for a space.
    plain = rb"[ +]" if byte == 0x20 else plain
    # Each begins with a character of its own, by which Python passes over what cannot match at once.
    return rb"(?:%b|%%(?:25)*%b|\\\\*(?:%b|u00%b|x%b))" % (plain, digits, plain, digits, digits)


def _in_base64(form: bytes) -> set[bytes]:
    """What a longer text in base64 has in it, for each place modulo three at which `form` may begin in that text."""
    found = set()
    for before in range(3):
        text = base64.b64encode(bytes(before) + form)
        # Six bits a character; those that others have a share in are left out.
        begin, end = -(-before * 8 // 6), (before + len(form)) * 8 // 6
        found |= {text[begin:end], text[begin:end].translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def found(secrets: t.Iterable[str], text: str) -> list[str]:
    """Which of the `secrets` a text has, by their numbers so that nothing tells them."""
    known = [Secret(f"secret {number}", secret) for number, secret in enumerate(secrets)]
    return names_in(text.encode(errors="surrogateescape"), known)


def names_in(content: bytes, secrets: t.Sequence[Secret]) -> list[str]:
    """The names of the secrets that stand in a content or in what is packed in it.

    Raises UnreadableError where something is packed that cannot be looked into.
    """
    parts = list(unpacked(content))
    return [secret.name for secret in secrets if any(secret.is_in(part) for part in parts)]


def unpacked(content: bytes, depth: int = 0, seen: set[bytes] | None = None) -> t.Iterator[bytes]:
    """A content, and all that is packed in it, however often; each once (`seen` are those that came before)."""
    seen = set() if seen is None else seen
    if content in seen:
        return
    seen.add(content)
    yield content
    if depth == _DEEPEST:
        raise UnreadableError(f"it is packed more than {_DEEPEST} times")
    found = [*_of_archive(content), *_of_streams(content), *_of_programs(content), *_of_base64(content)]
    # Further in it may be one line of several, or only look like it.
    if depth == 0 and content.startswith(tuple(_STREAMS)) and not any(found):
        raise UnreadableError("it is compressed and broken")
    for inner in found:
        yield from unpacked(inner, depth + 1, seen)


def _of_archive(content: bytes) -> t.Iterator[bytes]:
    """The files of a zip archive, such as modules travel in."""
    if b"PK\x03\x04" in content and zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield archive.read(name)


def _of_streams(content: bytes) -> t.Iterator[bytes]:
    """What streams hold that Python can decompress, wherever in the content they begin."""
    for magic, opened in _STREAMS.items():
        for place in _places(magic, content):
            yield _decompressed(opened(), content[place:])
    if content[:1] == b"\x78" and int.from_bytes(content[:2], "big") % 31 == 0:
        yield _decompressed(zlib.decompressobj(), content)


def _of_programs(content: bytes) -> t.Iterator[bytes]:
    """What files hold that other programs decompress."""
    for magic, program in _PROGRAMS.items():
        if content.startswith(magic):
            try:
                yield subprocess.run([program, "-dc"], input=content, check=True, capture_output=True).stdout
            except (OSError, subprocess.CalledProcessError) as error:
                raise UnreadableError(f"it is compressed and {program} cannot read it: {error}") from None


def _places(part: bytes, content: bytes) -> t.Iterator[int]:
    place = content.find(part)
    while place >= 0:
        yield place
        place = content.find(part, place + 1)


class _Decompressor(t.Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...


_STREAMS: dict[bytes, t.Callable[[], _Decompressor]] = {
    b"\x1f\x8b\x08": lambda: zlib.decompressobj(31),
    b"\xfd7zXZ\x00": lzma.LZMADecompressor,
    **{b"BZh%d1AY&SY" % level: bz2.BZ2Decompressor for level in range(1, 10)},
}
_PROGRAMS = {b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}


def _decompressed(stream: _Decompressor, content: bytes) -> bytes:
    """What comes out until the stream ends or breaks off."""
    found = b""
    try:
        for begin in range(0, len(content), 4096):
            found += stream.decompress(content[begin : begin + 4096])
    except (OSError, EOFError, lzma.LZMAError, zlib.error):
        pass
    return found


def _of_base64(content: bytes) -> t.Iterator[bytes]:
    """What runs of its characters say, where that may hold something."""
    texts = [content, *(content.replace(end, b"") for end in _BREAKS if end in content)]
    for run in {run for text in texts for run in _BASE64.findall(text)}:
        characters = run.translate(bytes.maketrans(b"-_", b"+/"))
        # One character alone holds no byte.
        whole = characters[: len(characters) - (len(characters) % 4 == 1)]
        yield base64.b64decode(whole + b"=" * (-len(whole) % 4))
