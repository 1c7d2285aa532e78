#!/usr/bin/python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_firewall
short_description: Put a set of flows, and nothing else, into the host's own firewall
version_added: 0.1.0
description:
  - Brings the firewall of a host to exactly the flows it is given, in one call, whatever their number.
  - Rules made by this module carry a comment that names their flow. A rule of anybody else is never changed, moved
    or removed; what such a rule overrules is returned as RV(shadowed).
  - A step that fails takes back those before it, so that all of a change takes effect or none of it.
  - An inbound flow that is denied is denied to everybody but this host itself, whose traffic to itself crosses the
    interface C(lo) alone. Connections that are already open are not cut.
author:
  - netwall.datadog authors (!UNKNOWN)
requirements:
  - Nothing but Python 3.8 or later on the managed host.
options:
  flows:
    description:
      - The flows that the firewall shall have, as RV(netwall.datadog.traffic_policy#lookup:_raw) returns them.
      - An allowed flow beats a denied one of the same direction, protocol and port.
      - Required with O(state=present).
    type: list
    elements: dict
    suboptions:
      id:
        description: Names the flow in rules and results; lower-case words and digits, joined by hyphens.
        type: str
        required: true
      direction:
        description: Whether connections are opened from this host or to it.
        type: str
        required: true
        choices: [outbound, inbound]
      action:
        description: What happens to them.
        type: str
        default: allow
        choices: [allow, deny]
      protocol:
        description: Their protocol.
        type: str
        required: true
        choices: [tcp, udp]
      port:
        description: The port that they go to, from 1 to 65535.
        type: int
        required: true
      networks:
        description: The remote networks as CIDRs. Write both V(0.0.0.0/0) and V(::/0) for anywhere.
        type: list
        elements: str
        required: true
      purpose:
        description: One line that tells a person what the flow is for.
        type: str
        default: ''
      section:
        description: The section of the published address ranges that the networks come from.
        type: str
      destinations:
        description: The names that the flow leads to.
        type: list
        elements: str
        default: []
  state:
    description:
      - With V(present) the firewall has O(flows), with V(absent) no trace of this module.
      - V(absent) first switches off a firewall that O(enable) switched on, and only then removes rules, so that the
        rule that lets you in never goes while the firewall stays.
    type: str
    default: present
    choices: [present, absent]
  backend:
    description:
      - The firewall to use. V(auto) takes the one that the host has.
    type: str
    default: auto
    choices: [auto, ufw]
  enable:
    description:
      - Switch the firewall on if it is off. Without it a firewall that is off is an error.
      - A firewall that comes on refuses whatever comes in and has no rule that allows it.
    type: bool
    default: false
  management:
    description:
      - Keep the connection that the play came in on.
      - A rule is added only where the connection needs one. A firewall that this module switches on gets a rule for
        its port, and one for the replies of the session that is open where they would be refused.
    type: bool
    default: true
  management_networks:
    description:
      - The networks from which the port of the management connection is allowed, as CIDRs.
      - If not set, a rule that is needed allows it from anywhere, because addresses may be translated on the way.
        If set, these networks are always allowed.
    type: list
    elements: str
    default: []
  precedence:
    description:
      - Whose rules are judged first. With V(theirs) all rules of others stay in force, and a flow that they overrule
        is returned as RV(shadowed).
    type: str
    default: theirs
    choices: [theirs, ours]
  crosses_network:
    description:
      - Whether the connection of the play crosses a network. Filled in by the action plugin; setting it has no effect.
    type: bool
    default: false
attributes:
  check_mode:
    description: Predicts what the run would then do.
    support: full
  diff_mode:
    description: Shows rules, not files.
    support: full
  platform:
    description: Hosts that this was tested on; see the collection's README.
    support: full
    platforms: Debian
seealso:
  - plugin: netwall.datadog.traffic_policy
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: The firewall allows what the Datadog Agent needs
  netwall.datadog.host_firewall:
    flows: "{{ lookup('netwall.datadog.traffic_policy', site='datadoghq.eu', products=['metrics', 'logs']).flows }}"
    enable: true

- name: Nothing of it is left
  netwall.datadog.host_firewall:
    state: absent
"""

RETURN = r"""
backend:
  description: The firewall that was used; V(none) if there is none on a host that shall have no flows.
  type: str
  returned: success
  sample: ufw
added:
  description: The ids of the flows that gained rules, new ones included.
  type: list
  elements: str
  returned: success
  sample: [logs-tcp-443-out]
removed:
  description: The ids of the flows that lost rules; one whose networks changed may be in RV(added), too.
  type: list
  elements: str
  returned: success
unchanged:
  description: The ids of the flows whose rules stayed as they were.
  type: list
  elements: str
  returned: success
shadowed:
  description: The ids of the flows that a rule of somebody else overrules, at least for a part of their traffic.
  type: list
  elements: str
  returned: success
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError, Request
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.choice import reconcile
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import Session, find_session
from ansible_collections.netwall.datadog.plugins.module_utils._flow import (
    FLOW_OPTIONS,
    Flow,
    FlowError,
    merge,
    sort_networks,
)

ARGUMENT_SPEC = {
    "flows": {"type": "list", "elements": "dict", "options": FLOW_OPTIONS},
    "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
    "backend": {"type": "str", "default": "auto", "choices": ["auto", "ufw"]},
    "enable": {"type": "bool", "default": False},
    "management": {"type": "bool", "default": True},
    "management_networks": {"type": "list", "elements": "str", "default": []},
    "precedence": {"type": "str", "default": "theirs", "choices": ["theirs", "ours"]},
    "crosses_network": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC, required_if=[("state", "present", ["flows"])], supports_check_mode=True
    )
    try:
        if os.geteuid() != 0:
            raise FirewallError("Only root can see and change the firewall; set 'become: true'.")
        backend, outcome = reconcile(module.params["backend"], _request(module.params), module.check_mode)
    except (FlowError, FirewallError) as error:
        module.fail_json(msg=str(error))
    for warning in outcome.warnings:
        module.warn(warning)
    if outcome.shadowed:
        module.warn(
            f"Rules of others, which are judged first, overrule at least a part of {', '.join(outcome.shadowed)}."
        )
    module.exit_json(
        changed=outcome.changed,
        backend=backend,
        added=list(outcome.added),
        removed=list(outcome.removed),
        unchanged=list(outcome.unchanged),
        shadowed=list(outcome.shadowed),
        **({"diff": {"before": _lines(outcome.before), "after": _lines(outcome.after)}} if module._diff else {}),
    )


def _request(params: dict[str, t.Any]) -> Request:
    return Request(
        flows=tuple(merge(Flow.from_dict(flow) for flow in params["flows"] or [])),
        state=params["state"],
        enable=params["enable"],
        management=params["management"],
        management_networks=sort_networks(params["management_networks"]),
        precedence=params["precedence"],
        session=_session(params),
    )


def _session(params: dict[str, t.Any]) -> Session | None:
    session = find_session() if params["management"] else None
    if params["management"] and not session and params["crosses_network"] and params["state"] == "present":
        raise FirewallError(
            "The connection that this play came in on can't be found among this host's processes, so it can't be kept; "
            "set 'management: false' if you have another way in."
        )
    return session


def _lines(rules: tuple[str, ...]) -> str:
    return "".join(f"{rule}\n" for rule in rules)


if __name__ == "__main__":
    main()
