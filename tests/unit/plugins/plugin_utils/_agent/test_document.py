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

from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.document import (
    AgentFileError,
    Found,
    IniDocument,
    YamlDocument,
)
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
        ("a:\n", "a", None, 1),
        ("a: yes\nb: 'yes'", "a", True, 1),
        ("a: yes\nb: 'yes'", "b", "yes", 2),
        ("a: 1.5\n", "a", 1.5, 1),
        ("a: 0x10\n", "a", "0x10", 1),
        ("a: 1:30\n", "a", "1:30", 1),
        ("a: 2020-13-45\n", "a", "2020-13-45", 1),
        ("a: !!python/object:os.system x\n", "a", "x", 1),
        ("x: &x\n  b: 1\n  c: 1\na:\n  <<: *x\n  c: 2\n", "a", {"<<": {"b": 1, "c": 1}, "c": 2}, 5),
        ("x: &x\n  b: 1\n  c: 1\na:\n  <<: *x\n  c: 2\n", "a.b", 1, 2),
        ("x: &x\n  b: 1\n  c: 1\na:\n  <<: [*x]\n  c: 2\n", "a.c", 2, 6),
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
        (f"api_key: {KEY}: x\n", "The file /etc/x.yaml is not valid YAML (line 1)."),
        (f"a: 1\napi_key {KEY}\nb: 2\n", "The file /etc/x.yaml is not valid YAML (line 3)."),
        (f'a: "{KEY}\n', "The file /etc/x.yaml is not valid YAML (line 2)."),
        (f"a: *{KEY}\n", "The file /etc/x.yaml is not valid YAML (line 1)."),
        (f"a: &{KEY} 1\nb: &{KEY} 1\nc: [\n", "The file /etc/x.yaml is not valid YAML (line 4)."),
        (f"a:\n\t{KEY}: 1\n", "The file /etc/x.yaml is not valid YAML (line 2)."),
        (f"a: !{KEY}!x 1\n", "The file /etc/x.yaml is not valid YAML (line 1)."),
        (
            f"a: 1\nb: {KEY}\x07\n",
            "The file /etc/x.yaml is not valid YAML (line 2, which has a character that YAML does not allow).",
        ),
        (f"{KEY}\n", "The file /etc/x.yaml is not a mapping of settings."),
        (f"- {KEY}\n", "The file /etc/x.yaml is not a mapping of settings."),
        (
            f"a: 1\n---\nb: {KEY}\n",
            "The file /etc/x.yaml has a second YAML document (line 3), which the Agent never reads.",
        ),
        (
            "b:\n  c: 1\n  d: 1\n  c: 2\n",
            "The file /etc/x.yaml has the setting c twice (lines 2 and 4): remove one of them.",
        ),
        ("{a: 1, a: 2}", "The file /etc/x.yaml has the setting a twice (lines 1 and 1): remove one of them."),
        (f"? {KEY}\n? {KEY}\n", "The file /etc/x.yaml has one key twice (lines 1 and 2): remove one of them."),
        (b"a: 1\nb: \xff\n", "The file /etc/x.yaml is not UTF-8 text (line 2)."),
        ("a: 1\n".encode("utf-16"), "The file /etc/x.yaml is not UTF-8 text (line 1)."),
        ("[" * 60, "The file /etc/x.yaml nests deeper than 50 levels (line 1)."),
        ("# " * 2**20, "The file /etc/x.yaml has more than 1048576 bytes: it is no file of settings."),
    ],
)
def test_what_is_said_of_a_broken_file(content: str | bytes, said: str) -> None:
    assert refusal(content) == said


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
    assert value(content, "site") == "x"
    assert "more values than make sense" in refusal(content, "a11")


def test_what_holds_itself_is_refused() -> None:
    assert "more values than make sense" in refusal("a: &a\n  b: *a\n")
    assert find("a: &a\n  <<: *a\n", "a.b") is None


@given(
    st.dictionaries(
        st.text("abcdeXYZ_", min_size=1, max_size=4).map(str.lower),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
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
