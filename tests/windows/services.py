# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible.windows.win_service and ansible.windows.win_service_info."""

from __future__ import annotations

import typing as t

from ansible_collections.netwall.datadog.tests.windows.failures import MisuseError, ModuleError
from ansible_collections.netwall.datadog.tests.windows.real import imitates
from ansible_collections.netwall.datadog.tests.windows.state import content_of, file_key

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.tests.windows.state import State
    from ansible_collections.netwall.datadog.tests.windows.twin import Call

SERVICE, INFO = "ansible.windows.win_service", "ansible.windows.win_service_info"

Service = dict[str, t.Any]


@imitates(
    INFO,
    (23, "$services = Get-Service | Where-Object { $_.Name -eq $name }"),
    (48, "$module.Result.exists = $true"),
    (208, "process_id = $service.ProcessId"),
    (215, "state = $state"),
    (217, "username = $service.Account.Value"),
)
def win_service_info(state: State, call: Call) -> dict[str, t.Any]:
    """The module for one service by its name, with what the twin knows of it."""
    name = call.args["name"]
    if name is None or any(sign in name for sign in "*?["):
        raise MisuseError("the twin imitates win_service_info for one service by its name alone")
    service = state.services.get(name.lower())
    if service is None:
        return {"changed": False, "exists": False, "services": []}
    shown = {
        key: service[key] for key in ("name", "display_name", "state", "process_id", "username", "start_mode", "path")
    }
    shown.update(
        dependencies=service["dependencies"], dependency_of=[each["name"] for each in _dependents(state, service)]
    )
    return {"changed": False, "exists": True, "services": [shown]}


@imitates(
    SERVICE,
    (274, "$service = Get-Service | Where-Object { $_.ServiceName -eq $Name -or $_.DisplayName -eq $Name }"),
    (1021, "$module.FailJson(\"Service '$name' is not installed, need to set 'path' to create a new service\")"),
    (829, "elseif ($State -eq 'started' -and $Service.State -ne $stateEnum::Running) {"),
    (845, "elseif ($State -eq 'stopped' -and $Service.State -ne $stateEnum::Stopped) {"),
    (850, "elseif ($State -eq 'restarted') {"),
    (851, "$winService | Restart-Service -Force:$ForceDependentServices.IsPresent -WhatIf:$Module.CheckMode"),
    (1102, "if ($module.Result.state -in @('restarted', 'started')) {"),
    (1103, "$module.Result.state = 'running'"),
    (1094, "$module.Result.username = 'LocalSystem'"),
)
def win_service(state: State, call: Call) -> dict[str, t.Any]:
    """The module where it starts, stops and restarts a service that there is."""
    args = call.args
    name, wanted = args["name"], args["state"]
    if call.given - {"name", "state", "force_dependent_services"} or wanted not in {"started", "stopped", "restarted"}:
        raise MisuseError(f"the twin does not imitate this of win_service: {sorted(call.given)}, {wanted}")
    service = next(
        (
            each
            for each in state.services.values()
            if name.lower() in {each["name"].lower(), each["display_name"].lower()}
        ),
        None,
    )
    if service is None:
        raise ModuleError(f"Service '{name}' is not installed, need to set 'path' to create a new service")
    is_changed = wanted == "restarted" or service["state"] != wanted
    if is_changed and not call.check_mode:
        _bring(state, call, service, wanted)
    said = service["username"]
    return {
        "changed": is_changed,
        "exists": True,
        "name": service["name"],
        "display_name": service["display_name"],
        "dependencies": service["dependencies"],
        "depended_by": [each["name"] for each in _dependents(state, service)],
        "path": service["path"],
        "start_mode": service["start_mode"],
        "username": "LocalSystem" if said.upper() in {"SYSTEM", "NT AUTHORITY\\SYSTEM"} else said,
        # What was asked for, not what is: the module does not look again.
        "state": "stopped" if wanted == "stopped" else "running",
    }


def _dependents(state: State, service: Service) -> list[Service]:
    return [each for each in state.services.values() if service["name"] in each["dependencies"]]


def _bring(state: State, call: Call, service: Service, wanted: str) -> None:
    """As Start-Service, Stop-Service and Restart-Service do it, of which the last starts again all that it stopped."""
    stopped = []
    if wanted in {"stopped", "restarted"} and service["state"] == "started":
        running = [each for each in _dependents(state, service) if each["state"] == "started"]
        if running and not call.args["force_dependent_services"]:
            raise ModuleError(
                "Unhandled exception while executing module: Cannot stop service "
                f"'{service['display_name']} ({service['name']})' because it has dependent services. It can only be "
                "stopped if the Force flag is set."
            )
        for each in [*running, service]:
            call.step()
            each.update(state="stopped", process_id=0)
        stopped = running
    if wanted != "stopped":
        for each in [service, *stopped]:
            call.step()
            _start(state, each)


def _start(state: State, service: Service) -> None:
    service.update(state="started", process_id=state.tick() % 100_000)
    if service["dies_of"]:
        path, text = service["dies_of"]
        entry = state.files.get(file_key(path))
        if entry is not None and text.encode() in content_of(entry):
            service.update(state="stopped", process_id=0)
