# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What agent_restart does, on every platform: a way back is kept, the Agent restarted, and where need be put back."""

from __future__ import annotations

import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._agent.service import restart

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._agent.former import Former
    from ansible_collections.netwall.datadog.plugins.module_utils._agent.service import Service


def prepare(former: Former, service: Service, checksum: str | None, is_checked: bool) -> dict[str, t.Any]:
    """Keep the copy if the file is about to become one with *checksum*; say whether a restart is due from before.

    Raises :class:`ServiceError` and :class:`FormerError`.
    """
    status = service.status()
    is_changed = former.is_needed()
    # A run that was cut off may have put the file back, and not have come to the second restart.
    is_due = is_changed or former.is_begun()
    result = {"changed": False, "is_running": not status.is_stopped, "is_due": is_due, "user": status.user}
    if is_checked:
        return result
    if not is_due:
        # A copy of what is still so is that of a run which was cut off before it changed anything.
        former.forget()
        if checksum:
            # The note goes first: a copy without one would never be put back.
            former.expect(checksum)
            former.keep()
    elif checksum and (not is_changed or former.is_expected()):
        # The copy stays what the Agent came up with. Where somebody else has changed the file since, what it becomes
        # now holds their changes, too, and must not count as ours alone.
        former.expect(checksum)
    return result


def restart_or_put_back(former: Former, service: Service, settle: float, is_checked: bool) -> dict[str, t.Any]:
    """Restart the Agent if it runs; where it does not come up, put the file back and restart it again.

    Raises :class:`ServiceError` and :class:`FormerError`.
    """
    status = service.status()
    # What a run began to restart that was cut off has stopped of the settings, not because somebody wants it stopped.
    is_wanted = not status.is_stopped or former.is_begun()
    result = {"changed": is_wanted, "is_running": not status.is_stopped, "user": status.user, "is_put_back": False}
    if is_checked:
        return result
    if is_wanted:
        former.begin()
    why = restart(service, settle) if is_wanted else ""
    if not why:
        former.forget()
        return result
    msg = f"The Agent did not come up with its new settings. {why}"
    if former.exists() and not former.is_expected():
        msg += (
            f" {former.path} was changed by somebody else, too, so it is not put back. What it was before is in "
            f"{former.copy}: make one good file of them, and run this again."
        )
    elif former.exists():
        former.take()
        result["is_put_back"] = True
        again = restart(service, settle)
        msg += f" {former.path} is as it was before, "
        msg += f"but with it the Agent did not come up either. {again}" if again else "and the Agent runs with it."
    return dict(result, failed=True, msg=f"{msg} What it said: {service.log}.")
