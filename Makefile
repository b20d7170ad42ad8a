# The commands of this project; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help up down test test-all lint format unit molecule docs venv deps

# Administrators' commands, such as iptables, are not in everybody's path.
export PATH := $(CURDIR)/.venv/bin:$(PATH):/usr/local/sbin:/usr/sbin:/sbin

# Ansible takes a UTF-8 locale alone, and one that this machine has.
ifneq ($(shell locale charmap 2>&1),UTF-8)
export LC_ALL := C.UTF-8
endif
# By itself it reads none in a directory that anybody may write to.
up down: export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

# What ansible-playbook gets besides, e.g. ARGS="-e workshop_name=blue".
ARGS ?=
# The molecule scenario that `make molecule` runs.
SCENARIO ?= default

# Container nodes need root: they load kernel settings and run privileged.
# -E keeps the proxy and package index settings; -H, and no XDG directory, put caches and state into root's home.
of_user := XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_RUNTIME_DIR XDG_STATE_HOME
as_root := $(if $(filter-out 0,$(shell id -u)),sudo -E -H env $(of_user:%=-u %) PATH="$(PATH)" PYTHONDONTWRITEBYTECODE=1)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  ARGS="-e NAME=VALUE ..." passes settings on to up and down;'
	@echo '  roles/room/defaults/main/ holds the settings of a room, which it remembers; docs/settings.md tells of others.'

up: .prepared-run ## Bring the whole workshop up on this machine (installs what it needs)
	@$(as_root) ansible-playbook site.yml $(ARGS)

down: .prepared-run ## Take the workshop down again (ARGS="-e purge=true" removes the bundle cache too)
	@$(as_root) ansible-playbook playbooks/teardown.yml $(ARGS)

test: .prepared-test ## Lint, unit tests, the molecule scenarios and the acceptance tests that fit
	@tests/run lint bundle unit molecule

test-all: .prepared-test ## The same, and all of tests/acceptance (hours)
	@tests/run lint bundle unit molecule acceptance

lint: .python-test ## ansible-lint, yamllint, ruff, mypy, shellcheck, hadolint, links
	@tests/run lint

format: .python-test ## Format the Python code, and mend what ruff can mend
	@ruff check --fix-only --quiet . && ruff format .

unit: .python-test ## Unit tests (one of them: .venv/bin/pytest tests/unit -k NAME)
	@tests/run unit

molecule: .prepared-test ## One molecule scenario: SCENARIO=default
	@tests/run molecule:$(SCENARIO)

docs: .python-test ## The documentation as a site, in .cache/site
	@NO_MKDOCS_2_WARNING=1 mkdocs build --strict && echo "open .cache/site/index.html"

venv: .python-test ## Only make .venv, with what running and testing need

deps: ## Choose the newest Python packages that requirements/*.in allow, and write their hashes
	@scripts/lock_requirements

# Quick and silent when nothing is missing.
.PHONY: .prepared-run .prepared-test .python-test
# A kit that ARGS names comes first: the packages then are its own.
.prepared-run:
	@$(if $(as_root),command -v sudo >/dev/null || { echo "Rooms need root and sudo is not here: run make as root or type apt-get install sudo; nothing was changed." >&2; exit 1; })
	@$(as_root) scripts/check_home
	@if scripts/use_kit --named $(ARGS); then KIT_PACKAGES=$$($(as_root) scripts/use_kit $(ARGS)) && export KIT_PACKAGES || exit 1; fi; \
	  scripts/install_debian_packages && scripts/prepare_venv run
.prepared-test:
	@scripts/install_debian_packages test
	@scripts/prepare_venv test
.python-test:
	@scripts/install_debian_packages python3-venv
	@scripts/prepare_venv test
