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
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.options import RangesOptions, load

# As Ansible gives them where the user sets nothing.
DEFAULTS: dict[str, t.Any] = {
    "site": "datadoghq.com",
    "url": None,
    "families": ["ipv4", "ipv6"],
    "locations": [],
    "exclude": [],
    "aggregate": True,
    "ca_path": None,
    "timeout": 10.0,
    "retries": 3,
}
SECTION = {"prefixes_ipv4": ["192.0.2.0/25", "192.0.2.128/25"], "prefixes_ipv6": ["2001:db8::/32"]}
DOCUMENT = {"version": 47, "modified": "2022-01-25-20-00-00", "agents": SECTION}


def options(**changes: t.Any) -> RangesOptions:
    """The options with some set."""
    return RangesOptions.from_mapping({**DEFAULTS, **changes})


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
    document = load(chosen)
    assert (document.url, document.version) == (path.as_uri(), 47)
    assert chosen.select(document, ["agents"]) == ["192.0.2.64/26", "192.0.2.128/25"]


def test_the_options_reach_the_selection(tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    located = {**SECTION, "prefixes_ipv4_by_location": {"aws:eu-west-1": ["192.0.2.0/26", "192.0.2.64/26"]}}
    path.write_text(json.dumps({**DOCUMENT, "synthetics": located}))
    chosen = options(url=path.as_uri(), locations=["aws:eu-west-1"], aggregate=False)
    assert chosen.select(load(chosen), ["synthetics"]) == ["192.0.2.0/26", "192.0.2.64/26"]


def test_neither_a_document_nor_a_fault_in_one_shows_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = options(url="https://me:password@mirror.test/")
    monkeypatch.setattr(source, "fetch", lambda *_, **__: json.dumps(DOCUMENT).encode())
    assert load(chosen).url == "https://***@mirror.test/"
    monkeypatch.setattr(source, "fetch", lambda *_, **__: b"[]")
    with pytest.raises(IpRangesError, match=r"The document at https://\*\*\*@mirror.test/ is refused: "):
        load(chosen)


def test_what_is_not_needed_is_not_imported(tmp_path: Path) -> None:
    # Ansible imports anew for every host and task.
    path = tmp_path / "document.json"
    path.write_text(json.dumps(DOCUMENT))
    program = (
        "import sys\n"
        "from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.options import RangesOptions, load\n"
        f"options = RangesOptions.from_mapping({ {**DEFAULTS, 'url': path.as_uri()}!r})\n"
        "options.select(load(options), ['agents'])\n"
        "print(sorted({'httpx', 'jmespath', 'ssl', 'ansible'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
