# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New connections all the while: sends packets as fast as it is told, and knows of each what became of it and when.

One file without dependencies, to be run where packets start; `serve PORT…` is the other end: it sends back whatever
comes to these ports over TCP or UDP, until its standard input ends. Without arguments it reads an order, one line:

    {"rate": PER_SECOND, "targets": [{"name": TEXT, "kind": KIND, "address": TEXT, "port": NUMBER, "source": TEXT,
                                      "passes": BOOLEAN}, …]}

and sends to all targets in turn, each time from a new port:
    tcp     opens a connection; passes if the first packet got there and was answered
    udp     sends a packet; passes if this host let it go
    echo    sends a packet; passes if it comes back
    talk    keeps one connection and asks again and again; passes if each answer comes

It says "ready", sends until a line comes, FIRST LAST (seconds of the machine's monotonic clock), and says how many were
sent to each target, how many of them between these two, and when one had not the fate that "passes" promised.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import select
import selectors
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from typing import Any

# A first packet that was lost is sent again after a second.
ANSWER_SECONDS = 0.9
# What must not come has had its time.
SILENCE_SECONDS = 0.4
TALK_SECONDS = 3.0
TALK_PAUSE = 0.05
_FAMILIES = (socket.AF_INET, socket.AF_INET6)
QUESTION = b"GET / HTTP/1.1\r\nHost: steady\r\n\r\n"
# Where struct tcp_info has the number of packets that were sent again.
_RETRANSMITTED = 100


@dataclass
class Target:
    """Where to, and what became of what was sent there: moments of sending, moments and kinds of wrong fates."""

    name: str
    kind: str
    address: str
    port: int
    passes: bool
    source: str = ""
    sent: list[float] = field(default_factory=list)
    wrong: list[tuple[float, str]] = field(default_factory=list)

    def judge(self, sent: float, fate: str) -> None:
        """Note how one of them ended; an empty fate says that it passed."""
        if self.passes == bool(fate):
            self.wrong.append((sent, fate or "passed"))

    def open(self) -> socket.socket:
        """A socket that does not wait."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        kind = socket.SOCK_STREAM if self.kind in ("tcp", "talk") else socket.SOCK_DGRAM
        made = socket.socket(family, kind | socket.SOCK_NONBLOCK)
        if self.source:
            made.bind((self.source, 0))
        return made


@dataclass
class Waiting:
    """One that is under way. The deadline moves on where several answers are awaited."""

    target: Target
    socket: socket.socket
    sent: float
    deadline: float
    next_question: float = 0.0


class Sender:
    """Sends to all targets in turn and collects what comes back."""

    def __init__(self, targets: list[Target]) -> None:
        self.targets = targets
        self.ready = select.epoll()
        self.waiting: dict[int, Waiting] = {}

    def send(self, target: Target) -> None:
        """Send one packet."""
        now = time.monotonic()
        try:
            made = target.open()
        except OSError as error:
            # None of the firewall's doing: no port or no descriptor left.
            if error.errno in (errno.EMFILE, errno.EADDRINUSE):
                return
            raise
        target.sent.append(now)
        try:
            made.connect((target.address, target.port))
            if target.kind != "tcp":
                made.send(b"steady")
        except BlockingIOError:
            pass
        except OSError as error:
            made.close()
            target.judge(now, _fate(error))
            return
        if target.kind == "udp":
            made.close()
            target.judge(now, "")
            return
        patience = ANSWER_SECONDS if target.passes else SILENCE_SECONDS
        self.waiting[made.fileno()] = Waiting(target, made, now, now + patience)
        self.ready.register(made, select.EPOLLOUT if target.kind == "tcp" else select.EPOLLIN)

    def talk(self, target: Target) -> None:
        """Open a connection that will stay."""
        made = target.open()
        made.setblocking(True)
        made.settimeout(TALK_SECONDS)
        made.connect((target.address, target.port))
        made.setblocking(False)
        now = time.monotonic()
        self.waiting[made.fileno()] = Waiting(target, made, now, now + TALK_SECONDS, next_question=now)
        self.ready.register(made, select.EPOLLIN)

    def collect(self) -> None:
        """Take note of what came back, and of what did not."""
        for number, _events in self.ready.poll(0):
            found = self.waiting[number]
            if found.target.kind == "talk":
                self._hear(found)
            else:
                self._end(found, self._outcome(found))
        now = time.monotonic()
        for found in [found for found in self.waiting.values() if found.deadline < now]:
            self._end(found, "no answer")
        for found in list(self.waiting.values()):
            if found.next_question and found.next_question < now:
                self._ask(found, now)

    def _outcome(self, found: Waiting) -> str:
        error = found.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            return _fate(OSError(error, os.strerror(error)))
        if found.target.kind == "tcp" and _retransmitted(found.socket):
            return "sent twice"
        return ""

    def _hear(self, found: Waiting) -> None:
        try:
            answer = found.socket.recv(65536)
        except OSError as error:
            self._end(found, _fate(error))
            return
        if not answer:
            self._end(found, "hung up")
            return
        found.deadline = time.monotonic() + TALK_SECONDS + TALK_PAUSE
        found.next_question = time.monotonic() + TALK_PAUSE

    def _ask(self, found: Waiting, now: float) -> None:
        found.next_question = 0.0
        found.target.sent.append(now)
        try:
            found.socket.send(QUESTION)
        except OSError as error:
            self._end(found, _fate(error))

    def _end(self, found: Waiting, fate: str) -> None:
        del self.waiting[found.socket.fileno()]
        self.ready.unregister(found.socket)
        if found.target.kind == "tcp":
            # Without a farewell that would have to be waited for.
            found.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        found.socket.close()
        found.target.judge(found.sent, fate)


def _fate(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error))


def _retransmitted(connection: socket.socket) -> int:
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RETRANSMITTED + 4)
    return int(struct.unpack_from("=I", info, _RETRANSMITTED)[0])


def send_steadily(order: dict[str, Any]) -> list[dict[str, Any]]:
    """Follow *order* until a line comes in; what became of all targets."""
    targets = [Target(**raw) for raw in order["targets"]]
    sender = Sender(targets)
    for target in targets:
        if target.kind == "talk":
            sender.talk(target)
    others = [target for target in targets if target.kind != "talk"]
    print("ready", flush=True)
    begin, number = time.monotonic(), 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        due = int((time.monotonic() - begin) * order["rate"])
        # After a pause that the machine made there is no catching up: it would be a flood.
        number = max(number, due - len(others))
        for place in range(number, due):
            sender.send(others[place % len(others)])
        number = due
        sender.collect()
        time.sleep(0.0005)
    for found in list(sender.waiting.values()):
        found.next_question = 0.0
        if found.target.kind == "talk":
            sender._end(found, "")
    end = time.monotonic() + ANSWER_SECONDS
    while sender.waiting and time.monotonic() < end + SILENCE_SECONDS:
        sender.collect()
        time.sleep(0.0005)
    first, last = (float(word) for word in sys.stdin.readline().split())
    return [
        {
            "name": target.name,
            "passes": target.passes,
            "sent": len(target.sent),
            "meanwhile": sum(first <= moment <= last for moment in target.sent),
            "wrong": target.wrong,
        }
        for target in targets
    ]


def serve(ports: list[int]) -> None:
    """Send back what comes to *ports*, until standard input ends."""
    selector = selectors.DefaultSelector()
    for port in ports:
        for family, kind in itertools.product(_FAMILIES, (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
            listener = socket.socket(family, kind)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(("", port))
            if kind == socket.SOCK_STREAM:
                listener.listen(1024)
            selector.register(listener, selectors.EVENT_READ, "listen" if kind == socket.SOCK_STREAM else "answer")
    selector.register(sys.stdin, selectors.EVENT_READ, "end")
    print("ready", flush=True)
    while True:
        for key, _events in selector.select():
            if key.data == "end":
                return
            _serve_one(selector, key)


def _serve_one(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    heard = key.fileobj
    if not isinstance(heard, socket.socket):
        return
    try:
        if key.data == "listen":
            selector.register(heard.accept()[0], selectors.EVENT_READ, "talk")
        elif key.data == "answer":
            data, peer = heard.recvfrom(65535)
            heard.sendto(data, peer)
        else:
            data = heard.recv(65535)
            if data:
                heard.send(data)
                return
            selector.unregister(heard)
            heard.close()
    except OSError:
        # A peer that is gone is no reason to stop answering the others.
        if key.data == "talk":
            selector.unregister(heard)
            heard.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve([int(port) for port in sys.argv[2:]])
    else:
        print(json.dumps(send_steadily(json.loads(sys.stdin.readline()))))
