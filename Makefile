# One page of verbs; CI calls the same ones. `make` alone prints them.
SHELL  := /bin/bash
PYTHON ?= python3
BIN    := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check bench chaos up lock clean

help:  ## print this page
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 10

# The stamp is newer than the lock exactly when the environment was built from this lock.
# Bytecode is compiled once here: where PYTHONDONTWRITEBYTECODE is set, every process would compile torch anew (10 s and more).
.venv/.stamp: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@# Prefect's database takes 20 s to make; made here, the first run need not wait for it.
	@mkdir -p .graft/prefect && PREFECT_HOME=$(CURDIR)/.graft/prefect PREFECT_SERVER_ANALYTICS_ENABLED=false \
	  $(BIN)/prefect server database upgrade --yes > /dev/null
	@touch $@

demo: .venv/.stamp  ## the bundled digits example, from raw data to a verdict and a registered model
	@$(BIN)/graft run digits

test: .venv/.stamp  ## every test that needs neither a network nor a GPU
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile

check: .venv/.stamp  ## lint, format, types and the import rings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.stamp  ## the benchmarks, each against a named peer
	$(BIN)/python -m bench

chaos: .venv/.stamp  ## a team's stack, thirty runs, and kill -9 at random moments, for a quarter of an hour
	@$(BIN)/python -m tests.chaos

up: .venv/.stamp  ## server, dashboard, work pool, deployments and one worker on port 4200; Ctrl-C ends them
	@$(BIN)/graft up

lock: .venv/.stamp  ## renew requirements.lock from pyproject.toml
	$(BIN)/uv pip compile --universal --generate-hashes --extra test --extra onnx --python-version 3.11 --upgrade \
	  --quiet --custom-compile-command 'make lock' --output-file requirements.lock pyproject.toml

clean:  ## remove the environment and everything that runs produced (data and registry stay)
	rm -rf .venv .graft .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
