# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking for a secret in all the forms in which it could leak."""

from __future__ import annotations

import base64
import typing as t
from urllib.parse import quote, quote_plus


def forms_of(secret: str) -> dict[str, str]:
    """The forms of `secret` by name: plain, URL-encoded, and Base64 as it looks at each of its three alignments."""
    data = secret.encode()
    forms = {"plain": secret, "url": quote(secret, safe=""), "url, a form's": quote_plus(secret)}
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data).decode()
        # The characters that depend on the bytes around it.
        first = (0, 2, 3)[before]
        last = len(encoded) - (0, 3, 2)[(before + len(data)) % 3]
        forms[f"base64, {before}"] = encoded[first:last].rstrip("=")
    return forms


def found(secrets: t.Iterable[str], text: str) -> list[str]:
    """The forms of the `secrets` that `text` has, without telling them; URL-encoded ones in either case."""
    return [
        f"secret {number}, {name}"
        for number, secret in enumerate(secrets)
        for name, form in forms_of(secret).items()
        if form in text or (name.startswith("url") and form.lower() in text.lower())
    ]
