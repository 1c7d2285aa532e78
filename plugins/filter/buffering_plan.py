# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter: what an Agent shall buffer, as settings of datadog.yaml."""

from __future__ import annotations

DOCUMENTATION = r"""
name: buffering_plan
short_description: Settings of datadog.yaml for what an Agent shall buffer
version_added: 0.1.0
author:
  - the netwall.datadog authors (!UNKNOWN)
description:
  - Works out the settings by which a Datadog Agent keeps what it cannot send, from sizes, or from how long an
    outage may last.
  - Says why not where the Agent would not know a setting, where its environment overrides one, and where the disk
    cannot hold what is asked for. Nothing is asked and nothing changed by it.
  - In a size, V(kB) (or V(KB)), V(MB), V(GB) and V(TB) are decimal (1,000 bytes and so on), V(KiB), V(MiB), V(GiB) and
    V(TiB) binary (1,024 bytes and so on). A letter alone, as in V(64M), is refused.
positional: agent, disk
options:
  _input:
    description:
      - What is asked for. What is null or missing is not set, and its setting not touched.
    type: dict
    required: true
    suboptions:
      memory:
        description: The bytes that are kept in memory, or a size such as V(64MB).
        type: raw
      disk:
        description: The bytes that are kept on disk, or a size such as V(2GiB); V(0) keeps nothing there.
        type: raw
      path:
        description: The folder that they are kept in.
        type: str
      disk_ratio:
        description: Up to which part the disk may be filled, such as V(0.80).
        type: float
      outdated_days:
        description: After how many days an Agent that starts throws away what it finds there.
        type: int
      outage:
        description:
          - How long nothing may be sent without a loss - seconds, or as in V(90m), V(6h), V(2d), V(1d12h).
          - The size on disk comes from it, and the days where the outage is longer than those.
        type: raw
      payload_rate:
        description:
          - What the Agent sends, in bytes per second, or as in V(2kB/s), V(120KB/min). The units of time are V(s),
            V(min), V(h) and V(d).
          - When not set, 2,000 bytes per second.
        type: raw
  agent:
    description:
      - What the host says of its Agent - the result of C(netwall.datadog.agent_info).
    type: dict
    required: true
  disk:
    description:
      - The disk of the storage path, in bytes. When not set, it is not judged.
    type: dict
    suboptions:
      total:
        description: The size of the disk.
        type: int
      available:
        description: What of it a user who is not root may still write.
        type: int
      statfs:
        description: Instead of these two, what C(stat -f -c '%S %b %a') says of it.
        type: str
      volumes:
        description: Instead of these, the C(ansible_disks) that C(community.windows.win_disk_facts) returns.
        type: list
        elements: dict
      path:
        description: With C(volumes), the folder whose volume is meant.
        type: str
      stored:
        description: What the Agent has there already.
        type: int
        default: 0
  folder:
    description:
      - What the module stat says of the folder, as C(stat) in its result. One that O(user) could not use is refused,
        and one that is not there and neither named by the input nor the Agent's default.
      - With C(is_guarded) it also says whether nobody but root can change the way to the folder, and with C(user_may)
        what O(user) may do in it, or where it is not there in the first folder above it that is - V(write), V(enter) or
        V(nothing).
    type: dict
  user:
    description:
      - The user whose the Agent's processes are.
    type: str
    default: ""
  state:
    description:
      - Whether the settings are to be set or taken out. V(absent) means those that the input names, or all where it
        names none.
    type: str
    choices: [present, absent]
    default: present
  prefix:
    description:
      - What stands before the names of the input in sentences.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what an outage of six hours needs
  ansible.builtin.debug:
    msg: "{{ {'outage': '6h'} | netwall.datadog.buffering_plan(agent) }}"
  vars:
    # As agent_info returns it.
    agent: &agent
      installed: true
      version: 7.60.0
      path: /etc/datadog-agent/datadog.yaml
      buffering:
        usual_path: /opt/datadog-agent/run/transactions_to_retry

- name: Show why a disk cannot hold what is asked for
  ansible.builtin.debug:
    msg: "{{ ({'disk': '2GiB'} | netwall.datadog.buffering_plan(agent, disk)).refusals }}"
  vars:
    agent: *agent
    disk: {total: 10000000000, available: 3000000000}

- name: Show the settings that sizes of one's own stand for
  ansible.builtin.debug:
    msg: "{{ (wishes | netwall.datadog.buffering_plan(agent)).settings }}"
  vars:
    wishes: {memory: 64MB, disk: 2GiB, disk_ratio: 0.9}
    agent: *agent
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    settings:
      description: The settings by their names in datadog.yaml; empty where something is refused, or to take out.
      type: dict
    names:
      description: The names of the settings that are meant.
      type: list
      elements: str
    stores:
      description: Whether the Agent will keep anything on disk.
      type: bool
    storage_path:
      description: The folder that it will keep it in.
      type: str
    folders:
      description: That folder and those above it. The first that there is lies on its disk.
      type: list
      elements: str
    refusals:
      description: Sentences that say what cannot be, and what to do about it.
      type: list
      elements: str
    warnings:
      description: Sentences that say what to know.
      type: list
      elements: str
    reasons:
      description: Sentences that say how a value was computed.
      type: list
      elements: str
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.netwall.datadog.plugins.plugin_utils._buffering.plan import Disk, Plan


def buffering_plan(  # noqa: PLR0913
    wishes: t.Any,
    agent: t.Any,
    disk: t.Any = None,
    *,
    folder: t.Any = None,
    user: str | None = None,
    state: str = "present",
    prefix: str = "",
) -> dict[str, t.Any]:
    """The plan for *wishes*, see DOCUMENTATION."""
    for name, value in (("input", wishes), ("agent", agent)):
        if not isinstance(value, dict):
            raise AnsibleFilterError(f"The {name} of buffering_plan is a dictionary, not {type(value).__name__}.")
    if state not in {"present", "absent"}:
        raise AnsibleFilterError(f"The state of buffering_plan is present or absent, not {state}.")
    plan = Plan(wishes, agent, prefix)
    if state == "absent":
        names, settings = plan.to_remove(), {}
    else:
        found = _disk(disk) if disk else None
        plan.to_set(found)
        if disk and not found:
            plan.miss_disk()
        if folder and plan.stores:
            plan.check_folder(folder, user or "")
        settings = {} if plan.refusals else plan.settings
        names = list(plan.settings)
    return {
        "settings": settings,
        "names": names,
        "stores": plan.stores and state == "present",
        "storage_path": plan.storage_path,
        "folders": plan.folders,
        "refusals": plan.refusals,
        "warnings": plan.warnings,
        "reasons": plan.reasons,
    }


def _disk(given: t.Any) -> Disk | None:
    try:
        stored = int(given.get("stored") or 0)
        if "statfs" in given:
            return Disk.of_statfs(given["statfs"], stored)
        if "volumes" in given:
            return Disk.of_windows(given["volumes"], given["path"], stored)
        return Disk(int(given["total"]), int(given["available"]), stored)
    except (AttributeError, KeyError, TypeError, ValueError):
        msg = "The disk of buffering_plan has 'total' and 'available', in bytes, or 'statfs', or 'volumes' and 'path'."
        raise AnsibleFilterError(msg) from None


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Give them by name."""
        return {"buffering_plan": buffering_plan}
