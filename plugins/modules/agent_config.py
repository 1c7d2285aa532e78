#!/usr/bin/python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: agent_config
short_description: Set and remove single settings of an Agent as a careful person would
version_added: 0.1.0
description:
  - Changes settings in a Datadog Agent's C(datadog.yaml). Only the lines of these settings change; every other byte
    stays, comments, order and line ends included.
  - A new setting goes on a line of its own under its commented-out template where the file has one, otherwise to the
    end of its section or of the file. Nothing that is commented out is ever uncommented.
  - A section that is not there is made, with a comment that says so, and goes again with the last setting in it.
    Removing what was set gives back the file as it was, byte by byte.
  - What a change makes of the file is read again and compared with what was asked for before anything is written. The
    file is replaced at once, whole, and keeps its owner, group, mode, ACL and SELinux context.
  - It does not restart the Agent, which reads its file when it starts.
  - No value leaves the file but those of the settings in question, and of these none that is a secret (an API key, a
    password, a token, what stands before the C(@) of a URL); results and diffs have C(********) instead.
author:
  - netwall.datadog authors (!UNKNOWN)
requirements:
  - Nothing but Python 3.8 or later on the managed host; on Windows the collection ansible.windows on the controller.
options:
  settings:
    description:
      - The settings by name. A name has the sections that lead to the setting before it, joined by dots, such as
        V(apm_config.receiver_port).
      - A value is text, a number, V(true), V(false), V(null), a list or a mapping. It takes the place of the whole
        value that was there. A whole number in quotes is text; before ansible-core 2.19 a template alone gives text,
        too, unless the whole mapping is one.
      - With O(state=absent) values mean nothing.
    type: dict
    required: true
  state:
    description:
      - With V(present) the file has O(settings), with V(absent) none of them.
    type: str
    default: present
    choices: [present, absent]
  path:
    description:
      - The file. By default it is C(/etc/datadog-agent/datadog.yaml), on Windows C(datadog.yaml) where the Agent has
        its configuration.
      - Of a link the file that it leads to is changed, and the link stays. On Windows a link is refused.
    type: path
  backup:
    description:
      - Whether to keep a copy of the file as it was, beside it and with the same owner and mode.
    type: bool
    default: false
  edit:
    description:
      - What becomes of the file. Filled in by the action plugin; setting it has no effect.
    type: str
attributes:
  check_mode:
    description: Tells what would change, and on POSIX whether the file could be replaced.
    support: full
  diff_mode:
    description: Shows the settings that change, without secrets.
    support: full
  platform:
    description: On Windows the file is replaced by modules of ansible.windows.
    support: full
    platforms: posix, windows
notes:
  - A file that is not UTF-8, that can't be read as YAML, that has a key twice or several documents is left alone, as is
    one in which the change would change something else, too (by an anchor or a merge).
  - Names are taken as they are written. The Agent does not tell C(GUI_port) from C(gui_port).
  - With O(ignore:display_args_to_stdout) in the configuration of Ansible the options of every task are shown; put
    C(no_log) on a task whose O(settings) hold a secret then.
seealso:
  - name: Agent configuration files
    description: Datadog's own description of the settings.
    link: https://docs.datadoghq.com/agent/configuration/agent-configuration-files/
"""

EXAMPLES = r"""
- name: The Agent keeps what it can't send, also on the disk
  netwall.datadog.agent_config:
    settings:
      forwarder_storage_max_size_in_bytes: 500000000
      forwarder_storage_path: /var/lib/datadog-agent/transactions
    backup: true
  become: true
  notify: Restart the Agent

- name: It sends through a proxy, whose password is in no result
  netwall.datadog.agent_config:
    settings:
      # The filter leaves a slash as it is, and the Agent would take what follows one for a path.
      proxy.https: "http://agent:{{ proxy_password | urlencode | replace('/', '%2F') }}@proxy.example.com:3128"
      proxy.no_proxy: [169.254.169.254, kubernetes.default]
  become: true

- name: It also sends to a second site
  netwall.datadog.agent_config:
    settings:
      additional_endpoints:
        https://app.datadoghq.eu:
          - "{{ second_api_key }}"
  become: true

- name: The disk is not used any more
  netwall.datadog.agent_config:
    settings:
      forwarder_storage_max_size_in_bytes:
      forwarder_storage_path:
    state: absent
  become: true
"""

RETURN = r"""
path:
  description: The file, as it was named.
  type: str
  returned: success
  sample: /etc/datadog-agent/datadog.yaml
target:
  description: The file that was changed, if O(path) is a link to it; otherwise the same as RV(path).
  type: str
  returned: success
  sample: /etc/datadog-agent/datadog.yaml
checksum:
  description: The SHA-256 of the file with the settings as they were asked for, in hexadecimal digits.
  type: str
  returned: success
  sample: 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
changes:
  description:
    - The settings that are not as they were.
    - C(before) and C(after) are null where the setting is not there or is null, and C(********) where it is a secret.
      What is set is there afterwards, and what is taken out was there before, also where that is null.
  type: list
  elements: dict
  returned: success
  sample:
    - {name: forwarder_storage_max_size_in_bytes, before: null, after: 500000000}
    - {name: proxy.https, before: null, after: "http://********@proxy.example.com:3128"}
backup_file:
  description: The copy of the file as it was.
  type: str
  returned: if O(backup) is true and the file was changed
  sample: /etc/datadog-agent/datadog.yaml.4711.2026-03-04@05:06:07~
"""


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netwall.datadog.plugins.module_utils._agent.options import CONFIG
from ansible_collections.netwall.datadog.plugins.module_utils._file_change import Edit, FileChangeError, change_file


def main() -> None:
    module = AnsibleModule(argument_spec=CONFIG, supports_check_mode=True)
    path, backup = module.params["path"], module.params["backup"]
    try:
        edit = Edit.from_text(module.params["edit"] or "")
        changed = change_file(path, edit, backup=backup, is_check=module.check_mode)
    except (FileChangeError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=True, target=changed.target, backup_file=changed.backup)


if __name__ == "__main__":
    main()
