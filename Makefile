# Each target does all its own set-up; what is needed beforehand is Python >= 3.11, make and git.

PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0

BIN := $(VENV)/bin

.PHONY: help demo test lint types check-python clean

help:
	@echo "make demo    install without torch, embed a real file under two instructions, show what moves"
	@echo "make test    install with torch and the test tools, run all tests"
	@echo "make lint    ruff: rules and format"
	@echo "make types   mypy --strict"
	@echo "make clean   remove the virtual environment and what the targets made"

demo: $(BIN)/.base
	$(BIN)/python examples/demo.py

test: $(BIN)/.dev
	$(BIN)/python -m pytest

lint: $(BIN)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BIN)/.dev
	$(BIN)/mypy

# The base install: no torch. An environment that has more already serves as well.
$(BIN)/.base: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

# torch comes first and alone, so that its version is the same everywhere. Where PyPI's build brings CUDA and that is
# not wanted: make test TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
$(BIN)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@ $(BIN)/.base

$(BIN)/python: | check-python
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "instructvec needs Python >= 3.11, and $(PYTHON) is $$($(PYTHON) --version 2>&1)."; \
	  echo "Name a newer one: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) has no venv module; install it (Debian, Ubuntu: apt install python3-venv)."; exit 1; }

clean:
	rm -rf $(VENV) demo-output dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
