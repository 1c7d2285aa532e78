# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Taking a change back: from the run that made it, from the next one, from a process that watches, or at boot.

As a program (see ``watchdog.py``)::

    watch CHANGE PID START    take CHANGE back if the process that makes it dies, or nobody confirms it in time
    boot                      take back whatever was pending when the host went down
"""

from __future__ import annotations

import contextlib
import os
import sys
import syslog
import time
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import watchdog
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.choice import BACKENDS
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.journal import (
    Journal,
    is_running,
    this_process,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.system import one_run_at_a_time

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.journal import Pending

_POLL = 0.2
# How often a boot, which waits for it, tries before it leaves that to a process that watches.
_BOOT_ATTEMPTS = 5
# Between attempts to take back what could not be taken back.
_PAUSE = 2.0
# A run holds the lock for as long as its slowest commands take.
_LOCK_TIMEOUT = 600.0


def take_back(journal: Journal, pending: Pending) -> None:
    """Bring the host back to what stood before *pending*; the caller keeps other runs out.

    Raises :class:`FirewallError` or ``OSError``; the change then is still pending.
    """
    # What failed may have failed because the disk is full.
    journal.make_room()
    BACKENDS[pending.backend]().restore(pending.snapshot)
    journal.save_state(pending.state)
    close(journal)


def close(journal: Journal) -> None:
    """There is nothing to take back any more; the caller keeps other runs out."""
    journal.close()
    # What is left of it does nothing without a pending change, and must not make a final one look like none.
    with contextlib.suppress(OSError, FirewallError):
        watchdog.disarm()
    journal.tidy()


def main(arguments: t.Sequence[str]) -> int:
    """Run the program; the result is its exit status."""
    journal = Journal()
    if arguments[0] == "boot":
        return _boot(journal)
    change, pid, start = arguments[1:]
    with watchdog.watching(change):
        while not _is_over(journal, change, (int(pid), start)):
            time.sleep(_POLL)
    return 0


def _boot(journal: Journal) -> int:
    """Take back what was pending when the host went down; what fails is tried again without keeping the boot."""
    pending = None
    for attempt in range(_BOOT_ATTEMPTS):
        time.sleep(_PAUSE if attempt else 0)
        try:
            with one_run_at_a_time(_LOCK_TIMEOUT):
                pending = journal.pending()
                if pending:
                    take_back(journal, pending)
                    _tell(_sentence(pending, "was not confirmed before the host went down"))
            return 0
        except Exception as error:  # noqa: BLE001 - whatever it is, the boot has to go on
            _tell(f"{type(error).__name__}: {error}")
    if pending:
        # Its maker is dead, so it is tried again and again.
        watchdog.start(pending.id, this_process())
    return 1


def _sentence(pending: Pending, fate: str) -> str:
    return f"netwall.datadog: change {pending.id} {fate}; the old rules are back."


def _tell(what: str) -> None:
    """Leave word of it: in the journal, or where our standard error does not lead there, in the system's log."""
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()
    with contextlib.suppress(OSError):
        error = os.fstat(2)
        if os.environ.get("JOURNAL_STREAM") != f"{error.st_dev}:{error.st_ino}":
            syslog.syslog(syslog.LOG_WARNING, what)


def _is_over(journal: Journal, change: str, maker: tuple[int, str]) -> bool:
    """Look once, and take *change* back if it is time; what fails is tried again."""
    try:
        if not _is_due(journal, change, maker):
            return False
        with one_run_at_a_time(_LOCK_TIMEOUT):
            pending = journal.pending()
            if pending and pending.id == change:
                # It may have been confirmed, or just been finished by its run, while we waited for our turn.
                if _is_due(journal, change, maker):
                    take_back(journal, pending)
                    is_late = pending.is_applied
                    fate = "was not confirmed within its time" if is_late else "was left half done by a run that died"
                    _tell(_sentence(pending, fate))
                return journal.pending() is None
            if not pending:
                # The run died between getting ready and the first step, or between the last and cleaning up.
                close(journal)
            return True
    except Exception as error:  # noqa: BLE001 - whatever it is, nobody else would try again
        _tell(f"{type(error).__name__}: {error}")
        time.sleep(_PAUSE)
        return False


def _is_due(journal: Journal, change: str, maker: tuple[int, str]) -> bool:
    pending = journal.pending()
    if pending and pending.id == change and pending.is_applied:
        return pending.seconds_left <= 0
    return not is_running(maker)
