# Two commands do everything, from nothing but Python and make: `make claims` and `make test`.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help claims test lint bench guard baseline matrix universality fixture screenshots clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

claims: $(VENV)/installed  ## verify the shipped checkpoint into report/; ARGS="--checkpoint=PATH" for another
	$(BIN)/cumsum-model verify --report=report $(ARGS)

test: $(VENV)/installed lint  ## check style and types, then run the software's own tests; ARGS="-n 0" for one process
	cd pytest-claims && ../$(BIN)/pytest -ra -n logical --maxprocesses 4 --dist loadfile
	$(BIN)/pytest tests/ -ra -n logical --maxprocesses 4 --dist loadfile $(ARGS)

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/installed  ## measure how fast everything is, into docs/performance.md
	mkdir -p runs
	$(BIN)/pytest benchmarks/ --benchmark-quiet --benchmark-json=runs/bench.json $(ARGS)
	$(BIN)/python -m benchmarks.table runs/bench.json --into docs/performance.md

guard: $(VENV)/installed  ## fail if a ratio is half as large again as in benchmarks/baseline.json
	$(BIN)/pytest benchmarks/ -m guard --benchmark-quiet --benchmark-compare=benchmarks/baseline.json \
		--benchmark-compare-fail=median:50% $(ARGS)

baseline: $(VENV)/installed  ## save the ratios of this commit as the ones that `make guard` compares with
	$(BIN)/pytest benchmarks/ -m guard --benchmark-quiet --benchmark-json=benchmarks/baseline.json $(ARGS)

matrix: $(VENV)/installed  ## run every claim on every broken model, into docs/matrix.json
	$(BIN)/python -m cumsum_model mutants -n 2 --out docs/matrix.json

universality: $(VENV)/installed  ## train and verify 32 seeds that no bound was made on, an hour on two cores
	$(BIN)/python -m cumsum_model sweep --seeds 100:132 --out sweeps/fresh
	cp sweeps/fresh/universality.json docs/universality.json

fixture: $(VENV)/installed  ## train the shipped checkpoint again, into runs/seed42
	$(BIN)/python -m cumsum_model train --seed 42 --out runs/seed42 --force

screenshots: $(VENV)/installed  ## take the README's pictures of report/, which `make claims` leaves
	$(BIN)/python docs/screenshots.py report/report.html

clean:  ## remove the environment, the report and all caches
	rm -rf $(VENV) report .pytest_cache .mypy_cache .ruff_cache *.egg-info

$(VENV)/installed: pyproject.toml pytest-claims/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/pip install --quiet --no-deps --editable ./pytest-claims  # in place of the copy that the first one made
	@touch $@
