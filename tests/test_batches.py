"""Batches: pure functions of (seed, epoch, index), every row once, equal targets, few shapes."""

import numpy as np
import pytest

import sasrec_fast as sf
from sasrec_fast.batches import EpochCallback
from sasrec_fast.buckets import choose_boundaries, make_buckets


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(0)
    lengths = generator.integers(3, 40, 300)
    users = np.repeat(np.arange(300), lengths)
    return sf.prepare(
        {
            "user_id": users,
            "item_id": generator.integers(1, 200, len(users)),
            "timestamp": np.arange(len(users)),
        },
        max_sequence_length=30,
    )


def same(first, second):
    return all(
        np.array_equal(first[part][name], second[part][name])
        for part in range(3)
        for name in first[part]
    )


def shown_rows(batches):
    return sorted(
        row for rows in batches._make_plan(batches.epoch).rows for row in rows.tolist() if row >= 0
    )


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_every_row_appears_once_an_epoch(data, split):
    batches = getattr(data, split).batches(16)
    assert shown_rows(batches) == list(range(len(getattr(data, split))))


def test_all_targets_are_shown_with_their_weight(data):
    batches = data.train.batches(16)
    shown = sum(batches[i][2]["positive_sequence"].sum() for i in range(len(batches)))
    assert shown == data.train.lengths.sum()


def test_a_batch_is_a_function_of_seed_epoch_and_index(data):
    first, second = data.train.batches(16), data.train.batches(16, prefetch=0)
    forward = [first[i] for i in range(len(first))]
    backward = [second[i] for i in reversed(range(len(second)))][::-1]
    assert all(same(a, b) for a, b in zip(forward, backward, strict=True))
    first.epoch = 1
    assert not same(forward[0], first[0])
    first.epoch = 0
    assert same(forward[0], first[0])
    assert not same(forward[0], data.train.batches(16, seed=1)[0])


def test_batch_rows_equal_the_split_arrays_of_the_epoch(data):
    batches = data.train.batches(16)
    batches.epoch = 5
    arrays = data.train.arrays(epoch=5)
    plan = batches._make_plan(5)
    for index, (rows, columns) in enumerate(zip(plan.rows, plan.columns, strict=True)):
        x, y, weight = batches[index]
        real = rows >= 0
        for got, whole in (
            (x["item_ids"], arrays.item_ids),
            (x["padding_mask"], arrays.padding_mask),
            (y["positive_sequence"], arrays.positive_sequence),
            (y["negative_sequence"], arrays.negative_sequence),
            (weight["positive_sequence"], arrays.sample_weight),
        ):
            np.testing.assert_array_equal(got[real], whole[rows[real], :columns])
            assert not got[~real].any()


def test_validation_stays_the_same_each_epoch(data):
    batches = data.validation.batches(16)
    before = batches[1]
    batches.epoch = 3
    assert same(before, batches[1])


def test_shapes_are_few_and_fixed(data):
    batches = data.train.batches(16, max_buckets=3)
    shapes = set()
    for epoch in range(3):
        batches.epoch = epoch
        shapes |= {batches[i][0]["item_ids"].shape for i in range(len(batches))}
    assert shapes == {(bucket.batch_rows, bucket.length) for bucket in batches.buckets}
    assert len(shapes) <= 3


def test_training_batches_hold_about_equally_many_targets(data):
    wanted = 8 * data.train.lengths.mean()
    batches = data.train.batches(8)
    targets = [batches[i][2]["positive_sequence"].sum() for i in range(len(batches))]
    assert np.mean(targets) == pytest.approx(wanted, rel=0.1)
    assert wanted / 1.4 < min(targets)
    assert max(targets) < wanted * 1.4


def test_shuffle_false_keeps_the_order_of_rows(data):
    batches = data.train.batches(16, shuffle=False)
    rows = [row for rows in batches._make_plan(0).rows for row in rows.tolist() if row >= 0]
    lengths = data.train.lengths
    expected = [row for bucket in batches.buckets for row in bucket.rows.tolist()]
    assert rows == expected
    assert all(lengths[bucket.rows].max() <= bucket.length for bucket in batches.buckets)


def test_boundaries_waste_the_fewest_positions():
    lengths = np.array([1, 1, 2, 9, 10, 10, 30], np.int32)
    assert choose_boundaries(lengths, 3) == [2, 10, 30]
    assert choose_boundaries(lengths, 1) == [30]
    assert choose_boundaries(lengths, 9) == [1, 2, 9, 10, 30]


def test_a_bucket_too_small_for_half_a_batch_joins_the_next():
    lengths = np.array([1, *[5] * 20, *[10] * 20, 40], np.int32)
    buckets = make_buckets(lengths, lengths, [1, 5, 10, 40], 12)
    assert [bucket.length for bucket in buckets] == [5, 40]
    assert sorted(np.concatenate([bucket.rows for bucket in buckets])) == list(range(42))


@pytest.mark.parametrize("boundaries", [[], [0, 30], [30, 30], [5, 29]])
def test_impossible_boundaries_are_refused(data, boundaries):
    with pytest.raises(ValueError, match="boundaries are"):
        data.train.batches(16, boundaries=boundaries)


def test_arguments_out_of_range_are_refused(data):
    with pytest.raises(ValueError, match="batch_size is 0; at least 1"):
        data.train.batches(0)
    with pytest.raises(IndexError, match="batch 10000 does not exist"):
        data.train.batches(16)[10000]


def test_the_callback_tells_the_epoch(data):
    batches = data.train.batches(16)
    EpochCallback(batches).on_epoch_begin(7)
    assert batches.epoch == 7
