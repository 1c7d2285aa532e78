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
  - With O(state=prepared), before the file is changed, keeps a copy of it beside it, with its owner, mode, ACL and
    other extended attributes, and notes what the file is about to become (on Windows in the registry).
  - With O(state=restarted), afterwards, restarts the Agent and watches it. An Agent has come up if it is up at once,
    and O(settle) seconds later still with the same main process. Where it has not, the copy takes the place of the
    file, the Agent is restarted with the old settings, and the module fails.
  - The copy takes the place of nothing but what was noted. Where somebody else has changed the file since, both stay as
    they are, and the module fails and names them.
  - The copy is there until the Agent has come up. A run that was cut off after the file was changed is completed by the
    next one, since RV(is_due) then says that a restart is due.
  - An Agent that does not run is left so, and its new settings count when it is started, unless a run was cut off that
    had begun to restart it.
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
  checksum:
    description:
      - With O(state=prepared), the SHA-256 that the file will have when it is changed, which
        M(netwall.datadog.agent_config) returns in check mode. Without it nothing is about to be changed, and it is only
        asked whether a restart is due.
    type: str
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
- name: See what the file is about to become
  netwall.datadog.agent_config:
    settings:
      forwarder_storage_max_size_in_bytes: 500000000
    path: /etc/datadog-agent/datadog.yaml
  check_mode: true
  register: planned

- name: The settings of before can be put back
  netwall.datadog.agent_restart:
    state: prepared
    path: /etc/datadog-agent/datadog.yaml
    service: datadog-agent
    checksum: "{{ planned.checksum }}"

- name: The settings are others
  netwall.datadog.agent_config:
    settings:
      forwarder_storage_max_size_in_bytes: 500000000
    path: /etc/datadog-agent/datadog.yaml

- name: The Agent runs with them
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


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netwall.datadog.plugins.module_utils._agent.former import FormerError, FormerFile
from ansible_collections.netwall.datadog.plugins.module_utils._agent.options import RESTART, fault
from ansible_collections.netwall.datadog.plugins.module_utils._agent.restart import prepare, restart_or_put_back
from ansible_collections.netwall.datadog.plugins.module_utils._agent.service import ServiceError, service_called


def main() -> None:
    """Do what the options say."""
    module = AnsibleModule(argument_spec=RESTART, supports_check_mode=True)
    asked = module.params
    msg = fault(asked)
    if msg:
        module.fail_json(msg=msg)
    former = FormerFile(asked["path"])
    try:
        service = service_called(asked["service"])
        if asked["state"] == "prepared":
            result = prepare(former, service, asked["checksum"], module.check_mode)
        else:
            result = restart_or_put_back(former, service, asked["settle"], module.check_mode)
    except (ServiceError, FormerError) as error:
        module.fail_json(msg=str(error))
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
