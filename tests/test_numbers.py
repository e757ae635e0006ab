"""Numbers of rows, epochs, seeds, indices and ids: integers, or a sentence that says so."""

import re
from typing import Any

import numpy as np
import pytest

import sasrec_fast as sf

TABLE = {"user_id": [1] * 3 + [2] * 3, "item_id": [1, 2, 3, 4, 5, 1]}
TRAIN = sf.prepare(TABLE, timestamp=None, holdout=0, max_sequence_length=4).train

NO_ROWS: dict[str, tuple[Any, type[Exception], str]] = {
    "a fraction": ([0.7], TypeError, "rows must be integers, received [0.7]"),
    "whole floats": (np.array([0.0, 1.0]), TypeError, "rows must be integers, received array("),
    "a bool": ([True], TypeError, "rows must be integers, received bools; np.flatnonzero(mask)"),
    "a bool among integers": ([0, True], TypeError, "rows must be integers, received bools"),
    "a mask": (np.array([True, False]), TypeError, "rows must be integers, received bools"),
    "text": (["0"], TypeError, "rows must be integers, received ['0']"),
    "nothing": (None, TypeError, "rows must be integers, received None"),
    "missing": ([0, None], TypeError, "rows must be integers, received [0, None]"),
    "lists": ([[0], [1, 1]], TypeError, "rows must be integers, received [[0], [1, 1]]"),
    "one number": (0, ValueError, "rows has shape (); it has one axis"),
    "a table": ([[0, 1]], ValueError, "rows has shape (1, 2); it has one axis"),
    "beyond": ([0, 2], ValueError, "row 2 does not exist; train has rows 0..1, -1 is an empty"),
    "before": ([-2], ValueError, "row -2 does not exist; train has rows 0..1"),
    "huge": ([2**70], ValueError, f"row {2**70} does not exist"),
    "unsigned": (np.array([2**63], np.uint64), ValueError, f"row {2**63} does not exist"),
}


@pytest.mark.parametrize("kind", NO_ROWS)
def test_what_are_no_row_numbers_is_refused(kind: str) -> None:
    rows, error, said = NO_ROWS[kind]
    with pytest.raises(error, match=re.escape(said)):
        TRAIN.fill(rows)


@pytest.mark.parametrize(
    "rows",
    [[], (1, 0), range(2), np.array([1, -1], np.int8), [np.uint64(1), 0], np.zeros(0), [-1, 1]],
)
def test_row_numbers_of_any_kind_of_integers_are_taken(rows: Any) -> None:
    whole = TRAIN.arrays().item_ids
    expected = [whole[row].tolist() if row >= 0 else [0] * 4 for row in map(int, rows)]
    assert TRAIN.fill(rows).item_ids.tolist() == expected


NO_NUMBERS = [10**400, -1, True, 0.5, float("nan"), "1", None, [], b"1", 1j, np.float32(1)]


@pytest.mark.parametrize("wrong", NO_NUMBERS, ids=lambda value: repr(value)[:9])
def test_what_is_no_number_of_the_kind_is_refused(wrong: Any) -> None:
    calls = {
        "epoch": [
            lambda: TRAIN.arrays(wrong),
            lambda: TRAIN.negatives(wrong),
            lambda: TRAIN.fill([0], epoch=wrong),
        ],
        "seed": [lambda: TRAIN.sample(1, seed=wrong), lambda: TRAIN.sample(1, seed=wrong)],
        "length": [lambda: TRAIN.fill([0], length=wrong)] if wrong is not None else [],
    }
    for name, uses_of_it in calls.items():
        for call in uses_of_it:
            with pytest.raises((TypeError, ValueError), match=f"^{name} must be ") as refusal:
                call()
            assert len(str(refusal.value)) < 300
    with pytest.raises(ValueError, match=r"seed must be in 0\.\."):
        TRAIN.sample(1, seed=2**64)


@pytest.mark.parametrize("wrong", [[1.5], [True], ["1"], [None], [float("inf")], [2**70], 0, [-1]])
def test_what_is_no_index_has_no_id(wrong: Any) -> None:
    with pytest.raises(
        (TypeError, ValueError), match=r"^(indices must be integers|index .* no id)"
    ):
        sf.Vocabulary([10, 20]).lookup(wrong)
    assert sf.Vocabulary([10, 20]).lookup([1.0, 2]).tolist() == [10, 20]


@pytest.mark.parametrize("wrong", ["12", b"12", 12, None, {1, 2}, {1: 2}, np.array(3), 1.5])
def test_what_is_no_list_of_ids_is_refused(wrong: Any) -> None:
    for call in (sf.Vocabulary, sf.Vocabulary([1, 2]).index):
        with pytest.raises(
            (TypeError, ValueError), match=r"^ids (must be a list of ids|have shape)"
        ):
            call(wrong)
    with pytest.raises(TypeError, match=r"an id is an integer or a string, received \[1\]"):
        sf.Vocabulary([1, 2]).index([[1], 2])
