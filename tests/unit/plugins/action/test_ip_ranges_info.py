# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module as users call it, from playbooks, and the playbook that mirrors."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import typing as t

import pytest
import yaml

from ansible_collections.netwall.datadog.plugins.modules import ip_ranges_info
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.information import ARGUMENT_SPEC
from ansible_collections.netwall.datadog.tests._https import HttpsServer, Proxy, body
from ansible_collections.netwall.datadog.tests._play import play
from ansible_collections.netwall.datadog.tests._tool import ROOT, environment, run

if t.TYPE_CHECKING:
    from pathlib import Path

AGENTS = {"prefixes_ipv4": ["203.0.113.128/25", "203.0.113.0/25"], "prefixes_ipv6": ["2001:db8:1::/48"]}
SYNTHETICS = {
    "prefixes_ipv4": ["192.0.2.1/32"],
    "prefixes_ipv6": [],
    "prefixes_ipv4_by_location": {"aws:eu-west-1": ["192.0.2.1/32"]},
    "prefixes_ipv6_by_location": {},
}
LOGS = {"prefixes_ipv4": ["198.51.100.0/24"], "prefixes_ipv6": []}
DOCUMENT = {"version": 7, "modified": "2026-03-04-05-06-07", "agents": AGENTS, "logs": LOGS, "synthetics": SYNTHETICS}
EARLIER = {**DOCUMENT, "version": 6, "agents": {**AGENTS, "prefixes_ipv4": ["203.0.113.0/24", "192.0.2.0/24"]}}
# What no serializer would write: the bytes are what is asked for.
DATA = json.dumps(DOCUMENT, indent=3).encode() + b"\r\n\n"
PASSWORD = "pass" + "phrase"


def info(name: str, **options: t.Any) -> dict[str, t.Any]:
    """A task that asks the module, whatever comes of it, and puts the result into `name`."""
    asked = {"allow_reserved": True, **options}
    return {"netwall.datadog.ip_ranges_info": asked, "register": name, "ignore_errors": True}


# --- What is documented is what happens -----------------------------------------------------------------------------


def test_the_documentation_has_every_option_as_it_is() -> None:
    shown = run(
        "ansible-doc",
        "--json",
        "--type=module",
        "netwall.datadog.ip_ranges_info",
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "tests/ansible.cfg")},
    )
    options = json.loads(shown)["netwall.datadog.ip_ranges_info"]["doc"]["options"]
    documented = {
        name: {key: option[key] for key in ("type", "elements", "default") if option.get(key) is not None}
        for name, option in options.items()
    }
    assert documented == ARGUMENT_SPEC


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("info")
    files = folder / "files"
    files.mkdir()
    (files / "datadoghq.json").write_text(json.dumps(EARLIER))
    (files / "datadoghq.sha256").write_text(hashlib.sha256(DATA).hexdigest() + "\n")
    return folder


def test_the_examples(server: HttpsServer, proxy: Proxy, ca_path: Path, folder: Path) -> None:
    server.answer(body(DATA))
    server.answer(body(DATA), path="/datadoghq.json")
    (folder / "files" / "mirror-ca.pem").write_bytes(ca_path.read_bytes())
    tasks = yaml.safe_load(ip_ranges_info.EXAMPLES)
    for number, task in enumerate(tasks):
        task.setdefault("register", f"example_{number}")
    defaults = {"netwall.datadog.ip_ranges_info": {"allow_reserved": True}}
    played = play(
        folder,
        [{"block": tasks, "module_defaults": defaults}],
        values=[task["register"] for task in tasks],
        environment={"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(ca_path)},
    )
    ranges, how_old, since_then, what_came, mirrored = (played.values[task["register"]] for task in tasks)
    assert (ranges["version"], ranges["url"], ranges["changed"]) == (7, "https://ip-ranges.us3.datadoghq.com/", False)
    assert how_old["msg"] == "version 7 of 2026-03-04T05:06:07Z, from the network"
    assert since_then["changes"] == {"agents": {"added": [], "removed": ["192.0.2.0/24"]}}
    assert since_then["networks"] == ["198.51.100.0/24", "203.0.113.0/24", "2001:db8:1::/48"]
    assert what_came["results"][0]["msg"] == "agents:  came, 192.0.2.0/24 went"
    assert mirrored["sha256"] == hashlib.sha256(DATA).hexdigest()
    documented = set(yaml.safe_load(ip_ranges_info.RETURN)) - {"content"}
    assert documented <= set(since_then)


# --- What comes back ------------------------------------------------------------------------------------------------


class Results(t.NamedTuple):
    """What each task gave, and all that Ansible printed at -vvvv."""

    values: dict[str, t.Any]
    output: str


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    path = folder / "document.json"
    path.write_bytes(DATA)
    url = path.as_uri()
    tasks = [
        info("plain", url=url, content=True),
        info("chosen", url=url, sections=["synthetics", "logs"], families=["ipv4"], exclude=["198.51.100.0/25"]),
        info("asked", url=url, query="version"),
        info("since_result", url=url, compare_to="{{ plain }}"),
        info("since_sections", url=url, compare_to="{{ {'agents': {'ipv4': ['203.0.113.0/24'], 'ipv6': []}} }}"),
        info("since_path", url=url, sections=["agents"], compare_to=str(folder / "files" / "datadoghq.json")),
        info("since_near", url=url, sections=["agents"], compare_to="files/datadoghq.json"),
        info("since_url", url=url, sections=["agents"], compare_to=(folder / "files" / "datadoghq.json").as_uri()),
        info("no_file", url=url, compare_to="https://me:secret@mirror.example.com/datadoghq.json"),
        info("no_path", url=url, compare_to=str(folder / "nowhere.json")),
        info("no_result", url=url, compare_to=[1]),
        info("no_sections", url=url, compare_to={"agents": ["203.0.113.0/24"]}),
        info("no_networks", url=url, compare_to={"agents": {"ipv4": ["nonsense"], "ipv6": []}}),
        info("no_section", url=url, sections=["rum"]),
        info("no_option", url=url, section=["agents"]),
        info("both", url=url, sections=["agents"], query="version"),
        info("reserved", url=url, allow_reserved=False),
        info(
            "through_a_proxy", site="us5.datadoghq.com", proxy=f"http://me:{PASSWORD}@127.0.0.1:1", retries=0, timeout=5
        ),
        info("no_proxy", proxy=f"me:{PASSWORD}@127.0.0.1:1"),
        info("with_a_password", url=f"https://me:{PASSWORD}@localhost:1/", retries=0, timeout=5),
    ]
    played = play(folder, tasks, values=[task["register"] for task in tasks], arguments=["-vvvv"])
    return Results(played.values, played.output)


def test_a_document_is_told_as_it_is(results: Results, folder: Path) -> None:
    known = {name: value for name, value in results.values["plain"].items() if name not in ("failed", "warnings")}
    assert known == {
        "changed": False,
        "site": "datadoghq.com",
        "url": (folder / "document.json").as_uri(),
        "version": 7,
        "modified": "2026-03-04T05:06:07Z",
        "sections": {
            "agents": {"ipv4": AGENTS["prefixes_ipv4"], "ipv6": AGENTS["prefixes_ipv6"], "by_location": {}},
            "logs": {"ipv4": ["198.51.100.0/24"], "ipv6": [], "by_location": {}},
            "synthetics": {"ipv4": ["192.0.2.1/32"], "ipv6": [], "by_location": {"aws:eu-west-1": ["192.0.2.1/32"]}},
        },
        "networks": ["198.51.100.0/24", "203.0.113.0/24", "2001:db8:1::/48"],
        "origin": "file",
        "age": None,
        "sha256": hashlib.sha256(DATA).hexdigest(),
        "content": base64.b64encode(DATA).decode(),
    }


def test_sections_that_are_named_are_what_it_is_about(results: Results) -> None:
    chosen = results.values["chosen"]
    assert set(chosen["sections"]) == {"synthetics", "logs"}
    assert chosen["networks"] == ["192.0.2.1/32", "198.51.100.128/25"]


def test_whatever_is_read_has_the_url_and_checksum_that_are_told(
    server: HttpsServer, proxy: Proxy, ca_path: Path, tmp_path: Path
) -> None:
    part = json.dumps({name: json.loads(DATA)[name] for name in ("version", "modified", "logs")}).encode()
    server.answer(body(DATA))
    server.answer(body(part), path="/logs.json")
    how = {"proxy": proxy.url, "ca_path": str(ca_path), "cache_dir": str(tmp_path / "cache"), "sections": ["logs"]}
    played = play(tmp_path, [info("alone", **how), info("whole", **how, content=True)], values=["alone", "whole"])
    alone, whole = played.values["alone"], played.values["whole"]
    assert base64.b64decode(whole["content"]) == DATA
    for told in (alone, whole):
        assert (told["url"], told["sha256"]) == ("https://ip-ranges.datadoghq.com/", hashlib.sha256(DATA).hexdigest())
    assert alone["networks"] == whole["networks"] == ["198.51.100.0/24"]
    assert [path for path, _headers in server.requests] == ["/"]


def test_an_expression_is_asked_as_the_lookup_does(results: Results) -> None:
    assert results.values["asked"]["networks"] == [7]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("since_result", {}),
        (
            "since_sections",
            {
                "agents": {"added": ["2001:db8:1::/48"], "removed": []},
                "logs": {"added": ["198.51.100.0/24"], "removed": []},
                "synthetics": {"added": ["192.0.2.1/32"], "removed": []},
            },
        ),
        ("since_path", {"agents": {"added": [], "removed": ["192.0.2.0/24"]}}),
        ("since_near", {"agents": {"added": [], "removed": ["192.0.2.0/24"]}}),
        ("since_url", {"agents": {"added": [], "removed": ["192.0.2.0/24"]}}),
    ],
)
def test_what_changed_is_told_by_address(results: Results, name: str, changes: dict[str, t.Any]) -> None:
    assert results.values[name]["changes"] == changes


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_file", "compare_to is https://***@mirror.example.com/datadoghq.json, which is not fetched; give the path"),
        ("no_path", "nowhere.json cannot be read: No such file or directory."),
        ("no_result", "compare_to is neither a path nor an earlier result; give the path of a document, a registered"),
        ("no_sections", "compare_to has no lists ipv4 and ipv6 in its section 'agents'; give the path"),
        ("no_networks", "compare_to can't be used: 'nonsense' is not a network"),
        ("no_section", "has no section 'rum'; it has agents, logs, synthetics."),
        ("no_option", "Unsupported parameters for"),
        ("both", "query is given beside the section 'agents'; name sections in the expression, or leave it out."),
        ("reserved", "'203.0.113.128/25' is not public (203.0.113.0/24 is for documentation), and allow_reserved"),
        (
            "through_a_proxy",
            "https://ip-ranges.us5.datadoghq.com/ cannot be read: the connection failed (Connection refused)",
        ),
        ("no_proxy", "proxy is no URL of a proxy (it is not shown, since it may hold a password); write one such as"),
        ("with_a_password", "https://***@localhost:1/ cannot be read: the connection failed (Connection refused)."),
    ],
)
def test_what_is_wrong_is_a_sentence(results: Results, name: str, said: str) -> None:
    assert results.values[name]["failed"]
    assert said in results.values[name]["msg"]


@pytest.mark.parametrize("name", ["no_path", "no_result", "no_sections", "no_networks", "no_file"])
def test_what_is_wrong_with_the_comparison_names_the_option(results: Results, name: str) -> None:
    assert results.values[name]["msg"].startswith("compare_to")


def test_a_password_shows_nowhere(results: Results) -> None:
    assert PASSWORD not in results.output
    assert PASSWORD not in json.dumps(results.values)


# --- A mirror -------------------------------------------------------------------------------------------------------


class Mirror(t.Protocol):
    """Run the playbook with these variables; what it says."""

    def __call__(self, *, fails: bool = False, **variables: t.Any) -> str: ...


@pytest.fixture
def mirror(server: HttpsServer, proxy: Proxy, ca_path: Path, tmp_path: Path) -> Mirror:
    """Run the playbook with these variables; what it says."""
    server.answer(body(DATA))

    def mirror(*, fails: bool = False, **variables: t.Any) -> str:
        given = {
            "netwall_mirror_folder": str(tmp_path / "mirror"),
            "netwall_mirror_sites": ["datadoghq.com", "us3.datadoghq.com"],
            "netwall_mirror_proxy": proxy.url,
            "netwall_mirror_ca_path": str(ca_path),
            "netwall_mirror_cache_dir": str(tmp_path / "cache"),
            "netwall_mirror_cache_ttl": 0,
            "netwall_mirror_allow_reserved": True,
            **variables,
        }
        env = {**environment(), "ANSIBLE_COLLECTIONS_PATH": os.environ["NETWALL_TREE"]}
        command = ["ansible-playbook", "netwall.datadog.mirror", "--extra-vars", json.dumps(given)]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert bool(done.returncode) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    return mirror


def test_a_mirror_has_the_documents_to_the_byte_and_their_checksums(mirror: Mirror, tmp_path: Path) -> None:
    assert "changed=3" in mirror()
    folder = tmp_path / "mirror"
    assert {path.name for path in folder.iterdir()} == {"datadoghq.com.json", "us3.datadoghq.com.json", "SHA256SUMS"}
    assert (folder / "datadoghq.com.json").read_bytes() == DATA
    run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=folder)
    assert "changed=0" in mirror()


def test_a_mirror_may_be_told_its_sites_at_the_command_line(mirror: Mirror, tmp_path: Path) -> None:
    mirror(netwall_mirror_sites="datadoghq.com, us3.datadoghq.com")
    assert len(list((tmp_path / "mirror").glob("*.json"))) == 2


def test_a_mirror_takes_in_no_other_document_than_the_one_expected(
    mirror: Mirror, server: HttpsServer, tmp_path: Path
) -> None:
    right = hashlib.sha256(DATA).hexdigest()
    mirror(netwall_mirror_sha256={"datadoghq.com": right})
    server.answer(body(DATA.replace(b"198.51.100.0/24", b"198.51.100.0/25")))
    said = mirror(fails=True, netwall_mirror_sha256={"datadoghq.com": "0" * 64})
    assert "its SHA-256 is" in said
    assert (tmp_path / "mirror" / "datadoghq.com.json").read_bytes() == DATA


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"netwall_mirror_folder": "mirror"}, "Say where the documents are to go, as an absolute path"),
        ({"netwall_mirror_sha256": {"datadog.com": "0" * 64}}, "netwall_mirror_sha256 has datadog.com, which"),
        ({"netwall_mirror_sha256": "0" * 64}, "netwall_mirror_sha256 is no dictionary of sites; write"),
        ({"netwall_mirror_sites": []}, "netwall_mirror_sites is empty; list the sites"),
        ({"netwall_mirror_sha": {"datadoghq.com": "0" * 64}}, "There is no netwall_mirror_sha; what follows on"),
    ],
)
def test_a_mirror_is_asked_for_in_vain_with_a_sentence(mirror: Mirror, variables: dict[str, t.Any], said: str) -> None:
    assert said in " ".join(mirror(fails=True, **variables).split())
