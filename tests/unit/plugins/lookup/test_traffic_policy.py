# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup as a playbook meets it: one play with all the cases, played once, on a document in a file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import types
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.netwall.datadog.plugins.lookup import traffic_policy
from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.source import SourceError
from ansible_collections.netwall.datadog.plugins.plugin_utils._plan import hint_at_sites
from ansible_collections.netwall.datadog.plugins.plugin_utils._request import Request
from ansible_collections.netwall.datadog.tests._tool import ROOT, environment, run
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._documents import DOCUMENT

if t.TYPE_CHECKING:
    from collections.abc import Iterator

LOOKUP = "netwall.datadog.traffic_policy"
SECRET = "s3cr3t-Pa55"

# How a role passes on what its user did not set.
NULLS = ", ".join(f"{field.name}=none" for field in dataclasses.fields(Request) if field.default is None)

# What a task shows. LOOKUP stands for the lookup, which reads the document in the file unless a case says otherwise.
CASES = {
    "defaults": "{{ lookup('LOOKUP') }}",
    "by query": "{{ query('LOOKUP', products=['ntp']) }}",
    "site of a templated variable": "{{ lookup('LOOKUP', products=['apm']).destinations[0].fqdn }}",
    "site of the call": "{{ lookup('LOOKUP', site='datadoghq.eu', products=['apm']).destinations[0].fqdn }}",
    "options of the ranges": (
        "{{ lookup('LOOKUP', products=['apm'], families=['ipv4'], exclude=['203.0.113.0/24']).flows[0].networks }}"
    ),
    "values of templated variables": (
        "{{ lookup('LOOKUP', products=products, ports={'dogstatsd': port}, non_local_traffic={'dogstatsd': near}) }}"
    ),
    "no document needed": "{{ lookup('LOOKUP', url='file:///nonexistent', products=['ntp']).version is none }}",
    "nulls": "{{ lookup('LOOKUP', NULLS) == lookup('LOOKUP') }}".replace("NULLS", NULLS),
    "proxy with a password": "{{ lookup('LOOKUP', proxy=proxy) }}",
    "broken proxy with a password": "{{ lookup('LOOKUP', proxy=proxy ~ 'x') }}",
    "ranges of a second site": "{{ lookup('LOOKUP', site_urls={'datadoghq.eu': eu}, endpoints=endpoints) }}",
    "ranges of the own site": (
        "{{ lookup('LOOKUP', url=none, site='DATADOGHQ.eu', site_urls={'datadoghq.eu': eu}).version }}"
    ),
    "url before site_urls": (
        "{{ lookup('LOOKUP', site='datadoghq.eu', site_urls={'datadoghq.eu': eu}, products=['apm']).version }}"
    ),
    "checksum of the own document": (
        "{{ lookup('LOOKUP', site_urls={'datadoghq.eu': eu}, endpoints=endpoints, sha256=sha256).documents | length }}"
    ),
    "second site without a document": (
        "{{ lookup('LOOKUP', site_urls={'datadoghq.eu': 'file:///nonexistent'}, endpoints=endpoints) }}"
    ),
    "second site over http": (
        "{{ lookup('LOOKUP', site_urls={'datadoghq.eu': 'http://localhost/'}, endpoints=endpoints) }}"
    ),
    "unresolved": "{{ lookup('LOOKUP', endpoints=relay, allow_unresolved=true) }}",
    "endpoint without networks": "{{ lookup('LOOKUP', endpoints=relay) }}",
    "a term": "{{ lookup('LOOKUP', 'metrics', url='file:///nonexistent') }}",
    "unknown option": "{{ lookup('LOOKUP', product=['metrics']) }}",
    "unknown product": "{{ lookup('LOOKUP', products=['metric']) }}",
    "unknown transport": "{{ lookup('LOOKUP', logs_transport='udp') }}",
    "unknown location": "{{ lookup('LOOKUP', inbound_from={'synthetics': 443}, locations=['mars']) }}",
    "no document": "{{ lookup('LOOKUP', url='file:///nonexistent') }}",
    "site that is no host": "{{ lookup('LOOKUP', site='https://datadoghq.com') }}",
}
VARIABLES = {
    "base": "us3.datadoghq.com",
    "datadog_site": "{{ base }}",
    "products": ["{{ 'ap' ~ 'm' }}"],
    "port": "{{ 8135 }}",
    "near": "{{ ['198.51.100.0/24'] }}",
    "endpoints": [{"product": "metrics", "host": "app.datadoghq.eu", "is_additional": True}],
    "relay": [{"product": "apm", "host": "relay.example.test"}],
}
DOCUMENTED_EXAMPLES = {task["name"]: task for task in yaml.safe_load(traffic_policy.EXAMPLES)}


# Another site's ranges: another version, and addresses of its own.
EU = {
    "version": 8,
    "modified": "2026-03-05-05-06-07",
    "agents": {"prefixes_ipv4": ["198.51.100.0/28"], "prefixes_ipv6": []},
    "apm": {"prefixes_ipv4": ["198.51.100.16/28"], "prefixes_ipv6": []},
    "logs": {"prefixes_ipv4": ["198.51.100.32/28"], "prefixes_ipv6": []},
}


class Played(t.NamedTuple):
    """What each case showed or the sentence that it failed with, and all that Ansible printed at -vvvv."""

    shown: dict[str, t.Any]
    failed: dict[str, str]
    output: str


def published() -> dict[str, t.Any]:
    """The document of the tests as Datadog would publish it."""
    document: dict[str, t.Any] = {"version": 7, "modified": "2026-03-04-05-06-07"}
    for section in DOCUMENT.sections.values():
        document[section.name] = {"prefixes_ipv4": section.ipv4, "prefixes_ipv6": section.ipv6}
        for location, prefixes in section.by_location.items():
            for family, sign in (("ipv4", "."), ("ipv6", ":")):
                by_location = document[section.name].setdefault(f"prefixes_{family}_by_location", {})
                by_location[location] = [prefix for prefix in prefixes if sign in prefix]
    return document


def tasks(url: str) -> Iterator[dict[str, t.Any]]:
    """A block for each case and example, that keeps what is shown or the message of the failure."""

    def on_file(text: str) -> str:
        text = text.replace("LOOKUP", LOOKUP)
        own = "" if " url=" in text else f", url='{url}'"
        # Whoever names no other place for EU's ranges finds them in the file, too.
        has_endpoints = "endpoints=" in text and "site_urls=" not in text
        eu = f", site_urls={{'datadoghq.eu': '{url}'}}" if has_endpoints else ""
        return text.replace(f"'{LOOKUP}'", f"'{LOOKUP}'{own}{eu}")

    def keep(where: str, value: str) -> dict[str, t.Any]:
        return {"ansible.builtin.set_fact": {where: f"{{{{ {where} | combine({{case: {value}}}) }}}}"}}

    cases = {name: {"ansible.builtin.debug": {"msg": shown}} for name, shown in CASES.items()}
    for name, task in {**cases, **DOCUMENTED_EXAMPLES}.items():
        variables = {
            key: on_file(value) if isinstance(value, str) else value for key, value in task.get("vars", {}).items()
        }
        debug = {"ansible.builtin.debug": {"msg": on_file(task["ansible.builtin.debug"]["msg"])}}
        yield {
            "vars": {"case": name},
            "block": [{**debug, "vars": variables, "register": "result"}, keep("shown", "result.msg")],
            "rescue": [keep("failed", "ansible_failed_result.msg")],
        }


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("traffic_policy")
    (folder / "document.json").write_text(json.dumps(published()))
    (folder / "eu.json").write_text(json.dumps(EU))
    (folder / "secret.json").write_text(json.dumps({"proxy": f"http://user:{SECRET}@192.0.2.9:3128"}))
    results = {"content": "{{ [shown, failed] | to_json }}", "dest": str(folder / "results.json"), "mode": "0600"}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {
            "shown": {},
            "failed": {},
            "eu": (folder / "eu.json").as_uri(),
            "sha256": hashlib.sha256((folder / "document.json").read_bytes()).hexdigest(),
            **VARIABLES,
        },
        "tasks": [*tasks((folder / "document.json").as_uri()), {"ansible.builtin.copy": results}],
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    env = environment(
        Path(os.environ["NETWALL_TREE"]),
        ANSIBLE_CONFIG=str(ROOT / "tests/ansible.cfg"),
        # The tests' documents have documentation addresses.
        NETWALL_DATADOG_ALLOW_RESERVED="true",
    )
    command = ("ansible-playbook", "-vvvv", "-i", "localhost,", "-c", "local", "-e", "@secret.json", "play.yml")
    output = run(*command, cwd=folder, env=env)
    shown, failed = json.loads((folder / "results.json").read_text())
    return Played(shown, failed, output)


def test_a_policy_has_the_documented_keys(played: Played) -> None:
    documented = yaml.safe_load(traffic_policy.RETURN)["_raw"]["contains"]
    policy = played.shown["defaults"]
    assert set(policy) == set(documented)
    for case, part in (
        ("defaults", "flows"),
        ("defaults", "destinations"),
        ("defaults", "documents"),
        ("unresolved", "unresolved"),
        ("unresolved", "endpoints"),
    ):
        assert {key for entry in played.shown[case][part] for key in entry} == set(documented[part]["contains"])


def test_a_policy_comes_alone_in_a_list(played: Played) -> None:
    [policy] = played.shown["by query"]
    assert policy["flows"][0]["id"] == "ntp-udp-123-out"


def test_the_site_of_a_variable_is_templated(played: Played) -> None:
    assert played.shown["site of a templated variable"] == "trace.agent.us3.datadoghq.com"


def test_the_site_of_the_call_wins(played: Played) -> None:
    assert played.shown["site of the call"] == "trace.agent.datadoghq.eu"


def test_the_options_of_the_ranges_count(played: Played) -> None:
    section = DOCUMENT.sections["apm"]
    assert played.shown["options of the ranges"] == [section.ipv4[0]]


def test_templated_values_count(played: Played) -> None:
    allowed = {flow["id"]: flow["networks"] for flow in played.shown["values of templated variables"]["flows"]}
    assert "apm-tcp-443-out" in allowed
    assert allowed["dogstatsd-udp-8135-in"] == ["198.51.100.0/24"]


def test_null_is_not_set(played: Played) -> None:
    assert played.shown["nulls"] is True


def test_a_document_that_no_flow_needs_is_not_read(played: Played) -> None:
    assert played.shown["no document needed"] is True


def test_a_second_site_opens_its_own_ranges_beside_those_of_the_first(played: Played) -> None:
    policy = played.shown["ranges of a second site"]
    found = {flow["id"]: flow["networks"] for flow in policy["flows"]}
    alone = {flow["id"]: flow["networks"] for flow in played.shown["defaults"]["flows"]}
    assert set(found["agents-tcp-443-out"]) == {*alone["agents-tcp-443-out"], "198.51.100.0/28"}
    assert {key: value for key, value in found.items() if key != "agents-tcp-443-out"} == {
        key: value for key, value in alone.items() if key != "agents-tcp-443-out"
    }
    assert [(used["site"], used["version"]) for used in policy["documents"]] == [
        ("us3.datadoghq.com", 7),
        ("datadoghq.eu", 8),
    ]
    assert (policy["version"], policy["modified"]) == (7, "2026-03-04T05:06:07Z")


def test_the_own_site_s_ranges_may_be_elsewhere_too(played: Played) -> None:
    assert int(played.shown["ranges of the own site"]) == 8
    assert int(played.shown["url before site_urls"]) == 7


def test_a_checksum_is_that_of_the_own_site_s_document(played: Played) -> None:
    assert int(played.shown["checksum of the own document"]) == 2


def test_names_without_networks_are_listed_where_that_is_asked_for(played: Played) -> None:
    assert played.shown["unresolved"]["unresolved"] == [{"name": "relay.example.test", "option": "endpoint_networks"}]


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("a term", "The lookup traffic_policy takes no terms; name products by the option products."),
        ("unknown option", "There is no option 'product'"),
        ("unknown product", "The option products has the unknown name 'metric' (did you mean metrics?)"),
        ("unknown transport", "The option logs_transport has the unknown name 'udp'; there are http, tcp."),
        ("unknown location", "has no location 'mars'"),
        ("no document", "file:///nonexistent cannot be read"),
        ("site that is no host", "is not a host name"),
        ("second site without a document", "file:///nonexistent cannot be read"),
        ("second site over http", "The url http://localhost/ is not accepted"),
        (
            "endpoint without networks",
            "The option endpoints has relay.example.test for apm, which is no site of Datadog",
        ),
        ("broken proxy with a password", "The option proxy is wrong"),
    ],
)
def test_what_is_wrong_is_a_sentence(played: Played, case: str, sentence: str) -> None:
    assert sentence in played.failed[case]
    assert "Traceback" not in played.failed[case]


@pytest.mark.parametrize(
    ("url", "hint"), [("https://ip-ranges.datadoghq.con/", hint_at_sites("datadoghq.con")), ("file:///ranges.json", "")]
)
def test_a_site_whose_document_can_not_be_fetched_is_hinted_at(
    monkeypatch: pytest.MonkeyPatch, url: str, hint: str
) -> None:
    def load(_ranges: object) -> t.NoReturn:
        raise SourceError("No such server.")

    monkeypatch.setattr(traffic_policy, "load", load)
    with pytest.raises(SourceError) as caught:
        traffic_policy._load(t.cast("t.Any", types.SimpleNamespace(site="datadoghq.con", url=url)))
    assert str(caught.value) == f"No such server.{hint}"


def test_the_password_of_a_proxy_is_printed_nowhere(played: Played) -> None:
    assert played.shown["proxy with a password"]["flows"][0]["networks"] == ["192.0.2.9/32"]
    assert SECRET not in played.output
    assert SECRET not in json.dumps([played.shown, played.failed])


@pytest.mark.parametrize("name", DOCUMENTED_EXAMPLES)
def test_an_example_shows_something(played: Played, name: str) -> None:
    assert name not in played.failed
    assert played.shown[name]


def test_nothing_fails_that_should_not(played: Played) -> None:
    assert set(played.shown) | set(played.failed) == {*CASES, *DOCUMENTED_EXAMPLES}


def _named(option: str) -> set[str]:
    """What the documentation of *option* marks as a value."""
    text = " ".join(yaml.safe_load(traffic_policy.DOCUMENTATION)["options"][option]["description"])
    return {part.split(")")[0] for part in text.split("V(")[1:]}


def test_the_documentation_names_all_products() -> None:
    assert {product.name for product in catalog.PRODUCTS} == _named("products") - {"_", "-"}


def test_the_documentation_names_all_ports() -> None:
    assert {port.name for port in catalog.LOCAL_PORTS} == _named("ports") - {"_", "-", "0", "-1"}


def test_the_documentation_names_all_sources() -> None:
    assert {source.name for source in catalog.SOURCES} == _named("inbound_from")
