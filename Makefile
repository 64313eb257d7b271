# `make demo` and `make test` do everything on a fresh machine. The other targets are for developers.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
STAMP   = $(VENV)/.installed
KILLS  ?= 200
FLIPS  ?= 2000
SEED   ?= 0
export OMP_NUM_THREADS ?= 2

.PHONY: bench-build bench-extract bench-fetch bench-pairs bench-train chaos claims-clip claims-flamingo claims-vilbert clean constraints demo fuzz generated help interop lint mutants real test two-hosts types

help:
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[train,report,video,dev]'
	touch $(STAMP)

demo: $(STAMP) ## Scrape a bundled website, build three datasets, train and evaluate three models
	$(BIN)/loom demo --out demo $(DEMO_FLAGS)

test: $(STAMP) ## Run all tests in three processes: on two cores one of them is often waiting
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(STAMP) ## Check formatting and rules with ruff, and the imports between packages with import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(STAMP) ## Check types with mypy
	$(BIN)/mypy

generated: $(STAMP) ## Regenerate the files that are made from the code (docs/api.md, docs/architecture.svg, keys in docs/recipes.md ...)
	$(BIN)/python docs/make_api.py
	$(BIN)/python docs/make_training.py
	$(BIN)/python infra/draw_architecture.py
	$(BIN)/python -m corpusloom.pipelines.recipes.key_table docs/recipes.md
	$(BIN)/python -m tests.pipelines.recipes.test_in_force
	$(BIN)/python -m tests.pipelines.filters.test_versions
	$(BIN)/python -m tests.pipelines.builds.test_stage_versions

interop: $(STAMP) ## Test that other programs read our datasets and we read img2dataset's (READERS=--all adds open_clip and energon)
	$(BIN)/python tests/interop/run.py $(READERS)

chaos: $(STAMP) ## Kill builds at random moments, resume them and compare digests (KILLS=200 SEED=0)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos --kills $(KILLS) --rng-seed $(SEED) --report chaos.json

fuzz: $(STAMP) ## Flip and cut bytes of every kind of file; each change must be found, refused or harmless (FLIPS=2000 SEED=0)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --flips $(FLIPS) --rng-seed $(SEED) --report fuzz.json

mutants: $(STAMP) ## Insert 200 small faults and list those that no test finds (MUTANTS_FLAGS=--help)
	$(BIN)/python -m tests.mutants $(MUTANTS_FLAGS)

two-hosts: $(STAMP) ## Run a build over two network namespaces with a Beam worker pool in each (needs root)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.two_hosts

real: $(STAMP) ## Scrape and build from two real websites, served on loopback from Debian packages, and compare with wget
	$(BIN)/python -m benchmarks.real --out .real $(REAL_FLAGS)
	$(BIN)/python -m benchmarks.openclipart

bench-extract: $(STAMP) ## Compare extraction with other extractors (WCXB=FOLDER PEERS=PYTHON OBELICS=CHECKOUT FOLDS=FOLDER)
	$(BIN)/python -m benchmarks.extract $(if $(WCXB),--wcxb $(WCXB)) $(if $(FOLDS),--folds $(FOLDS)) \
		$(if $(PEERS),--peer-python $(PEERS)) $(if $(OBELICS),--obelics $(OBELICS))

bench-build: $(STAMP) ## Measure the time and memory of a build (BENCH_FLAGS=--large takes a quarter of an hour)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.build $(BENCH_FLAGS)

bench-fetch: $(STAMP) ## Compare images fetched per second with img2dataset and plain aiohttp (nginx on loopback)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.fetch $(BENCH_FLAGS)

bench-pairs: $(STAMP) ## Measure the rules for pairs against public code (BENCH_FLAGS='--only matching')
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.pairs $(BENCH_FLAGS)

bench-train: $(STAMP) ## Measure training: steps against public code, waiting, memory (BENCH_FLAGS='--vilbert CHECKOUT --open-flamingo CHECKOUT --open-clip-python PYTHON')
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.train $(BENCH_FLAGS)

claims-clip: $(STAMP) ## Test CLIP's claims in small on emoji, half an hour on two cores (needs npm once; CLAIMS_FLAGS='--only transfer')
	$(BIN)/python -m benchmarks.claims_clip $(CLAIMS_FLAGS)

claims-flamingo: $(STAMP) ## Test Flamingo's claims in small on the bundled world, under 45 minutes on two cores (CLAIMS_FLAGS='--only shots')
	$(BIN)/python -m benchmarks.claims_flamingo $(CLAIMS_FLAGS)

claims-vilbert: $(STAMP) ## Test ViLBERT's claims in small on generated scenes, under 40 minutes on two cores (CLAIMS_FLAGS='--only zero-shot')
	$(BIN)/python -m benchmarks.claims_vilbert $(CLAIMS_FLAGS)

constraints: ## Pin the version of every dependency in constraints.txt, from a fresh environment
	sh infra/constraints.sh

clean: ## Remove the environment, builds and caches
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
