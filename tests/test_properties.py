"""Every array equals the reference exactly, and what must hold of them whatever the input."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

import reference
import sasrec_fast as sf
from reference import Interaction, Options, RefusedError
from strategies import (
    Case,
    cases,
    closed_vocabularies,
    distinct_times,
    permuted_keeping_ties,
    valid_cases,
)

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
    assert list(data.items.ids) == expected.items
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
    for name, count in asdict(reference.prepare(case.rows, case.options).report).items():
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


# Invariants


@given(valid_cases())
def test_no_negative_is_in_the_rejected_set(case: Case) -> None:
    expected = reference.prepare(case.rows, case.options)
    for name, split in splits(prepare(case)):
        arrays = split.arrays(3)
        for i, row in enumerate(expected.splits[name]):
            drawn = set(arrays.negative_sequence[i][arrays.padding_mask[i]].ravel().tolist())
            assert not drawn & row.rejected
            assert drawn <= set(range(1, split.vocabulary_size))


@given(valid_cases())
def test_weights_only_on_real_targets(case: Case) -> None:
    for name, split in splits(prepare(case)):
        arrays = split.arrays()
        real = arrays.positive_sequence != 0
        weighted = arrays.sample_weight != 0
        assert set(np.unique(arrays.sample_weight)) <= {0.0, 1.0}
        assert not (weighted & ~real).any()
        if name == "train":
            np.testing.assert_array_equal(weighted, real)
        else:
            assert (weighted.sum(axis=1) <= 1).all()
            rows, columns = np.nonzero(weighted)
            np.testing.assert_array_equal(columns, split.lengths[rows] - 1)
            np.testing.assert_array_equal(
                arrays.positive_sequence[rows, columns],
                prepare(case).sequences.items[split.ends[rows] - 1],
            )


@given(valid_cases())
def test_each_target_is_the_next_item(case: Case) -> None:
    for _, split in splits(prepare(case)):
        arrays = split.arrays()
        followed = arrays.padding_mask[:, 1:]
        np.testing.assert_array_equal(
            arrays.positive_sequence[:, :-1][followed], arrays.item_ids[:, 1:][followed]
        )


@given(valid_cases())
def test_padding_is_a_suffix_of_zeros(case: Case) -> None:
    for _, split in splits(prepare(case)):
        arrays = split.arrays()
        mask = arrays.padding_mask
        np.testing.assert_array_equal(mask, arrays.item_ids != 0)
        np.testing.assert_array_equal(mask, arrays.positive_sequence != 0)
        np.testing.assert_array_equal(mask, np.arange(mask.shape[1]) < split.lengths[:, None])
        assert not arrays.negative_sequence[~mask].any()
        assert arrays.negative_sequence[mask].all()
        assert not arrays.sample_weight[~mask].any()


@given(closed_vocabularies())
def test_nothing_held_out_is_in_train(case: Case) -> None:
    """Other held-out items, same train arrays: no input, target or negative tells of them."""
    past = case.with_options(negative_scope="past", min_rating=None)
    held_out = held_out_positions(past.rows, past.options.holdout)
    event(f"{len(held_out) > 2}")
    changed = [
        replace(row, item=150 if position in held_out else row.item)
        for position, row in enumerate(past.rows)
    ]
    train = prepare(past.with_rows(changed)).train
    assert_same_arrays(train.arrays(1), prepare(past).train.arrays(1))


def held_out_positions(rows: list[Interaction], holdout: int) -> set[int]:
    of_user: dict[reference.Id, list[int]] = {}
    for position in sorted(range(len(rows)), key=lambda position: rows[position].timestamp):
        of_user.setdefault(rows[position].user, []).append(position)
    return {p for positions in of_user.values() for p in positions[len(positions) - holdout :]}


@given(closed_vocabularies(), st.data())
def test_users_do_not_influence_one_another(case: Case, data: st.DataObject) -> None:
    whole = prepare(case)
    dropped = data.draw(st.sampled_from(sorted({row.user for row in case.rows} - {99})))
    others = prepare(case.with_rows([row for row in case.rows if row.user != dropped]))
    for name, split in splits(others):
        same = getattr(whole, name)
        rows = np.flatnonzero(np.asarray(same.user_ids) != dropped)
        assert list(split.user_ids) == [same.user_ids[row] for row in rows]
        assert_same_arrays(split.arrays(1), same.fill(rows, epoch=1))


@given(valid_cases(), st.data())
def test_fill_equals_the_rows_of_arrays(case: Case, data: st.DataObject) -> None:
    for _, split in splits(prepare(case)):
        numbers = st.lists(st.integers(-1, len(split) - 1), max_size=8)
        rows = np.array(data.draw(numbers), dtype=np.int64)
        needed = max([int(split.lengths[row]) for row in rows if row >= 0], default=1)
        length = data.draw(st.none() | st.integers(needed, split.max_sequence_length))
        with_blank = {
            field: np.concatenate([array, np.zeros_like(array, shape=(1, *array.shape[1:]))])
            for field, array in vars(split.arrays(2)).items()
        }
        expected = {f: array[rows][:, :length] for f, array in with_blank.items()}
        assert_same_arrays(split.fill(rows, epoch=2, length=length), sf.Arrays(**expected))


def wide_case() -> Case:
    """Two users of 40 items out of 2,000: equal draws by chance are out of the question."""
    rows = [Interaction(user, user * 40 + i, i, 5.0) for user in (1, 2) for i in range(40)]
    rows += [Interaction(3, item, item, 5.0) for item in (1, 2, 2000)]
    return Case(rows, Options(items="identity", max_sequence_length=50))


def test_epochs_seeds_splits_and_users_draw_differently() -> None:
    case = wide_case()
    data, reseeded = prepare(case), prepare(case.with_options(seed=1))
    drawn = [
        tuple(row[:37].tolist())
        for split in (data.train, data.validation, data.test, reseeded.train)
        for epoch in (0, 1, 2)
        for row in split.arrays(epoch).negative_sequence[:2]
    ]
    assert len(set(drawn)) == len(drawn)


def test_an_epoch_repeats_itself() -> None:
    train = prepare(wide_case()).train
    assert_same_arrays(train.arrays(7), train.arrays(7))


def test_fill_refuses_rows_and_lengths_outside_the_split() -> None:
    train = prepare(wide_case()).train
    for rows in ([len(train)], [-2]):
        with pytest.raises((ValueError, IndexError), match=str(rows[0])):
            train.fill(np.array(rows, dtype=np.int64))
    with pytest.raises(ValueError, match="36"):
        train.fill(np.array([0], dtype=np.int64), length=36)


# Larger tables, which the native code handles in parallel


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


def bytes_of(array: npt.NDArray[Any]) -> bytes:
    return repr((array.dtype.str, array.shape)).encode() + array.tobytes()


@cache
def digest() -> str:
    total = hashlib.sha256()
    for case in large_cases(100_000):
        data = prepare(case)
        total.update(bytes_of(data.sequences.offsets) + bytes_of(data.sequences.items))
        for _, split in splits(data):
            arrays = split.arrays(4)
            total.update(b"".join(bytes_of(getattr(arrays, field)) for field in FIELDS))
    return total.hexdigest()


@pytest.mark.parametrize("number", [0, 1])
def test_large_table_equals_the_reference(number: int) -> None:
    case = list(large_cases(40_000))[number]
    assert_agrees(prepare(case), reference.prepare(case.rows, case.options))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_thread_count_changes_nothing(threads: int) -> None:
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == [str(threads), digest()]


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
