# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gates that Ansible's own tools are: sanity, lint, changelog and documentation."""

from __future__ import annotations

import typing as t

from ansible_collections.netwall.datadog.tests._tool import environment, run

if t.TYPE_CHECKING:
    from pathlib import Path


def test_ansible_lint_finds_nothing_against_the_production_profile(copy: Path) -> None:
    run("ansible-lint", "--offline", cwd=copy, env=environment(copy.parents[2]))


def test_changelog_fragments_are_well_formed(copy: Path) -> None:
    run("antsibull-changelog", "lint", cwd=copy, env=environment())


def test_documentation_can_be_published(copy: Path) -> None:
    run(
        "antsibull-docs",
        "lint-collection-docs",
        "--plugin-docs",
        "--validate-collection-refs=self",
        "--disallow-unknown-collection-refs",
        copy,
        cwd=copy,
        env=environment(copy.parents[2]),
    )
