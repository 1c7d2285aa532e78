# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Says of a playbook's run what a spectator wants to know: the plan, what the firewall gained, what failed."""

from __future__ import annotations

import typing as t

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: briefly
type: stdout
short_description: The plan, what the firewall gained, what failed
description:
  - For the demo.
"""


class CallbackModule(CallbackBase):
    """Ansible's side of it."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "briefly"

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Print the plan, or the outcome of the firewall's module."""
        if result.task.name == "The plan":
            for line in result.result["msg"]:
                self._display.display(line)
        elif result.task.action == "netwall.datadog.host_firewall" and not result.task.check_mode:
            self._display.display(_outcome(result.host.get_name(), result.result))

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Print why."""
        if not ignore_errors:
            self._display.display(f"{result.host.get_name()}: {result.result.get('msg', 'failed')}", stderr=True)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """Print why, unless the plan says it."""
        self.v2_runner_on_failed(result, ignore_errors=result.task.check_mode)


def _outcome(host: str, result: t.Mapping[str, t.Any]) -> str:
    counts = [f"{len(result[word])} {word}" for word in ("added", "removed", "unchanged") if result[word]]
    kept = [flow for flow in result["added"] if flow.startswith("management-")]
    keeps = f" ({len(kept)} of them, beyond the plan, keep the connection that the play came in on)" if kept else ""
    return f"{host}: {'changed' if result['changed'] else 'nothing to change'}; flows: {', '.join(counts)}{keeps}"
