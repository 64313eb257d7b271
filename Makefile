# Two commands do everything on a fresh machine: `make demo` and `make test`. The rest is for developers.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
STAMP   = $(VENV)/.installed
KILLS  ?= 200
SEED   ?= 0
export OMP_NUM_THREADS ?= 2

.PHONY: bench-extract bench-fetch bench-build demo test lint types interop chaos two-hosts constraints clean help real

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

interop: $(STAMP) ## others read our folders, we read img2dataset's, each in its own environment; READERS=--all adds open_clip, energon
	$(BIN)/python tests/interop/run.py $(READERS)

bench-extract: $(STAMP) ## extraction beside peers: WCXB=FOLDER [PEERS=PYTHON OBELICS=CHECKOUT FOLDS=FOLDER]
	$(BIN)/python -m benchmarks.extract $(if $(WCXB),--wcxb $(WCXB)) $(if $(FOLDS),--folds $(FOLDS)) \
		$(if $(PEERS),--peer-python $(PEERS)) $(if $(OBELICS),--obelics $(OBELICS))

bench-build: $(STAMP) ## what a durable build costs: BENCH_FLAGS=--large on a quiet machine takes a quarter of an hour
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.build $(BENCH_FLAGS)

bench-fetch: $(STAMP) ## images a second beside img2dataset and bare aiohttp (nginx, loopback)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.fetch $(BENCH_FLAGS)

chaos: $(STAMP) ## builds of every kind and take-downs, killed 200 times at random moments and resumed: one digest a kind (KILLS=, SEED=)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos --kills $(KILLS) --rng-seed $(SEED) --report chaos.json

two-hosts: $(STAMP) ## a build over two network namespaces, a Beam worker pool in each (needs root)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.two_hosts

real: $(STAMP) ## two real sites (Debian packages, served by nginx on loopback) end to end, beside wget
	$(BIN)/python -m benchmarks.real --out .real $(REAL_FLAGS)

constraints: ## pin every version, in a fresh environment
	sh infra/constraints.sh

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
