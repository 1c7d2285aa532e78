# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host of a lab with the stand-in for the Agent on it, and an intake that can be closed."""

from __future__ import annotations

import json
import time
import typing as t

from ansible_collections.netwall.datadog.tests.integration.on_host import OnHost
from ansible_collections.netwall.datadog.tests.lab.netlab import agent
from ansible_collections.netwall.datadog.tests.lab.netlab.hosts import INTERNET, Lab

_T = t.TypeVar("_T")

PATIENCE = 30.0
SERVICE = "datadog-agent.service"


class AgentHost(OnHost):
    """The host *name* of the lab called *lab*, which is up."""

    def install(self, settings: str = "", version: str = agent.DEFAULT_VERSION) -> None:
        """Install the package and start it with *settings* beside what is shipped."""
        agent.install(Lab(self.lab), self.name, version, settings)

    def status(self) -> dict[str, t.Any]:
        """What the running Agent says of itself, as soon as it answers."""
        found: dict[str, t.Any] = json.loads(self.wait(lambda: self.call("datadog-agent", "status").stdout))
        return found

    def wait_for_forwarder(self, is_reached: t.Callable[[dict[str, t.Any]], bool]) -> dict[str, t.Any]:
        """What the forwarder says when *is_reached* holds of it."""
        seen: dict[str, t.Any] = {}

        def asked() -> bool:
            seen.update(self.status()["forwarder"])
            return is_reached(seen)

        self.wait(asked)
        return seen

    def wait_until_failed(self) -> None:
        """Wait until systemd has given up starting it: so long it is activating, or active for a moment."""
        self.wait(lambda: self.call("systemctl", "is-failed", "--quiet", SERVICE).returncode == 0)

    def journal(self) -> str:
        """All that the Agent's units said, and what systemd said of them."""
        return self.run("journalctl", "--no-pager", "--output=cat", "--unit=datadog-agent*")

    def sockets(self) -> set[tuple[str, str]]:
        """(protocol, address and port) of all that the Agent's programs listen on."""
        lines = self.run("ss", "--no-header", "--listening", "--numeric", "--tcp", "--udp", "--processes").splitlines()
        return {(line.split()[0], line.split()[4]) for line in lines if "agent" in line}

    def wait(self, ask: t.Callable[[], _T]) -> _T:
        """Ask until there is an answer that is not empty; fails after a while."""
        deadline = time.monotonic() + PATIENCE
        while not (answer := ask()):
            assert time.monotonic() < deadline, f"waited {PATIENCE:g} s in vain; the journal:\n{self.journal()}"
            time.sleep(0.05)
        return answer


def close_intake(lab: str) -> None:
    """From now on no intake of *lab*'s internet answers."""
    OnHost(lab, INTERNET).run("systemctl", "stop", "nginx.service")


def open_intake(lab: str) -> None:
    """They answer again."""
    OnHost(lab, INTERNET).run("systemctl", "start", "nginx.service")
