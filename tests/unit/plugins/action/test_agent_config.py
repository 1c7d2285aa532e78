# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""agent_config as users call it: plays on this machine, and all that they print at -vvvv."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import stat
import typing as t
import urllib.parse
from pathlib import Path

import pytest
import yaml

from ansible_collections.netwall.datadog.plugins.module_utils._agent.options import CONFIG
from ansible_collections.netwall.datadog.plugins.modules import agent_config
from ansible_collections.netwall.datadog.tests._loud import WAYS, Way, loud_play
from ansible_collections.netwall.datadog.tests._play import play
from ansible_collections.netwall.datadog.tests._secrets import found
from ansible_collections.netwall.datadog.tests._tool import ROOT, run

EXAMPLE = ROOT.parent / "shared" / "data" / "datadog.yaml.example"
# Made here, so that no text in this repository looks like a secret.
KEY = "0f" * 16
PASSWORD = "pass" + "phrase/?#" + "word"
SECOND_KEY = "second" + "-account"
NEW_KEY = "9a" * 16
BUFFERING = {
    "forwarder_retry_queue_payloads_max_size": 31457280,
    "forwarder_storage_max_size_in_bytes": 500000000,
    "forwarder_storage_path": "/var/lib/datadog-agent/transactions",
    "forwarder_storage_max_disk_ratio": 0.9,
    "forwarder_outdated_file_in_days": 3,
}
SMALL = f"# datadog.yaml\napi_key: {KEY}\n\n# site: datadoghq.com\n\nlogs_enabled: true  # ours\n"


def config(name: str, path: Path, **options: t.Any) -> dict[str, t.Any]:
    """A task that asks the module, whatever comes of it, and puts the result into `name`."""
    extra: dict[str, t.Any] = {
        key: options.pop(key) for key in ("check_mode", "diff", "become", "vars") if key in options
    }
    asked = {"settings": {}, "path": str(path), **options}
    return {"netwall.datadog.agent_config": asked, "register": name, "ignore_errors": True, **extra}


# --- What is documented is what happens -----------------------------------------------------------------------------


def test_the_documentation_has_every_option_as_it_is() -> None:
    options = yaml.safe_load(agent_config.DOCUMENTATION)["options"]
    documented = {
        name: {key: option[key] for key in ("type", "required", "default", "choices") if key in option}
        for name, option in options.items()
    }
    spec = {name: {key: value for key, value in option.items() if key != "no_log"} for name, option in CONFIG.items()}
    assert documented == spec


def test_the_examples(tmp_path: Path) -> None:
    path = tmp_path / "datadog.yaml"
    path.write_text(SMALL)
    tasks = yaml.safe_load(agent_config.EXAMPLES)
    for number, task in enumerate(tasks):
        del task["become"]
        task.pop("notify", None)
        task["register"] = f"example_{number}"
    defaults = {"netwall.datadog.agent_config": {"path": str(path)}}
    played = play(
        tmp_path,
        [{"block": tasks, "module_defaults": defaults}],
        values=[task["register"] for task in tasks],
        group_vars={"proxy_password": PASSWORD, "second_api_key": SECOND_KEY},
        arguments=["-vvvv"],
    )
    results = list(played.values.values())
    assert [result["changed"] for result in results] == [True, True, True, True]
    assert results[1]["changes"] == [
        {"name": "proxy.https", "before": None, "after": "http://********@proxy.example.com:3128"},
        {"name": "proxy.no_proxy", "before": None, "after": ["169.254.169.254", "kubernetes.default"]},
    ]
    assert results[2]["changes"][0]["after"] == {"https://app.datadoghq.eu": ["********"]}
    assert Path(results[0]["backup_file"]).read_text() == SMALL
    user = f"agent:{urllib.parse.quote(PASSWORD, safe='')}"
    assert yaml.safe_load(path.read_text()) == {
        "api_key": KEY,
        "logs_enabled": True,
        "proxy": {
            "https": f"http://{user}@proxy.example.com:3128",
            "no_proxy": ["169.254.169.254", "kubernetes.default"],
        },
        "additional_endpoints": {"https://app.datadoghq.eu": [SECOND_KEY]},
    }
    assert found([KEY, PASSWORD, SECOND_KEY], played.output) == []
    assert results[-1]["checksum"] == hashlib.sha256(path.read_bytes()).hexdigest()
    documented = set(yaml.safe_load(agent_config.RETURN))
    assert documented <= set(results[0])


# --- What comes back ------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Results:
    """What each task gave, all that Ansible printed at -vvvv, and the folder with what is left."""

    values: dict[str, t.Any]
    output: str
    folder: Path

    def __getitem__(self, name: str) -> t.Any:
        return self.values[name]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("config")
    files = {
        name: folder / f"{name}.yaml"
        for name in (
            "once",
            "checked",
            "diffed",
            "proxied",
            "latin",
            "broken",
            "twice",
            "scalar",
            "vault",
            "typed",
            "null",
        )
    }
    for path in files.values():
        path.write_text(SMALL)
        path.chmod(0o640)
    files["proxied"].write_text(f"proxy:\n  https: http://u:{PASSWORD}@proxy.example.com:3128  # ours\n")
    files["latin"].write_bytes(b"a: \xfc\n")
    files["broken"].write_text(f"api_key: {KEY}\n  b: [*{KEY}\n")
    (folder / "datadog.conf").write_text(f"[Main]\ndd_url: https://app.datadoghq.com\napi_key: {KEY}\n")
    files["twice"].write_text(f"api_key: {KEY}\nsite: a\napi_key: {KEY}\n")
    real = folder / "real.yaml"
    real.write_text(SMALL)
    link = folder / "link.yaml"
    link.symlink_to(real)
    (folder / "loop.yaml").symlink_to(folder / "loop.yaml")
    site = {"site": "datadoghq.eu"}
    new_key = {"api_key": NEW_KEY}
    tasks = [
        config("foreseen", files["once"], settings=site, check_mode=True),
        config("once", files["once"], settings=site, backup=True),
        config("again", files["once"], settings=site, backup=True),
        config("gone", files["once"], settings=site, state="absent"),
        config("gone_again", files["once"], settings=site, state="absent"),
        config("checked", files["checked"], settings={**site, **new_key}, backup=True, check_mode=True, diff=True),
        config("diffed", files["diffed"], settings={**site, **new_key, "logs_enabled": False}, diff=True),
        config("proxied", files["proxied"], settings={"proxy.https": "http://proxy.example.com:3128"}, diff=True),
        config("null", files["null"], settings={"site": None}, diff=True),
        config("null_again", files["null"], settings={"site": None}, diff=True),
        config("no_null", files["null"], settings={"site": None}, state="absent", diff=True),
        config("linked", link, settings=site),
        config("missing", folder / "missing.yaml", settings=site),
        config("loop", folder / "loop.yaml", settings=site),
        config("latin", files["latin"], settings=site),
        config("broken", files["broken"], settings=site),
        config("agent5", folder / "datadog.conf", settings=site),
        config("twice", files["twice"], settings=site),
        config("scalar", files["scalar"], settings={"api_key.a": 1}),
        config("misspelt", files["scalar"], setings=new_key),
        config("no_mapping", files["scalar"], settings=f"api_key {KEY}"),
        config("no_state", files["scalar"], state=KEY),
        config("nested", files["scalar"], settings={"proxy": {}, "proxy.https": KEY}),
        config("typed", files["typed"], settings="{{ typed }}"),
    ]
    typed = {"a.i": 5, "a.f": 0.5, "a.b": True, "a.t": "5", "a.l": [1, "x"], "a.n": None, "a.m": {"k": "v"}}
    played = play(
        folder,
        tasks,
        values=[task["register"] for task in tasks],
        arguments=["-vvvv"],
        environment={"ANSIBLE_LOG_PATH": str(folder / "ansible.log"), "ANSIBLE_LOG_VERBOSITY": "5"},
        group_vars={"typed": typed},
    )
    return Results(played.values, played.output + (folder / "ansible.log").read_text(), folder)


def test_a_setting_comes_under_its_template_and_goes_again(results: Results) -> None:
    assert results["once"]["changes"] == [{"name": "site", "before": None, "after": "datadoghq.eu"}]
    assert (results["once"]["changed"], results["gone"]["changed"]) == (True, True)
    assert results["gone"]["changes"] == [{"name": "site", "before": "datadoghq.eu", "after": None}]
    assert (results.folder / "once.yaml").read_text() == SMALL


def test_what_is_so_already_is_no_change_and_makes_no_backup(results: Results) -> None:
    for name in ("again", "gone_again"):
        assert (results[name]["changed"], results[name]["changes"]) == (False, [])
        assert "backup_file" not in results[name]


def test_the_file_and_its_backup_keep_their_mode(results: Results) -> None:
    backup = Path(results["once"]["backup_file"])
    assert re.fullmatch(r"once\.yaml\.\d+\.\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d~", backup.name)
    assert backup.read_text() == SMALL
    assert [stat.S_IMODE(path.stat().st_mode) for path in (backup, results.folder / "once.yaml")] == [0o640, 0o640]


def test_what_the_file_will_be_is_told_by_its_checksum(results: Results) -> None:
    asked = SMALL.replace("# site: datadoghq.com\n", "# site: datadoghq.com\nsite: datadoghq.eu\n")
    checksum = hashlib.sha256(asked.encode()).hexdigest()
    assert [results[name]["checksum"] for name in ("foreseen", "once", "again")] == [checksum] * 3


def test_check_mode_tells_what_would_be_and_does_nothing(results: Results) -> None:
    checked = results["checked"]
    assert (checked["changed"], [change["name"] for change in checked["changes"]]) == (True, ["site", "api_key"])
    assert (results.folder / "checked.yaml").read_text() == SMALL
    assert not list(results.folder.glob("checked.yaml.*"))


def test_a_diff_has_the_settings_alone_and_no_secret(results: Results) -> None:
    diff = results["diffed"]["diff"]
    assert diff["before"] == 'api_key: "********"\nlogs_enabled: true\n'
    assert diff["after"] == 'site: datadoghq.eu\napi_key: "********"\nlogs_enabled: false\n'
    assert "diff" not in results["once"]


def test_a_null_that_is_set_or_taken_out_is_a_line_of_the_diff(results: Results) -> None:
    shown = {name: results[name]["diff"] for name in ("null", "null_again", "no_null")}
    sides = {name: (diff["before"], diff["after"]) for name, diff in shown.items()}
    assert sides == {"null": ("", "site: null\n"), "null_again": ("", ""), "no_null": ("site: null\n", "")}
    assert (results.folder / "null.yaml").read_text() == SMALL


def test_a_value_that_is_replaced_comes_back_masked(results: Results) -> None:
    [change] = results["proxied"]["changes"]
    assert change["before"] == "http://********@proxy.example.com:3128"
    text = (results.folder / "proxied.yaml").read_text()
    assert text == "proxy:\n  https: http://proxy.example.com:3128  # ours\n"


def test_a_link_stays_one_and_its_target_is_told(results: Results) -> None:
    linked = results["linked"]
    assert (linked["path"], linked["target"]) == (str(results.folder / "link.yaml"), str(results.folder / "real.yaml"))
    assert (results.folder / "link.yaml").is_symlink()
    assert yaml.safe_load((results.folder / "real.yaml").read_text())["site"] == "datadoghq.eu"


def test_numbers_text_and_the_rest_keep_their_type(results: Results) -> None:
    assert not results["typed"].get("failed"), results["typed"]
    assert yaml.safe_load((results.folder / "typed.yaml").read_text())["a"] == {
        "i": 5,
        "f": 0.5,
        "b": True,
        "t": "5",
        "l": [1, "x"],
        "n": None,
        "m": {"k": "v"},
    }


REFUSALS = {
    "missing": "There is no file {folder}/missing.yaml on the host: is an Agent installed, or is its file elsewhere?",
    "loop": "The file {folder}/loop.yaml could not be read: it is a link that leads to itself, or on a disk that "
    "fails.",
    "latin": "{folder}/latin.yaml is left as it is. The file is not UTF-8: line 1 has a byte that is no part of a "
    "character.",
    "broken": "{folder}/broken.yaml is left as it is. Line 2, column 4, can't be read as YAML: mapping values are not "
    "allowed here.",
    "agent5": "{folder}/datadog.conf is left as it is. By its name it is a file of Agent 5, which is no YAML; only a "
    "datadog.yaml can be edited.",
    "twice": "{folder}/twice.yaml is left as it is. Line 3 has a key that its mapping has on line 1 already; which of "
    "them the Agent takes is not defined, so remove one.",
    "scalar": "{folder}/scalar.yaml is left as it is. 'api_key' on line 2 has a value of its own, so there can't be a "
    "setting 'api_key.a' in it.",
    "misspelt": "agent_config has no option setings; it has settings, state, path and backup.",
    "no_mapping": "The option 'settings' has to be a mapping of names to values.",
    "no_state": "The option 'state' has to be 'present' or 'absent'.",
    "nested": "{folder}/scalar.yaml is left as it is. 'proxy.https' is a part of 'proxy', and both are asked for; "
    "write one.",
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_can_not_be_done_is_a_sentence(results: Results, name: str) -> None:
    assert (results[name]["failed"], results[name]["msg"]) == (True, REFUSALS[name].format(folder=results.folder))


def test_a_file_that_is_refused_is_as_it_was(results: Results) -> None:
    assert (results.folder / "scalar.yaml").read_text() == SMALL
    assert (results.folder / "latin.yaml").read_bytes() == b"a: \xfc\n"


def test_no_result_and_no_refusal_has_a_secret(results: Results) -> None:
    assert found([KEY, PASSWORD, NEW_KEY], json.dumps(results.values)) == []
    assert found([KEY, PASSWORD, NEW_KEY], results.output) == []


def test_no_result_has_the_options_of_the_task(results: Results) -> None:
    assert [name for name, value in results.values.items() if "invocation" in value] == []


# --- What is shown of it ---------------------------------------------------------------------------------------------

# The module's action, but that it takes no care: of nothing that it does, or of the call that carries the edit.
CARELESS = """
import contextlib
from unittest import mock

from ansible_collections.netwall.datadog.plugins.action.agent_config import ActionModule as AgentConfig
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent import host


class ActionModule(AgentConfig):
    def run(self, tmp=None, task_vars=None):
        careful = host.unseen
        is_seen = {seen!r}

        def unseen(action):
            return contextlib.nullcontext() if is_seen or self.is_edit else careful(action)

        run_module = host.AgentHost.run
        self.is_edit = False

        def run(agent, module, args, *, is_secret):
            self.is_edit = module == "netwall.datadog.agent_config"
            return run_module(agent, module, args, is_secret=is_secret)

        with mock.patch.object(host, "unseen", unseen), mock.patch.object(host.AgentHost, "run", run):
            return super().run(tmp, task_vars)
"""


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_nothing_of_the_file_or_its_edit_is_printed_or_logged(tmp_path: Path, way: Way) -> None:
    (tmp_path / "action_plugins").mkdir()
    for name, is_seen in (("careless", True), ("careless_once", False)):
        (tmp_path / "action_plugins" / f"{name}.py").write_text(CARELESS.format(seen=is_seen))
    tasks = []
    for name in ("netwall.datadog.agent_config", "careless_once", "careless"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(SMALL)
        asked = {"settings": "{{ wanted }}", "path": str(path), "backup": True}
        tasks.append({"name": name, name: asked})
    wanted = {"api_key": NEW_KEY, "proxy.https": f"http://u:{PASSWORD}@proxy.example.com:3128"}
    _played, said = loud_play(tmp_path, way, tasks, group_vars={"wanted": wanted})
    assert yaml.safe_load(path.read_text())["api_key"] == NEW_KEY
    assert found([KEY, PASSWORD, NEW_KEY], said["netwall.datadog.agent_config"]) == []
    # Without that care the file is seen in every way, and its edit where arguments are.
    assert "secret 0" in found([KEY, PASSWORD, NEW_KEY], said["careless"])
    assert ("secret 2" in found([KEY, PASSWORD, NEW_KEY], said["careless_once"])) is way.is_debugged


# --- The file that the Agent ships ----------------------------------------------------------------------------------


@pytest.mark.skipif(not EXAMPLE.exists(), reason=f"needs {EXAMPLE.name} in ../shared/data")
def test_the_five_buffering_settings_are_five_lines_more(tmp_path: Path) -> None:
    path = tmp_path / "datadog.yaml"
    shutil.copy(EXAMPLE, path)
    os.chmod(path, 0o640)
    for command in (["init", "--quiet"], ["add", path.name]):
        run("git", *command, cwd=tmp_path, env=dict(os.environ))
    played = play(tmp_path, [config("set", path, settings=BUFFERING)], values=["set"])
    assert played.values["set"]["changed"]
    said = run("git", "diff", "--stat", "--", path.name, cwd=tmp_path, env=dict(os.environ))
    assert said.splitlines()[-1] == " 1 file changed, 5 insertions(+)"
    assert yaml.safe_load(path.read_text()) == {"api_key": None, **BUFFERING}
    play(tmp_path, [config("unset", path, settings=BUFFERING, state="absent")])
    assert path.read_bytes() == EXAMPLE.read_bytes()
