#!/usr/bin/python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: addresses_info
short_description: What a host resolves names to
version_added: 0.1.0
description:
  - Asks the host's own resolver, with its file of hosts and its order of name services, for the addresses of names.
    A name may mean other addresses to a host than to the controller.
  - On Windows it is asked by a short script that C(ansible.windows.win_powershell) runs, since no module there
    resolves names.
author:
  - netwall.datadog authors (!UNKNOWN)
options:
  names:
    description:
      - The names.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    description: It changes nothing.
    support: full
  diff_mode:
    description: It changes nothing.
    support: none
  platform:
    description: Windows needs the collection C(ansible.windows) on the controller.
    support: full
    platforms: posix, windows
notes:
  - Addresses of a family that the host itself has no address of may be missing.
seealso:
  - plugin: netwall.datadog.traffic_policy
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Ask the host where its proxy is
  netwall.datadog.addresses_info:
    names: [localhost]
  register: proxy

- name: Show it
  ansible.builtin.debug:
    msg: "{{ proxy.addresses.localhost | join(', ') }}"
"""

RETURN = r"""
addresses:
  description:
    - The addresses of each name, IPv4 and IPv6, without zones, in the order in which the host tells them. For a name
      that does not resolve there are none.
  type: dict
  returned: success
  sample: {proxy.example.com: [192.0.2.7, "2001:db8::7"], nowhere.example.com: []}
"""


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netwall.datadog.plugins.module_utils._names import ARGUMENT_SPEC, fault, resolve


def main() -> None:
    """Resolve each name."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    names = module.params["names"]
    msg = fault(names)
    if msg:
        module.fail_json(msg=msg)
    module.exit_json(changed=False, addresses={name: resolve(name) for name in names})


if __name__ == "__main__":
    main()
