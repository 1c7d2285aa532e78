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
  - On Windows the rules are those of Windows Firewall, in the group C(netwall.datadog). They are set by modules of
    C(ansible.windows) and C(community.windows), which have to be installed on the controller for that. A rule is a call
    of its own there, made in an order in which a run that was cut off anywhere leaves a safe state, which the next run
    completes. What can't be had on Windows is refused with a sentence.
  - Elsewhere, all of a change takes effect or none of it, whatever fails and whenever - a step, the module, its
    connection or the power. What a run that died left half done is taken back on the host within seconds, at the latest
    when it boots.
  - An inbound flow that is denied is denied to everybody but this host itself, whose traffic to itself crosses the
    interface C(lo) alone. Connections that are already open are not cut.
author:
  - netwall.datadog authors (!UNKNOWN)
requirements:
  - Nothing but Python 3.8 or later on the managed host; on Windows nothing.
  - ansible.windows and community.windows on the controller, for Windows hosts alone.
options:
  flows:
    description:
      - The flows that the firewall shall have, as RV(netwall.datadog.traffic_policy#lookup:_raw) returns them.
      - An allowed flow beats a denied one of the same direction, protocol and port.
      - Ids that begin with C(host-) or C(management-) are this module's own.
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
      - V(windows) is what every Windows host has, and no other; V(auto) takes it there. What platform a host is of is
        told by the shell of its connection, so over SSH C(ansible_shell_type) has to be set.
    type: str
    default: auto
    choices: [auto, ufw, firewalld, windows]
  enable:
    description:
      - Switch the firewall on if it is off. Without it a firewall that is off is an error.
      - A firewall that comes on refuses whatever comes in and has no rule that allows it, whatever program listens
        there. Check mode lists those programs as RV(closed_ports).
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
      - On Windows it can't be seen whether a rule is needed. There is one where O(default_outbound=deny), where this
        module switched a profile on, or where networks are set.
      - They widen what gets in and never narrow it. What a rule of yours lets in comes in from wherever that rule says.
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
      - On Windows that is the default of each profile that is on. The name servers are those of its adapters, the time
        is asked by the time service alone, and rules of others let out what they did before.
    type: str
    default: unmanaged
    choices: [unmanaged, allow, deny]
  metadata:
    description:
      - Whether the host may reach its cloud's metadata service, 169.254.169.254 and fd00:ec2::254, where
        O(default_outbound=deny).
    type: bool
    default: true
  programs:
    description:
      - On Windows the programs that allowed outbound flows are for. Nothing else on the host gains a path by them.
      - An element is the whole path of a program, without variables, or a dictionary with V(path), V(service) (the
        short name of a service), or both. A service must have an identifier of its own (C(sc.exe qsidtype)) for that to
        match.
      - The default is where Agent 7 has its programs. An empty list lets any program use the flows.
    type: list
    elements: raw
    aliases: [firewall_windows_programs]
    default:
      - C:\Program Files\Datadog\Datadog Agent\bin\agent.exe
      - C:\Program Files\Datadog\Datadog Agent\bin\agent\trace-agent.exe
      - C:\Program Files\Datadog\Datadog Agent\bin\agent\process-agent.exe
      - C:\Program Files\Datadog\Datadog Agent\bin\agent\security-agent.exe
      - C:\Program Files\Datadog\Datadog Agent\bin\agent\system-probe.exe
  programs_except:
    description:
      - The ids of outbound flows that any program may use, whatever O(programs) is.
      - The role P(netwall.datadog.agent_firewall#role) names its extra flows here.
    type: list
    elements: str
    default: []
  confirm_within:
    description:
      - A change is taken back by the host itself unless it is confirmed over a new connection within so many seconds.
        The new connection is opened by this task; nothing is left for you to do.
      - V(0), which is the default of this module and not that of the role P(netwall.datadog.agent_firewall#role), makes
        a change final at once. A connection that crosses no network can't be confirmed, and needs V(0).
      - At most V(3600). A network over which a new connection takes long wants more than V(60).
      - Refused on Windows, unless O(confirm_if_supported=true).
    type: int
    default: 0
  confirm_if_supported:
    description:
      - Makes a change final at once on Windows, where none can be confirmed, instead of refusing O(confirm_within).
      - For tasks that are the same for all hosts. RV(transaction) tells which it was.
    type: bool
    default: false
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
      - V(ours) can't be had on Windows, where a block always beats an allow, whosever it is.
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
    description: Hosts that this was tested on; see the collection's README. Windows against a twin of it alone.
    support: full
    platforms: Debian, Windows
seealso:
  - plugin: netwall.datadog.traffic_policy
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: The firewall allows what the Datadog Agent needs
  netwall.datadog.host_firewall:
    flows: "{{ lookup('netwall.datadog.traffic_policy', site='datadoghq.eu', products=['metrics', 'logs']).flows }}"
    enable: true
    confirm_within: 60

- name: Nothing but that leaves the host, and its operators come in from one network alone
  netwall.datadog.host_firewall:
    flows: "{{ lookup('netwall.datadog.traffic_policy').flows + own_flows }}"
    enable: true
    default_outbound: deny
    management_networks: [192.0.2.0/24]
    confirm_within: 60
  vars:
    own_flows:
      - id: mail-tcp-25-out
        direction: outbound
        protocol: tcp
        port: 25
        networks: [192.0.2.25]
        purpose: mail of this host's own programs
      - {id: ssh-deny, direction: inbound, action: deny, protocol: tcp, port: 22, networks: [0.0.0.0/0, "::/0"]}

- name: Over a connection that crosses no network a change is final at once
  netwall.datadog.host_firewall:
    flows: "{{ lookup('netwall.datadog.traffic_policy').flows }}"
    confirm_within: 0
  delegate_to: localhost

- name: Nothing of it is left
  netwall.datadog.host_firewall:
    state: absent
    confirm_within: 60
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
  description:
    - The ids of the flows whose rules stayed as they were.
    - A denied flow that has no rule because an allowed one overrules all of it is in none of these lists.
  type: list
  elements: str
  returned: success
shadowed:
  description:
    - The ids of the flows that a rule of somebody else overrules, at least for a part of their traffic.
    - Always empty on Windows, where it is not known, since no module tells the rules of others.
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
switches_on:
  description: Whether the firewall is off and would be switched on.
  type: bool
  returned: in check mode
  sample: true
flows:
  description:
    - All flows as they would be applied, of the form of O(flows) - those that were given, those that a host needs where
      outgoing traffic is denied (C(host-…)), and that of the rule that keeps the management connection
      (C(management-…)).
  type: list
  elements: dict
  returned: in check mode
closed_ports:
  description:
    - The ports that programs listen on, other than on a loopback address, and that others can reach while the firewall
      is off and could not once it is on. "Others" are addresses that no rule names.
    - Empty where the run would not switch the firewall on.
  type: list
  elements: dict
  returned: in check mode, not on Windows
  contains:
    protocol:
      description: V(tcp) or V(udp).
      type: str
    port:
      description: The port.
      type: int
    local_address:
      description: The address that the program listens on; V(0.0.0.0) and V(::) are all of them.
      type: str
    program:
      description: The program's name, empty where it can't be told.
      type: str
  sample:
    - {protocol: tcp, port: 80, local_address: 0.0.0.0, program: nginx}
refused_connections:
  description:
    - The connections that are open now and that the firewall would refuse if they were opened once this is done.
  type: list
  elements: dict
  returned: in check mode, not on Windows
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
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.connections import (
    closed_ports,
    open_connections,
    refused,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.essentials import find_essentials
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.journal import Journal
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.management import denied_in_vain, kept_flow
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
    "backend": {"type": "str", "default": "auto", "choices": ["auto", "ufw", "firewalld", "windows"]},
    "enable": {"type": "bool", "default": False},
    "default_outbound": {"type": "str", "default": "unmanaged", "choices": ["unmanaged", "allow", "deny"]},
    "metadata": {"type": "bool", "default": True},
    "management": {"type": "bool", "default": True},
    "management_networks": {"type": "list", "elements": "str", "default": []},
    "precedence": {"type": "str", "default": "theirs", "choices": ["theirs", "ours"]},
    "confirm_within": {"type": "int", "default": 0},
    "confirm_if_supported": {"type": "bool", "default": False},
    "programs": {
        "type": "list",
        "elements": "raw",
        "aliases": ["firewall_windows_programs"],
        "default": [
            r"C:\Program Files\Datadog\Datadog Agent\bin\agent.exe",
            r"C:\Program Files\Datadog\Datadog Agent\bin\agent\trace-agent.exe",
            r"C:\Program Files\Datadog\Datadog Agent\bin\agent\process-agent.exe",
            r"C:\Program Files\Datadog\Datadog Agent\bin\agent\security-agent.exe",
            r"C:\Program Files\Datadog\Datadog Agent\bin\agent\system-probe.exe",
        ],
    },
    "programs_except": {"type": "list", "elements": "str", "default": []},
    "reload": {"type": "str", "default": "careful", "choices": ["careful", "force"]},
    "document": {
        "type": "dict",
        "default": {},
        "options": {"version": {"type": "int"}, "modified": {"type": "str"}},
    },
    "crosses_network": {"type": "bool", "default": False},
    "confirm": {"type": "str"},
}


# For so long the next run waits for a change that nobody confirms, and so does the play.
_LONGEST_CONFIRMATION = 3600


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
    return _with_warnings(applied.outcome, warnings, request), more


def _predict(params: dict[str, t.Any]) -> tuple[Outcome, dict[str, t.Any]]:
    request, warnings = _request(params)
    backend = _backend(params)
    more: dict[str, t.Any] = {
        "backend": "none",
        "transaction": {},
        "switches_on": False,
        "flows": [],
        "refused_connections": [],
        "closed_ports": [],
    }
    if not backend:
        return Outcome(changed=bool(Journal().state())), more
    is_present = request.state == "present"
    switches_on = is_present and not backend.presence().is_active
    plan = transaction.predict(backend, request)
    more.update(
        backend=backend.name,
        switches_on=switches_on,
        flows=[flow.to_dict() for flow in _applied(request, plan.outcome)],
        refused_connections=refused(open_connections(), plan.lets),
        closed_ports=closed_ports(plan.lets) if switches_on else [],
    )
    return _with_warnings(plan.outcome, warnings, request), more


def _applied(request: Request, outcome: Outcome) -> list[Flow]:
    """All flows that the firewall has once this is done, the one for the management connection included."""
    kept = kept_flow(request, (*outcome.added, *outcome.unchanged))
    return [*request.flows, *([kept] if kept else [])] if request.state == "present" else []


def _backend(params: dict[str, t.Any]) -> Backend | None:
    return choose(params["backend"], params["state"], Journal().state().get("backend"), params["enable"])


def _request(params: dict[str, t.Any]) -> tuple[Request, tuple[str, ...]]:
    """What is asked for, and what has to be said about it."""
    if not 0 <= params["confirm_within"] <= _LONGEST_CONFIRMATION:
        raise FirewallError(
            f"'confirm_within' is {params['confirm_within']}; write a number of seconds from 1 to "
            f"{_LONGEST_CONFIRMATION}, or 0 for a change that is final at once."
        )
    if params["confirm_within"] and not params["crosses_network"]:
        raise FirewallError(
            "This play came in over a connection that crosses no network, so opening it anew would prove nothing; set "
            "'confirm_within: 0' (in the role: 'agent_firewall_confirm_within: 0') to make the change final at once."
        )
    if params["flows"] is None and params["state"] == "present":
        # A variable that is null by mistake must not take every rule away.
        raise FirewallError("'flows' is null; write a list, and an empty one ([]) where there shall be none.")
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
        management_networks=_management_networks(params["management_networks"]),
        precedence=params["precedence"],
        session=_session(params),
        default_outbound=params["default_outbound"],
        reload=params["reload"],
    )
    return request, warnings


def _management_networks(networks: t.Iterable[str]) -> tuple[str, ...]:
    try:
        return sort_networks(networks)
    except FlowError as error:
        raise FirewallError(f"The option management_networks is wrong: {error}") from None


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


def _with_warnings(outcome: Outcome, warnings: tuple[str, ...], request: Request) -> Outcome:
    kept = kept_flow(request, (*outcome.added, *outcome.unchanged))
    in_vain = denied_in_vain(kept, request.flows) if kept else ()
    return dataclasses.replace(outcome, warnings=(*warnings, *in_vain, *outcome.warnings))


def _lines(rules: tuple[str, ...]) -> str:
    return "".join(f"{rule}\n" for rule in rules)


if __name__ == "__main__":
    main()
