#!/usr/bin/env bash
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Makes the development environment unless it is there already, then runs a command in it:
#
#     tests/setup.sh [COMMAND [ARGUMENT ...]]
#
# Everything made lies in the cache folder, nothing in the checkout:
#     venv-KEY/   the packages of requirements-dev.txt; KEY stands for that file and the Python
#     tree-KEY/   ansible_collections/netwall/datadog, a link to this checkout; KEY stands for its path
# The command starts in the checkout and finds NETWALL_CACHE (the cache folder), NETWALL_ROOT (the checkout) and
# NETWALL_TREE (its tree-KEY) in its environment.
#
# Read from the environment: NETWALL_CACHE (another cache folder), PYTHON (the interpreter to build on).
set -euo pipefail

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

root=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cache=${NETWALL_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set: it holds the cache folder}/.cache}/netwall-datadog}
requirements=$root/requirements-dev.txt
# The checkout stays free of caches; what pip installs is compiled once, by pip.
export PYTHONDONTWRITEBYTECODE=1

# --- What the system has to provide ---------------------------------------------------------------------------------

can_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

install_packages() {
    printf 'setup: installing %s\n' "$*" >&2
    local install=(apt-get install --yes --no-install-recommends "$@")
    export DEBIAN_FRONTEND=noninteractive
    { "${install[@]}" || { apt-get update && "${install[@]}"; }; } >&2 ||
        fail "apt-get could not install $*: do what its message asks for and try again"
}

# Prints "VENV-KEY TREE-KEY PATH" for the first Python that fits: 3.11 to 3.13, able to make virtual environments.
find_python() {
    local candidate candidates=(python3 python3.13 python3.12 python3.11 /usr/bin/python3)
    [ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
        # A pyenv shim may exist and not run: what counts is what answers.
        "$candidate" - "$requirements" "$root" 2>/dev/null <<'PYTHON' && return
import ensurepip, hashlib, os, sys, venv
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit(1)
with open(sys.argv[1], "rb") as requirements:
    made_from = requirements.read() + repr((sys.version, sys.base_prefix)).encode()
keys = [hashlib.sha256(material).hexdigest()[:12] for material in (made_from, os.fsencode(sys.argv[2]))]
print(*keys, sys.executable)
PYTHON
    done
    return 1
}

if ! found=$(find_python); then
    [ -n "${PYTHON:-}" ] || ! can_install || install_packages python3-venv
    found=$(find_python) || fail "no Python 3.11, 3.12 or 3.13 here can make virtual environments" \
        "(asked: ${PYTHON:-python3}); on Debian 12 or later install python3-venv, elsewhere name one by PYTHON=…"
fi
read -r venv_key tree_key python <<<"$found"

# The quality gates need git.
command -v git >/dev/null || ! can_install || install_packages git

# --- The environment ------------------------------------------------------------------------------------------------

venv=$cache/venv-$venv_key
tree=$cache/tree-$tree_key
link=$tree/ansible_collections/netwall/datadog

# Other checkouts may be at work in the same environment: it is made anew only if it is no good.
is_made() {
    # The second question: a Python that was removed since leaves an environment that cannot start.
    [ -e "$venv/.complete" ] && "$venv/bin/python" -c '' 2>/dev/null
}

make_environment() {
    printf 'setup: making the development environment in %s (once, about a minute)\n' "$venv" >&2
    rm -rf -- "$venv"
    "$python" -m venv "$venv" >&2
    env -u PYTHONPATH "$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes \
        --requirement "$requirements" >&2 || fail "pip could not install requirements-dev.txt: its message is above"
    : >"$venv/.complete"
}

mkdir -p -- "$cache" || fail "the cache folder $cache cannot be made: name another by NETWALL_CACHE=…"
if ! is_made; then
    (
        # The lock ends with this subshell, however it ends. Not every system has flock(1); Python has it.
        "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
        is_made || make_environment
    ) 9>"$cache/setup.lock"
fi
if [ "$(readlink -- "$link")" != "$root" ]; then
    mkdir -p -- "${link%/*}"
    ln -sfn -- "$root" "$link"
fi

# --- The command ----------------------------------------------------------------------------------------------------

# No setting of the user's Ansible or Python may reach the tests.
for name in $(compgen -e | grep -E '^(ANSIBLE|MOLECULE)_|^PYTHON(HOME|PATH|STARTUP|WARNINGS)$' || true); do
    unset "$name"
done
export NETWALL_CACHE=$cache NETWALL_ROOT=$root NETWALL_TREE=$tree
export VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH PYTHONPATH=$tree
export ANSIBLE_HOME=$cache/ansible ANSIBLE_CONFIG=$root/tests/ansible.cfg ANSIBLE_COLLECTIONS_PATH=$tree
export HYPOTHESIS_STORAGE_DIRECTORY=$cache/hypothesis MYPY_CACHE_DIR=$cache/mypy RUFF_CACHE_DIR=$cache/ruff

if [ $# -gt 0 ]; then
    cd -- "$root"
    exec "$@"
fi
