# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup as users call it, from playbooks."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest
import trustme
import yaml

from ansible_collections.netwall.datadog.plugins.lookup import ip_ranges
from ansible_collections.netwall.datadog.tests._https import HttpsServer, Proxy, body, running, silence
from ansible_collections.netwall.datadog.tests._play import play
from ansible_collections.netwall.datadog.tests._tool import ROOT

PUBLISHED = ROOT.parent / "shared" / "data" / "ip-ranges" / "datadoghq.com-v47.json"
DOCUMENT: dict[str, t.Any] = {
    "version": 7,
    "modified": "2026-03-04-05-06-07",
    "agents": {"prefixes_ipv4": ["203.0.113.0/25", "203.0.113.128/25"], "prefixes_ipv6": ["2001:db8:1::/48"]},
    "apm": {"prefixes_ipv4": ["192.0.2.0/24"], "prefixes_ipv6": []},
    "logs": {"prefixes_ipv4": ["198.51.100.0/24"], "prefixes_ipv6": ["2001:db8:2::/48"]},
    "webhooks": {"prefixes_ipv4": ["198.51.100.0/32", "198.51.100.1/32"], "prefixes_ipv6": []},
    "synthetics": {
        "prefixes_ipv4": ["192.0.2.1/32", "192.0.2.2/32"],
        "prefixes_ipv6": [],
        "prefixes_ipv4_by_location": {"aws:eu-west-1": ["192.0.2.2/32"]},
        "prefixes_ipv6_by_location": {},
    },
}
DATA = json.dumps(DOCUMENT).encode()
ALL = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8:1::/48", "2001:db8:2::/48"]


def query(name: str, arguments: str = "", **more: t.Any) -> dict[str, t.Any]:
    """A task that asks the lookup, whatever comes of it, and puts the result into `name`."""
    message = "{{ query('netwall.datadog.ip_ranges'" + (arguments and f", {arguments}") + ") }}"
    return {"ansible.builtin.debug": {"msg": message}, "register": name, "ignore_errors": True, **more}


# --- What is documented is what happens -----------------------------------------------------------------------------

EXPECTED = {
    "Show every network that an Agent of the default site sends to": ALL,
    "Show where metrics and logs go on another site, IPv4 alone": ["198.51.100.0/24", "203.0.113.0/24"],
    "Show where Datadog's webhooks come from, as Datadog publishes it": ["198.51.100.0/32", "198.51.100.1/32"],
    "Show where the synthetic tests of one location come from": ["192.0.2.2/32"],
    "Leave out the addresses that another rule covers": ["203.0.113.0/26", "203.0.113.128/25", "2001:db8:1::/48"],
    "Pass on a list of sections": ["192.0.2.0/24", "203.0.113.0/24", "2001:db8:1::/48"],
    "Ask a mirror whose certificate comes from a CA of one's own": ["203.0.113.0/24", "2001:db8:1::/48"],
    "Read a copy that lies beside the playbook": ["203.0.113.0/24", "2001:db8:1::/48"],
    "Ask through a proxy of one's own, and wait no longer than a day for a better document than the last good one": [
        "203.0.113.0/24",
        "2001:db8:1::/48",
    ],
    "Find something in the document itself, as it was published": [
        "203.0.113.0/25",
        "203.0.113.128/25",
        "198.51.100.0/24",
    ],
    "Find a single thing, which is the only element of the list": [7],
    "Find networks, cut some out of them, and have the fewest CIDRs that cover the rest": [
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/26",
        "203.0.113.128/25",
    ],
    "Find what one location has, as if nothing else were published": ["192.0.2.2/32"],
}


def test_the_examples(server: HttpsServer, proxy: Proxy, ca_path: Path, tmp_path: Path) -> None:
    # The proxy leads every name to the tests' own server: nobody else is asked.
    server.answer(body(DATA))
    server.answer(body(DATA), path="/datadoghq.json")
    folder = tmp_path / "a folder"
    files = folder / "files"
    files.mkdir(parents=True)
    (files / "mirror-ca.pem").write_bytes(ca_path.read_bytes())
    (files / "datadoghq.json").write_bytes(DATA)
    examples = yaml.safe_load(ip_ranges.EXAMPLES)
    tasks = [{**example, "register": f"example_{number}"} for number, example in enumerate(examples)]
    played = play(
        folder,
        tasks,
        values=[task["register"] for task in tasks],
        environment={"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(ca_path)},
    )
    shown = {task["name"]: played.values[task["register"]]["msg"] for task in tasks}
    assert shown == EXPECTED
    assert set(proxy.asked) == {
        "ip-ranges.datadoghq.com:443",
        "ip-ranges.us3.datadoghq.com:443",
        "mirror.example.com:443",
    }


# --- Where the site comes from --------------------------------------------------------------------------------------


class SiteOf(t.Protocol):
    """The site that the lookup asks where it is set in these places."""

    def __call__(self, arguments: str = "", **places: t.Any) -> str: ...


@pytest.fixture
def site_of(server: HttpsServer, proxy: Proxy, ca_path: Path, tmp_path: Path) -> SiteOf:
    """The site that the lookup asks where it is set in these places."""

    def site_of(arguments: str = "", *, dd_site: str | None = None, **places: t.Any) -> str:
        server.answer(body(DATA))
        environment = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(ca_path)}
        if dd_site is not None:
            environment["DD_SITE"] = dd_site
        asked = query("asked", ", ".join(filter(None, [arguments, "retries=0"])))
        before = places.pop("before", [])
        played = play(tmp_path, [*before, asked], values=["asked"], environment=environment, **places)
        message = played.values["asked"]["msg"]
        if isinstance(message, str):
            return message
        [name] = proxy.asked
        return name.removeprefix("ip-ranges.").removesuffix(":443")

    return site_of


def test_the_site_comes_from_a_variable_that_is_a_template(site_of: SiteOf) -> None:
    group_vars = {"region": "us3", "base": "{{ region }}.datadoghq.com", "datadog_site": "{{ base }}"}
    assert site_of(group_vars=group_vars, dd_site="datadoghq.com") == "us3.datadoghq.com"


def test_the_site_comes_from_the_environment_as_it_stands(site_of: SiteOf) -> None:
    assert "The site '{{ 1 + 1 }}' is not a host name" in site_of(dd_site="{{ 1 + 1 }}")


def test_the_site_of_the_call_comes_before_a_variable(site_of: SiteOf) -> None:
    group_vars = {"datadog_site": "datadoghq.com"}
    assert site_of("site='us3.datadoghq.com'", group_vars=group_vars) == "us3.datadoghq.com"


def test_the_site_of_the_call_is_not_templated_again(site_of: SiteOf) -> None:
    said = site_of("site='{' ~ '{ 1 + 1 }' ~ '}'", group_vars={"datadog_site": "datadoghq.com"})
    assert "The site '{{ 1 + 1 }}' is not a host name" in said


def test_an_empty_variable_counts_as_not_set(site_of: SiteOf) -> None:
    assert site_of(group_vars={"datadog_site": "{{ '' }}"}, dd_site="us3.datadoghq.com") == "us3.datadoghq.com"


def test_what_a_host_says_is_not_templated(site_of: SiteOf) -> None:
    ask_the_host = [
        {
            "ansible.builtin.command": {"argv": ["printf", r"\173\173 1 + 1 \175\175"]},
            "register": "printed",
            "changed_when": False,
        },
        {"ansible.builtin.set_fact": {"datadog_site": "{{ printed.stdout }}"}},
    ]
    assert "The site '{{ 1 + 1 }}' is not a host name" in site_of(before=ask_the_host)


def test_a_variable_in_the_template_that_is_not_defined_is_told(site_of: SiteOf) -> None:
    assert "'base' is undefined" in site_of(group_vars={"datadog_site": "{{ base }}"})


# --- A published document -------------------------------------------------------------------------------------------


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f"needs {PUBLISHED.name} beside the checkout, in ../shared/data")
def test_a_document_that_datadog_published(tmp_path: Path) -> None:
    url = f"url='{PUBLISHED.as_uri()}'"
    tasks = [
        query("agents", f"'agents', {url}"),
        query("ipv4", f"'agents', families=['ipv4'], {url}"),
        query("location", f"'synthetics', locations=['azure:eastus'], {url}"),
        query("rest", f"'agents', exclude=['3.233.144.0/22', '2600:1f18:24e6:b980::/57'], {url}"),
        query("every", url),
    ]
    values = play(tmp_path, tasks, values=["agents", "ipv4", "location", "rest", "every"]).values
    assert {name: value["msg"] for name, value in values.items()} == {
        "agents": ["3.233.144.0/20", "2600:1f18:24e6:b900::/56"],
        "ipv4": ["3.233.144.0/20"],
        "location": ["20.62.248.141/32", "20.83.144.189/32", "40.76.107.170/32"],
        "rest": ["3.233.148.0/22", "3.233.152.0/21", "2600:1f18:24e6:b900::/57"],
        "every": ["3.233.144.0/20", "2600:1f18:24e6:b900::/56"],
    }


# --- Faults ---------------------------------------------------------------------------------------------------------

# Arguments (in which SERVER and FOLDER stand for a URL each) and what is said.
FAULTS = {
    "missing-section": (
        "'rum', url='FOLDER/document.json'",
        "The document at FOLDER/document.json has no section 'rum'; it has agents, apm, logs, synthetics, webhooks.",
    ),
    "unknown-location": (
        "'synthetics', locations=['aws:mars-1'], url='FOLDER/document.json'",
        "The document at FOLDER/document.json has no location 'aws:mars-1' in what was asked for;",
    ),
    "missing-file": (
        "url='FOLDER/missing.json'",
        "FOLDER/missing.json cannot be read: No such file or directory.",
    ),
    "not-json": (
        "url='SERVER/html', ca_path=ca_path",
        "The document at SERVER/html is refused: it is not JSON (line 1, column 1: Expecting value).",
    ),
    "wrong-shape": (
        "url='SERVER/shape', ca_path=ca_path",
        "The document at SERVER/shape is refused: version is missing where a whole number belongs.",
    ),
    "no-cidr": (
        "url='SERVER/cidr', ca_path=ca_path",
        (
            "The document at SERVER/cidr is refused: section 'agents', prefixes_ipv4, entry 1: "
            "'192.0.2.0/33' is not an IPv4 CIDR."
        ),
    ),
    "time-out": (
        "url='SERVER/silence', ca_path=ca_path, timeout=1, retries=1",
        "SERVER/silence cannot be read: there was no answer for 1 seconds, tried 2 times.",
    ),
    "not-trusted": (
        "url='SERVER/'",
        ("SERVER/ cannot be read: its certificate is not trusted (unable to get local issuer certificate)."),
    ),
    "unknown-site": (
        "site='example.invalid', retries=0",
        "https://ip-ranges.example.invalid/ cannot be read: the proxy that the environment names refused it",
    ),
    "http": (
        "url='http://me:password@mirror.example.com/'",
        (
            "The url http://***@mirror.example.com/ is not accepted (over http anybody on the way could change it); "
            "write https://HOST/PATH or file:///PATH."
        ),
    ),
    "password": (
        "url='https://me:password@localhost:1/', retries=0",
        "https://***@localhost:1/ cannot be read: the connection failed (Connection refused)",
    ),
    "no-families": ("families=[]", "families is []; it must list ipv4 or ipv6 or both."),
    "unknown-family": ("families=['ipv5']", "ipv5"),
    "host-bits": (
        "exclude=['192.0.2.1/24']",
        "exclude: '192.0.2.1/24' has host bits set; write 192.0.2.0/24, or 192.0.2.1 for the one address.",
    ),
    "misspelt": (
        "exlude=['192.0.2.0/24']",
        "There is no option 'exlude'; there are aggregate, allow_older, allow_reserved, ca_path, ",
    ),
}


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA, ca_path: Path) -> dict[str, str]:
    """What a playbook says about each of FAULTS, and under "" all that it prints at -vvv."""
    folder = tmp_path_factory.mktemp("faults")
    (folder / "document.json").write_bytes(DATA)
    with running(HttpsServer(authority.issue_cert("localhost"))) as server, running(Proxy(server.port)) as proxy:
        server.answer(body(b"<!DOCTYPE html>"), path="/html")
        server.answer(body(b"{}"), path="/shape")
        server.answer(body(DATA.replace(b"203.0.113.0/25", b"192.0.2.0/33")), path="/cidr")
        server.answer(silence, path="/silence")
        proxy.refuse_with = 502  # as a proxy does that cannot resolve a name
        places = {"SERVER": server.url("").rstrip("/"), "FOLDER": folder.as_uri()}

        def placed(text: str) -> str:
            return re.sub("|".join(places), lambda match: places[match[0]], text)

        tasks = [query(name.replace("-", "_"), placed(arguments)) for name, (arguments, _said) in FAULTS.items()]
        played = play(
            folder,
            tasks,
            values=[task["register"] for task in tasks],
            group_vars={"ca_path": str(ca_path)},
            arguments=["-vvv"],
            environment={"HTTPS_PROXY": proxy.url, "NO_PROXY": "localhost"},
        )
    said = {name: str(played.values[name.replace("-", "_")]["msg"]) for name in FAULTS}
    for name, url in places.items():
        said = {fault: text.replace(url, name) for fault, text in said.items()}
    return {**said, "": played.output}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_sentence(name: str, faults: dict[str, str]) -> None:
    assert FAULTS[name][1] in faults[name]


def test_no_fault_shows_a_traceback(faults: dict[str, str]) -> None:
    assert "Traceback" not in faults[""]


def test_the_lookup_may_be_told_to_warn_of_a_fault(tmp_path: Path) -> None:
    played = play(tmp_path, [query("asked", "url='file:///missing.json', errors='warn'")], values=["asked"])
    assert played.values["asked"]["msg"] == []
    assert "file:///missing.json cannot be read: No such file or directory." in " ".join(played.output.split())


def test_a_loop_over_the_lookup(tmp_path: Path) -> None:
    (tmp_path / "document.json").write_bytes(DATA)
    loop = {
        "ansible.builtin.debug": {"msg": "{{ item }}"},
        "with_netwall.datadog.ip_ranges": ["webhooks"],
        "register": "looped",
        "vars": {"datadog_site": "not used"},
    }
    said = play(tmp_path, [{**loop, "ignore_errors": True}], values=["looped"]).values["looped"]["msg"]
    assert "The site 'not used' is not a host name" in said
