# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""All that agent_info tells: of a host, and of the settings that were read from it."""

from __future__ import annotations

import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent import settings as table
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.addresses import (
    endpoints_of,
    no_proxy_of,
    proxy_of,
    site_of,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.answer import Answer
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.document import IniDocument, YamlDocument
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import CORE, AgentHostError
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.ports import ports_of
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.products import logs_transport_of, products_of
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.values import Settings, base_name
from ansible_collections.netwall.datadog.plugins.plugin_utils._version import Version

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.document import Document
    from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import AgentHost

# An Agent whose version nothing tells is taken to be of the newest release, or of the newest that had such a file.
_NEWEST, _NEWEST_AGENT5 = Version((max(catalog.MAJORS),)), Version((5,))


def inform(host: AgentHost, path: str | None) -> dict[str, t.Any]:
    """What is known of the Agent on *host*; its settings are in *path*, or where the platform has them.

    Where no Agent is installed, what one may have left there is nobody's: *path* alone is read.

    Raises :class:`AgentHostError`, :class:`AgentFileError` or :class:`SettingError`.
    """
    host.expect(_expected(host, path))
    agent = host.agent
    is_read = agent is not None or path is not None
    documents = list(_documents(host, path)) if is_read else []
    main = documents[0].path if documents else None
    owner = None if main is None else host.owner(main)
    settings = Settings(documents, host.environments if is_read else {}, host.services)
    is_agent5 = bool(documents) and isinstance(documents[0], IniDocument)
    version = Version.parse(agent.version) if agent and agent.version else _NEWEST_AGENT5 if is_agent5 else _NEWEST
    told = _told(settings, host, version, is_agent5=is_agent5, is_installed=agent is not None)
    return {
        "installed": agent is not None,
        "version": agent.version if agent else None,
        "version_source": agent.source if agent else None,
        "path": main,
        "service": host.service,
        "owner": None if owner is None else owner._asdict(),
        **{name: answer.value for name, answer in told.items()},
        "sources": {name: answer.source for name, answer in told.items() if answer.source is not None},
        "warnings": [
            *(warning for answer in told.values() for warning in answer.warnings),
            *_warnings(settings, host, is_agent5=is_agent5),
        ],
    }


def _documents(host: AgentHost, path: str | None) -> t.Iterator[Document]:
    if path is None:
        path = host.usual_config
        content = host.read(path)
        if content is None:
            path = host.agent5_config
            content = host.read_if_there(path)
    else:
        content = host.read(path)
        if content is None:
            raise AgentHostError(f"There is no file {path} on the host.")
    if content is None:
        return
    if path.lower().endswith(".conf"):
        yield IniDocument(path, content)
        return
    yield YamlDocument(path, content)
    beside = _beside(path)
    more = host.read_if_there(beside)
    if more is not None:
        yield YamlDocument(beside, more)


def _expected(host: AgentHost, path: str | None) -> list[str]:
    """Which files may be asked for."""
    paths = [host.usual_config, host.agent5_config] if path is None else [path]
    return [*paths, _beside(paths[0])]


def _beside(path: str) -> str:
    """Where the settings of the system probe are, for an Agent whose own are in *path*."""
    return path.removesuffix(base_name(path)) + table.SYSTEM_PROBE


def _told(
    settings: Settings, host: AgentHost, version: Version, *, is_agent5: bool, is_installed: bool
) -> dict[str, Answer]:
    site = site_of(settings, is_agent5=is_agent5)
    products = products_of(settings, version, site.value) if is_installed else Answer()
    transport = logs_transport_of(settings)
    ports, opened = ports_of(settings, is_agent5=is_agent5)
    return {
        "site": site,
        "products": products,
        "logs_transport": transport,
        "ports": ports,
        "non_local_traffic": opened,
        "proxy": proxy_of(settings, is_agent5=is_agent5),
        "no_proxy": no_proxy_of(settings),
        "endpoints": endpoints_of(settings, site.value, transport.value or _preferred(version), is_agent5=is_agent5),
        "buffering": _buffering(settings, host, is_agent5=is_agent5),
    }


def _preferred(version: Version) -> str:
    """How a release sends logs unless it is told."""
    return next(name for name, agents in catalog.LOGS_TRANSPORTS if version in agents)


def _buffering(settings: Settings, host: AgentHost, *, is_agent5: bool) -> Answer:
    answer = Answer({})
    for name, (kind, setting) in table.BUFFERING.items():
        value = getattr(settings, kind)(setting)
        answer.value[name] = None if value is None else value.value
        if value is not None:
            answer.parts[name] = value.source
    run = None if is_agent5 else settings.text(table.RUN_PATH)
    answer.value["usual_path"] = None if is_agent5 else host.storage_in(host.usual_run if run is None else run.value)
    if run is not None:
        answer.parts["usual_path"] = run.source
    return answer


def _warnings(settings: Settings, host: AgentHost, *, is_agent5: bool) -> t.Iterator[str]:
    for kind, setting, sentence in () if is_agent5 else table.BEYOND:
        value = getattr(settings, kind)(setting)
        if value is not None and value.value not in table.OFF:
            yield f"{setting.name} is {'on' if kind == 'flag' else 'set'} ({value.source}): {sentence}"
    for name in settings.handles:
        yield f"The value of {name} is a handle of a secret backend (ENC[...]): it can't be known here."
    core = settings.environments.get(CORE, {})
    for program, variables in settings.environments.items():
        differing = [name for name in table.SHARED_VARIABLES if variables.get(name) != core.get(name)]
        if differing:
            yield (
                f"The services {host.services[CORE]} and {host.services[program]} differ in their variables "
                f"{', '.join(differing)}: what the first has is what is told here."
            )
