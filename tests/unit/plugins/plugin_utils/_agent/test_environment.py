# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The environment of a service, in all the ways that platforms write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils._agent import environment

# --- What systemctl shows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("", []),
        ("DD_SITE=datadoghq.eu", ["DD_SITE=datadoghq.eu"]),
        ("A=1 B=2", ["A=1", "B=2"]),
        ('A=1 "B=two words" C=3', ["A=1", "B=two words", "C=3"]),
        (r'"A=a \"word\" and \\ and \$HOME and \`x\`"', ['A=a "word" and \\ and $HOME and `x`']),
        (r"$'A=it\'s\ntwo lines' B=2", ["A=it's\ntwo lines", "B=2"]),
        (r'"A=tab\there" B=2', ["A=tab\there", "B=2"]),
        # Older releases.
        (r"A=two\x20words B=2 C=back\x5cslash", ["A=two words", "B=2", "C=back\\slash"]),
        (r"A=\303\244", ["A=ä"]),
        ('"A=ä ö"', ["A=ä ö"]),
    ],
)
def test_words(shown: str, expected: list[str]) -> None:
    assert environment.words(shown) == expected


def quoted(text: str) -> str:
    """*text* as newer releases of systemctl show it."""
    bare = text and not any(sign.isspace() or sign in "\"\\`$*?['()<>|&;!#~" for sign in text)
    if bare:
        return text
    escaped = "".join(f"\\{sign}" if sign in '"\\`$' else sign for sign in text)
    return f'"{escaped}"'.replace("\n", "\\n").replace("\t", "\\t")


@given(st.lists(st.text(st.characters(codec="ascii", min_codepoint=32) | st.sampled_from("\n\täö€")), max_size=4))
def test_what_is_quoted_comes_back(texts: list[str]) -> None:
    assert environment.words(" ".join(map(quoted, texts))) == texts


def test_units() -> None:
    shown = (
        "Id=datadog-agent.service\nLoadState=loaded\n"
        'Environment=DD_SITE=datadoghq.eu "DD_NO=a b" NOTHING\n'
        "EnvironmentFiles=/etc/datadog-agent/environment (ignore_errors=yes)\n"
        "EnvironmentFiles=/etc/more (ignore_errors=no)\n\n"
        "Id=datadog-agent-trace.service\nLoadState=not-found\nEnvironment=\n"
    )
    assert environment.units(shown) == {
        "datadog-agent.service": environment.Unit(
            {"DD_SITE": "datadoghq.eu", "DD_NO": "a b"}, ("/etc/datadog-agent/environment", "/etc/more")
        )
    }


# --- Files of variables -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("# A=1\n; B=2\n\nC=3", {"C": "3"}),
        ("# goes on \\\nA=1\nB=2", {"B": "2"}),
        ("A='1 2' \nB=\"3 4\"\n", {"A": "1 2", "B": "3 4"}),
        ("A=  two words  \nB=", {"A": "two words", "B": ""}),
        ("A=one\\\ntwo\nB=1", {"A": "onetwo", "B": "1"}),
        ("A='over\ntwo lines'\nB=1", {"A": "over\ntwo lines", "B": "1"}),
        (r"A=a\ b\\c", {"A": r"a b\c"}),
        (r'A="a\"b\nc\$d"', {"A": r'a"b\nc$d'}),
        (r"A='a\b'", {"A": r"a\b"}),
        ("A=a'b c'd", {"A": "ab cd"}),
        ("A=x\nA=y", {"A": "y"}),
        ("export A=1\n1A=2\nno assignment\nB=3", {"B": "3"}),
        ("A=1#2 # 3", {"A": "1#2 # 3"}),
    ],
)
def test_a_file_of_variables(content: str, expected: dict[str, str]) -> None:
    assert environment.variables_in_file(content.encode()) == expected


@given(st.binary(max_size=200))
def test_any_file_of_variables_is_read_to_its_end(content: bytes) -> None:
    assert all(isinstance(value, str) for value in environment.variables_in_file(content).values())


def test_only_what_a_script_exports_counts() -> None:
    content = b"# for the init script\nexport DD_SITE=datadoghq.eu\nDD_URL=x\nB='2 3'\nexport B C=$(id)\n"
    assert environment.exported_in_script(content) == {"DD_SITE": "datadoghq.eu", "B": "2 3"}


# --- Windows ----------------------------------------------------------------------------------------------------------


def test_a_value_of_the_registry() -> None:
    assert environment.variables_in_registry(["DD_SITE=datadoghq.eu", "A=b=c", "=", 7]) == {
        "DD_SITE": "datadoghq.eu",
        "A": "b=c",
    }
    assert environment.variables_in_registry("DD_SITE=datadoghq.eu") == {}


def test_only_what_an_agent_reads_is_kept() -> None:
    variables = {"DD_SITE": "a", "HTTPS_PROXY": "b", "https_proxy": "c", "NO_PROXY": "d", "PATH": "e", "XDD_A": "f"}
    assert set(environment.wanted(variables)) == {"DD_SITE", "HTTPS_PROXY", "https_proxy", "NO_PROXY"}
