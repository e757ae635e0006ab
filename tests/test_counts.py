"""Counts of a store and its rows, and samples of users, equal their plain twins exactly."""

import copy
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sasrec_fast as sf
from sasrec_fast import _core
from sasrec_fast.store import Rows, Sequences, repeated_targets, streams

MANY_SIZES = [1, 40, 30_000]
"""Of vocabularies: so many interactions are counted in several tables, or in one."""


DATA = sf.prepare(
    {"user_id": np.repeat(range(6), 4), "item_id": np.arange(24) % 7, "timestamp": range(24)}
)


def store_of(histories: list[list[int]]) -> Sequences:
    offsets = np.cumsum([0, *map(len, histories)])
    items = np.array([item for history in histories for item in history], np.int32)
    return Sequences(offsets, items, np.zeros(len(histories), np.uint64))


def sequences_of(store: Sequences, rows: Rows) -> list[list[int]]:
    users = [
        store.items[a:b].tolist() for a, b in np.stack([store.offsets[:-1], store.offsets[1:]], 1)
    ]
    return [users[user][:end] for user, end in zip(rows.users, rows.ends, strict=True)]


def counted(items: list[int], size: int) -> list[int]:
    found = Counter(items)
    return [found[item] for item in range(size)]


def assert_counts(store: Sequences, rows: Rows, size: int) -> None:
    sequences = sequences_of(store, rows)
    shown = [item for sequence in sequences for item in sequence]
    assert store.item_counts(size).tolist() == counted(store.items.tolist(), size)
    assert store.item_counts_of_rows(rows, size).tolist() == counted(shown, size)
    assert store.target_counts(rows, size).tolist() == counted([s[-1] for s in sequences], size)
    repeated = repeated_targets(store, rows)
    assert repeated.dtype == np.bool_
    assert repeated.tolist() == [s[-1] in s[:-1] for s in sequences]


def first_draw(key: int, purpose: int, seed: int) -> int:
    counter = np.array([0, key, purpose, 0], np.uint64)
    return int(np.random.Philox(counter=counter, key=np.array([seed, 0], np.uint64)).random_raw())


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=5), min_size=1), st.data())
def test_counts_equal_their_twins(histories: list[list[int]], data: st.DataObject) -> None:
    """Some users have no row, and rows end anywhere in the items of theirs."""
    ends = [data.draw(st.integers(0, len(history))) for history in histories]
    users = np.flatnonzero(ends).astype(np.int32)
    rows = Rows(users, np.array(ends, np.int32)[users])
    assert_counts(store_of(histories), rows, data.draw(st.integers(5, 7)))


@pytest.mark.parametrize("size", MANY_SIZES)
def test_many_interactions_are_counted_by_all_threads(size: int) -> None:
    generator = np.random.default_rng(size)
    lengths = generator.integers(2, 40, 3_000)
    lengths[7] = 30_000  # more than the share of a thread
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    items = generator.integers(1, size + 1, offsets[-1]).astype(np.int32)
    store = Sequences(offsets, items, np.arange(3_000, dtype=np.uint64))
    users = np.flatnonzero(generator.random(3_000) < 0.9).astype(np.int32)
    rows = Rows(users, generator.integers(1, lengths[users] + 1).astype(np.int32))
    assert_counts(store, rows, size + 1)
    assert_counts(store, Rows(users[::-1].copy(), rows.ends[::-1].clip(0, 2)), size + 1)


@given(
    st.lists(st.integers(0, 2) | st.integers(0, 2**64 - 1), min_size=1, max_size=12),
    st.integers(0, 2**64 - 1),
    st.integers(0, 7),
)
def test_the_first_draws_are_those_of_numpy(keys: list[int], seed: int, purpose: int) -> None:
    draws = _core.first_draws(np.array(keys, np.uint64), purpose, seed)
    assert draws.tolist() == [first_draw(key, purpose, seed) for key in keys]


@given(
    st.lists(st.integers(0, 2) | st.integers(0, 2**64 - 1), min_size=6, max_size=6),
    st.integers(1, 7),
    st.integers(0, 2**64 - 1),
)
def test_a_sample_is_the_users_with_the_smallest_draws(
    keys: list[int], users: int, seed: int
) -> None:
    """Of users with equal keys, whose draws are equal, those who come first."""
    split = copy.copy(DATA.test)
    split.sequences = replace(split.sequences, user_keys=np.array(keys, np.uint64))
    rows = split.sequence_rows.users
    draws = [first_draw(keys[user], streams.USERS, seed) for user in rows]
    expected = sorted(sorted(range(len(draws)), key=draws.__getitem__)[:users])
    sample = split.sample(users, seed)
    assert sample.sequence_rows.users.tolist() == rows[expected].tolist()
    assert sample.user_ids.tolist() == split.user_ids[expected].tolist()


def test_who_has_as_many_items_as_there_are_is_looked_at() -> None:
    """Where the longest history is shorter, nobody is."""
    table = {"user_id": [1, 1, 1, 2, 2, 2, 2], "item_id": [1, 2, 3, 1, 2, 3, 4]}
    with pytest.raises(sf.DataError, match=r"user 2 .* has interacted with all 4 items"):
        sf.prepare(table, timestamp=None, holdout=0)
    assert len(sf.prepare({**table, "item_id": [1, 2, 3, 1, 2, 4, 4]}, timestamp=None).items) == 4
