# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role agent_buffering in real plays on a twin of a Windows host."""

from __future__ import annotations

import shutil
import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.windows_restart import NOTES
from ansible_collections.netwall.datadog.tests._tool import ROOT
from ansible_collections.netwall.datadog.tests.windows.plays import Played, play
from ansible_collections.netwall.datadog.tests.windows.state import (
    State,
    access,
    content_of,
    file_key,
    loaded,
    opened,
    put_agent,
    put_file,
    saved,
    windows_server,
)
from ansible_collections.netwall.datadog.tests.windows.twin import Twin

if t.TYPE_CHECKING:
    from pathlib import Path

YAML = r"C:\ProgramData\Datadog\datadog.yaml"
STORED = r"C:\ProgramData\Datadog\run\transactions_to_retry"
SHIPPED = b"# Ours.\r\nsite: datadoghq.eu\r\n# forwarder_storage_max_size_in_bytes: 50000000\r\ntags: [a]\r\n"
SIZE = b"forwarder_storage_max_size_in_bytes: 51380224\r\n"
COSTS = (ROOT / "docs/windows.md").read_text(encoding="utf-8")
OUTAGE: dict[str, t.Any] = {"agent_buffering_outage": "6h"}


class Host:
    """A twin with an Agent that does not come up where its file has the word ``hopeless``; plays of the role on it."""

    def __init__(self, folder: Path, collections: Path, *, version: str = "7.60.0") -> None:
        state = windows_server()
        put_agent(state, version, yaml=SHIPPED)
        state.files[file_key(YAML)].update(owner="SYSTEM", acl=[access("SYSTEM", "FullControl", inherit="None")])
        state.services["datadogagent"]["dies_of"] = [YAML, "hopeless"]
        self._folder, self._collections = folder, collections
        self.store = saved(state, folder / "twin.json")
        self.start = loaded(self.store)

    @property
    def state(self) -> State:
        return loaded(self.store)

    def play(self, *arguments: str, collections: Path | None = None, **variables: t.Any) -> Played:
        with opened(self.store) as state:
            state.calls.clear()
        role = {
            "ansible.builtin.include_role": {"name": "netwall.datadog.agent_buffering"},
            "vars": {"agent_buffering_settle": 0, **variables},
        }
        collections = collections or self._collections
        return play(self._folder, {"win": self.store}, [role], collections=collections, arguments=arguments)

    @property
    def text(self) -> bytes:
        return content_of(self.state.files[file_key(YAML)])

    @property
    def restarts(self) -> int:
        return sum(call["module"] == "ansible.windows.win_service" for call in self.state.calls)

    def assert_guarded(self) -> None:
        entry = self.state.files[file_key(YAML)]
        assert (entry["owner"], [each["user"] for each in entry["acl"]]) == ("SYSTEM", ["SYSTEM"])

    def assert_clear(self) -> None:
        """Nothing is kept of what was before, but backups, which have the rights of the file."""
        state = self.state
        assert [key for key in state.files if "netwall" in key] == []
        assert not state.registry.get(NOTES.upper(), {"values": {}})["values"]
        for key, entry in state.files.items():
            if key.endswith(".bak"):
                assert (entry["owner"], [each["user"] for each in entry["acl"]]) == ("SYSTEM", ["SYSTEM"])


@pytest.fixture
def host(tmp_path: Path, collections: Path) -> Host:
    return Host(tmp_path, collections)


def words(played: Played) -> str:
    """What was printed, however its lines were broken."""
    return " ".join(played.output.replace("\\\\", "\\").split())


def test_what_an_outage_needs_is_set_once_and_goes_again(host: Host) -> None:
    first = host.play(**OUTAGE)
    assert first.code == 0, first.output
    assert host.text == SHIPPED.replace(b"50000000\r\n", b"50000000\r\n" + SIZE)
    assert host.restarts == 1
    assert file_key(STORED) in host.state.files
    host.assert_guarded()
    host.assert_clear()
    assert {service["state"] for service in host.state.services.values()} == {"started"}

    again = host.play(**OUTAGE)
    assert (again.code, host.restarts) == (0, 0), again.output
    assert "changed=0" in again.output
    assert f"| `agent_buffering`, nothing to change | {len(host.state.calls)} |" in COSTS

    gone = host.play(agent_buffering_state="absent")
    assert (gone.code, host.restarts, host.text) == (0, 1, SHIPPED), gone.output
    host.assert_guarded()
    host.assert_clear()


def test_a_play_that_becomes_root_everywhere_needs_no_word_for_windows(host: Host) -> None:
    done = host.play("--become", agent_buffering_path="C:\\stored", **OUTAGE)
    assert done.code == 0, done.output
    assert host.restarts == 1
    assert {call["become"] for call in host.state.calls} == {""}


def test_a_play_that_runs_as_another_user_does_so_in_all_of_its_calls(host: Host) -> None:
    runas = ["--become", "--become-user=SYSTEM", "--extra-vars=ansible_become_method=runas"]
    done = host.play(*runas, agent_buffering_path="C:\\stored", **OUTAGE)
    assert done.code == 0, done.output
    assert {call["become"] for call in host.state.calls} == {"runas"}


def test_check_mode_tells_and_changes_nothing(host: Host) -> None:
    before = host.state
    checked = host.play("--check", "--diff", **OUTAGE)
    assert checked.code == 0, checked.output
    assert "+forwarder_storage_max_size_in_bytes: 51380224" in checked.output
    after = host.state
    for name in ("files", "registry", "services"):
        assert getattr(after, name) == getattr(before, name)


def test_an_agent_that_does_not_come_up_gets_its_settings_back(host: Host) -> None:
    failed = host.play(agent_buffering_disk="1GiB", agent_buffering_path=r"C:\hopeless")
    assert failed.code == 2, failed.output
    assert f"{YAML} is as it was before, and the Agent runs with it." in words(failed)
    assert (host.text, host.restarts) == (SHIPPED, 2)
    host.assert_guarded()
    host.assert_clear()
    # The folder that was named is the Agent's user's to write.
    users = [each["user"] for each in host.state.files[file_key(r"C:\hopeless")]["acl"] if not each["is_inherited"]]
    assert users == [r"HOST\ddagentuser"]


def test_a_run_that_is_cut_off_before_the_restart_is_made_up_for(host: Host) -> None:
    undisturbed = host.play(**OUTAGE)
    assert undisturbed.code == 0, undisturbed.output
    numbers = [at for at, call in enumerate(host.state.calls, 1) if call["module"] == "ansible.windows.win_service"]
    saved(host.start, host.store)
    Twin(host._collections, store=host.store).plan(numbers[0], "before")
    assert host.play(**OUTAGE).code == 4
    assert SIZE in host.text
    Twin(host._collections, store=host.store).revive()
    made_up = host.play(**OUTAGE)
    assert (made_up.code, host.restarts) == (0, 1), made_up.output
    host.assert_clear()


BROKEN = b"site: 'datadoghq.eu\r\n"


def test_what_cannot_be_is_refused_before_anything_changes(host: Host, tmp_path: Path, collections: Path) -> None:
    with opened(host.store) as state:
        put_file(state, YAML, BROKEN)
    broken = host.play(**OUTAGE)
    assert (broken.code, host.text) == (2, BROKEN)
    assert YAML in words(broken)
    assert "Traceback" not in broken.output

    old = Host(tmp_path, collections, version="7.26.0")
    refused = old.play(**OUTAGE)
    assert "needs buffering on disk, which Agent 7.26.0 does not have" in words(refused)

    small = Host(tmp_path, collections)
    with opened(small.store) as state:
        state.disks["c:"] = {"size": 10 * 10**9, "free": 2 * 10**9}
    refused_small = small.play(**OUTAGE)
    assert f"The disk of {STORED} cannot hold" in words(refused_small)

    nowhere = small.play(agent_buffering_disk="1GiB", agent_buffering_path=r"E:\retry")
    assert r"The host does not name the disk that E:\retry is on" in words(nowhere)
    for played, each in ((refused, old), (refused_small, small), (nowhere, small)):
        assert (played.code, each.text, each.restarts) == (2, SHIPPED, 0), played.output


@pytest.mark.parametrize("missing", ["ansible", "community"])
def test_a_controller_without_a_collection_says_what_to_install(
    host: Host, tmp_path: Path, collections: Path, missing: str
) -> None:
    others = tmp_path / "collections"
    for name in sorted({"ansible", "community"} - {missing}):
        shutil.copytree(
            collections / "ansible_collections" / name, others / "ansible_collections" / name, symlinks=True
        )
    refused = host.play(**OUTAGE, collections=others)
    assert refused.code == 2, refused.output
    assert f"ansible-galaxy collection install {missing}.windows" in words(refused), refused.output
    assert "Traceback" not in refused.output
    assert host.text == SHIPPED
