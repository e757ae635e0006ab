"""The slow, obvious twin of the native preparation: plain lists, dicts and one loop a step.

Nothing here shares code with the package. The draws behind the negatives come from
`numpy.random.Philox`, so NumPy itself is the witness for the randomness contract.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import Any

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


class NothingBeforeError(RefusedError):
    """No user can be trained on before the validation period."""


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
    ties: str = "input"
    holdout: int = 2
    split_at: tuple[int, int] | tuple[float, float] | None = None
    max_sequence_length: int = 200
    truncation: str = "recent"
    windows: str | tuple[str, int] = "last"
    num_negatives: int = 1
    negatives: str | tuple[str, float] = "uniform"
    negative_scope: str = "past"
    items: str | tuple[Id, ...] | None = None
    seed: int = 0


@dataclass(frozen=True)
class Row:
    """One row of a split: `sequence` and `rejected` hold item indices, `user` is external.

    `places` are the places in the sequence that the row shows; `window` is its number.
    """

    user: Id
    sequence: list[int]
    rejected: set[int]
    places: range
    window: int = 0

    @property
    def shown(self) -> list[int]:
        return [self.sequence[place] for place in self.places]


@dataclass(frozen=True)
class Report:
    rows_in: int
    rows_dropped_by_unknown_item: int
    rows_dropped_by_rating: int
    rows_dropped_by_duplicates: int
    rows_dropped_by_user_activity: int
    rows_dropped_by_item_activity: int
    users_dropped: int
    rows_kept: int
    users: int
    items: int
    rows_tied: int
    users_held_out: int
    users_tie_dependent: int
    users_truncated: int
    interactions_truncated: int
    targets_truncated: dict[str, int]
    cold_targets: dict[str, int]
    repeated_targets: dict[str, int]
    rows_by_split: dict[str, int]
    dense_bytes: dict[str, int]


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
    known: list[Interaction]
    rated: list[Interaction]
    distinct: list[Interaction]
    rows_by_user_activity: int
    rows_by_item_activity: int
    histories: dict[Id, list[Interaction]]
    items: Sequence[Id]
    sequences: dict[Id, list[int]]
    splits: dict[str, list[Row]]

    def arrays(self, split: str, epoch: int = 0) -> Arrays:
        return dense(self.splits[split], split, epoch, self.proposals(), self.options)

    def proposals(self) -> "Proposals":
        """How negatives are proposed; popularity is that of the training sequences."""
        exponent = popularity_exponent(self.options)
        if exponent is None:
            return Uniform(len(self.items))
        counts = Counter(i for row in self.splits["train"] if not row.window for i in row.sequence)
        return Popularity(tuple(counts[i] for i in range(1, len(self.items) + 1)), exponent)

    def report(self) -> Report:
        return account(self)


def prepare(interactions: list[Interaction], options: Options) -> Prepared:
    known = of_known_items(interactions, options.items)
    rated = at_least_rated(known, options.min_rating)
    distinct = without_duplicates(rated, options.duplicates)
    kept, by_user, by_item = core(distinct, options)
    if not kept:
        raise NothingLeftError(f"none of {len(interactions)} interactions passes the filters")
    items = item_vocabulary(kept, options.items)
    index = {item: position for position, item in enumerate(items, start=1)}
    histories = histories_in_time_order(kept, index, options)
    sequences = {u: [index[row.item] for row in history] for u, history in histories.items()}
    names = SPLITS[: 1 + options.holdout]
    splits = {name: split_rows(histories, sequences, name, options) for name in names}
    if options.split_at is not None and not splits["train"]:
        raise NothingBeforeError(f"no training rows before {options.split_at[0]}")
    refuse_users_without_negatives(splits, len(items))
    return Prepared(
        interactions,
        options,
        known,
        rated,
        distinct,
        by_user,
        by_item,
        histories,
        items,
        sequences,
        splits,
    )


def of_known_items(
    rows: list[Interaction], items: str | tuple[Id, ...] | None
) -> list[Interaction]:
    return [row for row in rows if row.item in items] if isinstance(items, tuple) else rows


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


def item_vocabulary(rows: list[Interaction], items: str | tuple[Id, ...] | None) -> Sequence[Id]:
    """External ids in index order; the first is index 1."""
    if isinstance(items, tuple):
        return items
    seen = sorted({row.item for row in rows})
    return range(1, int(seen[-1]) + 1) if items == "identity" else seen


def histories_in_time_order(
    rows: list[Interaction], index: dict[Id, int], options: Options
) -> dict[Id, list[Interaction]]:
    """Rows by ascending user; `sorted` is stable and compares ints and floats exactly."""
    histories: dict[Id, list[Interaction]] = {user: [] for user in sorted({r.user for r in rows})}
    for row in rows:
        histories[row.user].append(row)
    by_hash = options.ties == "hash"

    def order(row: Interaction) -> tuple[float, int, int]:
        if not by_hash:
            return row.timestamp, 0, 0
        return row.timestamp, item_hash(row.item, options.seed), index[row.item]

    return {u: sorted(history, key=order) for u, history in histories.items()}


@cache
def item_hash(item: Id, seed: int) -> int:
    counter = np.array([0, stream_key(item), 4, 0], dtype=np.uint64)
    key = np.array([seed, 0], dtype=np.uint64)
    return int(np.random.Philox(counter=counter, key=key).random_raw())


def split_rows(
    histories: dict[Id, list[Interaction]],
    sequences: dict[Id, list[int]],
    name: str,
    options: Options,
) -> list[Row]:
    rows = []
    for user, whole in sequences.items():
        times = [row.timestamp for row in histories[user]]
        sequence = whole[: length_of_split(times, name, options)]
        if len(sequence) >= 2:
            rejected = set(whole if options.negative_scope == "all" else sequence)
            for number, places in enumerate(windows(len(sequence), name, options)):
                rows.append(Row(user, sequence, rejected, places, number))
    return rows


def length_of_split(times: Sequence[int | float], name: str, options: Options) -> int:
    """How many of a user's interactions the row of a split is taken from."""
    if options.split_at is None:
        return max(len(times) - (options.holdout - SPLITS.index(name)), 0)
    validation, test = options.split_at
    before_validation = sum(time < validation for time in times)
    before_test = sum(time < test for time in times)
    if name == "train":
        return before_validation
    if name == "validation":
        return before_validation + 1 if before_test > before_validation else 0
    return before_test + 1 if len(times) > before_test else 0


def windows(length: int, split: str, options: Options) -> list[range]:
    """The places each row shows: L inputs and the last target, at most L + 1."""
    size = options.max_sequence_length + 1
    oldest = options.truncation == "oldest"
    first = range(min(size, length)) if oldest else range(max(length - size, 0), length)
    if split == "train" and options.windows == "prefixes":
        return [range(max(end - size, 0), end) for end in range(length, 1, -1)]
    if split != "train" or isinstance(options.windows, str):
        return [first]
    stride = options.windows[1]
    shown = [first]
    while {place for places in shown for place in places} != set(range(length)):
        skipped = stride * len(shown)
        if oldest:
            shown.append(range(skipped, min(skipped + size, length)))
        else:
            shown.append(range(max(length - skipped - size, 0), length - skipped))
    return shown


def refuse_users_without_negatives(splits: dict[str, list[Row]], num_items: int) -> None:
    rows = [row for split in splits.values() for row in split]
    impossible = {row.user for row in rows if len(row.rejected) == num_items}
    if impossible:
        raise NoNegativeError(sorted(impossible))


def weights(row: Row, split: str, options: Options) -> list[float]:
    """One weight for each target of the row's window."""
    targets = row.places[1:]
    if split == "train" and options.windows == "prefixes":
        return [float(place == targets[-1]) for place in targets]
    if split == "train":
        return [1.0 for _ in targets]
    return [float(place == len(row.sequence) - 1) for place in targets]


@cache
def stream_key(id_: Id) -> int:
    """An integer id as uint64 (two's complement), or pandas' hash of a string id."""
    if isinstance(id_, str):
        return int(pd.util.hash_array(np.array([id_], dtype=object))[0])
    return id_ % 2**64


def raw_draws(seed: int, epoch: int, split: str, row: Row) -> Iterator[int]:
    """The row's stream. Lists of large ints would pass through float64, so uint64 arrays."""
    words = [0, stream_key(row.user), SPLITS.index(split), row.window]
    counter = np.array(words, dtype=np.uint64)
    key = np.array([seed, epoch], dtype=np.uint64)
    stream = np.random.Philox(counter=counter, key=key)
    while True:
        yield int(stream.random_raw())


class Uniform:
    """Each of the items 1..n is as probable as any other."""

    def __init__(self, num_items: int) -> None:
        self.num_items = num_items

    def propose(self, draw: int) -> int:
        return 1 + (draw * self.num_items >> 64)

    def pick(self, draw: int, allowed: list[int]) -> int:
        return allowed[draw * len(allowed) >> 64]


class Popularity:
    """Items in proportion to a power of their counts, by Walker's alias method."""

    def __init__(self, counts: tuple[int, ...], exponent: float) -> None:
        self.num_items = len(counts)
        self.weights = popularity_weights(counts, exponent)
        self.total = sum(self.weights)
        self.shares, self.aliases = alias_columns(self.weights)

    def propose(self, draw: int) -> int:
        """The upper part of the product chooses a column, the lower part who in it."""
        column, rest = divmod(draw * self.num_items, 2**64)
        return column + 1 if rest < self.shares[column] else self.aliases[column]

    def pick(self, draw: int, allowed: list[int]) -> int:
        place = draw * sum(self.weights[item - 1] for item in allowed) >> 64
        for item in allowed:
            place -= self.weights[item - 1]
            if place < 0:
                return item
        raise AssertionError("the place is less than the sum of the weights")


Proposals = Uniform | Popularity


def popularity_exponent(options: Options) -> float | None:
    if isinstance(options.negatives, tuple):
        return options.negatives[1]
    return None if options.negatives == "uniform" else 1.0


@cache
def popularity_weights(counts: tuple[int, ...], exponent: float) -> list[int]:
    """Integers 1..2**32 - 1; what training lacks counts as if it had one interaction."""
    counts = tuple(max(count, 1) for count in counts)
    most = max(counts)
    return [max(1, round((count / most) ** exponent * (2**32 - 1))) for count in counts]


def alias_columns(weights: list[int]) -> tuple[list[int], list[int]]:
    """Each column's own share in 2**-64, and the item that has the rest (Vose 1991)."""
    total, size = sum(weights), len(weights)
    left = [weight * size for weight in weights]
    shares, aliases = [2**64 - 1] * size, list(range(1, size + 1))
    small = [item for item in range(size) if left[item] < total]
    large = [item for item in range(size) if left[item] >= total]
    while small:
        taker, giver = small.pop(), large.pop()
        shares[taker], aliases[taker] = left[taker] * 2**64 // total, giver + 1
        left[giver] -= total - left[taker]
        (small if left[giver] < total else large).append(giver)
    return shares, aliases


def negative(draws: Iterator[int], rejected: set[int], proposals: Proposals) -> tuple[int, int]:
    """The negative of the next slot and how many draws it took."""
    for drawn in range(1, DROPS_BEFORE_PICKING + 1):
        proposal = proposals.propose(next(draws))
        if proposal not in rejected:
            return proposal, drawn
    allowed = [item for item in range(1, proposals.num_items + 1) if item not in rejected]
    return proposals.pick(next(draws), allowed), DROPS_BEFORE_PICKING + 1


def dense(
    rows: list[Row], split: str, epoch: int, proposals: Proposals, options: Options
) -> Arrays:
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
        items = row.shown
        draws = raw_draws(options.seed, epoch, split, row)
        for t, weight in enumerate(weights(row, split, options)):
            arrays.item_ids[i, t] = items[t]
            arrays.padding_mask[i, t] = True
            arrays.positive_sequence[i, t] = items[t + 1]
            arrays.sample_weight[i, t] = weight
            for slot in range(k):
                slots[i, t, slot], drawn = negative(draws, row.rejected, proposals)
                arrays.draws[i].append(drawn)
    return arrays


def account(data: Prepared) -> Report:
    kept = sum(map(len, data.histories.values()))
    ties = {user: tied(history) for user, history in data.histories.items()}
    splits = data.splits.items()
    held_out = {name: rows for name, rows in splits if name != "train"}
    shown = {item for row in data.splits["train"] for item in row.shown}
    cut = cut_by_windows(data.splits["train"])
    position = 13 + 4 * data.options.num_negatives
    return Report(
        rows_in=len(data.interactions),
        rows_dropped_by_unknown_item=len(data.interactions) - len(data.known),
        rows_dropped_by_rating=len(data.known) - len(data.rated),
        rows_dropped_by_duplicates=len(data.rated) - len(data.distinct),
        rows_dropped_by_user_activity=data.rows_by_user_activity,
        rows_dropped_by_item_activity=data.rows_by_item_activity,
        users_dropped=len({row.user for row in data.rated}) - len(data.histories),
        rows_kept=kept,
        users=len(data.histories),
        items=len(data.items),
        rows_tied=sum(map(sum, ties.values())),
        users_held_out=len({row.user for rows in held_out.values() for row in rows}),
        users_tie_dependent=sum(tie_dependent(user, data) for user in data.histories),
        users_truncated=sum(count > 0 for count in cut.values()),
        interactions_truncated=sum(cut.values()),
        targets_truncated={
            name: sum(row.places[-1] < len(row.sequence) - 1 for row in rows)
            for name, rows in held_out.items()
        },
        cold_targets={
            name: sum(row.sequence[-1] not in shown for row in rows)
            for name, rows in held_out.items()
        },
        repeated_targets={
            name: sum(row.sequence[-1] in row.sequence[:-1] for row in rows)
            for name, rows in held_out.items()
        },
        rows_by_split={name: len(rows) for name, rows in splits},
        dense_bytes={
            name: len(rows) * data.options.max_sequence_length * position for name, rows in splits
        },
    )


def tie_dependent(user: Id, data: Prepared) -> bool:
    """Whether the order of tied rows decides what is held out of a user, or in what order."""
    history = data.histories[user]
    if data.options.split_at is None:
        return any(last(tied(history), data.options.holdout))
    targets = [
        len(row.sequence) - 1
        for name, rows in data.splits.items()
        for row in rows
        if row.user == user and name != "train"
    ]
    times = [row.timestamp for row in history]
    return any(times[target] in times[target + 1 :] for target in targets)


def cut_by_windows(rows: list[Row]) -> dict[Id, int]:
    """How many items of each training sequence no row shows."""
    hidden = {row.user: set(range(len(row.sequence))) for row in rows}
    for row in rows:
        hidden[row.user] -= set(row.places)
    return {user: len(places) for user, places in hidden.items()}


def tied(history: list[Interaction]) -> list[bool]:
    """Whether each row shares its timestamp with another row of the same user."""
    return tied_times([row.timestamp for row in history])


def tied_times(times: Sequence[int | float]) -> list[bool]:
    rows_at = Counter(times)
    return [rows_at[time] > 1 for time in times]


def last(values: list[bool], count: int) -> list[bool]:
    return values[max(len(values) - count, 0) :]


@dataclass(frozen=True)
class Rules:
    """What decides which rows of a shard are kept, and what is counted."""

    duplicates: str = "keep"
    min_user_interactions: int = 1
    min_item_interactions: int = 1
    holdout: int = 2
    identity: bool = False

    @classmethod
    def of(cls, options: Options) -> "Rules":
        return cls(
            options.duplicates,
            options.min_user_interactions,
            options.min_item_interactions,
            options.holdout,
            options.items is not None,
        )


SAMPLED = 2**16


@dataclass(frozen=True)
class Span:
    """What a chunk of rows that passed the row filter holds; `merge` is in any order the same."""

    rows: int
    users: tuple[Id, Id] | None
    sample: list[tuple[int, Id]]
    """Priority and user of the rows with the smallest priorities."""
    item_ids: list[Id]
    times: tuple[int | float, int | float] | None

    def merge(self, other: "Span") -> "Span":
        return Span(
            self.rows + other.rows,
            extremes([*(self.users or ()), *(other.users or ())]),
            sorted([*self.sample, *other.sample])[:SAMPLED],
            sorted({*self.item_ids, *other.item_ids}),
            extremes([*(self.times or ()), *(other.times or ())]),
        )

    def bounds(self, shards: int) -> list[Id]:
        """First user of each shard from the second on; of several that are equal, all but the
        last are empty."""
        users = sorted(user for _, user in self.sample)
        return [users[len(users) * shard // shards] for shard in range(1, shards) if users]


def extremes(values: list[Any]) -> tuple[Any, Any] | None:
    return (min(values), max(values)) if values else None


def scan(chunk: list[Interaction], first_row: int) -> Span:
    """Rows of a chunk, the first of which has a number among all rows."""
    sample = [(priority(first_row + place), row.user) for place, row in enumerate(chunk)]
    return Span(
        len(chunk),
        extremes([row.user for row in chunk]),
        sorted(sample)[:SAMPLED],
        sorted({row.item for row in chunk}),
        extremes([row.timestamp for row in chunk]),
    )


def priority(number: int) -> int:
    """The finaliser of splitmix64 (Steele et al. 2014), which visits each number once."""
    mixed = (number + 0x9E3779B97F4A7C15) % 2**64
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
    return mixed ^ mixed >> 31


def route(
    chunk: list[Interaction], bounds: list[Id], item_ids: Sequence[Id]
) -> list[list[tuple[Id, int, int | float]]]:
    """User, item code and time of each row, by shard, in the order of the chunk."""
    codes = {item: code for code, item in enumerate(item_ids, start=1)}
    shards: list[list[tuple[Id, int, int | float]]] = [[] for _ in range(len(bounds) + 1)]
    for row in chunk:
        shard = sum(bound <= row.user for bound in bounds)
        shards[shard].append((row.user, codes[row.item], row.timestamp))
    return shards


@dataclass(frozen=True)
class Shard:
    """The rows of a range of users, each user's in time order, ties in the order of the input."""

    user_ids: list[Id]
    offsets: list[int]
    items: list[int]
    times: list[int | float]
    """As they were, or none: the native ones are numbers of the same order and equality."""
    kept: list[bool]

    @property
    def ranges(self) -> list[range]:
        return [range(*bounds) for bounds in pairwise(self.offsets)]


def sort_shard(
    users: Sequence[Id],
    items: Sequence[int],
    times: Sequence[int | float] | None,
    keep: Sequence[bool] | None,
    rules: Rules,
) -> Shard:
    given = [row for row in range(len(users)) if keep is None or keep[row]]
    order = sorted(given, key=lambda row: (users[row], 0 if times is None else times[row]))
    user_ids = sorted({users[row] for row in order})
    rows_of = Counter(users[row] for row in order)
    kept = [True] * len(order)
    if rules.duplicates != "keep":
        chosen = {}
        for place, row in enumerate(order):
            if rules.duplicates == "last" or (users[row], items[row]) not in chosen:
                chosen[users[row], items[row]] = place
        kept = [place in set(chosen.values()) for place in range(len(order))]
    return Shard(
        user_ids,
        [0, *accumulate(rows_of[user] for user in user_ids)],
        [items[row] for row in order],
        [] if times is None else [times[row] for row in order],
        [] if all(kept) else kept,
    )


def core_round(shard: Shard, rules: Rules, rare: Sequence[int]) -> tuple[list[int], int]:
    """How often each code is kept, and how many rows went with rare items."""
    users, rows_of_rare_items = kept_of_users(shard, rules, rare)
    counts = Counter(shard.items[place] for places in users for place in places)
    return [counts[code] for code in range(len(rare))], rows_of_rare_items


def kept_of_users(shard: Shard, rules: Rules, rare: Sequence[int]) -> tuple[list[list[int]], int]:
    """Places of each user's kept rows; users and the items of each round are dropped in turn."""
    distinct = [
        [place for place in places if not shard.kept or shard.kept[place]]
        for places in shard.ranges
    ]
    users, rows_of_rare_items = active(distinct, rules), 0
    for round_ in range(1, max(rare, default=0) + 1):
        left = [[place for place in u if rare[shard.items[place]] != round_] for u in users]
        rows_of_rare_items += sum(map(len, users)) - sum(map(len, left))
        users = active(left, rules)
    return users, rows_of_rare_items


def active(users: list[list[int]], rules: Rules) -> list[list[int]]:
    return [places if len(places) >= rules.min_user_interactions else [] for places in users]


def rare_items(shards: Sequence[Shard], rules: Rules, codes: int) -> tuple[list[int], list[int]]:
    """The round in which each code was found rare, 0 for never, and how often each is left."""
    rare, round_ = [0] * (codes + 1), 0
    while True:
        of_shards = [core_round(shard, rules, rare)[0] for shard in shards]
        counts = [sum(of_one) for of_one in zip(*of_shards, strict=True)]
        round_ += 1
        new = [
            code
            for code, count in enumerate(counts)
            if not rare[code] and 0 < count < rules.min_item_interactions
        ]
        if not new:
            return rare, counts
        for code in new:
            rare[code] = round_


@dataclass(frozen=True)
class Finished:
    """A part of the store, and what was counted; see `Prepared` and `Report`."""

    user_ids: list[Id]
    offsets: list[int]
    items: list[int]
    times: list[int | float]
    before: list[tuple[int, int]]
    rows_filtered: int
    rows_duplicate: int
    rows_of_rare_items: int
    rows_kept: int
    users_dropped: int
    rows_tied: int
    users_tie_dependent: int


def finish(
    shard: Shard,
    rules: Rules,
    rare: Sequence[int],
    indices: Sequence[int] | None,
    starts: tuple[Any, Any] | None,
) -> Finished:
    found, rows_of_rare_items = kept_of_users(shard, rules, rare)
    users = [(user, places) for user, places in zip(shard.user_ids, found, strict=True) if places]
    rows = [place for _, places in users for place in places]
    times = [[shard.times[place] for place in places if shard.times] for _, places in users]
    before = [] if starts is None else [counted_before(of_one, starts) for of_one in times]
    if starts is None:
        dependent = [any(last(tied_times(of_one), rules.holdout)) for of_one in times]
    else:
        dependent = [
            any(of_one[target] in of_one[target + 1 :] for target in targets(of_one, edges))
            for of_one, edges in zip(times, before, strict=True)
        ]
    return Finished(
        user_ids=[user for user, _ in users],
        offsets=[0, *accumulate(len(places) for _, places in users)],
        items=[shard.items[p] if indices is None else indices[shard.items[p]] for p in rows],
        times=[time for of_one in times for time in of_one],
        before=before,
        rows_filtered=len(shard.items),
        rows_duplicate=shard.kept.count(False),
        rows_of_rare_items=rows_of_rare_items,
        rows_kept=len(rows),
        users_dropped=len(shard.user_ids) - len(users),
        rows_tied=sum(map(sum, map(tied_times, times))),
        users_tie_dependent=sum(dependent),
    )


def counted_before(times: Sequence[int | float], starts: tuple[Any, Any]) -> tuple[int, int]:
    validation, test = (sum(time < start for time in times) for start in starts)
    return validation, test


def targets(times: Sequence[int | float], before: tuple[int, int]) -> list[int]:
    """Places of the held-out targets of a user whose periods begin after so many rows."""
    ends = (before[1], len(times))
    return [first for first, end in zip(before, ends, strict=True) if 0 < first < end]


def order_ties(found: Finished, item_ids: Sequence[Id], seed: int) -> list[int]:
    """The items, tied ones of a user in the order of the hash of their ids."""
    ordered: list[int] = []
    for first, end in pairwise(found.offsets):
        rows = zip(found.times[first:end], found.items[first:end], strict=True)
        keyed = [(time, item_hash(item_ids[item - 1], seed), item) for time, item in rows]
        ordered += [item for _, _, item in sorted(keyed)]
    return ordered


def top_k(
    scores: Sequence[Sequence[float]], excluded: Sequence[set[int]], k: int
) -> list[list[int]]:
    """Columns of the k best scores of each row, best first, the smaller one among equal scores."""
    found = []
    for row, left_out in zip(scores, excluded, strict=True):
        columns = [column for column in range(len(row)) if column not in left_out]
        found.append(sorted(columns, key=lambda column: (-row[column], column))[:k])
    return found


def count_above(
    scores: Sequence[Sequence[float]], excluded: Sequence[set[int]], targets: Sequence[int]
) -> list[tuple[int, int]]:
    """Columns above the target of each row and level with it, itself included."""
    found = []
    for row, left_out, target in zip(scores, excluded, targets, strict=True):
        own = row[target] if target >= 0 else -np.inf
        others = [row[i] for i in range(len(row)) if i not in left_out and i != target]
        found.append((sum(s > own for s in others), 1 + sum(s == own for s in others)))
    return found
