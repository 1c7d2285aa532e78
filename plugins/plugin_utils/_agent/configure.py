# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What agent_config does with its options: read the file, edit it, have it replaced, and tell that without secrets."""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._file_change import Edit
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import AgentHost, WindowsHost
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.secrets import masked
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.windows_file import change_windows_file
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent_yaml.edit import Change, edit
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent_yaml.emit import flow
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent_yaml.errors import AgentYamlError


class ConfigureError(Exception):
    """Nothing was changed; the text is a sentence for the user, without anything that may be secret."""


def configure(host: AgentHost, options: t.Mapping[str, t.Any], *, is_check: bool, is_diff: bool) -> dict[str, t.Any]:
    """The result of the module for *options*, all of them and checked, on *host*.

    Raises :class:`ConfigureError` and :class:`AgentHostError`.
    """
    path = options["path"] or host.usual_config
    content = host.read(path)
    if content is None:
        raise ConfigureError(f"There is no file {path} on the host: is an Agent installed, or is its file elsewhere?")
    try:
        done = edit(content, options["settings"], is_present=options["state"] == "present")
    except AgentYamlError as error:
        if path.lower().endswith(".conf"):
            raise ConfigureError(
                f"{path} is left as it is. By its name it is a file of Agent 5, which is no YAML; only a datadog.yaml "
                "can be edited."
            ) from None
        raise ConfigureError(f"{path} is left as it is. {error}") from None
    result: dict[str, t.Any] = {
        "changed": bool(done.changes),
        "path": path,
        "target": path,
        "checksum": _sha256(done.content),
        "changes": [_shown(change) for change in done.changes],
    }
    if done.changes:
        wanted = Edit(_sha256(content), result["checksum"], done.splices)
        result.update(_changed(host, path, wanted, backup=options["backup"], is_check=is_check))
    if is_diff:
        result["diff"] = {
            "before_header": path,
            "after_header": path,
            # What is taken out was there, and what is set is there, also where it is null.
            "before": _lines(result["changes"], "before", is_there=options["state"] == "absent"),
            "after": _lines(result["changes"], "after", is_there=options["state"] == "present"),
        }
    return result


def _changed(host: AgentHost, path: str, wanted: Edit, *, backup: bool, is_check: bool) -> dict[str, t.Any]:
    """Have the file changed; what the host tells of it."""
    if isinstance(host, WindowsHost):
        answer = change_windows_file(host, path, wanted, backup=backup, is_check=is_check)
    else:
        # The module needs no settings: the edit has them.
        arguments = {"settings": {}, "path": path, "backup": backup, "edit": wanted.to_text()}
        answer = host.run("netwall.datadog.agent_config", arguments, is_secret=True)
    if answer.get("failed"):
        raise ConfigureError(str(answer.get("msg") or f"The host did not change {path} and did not say why."))
    return {name: answer[name] for name in ("target", "backup_file", "warnings") if answer.get(name)}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _shown(change: Change) -> dict[str, t.Any]:
    return {
        "name": change.name,
        "before": _readable(masked(change.name, change.before)),
        "after": _readable(masked(change.name, change.after)),
    }


def _readable(value: t.Any) -> t.Any:
    """*value* so that a result can hold it: dates and what has a tag of its own as text."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _readable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_readable(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float)) else f"({type(value).__name__})"


def _lines(changes: t.Iterable[dict[str, t.Any]], side: str, *, is_there: bool) -> str:
    """The settings as lines; null is one of them where *is_there*, and else no setting."""
    shown = [(change["name"], change[side]) for change in changes]
    return "".join(f"{name}: {flow(value)}\n" for name, value in shown if is_there or value is not None)
