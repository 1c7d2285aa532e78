# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every file of the project."""

from __future__ import annotations

import re
import sys
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

from ansible_collections.netwall.datadog.tests._tool import CACHE, ROOT, run

if t.TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = """\
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""


def traces_of_this_machine() -> Iterator[str]:
    """Give what only this machine knows: where it keeps things, and where it fetches packages from."""
    for folder in (ROOT, CACHE, Path.home()):
        # Folders of one name (/root, /src) are everybody's.
        if len(folder.parts) > 2:
            yield str(folder)
    settings = run(sys.executable, "-m", "pip", "config", "list", cwd=CACHE)
    for address in re.findall(r"\b(?:https?|file)://[^\s'\"]+", settings):
        url = urlsplit(address)
        if url.hostname not in {"pypi.org", "files.pythonhosted.org"}:
            yield url.hostname or url.path


def test_no_file_tells_of_the_machine_it_was_written_on(sources: list[Path]) -> None:
    traces = re.compile("|".join(rf"(?<![\w.-]){re.escape(trace)}(?![\w-])" for trace in set(traces_of_this_machine())))
    found = [
        f"{path}: {match[0]}"
        for path in sources
        for match in traces.finditer((ROOT / path).read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


def test_every_program_says_whose_it_is_and_under_which_licence(sources: list[Path]) -> None:
    programs = [path for path in sources if path.suffix in {".py", ".sh"} or path.name in {"Makefile", "run"}]
    without = [str(path) for path in programs if HEADER not in (ROOT / path).read_text(encoding="utf-8")[:400]]
    # An empty __init__.py holds nothing to own.
    assert [path for path in without if (ROOT / path).stat().st_size] == []


def test_lock_file_names_no_address() -> None:
    assert "://" not in (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
