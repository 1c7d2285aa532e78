# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which settings are secrets, and what is shown instead."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.secrets import MASK, is_secret, masked

KEY = "0f" * 16


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "app_key",
        "API_KEY",
        "apm_config.profiling_additional_endpoints",
        "additional_endpoints.x",
        "snmp_listener.authKey",
        "network_devices.snmp_traps.community_strings",
        "cluster_agent.auth_token",
        "config_providers.password",
        "secret_backend_config.credentials",
    ],
)
def test_secrets(name: str) -> None:
    assert is_secret(name)
    assert masked(name, "word") == MASK


@pytest.mark.parametrize(
    "name",
    [
        "site",
        "forwarder_storage_path",
        "apm_config.receiver_port",
        "kubelet_auth_token_path",
        "secret_backend_command",
        "secret_backend_timeout",
        "flare_stripped_keys",
        "logs_config.additional_endpoints.Host",
        "logs_config.additional_endpoints.is_reliable",
        "histogram_percentiles",
    ],
)
def test_what_only_sounds_like_one(name: str) -> None:
    assert not is_secret(name)
    assert masked(name, "word") == "word"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("proxy.https", "http://user:p/a?s#s@h:3128", f"http://{MASK}@h:3128"),
        ("proxy.https", "http://token@h:3128", f"http://{MASK}@h:3128"),
        ("proxy.https", "user:word@h:3128", f"{MASK}@h:3128"),
        ("proxy.https", "http://h:3128", "http://h:3128"),
        ("proxy", {"https": "http://u:p@h:1", "no_proxy": ["a"]}, {"https": f"http://{MASK}@h:1", "no_proxy": ["a"]}),
        ("additional_endpoints", {"https://a.example.com": ["k", "l"]}, {"https://a.example.com": [MASK, MASK]}),
        ("additional_endpoints", {"https://u:p@a.example.com": []}, {f"https://{MASK}@a.example.com": []}),
        (
            "logs_config.additional_endpoints",
            [{"api_key": "k", "Host": "h.example.com", "Port": 443}],
            [{"api_key": MASK, "Host": "h.example.com", "Port": 443}],
        ),
        ("config_providers", [{"name": "etcd", "password": 5}], [{"name": "etcd", "password": MASK}]),
        ("credentials", {"user": "u", "more": [{"a": "b"}]}, {"user": MASK, "more": [{"a": MASK}]}),
        ("anything", f"before {KEY} after", f"before {MASK} after"),
        ("anything", f"https://h/?api_key={KEY[:5]}&a=b", f"https://h/?api_key={MASK}&a=b"),
        ("anything", "-----BEGIN RSA PRIVATE KEY-----\nabc\n", MASK),
        ("api_key", None, None),
        ("api_key", "", ""),
        ("cmd_port", 5001, 5001),
    ],
)
def test_what_is_shown(name: str, value: t.Any, shown: t.Any) -> None:
    assert masked(name, value) == shown
