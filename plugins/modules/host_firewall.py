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
  - All of a change takes effect or none of it, whatever fails and whenever - a step, the module, its connection or the
    power. What a run that died left half done is taken back on the host within seconds, at the latest when it boots.
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
      - The firewall to use. V(auto) takes the one that is on; of several that are off, the one that comes on at boot;
        otherwise the only one that is installed. It does not guess.
    type: str
    default: auto
    choices: [auto, ufw, firewalld]
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
  default_outbound:
    description:
      - What happens to outgoing traffic that no rule names. V(unmanaged) leaves it, or puts back what stood before this
        module changed it.
      - With V(deny) the host still answers connections, talks to itself, does ICMP and IPv6 neighbour discovery, renews
        its addresses by DHCP and DHCPv6, asks the name servers and time servers that it is configured with, and reaches
        its cloud's metadata (see O(metadata)). They are flows whose id begins with C(host-). Nothing else leaves
        it but O(flows).
    type: str
    default: unmanaged
    choices: [unmanaged, allow, deny]
  metadata:
    description:
      - Whether the host may reach its cloud's metadata service, 169.254.169.254 and fd00:ec2::254, where
        O(default_outbound=deny).
    type: bool
    default: true
  confirm_within:
    description:
      - A change is taken back by the host itself unless it is confirmed over a new connection within so many seconds.
        The new connection is opened by this task; nothing is left for you to do.
      - V(0) makes a change final at once. A connection that crosses no network can't be confirmed, and needs V(0).
    type: int
    default: 0
  reload:
    description:
      - What to do where the firewall has to be reloaded, which firewalld needs for more than a change of addresses, and
        somebody's rules exist at run time only, which a reload would lose. V(careful) stops and lists them, V(force)
        goes on.
    type: str
    default: careful
    choices: [careful, force]
  document:
    description:
      - Where the flows come from. It is kept on the host beside them.
    type: dict
    default: {}
    suboptions:
      version:
        description: The version of the published document.
        type: int
      modified:
        description: When it was published.
        type: str
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
  confirm:
    description:
      - The id of a change to confirm. Used by the action plugin for its second call; nothing else is done then.
    type: str
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
transaction:
  description: How the change was made final; empty where nothing was changed.
  type: dict
  returned: success, and where a change was not confirmed
  contains:
    id:
      description: Names the change on the host.
      type: str
    confirm_within:
      description: Seconds in which it had to be confirmed, 0 if it had not.
      type: int
    state:
      description: V(committed), or V(taken back) where nobody confirmed it.
      type: str
  sample: {id: 1b4e28ba2fa143c3a37a0d3d1a1f7b0c, confirm_within: 60, state: committed}
refused_connections:
  description:
    - The connections that are open now and that the firewall would refuse if they were opened once this is done.
  type: list
  elements: dict
  returned: in check mode
  sample:
    - {direction: outbound, protocol: tcp, address: 203.0.113.7, port: 25, local_address: 192.0.2.11, program: smtp}
"""

import dataclasses
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import published, transaction, watchdog
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError, Outcome, Request
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.choice import choose
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.connections import open_connections, refused
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.essentials import find_essentials
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.journal import Journal
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import Session, find_session
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.sockets import is_own
from ansible_collections.netwall.datadog.plugins.module_utils._flow import (
    FLOW_OPTIONS,
    Flow,
    FlowError,
    merge,
    sort_networks,
)

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import Backend

ARGUMENT_SPEC = {
    "flows": {"type": "list", "elements": "dict", "options": FLOW_OPTIONS},
    "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
    "backend": {"type": "str", "default": "auto", "choices": ["auto", "ufw", "firewalld"]},
    "enable": {"type": "bool", "default": False},
    "default_outbound": {"type": "str", "default": "unmanaged", "choices": ["unmanaged", "allow", "deny"]},
    "metadata": {"type": "bool", "default": True},
    "management": {"type": "bool", "default": True},
    "management_networks": {"type": "list", "elements": "str", "default": []},
    "precedence": {"type": "str", "default": "theirs", "choices": ["theirs", "ours"]},
    "confirm_within": {"type": "int", "default": 0},
    "reload": {"type": "str", "default": "careful", "choices": ["careful", "force"]},
    "document": {
        "type": "dict",
        "default": {},
        "options": {"version": {"type": "int"}, "modified": {"type": "str"}},
    },
    "crosses_network": {"type": "bool", "default": False},
    "confirm": {"type": "str"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC, required_if=[("state", "present", ["flows"])], supports_check_mode=True
    )
    try:
        if os.geteuid() != 0:
            raise FirewallError("Only root can see and change the firewall; set 'become: true'.")
        if module.params["confirm"]:
            transaction.confirm(module.params["confirm"], module.params["state"] == "absent", find_session())
            module.exit_json(changed=False)
        run = _predict if module.check_mode else _reconcile
        outcome, more = run(module.params)
    except (FlowError, FirewallError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The host does not let us do what is needed: {error}.")
    for warning in outcome.warnings:
        module.warn(warning)
    if outcome.shadowed:
        module.warn(
            f"Rules of others, which are judged first, overrule at least a part of {', '.join(outcome.shadowed)}."
        )
    module.exit_json(
        changed=outcome.changed,
        added=list(outcome.added),
        removed=list(outcome.removed),
        unchanged=list(outcome.unchanged),
        shadowed=list(outcome.shadowed),
        **more,
        **({"diff": {"before": _lines(outcome.before), "after": _lines(outcome.after)}} if module._diff else {}),
    )


def _reconcile(params: dict[str, t.Any]) -> tuple[Outcome, dict[str, t.Any]]:
    request, warnings = _request(params)
    backend = _backend(params)
    if not backend:
        return Outcome(changed=transaction.forget()), {"backend": "none", "transaction": {}}
    within = params["confirm_within"]
    applied = transaction.reconcile(backend, request, params["document"], within)
    done = {"id": applied.id, "confirm_within": within, "state": "pending" if within else "committed"}
    more = {"backend": backend.name, "transaction": done if applied.id else {}}
    return _with_warnings(applied.outcome, warnings), more


def _predict(params: dict[str, t.Any]) -> tuple[Outcome, dict[str, t.Any]]:
    request, warnings = _request(params)
    backend = _backend(params)
    more: dict[str, t.Any] = {"backend": "none", "transaction": {}, "refused_connections": []}
    if not backend:
        return Outcome(changed=bool(Journal().state())), more
    plan = transaction.predict(backend, request)
    more.update(backend=backend.name, refused_connections=refused(open_connections(), plan.lets))
    return _with_warnings(plan.outcome, warnings), more


def _backend(params: dict[str, t.Any]) -> Backend | None:
    return choose(params["backend"], params["state"], Journal().state().get("backend"), params["enable"])


def _request(params: dict[str, t.Any]) -> tuple[Request, tuple[str, ...]]:
    """What is asked for, and what has to be said about it."""
    if params["confirm_within"] < 0:
        raise FirewallError("'confirm_within' is a number of seconds, 0 for a change that is final at once.")
    if params["confirm_within"] and not params["crosses_network"]:
        raise FirewallError(
            "This play came in over a connection that crosses no network, so opening it anew would prove nothing; set "
            "'confirm_within: 0' (in the role: 'agent_firewall_confirm_within: 0') to make the change final at once."
        )
    flows = merge(Flow.from_dict(flow) for flow in params["flows"] or [])
    denied = [(flow.protocol, flow.port) for flow in flows if (flow.direction, flow.action) == ("inbound", "deny")]
    warnings = tuple(map(published.warning, published.published_ports(denied)))
    if params["default_outbound"] == "deny" and params["state"] == "present":
        essentials = find_essentials(params["metadata"], flows, earlier=Journal().state().get("flows", ()))
        flows = merge([*flows, *essentials.flows])
        warnings += essentials.warnings
    if params["confirm_within"] and not watchdog.survives_boot():
        warnings += (watchdog.NO_BOOT_HOOK,)
    request = Request(
        flows=tuple(flows),
        state=params["state"],
        enable=params["enable"],
        management=params["management"],
        management_networks=sort_networks(params["management_networks"]),
        precedence=params["precedence"],
        session=_session(params),
        default_outbound=params["default_outbound"],
        reload=params["reload"],
    )
    return request, warnings


def _session(params: dict[str, t.Any]) -> Session | None:
    session = find_session() if params["management"] or params["confirm_within"] else None
    if params["confirm_within"] and (not session or is_own(session.address)):
        raise FirewallError(
            "The connection that this play came in on can't be found among this host's processes, or never left this "
            "host, so a new one would prove nothing; set 'confirm_within: 0' (in the role: "
            "'agent_firewall_confirm_within: 0') to make the change final at once."
        )
    if params["management"] and not session and params["crosses_network"] and params["state"] == "present":
        raise FirewallError(
            "The connection that this play came in on can't be found among this host's processes, so it can't be kept; "
            "set 'management: false' if you have another way in."
        )
    return session


def _with_warnings(outcome: Outcome, warnings: tuple[str, ...]) -> Outcome:
    return dataclasses.replace(outcome, warnings=(*warnings, *outcome.warnings))


def _lines(rules: tuple[str, ...]) -> str:
    return "".join(f"{rule}\n" for rule in rules)


if __name__ == "__main__":
    main()
