# home-energy-hub: `make run` starts the hub with emulated devices, `make test` proves it. Neither needs anything but Python 3.11+.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
  "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
# Tests wait for time more than for the processor: sticks that fall silent, frames that are lost and sent again.
WORKERS ?= 4
# Empty is unset: images often set it, and a start that has to compile everything again takes twice as long.
export PYTHONDONTWRITEBYTECODE :=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes
DIST := web/dashboard/dist/index.html
DASHBOARD := $(shell find web/dashboard -path '*/node_modules' -prune -o -path '*/dist' -prune -o \
  -type f ! -name schema.d.ts ! -name openapi.json -print 2>/dev/null)
# The dashboard's types are made from the API's description, which is made from these.
API_TYPES := hub/model.py hub/zigbee/model.py $(wildcard web/schema*.py) web/routes.py web/openapi.py web/server.py $(wildcard web/rest/*.py) web/rpc/http.py web/rpc/describe.py $(wildcard web/rpc/rows/*.py)

.PHONY: help env dev run test lint types format bench dashboard lock clean

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

env: $(VENV)/.env-stamp ## .venv with the locked run-time dependencies
dev: $(VENV)/.dev-stamp ## the same with the tools for tests and lint
dashboard: $(DIST) ## the dashboard, built from its sources

run: env $(DIST) ## the hub with emulated devices, in the foreground (ARGS="--listen ...")
	@exec $(BIN)/hubd --demo $(ARGS)

test: dev $(DIST) lint ## everything the tests need, then lint, types and all tests with coverage
	@$(BIN)/python tests/prepare.py
	@$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -n $(WORKERS) --dist worksteal $(ARGS) || { test $$? -eq 1 && \
	  echo "what failed is tried once more, alone: on a busy machine what waits for real time may be late" && \
	  $(BIN)/python -m coverage run -m pytest --last-failed --last-failed-no-failures none --maxfail 3 $(ARGS); }
	@$(BIN)/python -m coverage combine -q && $(BIN)/python -m coverage report

lint: dev ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: dev ## ruff's own format and fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: dev $(DIST) ## side-by-side benchmarks: prints ratios
	$(BIN)/python -m bench $(ARGS)

lock: ## resolve the dependencies again (needs uv) and write the three lock files
	uv pip compile --group build --universal --python-version 3.11 --generate-hashes --no-header -q -o requirements-build.lock
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header -q -o requirements.lock
	uv pip compile pyproject.toml --group dev --group build --universal --python-version 3.11 --generate-hashes --no-header -q \
	  -c requirements.lock -o requirements-dev.lock

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer found; install one or say: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); \
	  $(PYTHON) -m pip --disable-pip-version-check --quiet install --target $(CURDIR)/build/virtualenv virtualenv && \
	  PYTHONPATH=$(CURDIR)/build/virtualenv $(PYTHON) -m virtualenv --quiet $(VENV); }

$(VENV)/.env-stamp: $(VENV)/bin/python requirements.lock requirements-build.lock pyproject.toml
	@echo "installing the locked run-time dependencies"
	@$(PIP) -r requirements.lock -r requirements-build.lock
	@$(BIN)/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev-stamp: $(VENV)/.env-stamp requirements-dev.lock
	@echo "installing the locked development dependencies"
	@$(PIP) -r requirements-dev.lock
	@touch $@

$(DIST): $(DASHBOARD) $(API_TYPES) | $(VENV)/.env-stamp
	@$(BIN)/python web/dashboard/build.py

clean: ## remove everything that make made
	rm -rf $(VENV) build dist web/dashboard/dist web/dashboard/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*
