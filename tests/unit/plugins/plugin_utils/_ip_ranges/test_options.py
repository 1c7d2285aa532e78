# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that plugins share, and the way from them to a document."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges import source
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import IpRangesError
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.loading import load
from ansible_collections.netwall.datadog.tests.unit.plugins.plugin_utils._ip_ranges._options import DEFAULTS, options

SECTION = {"prefixes_ipv4": ["192.0.2.0/25", "192.0.2.128/25"], "prefixes_ipv6": ["2001:db8::/32"]}
DOCUMENT = {"version": 47, "modified": "2022-01-25-20-00-00", "agents": SECTION}


def fault(**changes: t.Any) -> str:
    """What is said about options that must be refused."""
    with pytest.raises(IpRangesError) as caught:
        options(**changes)
    return str(caught.value)


def test_the_url_follows_from_the_site() -> None:
    assert options(site="US3.datadoghq.com").url == "https://ip-ranges.us3.datadoghq.com/"


def test_a_url_overrides_the_site() -> None:
    assert options(site="datadoghq.eu", url="file:///document.json").url == "file:///document.json"


def test_options_of_others_do_no_harm() -> None:
    assert options(products=["logs"]) == options()


def test_exclusions_become_canonical() -> None:
    assert options(exclude=["2001:DB8::/32", "192.0.2.7"]).exclude == ("192.0.2.7/32", "2001:db8::/32")


@pytest.mark.parametrize("name", ["locations", "exclude"])
def test_null_means_none_of_them(name: str) -> None:
    assert options(**{name: None}) == options()


def test_a_password_does_not_show() -> None:
    assert "password" not in repr(options(url="https://me:password@mirror.test/"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"site": "nowhere/"}, "The site 'nowhere/' is not a host name; write one such as us3.datadoghq.com."),
        ({"families": []}, "families is []; it must list ipv4 or ipv6 or both."),
        ({"families": ["ipv5"]}, "families is ['ipv5']; it must list ipv4 or ipv6 or both."),
        (
            {"exclude": ["nonsense"]},
            "exclude: 'nonsense' is not a network; write an address or a CIDR such as 192.0.2.0/24.",
        ),
        (
            {"exclude": ["192.0.2.1/24"]},
            "exclude: '192.0.2.1/24' has host bits set; write 192.0.2.0/24, or 192.0.2.1 for the one address.",
        ),
        ({"timeout": 0.0}, "timeout is 0; it must be seconds, above 0 and at most 3600."),
        ({"timeout": -1.0}, "timeout is -1; it must be seconds, above 0 and at most 3600."),
        ({"timeout": math.nan}, "timeout is nan; it must be seconds, above 0 and at most 3600."),
        ({"timeout": math.inf}, "timeout is inf; it must be seconds, above 0 and at most 3600."),
        ({"cache_ttl": -1}, "cache_ttl is -1; it must be seconds from 0 to 31622400."),
        ({"stale_if_error": -1}, "stale_if_error is -1; it must be seconds from 0 to 31622400."),
        ({"max_shrink": 1.5}, "max_shrink is 1.5; it must be a number from 0 to 1."),
        ({"max_shrink": math.nan}, "max_shrink is nan; it must be a number from 0 to 1."),
        ({"shortest_prefix_ipv4": 0}, "shortest_prefix_ipv4 is 0; it must be a number from 1 to 32."),
        ({"shortest_prefix_ipv6": 0}, "shortest_prefix_ipv6 is 0; it must be a number from 1 to 128."),
        ({"max_prefixes": 0}, "max_prefixes is 0; it must be a number from 1 to 1000000."),
        ({"max_size": 0}, "max_size is 0; it must be bytes from 1 to 1073741824."),
        ({"max_redirects": -1}, "max_redirects is -1; it must be a number from 0 to 20."),
        ({"sha256": "abc"}, "sha256 is 'abc'; it must be 64 hexadecimal digits."),
        (
            {"client_key": "/key.pem"},
            "client_key is given without client_cert; give both, or a client_cert that holds its key.",
        ),
        (
            {"proxy": "me:secret@proxy.test"},
            (
                "proxy is no URL of a proxy (it is not shown, since it may hold a password); write one such as "
                "http://proxy.example.com:3128."
            ),
        ),
        ({"retries": -1}, "retries is -1; it must be a number from 0 to 10."),
        ({"retries": 11}, "retries is 11; it must be a number from 0 to 10."),
    ],
)
def test_an_option_that_cannot_be_is_refused(changes: dict[str, t.Any], expected: str) -> None:
    assert fault(**changes) == expected


def test_a_url_that_cannot_be_read_is_refused_before_anything_is_read() -> None:
    assert fault(url="http://mirror.test/").startswith("The url http://mirror.test/ is not accepted")


def test_a_document_is_loaded_and_selected_from(tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    path.write_text(json.dumps(DOCUMENT))
    chosen = options(url=path.as_uri(), families=["ipv4"], exclude=["192.0.2.0/26"])
    document = load(chosen).document
    assert (document.url, document.version) == (path.as_uri(), 47)
    assert chosen.select(document, ["agents"]) == ["192.0.2.64/26", "192.0.2.128/25"]


def test_the_options_reach_the_selection(tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    located = {**SECTION, "prefixes_ipv4_by_location": {"aws:eu-west-1": ["192.0.2.0/26", "192.0.2.64/26"]}}
    path.write_text(json.dumps({**DOCUMENT, "synthetics": located}))
    chosen = options(url=path.as_uri(), locations=["aws:eu-west-1"], aggregate=False)
    assert chosen.select(load(chosen).document, ["synthetics"]) == ["192.0.2.0/26", "192.0.2.64/26"]


def test_neither_a_document_nor_a_fault_in_one_shows_the_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chosen = options(url="https://me:password@mirror.test/", cache_dir=str(tmp_path), cache_ttl=0, stale_if_error=0)
    answers = [json.dumps(DOCUMENT).encode(), b"[]"]
    monkeypatch.setattr(source.Source, "fetch", lambda *_, **__: source.Fetched(answers.pop(0)))
    assert load(chosen).document.url == "https://***@mirror.test/"
    with pytest.raises(IpRangesError, match=r"The document at https://\*\*\*@mirror.test/ is refused: "):
        load(chosen)


@pytest.mark.parametrize("is_cached", [True, False])
def test_what_is_not_needed_is_not_imported(is_cached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Ansible imports anew for every host and task.
    path = tmp_path / "document.json"
    path.write_text(json.dumps(DOCUMENT))
    given = {**DEFAULTS, "url": "https://mirror.test/" if is_cached else path.as_uri(), "cache_dir": str(tmp_path)}
    if is_cached:
        monkeypatch.setattr(source.Source, "fetch", lambda *_, **__: source.Fetched(path.read_bytes()))
        load(options(**given))
    program = (
        "import sys\n"
        "from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.loading import load\n"
        "from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.options import RangesOptions\n"
        f"options = RangesOptions.from_mapping({given!r})\n"
        "options.select(load(options).document, ['agents'])\n"
        "print(sorted({'httpx', 'jmespath', 'ssl', 'ansible'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
