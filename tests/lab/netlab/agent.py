# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stand-in for the Datadog Agent: its Debian package, built once and cached, and how it gets onto a host."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from . import world
from .hosts import Lab
from .shell import LabError, cache_folder, locked, put, run

DEFAULT_VERSION = "1:7.60.0-1"
# What a person may write for the proxy with its user and password, and for the API key.
PROXY, KEY = "@PROXY@", "@API_KEY@"

_SOURCES = Path(__file__).resolve().parents[1] / "agent"
_VERSION = re.compile(r"([0-9]+:)?(?P<release>[0-9]+\.[0-9]+\.[0-9]+)(-[0-9]+)?")
_UNITS = ("datadog-agent", "datadog-agent-trace", "datadog-agent-process")
_CONTROL = """\
Package: datadog-agent
Version: {version}
Architecture: all
Maintainer: the netwall.datadog authors <lab@lab.example>
Depends: python3 (>= 3.11)
Section: utils
Priority: optional
Description: stand-in for the Datadog Agent in a lab
 It has the real one's name, user, files, units and local ports, reads its
 settings, and sends payloads that say nothing.
"""

# What the Agent's programs are; which one it is, its name says.
_PROGRAM = """\
#!/usr/bin/python3 -IB
import os
import sys

sys.path.insert(0, "/opt/datadog-agent/embedded/lib")

from standin.main import main

sys.exit(main(os.path.basename(sys.argv[0])))
"""
# $1 the package.
_INSTALL = """
dpkg --install "$1" >/dev/null
rm "$1"
"""
# Its settings are on standard input. As the real installer does it: the Agent owns the file, others cannot read it.
_CONFIGURE = """
cd /etc/datadog-agent
umask 077
cat >datadog.yaml.new
chown dd-agent:dd-agent datadog.yaml.new
chmod 0640 datadog.yaml.new
mv datadog.yaml.new datadog.yaml
systemctl reset-failed datadog-agent.service
systemctl restart datadog-agent.service
"""


def install(lab: Lab, name: str, version: str, settings: str) -> None:
    """Install the package on a host, and start it with the shipped datadog.yaml, the lab's API key and `settings`.

    `settings` is YAML that comes after what is shipped; `@PROXY@` in it is the lab's proxy that asks for a password,
    `@API_KEY@` the key.
    """
    package = build(version)
    lab.host(name)
    place = lab.space.folder() / "hosts" / name / "root/var/tmp" / package.name
    shutil.copyfile(package, place)
    run(lab.console(name, ["sh", "-euc", _INSTALL, "-", f"/var/tmp/{package.name}"]))
    run(lab.console(name, ["sh", "-euc", _CONFIGURE]), stdin=configuration(lab, settings))


def configuration(lab: Lab, settings: str) -> str:
    """Write a datadog.yaml with the lab's secrets."""
    key, password = ((lab.folder / file).read_text(encoding="utf-8") for file in ("api-key", "proxy-password"))
    shipped = (_SOURCES / "files/datadog.yaml.example").read_text(encoding="utf-8")
    text = shipped.replace("\napi_key:\n", f"\napi_key: {KEY}\n")
    if settings:
        text += f"\n{settings.rstrip()}\n"
    proxy = f"http://{world.PROXY_USER}:{quote(password, safe='')}@proxy.lab.example:{world.ASKING_PROXY_PORT}"
    return text.replace(KEY, key).replace(PROXY, proxy)


def build(version: str) -> Path:
    """Give the package of that version, such as 1:7.60.0-1; built if no earlier run did."""
    found = _VERSION.fullmatch(version)
    if found is None:
        raise LabError(f"{version!r} is no version of an Agent's package: write one like {DEFAULT_VERSION}")
    content = _content(found["release"], version)
    key = hashlib.sha256(repr(sorted(content.items())).encode()).hexdigest()[:8]
    package = cache_folder() / "lab-packages" / f"datadog-agent_{version.partition(':')[2] or version}_{key}.deb"
    with locked(package.parent.with_suffix(".lock")):
        if not package.exists():
            package.parent.mkdir(parents=True, exist_ok=True)
            _build(content, package)
    return package


def _content(release: str, version: str) -> Mapping[str, tuple[str, int]]:
    """Path in the package → its text and mode."""
    opt, etc, units = "opt/datadog-agent", "etc/datadog-agent", "lib/systemd/system"
    files = {path.name: path.read_text(encoding="utf-8") for path in (_SOURCES / "files").iterdir()}
    found = {
        "DEBIAN/control": (_CONTROL.format(version=version), 0o644),
        **{f"DEBIAN/{name}": (files[name], 0o755) for name in ("postinst", "prerm")},
        **{f"{units}/{name}.service": (files[f"{name}.service"], 0o644) for name in _UNITS},
        f"{etc}/datadog.yaml.example": (files["datadog.yaml.example"], 0o644),
        f"{opt}/version-manifest.json": (json.dumps({"build_version": release}) + "\n", 0o644),
        f"{opt}/bin/agent/agent": (_PROGRAM, 0o755),
        **{f"{opt}/embedded/bin/{name}-agent": (_PROGRAM, 0o755) for name in ("trace", "process")},
    }
    # As the real Agent does, it brings its own libraries: none that a host's Python would find.
    for folder in (_SOURCES / "standin", _yaml()):
        for path in sorted(folder.glob("*.py")):
            found[f"{opt}/embedded/lib/{folder.name}/{path.name}"] = (path.read_text(encoding="utf-8"), 0o644)
    return found


def _yaml() -> Path:
    """The folder of PyYAML, of which the part that is written in Python runs everywhere."""
    spec = importlib.util.find_spec("yaml")
    if spec is None or spec.origin is None:
        raise LabError("the Agent's package is built with PyYAML, which this Python lacks: use 'make lab-shell'")
    return Path(spec.origin).parent


def _build(content: Mapping[str, tuple[str, int]], package: Path) -> None:
    with tempfile.TemporaryDirectory(dir=package.parent) as folder:
        root = Path(folder) / "root"
        for path, (text, mode) in content.items():
            put(root / path, text, mode=mode)
        (root / "usr/bin").mkdir(parents=True)
        (root / "usr/bin/datadog-agent").symlink_to("/opt/datadog-agent/bin/agent/agent")
        draft = Path(folder) / package.name
        run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(root), str(draft)])
        draft.rename(package)
