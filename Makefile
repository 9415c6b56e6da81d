# Every target does its own set-up: a machine with Python 3.11 to 3.14 and make is enough.
# `make PYTHON=python3.12 install` chooses the interpreter; later targets keep that choice.

VENV := .venv
BIN := $(VENV)/bin
# What running needs, and with it what testing, measuring and tracing need.
RUNS := $(VENV)/.runs
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --constraint constraints.txt

# The first of these that is a supported version; before others, one that was built with profile
# guided optimisation, which saves 15% of a move's time in Python. Distributions build theirs so.
CHECK := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
VENV_CHECK := import ensurepip, venv
FAST_CHECK := import sys, sysconfig; sys.exit(sys.base_prefix != "/usr" and "--enable-optimizations" not in (sysconfig.get_config_var("CONFIG_ARGS") or ""))
CANDIDATES := python3.14 python3.13 python3.12 python3.11 python3 /usr/bin/python3
PYTHON ?= $(eval PYTHON := $(shell usable=; for p in $(CANDIDATES); do \
	$$p -c '$(CHECK)' 2>/dev/null || continue; \
	test -n "$$usable" || usable=$$p; \
	$$p -c '$(VENV_CHECK); $(FAST_CHECK)' 2>/dev/null && usable=$$p && break; \
	done; echo $$usable))$(PYTHON)

# Choosing another interpreter by name sets up the environment again.
ifneq ($(filter command environment,$(firstword $(origin PYTHON))),)
ifneq ($(PYTHON),$(shell cat $(VENV)/.python 2>/dev/null))
$(shell rm -f $(RUNS) $(INSTALLED))
endif
endif

# The tests start Python dozens of times, and each time it would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

# How many processes share the tests. They often wait, for the service or for a commit, so there
# are more of them than processors.
JOBS ?= 3

# The number of simulated runs of `make sim`.
SEEDS ?= 2000

# The source of `make audit`: pypi or osv.
SERVICE ?= pypi

.DEFAULT_GOAL := help
.PHONY: help install run test sim canaries chaos soak ha bench image-check lint types audit clean

help:
	@echo 'make install   set up .venv with pinned versions (PYTHON=python3.12 chooses the interpreter)'
	@echo 'make run       start the service with its own database and demo data; prints its URL'
	@echo 'make test      run every test, on a real PostgreSQL (JOBS=n processes instead of 3)'
	@echo 'make sim       run 2000 simulations in which the database fails (SEEDS=n for another number)'
	@echo 'make canaries  run the simulation on mutants of the code, each of which it must catch'
	@echo 'make chaos     kill, pause and disconnect the real service for a minute (SEED=n repeats a run)'
	@echo 'make soak      do the same for an hour'
	@echo 'make ha        fail over a real Patroni cluster under load, in six ways; five minutes (needs etcd-server)'
	@echo 'make bench     measure for ten minutes, next to bare aiohttp and pgbench'
	@echo 'make image-check   carry out the Dockerfile without a container engine (as root)'
	@echo 'make lint      check formatting, lint rules, import rules and types'
	@echo 'make types     check the types of the scripts of the console with TypeScript (needs Node.js)'
	@echo 'make audit     list known vulnerabilities of the dependencies, by PyPI (SERVICE=osv: the OSV database)'
	@echo 'make clean     remove .venv, .venv-ha and caches, but not the data in .evently'

install: $(INSTALLED)

$(RUNS): setup.cfg pyproject.toml constraints.txt
	@test -n '$(PYTHON)' || { echo 'Python 3.11 to 3.14 is needed: install one, or set PYTHON=/path/to/python' >&2; exit 1; }
	@$(PYTHON) -c '$(CHECK)' || { echo '$(PYTHON) is not Python 3.11 to 3.14' >&2; exit 1; }
	@$(PYTHON) -c '$(VENV_CHECK)' 2>/dev/null || { echo '$(PYTHON) cannot make a virtual environment: install its venv package (Debian and Ubuntu: apt-get install python3-venv, or python3.11-venv for that version)' >&2; exit 1; }
	@echo 'Installing what running needs into $(VENV): 150 MB, about a minute'
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) --editable .
	@echo '$(PYTHON)' > $(VENV)/.python
	@touch $@

$(INSTALLED): $(RUNS)
	@echo 'Installing what testing, measuring and tracing need as well: 310 MB more, about as long'
	$(PIP) --editable '.[dev,bench,otel]'
	@touch $@

run: $(RUNS)
	@echo 'Starting; the first start makes a database in .evently and fills it with demo data'
	$(BIN)/evently serve --demo

test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses $(JOBS)

sim: $(INSTALLED)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

canaries: $(INSTALLED)
	$(BIN)/python -m tests.simulation.canaries

chaos: $(INSTALLED)
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED))

soak: $(INSTALLED)
	$(BIN)/python -m tests.chaos --seconds 3600 $(if $(SEED),--seed $(SEED))

ha: $(INSTALLED) .venv-ha/.installed
	@command -v etcd >/dev/null || { echo 'etcd is needed: apt-get install etcd-server' >&2; exit 1; }
	$(BIN)/python -m tests.ha $(if $(ONLY),--only '$(ONLY)')

# Patroni runs as the user of PostgreSQL, which cannot read an interpreter in the home of root.
.venv-ha/.installed: tests/ha/requirements.txt
	@echo 'Installing Patroni into .venv-ha: 70 MB'
	$(if $(filter 0,$(shell id -u)),/usr/bin/python3,$(PYTHON)) -m venv --clear .venv-ha
	.venv-ha/bin/python -m pip install --disable-pip-version-check --progress-bar off --no-deps --requirement tests/ha/requirements.txt
	@touch $@

bench: $(INSTALLED)
	$(BIN)/python -m bench

image-check: $(INSTALLED)
	$(BIN)/python -m tests.image_check /usr/bin/python3

lint: $(INSTALLED)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/mypy --strict
	$(BIN)/mypy --strict --python-version 3.10 clients/python/evently_client

# Comments declare the types, so the scripts run as they are; nothing else here needs Node.js.
types:
	@command -v npm >/dev/null || { echo 'Node.js with npm is needed: apt-get install npm' >&2; exit 1; }
	npm exec --yes --package typescript@5.9.3 -- tsc --project routes/console

# Everything is pinned, so nothing is resolved or downloaded: only names and versions are sent. It
# needs a network, and its result changes from day to day, so it is not part of the tests.
audit: $(INSTALLED)
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict --progress-spinner off --vulnerability-service $(SERVICE)

clean:
	rm -rf $(VENV) .venv-ha build dist *.egg-info clients/python/build clients/python/dist clients/python/*.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find clients evently actors routes db bench tests -name __pycache__ -type d -prune -exec rm -rf {} +
