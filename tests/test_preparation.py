"""Options, the report, encoding, and the manners of the native code."""

import threading
import time

import numpy as np
import pytest

import sasrec_fast as sf

TABLE = {
    "user_id": [1, 1, 1, 1, 2, 2, 2, 3, 3, 4],
    "item_id": [10, 20, 30, 40, 20, 50, 10, 60, 10, 10],
    "timestamp": [1, 2, 2, 3, 1, 2, 3, 1, 2, 1],
    "rating": [5, 5, 5, 5, 5, 5, 5, 1, 5, 5],
}


def prepared(**options):
    return sf.prepare(TABLE, **{"max_sequence_length": 2, **options})


@pytest.fixture(scope="module")
def large():
    generator = np.random.default_rng(0)
    rows = 400_000
    return {
        "user_id": generator.integers(0, 20_000, rows),
        "item_id": generator.integers(0, 3_000, rows),
        "timestamp": generator.integers(0, 10**9, rows),
    }


BAD_OPTIONS = {
    "holdout": (3, r"holdout must be in 0\.\.2, received 3"),
    "max_sequence_length": (0, "max_sequence_length must be in 1.* received 0"),
    "num_negatives": (-1, "num_negatives must be in 0.* received -1"),
    "min_user_interactions": (1.5, "min_user_interactions must be an integer, received 1.5"),
    "seed": (-1, "seed must be in 0.* received -1"),
    "truncation": ("newest", "truncation must be one of .*'recent', 'oldest'.*'newest'"),
    "negative_scope": (None, "negative_scope must be one of .*'past', 'all'.*None"),
    "items": ("same", "items must be one of .*None, 'identity'.* received 'same'"),
    "min_rating": (float("nan"), "min_rating must be finite, received nan"),
}


@pytest.mark.parametrize("option", BAD_OPTIONS)
def test_an_option_out_of_range_is_refused(option):
    value, message = BAD_OPTIONS[option]
    kind = TypeError if "must be an integer" in message else ValueError
    with pytest.raises(kind, match=message):
        prepared(**{option: value})


def test_the_report_accounts_for_every_row():
    report = prepared(min_rating=2).report
    assert report.rows_in == 10
    assert report.rows_dropped_by_rating == 1
    assert report.rows_dropped_by_user_activity == 2
    assert report.users_dropped == 2
    assert report.rows_kept == 7
    assert (report.users, report.items) == (2, 5)
    assert (report.sequence_lengths.min, report.sequence_lengths.max) == (3, 4)
    assert (report.rows_tied, report.users_tie_dependent) == (2, 1)
    assert report.tied_share == pytest.approx(2 / 7)
    assert report.rows_by_split == {"train": 1, "validation": 2, "test": 2}
    assert report.fill_rate == 0.5
    assert report.to_dict()["sequence_lengths"]["mean"] == 3.5


def test_the_report_counts_what_the_window_cuts():
    report = prepared(holdout=0, max_sequence_length=1).report
    assert (report.users_truncated, report.interactions_truncated) == (2, 3)
    oldest = prepared(holdout=1, truncation="oldest").report
    assert oldest.targets_truncated == {"validation": 1}
    assert prepared(holdout=1).report.targets_truncated == {"validation": 0}


def test_the_report_reads_well():
    text = str(prepared(min_rating=2).report)
    assert "dropped by rating" in text
    assert "2 (of 2 users)" in text
    assert "28.6%" in text


def test_items_of_dropped_users_are_not_in_the_vocabulary():
    data = sf.prepare({**TABLE, "item_id": [*TABLE["item_id"][:-1], 45]}, max_sequence_length=2)
    assert data.items.ids.tolist() == [10, 20, 30, 40, 50]
    assert data.users.ids.tolist() == [1, 2]
    assert data.sequences.items.tolist() == [1, 2, 3, 4, 2, 5, 1]


def test_the_k_core_drops_users_and_items_in_turn():
    table = {
        "user_id": [1, 1, 2, 2, 3, 3, 3, 4],
        "item_id": [1, 2, 2, 3, 1, 1, 4, 5],
        "timestamp": range(8),
    }
    options = {"min_user_interactions": 2, "min_item_interactions": 2, "holdout": 0}
    table["user_id"] += [5, 5, 6, 6]
    table["item_id"] += [6, 1, 6, 1]
    table["timestamp"] = np.arange(12)
    report = sf.prepare(table, **options, items="identity").report
    assert report.rows_dropped_by_user_activity == 3
    assert report.rows_dropped_by_item_activity == 3
    assert (report.users, report.users_dropped, report.rows_kept) == (3, 3, 6)
    single = sf.prepare(table, **{**options, "min_user_interactions": 1}, items="identity").report
    assert (single.users, single.users_dropped) == (5, 1), "user 4 goes with their only item"


@pytest.mark.parametrize(("rule", "expected"), [("first", [10, 20, 30]), ("last", [20, 30, 10])])
def test_duplicates_keep_the_earliest_or_the_latest_in_time(rule, expected):
    table = {
        "user_id": [1] * 4 + [2],
        "item_id": [10, 30, 20, 10, 40],
        "timestamp": [4, 3, 2, 1, 1],
    }
    data = sf.prepare(table, duplicates=rule, holdout=0, min_user_interactions=1, items="identity")
    assert data.sequences.items.tolist() == [*expected, 40]
    assert data.report.rows_dropped_by_duplicates == 1


def test_splits_follow_the_holdout():
    assert prepared(holdout=0).validation is None
    assert prepared(holdout=1).test is None
    assert len(prepared(holdout=1).validation) == 2
    assert prepared().test.user_ids.tolist() == [1, 2]


def test_nothing_left_says_what_was_dropped():
    with pytest.raises(sf.DataError, match="nothing is left of 10 rows: 0 are under min_rating"):
        prepared(min_user_interactions=9)
    with pytest.raises(sf.DataError, match="10 are under min_rating=6"):
        prepared(min_rating=6)


@pytest.mark.parametrize("name", ["somebody", 77])
def test_a_user_without_negative_is_named(name):
    table = {
        "user_id": [name] * 3,
        "item_id": ["a", "b", "c"],
        "timestamp": [1, 2, 3],
    }
    with pytest.raises(sf.DataError, match=f"user {name!r} .* all 3 items, so no negative exists"):
        sf.prepare(table)


def test_a_user_with_all_but_one_of_many_items_is_sampled_exactly():
    items = 100_000
    rows = np.delete(np.arange(items), 4321)
    data = sf.prepare(
        {
            "user_id": np.concatenate([np.zeros(len(rows), int), np.ones(3, int)]),
            "item_id": np.concatenate([rows, [4321, 0, 1]]),
            "timestamp": np.arange(len(rows) + 3),
        },
        holdout=0,
        max_sequence_length=50,
        num_negatives=3,
    )
    assert (data.train.arrays().negative_sequence[0] == 4322).all()


def test_item_counts():
    data = prepared(min_rating=2)
    assert data.item_counts.tolist() == [0, 2, 2, 1, 1, 1]
    assert data.train.item_counts.tolist() == [0, 1, 1, 0, 0, 0]
    assert data.validation.item_counts.tolist() == [0, 1, 2, 1, 0, 1]
    assert data.test.item_counts.tolist() == data.item_counts.tolist()


def test_identity_keeps_ids_and_counts_nothing_for_unseen_ones():
    data = prepared(items="identity")
    assert data.vocabulary_size == 51
    assert data.items.is_identity
    assert data.sequences.items.tolist() == [10, 20, 30, 40, 20, 50, 10]
    assert np.flatnonzero(data.item_counts).tolist() == [10, 20, 30, 40, 50]


def test_encode_takes_the_most_recent_known_items():
    encoded = prepared().encode([[10, 20, 30], [], [50]])
    assert encoded["item_ids"].tolist() == [[2, 3], [0, 0], [5, 0]]
    assert encoded["padding_mask"].tolist() == [[True, True], [False, False], [True, False]]
    assert encoded["item_ids"].dtype == np.int32


def test_encode_counts_unknown_items():
    with pytest.warns(UserWarning, match="2 of 4 item ids are unknown .* first 99 in history 1"):
        encoded = prepared().encode([[10], [99, 20, 98]])
    assert encoded["item_ids"].tolist() == [[1, 0], [2, 0]]


def test_encode_refuses_what_is_no_list_of_histories():
    with pytest.raises(TypeError, match="history 0 must be a list, received 10"):
        prepared().encode([10, 20])


def test_inputs_are_the_whole_kept_history():
    data = prepared()
    assert data.inputs([2, 1])["item_ids"].tolist() == [[5, 1], [3, 4]]
    assert data.inputs()["item_ids"].tolist() == [[3, 4], [5, 1]]
    with pytest.raises(KeyError, match="users not in the data: 9"):
        data.inputs([1, 9])


def test_fill_refuses_what_does_not_exist():
    train = prepared(holdout=0).train
    with pytest.raises(ValueError, match=r"row 2 does not exist; train has rows 0\.\.1"):
        train.fill([0, 2])
    with pytest.raises(ValueError, match="length is 1; the rows need 2 columns"):
        train.fill([0], length=1)
    with pytest.raises(ValueError, match=r"epoch must be in .* received -1"):
        train.arrays(epoch=-1)


@pytest.mark.parametrize("num_negatives", [1, 3])
def test_negatives_are_refreshed_in_place(num_negatives):
    train = prepared(holdout=0, num_negatives=num_negatives).train
    out = train.arrays(epoch=0).negative_sequence
    out[:] = -1
    for epoch in (1, 0):
        assert train.negatives(epoch, out=out) is out
        np.testing.assert_array_equal(out, train.arrays(epoch).negative_sequence)
        np.testing.assert_array_equal(out, train.negatives(epoch))


def test_negatives_refuse_an_array_of_another_kind():
    train = prepared(holdout=0).train
    with pytest.raises(ValueError, match=r"out has shape \[2, 3\]; .* have shape \[2, 2\]"):
        train.negatives(out=np.zeros((2, 3), np.int32))
    with pytest.raises(TypeError):
        train.negatives(out=np.zeros((2, 2), np.int64))
    for strided in (np.zeros((4, 2), np.int32)[::2], np.zeros((2, 2), np.int32, order="F")):
        with pytest.raises(ValueError, match="out is not C-contiguous"):
            train.negatives(out=strided)


def test_the_store_takes_at_most_8_bytes_an_interaction_and_24_a_user(large):
    data = sf.prepare(large)
    store = data.sequences
    taken = store.offsets.nbytes + store.items.nbytes + store.user_keys.nbytes
    assert taken <= 8 * len(store.items) + 24 * len(data.users)


def test_the_interpreter_lock_is_released(large):
    data = sf.prepare(large)
    ticks = []
    done = threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0)

    ticker = threading.Thread(target=tick)
    ticker.start()
    while not ticks:
        time.sleep(0)
    start = time.perf_counter()
    data.train.arrays()
    end = time.perf_counter()
    done.set()
    ticker.join()
    assert any(start + (end - start) * 0.2 < moment < end - (end - start) * 0.2 for moment in ticks)


def test_the_keras_example_options():
    data = sf.prepare(TABLE, **sf.KERAS_EXAMPLE, max_sequence_length=2)
    assert data.report.rows_dropped_by_rating == 1
    assert data.users.ids.tolist() == [1, 2, 3, 4]
    assert data.train.arrays().item_ids.tolist() == [[10, 20], [20, 0]]
    weights = data.validation.arrays().sample_weight
    assert weights.tolist() == [[0, 0], [0, 1]]


def test_its_text_is_short():
    assert repr(prepared()) == (
        "Prepared(2 users, 5 items, 7 interactions; rows: train 1, validation 2, test 2)"
    )
