.DEFAULT_GOAL := all
# Another environment that happens to be active must neither be used nor be touched.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
UV := $(BIN)/uv

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# The stamp is newer than what it was made from, so that every target can depend on it at no cost.
.venv/.ready: pyproject.toml requirements.lock
	python3 -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python requirements.lock
	$(UV) pip install --quiet --no-deps --python $(BIN)/python --editable .
	@touch $@

.PHONY: setup
setup: .venv/.ready ## Create .venv with everything

.PHONY: demo
demo: setup ## Promote, break and roll back a real model on real data, with proofs
	$(BIN)/trilock demo

.PHONY: test
test: setup ## Every test, on all cores
	$(BIN)/pytest --numprocesses auto --dist loadfile --ignore tests/soak

.PHONY: soak
soak: setup ## The tests that take long: a fleet of eight through twenty rollbacks under load, a million bad rows
	$(BIN)/pytest -s tests/soak

.PHONY: quick
quick: setup ## The tests that start nothing (no Feast, no MLflow, no server process)
	$(BIN)/pytest --numprocesses auto -m "not slow"

.PHONY: crash
crash: setup ## Kill trilock at every site, on real planes and both databases (15 minutes)
	$(BIN)/python -m tests.crash --triples 100
	$(BIN)/python -m tests.crash.mutants

.PHONY: bench
bench: setup ## Every benchmark: one JSON object a line, against a baseline of the same run
	@broken=0; for file in bench/bench_*.py; do $(BIN)/python $$file || broken=1; done; exit $$broken

.PHONY: lock
lock: ## Renew requirements.lock (versions and hashes, no index address)
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
	  --all-extras --group dev pyproject.toml --output-file requirements.lock --custom-compile-command "make lock"
	grep -q '^uv==' requirements.lock

.PHONY: protos
protos: setup ## Regenerate protos/gen
	$(UV) run --quiet --no-project --script tools/gen_protos.py

.PHONY: protos-check
protos-check: setup ## Fail if protos/gen is stale
	$(UV) run --quiet --no-project --script tools/gen_protos.py --check

.PHONY: fix
fix: setup ## Format and auto-fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lint
lint: setup ## Formatting, lint and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

.PHONY: types
types: setup ## mypy --strict
	$(BIN)/mypy

.PHONY: check
check: protos-check lint types ## Stubs, format, lint, contracts, types: no tests

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: all
all: check quick ## What to run before every commit
