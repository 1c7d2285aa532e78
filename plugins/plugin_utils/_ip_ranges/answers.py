# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What a lookup answered before and would answer again, since document, options and time still allow it.

Without it each process would compile all that checks options and documents, to come to the same answer. An answer is
kept beside its document (``NAME.answer``), holds only for exactly that file, and goes when any document is kept.
"""

import contextlib
import json
import os
import time
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import folder

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.loading import Loaded

SUFFIX = ".answer"
# Somebody's options may differ from host to host.
_MOST_FILES = 1000


def recall(options: t.Mapping[str, t.Any], terms: t.Sequence[t.Any]) -> list[t.Any] | None:
    """The answer to *terms* with the raw *options*; None if it was not given before, or may not hold any more."""
    try:
        where = folder.path_of(options["cache_dir"])
        noted = json.loads(folder.read(where, _name(options, terms))[1])
        is_fresh = 0 <= time.time() - noted["checked"] < options["cache_ttl"]
        is_of_document = is_fresh and folder.read(where, noted["name"])[0] == noted["checksum"]
        answer: list[t.Any] = noted["answer"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return answer if is_of_document else None


def keep(options: t.Mapping[str, t.Any], terms: t.Sequence[t.Any], loaded: "Loaded", answer: list[t.Any]) -> None:
    """Note what the document *loaded* gave for *terms* with the raw *options*, if that may be given again."""
    if not loaded.kept or loaded.warnings:
        return
    noted = {**loaded.kept._asdict(), "answer": answer}
    # Where it can't be kept, it is found again.
    with contextlib.suppress(OSError, ValueError, TypeError):
        where = folder.path_of(options["cache_dir"])
        folder.check(where)
        if len(os.listdir(where)) < _MOST_FILES:
            folder.write(where, _name(options, terms), json.dumps(noted).encode())


def _name(options: t.Mapping[str, t.Any], terms: t.Sequence[t.Any]) -> str:
    # Who logs in to a proxy changes no answer, and shall not be guessed from a file's name.
    proxy = (options["proxy"] or "").rpartition("@")[2]
    # Another release may answer in another way: its installation changes the folder of this file.
    release = os.stat(os.path.dirname(__file__)).st_mtime_ns
    question = json.dumps([release, {**options, "proxy": proxy}, list(terms)], sort_keys=True)
    return folder.key(question) + SUFFIX
