#!/usr/bin/python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ip_ranges_info
short_description: The networks that Datadog publishes, where they come from, and what changed
version_added: 0.1.0
description:
  - Reads the document of address ranges that Datadog publishes for a site, checks it, and returns it with what is known
    about it.
  - It always runs on the controller, whatever host the task is for, and needs no connection to any.
  - For networks alone, P(netwall.datadog.ip_ranges#lookup) is shorter.
author:
  - netwall.datadog authors (!UNKNOWN)
extends_documentation_fragment:
  - netwall.datadog.ip_ranges
  - netwall.datadog.ip_ranges.query
options:
  sections:
    description:
      - The names of sections, such as V(agents), V(logs) or V(webhooks), that the results are about.
      - Without any, RV(sections) has all that the document has, and RV(networks) is about those that an Agent sends to.
    type: list
    elements: str
    default: []
  compare_to:
    description:
      - What to tell changes from. The path of a document on the controller, from the folder of the playbook unless it
        is absolute, or an earlier result of this module (or its RV(sections)).
      - A section that this does not have counts as new. Where an earlier result was about some O(sections), name the
        same ones.
    type: raw
  content:
    description:
      - Whether to return the document itself, too.
    type: bool
    default: false
attributes:
  check_mode:
    description: It changes nothing.
    support: full
  diff_mode:
    description: It changes nothing.
    support: none
  platform:
    description: The host that the task is for has no part in it.
    support: full
    platforms: all
seealso:
  - plugin: netwall.datadog.ip_ranges
    plugin_type: lookup
  - name: Network Traffic
    description: Datadog's own list of what an Agent sends where.
    link: https://docs.datadoghq.com/agent/configuration/network/
"""

EXAMPLES = r"""
- name: Read what is published for a site
  netwall.datadog.ip_ranges_info:
    site: us3.datadoghq.com
  register: ranges

- name: Show how old it is and where it came from
  ansible.builtin.debug:
    msg: "version {{ ranges.version }} of {{ ranges.modified }}, from the {{ ranges.origin }}"

- name: Read two sections, and what of them changed since the copy that lies beside the playbook
  netwall.datadog.ip_ranges_info:
    sections: [agents, logs]
    compare_to: "{{ playbook_dir }}/files/datadoghq.json"
  register: since_then

- name: Show what came and what went
  ansible.builtin.debug:
    msg: "{{ item.key }}: {{ item.value.added | join(' ') }} came, {{ item.value.removed | join(' ') }} went"
  loop: "{{ since_then.changes | dict2items }}"

- name: Read it from a mirror, exactly as it was when somebody looked at it
  netwall.datadog.ip_ranges_info:
    url: https://mirror.example.com/datadoghq.json
    sha256: "{{ lookup('ansible.builtin.file', playbook_dir ~ '/files/datadoghq.sha256') }}"
    ca_path: "{{ playbook_dir }}/files/mirror-ca.pem"
"""

RETURN = r"""
site:
  description: The site that was asked for. Where O(url) names another place, the document may be of another site.
  type: str
  returned: success
  sample: datadoghq.com
url:
  description:
    - Where the document is, without what may be secret in it. It is always the whole one, however few O(sections) are
      asked for.
  type: str
  returned: success
  sample: https://ip-ranges.datadoghq.com/
version:
  description: The version of the document.
  type: int
  returned: success
  sample: 47
modified:
  description: When it was made (UTC).
  type: str
  returned: success
  sample: "2022-01-25T20:00:00Z"
sections:
  description:
    - The sections by name, as they were published.
    - Each has the lists C(ipv4) and C(ipv6), and C(by_location), which has a list of both families for each location.
  type: dict
  returned: success
  sample:
    agents: {ipv4: [192.0.2.0/24], ipv6: ["2001:db8:0:b900::/56"], by_location: {}}
networks:
  description: What P(netwall.datadog.ip_ranges#lookup) returns for the same options.
  type: list
  elements: raw
  returned: success
  sample: [192.0.2.0/24, "2001:db8:0:b900::/56"]
origin:
  description:
    - Where the document comes from. V(network), if it was downloaded just now; V(cache), if it was earlier, and is
      either fresh or was just confirmed by the server; V(stale), if it is the last good one, for want of a better;
      V(file).
  type: str
  returned: success
  sample: cache
age:
  description: How many seconds ago the server last confirmed the document; null for a file.
  type: int
  returned: success
  sample: 840
sha256:
  description: The SHA-256 of the document at RV(url) as it was published.
  type: str
  returned: success
  sample: 5b1f0e2f5a2e53c1b6a4e5e2b8a6d7c8f9e0a1b2c3d4e5f60718293a4b5c6d7e
changes:
  description:
    - What is not as it was, by section, each as the fewest CIDRs. Addresses are compared, so that a prefix that is
      published as its two halves is no change. A section without a change is not in it.
    - Where O(sections) names some, it is about these.
  type: dict
  returned: if O(compare_to) is given
  sample:
    agents: {added: [198.51.100.0/24], removed: []}
content:
  description: The document as it was published, Base64-encoded.
  type: str
  returned: if O(content) is true
"""
