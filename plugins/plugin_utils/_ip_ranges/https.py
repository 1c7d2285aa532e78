# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""One download over HTTPS, with a checked certificate and with patience.

Importing this module imports httpx: do it where a download is due, not earlier.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import random
import socket
import ssl
import threading
import time
import typing as t
import urllib.request
import zlib

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import MissingPackageError

try:
    import httpx
except ImportError:
    HAS_HTTPX = False
else:
    HAS_HTTPX = True

_MOST_REDIRECTS = 5
# A whole attempt (name, connection, handshake, redirects, body) may take this many times the timeout.
_ATTEMPT_FACTOR = 3
# Seconds before the second attempt, and twice as many before each further one.
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0
_HEADERS = {"User-Agent": "netwall.datadog", "Accept": "application/json", "Accept-Encoding": "gzip"}

_Result = t.TypeVar("_Result")


class DownloadError(Exception):
    """There is no download; the text is a clause that says why, without the URL."""


class _PassingError(DownloadError):
    """A fault that may be gone in a second."""


def download(url: str, *, ca_path: str | None, timeout: float, retries: int, largest: int) -> bytes:
    """The body at the https *url*; raises :class:`DownloadError`.

    *ca_path*: a file or folder of CA certificates, trusted in place of the system's. *timeout*: seconds. *largest*:
    the most bytes that the body may have. Proxies come from the environment (``HTTPS_PROXY``, ``NO_PROXY``, …).
    """
    if not HAS_HTTPX:
        raise MissingPackageError("httpx", "to download address ranges")
    # Ansible's log takes in what is INFO anywhere, and httpx tells every URL, whole, at that level.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    trust = _trust(ca_path)
    fault = ""
    for attempt in range(retries + 1):
        if attempt:
            # Jitter, so that many controllers do not come back in step.
            time.sleep(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1)) * random.uniform(0.5, 1))
        try:
            return _within(timeout * _ATTEMPT_FACTOR, lambda: _attempt(url, trust, timeout, largest))
        except _PassingError as error:
            fault = str(error)
    raise DownloadError(f"{fault}, tried {retries + 1} times" if retries else fault)


def _trust(ca_path: str | None) -> ssl.SSLContext:
    try:
        if ca_path is not None and os.path.isdir(ca_path):
            return ssl.create_default_context(capath=ca_path)
        if ca_path is not None:
            return ssl.create_default_context(cafile=ca_path)
    except ssl.SSLError:
        raise DownloadError(f"ca_path {ca_path} cannot be used (it holds no certificates)") from None
    except OSError as error:
        raise DownloadError(f"ca_path {ca_path} cannot be used ({error.strerror})") from None
    system = ssl.get_default_verify_paths()
    if system.cafile is None and system.capath is None:
        return httpx.create_ssl_context()  # this Python knows no certificates of the system; httpx brings some
    return ssl.create_default_context()


def _within(seconds: float, work: t.Callable[[], _Result]) -> _Result:
    """What *work* returns or raises, or :class:`_PassingError` after *seconds*.

    Time-outs of sockets limit each wait, not their sum, and resolving a name has none at all. A thread can be left
    behind, whatever it waits for.
    """
    outcome: queue.SimpleQueue[tuple[_Result | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put((work(), None))
        except Exception as error:  # noqa: BLE001 - raised again below, by the thread that waits
            outcome.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = outcome.get(timeout=seconds)
    except queue.Empty:
        raise _PassingError(f"it was not complete after {seconds:g} seconds") from None
    if error is not None:
        raise error
    return t.cast("_Result", result)


def _attempt(url: str, trust: ssl.SSLContext, timeout: float, largest: int) -> bytes:
    with _own_faults(timeout), _client(trust, timeout) as client:
        target = httpx.URL(url)
        auth = (target.username, target.password) if target.userinfo else None
        request = client.build_request("GET", target.copy_with(userinfo=b""))
        for _step in range(_MOST_REDIRECTS + 1):
            with contextlib.closing(client.send(request, auth=auth, stream=True)) as response:
                if response.next_request is None:
                    return _body(response, largest)
            # httpx has carried the credentials over, unless the redirect leads to another host.
            request, auth = response.next_request, None
            if request.url.scheme != "https":
                raise DownloadError(f"it is redirected from https to {request.url.scheme}")
        raise DownloadError(f"it is redirected more than {_MOST_REDIRECTS} times")


def _client(trust: ssl.SSLContext, timeout: float) -> httpx.Client:
    try:
        return httpx.Client(verify=trust, timeout=timeout, headers=_HEADERS)
    except ImportError:
        raise MissingPackageError("socksio", "for the SOCKS proxy that the environment names") from None
    except (httpx.InvalidURL, ValueError):
        raise DownloadError("the proxy that the environment names (HTTPS_PROXY, ALL_PROXY) is no usable URL") from None


def _body(response: httpx.Response, largest: int) -> bytes:
    if response.status_code >= 500 or response.status_code == 429:
        raise _PassingError(f"the server answered with status {response.status_code}")
    if response.status_code != 200:
        raise DownloadError(f"the server answered with status {response.status_code}")
    # Unpacked here and not by httpx, so that a small answer cannot become a large one before it is measured.
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip", "x-gzip"}:
        raise DownloadError(f"the server answered in the encoding {encoding!r}")
    gunzip = None if encoding == "identity" else zlib.decompressobj(wbits=31)
    body = bytearray()
    received = 0
    try:
        for chunk in response.iter_raw():
            received += len(chunk)
            body += gunzip.decompress(chunk, largest + 1) if gunzip else chunk
            if max(received, len(body)) > largest:
                raise DownloadError(f"it has more than {largest >> 20} MiB")
    except zlib.error:
        raise _PassingError("its gzip encoding is damaged") from None
    if gunzip and not gunzip.eof:
        raise _PassingError("its gzip encoding is cut off")
    return bytes(body)


@contextlib.contextmanager
def _own_faults(timeout: float) -> t.Iterator[None]:
    """Turn what httpx raises into :class:`DownloadError`."""
    try:
        yield
    except httpx.ConnectTimeout as error:
        raise _PassingError(f"there was no connection within {timeout:g} seconds{_proxy_note(error)}") from None
    except httpx.TimeoutException as error:
        raise _PassingError(f"there was no answer for {timeout:g} seconds{_proxy_note(error)}") from None
    except httpx.ProxyError as error:
        kind = DownloadError if str(error).startswith("4") else _PassingError
        raise kind(f"the proxy that the environment names refused it ({error})") from None
    except httpx.RequestError as error:
        raise _of_connection(error) from None
    except (httpx.InvalidURL, UnicodeError):
        raise DownloadError("a URL on the way (its own, a redirect's or the proxy's) is malformed") from None


def _of_connection(error: httpx.RequestError) -> DownloadError:
    note = _proxy_note(error)
    causes = list(_chain(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return DownloadError(f"its certificate is not trusted ({cause.verify_message.rstrip('.')})")
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
            return DownloadError(f"there was no TLS connection ({cause.reason})")
        if isinstance(cause, socket.gaierror):
            kind = _PassingError if cause.errno == socket.EAI_AGAIN else DownloadError
            return kind(f"its name could not be resolved ({cause.strerror}){note}; check the site or the url")
    reason = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), str(error))
    return _PassingError(f"the connection failed ({reason.rstrip('.')}){note}")


def _chain(error: BaseException | None) -> t.Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _proxy_note(error: httpx.RequestError) -> str:
    """A hint, since the host that cannot be reached may be the proxy and not the one in the URL."""
    proxies = urllib.request.getproxies()
    is_direct = urllib.request.proxy_bypass(error.request.url.host)
    return ", and the environment names a proxy" if {"https", "all"} & set(proxies) and not is_direct else ""
