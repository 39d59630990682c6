# `make` alone explains itself.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv demo quick test test-long check format docs detector accuracy route bench soak mutation lock clean tools

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.linked
PACKED := $(VENV)/.packed
PACKAGES := circulation detectors streams dashboards deploy packs
TESTS ?= tests
# Processes that share the tests, each with a broker of its own; a module's tests stay together. JOBS=0 is one process.
# One more than the cores that are expected: tests of whole workers wait for most of their time.
JOBS ?= 3

help: ## Show this list
	@echo "Watches the circulation of data on Kafka. What make can do here:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "docs/developing.md tells the route of an event, where what lives, and how to add to it."

venv: $(STAMP) ## Make .venv with everything pinned in requirements.lock (other targets do it by themselves)

$(PACKED): requirements.lock
	@found=; \
	for python in $${PYTHON:-} python3 python3.13 python3.12 python3.11; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	[ -n "$$found" ] || { echo "Python 3.11 or newer is not here. Install it: apt-get install python3 python3-venv (or name one: make PYTHON=...)" >&2; exit 1; }; \
	$$found -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is not here. Install it: apt-get install python3-venv" >&2; exit 1; }; \
	echo "making $(VENV) with $$($$found --version) and the packages of requirements.lock (1 to 2 minutes) ..."; \
	rm -rf $(VENV); \
	$$found -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

# Only our own package: its command, its entry points, its metadata.
$(STAMP): $(PACKED) pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

tools:
	@missing=; \
	command -v java >/dev/null || missing="$$missing default-jre-headless"; \
	command -v mvn >/dev/null || missing="$$missing maven"; \
	[ -z "$$missing" ] || { echo "Kafka needs Java 17 or newer and Maven. Install what is missing: apt-get install$$missing" >&2; exit 1; }
	@command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || \
	  echo "PostgreSQL is not here: what needs it is skipped, SQLite serves. To have it: apt-get install postgresql" >&2

demo: tools $(STAMP) ## Run the whole thing on this machine, with a story; KEEP=1 leaves it running
	@$(BIN)/circulation demo $(if $(KEEP),--keep)

# What `tests/unit` has of servers, of properties (hypothesis) and of tests marked `slow` is left out: tests/conftest.py.
quick: TESTS := tests/unit
quick: check ## After each change, in minutes: make check, and tests/unit without Kafka, PostgreSQL, properties and what is slow; RULES=ring-trade for a rule
	@$(BIN)/python -m pytest -q -x --quick -n $(JOBS) --dist loadscope $(if $(RULES),-k '$(RULES)') $(TESTS)

test: tools $(STAMP) ## Run all tests, on a real Kafka (and PostgreSQL); TESTS=tests/unit for a part
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadscope -m "not long" $(TESTS)

test-long: tools $(STAMP) ## The full counts (hours): hundreds of kills, other seeds each time, a soak; its last run is in docs/proof.md
	@HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -n $(JOBS) --dist loadscope tests --ignore tests/end_to_end/test_exact.py
	@$(BIN)/python -m pytest tests/end_to_end/test_exact.py --events 300000 --kills 40 --runs 5
	@$(BIN)/python -m pytest tests/end_to_end/test_exact.py --events 60000 --runs 20
	@$(BIN)/python -m benchmarks.soak

check: $(STAMP) ## Lint, format, types (mypy --strict) and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict $(addprefix -p ,$(PACKAGES))
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/lint-imports

format: $(STAMP) ## Put the code into the form that `make check` asks for
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

docs: $(STAMP) ## Write the pages of docs/ that come from the code
	@$(BIN)/python -m streams.cli.handbook docs

detector: $(STAMP) ## Make the skeleton of a new detector, and say what is left to do: make detector NAME=nil-price
	@$(BIN)/python -m streams.cli.skeleton '$(NAME)'

accuracy: $(STAMP) ## Simulate ten markets and replay them: planted, found, missed and false for each detector
	@$(BIN)/python -m benchmarks.accuracy

route: $(STAMP) ## List the functions that one use and one delivery enter, and count stops, visits and returns
	@$(BIN)/python -m benchmarks.route

# `make bench growth`: the words behind it are parts of it, and no targets of their own.
BENCHMARKS := replay usage acts latency memory start screening lineage growth rings peers
bench: tools $(STAMP) ## Measure speed and delay on this machine (minutes); `make bench growth` for a part
	@$(BIN)/python -m benchmarks $(filter $(BENCHMARKS),$(MAKECMDGOALS))

ifneq (,$(filter bench,$(MAKECMDGOALS)))
.PHONY: $(BENCHMARKS)
$(BENCHMARKS):
	@:
endif

soak: tools $(STAMP) ## Leave two workers alone for 65 minutes at 1,000 events a second; MINUTES=5 for a look
	@$(BIN)/python -m benchmarks.soak $(if $(MINUTES),--minutes $(MINUTES))

mutation: $(STAMP) ## Change every comparison and number of the rules, and see that tests tell it; RULES=quality for some
	@$(BIN)/python -m tests.mutation $(RULES)

lock: ## Pin the newest packages anew, all and those that it takes to run, with hashes (needs Python 3.11, the oldest one served)
	@scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	python3.11 -m venv "$$scratch/venv"; \
	"$$scratch/venv/bin/python" -m pip install --quiet pip-tools; \
	env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL "$$scratch/venv/bin/pip-compile" --quiet --extra dev \
	  --generate-hashes --strip-extras --allow-unsafe --upgrade --no-header --no-emit-options \
	  --no-annotate --output-file "$$scratch/requirements.lock" pyproject.toml; \
	cp "$$scratch/requirements.lock" requirements.lock; \
	cp requirements.lock requirements-run.lock; \
	env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL "$$scratch/venv/bin/pip-compile" --quiet \
	  --generate-hashes --strip-extras --allow-unsafe --no-header --no-emit-options --no-annotate \
	  --output-file requirements-run.lock pyproject.toml

clean: ## Remove .venv and what tools left behind (no data of demo or broker)
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
