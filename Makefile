# Everything runs in .venv, which the first target that needs it creates.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test nightly lint check bench clean

demo: $(VENV)/.installed
	@mkdir -p demo
	@rm -rf demo/bb84.h5 demo/bb84.png demo/keys
	$(BIN)/qlab run bb84 --seed 1 --keys demo/keys -o demo/bb84.h5
	$(BIN)/qlab plot demo/bb84.h5 -o demo/bb84.png
	$(BIN)/qlab replay demo/bb84.h5

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

nightly: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 -m "slow or not slow"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: test lint demo

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "qlab needs Python 3.11 or newer: make PYTHON=python3.12 demo")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
