#!/bin/sh
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Runs as root on a host and prints, as text that can be compared, everything that a firewall may leave a trace in.
# With the argument "theirs": the rules of everybody but netwall.datadog in ufw's files, byte for byte, and no more. With
# "rules": all but the kernel's settings, which an interface takes over when it comes up, sooner or later in a boot.
set -eu

mark=$(printf 'netwall.datadog:' | od -An -v -tx1 | tr -d ' \n')

theirs() {
    for file in /etc/ufw/user.rules /etc/ufw/user6.rules; do
        echo "== $file without ours"
        perl -0pe "s/\n### tuple ### [^\n]* comment=${mark}[^\n]*\n-A [^\n]*\n//g" "$file"
    done
}

if [ "${1:-}" = theirs ]; then
    theirs
    exit
fi

for file in $(find /etc/ufw /etc/default/ufw /etc/firewalld ! -type d 2>/dev/null | sort); do
    stat --format '== %n %F %a %U:%G %s bytes' "$file"
    cat "$file"
done
for program in iptables-save ip6tables-save; do
    echo "== $program"
    # The time and the counters of chains are no rules.
    "$program" | sed -e '/^#/d' -e 's/ \[[0-9]*:[0-9]*\]$//'
done
echo '== nft'
nft --stateless list ruleset
if [ "${1:-}" != rules ]; then
    echo '== kernel settings'
    sysctl --all --pattern '^net[.](ipv[46][.](conf|icmp|ip_forward|tcp_)|netfilter.nf_conntrack_(helper|tcp_loose|log))' 2>/dev/null
fi
echo '== units'
for unit in ufw firewalld; do
    systemctl is-enabled "$unit" 2>/dev/null || :
    systemctl is-active "$unit" 2>/dev/null || :
    find /etc /run -name "*$unit*" ! -name '*.lock' | sort
done
echo '== ours'
find / /run /dev/shm -xdev -iname '*netwall*'
