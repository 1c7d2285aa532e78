# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lookup: the networks that Datadog publishes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ip_ranges
short_description: The networks that Datadog publishes
version_added: 0.1.0
author:
  - the netwall.datadog authors (!UNKNOWN)
description:
  - Reads the document of address ranges that Datadog publishes for a site, checks it, and returns the networks of the
    sections asked for as CIDRs.
  - Datadog asks to allow all addresses of a section, since only some are in use at any moment.
  - A document that is not what Datadog publishes is refused as a whole.
extends_documentation_fragment:
  - netwall.datadog.ip_ranges
  - netwall.datadog.ip_ranges.query
  - netwall.datadog.ip_ranges.lookup
options:
  _terms:
    description:
      - The names of sections, such as V(agents), V(logs) or V(webhooks).
      - Without any, every section that an Agent sends to and that the document has. These are V(agents), V(api),
        V(apm), V(logs), V(process), V(orchestrator), V(remote-configuration) and V(global).
    type: list
    elements: str
notes:
  - Call it by C(query) rather than by C(lookup). C(query) always gives a list; C(lookup) gives a text with commas
    in it, and where there is but one network something that looks like a list of one and is none.
  - The variable V(datadog_site) may be a template; it is the one that Datadog's own role uses. An empty one counts as
    not set.
seealso:
  - module: netwall.datadog.ip_ranges_info
  - name: Network Traffic
    description: Datadog's own list of what an Agent sends where.
    link: https://docs.datadoghq.com/agent/configuration/network/
"""

EXAMPLES = r"""
- name: Show every network that an Agent of the default site sends to
  ansible.builtin.debug:
    msg: "{{ query('netwall.datadog.ip_ranges') }}"

- name: Show where metrics and logs go on another site, IPv4 alone
  ansible.builtin.debug:
    msg: "{{ query('netwall.datadog.ip_ranges', 'agents', 'logs', site='us3.datadoghq.com', families=['ipv4']) }}"

- name: Show where Datadog's webhooks come from, as Datadog publishes it
  ansible.builtin.debug:
    msg: "{{ query('netwall.datadog.ip_ranges', 'webhooks', aggregate=false) }}"

- name: Show where the synthetic tests of one location come from
  ansible.builtin.debug:
    msg: "{{ query('netwall.datadog.ip_ranges', 'synthetics', locations=['aws:eu-west-1']) }}"

- name: Leave out the addresses that another rule covers
  ansible.builtin.debug:
    msg: "{{ query('netwall.datadog.ip_ranges', 'agents', exclude=['203.0.113.64/26']) }}"

- name: Pass on a list of sections
  ansible.builtin.debug:
    msg: "{{ query('netwall.datadog.ip_ranges', *sections) }}"
  vars:
    sections: [agents, apm]

- name: Ask a mirror whose certificate comes from a CA of one's own
  ansible.builtin.debug:
    msg: >-
      {{ query('netwall.datadog.ip_ranges', 'agents', url='https://mirror.example.com/datadoghq.json',
               ca_path=playbook_dir ~ '/files/mirror-ca.pem', timeout=5, retries=1) }}

- name: Read a copy that lies beside the playbook
  ansible.builtin.debug:
    msg: "{{ query('netwall.datadog.ip_ranges', 'agents', url='file://' ~ playbook_dir ~ '/files/datadoghq.json') }}"

- name: Ask through a proxy of one's own, and wait no longer than a day for a better document than the last good one
  ansible.builtin.debug:
    msg: "{{ query('netwall.datadog.ip_ranges', 'agents', proxy=the_proxy, stale_if_error=86400) }}"
  vars:
    the_proxy: "{{ lookup('ansible.builtin.env', 'HTTPS_PROXY') }}"

- name: Find something in the document itself, as it was published
  ansible.builtin.debug:
    msg: "{{ query('netwall.datadog.ip_ranges', query='[agents, logs][].prefixes_ipv4[]') }}"

- name: Find a single thing, which is the only element of the list
  ansible.builtin.debug:
    msg: "{{ query('netwall.datadog.ip_ranges', query='version') }}"

- name: Find networks, cut some out of them, and have the fewest CIDRs that cover the rest
  ansible.builtin.debug:
    msg: >-
      {{ query('netwall.datadog.ip_ranges', query='*.prefixes_ipv4[]', exclude=['203.0.113.64/26'], aggregate=true) }}

- name: Find what one location has, as if nothing else were published
  ansible.builtin.debug:
    msg: >-
      {{ query('netwall.datadog.ip_ranges', query='synthetics.prefixes_ipv4', locations=['aws:eu-west-1'],
               exclude=['192.0.2.3'], aggregate=true) }}
"""

RETURN = r"""
_raw:
  description:
    - The networks as CIDRs, each once, IPv4 first and in numerical order. It may be empty, where a section has none in
      the families asked for or where O(exclude) covers all.
    - With O(query), what the expression finds.
  type: list
  elements: raw
  sample:
    - 192.0.2.0/24
    - 2001:db8:0:b900::/56
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import answers
from ansible_collections.netwall.datadog.plugins.plugin_utils._lookup import LookupOptionsError, read_options


class LookupModule(LookupBase):
    """Options in, one document, its selection out."""

    def run(self, terms: list[str], variables: t.Any = None, **kwargs: t.Any) -> list[t.Any]:
        """The networks of the sections *terms*, or what ``query`` finds."""
        try:
            options = read_options(self, self._templar, variables, kwargs)
        except LookupOptionsError as error:
            raise AnsibleLookupError(str(error)) from None
        known = answers.recall(options, terms)
        return _found(options, terms) if known is None else known


def _found(raw: dict[str, t.Any], terms: list[str]) -> list[t.Any]:
    # Only here: ansible-core compiles each module of a collection again in each process that imports it.
    from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import (  # noqa: PLC0415
        IpRangesError,
    )
    from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.loading import load  # noqa: PLC0415
    from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.options import (  # noqa: PLC0415
        RangesOptions,
    )

    try:
        options = RangesOptions.from_mapping(raw)
        loaded = load(options, terms)
        for warning in loaded.warnings:
            Display().warning(warning)
        answer = options.select(loaded.document, terms)
    except IpRangesError as error:
        raise AnsibleLookupError(str(error)) from None
    answers.keep(raw, terms, loaded, answer)
    return answer
