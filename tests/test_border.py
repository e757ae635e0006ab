"""Damaged arrays are refused where they meet the native code."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import sasrec_fast as sf
from sasrec_fast import _core
from sasrec_fast.store import Rows, Sequences, Split

OFFSETS, ITEMS, KEYS = (
    np.array([0, 3, 6]),
    np.array([1, 2, 3, 3, 2, 1], np.int32),
    np.array([7, 8], np.uint64),
)
HUGE, SMALLEST = 2**63 - 1, -(2**63)


def split(store: dict[str, Any], rows: dict[str, Any] | None = None) -> Split:
    """Training rows of two users and five items, of a store and rows that may be damaged."""
    table = {"user_id": [1] * 3 + [2] * 3, "item_id": [1, 2, 3, 4, 5, 1]}
    sound = sf.prepare(table, timestamp=None, holdout=0, max_sequence_length=4).train
    sequences = Sequences(**({"offsets": OFFSETS, "items": ITEMS, "user_keys": KEYS} | store))
    chosen = replace(sound.sequence_rows, **(rows or {}))
    return Split(sequences, sound._user_vocabulary, sound._options, chosen)


def uses(damaged: Split) -> list[Any]:
    out = np.zeros((len(damaged), 4), np.int32)
    given = damaged.sequences, damaged._options, damaged.sequence_rows
    return [
        lambda: damaged.arrays(),
        lambda: damaged.negatives(out=out),
        lambda: _core.shown_items(*given),
    ]


STORES: dict[str, tuple[dict[str, Any], str]] = {
    "descending offsets": ({"offsets": np.array([0, 4, 3])}, "user 1 owns 4..3 of 6"),
    "offsets beyond the items": ({"offsets": np.array([0, 3, 7])}, "owns 3..7 of 6"),
    "huge offsets": ({"offsets": np.array([0, 3, HUGE])}, f"owns 3..{HUGE} of 6"),
    "negative offsets": ({"offsets": np.array([-1, 3, 6])}, "owns -1..3 of 6"),
    "the smallest offset": ({"offsets": np.array([SMALLEST, 3, 6])}, f"owns {SMALLEST}..3"),
    "no offsets": ({"offsets": np.zeros(0, np.int64)}, "0 offsets for 2 users"),
    "too many offsets": ({"offsets": np.array([0, 2, 4, 6])}, "4 offsets for 2 users"),
    "too few keys": ({"user_keys": KEYS[:1]}, "3 offsets for 1 users"),
    "too few items": ({"items": ITEMS[:4]}, "owns 3..6 of 4"),
    "narrow offsets": ({"offsets": OFFSETS.astype(np.int32)}, "offsets"),
    "wide items": ({"items": ITEMS.astype(np.int64)}, "items"),
    "signed keys": ({"user_keys": KEYS.astype(np.int64)}, "user_keys"),
    "floats": ({"items": ITEMS.astype(np.float32)}, "items"),
    "other byte order": ({"items": ITEMS.astype(">i4")}, "items"),
    "a matrix": ({"items": ITEMS.reshape(2, 3)}, "items"),
    "a list": ({"items": ITEMS.tolist()}, "items"),
    "strided items": ({"items": np.repeat(ITEMS, 2)[::2]}, "not contiguous or is misaligned"),
    "misaligned items": (
        {"items": np.frombuffer(b"x" + ITEMS.tobytes(), np.int32, offset=1)},
        "not contiguous or is misaligned",
    ),
}


@pytest.mark.parametrize("kind", STORES)
def test_a_damaged_store_is_refused(kind: str) -> None:
    store, said = STORES[kind]
    for call in uses(split(store)):
        with pytest.raises((ValueError, TypeError)) as failure:
            call()
        assert said in str(failure.value)


@pytest.mark.parametrize("item", [0, -1, 6, 2**31 - 1, -(2**31)])
def test_an_item_outside_the_vocabulary_is_refused(item: int) -> None:
    damaged = split({"items": np.array([1, item, 3, 3, 2, 1], np.int32)})
    for call in uses(damaged):
        with pytest.raises(ValueError, match=rf"item {item} is not in 1..=5"):
            call()


ROWS: dict[str, dict[str, Any]] = {
    "a user beyond": {"users": np.array([0, 2], np.int32)},
    "the largest user": {"users": np.array([2**31 - 1, 0], np.int32)},
    "an end beyond": {"ends": np.array([4, 3], np.int32)},
    "a negative end": {"ends": np.array([-1, 3], np.int32)},
    "the largest end": {"ends": np.array([2**31 - 1, 3], np.int32)},
    "the smallest end": {"ends": np.array([-(2**31), 3], np.int32)},
    "too few ends": {"ends": np.array([3], np.int32)},
    "too few windows": {"windows": np.zeros(1, np.int32)},
    "wide users": {"users": np.array([0, 1])},
    "unsigned ends": {"ends": np.array([3, 3], np.uint32)},
    "strided users": {"users": np.array([0, 0, 1, 1], np.int32)[::2]},
}


@pytest.mark.parametrize("kind", ROWS)
def test_rows_that_the_store_has_not_are_refused(kind: str) -> None:
    for call in uses(split({}, ROWS[kind])):
        with pytest.raises((ValueError, TypeError), match=r"row|user|end|contiguous"):
            call()


def test_a_sound_store_is_filled() -> None:
    filled = split({}).arrays()
    assert filled.item_ids.tolist() == [[1, 2, 0, 0], [3, 2, 0, 0]]
    read_only = split({"items": np.frombuffer(ITEMS.tobytes(), np.int32)}).arrays()
    assert read_only.item_ids.tolist() == filled.item_ids.tolist()
    rows = Rows(np.array([-1, 0], np.int32), np.array([0, 3], np.int32))
    assert split({}, vars(rows)).arrays().item_ids.tolist() == [[0] * 4, [1, 2, 0, 0]]


READ_ONLY = np.zeros((2, 4), np.int32)
READ_ONLY.flags.writeable = False
OUTPUTS: dict[str, tuple[Any, str]] = {
    "another shape": (np.zeros((2, 5), np.int32), "out has shape [2, 5]; the negatives of this"),
    "too few rows": (np.zeros((1, 4), np.int32), "out has shape [1, 4]; the negatives of this"),
    "wide": (np.zeros((2, 4), np.int64), "out must be an array of int32, received one of <i8"),
    "floats": (np.zeros((2, 4), np.float32), "out must be an array of int32, received one of <f4"),
    "other byte order": (np.zeros((2, 4), ">i4"), "out must be an array of int32, received one"),
    "strided": (np.zeros((2, 8), np.int32)[:, ::2], "out is not C-contiguous"),
    "misaligned": (
        np.frombuffer(bytearray(33), np.int32, offset=1).reshape(2, 4),
        "out is misaligned",
    ),
    "read-only": (READ_ONLY, "out is read-only"),
    "a list": ([[0] * 4] * 2, "out must be a NumPy array of int32, received a list"),
    "text": ("out", "out must be a NumPy array of int32, received a str"),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_negatives_are_written_only_where_they_fit(kind: str) -> None:
    out, said = OUTPUTS[kind]
    with pytest.raises((ValueError, TypeError), match=re.escape(said)):
        split({}).negatives(out=out)


def test_a_width_and_a_table_that_do_not_fit_are_refused() -> None:
    sound = split({})
    given = sound.sequences, sound._options, sound.sequence_rows
    with pytest.raises(ValueError, match="user 0 has 2 positions, but a width of 1 was asked for"):
        _core.fill(*given, None, 1, 0)
    with pytest.raises(ValueError, match="an alias table of 4 items for 5"):
        _core.fill(*given, _core.AliasTable(np.ones(4, np.uint64)), 4, 0)


@pytest.mark.parametrize("window", [2, -1])
def test_a_window_beyond_its_sequence_is_refused(window: int) -> None:
    users, ends, windows = (np.array([number], np.int32) for number in (0, 3, window))
    options = replace(split({})._options, stride=2)
    with pytest.raises(ValueError, match="of the first 3 items of user 0, who has 3"):
        _core.fill(split({}).sequences, options, Rows(users, ends, windows), None, 4, 0)


@pytest.mark.parametrize("weight", [0, 2**32])
def test_a_weight_out_of_range_is_named(weight: int) -> None:
    with pytest.raises(ValueError, match=rf"weight {weight} is not in 1..=4294967295"):
        _core.AliasTable(np.array([1, weight], np.uint64))


@pytest.mark.parametrize(
    ("offsets", "items", "times", "said"),
    [
        ([0, 2], [1, 2], [0], "1 times of 2 items; the last offset is Some(2)"),
        ([0, 3], [1, 2], [0, 0], "2 times of 2 items; the last offset is Some(3)"),
        ([0, 3, 2], [1, 2], [0, 0], "offsets do not ascend"),
        ([0, 2], [1, 3], [0, 0], "item 3 is not in 1..=2"),
        ([-2, 0, 2], [1, 2], [0, 0], "offsets do not begin with 0"),
        ([2, 2], [1, 2], [0, 0], "offsets do not begin with 0"),
        ([SMALLEST, HUGE, 2], [1, 2], [0, 0], "offsets do not begin with 0"),
        ([0, HUGE, 2], [1, 2], [0, 0], "offsets do not ascend"),
        ([], [], [], "0 times of 0 items; the last offset is None"),
    ],
)
def test_ties_that_do_not_fit_together_are_refused(
    offsets: list[int], items: list[int], times: list[int], said: str
) -> None:
    store = np.array(offsets, np.int64), np.array(items, np.int32)
    with pytest.raises(ValueError, match=re.escape(said)):
        _core.order_ties(*store, np.array(times, np.uint32), KEYS, 0)


@pytest.mark.parametrize("epoch", [-1, 2**64])
def test_an_epoch_out_of_range_is_named(epoch: int) -> None:
    for call in (split({}).arrays, split({}).negatives):
        with pytest.raises(ValueError, match=rf"epoch must be in 0\.\.\d+, received {epoch}"):
            call(epoch)


@pytest.mark.parametrize("column", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", ["short", "strided", "another dtype", "a matrix"])
def test_columns_that_do_not_fit_together_are_refused(column: int, kind: str) -> None:
    rules = _core.Rules(
        duplicates="keep",
        min_user_interactions=1,
        min_item_interactions=1,
        holdout=0,
        identity=False,
    )

    def group(users: Any, items: Any, times: Any, keep: Any) -> None:
        _core.group(users, items, (times, None), keep, rules)

    columns: list[Any] = [np.arange(3), np.arange(3), np.arange(3), np.ones(3, bool)]
    damage = {
        "short": lambda a: a[:2],
        "strided": lambda a: a[::-1],
        "another dtype": lambda a: a.astype("u2"),
        "a matrix": lambda a: a[None],
    }
    columns[column] = damage[kind](columns[column])
    with pytest.raises((ValueError, TypeError)):
        group(*columns)
    group(*[np.arange(3)] * 3, np.ones(3, bool))


@pytest.mark.parametrize("shift", [4, 20, 32, 44, 57])
def test_no_choice_of_ids_is_slow(shift: int) -> None:
    """Ids that a multiplicative hash without a seed puts into one place: time was quadratic."""
    inverse = pow(0xF1357AEA2E62A9C5, -1, 2**64)
    spread = [inverse * (number << shift) % 2**64 for number in range(40_000)]
    ids = np.unique(np.array(spread, np.uint64).view(np.int64))
    began = time.process_time()
    data = sf.prepare({"user_id": ids, "item_id": ids}, timestamp=None, min_user_interactions=1)
    assert len(data.users) == len(ids)
    assert time.process_time() - began < 2
