#!/usr/bin/env bash
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What a run of host_firewall costs for few and for many networks, on a disposable host; ends with the figures.
set -eu
here=$(dirname "$(readlink -f "$0")")
lab() { python3 "$here/../lab/lab.py" "$@"; }

lab check
trap 'lab down --lab bench >/dev/null' EXIT
state=$(lab up --lab bench h1 | tail -n 1)
lab exec --lab bench -- ansible-playbook -i "$state/inventory.yml" "$here/host_firewall.yml" "$@" |
  awk '/TASK \[Figures\]/ { shown = 1 } /TASK \[The host is as before\]/ { shown = 0 } shown || /fatal|ERROR/'
