# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""On which ports an Agent listens that are not where its release has them, and which of them other hosts may reach."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent import numbers
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent import settings as table
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.answer import Answer
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.values import Setting

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.values import Settings, Value

_DEFAULTS = {local.name: local.port for local in catalog.LOCAL_PORTS}
_OFF = 0


def ports_of(settings: Settings, *, is_agent5: bool) -> tuple[Answer, Answer]:
    """The ports that are moved, opened on request or switched off (0 or -1), and the names of those open to others.

    Names are the catalog's. Raises :class:`SettingError`.
    """
    ports, opened = Answer({}), Answer({})
    for name, setting in (table.AGENT5_PORTS if is_agent5 else table.PORTS).items():
        value = settings.port(setting)
        if value is not None and value.value != _DEFAULTS[name]:
            ports.value[name] = value.value
            ports.found(value)
    for name, setting in table.AGENT5_CLOSED_BY if is_agent5 else table.CLOSED_BY:
        value = settings.flag(setting)
        if value is not None and not value.value:
            ports.value[name] = _OFF
            ports.found(value)
    _open_to_others(settings, table.AGENT5_OPENED_BY if is_agent5 else table.OPENED_BY, ports, opened)
    if not is_agent5:
        _otlp(settings, ports, opened)
        _snmp_traps(settings, ports, opened)
        _netflow(settings, ports, opened)
    return ports, opened


def _open_to_others(
    settings: Settings, switches: t.Iterable[tuple[str, Setting]], ports: Answer, opened: Answer
) -> None:
    host = settings.text(table.BIND_HOST)
    for name, setting in switches:
        if ports.value.get(name, _DEFAULTS[name]) <= _OFF:
            continue
        value = settings.flag(setting)
        if value is not None and value.value:
            opened.value[name] = True
            opened.found(value)
        elif host is not None and not _is_loopback(host.value):
            opened.value[name] = True
            opened.found(host)


def _otlp(settings: Settings, ports: Answer, opened: Answer) -> None:
    for name, section in table.OTLP:
        setting = Setting(f"{section}.endpoint")
        endpoint = settings.text(setting)
        there = endpoint or settings.is_there(Setting(section))
        transport = settings.text(Setting(f"{section}.transport"))
        if there is None or (transport is not None and transport.value not in table.OTLP_TRANSPORTS):
            continue
        host, port = ("", _DEFAULTS[name]) if endpoint is None else _listening(endpoint, setting)
        _listens(name, host, port, there, ports, opened)


def _snmp_traps(settings: Settings, ports: Answer, opened: Answer) -> None:
    enabled = settings.flag(Setting(f"{table.SNMP_TRAPS}.enabled"))
    if enabled is None or not enabled.value:
        return
    port = settings.port(Setting(f"{table.SNMP_TRAPS}.port"))
    host = settings.text(Setting(f"{table.SNMP_TRAPS}.bind_host"))
    number = _DEFAULTS["snmp-traps"] if port is None else port.value
    _listens("snmp-traps", "" if host is None else host.value, number, port or enabled, ports, opened)


def _netflow(settings: Settings, ports: Answer, opened: Answer) -> None:
    enabled = settings.flag(Setting(f"{table.NETFLOW}.enabled"))
    if enabled is None or not enabled.value:
        return
    setting = Setting(f"{table.NETFLOW}.listeners")
    listeners = settings.items(setting)
    if listeners is None:
        return
    for listener in listeners.value:
        name = listener.get("flow_type")
        if name not in table.NETFLOW_PORTS:
            raise listeners.error(
                setting, f"a list whose flow_type is each one of {', '.join(sorted(table.NETFLOW_PORTS))}"
            )
        port = numbers.whole(listener.get("port") or table.NETFLOW_PORTS[name])
        if port is None or not 0 < port <= 65535:
            raise listeners.error(setting, "a list whose port is each a port")
        if name in ports.value and ports.value[name] != port:
            ports.warnings.append(
                f"There are several listeners for {name} ({listeners.source}), of which a policy knows one port: "
                f"{ports.value[name]}. The port {port} has to be dealt with by extra flows."
            )
            continue
        _listens(name, str(listener.get("bind_host") or ""), port, listeners, ports, opened)


def _listens(name: str, host: str, port: int, value: Value, ports: Answer, opened: Answer) -> None:
    ports.value[name] = port
    ports.found(value)
    if port > _OFF and not _is_loopback(host):
        opened.value[name] = True
        opened.found(value)


def _listening(endpoint: Value, setting: Setting) -> tuple[str, int]:
    """Host and port of HOST:PORT; no host means every one."""
    host, _colon, port = endpoint.value.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise endpoint.error(setting, "of the form HOST:PORT")
    return host.strip("[]"), int(port)


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
