# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""How an action plugin talks to a host without anybody seeing what is said.

What would show it, in ansible-core 2.17 to 2.21:

- From -vvv on the connection plugins print what a command printed, which is what a module returns. They heed
  ``no_log`` of the play context that the connection holds; those for Windows do so in newer releases alone, and print
  from -vvvvv on. A log file has a verbosity of its own (ANSIBLE_LOG_VERBOSITY).
- With ANSIBLE_DEBUG, action and connection plugins print arguments and output whatever ``no_log`` says.
- A module logs its arguments in the host's journal (or event log) unless ``no_log`` of the task says otherwise.

Setting ``no_log`` for the task alone, for good, would censor the whole result.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible import constants
from ansible.utils.display import Display

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

# The most that is said: below the verbosity from which on connection plugins print output.
_QUIET = 2


@contextlib.contextmanager
def unseen(action: ActionBase) -> t.Iterator[None]:
    """While this lasts, nothing that *action* sends to its host or gets from there is printed or logged anywhere.

    All is as before afterwards, whatever happens.
    """
    display = Display()
    connection: t.Any = action._connection  # noqa: SLF001
    quiet: list[tuple[t.Any, str, t.Any]] = [
        (action._play_context, "no_log", True),  # noqa: SLF001
        # Usually the same one, but it is what the connection itself asks.
        (connection._play_context, "no_log", True),  # noqa: SLF001
        (action._task, "no_log", True),  # noqa: SLF001
        (display, "verbosity", min(display.verbosity, _QUIET)),
        (display, "log_verbosity", min(display.log_verbosity, _QUIET)),
        (constants, "DEFAULT_DEBUG", False),
    ]
    with contextlib.ExitStack() as restoring:
        for thing, name, value in quiet:
            restoring.callback(setattr, thing, name, getattr(thing, name))
            setattr(thing, name, value)
        yield
