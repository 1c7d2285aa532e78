# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the stand-in reads at start: datadog.yaml, and the DD_* variables of its environment, which win over it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

FILE = Path("/etc/datadog-agent/datadog.yaml")
STORAGE = "/opt/datadog-agent/run/transactions_to_retry"
# The first release that can keep on disk what it cannot send.
STORAGE_SINCE = (7, 27, 0)

# What the stand-in knows of datadog.yaml, with the defaults that the real Agent documents.
DEFAULTS: Mapping[str, Any] = {
    "api_key": "",
    "site": "datadoghq.com",
    "dd_url": "",
    "bind_host": "localhost",
    "proxy.https": "",
    "proxy.no_proxy": [],
    "use_dogstatsd": True,
    "dogstatsd_port": 8125,
    "dogstatsd_non_local_traffic": False,
    "cmd_port": 5001,
    "expvar_port": 5000,
    "GUI_port": -1,
    "apm_config.enabled": True,
    "apm_config.receiver_port": 8126,
    "apm_config.apm_non_local_traffic": False,
    "apm_config.debug.port": 5012,
    "process_config.expvar_port": 6062,
    "process_config.cmd_port": 6162,
    "otlp_config.receiver.protocols.grpc.endpoint": "",
    "otlp_config.receiver.protocols.http.endpoint": "",
    "logs_enabled": False,
    "logs_config.use_tcp": False,
    "logs_config.force_use_tcp": False,
    "forwarder_retry_queue_payloads_max_size": 15 * 1024 * 1024,
    "forwarder_storage_max_size_in_bytes": 0,
    "forwarder_storage_path": STORAGE,
    "forwarder_storage_max_disk_ratio": 0.8,
    "forwarder_outdated_file_in_days": 10,
}
# Never told, not even to who may ask for the rest.
_SECRET = ("api_key",)
_WITH_PASSWORD = ("proxy.https",)
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


class ConfigurationError(Exception):
    """The Agent cannot start with its settings: one sentence without any value that may be secret."""


def load(path: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Read every setting of `DEFAULTS`, by its dotted name; raises `ConfigurationError`."""
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ConfigurationError(f"{path} is not YAML: line {line}: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigurationError(f"{path} is not YAML: it has characters that are not allowed") from None
    if not isinstance(content, dict | None):
        raise ConfigurationError(f"{path} is not a mapping of settings")
    found = {}
    for name, default in DEFAULTS.items():
        value = environment.get("DD_" + name.upper().replace(".", "_"))
        given = _at(content or {}, name) if value is None else value
        found[name] = _converted(name, default if given is None else given, default)
    if not found["api_key"]:
        raise ConfigurationError(f"no API key is configured: set api_key in {path}")
    return found


def shown(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give the settings that anybody may see: without the key, a proxy without user and password."""
    found = {name: value for name, value in settings.items() if name not in _SECRET}
    for name in _WITH_PASSWORD:
        if found[name]:
            url = urlsplit(found[name])
            found[name] = f"{url.scheme}://{url.netloc.rpartition('@')[2]}"
    return found


def _at(content: Mapping[Any, Any], name: str) -> Any:
    """The value of a dotted name; None where it, or a section that it is in, is missing or empty."""
    value: Any = content
    for part in name.split("."):
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise ConfigurationError(f"the setting {name} has something above it that is no section")
        value = value.get(part)
    return value


def _converted(name: str, value: Any, default: Any) -> Any:
    """The value as what its default is; texts are understood, as the environment has nothing else."""
    try:
        if isinstance(default, bool):
            return _is_true(value)
        if isinstance(default, int | float):
            return type(default)(_text(value))
        if isinstance(default, list):
            return [_text(part) for part in (value.split() if isinstance(value, str) else list(value))]
        return _text(value)
    except (TypeError, ValueError):
        kind = {bool: "true or false", int: "a whole number", float: "a number", list: "a list", str: "a text"}
        raise ConfigurationError(f"the setting {name} is not {kind[type(default)]}") from None


def _is_true(value: Any) -> bool:
    word = str(value).lower()
    if word not in _TRUTH:
        raise ValueError
    return _TRUTH[word]


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    return str(value)
