# Negativa. `make` lists what there is.
PORT ?= 8000
HOST ?= 127.0.0.1
PYTHON ?= python3
WORKERS ?= $(shell cores=$$(nproc 2>/dev/null || echo 2); [ $$cores -gt 4 ] && echo 4 || echo $$cores)

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := requirements.txt docker/requirements-web.txt docker/requirements-trainer.txt docker/constraints.txt
RUNTIME_STAMP := $(VENV)/.runtime-$(shell cat $(RUNTIME) | cksum | tr ' ' -)
TOOLS_STAMP := $(VENV)/.tools-$(shell cat $(RUNTIME) tests/requirements.txt | cksum | tr ' ' -)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TEMPLATES := frontend/templates
BRIDGE := training_bridge
WEB_HALF := annotate frontend worker $(addprefix $(BRIDGE)/,exports runs evaluations demo formats client)
GPU_HALF := $(addprefix $(BRIDGE)/,trainer formats)

.DEFAULT_GOAL := help
.PHONY: help install run test check fix bench bench-trainer bench-science

help:  ## List these commands
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null || grep '##' $(MAKEFILE_LIST)

install: $(TOOLS_STAMP)  ## Make the environment in .venv, or bring it up to date

run: $(RUNTIME_STAMP)  ## Start everything: make run PORT=8000 HOST=127.0.0.1
	@exec $(BIN)/python manage.py up --host $(HOST) --port $(PORT)

test: $(TOOLS_STAMP)  ## Run the tests: make test ARGS="tests/worker -k kill" WORKERS=4
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

# Templates are linted, not reformatted: in blocks that keep white space (pre-wrap) an indentation would be seen.
check: export PYTHONWARNINGS := ignore
check: $(TOOLS_STAMP)  ## Check format, lint, types, imports, templates, dependencies and migrations
	@failed=""; \
	step() { name=$$1; shift; "$$@" || failed="$$failed $$name"; }; \
	step format $(BIN)/ruff format --check --quiet .; \
	step lint $(BIN)/ruff check --quiet .; \
	step imports $(BIN)/lint-imports --no-logo --no-cache; \
	step templates $(BIN)/djlint $(TEMPLATES) --lint --quiet; \
	step web-dependencies $(BIN)/deptry $(WEB_HALF) --no-ansi --requirements-files docker/requirements-web.txt; \
	step trainer-dependencies $(BIN)/deptry $(GPU_HALF) --no-ansi --requirements-files docker/requirements-trainer.txt; \
	step migrations $(BIN)/python manage.py makemigrations --check --dry-run; \
	step types $(BIN)/mypy .; \
	if [ -n "$$failed" ]; then echo "make check failed:$$failed"; exit 1; fi

fix: $(TOOLS_STAMP)  ## Mend what can be mended: format and lint
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format --quiet .

bench: $(TOOLS_STAMP)  ## Run the benchmarks: make bench ARGS="intake grouping"
	$(BIN)/python -m tests.bench $(ARGS)

bench-trainer: $(TOOLS_STAMP)  ## Measure the trainer against TRL: make bench-trainer ARGS="kto --threads 2"
	$(BIN)/python -m tests.bench.trainer $(ARGS)

bench-science: $(TOOLS_STAMP)  ## What the methods do at toy scale: make bench-science ARGS="base tuning compared report --work var/science"
	$(BIN)/python -m tests.bench.science $(ARGS)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Negativa needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(RUNTIME_STAMP): | $(BIN)/python
	@echo "Installing what Negativa needs into $(VENV); the first time takes a minute or two ..."
	@$(PIP) -r requirements.txt
	@rm -f $(VENV)/.runtime-* && touch $@

$(TOOLS_STAMP): $(RUNTIME_STAMP)
	@$(PIP) -r requirements.txt -r tests/requirements.txt
	@rm -f $(VENV)/.tools-* && touch $@
