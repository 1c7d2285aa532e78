# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's world as values: its addresses and names, and the texts that servers and hosts are configured with.

Pure functions only. All addresses are documentation addresses (RFC 5737, RFC 3849). The hosts stand on one LAN;
everything outside is one router, which holds whole prefixes as its own, so that *any* address of a section answers.
Names and sections: docs.datadoghq.com, "Network Traffic".
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from ipaddress import ip_network
from typing import Any


@dataclass(frozen=True)
class Address:
    """One place in both families."""

    ipv4: str
    ipv6: str


def on_lan(number: int) -> Address:
    """The address of machine `number` (1 to 254) on the hosts' LAN, 192.0.2.0/24 and 2001:db8:1::/64."""
    return Address(f"192.0.2.{number}", f"2001:db8:1::{number}")


CONTROLLER = on_lan(1)
GATEWAY = on_lan(2)
# The neighbour has two addresses, so that one can be let in and the other not; it speaks from the first by itself.
NEIGHBOUR, OTHER_NEIGHBOUR = on_lan(9), on_lan(8)
FIRST_HOST, LAST_HOST = 11, 249

SITES = (
    "datadoghq.com",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "datadoghq.eu",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "uk1.datadoghq.com",
    "ddog-gov.com",
    "us2.ddog-gov.com",
)

# Section → the names under a site that lead into it; a name stands for everything below it too.
INTAKES: Mapping[str, tuple[str, ...]] = {
    "agents": ("agent",),
    "api": ("api",),
    "apm": ("trace.agent", "instrumentation-telemetry-intake"),
    "logs": ("logs",),
    "process": ("process",),
    "orchestrator": ("orchestrator", "contlcycle-intake"),
    "remote-configuration": ("config",),
    "global": (
        "llmobs-intake",
        "intake.profile",
        "contimage-intake",
        "sbom-intake",
        "ndm-intake",
        "snmp-traps-intake",
        "ndmflow-intake",
        "netpath-intake",
        "dbm-metrics-intake",
        "dbquery-intake",
        "softinv-intake",
        "eudm-intake",
    ),
    "synthetics-private-locations": ("intake.synthetics", "intake-v2.synthetics"),
}
# Sections that Datadog calls from.
LOCATIONS = ("aws:eu-west-1", "aws:us-east-1")
CALLERS = ("webhooks", "synthetics")

# Outside addresses in no section; the real ip-ranges, app and download hosts are in none either.
ELSEWHERE: Mapping[str, Address] = {
    name: Address(f"203.0.113.{number}", f"2001:db8:ffff:f000::{number}")
    for number, name in enumerate(
        ("ip-ranges", "app", "downloads", "ntp", "proxy", "stranger", "resolver", "other_resolver"), 130
    )
}
# DNS servers beside the one that every host is told of.
_RESOLVERS = (ELSEWHERE["resolver"], ELSEWHERE["other_resolver"])
# Where clouds tell an instance about itself; it answers on every port that the others answer on.
METADATA = Address("169.254.169.254", "fd00:ec2::254")
DOWNLOADS = ("install", "apt", "yum", "keys", "windows-agent")
NTP_NAMES = tuple(f"{number}.datadog.pool.ntp.org" for number in range(4))

OUTSIDE = (
    "198.51.100.0/24",
    "203.0.113.0/24",
    "2001:db8:ffff::/48",
    f"{METADATA.ipv4}/32",
    f"{METADATA.ipv6}/128",
)
# Nearly everything; remote configuration's test; autoscaling; kubelet; logs over TCP.
TLS_PORTS = (443, 8042, 8443, 10250, 10516)
# Kubelet without TLS, and two ports that no Agent needs.
PLAIN_PORTS = (25, 80, 10255)
PROXY_PORT = 3128
# The same proxy for those who give a user and a password; the password is made with the lab's keys.
ASKING_PROXY_PORT = 3129
PROXY_USER = "agent"
LEASE_SECONDS = 120


def prefixes(section: str) -> tuple[str, str]:
    """The IPv4 and the IPv6 prefix of a section that Agents send to, or of a caller (`webhooks`, `synthetics`)."""
    if section == "webhooks":
        return "203.0.113.32/28", "2001:db8:ffff:110::/64"
    if section == "synthetics":
        return "203.0.113.0/27", "2001:db8:ffff:100::/63"
    row = list(INTAKES).index(section) + 1
    return f"198.51.100.{16 * row}/28", f"2001:db8:ffff:{row:x}::/64"


def address_in(section: str) -> Address:
    """The address in a section that its names resolve to, or that a caller calls from: the first of each prefix."""
    first = [str(ip_network(prefix)[1]) for prefix in prefixes(section)]
    return Address(first[0], first[1])


def ip_ranges() -> dict[str, Any]:
    """Write the lab's address ranges in the shape that Datadog publishes; logs in halves, so that something merges."""
    document: dict[str, Any] = {"version": 1, "modified": "2026-01-01-00-00-00"}
    for section in INTAKES:
        ipv4, ipv6 = prefixes(section)
        halves = [str(half) for half in ip_network(ipv4).subnets()] if section == "logs" else [ipv4]
        document[section] = {"prefixes_ipv4": halves, "prefixes_ipv6": [ipv6]}
    ipv4, ipv6 = prefixes("webhooks")
    document["webhooks"] = {"prefixes_ipv4": [ipv4], "prefixes_ipv6": [ipv6]}
    document["synthetics"] = {}
    ipv4, ipv6 = prefixes("synthetics")
    for family, prefix in {"ipv4": ipv4, "ipv6": ipv6}.items():
        halves = [str(half) for half in ip_network(prefix).subnets()]
        document["synthetics"][f"prefixes_{family}"] = halves
        document["synthetics"][f"prefixes_{family}_by_location"] = {
            location: [halves[place]] for place, location in enumerate(LOCATIONS)
        }
    return document


def names() -> dict[str, Address]:
    """List every name of the lab's DNS and where it leads; it covers the names below it that have no entry."""
    found: dict[str, Address] = {}
    for site in SITES:
        for section, labels in INTAKES.items():
            found.update({f"{label}.{site}": address_in(section) for label in labels})
        found[f"browser-intake-{site.replace('.', '-', site.count('.') - 1)}"] = address_in("global")
        found.update({f"{label}.{site}": ELSEWHERE[label] for label in ("app", "ip-ranges")})
    found.update({f"{label}.datadoghq.com": ELSEWHERE["downloads"] for label in DOWNLOADS})
    found.update(dict.fromkeys(NTP_NAMES, ELSEWHERE["ntp"]))
    found.update({f"{label}.lab.example": ELSEWHERE[label] for label in ("proxy", "stranger")})
    return found


def certificate_names() -> list[str]:
    """What the servers' certificate is for: a wildcard reaches one label down, so each level has its own."""
    levels = ("", "agent.", "logs.", "profile.", "synthetics.")
    wildcards = [f"*.{level}{site}" for site in SITES for level in levels]
    return [*wildcards, *(name for name in names() if name.startswith("browser-intake-")), "*.lab.example"]


def description() -> dict[str, Any]:
    """What a test needs to know of the world, for `lab.json`."""
    intakes = {
        section: {**asdict(address_in(section)), "name": f"{labels[0]}.{SITES[0]}"}
        for section, labels in INTAKES.items()
    }
    return {
        "controller": asdict(CONTROLLER),
        "internet": asdict(GATEWAY),
        "neighbour": asdict(NEIGHBOUR),
        "other_neighbour": asdict(OTHER_NEIGHBOUR),
        "intakes": intakes,
        "callers": {section: asdict(address_in(section)) for section in CALLERS},
        "elsewhere": {name: asdict(address) for name, address in ELSEWHERE.items()},
        "metadata": asdict(METADATA),
        "ip_ranges_url": f"https://ip-ranges.{SITES[0]}/",
        "proxy_url": f"http://proxy.lab.example:{PROXY_PORT}",
        "asking_proxy_url": f"http://proxy.lab.example:{ASKING_PROXY_PORT}",
        "ntp_name": NTP_NAMES[0],
        "tls_ports": list(TLS_PORTS),
        "plain_ports": list(PLAIN_PORTS),
    }


# Duplicate address detection would hold IPv6 back for a second and a half.
_UNIT = "[Match]\nName=host0\n\n[Network]\nLinkLocalAddressing=ipv6\nIPv6DuplicateAddressDetection=0\n"


def network_unit(address: Address, *, gateway: bool) -> str:
    """Write systemd-networkd's file for a machine on the LAN; the way out itself has no `gateway`."""
    routes = "".join(f"Gateway={way}\nDNS={way}\n" for way in (GATEWAY.ipv4, GATEWAY.ipv6)) if gateway else ""
    return f"{_UNIT}IPv6AcceptRA=no\nAddress={address.ipv4}/24\nAddress={address.ipv6}/64\n{routes}"


# As long as a lease runs, its address is for who had it: known by their place, whatever host is there now.
_ASKING_UNIT = f"{_UNIT}IPv6AcceptRA=yes\nDHCP=yes\n\n[DHCPv6]\nDUIDType=link-layer\n"


def interfaces_file(number: int) -> str:
    """Write ifupdown's file for host `number` without systemd."""
    address = on_lan(number)
    return (
        "auto lo host0\niface lo inet loopback\n"
        f"iface host0 inet static\n    address {address.ipv4}/24\n    gateway {GATEWAY.ipv4}\n"
        f"    hwaddress ether {_hardware_address(number)}\n"
        f"iface host0 inet6 static\n    address {address.ipv6}/64\n    gateway {GATEWAY.ipv6}\n    dad-attempts 0\n"
    )


def host_files(number: int, *, dhcp: bool) -> dict[str, str]:
    """Path in the root of host `number` → text: how it gets onto the LAN, whatever its image has for that."""
    unit = _ASKING_UNIT if dhcp else network_unit(on_lan(number), gateway=True)
    # Its neighbours remember the place by this, whatever host stood there before.
    link = f"\n[Link]\nMACAddress={_hardware_address(number)}\n"
    return {
        "etc/systemd/network/10-host0.network": f"{unit}{link}",
        "etc/network/interfaces": interfaces_file(number),
    }


def _hardware_address(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def outside_unit() -> str:
    """systemd-networkd's file that makes the outside prefixes, each as a whole, addresses of the router itself."""
    addresses = "".join(f"Address={server.ipv4}/32\nAddress={server.ipv6}/128\n" for server in _RESOLVERS)
    routes = "".join(f"\n[Route]\nDestination={prefix}\nType=local\nTable=local\n" for prefix in OUTSIDE)
    return f"[Match]\nName=lo\n\n[Network]\n{addresses}{routes}"


def dnsmasq_configuration() -> str:
    """DNS for everybody on the LAN: the world's names, and "no such name" for all others. Addresses for who asks."""
    # Addresses come with networkd, which may be later. Who answers solicitations goes by interface alone.
    lines = ["no-resolv", "no-hosts", "bind-dynamic", "interface=host0"]
    lines += [f"listen-address={address}" for server in _RESOLVERS for address in (server.ipv4, server.ipv6)]
    # Each asks with the hardware address of its place, so nobody gets any other address.
    lines += [
        "dhcp-authoritative",
        "enable-ra",
        f"dhcp-range={on_lan(0).ipv4},static,255.255.255.0,{LEASE_SECONDS}",
        "no-ping",
    ]
    lines += [f"dhcp-range={on_lan(0).ipv6},static,64,{LEASE_SECONDS}"]
    for number in range(FIRST_HOST, LAST_HOST + 1):
        place = on_lan(number)
        lines += [f"dhcp-host={_hardware_address(number)},{place.ipv4},[{place.ipv6}]"]
    for name, address in names().items():
        lines += [f"address=/{name}/{address.ipv4}", f"address=/{name}/{address.ipv6}"]
    return "\n".join([*lines, "address=/#/", ""])


def nginx_configuration() -> str:
    """TLS and plain servers that say which address was reached and by whom; for `ip-ranges.<site>`, the documents."""
    tls = "".join(f"    listen {port} ssl;\n    listen [::]:{port} ssl;\n" for port in TLS_PORTS)
    plain = "".join(f"    listen {port};\n    listen [::]:{port};\n" for port in PLAIN_PORTS)
    keys = "    ssl_certificate /etc/lab/server.pem;\n    ssl_certificate_key /etc/lab/server.key;\n"
    reached = (
        "    default_type application/json;\n    location / {\n        return 200 "
        '\'{"server": "$server_addr", "port": $server_port, "client": "$remote_addr", "name": "$host"}\\n\';\n    }\n'
    )
    documents = (
        "    server_name ~^ip-ranges\\.;\n    listen 443 ssl;\n    listen [::]:443 ssl;\n"
        "    root /srv/ip-ranges;\n    index index.json;\n    default_type application/json;\n"
    )
    return f"server {{\n{tls}{plain}{keys}{reached}}}\n\nserver {{\n{keys}{documents}}}\n"


def ip_ranges_files() -> dict[str, str]:
    """What the ip-ranges server serves, file name → text: the whole as `index.json`, each section by its name."""
    document = ip_ranges()
    head = {key: document[key] for key in ("version", "modified")}
    files = {f"{section}.json": {**head, section: document[section]} for section in document if section not in head}
    return {name: json.dumps(content, indent=2) + "\n" for name, content in {"index.json": document, **files}.items()}


CHRONY_CONFIGURATION = "local stratum 8\nallow all\ncmdport 0\ndriftfile /var/lib/chrony/drift\n"
SQUID_CONFIGURATION = (
    f"http_port {PROXY_PORT}\nhttp_port {ASKING_PROXY_PORT} name=asking\n"
    "auth_param basic program /usr/lib/squid/basic_ncsa_auth /etc/lab/proxy-users\n"
    "acl asking myportname asking\nacl known proxy_auth REQUIRED\nhttp_access deny asking !known\n"
    f"http_access allow all\ncache deny all\ndns_nameservers {GATEWAY.ipv4}\n"
    "access_log stdio:/var/log/squid/access.log\npid_filename none\nshutdown_lifetime 0 seconds\n"
)
RESOLV_CONFIGURATION = f"nameserver {GATEWAY.ipv4}\noptions timeout:2 attempts:2\n"


def internet_files() -> dict[str, str]:
    """Path in the internet's root → text, all but keys and certificates."""
    return {
        "etc/systemd/network/10-host0.network": network_unit(GATEWAY, gateway=False),
        "etc/systemd/network/20-outside.network": outside_unit(),
        "etc/dnsmasq.d/lab.conf": dnsmasq_configuration(),
        "etc/nginx/sites-enabled/lab": nginx_configuration(),
        "etc/chrony/chrony.conf": CHRONY_CONFIGURATION,
        # -x: a container may not set the clock.
        "etc/default/chrony": 'DAEMON_OPTS="-F 1 -x"\n',
        "etc/squid/squid.conf": SQUID_CONFIGURATION,
        # dnsmasq and squid come up together with the network: let them bind addresses that are not there yet. Who does
        # not forward says so to its neighbours, and systemd-networkd 257 then forgets that it advertised a way out.
        "etc/sysctl.d/lab.conf": (
            "net.ipv4.ip_nonlocal_bind = 1\nnet.ipv6.ip_nonlocal_bind = 1\nnet.ipv6.conf.all.forwarding = 1\n"
        ),
        **{f"srv/ip-ranges/{name}": text for name, text in ip_ranges_files().items()},
    }


def ssh_configuration(folder: str, hosts: Mapping[str, Address]) -> str:
    """Write ssh_config for the lab's machines. All have one host key, known beforehand: no trust on first use."""
    quoted = folder.replace("%", "%%")
    lines = []
    for name, address in hosts.items():
        lines += [f"Host {name} {address.ipv4} {address.ipv6}", f"    HostName {address.ipv4}"]
    lines += [
        "Host *",
        "    User operator",
        f'    IdentityFile "{quoted}/key"',
        f'    UserKnownHostsFile "{quoted}/known_hosts"',
        "    IdentitiesOnly yes",
        "    StrictHostKeyChecking yes",
        "    GlobalKnownHostsFile /dev/null",
        "    PasswordAuthentication no",
        "    LogLevel ERROR",
    ]
    return "\n".join([*lines, ""])


def inventory(folder: str, hosts: Mapping[str, Address]) -> str:
    """Write an Ansible inventory (JSON, which is YAML): log in as `operator`, become root by sudo."""
    content = {
        "all": {
            "hosts": {name: {"ansible_host": address.ipv4} for name, address in hosts.items()},
            "vars": {
                "ansible_user": "operator",
                "ansible_become": True,
                "ansible_python_interpreter": "/usr/bin/python3",
                "ansible_ssh_common_args": "-F " + shlex.quote(f"{folder}/ssh_config"),
                # Every lab has the same addresses, by which Ansible names the connections that it keeps open.
                "ansible_control_path_dir": f"{folder}/ssh",
            },
        }
    }
    return json.dumps(content, indent=2) + "\n"
