# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is believed of each option, where it is said to be from, and how it is told."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._policy_options import Choice, choose, describe
from ansible_collections.netwall.datadog.plugins.plugin_utils._request import PolicyError

NAMES = [
    "site",
    "agent_version",
    "products",
    "logs_transport",
    "ports",
    "non_local_traffic",
    "unmanaged_ports",
    "proxy",
    "no_proxy",
    "endpoints",
]
RELAY = {"product": "apm", "host": "relay.example.com", "port": 8443, "is_additional": False}
SECOND = {"product": "metrics", "host": "app.datadoghq.com", "port": None, "is_additional": True}
AGENT: dict[str, t.Any] = {
    "installed": True,
    "version": "7.60.0",
    "version_source": "package",
    "site": "datadoghq.eu",
    "products": ["metrics", "logs"],
    "logs_transport": "tcp",
    "ports": {"dogstatsd": 8135, "gui": -1},
    "non_local_traffic": {"dogstatsd": True},
    "proxy": "http://192.0.2.99:3128",
    "no_proxy": ["relay.example.com"],
    "endpoints": [RELAY, SECOND],
    "sources": {
        "site": "datadog.yaml",
        "products": "as shipped, datadog.yaml",
        "logs_transport": "DD_LOGS_CONFIG_FORCE_USE_TCP of the service datadog-agent",
        "ports": "datadog.yaml",
        "non_local_traffic": "datadog.yaml",
        "proxy": "DD_PROXY_HTTPS of the service datadog-agent",
        "no_proxy": "datadog.yaml",
        "endpoints": "datadog.yaml",
    },
    "warnings": ["One.", "Two."],
}
FALLBACKS: dict[str, list[dict[str, t.Any]]] = {
    "site": [
        {"value": "", "source": "unset"},
        {"value": None, "source": "null"},
        {"value": "us5.datadoghq.com", "source": "DD_SITE"},
        {"value": "datadoghq.com", "source": "never"},
    ]
}


def chosen(
    user: t.Mapping[str, t.Any] | None = None,
    agent: t.Mapping[str, t.Any] | None = None,
    *,
    needs_agent: bool = True,
) -> Choice:
    return choose(user or {}, agent, FALLBACKS, prefix="my_", needs_agent=needs_agent)


# --- Who is believed --------------------------------------------------------------------------------------------------


def test_an_agent_s_answer_becomes_options_each_with_its_source() -> None:
    choice = chosen(agent=AGENT)
    assert choice.options == {
        "site": "datadoghq.eu",
        "agent_version": "7.60.0",
        "products": ["metrics", "logs"],
        "logs_transport": "tcp",
        "ports": {"dogstatsd": 8135, "gui": -1},
        "unmanaged_ports": ["dogstatsd"],
        "proxy": "http://192.0.2.99:3128",
        "no_proxy": ["relay.example.com"],
        "endpoints": [RELAY, SECOND],
    }
    assert choice.sources == {
        "site": "datadog.yaml",
        "agent_version": "the Agent's package",
        "products": "as shipped, datadog.yaml",
        "logs_transport": "DD_LOGS_CONFIG_FORCE_USE_TCP of the service datadog-agent",
        "ports": "datadog.yaml",
        "non_local_traffic": "built-in default",
        "unmanaged_ports": "datadog.yaml",
        "proxy": "DD_PROXY_HTTPS of the service datadog-agent",
        "no_proxy": "datadog.yaml",
        "endpoints": "datadog.yaml",
    }
    assert choice.warnings == ["One.", "Two."]


@pytest.mark.parametrize("nothing", [None, ""])
def test_who_says_nothing_leaves_it_to_the_next(nothing: str | None) -> None:
    user = dict.fromkeys([*NAMES, "timeout"], nothing)
    assert chosen(user, AGENT) == chosen(agent=AGENT)
    assert chosen(user, {**AGENT, "site": nothing}).options["site"] == "us5.datadoghq.com"
    assert chosen(user, {**AGENT, "site": nothing}).sources["site"] == "DD_SITE"


@pytest.mark.parametrize("name", ["products", "unmanaged_ports", "no_proxy", "endpoints", "non_local_traffic"])
def test_an_empty_value_of_the_user_s_says_that_there_is_none(name: str) -> None:
    choice = chosen({name: []}, AGENT)
    assert (choice.options[name], choice.sources[name]) == ([], f"my_{name}")


def test_an_agent_that_sends_nothing_says_so_but_an_empty_list_of_exceptions_says_nothing() -> None:
    empty: dict[str, t.Any] = {"products": [], "ports": {}, "non_local_traffic": {}, "no_proxy": [], "endpoints": []}
    choice = chosen(agent={**AGENT, **empty})
    assert choice.options["products"] == []
    for name in ("ports", "unmanaged_ports", "no_proxy", "endpoints"):
        assert name not in choice.options
        assert choice.sources[name] == "built-in default"


@pytest.mark.parametrize(
    "site", ["datadog.example", "x.datadoghq.com", "datadoghq.com.example", "browser-intake-datadoghq.com"]
)
def test_a_site_that_only_the_host_names_is_one_that_is_known(site: str) -> None:
    with pytest.raises(PolicyError) as refused:
        chosen(agent={**AGENT, "site": site})
    assert str(refused.value) == (
        f"The site {site} (datadog.yaml) is none that this collection knows, and the controller asks no host for "
        f"address ranges because a host's own settings name it; if it is right, set my_site: {site}."
    )
    assert chosen({"site": site}, {**AGENT, "site": site}).options["site"] == site
    assert chosen({"site": "datadoghq.eu"}, {**AGENT, "site": site}).options["site"] == "datadoghq.eu"
    # An answer that does not count names no site.
    assert chosen(agent={**AGENT, "site": site, "installed": False}).options["site"] == "us5.datadoghq.com"


@pytest.mark.parametrize("site", [*(known.site for known in catalog.SITES), "us9.datadoghq.com", "DatadogHQ.eu."])
def test_a_site_of_datadog_s_that_the_host_names_counts(site: str) -> None:
    assert chosen(agent={**AGENT, "site": site}).options["site"] == site


def test_what_only_the_user_can_say_is_passed_on_and_needs_no_source() -> None:
    choice = chosen({"timeout": 0, "aggregate": False, "families": None})
    assert choice.options == {"timeout": 0, "aggregate": False, "site": "us5.datadoghq.com"}
    assert list(choice.sources) == NAMES


@given(
    said=st.dictionaries(st.sampled_from([name for name in NAMES if name != "ports"]), st.integers(1, 9)),
    is_installed=st.booleans(),
)
@settings(max_examples=50)
def test_what_the_user_says_always_counts(said: dict[str, int], is_installed: bool) -> None:
    choice = chosen(said, {**AGENT, "installed": is_installed})
    for name, value in said.items():
        assert choice.options[name] == value
        assert choice.sources[name] == f"my_{name}"


# --- Ports are put together -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gui", "GUI", " Gui "])
def test_a_port_of_the_user_s_comes_before_the_same_one_of_the_agent_s(name: str) -> None:
    choice = chosen({"ports": {name: 5010}}, AGENT)
    assert choice.options["ports"] == {"dogstatsd": 8135, name: 5010}
    assert choice.sources["ports"] == "my_ports; datadog.yaml"


def test_a_port_is_the_same_with_a_hyphen_or_an_underscore() -> None:
    choice = chosen({"ports": {"apm_expvar": 5099}}, {**AGENT, "ports": {"apm-expvar": 5013}})
    assert choice.options["ports"] == {"apm_expvar": 5099}


def test_a_port_that_the_user_names_twice_is_left_for_the_policy_to_refuse() -> None:
    ports = {"apm_expvar": 5099, "apm-expvar": 5098}
    assert chosen({"ports": ports}, {**AGENT, "ports": {"gui": 1}}).options["ports"] == {"gui": 1, **ports}


def test_ports_that_are_no_dictionary_can_not_be_put_beside_the_agent_s() -> None:
    with pytest.raises(PolicyError, match=r"^my_ports is 'gui=5010'; write a dictionary such as \{gui: 5010\}\.$"):
        chosen({"ports": "gui=5010"}, AGENT)


def test_ports_of_an_agent_that_moves_none_are_the_user_s_alone() -> None:
    choice = chosen({"ports": {"gui": 5010}}, {**AGENT, "ports": {}})
    assert (choice.options["ports"], choice.sources["ports"]) == ({"gui": 5010}, "my_ports")


# --- Where there is no Agent ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "agent",
    [None, {}, {"skipped": True}, {"failed": True, "msg": "No."}, {**AGENT, "installed": False, "products": None}],
    ids=["not asked", "empty", "skipped", "failed", "left behind"],
)
def test_without_an_agent_nothing_is_taken_for_its_settings(agent: dict[str, t.Any] | None) -> None:
    assert chosen(agent=agent) == chosen()
    assert chosen().options == {"site": "us5.datadoghq.com"}


def test_settings_without_an_agent_count_if_they_are_asked_for() -> None:
    left = {**AGENT, "installed": False, "version": None, "version_source": None, "products": None}
    choice = chosen(agent=left, needs_agent=False)
    assert (choice.options["site"], choice.sources["site"]) == ("datadoghq.eu", "datadog.yaml")
    assert not {"agent_version", "products"} & choice.options.keys()
    assert choice.warnings == ["One.", "Two."]


@pytest.mark.parametrize("agent", [{"skipped": True}, {"failed": True, "warnings": ["No."]}])
def test_what_is_no_answer_never_counts(agent: dict[str, t.Any]) -> None:
    assert chosen(agent=agent, needs_agent=False) == chosen()


# --- For a person's eyes ----------------------------------------------------------------------------------------------


def told(choice: Choice, policy: t.Mapping[str, t.Any] | None = None) -> dict[str, str]:
    rows = describe(choice.options, choice.sources, policy or {"site": "datadoghq.eu"})
    return {row["name"]: f"{row['label']} {row['text']}: {row['source']}" for row in rows}


def test_each_value_is_told_in_words_with_its_source() -> None:
    choice = chosen({"non_local_traffic": {"apm": ["198.51.100.0/24", "192.0.2.8/29"], "ipfix": "192.0.2.0/29"}}, AGENT)
    policy = {"site": "datadoghq.eu", "proxy": "192.0.2.99:3128", "endpoints": [RELAY, SECOND]}
    assert list(told(choice, policy).values()) == [
        "site datadoghq.eu: datadog.yaml",
        "Agent version 7.60.0: the Agent's package",
        "products metrics, logs: as shipped, datadog.yaml",
        "logs over tcp: DD_LOGS_CONFIG_FORCE_USE_TCP of the service datadog-agent",
        "own ports dogstatsd 8135, gui off: datadog.yaml",
        "opened to apm 198.51.100.0/24 192.0.2.8/29, ipfix 192.0.2.0/29: my_non_local_traffic",
        "left alone dogstatsd: datadog.yaml",
        "proxy 192.0.2.99:3128: DD_PROXY_HTTPS of the service datadog-agent",
        "past it relay.example.com: datadog.yaml",
        "endpoints apm to relay.example.com 8443/tcp, metrics also to app.datadoghq.com: datadog.yaml",
    ]


def test_what_nobody_sets_is_told_in_words() -> None:
    assert list(told(chosen(), {"site": "us5.datadoghq.com"}).values()) == [
        "site us5.datadoghq.com: DD_SITE",
        "Agent version 7, the newest: built-in default",
        "products as shipped: built-in default",
        "logs over what the version takes: built-in default",
        "own ports as shipped: built-in default",
        "opened to nobody: built-in default",
        "left alone none: built-in default",
        "proxy none: built-in default",
        "past it none: built-in default",
        "endpoints as documented: built-in default",
    ]


def test_what_is_empty_is_told_in_words() -> None:
    names = ("products", "ports", "non_local_traffic", "unmanaged_ports", "no_proxy", "endpoints")
    said = told(chosen({name: {} if name in {"ports", "non_local_traffic"} else [] for name in names}))
    assert [said[name] for name in names] == [
        "products none: my_products",
        "own ports as shipped: my_ports",
        "opened to nobody: my_non_local_traffic",
        "left alone none: my_unmanaged_ports",
        "past it none: my_no_proxy",
        "endpoints as documented: my_endpoints",
    ]


def test_a_text_that_the_lookup_makes_a_list_or_dictionary_of_is_told_as_it_is() -> None:
    user = {"products": "metrics,logs", "ports": "{'gui': 5010}", "non_local_traffic": "{}", "no_proxy": "a,b"}
    said = told(chosen(user))
    assert [said[name] for name in user] == [
        "products metrics,logs: my_products",
        "own ports {'gui': 5010}: my_ports",
        "opened to {}: my_non_local_traffic",
        "past it a,b: my_no_proxy",
    ]


def test_a_secret_in_a_proxy_s_or_an_endpoint_s_url_is_not_told() -> None:
    choice = chosen(
        {
            "proxy": "http://user:s3cr3t@192.0.2.99:3128",
            "endpoints": [{"product": "apm", "host": "https://user:s3cr3t@192.0.2.8"}],
        }
    )
    policy = {
        "site": "datadoghq.com",
        "proxy": "192.0.2.99:3128",
        "endpoints": [{**RELAY, "host": "192.0.2.8", "port": 443}],
    }
    rows = describe(choice.options, choice.sources, policy)
    assert "s3cr3t" not in str(rows)
    assert "s3cr3t" not in str(describe(choice.options, choice.sources, {}))
    assert [row["value"] for row in rows if row["name"] == "proxy"] == ["192.0.2.99:3128"]
