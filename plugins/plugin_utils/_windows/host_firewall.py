# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""host_firewall on a Windows host: its options as a request, modules of other collections run for it, and its result.

Nothing of this collection runs on the host: Windows has no Python, and the modules that are there are enough.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.management import denied_in_vain
from ansible_collections.netwall.datadog.plugins.module_utils._flow import (
    ANYWHERE,
    Flow,
    FlowError,
    merge,
    sort_networks,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows import controller
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.addresses import EVERYWHERE
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.essentials import essentials
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.firewall import reconcile
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.modules import (
    MODULES,
    UnreachableError,
    WindowsFirewallError,
    WindowsModules,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.outcome import Outcome
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.rules import Match, Program, Want, wants_of
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.work import Request

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

BACKEND = "windows"

# By connection plugin: the attribute in which it keeps its port, and the port that it takes if nobody says one.
_PORTS = {
    "winrm": ("_winrm_port", 5986),
    "psrp": ("_psrp_port", 5986),
    "ssh": ("", 22),
    "paramiko": ("", 22),
    "paramiko_ssh": ("", 22),
}
# What psrp takes if its protocol is http and nobody says a port.
_PLAIN_PSRP_PORT = 5985

# What is beside whatever else is wrong where only the user says that this is Windows.
_FORCED = (
    f" 'backend' is {BACKEND}, but Ansible speaks to this host as to one of another platform: leave it out where the "
    "host is of one; a Windows host that is reached over SSH needs 'ansible_shell_type: powershell' or cmd."
)

_WHOLE_PATH = re.compile(r"[A-Za-z]:\\[^/%|<>*?]+\Z")


def is_windows(action: ActionBase) -> bool:
    """Whether the host of *action* is a Windows host, or the user says that it is."""
    return controller.is_windows(action) or action._task.args.get("backend") == BACKEND  # noqa: SLF001


def host_firewall(
    action: ActionBase, argument_spec: t.Mapping[str, t.Any], task_vars: dict[str, t.Any] | None
) -> dict[str, t.Any]:
    """The result of the task of *action*, whose options are *argument_spec*, failed or not."""
    task: t.Any = action._task  # noqa: SLF001
    modules = WindowsModules(_Runner(action, task_vars))
    try:
        options = controller.options(action, argument_spec, [("state", "present", ["flows"])])
        _refuse(options)
        flows = _flows(options)
        management = _management(action._connection, options, task_vars or {})  # noqa: SLF001
        request = _request(options, flows, management)
        controller.require(action, MODULES)
        with controller.without_sudo(action):
            outcome = reconcile(modules, request, is_check=task.check_mode)
    except (WindowsFirewallError, FlowError, controller.OptionError, controller.MissingModuleError) as error:
        return {"failed": True, "msg": f"{error}{'' if controller.is_windows(action) else _FORCED}"}
    except UnreachableError as cut:
        return cut.answer
    warnings = [*_warnings(options, flows, management), *outcome.warnings]
    result = {
        "backend": BACKEND,
        "changed": outcome.changed,
        "added": list(outcome.added),
        "removed": list(outcome.removed),
        "unchanged": list(outcome.unchanged),
        # Which rules of others overrule ours is not known, as the documentation says: no module tells them.
        "shadowed": [],
        "transaction": dict(outcome.transaction),
        **({"warnings": warnings} if warnings else {}),
    }
    if task.check_mode:
        result.update(switches_on=outcome.switches_on, flows=_applied(request, flows, management, outcome))
    if task.diff:
        result["diff"] = {"before": _text(outcome.before), "after": _text(outcome.after)}
    return result


class _Runner:
    """Runs modules on the host of a task, in check mode or not, whatever the task's own mode is."""

    def __init__(self, action: ActionBase, task_vars: dict[str, t.Any] | None) -> None:
        self._action: t.Any = action
        self._task_vars = task_vars

    def __call__(self, module: str, arguments: dict[str, t.Any], *, is_check: bool, is_diff: bool) -> dict[str, t.Any]:
        with controller.in_mode(self._action, check_mode=is_check, diff=is_diff):
            answer: dict[str, t.Any] = self._action._execute_module(  # noqa: SLF001
                module_name=module, module_args=arguments, task_vars=self._task_vars
            )
        return answer


def _refuse(options: t.Mapping[str, t.Any]) -> None:
    """Raise :class:`WindowsFirewallError` for what can't be had on Windows."""
    if options["backend"] not in ("auto", BACKEND):
        raise WindowsFirewallError(
            f"'backend' is {options['backend']}, which no Windows host has; leave it out, or write {BACKEND}."
        )
    if options["confirm_within"] and not options["confirm_if_supported"]:
        raise WindowsFirewallError(
            "A change can't be confirmed on Windows, since a rule is a call of its own there and the host has nothing "
            "that would take the whole of them back by itself; set 'confirm_within: 0', or "
            "'confirm_if_supported: true' in a task that is for other hosts, too. The calls are made in an order "
            "in which none cuts the connection that this play came in on."
        )
    if options["precedence"] == "ours":
        raise WindowsFirewallError(
            "'precedence: ours' can't be had on Windows, where a block always beats an allow, whosever it is; leave it "
            "out, or write theirs."
        )
    if options["flows"] is None and options["state"] == "present":
        # A variable that is null by mistake must not take every rule away.
        raise WindowsFirewallError("'flows' is null; write a list, and an empty one ([]) where there shall be none.")


def _flows(options: t.Mapping[str, t.Any]) -> list[Flow]:
    if options["state"] == "absent":
        return []
    return merge(Flow.from_dict(flow) for flow in options["flows"])


def _management(connection: t.Any, options: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> Flow | None:
    """The flow that keeps the connection of the play; None where it is not to be kept, or crosses no network."""
    try:
        networks = sort_networks(options["management_networks"])
    except FlowError as error:
        raise WindowsFirewallError(f"The option management_networks is wrong: {error}") from None
    port = _port(connection, task_vars)
    if not options["management"] or not port:
        return None
    return Flow(
        id=f"management-tcp-{port}-in",
        direction="inbound",
        action="allow",
        protocol="tcp",
        port=port,
        networks=networks or ANYWHERE,
        purpose="keeps the connection that the play came in on",
    )


def _port(connection: t.Any, task_vars: t.Mapping[str, t.Any]) -> int | None:
    """The port of *connection*, a connection plugin; None where nothing says one, as where it crosses no network."""
    transport = str(getattr(connection, "transport", "")).rpartition(".")[2]
    attribute, usual = _PORTS.get(transport, ("", None))
    port = getattr(connection, attribute, None) if attribute else None
    if not port:
        try:
            port = connection.get_option("port")
        except Exception:  # noqa: BLE001
            # A plugin that has no such option says so with an error of its own. One that has it was told its host's:
            # these variables are of the host of the task, which it may be delegated from.
            port = task_vars.get("ansible_port")
    said = str(port or "")
    if said.isdecimal():
        return int(said)
    return _PLAIN_PSRP_PORT if transport == "psrp" and _is_plain(connection) else usual


def _is_plain(connection: t.Any) -> bool:
    """Whether *connection*, a plugin that takes its port from its protocol, is told to go without TLS."""
    with contextlib.suppress(Exception):
        return bool(connection.get_option("protocol") == "http")
    return False


def _request(options: t.Mapping[str, t.Any], flows: t.Sequence[Flow], management: Flow | None) -> Request:
    document = options["document"] or {}
    told = (document.get("version"), document.get("modified"))
    return Request(
        wants=tuple(wants_of(flows, _programs(options["programs"]), options["programs_except"])),
        essentials=essentials(metadata=options["metadata"]) if options["default_outbound"] == "deny" else (),
        management=_want(management) if management else None,
        must_keep=bool(options["management_networks"]),
        is_present=options["state"] == "present",
        enable=options["enable"],
        default_outbound=options["default_outbound"],
        document=" ".join(str(part) for part in told if part is not None),
    )


def _want(flow: Flow) -> Want:
    (want,) = wants_of([flow], (), ())
    return want


def _programs(listed: t.Iterable[t.Any]) -> tuple[Program, ...]:
    programs: dict[str, Program] = {}
    for one in listed:
        said = {"path": one} if isinstance(one, str) else one
        known = isinstance(said, dict) and set(said) <= {"path", "service"}
        program = Program(*(str(said.get(key) or "").strip() for key in ("path", "service"))) if known else Program()
        if program == Program() or not f"{program.path}{program.service}".isprintable():
            raise _wrong_program(one, "the path of a program, or a dictionary with path, service or both")
        # A rule for anything else is for no program at all, or for every one, which "any" means to the module. It would
        # replace variables, and the rule would then never be found to be as it should. A bar ends a part of a rule.
        if program.path and not _WHOLE_PATH.match(program.path):
            raise _wrong_program(one, r"the whole path, with its drive and without variables, as in C:\Tools\agent.exe")
        if program.service.lower() in ("any", "*"):
            raise _wrong_program(one, "the short name of one service")
        programs.setdefault(str(program), program)
    return tuple(programs.values())


def _wrong_program(one: object, instead: str) -> WindowsFirewallError:
    return WindowsFirewallError(
        f"The option programs (agent_firewall_windows_programs of the role) has the element {one!r}; write {instead}."
    )


def _warnings(options: t.Mapping[str, t.Any], flows: t.Sequence[Flow], management: Flow | None) -> t.Iterator[str]:
    """What has to be said of what was asked for, whatever the host has."""
    if management:
        yield from denied_in_vain(management, flows)
    denied = [flow for flow in flows if (flow.direction, flow.action) == ("outbound", "deny")]
    tied = {
        (flow.protocol, flow.port)
        for flow in flows
        if (flow.direction, flow.action) == ("outbound", "allow") and flow.id not in options["programs_except"]
    }
    for flow in denied if options["programs"] else ():
        if (flow.protocol, flow.port) in tied and options["default_outbound"] != "deny":
            yield (
                f"Flow {flow.id} denies what other flows allow to the programs of the option programs. A block would "
                "beat that on Windows, so other programs may still reach the addresses that those have; set "
                "'default_outbound: deny' to close them, too."
            )


def _applied(
    request: Request, flows: t.Sequence[Flow], management: Flow | None, outcome: Outcome
) -> list[dict[str, t.Any]]:
    """All flows that the host has once this is done, as far as a flow can say them."""
    applied = [flow.to_dict() for flow in flows]
    if request.is_present and request.default_outbound == "deny":
        applied += [_essential(want, want.match) for want in request.essentials if want.match.port]
    if management and outcome.keeps_management:
        applied.append(management.to_dict())
    return applied


def _essential(want: Want, match: Match) -> dict[str, t.Any]:
    networks = (
        [match.word]
        if match.word
        else list(ANYWHERE)
        if want.addresses == EVERYWHERE
        else list(want.addresses.networks())
    )
    flow = Flow(want.id, match.direction, match.action, match.protocol, match.port or 0, (), want.purpose)
    return {**dataclasses.asdict(flow), "networks": networks, "destinations": []}


def _text(lines: t.Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
