# Every target does its own set-up: a machine with Python 3.11 to 3.13 and make is enough.
# `make PYTHON=python3.12 install` chooses the interpreter; later targets keep that choice.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# The first of these that is a version we run on.
CHECK := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
CANDIDATES := python3.11 python3.12 python3.13 python3
PYTHON ?= $(shell for p in $(CANDIDATES); do $$p -c '$(CHECK)' 2>/dev/null && echo $$p && break; done)

# Another interpreter asked for by name is a reason to set up again.
ifneq ($(filter command environment,$(firstword $(origin PYTHON))),)
ifneq ($(PYTHON),$(shell cat $(VENV)/.python 2>/dev/null))
$(shell rm -f $(INSTALLED))
endif
endif

# Simulated worlds for `make sim`.
SEEDS ?= 2000

# Who is asked by `make audit`: pypi, or osv.
SERVICE ?= pypi

.DEFAULT_GOAL := help
.PHONY: help install run test sim canaries chaos soak bench image-check lint audit clean

help:
	@echo 'make install   set up .venv with pinned versions (PYTHON=python3.12 chooses the interpreter)'
	@echo 'make run       the service with its own database and demo data; prints its URL'
	@echo 'make test      every test, on a real PostgreSQL'
	@echo 'make sim       2000 simulated worlds in which the database misbehaves (SEEDS=n for another number)'
	@echo 'make canaries  mutants of our own code, each of which the tests must catch'
	@echo 'make chaos     a minute of the real service while it is killed, paused and cut off (SEED=n repeats one)'
	@echo 'make soak      the same for an hour'
	@echo 'make bench     five minutes of load, side by side with bare aiohttp and pgbench'
	@echo 'make image-check   what the Dockerfile says, step by step, with no container engine (as root)'
	@echo 'make lint      formatting, lint rules, import rules, types'
	@echo 'make audit     known vulnerabilities of what is installed; asks the package index (SERVICE=osv: the OSV database)'
	@echo 'make clean     remove .venv and caches; the data in .evently stays'

install: $(INSTALLED)

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	@test -n '$(PYTHON)' || { echo 'Python 3.11, 3.12 or 3.13 is needed: install one, or say PYTHON=/path/to/python' >&2; exit 1; }
	@$(PYTHON) -c '$(CHECK)' || { echo '$(PYTHON) is not Python 3.11, 3.12 or 3.13' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo '$(PYTHON) cannot make a virtual environment: install its venv package (Debian and Ubuntu: apt-get install python3-venv, or python3.11-venv for that version)' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench,otel]'
	@echo '$(PYTHON)' > $(VENV)/.python
	@touch $@

run: $(INSTALLED)
	$(BIN)/evently serve --demo

test: $(INSTALLED)
	$(BIN)/python -m pytest

sim: $(INSTALLED)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

canaries: $(INSTALLED)
	$(BIN)/python -m tests.simulation.canaries

chaos: $(INSTALLED)
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED))

soak: $(INSTALLED)
	$(BIN)/python -m tests.chaos --seconds 3600 $(if $(SEED),--seed $(SEED))

bench: $(INSTALLED)
	$(BIN)/python -m bench

image-check: $(INSTALLED)
	$(BIN)/python -m tests.image_check /usr/bin/python3

lint: $(INSTALLED)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/mypy --strict

# Everything is pinned, so nothing is resolved or downloaded: only the names and versions are sent.
# It needs a network, and tells what became known since yesterday, so it is no part of the tests.
audit: $(INSTALLED)
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict --progress-spinner off --vulnerability-service $(SERVICE)

clean:
	rm -rf $(VENV) build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find evently actors routes db bench tests -name __pycache__ -type d -prune -exec rm -rf {} +
