"""Hypothesis profiles and the folder of real data."""

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("exactness")

settings.register_profile(
    "fast",
    max_examples=40,
    derandomize=True,
    deadline=None,
    print_blob=True,
    # Options drawn together often leave nothing of a small table, which the reference refuses.
    suppress_health_check=[HealthCheck.filter_too_much],
)
settings.register_profile("ci", parent=settings.get_profile("fast"), max_examples=400)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

DATA_VARIABLE = "SASREC_FAST_DATA"

COMPILED = "JAX_COMPILATION_CACHE_DIR"
"""What one test compiled is not compiled again by others, nor by their child processes."""

if COMPILED not in os.environ:  # the workers of a run have that of the process they come from
    os.environ[COMPILED] = tempfile.mkdtemp(prefix="compiled-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"
    atexit.register(shutil.rmtree, os.environ[COMPILED], ignore_errors=True)


# Nothing here runs long enough for what the compiler takes to make it run fast: with these, the
# small programs of the tests are ready in a third of the time. Flags of the environment win.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises, also where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; the test is skipped where there is none."""
    beside_the_project = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get(DATA_VARIABLE, beside_the_project))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set {DATA_VARIABLE} to a folder holding ml-100k/")
    return folder
