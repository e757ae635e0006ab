"""Hypothesis profiles and the folder of real data."""

import os
import signal
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
