"""Buckets: least padding, whole batches, an equal number of targets a batch."""

import itertools
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasrec_fast.batching.buckets import Ranking, choose_boundaries, make_buckets

row_lengths = st.lists(st.integers(1, 30), min_size=1, max_size=80).map(
    lambda lengths: np.array(lengths, np.int32)
)


def buckets_of(lengths, batch_size, boundaries=None, max_buckets=4, multiple=1):
    ranking = Ranking(lengths, lengths, batch_size)
    if boundaries is None:
        boundaries = choose_boundaries(ranking, max_buckets)
    return make_buckets(ranking, lengths, boundaries, multiple)


@given(row_lengths, st.integers(1, 20), st.integers(1, 6), st.sampled_from([1, 2, 3]))
def test_every_row_is_in_one_bucket_that_is_long_enough(lengths, batch_size, most, multiple):
    buckets = buckets_of(lengths, batch_size, max_buckets=most, multiple=multiple)
    assert len(buckets) <= most
    rows = np.concatenate([bucket.rows for bucket in buckets])
    assert sorted(rows) == list(range(len(lengths)))
    for bucket in buckets:
        assert lengths[bucket.rows].max() <= bucket.length
        assert bucket.batch_rows % multiple == 0
        space = bucket.batch_rows * bucket.num_batches
        assert len(bucket.rows) <= space < len(bucket.rows) + multiple * bucket.num_batches


@given(row_lengths, st.integers(1, 20), st.integers(0, 5))
def test_the_batches_of_a_bucket_differ_by_less_than_its_longest_row(lengths, batch_size, seed):
    for bucket in buckets_of(lengths, batch_size):
        for generator in (None, np.random.default_rng(seed)):
            dealt = bucket.deal(generator)
            assert sorted(dealt[dealt >= 0]) == bucket.rows.tolist()
            sums = np.where(dealt >= 0, lengths[dealt], 0).sum(axis=1)
            shortest = 0 if (dealt < 0).any() else lengths[bucket.rows].min()
            assert np.ptp(sums) <= lengths[bucket.rows].max() - shortest


@given(row_lengths, st.integers(1, 20))
def test_batches_of_different_buckets_hold_equally_many_targets(lengths, batch_size):
    buckets = buckets_of(lengths, batch_size)
    number = max(1, round(len(lengths) / batch_size))
    if sum(bucket.num_batches for bucket in buckets) < number:
        return  # some row alone has more targets than a batch should have
    for bucket in buckets:
        mean = lengths[bucket.rows].sum() / bucket.num_batches
        assert abs(mean - lengths.sum() / number) <= 2 * lengths.max()


def positions(buckets):
    return sum(len(bucket.rows) * bucket.length for bucket in buckets)


@given(row_lengths, st.integers(1, 20), st.integers(1, 3))
def test_no_other_boundaries_waste_fewer_positions(lengths, batch_size, most):
    least = positions(buckets_of(lengths, batch_size, max_buckets=most))
    distinct = np.unique(lengths)[:-1].tolist()
    for count in range(most):
        for edges in itertools.islice(itertools.combinations(distinct, count), 60):
            other = buckets_of(lengths, batch_size, [*edges, int(lengths.max())])
            assert least <= positions(other)


def test_boundaries_of_a_small_case():
    lengths = np.repeat([1, 2, 9, 10, 30], [100, 50, 11, 10, 10]).astype(np.int32)
    ranking = Ranking(lengths, np.ones_like(lengths), 1)
    assert choose_boundaries(ranking, 3) == [2, 10, 30]
    assert choose_boundaries(ranking, 1) == [30]
    assert choose_boundaries(ranking, 9) == [1, 2, 9, 10, 30]


def test_rows_that_fill_no_whole_batch_join_the_next_bucket():
    lengths = np.array([1, *[5] * 20, *[10] * 20, 40], np.int32)  # 341 targets, 4 batches of 85
    buckets = buckets_of(lengths, 10, [1, 5, 10, 40])
    assert [(bucket.length, bucket.num_batches) for bucket in buckets] == [(5, 1), (10, 2), (40, 1)]
    assert [len(bucket.rows) for bucket in buckets] == [17, 19, 6]


@pytest.mark.parametrize("boundaries", [[], [0, 30], [30, 30], [5, 29]])
def test_impossible_boundaries_are_refused(boundaries):
    with pytest.raises(ValueError, match=r"boundaries are .* at least 30, the longest row"):
        buckets_of(np.array([3, 30], np.int32), 16, boundaries)


def test_many_rows_are_dealt_as_evenly_as_few():
    lengths = np.random.default_rng(1).integers(1, 31, 400).astype(np.int32)
    (bucket,) = buckets_of(lengths, 50, [30])
    for generator in (None, np.random.default_rng(0)):
        sums = np.where((dealt := bucket.deal(generator)) >= 0, lengths[dealt], 0).sum(axis=1)
        assert np.ptp(sums) < 30


def least_by_table(lengths, targets, batch_size, most):
    """The dynamic programme written down as a table of all pairs of lengths."""
    ranking = Ranking(lengths, targets, batch_size)
    distinct = ranking.distinct
    size = len(distinct)
    rows = np.concatenate([[0], ranking.rows_in(ranking.batches_within(distinct))])
    best = np.full(size + 1, np.inf)
    best[0] = 0
    choices = []
    for _ in range(min(most, size)):
        cost = best[:, None] + (rows[1:] - rows[:, None]) * distinct
        cost[np.arange(size + 1)[:, None] > np.arange(size)] = np.inf
        choices.append(cost.argmin(axis=0))
        best = np.concatenate([[0], cost.min(axis=0)])
    boundaries = []
    while size:
        boundaries.append(int(distinct[size - 1]))
        size = int(choices.pop()[size - 1])
    return boundaries[::-1]


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=60),
    st.integers(1, 20),
    st.integers(1, 9),
    st.booleans(),
)
def test_boundaries_are_those_of_the_table_of_all_pairs(lengths, batch_size, most, all_count):
    lengths = np.array(lengths, np.int32)
    targets = lengths if all_count else np.ones_like(lengths)
    found = choose_boundaries(Ranking(lengths, targets, batch_size), most)
    assert found == least_by_table(lengths, targets, batch_size, most)


def test_twenty_thousand_lengths_take_little_time_and_memory():
    lengths = np.random.default_rng(0).permutation(np.arange(1, 20_001)).astype(np.int32)
    ranking = Ranking(lengths, lengths, 128)
    start = time.process_time()
    boundaries = choose_boundaries(ranking, 5)
    assert time.process_time() - start < 1
    assert len(boundaries) == 5
    tracemalloc.start()
    choose_boundaries(ranking, 5)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_lengths_are_multiples_as_far_as_there_is_room():
    lengths = np.array([3, 9, 30, 37], np.int32)
    ranking = Ranking(lengths, np.ones_like(lengths), 1)
    assert choose_boundaries(ranking, 5, 8) == [8, 16, 32, 40]
    assert choose_boundaries(ranking, 5, 8, 37) == [8, 16, 32, 37]
    assert choose_boundaries(ranking, 1, 8, 200) == [40]
