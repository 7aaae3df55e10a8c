# Every target does its own set-up: uv (by pip, where it is missing), the locked environment, then the work.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
export UV_PYTHON_PREFERENCE ?= system
export UV_LINK_MODE ?= copy
unexport PYTHONDONTWRITEBYTECODE

UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .tools/bin/uv)
BIN := .venv/bin
READY := .venv/.ready
GO_WHEEL := .tools/go-wheel

.PHONY: help demo controlplane prometheus test properties hostile check format lock benchmarks pictures evals clean
help:            ## show the targets
	@grep -hE '^[a-z]+: .*##|^[a-z]+:  *##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t14

$(READY): requirements.lock pyproject.toml .python-version
	@$(UV) --version >/dev/null 2>&1 || { python3 -m venv .tools && .tools/bin/pip install --quiet uv; }
	@test -x $(BIN)/python || $(UV) venv --quiet .venv
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $(READY)

demo: $(READY)   ## play the three acts on embedded defaults (no key, no cluster, no GPU)
	$(BIN)/placet demo

controlplane: $(READY)  ## etcd, the Kubernetes control plane and kwok: built once from Go modules, without a container engine
	@$(BIN)/python -m tools.controlplane toolchain 2>/dev/null || test -x $(GO_WHEEL)/go/bin/go || \
		$(UV) pip install --quiet --python $(BIN)/python --target $(GO_WHEEL) --verify-hashes \
			-r tools/controlplane/toolchain.lock
	@PATH="$(CURDIR)/$(GO_WHEEL)/go/bin:$$PATH" $(BIN)/python -m tools.controlplane build

prometheus: $(READY)  ## Prometheus, built once from a Go module: the tests ask a real one
	@$(BIN)/python -m tools.prometheus toolchain 2>/dev/null || test -x $(GO_WHEEL)/go/bin/go || \
		$(UV) pip install --quiet --python $(BIN)/python --target $(GO_WHEEL) --verify-hashes \
			-r tools/controlplane/toolchain.lock
	@PATH="$(CURDIR)/$(GO_WHEEL)/go/bin:$$PATH" $(BIN)/python -m tools.prometheus build

# More workers than two cores: many tests wait for a control plane, and others compute meanwhile.
# Compiled once here, where each worker would compile it for itself.
test: $(READY) controlplane prometheus  ## every test, against real NATS, PostgreSQL, Kubernetes and Prometheus
	@$(BIN)/python -m compileall -q -j 2 estate policies tools agents console evals
	$(BIN)/pytest -n 4 --dist loadgroup --no-loadscope-reorder

properties: $(READY) controlplane prometheus  ## the properties alone, with 25 times as many examples: some minutes
	$(BIN)/pytest -n 4 --dist loadgroup --no-loadscope-reorder -m hypothesis --hypothesis-profile thorough --timeout 1800

hostile: $(READY)  ## a hostile proposer against the four profiles, 10 000 proposals each: half an hour of two cores
	$(BIN)/python -m tests.hostile

check: $(READY)  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## write the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:            ## resolve again: versions and hashes, no addresses
	@$(UV) --version >/dev/null 2>&1 || { python3 -m venv .tools && .tools/bin/pip install --quiet uv; }
	$(UV) pip compile --quiet --universal --group dev pyproject.toml --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --output-file requirements.lock
	$(UV) pip compile --quiet --universal --group image pyproject.toml --generate-hashes --constraint requirements.lock \
		--no-emit-index-url --no-header --no-annotate --output-file image.lock

evals: $(READY)  ## every scenario: prove its answer key, then play it on a whole system
	$(BIN)/python -m evals prove
	$(BIN)/python -m evals run

benchmarks: $(READY) ## the main path, measured
	$(BIN)/python -m benchmarks.path -o json

pictures: $(READY) ## draw docs/pictures again: what the demo prints, and a made-up estate
	$(BIN)/placet demo --out build/demo
	cp build/demo/incident.svg docs/pictures/demo-incident.svg
	cp build/demo/request.svg docs/pictures/demo-request.svg
	$(BIN)/python -m console.drawing docs/pictures/estate-power.svg

clean:           ## remove the environment and caches
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
