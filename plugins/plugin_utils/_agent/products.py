# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What an Agent sends with its settings, and how it sends logs."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent import settings as table
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.answer import Answer

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.values import Setting, Settings, Value
    from ansible_collections.netwall.datadog.plugins.plugin_utils._version import Version


def products_of(settings: Settings, agent: Version, site: str | None) -> Answer:
    """The catalog's names of what *agent* sends, in the catalog's order: what it does as shipped, and what is set.

    Raises :class:`SettingError`.
    """
    # Where nothing says the site, the Agent takes this one.
    its_site = site or catalog.US1
    shipped = {
        product.name
        for product in catalog.PRODUCTS
        if agent in product.default and catalog.is_offered(product, its_site)
    }
    is_agent5 = agent in catalog.OLD_AGENTS
    answer = Answer(sources=["as shipped"])
    switched: dict[str, bool] = {}
    touched: set[str] = set()
    older_way = {} if is_agent5 else _older_way(settings)
    for switch in table.AGENT5_SWITCHES if is_agent5 else table.SWITCHES:
        value = older_way.get(switch.setting) or _switched(settings, switch)
        answer.found(value)
        for name in switch.products:
            is_on = (name in shipped if switch.is_on is None else switch.is_on) if value is None else value.value
            # One of several switches is enough.
            switched[name] = switched.get(name, False) or is_on
            if value is not None:
                touched.add(name)
    names = {name for name in shipped if name not in touched} | {name for name in touched if switched[name]}
    answer.value = [product.name for product in catalog.PRODUCTS if product.name in names]
    return answer


def logs_transport_of(settings: Settings) -> Answer:
    """``http`` or ``tcp``, None if nothing is set. Raises :class:`SettingError`."""
    answer = Answer()
    for transport, setting in table.LOGS_TRANSPORTS:
        value = settings.flag(setting)
        if value is not None and value.value:
            answer.value = transport
            answer.found(value)
            return answer
    socks = settings.text(table.LOGS_SOCKS)
    if socks is not None:
        answer.value = "tcp"
        answer.found(socks)
        answer.warnings.append(
            f"Logs go through the SOCKS5 proxy that {table.LOGS_SOCKS.name} names ({socks.source}), which has to be "
            "allowed by extra flows."
        )
    additional = settings.items(table.LOGS_ADDITIONAL)
    if additional is not None and additional.value:
        answer.value = "tcp"
        answer.found(additional)
        answer.warnings.append(
            f"With {table.LOGS_ADDITIONAL.name} ({additional.source}) the Agent sends logs over TCP, unless "
            "logs_config.force_use_http is on."
        )
    return answer


def _switched(settings: Settings, switch: table.Switch) -> Value | None:
    """Whether *switch* says on or off; None where it says neither."""
    if switch.kind == "flag":
        return settings.flag(switch.setting)
    if switch.kind == "filled":
        value = settings.items(switch.setting)
        return None if value is None or not value.value else dataclasses.replace(value, value=True)
    value = settings.text(switch.setting)
    return None if value is None or value.value != switch.kind else dataclasses.replace(value, value=True)


def _older_way(settings: Settings) -> dict[Setting, Value]:
    """What process_config.enabled, if it is set, makes of the settings that came after it."""
    value = settings.text(table.PROCESS_CONFIG)
    if value is None:
        return {}
    text = value.value.lower()
    if value.is_variable and text != "true":
        text = "disabled"
    if text not in table.PROCESS_CONFIG_MEANS:
        raise value.error(table.PROCESS_CONFIG, "one of true, false and disabled")
    processes, containers = table.PROCESS_CONFIG_MEANS[text]
    return {
        table.PROCESS_COLLECTION: dataclasses.replace(value, value=processes),
        table.CONTAINER_COLLECTION: dataclasses.replace(value, value=containers),
    }
