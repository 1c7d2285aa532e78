# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The search for secrets finds what is planted, whatever became of it on the way, and nothing else."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import os
import shutil
import subprocess
import typing as t
import zipfile
import zlib
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.tests._secrets import Secret, found, names_in
from ansible_collections.netwall.datadog.tests.integration.secret_search import AGENTS_FILE, search, search_layer

if t.TYPE_CHECKING:
    from pathlib import Path

KEY = Secret("api-key", "0a1b2c3d4e5f60718293a4b5c6d7e8f9")
PASSWORD = Secret("proxy-password", "a1b2c3/+@d4e5f6")
BOTH = [KEY, PASSWORD]

Secrets = st.builds(
    Secret, st.just("secret"), st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=12)
)


def zipped(content: bytes) -> bytes:
    with zipfile.ZipFile(buffer := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("module.py", content)
    return buffer.getvalue()


def half_quoted(text: str) -> str:
    return quote(text[:8], safe="") + text[8:]


@given(Secrets, st.binary(), st.binary())
def test_a_plain_one_is_found(secret: Secret, before: bytes, after: bytes) -> None:
    assert secret.is_in(before + secret.value.encode() + after)


@given(Secrets, st.binary(), st.binary(), st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]))
def test_base64_hides_none_wherever_it_begins(
    secret: Secret, before: bytes, after: bytes, encode: t.Callable[[bytes], bytes]
) -> None:
    assert secret.is_in(encode(before + secret.value.encode() + after))


@given(Secrets, st.text(), st.sampled_from(["utf-16-le", "utf-16-be"]))
def test_utf_16_hides_none_even_within_base64(secret: Secret, before: str, coding: str) -> None:
    content = (before + secret.value).encode(coding, "surrogatepass")
    assert secret.is_in(content)
    assert secret.is_in(base64.b64encode(content))


@given(Secrets, st.binary())
def test_lines_of_base64_hide_none(secret: Secret, before: bytes) -> None:
    lines = base64.encodebytes(before + secret.value.encode())
    assert secret.is_in(lines)
    assert secret.is_in(lines.replace(b"\n", b"\r\n"))
    assert secret.is_in(json.dumps(lines.decode()).encode())


@given(Secrets, st.data())
def test_escapes_hide_none(secret: Secret, data: st.DataObject) -> None:
    forms: list[t.Callable[[int], str]] = [
        chr,
        lambda byte: f"%{byte:02X}",
        lambda byte: f"%{byte:02x}",
        lambda byte: f"%25{byte:02X}",
        lambda byte: f"\\u{byte:04x}",
        lambda byte: f"\\x{byte:02x}",
        lambda byte: f"\\{byte:c}",
    ]
    written = "".join(data.draw(st.sampled_from(forms))(byte) for byte in secret.value.encode())
    assert secret.is_in(written.encode())


@pytest.mark.parametrize("secret", BOTH)
@pytest.mark.parametrize(
    "write",
    [
        quote,
        lambda text: quote(text, safe=""),
        quote_plus,
        lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
        lambda text: quote(quote(text, safe=""), safe=""),
        half_quoted,
        json.dumps,
        lambda text: json.dumps(json.dumps(text)).replace("/", "\\/"),
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
        lambda text: base64.b64encode(quote(text, safe="").encode()).decode(),
        lambda text: base64.b64encode(quote_plus(f"a b {text}").encode()).decode(),
        lambda text: base64.b64encode(base64.b64encode(f"proxy: https://agent:{text}@proxy".encode())).decode(),
    ],
)
def test_no_way_of_writing_hides_one(secret: Secret, write: t.Callable[[str], str]) -> None:
    assert names_in(f"before {write(secret.value)} after".encode(), BOTH) == [secret.name]


@pytest.mark.parametrize("secret", BOTH)
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zlib.compress, zipped])
def test_nothing_packed_hides_one(secret: Secret, pack: t.Callable[[bytes], bytes]) -> None:
    packed = pack(f"before {secret.value} after".encode() * 3)
    assert names_in(packed, BOTH) == [secret.name]
    # As a module travels, and as one that is wrapped once more.
    assert names_in(b"ZIPDATA = '" + base64.b64encode(packed) + b"'", BOTH) == [secret.name]
    assert names_in(gzip.compress(base64.encodebytes(packed)), BOTH) == [secret.name]


@pytest.mark.parametrize("program", ["zstd", "lz4"])
def test_no_other_compression_hides_one(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not here")
    packed = subprocess.run([program, "-c"], input=KEY.value.encode() * 9, check=True, capture_output=True).stdout
    assert names_in(packed, BOTH) == [KEY.name]


def test_what_is_broken_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "log.gz").write_bytes(gzip.compress(KEY.value.encode())[:10])
    [sentence] = search([tmp_path], BOTH)
    assert "cannot be searched" in sentence


@given(st.binary())
def test_nothing_is_found_where_there_is_nothing(content: bytes) -> None:
    assert not KEY.is_in(content)
    assert not PASSWORD.is_in(base64.b64encode(content))


def test_a_part_of_one_is_none() -> None:
    assert names_in(KEY.value[:-1].encode(), BOTH) == []


@pytest.mark.parametrize("write", [quote, quote_plus, json.dumps])
def test_a_text_is_searched_for_several_by_their_numbers(write: t.Callable[[str], str]) -> None:
    spaced = "words of a pass phrase"
    assert found([KEY.value, spaced], f"before {write(spaced)} after \udcff") == ["secret 1"]
    assert found([KEY.value, spaced], "nothing of it") == []


def test_names_links_and_attributes_of_files_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / f"named-{KEY.value}").touch()
    (tmp_path / "leads").symlink_to(KEY.value)
    (tmp_path / "marked").touch()
    os.setxattr(tmp_path / "marked", "user.note", PASSWORD.value.encode())
    found = search([tmp_path], BOTH)
    assert sorted(sentence.partition(" holds ")[2].split()[0] for sentence in found) == [
        "api-key",
        "api-key",
        "proxy-password",
    ]


def test_only_what_is_exempt_by_its_path_may_hold_one(tmp_path: Path) -> None:
    for folder in ("lab", "lab/copy"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "api-key").write_text(KEY.value)
    [sentence] = search([tmp_path], BOTH, {tmp_path / "lab/api-key"})
    assert sentence.startswith(str(tmp_path / "lab/copy/api-key"))


def test_what_is_to_be_searched_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no"):
        search([tmp_path / "missing"], BOTH)


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A host's layer with an Agent's file that holds both secrets, and a copy of it."""
    (tmp_path / "etc/datadog-agent").mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text(f"dd-agent:x:{os.getuid()}:{os.getgid()}::/:/bin/false\n")
    for name in (AGENTS_FILE, f"{AGENTS_FILE}.123.2026-01-01@00:00:00~"):
        (tmp_path / name).write_text(f"api_key: {KEY.value}\nproxy: {quote(PASSWORD.value, safe='')}\n")
        (tmp_path / name).chmod(0o640)
    return tmp_path


def test_the_agents_file_and_its_copies_may_hold_them(layer: Path) -> None:
    assert search_layer(layer, "host", BOTH) == []


@pytest.mark.parametrize("name", ["etc/datadog-agent/other.yaml", "root/datadog.yaml", f"var/{AGENTS_FILE}"])
def test_no_other_file_of_a_host_may_hold_one(layer: Path, name: str) -> None:
    (layer / name).parent.mkdir(parents=True, exist_ok=True)
    (layer / name).write_text(KEY.value)
    assert search_layer(layer, "host", BOTH) == [f"host:/{name} holds api-key (see SECRET_FILES)."]


def test_a_copy_that_others_can_read_is_told(layer: Path) -> None:
    [copy] = layer.glob("etc/datadog-agent/*~")
    copy.chmod(0o644)
    [sentence] = search_layer(layer, "host", BOTH)
    assert "is not dd-agent's with mode 0640" in sentence


def test_a_search_that_sees_nothing_is_not_content(layer: Path) -> None:
    (layer / AGENTS_FILE).write_text("api_key: another\n")
    assert search_layer(layer, "host", BOTH) == [f"host:/{AGENTS_FILE} lacks {one.name}." for one in BOTH]
