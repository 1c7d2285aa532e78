# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values as text, and what each of the parsers in question takes it for."""

from __future__ import annotations

import re
import typing as t

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils._agent_yaml import emit

from ._judge import Same

# What go-yaml (v2 and v3) takes for something else than text if it is not quoted: its tables of words, what it tries
# to read as a number, and timestamps.
_GO = re.compile(
    r"""(?ix) ~ | null | true | false | y | yes | n | no | on | off | << | = | [-+]?\.inf | \.nan
    | [-+]?[0-9][0-9_]*(\.[0-9_]*)?(e[-+]?[0-9]+)? | [-+]?\.[0-9_]+(e[-+]?[0-9]+)?
    | [-+]?0b[01_]+ | [-+]?0o?[0-7_]+ | [-+]?0x[0-9a-f_]+ | [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?
    | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.* | infinity | [-+]?inf | nan
    """
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.text("0123456789.:-+eExXob_~yYnNoOfF")
    | st.text("ab:-# \n\r\t'\"{}[]&*!|>%@,?\\/"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_whatever_the_value_both_parsers_read_it(value: t.Any) -> None:
    texts = ["\n".join(emit.lines("name", value, 0)) + "\n", "{name: " + emit.flow(value) + "}"]
    for text in texts:
        for loader in (yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if len(max([*_keys(value), ""], key=len)) < 200:
                assert Same.form(yaml.load(text, loader)) == Same.form({"name": value})
        assert all(letter.isprintable() or letter == "\n" for letter in text)


def _keys(value: t.Any) -> list[str]:
    if isinstance(value, dict):
        return [key for name, item in value.items() for key in (name, *_keys(item))]
    return [key for item in value for key in _keys(item)] if isinstance(value, list) else []


@given(st.text() | st.from_regex(_GO, fullmatch=True))
def test_what_the_agent_could_take_for_something_else_is_quoted(text: str) -> None:
    for written in (emit.scalar(text), emit.flow(text), emit.key(text)):
        if not written.startswith('"'):
            assert written == text
            assert not _GO.fullmatch(text)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "null"),
        (True, "true"),
        (500000000, "500000000"),
        (0.8, "0.8"),
        (1e16, "1.0e+16"),
        (1e-7, "1.0e-07"),
        (1.5e300, "1.5e+300"),
        (float("-inf"), "-.inf"),
        ("/opt/datadog-agent/run", "/opt/datadog-agent/run"),
        (r"C:\ProgramData\Datadog\run", r"C:\ProgramData\Datadog\run"),
        ("http://proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("team:infra", "team:infra"),
        ("0o17", '"0o17"'),
        ("1e3", '"1e3"'),
        ("1:30", '"1:30"'),
        ("yes", '"yes"'),
        ("Y", '"Y"'),
        ("~", '"~"'),
        ("2026-01-02", '"2026-01-02"'),
        ("", '""'),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        ("a:", '"a:"'),
        ("grüße", '"grüße"'),
        ("\ufeff\x85\u2028\u200b\U0001f600", r'"\uFEFF\x85\u2028\u200B\U0001F600"'),
        ("'\"\\\n", r'''"'\"\\\n"'''),
    ],
)
def test_values_are_written_as_a_person_would(value: t.Any, written: str) -> None:
    assert emit.scalar(value) == written
