# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the stand-in sends, and where to: payloads to the intake, now and then a line to the log intake."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .buffer import Buffer, Disk
from .settings import STORAGE_SINCE, ConfigurationError

PERIOD = 0.5
"""Seconds between two payloads."""
PAYLOAD = 2048
"""Bytes of a payload."""
_TIMEOUT = 2.0
# Logs over TCP go to the sites that take them, to these ports.
_LOG_PORTS = {"datadoghq.com": 10516, "datadoghq.eu": 443}


class Intake:
    """The way to the intake of metrics: straight, or through the proxy of the settings."""

    def __init__(self, settings: Mapping[str, Any], version: str) -> None:
        named = re.sub(r"[^0-9]", "-", version)
        url = urlsplit(settings["dd_url"] or f"https://{named}-app.agent.{settings['site']}")
        if url.scheme != "https" or not url.hostname:
            raise ConfigurationError("dd_url is not an address that begins with https://")
        self.host, self.port = url.hostname, url.port or 443
        is_direct = self.host in settings["proxy.no_proxy"]
        self._proxy = urlsplit("" if is_direct else settings["proxy.https"])
        self._key = settings["api_key"]
        self._trust = ssl.create_default_context()

    def send(self, payload: bytes) -> None:
        """Deliver one payload; an `OSError` or `http.client.HTTPException` where that is not possible."""
        with contextlib.closing(self._connection()) as connection:
            connection.request("POST", "/api/v2/series", payload, {"DD-API-KEY": self._key})
            answer = connection.getresponse()
            if answer.status >= 400:
                raise ConnectionError(f"the intake answers with status {answer.status}")

    def _connection(self) -> http.client.HTTPSConnection:
        if not self._proxy.hostname:
            return http.client.HTTPSConnection(self.host, self.port, timeout=_TIMEOUT, context=self._trust)
        connection = http.client.HTTPSConnection(
            self._proxy.hostname, self._proxy.port or 3128, timeout=_TIMEOUT, context=self._trust
        )
        headers = {}
        if self._proxy.username:
            who = f"{unquote(self._proxy.username)}:{unquote(self._proxy.password or '')}"
            headers["Proxy-Authorization"] = f"Basic {base64.b64encode(who.encode()).decode()}"
        connection.set_tunnel(self.host, self.port, headers)
        return connection


class Forwarder(threading.Thread):
    """Makes payloads and sends them; keeps what it cannot send in its buffer."""

    def __init__(self, settings: Mapping[str, Any], version: str) -> None:
        super().__init__(name="forwarder", daemon=True)
        self._intake = Intake(settings, version)
        disk = None
        if settings["forwarder_storage_max_size_in_bytes"] > 0 and _numbers(version) >= STORAGE_SINCE:
            disk = Disk(
                # One folder for each intake.
                Path(settings["forwarder_storage_path"]) / self._intake.host,
                settings["forwarder_storage_max_size_in_bytes"],
                settings["forwarder_storage_max_disk_ratio"],
            )
            disk.prepare(settings["forwarder_outdated_file_in_days"])
        self._disk = disk
        self._buffer = Buffer(settings["forwarder_retry_queue_payloads_max_size"], disk)
        self._is_over = threading.Event()
        self._made = 0
        self._delivered = 0
        self._error = ""

    def run(self) -> None:
        """Make and send until it is stopped."""
        while not self._is_over.wait(PERIOD):
            self._made += 1
            self._buffer.add(_payload(self._made))
            self._deliver()

    def stop(self) -> None:
        """End, and put on disk what was not sent."""
        self._is_over.set()
        self.join()
        self._buffer.flush()

    def status(self) -> dict[str, Any]:
        """What it did and what it keeps."""
        return {
            "intake": self._intake.host,
            "made": self._made,
            "delivered": self._delivered,
            "dropped": self._buffer.dropped,
            "memory_payloads": self._buffer.payloads,
            "memory_bytes": self._buffer.size,
            "disk_files": len(self._disk.files()) if self._disk else 0,
            "disk_bytes": self._disk.used() if self._disk else 0,
            "error": self._error,
        }

    def _deliver(self) -> None:
        begin = time.monotonic()
        while not self._is_over.is_set() and time.monotonic() - begin < PERIOD:
            payload = self._buffer.next()
            if payload is None:
                return
            try:
                self._intake.send(payload)
            except (OSError, http.client.HTTPException) as error:
                self._error = f"{type(error).__name__}: {error}"
                return
            self._buffer.remove_next()
            self._delivered += 1
            self._error = ""


class Logs(threading.Thread):
    """Reaches for the log intake over TCP and TLS, straight, as long as the settings ask for that transport."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(name="logs", daemon=True)
        is_wanted = settings["logs_config.use_tcp"] or settings["logs_config.force_use_tcp"]
        self._host = f"agent-intake.logs.{settings['site']}"
        self._port = _LOG_PORTS.get(settings["site"], 0) if settings["logs_enabled"] and is_wanted else 0
        self._trust = ssl.create_default_context()
        self._reached = 0
        self._error = ""

    def run(self) -> None:
        """Knock once a second."""
        while self._port:
            try:
                with socket.create_connection((self._host, self._port), _TIMEOUT) as connection:
                    self._trust.wrap_socket(connection, server_hostname=self._host).close()
                self._reached += 1
                self._error = ""
            except OSError as error:
                self._error = f"{type(error).__name__}: {error}"
            time.sleep(1)

    def status(self) -> dict[str, Any] | None:
        """How often it got there; None where no logs are sent over TCP."""
        if not self._port:
            return None
        return {"intake": f"{self._host}:{self._port}", "reached": self._reached, "error": self._error}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _payload(number: int) -> bytes:
    head = json.dumps({"number": number, "time": time.time()})
    return head.encode().ljust(PAYLOAD, b" ")
