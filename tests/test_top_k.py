"""The native top-k search against the reference, bit for bit, and against NumPy."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from sasrec_fast import _core

Excluded = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]


def behind_offsets(sets: list[set[int]]) -> Excluded:
    offsets = np.cumsum([0, *map(len, sets)])
    return offsets, np.array([column for one in sets for column in sorted(one)], np.int32)


@dataclass
class Search:
    queries: npt.NDArray[np.float32]
    vectors: npt.NDArray[np.float32]
    excluded: list[set[int]]
    k: int


@st.composite
def searches(draw: st.DrawFn) -> Search:
    """Small integers as vectors: their products are exact in any order of summation."""
    queries, items = draw(st.sampled_from([0, 1, 5, 6, 65])), draw(st.integers(1, 80))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    width, largest = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    columns = st.sets(st.integers(0, items - 1), max_size=items)
    some = draw(st.lists(columns, max_size=queries))
    return Search(
        rng.integers(-largest, largest + 1, (queries, width)).astype(np.float32),
        rng.integers(-largest, largest + 1, (items, width)).astype(np.float32),
        some + [set() for _ in range(queries - len(some))],
        draw(st.integers(1, items)),
    )


@given(searches())
def test_it_equals_the_reference(search: Search) -> None:
    scores = search.queries.astype(np.float64) @ search.vectors.T
    expected = reference.top_k(scores.tolist(), search.excluded, search.k)
    excluded = behind_offsets(search.excluded)
    values, columns = _core.top_k(search.queries, search.vectors, excluded, search.k)
    coarse = _core.CoarseVectors(search.vectors)
    again = _core.top_k(search.queries, search.vectors, excluded, search.k, None, coarse)
    np.testing.assert_array_equal(again, (values, columns))
    assert [[column for column in row if column >= 0] for row in columns.tolist()] == expected
    for row, found in enumerate(expected):
        assert values[row, : len(found)].tolist() == scores[row, found].tolist()
        assert (values[row, len(found) :] == -np.inf).all()


@given(st.integers(0, 1000), st.sampled_from([1, 2, 5, 32, 33]), st.sampled_from([1, 8, 50]))
def test_vectors_of_eight_bits_find_the_same(seed: int, queries: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((700, width), np.float32) * rng.choice([1e-3, 1, 1e4], (700, 1))
    vectors = vectors.astype(np.float32)
    vectors[rng.integers(0, 700, 200)] = vectors[rng.integers(0, 700, 200)]  # ties
    vectors[rng.integers(0, 700, 40)] *= np.float32(1 + 2**-23)  # and nearly
    asked = rng.standard_normal((queries, width), np.float32)
    excluded = behind_offsets([set(rng.integers(0, 700, 30).tolist()) for _ in range(queries)])
    factors = rng.choice([0.5, 1, 3], 700).astype(np.float32)
    boosts = rng.choice([0, -1, 7], 700).astype(np.float32)
    none, coarse = np.zeros(0, np.float32), _core.CoarseVectors(vectors)
    for k, adjustment in itertools.product(
        (1, 10, 650), (None, (factors, none), (none, boosts), (factors, boosts))
    ):
        expected = _core.top_k(asked, vectors, excluded, k, adjustment)
        found = _core.top_k(asked, vectors, excluded, k, adjustment, coarse)
        np.testing.assert_array_equal(found, expected)


def test_vectors_of_eight_bits_are_of_those_that_are_searched() -> None:
    ones, none = np.ones((3, 2), np.float32), (np.zeros(4, np.int64), np.zeros(0, np.int32))
    coarse = _core.CoarseVectors(ones[:2])
    with pytest.raises(ValueError, match=r"vectors \(3, 2\), coarse \(2, 2\)"):
        _core.top_k(ones, ones, none, 1, coarse=coarse)


@pytest.mark.parametrize("queries", [1, 3, 70, 200])
def test_large_catalogues_are_searched_whole(queries: int) -> None:
    """More items than one stretch, in blocks, by several threads."""
    rng = np.random.default_rng(queries)
    vectors = rng.standard_normal((40_000, 7), np.float32)
    asked = rng.standard_normal((queries, 7), np.float32)
    none = behind_offsets([set()] * queries)
    values, columns = _core.top_k(asked, vectors[1:], none, 20)
    scores = asked.astype(np.float64) @ vectors[1:].T
    np.testing.assert_array_equal(columns, np.argsort(-scores, axis=1, kind="stable")[:, :20])
    best = np.take_along_axis(scores, columns.astype(np.int64), axis=1)
    np.testing.assert_allclose(values, best, rtol=2e-6)


THREADS = """
import numpy as np
from sasrec_fast import _core
rng = np.random.default_rng(0)
none = (np.zeros(101, np.int64), np.zeros(0, np.int32))
queries, vectors = (rng.standard_normal((n, 5), np.float32) for n in (100, 30_000))
values, columns = _core.top_k(queries, vectors, none, 10)
first = _core.top_k(queries[:1], vectors, (none[0][:2], none[1]), 10)
print(values.tobytes().hex()[:400], columns.sum(), first[1].tolist())
"""


def test_the_number_of_threads_changes_nothing() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", THREADS],
            env={**os.environ, "RAYON_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "3")
    }
    assert len(printed) == 1


def test_other_threads_run_meanwhile() -> None:
    queries, vectors = np.ones((256, 64), np.float32), np.ones((30_000, 64), np.float32)
    ticks = 0
    done = threading.Event()

    def search() -> None:
        _core.top_k(queries, vectors, behind_offsets([set()] * 256), 10)
        done.set()

    thread = threading.Thread(target=search)
    thread.start()
    while not done.is_set():
        time.sleep(0.001)
        ticks += 1
    thread.join()
    assert ticks > 3


def ones(*shape: int) -> npt.NDArray[np.float32]:
    return np.ones(shape, np.float32)


OFFSETS, COLUMNS = np.array([0, 1, 1]), np.array([1], np.int32)
NAN_IN_65 = np.where(np.arange(70)[:, None] == 65, np.nan, ones(70, 3))


@pytest.mark.parametrize(
    ("queries", "vectors", "excluded", "k", "said"),
    [
        (ones(2, 3), ones(4, 2), (OFFSETS, COLUMNS), 1, "width 3, vectors of width 2"),
        (ones(2, 3), ones(4, 3), (OFFSETS, COLUMNS), 0, "k is 0, of 4 vectors"),
        (ones(2, 3), ones(4, 3), (OFFSETS, COLUMNS), 5, "k is 5, of 4 vectors"),
        (ones(2, 3), ones(0, 3), (OFFSETS, COLUMNS), 1, "k is 1, of 0 vectors"),
        (ones(2, 3), ones(4, 3), (OFFSETS[:2], COLUMNS), 1, "one for each of 2 queries"),
        (ones(2, 3), ones(4, 3), (np.array([0, 2, 1]), COLUMNS), 1, "do not ascend from 0 to 1"),
        (ones(2, 3), ones(4, 3), (np.array([0, 0, 2]), COLUMNS), 1, "do not ascend from 0 to 1"),
        (ones(2, 3), ones(4, 3), (np.array([-1, 0, 1]), COLUMNS), 1, "do not ascend from 0 to 1"),
        (ones(2, 3) * np.nan, ones(4, 3), (OFFSETS, COLUMNS), 1, "NaN, first in row 0 of a batch"),
        (NAN_IN_65, ones(4, 3), behind_offsets([set()] * 70), 1, "first in row 65 of a batch"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    queries: npt.NDArray[np.float32],
    vectors: npt.NDArray[np.float32],
    excluded: Excluded,
    k: int,
    said: str,
) -> None:
    with pytest.raises(ValueError, match=said):
        _core.top_k(queries, vectors, excluded, k)


def test_infinite_scores_are_the_best_and_minus_infinity_is_never_found() -> None:
    vectors = np.array([[1.0], [np.inf], [-np.inf], [np.inf]], np.float32)
    values, columns = _core.top_k(ones(1, 1), vectors, behind_offsets([set()]), 4)
    assert columns.tolist() == [[1, 3, 0, -1]]
    assert values.tolist() == [[np.inf, np.inf, 1.0, -np.inf]]
