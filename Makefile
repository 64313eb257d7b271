# Two commands do everything on a fresh machine: `make demo` and `make test`. The rest is for developers.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
STAMP   = $(VENV)/.installed
export OMP_NUM_THREADS ?= 2

.PHONY: demo test lint types interop bench-fetch constraints clean help

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[train,dev]'
	touch $(STAMP)

demo: $(STAMP) ## the bundled web, end to end: scrape, build, stats, three trained models
	$(BIN)/loom demo --out demo $(DEMO_FLAGS)

test: $(STAMP) ## every test, on two processes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(STAMP) ## ruff: format and rules; the floors between packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(STAMP) ## mypy
	$(BIN)/mypy

interop: $(STAMP) ## webdataset and Hugging Face datasets read our folders, we read img2dataset's; each in its own environment
	$(BIN)/python tests/interop/run.py

bench-fetch: $(STAMP) ## images a second beside img2dataset and bare aiohttp (nginx, loopback)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.fetch $(BENCH_FLAGS)

constraints: ## pin every version, in a fresh environment
	sh infra/constraints.sh

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
