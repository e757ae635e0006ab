# One target for each habit; each does its own set-up. Needed: Python 3.11 or newer, and Rust.
#
#     make demo                       make test PYTHON=/opt/python3.12/bin/python3
#     make bench ARGS="--part epoch"  make test ARGS="-k philox"

VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=

# Python 3.14 comes late: TensorFlow Text, which keras-hub needs, has no wheels for it yet.
CANDIDATES := python3.13 python3.12 python3.11 python3 python3.14 python
SUITABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do \
	"$$p" -c "$(SUITABLE)" >/dev/null 2>&1 && echo "$$p" && break; done)

# maturin and pip act on this environment, whichever other one happens to be activated.
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
unexport CONDA_PREFIX PYTHONHOME PYTHONPATH

# The build requirement, read from where it is stated.
MATURIN := import tomllib; \
	print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'])

.PHONY: help demo test test-slow lint build bench bench-train clean
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:
	@echo "make demo       train on the embedded data and print recommendations"
	@echo "make test       every fast test, Rust and Python"
	@echo "make test-slow  the tests marked slow"
	@echo "make lint       formatting, lints and types, Rust and Python"
	@echo "make build      the package in $(VENV), native part in release mode"
	@echo "make bench      benchmarks/prepare.py (ARGS="--large --huge" for 25 and 100 million rows)"
	@echo "make bench-train  benchmarks/train.py, on the data in SASREC_FAST_DATA"
	@echo "make clean      remove everything the other targets made"

demo: build
	$(VENV)/bin/sasrec-fast demo $(ARGS)

test: build $(VENV)/group-tests.stamp
	cargo test --locked --no-default-features
	$(PY) -m pytest -n 2 $(ARGS)

test-slow: build $(VENV)/group-tests.stamp
	$(PY) -m pytest -m slow $(ARGS)

lint: build $(VENV)/group-tests.stamp $(VENV)/group-lint.stamp
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --all-targets --no-default-features -- -D warnings
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy --strict python/sasrec_fast
	$(PY) -m mypy.stubtest sasrec_fast._core

bench: build $(VENV)/group-benchmarks.stamp
	$(PY) benchmarks/prepare.py $(ARGS)

bench-train: build $(VENV)/group-benchmarks.stamp
	$(PY) benchmarks/train.py $(ARGS)

# Cargo knows best what is stale, so it is asked every time: what runs is what the sources say.
build: $(VENV)/package.stamp
	$(VENV)/bin/maturin develop --release --skip-install --quiet

$(VENV)/package.stamp: $(VENV)/python.stamp pyproject.toml
	$(PY) -m pip install "$$($(PY) -c "$(MATURIN)")"
	$(VENV)/bin/maturin develop --release
	@touch $@

$(VENV)/group-%.stamp: $(VENV)/python.stamp pyproject.toml
	$(PY) -m pip install --group $*
	@touch $@

# pip 25.1 is the first that knows dependency groups.
$(VENV)/python.stamp:
	@command -v cargo >/dev/null || \
		{ echo "error: cargo not found: install Rust (https://rustup.rs), then open a new shell" >&2; exit 1; }
	@"$(PYTHON)" -c "$(SUITABLE)" 2>/dev/null || \
		{ echo "error: PYTHON='$(PYTHON)' is no Python 3.11 or newer with venv" >&2; exit 1; }
	"$(PYTHON)" -m venv --clear $(VENV)
	$(PY) -m pip install --upgrade "pip>=25.1"
	@touch $@

clean:
	rm -rf $(VENV) target dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -f python/sasrec_fast/_core.*so python/sasrec_fast/_core.pyd
	find python tests benchmarks .ci -name __pycache__ -type d -prune -exec rm -rf {} +
