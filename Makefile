# Needs python3 >= 3.11 with pip and venv, and make: everything else is installed into .venv from the hash-locked requirements.
PYTHON ?= python3
UV ?= uv
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

CHECKS := lint-format lint-code lint-types lint-layers lint-migrations lint-deploy lint-dependencies lint-advisories lint-docs

.DEFAULT_GOAL := help
.PHONY: help setup run test coverage reliability demo lint bench lock environment runtime dev $(CHECKS)

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: dev ## Create .venv with the development dependencies

run: runtime ## Start Paydesk: web server, worker and sandbox gateway, until Ctrl-C (PORT, SANDBOX_PORT)
	@exec $(PY) -m config.stack

test: dev ## Run the whole suite on SQLite, then on PostgreSQL with Redis (ARGS: --sqlite, --postgresql, pytest's own)
	@exec $(PY) -m tests $(ARGS)

coverage: dev ## Run the suite with branch coverage, and hold it to its limits
	@$(PY) -m coverage erase
	@$(PY) -m tests --coverage $(ARGS)
	@$(PY) -m coverage report --fail-under=95
	@$(PY) -m coverage report --fail-under=100 --include="$(FULLY_COVERED)"

# What loses or doubles money when a line of it was never run.
FULLY_COVERED := payments/sagas/*,payments/idempotency.py,payments/gateways/*,payments/ledger.py,reconciliation/matching.py

reliability: dev ## Run the whole crash matrix and the chaos run, and write docs/reliability.md (ARGS: --checkouts, --seed)
	@exec $(PY) -m tests.crash.reliability $(ARGS)

demo: runtime ## Prove the scenarios on a throw-away database and free ports
	@exec $(PY) -m config.demo $(ARGS)

bench: dev ## Run the benchmarks, each beside its reference
	@exec $(PY) -m benchmarks $(ARGS)

lint: dev ## Run every check, then say which failed
	@failed=; \
	for check in $(CHECKS); do \
		echo "== $$check"; $(MAKE) --no-print-directory $$check || failed="$$failed $$check"; \
	done; \
	if [ -n "$$failed" ]; then echo "lint failed:$$failed"; exit 1; fi; \
	echo "lint: clean"

lint-format: dev
	@$(PY) -m ruff format --check .

lint-code: dev
	@$(PY) -m ruff check .

lint-types: dev
	@$(PY) -m mypy .

lint-layers: dev
	@$(VENV)/bin/lint-imports

lint-migrations: dev
	@$(PY) manage.py makemigrations --check --dry-run

# Throw-away values for what production has no default for.
lint-deploy: dev
	@APP_ENV=prod \
	SECRET_KEY=$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(64))') \
	ALLOWED_HOSTS=paydesk.example \
	SANDBOX_WEBHOOK_SECRETS=whsec_throw_away \
	$(PY) manage.py check --deploy --fail-level WARNING

lint-dependencies: dev
	@$(PY) -m deptry .

# pip-audit is no development dependency: it brings 15 packages and needs an advisory service that not every network reaches.
lint-advisories: dev
	@if command -v pip-audit >/dev/null; then pip-audit --require-hashes --disable-pip -r requirements/runtime.txt; \
	else echo "pip-audit is not installed: known vulnerabilities were not looked up"; fi

lint-docs: dev
	@$(PY) -m pytest -q tests/docs/test_docs.py

lock: ## Write requirements/ anew from pyproject.toml (needs uv)
	$(UV) pip compile pyproject.toml --extra stripe $(LOCK) -o requirements/runtime.txt
	$(UV) pip compile pyproject.toml --group dev -c requirements/runtime.txt $(LOCK) -o requirements/dev.txt

# No header, no annotations and no index address: the same lock on every machine, whatever its mirror is called.
LOCK := --quiet --python-version 3.11 --universal --generate-hashes --no-header --no-annotate --only-binary :all:

# $(call installed,LOCK): whether the copy of the lock that the last finished installation left behind is the lock of now.
installed = test -x $(PY) && cmp -s requirements/$(1).txt $(VENV)/$(1).lock

# The copies go first and come last, so an interrupted installation is never taken for a finished one. What it left
# half unpacked pip would take for installed: .venv/unfinished makes the next one start from nothing.
define install
@echo "Installing requirements/$(1).txt into $(VENV)"
@rm -f $(VENV)/*.lock
@test ! -e $(VENV)/unfinished && $(PY) -m pip --version >/dev/null 2>&1 || $(MAKE) --no-print-directory environment
@touch $(VENV)/unfinished
@$(PY) -m pip install -q --require-hashes --no-deps --only-binary :all: -r requirements/$(1).txt
@rm $(VENV)/unfinished
@for lock in $(2); do cp requirements/$$lock.txt $(VENV)/$$lock.lock; done
endef

environment:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Paydesk needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1 || true). Name another: make PYTHON=..." >&2; \
		exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { \
		echo "$(PYTHON) could not make a virtual environment (Debian: apt-get install python3-venv)" >&2; \
		exit 1; }

ifneq ($(shell $(call installed,runtime) && echo yes),yes)
runtime: ; $(call install,runtime,runtime)
else
runtime: ;
endif

# dev.txt holds all of runtime.txt, in the same versions.
ifneq ($(shell $(call installed,dev) && $(call installed,runtime) && echo yes),yes)
dev: ; $(call install,dev,runtime dev)
else
dev: ;
endif
