# `make help` says what there is. A fresh machine needs only make and Python 3.10 or later; PYTHON=... picks which one.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Nothing here gains from running at once, and the steps read better one after the other.
.NOTPARALLEL:

PYTHON ?=
# The engine that the tests run on; a server of it is started for them, and ends with them. Empty: SQLite.
DB ?=
# Processes that test at the same time: most wait for the services that they have started. 0: one after another.
JOBS ?= 3
BIN := .venv/bin
SERVICES := order_service payment_service product_stub notify_service console
UV_VERSION := 0.13.8
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: venv
venv:
	@.ci/venv "$(PYTHON)"

# One stamp for each file of pins, so that a change of the file installs again. The stamps go with the .venv.
$(BIN)/.installed-%: %.txt | venv
	@echo "Installing $<"
	@$(PIP) install --quiet --requirement $<
	@touch $@

.PHONY: run
run: venv $(BIN)/.installed-requirements ## Migrate and start the three services, their workers and the page; Ctrl-C stops them
	@$(BIN)/python start.py

.PHONY: stop start
stop: ## Stop one part of what `make run` runs; PART=payment, HOW=kill
	@$(BIN)/python start.py $(or $(HOW),stop) $(PART)
start: ## Start it again; PART=payment
	@$(BIN)/python start.py start $(PART)

.PHONY: test
test: venv $(BIN)/.installed-requirements-dev ## Run the tests; ARGS="-k refund -x" goes to pytest; DB=postgres, DB=mysql; NIGHTLY=1: all of them; JOBS=0
	@$(if $(NIGHTLY),NIGHTLY=$(NIGHTLY) )$(if $(DB),scripts/databases run $(DB) -- )$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile $(ARGS)

.PHONY: test-kafka
test-kafka: venv $(BIN)/.installed-requirements-dev ## Run what needs a real Kafka, on Apache's own broker; needs Java 17 and Maven
	@scripts/kafka run -- $(BIN)/python -m pytest tests/kafka tests/test_consumers.py tests/test_events_document.py $(ARGS)

.PHONY: test-charts
test-charts: venv $(BIN)/.installed-requirements-dev ## Hold the Helm charts against what they promise; fetches helm once
	@scripts/helm-tools run -- .ci/charts $(ARGS)

.PHONY: test-page
test-page: venv $(BIN)/.installed-requirements-dev ## Try the page in Debian's Chromium, all of it; needs apt's chromium
	@NIGHTLY=1 $(BIN)/python -m pytest tests/test_page.py $(ARGS)

.PHONY: test-openapi
test-openapi: venv $(BIN)/.installed-requirements-dev ## Hold the OpenAPI documents against tools of other families; needs Node.js 20 and npm
	@scripts/openapi-tools run -- $(BIN)/python -m pytest tests/openapi_tools $(ARGS)

.PHONY: test-cluster
test-cluster: venv $(BIN)/.installed-requirements-dev ## Install, upgrade and drain the charts on a real API server; needs Go, the first time 20 minutes
	@scripts/cluster run -- $(BIN)/python -m pytest tests/cluster $(ARGS)

.PHONY: images
images: ## Build and tag the images of all services; REGISTRY=registry.example.org/shop, PUSH=1, BASE=python:3.12-slim
	@$(if $(REGISTRY),REGISTRY=$(REGISTRY) )$(if $(PUSH),PUSH=$(PUSH) )$(if $(BASE),BASE=$(BASE) )scripts/images

.PHONY: nightly
nightly: ## All that is longer than the gate: every test on each engine, known vulnerabilities, soaks; takes hours; ARGS="soak": parts of it
	@.ci/nightly $(ARGS)

.PHONY: chaos
chaos: venv $(BIN)/.installed-requirements-dev ## Soak the services in random faults; SEED=7 MINUTES=10 DB=postgres ARGS="--help"
	@$(if $(DB),scripts/databases run $(DB) -- )$(BIN)/python -m tests.faults.chaos \
	    $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

.PHONY: reliability
reliability: venv $(BIN)/.installed-requirements-dev ## Run every fault test and write docs/reliability.md; SEED=7 MINUTES=10 NIGHTLY=1
	@$(if $(NIGHTLY),NIGHTLY=$(NIGHTLY) )$(BIN)/python -m tests.faults.reliability \
	    $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

.PHONY: drill-alerts
drill-alerts: venv $(BIN)/.installed-requirements-dev ## Put faults into real services and see what Prometheus tells; writes docs/drill-alerts.md
	@$(BIN)/python -m tests.drills.alerts $(ARGS)

.PHONY: drill-restore
drill-restore: venv $(BIN)/.installed-requirements-dev ## Back up under load, destroy, restore, put right; writes docs/drill-restore.md; DB=postgres
	@$(if $(DB),scripts/databases run $(DB) -- )$(BIN)/python -m tests.drills.restore $(ARGS)

.PHONY: drill-upgrade
drill-upgrade: venv $(BIN)/.installed-requirements-dev ## Replace the previous release under load, process by process; writes docs/drill-upgrade.md
	@$(if $(DB),scripts/databases run $(DB) -- )$(BIN)/python -m tests.drills.upgrade $(if $(PREVIOUS),--previous $(PREVIOUS)) $(ARGS)

.PHONY: audit
audit: venv $(BIN)/.installed-requirements ## Check the three services' books against each other; ARGS="--quiet-for 0" goes to it
	@$(BIN)/python -m audit $(ARGS)

.PHONY: lint
lint: venv $(BIN)/.installed-requirements-dev ## Check style, format and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

.PHONY: types
types: venv $(BIN)/.installed-requirements-dev ## Check types, the tests' too, once for each service with its own settings
	DJANGO_SETTINGS_MODULE=servicekit.tests.settings $(BIN)/mypy --cache-dir .mypy_cache/servicekit \
	    servicekit conftest.py nightly.py start.py audit orderpay tests benchmarks
	@printf '%s\n' $(SERVICES) | xargs -P 2 -I{} sh -c 'echo "DJANGO_SETTINGS_MODULE={}.settings $(BIN)/mypy {}"; \
	    DJANGO_SETTINGS_MODULE={}.settings $(BIN)/mypy --cache-dir .mypy_cache/{} {}'
	MYPYPATH=scripts $(BIN)/mypy --config-file= --strict --scripts-are-modules --cache-dir .mypy_cache/scripts \
	    scripts/databases scripts/engines.py scripts/throwaway.py scripts/audit-packages scripts/charts

.PHONY: fmt
fmt: venv $(BIN)/.installed-requirements-dev ## Format, and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: lock
lock: venv ## Pin the newest versions that requirements*.in allow, and the hashes of their files
	@$(PIP) install --quiet uv==$(UV_VERSION)
	@set -e; for name in requirements-image requirements requirements-dev; do \
	    $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.10 --no-annotate --no-header \
	        --generate-hashes --output-file $$name.txt $$name.in; \
	done
