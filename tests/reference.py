"""The slow, obvious twin of the native preparation: plain lists, dicts and one loop a step.

Nothing here shares code with the package. The draws behind the negatives come from
`numpy.random.Philox`, so NumPy itself is the witness for the randomness contract.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd

Id = int | str
SPLITS = ("train", "validation", "test")
DROPS_BEFORE_PICKING = 64


class RefusedError(ValueError):
    """The table cannot be prepared."""


class NothingLeftError(RefusedError):
    """No interaction passes the filters."""


class NoNegativeError(RefusedError):
    """Some users have no item that could be a negative."""

    def __init__(self, users: list[Id]) -> None:
        super().__init__(f"no negative exists for {users!r}")
        self.users = users


@dataclass(frozen=True)
class Interaction:
    user: Id
    item: Id
    timestamp: int | float
    rating: float = 0.0


@dataclass(frozen=True)
class Options:
    min_rating: float | None = None
    min_user_interactions: int = 3
    min_item_interactions: int = 1
    duplicates: str = "keep"
    holdout: int = 2
    max_sequence_length: int = 200
    truncation: str = "recent"
    num_negatives: int = 1
    negative_scope: str = "past"
    items: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class Row:
    """One row of a split: `sequence` and `rejected` hold item indices, `user` is external."""

    user: Id
    sequence: list[int]
    rejected: set[int]


@dataclass(frozen=True)
class Report:
    rows_in: int
    rows_dropped_by_rating: int
    rows_dropped_by_duplicates: int
    rows_dropped_by_user_activity: int
    rows_dropped_by_item_activity: int
    users_dropped: int
    rows_kept: int
    users: int
    items: int
    rows_tied: int
    users_tie_dependent: int
    users_truncated: int
    interactions_truncated: int
    targets_truncated: dict[str, int]
    rows_by_split: dict[str, int]


@dataclass(frozen=True)
class Arrays:
    item_ids: npt.NDArray[np.int32]
    padding_mask: npt.NDArray[np.bool_]
    positive_sequence: npt.NDArray[np.int32]
    negative_sequence: npt.NDArray[np.int32]
    sample_weight: npt.NDArray[np.float32]
    draws: list[list[int]]
    """Raw draws used by each row's slots in order; 65 means the fallback picked the item."""


@dataclass(frozen=True)
class Prepared:
    interactions: list[Interaction]
    options: Options
    rated: list[Interaction]
    distinct: list[Interaction]
    rows_by_user_activity: int
    rows_by_item_activity: int
    histories: dict[Id, list[Interaction]]
    items: Sequence[Id]
    sequences: dict[Id, list[int]]
    splits: dict[str, list[Row]]

    def arrays(self, split: str, epoch: int = 0) -> Arrays:
        return dense(self.splits[split], split, epoch, len(self.items), self.options)

    def report(self) -> Report:
        return account(self)


def prepare(interactions: list[Interaction], options: Options) -> Prepared:
    rated = at_least_rated(interactions, options.min_rating)
    distinct = without_duplicates(rated, options.duplicates)
    kept, by_user, by_item = core(distinct, options)
    if not kept:
        raise NothingLeftError(f"none of {len(interactions)} interactions passes the filters")
    histories = histories_in_time_order(kept)
    items = item_vocabulary(kept, options.items)
    index = {item: position for position, item in enumerate(items, start=1)}
    sequences = {u: [index[row.item] for row in history] for u, history in histories.items()}
    names = SPLITS[: 1 + options.holdout]
    splits = {name: split_rows(sequences, name, options) for name in names}
    refuse_users_without_negatives(splits, len(items))
    return Prepared(
        interactions,
        options,
        rated,
        distinct,
        by_user,
        by_item,
        histories,
        items,
        sequences,
        splits,
    )


def at_least_rated(rows: list[Interaction], min_rating: float | None) -> list[Interaction]:
    return [row for row in rows if min_rating is None or row.rating >= min_rating]


def without_duplicates(rows: list[Interaction], rule: str) -> list[Interaction]:
    """Of rows with the same user and item, the first or last in time (ties in input order)."""
    if rule == "keep":
        return rows
    in_time_order = sorted(range(len(rows)), key=lambda i: rows[i].timestamp)
    chosen: dict[tuple[Id, Id], int] = {}
    for i in in_time_order if rule == "last" else reversed(in_time_order):
        chosen[rows[i].user, rows[i].item] = i
    return [rows[i] for i in sorted(chosen.values())]


def core(rows: list[Interaction], options: Options) -> tuple[list[Interaction], int, int]:
    """The k-core, and how many rows went with rare users and with rare items."""
    by_user = by_item = 0
    while True:
        user_counts = Counter(row.user for row in rows)
        active = [row for row in rows if user_counts[row.user] >= options.min_user_interactions]
        item_counts = Counter(row.item for row in active)
        kept = [row for row in active if item_counts[row.item] >= options.min_item_interactions]
        by_user += len(rows) - len(active)
        by_item += len(active) - len(kept)
        if len(kept) == len(rows):
            return rows, by_user, by_item
        rows = kept


def item_vocabulary(rows: list[Interaction], items: str | None) -> Sequence[Id]:
    """External ids in index order; the first is index 1."""
    seen = sorted({row.item for row in rows})
    return range(1, int(seen[-1]) + 1) if items == "identity" else seen


def histories_in_time_order(rows: list[Interaction]) -> dict[Id, list[Interaction]]:
    """Rows by ascending user; `sorted` is stable and compares ints and floats exactly."""
    histories: dict[Id, list[Interaction]] = {user: [] for user in sorted({r.user for r in rows})}
    for row in rows:
        histories[row.user].append(row)
    return {u: sorted(history, key=lambda row: row.timestamp) for u, history in histories.items()}


def split_rows(sequences: dict[Id, list[int]], name: str, options: Options) -> list[Row]:
    held_out = options.holdout - SPLITS.index(name)
    rows = []
    for user, whole in sequences.items():
        sequence = whole[: max(len(whole) - held_out, 0)]
        if len(sequence) >= 2:
            rejected = whole if options.negative_scope == "all" else sequence
            rows.append(Row(user, sequence, set(rejected)))
    return rows


def refuse_users_without_negatives(splits: dict[str, list[Row]], num_items: int) -> None:
    rows = [row for split in splits.values() for row in split]
    impossible = {row.user for row in rows if len(row.rejected) == num_items}
    if impossible:
        raise NoNegativeError(sorted(impossible))


def window(sequence: list[int], options: Options) -> list[int]:
    """The L inputs and the last target: at most L + 1 items."""
    size = options.max_sequence_length + 1
    return sequence[:size] if options.truncation == "oldest" else sequence[-size:]


def weights(row: Row, split: str, options: Options) -> list[float]:
    """One weight for each target of the row's window."""
    targets = len(window(row.sequence, options)) - 1
    if split == "train":
        return [1.0] * targets
    last_target_is_cut = options.truncation == "oldest" and targets + 1 < len(row.sequence)
    return [0.0] * (targets - 1) + [0.0 if last_target_is_cut else 1.0]


@cache
def user_key(user: Id) -> int:
    """An integer id as uint64 (two's complement), or pandas' hash of a string id."""
    if isinstance(user, str):
        return int(pd.util.hash_array(np.array([user], dtype=object))[0])
    return user % 2**64


def raw_draws(seed: int, epoch: int, split: str, user: Id) -> Iterator[int]:
    """The user's stream. Lists of large ints would pass through float64, so uint64 arrays."""
    counter = np.array([0, user_key(user), SPLITS.index(split), 0], dtype=np.uint64)
    key = np.array([seed, epoch], dtype=np.uint64)
    stream = np.random.Philox(counter=counter, key=key)
    while True:
        yield int(stream.random_raw())


def negative(draws: Iterator[int], rejected: set[int], num_items: int) -> tuple[int, int]:
    """The negative of the next slot and how many draws it took."""
    for drawn in range(1, DROPS_BEFORE_PICKING + 1):
        proposal = 1 + (next(draws) * num_items >> 64)
        if proposal not in rejected:
            return proposal, drawn
    allowed = [item for item in range(1, num_items + 1) if item not in rejected]
    return allowed[next(draws) * len(allowed) >> 64], DROPS_BEFORE_PICKING + 1


def dense(rows: list[Row], split: str, epoch: int, num_items: int, options: Options) -> Arrays:
    shape = (len(rows), options.max_sequence_length)
    k = options.num_negatives
    arrays = Arrays(
        item_ids=np.zeros(shape, np.int32),
        padding_mask=np.zeros(shape, np.bool_),
        positive_sequence=np.zeros(shape, np.int32),
        negative_sequence=np.zeros(shape if k == 1 else (*shape, k), np.int32),
        sample_weight=np.zeros(shape, np.float32),
        draws=[[] for _ in rows],
    )
    slots = arrays.negative_sequence.reshape(*shape, k)
    for i, row in enumerate(rows):
        items = window(row.sequence, options)
        draws = raw_draws(options.seed, epoch, split, row.user)
        for t, weight in enumerate(weights(row, split, options)):
            arrays.item_ids[i, t] = items[t]
            arrays.padding_mask[i, t] = True
            arrays.positive_sequence[i, t] = items[t + 1]
            arrays.sample_weight[i, t] = weight
            for slot in range(k):
                slots[i, t, slot], drawn = negative(draws, row.rejected, num_items)
                arrays.draws[i].append(drawn)
    return arrays


def account(data: Prepared) -> Report:
    kept = sum(map(len, data.histories.values()))
    ties = [tied(history) for history in data.histories.values()]
    splits = data.splits.items()
    cut = {name: [cut_by_window(row, data.options) for row in rows] for name, rows in splits}
    oldest = data.options.truncation == "oldest"
    return Report(
        rows_in=len(data.interactions),
        rows_dropped_by_rating=len(data.interactions) - len(data.rated),
        rows_dropped_by_duplicates=len(data.rated) - len(data.distinct),
        rows_dropped_by_user_activity=data.rows_by_user_activity,
        rows_dropped_by_item_activity=data.rows_by_item_activity,
        users_dropped=len({row.user for row in data.rated}) - len(data.histories),
        rows_kept=kept,
        users=len(data.histories),
        items=len(data.items),
        rows_tied=sum(map(sum, ties)),
        users_tie_dependent=sum(any(last(of_user, data.options.holdout)) for of_user in ties),
        users_truncated=sum(count > 0 for count in cut["train"]),
        interactions_truncated=sum(cut["train"]),
        targets_truncated={
            name: sum(oldest and count > 0 for count in counts)
            for name, counts in cut.items()
            if name != "train"
        },
        rows_by_split={name: len(rows) for name, rows in splits},
    )


def tied(history: list[Interaction]) -> list[bool]:
    """Whether each row shares its timestamp with another row of the same user."""
    rows_at = Counter(row.timestamp for row in history)
    return [rows_at[row.timestamp] > 1 for row in history]


def last(values: list[bool], count: int) -> list[bool]:
    return values[max(len(values) - count, 0) :]


def cut_by_window(row: Row, options: Options) -> int:
    return len(row.sequence) - len(window(row.sequence, options))
