#!/usr/bin/env bash
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Shows what the collection is for, on a disposable host: `make demo`. Where no host can be had, the plan alone.
set -euo pipefail

here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
host=web
# Its own lab, so that hosts that somebody tries things on are left alone.
export NETWALL_LAB=demo
export ANSIBLE_CALLBACK_PLUGINS=$here/demo/callback_plugins ANSIBLE_STDOUT_CALLBACK=briefly

lab() {
    python "$here/lab.py" "$@"
}

heading() {
    if [ -t 1 ]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n== %s\n' "$*"; fi
}

# --- Where no host can be had ---------------------------------------------------------------------------------------

plan_alone() {
    heading "The plan for one host, from a sample of the address ranges (documentation addresses)"
    local sample
    sample=$(python -c 'import pathlib, sys; print(pathlib.Path(sys.argv[1]).as_uri())' "$here/demo/ip-ranges.json")
    ansible-playbook --inventory "$here/demo/inventory.yml" netwall.datadog.plan \
        --extra-vars "agent_firewall_ip_ranges_url=$sample"
    heading "Shown in $SECONDS s: the plan. Left out: the hardening of a host, its packets and the removal. $1"
}

status=0
reason=$(lab check) || status=$?
if [ "$status" = 3 ]; then
    plan_alone "$reason"
    exit
fi
[ "$status" = 0 ] || exit "$status"

# --- A disposable host ----------------------------------------------------------------------------------------------

mkdir -p -- "$NETWALL_CACHE"
exec 9>"$NETWALL_CACHE/demo.lock"
flock --nonblock 9 || {
    echo "demo: another demo is running; wait for its end" >&2
    exit 1
}

clean_up() {
    trap '' INT TERM
    local connection
    for connection in "$work"/ssh/*; do
        [ ! -S "$connection" ] || ssh -o ControlPath="$connection" -O exit "$host" 2>/dev/null || true
    done
    rm -rf -- "$work"
    lab down
}

work=$(mktemp -d)
# Ansible's open connections are known by address alone, and every lab has the same addresses.
export ANSIBLE_SSH_CONTROL_PATH_DIR=$work/ssh
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

playbook() {
    lab exec -- ansible-playbook --inventory "$folder/inventory.yml" --inventory "$here/demo/inventory.yml" \
        --extra-vars "{'agent_firewall_ip_ranges_ca_path': '$folder/ca.pem'}" "$@"
}

packets() {
    python "$here/../integration/packets.py" --lab "$folder" --host "$host" "$@" <"$here/demo/packets.json"
}

# Files, rules in the kernel, settings and units: whatever a firewall may leave a trace in.
footprint() {
    lab console "$host" sh -s <"$here/../../extensions/molecule/shared/footprint.sh" >"$work/$1"
}

heading "1. A host and its surroundings"
lab prepare
# Left over where a demo was killed.
lab down
folder=$(lab up "$host")
lab ssh "$host" 'sudo tee /usr/local/lib/listeners.py >/dev/null' <"$here/listeners.py"
lab ssh "$host" sudo systemd-run --quiet --unit=listeners --property=Type=notify /usr/bin/python3 \
    /usr/local/lib/listeners.py --udp=8125 --tcp=8126 --tcp=8443
lab console "$host" ufw default deny outgoing >/dev/null
footprint before
cat <<TEXT
Debian 12 as it is installed: ufw is there, and off. Its owner has said "ufw default deny outgoing", to hold once it is on.
Around it: Datadog's intakes (certificates, names, address ranges, time), two neighbours and strangers, all disposable.
Without a firewall everything passes, from the host and to it:

TEXT
packets --no-firewall

heading "2. The plan: ansible-playbook netwall.datadog.plan (changes nothing)"
playbook netwall.datadog.plan

heading "3. The hardening: ansible-playbook netwall.datadog.harden"
playbook netwall.datadog.harden
lab console "$host" ufw status verbose | sed -n 1,4p

heading "4. What passes now, and what doesn't (TLS certificates are checked)"
packets

heading "5. The same once more"
playbook netwall.datadog.harden

heading "6. The removal: ansible-playbook netwall.datadog.remove"
playbook netwall.datadog.remove
footprint after
diff --unified=0 "$work/before" "$work/after"
printf 'Of %s lines of files, rules, settings and units none differs from what stood before; ufw is off again.\n' \
    "$(wc -l <"$work/after")"

heading "Shown in $SECONDS s: a plan, its hardening of a fresh host over SSH, packets that pass and packets that don't," \
    "a second run without a change, and a removal without a trace."
