# Two commands on a fresh machine: `make run` and `make test`. They need python3, make and the package registry.
PORT ?= 8000
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run dev test test-fast test-sqlite test-postgresql samples proofs wire-table frontends diagnose-lab defects mutants browser races torture siege restore-drill rolling-restart check bench metrics links messages lock pictures docs-site clients \
	audit help
.DEFAULT_GOAL := help

help:
	@echo "make run [PORT=8000]   install, migrate, seed, serve on 127.0.0.1 (SQLite, simulated PhonePe)"
	@echo "make dev [PORT=8000]   the same for developers: reloads changed code, shows stacks, stops at breakpoint()"
	@echo "make test [ARGS=tests/unit/payment/test_gateways.py]   a sample of every test, each case on SQLite or on a real PostgreSQL"
	@echo "make test-fast         unit tests without sockets, a few of many similar cases, on SQLite"
	@echo "make proofs            every case of every test on both databases; then wire-table, diagnose-lab, defects, races, torture, siege"
	@echo "make samples           counts the cases that make test and make proofs play"
	@echo "make check             lint, types, import contracts, migrations, OpenAPI"
	@echo "make wire-table        what comes of every fault of the wire, as a table and as tests"
	@echo "make frontends         what both frontends of the shop ask for, call by call, and what they get, as a table"
	@echo "make diagnose-lab      every fault the diagnosis has a word for, made for real in networks of its own (root)"
	@echo "make defects           puts the five gravest old defects back into a copy of the code: their tests must fail there"
	@echo "make mutants [ARGS=payment/services/refunds/amounts.py] [SAMPLE=20]   small wrong edits: do the tests notice?"
	@echo "make races [ROUNDS=50] [SEED=]   rounds of races through HTTP on PostgreSQL, with a table"
	@echo "make torture [MINUTES=5] [SEED=] [ARGS="--celery [rabbitmq]"]   chaos test: kill, cut and restart two shops, then audit them from outside"
	@echo "make restore-drill     backup, destroy, restore into a second database, ledger_check; on SQLite and on PostgreSQL"
	@echo "make rolling-restart [ROUNDS=2]   restart two web processes and two workers while people pay: how many requests fail?"
	@echo "make siege             load test: slow clients, forged webhooks, a silent PhonePe, receipts: how long do others wait?"
	@echo "make messages          collect the sentences that people read into locale/, and compile them (needs gettext)"
	@echo "make pictures          take the pictures of README.md again (needs Chromium)"
	@echo "make clients           typed clients for Python and TypeScript, and a collection for Bruno (clients/README.md)"
	@echo "make docs-site         builds docs/ into site/ with MkDocs, without a warning"
	@echo "make lock              resolve requirements*.txt again into requirements*.lock, with the hash of every file"
	@echo "make audit             look the locked packages up in the list of known vulnerabilities (needs its index)"
	@echo "make metrics           figures about the shape of the code, and the way that one payment takes through it"
	@echo "make links             update the line numbers of the links in docs/architecture.md"
	@echo "make bench [ARGS=rush] how fast, how light: the figures that must hold, as a table (docs/performance.md keeps it)"

run: $(VENV)/.run .env
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py seed_demo
	@LOG_LEVEL=WARNING $(BIN)/python manage.py seed_demo_day
	@exec $(BIN)/python manage.py serve --port $(PORT)

dev: export DEBUG = True
dev: export LOG_FORMAT = console
dev: $(VENV)/.dev .env
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py seed_demo
	@LOG_LEVEL=WARNING $(BIN)/python manage.py seed_demo_day
	@exec $(BIN)/python manage.py dev $(PORT)

# Both at once: while the one waits for a process, the other has the processor. Each line says which half wrote it, but for
# what failed and the summary at the end, which other programs read as pytest writes them.
test: export NAMED := yes
test: $(VENV)/.dev browser
	@$(MAKE) --no-print-directory --jobs=2 test-sqlite test-postgresql

test-sqlite test-postgresql: SHELL := bash
NAME_LINES = $(if $(NAMED),2>&1 | (trap '' INT; exec sed -u '/^=\+ [0-9].* =\+$$/b; /^\(FAILED\|ERROR\) /b; s/^/$(1) | /'))

# One file needs no second worker. Three of them on two cores: many tests wait for a process, and each worker loads all
# tests. SQLite has the more tests: beside it PostgreSQL has two.
WORKERS ?= $(if $(findstring .py,$(ARGS)),0,$(if $(NAMED),$(if $(findstring postgresql,$@),2,3),3))
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Compiled tests are kept: rewriting the asserts of 300 modules in each worker takes longer than most tests.
unexport PYTHONDONTWRITEBYTECODE

test-sqlite: $(VENV)/.dev browser
	$(if $(NAMED),@set -o pipefail; )TEST_DATABASE=sqlite $(PYTEST) $(ARGS) $(call NAME_LINES,SQLite    )

test-postgresql: $(VENV)/.dev browser
	@$(BIN)/python -m tests.harness.postgres
	$(if $(NAMED),@set -o pipefail; )TEST_DATABASE=postgresql $(PYTEST) $(ARGS) $(call NAME_LINES,PostgreSQL)

# What a change to one module needs most: no sockets, no processes, no proofs; the migrated database is kept. Without ARGS
# no races either, and a few cases of a test that has more than three (tests/harness/samples.py).
test-fast: $(VENV)/.dev
	$(if $(ARGS),,FAST=1) TEST_DATABASE=sqlite $(BIN)/python -m pytest tests/unit -m "not sockets and not slow and not proof" \
		-n 2 --dist loadfile $(ARGS)

# How many cases make test and make proofs play; the last line says how many nobody plays.
samples: $(VENV)/.dev
	@TEST_DATABASE=sqlite $(BIN)/python -m pytest --samples --collect-only -q -s | sed '/^left out of make proofs/q'

# Every case of every test, on both databases; then what takes minutes.
# Without the clients' generators their test is skipped, loudly.
proofs: $(VENV)/.dev browser
	-@$(MAKE) --no-print-directory clients
	PROOFS=1 TEST_DATABASE=sqlite $(PYTEST)
	@$(BIN)/python -m tests.harness.postgres
	PROOFS=1 TEST_DATABASE=postgresql $(PYTEST)
	@$(MAKE) --no-print-directory wire-table diagnose-lab defects races torture siege

wire-table: $(VENV)/.dev
	@$(BIN)/python -m tests.integration.wire.page && cat docs/wire-table.md
	PROOFS=1 $(PYTEST) tests/integration/wire

# On SQLite; TEST_DATABASE=postgresql make frontends: on PostgreSQL.
frontends: $(VENV)/.dev
	@if [ "$$TEST_DATABASE" = postgresql ]; then $(BIN)/python -m tests.harness.postgres; fi
	@$(BIN)/python -m tests.integration.frontend.page

# Each case in a network namespace of its own, which takes root.
diagnose-lab: $(VENV)/.dev
	@$(BIN)/python -m tests.harness.postgres
	@$(BIN)/python -m tests.system.lab

defects: $(VENV)/.dev
	@$(BIN)/python -m tests.system.defects

# SAMPLE edits of each module, the same ones at each run with the same SEED; SAMPLE=0 for all.
mutants: SAMPLE ?= 20
mutants: SEED ?= 1
mutants: $(VENV)/.dev
	@$(BIN)/python tools/mutants.py --sample $(SAMPLE) --seed $(SEED) $(ARGS)

# Chromium is a system package: installed where that is possible, else the browser tests say loudly that they skip.
browser:
	@sh tests/integration/browser/install.sh

# The seed repeats who does what; the timing is the machine's own.
races: ROUNDS ?= 50
races: $(VENV)/.dev
	@$(BIN)/python -m tests.harness.postgres
	@TEST_DATABASE=postgresql $(BIN)/python -m tests.system.races.rounds --rounds $(ROUNDS) $(addprefix --seed ,$(SEED))

torture: MINUTES ?= 5
torture: $(VENV)/.dev
	@$(BIN)/python -m tests.harness.postgres
	@$(BIN)/python -m tests.system.torture --minutes $(MINUTES) $(addprefix --seed ,$(SEED)) $(ARGS)

siege: $(VENV)/.dev
	@$(BIN)/python -m tests.harness.postgres
	@TEST_DATABASE=postgresql $(BIN)/python -m tests.system.siege
	@TEST_DATABASE=sqlite $(BIN)/python -m tests.system.siege

rolling-restart: ROUNDS ?= 2
rolling-restart: $(VENV)/.dev
	@$(BIN)/python -m tests.harness.postgres
	@TEST_DATABASE=postgresql $(BIN)/python -m tests.system.rolling_restart --rounds $(ROUNDS)

# Typed clients of the API and a collection for Bruno; clients/README.md. A test lets the Python one book a puja.
clients: $(VENV)/.dev
	@sh clients/generate.sh $(BIN)/python

# Of docs/, into site/. In an environment of its own: nothing that runs needs MkDocs.
docs-site:
	@test -x .docs-venv/bin/mkdocs || { $(PYTHON) -m venv .docs-venv && .docs-venv/bin/pip install -q -r requirements-docs.txt; }
	@test -f .docs-venv/mermaid.min.js || sh tools/get_mermaid.sh .docs-venv
	@NO_MKDOCS_2_WARNING=1 .docs-venv/bin/mkdocs build --strict --quiet && echo "site/index.html"

# Those of README.md; needs /usr/bin/chromium.
pictures: $(VENV)/.dev
	@$(BIN)/python -m tools.pictures

restore-drill: $(VENV)/.dev
	@$(BIN)/python -m tests.harness.postgres
	@TEST_DATABASE=sqlite $(BIN)/python -m tests.system.restore_drill
	@TEST_DATABASE=postgresql $(BIN)/python -m tests.system.restore_drill

# Neither reads .env: what is checked is the code, not this installation.
check messages: export DOTENV_FILE =
check messages: export SECRET_KEY = only-for-checks
check messages: export PHONEPE_SIMULATION_MODE = True
check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy accounts backoffice booking core diagnostics notifications okpuja payment simulator storefront worker
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

bench: $(VENV)/.dev
	@$(BIN)/python -m tests.harness.postgres
	@$(BIN)/python -m bench $(ARGS)

metrics: $(VENV)/.dev
	@$(BIN)/python tools/code_metrics.py

links: $(VENV)/.dev
	@$(BIN)/python tools/code_links.py

$(VENV)/bin/python:
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "python3 -m venv failed. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/.run: requirements.lock tools/install.sh | $(VENV)/bin/python
	@sh tools/install.sh $(BIN)/python requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock tools/install.sh | $(VENV)/bin/python
	@sh tools/install.sh $(BIN)/python requirements-dev.lock
	@touch $@ $(VENV)/.run

# xgettext, msgmerge and msgfmt of GNU gettext. Nothing else needs them: the compiled catalogue is committed.
messages: $(VENV)/.dev
	$(BIN)/python manage.py makemessages --all --extension html,txt,py --no-wrap --no-obsolete --add-location file \
		--ignore $(VENV) --ignore tests --ignore bench --ignore tools --ignore "simulator/*"
	$(BIN)/python manage.py compilemessages --ignore $(VENV)

# For every Python from 3.11 on and every platform.
lock: $(VENV)/.dev
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes requirements.txt -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes requirements-celery.txt \
		-o requirements-celery.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes requirements-dev.txt \
		-o requirements-dev.lock

audit: $(VENV)/.dev
	@sh tools/audit.sh $(BIN)

.env: | $(VENV)/.run
	@$(BIN)/python -m okpuja.env_file
	@echo "wrote .env with a random SECRET_KEY, OPS_TOKEN and DEMO_PASSWORD"
