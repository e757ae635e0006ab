"""The slow, obvious twin of the native preparation: plain lists, dicts and one loop a step.

Nothing here shares code with the package. The draws behind the negatives come from
`numpy.random.Philox`, so NumPy itself is the witness for the randomness contract.
"""

from collections import Counter
from collections.abc import Iterator
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
    dropped_by_rating: int
    dropped_by_min_user_interactions: int
    kept: int
    users: int
    items: int
    tied_rows: int
    truncated_users: int
    cut_interactions: int


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
    options: Options
    items: list[Id]
    sequences: dict[Id, list[int]]
    splits: dict[str, list[Row]]
    report: Report

    def arrays(self, split: str, epoch: int = 0) -> Arrays:
        return dense(self.splits[split], split, epoch, len(self.items), self.options)


def prepare(interactions: list[Interaction], options: Options) -> Prepared:
    rated = at_least_rated(interactions, options.min_rating)
    kept = of_active_users(rated, options.min_user_interactions)
    if not kept:
        raise NothingLeftError(f"none of {len(interactions)} interactions passes the filters")
    histories = histories_in_time_order(kept)
    items = item_vocabulary(kept, options.items)
    index = {item: position for position, item in enumerate(items, start=1)}
    sequences = {u: [index[row.item] for row in history] for u, history in histories.items()}
    names = SPLITS[: 1 + options.holdout]
    splits = {name: split_rows(sequences, name, options) for name in names}
    refuse_users_without_negatives(splits, len(items))
    cut = [len(row.sequence) - len(window(row.sequence, options)) for row in splits["train"]]
    report = Report(
        rows_in=len(interactions),
        dropped_by_rating=len(interactions) - len(rated),
        dropped_by_min_user_interactions=len(rated) - len(kept),
        kept=len(kept),
        users=len(sequences),
        items=len({row.item for row in kept}),
        tied_rows=tied_rows(kept),
        truncated_users=sum(count > 0 for count in cut),
        cut_interactions=sum(cut),
    )
    return Prepared(options, items, sequences, splits, report)


def at_least_rated(rows: list[Interaction], min_rating: float | None) -> list[Interaction]:
    return [row for row in rows if min_rating is None or row.rating >= min_rating]


def of_active_users(rows: list[Interaction], minimum: int) -> list[Interaction]:
    interactions_of = Counter(row.user for row in rows)
    return [row for row in rows if interactions_of[row.user] >= minimum]


def item_vocabulary(rows: list[Interaction], items: str | None) -> list[Id]:
    """External ids in index order; the first is index 1."""
    seen = sorted({row.item for row in rows})
    return list(range(1, int(seen[-1]) + 1)) if items == "identity" else seen


def histories_in_time_order(rows: list[Interaction]) -> dict[Id, list[Interaction]]:
    """Rows by ascending user; `sorted` is stable and compares ints and floats exactly."""
    histories: dict[Id, list[Interaction]] = {user: [] for user in sorted({r.user for r in rows})}
    for row in rows:
        histories[row.user].append(row)
    return {u: sorted(history, key=lambda row: row.timestamp) for u, history in histories.items()}


def tied_rows(rows: list[Interaction]) -> int:
    """Rows sharing their timestamp with another row of the same user."""
    rows_at = Counter((row.user, row.timestamp) for row in rows)
    return sum(count for count in rows_at.values() if count > 1)


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
