# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stand-in for the Agent: what it reads, what it keeps of what it cannot send, and what its package is made of."""

from __future__ import annotations

import os
import typing as t

import pytest

from ansible_collections.netwall.datadog.tests.lab.agent.standin import settings
from ansible_collections.netwall.datadog.tests.lab.agent.standin.buffer import Buffer, Disk
from ansible_collections.netwall.datadog.tests.lab.netlab import agent
from ansible_collections.netwall.datadog.tests.lab.netlab.shell import LabError

if t.TYPE_CHECKING:
    from pathlib import Path


def load(folder: Path, text: str, **environment: str) -> dict[str, t.Any]:
    """What is read from a datadog.yaml with that text."""
    (folder / "datadog.yaml").write_text(text)
    return settings.load(folder / "datadog.yaml", environment)


def test_a_setting_that_is_not_there_has_the_documented_default(tmp_path: Path) -> None:
    found = load(tmp_path, "api_key: key\napm_config:\n")
    assert found == {**settings.DEFAULTS, "api_key": "key"}


def test_a_nested_setting_is_read_from_its_section_and_from_the_environment(tmp_path: Path) -> None:
    text = "api_key: key\napm_config: {receiver_port: 1, enabled: false}\n"
    found = load(tmp_path, text, DD_APM_CONFIG_RECEIVER_PORT="2")
    assert (found["apm_config.receiver_port"], found["apm_config.enabled"]) == (2, False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("api_key: secret\nsite: [\n", "is not YAML: line 3"),
        ("- api_key: secret\n", "is not a mapping"),
        ("api_key: secret\ncmd_port: secret\n", "cmd_port is not a whole number"),
        ("api_key: secret\nuse_dogstatsd: secret\n", "use_dogstatsd is not true or false"),
        ("api_key: secret\napm_config: secret\n", "is no section"),
        ("api_key:\n", "no API key"),
    ],
)
def test_what_it_cannot_use_is_told_without_a_value(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(settings.ConfigurationError, match=reason) as refused:
        load(tmp_path, text)
    assert "secret" not in str(refused.value)


def test_neither_key_nor_password_is_shown(tmp_path: Path) -> None:
    found = load(tmp_path, "api_key: secret\nproxy: {https: 'http://agent:secret@proxy:3128'}\n")
    assert "secret" not in str(settings.shown(found))
    assert settings.shown(found)["proxy.https"] == "http://proxy:3128"


def test_without_a_disk_the_oldest_is_lost() -> None:
    buffer = Buffer(20, None)
    for number in range(3):
        buffer.add(b"%010d" % number)
    assert (buffer.next(), buffer.size, buffer.dropped) == (b"%010d" % 1, 20, 1)


def test_what_has_no_room_in_memory_comes_back_from_disk(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 10**6, 1.0)
    buffer = Buffer(20, disk)
    sent = {b"%010d" % number for number in range(9)}
    for payload in sorted(sent):
        buffer.add(payload)
    assert disk.used() > 0
    found = set()
    while (waiting := buffer.next()) is not None:
        found.add(waiting)
        buffer.remove_next()
    assert (found, buffer.dropped, disk.files()) == (sent, 0, [])


def test_the_oldest_on_disk_makes_room_for_what_is_newer(tmp_path: Path) -> None:
    buffer = Buffer(0, Disk(tmp_path, 22, 1.0))
    for number in range(3):
        buffer.add(b"%010d" % number)
    assert (buffer.next(), buffer.dropped) == (b"%010d" % 1, 1)


def test_a_disk_that_is_too_full_gets_nothing(tmp_path: Path) -> None:
    buffer = Buffer(0, Disk(tmp_path, 22, 0.0))
    buffer.add(b"payload")
    assert (list(tmp_path.iterdir()), buffer.dropped) == ([], 1)


def test_what_is_outdated_is_removed_at_start(tmp_path: Path) -> None:
    for name, modified in (("1.retry", 0), ("2.retry", None)):
        (tmp_path / name).touch()
        if modified is not None:
            os.utime(tmp_path / name, (modified, modified))
    disk = Disk(tmp_path, 22, 1.0)
    disk.prepare(10)
    assert [file.name for file in disk.files()] == ["2.retry"]


@pytest.mark.parametrize("version", ["7.60", "latest", "1:7.60.0-1 "])
def test_a_version_that_no_package_has_is_refused(version: str) -> None:
    with pytest.raises(LabError, match="is no version of an Agent's package"):
        agent.build(version)


def test_every_setting_that_it_documents_is_commented_out() -> None:
    shipped = agent._content("7.60.0", "1:7.60.0-1")["etc/datadog-agent/datadog.yaml.example"][0]
    assert [line for line in shipped.splitlines() if not line.lstrip().startswith("#") and line] == ["api_key:"]
