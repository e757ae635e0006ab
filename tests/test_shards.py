"""The five functions that preparation is made of: any chunks, any shards, the same data."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from reference import Finished, Id, Interaction, Options, Rules, Shard, Span
from strategies import Case, valid_cases


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
