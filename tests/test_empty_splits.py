"""A split without rows is warned of when it is made, with what to change."""

import re
import warnings
from typing import Any

import numpy as np
import pytest

import sasrec_fast as sf

THREE = {
    "user_id": np.repeat(np.arange(20), 3),
    "item_id": np.concatenate([np.random.default_rng(n).permutation(8)[:3] for n in range(20)]),
    "timestamp": np.tile([10, 20, 30], 20),
}
EMPTY: dict[str, tuple[dict[str, Any], list[str]]] = {
    "the holdout takes all": (
        {},
        [
            "train has no rows: a training row takes 2 interactions besides the last 2 held out, "
            "and no user has more than 3; lower holdout, or bring users with longer histories "
            "(min_user_interactions=4 keeps those who have enough)"
        ],
    ),
    "one interaction a user": (
        {"duplicates": "first", "min_user_interactions": 1, "holdout": 0},
        ["train has no rows: a training row takes 2 interactions, and no user has more than 1;"],
    ),
    "all splits": (
        {"duplicates": "first", "min_user_interactions": 1, "holdout": 1},
        ["train and validation have no rows: a training row takes 2 interactions besides the last"],
    ),
    "nothing after the start of test": (
        {"split_at": (30, 90)},
        ["test has no rows: no user has an interaction from 90 on and one earlier; choose other"],
    ),
    "nothing between the starts": (
        {"split_at": (21, 30)},
        ["validation has no rows: no user has an interaction from 21 to before 30 and one earlier"],
    ),
    "nothing after both": ({"split_at": (80, 90)}, ["validation has no rows", "test has no rows"]),
    "rows in each": ({"holdout": 1}, []),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_splits_without_rows_are_warned_of_at_once(kind: str) -> None:
    options, expected = EMPTY[kind]
    rows = THREE
    if "duplicates" in options:
        rows = {**THREE, "item_id": THREE["user_id"] % 5}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sf.prepare(rows, **options)
    said = [one for one in caught if re.match(r"[a-z ]+ (has|have) no rows", str(one.message))]
    assert [one.category for one in said] == [sf.DataWarning] * len(expected)
    assert all(one.filename == __file__ for one in said)
    for one, text in zip(said, expected, strict=True):
        assert str(one.message).startswith(text)
