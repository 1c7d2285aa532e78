# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Where an Agent's data goes: its site, other destinations, the proxy. No user, password or key comes out of here."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from urllib.parse import urlsplit

from ansible_collections.netwall.datadog.plugins.plugin_utils import _catalog as catalog
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent import numbers
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent import settings as table
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.answer import Answer
from ansible_collections.netwall.datadog.plugins.plugin_utils._hosts import (
    Place,
    PlaceError,
    is_address,
    is_host,
    parse_place,
    scheme_of,
    without_user,
)
from ansible_collections.netwall.datadog.plugins.plugin_utils._hosts import site_of as site_of_host
from ansible_collections.netwall.datadog.plugins.plugin_utils._proxy import Proxy, ProxyError

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.values import Setting, Settings, Value

# A word that could be a key which stands in the wrong place: no host is called that.
_KEY = re.compile(r"[0-9a-f]{16,}\.?", re.ASCII)

# Part of a value that the Agent asks a program for.
_HANDLE = re.compile(r"ENC\[")
_EVERYWHERE = "*"
# Said of what is no URL that has a user in it, or may have one: these signs end it for the Agent, too.
_ENCODED = "; percent-encode the signs / ? # of a user or password in it"
_ENTRY = re.compile(
    r"(?P<below>\*?\.)?(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<host>[^/:@]+|[0-9a-f:.]+))(?P<bits>/[0-9]{1,3})?"
    r"(?::(?P<port>[0-9]+))?",
    re.ASCII,
)
_HTTPS = 443


class Destination(t.NamedTuple):
    """A host and a port that data is sent to."""

    host: str
    port: int


def site_of(settings: Settings, *, is_agent5: bool) -> Answer:
    """The site that is set, or that dd_url is of. Raises :class:`SettingError`."""
    answer = Answer()
    site = settings.text(table.SITE)
    if site is not None:
        answer.value = site.value.lower().removesuffix(".")
        if not _may_be_told(answer.value):
            raise site.error(table.SITE, "the name of a site, such as datadoghq.eu")
        answer.found(site)
        return answer
    for url, setting in _main_urls(settings, is_agent5)[:1]:
        place = _destination(url, setting, _HTTPS)
        answer.value = site_of_host(place.host) if place else None
        answer.found(url)
        if answer.value and answer.value != catalog.US1 and not is_agent5:
            answer.warnings.append(
                f"{setting.name} ({url.source}) says where metrics go and is taken for the site {answer.value}. As "
                f"site is not set, the Agent sends everything else to {catalog.US1}: set site."
            )
    return answer


def endpoints_of(settings: Settings, site: str | None, transport: str, *, is_agent5: bool) -> Answer:
    """Where data goes instead of, or beside, where the *site* has it go; logs by *transport*.

    Raises :class:`SettingError`.
    """
    answer = Answer([])
    if is_agent5:
        for number, (url, setting) in enumerate(_main_urls(settings, is_agent5)):
            _add(answer, table.TARGETS[0], url, _destination(url, setting, _HTTPS), site, is_additional=number > 0)
        return answer
    host_on_443 = _host_on_443(settings, transport)
    for target in table.TARGETS:
        if not _counts(settings, target):
            continue
        usual = table.LOGS_PORTS[transport] if table.LOGS in target.products else _HTTPS
        places = _places(settings, target, usual)
        if target.setting == table.LOGS_HOST and host_on_443 is not None:
            places = iter([(host_on_443, _on_443(host_on_443))])
            _warn_of_its_site(answer, host_on_443, site)
        for value, place in places:
            _add(answer, target, value, place, site, is_additional=target.is_additional)
    return answer


def _counts(settings: Settings, target: table.Target) -> bool:
    needed = None if target.needs is None else settings.flag(target.needs)
    if target.needs is not None and (needed is None or not needed.value):
        return False
    return not any(settings.text(other) for other in target.instead_of)


def _host_on_443(settings: Settings, transport: str) -> Value | None:
    """The host that logs over TCP go to on 443 where LOGS_443 is on; it takes the place of LOGS_HOST."""
    switch = settings.flag(table.LOGS_443) if transport == "tcp" else None
    if switch is None or not switch.value:
        return None
    return settings.text(table.LOGS_443_HOST) or _with(switch, table.LOGS_443_USUAL_HOST)


def _on_443(host: Value) -> Destination | None:
    place = _destination(host, table.LOGS_443_HOST, _HTTPS)
    return None if place is None else place._replace(port=_HTTPS)


def _warn_of_its_site(answer: Answer, host: Value, site: str | None) -> None:
    if host.value == table.LOGS_443_USUAL_HOST and (site or catalog.US1) != catalog.US1:
        answer.warnings.append(
            f"With {table.LOGS_443.name} ({host.source}) the Agent sends logs to {host.value}, which is not of the "
            f"site {site}: set {table.LOGS_443_HOST.name}, or switch it off."
        )


def proxy_of(settings: Settings, *, is_agent5: bool) -> Answer:
    """The proxy's URL without user and password. Raises :class:`SettingError`."""
    answer = Answer()
    fips = settings.flag(table.FIPS)
    if fips is not None and fips.value:
        return answer
    value, setting = _proxy_value(settings, is_agent5)
    if value is None or not value.value:
        return answer
    url = without_user(value.value)
    if _HANDLE.search(url):
        settings.handles.append(setting.name)
        return answer
    if not scheme_of(url):
        # As Go's own client does.
        url = f"http://{url}"
    proxy: Proxy | None
    try:
        proxy = Proxy.parse(url)
    except ProxyError:
        proxy = None
    if proxy is None or not _may_be_told(proxy.host):
        raise value.error(setting, f"a proxy's URL of the form SCHEME://HOST:PORT{_ENCODED}")
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    answer.value = f"{urlsplit(url).scheme.lower()}://{host}:{proxy.port}"
    answer.found(value)
    return answer


def no_proxy_of(settings: Settings) -> Answer:
    """What is reached without the proxy: names, names with a dot before them for all below them, and CIDRs.

    Raises :class:`SettingError`.
    """
    answer = Answer([])
    value = _no_proxy_value(settings)
    if value is None:
        return answer
    flexible = settings.flag(table.NO_PROXY_NONEXACT)
    for entry in value.value:
        for name in _names(entry.strip().lower(), is_flexible=flexible is not None and flexible.value):
            if name not in answer.value:
                answer.value.append(name)
    answer.found(value, flexible)
    return answer


def _names(entry: str, *, is_flexible: bool) -> list[str]:
    """What *entry* of no_proxy means. Exactly, it is a name (and a port); flexibly, it is as Go's own client has it."""
    if is_flexible and entry == _EVERYWHERE:
        return [_EVERYWHERE]
    found = _ENTRY.fullmatch(entry)
    if found is None or found["port"] not in (None, str(_HTTPS)):
        return []
    host = (found["address"] or found["host"]).rstrip(".")
    # Whatever is neither a name nor addresses has never meant anything.
    if not _may_be_told(host):
        return []
    name = f"{host}{found['bits'] or ''}"
    if not is_flexible:
        return [] if found["below"] else [name]
    if found["below"]:
        return [f".{name}"]
    return [name] if found["bits"] or is_address(host) else [name, f".{name}"]


def _proxy_value(settings: Settings, is_agent5: bool) -> tuple[Value | None, Setting]:
    if is_agent5:
        host = settings.text(table.AGENT5_PROXY_HOST)
        if host is not None:
            port = settings.port(table.AGENT5_PROXY_PORT)
            number = table.AGENT5_PROXY_DEFAULT_PORT if port is None else port.value
            return _with(host, f"{host.value}:{number}"), table.AGENT5_PROXY_HOST
    variables = (settings.variable(name) for name in table.PROXY_VARIABLES)
    found = next((value for value in variables if value is not None), None)
    return found or (None if is_agent5 else settings.text(table.PROXY)), table.PROXY


def _no_proxy_value(settings: Settings) -> Value | None:
    for name, separators in table.NO_PROXY_VARIABLES:
        value = settings.variable(name)
        if value is not None:
            return _with(value, [each for each in re.split(f"[{separators}]", value.value) if each])
    return settings.texts(table.NO_PROXY)


def _main_urls(settings: Settings, is_agent5: bool) -> list[tuple[Value, Setting]]:
    """dd_url: where metrics go; in Agent 5 it may be several."""
    setting = table.AGENT5_DD_URL if is_agent5 else table.DD_URL
    value = settings.text(setting)
    if value is None:
        return []
    texts = [each.strip() for each in value.value.split(",") if each.strip()] if is_agent5 else [value.value]
    return [(_with(value, each), setting) for each in texts]


def _places(settings: Settings, target: table.Target, usual: int) -> t.Iterator[tuple[Value, Destination | None]]:
    setting = target.setting
    read = {"url": settings.text, "keys": settings.mapping, "hosts": settings.items}[target.kind]
    value = read(setting)
    if value is None:
        return
    for each in [value.value] if target.kind == "url" else value.value:
        if target.kind == "hosts":
            yield value, _place_of_item(value, setting, each, usual)
        else:
            yield value, _destination(_with(value, str(each)), setting, usual)


def _place_of_item(value: Value, setting: Setting, item: dict[str, t.Any], usual: int) -> Destination | None:
    # The Agent does not care for the case of these.
    named = {str(key).lower(): part for key, part in item.items()}
    host, port = named.get("host"), named.get("port")
    if not isinstance(host, str) or not host:
        raise value.error(setting, "a list of mappings that have each a Host")
    place = _destination(_with(value, host), setting, usual)
    if port is None:
        return place
    number = numbers.whole(port)
    if number is None or not 0 < number <= 65535:
        raise value.error(setting, "a list of mappings whose Port is each a port")
    return None if place is None else place._replace(port=number)


def _add(
    answer: Answer,
    target: table.Target,
    value: Value,
    place: Destination | None,
    site: str | None,
    *,
    is_additional: bool,
) -> None:
    if place is None:
        answer.warnings.append(
            f"A destination of {', '.join(target.products)} ({value.source}) is a handle of a secret backend: it can't "
            "be known here, and has to be allowed by extra flows."
        )
        return
    # Where the Agent sends anyway: it puts its version before the name itself.
    if place == Destination(f"app.{site or catalog.US1}", _HTTPS) and not is_additional:
        return
    answer.found(value)
    for product in target.products:
        entry = {"product": product, "host": place.host, "port": place.port, "is_additional": is_additional}
        if target.replaces is not None and not is_additional:
            entry["replaces"] = target.replaces
        if entry not in answer.value:
            answer.value.append(entry)


def _destination(value: Value, setting: Setting, usual: int) -> Destination | None:
    """Host and port of a URL or HOST:PORT; None for a handle of a secret backend. Raises :class:`SettingError`."""
    if _HANDLE.search(without_user(value.value)):
        return None
    place: Place | None
    try:
        place = parse_place(value.value)
    except PlaceError:
        place = None
    if place is None or not _may_be_told(place.host):
        raise value.error(setting, f"a URL, or of the form HOST:PORT{_ENCODED}")
    return Destination(place.host, place.port or usual)


def _may_be_told(host: str) -> bool:
    return is_host(host) and not _KEY.fullmatch(host)


def _with(value: Value, part: t.Any) -> Value:
    """A *part* of *value*, or what was made of it."""
    return dataclasses.replace(value, value=part)
