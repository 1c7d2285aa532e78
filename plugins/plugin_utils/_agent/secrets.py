# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Which settings of an Agent hold secrets, and how a value is shown without them.

The names are those of the Agent's configuration (docs.datadoghq.com, "Agent Configuration Files", and the file that it
ships). When in doubt a value is masked: one too many costs a look at the host.
"""

from __future__ import annotations

import re
import typing as t

MASK = "********"

# What the last part of a name has to hold, in any case, for its value to be a secret.
_SECRET = re.compile(
    r"key|passw|passphrase|token|secret|credential|community|cookie|authorization|signature|private|bearer"
    r"|pass$|pwd$|pw$|_pat$|^pat$",
    re.IGNORECASE,
)
# Names that hold such a word and no secret: where one is, how it is fetched, or another thing of that name.
_HARMLESS = re.compile(
    r"(_|^)(path|file|file_path|timeout|port|interval|ttl|type|enabled|disabled|provider|size|max_size|command|checks"
    r"|refresh_interval|scheme|protocol|algorithm)$"
    r"|^disable_cluster_name_tag_key$|^sslkeylogfile$|^flare_stripped_keys$|^kubelet_client_key$|^syslog_key$",
    re.IGNORECASE,
)
# Below additional_endpoints, and what ends so, are keys of accounts ({URL: [KEY, …]}), and beside them these alone.
_ENDPOINTS = "additional_endpoints"
_OF_ENDPOINT = frozenset({"host", "port", "is_reliable", "use_ssl", "use_compression", "compression_level", "version"})
# What is a secret by its looks: a key of Datadog's, whatever setting it was put into, and a private key.
_KEY = re.compile(r"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{40}|[0-9a-fA-F]{32})(?![0-9A-Za-z])")
_PRIVATE = "PRIVATE KEY"
# None of these goes back over a text more than once: what is masked may be as long as a file.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,19}://")
_ASSIGNED = re.compile(
    r"((?:key|token|passw(?:or)?d|passphrase|pass|pwd|pw|secret|signature|sig|auth|authorization|credentials?|cookie)"
    r"[\"']?\s{0,8}[=:](?!//)).+",
    re.IGNORECASE | re.DOTALL,
)
_SHOWN_WITH = re.compile(r"(?<![A-Za-z])((?:bearer|basic|digest|negotiate)\s).+", re.IGNORECASE | re.DOTALL)


def is_secret(name: str) -> bool:
    """Whether what the setting *name* (dotted) has for a value is a secret as a whole."""
    *outer, last = name.split(".")
    if _is_of_endpoints(outer) and last.lower() not in _OF_ENDPOINT:
        return True
    return last.lower().endswith(_ENDPOINTS) or _is_said_by(last)


def masked(name: str, value: t.Any) -> t.Any:
    """The *value* of the setting *name* (dotted) without what is secret in it, of the same shape.

    A secret becomes ``MASK``; of a URL everything between the scheme and the last ``@`` does. Null stays null, so that
    "not set" can be told.
    """
    if isinstance(value, t.Mapping):
        return {_text(key) if isinstance(key, str) else key: _below(name, key, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        # {URL: [KEY, ...]}, whatever the URL is: "host" may be the name of one.
        is_keys = _is_of_endpoints(name.split(".")[:-1])
        return [_all_masked(item) if is_keys else masked(name, item) for item in value]
    if value is None or value == "":
        return value
    if is_secret(name):
        return MASK
    return _text(value) if isinstance(value, str) else value


def _is_of_endpoints(outer: t.Iterable[str]) -> bool:
    """Whether the sections *outer* lead below additional_endpoints."""
    return any(part.lower().endswith(_ENDPOINTS) for part in outer)


def _is_said_by(last: str) -> bool:
    return bool(_SECRET.search(last)) and not _HARMLESS.search(last)


def _below(name: str, key: t.Any, item: t.Any) -> t.Any:
    """What *key* has in the mapping that the setting *name* is."""
    if _is_said_by(name.rsplit(".", 1)[-1]):
        return _all_masked(item)
    # A key may have dots of its own, such as a URL: only the last part of a name tells.
    return masked(f"{name}.{str(key).replace('.', '-')}", item)


def _all_masked(value: t.Any) -> t.Any:
    if isinstance(value, t.Mapping):
        return {_text(key) if isinstance(key, str) else key: _all_masked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_all_masked(item) for item in value]
    return value if value is None or value == "" else MASK


def _text(text: str) -> str:
    """*text* without what is a secret by its looks, in a time that grows no faster than its length."""
    if _PRIVATE in text:
        return MASK
    # What is said to be a secret may have an @ of its own, behind which no part of it may be left.
    scheme = _SCHEME.match(text)
    if not scheme:
        text = _unassigned(text)
    elif any(_unassigned(part) != part for part in re.split("[?&]", text)[1:] if "@" in part):
        return f"{scheme[0]}{MASK}"
    _user, at, host = text.rpartition("@")
    if at:
        # A password may hold anything, also what ends it in a URL that is written as it should be.
        text = f"{scheme[0] if scheme else ''}{MASK}@{host}"
    address, mark, query = text.partition("?")
    if mark and _SCHEME.match(address):
        text = f"{_unassigned(address)}?{'&'.join(map(_unassigned, query.split('&')))}"
    else:
        text = _unassigned(text)
    return _KEY.sub(MASK, text)


def _unassigned(text: str) -> str:
    """*text* up to what stands behind the name of a secret, or behind what announces one in a header."""
    return _SHOWN_WITH.sub(rf"\1{MASK}", _ASSIGNED.sub(rf"\1{MASK}", text))
