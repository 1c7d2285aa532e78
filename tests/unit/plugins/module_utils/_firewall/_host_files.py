# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's configuration, put together file by file."""

from __future__ import annotations

import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.host_files import HostFiles

if t.TYPE_CHECKING:
    from pathlib import Path


class Host:
    """Files below a folder that stands for a host's root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def has(self, path: str, text: str = "") -> None:
        """The file at *path* holds *text*."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    @property
    def files(self) -> HostFiles:
        return HostFiles(str(self.root))


def is_own(address: str) -> bool:
    """Whether *address* is one of the host's own: loopback, 192.0.2.11 and 2001:db8::11."""
    return address.startswith("127.") or address in ("::1", "192.0.2.11", "2001:db8::11")
