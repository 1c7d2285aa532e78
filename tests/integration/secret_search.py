#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks for a lab's secrets, its API key and its proxy's password, where none may be.

    secret_search.py --lab LAB [--host HOST …] [PATH …]

PATH is a file or folder of this machine. Of a HOST every file is looked into that was written since it was made, its
journal, and how its programs were called. Exit status 1, and a sentence on standard error for each, if there is a
secret where none may be, or none where the Agent has to have it.

What a secret may have become by then is told in tests/_secrets.py.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import subprocess
import sys
import tarfile
import typing as t
from pathlib import Path

from ansible_collections.netwall.datadog.tests._secrets import Secret, UnreadableError, names_in
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


def secrets_of(folder: Path) -> list[Secret]:
    """The secrets of the lab with that folder."""
    return [Secret(name, (folder / name).read_text(encoding="utf-8")) for name in SECRET_FILES]


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
