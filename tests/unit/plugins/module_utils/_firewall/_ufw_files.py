# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules files with rules of an operator, in the form in which ufw 0.36 writes them."""

from __future__ import annotations

import dataclasses
import functools

from hypothesis import strategies as st

ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}

_CHAINS = ["user-input", "user-output", "user-forward"] + [
    f"{place}-logging-{way}" for place in ("before", "user", "after") for way in ("input", "output", "forward")
]
_TARGETS = {"allow": "ACCEPT", "deny": "DROP", "reject": "REJECT"}
_LOG_WORDS = {"allow": "ALLOW", "deny": "BLOCK", "reject": "BLOCK", "limit": "LIMIT"}
_LOG_LIMIT = "-m limit --limit 3/min --limit-burst 10"


@dataclasses.dataclass(frozen=True)
class OperatorsRule:
    """A rule as ``ufw`` was told it; ``log`` is empty, ``log`` or ``log-all``, no address means anywhere."""

    action: str = "allow"
    protocol: str = "any"
    dport: str = "any"
    dst: str = ""
    sport: str = "any"
    src: str = ""
    way: str = "in"
    interface: str = ""
    routed_to: str = ""
    apps: tuple[str, str] = ("", "")
    log: str = ""
    comment: str = ""

    def tuple_line(self, family: int) -> str:
        """The line that only ufw reads."""
        action = ("route:" if self.routed_to else "") + self.action + (f"_{self.log}" if self.log else "")
        way = self.way + (f"_{self.interface}" if self.interface else "")
        way = f"in_{self.interface}!out_{self.routed_to}" if self.routed_to else way
        addresses = [self.dst or ANYWHERE[family], self.src or ANYWHERE[family]]
        fields = [action, self.protocol, self.dport, addresses[0], self.sport, addresses[1]]
        if any(self.apps):
            fields += [app.replace(" ", "%20") or "-" for app in self.apps]
        comment = f" comment={self.comment.encode().hex()}" if self.comment else ""
        return f"### tuple ### {' '.join([*fields, way])}{comment}"

    def iptables_lines(self, family: int) -> list[str]:
        """The lines that the kernel gets."""
        chains = "ufw6" if family == 6 else "ufw"
        suffix = "forward" if self.routed_to else "output" if self.way == "out" else "input"
        has_ports = (self.dport, self.sport) != ("any", "any")
        protocols = [self.protocol] if self.protocol != "any" else ["tcp", "udp"] if has_ports else [""]
        return [
            line
            for protocol in protocols
            for line in _judged(chains, suffix, self._match(protocol), self._rest(protocol), self)
        ]

    def _match(self, protocol: str) -> str:
        ways = [(f"-{'i' if self.way == 'in' or self.routed_to else 'o'}", self.interface), ("-o", self.routed_to)]
        parts = [f"{option} {name}" for option, name in ways if name]
        parts += [f"-p {protocol}"] if protocol else []
        ports = [("d", self.dport, "-d", self.dst), ("s", self.sport, "-s", self.src)]
        several = any(mark in port for _kind, port, _option, _address in ports for mark in ",:")
        if several:
            parts += [f"-m multiport --{kind}ports {port}" for kind, port, _option, _address in ports if port != "any"]
        for kind, port, option, address in ports:
            parts += [f"{option} {address}"] if address else []
            parts += [f"--{kind}port {port}"] if port != "any" and not several else []
        return " ".join(parts)

    def _rest(self, protocol: str) -> str:
        apps = [f"{side}app_{app.replace(' ', '%20')}" for side, app in zip("ds", self.apps, strict=True) if app]
        reset = " --reject-with tcp-reset" if self.action == "reject" and protocol == "tcp" else ""
        return reset + (f" -m comment --comment '{','.join(apps)}'" if apps else "")


def _judged(chains: str, suffix: str, match: str, rest: str, rule: OperatorsRule) -> list[str]:
    begin = f"-A {chains}-user-{suffix} {match}".rstrip()
    lines = []
    if rule.log:
        logging = f"{chains}-user-logging-{suffix}"
        new = "" if rule.log == "log-all" else "-m conntrack --ctstate NEW "
        log = f'{new}{_LOG_LIMIT} -j LOG --log-prefix "[UFW {_LOG_WORDS[rule.action]}] "'
        logged = f"-A {logging} {match}".rstrip()
        lines += [f"{logged} {log}", f"{logged} -j RETURN", f"{begin} -j {logging}"]
    if rule.action != "limit":
        return [*lines, f"{begin} -j {_TARGETS[rule.action]}{rest}"]
    recent = f"{begin} -m conntrack --ctstate NEW -m recent"
    return [
        *lines,
        f"{recent} --set{rest}",
        f"{recent} --update --seconds 30 --hitcount 6 -j {chains}-user-limit{rest}",
        f"{begin} -j {chains}-user-limit-accept{rest}",
    ]


def block(rule: OperatorsRule, family: int) -> str:
    """*rule* as it stands in a file: an empty line, the tuple, its iptables lines."""
    return "\n".join(["", rule.tuple_line(family), *rule.iptables_lines(family), ""])


def rules_file(family: int, *blocks: str) -> str:
    """The file of a ufw that was enabled at least once, with *blocks* as its rules."""
    chains = "ufw6" if family == 6 else "ufw"
    limits = [
        f":{chains}-{name} - [0:0]" for name in ("logging-deny", "logging-allow", "user-limit", "user-limit-accept")
    ]
    return "\n".join(
        [
            "*filter",
            *(f":{chains}-{name} - [0:0]" for name in _CHAINS),
            *limits,
            "### RULES ###",
            "".join(blocks),
            "### END RULES ###",
            "",
            "### LOGGING ###",
            f'-A {chains}-after-logging-input -j LOG --log-prefix "[UFW BLOCK] " {_LOG_LIMIT}',
            "### END LOGGING ###",
            "",
            "### RATE LIMITING ###",
            f'-A {chains}-user-limit -m limit --limit 3/minute -j LOG --log-prefix "[UFW LIMIT BLOCK] "',
            f"-A {chains}-user-limit -j REJECT",
            f"-A {chains}-user-limit-accept -j ACCEPT",
            "### END RATE LIMITING ###",
            "COMMIT",
            "",
        ]
    )


TEMPLATES = {
    4: """*filter
:ufw-user-input - [0:0]
:ufw-user-output - [0:0]
:ufw-user-forward - [0:0]
:ufw-user-limit - [0:0]
:ufw-user-limit-accept - [0:0]
### RULES ###
-A ufw-user-limit -m limit --limit 3/minute -j LOG --log-prefix "[UFW LIMIT BLOCK] "
-A ufw-user-limit -j REJECT
-A ufw-user-limit-accept -j ACCEPT
COMMIT
""",
    6: """*filter
:ufw6-user-input - [0:0]
:ufw6-user-output - [0:0]
:ufw6-user-forward - [0:0]
### RULES ###
COMMIT
""",
}
"""The files of a ufw that was never enabled, as its package brings them."""

_ADDRESSES = {
    4: ["", "", "192.0.2.1", "192.0.2.0/24", "198.51.100.128/25", "10.0.0.0/8"],
    6: ["", "", "2001:db8::1", "2001:db8::/32", "fd00::/8"],
}
_PORTS = ["any", "22", "443", "8125", "80,443", "8000:9000", "22,6000:6007,443"]
_COMMENTS = ["", "", "web", "netwall.datadog", "naïve ✓ \U0001f600", "a\u2028b", "comment= ### tuple ###", "'\"\\ %20"]


@functools.cache
def operators_rules(family: int) -> st.SearchStrategy[OperatorsRule]:
    """Any rule that an operator can give to ``ufw``."""
    addresses = st.sampled_from(_ADDRESSES[family])
    common = {
        "action": st.sampled_from(["allow", "deny", "reject", "limit"]),
        "dst": addresses,
        "src": addresses,
        "log": st.sampled_from(["", "", "log", "log-all"]),
        "comment": st.sampled_from(_COMMENTS),
    }
    ways = {
        "way": st.sampled_from(["in", "out"]),
        "interface": st.sampled_from(["", "", "eth0", "br_lan", "eth+", "lo"]),
    }
    ports = {"dport": st.sampled_from(_PORTS), "sport": st.sampled_from(["any", "any", "any", "53", "1000:2000"])}
    return st.one_of(
        st.builds(OperatorsRule, protocol=st.sampled_from(["tcp", "udp"]), **ports, **common, **ways),
        st.builds(OperatorsRule, dport=st.sampled_from(["any", "22", "443"]), **common, **ways),
        st.builds(OperatorsRule, protocol=st.sampled_from(["esp", "gre", "ah"]), **common, **ways),
        st.builds(
            OperatorsRule,
            protocol=st.just("tcp"),
            dport=st.just("80,443"),
            apps=st.sampled_from([("WWW Full", ""), ("", "WWW Full"), ("WWW Full", "Other")]),
            **common,
            **ways,
        ),
        st.builds(
            OperatorsRule,
            protocol=st.sampled_from(["any", "tcp"]),
            interface=st.just("eth0"),
            routed_to=st.sampled_from(["eth1", "br_lan"]),
            **common,
        ),
    )
