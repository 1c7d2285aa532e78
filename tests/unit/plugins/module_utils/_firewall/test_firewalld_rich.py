# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rich rules, in the words in which firewalld 1.3 and 2.3 report them."""

from __future__ import annotations

import pytest

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.firewalld_rich import Address, RichRule, parse


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('rule priority="-5" drop', RichRule(priority=-5, action="drop")),
        (
            'rule family="ipv4" source NOT address="192.0.2.0/24" accept',
            RichRule(family="ipv4", source=Address("192.0.2.0/24", inverted=True), action="accept"),
        ),
        (
            'rule family="ipv6" source ipset="a" destination address="2001:db8::/64" reject type="tcp-reset"',
            RichRule(family="ipv6", source=Address(ipset="a"), destination=Address("2001:db8::/64"), action="reject"),
        ),
        (
            'rule source mac="AA:BB:CC:DD:EE:FF" port port="80-90" protocol="tcp" accept',
            RichRule(
                source=Address(mac="AA:BB:CC:DD:EE:FF"),
                element="port",
                details={"port": "80-90", "protocol": "tcp"},
                action="accept",
            ),
        ),
        (
            'rule source-port port="53" protocol="udp" mark set="0x1/0xff"',
            RichRule(element="source-port", details={"port": "53", "protocol": "udp"}, action="mark"),
        ),
        (
            'rule family="ipv6" forward-port port="99" protocol="tcp" to-port="100"',
            RichRule(
                family="ipv6",
                element="forward-port",
                details={"port": "99", "protocol": "tcp", "to-port": "100"},
            ),
        ),
        (
            'rule protocol value="udp" audit accept',
            RichRule(element="protocol", details={"value": "udp"}, action="accept"),
        ),
    ],
)
def test_every_part_of_a_rule_is_read(text: str, rule: RichRule) -> None:
    assert parse(text) == rule


def test_a_limit_of_the_log_does_not_limit_the_action() -> None:
    rule = parse('rule service name="http" log prefix="accept limit" level="info" limit value="1/m" accept')
    assert (rule.action, rule.is_limited, rule.details) == ("accept", False, {"name": "http"})


def test_a_limit_of_the_action_does() -> None:
    assert parse('rule service name="http" log prefix="a b" limit value="1/m" accept limit value="3/m"').is_limited
