# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""ufw's default for outgoing traffic, in its files and in the kernel: what ``ufw default … outgoing`` would change.

That command opens the host for a second, so the same end is reached by texts and one restore. Pure text work.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.ufw_live import Live

AFTER_PATHS = {4: "/etc/ufw/after.rules", 6: "/etc/ufw/after6.rules"}

_SETTING = "DEFAULT_OUTPUT_POLICY"
_WORDS = {"allow": "ACCEPT", "deny": "DROP", "reject": "REJECT"}
_LEVELS = ("off", "low", "medium", "high", "full")

_BLOCK_START = (
    "# netwall.datadog: what a host that denies outgoing traffic must still send, and no rule of ufw's can say"
)
_BLOCK_END = "# netwall.datadog: end"
_BLOCK = re.compile(rf"^{re.escape(_BLOCK_START)}\r?\n(?:.*\n)*?{re.escape(_BLOCK_END)}\r?\n", re.MULTILINE)
_SECTION = re.compile(r"^(\*\w+|COMMIT)[ \t]*(\r?)$", re.MULTILINE)
_LOGGED = re.compile(r'--log-prefix "\[UFW (?:BLOCK|ALLOW)\] "')

_PREFIX = {4: "ufw", 6: "ufw6"}
# By number, because a name such as igmp needs /etc/protocols, without which the whole file would fail to load.
_PROTOCOLS = {"icmp": "1", "igmp": "2", "icmpv6": "58", "ipv6-icmp": "58"}


def policy_of(defaults: t.Mapping[str, str]) -> str:
    """``allow``, ``deny`` or ``reject``, as the settings of /etc/default/ufw say; raises :class:`FirewallError`."""
    said = defaults.get(_SETTING, "")
    for policy, word in _WORDS.items():
        if said == word:
            return policy
    raise FirewallError(
        f"/etc/default/ufw has {_SETTING}='{said}', which ufw does not know; make it ACCEPT, DROP or REJECT."
    )


def with_policy(text: str, policy: str) -> str:
    """*text* of /etc/default/ufw with another default for outgoing traffic, and not a byte else changed."""
    changed, count = re.subn(
        rf"^({_SETTING}=[\"']?)\w*", lambda found: found.group(1) + _WORDS[policy], text, flags=re.MULTILINE
    )
    if count:
        return changed
    return f'{text}{"" if text.endswith(chr(10)) or not text else chr(10)}{_SETTING}="{_WORDS[policy]}"\n'


def with_block(text: str, family: int, wanted: bool) -> str:
    """*text* of after.rules (*family* 4) or after6.rules (6) with our block, or to the byte as it was without it.

    What it lets out (ICMP with neighbour discovery, IGMP) is judged after the operator's rules and before the default.
    It stands last in the table, and leaves out what stands there already. Raises :class:`FirewallError` where there is
    no place for it.
    """
    plain = _BLOCK.sub(_without_ours, text)
    rules = [f"-A {rule}" for rule in _lacking(plain, family)] if wanted else []
    if not rules:
        return plain
    place, newline = _end_of_filter(plain, AFTER_PATHS[family])
    block = "".join(line + newline for line in (_BLOCK_START, *rules, _BLOCK_END))
    return plain[:place] + block + plain[place:]


def has_block(text: str) -> bool:
    """Whether *text* of after.rules or after6.rules has our block."""
    return bool(_BLOCK.search(text))


def with_logging(text: str, family: int, policy: str, level: str) -> str:
    """*text* of user.rules or user6.rules as ufw would write it for *policy* at its log *level* (see ufw.conf).

    A file to which ufw has not written its logging rules yet is left as it is.
    """
    lines = text.splitlines(keepends=True)
    plain = [line.strip() for line in lines]
    if "### LOGGING ###" not in plain or "### END LOGGING ###" not in plain:
        return text
    start, end = plain.index("### LOGGING ###") + 1, plain.index("### END LOGGING ###")
    chain = f"-A {_PREFIX[family]}-after-logging-output "
    kept = [line for line in lines[start:end] if not line.startswith(chain)]
    ahead = [index for index, line in enumerate(kept, 1) if line.startswith(chain.replace("output", "input"))]
    place = ahead[-1] if ahead else 0
    prefix, limit = _logging(policy, level)
    log = f'{chain}-j LOG --log-prefix "{prefix} " {limit}'.rstrip()
    kept[place:place] = [f"{log}\n"] if prefix else []
    return "".join((*lines[:start], *kept, *lines[end:]))


def live_lines(live: Live, policy: str, level: str, after: str) -> list[str]:
    """The commands for :func:`ufw_live.restore` that turn *live* to *policy*; none: it is so already.

    *level* is ufw's log level, *after* the text of after.rules or after6.rules as it shall be, with our block or
    without. Nothing else is named in them, so that everybody's counters stay.
    """
    prefix = _PREFIX[live.family]
    said, limit = _logging(policy, level)
    log = [f'{limit}-j LOG --log-prefix "{said} "'] if said else []
    target = _WORDS[policy] if policy != "reject" else _reject(live.family)
    track = [f"-p {protocol} -m conntrack --ctstate NEW -j ACCEPT" for protocol in ("tcp", "udp")]
    ends = ["-j ACCEPT", "-j DROP", f"-j {_reject(live.family)}"]
    verdict = "ACCEPT" if policy == "allow" else "DROP"
    commands = [f"-P OUTPUT {verdict}"] if live.policies.get("OUTPUT") != verdict else []
    for chain, wanted, known in (
        (f"{prefix}-skip-to-policy-output", [f"-j {target}"], ends),
        (f"{prefix}-reject-output", [f"-j {target}"] if policy == "reject" else [], ends),
        (f"{prefix}-track-output", track if policy == "allow" else [], track),
        (f"{prefix}-after-logging-output", log, []),
    ):
        commands += _replaced(live, chain, wanted, known)
    return commands + _with_icmp(live, after)


def _reject(family: int) -> str:
    return f"REJECT --reject-with icmp{'6' if family == 6 else ''}-port-unreachable"


def _logging(policy: str, level: str) -> tuple[str, str]:
    """The prefix that packets which met the default are logged with (empty: they are not), and the limit on it."""
    rank = _LEVELS.index(level) if level in _LEVELS else 0
    limit = "-m limit --limit 3/min --limit-burst 10 " if rank < _LEVELS.index("high") else ""
    if policy == "allow":
        return ("[UFW ALLOW]" if rank >= _LEVELS.index("medium") else "", limit)
    return ("[UFW BLOCK]" if rank >= _LEVELS.index("low") else "", limit)


def _replaced(live: Live, chain: str, wanted: list[str], known: t.Container[str]) -> list[str]:
    """The commands that have *wanted* stand in *chain* where ufw's own rules stood, which are *known* or log."""
    present = [line.split(" ", 2)[2] for line in live.chains.get(chain, ())]
    own = [number for number, rule in enumerate(present, 1) if rule in known or _LOGGED.search(rule)]
    if [present[number - 1] for number in own] == wanted:
        return []
    deletes = [f"-D {chain} {number}" for number in reversed(own)]
    return [*deletes, *(f"-I {chain} {number} {rule}" for number, rule in enumerate(wanted, 1))]


def _with_icmp(live: Live, after: str) -> list[str]:
    """The commands that have as many rules of a kind that we write stand in the kernel as *after* says."""
    chain = _chain(live.family)
    present = [_plain(line) for line in live.chains.get(chain, ())]
    said = [_plain(line) for line in _filter_rules(after) if line.startswith(f"-A {chain} ")]
    end = len(present)
    deletes, inserts = [], []
    for rule in _ours(live.family):
        places = [number for number, known in enumerate(present, 1) if known == _plain(f"-A {rule}")]
        missing = said.count(_plain(f"-A {rule}")) - len(places)
        deletes += places[missing:] if missing < 0 else []
        inserts += [rule.split(" ", 1)[1]] * max(missing, 0)
    end -= len(deletes)
    return [f"-D {chain} {number}" for number in sorted(deletes, reverse=True)] + [
        f"-I {chain} {end + number} {rule}" for number, rule in enumerate(inserts, 1)
    ]


def _chain(family: int) -> str:
    return f"{_PREFIX[family]}-after-output"


def _ours(family: int) -> list[str]:
    """All rules that our block may have."""
    return [f"{_chain(family)} -p {protocol} -j ACCEPT" for protocol in (("1", "2") if family == 4 else ("58",))]


def _lacking(text: str, family: int) -> list[str]:
    """Those of our rules that *text* of after.rules does not have."""
    rules = [_plain(line) for line in _filter_rules(text) if line.startswith(f"-A {_chain(family)} ")]
    return [rule for rule in _ours(family) if _plain(f"-A {rule}") not in rules]


def _plain(line: str) -> str:
    """The rule that *line* appends, its protocol by number."""
    rule = " ".join(line.split()[2:])
    return re.sub(r"(?<=-p )\S+", lambda found: _PROTOCOLS.get(found.group(), found.group()), rule)


def _filter_rules(text: str) -> list[str]:
    table, rules = "", []
    for line in map(str.strip, text.splitlines()):
        table = line if line.startswith("*") else table
        if table == "*filter" and line.startswith("-A "):
            rules.append(line)
    return rules


def _without_ours(block: re.Match[str]) -> str:
    """What somebody else wrote into our *block*."""
    ours = {_BLOCK_START, _BLOCK_END, *(f"-A {rule}" for family in _PREFIX for rule in _ours(family))}
    return "".join(line for line in block.group().splitlines(keepends=True) if line.rstrip("\r\n") not in ours)


def _end_of_filter(text: str, path: str) -> tuple[int, str]:
    """Where the COMMIT of the last filter table in *text* stands, and how its line ends."""
    table, last = "", None
    for found in _SECTION.finditer(text):
        if found.group(1) != "COMMIT":
            table = found.group(1)
        elif table == "*filter":
            # A table that comes later may declare the chains anew, which empties them.
            last = (found.start(), f"{found.group(2)}\n")
    if not last:
        raise FirewallError(
            f"{path} has no filter table that ends in COMMIT, so ufw could not load it and there is no place for the "
            "rules that let ICMP out; mend it."
        )
    return last
