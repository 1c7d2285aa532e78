# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab's keys and certificates: made when it comes up, put into its machines, gone with it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from . import world
from .shell import put, run


def make(folder: Path) -> None:
    """Make one SSH key for people, one for all hosts, a certificate authority and the internet's certificate.

    And what an Agent has to keep secret: an API key, and the password of the proxy that asks for one.
    """
    for name in ("key", "host_key"):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(folder / name)])
    kind, public, _comment = (folder / "host_key.pub").read_text(encoding="utf-8").split()
    put(folder / "known_hosts", f"* {kind} {public}\n")
    _certify(folder, "ca", "Lab CA", ["keyUsage=critical,keyCertSign,cRLSign"])
    alternatives = ",".join(f"DNS:{name}" for name in world.certificate_names())
    extensions = ["basicConstraints=critical,CA:FALSE", f"subjectAltName={alternatives}"]
    _certify(
        folder, "server", "Lab server", extensions, ["-CA", str(folder / "ca.pem"), "-CAkey", str(folder / "ca.key")]
    )
    put(folder / "api-key", secrets.token_hex(16), mode=0o600)
    # With characters that have another form in a URL.
    put(folder / "proxy-password", f"{secrets.token_hex(6)}/+@{secrets.token_hex(6)}", mode=0o600)


def _certify(folder: Path, name: str, subject: str, extensions: list[str], signer: list[str] | None = None) -> None:
    """Make `name`.key and `name`.pem, signed by itself or by `signer`."""
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]
    files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
    added = [word for extension in extensions for word in ("-addext", extension)]
    run([*request, "-days", "825", "-subj", f"/CN={subject}", *files, *added, *(signer or [])])


def hand_out(folder: Path, root: Path) -> None:
    """Put into the machine with this `root`: its host key, who may log in, and trust in the lab's CA."""
    texts = {
        name: (folder / name).read_text(encoding="utf-8") for name in ("key.pub", "host_key", "host_key.pub", "ca.pem")
    }
    put(root / "etc/ssh/ssh_host_ed25519_key", texts["host_key"], mode=0o600)
    put(root / "etc/ssh/ssh_host_ed25519_key.pub", texts["host_key.pub"])
    for home in (root / "root", root / "home/operator"):
        owner = home.stat()
        put(home / ".ssh/authorized_keys", texts["key.pub"], mode=0o600)
        for path in (home / ".ssh", home / ".ssh/authorized_keys"):
            os.chown(path, owner.st_uid, owner.st_gid)
    # What update-ca-certificates would take a second for: the bundle, and the file that OpenSSL finds by its hash.
    certificates = root / "etc/ssl/certs"
    found_by = run(["openssl", "x509", "-in", str(folder / "ca.pem"), "-noout", "-hash"]).strip()
    put(root / "usr/local/share/ca-certificates/lab.crt", texts["ca.pem"])
    put(certificates / f"{found_by}.0", texts["ca.pem"])
    bundle = certificates / "ca-certificates.crt"
    put(bundle, bundle.read_text(encoding="utf-8") + texts["ca.pem"])


def hand_out_to_servers(folder: Path, root: Path) -> None:
    """Put the internet's own key and certificate where its servers look for them, and whom the proxy knows."""
    for name in ("server.pem", "server.key"):
        put(root / "etc/lab" / name, (folder / name).read_text(encoding="utf-8"), mode=0o600)
    password = (folder / "proxy-password").read_text(encoding="utf-8")
    hashed = run(["openssl", "passwd", "-apr1", "-stdin"], stdin=f"{password}\n").strip()
    put(root / "etc/lab/proxy-users", f"{world.PROXY_USER}:{hashed}\n")
