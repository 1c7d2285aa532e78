# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation of agent_restart; what it does is tested in module_utils, and on a twin of a Windows host."""

from __future__ import annotations

import json
import os

from ansible_collections.netwall.datadog.plugins.module_utils._agent.options import RESTART
from ansible_collections.netwall.datadog.tests._tool import ROOT, run


def test_the_documentation_has_every_option_as_it_is() -> None:
    shown = run(
        "ansible-doc",
        "--json",
        "--type=module",
        "netwall.datadog.agent_restart",
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "tests/ansible.cfg")},
    )
    options = json.loads(shown)["netwall.datadog.agent_restart"]["doc"]["options"]
    documented = {
        name: {key: option[key] for key in ("type", "choices", "default", "required") if option.get(key)}
        for name, option in options.items()
    }
    assert documented == RESTART
