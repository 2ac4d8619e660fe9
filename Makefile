# From nothing but Python and make: `make claims` verifies the shipped checkpoints, `make test` tests the software.
# The first installs what the claims need ($(VENV)/installed), the second the tools of development, too ($(VENV)/dev).
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3

# The second command replaces the copy of the plugin that the first one makes: pip refuses both at once.
define install
$(BIN)/pip install --quiet --constraint constraints.txt --editable '.$(1)'
$(BIN)/pip install --quiet --no-deps --editable ./pytest-claims
endef

.DEFAULT_GOAL := help
.PHONY: help claims test lint bench guard baseline gpu matrix universality lengths fixture screenshots clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

claims: $(VENV)/installed  ## verify the shipped checkpoints into report/; ARGS="--checkpoint=PATH" for another
	@echo "Verifying: every claim of all systems, and every control of it, in about three minutes; the reports go to report/index.html."
	$(BIN)/python -P -m toy_model verify --report=report $(ARGS)

test: $(VENV)/dev lint  ## check style and types, then test the software; ARGS="-n 0" for one process
	cd pytest-claims && ../$(BIN)/pytest -ra -n logical --maxprocesses 4 --dist loadfile
	$(BIN)/pytest tests/ -ra -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/dev  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/installed  ## measure how fast everything is, into docs/performance.md
	mkdir -p runs
	$(BIN)/pytest benchmarks/ --benchmark-quiet --benchmark-json=runs/bench.json $(ARGS)
	$(BIN)/python -m benchmarks.table runs/bench.json --into docs/performance.md

guard: $(VENV)/installed  ## fail if a ratio is a quarter larger than in benchmarks/baseline.json; ARGS="-k WORDS"
	$(BIN)/python -m benchmarks.guard $(ARGS)

baseline: $(VENV)/installed  ## save the ratios of this commit as the ones that `make guard` compares with
	$(BIN)/python -m benchmarks.guard --save $(ARGS)

gpu: $(VENV)/installed  ## measure what a GPU makes of it, in eight minutes, into docs/performance.md
	PYTHON=$(BIN)/python benchmarks/on_gpu.sh runs/gpu
	$(BIN)/python -m benchmarks.gpu table runs/gpu --doc docs/performance.md

matrix: $(VENV)/installed  ## run every claim on every broken model, into docs/matrix*.json and docs/matrix*.md
	$(BIN)/python -m cumsum_model mutants -n 2 --out docs/matrix.json
	$(BIN)/python -m cumsum_model.two_layers mutants -n 2 --out docs/matrix-cumsum-two-layers.json
	$(BIN)/python -m sorted_list_model mutants -n 2 --out docs/matrix-sorted-list.json
	$(BIN)/python docs/matrix.py

universality: $(VENV)/installed  ## train and verify seeds that no bound was made on, for hours on two cores
	$(BIN)/python -m cumsum_model sweep --seeds 100:132 --out sweeps/fresh
	$(BIN)/python docs/universality.py sweeps/fresh/universality.json docs/universality.json
	$(BIN)/python -m sorted_list_model sweep --seeds 0:8 --no-controls --out sweeps/sorted_list
	$(BIN)/python docs/universality.py sweeps/sorted_list/universality.json docs/universality-sorted-list.json

lengths: $(VENV)/installed  ## train and measure models of 10 to 160 values, of one and two layers: hours; ARGS="--plan" says how many
	$(BIN)/python -m benchmarks.lengths --out sweeps/lengths $(ARGS)
	$(BIN)/python docs/lengths.py sweeps/lengths/lengths.json

fixture: $(VENV)/installed  ## train the shipped checkpoints again, into runs/
	$(BIN)/python -m cumsum_model train --seed 42 --out runs/seed42 --force
	$(BIN)/python -m cumsum_model.two_layers train --out runs/two_layers --force
	$(BIN)/python -m sorted_list_model train --seed 42 --out runs/sorted_list_seed42 --force

screenshots: $(VENV)/dev  ## take the pictures in docs/ of report/cumsum/, which `make claims` leaves
	$(BIN)/python docs/screenshots.py report/cumsum/report.html

clean:  ## remove the environment, the report and all caches
	rm -rf $(VENV) report .pytest_cache .mypy_cache .ruff_cache *.egg-info

$(VENV)/installed: pyproject.toml pytest-claims/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing torch and what else the claims need into $(VENV): once, a few minutes with a fast connection."
	$(PYTHON) -m venv $(VENV)
	$(call install)
	@echo "Installed. To call python and pytest yourself: . $(VENV)/bin/activate"
	@touch $@

$(VENV)/dev: $(VENV)/installed
	@echo "Installing the tools of development, too: about a minute."
	$(call install,[dev])
	@touch $@
