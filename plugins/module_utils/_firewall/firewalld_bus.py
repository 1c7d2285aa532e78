# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Calls to firewalld over the system's D-Bus, with nothing but a socket.

``busctl`` and its like cost a process for each call, and a host may not have the one that we would choose. What is
spoken here is the wire protocol of the D-Bus specification, as much of it as method calls need.
"""

from __future__ import annotations

import functools
import os
import socket
import struct
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError

FIREWALLD = "org.fedoraproject.FirewallD1"
SOCKET = "/run/dbus/system_bus_socket"

# firewalld answers nobody while it reloads, which takes seconds with thousands of networks.
_TIMEOUT = 120.0
# How many calls may wait for their answer; a bus allows a connection some hundred at least.
_BATCH = 50
_CALL, _RETURN, _ERROR = 1, 2, 3
_NO_AUTO_START = 2
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _REPLY_SERIAL, _DESTINATION, _SIGNATURE = 1, 2, 3, 4, 5, 6, 8
# D-Bus types of a fixed size, as struct knows them.
_FIXED = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d", "h": "I"}


class BusError(FirewallError):
    """A call over D-Bus failed; ``name`` is D-Bus's name of the error, empty where there was no answer."""

    def __init__(self, text: str, name: str = "") -> None:
        super().__init__(text)
        self.name = name


class Call(t.NamedTuple):
    """A method call: ``args`` are of the D-Bus types that ``signature`` lists."""

    path: str
    interface: str
    method: str
    signature: str = ""
    args: tuple[t.Any, ...] = ()


def call(path: str, interface: str, method: str, signature: str = "", *args: t.Any) -> t.Any:
    """What firewalld answers to *method* of *interface* at *path*, called with *args* of D-Bus types *signature*.

    Numbers, booleans, strings, lists, dictionaries and, for structures, tuples; a variant comes as what is in it.
    None for no value, a tuple for more than one. Raises :class:`BusError` with what firewalld said.
    """
    return call_all([Call(path, interface, method, signature, args)])[0]


def call_all(calls: t.Sequence[Call], destination: str = FIREWALLD) -> list[t.Any]:
    """The answers (see :func:`call`) to *calls*, made one after the other.

    They don't wait for each other's answers, which saves thousands of calls most of their time. Raises
    :class:`BusError` for the first that failed; some after it may have been made.
    """
    try:
        connection = _connection(os.getpid())
        return [
            answer
            for start in range(0, len(calls), _BATCH)
            for answer in connection.call(destination, calls[start : start + _BATCH])
        ]
    except OSError as error:
        hang_up()
        raise BusError(f"firewalld can't be reached over D-Bus: {error.strerror or error}.") from error


def hang_up() -> None:
    """End the conversation; the next call starts another."""
    if _connection.cache_info().currsize:
        _connection(os.getpid()).close()
    _connection.cache_clear()


# A child that was forked must not share its parent's conversation.
@functools.lru_cache(maxsize=1)
def _connection(_process: int) -> Connection:
    return Connection(SOCKET)


class Connection:
    """A connection to the message bus at the socket *path*; everything here raises OSError where it breaks."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(_TIMEOUT)
        self._stream = self._socket.makefile("rb")
        self._serial = 0
        try:
            self._socket.connect(path)
            self._authenticate()
            self.call("org.freedesktop.DBus", [Call("/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")])
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        self._stream.close()
        self._socket.close()

    def call(self, destination: str, calls: t.Sequence[Call]) -> list[t.Any]:
        """The answers of the bus name *destination* to *calls*; raises :class:`BusError` for the first that failed."""
        serials = range(self._serial + 1, self._serial + 1 + len(calls))
        self._serial += len(calls)
        self._socket.sendall(b"".join(encode_call(serial, destination, each) for serial, each in zip(serials, calls)))
        answers: dict[int, t.Any] = {}
        while len(answers) < len(calls):
            kind, fields, values = self._receive()
            if kind in (_RETURN, _ERROR) and fields.get(_REPLY_SERIAL) in serials:
                answers[fields[_REPLY_SERIAL]] = _answer(kind, fields, values)
        for serial in serials:
            if isinstance(answers[serial], BusError):
                raise answers[serial]
        return [answers[serial] for serial in serials]

    def _authenticate(self) -> None:
        user = str(os.geteuid()).encode().hex()
        self._socket.sendall(f"\0AUTH EXTERNAL {user}\r\n".encode())
        if not self._stream.readline().startswith(b"OK "):
            raise ConnectionError("the message bus doesn't know us")
        self._socket.sendall(b"BEGIN\r\n")

    def _receive(self) -> tuple[int, dict[int, t.Any], tuple[t.Any, ...]]:
        """Kind, header fields and values of the next message."""
        start = self._read(16)
        order = "<" if start[:1] == b"l" else ">"
        body_size, _serial, fields_size = struct.unpack(f"{order}III", start[4:])
        padded = fields_size + -fields_size % 8
        header = Reader(start + self._read(padded), order)
        header.position = 12
        fields = dict(header.read("a(yv)"))
        body = Reader(self._read(body_size), order)
        return start[1], fields, body.read_all(fields.get(_SIGNATURE, ""))

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise ConnectionError("the message bus hung up")
        return data


def _answer(kind: int, fields: t.Mapping[int, t.Any], values: tuple[t.Any, ...]) -> t.Any:
    if kind == _ERROR:
        name = str(fields.get(_ERROR_NAME, ""))
        said = values[0] if values and isinstance(values[0], str) else ""
        return BusError(f"firewalld refused: {' '.join(said.split()) or name}", name)
    return values[0] if len(values) == 1 else values or None


def encode_call(serial: int, destination: str, wanted: Call) -> bytes:
    """The message that asks *destination* for *wanted*, whose answer will name *serial*."""
    body = Writer()
    for kind, value in zip(split_signature(wanted.signature), wanted.args):
        body.write(kind, value)
    fields: list[tuple[int, tuple[str, str]]] = [
        (_PATH, ("o", wanted.path)),
        (_INTERFACE, ("s", wanted.interface)),
        (_MEMBER, ("s", wanted.method)),
        (_DESTINATION, ("s", destination)),
    ]
    if wanted.signature:
        fields.append((_SIGNATURE, ("g", wanted.signature)))
    header = Writer()
    for number in (ord("l"), _CALL, _NO_AUTO_START, 1):
        header.write("y", number)
    header.write("u", len(body.data))
    header.write("u", serial)
    header.write("a(yv)", fields)
    header.align(8)
    return bytes(header.data + body.data)


def split_signature(signature: str) -> list[str]:
    """The complete types that *signature* strings together: ``sa{sv}`` is ``s`` and ``a{sv}``."""
    types: list[str] = []
    start = depth = 0
    for position, character in enumerate(signature):
        depth += (character in "({") - (character in ")}")
        if depth == 0 and character != "a":
            types.append(signature[start : position + 1])
            start = position + 1
    return types


def _alignment(kind: str) -> int:
    if kind[0] in _FIXED:
        return struct.calcsize(_FIXED[kind[0]])
    return {"g": 1, "v": 1, "(": 8, "{": 8}.get(kind[0], 4)


class Writer:
    """D-Bus values as bytes, little-endian; a variant is given as a pair of type and value."""

    def __init__(self) -> None:
        self.data = bytearray()

    def align(self, size: int) -> None:
        self.data += b"\0" * (-len(self.data) % size)

    def write(self, kind: str, value: t.Any) -> None:
        """Append *value*, which is of the one complete type *kind*."""
        self.align(_alignment(kind))
        if kind in _FIXED:
            self.data += struct.pack(f"<{_FIXED[kind]}", value)
        elif kind in ("s", "o"):
            text = value.encode("utf-8", "surrogateescape")
            self.data += struct.pack("<I", len(text)) + text + b"\0"
        elif kind == "g":
            self.data += bytes([len(value)]) + value.encode("ascii") + b"\0"
        elif kind == "v":
            self.write("g", value[0])
            self.write(*value)
        elif kind[0] == "a":
            self._write_array(kind[1:], value)
        else:
            for part, item in zip(split_signature(kind[1:-1]), value):
                self.write(part, item)

    def _write_array(self, kind: str, value: t.Any) -> None:
        place = len(self.data)
        self.data += b"\0" * 4
        self.align(_alignment(kind))
        start = len(self.data)
        for item in value.items() if isinstance(value, dict) else value:
            self.write(kind, item)
        self.data[place : place + 4] = struct.pack("<I", len(self.data) - start)


class Reader:
    """D-Bus values out of *data*, whose byte order *order* is ``<`` or ``>``."""

    def __init__(self, data: bytes, order: str) -> None:
        self._data = data
        self._order = order
        self.position = 0

    def read_all(self, signature: str) -> tuple[t.Any, ...]:
        """The values of the types in *signature*."""
        return tuple(self.read(kind) for kind in split_signature(signature))

    def read(self, kind: str) -> t.Any:
        """The next value, which is of the one complete type *kind*."""
        self.position += -self.position % _alignment(kind)
        if kind in _FIXED:
            number = self._number(_FIXED[kind])
            return bool(number) if kind == "b" else number
        if kind in ("s", "o"):
            return self._text(self._number("I"))
        if kind == "g":
            return self._text(self._number("B"))
        if kind == "v":
            return self.read(self.read("g"))
        if kind[0] == "a":
            return self._array(kind[1:])
        return self.read_all(kind[1:-1])

    def _array(self, kind: str) -> t.Any:
        size = self._number("I")
        self.position += -self.position % _alignment(kind)
        end = self.position + size
        items = []
        while self.position < end:
            items.append(self.read(kind))
        return dict(items) if kind[0] == "{" else items

    def _number(self, code: str) -> t.Any:
        (number,) = struct.unpack_from(f"{self._order}{code}", self._data, self.position)
        self.position += struct.calcsize(code)
        return number

    def _text(self, size: int) -> str:
        start = self.position
        self.position += size + 1
        return self._data[start : start + size].decode("utf-8", "surrogateescape")
