# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real servers on the loopback interface: HTTPS that misbehaves on command, and a proxy that leads every name to it."""

from __future__ import annotations

import contextlib
import http.server
import select
import socket
import socketserver
import ssl
import struct
import threading
import typing as t

import trustme

if t.TYPE_CHECKING:
    from pathlib import Path

# What a server does with one GET request.
Answer = t.Callable[["_Handler"], None]


def body(data: bytes, status: int = 200, **headers: str) -> Answer:
    """A whole answer; an underscore in a header's name stands for a hyphen."""

    def answer(handler: _Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def versioned(data: bytes, etag: str) -> Answer:
    """A whole answer that has a name, or none of it to who knows that name already."""

    def answer(handler: _Handler) -> None:
        is_known = handler.headers.get("If-None-Match") == etag
        body(b"" if is_known else data, 304 if is_known else 200, ETag=etag)(handler)

    return answer


def redirect(location: str) -> Answer:
    """Send the client elsewhere."""
    return body(b"", 302, Location=location)


def cut_off(data: bytes) -> Answer:
    """Promise one byte more than there is."""

    def answer(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data) + 1))
        handler.end_headers()
        handler.wfile.write(data)
        handler.close_connection = True

    return answer


def short(data: bytes) -> Answer:
    """Promise one byte less than there is."""

    def answer(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data) - 1))
        handler.end_headers()
        handler.wfile.write(data)
        handler.close_connection = True

    return answer


def reset(handler: _Handler) -> None:
    """Break the connection in the middle of the body, as a crashing server does."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True


def silence(handler: _Handler) -> None:
    """Take the request and never answer."""
    handler.server.closing.wait()
    handler.close_connection = True


def drip(handler: _Handler) -> None:
    """Send a body that never ends, byte by byte."""
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    while not handler.server.closing.wait(0.02):
        handler.wfile.write(b" ")
        handler.wfile.flush()


class HttpsServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Gives each path its answers in turn, and the last one for ever.

    ``requests`` has the paths and headers seen, ``connections`` how many of these were opened.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, certificate: trustme.LeafCert) -> None:
        """Listen at a free port of 127.0.0.1 with *certificate*."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self.tls)
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.connections = 0
        self.closing = threading.Event()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def url(self, path: str = "/", host: str = "localhost") -> str:
        """The URL of *path* here."""
        return f"https://{host}:{self.port}{path}"

    def answer(self, *answers: Answer, path: str = "/") -> str:
        """Answer requests for *path* with these, one after the other; give its URL."""
        self.answers[path] = list(answers)
        return self.url(path)

    def want_certificate(self, ca_path: Path) -> None:
        """Speak with nobody whose certificate is not of this authority."""
        self.tls.load_verify_locations(ca_path)
        self.tls.verify_mode = ssl.CERT_REQUIRED

    def finish_request(self, request: t.Any, client_address: t.Any) -> None:
        """Speak TLS, here in the thread of this connection."""
        self.connections += 1
        # The handler closes what wrap_socket makes; the plain socket is left without a descriptor.
        with self.tls.wrap_socket(request, server_side=True) as encrypted:
            super().finish_request(encrypted, client_address)

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Say nothing: clients that refuse the certificate are part of the tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpsServer

    def do_GET(self) -> None:
        self.server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        answers = self.server.answers.get(self.path, [body(b"", 404)])
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def log_message(self, *_args: object) -> None:
        pass


class Proxy(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Leads CONNECT for whatever name and port to the port *to* of this host; ``asked`` has the names."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, to: int) -> None:
        """Listen at a free port of 127.0.0.1."""
        super().__init__(("127.0.0.1", 0), _Connect)
        self.to = to
        self.asked: list[str] = []
        self.refuse_with: int | None = None

    @property
    def url(self) -> str:
        """The value for HTTPS_PROXY."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Say nothing: a client may go at any time."""


class _Connect(http.server.BaseHTTPRequestHandler):
    server: Proxy

    def do_CONNECT(self) -> None:
        self.server.asked.append(self.path)
        if self.server.refuse_with is not None:
            self.send_error(self.server.refuse_with)
            return
        self.close_connection = True
        with socket.create_connection(("127.0.0.1", self.server.to)) as upstream:
            self.send_response(200)
            self.end_headers()
            _relay(self.connection, upstream)

    def log_message(self, *_args: object) -> None:
        pass


def _relay(left: socket.socket, right: socket.socket) -> None:
    other = {left: right, right: left}
    while True:
        for readable in select.select([left, right], [], [])[0]:
            data = readable.recv(65536)
            if not data:
                return
            other[readable].sendall(data)


_Server = t.TypeVar("_Server", HttpsServer, Proxy)


@contextlib.contextmanager
def running(server: _Server) -> t.Iterator[_Server]:
    """Serve until the end of the block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        if isinstance(server, HttpsServer):
            server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
