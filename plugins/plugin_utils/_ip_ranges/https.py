# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Downloads over HTTPS, with checked certificates and with patience.

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

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.source import Connection

# A whole attempt (name, connection, handshake, redirects, body) may take this many times the timeout.
ATTEMPT_FACTOR = 3
# Seconds before the second attempt, and twice as many before each further one.
_FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
# Characters of a version's name; a longer one might make the next request too large for the server that gave it.
_LONGEST_NAME = 1000
# Bytes of an answer that are read although nobody wants them.
_LITTLE = 1 << 16
_HEADERS = {"User-Agent": "netwall.datadog", "Accept": "application/json", "Accept-Encoding": "gzip"}

_Result = t.TypeVar("_Result")


class DownloadError(Exception):
    """There is no download; the text is a clause that says why, without the URL.

    ``status`` is what the server answered with, None where it did not.
    """

    def __init__(self, clause: str, status: int | None = None) -> None:
        super().__init__(clause)
        self.status = status


class _PassingError(DownloadError):
    """A fault that may be gone in a second."""


class _LateError(_PassingError):
    """An attempt was not over in its time, and goes on in a thread that is left behind."""


class Answer(t.NamedTuple):
    """A body, and what the server calls this version of it; ``body`` is None if it is the version that was named."""

    body: bytes | None
    etag: str | None
    last_modified: str | None


class Downloads:
    """One after the other, over one connection where they lead to the same server; used as a context manager.

    Proxies come from the environment (``HTTPS_PROXY``, ``NO_PROXY``, …) unless *how* names one. Raises
    :class:`DownloadError` where what *how* names can't be used, and :class:`MissingPackageError`.
    """

    def __init__(self, how: Connection) -> None:
        if not HAS_HTTPX:
            raise MissingPackageError("httpx", "to download address ranges")
        # Ansible's log takes in what is INFO anywhere, and httpx tells every URL, whole, at that level.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._how = how
        self._trust = _trust(how)
        self._client: httpx.Client | None = None

    def __enter__(self) -> Downloads:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._client:
            self._client.close()

    def get(self, url: str, *, etag: str | None = None, last_modified: str | None = None) -> Answer:
        """What is at the https *url*, unless it is still the version that *etag* or *last_modified* name.

        Raises :class:`DownloadError`.
        """
        known = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in known.items() if value}
        for attempt in range(self._how.retries + 1):
            if attempt:
                # Jitter, so that many controllers do not come back in step.
                time.sleep(min(LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1)) * random.uniform(0.5, 1))
            try:
                return _within(self._how.timeout * ATTEMPT_FACTOR, lambda: self._attempt(url, headers))
            except _PassingError as error:
                # It may have been the connection. What a thread that was left behind still uses is left to it.
                client, self._client = self._client, None
                if client and not isinstance(error, _LateError):
                    client.close()
                fault = error
        tried = f", tried {self._how.retries + 1} times" if self._how.retries else ""
        raise DownloadError(f"{fault}{tried}", fault.status)

    def _attempt(self, url: str, headers: t.Mapping[str, str]) -> Answer:
        with _own_faults(self._how):
            self._client = client = self._client or _client(self._how, self._trust)
            target = httpx.URL(url)
            auth = (target.username, target.password) if target.userinfo else None
            request = client.build_request("GET", target.copy_with(userinfo=b""), headers=headers)
            for step in range(self._how.max_redirects + 1):
                with contextlib.closing(client.send(request, auth=auth, stream=True)) as response:
                    if response.next_request is None:
                        answer = _answer(response, self._how.max_size, is_version_known=bool(headers) and not step)
                        # A version is one of a single resource, and the next time it may be led to another one.
                        return answer._replace(etag=None, last_modified=None) if step else answer
                    _drain(response)
                # httpx has carried the credentials over, unless the redirect leads to another host.
                request, auth = response.next_request, None
                for name in headers:
                    request.headers.pop(name, None)
                if request.url.scheme != "https":
                    raise DownloadError(f"it is redirected from https to {request.url.scheme}")
            raise DownloadError(f"it is redirected more than {self._how.max_redirects} times")


def _trust(how: Connection) -> ssl.SSLContext:
    try:
        context = _authorities(how.ca_path)
    except ssl.SSLError:
        raise DownloadError(f"ca_path {how.ca_path} cannot be used (it holds no certificates)") from None
    except OSError as error:
        raise DownloadError(f"ca_path {how.ca_path} cannot be used ({error.strerror})") from None
    if how.client_cert is not None:
        try:
            # Without a password to try, OpenSSL would ask for one at the terminal.
            context.load_cert_chain(how.client_cert, how.client_key, password="")
        except ssl.SSLError:
            raise DownloadError(
                f"client_cert {how.client_cert} cannot be used (it and client_key are no certificate and its key, in "
                "PEM and without a password)"
            ) from None
        except OSError as error:
            raise DownloadError(f"client_cert or client_key cannot be read ({error.strerror})") from None
    return context


def _authorities(ca_path: str | None) -> ssl.SSLContext:
    if ca_path is not None and os.path.isdir(ca_path):
        return ssl.create_default_context(capath=ca_path)
    if ca_path is not None:
        return ssl.create_default_context(cafile=ca_path)
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
        raise _LateError(f"it was not complete after {seconds:g} seconds") from None
    if error is not None:
        raise error
    return t.cast("_Result", result)


def _client(how: Connection, trust: ssl.SSLContext) -> httpx.Client:
    whose = _whose_proxy(how)
    try:
        if not how.proxy:
            return httpx.Client(verify=trust, timeout=how.timeout, headers=_HEADERS)
        # Beside a proxy that was named, those of the environment (and NO_PROXY) would still be used for some servers.
        through = httpx.HTTPTransport(verify=trust, proxy=_proxy(how.proxy, how.ca_path))
        return httpx.Client(transport=through, timeout=how.timeout, headers=_HEADERS, trust_env=False)
    except ImportError:
        raise MissingPackageError("socksio", f"for {whose}, which speaks SOCKS") from None
    except (httpx.InvalidURL, ValueError):
        raise DownloadError(f"{whose} is no usable URL") from None


def _proxy(url: str, ca_path: str | None) -> httpx.Proxy:
    if not url.lower().startswith("https:"):
        return httpx.Proxy(url)
    try:
        # Left to itself, httpx trusts nobody but its own certificates where the proxy itself speaks TLS.
        return httpx.Proxy(url, ssl_context=_authorities(ca_path))
    except TypeError:
        raise DownloadError("a proxy that speaks TLS itself needs httpx 0.26 or later; update it") from None


def _whose_proxy(how: Connection) -> str:
    return "the proxy that 'proxy' names" if how.proxy else "the proxy that the environment names"


def _answer(response: httpx.Response, largest: int, *, is_version_known: bool) -> Answer:
    status = response.status_code
    if status >= 500 or status == 429:
        raise _PassingError(f"the server answered with status {status}", status)
    if status != 200:
        _drain(response)
    if status != 200 and not (status == 304 and is_version_known):
        raise DownloadError(f"the server answered with status {status}", status)
    body = None if status == 304 else _body(response, largest)
    return Answer(body, _version_name(response, "ETag"), _version_name(response, "Last-Modified"))


def _version_name(response: httpx.Response, header: str) -> str | None:
    """What *header* calls this version; None if it is nothing that could be sent back."""
    name = response.headers.get(header)
    return name if name and name.isascii() and name.isprintable() and len(name) <= _LONGEST_NAME else None


def _drain(response: httpx.Response) -> None:
    """Read what nobody wants, if it is little: the connection can then be used again."""
    left = _LITTLE
    with contextlib.suppress(httpx.HTTPError):
        for chunk in response.iter_raw():
            left -= len(chunk)
            if left < 0:
                return


def _body(response: httpx.Response, largest: int) -> bytes:
    # Unpacked here and not by httpx, so that a small answer cannot become a large one before it is measured.
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip", "x-gzip"}:
        raise DownloadError(f"the server answered in the encoding {encoding[:40]!r}")
    gunzip = None if encoding == "identity" else zlib.decompressobj(wbits=31)
    body = bytearray()
    received = 0
    try:
        for chunk in response.iter_raw():
            received += len(chunk)
            body += gunzip.decompress(chunk, largest + 1) if gunzip else chunk
            if max(received, len(body)) > largest:
                raise DownloadError(f"it has more than {largest} bytes, which is what max_size is")
    except zlib.error:
        raise _PassingError("its gzip encoding is damaged") from None
    if gunzip and not gunzip.eof:
        raise _PassingError("its gzip encoding is cut off")
    return bytes(body)


@contextlib.contextmanager
def _own_faults(how: Connection) -> t.Iterator[None]:
    """Turn what httpx raises into :class:`DownloadError`."""
    timeout = how.timeout
    try:
        yield
    except httpx.ConnectTimeout as error:
        note = _proxy_note(how, error)
        raise _PassingError(f"there was no connection within {timeout:g} seconds{note}") from None
    except httpx.TimeoutException as error:
        raise _PassingError(f"there was no answer for {timeout:g} seconds{_proxy_note(how, error)}") from None
    except httpx.ProxyError as error:
        kind = DownloadError if str(error).startswith("4") else _PassingError
        raise kind(f"{_whose_proxy(how)} refused it ({error})") from None
    except httpx.RequestError as error:
        raise _of_connection(error, _proxy_note(how, error)) from None
    except (httpx.InvalidURL, UnicodeError):
        raise DownloadError("a URL on the way (its own, a redirect's or the proxy's) is malformed") from None


def _of_connection(error: httpx.RequestError, note: str) -> DownloadError:
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


def _proxy_note(how: Connection, error: httpx.RequestError) -> str:
    """A hint, since the host that cannot be reached may be the proxy and not the one in the URL."""
    if how.proxy:
        return ", and 'proxy' names a proxy"
    proxies = urllib.request.getproxies()
    is_direct = urllib.request.proxy_bypass(error.request.url.host)
    return ", and the environment names a proxy" if {"https", "all"} & set(proxies) and not is_direct else ""
