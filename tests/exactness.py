"""Exact comparison of the package with the reference."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pytest

import reference
import sasrec_fast as sf
from strategies import Case, id_column

EPOCHS = (0, 1, 2**40)
FIELDS = tuple(field.name for field in fields(sf.Arrays))


def prepare(case: Case, table: Any = None) -> sf.Prepared:
    interactions = case.columns() if table is None else table
    return sf.prepare(interactions, rating="rating", **arguments(case))


def arguments(case: Case) -> dict[str, Any]:
    """The case's options as the package takes them."""
    options = asdict(case.options)
    if isinstance(case.options.items, tuple):
        options["items"] = sf.Vocabulary(id_column(list(case.options.items)))
    if case.options.split_at is not None and case.timestamp_dtype.startswith("datetime64"):
        unit = np.datetime_data(case.timestamp_dtype)[0]
        options["split_at"] = tuple(np.datetime64(int(t), unit) for t in case.options.split_at)
    return options


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
    assert data.sequences.user_keys.tolist() == list(map(reference.stream_key, expected.sequences))
    assert [name for name, _ in splits(data)] == list(expected.splits)
    for name, split in splits(data):
        assert_split_agrees(split, expected, name)


def assert_split_agrees(split: sf.Split, expected: reference.Prepared, name: str) -> None:
    rows = expected.splits[name]
    limit = expected.options.max_sequence_length
    positions = {user: i for i, user in enumerate(expected.sequences)}
    items = [i for row in rows if not row.window for i in row.sequence]
    counts = np.bincount(items, minlength=split.vocabulary_size)
    assert len(split) == len(rows)
    assert list(split.user_ids) == [row.user for row in rows]
    assert split.users.tolist() == [positions[row.user] for row in rows]
    assert split.windows.tolist() == [row.window for row in rows]
    assert split.lengths.tolist() == [len(row.places) - 1 for row in rows]
    assert split.lengths.max(initial=0) <= limit
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
