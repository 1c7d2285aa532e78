# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: what a traffic policy goes by, for a person to read."""

from __future__ import annotations

DOCUMENTATION = r"""
name: policy_values
short_description: What a traffic policy goes by, for a person to read
version_added: 0.1.0
author:
  - the netwall.datadog authors (!UNKNOWN)
description:
  - Tells the values that a policy goes by, in words, and where each is from. A proxy is told as host and port, and so
    are endpoints.
positional: chosen
options:
  _input:
    description:
      - The result of P(netwall.datadog.traffic_policy#lookup).
    type: dict
    required: true
  chosen:
    description:
      - The result of P(netwall.datadog.agent_policy_options#filter), the options of which the policy was made with.
    type: dict
    required: true
seealso:
  - plugin: netwall.datadog.agent_policy_options
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say what a policy goes by, such as 'site datadoghq.eu - datadog.yaml'
  ansible.builtin.debug:
    msg: "{{ item.label }} {{ item.text }} - {{ item.source }}"
  loop: "{{ policy | netwall.datadog.policy_values(chosen) }}"
  vars:
    agent:
      installed: true
      site: datadoghq.eu
      ports: {dogstatsd: 8135, gui: -1}
      proxy: http://192.0.2.99:3128
      sources: {site: datadog.yaml, ports: datadog.yaml, proxy: DD_PROXY_HTTPS of the service datadog-agent}
    chosen: "{{ {'products': ['metrics']} | netwall.datadog.agent_policy_options(agent, prefix='my_') }}"
    policy: "{{ lookup('netwall.datadog.traffic_policy', **chosen.options) }}"
"""

RETURN = r"""
_value:
  description: One for each option that may come from elsewhere than from the user.
  type: list
  elements: dict
  contains:
    name:
      description: The name of the option.
      type: str
    label:
      description: What it is called in words.
      type: str
    value:
      description: Its value, or null.
      type: raw
    text:
      description: Its value in words.
      type: str
    source:
      description: Where it is from.
      type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.netwall.datadog.plugins.plugin_utils._policy_options import describe


def policy_values(policy: t.Any, chosen: t.Any) -> list[dict[str, t.Any]]:
    """What *policy* goes by, see DOCUMENTATION."""
    for name, value in (("input", policy), ("choice", chosen)):
        if not isinstance(value, dict):
            raise AnsibleFilterError(f"The {name} of policy_values is a dictionary, not {type(value).__name__}.")
    if not {"options", "sources"} <= chosen.keys():
        raise AnsibleFilterError("The choice of policy_values is a result of agent_policy_options.")
    return describe(chosen["options"], chosen["sources"], policy)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Give them by name."""
        return {"policy_values": policy_values}
