# Everything happens in a virtual environment of the project's own; a second run reuses it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What running needs, and what developing adds to it.
RUN := $(VENV)/.run
DEV := $(VENV)/.dev
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable
# Many tests wait for processes of their own; the longest file comes first.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

.PHONY: demo test test-slow attacks audit bench device lint manifest clean

demo: $(RUN)
	$(BIN)/i2i demo

test: $(DEV) lint
	$(BIN)/python -m pytest -m "not slow" --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

test-slow: $(DEV)
	$(INSTALL) '.[dev,ray,browser]'
	$(BIN)/python -m pytest -m slow

attacks: $(DEV)
	$(BIN)/python -m tests.attacks

audit: $(DEV)
	$(BIN)/python -m pip install --quiet pip-audit
	$(BIN)/python -m pip_audit --skip-editable

bench: $(DEV)
	$(BIN)/python benchmarks/all.py

device: $(DEV)
	$(BIN)/python benchmarks/device.py --write

manifest: $(DEV)
	$(BIN)/python -c "from i2i_cli.checkpoints.packing import write_manifest; write_manifest()"

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(RUN): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(INSTALL) .
	@touch $@

$(DEV): $(RUN)
	$(INSTALL) '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache
