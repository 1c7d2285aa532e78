# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is planned for an Agent, and what is refused."""

from __future__ import annotations

import typing as t
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils._buffering.plan import SETTINGS, Disk, Plan

AGENT: dict[str, t.Any] = {
    "installed": True,
    "version": "7.60.0",
    "path": "/etc/datadog-agent/datadog.yaml",
    "service": "datadog-agent",
    "buffering": {"usual_path": "/opt/datadog-agent/run/transactions_to_retry"},
    "endpoints": [],
    "sources": {},
}
WINDOWS = {
    **AGENT,
    "path": r"D:\Datadog\datadog.yaml",
    "service": "datadogagent",
    "buffering": {"usual_path": r"D:\Datadog\run\transactions_to_retry"},
}
GIB = 2**30
EMPTY = Disk(100 * GIB, 95 * GIB, 0)
MEMORY, DISK, PATH, RATIO, DAYS = (setting.name for setting in SETTINGS.values())


def planned(wishes: dict[str, t.Any], disk: Disk | None = EMPTY, **agent: t.Any) -> Plan:
    known = {**AGENT["buffering"], **agent.pop("buffering", {})}
    plan = Plan(wishes, {**AGENT, **agent, "buffering": known}, "agent_buffering_")
    plan.to_set(disk)
    return plan


def settings(wishes: dict[str, t.Any], disk: Disk | None = EMPTY, **agent: t.Any) -> dict[str, t.Any]:
    plan = planned(wishes, disk, **agent)
    assert plan.refusals == []
    return plan.settings


def refusal(wishes: dict[str, t.Any], disk: Disk | None = EMPTY, **agent: t.Any) -> str:
    [sentence] = planned(wishes, disk, **agent).refusals
    return sentence


# --- Settings ---------------------------------------------------------------------------------------------------------


def test_what_is_not_set_is_not_touched() -> None:
    assert settings({"memory": "64MB", "disk": None, "path": None, "outdated_days": None}) == {MEMORY: 64_000_000}


def test_every_wish_is_a_setting() -> None:
    wishes = {"memory": "64MiB", "disk": "2GiB", "path": "/var/lib/buffer/", "disk_ratio": "0.9", "outdated_days": "3"}
    assert settings(wishes) == {
        MEMORY: 64 * 2**20,
        DISK: 2 * GIB,
        PATH: "/var/lib/buffer",
        RATIO: 0.9,
        DAYS: 3,
    }


def test_a_disk_may_be_switched_off() -> None:
    plan = planned({"disk": 0}, buffering={"disk_bytes": 10**9})
    assert (plan.refusals, plan.settings, plan.stores) == ([], {DISK: 0}, False)


def test_the_folder_is_the_one_that_will_hold() -> None:
    named: dict[str, t.Any] = {"buffering": {"storage_path": "/srv/retry"}}
    assert planned({"disk": "1GB"}).storage_path == "/opt/datadog-agent/run/transactions_to_retry"
    assert planned({"disk": "1GB"}, **named).storage_path == "/srv/retry"
    assert planned({"disk": "1GB", "path": "/srv/other"}, **named).storage_path == "/srv/other"
    assert planned({"disk": "1GB"}, **WINDOWS).storage_path == r"D:\Datadog\run\transactions_to_retry"
    assert planned({"disk": "1GB", "path": "D:\\retry\\"}, **WINDOWS).storage_path == r"D:\retry"


# --- An outage --------------------------------------------------------------------------------------------------------


def test_an_outage_becomes_a_size_on_disk() -> None:
    # 21,600 s of 2,000 bytes/s = 43,200,000 bytes, and 7,864,320 for one file more: 48.7 MiB.
    plan = planned({"outage": "6h"})
    assert (plan.refusals, plan.settings) == ([], {DISK: 49 * 2**20})
    assert "".join(plan.reasons) == (
        "21,600 s of outage at 2,000 bytes/s make 43.2 MB of payloads; with one file of 7.9 MB more, in whole MiB, "
        "51,380,224 bytes on disk."
    )


def test_the_rate_and_the_memory_count() -> None:
    assert settings({"outage": "1d", "payload_rate": "10kB/s"}) == {DISK: 832 * 2**20}
    assert settings({"outage": "6h", "memory": "64MiB"}) == {MEMORY: 64 * 2**20, DISK: 74 * 2**20}
    assert settings({"outage": "6h"}, buffering={"memory_bytes": 64 * 2**20}) == {DISK: 74 * 2**20}


@pytest.mark.parametrize(
    ("outage", "known", "days"), [("9d", None, None), ("10d", None, 11), ("11d", 12, None), ("60h", 3, 4)]
)
def test_what_is_stored_outlives_the_outage(outage: str, known: int | None, days: int | None) -> None:
    assert settings({"outage": outage}, buffering={"outdated_days": known}).get(DAYS) == days


def test_days_that_are_too_few_for_the_outage_are_refused() -> None:
    sentence = refusal({"outage": "4d", "outdated_days": 3})
    assert sentence.startswith("agent_buffering_outdated_days is 3: an Agent that starts after the outage would throw")
    assert "Set it to 5 or more" in sentence


def test_an_outage_and_a_disk_are_one_too_many() -> None:
    assert "agent_buffering_outage and agent_buffering_disk both say" in refusal({"outage": "6h", "disk": "1GB"})


@given(st.integers(1, 365 * 86400), st.integers(1, 10**6), st.integers(1, 2**31))
def test_the_disk_holds_the_outage_when_its_oldest_file_is_gone(outage: int, rate: int, memory: int) -> None:
    plan = planned({"outage": outage, "payload_rate": rate, "memory": memory}, None)
    assert plan.refusals == []
    disk = plan.settings[DISK]
    assert outage * rate <= disk - memory / 2 < outage * rate + 2**20 + 1
    assert plan.settings.get(DAYS, 10) * 86400 > outage


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_longer_outage_needs_no_less(outage: int, more: int) -> None:
    assert settings({"outage": outage}, None)[DISK] <= settings({"outage": outage + more}, None)[DISK]


# --- The disk ---------------------------------------------------------------------------------------------------------


def test_a_size_that_the_disk_cannot_hold_is_refused() -> None:
    sentence = refusal({"disk": "2GB"}, Disk(10 * 10**9, 3 * 10**9, 0))
    assert sentence == (
        "The disk of /opt/datadog-agent/run/transactions_to_retry cannot hold 2.0 GB: of its 10.0 GB, 3.0 GB are free, "
        "and filled to a ratio of 0.80 it leaves the Agent 1.0 GB. Free some of it, ask for less "
        "(agent_buffering_disk), or choose another disk (agent_buffering_path) or ratio (agent_buffering_disk_ratio). "
        "That ratio is assumed, since none is set: it is the default from Agent 7.31.0 on; older ones had 0.95."
    )


def test_what_is_stored_already_counts() -> None:
    disk = Disk(10 * 10**9, 3 * 10**9, 10**9)
    assert settings({"disk": "2GB"}, disk) == {DISK: 2 * 10**9}
    assert "the 1.0 GB included" in refusal({"disk": "2001MB"}, disk)


def test_the_ratio_is_the_one_that_will_hold() -> None:
    disk = Disk(10 * 10**9, 3 * 10**9, 0)
    assert settings({"disk": "2GB", "disk_ratio": 0.9}, disk)
    assert settings({"disk": "2GB"}, disk, buffering={"disk_ratio": 0.9})
    assert "a ratio of 0.75 it leaves the Agent 500.0 MB" in refusal({"disk": "2GB", "disk_ratio": 0.75}, disk)
    assert "assumed" not in refusal({"disk": "3GB", "disk_ratio": 0.9}, disk)


def test_a_disk_that_is_too_full_leaves_nothing() -> None:
    assert "it leaves the Agent 0 bytes" in refusal({"disk": "100MB"}, Disk(10 * 10**9, 10**9, 0))


def test_a_size_in_the_file_is_judged_where_the_ratio_changes() -> None:
    disk = Disk(10 * 10**9, 3 * 10**9, 0)
    assert "cannot hold 2.0 GB" in refusal({"disk_ratio": 0.75}, disk, buffering={"disk_bytes": 2 * 10**9})


def test_an_outage_that_the_disk_cannot_hold_is_refused() -> None:
    assert "ask for less (agent_buffering_outage)" in refusal({"outage": "30d"}, Disk(10**10, 3 * 10**9, 0))


def test_every_destination_has_a_queue_of_its_own() -> None:
    disk = Disk(10 * 10**9, 5 * 10**9, 0)
    more = {"product": "metrics", "host": "intake.example.com", "port": 443, "is_additional": True}
    logs = {"product": "logs", "host": "logs.example.com", "port": 443, "is_additional": True}
    assert settings({"disk": "2GB"}, disk, endpoints=[logs])
    sentence = refusal({"disk": "2GB"}, disk, endpoints=[more, logs])
    assert "cannot hold 2.0 GB for each of the 2 destinations of metrics" in sentence


@given(st.integers(1, 10**15), st.floats(0, 1), st.integers(0, 10**12), st.integers(1, 100), st.integers(2**24, 10**13))
def test_what_passes_is_what_the_agent_would_store(total: int, free: float, stored: int, ratio: int, size: int) -> None:
    disk = Disk(total, int(total * free), stored)
    plan = planned({"disk": size, "disk_ratio": ratio / 100}, disk)
    # computeAvailableSpace() of the Agent, in exact numbers.
    room = stored + disk.available - -(-total * (100 - ratio) // 100)
    assert (plan.refusals == []) == (size <= room)
    assert disk.room(Fraction(ratio, 100)) == room


def test_files_that_fit_nowhere_are_refused() -> None:
    sentence = refusal({"disk": "5MB"})
    assert sentence.startswith(
        "With 15.7 MB in memory the Agent writes files of 7.9 MB (half of it), none of which fits"
    )
    assert refusal({"memory": "1GB"}, buffering={"disk_bytes": 10**8}).startswith("With 1.0 GB in memory")
    assert settings({"disk": "5MB", "memory": "8MB"})


@pytest.mark.parametrize("version", ["7.26.0", "6.26.0"])
def test_what_an_older_agents_file_says_of_a_disk_means_nothing(version: str) -> None:
    plan = planned({"memory": "32MB"}, None, version=version, buffering={"disk_bytes": 10**6})
    assert (plan.refusals, plan.stores, plan.settings) == ([], False, {MEMORY: 32_000_000})


# --- Releases ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["7.26.0", "7.26.2", "6.26.0", "1:6.26.0-1"])
@pytest.mark.parametrize("wish", [{"disk": "1GB"}, {"path": "/srv/x"}, {"disk_ratio": 0.8}, {"outdated_days": 3}])
def test_a_disk_is_refused_to_agents_that_have_none(version: str, wish: dict[str, t.Any]) -> None:
    sentence = refusal(wish, version=version)
    assert "does not have forwarder_" in sentence
    assert "came with 7.27.0 and 6.27.0. Update the Agent, or leave agent_buffering_" in sentence


@pytest.mark.parametrize("version", ["7.27.0", "1:7.27.0-1", "7.60.0", "7.27.0~rc.3", "6.27.0", "6.53.1", "7", "8.0.0"])
def test_a_disk_is_for_agents_that_have_one(version: str) -> None:
    assert settings({"disk": "1GB"}, version=version) == {DISK: 10**9}


def test_an_outage_on_an_agent_without_a_disk_says_what_memory_would_do() -> None:
    sentence = refusal({"outage": "6h"}, version="7.26.0")
    assert "set agent_buffering_memory alone (the outage makes 43,200,000 bytes of payloads)" in sentence


def test_memory_is_older_than_the_disk() -> None:
    assert settings({"memory": "64MB"}, version="7.24.0") == {MEMORY: 64_000_000}
    assert "forwarder_retry_queue_payloads_max_size, which came with 7.24.0" in refusal(
        {"memory": 64}, version="7.23.1"
    )


def test_an_agent_5_has_none_of_it() -> None:
    path = "/etc/dd-agent/datadog.conf"
    assert refusal({"memory": "64MB"}, version="5.32.8", path=path).startswith("Agent 5.32.8 has no settings for")


def test_a_version_that_is_not_known_is_warned_of() -> None:
    plan = planned({"disk": "1GB"}, version=None)
    assert (plan.refusals, plan.settings) == ([], {DISK: 10**9})
    assert "version is not known" in plan.warnings[0]


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ({"installed": False, "version": None, "path": None}, "No Datadog Agent is installed on this host"),
        ({"path": None}, "has no datadog.yaml"),
    ],
)
def test_where_no_agent_is_nothing_is_set(agent: dict[str, t.Any], said: str) -> None:
    assert said in refusal({"disk": "1GB"}, **agent)


# --- The environment of the service -----------------------------------------------------------------------------------

SOURCES: dict[str, t.Any] = {"buffering": {"disk_bytes": "DD_FORWARDER_STORAGE_MAX_SIZE_IN_BYTES of the service"}}


def test_what_the_environment_overrides_is_refused() -> None:
    sentence = refusal({"disk": "1GB"}, buffering={"disk_bytes": 2 * 10**9}, sources=SOURCES)
    assert sentence == (
        "DD_FORWARDER_STORAGE_MAX_SIZE_IN_BYTES in the environment of the service datadog-agent wins over "
        "datadog.yaml, so forwarder_storage_max_size_in_bytes would be written in vain. Take the variable out there, "
        "or leave agent_buffering_disk unset."
    )


def test_what_the_environment_says_already_is_not_written() -> None:
    plan = planned({"disk": "1GB", "memory": "64MB"}, buffering={"disk_bytes": 10**9}, sources=SOURCES)
    assert (plan.refusals, plan.settings, plan.stores) == ([], {MEMORY: 64_000_000}, True)
    assert "is already so by DD_FORWARDER_STORAGE_MAX_SIZE_IN_BYTES" in plan.warnings[0]


def test_what_the_environment_does_not_name_is_written() -> None:
    assert settings({"memory": "64MB"}, buffering={"disk_bytes": 2 * 10**9}, sources=SOURCES) == {MEMORY: 64_000_000}


# --- Wishes that are none ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wishes", [{}, {"memory": None, "path": ""}, {"payload_rate": "2kB/s"}])
def test_nothing_set_is_told(wishes: dict[str, t.Any]) -> None:
    assert refusal(wishes).startswith(
        "Nothing is set: set agent_buffering_outage, as in 6h, or some of agent_buffering_"
    )


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"memory": "64M"}, "agent_buffering_memory has the unit 'M', which may mean two things"),
        ({"memory": 0}, "agent_buffering_memory is 0"),
        ({"path": "retry"}, "agent_buffering_path is 'retry', which is no folder's whole path"),
        ({"path": "/srv/../etc"}, "which is no folder's whole path"),
        ({"path": "/"}, "which is no folder's whole path"),
        ({"path": "/srv/$HOME"}, "which is no folder's whole path"),
        ({"disk_ratio": 80}, "agent_buffering_disk_ratio is 80: it is a part of the disk"),
        ({"disk_ratio": 0}, "agent_buffering_disk_ratio is 0"),
        ({"disk_ratio": "most"}, "agent_buffering_disk_ratio is 'most', which is no number"),
        ({"disk_ratio": True}, "agent_buffering_disk_ratio is True, which is no number"),
        ({"outdated_days": "1d"}, "agent_buffering_outdated_days is '1d', which is no number of days"),
        ({"outdated_days": 0}, "agent_buffering_outdated_days is 0"),
        ({"outage": "soon"}, "agent_buffering_outage is 'soon', which is no time"),
        ({"outage": "6h", "payload_rate": "fast"}, "agent_buffering_payload_rate is 'fast', which is no rate"),
    ],
)
def test_a_value_that_is_none_is_told(wishes: dict[str, t.Any], said: str) -> None:
    assert said in refusal(wishes)


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(planned({"memory": "64M", "disk": "2G", "disk_ratio": 80}).refusals) == 3


def test_a_path_without_a_disk_is_warned_of() -> None:
    assert planned({"path": "/srv/retry"}).warnings[0] == (
        "Buffering on disk is off, so that forwarder_storage_path changes nothing. Set agent_buffering_disk or "
        "agent_buffering_outage."
    )


# --- Taking them out --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wishes", "names"),
    [
        ({}, [MEMORY, DISK, PATH, RATIO, DAYS]),
        ({"memory": "64M"}, [MEMORY]),
        ({"outage": "6h"}, [DISK, DAYS]),
        ({"outage": "6h", "path": "/srv/x"}, [PATH, DISK, DAYS]),
    ],
)
def test_what_is_named_or_all_is_taken_out(wishes: dict[str, t.Any], names: list[str]) -> None:
    plan = Plan(wishes, AGENT)
    assert (plan.to_remove(), plan.refusals) == (names, [])


def test_what_the_environment_keeps_is_told() -> None:
    plan = Plan({}, {**AGENT, "sources": SOURCES})
    plan.to_remove()
    assert plan.warnings[0].startswith("DD_FORWARDER_STORAGE_MAX_SIZE_IN_BYTES stays in the environment")


# --- The folder -------------------------------------------------------------------------------------------------------


def folder(user: str, **stat: t.Any) -> list[str]:
    plan = planned({"disk": "1GB", "path": "/srv/retry"})
    plan.check_folder({"exists": True, "isdir": True, "mode": "0755", **stat}, user)
    return plan.refusals


@pytest.mark.parametrize(
    ("user", "stat"),
    [
        ("dd-agent", {"exists": False}),
        ("dd-agent", {"pw_name": "dd-agent", "mode": "0700"}),
        ("dd-agent", {"pw_name": "root", "mode": "0775"}),
        ("dd-agent", {"pw_name": "root", "mode": "1777"}),
        ("root", {"pw_name": "dd-agent", "mode": "0700"}),
        ("", {"pw_name": "root", "mode": "0700"}),
    ],
)
def test_a_folder_that_the_agent_may_use_is_left_as_it_is(user: str, stat: dict[str, t.Any]) -> None:
    assert folder(user, **stat) == []


@pytest.mark.parametrize(
    ("stat", "said"),
    [
        (
            {"pw_name": "root"},
            "/srv/retry belongs to root, and the Agent's user dd-agent may not write there (mode 0755).",
        ),
        ({"pw_name": "dd-agent", "mode": "0500"}, "may not write there (mode 0500)"),
        ({"isdir": False}, "/srv/retry is no folder. Remove it, or choose another agent_buffering_path."),
    ],
)
def test_a_folder_that_the_agent_could_not_use_is_refused(stat: dict[str, t.Any], said: str) -> None:
    [sentence] = folder("dd-agent", **stat)
    assert said in sentence


@pytest.mark.parametrize(
    ("stat", "said"),
    [
        ({"pw_name": "dd-agent", "user_may": "nothing"}, "The Agent's user dd-agent cannot get into /srv/retry: it is"),
        (
            {"pw_name": "root", "user_may": "nothing"},
            "/srv/retry belongs to root, and the Agent's user dd-agent may not",
        ),
        ({"pw_name": "dd-agent", "user_may": "enter"}, "the Agent's user dd-agent may not write there (mode 0755)"),
    ],
)
def test_what_the_agents_user_may_do_there_counts(stat: dict[str, t.Any], said: str) -> None:
    [sentence] = folder("dd-agent", **stat)
    assert said in sentence
    assert folder("", **stat) == folder("root", **stat) == []


@pytest.mark.parametrize(("may", "is_refused"), [("write", False), ("unknown", True)])
def test_it_counts_for_more_than_the_mode(may: str, *, is_refused: bool) -> None:
    assert bool(folder("dd-agent", pw_name="root", mode="0700", user_may=may)) is is_refused


NAMED_BY_THE_AGENT: list[dict[str, t.Any]] = [
    {"buffering": {"storage_path": "/etc/cron.d/x"}, "sources": {"buffering": {"storage_path": "datadog.yaml"}}},
    {"buffering": {"usual_path": "/etc/cron.d/x"}, "sources": {"buffering": {"usual_path": "datadog.yaml"}}},
]


def judged(wishes: dict[str, t.Any], stat: dict[str, t.Any], user: str = "dd-agent", **agent: t.Any) -> list[str]:
    plan = planned({"disk": "1GB", **wishes}, **agent)
    plan.check_folder(stat, user)
    return plan.refusals


@pytest.mark.parametrize("agent", NAMED_BY_THE_AGENT)
def test_a_folder_that_the_agents_settings_alone_name_is_not_made(agent: dict[str, t.Any]) -> None:
    [sentence] = judged({}, {"exists": False, "is_guarded": True}, **agent)
    assert "have /etc/cron.d/x as the folder to store in, which is not there." in sentence
    assert sentence.endswith("set agent_buffering_path to it, or make it and give it to dd-agent.")
    assert judged({"path": "/etc/cron.d/x"}, {"exists": False, "is_guarded": True}, **agent) == []


@pytest.mark.parametrize("agent", NAMED_BY_THE_AGENT)
def test_it_has_to_be_the_own_one_of_the_agents_user(agent: dict[str, t.Any]) -> None:
    there = {"exists": True, "isdir": True, "mode": "0777"}
    [sentence] = judged({}, {**there, "pw_name": "root"}, **agent)
    assert "which belongs to root and not to the Agent's user dd-agent" in sentence
    assert judged({}, {**there, "pw_name": "dd-agent"}, **agent) == []


def test_the_default_is_made() -> None:
    for is_guarded in (True, False):
        assert judged({}, {"exists": False, "is_guarded": is_guarded}) == []


@pytest.mark.parametrize(
    ("is_guarded", "may", "said"),
    [
        (True, "write", ""),
        (True, "enter", ""),
        (True, "nothing", "the way to it is closed to the Agent's user dd-agent"),
        (False, "write", ""),
        (False, "enter", "the Agent's user dd-agent, who would make it, may not write into the folder above it"),
        (False, "nothing", "the way to it is closed to the Agent's user dd-agent"),
        (False, "unknown", ""),
    ],
)
def test_a_folder_that_could_not_be_made_is_refused_beforehand(may: str, said: str, *, is_guarded: bool) -> None:
    sentences = judged({"path": "/srv/x"}, {"exists": False, "is_guarded": is_guarded, "user_may": may})
    assert [said in sentence for sentence in sentences] == ([True] if said else [])


@pytest.mark.parametrize("user", ["root", ""])
def test_root_makes_no_folder_where_others_may_lead_it_elsewhere(user: str) -> None:
    [sentence] = judged({}, {"exists": False, "is_guarded": False}, user)
    assert "others than root may change a folder on the way to it, so root does not make it" in sentence
    assert judged({}, {"exists": False, "is_guarded": True}, user) == []


@pytest.mark.parametrize("path", ["-delete", "retry", "/srv/../etc", "$HOME/x", "/srv/$HOME", "/a\nb"])
def test_the_host_is_not_asked_about_what_is_no_path(path: str) -> None:
    sentence = refusal({"disk": "1GB"}, None, buffering={"storage_path": path})
    assert sentence.startswith("The folder that the Agent stores in, forwarder_storage_path of its settings, is ")


def test_the_folders_above_it_are_named_for_the_disk_that_it_will_be_on() -> None:
    assert planned({"disk": "1GB", "path": "/srv/a/b"}).folders == ["/srv/a/b", "/srv/a", "/srv", "/"]


def test_a_disk_is_read_from_what_stat_says() -> None:
    assert Disk.of_statfs("4096 1000 900", 7) == Disk(4096 * 1000, 4096 * 900, 7)


def partition(size: int, *paths: str, letter: str | None = None) -> dict[str, t.Any]:
    """As win_disk_facts tells it; a volume without a name of its own has a path of that kind, too."""
    volumes = [{"size": size, "size_remaining": size // 2}]
    return {"drive_letter": letter, "access_paths": [*paths, "\\\\?\\Volume{1}\\"], "volumes": volumes}


@pytest.mark.parametrize(
    ("folder", "size"),
    [
        (r"C:\ProgramData\retry", 100),
        (r"c:\data", 200),
        ("C:/Data/retry", 200),
        (r"C:\database", 100),
        (r"D:\retry", 300),
        (r"E:\retry", None),
    ],
)
def test_the_volume_of_a_folder_is_that_of_the_longest_way_to_it(folder: str, size: int | None) -> None:
    disks: list[dict[str, t.Any]] = [
        {"partitions": [{"drive_letter": None, "access_paths": None}, partition(100, "C:\\", letter="C")]},
        # A list of one may come as that one; so may an empty one as nothing.
        {"partitions": {**partition(200), "access_paths": ["C:\\data\\"]}},
        {"partitions": [{**partition(300, letter="D"), "access_paths": None}]},
        {"partitions": None},
    ]
    expected = None if size is None else Disk(size, size // 2, 7)
    assert Disk.of_windows(disks, folder, 7) == expected
