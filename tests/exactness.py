"""Exact comparison of the package with the reference."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pytest

import reference
import sasrec_fast as sf
from strategies import Case

EPOCHS = (0, 1, 2**40)
FIELDS = tuple(field.name for field in fields(sf.Arrays))


def prepare(case: Case, table: Any = None) -> sf.Prepared:
    interactions = case.columns() if table is None else table
    return sf.prepare(interactions, rating="rating", **asdict(case.options))


def splits(data: sf.Prepared) -> Iterator[tuple[str, sf.Split]]:
    for name in reference.SPLITS:
        split = getattr(data, name)
        if split is not None:
            yield name, split


def assert_same_arrays(actual: sf.Arrays, expected: Any) -> None:
    for field in FIELDS:
        array = getattr(actual, field)
        np.testing.assert_array_equal(array, getattr(expected, field), err_msg=field, strict=True)
        assert array.flags.c_contiguous, field


def assert_agrees(data: sf.Prepared, expected: reference.Prepared) -> None:
    sequences = list(expected.sequences.values())
    assert list(data.users.ids) == list(expected.sequences)
    assert list(data.items.ids) == list(expected.items)
    assert data.vocabulary_size == len(expected.items) + 1
    assert data.sequences.offsets.tolist() == [0, *np.cumsum([len(s) for s in sequences])]
    assert data.sequences.items.tolist() == [item for s in sequences for item in s]
    assert data.sequences.user_keys.tolist() == list(map(reference.user_key, expected.sequences))
    assert [name for name, _ in splits(data)] == list(expected.splits)
    for name, split in splits(data):
        assert_split_agrees(split, expected, name)


def assert_split_agrees(split: sf.Split, expected: reference.Prepared, name: str) -> None:
    rows = expected.splits[name]
    limit = expected.options.max_sequence_length
    positions = {user: i for i, user in enumerate(expected.sequences)}
    counts = np.bincount([i for row in rows for i in row.sequence], minlength=split.vocabulary_size)
    assert len(split) == len(rows)
    assert list(split.user_ids) == [row.user for row in rows]
    assert split.users.tolist() == [positions[row.user] for row in rows]
    assert split.lengths.tolist() == [min(len(row.sequence) - 1, limit) for row in rows]
    assert (split.ends - split.starts).tolist() == [len(row.sequence) for row in rows]
    assert split.item_counts.tolist() == counts.tolist()
    for epoch in EPOCHS:
        assert_same_arrays(split.arrays(epoch), expected.arrays(name, epoch))


def refusal(call: Callable[[], object]) -> str | None:
    """The message of an error that says something, or None where there is none."""
    try:
        call()
    except UnicodeError:
        raise
    except (ValueError, TypeError) as failure:
        said = str(failure)
    else:
        return None
    assert said
    assert len(said) < 2000
    return said


def assert_right_or_refused(table: Any, exact: dict[str, list[Any]], chosen: Any) -> None:
    """The table gives what the reference makes of its exact values, or is refused likewise."""
    names = ("user_id", "item_id", "timestamp", "rating")
    rows = zip(*(exact[name] for name in names), strict=True)
    options = asdict(chosen)
    try:
        expected = reference.prepare([reference.Interaction(*row) for row in rows], chosen)
    except reference.RefusedError:
        with pytest.raises(sf.DataError, match=r"nothing is left of|no negative exists"):
            sf.prepare(table, rating="rating", **options)
    else:
        assert_agrees(sf.prepare(table, rating="rating", **options), expected)
