"""What must hold of the arrays whatever the input, each by its name."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
import sasrec_fast as sf
from exactness import assert_same_arrays, prepare, splits
from reference import Interaction, Options
from strategies import Case, closed_vocabularies, valid_cases


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
    data = prepare(case)
    for name, split in splits(data):
        arrays = split.arrays()
        real = arrays.positive_sequence != 0
        weighted = arrays.sample_weight != 0
        assert set(np.unique(arrays.sample_weight)) <= {0.0, 1.0}
        assert not (weighted & ~real).any()
        if not split.counts_last:
            assert name == "train"
            np.testing.assert_array_equal(weighted, real)
            continue
        assert (weighted.sum(axis=1) <= 1).all()
        rows, columns = np.nonzero(weighted)
        np.testing.assert_array_equal(columns, split.lengths[rows] - 1)
        last = split.ends - 1
        if name == "train":
            assert len(rows) == len(split)
            last = last - split.windows  # of a prefix, the items that it lacks
        np.testing.assert_array_equal(
            arrays.positive_sequence[rows, columns], data.sequences.items[last[rows]]
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
    case = case.with_options(negatives="uniform")
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
        for _, split in [*splits(data), *splits(reseeded)]
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


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda data: pickle.loads(pickle.dumps(data))])
@pytest.mark.parametrize("negatives", ["uniform", "popularity"])
@pytest.mark.parametrize("filled_before", [False, True])
def test_a_copy_fills_the_same_arrays(
    copied: Callable[[sf.Prepared], sf.Prepared], negatives: str, filled_before: bool
) -> None:
    table = {"user_id": [1] * 4 + [2] * 4, "item_id": [1, 2, 3, 4, 5, 1, 6, 7]}
    data = sf.prepare(table, timestamp=None, max_sequence_length=3, negatives=negatives)
    if filled_before:
        data.test.arrays()
    other = copied(data)
    for (_, split), (_, same) in zip(splits(data), splits(other), strict=True):
        assert same._options == split._options
        assert_same_arrays(same.arrays(4), split.arrays(4))
    np.testing.assert_array_equal(
        other.test.negative_probabilities, data.test.negative_probabilities
    )
