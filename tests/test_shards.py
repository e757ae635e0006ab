"""The five functions that preparation is made of: any chunks, any shards, the same data."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from reference import Finished, Id, Interaction, Options, Rules, Shard, Span
from sasrec_fast import _core
from strategies import EXTREMES, Case, valid_cases


@dataclass(frozen=True)
class InShards:
    """The store and counts of a table that was prepared shard by shard."""

    items: Sequence[Id]
    sequences: dict[Id, list[int]]
    times: dict[Id, list[int | float]]
    parts: list[Finished]

    def total(self, count: str) -> int:
        return sum(getattr(part, count) for part in self.parts)


def spanned(chunks: list[tuple[int, list[Interaction]]]) -> Span:
    return reduce(Span.merge, (reference.scan(chunk, first) for first, chunk in chunks))


def routed(
    chunks: list[tuple[int, list[Interaction]]], span: Span, shards: int, rules: Rules
) -> list[Shard]:
    """The shards of chunks that come in any order, each with the number of its first row."""
    bounds = span.bounds(shards)
    parts = [
        reference.route(chunk, bounds, span.item_ids) for _, chunk in sorted(chunks, key=number)
    ]
    shards_of_rows = ([row for part in parts for row in part[i]] for i in range(len(bounds) + 1))
    return [
        reference.sort_shard(
            [user for user, _, _ in rows],
            [code for _, code, _ in rows],
            [time for _, _, time in rows],
            None,
            rules,
        )
        for rows in shards_of_rows
    ]


def number(chunk: tuple[int, list[Interaction]]) -> int:
    return chunk[0]


def vocabulary(
    options: Options, item_ids: Sequence[Id], counts: list[int]
) -> tuple[Sequence[Id], list[int]]:
    """The ids of the items that are left, and the final index of each code."""
    left = [item for code, item in enumerate(item_ids, start=1) if counts[code]]
    if isinstance(options.items, tuple):
        items: Sequence[Id] = options.items
    else:
        items = range(1, int(left[-1]) + 1) if options.items == "identity" else left
    index = {item: place for place, item in enumerate(items, start=1)}
    return items, [0, *(index.get(item, 0) for item in item_ids)]


def prepared_in_shards(
    chunks: list[tuple[int, list[Interaction]]], options: Options, shards: int
) -> InShards:
    rules, span = Rules.of(options), spanned(chunks)
    sorted_shards = routed(chunks, span, shards, rules)
    rare, counts = reference.rare_items(sorted_shards, rules, len(span.item_ids))
    items, indices = vocabulary(options, span.item_ids, counts)
    parts = [
        reference.finish(shard, rules, rare, indices, options.split_at) for shard in sorted_shards
    ]
    sequences, times = {}, {}
    for part in parts:
        shown = part.items
        if options.ties == "hash":
            shown = reference.order_ties(part, items, options.seed)
        for user, first, end in zip(
            part.user_ids, part.offsets[:-1], part.offsets[1:], strict=True
        ):
            sequences[user], times[user] = shown[first:end], part.times[first:end]
    return InShards(items, sequences, times, parts)


@given(valid_cases(), st.data())
def test_the_reference_in_shards_is_the_reference(case: Case, data: st.DataObject) -> None:
    expected = reference.prepare(case.rows, case.options)
    size = data.draw(st.integers(1, 12), "rows a chunk")
    rows = expected.rated
    chunks = [(first, rows[first : first + size]) for first in range(0, len(rows), size)]
    chunks = data.draw(st.permutations(chunks), "order of the chunks")
    shards = data.draw(st.sampled_from([1, 2, 3, 7, 64]), "shards")
    found = prepared_in_shards(chunks, case.options, shards)
    assert list(found.items) == list(expected.items)
    assert list(found.sequences.items()) == list(expected.sequences.items()), "users ascend"
    report = expected.report()
    assert found.total("rows_filtered") == len(rows)
    assert found.total("rows_duplicate") == report.rows_dropped_by_duplicates
    assert found.total("rows_of_rare_items") == report.rows_dropped_by_item_activity
    for count in ("rows_kept", "users_dropped", "rows_tied", "users_tie_dependent"):
        assert found.total(count) == getattr(report, count), count
    if case.options.split_at is not None:
        lengths = [
            reference.length_of_split(times, "train", case.options)
            for times in found.times.values()
        ]
        assert [before for part in found.parts for before, _ in part.before] == lengths


@given(st.lists(st.integers(-3, 9), max_size=30), st.data())
def test_spans_merge_in_any_order(users: list[int], data: st.DataObject) -> None:
    rows = [Interaction(user, user % 4, user * 10) for user in users]
    cut = data.draw(st.integers(0, len(rows)))
    chunks = [(0, rows[:cut]), (cut, rows[cut:])]
    whole = reference.scan(rows, 0)
    assert spanned(chunks) == spanned(chunks[::-1]) == whole
    assert whole.item_ids == sorted({row.item for row in rows})
    bounds = whole.bounds(5)
    assert bounds == sorted(bounds)
    assert set(bounds) <= set(users)


@pytest.mark.parametrize("shards", [1, 3])
def test_the_core_takes_as_many_rounds_as_it_needs(shards: int) -> None:
    """Item 1 is rare, so user 1 is left with too little, so item 2 is, and so on to user 5."""
    rows = [Interaction(user, item, item) for user in range(1, 6) for item in (user, user + 1)]
    rows += [Interaction(7, 10, 0), Interaction(7, 11, 1), Interaction(8, 11, 0)]
    rows += [Interaction(8, 12, 1), Interaction(9, 12, 0), Interaction(9, 10, 1)]
    options = Options(min_user_interactions=2, min_item_interactions=2, holdout=0)
    expected = reference.prepare(rows, options)
    found = prepared_in_shards([(0, rows)], options, shards)
    assert found.sequences == expected.sequences == {7: [1, 2], 8: [2, 3], 9: [3, 1]}
    by_item = found.total("rows_of_rare_items")
    assert by_item == expected.report().rows_dropped_by_item_activity


MOMENTS = {
    "int64": st.integers(0, 3) | st.sampled_from(EXTREMES),
    "seconds": st.integers(0, 3).map(lambda second: second * 10**9),
    "float64": st.sampled_from([0.0, -0.0, 1.5, -1e300, 5e-324, 2.0**53, 0.1 + 0.2, 0.3]),
    "whole": st.integers(-3, 3).map(float),
}


@st.composite
def columns(draw: st.DrawFn) -> tuple[list[int], list[int], list[Any] | None, list[bool] | None]:
    """Users, item codes, times and which rows to keep; few of each, so that all rules bite."""
    size = draw(st.integers(0, 40))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=size, max_size=size))

    users = column(draw(st.sampled_from([st.integers(-2, 4), st.sampled_from(EXTREMES)])))
    times = draw(st.none() | st.sampled_from(list(MOMENTS)))
    return (
        users,
        column(st.integers(1, 6)),
        None if times is None else column(MOMENTS[times]),
        column(st.booleans()) if draw(st.booleans()) else None,
    )


RULES = st.builds(
    Rules,
    st.sampled_from(["keep", "first", "last"]),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(0, 2),
    st.booleans(),
)


@settings(max_examples=3 * settings.default.max_examples)
@given(columns(), RULES, st.data())
def test_the_native_functions_equal_the_reference(
    given: tuple[list[int], list[int], list[Any] | None, list[bool] | None],
    rules: Rules,
    data: st.DataObject,
) -> None:
    users, items, times, keep = given
    own = _core.Rules(**vars(rules))
    expected = reference.sort_shard(users, items, times, keep, rules)
    dtype = np.float64 if times and isinstance(times[0], float) else np.int64
    found = _core.sort_shard(
        np.array(users, np.int64),
        np.array(items, np.int32),
        None if times is None else np.array(times, dtype),
        None if keep is None else np.array(keep, np.bool_),
        own,
    )
    found = pickle.loads(pickle.dumps(found))
    assert_same_shard(found, expected)
    rare, counts = reference.rare_items([expected], rules, 6)
    if data.draw(st.booleans(), "halfway"):
        rare = [min(round_, 1) * (round_ == 1) for round_ in rare]
        counts, _ = reference.core_round(expected, rules, rare)
    rounds = np.array(rare, np.int32)
    assert _core.core_round(found, own, rounds).tolist() == counts
    indices = data.draw(st.none() | st.permutations(range(1, 7)), "indices")
    given_indices = None if indices is None else [0, *indices]
    starts = None
    if times:
        pair = st.lists(st.sampled_from(times), min_size=2, max_size=2).map(sorted)
        starts = data.draw(st.none() | pair, "starts")
    part = reference.finish(expected, rules, rare, given_indices, starts)
    done = _core.finish(
        found,
        own,
        rounds,
        None if given_indices is None else np.array(given_indices, np.int32),
        None if starts is None else np.array(starts, dtype),
    )
    assert_same_part(done, part)


def assert_same_shard(found: Any, expected: Shard) -> None:
    assert found.user_ids.tolist() == expected.user_ids
    assert found.offsets.tolist() == expected.offsets
    assert found.items.tolist() == expected.items
    dropped = [place for place, kept in enumerate(expected.kept) if not kept]
    assert np.flatnonzero(~found.kept).tolist() == dropped, "none are, where it is empty"
    assert (found.items.dtype, found.offsets.dtype) == (np.int32, np.int64)
    assert_same_order(found.times, expected.times)


def assert_same_order(found: Any, expected: list[Any]) -> None:
    """Native times are numbers of the same order and equality."""
    ranks = {time: rank for rank, time in enumerate(sorted({time + 0 for time in expected}))}
    assert found.dtype in (np.uint32, np.uint64)
    assert np.unique(found, return_inverse=True)[1].tolist() == [
        ranks[time + 0] for time in expected
    ]


def assert_same_part(found: Any, expected: Finished) -> None:
    for name, value in vars(expected).items():
        if name == "times":
            assert_same_order(found.times, value)
        elif name == "before":
            assert found.before.reshape(-1, 2).tolist() == [list(pair) for pair in value]
        elif isinstance(value, int):
            assert getattr(found, name) == value, name
        else:
            assert getattr(found, name).tolist() == value, name
