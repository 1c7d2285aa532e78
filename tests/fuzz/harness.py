#!/usr/bin/env python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One target under atheris: what libFuzzer starts, and what reproduces a finding.

harness.py document|selection|query [-runs=N] [other options of libFuzzer] [FOLDER OR FILE ...]
"""

from __future__ import annotations

import importlib
import sys
import typing as t

COLLECTION = "ansible_collections.netwall.datadog"
PRIVATE = f"{COLLECTION}.plugins.plugin_utils._ip_ranges"
# What is instrumented leads the way and costs time: only what a target is about.
INSTRUMENTED = {
    "document": (f"{PRIVATE}.document",),
    "selection": (f"{PRIVATE}.selection", f"{PRIVATE}.options"),
    "query": ("jmespath", f"{PRIVATE}.selection"),
}
# These would be, too, if they were imported for the first time by one of those.
OTHERS = ("module_utils._flow", "plugin_utils._ip_ranges.errors", "plugin_utils._ip_ranges.source")


def main(name: str, arguments: list[str]) -> None:
    """Run the target *name* by libFuzzer's *arguments*; never returns."""
    # Not on every platform, and without types.
    atheris: t.Any = importlib.import_module("atheris")
    for other in OTHERS:
        importlib.import_module(f"{COLLECTION}.plugins.{other}")
    if name != "document":
        importlib.import_module(f"{PRIVATE}.document")
    # It takes the first part of a name for the whole: what is imported in this block is instrumented.
    with atheris.instrument_imports(include=list(INSTRUMENTED[name])):
        for module in INSTRUMENTED[name]:
            importlib.import_module(module)
    targets = importlib.import_module(f"{COLLECTION}.tests.fuzz.targets")
    atheris.Setup([name, *arguments], getattr(targets, f"check_{name}"))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
