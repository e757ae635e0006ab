"""Every array of every split equals the reference exactly."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

import reference
import sasrec_fast as sf
from exactness import FIELDS, assert_agrees, assert_same_arrays, prepare, splits
from reference import Interaction, Options, RefusedError
from strategies import Case, cases, distinct_times, permuted_keeping_ties, valid_cases


@given(cases())
def test_every_array_equals_the_reference(case: Case) -> None:
    try:
        expected = reference.prepare(case.rows, case.options)
    except RefusedError as refusal:
        event(type(refusal).__name__)
        with pytest.raises(sf.DataError):
            prepare(case)
        return
    assert_agrees(prepare(case), expected)


@given(valid_cases())
def test_a_dataframe_gives_the_same(case: Case) -> None:
    assert_agrees(prepare(case, case.frame()), reference.prepare(case.rows, case.options))


@given(valid_cases())
def test_report_equals_the_reference(case: Case) -> None:
    report = prepare(case).report
    for name, count in asdict(reference.prepare(case.rows, case.options).report()).items():
        assert getattr(report, name) == count, name


@given(valid_cases(), st.data())
def test_row_order_matters_only_between_ties(case: Case, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(case.rows))))
    permuted = case.with_rows(permuted_keeping_ties(case.rows, order))
    assert_agrees(prepare(permuted), reference.prepare(case.rows, case.options))


@given(distinct_times(), st.data())
def test_row_order_does_not_matter_without_ties(case: Case, data: st.DataObject) -> None:
    permuted = case.with_rows(data.draw(st.permutations(case.rows)))
    assert_agrees(prepare(permuted), reference.prepare(case.rows, case.options))


@pytest.mark.parametrize(
    ("dtype", "times"),
    [
        ("int64", [2**63 - 1, 2**53 + 1, 2**53, 3, 0, -1, -(2**53), -(2**53) - 1, -(2**63)]),
        ("datetime64[ns]", [2**63 - 1, 2**53 + 1, 2**53, 3, 0, -1, -(2**53) - 1]),
        ("float64", [1e300, 0.1 + 0.2, 0.3, 5e-324, 0.0, -5e-324, -0.3, -0.1 - 0.2, -1e300]),
        ("float32", [2.0**24 + 2, 2.0**24, 1.5, 2.0**-149, 0.0, -(2.0**-149), -1.5]),
    ],
)
def test_timestamps_are_compared_exactly(dtype: str, times: list[float]) -> None:
    """Rows come latest first; each item's id is its place from the end."""
    rows = [Interaction(1, len(times) - i, time) for i, time in enumerate(times)]
    rows += [Interaction(2, 100, 0)] * 3
    data = prepare(Case(rows, Options(holdout=0), dtype))
    assert data.sequences.items[: len(times)].tolist() == list(range(1, len(times) + 1))
    assert data.report.rows_tied == 3, "only user 2 has ties"


def test_zeros_of_either_sign_are_tied() -> None:
    rows = [Interaction(1, item, zero) for item, zero in ((3, 0.0), (2, -0.0), (1, 0.0), (4, -0.0))]
    rows += [Interaction(2, 5, 1.0)] * 3
    data = prepare(Case(rows, Options(holdout=0), "float64"))
    assert data.sequences.items.tolist() == [3, 2, 1, 4, 5, 5, 5]
    assert data.report.rows_tied == 7


@pytest.mark.parametrize(
    "ids",
    [
        ["", "10", "9", "B", "a", "e\u0301", "é", "漢", "\uffff", "\U0001f600"],
        [-(2**63), -5, -1, 0, 1, 2**53, 2**53 + 1, 2**63 - 1],
    ],
)
def test_ids_ascend(ids: list[reference.Id]) -> None:
    """Strings by code point, integers by value, for users and items alike."""
    rows = [Interaction(id_, id_, 0) for id_ in reversed(ids) for _ in range(3)]
    data = prepare(Case(rows, Options()))
    assert list(data.users.ids) == ids
    assert list(data.items.ids) == ids


@pytest.mark.parametrize("scope", ["past", "all"])
def test_fallback_picks_among_the_allowed_items(scope: str) -> None:
    rows = [Interaction(1, item, item, 5.0) for item in range(1, 199)]
    rows += [Interaction(2, item, item, 5.0) for item in (7, 199, 200)]
    options = Options(max_sequence_length=50, num_negatives=3, negative_scope=scope, seed=5)
    case = Case(rows, options)
    expected = reference.prepare(rows, options)
    past_the_limit = reference.DROPS_BEFORE_PICKING + 1
    for name in reference.SPLITS:
        drawn = expected.arrays(name).draws[0]
        assert drawn.count(past_the_limit) > 20, "too few slots reach the fallback to test it"
        assert drawn.count(past_the_limit) < len(drawn)
    assert_agrees(prepare(case), expected)


def test_items_far_apart_keep_their_ids() -> None:
    """An identity vocabulary of millions of items, of which five occur."""
    ids = (1, 2, 5_000_000, 4_999_999, 2**22)
    rows = [Interaction(user, item, 0, 5.0) for user in (1, 2) for item in ids[user - 1 :]]
    case = Case(rows, Options(items="identity", max_sequence_length=4, num_negatives=2))
    data, expected = prepare(case), reference.prepare(rows, case.options)
    assert data.vocabulary_size == 5_000_001
    for name, split in splits(data):
        assert_same_arrays(split.arrays(), expected.arrays(name))


def test_users_without_a_negative_are_named() -> None:
    everything = [Interaction(-7041, item, item, 5.0) for item in (1, 2, 3, 4)]
    some = [Interaction(8, item, item, 5.0) for item in (1, 2, 3)]
    case = Case([*some, *everything], Options())
    with pytest.raises(reference.NoNegativeError, match="-7041"):
        reference.prepare(case.rows, case.options)
    with pytest.raises(sf.DataError, match="-7041"):
        prepare(case)
    assert_agrees(
        prepare(case.with_rows(some + everything[1:])),
        reference.prepare(some + everything[1:], case.options),
    )


def test_nothing_left_is_refused() -> None:
    case = Case([Interaction(1, item, 0, 1.0) for item in range(5)], Options(min_rating=2))
    with pytest.raises(reference.NothingLeftError):
        reference.prepare(case.rows, case.options)
    with pytest.raises(sf.DataError):
        prepare(case)


def large_cases(size: int) -> Iterator[Case]:
    """1,500 users, a few of them very active."""
    random = np.random.default_rng(20)
    users = (1500 * random.random(size) ** 2).astype(np.int64)
    items = (900 * random.random(size) ** 3).astype(np.int64)
    times = random.integers(0, 500, size)
    table = list(zip(users.tolist(), items.tolist(), times.tolist(), strict=True))
    yield Case([Interaction(u, i, t) for u, i, t in table], Options(max_sequence_length=20))
    yield Case(
        [Interaction(f"user {u}", i + 1, t) for u, i, t in table],
        Options(
            holdout=1,
            max_sequence_length=30,
            truncation="oldest",
            num_negatives=2,
            negative_scope="all",
            items="identity",
            seed=2**64 - 1,
        ),
    )
    yield Case(
        [Interaction(u, i, t) for u, i, t in table],
        Options(
            min_item_interactions=3,
            duplicates="first",
            ties="hash",
            split_at=(350, 420),
            max_sequence_length=12,
            windows=("stride", 8),
            num_negatives=2,
            negatives=("popularity", 0.75),
        ),
    )


def bytes_of(array: npt.NDArray[Any]) -> bytes:
    return repr((array.dtype.str, array.shape)).encode() + array.tobytes()


def digest() -> str:
    total = hashlib.sha256()
    for case in large_cases(100_000):
        data = prepare(case)
        total.update(bytes_of(data.sequences.offsets) + bytes_of(data.sequences.items))
        for _, split in splits(data):
            arrays = split.arrays(4)
            total.update(b"".join(bytes_of(getattr(arrays, field)) for field in FIELDS))
    return total.hexdigest()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_large_table_equals_the_reference(number: int) -> None:
    case = list(large_cases(40_000))[number]
    assert_agrees(prepare(case), reference.prepare(case.rows, case.options))


def test_thread_count_changes_nothing() -> None:
    here = digest()
    for threads in (1, 2, 5):
        environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
        command = [sys.executable, __file__]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        assert run.stdout.split() == [str(threads), here]


def test_movielens_100k_equals_the_reference(real_data: Path) -> None:
    lines = (real_data / "ml-100k" / "ratings.dat").read_text("latin-1").split("\n")
    rows = []
    for line in filter(None, lines):
        user, item, rating, timestamp = map(int, line.split("::"))
        rows.append(Interaction(user, item, timestamp, rating))
    case = Case(rows, Options(min_rating=2, max_sequence_length=50, seed=3))
    assert_agrees(prepare(case), reference.prepare(case.rows, case.options))


if __name__ == "__main__":
    print(os.environ["RAYON_NUM_THREADS"], digest())
