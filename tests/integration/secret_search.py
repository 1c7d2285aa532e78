#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks for a lab's secrets, its API key and its proxy's password, where none may be.

    secret_search.py --lab LAB [--host HOST …] [PATH …]

PATH is a file or folder of this machine. Of a HOST every file is looked into that was written since it was made, its
journal, and how its programs were called. Exit status 1, and a sentence on standard error for each, if there is a
secret where none may be, or none where the Agent has to have it.

A secret is known plain, as UTF-16, URL-encoded (in part or more than once, too), escaped, in hexadecimal digits, and as
what base64 makes of these, whatever stands before it. What is packed is looked into, also where base64 hides it.
"""

from __future__ import annotations

import argparse
import base64
import bz2
import io
import lzma
import os
import re
import subprocess
import sys
import tarfile
import typing as t
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from ansible_collections.netwall.datadog.tests.lab.netlab.hosts import INTERNET, Lab

SECRET_FILES = ("api-key", "proxy-password")
"""The files of a lab's folder that hold its secrets; there they may be."""
AGENTS_FILE = "etc/datadog-agent/datadog.yaml"
"""Where the Agent has them."""

# That file, and the copies that are made before it is changed: its owner's, and for nobody else to read.
_MAY_HOLD = re.compile(rf"{re.escape(AGENTS_FILE)}(\.[^/]+~)?")
_OWNER, _MODE = "dd-agent", 0o640
# What of a host is not in its layer over the image, as tar writes it.
_IN_MEMORY = ("tar", "-C", "/", "-cf", "-", "--ignore-failed-read", "run", "tmp", "dev/shm")
_TOLD = {
    "its journal": "! command -v journalctl >/dev/null || journalctl --output=export --all --no-pager",
    "how its programs were called": "cat /proc/[0-9]*/cmdline 2>/dev/null || :",
}
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
        texts = {self.value, quoted, lower, quote(self.value)}
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


def secrets_of(folder: Path) -> list[Secret]:
    """The secrets of the lab with that folder."""
    return [Secret(name, (folder / name).read_text(encoding="utf-8")) for name in SECRET_FILES]


# --- Content ----------------------------------------------------------------------------------------------------------


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


# --- Places -----------------------------------------------------------------------------------------------------------


def search(paths: t.Iterable[Path], secrets: t.Sequence[Secret], exempt: t.Container[Path] = ()) -> list[str]:
    """A sentence for each secret in a file at or below `paths`, or in its name; `exempt` files may hold them."""
    return [
        sentence
        for top in paths
        for path in _files(top)
        if path not in exempt
        for sentence in _judged(str(path), _content(path), secrets)
    ]


def search_host(lab: Lab, name: str, secrets: t.Sequence[Secret]) -> list[str]:
    """A sentence for each secret on a host where none may be, and for each that its Agent lacks."""
    sentences = search_layer(lab.space.folder() / "hosts" / name / "disk/upper", name, secrets)
    for what, script in _TOLD.items():
        done = subprocess.run(lab.console(name, ["sh", "-c", script]), check=True, capture_output=True)
        sentences += _judged(f"{name}: {what}", done.stdout, secrets)
    # What goes away while it is read was there for less than a moment.
    done = subprocess.run(lab.console(name, _IN_MEMORY), check=False, capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            sentences += _judged(f"{name}:/{member.name}", file.read() if file else b"", secrets)
    return sentences


def search_layer(layer: Path, name: str, secrets: t.Sequence[Secret]) -> list[str]:
    """The same for the files of a host called `name` that are not those of its image."""
    sentences = []
    for path in _files(layer):
        inside = str(path.relative_to(layer))
        if not _MAY_HOLD.fullmatch(inside):
            sentences += _judged(f"{name}:/{inside}", _content(path), secrets)
        elif not _is_the_agents_alone(path, layer):
            sentences.append(f"{name}:/{inside} is not {_OWNER}'s with mode {_MODE:04o}.")
    # A search that sees nothing would be content.
    agents = layer / AGENTS_FILE
    has = names_in(agents.read_bytes(), secrets) if agents.exists() else []
    if name != INTERNET:
        sentences += [f"{name}:/{AGENTS_FILE} lacks {one.name}." for one in secrets if one.name not in has]
    return sentences


def _is_the_agents_alone(path: Path, root: Path) -> bool:
    rows = [line.split(":") for line in (root / "etc/passwd").read_text(encoding="utf-8").splitlines()]
    numbers = {row[0]: int(row[2]) for row in rows}
    found = path.lstat()
    return found.st_uid == numbers.get(_OWNER) and found.st_mode & 0o7777 == _MODE


def _files(top: Path) -> t.Iterator[Path]:
    """All files at or below a path, links and special ones too."""
    if not top.exists():
        raise FileNotFoundError(f"there is no {top} to be searched")
    if not top.is_dir():
        yield top
    for folder, folders, names in os.walk(top):
        yield from (Path(folder, name) for name in names)
        yield from (path for path in (Path(folder, name) for name in folders) if path.is_symlink())


def _content(path: Path) -> bytes:
    """What a file holds, in its extended attributes too; where a link leads; nothing of what is gone meanwhile."""
    try:
        if path.is_symlink():
            return os.fsencode(path.readlink())
        if not path.is_file():
            return b""
        attributes = [os.getxattr(path, name) for name in os.listxattr(path)]
        return b"\n".join([path.read_bytes(), *attributes])
    except FileNotFoundError:
        return b""


def _judged(place: str, content: bytes, secrets: t.Sequence[Secret]) -> list[str]:
    try:
        return [
            f"{place} holds {name} (see SECRET_FILES)."
            for name in sorted({*names_in(content, secrets), *names_in(os.fsencode(place), secrets)})
        ]
    except UnreadableError as error:
        return [f"{place} cannot be searched: {error}."]


def main() -> None:
    """Read the command line, search, say what was found."""
    parser = argparse.ArgumentParser(description="Looks for a lab's secrets where none may be.")
    parser.add_argument("--lab", required=True)
    parser.add_argument("--host", action="append", default=[])
    parser.add_argument("path", nargs="*", type=Path)
    options = parser.parse_args()
    lab = Lab(options.lab)
    secrets = secrets_of(lab.folder)
    sentences = search(options.path, secrets, {lab.folder / name for name in SECRET_FILES})
    for host in options.host:
        sentences += search_host(lab, host, secrets)
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    sys.exit(1 if sentences else 0)


if __name__ == "__main__":
    main()
