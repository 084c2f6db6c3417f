# One line each, the same here and in CI. Every target sets up what it needs and does nothing twice.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install demo test check bench clean

PYTHON ?= python3
# So many test files run side by side: they mostly wait. JOBS=0 runs all in one process, one after the other.
JOBS ?= 4
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP := $(BIN)/pip install --disable-pip-version-check --quiet

help: ## What each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMPS)/patchbay $(STAMPS)/development ## Debian packages that are missing, and .venv with patchbay and its tools

demo: $(STAMPS)/patchbay ## Two hosts, two tenants with the same addresses, and the proof of who reaches whom
	@scripts/as-root $(BIN)/patchbay lab demo

test: install ## All tests: unit, property, and functional on real Open vSwitch (root)
	@scripts/as-root $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(TESTS)

check: install ## Format, lint, types, layers, house rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q -p no:cacheprovider tests/unit/test_house_rules.py

bench: install ## Every measurement of docs/benchmarks.md, written to bench/results
	@scripts/as-root $(BIN)/python bench/run

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache bench/results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMPS)/packages: scripts/apt-packages
	@scripts/apt-packages
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/test-packages: scripts/apt-packages scripts/guest-packages | $(STAMPS)/packages
	@scripts/apt-packages --tests
	@scripts/guest-packages
	@touch $@

$(STAMPS)/runtime: requirements.txt | $(STAMPS)/packages
	@test -x $(BIN)/pip || { echo "== virtual environment in $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "== Python packages that patchbay runs on, at their pinned versions"
	@$(PIP) --requirement requirements.txt "$$(grep '^setuptools==' requirements-dev.txt)"
	@touch $@

$(STAMPS)/patchbay: pyproject.toml requirements.in $(STAMPS)/runtime
	@echo "== patchbay itself, from this folder"
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/development: requirements-dev.txt $(STAMPS)/runtime $(STAMPS)/test-packages
	@echo "== Python packages for tests, checks and benchmarks, at their pinned versions"
	@$(PIP) --requirement requirements-dev.txt
	@touch $@
