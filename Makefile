# One target for each habit; each does its own set-up. Needed: Python 3.11 or newer, and Rust.
#
#     make demo                       make test PYTHON=/opt/python3.12/bin/python3
#     make bench ARGS="--part epoch"  make test ARGS="-k philox"

VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=

# Python 3.14 comes late: TensorFlow Text, which keras-hub asks for, has no wheels for it yet.
CANDIDATES := python3.13 python3.12 python3.11 python3 python3.14 python
SUITABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do \
	"$$p" -c "$(SUITABLE)" >/dev/null 2>&1 && echo "$$p" && break; done)

# Environments of their own, without TensorFlow: `lean` of the newest versions, `lowest` of the
# oldest that pyproject.toml allows. keras-hub is installed without what it asks for.
LEAN_SUITABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 12))
LEAN_PYTHON ?= $(shell for p in python3.12 python3.13 python3.14 python3; do \
	"$$p" -c "$(LEAN_SUITABLE)" >/dev/null 2>&1 && echo "$$p" && break; done)
PYTHON_lean = $(LEAN_PYTHON)
PYTHON_lowest = $(PYTHON)
REQUIREMENTS := import sys, tomllib; \
	required = tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']; \
	required = [r.replace('>=', '==') if sys.argv[1] == 'lowest' else r for r in required]; \
	print(*(r for r in required if r.startswith('keras-hub') == (sys.argv[2] == 'alone')))

# maturin and pip act on this environment, whichever other one happens to be activated.
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
unexport CONDA_PREFIX PYTHONHOME PYTHONPATH

# The build requirement, read from where it is stated.
MATURIN := import tomllib; \
	print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'])

.PHONY: help demo test test-spark test-slow test-lean test-lowest lint build bench bench-train bench-gpu clean
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:
	@echo "make demo       train on the embedded data and print recommendations"
	@echo "make test       every fast test, Rust and Python"
	@echo "make test-spark  the tests of Spark, which need Java 17"
	@echo "make test-slow  the tests marked slow"
	@echo "make test-lean  every fast Python test without TensorFlow, Python 3.12 or newer (LEAN_PYTHON=)"
	@echo "make test-lowest  likewise with the oldest versions that pyproject.toml allows"
	@echo "make lint       formatting, lints and types, Rust and Python"
	@echo "make build      the package in $(VENV), native part in release mode"
	@echo "make bench      benchmarks/prepare.py (ARGS="--large --huge" for 25 and 100 million rows)"
	@echo "make bench-train  benchmarks/train.py, on the data in SASREC_FAST_DATA"
	@echo "make bench-gpu    benchmarks/gpu.py, results in target/gpu (ARGS=--small: tiny sizes, on a CPU)"
	@echo "make clean      remove everything the other targets made"

demo: build
	$(VENV)/bin/sasrec-fast demo $(ARGS)

test: build $(VENV)/group-tests.stamp
	cargo test --locked --no-default-features
	$(PY) -m pytest -n 2 $(ARGS)
	@echo "left out: tests of Spark (make test-spark), and those that take long or need Ray (make test-slow)"

test-spark: build $(VENV)/group-tests.stamp $(VENV)/group-spark.stamp
	@command -v java >/dev/null || test -n "$(JAVA_HOME)" || \
		{ echo "error: java not found: install Java 17, such as openjdk-17-jre-headless" >&2; exit 1; }
	$(PY) -m pytest tests/test_spark.py -m "spark and not slow" $(ARGS)

test-slow: build $(VENV)/group-tests.stamp
	XLA_FLAGS= $(PY) -m pytest -m "slow and not spark" $(ARGS)

test-lean: .venv-lean/packages.stamp
test-lowest: .venv-lowest/packages.stamp

test-lean test-lowest: test-%:
	rm -rf .venv-$*/wheels
	VIRTUAL_ENV=$(CURDIR)/.venv-$* .venv-$*/bin/maturin build --release --quiet --out .venv-$*/wheels
	.venv-$*/bin/python -m pip install --quiet --no-deps --force-reinstall .venv-$*/wheels/*.whl
	.venv-$*/bin/python -m pytest -n 2 $(ARGS)

.venv-%/packages.stamp: pyproject.toml
	"$(PYTHON_$*)" -m venv --clear .venv-$*
	.venv-$*/bin/python -m pip install --upgrade "pip>=25.1"
	.venv-$*/bin/python -m pip install "$$(.venv-$*/bin/python -c "$(MATURIN)")"
	.venv-$*/bin/python -m pip install $$(.venv-$*/bin/python -c "$(REQUIREMENTS)" $* others)
	.venv-$*/bin/python -m pip install --no-deps $$(.venv-$*/bin/python -c "$(REQUIREMENTS)" $* alone)
	.venv-$*/bin/python -m pip install regex sentencepiece tokenizers
	.venv-$*/bin/python -m pip install --group tests
	@touch $@

.PRECIOUS: .venv-%/packages.stamp

lint: build $(VENV)/group-tests.stamp $(VENV)/group-lint.stamp
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --all-targets --no-default-features -- -D warnings
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy --strict python/sasrec_fast
	$(PY) -m mypy.stubtest sasrec_fast._core
	$(VENV)/bin/lint-imports

bench: build $(VENV)/group-benchmarks.stamp
	$(PY) benchmarks/prepare.py $(ARGS)

bench-train: build $(VENV)/group-benchmarks.stamp
	$(PY) benchmarks/train.py $(ARGS)

bench-gpu: build $(VENV)/group-benchmarks.stamp
	$(PY) benchmarks/gpu.py --output target/gpu $(ARGS)

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
	rm -rf $(VENV) .venv-lean .venv-lowest target dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -f python/sasrec_fast/_core.*so python/sasrec_fast/_core.pyd
	find python tests benchmarks .ci -name __pycache__ -type d -prune -exec rm -rf {} +
