# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: the options of a traffic policy, from the user, the host's Agent and others."""

from __future__ import annotations

DOCUMENTATION = r"""
name: agent_policy_options
short_description: Options of a traffic policy, from the user, the host's Agent and others
version_added: 0.1.0
author:
  - the netwall.datadog authors (!UNKNOWN)
description:
  - Works out the options of P(netwall.datadog.traffic_policy#lookup) where several say something of them, and tells
    where each comes from. Nothing is asked and nothing changed by it.
  - The user comes first, then the Agent, then O(fallbacks). Null and an empty text say nothing; an empty list says
    that there is none.
  - Ports are put together, and one of the user's comes before the same one of the Agent's.
  - Ports that the Agent's settings open to other hosts become C(unmanaged_ports), since it is not known to which.
positional: agent, fallbacks
options:
  _input:
    description:
      - What the user says, by the names of the options of P(netwall.datadog.traffic_policy#lookup).
    type: dict
    required: true
  agent:
    description:
      - What the host says of its Agent - the result of M(netwall.datadog.agent_info). Null, and the result of a task
        that was skipped or failed, say nothing.
    type: dict
  fallbacks:
    description:
      - What counts where neither says anything. For an option a list of dictionaries, each with C(value) and
        C(source), first come first served.
    type: dict
  needs_agent:
    description:
      - Whether the settings of O(agent) count only where an Agent is installed. Otherwise those count, too, that one
        has left behind, or that lie elsewhere.
    type: bool
    default: true
  prefix:
    description:
      - What stands before the name of an option in the name of the user's variable. It is for the sources alone.
    type: str
    default: ""
seealso:
  - plugin: netwall.datadog.policy_values
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what becomes of an Agent's settings where the user sets something, too
  ansible.builtin.debug:
    msg: "{{ {'ports': {'gui': 5010}} | netwall.datadog.agent_policy_options(agent, prefix='my_') }}"
  vars:
    agent:
      installed: true
      version: 7.60.0
      version_source: package
      site: datadoghq.eu
      products: [metrics, logs]
      ports: {dogstatsd: 8135}
      sources: {site: datadog.yaml, products: "as shipped, datadog.yaml", ports: datadog.yaml}

- name: Show the site where no Agent is installed
  ansible.builtin.debug:
    msg: "{{ chosen.options.site }} ({{ chosen.sources.site }})"
  vars:
    chosen: >-
      {{ {} | netwall.datadog.agent_policy_options({'installed': false, 'site': 'datadoghq.eu'},
         {'site': [{'value': '', 'source': 'DD_SITE'}, {'value': 'us3.datadoghq.com', 'source': 'inventory'}]}) }}
"""

RETURN = r"""
_value:
  description: What is to be asked of the lookup, and why.
  type: dict
  contains:
    options:
      description: The options by name, without those that nobody sets. A proxy may have a password in it.
      type: dict
    sources:
      description: Where each option comes from that may come from elsewhere than from the user.
      type: dict
    warnings:
      description: What O(agent) warns of.
      type: list
      elements: str
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.netwall.datadog.plugins.plugin_utils._policy_options import choose
from ansible_collections.netwall.datadog.plugins.plugin_utils._request import PolicyError


def agent_policy_options(
    user: t.Any,
    agent: t.Any = None,
    fallbacks: t.Any = None,
    *,
    needs_agent: bool = True,
    prefix: str = "",
) -> dict[str, t.Any]:
    """The options that count, see DOCUMENTATION."""
    for name, value in (("input", user), ("agent", agent or {}), ("fallbacks", fallbacks or {})):
        if not isinstance(value, dict):
            raise AnsibleFilterError(f"The {name} of agent_policy_options is a dictionary, not {type(value).__name__}.")
    try:
        return choose(user, agent, fallbacks or {}, prefix=prefix, needs_agent=needs_agent)._asdict()
    except PolicyError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Give them by name."""
        return {"agent_policy_options": agent_policy_options}
