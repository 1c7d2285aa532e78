# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the unit tests."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import trustme

from ansible_collections.netwall.datadog.tests._https import HttpsServer, Proxy, running

# Names that a proxy of the tests leads to the server; nobody else is ever asked.
NAMES = ("localhost", "ip-ranges.datadoghq.com", "ip-ranges.us3.datadoghq.com", "mirror.example.com")


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority of the tests' own."""
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_path(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with the authority's certificate."""
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def server(authority: trustme.CA) -> t.Iterator[HttpsServer]:
    """An HTTPS server with a certificate of the authority."""
    with running(HttpsServer(authority.issue_cert(*NAMES))) as server:
        yield server


@pytest.fixture
def proxy(server: HttpsServer) -> t.Iterator[Proxy]:
    """A proxy that leads every name to the server."""
    with running(Proxy(server.port)) as proxy:
        yield proxy
