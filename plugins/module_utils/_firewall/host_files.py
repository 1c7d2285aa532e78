# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""A host's configuration files, read so that a missing or broken one never stops the run."""

from __future__ import annotations

import glob
import ipaddress
import os
import re

_SYSTEMD_FOLDERS = ("usr/lib/systemd", "usr/local/lib/systemd", "run/systemd", "etc/systemd")


class HostFiles:
    """The files below *root*, by their absolute paths on the host; what can't be read is told in ``warnings``."""

    def __init__(self, root: str = "/") -> None:
        self.root = root
        self.warnings: list[str] = []

    def exists(self, *paths: str) -> bool:
        """Whether one of *paths* is there."""
        return any(os.path.lexists(self._here(path)) for path in paths)

    def find(self, *patterns: str) -> list[str]:
        """The files that the shell *patterns* stand for, sorted within each."""
        return [
            os.path.join("/", os.path.relpath(path, self.root))
            for pattern in patterns
            for path in sorted(glob.glob(self._here(pattern)))
            if not os.path.isdir(path)
        ]

    def text(self, path: str) -> str:
        """The content of *path*, empty where there is none."""
        try:
            with open(self._here(path), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""
        except OSError as error:
            self.warnings.append(f"Can't read {path} ({error.strerror}), so what it names is not let out.")
            return ""

    def rows(self, path: str, comments: str = "#") -> list[list[str]]:
        """The words of each line of *path* that says something; a line or its rest after one of *comments* doesn't."""
        lines = (re.split(rf"(?:^|\s)[{re.escape(comments)}]", line)[0] for line in self.text(path).splitlines())
        return [words for words in map(str.split, lines) if words]

    def systemd_settings(self, name: str) -> dict[str, list[str]]:
        """The settings of systemd's configuration file *name* and its drop-ins, each with its words.

        As systemd reads them: a list grows with every line, and an empty line starts it anew.
        """
        main = [path for folder in _SYSTEMD_FOLDERS for path in self.find(f"/{folder}/{name}")][-1:]
        # A drop-in in a later folder takes the place of one of the same name.
        drop_ins = {
            os.path.basename(path): path
            for folder in _SYSTEMD_FOLDERS
            for path in self.find(f"/{folder}/{name}.d/*.conf")
        }
        settings: dict[str, list[str]] = {}
        for path in [*main, *(drop_ins[base] for base in sorted(drop_ins))]:
            for line in self.text(path).splitlines():
                key, equals, value = line.partition("=")
                if equals and not line.lstrip().startswith(("#", ";")):
                    words = value.split()
                    settings[key.strip()] = [*settings.get(key.strip(), []), *words] if words else []
        return settings

    def link_settings(self, key: str) -> list[str]:
        """What systemd-networkd knows of *key* for the interfaces of this host, word by word."""
        return [
            word
            for path in self.find("/run/systemd/netif/links/*")
            for line in self.text(path).splitlines()
            if line.startswith(f"{key}=")
            for word in line.partition("=")[2].split()
        ]

    def _here(self, path: str) -> str:
        return os.path.join(self.root, path.lstrip("/"))


def as_address(text: str) -> str | None:
    """*text* as a plain address, without brackets and zone; None where it is no address."""
    try:
        return str(ipaddress.ip_address(text.strip("[]").partition("%")[0]))
    except ValueError:
        return None
