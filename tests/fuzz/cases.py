# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From any bytes to a case worth trying: most bytes as they are would be no JSON, and end at the first check."""

from __future__ import annotations

import functools
import ipaddress
import json
import typing as t

from ansible_collections.netwall.datadog.tests.fuzz.oracles import (
    KNOWN_SECTIONS,
    NOT_PUBLIC_IPV4,
    NOT_PUBLIC_IPV6,
    PUBLIC_IPV6,
    Network,
)

_T = t.TypeVar("_T")

LOCATIONS = ("aws:eu-west-1", "azure:eastus", "gcp:us-west1")
SECTIONS = ("agents", "logs", "synthetics", "webhooks", "new")


class Choices:
    """Bytes as a sequence of decisions; all are the first one there is once the bytes are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, below: int) -> int:
        """A number from 0 to *below* - 1."""
        size = max(1, (below - 1).bit_length() + 7 >> 3)
        taken = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(taken, "big") % below

    def is_so(self, in_so_many: int = 2) -> bool:
        """True once *in_so_many* times."""
        return self.number(in_so_many) == in_so_many - 1

    def pick(self, options: t.Sequence[_T]) -> _T:
        """One of *options*."""
        return options[self.number(len(options))]

    def some(self, options: t.Sequence[_T], most: int) -> list[_T]:
        """At most *most* of *options*, also one twice."""
        return [self.pick(options) for _time in range(self.number(most + 1))]

    def rest(self) -> bytes:
        """The bytes that no decision has used."""
        return self._data[self._at :]


# --- Documents --------------------------------------------------------------------------------------------------------


def _around(network: Network) -> t.Iterator[str]:
    """*network*, what lies within it, what it lies in, and its neighbours."""
    address = type(network.network_address)
    first, last, bits = int(network.network_address), int(network.broadcast_address), network.max_prefixlen
    yield str(network)
    if network.prefixlen:
        yield str(network.supernet())
    for number in (first - 1, first, last, last + 1):
        if 0 <= number < 1 << bits:
            yield f"{address(number)}/{bits}"
            yield str(type(network)((number, network.prefixlen), strict=False))


_BLOCKS: tuple[Network, ...] = (*NOT_PUBLIC_IPV4, *NOT_PUBLIC_IPV6, PUBLIC_IPV6)
PUBLIC = ("3.233.144.0/20", "34.107.236.155/32", "8.8.8.0/24", "2600:1f18:24e6:b900::/56", "2a05:d018::/36")
CIDRS = tuple(
    dict.fromkeys(
        [
            *PUBLIC,
            *(cidr for network in _BLOCKS for cidr in _around(network)),
            *(
                "0.0.0.0/0",
                "::/0",
                "0.0.0.0/32",
                "255.255.255.255/32",
                "::1/128",
                "4.0.0.0/6",
                "5.0.0.0/8",
                "4.0.0.0/7",
            ),
            *("2600::/20", "2600::/19", "2600::/12", "fe80::/10", "fc00::/7", "ff00::/8", "64:ff9b::/96"),
        ]
    )
)
_ODD_TEXTS = (
    *("", " ", "/", "8.8.8.8", "8.8.8.0/255.255.255.0", "8.8.8.0/0.0.0.255", "8.8.8.1/24", "008.8.8.0/24", "8.8.8/24"),
    *("8.8.8.0/024", "8.8.8.0/33", "8.8.8.0/-1", "8.8.8.0/24 ", "\n8.8.8.0/24", "8.8.8.0/24/24", "8.8.8.0/2\u0664"),
    *("2600::/56%1", "2600::%1/56", "2600:0::/56", "2600::1/56", "2600::/129", "2A05:D018::/36", "::8.8.8.8/128"),
    *("::ffff:8.8.8.8/128", "2600:0:0:0:0:0:0:0/56", "2600:0:0:1::/64", "2600::/0x38", "1.1.1.1/32\x00", "\ud800"),
    *("0x8.8.8.0/24", "134744064/24", "8.8.8.0/24,8.8.4.0/24", "é", "2022-01-25-20-00-00", "2022-02-30-00-00-00"),
)
_VALUES: tuple[t.Any, ...] = (
    *(None, True, False, 0, 1, -1, 47, 47.0, 1.5, 1e308, 10**30, [], {}, [[]], [None], [0], [{}], {"": 0}),
    *({"prefixes_ipv4": [], "prefixes_ipv6": []}, {"prefixes_ipv4": ["8.8.8.0/24"]}, ["8.8.8.0/24"] * 5),
    *(["8.8.8.0/24"], ["2600::/56"], {LOCATIONS[0]: ["8.8.8.8/32"]}, {LOCATIONS[2]: ["2600::/64"], LOCATIONS[1]: []}),
)
_KEYS = (
    *("version", "modified", *sorted(KNOWN_SECTIONS), "prefixes_ipv4", "prefixes_ipv6", "prefixes_ipv4_by_location"),
    *("prefixes_ipv6_by_location", *LOCATIONS, "", "a\nb", "\ud800", "é", "x" * 200),
)
# What stands in the text of a document and in no document made of values; for each what to put in its place.
_EDITS = (
    *((b"{", b'{"version": 1, '), (b"[", b"["), (b"]", b",]"), (b": ", b": NaN, "), (b": ", b": -Infinity ,")),
    *((b'"', b"'"), (b"47", b"1e999"), (b"47", b"0" * 20), (b"47", b"1" * 5000), (b"{", b"\xef\xbb\xbf{")),
    *((b'"agents"', b'"\\u0061gents"'), (b'"logs"', b'"agents"'), (b"prefixes_ipv6", b"prefixes_ipv4")),
    *((b"0", b"\xd9\xa0"), (b"[", b"[" * 5000), (b"}", b"}}"), (b"8", b"\xff"), (b"}", b"}\x00")),
)
_SEEDS: tuple[dict[str, t.Any], ...] = (
    {
        "version": 47,
        "modified": "2022-01-25-20-00-00",
        "agents": {"prefixes_ipv4": ["3.233.144.0/20", "8.8.8.0/24"], "prefixes_ipv6": ["2600:1f18:24e6:b900::/56"]},
        "logs": {"prefixes_ipv4": ["34.107.236.155/32"], "prefixes_ipv6": []},
    },
    {
        "version": 47,
        "modified": "2026-02-28-23-59-59",
        "synthetics": {
            "prefixes_ipv4": ["34.107.236.155/32"],
            "prefixes_ipv6": [],
            "prefixes_ipv4_by_location": {LOCATIONS[0]: ["34.107.236.155/32"], LOCATIONS[1]: ["8.8.8.8/32"]},
            "prefixes_ipv6_by_location": {LOCATIONS[0]: ["2600:1f18:24e6:b900::/56"]},
        },
    },
    {"version": 0, "modified": "2000-01-01-00-00-00", "new": {"prefixes_ipv4": [], "prefixes_ipv6": []}, "more": [47]},
)

# To be read anew each time, as what is changed must not change the next case.
_SEED_TEXTS, _VALUE_TEXTS = tuple(map(json.dumps, _SEEDS)), tuple(map(json.dumps, _VALUES))


def document_of(choices: Choices) -> bytes:
    """A document with a few things changed, sometimes in its text; or what *choices* consist of."""
    kind = choices.number(8)
    if kind == 7:
        return choices.rest()
    document = json.loads(choices.pick(_SEED_TEXTS))
    for _time in range(choices.number(5)):
        _change(document, choices)
    data = json.dumps(document).encode()
    if kind == 6:
        for old, new in choices.some(_EDITS, 2):
            data = data.replace(old, new, 1 if len(new) > 20 or choices.is_so() else -1)
    elif kind == 5:
        place = choices.number(len(data))
        data = data[:place] + choices.rest()[:20] + data[place + choices.number(20) :]
    return data


def _change(document: dict[str, t.Any], choices: Choices) -> None:
    """Change one thing somewhere in *document*."""
    within: t.Any = document
    while True:
        keys = list(within) if isinstance(within, dict) else list(range(len(within)))
        key = choices.pick(keys) if keys else None
        inner = within[key] if keys else None
        if not isinstance(inner, dict | list) or choices.is_so(4):
            break
        within = inner
    change = choices.number(6)
    if change == 0 and keys:
        del within[key]
    elif isinstance(within, list) and (change < 4 or not keys):
        within.insert(choices.number(len(within) + 1), _cidr(choices))
    elif isinstance(within, dict) and (change < 2 or not keys):
        within[choices.pick(_KEYS)] = _value(choices)
    else:
        within[key] = _cidr(choices) if isinstance(inner, str) and change < 5 else _value(choices)


def _value(choices: Choices) -> t.Any:
    return json.loads(choices.pick(_VALUE_TEXTS))


def _cidr(choices: Choices) -> str:
    kind = choices.number(4)
    if kind == 3:
        return choices.pick(_ODD_TEXTS)
    if kind == 2:
        bits = 32 if choices.is_so() else 128
        number, length = choices.number(1 << bits), choices.number(bits + 2)
        address = ipaddress.IPv4Address if bits == 32 else ipaddress.IPv6Address
        kept = number >> (bits - length) << (bits - length) if length <= bits and not choices.is_so(8) else number
        return f"{address(kept)}/{length}"
    return choices.pick(CIDRS)


# --- Selections -------------------------------------------------------------------------------------------------------

# Few addresses, so that networks meet; and some at the ends, where numbers could run over.
_UNIVERSES = (
    *(ipaddress.ip_network(cidr) for cidr in ("192.0.2.0/24", "2001:db8::/120", "255.255.255.0/24", "0.0.0.0/24")),
    *(
        ipaddress.ip_network(cidr)
        for cidr in ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00/120", "::/120", "2001:db8::/32")
    ),
)
_ODD_NETWORKS = (
    *("192.0.2.1", " 192.0.2.0/24", "192.0.2.1/24", "0.0.0.0/0", "::/0", "2001:DB8::/64", "2001:db8::%1", "x", ""),
    *(
        "2001:db8::1",
        "192.0.2.0/255.255.255.0",
        "192.0.2.0/0.0.0.255",
        "192.0.2",
        "3221225984",
        "128.0.0.0/1",
        "8000::/1",
    ),
)
_EXPRESSIONS = (
    *("agents.prefixes_ipv4", "*.prefixes_ipv4[]", "[agents, logs][].prefixes_ipv6[]", "version", "@", "agents", "*"),
    *("synthetics.prefixes_ipv4_by_location", 'synthetics.prefixes_ipv4_by_location."aws:eu-west-1"', "agents.*[]"),
    *("keys(@)", "values(@)", "*.*[]", "*.*[][]", "missing", "agents.prefixes_ipv4[0]", "agents.prefixes_ipv4[-1:]"),
    *("agents.prefixes_ipv4[::2]", "agents.prefixes_ipv4[?contains(@, '192')]", "length(@)", "'192.0.2.0/24'"),
    *("['192.0.2.0/24', '2001:db8::/120']", "`[1, 2]`", "`null`", "sort(agents.prefixes_ipv4)", "{a: version}", "&a"),
    *("map(&@, agents.prefixes_ipv4)", "to_array(version)", "join(', ', agents.prefixes_ipv4)", "[version, modified]"),
    *("sort_by(@, &a)", "avg(`[]`)", "sum(agents.prefixes_ipv4)", "to_number('nan')", "`1e999`", "[?a", "max(`[]`)"),
)
_TOKENS = (
    *("@", "*", ".", "[", "]", "{", "}", "(", ")", "&", "&&", "|", "||", "!", "[]", "[*]", "[?", ":", ",", "==", "<"),
    *("agents", "logs", "prefixes_ipv4", "'192.0.2.0/25'", "`0`", "`{}`", '"a"', "-1", "0", "99999999999999999999"),
    *("length(@)", "keys(@)", "values(@)", "to_number('nan')", "to_string(@)", "type(@)", "not_null(@)", "&@", "[::0]"),
    *(
        "map(&",
        "sort_by(",
        "max_by(",
        "group_by(",
        "reverse(",
        "merge(",
        "floor(",
        "abs(",
        "`",
        "'",
        '"',
        "\\",
        " ",
        "é",
    ),
)


def network_of(choices: Choices) -> str:
    """A canonical CIDR within one of a few small ranges."""
    return _network(choices.number(len(_UNIVERSES)), choices.number(256), choices.number(9), choices.is_so(8))


@functools.cache
def _network(universe: int, offset: int, length: int, is_wide: bool) -> str:
    within = _UNIVERSES[universe]
    bits = within.max_prefixlen - (64 if is_wide and within.prefixlen == 32 else 8) + length
    return str(ipaddress.ip_network((int(within.network_address) + offset, bits), strict=False))


def document_to_select_from(choices: Choices) -> bytes:
    """A document of the published shape with few addresses."""
    document: dict[str, t.Any] = {"version": 7, "modified": "2026-03-04-05-06-07"}
    for _time in range(1 + choices.number(3)):
        networks = [network_of(choices) for _time in range(choices.number(8))]
        section: dict[str, t.Any] = {
            f"prefixes_{family}": [cidr for cidr in networks if (":" in cidr) == (family == "ipv6")]
            for family in ("ipv4", "ipv6")
        }
        if choices.is_so():
            for family in ("ipv4", "ipv6"):
                published = section[f"prefixes_{family}"]
                section[f"prefixes_{family}_by_location"] = {
                    location: choices.some(published, 3) if published else [] for location in choices.some(LOCATIONS, 2)
                }
        document[choices.pick(SECTIONS)] = section
    return json.dumps(document).encode()


def exclude_of(choices: Choices) -> list[str]:
    """What somebody may write into the option ``exclude``, mostly networks."""
    return [
        choices.pick(_ODD_NETWORKS) if choices.is_so(16) else network_of(choices) for _time in range(choices.number(6))
    ]


def expression_of(choices: Choices) -> str:
    """What somebody may write into the option ``query``."""
    kind = choices.number(4)
    if kind == 3:
        return choices.rest().decode("utf-8", "replace")
    if kind == 2:
        return "".join(choices.some(_TOKENS, 8))
    expression = choices.pick(_EXPRESSIONS)
    for _time in range(choices.number(3)):
        expression += choices.pick((" | ", ".", "", " || ", ", ", " && ")) + choices.pick((*_EXPRESSIONS, *_TOKENS))
    return expression
