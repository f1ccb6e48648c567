# Every task of the project is a target here; `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
ROOT ?= images
PYTHONS ?= 3.11 3.12 3.13
BENCH_CACHE ?= /var/tmp/towline-benchmarks

# The active virtual environment, else one in the checkout.
# Make splits texts at white space, and a target must not remove the wrong directory.
ifneq ($(word 2,$(VIRTUAL_ENV)x),)
$(error the path of the environment VIRTUAL_ENV has white space: $(VIRTUAL_ENV))
endif
ifneq ($(word 2,$(CURDIR)),)
$(error the path of this directory has white space: $(CURDIR))
endif

VENV := $(abspath $(or $(VIRTUAL_ENV),.venv))
BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore $(PY) -m pip --quiet
CARGO := PYO3_PYTHON=$(PY) cargo
CRATE := --manifest-path rust/Cargo.toml --locked

# Stamps record what was installed into the environment; those of another checkout are removed.
STAMPS := $(VENV)/.towline
ifneq ($(shell cat $(STAMPS)/checkout 2>/dev/null),$(CURDIR))
$(shell rm -rf $(STAMPS))
endif

EXTENSION := $(wildcard python/towline/core/_native.*.so)
RUST := $(shell find rust -name target -prune -o -type f -print 2>/dev/null)
# An editable install needs no build for Python files, only for the metadata and the extension.
BUILD_INPUTS := pyproject.toml requirements/build.txt $(RUST)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: hello
hello: build ## build towline and pull examples/hello.tar into the store ROOT (images)
	@echo '$$ towline pull oci-archive:examples/hello.tar --root $(ROOT)'
	@$(BIN)/towline pull oci-archive:examples/hello.tar --root $(ROOT)
	@$(if $(VIRTUAL_ENV),,echo 'towline is a command of $(VENV): activate it with . $(VENV)/bin/activate')

.PHONY: build
build: $(STAMPS)/build ## build the Rust extension (release) and install towline into the environment

.PHONY: check
check: $(STAMPS)/build $(STAMPS)/dev ## lint, formatting, types, the extension's stub, clippy, architecture tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/basedpyright
	$(PY) -m mypy.stubtest --mypy-config-file pyproject.toml towline.core._native
	cargo fmt --manifest-path rust/Cargo.toml --check
	$(CARGO) clippy $(CRATE) --quiet --all-targets -- -D warnings
	$(CARGO) clippy $(CRATE) --quiet --all-targets --all-features -- -D warnings
	$(PY) -m pytest --quiet tests/architecture

.PHONY: format
format: $(STAMPS)/dev ## format Python and Rust, and repair what ruff can
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format
	cargo fmt --manifest-path rust/Cargo.toml

.PHONY: test
test: test-plan $(STAMPS)/build $(STAMPS)/dev tools ## run every test on two processors (PYTEST_ARGS="-k name")
	$(CARGO) test $(CRATE) --quiet
	$(PY) -m pytest --numprocesses 2 --dist worksteal $(PYTEST_ARGS)

.PHONY: test-plan
test-plan:
	@echo 'make test compiles towline if necessary, installs the test requirements into $(VENV),'
	@echo 'installs missing tools (skopeo, podman ...) with apt-get if it is root on Debian,'
	@echo 'and runs all tests, which takes some minutes'

.PHONY: test-twin
test-twin: $(STAMPS)/build $(STAMPS)/dev tools ## run every Python test with the Python twin instead of the Rust core
	TOWLINE_CORE=twin $(PY) -m pytest --numprocesses 2 --dist worksteal $(PYTEST_ARGS)

.PHONY: test-pythons
test-pythons: $(STAMPS)/build $(STAMPS)/dev tools ## run the tests of the library on each Python of PYTHONS (3.11 3.12 3.13)
	@PATH="$(BIN):$$PATH" tests/support/test_pythons.sh $(PYTHONS)

.PHONY: bench
bench: $(STAMPS)/build $(STAMPS)/dev tools ## measure towline and its peers, and write benchmarks/RESULTS.md
	@benchmarks/install_peers.sh $(BENCH_CACHE)
	@$(PY) -m benchmarks --cache $(BENCH_CACHE) $(BENCH_ARGS)

.PHONY: tools
tools: ## install the real tools that the tests use, or print which tests are skipped without them
	@tests/support/install_tools.sh

.PHONY: lock
lock: $(STAMPS)/dev ## update the locked Python dependencies (UPGRADE=--upgrade for newer versions)
	$(LOCK) requirements/build.txt pyproject.toml requirements/build.in
	$(LOCK) requirements/dev.txt pyproject.toml requirements/build.in requirements/dev.in

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header $(UPGRADE) --output-file

.PHONY: clean
clean: ## remove build results (the environment stays)
	rm -rf $(STAMPS) rust/target dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f python/towline/core/*.so

$(PY):
	@requirements/check.sh $(PYTHON) $(VENV)
	@echo 'creating the virtual environment $(VENV)'
	@$(PYTHON) -m venv $(VENV)

$(STAMPS)/checkout: | $(PY)
	@mkdir -p $(STAMPS)
	@echo '$(CURDIR)' > $@

$(STAMPS)/build: $(BUILD_INPUTS) $(if $(EXTENSION),,missing-extension) | $(STAMPS)/checkout
	@requirements/check.sh $(PYTHON) $(VENV)
	@echo 'installing maturin, click, rich, urllib3 and zstandard into $(VENV)'
	@$(PIP) install --require-hashes --requirement requirements/build.txt
	@echo 'compiling the Rust core (the first time 1 to 5 minutes), and installing towline there'
	@PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1 VIRTUAL_ENV=$(VENV) \
	  env -u CONDA_PREFIX $(BIN)/maturin develop --release
	@touch $@

# Never up to date: forces a build if the extension is missing.
.PHONY: missing-extension
missing-extension:

$(STAMPS)/dev: requirements/dev.txt | $(STAMPS)/checkout
	@echo 'installing the locked development requirements into $(VENV)'
	@$(PIP) install --require-hashes --requirement requirements/dev.txt
	@touch $@
