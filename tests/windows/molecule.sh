#!/usr/bin/env bash
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Runs Molecule with the collections for Windows at hand, from this checkout:
#
#     tests/windows/molecule.sh test -s windows
#
# By hand, and on a Windows runner; tests/integration/test_scenarios.py does it by itself. NETWALL_WINDOWS names the folder
# under extensions/molecule/windows/hosts that says what the Windows host is. Without it, it is a twin beside a Debian host
# of the lab: run this from a shell in the lab then (make lab-shell).
set -euo pipefail

# shellcheck disable=SC2016
exec "$(dirname -- "${BASH_SOURCE[0]}")/../setup.sh" bash -c '
    windows=$(python tests/windows/real.py)
    export ANSIBLE_COLLECTIONS_PATH=$NETWALL_TREE:$windows
    exec molecule "$@"
' molecule "$@"
