# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import firewalld_bus
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_bus import (
    BusError,
    Call,
    Reader,
    Writer,
    call,
    encode_call,
    split_signature,
)

Bus = t.Callable[..., None]

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
VALUES = {
    "s": TEXTS,
    "b": st.booleans(),
    "i": st.integers(-(2**31), 2**31 - 1),
    "t": st.integers(0, 2**64 - 1),
    "y": st.integers(0, 255),
    "as": st.lists(TEXTS, max_size=4),
    "a{ss}": st.dictionaries(TEXTS, TEXTS, max_size=4),
    "(sias)": st.tuples(TEXTS, st.integers(-5, 5), st.lists(TEXTS, max_size=3)),
    "aa{sas}": st.lists(st.dictionaries(TEXTS, st.lists(TEXTS, max_size=2), max_size=2), max_size=3),
}


@given(
    st.lists(st.sampled_from(sorted(VALUES)).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind])), max_size=6)
)
def test_what_is_written_is_read_again(typed: list[tuple[str, object]]) -> None:
    writer = Writer()
    for kind, value in typed:
        writer.write(kind, value)
    signature = "".join(kind for kind, _value in typed)
    assert list(Reader(bytes(writer.data), "<").read_all(signature)) == [value for _kind, value in typed]


def test_a_variant_is_read_as_what_is_in_it() -> None:
    writer = Writer()
    writer.write("a{sv}", {"priority": ("i", -5), "rules": ("as", ["one", "two"])})
    assert Reader(bytes(writer.data), "<").read("a{sv}") == {"priority": -5, "rules": ["one", "two"]}


def test_the_other_byte_order_is_understood() -> None:
    assert Reader(struct.pack(">I", 7), ">").read("u") == 7


@pytest.mark.parametrize(
    ("signature", "types"),
    [
        ("", []),
        ("sas", ["s", "as"]),
        ("a{sv}(ii)aas", ["a{sv}", "(ii)", "aas"]),
        ("sa(sa{sv})b", ["s", "a(sa{sv})", "b"]),
    ],
)
def test_a_signature_is_taken_apart_into_complete_types(signature: str, types: list[str]) -> None:
    assert split_signature(signature) == types


def test_a_call_starts_nobody_and_is_aligned() -> None:
    message = encode_call(3, "org.example", Call("/a", "org.example.I", "M", "s", ("x",)))
    no_auto_start = 2
    assert message[2] == no_auto_start
    header = 16 + struct.unpack_from("<I", message, 12)[0]
    assert len(message) == header + -header % 8 + struct.unpack_from("<I", message, 4)[0]


# --- A bus ------------------------------------------------------------------------------------------------------------


def answer(serial: int, kind: int = 2, signature: str = "", values: tuple[object, ...] = (), error: str = "") -> bytes:
    body = Writer()
    for each, value in zip(split_signature(signature), values, strict=True):
        body.write(each, value)
    fields: list[tuple[int, tuple[str, object]]] = [(5, ("u", serial))]
    fields += [(4, ("s", error))] if error else []
    fields += [(8, ("g", signature))] if signature else []
    header = Writer()
    for number in (ord("l"), kind, 0, 1):
        header.write("y", number)
    header.write("u", len(body.data))
    header.write("u", 99)
    header.write("a(yv)", fields)
    header.align(8)
    return bytes(header.data + body.data)


def hear(peer: socket.socket, word: bytes) -> None:
    """Read until *word* has come, or nobody is there any more."""
    heard = b""
    while word not in heard:
        received = peer.recv(1 << 16)
        if not received:
            return
        heard += received


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Bus]:
    """A bus that sends the same bytes to everybody who has said hello and then asked for something."""
    path = str(tmp_path / "bus")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    monkeypatch.setattr(firewalld_bus, "SOCKET", path)
    firewalld_bus.hang_up()

    def serve(reply: bytes, greeting: bytes = b"OK 1234\r\n") -> None:
        with contextlib.suppress(OSError):
            peer, _address = listening.accept()
            with peer:
                hear(peer, b"AUTH")
                peer.sendall(greeting)
                hear(peer, b"Hello")
                peer.sendall(answer(1, signature="s", values=(":1.7",)))
                hear(peer, b"fedoraproject")
                peer.sendall(reply)

    def start(*arguments: bytes) -> None:
        threading.Thread(target=serve, args=arguments, daemon=True).start()

    yield start
    listening.close()
    firewalld_bus.hang_up()


def test_one_value_comes_as_it_is(bus: Bus) -> None:
    bus(answer(2, signature="as", values=(["a", "b"],)))
    assert call("/p", "i", "M") == ["a", "b"]


def test_no_value_comes_as_none(bus: Bus) -> None:
    bus(answer(2))
    assert call("/p", "i", "M") is None


def test_a_signal_that_comes_between_is_passed_over(bus: Bus) -> None:
    bus(answer(2, kind=4, signature="s", values=("noise",)) + answer(2, signature="s", values=("mine",)))
    assert call("/p", "i", "M") == "mine"


def test_answers_are_told_apart_by_what_they_answer(bus: Bus) -> None:
    bus(answer(3, signature="s", values=("second",)) + answer(2, signature="s", values=("first",)))
    assert firewalld_bus.call_all([Call("/p", "i", "M"), Call("/p", "i", "N")]) == ["first", "second"]


def test_an_error_comes_with_firewallds_words_and_its_name(bus: Bus) -> None:
    bus(answer(2, kind=3, signature="s", values=("INVALID_ZONE: nope",), error="org.example.Exception"))
    with pytest.raises(BusError, match="INVALID_ZONE: nope") as caught:
        call("/p", "i", "M")
    assert caught.value.name == "org.example.Exception"


def test_a_bus_that_hangs_up_is_an_error_in_words(bus: Bus) -> None:
    bus(b"")
    with pytest.raises(BusError, match="hung up"):
        call("/p", "i", "M")


def test_a_bus_that_does_not_know_us_is_an_error_in_words(bus: Bus) -> None:
    bus(b"", b"REJECTED EXTERNAL\r\n")
    with pytest.raises(BusError, match="doesn't know us"):
        call("/p", "i", "M")


def test_a_host_without_a_bus_is_an_error_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(firewalld_bus, "SOCKET", str(tmp_path / "none"))
    firewalld_bus.hang_up()
    with pytest.raises(BusError, match="can't be reached over D-Bus"):
        call("/p", "i", "M")
