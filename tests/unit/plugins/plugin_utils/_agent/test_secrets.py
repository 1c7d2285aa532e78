# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which settings are secrets, and what is shown instead."""

from __future__ import annotations

import time
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        "database.pass",
        "database.dbPass",
        "database.admin_pw",
        "userPwd",
        "Additional_Endpoints",
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
        ("proxy.https", "http://u:My Word@h:3128", f"http://{MASK}@h:3128"),
        ("proxy.https", "http://u:p/a@s@h:1", f"http://{MASK}@h:1"),
        ("brokers", "u:word@h,u:word@k", f"{MASK}@k"),
        ("anything", "a u:word@h", f"{MASK}@h"),
        ("anything", "password=wo@rd", f"password={MASK}"),
        ("tags", ["a@b password:wo@rd"], [f"{MASK}@b password:{MASK}"]),
        ("headers", "Authorization: Bearer wo@rd", f"Authorization:{MASK}"),
        ("anything", "https://h/?a=b&token=@wo@rd&c=d", f"https://{MASK}"),
        ("anything", "https://h/?a=b@c&token=word", f"https://{MASK}@c&token={MASK}"),
        ("anything", "word://word@h", f"word://{MASK}@h"),
        ("headers", ["Authorization: Bearer a b"], [f"Authorization:{MASK}"]),
        ("headers", ["X-Kind: Bearer abc", "Accept: text/plain"], [f"X-Kind: Bearer {MASK}", "Accept: text/plain"]),
        ("headers", {"Authorization": "Basic dTpw"}, {"Authorization": MASK}),
        ("headers", ["X-Api-Key: a=b&c"], [f"X-Api-Key:{MASK}"]),
        ("connection", "Server=h;Pwd=a;b c", f"Server=h;Pwd={MASK}"),
        ("connection", "host=h password='a b' ", f"host=h password={MASK}"),
        ("connection", '{"password": "a"}', f'{{"password":{MASK}'),
        ("anything", "https://h/?a=b&pass=c&d=e", f"https://h/?a=b&pass={MASK}&d=e"),
        ("logs_config.additional_endpoints", {"host": ["k"]}, {"host": [MASK]}),
        ("additional_endpoints.host", ["k", {"a": "l"}], [MASK, {"a": MASK}]),
        ("credentials", {"u:word@h": 1}, {f"{MASK}@h": MASK}),
        ("api_key", None, None),
        ("api_key", "", ""),
        ("cmd_port", 5001, 5001),
    ],
)
def test_what_is_shown(name: str, value: t.Any, shown: t.Any) -> None:
    assert masked(name, value) == shown


@given(
    scheme=st.sampled_from(["", "http://", "https://"]),
    # What is masked for another reason as well is another matter.
    word=st.text(st.characters(exclude_characters="=:?"), min_size=1).map(lambda text: f"Zq9{text}"),
)
def test_nothing_before_the_last_at_sign_is_shown(scheme: str, word: str) -> None:
    assert masked("proxy.https", f"{scheme}u:{word}@h:3128") == f"{scheme}{MASK}@h:3128"


@pytest.mark.parametrize(
    "part",
    ["a", "a:", "a://", "a@", "/", " ", "?", "&", "?&", "key", "key=", "key    ", "https://a?", "bearer ", "0f", "-"],
)
def test_the_time_grows_no_faster_than_the_text(part: str) -> None:
    text = part * (100_000 // len(part))
    begin = time.process_time()
    masked("anything", text)
    masked("anything", f"{text}@h")
    masked("anything", f"https://h?{text}")
    # What goes over it again from each of its characters takes minutes.
    assert time.process_time() - begin < 5
