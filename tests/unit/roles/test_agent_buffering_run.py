# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole role in one real play, on this machine with an /etc and an /opt that last as long as the play.

In them an Agent is installed that an init script starts. It dies at once where it cannot write what it is told to keep.
"""

from __future__ import annotations

import base64
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.netwall.datadog.plugins.modules import agent_restart
from ansible_collections.netwall.datadog.tests._play import play

ROLE = "netwall.datadog.agent_buffering"
FILE = "/etc/datadog-agent/datadog.yaml"
SHIPPED = "# Ours.\r\nsite: datadoghq.eu\r\n# forwarder_storage_max_size_in_bytes: 50000000\r\ntags: [a]\r\n"
SIZE = "forwarder_storage_max_size_in_bytes"

# $1 a folder; what follows is the command. /run/systemd would say that systemd drives services.
WORLD = """
mount -t tmpfs world "$1"
for place in etc opt; do
    mkdir -p "$1/$place" "$1/work/$place"
    mount -t overlay world -o "lowerdir=/$place,upperdir=$1/$place,workdir=$1/work/$place" "/$place"
done
[ ! -d /run/systemd ] || mount -t tmpfs world /run/systemd
mkdir -p /etc/datadog-agent /etc/init.d /opt/datadog-agent/bin/agent /opt/datadog-agent/run
cp "$2"/datadog.yaml /etc/datadog-agent/
chmod 0640 /etc/datadog-agent/datadog.yaml
cp "$2"/datadog-agent /etc/init.d/
cp "$2"/agent /opt/datadog-agent/bin/agent/
/etc/init.d/datadog-agent restart
shift 2
exec "$@"
"""
SCRIPT = """#!/bin/sh
run=/opt/datadog-agent/run
case "$1" in
    restart)
        echo started >>$run/restarts
        wc -l <$run/restarts >$run/agent.pid
        ! grep -q hopeless /etc/datadog-agent/datadog.yaml || rm $run/agent.pid ;;
    stop) rm -f $run/agent.pid ;;
    status) [ -e $run/agent.pid ] && echo "It runs." && exit 0; echo "It does not run."; exit 3 ;;
esac
"""
PROGRAM = '#!/bin/sh\necho "Agent 7.60.0 - Commit: 1 - Serialization version: 1 - Go version: 1"\n'

# Runs of the role, in this order; before one with "stop" the Agent is stopped.
RUNS: dict[str, dict[str, t.Any]] = {
    "first": {"agent_buffering_outage": "6h"},
    "same": {"agent_buffering_outage": "6h"},
    "hopeless": {"agent_buffering_path": "/opt/hopeless", "agent_buffering_settle": 0.5},
    "huge": {"agent_buffering_disk": "9000TB"},
    "stop": {"agent_buffering_memory": "64MB"},
    "absent": {"agent_buffering_state": "absent"},
}


class Left(t.NamedTuple):
    """What a run left: the file, how often the Agent was started so far, whether it runs, what else lies there."""

    text: str
    starts: int
    is_up: bool
    names: list[str]


class Run(t.NamedTuple):
    """What each run left, by its name, and what failed runs said."""

    left: dict[str, Left]
    refusals: dict[str, str]
    examples: dict[str, t.Any]


def can_make_a_world(folder: Path) -> bool:
    """Whether this user may mount, on this machine."""
    try:
        made = subprocess.run(
            ["unshare", "--mount", "sh", "-euc", WORLD.partition("[ !")[0] + "exit 0", "-", folder],
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return made.returncode == 0


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Run:
    world = tmp_path_factory.mktemp("world")
    if not can_make_a_world(world):
        pytest.skip("needs to mount file systems of its own (root, and unshare)")
    folder = tmp_path_factory.mktemp("run")
    for name, text in {"datadog.yaml": SHIPPED, "datadog-agent": SCRIPT, "agent": PROGRAM}.items():
        (folder / name).write_bytes(text.encode())
        (folder / name).chmod(0o755)
    tasks: list[dict[str, t.Any]] = []
    look = f"base64 -w0 {FILE}; echo; wc -l </opt/datadog-agent/run/restarts; ls -A /etc/datadog-agent"
    for name, variables in RUNS.items():
        if name == "stop":
            tasks.append({"ansible.builtin.command": "/etc/init.d/datadog-agent stop"})
        kept = f"{{{{ refusals | default({{}}) | combine({{'{name}': ansible_failed_result.msg}}) }}}}"
        role = {"ansible.builtin.include_role": {"name": ROLE}, "vars": {"agent_buffering_settle": 0, **variables}}
        tasks.append({"block": [role], "rescue": [{"ansible.builtin.set_fact": {"refusals": kept}}]})
        status = "/etc/init.d/datadog-agent status >/dev/null && echo up || echo down"
        tasks.append({"ansible.builtin.shell": f"{look}; {status}", "register": f"left_{name}"})
    tasks.append({"ansible.builtin.command": "/etc/init.d/datadog-agent restart"})
    examples = yaml.safe_load(agent_restart.EXAMPLES)
    named = [{"register": f"example_{number}", **task} for number, task in enumerate(examples)]
    tasks += named
    names = [task["register"] for task in tasks if "register" in task]
    within = ["unshare", "--mount", "sh", "-euc", WORLD, "-", str(world), str(folder)]
    played = play(folder, tasks, values=["refusals", *names], within=within)
    left = {}
    for name in RUNS:
        text, starts, *there, up = played.values[f"left_{name}"]["stdout_lines"]
        left[name] = Left(text, int(starts), up == "up", there)
    shown = {task["name"]: played.values[task["register"]] for task in named}
    return Run(left, played.values["refusals"], shown)


def text_of(left: Left) -> str:
    """The file as text."""
    return base64.b64decode(left.text).decode()


def test_the_settings_are_in_the_file_and_the_agent_was_restarted(ran: Run) -> None:
    left = ran.left["first"]
    line = f"{SIZE}: 51380224\r\n"
    assert line in text_of(left)
    assert text_of(left).replace(line, "") == SHIPPED
    assert (left.starts, left.is_up) == (2, True)


def test_a_run_that_has_nothing_to_change_restarts_nothing(ran: Run) -> None:
    assert ran.left["same"] == ran.left["first"]


def test_an_agent_that_does_not_come_up_has_its_settings_back(ran: Run) -> None:
    before, left = ran.left["same"], ran.left["hopeless"]
    assert (left.text, left.is_up, left.starts) == (before.text, True, before.starts + 2)
    assert "did not come up with its new settings. It is not up (It does not run.)." in ran.refusals["hopeless"]
    assert "datadog.yaml is as it was before, and the Agent runs with it." in ran.refusals["hopeless"]


def test_what_the_disk_cannot_hold_changes_nothing(ran: Run) -> None:
    assert "The disk of /opt/datadog-agent/run/transactions_to_retry cannot hold 9,000.0 TB" in ran.refusals["huge"]
    assert ran.left["huge"] == ran.left["hopeless"]


def test_an_agent_that_was_stopped_has_its_settings_and_stays_so(ran: Run) -> None:
    left = ran.left["stop"]
    assert "forwarder_retry_queue_payloads_max_size: 64000000\r\n" in text_of(left)
    assert (left.is_up, left.starts) == (False, ran.left["huge"].starts)


def test_taken_out_again_the_file_is_as_it_was(ran: Run) -> None:
    assert text_of(ran.left["absent"]) == SHIPPED


def test_only_backups_stay_beside_the_file(ran: Run) -> None:
    assert all(name.startswith("datadog.yaml") for left in ran.left.values() for name in left.names)


def test_nothing_else_was_refused(ran: Run) -> None:
    assert set(ran.refusals) == {"hopeless", "huge"}


def test_the_examples(ran: Run) -> None:
    prepared = ran.examples["The settings of before can be put back"]
    assert (prepared["changed"], prepared["is_running"], prepared["is_due"]) == (False, True, False)
    assert (
        ran.examples["The settings are others"]["checksum"]
        == ran.examples["See what the file is about to become"]["checksum"]
    )
    restarted = ran.examples["The Agent runs with them"]
    assert (restarted["changed"], restarted["is_put_back"]) == (True, False)
