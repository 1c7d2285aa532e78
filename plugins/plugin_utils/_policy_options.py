# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""Where the options of a policy come from, when the user, the host's Agent and others may all say something."""

from __future__ import annotations

import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._hosts import bare, site_of
from ansible_collections.netwall.datadog.plugins.plugin_utils._request import PolicyError

DEFAULT = "built-in default"
"""The source of what nobody says."""

# The options that may come from elsewhere than from the user, in the order in which a plan shows them.
_SHARED = (
    "site",
    "agent_version",
    "products",
    "logs_transport",
    "ports",
    "non_local_traffic",
    "unmanaged_ports",
    "proxy",
    "no_proxy",
    "endpoints",
)
# Where agent_info's source of something is missing.
_SOME_SETTING = "the Agent's settings"

_Options = dict[str, t.Any]


class Row(t.NamedTuple):
    """What is said of one option, and by what."""

    value: t.Any
    source: str


class Choice(t.NamedTuple):
    """``options`` of the lookup ``traffic_policy``, without those that are not set; ``proxy`` may hold a password.

    ``sources`` tells of each option that may come from elsewhere than from the user where it does come from.
    ``warnings`` are sentences of the Agent's.
    """

    options: _Options
    sources: dict[str, str]
    warnings: list[str]


def choose(
    user: t.Mapping[str, t.Any],
    agent: t.Mapping[str, t.Any] | None,
    fallbacks: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]],
    *,
    prefix: str,
    needs_agent: bool,
) -> Choice:
    """The first that says something of each option: *user*, *agent* (the answer of ``agent_info``), *fallbacks*.

    None and an empty text say nothing. The user's variables have the names of the options behind *prefix*. Where no
    Agent is installed, the answer counts only unless *needs_agent*: settings may be left behind.

    Raises :class:`PolicyError`.
    """
    known = agent or {}
    counts = known.get("installed", False) or ("installed" in known and not needs_agent)
    told = _told(known) if counts else {}
    options = {name: value for name, value in user.items() if _says_something(value)}
    sources: dict[str, str] = {}
    for name in _SHARED:
        rows = [Row(user.get(name), prefix + name)]
        if name in told:
            rows.append(told[name])
        rows.extend(Row(row.get("value"), str(row.get("source"))) for row in fallbacks.get(name) or ())
        row = next((row for row in rows if _says_something(row.value)), Row(None, DEFAULT))
        if name == "site" and row is told.get(name):
            _check_site(row, f"{prefix}{name}")
        if name == "ports" and row is rows[0] and name in told:
            row = _united(row, told[name])
        if row.value is not None:
            options[name] = row.value
        sources[name] = row.source
    return Choice(options, sources, list(known.get("warnings") or ()) if counts else [])


def _check_site(row: Row, variable: str) -> None:
    """Refuse a site that only the host tells of and that is neither known nor named like those that are.

    The controller asks a host of the site for its address ranges: whoever may write the Agent's settings would choose
    which. Endpoints need no such check, as only a host of a known site or of the own one is taken for a site's.
    """
    site = bare(str(row.value))
    if site_of(site) != site:
        raise PolicyError(
            f"The site {site} ({row.source}) is none that this collection knows, and the controller asks no host for "
            f"address ranges because a host's own settings name it; if it is right, set {variable}: {site}."
        )


def _says_something(value: t.Any) -> bool:
    return value is not None and value != ""


def _told(agent: t.Mapping[str, t.Any]) -> dict[str, Row]:
    """What the answer says, by the names of the options."""
    sources = agent.get("sources") or {}

    def row(name: str, value: t.Any) -> Row:
        return Row(value, sources.get(name) or _SOME_SETTING)

    rows = {name: row(name, agent.get(name)) for name in ("site", "products", "logs_transport", "proxy")}
    rows["agent_version"] = Row(agent.get("version"), f"the Agent's {agent.get('version_source')}")
    # What others may reach is known, but not which others: to close it would cut them off.
    rows["unmanaged_ports"] = row("non_local_traffic", list(agent.get("non_local_traffic") or ()))
    for name in ("ports", "no_proxy", "endpoints"):
        rows[name] = row(name, agent.get(name))
    # These are empty where the settings say nothing; an Agent without any products says so.
    silent = {name for name in ("unmanaged_ports", "ports", "no_proxy", "endpoints") if not rows[name].value}
    return {name: row for name, row in rows.items() if name not in silent}


def _united(user: Row, agent: Row) -> Row:
    """The user's ports, and those of the Agent's that the user does not name, in whichever spelling."""
    if not isinstance(user.value, dict):
        raise PolicyError(f"{user.source} is {user.value!r}; write a dictionary such as {{gui: 5010}}.")
    named = {_slug(name) for name in user.value}
    more = {name: port for name, port in agent.value.items() if _slug(name) not in named}
    return Row({**more, **user.value}, f"{user.source}; {agent.source}")


def _slug(name: t.Any) -> str:
    return str(name).strip().lower().replace("_", "-")


# --- For a person's eyes ----------------------------------------------------------------------------------------------


class _Line(t.NamedTuple):
    """How an option is called in a plan, how its value is written, and what stands there where it has none."""

    label: str
    text: t.Callable[[t.Any], str]
    nothing: str


def describe(
    options: t.Mapping[str, t.Any], sources: t.Mapping[str, str], policy: t.Mapping[str, t.Any]
) -> list[_Options]:
    """A row for each option that may come from elsewhere, with what a plan says of it.

    What may hold a secret is taken from *policy*, the result of the lookup, which has none.
    """
    shown = {
        **options,
        "site": policy.get("site"),
        "proxy": policy.get("proxy"),
        "endpoints": policy.get("endpoints") or [],
    }
    rows = []
    for name in _SHARED:
        value, line = shown.get(name), _LINES[name]
        text = line.nothing if value is None else line.text(value)
        rows.append({"name": name, "label": line.label, "value": value, "text": text, "source": sources.get(name)})
    return rows


def _names(value: t.Any) -> str:
    return value if isinstance(value, str) else ", ".join(map(str, value)) or "none"


def _ports(value: t.Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    said = (f"{name} {'off' if str(port) in {'0', '-1'} else port}" for name, port in value.items())
    return ", ".join(said) or "as shipped"


def _opened(value: t.Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    said = (
        f"{name} {networks if isinstance(networks, str) else ' '.join(map(str, networks))}"
        for name, networks in value.items()
    )
    return ", ".join(said) or "nobody"


def _endpoints(value: t.Any) -> str:
    said = []
    for endpoint in value:
        also = "also " if endpoint.get("is_additional") else ""
        port = f" {endpoint['port']}/tcp" if endpoint.get("port") else ""
        said.append(f"{endpoint.get('product')} {also}to {endpoint.get('host')}{port}")
    return ", ".join(said) or "as documented"


_LINES = {
    "site": _Line("site", str, "unknown"),
    "agent_version": _Line("Agent version", str, "7, the newest"),
    "products": _Line("products", _names, "as shipped"),
    "logs_transport": _Line("logs over", str, "what the version takes"),
    "ports": _Line("own ports", _ports, "as shipped"),
    "non_local_traffic": _Line("opened to", _opened, "nobody"),
    "unmanaged_ports": _Line("left alone", _names, "none"),
    "proxy": _Line("proxy", str, "none"),
    "no_proxy": _Line("past it", _names, "none"),
    "endpoints": _Line("endpoints", _endpoints, "as documented"),
}
