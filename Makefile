# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Every target sets up what it needs (tests/setup.sh) and takes ARGS for the program that it runs:
#     make unit ARGS='-k aggregate -x'
SHELL := /bin/bash
ARGS ?=
IN_ENV := @tests/setup.sh

.DEFAULT_GOAL := help
.PHONY: help demo test unit quality integration soak faults lint lock compat bench bench-ranges fuzz lab-up lab-down lab-shell build clean

help: ## list what there is (the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: ## harden a disposable host and show what passes and what does not
	$(IN_ENV) tests/lab/demo.sh $(ARGS)

# Tests of the lab take longest and mostly wait: they come first, and the others run beside them (tests/conftest.py).
test: ## unit, quality and integration tests and a little fuzzing; those that take long are left to soak
	$(IN_ENV) pytest --numprocesses 2 --no-loadscope-reorder tests/integration tests/unit tests/fuzz tests/quality $(ARGS)

unit: ## the tests that need nothing but Python
	$(IN_ENV) pytest tests/unit $(ARGS)

quality: ## the gates: sanity, linters, types, build and install
	$(IN_ENV) pytest tests/quality $(ARGS)

integration: ## the Molecule scenarios in the lab (root on Debian)
	$(IN_ENV) pytest tests/integration $(ARGS)

soak: ## the Molecule scenarios that take too long for every day
	$(IN_ENV) pytest tests/integration -m soak $(ARGS)

faults: ## kill the module at every step, cut its host's power: ARGS='--backend ufw --kills 200 --stops 20'
	$(IN_ENV) tests/faults/faults.py $(ARGS)

lint: ## put the code into its form, then the fast gates alone
	$(IN_ENV) ruff format --quiet
	$(IN_ENV) pytest tests/quality -m 'not slow' $(ARGS)

compat: ## unit tests and a playbook on the oldest and newest ansible-core
	$(IN_ENV) pytest tests/compat $(ARGS)

bench: ## the benchmarks of host_firewall, in the lab
	$(IN_ENV) tests/bench/run.sh $(ARGS)

bench-ranges: ## what address ranges cost beside netaddr, and a lookup that needs no network
	$(IN_ENV) tests/bench/ranges.py $(ARGS)

fuzz: ## fuzz documents, selections and queries: ARGS='--runs 2000000' (executions of all together)
	$(IN_ENV) tests/fuzz/fuzz.py $(ARGS)

lab-up: ## start the lab and its hosts: ARGS='h1 h2=trixie h3=firewalld:trixie' (NAME, NAME=RELEASE, NAME=IMAGE:RELEASE)
	$(IN_ENV) tests/lab/lab.py up $(ARGS)

lab-down: ## stop the lab, or of its hosts: ARGS='h1'
	$(IN_ENV) tests/lab/lab.py down $(ARGS)

lab-shell: ## a shell in the lab
	$(IN_ENV) tests/lab/lab.py exec -- bash $(ARGS)

build: ## the file that ansible-galaxy collection install takes, in the cache folder
	$(IN_ENV) bash -c 'ansible-galaxy collection build --force --output-path "$$NETWALL_CACHE/dist"'

lock: ## fix the newest versions that requirements-dev.in allows in requirements-dev.txt
	$(IN_ENV) uv pip compile --quiet --upgrade --universal --python-version 3.11 --fork-strategy fewest \
		--generate-hashes --no-header --output-file requirements-dev.txt requirements-dev.in $(ARGS)

clean: ## stop all labs and remove the cache folder: environments, images of hosts, results
	@cache=$${NETWALL_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/netwall-datadog}; \
	for lab in "$$cache"/labs/*/; do [ ! -d "$$lab" ] || python3 tests/lab/lab.py down --lab "$$(basename "$$lab")"; done; \
	rm -rf -- "$$cache"
