# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of settings: what they say, and what is said of those that are broken, which never quotes them."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils._agent import numbers
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.document import (
    AgentFileError,
    Found,
    IniDocument,
    YamlDocument,
)
from ansible_collections.netwall.datadog.tests._secrets import found as secrets_in
from ansible_collections.netwall.datadog.tests._tool import ROOT

KEY = "0123456789abcdef" * 2
EXAMPLE = ROOT.parent / "shared" / "data" / "datadog.yaml.example"


def find(content: str | bytes, setting: str) -> Found | None:
    return YamlDocument("/etc/x.yaml", content if isinstance(content, bytes) else content.encode()).find(setting)


def value(content: str | bytes, setting: str) -> t.Any:
    found = find(content, setting)
    return None if found is None else found.value


def refusal(content: str | bytes, setting: str = "a") -> str:
    with pytest.raises(AgentFileError) as refused:
        find(content, setting)
    # What a parser says quotes the file, and some of what shows an error shows what it was raised from.
    context = refused.value.__context__
    assert context is None or isinstance(context, RecursionError)
    return str(refused.value)


# --- YAML -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "setting", "expected", "line"),
    [
        ("# c\nsite: datadoghq.eu\n", "site", "datadoghq.eu", 2),
        ("a:\n  b:\n    c: 1\n", "a.b.c", 1, 3),
        ("a.b:\n  c: 1\n", "a.b.c", 1, 2),
        ("a:\n  x: 1\na.b: 2\n", "a.b", 2, 3),
        ("GUI_port: -1\n", "GUI_port", -1, 1),
        ("gui_PORT: -1\n", "GUI_port", -1, 1),
        ("a: {b: [x, {c: null}]}\n", "a.b", ["x", {"c": None}], 1),
        ("tags: [env: prod]\na: [b: 1, ? c]\n", "a", [{"b": 1}, {"c": None}], 2),
        ("a:\n", "a", None, 1),
        ("a: yes\nb: 'yes'", "a", True, 1),
        ("a: yes\nb: 'yes'", "b", "yes", 2),
        ("a: 1.5\n", "a", 1.5, 1),
        # Numbers are what they are to the Agent.
        ("a: 64_000_000\n", "a", 64000000, 1),
        ("a: 0x1F91\n", "a", 8081, 1),
        ("a: -0x10\n", "a", -16, 1),
        ("a: 017\n", "a", 15, 1),
        ("a: 0o17\n", "a", 15, 1),
        ("a: 0b11\n", "a", 3, 1),
        ("a: 5e8\n", "a", 5e8, 1),
        ("a: '5e8'\n", "a", "5e8", 1),
        ("a: |-\n  17\n", "a", "17", 1),
        ("a: 1:30\n", "a", "1:30", 1),
        ("a: _1\n", "a", "_1", 1),
        ("a: 2020-13-45\n", "a", "2020-13-45", 1),
        ("a: !!python/object:os.system x\n", "a", "x", 1),
        ("a: 1\t\nb: 2\t# c\n", "b", 2, 2),
        ("b: x\t# c\r\na:\ty\t\r\n", "a", "y", 2),
        ("a: {1: x, true: y}\n", "a", {"1": "x", "true": "y"}, 1),
        ("!!map x : 1\na: 1\n", "a", 1, 2),
        ("x: &x\n  b: 1\n  c: 1\na:\n  <<: *x\n  c: 2\n", "a", {"b": 1, "c": 2}, 5),
        ("x: &x\n  b: 1\n  c: 1\na:\n  <<: *x\n  c: 2\n", "a.b", 1, 2),
        ("x: &x\n  b: 1\n  c: 1\na:\n  <<: [*x]\n  c: 2\n", "a.c", 2, 6),
        ("x: &x {b: 1}\ny: &y {b: 2, c: 2}\na:\n  c: 3\n  <<: [*x, *y]\n", "a", {"b": 1, "c": 3}, 4),
        ("x: &x {b: 1}\na: [{<<: *x}]\n", "a", [{"b": 1}], 2),
    ],
)
def test_what_is_set(content: str, setting: str, expected: t.Any, line: int) -> None:
    found = find(content, setting)
    assert found is not None
    assert (found.value, type(found.value).__name__) == (expected, type(expected).__name__)
    assert found.line == line


@pytest.mark.parametrize("content", ["", "# c\n", "---\n", "b: 1\n", "a: {b: 1}\n", "a:\n", "\ufeff# c\n"])
def test_what_is_not_set(content: str) -> None:
    assert find(content, "a.c") is None


def test_how_it_is_written_is_kept_beside_what_it_means() -> None:
    found = find("site: no\n", "site")
    assert found is not None
    assert (found.value, found.text) == (False, "no")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_ends_of_lines_and_a_byte_order_mark_are_read_over(end: str) -> None:
    content = end.join(["\ufeffa: 1", "# é", "b: 2"]).encode()
    assert value(content, "a") == 1
    assert value(content, "b") == 2


@pytest.mark.skipif(not EXAMPLE.exists(), reason="there is no ../shared/data here")
def test_a_file_as_it_is_shipped_sets_nothing() -> None:
    content = EXAMPLE.read_bytes()
    assert value(content, "api_key") is None
    assert value(content, "apm_config.enabled") is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"api_key: {KEY}: x\n", "line 1, column 42, can't be read as YAML: mapping values are not allowed here."),
        (f"a: 1\napi_key {KEY}\nb: 2\n", "line 3, column 1, can't be read as YAML: could not find expected ':'."),
        (f'a: "{KEY}\n', "line 2, column 1, can't be read as YAML: found unexpected end of stream."),
        (f"a: *{KEY}\n", "line 1, column 4, can't be read as YAML: found undefined alias …."),
        (f"a: &{KEY} 1\nb: &{KEY} 1\nc: [\n", "line 2, column 4, can't be read as YAML: second occurrence."),
        (
            f"a:\n\t{KEY}: 1\n",
            "line 2 has a tab where YAML wants spaces; write spaces instead, or quote the value.",
        ),
        (f"a: !{KEY}!x 1\n", "line 1, column 4, can't be read as YAML: found undefined tag handle …."),
        (f"a: 1\nb: {KEY}\x07\n", "line 2 has the character U+0007, which YAML does not allow."),
        (f"{KEY}\n", "the top of the file is not a mapping of settings to values."),
        (f"- {KEY}\n", "the top of the file is not a mapping of settings to values."),
        (
            f"a: 1\n---\nb: {KEY}\n",
            "line 2 begins another document; the Agent reads one, so there must be one alone.",
        ),
        (
            f"b:\n  {KEY}: 1\n  d: 1\n  {KEY}: 2\n",
            (
                "line 4 has a key that its mapping has on line 2 already; which of them the Agent takes is not "
                "defined, so remove one."
            ),
        ),
        (f"? [{KEY}]\n", "line 1 has a key that is a mapping or a list; a setting has a name."),
        (f"x: &x [{KEY}]\na:\n  <<: *x\n", "line 3 merges (<<) what is no mapping."),
        (f"a: &a\n  {KEY}: *a\n", "line 1 begins a value that holds itself."),
        (b"a: 1\nb: \xff\n", "the file is not UTF-8: line 2 has a byte that is no part of a character."),
        ("a: 1\n".encode("utf-16"), "the file is not UTF-8: line 1 has a byte that is no part of a character."),
        ("null\n", "line 1 has a null where the settings should be; remove it."),
        ("[" * 3000, "the file is nested too deeply to be read."),
        ("a: " + "[" * 3000 + "]" * 3000, "the file is nested too deeply to be read."),
    ],
)
def test_what_is_said_of_a_broken_file(content: str | bytes, said: str) -> None:
    assert refusal(content) == f"The file /etc/x.yaml can't be read: {said}"
    assert secrets_in([KEY], refusal(content)) == []


def test_what_is_too_large_is_no_file_of_settings() -> None:
    assert refusal("# " * 2**20) == "The file /etc/x.yaml has more than 1048576 bytes: it is no file of settings."


def test_a_setting_in_capitals_and_in_small_letters_is_refused() -> None:
    said = (
        "The file /etc/x.yaml has the setting site on the lines 1 and 3, in capitals and in small letters, which the "
        "Agent does not tell apart: remove all but one."
    )
    assert refusal(f"site: {KEY}\nb: 1\nSITE: {KEY}\n", "site") == said
    assert refusal("x: &x\n  site: 1\na:\n  SITE: 2\n  <<: *x\n", "a.site").startswith("The file /etc/x.yaml has")
    # It is no matter of what is not asked for.
    assert value("site: 1\nb: {c: 1}\nSITE: 2\n", "b.c") == 1


def test_a_section_that_is_none() -> None:
    assert refusal(f"a: 1\nb: {KEY}\n", "b.c.d") == (
        "In the file /etc/x.yaml, line 2, the setting b is not a mapping of settings."
    )
    assert refusal("a:\n  b: [1]\n", "a.b.c") == (
        "In the file /etc/x.yaml, line 2, the setting a.b is not a mapping of settings."
    )


def test_aliases_of_aliases_take_neither_memory_nor_time() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    content = "\n".join([*lines, "site: x", ""])
    assert refusal(content, "site").endswith("line 6 begins a value that its aliases make too large.")


def test_aliases_that_nest_deeper_than_the_text_are_refused() -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 600)), "site: x", ""]
    assert value("\n".join(lines), "site") == "x"
    assert refusal("\n".join(lines), "a599") == "The setting a599 in the file /etc/x.yaml is nested too deeply."


@given(
    st.dictionaries(
        st.text("abcdeXYZ_", min_size=1, max_size=4).map(str.lower),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**40), 2**40)
            # What is no number to PyYAML is written without quotes.
            | st.text(max_size=8).filter(lambda text: numbers.in_yaml(text) is None),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=5,
    ),
    st.booleans(),
)
def test_every_setting_of_any_file_is_found(content: dict[str, t.Any], is_flow: bool) -> None:
    text = yaml.safe_dump(content, default_flow_style=is_flow)
    for name, expected in content.items():
        assert value(text, name) == expected


# --- INI --------------------------------------------------------------------------------------------------------------


def ini(content: str, setting: str) -> Found | None:
    return IniDocument("/etc/x.conf", content.encode()).find(setting)


def test_a_file_of_agent_5() -> None:
    content = (
        "# c\n[Main]\n\n# dd_url: no\ndd_url: https://app.datadoghq.com\n  DogStatsD_port = 8225\nproxy_host:\n"
        "proxy_password: 10% off\n[trace.api]\nlisten_port: 1\n"
    )
    found = ini(content, "dd_url")
    assert found == Found("https://app.datadoghq.com", "https://app.datadoghq.com", 5)
    found = ini(content, "dogstatsd_port")
    assert found == Found("8225", "8225", 6)
    for name in ("proxy_host", "listen_port", "nothing"):
        assert ini(content, name) is None
    assert ini("", "dd_url") is None


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("dd_url = https://a.example ; comment", "https://a.example"),
        ("dd_url: https://a.example\t; a ; b", "https://a.example"),
        ("dd_url: https://a.example;b ; c", "https://a.example;b ; c"),
        ("dd_url: https://a.example # b", "https://a.example # b"),
        ("dd_url: ;b", ";b"),
    ],
)
def test_a_comment_behind_a_setting_of_agent_5(written: str, text: str) -> None:
    found = ini(f"[Main]\n{written}\n", "dd_url")
    assert found is not None
    assert (found.value, found.text) == (text, text)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"api_key: {KEY}\n", "The file /etc/x.conf is broken: line 1 stands in no section."),
        (f"[Main]\na: 1\n{KEY}\n", "The file /etc/x.conf is broken: line 3 is no setting of the form NAME: VALUE."),
    ],
)
def test_what_is_said_of_a_broken_file_of_agent_5(content: str, said: str) -> None:
    with pytest.raises(AgentFileError) as refused:
        ini(content, "a")
    assert str(refused.value) == said


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_file_is_read_or_refused_with_a_sentence(content: bytes) -> None:
    for kind in (YamlDocument, IniDocument):
        with contextlib.suppress(AgentFileError):
            kind("/etc/x", content).find("a.b")
