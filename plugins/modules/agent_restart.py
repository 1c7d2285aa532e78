#!/usr/bin/python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: agent_restart
short_description: Restart a Datadog Agent, and put its settings back if it does not come up with them
version_added: 0.1.0
description:
  - With O(state=prepared), before the file is changed, keeps a copy of it beside it, with its owner, mode and extended
    attributes.
  - With O(state=restarted), afterwards, restarts the Agent and watches it. An Agent has come up if it is up at once,
    and O(settle) seconds later still with the same main process. Where it has not, the copy takes the place of the
    file, the Agent is restarted with the old settings, and the module fails.
  - The copy is there until the Agent has come up. A run that was cut off after the file was changed is completed by the
    next one, since RV(is_due) then says that a restart is due.
  - An Agent that does not run is left so. Its new settings count when it is started.
author:
  - netwall.datadog authors (!UNKNOWN)
requirements:
  - Python 3.8 or later on the managed host, and systemd or an init script; on Windows the collection ansible.windows on
    the controller.
options:
  state:
    description:
      - What is done.
    type: str
    choices: [prepared, restarted]
    default: restarted
  path:
    description:
      - The file of the Agent's settings.
    type: path
    required: true
  service:
    description:
      - The Agent's service.
    type: str
    required: true
  change:
    description:
      - With O(state=prepared), whether the file is about to be changed. Otherwise it is only asked whether a restart is
        due.
    type: bool
    default: true
  settle:
    description:
      - For how many seconds the Agent must stay up, at most V(600).
    type: float
    default: 10
attributes:
  check_mode:
    support: full
    description: Nothing is kept and nothing restarted; what would be is predicted.
  diff_mode:
    support: none
    description: What changes is no text.
  platform:
    support: full
    platforms: posix, windows
    description: On Windows modules of ansible.windows do the work.
"""

EXAMPLES = r"""
- name: The settings of before can be put back
  netwall.datadog.agent_restart:
    state: prepared
    path: /etc/datadog-agent/datadog.yaml
    service: datadog-agent

- name: The Agent runs with the settings of now
  netwall.datadog.agent_restart:
    path: /etc/datadog-agent/datadog.yaml
    service: datadog-agent
"""

RETURN = r"""
is_running:
  description: Whether the Agent ran before.
  type: bool
  returned: always
is_due:
  description: Whether the file was changed by an earlier run, and the Agent has not been restarted since.
  type: bool
  returned: with O(state=prepared)
user:
  description: The user whose the Agent's processes are; null where the host does not tell.
  type: str
  returned: always
is_put_back:
  description: Whether the file is again as it was before.
  type: bool
  returned: with O(state=restarted)
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netwall.datadog.plugins.module_utils._agent.options import ARGUMENT_SPEC, fault
from ansible_collections.netwall.datadog.plugins.module_utils._agent.service import (
    Service,
    ServiceError,
    restart,
    service_called,
)
from ansible_collections.netwall.datadog.plugins.module_utils._agent.way_back import WayBack, WayBackError


def prepare(way_back: WayBack, service: Service, changes: bool, is_checked: bool) -> dict[str, t.Any]:
    """Keep the copy if the file *changes*, and say whether a restart is due from before."""
    status = service.status()
    is_due = way_back.is_needed()
    if not is_checked and not is_due:
        # A copy of what is still so is that of a run which was cut off before it changed anything.
        way_back.forget()
        if changes:
            way_back.keep()
    return {"changed": False, "is_running": not status.is_stopped, "is_due": is_due, "user": status.user}


def restart_or_put_back(way_back: WayBack, service: Service, settle: float, is_checked: bool) -> dict[str, t.Any]:
    """Restart the Agent if it runs; where it does not come up, put the file back and restart it again."""
    status = service.status()
    result = {"changed": not status.is_stopped, "is_running": not status.is_stopped, "user": status.user}
    result["is_put_back"] = False
    if is_checked:
        return result
    why = "" if status.is_stopped else restart(service, settle)
    if not why:
        way_back.forget()
        return result
    msg = f"The Agent did not come up with its new settings. {why}"
    if not way_back.exists():
        return dict(result, failed=True, msg=f"{msg} What it said: {service.log}.")
    way_back.take()
    again = restart(service, settle)
    msg += f" {way_back.path} is as it was before, "
    msg += f"but with it the Agent did not come up either. {again}" if again else "and the Agent runs with it."
    return dict(result, failed=True, is_put_back=True, msg=f"{msg} What it said: {service.log}.")


def main() -> None:
    """Do what the options say."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    asked = module.params
    msg = fault(asked)
    if msg:
        module.fail_json(msg=msg)
    way_back = WayBack(asked["path"])
    try:
        service = service_called(asked["service"])
        if asked["state"] == "prepared":
            result = prepare(way_back, service, asked["change"], module.check_mode)
        else:
            result = restart_or_put_back(way_back, service, asked["settle"], module.check_mode)
    except (ServiceError, WayBackError) as error:
        module.fail_json(msg=str(error))
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
