"""Batches: pure functions of (seed, epoch, index), every row once, equal targets, few shapes."""

import contextlib
import copy
import multiprocessing
import pickle
import threading

import jax
import numpy as np
import pytest

import sasrec_fast as sf
from sasrec_fast.batching import Batches, EpochCallback


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
    return sorted(row for i in range(len(batches)) for row in batches.rows(i).tolist() if row >= 0)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_every_row_appears_once_an_epoch(data, split):
    batches = getattr(data, split).batches(16)
    assert shown_rows(batches) == list(range(len(getattr(data, split))))


def test_all_targets_are_shown_with_their_weight(data):
    batches = data.train.batches(16)
    shown = sum(batches[i][2]["positive_sequence"].sum() for i in range(len(batches)))
    assert shown == data.train.lengths.sum()


def test_a_batch_is_a_function_of_seed_epoch_and_index(data):
    first, second = data.train.batches(16), data.train.batches(16, workers=0)
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
    for index in range(len(batches)):
        x, y, weight = batches[index]
        rows, columns = batches.rows(index), x["item_ids"].shape[1]
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


@pytest.mark.parametrize("batch_size", [8, 16, 50])
def test_training_batches_hold_equally_many_targets(data, batch_size):
    batches = data.train.batches(batch_size)
    targets = [batches[i][2]["positive_sequence"].sum() for i in range(len(batches))]
    wanted = data.train.lengths.sum() / round(len(data.train) / batch_size)
    assert np.abs(np.array(targets) - wanted).max() <= data.train.lengths.max()
    assert np.std(targets) < 0.08 * wanted


def test_batches_of_prefixes_hold_equally_many_rows_which_are_the_targets():
    prefixes = sf.prepare(
        {"user_id": np.repeat(np.arange(20), 30), "item_id": np.arange(600) % 97},
        timestamp=None,
        max_sequence_length=24,
        windows="prefixes",
    )
    split = prefixes.train
    batches = split.batches(32, workers=0, max_buckets=3)
    assert shown_rows(batches) == list(range(len(split))) == list(range(20 * 27))
    weights = [batches[i][2]["positive_sequence"] for i in range(len(batches))]
    assert {int(weight.sum()) for weight in weights} <= {31, 32, 33, 34}
    assert len({weight.shape[1] for weight in weights}) == 3
    assert split.arrays(max_bytes=1e9).sample_weight.sum() == len(split)


def test_an_epoch_deals_rows_and_orders_batches_anew(data):
    batches = data.train.batches(16)
    rows, lengths = {}, {}
    for epoch in (0, 1):
        batches.epoch = epoch
        rows[epoch] = {tuple(batches.rows(i)) for i in range(len(batches))}
        lengths[epoch] = [batches[i][0]["item_ids"].shape[1] for i in range(len(batches))]
    assert len(rows[0] & rows[1]) < len(rows[0]) / 3  # a bucket of one batch has but one way
    assert lengths[0] != lengths[1]
    assert sorted(lengths[0]) == sorted(lengths[1])
    assert lengths[0] != sorted(lengths[0])


def test_shuffle_false_keeps_one_order_bucket_by_bucket(data):
    batches = data.train.batches(16, shuffle=False)
    order = [batches.rows(i) for i in range(len(batches))]
    lengths = [batches[i][0]["item_ids"].shape[1] for i in range(len(batches))]
    assert lengths == sorted(lengths)
    assert all((np.diff(rows) >= 0).all() for rows in order)
    first = batches[0]
    batches.epoch = 1
    assert all(np.array_equal(rows, batches.rows(i)) for i, rows in enumerate(order))
    assert not same(first, batches[0])  # the negatives are fresh all the same


def test_shards_are_disjoint_complete_and_of_one_shape(data):
    whole = data.train.batches(16, num_shards=3)
    shards = [data.train.batches(16, num_shards=3, shard=i) for i in range(3)]
    for batches in shards:
        batches.epoch = 2
    for index in range(len(whole)):
        assert len({batches[index][0]["item_ids"].shape for batches in shards}) == 1
    rows = [row for batches in shards for row in shown_rows(batches)]
    assert sorted(rows) == list(range(len(data.train)))
    alone = data.train.batches(16)
    targets = [alone[i][2]["positive_sequence"].sum() for i in range(len(alone))]
    together = sum(shard[3][2]["positive_sequence"].sum() for shard in shards)
    assert together == pytest.approx(np.mean(targets), rel=0.1)


def test_epochs_of_another_length_go_on_through_the_rows(data):
    whole = data.train.batches(16)
    parts = whole.in_steps(7)
    turn = len(whole)
    assert (len(parts), turn) == (7, 18)
    shown = []
    for epoch in range(6):
        parts.epoch = epoch
        shown += [parts[i] for i in range(7)]
    for number, batch in enumerate(shown):
        whole.epoch = number // turn
        assert same(batch, whole[number % turn])


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_next_batches_are_made_ahead_into_the_next_epoch(data, workers, monkeypatch):
    made = []
    make = Batches._make

    def recorded(self, place):
        made.append(place)
        return make(self, place)

    monkeypatch.setattr(Batches, "_make", recorded)
    batches = data.train.batches(100, workers=workers)
    assert len(batches) == 3
    for epoch in range(3):
        batches.epoch = epoch
        for index in range(3):
            batches[index]
    assert len(made) == len(set(made))  # none is made twice
    asked = {(epoch, index) for epoch in range(3) for index in range(3)}
    assert asked <= set(made)
    batches._lookahead._pool.shutdown()
    assert (3, 0) in made


def test_a_jump_makes_the_batch_that_is_asked_for(data):
    batches = data.train.batches(16, workers=2)
    batches[0]
    batches.epoch = 9
    direct = data.train.batches(16, workers=0)
    direct.epoch = 9
    assert same(batches[4], direct[4])


def test_an_error_in_the_background_arrives(data, monkeypatch):
    def broken(self, place):
        raise OSError("no more")

    monkeypatch.setattr(Batches, "_make", broken)
    with pytest.raises(OSError, match="no more"):
        data.train.batches(16)[0]


@pytest.mark.parametrize("boundaries", [[], [0, 30], [30, 30], [5, 29]])
def test_impossible_boundaries_are_refused(data, boundaries):
    with pytest.raises(ValueError, match="boundaries are"):
        data.train.batches(16, boundaries=boundaries)


def test_arguments_out_of_range_are_refused(data):
    for option in ("batch_size", "max_buckets", "num_shards"):
        with pytest.raises(ValueError, match=f"{option} must be at least 1, received 0"):
            data.train.batches(**{option: 0})
    with pytest.raises(ValueError, match="workers must be at least 0, received -1"):
        data.train.batches(workers=-1)
    with pytest.raises(ValueError, match=r"shard must be in 0\.\.1, received 2"):
        data.train.batches(num_shards=2, shard=2)
    with pytest.raises(TypeError, match=r"batch_size must be an integer, received 1\.5"):
        data.train.batches(1.5)
    with pytest.raises(IndexError, match="batch 10000 does not exist"):
        data.train.batches(16)[10000]


def test_the_callback_tells_the_epoch(data):
    batches = data.train.batches(16)
    EpochCallback(batches).on_epoch_begin(7)
    assert batches.epoch == 7


def test_copies_and_pickles_of_used_batches_make_the_same_ones(data):
    batches = data.train.batches(16)
    batches.epoch = 3
    expected = batches[4]
    for other in (copy.copy(batches), copy.deepcopy(batches), pickle.loads(pickle.dumps(batches))):
        assert same(expected, other[4])
        assert other.identity == batches.identity


def threads():
    return {t for t in threading.enumerate() if t.name.startswith("sasrec_fast.batches")}


def test_threads_end_with_their_batches(data):
    before, made = threads(), set()
    for _ in range(20):
        batches = data.train.batches(16, workers=2)
        batches[0]
        made |= threads() - before
    del batches
    assert made
    for thread in made:
        thread.join(20)
        assert not thread.is_alive()


def test_threads_end_where_making_batches_fails(data, monkeypatch):
    def broken(self, place):
        raise OSError("no more")

    monkeypatch.setattr(Batches, "_make", broken)
    before, batches = threads(), data.train.batches(16)
    with contextlib.suppress(OSError):
        batches[0]
    made = threads() - before
    del batches
    assert made
    for thread in made:
        thread.join(20)
        assert not thread.is_alive()


class Places(Batches):
    """Makes nothing but the places of its batches."""

    def _make(self, place):
        return place


def take_one(batches, answers):
    answers.put(batches[3])


@pytest.mark.filterwarnings("ignore:.*fork.*")
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_a_forked_child_has_threads_of_its_own(data):
    batches = Places(data.train, 16)
    assert batches[2] == (0, 2)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=take_one, args=(batches, answers))
    child.start()
    try:
        assert answers.get(timeout=20) == (0, 3)
    finally:
        child.kill()
        child.join()
    assert batches[3] == (0, 3)


def test_off_the_cpu_lengths_are_those_of_attention_kernels(data, monkeypatch):
    on_cpu = [bucket.length for bucket in data.train.batches(16).buckets]
    assert any(length % 8 for length in on_cpu[:-1])
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    batches = data.train.batches(16, run_length=1)
    lengths = [bucket.length for bucket in batches.buckets]
    assert all(length % 8 == 0 for length in lengths[:-1])
    assert lengths[-1] == 30  # no row of this data has room for more
    assert shown_rows(batches) == list(range(len(data.train)))
    assert batches[0][0]["item_ids"].shape[1] in lengths
    chosen = data.train.batches(16, boundaries=[13, 30], run_length=1).buckets
    assert [bucket.length for bucket in chosen] == [13, 30]


def test_the_callback_begins_where_it_is_told_and_goes_on(data):
    batches = data.train.batches(16)
    callback = EpochCallback(batches, 5)
    for _ in range(2):
        callback.on_train_begin()
        for epoch in range(2):
            callback.on_epoch_begin(epoch)
            assert batches.epoch == 5 + epoch
            callback.on_epoch_end(epoch)
        assert batches.epoch == 7
    callback.on_train_begin()
    callback.on_epoch_begin(3)  # Keras was told where to begin
    assert batches.epoch == 3
