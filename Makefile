# Everything works from a fresh clone: `make demo`, `make test`.
# Knobs: PYTHON=python3.12, PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu", JOBS=4

PYTHON ?= python3
PIP_ARGS ?=
EVALUATIONS ?= 4613
SECONDS ?= 600
# Processes of the tests, 0 for none beside pytest; at most eight, each loads PyTorch (0.5 GB).
JOBS ?= auto

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check $(PIP_ARGS)
# A stamp is newer than pyproject.toml when the environment has what it asks for.
RUN_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

# Each process begins with an equal run of whole files, so that what a file's tests share is made
# once; who is done takes from the end of another's run.
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --maxprocesses 8 --dist worksteal

.PHONY: demo test test-all lint format bench fuzz clean help

help:
	@echo "make demo      design a chip for Llama 3.1 8B: PyTorch in, chip and program out"
	@echo "make test      ruff, pytest and lit on all cores: what continuous integration runs"
	@echo "make test-all  the same with the tests marked slow"
	@echo "make lint      ruff check, ruff format --check and pyright"
	@echo "make format    format the sources"
	@echo "make bench     run the shorter benchmarks, and print the tables of those that take hours"
	@echo "make fuzz      try changed inputs on every reader for SECONDS (600), after the last ones"
	@echo "make clean     remove the environment and all that was generated"

demo: $(RUN_STAMP)
	@mkdir -p demo
	$(BIN)/asic-import llama-3.1-8b --phase decode --batch 3 --context 2048 -o demo/llama.mlir
	$(BIN)/asic-opt --rl-explore="node=3nm mode=high-performance evaluations=$(EVALUATIONS) seed=0 emit=demo/out" demo/llama.mlir -o demo/llama.asic.mlir
	@echo
	@echo "wrote:"
	@ls -1 demo/llama.mlir demo/llama.asic.mlir
	@find demo/out -type f | LC_ALL=C sort

test: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(PYTEST)
	$(BIN)/lit --quiet tests/lit

test-all: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(PYTEST) -m "slow or not slow"
	$(BIN)/lit --quiet tests/lit

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: $(DEV_STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Those that take hours are run by hand: their docstrings say how.
LONG := fuzz kills learner model_vs_simulator nodes_table placement pretrain resume_kill search soak

bench: $(DEV_STAMP)
	@for script in $(filter-out $(LONG:%=benchmarks/%.py),$(wildcard benchmarks/*.py)); do \
	  echo "== $$script"; $(BIN)/python "$$script" || exit 1; \
	done
	@for script in model_vs_simulator search; do \
	  echo "== benchmarks/$$script.py --table"; $(BIN)/python "benchmarks/$$script.py" --table || exit 1; \
	done

fuzz: $(DEV_STAMP)
	$(BIN)/python benchmarks/fuzz.py --seconds $(SECONDS)

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .ruff_cache .hypothesis tests/lit/Output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 14) else "asic-compiler needs Python 3.11 to 3.13, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): pyproject.toml | $(BIN)/python
	@echo "installing asic-compiler (a few minutes the first time)"
	@$(PIP) --editable .
	@touch $@

$(DEV_STAMP): pyproject.toml | $(BIN)/python
	@echo "installing asic-compiler with its development tools (a few minutes the first time)"
	@$(PIP) --editable ".[dev]"
	@touch $@ $(RUN_STAMP)
