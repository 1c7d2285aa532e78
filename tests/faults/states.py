# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of the module, one after the other, so that every kind of change comes up; and the operator's rules."""

from __future__ import annotations

import typing as t

Options = t.Mapping[str, t.Any]


def _flow(name: str, protocol: str, port: int, networks: t.Sequence[str], **more: t.Any) -> dict[str, t.Any]:
    return {"id": name, "direction": "outbound", "protocol": protocol, "port": port, "networks": networks, **more}


def _both(first: int, count: int) -> list[str]:
    """Some *count* networks in each family, from the *first* of a row on."""
    rows = range(first, first + count)
    return [*(f"198.51.100.{4 * row}/30" for row in rows), *(f"2001:db8:ffff:{row:x}::/64" for row in rows)]


_ANYWHERE = ["0.0.0.0/0", "::/0"]
_CLOSED = _flow("apm-tcp-8126-in", "tcp", 8126, _ANYWHERE, direction="inbound", action="deny")
_ONE = [_flow("agents-tcp-443-out", "tcp", 443, _both(1, 8)), _CLOSED]
_OTHER_ADDRESSES = [_flow("agents-tcp-443-out", "tcp", 443, _both(4, 9)), _CLOSED]
_OTHER_FLOWS = [
    _flow("agents-tcp-443-out", "tcp", 443, _both(4, 9)),
    _flow("logs-tcp-10516-out", "tcp", 10516, _both(20, 3)),
    _flow("ntp-udp-123-out", "udp", 123, _ANYWHERE),
    _flow("dogstatsd-udp-8125-in", "udp", 8125, ["192.0.2.9/32", "2001:db8:1::9/128"], direction="inbound"),
    _flow("dogstatsd-udp-8125-closed-in", "udp", 8125, _ANYWHERE, direction="inbound", action="deny"),
]
_MORE_ADDRESSES = [_flow("agents-tcp-443-out", "tcp", 443, _both(1, 12)), *_OTHER_FLOWS[1:]]

STATES: t.Mapping[str, Options] = {
    "nothing": {"state": "absent"},
    "one set, switched on": {"flows": _ONE},
    "other addresses": {"flows": _OTHER_ADDRESSES},
    "other flows": {"flows": _OTHER_FLOWS},
    "outbound denied": {"flows": _OTHER_FLOWS, "default_outbound": "deny"},
    "more addresses, outbound denied": {"flows": _MORE_ADDRESSES, "default_outbound": "deny"},
    "outbound as it was": {"flows": _MORE_ADDRESSES},
    "judged first": {"flows": _MORE_ADDRESSES, "precedence": "ours"},
    "one set, judged first": {"flows": _ONE, "precedence": "ours"},
}
"""A round: each is asked for on a host that has the one before; the first follows on the last."""

OPERATORS_MARK = "2222"
"""A port that stands in a rule of the operator's alone."""

OPERATORS_RULES: t.Mapping[str, tuple[str, ...]] = {
    "ufw": (
        "ufw logging off",
        "ufw allow 22/tcp comment 'let me in'",
        "ufw limit 2222/tcp",
        "ufw deny from 203.0.113.128/25 to any port 8126 proto tcp",
        "ufw allow out to 2001:db8:ffff:7::/64 port 443 proto tcp",
        "ufw route deny in on eth1 out on eth2",
    ),
    "firewalld": (
        "systemctl --quiet disable --now firewalld",
        "firewall-offline-cmd --quiet --add-port=2222/tcp",
        "firewall-offline-cmd --quiet --add-rich-rule='rule family=ipv6 source address=2001:db8:1::9 drop'",
        "firewall-offline-cmd --quiet --new-ipset=theirs --type=hash:net",
        "firewall-offline-cmd --quiet --ipset=theirs --add-entry=203.0.113.128/25",
        "firewall-offline-cmd --quiet --new-policy=theirs",
        "firewall-offline-cmd --quiet --policy=theirs --add-ingress-zone=HOST",
        "firewall-offline-cmd --quiet --policy=theirs --add-egress-zone=ANY",
        "firewall-offline-cmd --quiet --policy=theirs --add-rich-rule='rule family=ipv4 destination ipset=theirs drop'",
    ),
}
"""Commands of a shell, by backend: a firewall that is off, and rules in it that nobody may touch."""
