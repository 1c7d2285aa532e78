# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: which names are none that there are, and which was meant."""

from __future__ import annotations

DOCUMENTATION = r"""
name: unknown_options
short_description: Names that are misspelt, and what was meant
version_added: 0.1.0
author:
  - the netwall.datadog authors (!UNKNOWN)
description:
  - Finds out of names those that are not known, and for each of these the known one that is most like it.
  - A role can refuse variables by it that it does not have, which would be passed over in silence otherwise.
positional: known
options:
  _input:
    description:
      - The names that somebody used.
    type: list
    elements: str
    required: true
  known:
    description:
      - The names that there are.
    type: list
    elements: str
    required: true
  prefix:
    description:
      - What all of the names begin with, so that it tells nothing of how much they are alike.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what is no option, and what was meant
  ansible.builtin.debug:
    msg: "{{ ['web_port', 'web_adress', 'web_zzz'] | netwall.datadog.unknown_options(['web_port', 'web_address'],
      prefix='web_') }}"

- name: Refuse variables that nothing reads
  ansible.builtin.assert:
    that: unknown | length == 0
    fail_msg: "There is no {{ unknown | join(', ') }}."
  vars:
    known: [web_port, web_address]
    unknown: "{{ query('ansible.builtin.varnames', '^web_') | netwall.datadog.unknown_options(known, prefix='web_') }}"
"""

RETURN = r"""
_value:
  description:
    - The unknown names in their order, each with the known one that was probably meant; with an empty text where none
      is like it.
  type: dict
  sample: {web_adress: web_address, web_zzz: ""}
"""

import difflib
import typing as t

from ansible.errors import AnsibleFilterError


def unknown_options(names: t.Any, known: t.Any, *, prefix: str = "") -> dict[str, str]:
    """What is unknown of *names*, see DOCUMENTATION."""
    for what, value in (("input", names), ("known names", known)):
        if not isinstance(value, list):
            raise AnsibleFilterError(f"The {what} of unknown_options: a list is needed, not {type(value).__name__}.")
    stems = {str(name).removeprefix(prefix): str(name) for name in known}
    found = {}
    for name in map(str, names):
        if name not in stems.values():
            alike = difflib.get_close_matches(name.removeprefix(prefix), stems, n=1)
            found[name] = stems[alike[0]] if alike else ""
    return found


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Give them by name."""
        return {"unknown_options": unknown_options}
