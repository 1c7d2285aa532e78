# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The editor: files as they are found, files that nobody should write, and what holds for all of them."""

from __future__ import annotations

import collections
import datetime
import random
import typing as t

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.plugin_utils._agent_yaml.edit import ByteSplice, Change, Edit, edit
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent_yaml.errors import AgentYamlError
from ansible_collections.netwall.datadog.tests._tool import ROOT

from . import _files, _judge
from ._bounds import known

EXAMPLE = ROOT.parent / "shared" / "data" / "datadog.yaml.example"
NEEDS_EXAMPLE = pytest.mark.skipif(not EXAMPLE.exists(), reason=f"needs {EXAMPLE.name} in ../shared/data")
NEEDS_LIBYAML = pytest.mark.skipif(not hasattr(yaml, "CSafeLoader"), reason="PyYAML is here without libyaml")
BUFFERING = {
    "forwarder_retry_queue_payloads_max_size": 31457280,
    "forwarder_storage_max_size_in_bytes": 500000000,
    "forwarder_storage_path": "/var/lib/datadog-agent/transactions",
    "forwarder_storage_max_disk_ratio": 0.9,
    "forwarder_outdated_file_in_days": 3,
}
NESTED = {
    "apm_config.receiver_port": 8127,
    "proxy.https": "http://user:word@proxy.example.com:3128",
    "proxy.no_proxy": ["192.0.2.1", "example.com"],
    "otlp_config.receiver.protocols.grpc.endpoint": "localhost:4317",
    "tags": ["team:infra", "a b"],
    "additional_endpoints": {"https://app.datadoghq.eu": ["one", "two"]},
}
MARK = "  # netwall.datadog: goes with its last setting"


def put(text: str, **wanted: t.Any) -> str:
    """*text* with settings, whose names have __ for a dot."""
    return edit(text.encode(), {name.replace("__", "."): value for name, value in wanted.items()}, is_present=True)[
        0
    ].decode()


def take(text: str, *names: str) -> str:
    return edit(text.encode(), dict.fromkeys(names), is_present=False).content.decode()


def refusal(text: str | bytes, settings: dict[str, t.Any], *, is_present: bool = True) -> str:
    with pytest.raises(AgentYamlError) as caught:
        edit(text if isinstance(text, bytes) else text.encode(), settings, is_present=is_present)
    return str(caught.value)


# --- The file that the Agent ships ----------------------------------------------------------------------------------


@NEEDS_EXAMPLE
@pytest.mark.parametrize("wanted", [BUFFERING, NESTED], ids=["buffering", "nested"])
@pytest.mark.parametrize(
    ("newline", "bom", "tail"),
    [(b"\n", b"", b"\n"), (b"\r\n", b"", b"\n"), (b"\r\n", b"\xef\xbb\xbf", b"")],
    ids=["LF", "CRLF", "CRLF, BOM, no newline at the end"],
)
def test_the_shipped_file(wanted: dict[str, t.Any], newline: bytes, bom: bytes, tail: bytes) -> None:
    content = bom + (EXAMPLE.read_bytes().rstrip(b"\n") + tail).replace(b"\n", newline)
    assert _judge.check(content, wanted, random.Random(1)) == "added"


@NEEDS_EXAMPLE
def test_each_setting_stands_right_under_its_template() -> None:
    lines = edit(EXAMPLE.read_bytes(), BUFFERING, is_present=True).content.decode().splitlines()
    for name, value in BUFFERING.items():
        line = lines.index(f"{name}: {value}")
        if name == "forwarder_storage_path":
            # It has no template there.
            assert line == len(lines) - 1
        else:
            assert lines[line - 1].startswith(f"# {name}: ")


@NEEDS_EXAMPLE
def test_a_nested_setting_gets_its_section_and_both_stand_under_their_templates() -> None:
    old = EXAMPLE.read_text()
    new = put(old, apm_config__receiver_port=8127)
    expected = old.replace("# apm_config:\n", f"# apm_config:\napm_config:{MARK}\n").replace(
        "  # receiver_port: 8126\n", "  # receiver_port: 8126\n  receiver_port: 8127\n"
    )
    assert new == expected


@NEEDS_EXAMPLE
def test_templates_all_over_the_file_take_their_setting_and_give_it_back() -> None:
    content = EXAMPLE.read_bytes()
    names = [
        line.split(":")[0].strip(" #")
        for line in content.decode().splitlines()
        if line.startswith("# ") and line[2:].split(":")[0].isidentifier() and ":" in line
    ]
    assert len(names) > 100
    # One in eight, since each is read and compared.
    wanted: dict[str, t.Any] = dict.fromkeys(names[::8], "x")
    done = edit(content, wanted, is_present=True)
    assert yaml.safe_load(done.content) == {"api_key": None, **wanted}
    assert edit(done.content, wanted, is_present=False).content == content


# --- Where a new setting goes ---------------------------------------------------------------------------------------

TEMPLATES = """\
## @param tags - list
#
# tags:
#   - one
#   - two

# proxy:
#   https: a
#   no_proxy:
#     - b

apm_config:

  ## @param env - string
  # env: none

  # receiver_port: 8126

## @param bare - integer
## It has no template.

# logs_config:
  # env: none
#site: a
"""


def added(**wanted: t.Any) -> list[str]:
    """The lines before each new line, and the new line, of TEMPLATES with settings; they go again without a trace."""
    new = put(TEMPLATES, **wanted)
    assert take(new, *(name.replace("__", ".") for name in wanted)) == TEMPLATES
    old = TEMPLATES.splitlines()
    lines = new.splitlines()
    result = []
    for index, line in enumerate(lines):
        if old and line == old[0]:
            del old[0]
        else:
            result += [lines[index - 1], line]
    return result


def test_a_list_goes_below_the_whole_of_its_template() -> None:
    assert added(tags=["a"])[:2] == ["#   - two", "tags:"]


def test_a_template_without_a_space_is_one() -> None:
    assert added(site="b") == ["#site: a", "site: b"]


def test_a_heading_serves_where_no_template_is() -> None:
    assert added(bare=1) == ["## It has no template.", "bare: 1"]


def test_a_template_of_another_section_is_none() -> None:
    assert added(apm_config__env="x") == ["  # env: none", "  env: x"]
    assert added(env="x") == ["#site: a", "env: x"]


def test_a_section_that_is_there_is_taken_and_stays() -> None:
    assert added(apm_config__receiver_port=1) == ["  # receiver_port: 8126", "  receiver_port: 1"]
    assert added(apm_config__other=1) == ["apm_config:", "  other: 1"]


def test_both_ways_to_nest_templates_are_known() -> None:
    assert added(proxy__https="b") == ["# proxy:", f"proxy:{MARK}", "#   https: a", "  https: b"]
    assert added(logs_config__env="b") == ["# logs_config:", f"logs_config:{MARK}", "  # env: none", "  env: b"]


def test_without_a_blank_after_the_sign_the_indent_is_what_follows_it() -> None:
    old = "#a:\n#  b: 1\n#  c:\n#    d: 1\n#e: 1\n\n# f:\n#   g: 1\n"
    new = put(old, a__b=2, a__c__d=2, a__x=2, e=2, f__g=2)
    assert new == (
        f"#a:\na:{MARK}\n#  b: 1\n  b: 2\n#  c:\n  c:{MARK}\n#    d: 1\n    d: 2\n  x: 2\n#e: 1\ne: 2\n\n"
        f"# f:\nf:{MARK}\n#   g: 1\n  g: 2\n"
    )
    assert take(new, "a.b", "a.c.d", "a.x", "e", "f.g") == old


def test_a_section_of_ours_goes_with_its_last_setting_alone() -> None:
    text = put(TEMPLATES, proxy__https="a", proxy__http="b")
    text = take(text, "proxy.http")
    assert f"proxy:{MARK}\n" in text
    assert take(text, "proxy.https") == TEMPLATES


def test_what_somebody_adds_to_a_section_of_ours_keeps_it() -> None:
    text = put("", a__b=1)
    assert take(text + "  c: 2\n", "a.b") == f"a:{MARK}\n  c: 2\n"


def test_braces_stand_for_a_file_that_must_not_be_empty_and_blank_lines_stay() -> None:
    assert take("c:\n  |-\n  x\n\nsite:\n\n...\n", "site", "c") == "{}\n\n\n...\n"


def test_a_section_of_theirs_stays_when_it_is_empty() -> None:
    assert take("a:\n  b: 1  # c\n# d\n", "a.b") == "a:\n# d\n"


def test_a_null_that_is_written_out_comes_back() -> None:
    text = put("a: ~  # c\n", a__b=1)
    assert text == "a: # netwall.datadog: comes back with the last setting: ~  # c\n  b: 1\n"
    assert take(text, "a.b") == "a: ~  # c\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "k: 1\n"),
        ("# c", "# c\nk: 1"),
        ("a: 1", "a: 1\nk: 1"),
        ("a: 1\r\n", "a: 1\r\nk: 1\r\n"),
        ("a: 1\rb: 2\r", "a: 1\rb: 2\rk: 1\r"),
        ("---\n# c\n...\n", "---\n# c\nk: 1\n...\n"),
        ("a: 1\n...\n# c\n", "a: 1\nk: 1\n...\n# c\n"),
        ("  a: 1\n", "  a: 1\n  k: 1\n"),
        ("a: |+\n  t\n\n", "a: |+\n  t\n\nk: 1\n"),
        ("a: |\n  t", "k: 1\na: |\n  t"),
        ("{a: 1, }\n", "{a: 1, k: 1, }\n"),
        ("{ # c\n}\n", "{k: 1 # c\n}\n"),
        ("{# c\n}\n", "{# c\nk: 1}\n"),
        ("a:\n- b\n- c\n", "a:\n- b\n- c\nk: 1\n"),
        ("a: 'x\n\n # k: 5\n'\n", "a: 'x\n\n # k: 5\n'\nk: 1\n"),
        ("a: |\n  # k: 5\n# k: 6\nb: 1\n", "a: |\n  # k: 5\n# k: 6\nk: 1\nb: 1\n"),
        ("# k: 5\x85a: 1\u2028", "# k: 5\x85k: 1\na: 1\u2028"),
        ("\ufeffgrüße: 1\n", "\ufeffgrüße: 1\nk: 1\n"),
    ],
)
def test_odd_files(before: str, after: str) -> None:
    assert put(before, k=1) == after
    assert take(after, "k") == before


def test_brackets_get_a_section_that_says_so() -> None:
    text = put("a: {b: 1}  # c\n", a__d__e=[1])
    assert text == f"a: {{b: 1, d: {{{MARK}\n  e: [1]}}}}  # c\n"
    assert take(text, "a.d.e") == "a: {b: 1}  # c\n"


# --- Other values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("k:\n", 1, "k: 1\n"),
        ("k:   # c\n", 1, "k: 1   # c\n"),
        ("k: 5   # c", "yes", 'k: "yes"   # c'),
        ("k: |  # c\n  t\n\n  u\n\nm: 1\n", 1, "k: 1  # c\n\nm: 1\n"),
        ("k: |+\n  t\n\n", 1, "k: 1\n\n"),
        ("k: 'a\n  b'  # c\n", 1, "k: 1  # c\n"),
        ("k:\n  # d\n  - a  # e\n  - b\nm: 1\n", 1, "k: 1\n  # d\nm: 1\n"),
        ("k: # d\n- a\n- b\nm: 1\n", 1, "k: 1 # d\nm: 1\n"),
        ("k: 5  # c\nm: 1\n", [1, 2], "k:  # c\n  - 1\n  - 2\nm: 1\n"),
        ("k:\n  # d\n  5  # c\nm: 1\n", [1, 2], "k:\n  # d\n  - 1\n  - 2  # c\nm: 1\n"),
        ("k:\n  # d\n  5  # c\nm: 1\n", 6, "k:\n  # d\n  6  # c\nm: 1\n"),
        ("k:\n  # d\n  |  # c\n  t\nm: 1\n", [1], "k:\n  # d\n  - 1  # c\nm: 1\n"),
        ("k: 5", {"a": {"b": []}}, "k:\n  a:\n    b: []"),
        ("k:\n- a\nm: 1\n", ["b", {"c": 1, "d": 2}], "k:\n  - b\n  - c: 1\n    d: 2\nm: 1\n"),
        ("k: [a, # c\n  b]  # d\n", [], "k: []  # d\n"),
        ("m: {k: 5, o: 6}\n", None, "m: {k: 5, o: 6}\nk: null\n"),
        ("k: &x 5\n", 6, "k: 6\n"),
        ("a: &x 5\nk: *x  # c\n", 6, "a: &x 5\nk: 6  # c\n"),
        ("'k' : 5\n", 6, "'k' : 6\n"),
        ("? k\n: 5\n", 6, "? k\n: 6\n"),
        ("<<: {k: 5}\n", 6, "<<: {k: 5}\nk: 6\n"),
    ],
)
def test_a_value_is_replaced_and_what_follows_stays(before: str, value: t.Any, after: str) -> None:
    assert put(before, k=value) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{a: 1, # of a\n  k: 2}\n", "{a: 1 # of a\n  }\n"),
        ("{a: 1, # of a\n  k: 2, b: 3}\n", "{a: 1, # of a\n  b: 3}\n"),
        ("{k: 2, # c\n  # of b\n  b: 3}\n", "{ # c\n  # of b\n  b: 3}\n"),
        ("{a: 1, k: 2, ? b : 3}\n", "{a: 1, ? b : 3}\n"),
        ("{k: 2, ? b : 3}\n", "{ ? b : 3}\n"),
        ("{k: 2 # c\n, }\n", "{ # c\n }\n"),
    ],
)
def test_a_setting_that_goes_takes_no_comment_out_of_brackets(before: str, after: str) -> None:
    assert take(before, "k") == after


COMMENTED = """\
# 1
a: 5  # 2
# 3
b:  # 4
  # 5
  - x  # 6
  # 7
  - y
# 8
c:
  # 9
  d: 1  # 10
  # 11
  e: |  # 12
    text
    # no comment

  # 13
  i:
    # 14
    word  # 15
# 16
f: {g: 1, # 17
  # 18
  h: [2] # 19
  } # 20
# 21
"""


@pytest.mark.parametrize("name", ["a", "b", "c", "c.d", "c.e", "c.i", "f", "f.g", "f.h"])
def test_no_value_takes_a_comment_that_is_not_of_the_old_one(name: str) -> None:
    content = COMMENTED.encode()
    for value in _files.VALUES:
        done = edit(content, {name: value}, is_present=True)
        assert len(done.changes) == 1
        _judge.judge_bytes(content, done, [name], is_present=True)
    _judge.judge_bytes(content, edit(content, {name: None}, is_present=False), [name], is_present=False)


def test_a_change_tells_what_was() -> None:
    done = edit(b"a: {b: 1}\nc: 5\n", {"a.b": 2, "c": 5, "d": None}, is_present=True)
    assert done.changes == (Change("a.b", 1, 2), Change("d", None, None))


@pytest.mark.parametrize(
    "text", ["k: 1\n", "k: 0x1\n", "k: +1\n", "'k': 1\n", "{k: 1}", "a: &x 1\nk: *x\n", "<<: {k: 1}\n"]
)
def test_what_means_the_same_is_no_change(text: str) -> None:
    assert edit(text.encode(), {"k": 1}, is_present=True).changes == ()


@pytest.mark.parametrize("text", ["k: 1.0\n", "k: true\n", "k: '1'\n", "k: !!str 1\n", "k: [1]\n"])
def test_what_only_looks_the_same_is_another_value(text: str) -> None:
    assert yaml.safe_load(put(text, k=1)) == {"k": 1}


def test_text_of_ansible_s_own_types_is_text() -> None:
    class Text(str):
        __slots__ = ()

    class Number(int):
        pass

    wanted: dict[str, t.Any] = {Text("k"): {Text("a"): Text("b"), "c": (Number(5),)}}
    assert edit(b"", wanted, is_present=True).content == b"k:\n  a: b\n  c:\n    - 5\n"


@pytest.mark.parametrize(
    "pair",
    ["env: prod", "a: b, c: d", "?", "? ", "? a", "x: ", "&x a: b", "!!str a: b", "'a': {b: c}"],
)
def test_pairs_in_a_list_need_no_brackets(pair: str) -> None:
    old = f"tags: [{pair}]\n"
    new = put(old, site="a", x__z=1)
    assert new == f"{old}site: a\nx:{MARK}\n  z: 1\n"
    assert take(new, "site", "x.z") == old


# --- What is refused, and how it is said ----------------------------------------------------------------------------

CAUGHT = "key" + "material"


@pytest.mark.parametrize(
    ("text", "wanted", "said"),
    [
        ("a: [1\n", {}, "Line 2, column 1, can't be read as YAML: expected ',' or ']', but got '<stream end>'."),
        (
            f"a: ['1' '{CAUGHT}']\n",
            {},
            "Line 1, column 9, can't be read as YAML: expected ',' or ']', but got '<scalar>'.",
        ),
        (f"a: *{CAUGHT}\n", {}, "Line 1, column 4, can't be read as YAML: found undefined alias …."),
        (f"a: 1\nb: '{CAUGHT}\n", {}, "Line 3, column 1, can't be read as YAML: found unexpected end of stream."),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", {}, "Line 4 has a key that its mapping has on line 3 already;"),
        ("a: 1\n---\nb: 1\n", {}, "Line 2 begins another document;"),
        ("- a\n", {}, "The top of the file is not a mapping of settings to values."),
        (f"{CAUGHT}\n", {}, "The top of the file is not a mapping of settings to values."),
        ("[a]: 1\n", {}, "Line 1 has a key that is a mapping or a list;"),
        ("a: &x [*x]\n", {}, "Line 1 begins a value that holds itself."),
        ("a: 1\nb: \x07\n", {}, "Line 2 has the character U+0007, which YAML does not allow."),
        ("a: " + "[" * 5000 + "]" * 5000, {}, "The file is nested too deeply to be read."),
        (b"a: 1\nb: \xff\n", {}, "The file is not UTF-8: line 2 has a byte that is no part of a character."),
        ("a: 1\n".encode("utf-16"), {}, "The file is not UTF-8: line 1 has a byte"),
        (
            f"a: {CAUGHT}\n",
            {"a.b": 1},
            "'a' on line 1 has a value of its own, so there can't be a setting 'a.b' in it.",
        ),
        ("a: [1]\n", {"a.b": 1}, "'a' on line 1 has a value of its own"),
        ("a: &x {b: 1}\nc: *x\n", {"c.b": 2}, "'c' on line 2 stands for a value that is written elsewhere (an alias)"),
        (
            "a: &x {b: 1}\nc: *x\n",
            {"a.b": 2},
            "'a.b' can't be given another value on line 1 without changing something",
        ),
        ("a: &x 1\nc: *x\n", {"a": 2}, "'a' can't be given another value on line 1 without changing something"),
        ("x: &x {b: {c: 1}}\na: {<<: *x}\n", {"a.b.d": 1}, "'a.b' comes from elsewhere in the file"),
        ("", {"a": 1, "a.b": 1}, "'a.b' is a part of 'a', and both are asked for; write one."),
        ("", {"a..b": 1}, "'a..b' is not the name of a setting"),
        ("", {5: 1}, "'5' is not the name of a setting"),
        ("", {"a": 2**64}, "The value of 'a' is a whole number beyond 64 bits"),
        ("", {"a": datetime.date(2026, 1, 2)}, "The value of 'a' is neither text, number"),
        ("", {"a": [{"b": {1.5: 1}}]}, "The value of 'a' has a key that is no text"),
        ("null\n", {"a": 1}, "Line 1 has a null where the settings should be; remove it."),
        ("# c\n~", {"a": 1}, "Line 2 has a null where the settings should be; remove it."),
        (
            "",
            {"a." + "n" * 1001: 1},
            "The name of a setting that begins with 'a.nnnnnnnnnnnnnnnnnn' has a part that is too long",
        ),
        (
            "",
            {"n" * 1001: 1},
            "The name of a setting that begins with 'nnnnnnnnnnnnnnnnnnnn' has a part that is too long",
        ),
        ("", {"a": [{"n" * 1001: 1}]}, "The value of 'a' has a key that is too long for YAML."),
        ("", {"a": {1: 4, "1": 3}}, "The value of 'a' has a key both as a number and as text"),
        ("m: {1: a}\n", {"m.1": "b"}, "'m.1' is a text to YAML, and the file has the key '1' as a number"),
        ("m:\n  true: {a: 1}\n", {"m.true.a": 2}, "'m.true.a' is a text to YAML, and the file has the key 'true'"),
        ("x: &x {1: a}\nm: {<<: *x}\n", {"m.1": "b"}, "'m.1' is a text to YAML"),
        ("a.b: 1\n", {"a.b": 2}, "The file has a key 'a.b' with the dots in it, which the Agent takes for 'a.b'"),
        ("a.b: {c: 1}\n", {"a.b.c": 1}, "The file has a key 'a.b' with the dots in it"),
        ("a:\n  b.c: 1\n", {"a.b.c": 2}, "The file has a key 'b.c' with the dots in it, which the Agent takes for"),
        ("a:\n\t b: 1\n", {"a.b": 2}, "Line 2 has a tab where YAML wants spaces; write spaces instead"),
        ("", {"a": "\ud800"}, "The value of 'a' has half of a character in it"),
    ],
)
def test_what_can_not_be_done_is_said_without_a_value(text: str | bytes, wanted: dict[t.Any, t.Any], said: str) -> None:
    found = refusal(text, wanted)
    assert found.startswith(said)
    assert CAUGHT not in found


def test_aliases_that_multiply_are_refused_at_once() -> None:
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    assert "that its aliases make too large" in refusal(text, {"n": 1})


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("a: {<<: {b: 1}}\n", "a.b", "'a.b' comes from elsewhere in the file, by an alias or a merge (<<)"),
        ("x: &x {b: 1}\na: *x\n", "a.b", "'a.b' comes from elsewhere in the file, by an alias or a merge (<<)"),
        ("x: &x 1\na: *x\n", "x", "'x' can't be removed on line 1 without changing something else"),
    ],
)
def test_what_is_not_there_itself_can_not_be_removed(text: str, name: str, said: str) -> None:
    assert refusal(text, {name: None}, is_present=False).startswith(said)


@pytest.mark.parametrize(
    ("text", "name"),
    [("a.b: 1\n", "a.b"), ("a: {b.c: 1}\n", "a.b.c"), ("a: {1: x}\n", "a.1"), ("a: {1: {b: 1}}\n", "a.1.b")],
)
def test_what_is_there_under_another_key_is_not_passed_over(text: str, name: str) -> None:
    assert "by hand first." in refusal(text, {name: None}, is_present=False)
    assert take(text, "b", "a.c", "a.2") == text


@NEEDS_LIBYAML
@pytest.mark.parametrize("tail", ["\t", " \t", "\t# on", "\t \t # on"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_tabs_that_the_agent_reads_over_stay(tail: str, newline: str) -> None:
    before = f"site: datadoghq.eu{tail}{newline}logs_enabled:\ttrue{tail}{newline}"
    assert put(before, site="x", a=1) == f"site: x{tail}{newline}logs_enabled:\ttrue{tail}{newline}a: 1{newline}"
    assert take(put(before, a=1), "a") == before
    assert put(before, site="datadoghq.eu", logs_enabled=True) == before


@NEEDS_LIBYAML
def test_a_tab_of_a_text_is_no_space() -> None:
    said = "Line 1 has a tab where YAML wants spaces"
    assert refusal('a: 1\t\nb: "x:\ty"\n', {"a": 2}).startswith(said)
    assert put('a: 1\nb: "x:\ty"\n', a=2) == 'a: 2\nb: "x:\ty"\n'


def test_tabs_are_refused_where_nothing_else_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert refusal("a: 1\t\n", {"a": 2}).startswith("Line 1 has a tab where YAML wants spaces")


def test_keys_that_python_alone_takes_for_one_are_two() -> None:
    text = "m: {1: a, true: b, 1.0: c}\n"
    assert put(text, new=1) == text + "new: 1\n"
    assert take(put(text, new=1), "new") == text
    [change] = edit(text.encode(), {"m": 1}, is_present=True).changes
    assert {str(key): value for key, value in change.before.items()} == {"1": "a", "true": "b", "1.0": "c"}


@pytest.mark.parametrize("tag", ["!!map", "!!seq", "!!set", "!!omap"])
def test_a_tag_of_what_is_none_is_left_alone(tag: str) -> None:
    for text in (f"{tag} x : 1\n", f"x: {tag} y\n"):
        assert put(text, new=1) == text + "new: 1\n"


def test_a_section_with_a_tag_stays_one_when_it_is_emptied() -> None:
    assert take("b: !!map\n    a: 1\n", "b.a") == "b: !!map\n    {}\n"


@pytest.mark.parametrize("number", ["0x" + "f" * 5000, "9" * 5000, "-0b" + "1" * 5000])
def test_a_number_without_end_is_no_number_that_was(number: str) -> None:
    done = edit(f"k: {number}\n".encode(), {"k": 1}, is_present=True)
    assert (done.content, done.changes[0].after) == (b"k: 1\n", 1)
    assert not isinstance(done.changes[0].before, int)


def test_merges_that_multiply_are_refused_at_once() -> None:
    text = "a0: &a0 {x: 1}\n" + "".join(
        f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
    )
    assert "that its aliases make too large" in refusal(f"{text}<<: *a11\n", {"n": 1})


@pytest.mark.parametrize("name", ["b", "a.c", "a.b.c"])
def test_what_is_not_there_is_no_change(name: str) -> None:
    assert take("a:\n  b: 1\n", name) == "a:\n  b: 1\n"


# --- What holds for every file --------------------------------------------------------------------------------------


def judged(source: random.Random) -> list[str]:
    """What came of one file and some settings for it, which were all looked at."""
    text = _files.Writer(source).text
    wanted = _files.settings(source, known=known(text, _files.NAMES))
    return [_judge.check(text.encode(), wanted, source), _judge.removed(text.encode(), list(wanted))]


@settings(max_examples=400)
@given(st.randoms(use_true_random=False))
def test_any_file_and_any_settings(source: random.Random) -> None:
    judged(source)


@settings(max_examples=300)
@given(st.text() | st.text("ab:-# \n\r\t'\"{}[]&*!|>%@,?~0"), st.randoms(use_true_random=False))
def test_any_text_at_all(text: str, source: random.Random) -> None:
    _judge.check(text.encode("utf-8", "ignore"), _files.settings(source, ("a", "b")), source)


def test_few_files_are_too_odd() -> None:
    came = collections.Counter(what for seed in range(400) for what in judged(random.Random(seed)))
    done = came["added"] + came["changed"] + came["removed"]
    assert done > 0.6 * (came.total() - came["nothing"])
    assert min(came["added"], came["changed"], came["removed"]) > 60
    assert (
        sum(number for what, number in came.items() if "without changing something else" in what) < 0.02 * came.total()
    )


@pytest.mark.parametrize(
    ("before", "splices"),
    [
        ("# c\nk: 1\n", [(0, 4, b""), (7, 1, b"2")]),
        ("k: 1  # c\n", [(3, 6, b"2")]),
        ("k:\n  # c\n  1\n", [(2, 9, b" 2")]),
        ("k: 1\n# c\n", [(3, 1, b"2"), (7, 1, b"C")]),
        ("k: 1\n# c\n", [(3, 1, b"2"), (6, 0, b"c")]),
        ("k: 1\n\nm: 2\n", [(3, 1, b"2"), (5, 1, b"")]),
        ("k: 1\nm: 2  # c\n", [(3, 1, b"2"), (9, 1, b"")]),
        ("m: {a: 1}\nk: 1\n", [(4, 0, b" "), (13, 1, b"2")]),
        ("a: {k: 1, b: 3} # c\n", [(7, 1, b"2"), (16, 3, b"")]),
        ("k: 1\r\nm: 1\r\n", [(3, 1, b"2"), (4, 1, b"")]),
    ],
)
def test_the_judge_sees_what_else_is_touched(before: str, splices: list[tuple[int, int, bytes]]) -> None:
    content = before.encode()
    after = bytearray(content)
    for offset, length, new in reversed(splices):
        after[offset : offset + length] = new
    name = "a.k" if before.startswith("a:") else "k"
    done = Edit(bytes(after), tuple(ByteSplice(*splice) for splice in splices), ())
    with pytest.raises(AssertionError):
        _judge.judge_bytes(content, done, [name], is_present=True)
    place = content.index(b"1", content.index(b"k"))
    alone = Edit(content[:place] + b"2" + content[place + 1 :], (ByteSplice(place, 1, b"2"),), ())
    _judge.judge_bytes(content, alone, [name], is_present=True)
