# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a lookup reads its options."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.plugin_utils._lookup import LookupOptionsError, read_options

DEFINITIONS: dict[str, t.Any] = {
    "_terms": {},
    "site": {"vars": [{"name": "datadog_site"}], "env": [{"name": "DD_SITE"}], "default": "datadoghq.com"},
    "url": {},
}


class Lookup:
    """Finds the value of an option where Ansible does, in the same order."""

    def __init__(self, environment: dict[str, str]) -> None:
        """Have `environment` as the process's."""
        self.option_definitions = DEFINITIONS
        self.environment = environment
        self.options: dict[str, t.Any] = {}

    def _find(self, name: str, variables: t.Any, direct: t.Any) -> tuple[t.Any, str]:
        definition = self.option_definitions[name]
        places = [(direct or {}, name, "Direct")]
        places += [(variables or {}, place["name"], f"var: {place['name']}") for place in definition.get("vars", ())]
        places += [(self.environment, place["name"], f"env: {place['name']}") for place in definition.get("env", ())]
        for values, key, origin in places:
            if values.get(key) is not None:
                return values[key], origin
        return definition.get("default"), "default"

    def set_options(self, *, var_options: t.Any = None, direct: t.Any = None) -> None:
        self.options = {name: self._find(name, var_options, direct)[0] for name in self.option_definitions}

    def set_option(self, option: str, value: t.Any) -> None:
        self.options[option] = self._find(option, None, {option: value})[0]

    def get_option(self, option: str) -> t.Any:
        return self.options[option]

    def get_options(self) -> dict[str, t.Any]:
        return self.options

    def get_option_and_origin(self, option: str, hostvars: t.Any = None) -> tuple[t.Any, str]:
        # As on 2.17: it knows nothing of the arguments of the call.
        return self._find(option, hostvars, None)


class Templar:
    """Makes of a template its upper case, so that what was templated can be told."""

    def template(self, variable: t.Any) -> t.Any:
        return {"{{ none }}": None, "{{ empty }}": ""}.get(variable, variable.upper())


def site(direct: t.Any = None, variable: t.Any = None, environment: str | None = None) -> t.Any:
    """The site that a lookup uses, set in none or some of the places."""
    lookup = Lookup({} if environment is None else {"DD_SITE": environment})
    return read_options(lookup, Templar(), {"datadog_site": variable}, direct or {})["site"]


def test_the_default() -> None:
    assert site() == "datadoghq.com"


def test_a_variable_is_templated() -> None:
    assert site(variable="{{ base }}") == "{{ BASE }}"


def test_an_argument_is_not_templated() -> None:
    assert site(direct={"site": "{{ base }}"}, variable="ignored") == "{{ base }}"


def test_an_argument_that_is_null_is_not_set() -> None:
    assert site(direct={"site": None}, variable="{{ base }}") == "{{ BASE }}"


def test_the_environment_is_not_templated() -> None:
    assert site(environment="{{ base }}") == "{{ base }}"


def test_a_variable_comes_before_the_environment() -> None:
    assert site(variable="variable", environment="environment") == "VARIABLE"


@pytest.mark.parametrize("empty", ["", "{{ none }}", "{{ empty }}"])
def test_an_empty_variable_is_not_set(empty: str) -> None:
    assert site(variable=empty, environment="environment") == "environment"


def test_an_empty_variable_of_the_environment_is_not_set() -> None:
    assert site(environment="") == "datadoghq.com"
    assert site(variable="{{ none }}", environment="") == "datadoghq.com"


def test_an_empty_argument_is_set() -> None:
    assert site(direct={"site": ""}) == ""


def test_without_a_templar_a_variable_stays_as_it_is() -> None:
    lookup = Lookup({})
    assert read_options(lookup, None, {"datadog_site": "{{ base }}"}, {})["site"] == "{{ base }}"


def test_an_unknown_argument_is_told() -> None:
    with pytest.raises(LookupOptionsError) as caught:
        site(direct={"exlude": ["192.0.2.0/24"]})
    assert str(caught.value) == "There is no option 'exlude'; there are site, url."


def test_what_ansible_itself_passes_is_let_through() -> None:
    assert site(direct={"wantlist": True, "errors": "strict", "allow_unsafe": False}) == "datadoghq.com"
