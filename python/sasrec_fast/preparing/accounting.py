"""The report of a preparation, as sums over parts of the store: all of it, or shard by shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.preparing.options import Options
from sasrec_fast.store import Histogram, Report, Split, repeated_targets

_OFFSET, _ITEM, _KEY, _TIME = 8, 4, 8, 4
"""Bytes of the compact store: of each user, interaction and key, and of each time."""


COUNTED = (
    "rows_filtered",
    "rows_duplicate",
    "rows_of_rare_items",
    "rows_kept",
    "users_dropped",
    "rows_tied",
    "users_tie_dependent",
)
"""What the native code counts on the way to a part of the store."""


def sums_of(found: Any) -> dict[str, int]:
    """What the native code has counted, by name."""
    return {name: int(getattr(found, name)) for name in COUNTED}


@dataclass(frozen=True)
class Counts:
    """What is counted of a part of the store; those of two parts are merged to those of both.

    Attributes:
        sums: Whole numbers that add up, by name.
        by_split: The same, by split.
        lengths: Kept interactions of the users.
        shown: bool [V + 1], items that a training row shows.
        targets: int64 [V + 1] of each held-out split, how often each item is a target.
        stuck: Number of a split, number of the part, and a user for whom no negative exists there;
            the first of these, or None.
    """

    sums: Mapping[str, int]
    by_split: Mapping[str, Mapping[str, int]]
    lengths: Histogram
    shown: NDArray[np.bool_]
    targets: Mapping[str, NDArray[np.int64]]
    stuck: tuple[int, int, Any] | None = None

    def merge(self, other: Counts) -> Counts:
        """The counts of two parts with different users; in any order the same."""
        stuck = [found for found in (self.stuck, other.stuck) if found is not None]
        return Counts(
            {name: count + other.sums[name] for name, count in self.sums.items()},
            {
                name: {split: count + other.by_split[name][split] for split, count in of.items()}
                for name, of in self.by_split.items()
            },
            self.lengths.merge(other.lengths),
            self.shown | other.shown,
            {split: counts + other.targets[split] for split, counts in self.targets.items()},
            min(stuck, key=lambda found: found[:2], default=None),
        )

    def of_user(self, user: Any) -> Counts:
        """The counts, with another name for the user for whom no negative exists."""
        assert self.stuck is not None
        return replace(self, stuck=(*self.stuck[:2], user))


def count(
    found: Mapping[str, int], splits: Sequence[Split], *, timed: bool, part: int = 0
) -> Counts:
    """The counts of a part of the store.

    Args:
        found: What the native code has counted, by name.
        splits: The rows of the part.
        timed: Whether there are times that can be equal.
        part: Its number, in the order of user ids.
    """
    train, held_out = splits[0], splits[1:]
    store, options = train.sequences, train._options
    cut = np.zeros(0, np.int64) if options.stride else _outside_window(train)
    again = {s.name: repeated_targets(store, s.sequence_rows) for s in held_out}
    beyond = {s.name: _outside_window(s) if options.oldest else cut[:0] for s in held_out}
    return Counts(
        sums={
            **found,
            **({} if timed else {"rows_tied": 0, "users_tie_dependent": 0}),
            "users": len(store),
            "users_held_out": _users_of(held_out, len(store)),
            "users_truncated": int(np.count_nonzero(cut)),
            "interactions_truncated": int(cut.sum()),
            "positions": int(train.lengths.sum()),
            "row_bytes": sum(split._rows.nbytes for split in splits),
        },
        by_split={
            "rows": {split.name: len(split) for split in splits},
            "targets_truncated": {s: int(np.count_nonzero(rows)) for s, rows in beyond.items()},
            "repeated_targets": {s: int(np.count_nonzero(found)) for s, found in again.items()},
        },
        lengths=Histogram.of(np.diff(store.offsets)),
        shown=_shown(train) if held_out else np.zeros(0, np.bool_),
        targets={s.name: store.target_counts(s.sequence_rows, s.vocabulary_size) for s in held_out},
        stuck=_stuck(splits, part),
    )


def report(
    counts: Counts, rows: tuple[int, int], items: int, options: Options, keys: int
) -> Report:
    """The report of all parts.

    Args:
        counts: Of all parts, merged.
        rows: Rows received, and those of items outside a vocabulary that was reused.
        items: Size of the item vocabulary.
        options: Those of `prepare`.
        keys: Users whose keys are no view of their ids.
    """
    sums, by_split = counts.sums, counts.by_split
    rows_in, unknown = rows
    positions = by_split["rows"]["train"] * options.max_sequence_length
    time = _TIME if options.times else 0
    columns = 13 + 4 * options.num_negatives + 2 * time  # bytes of a position of dense arrays
    store = (sums["users"] + 1) * _OFFSET + sums["rows_kept"] * (_ITEM + time) + keys * _KEY
    return Report(
        rows_in=rows_in,
        rows_dropped_by_unknown_item=unknown,
        rows_dropped_by_rating=rows_in - unknown - sums["rows_filtered"],
        rows_dropped_by_duplicates=sums["rows_duplicate"],
        rows_dropped_by_user_activity=rows_of_inactive_users(sums),
        rows_dropped_by_item_activity=sums["rows_of_rare_items"],
        users_dropped=sums["users_dropped"],
        rows_kept=sums["rows_kept"],
        users=sums["users"],
        items=items,
        sequence_lengths=counts.lengths.summary(),
        rows_tied=sums["rows_tied"],
        users_held_out=sums["users_held_out"],
        users_tie_dependent=sums["users_tie_dependent"],
        users_truncated=sums["users_truncated"],
        interactions_truncated=sums["interactions_truncated"],
        targets_truncated=dict(by_split["targets_truncated"]),
        cold_targets={s: int(of[~counts.shown].sum()) for s, of in counts.targets.items()},
        repeated_targets=dict(by_split["repeated_targets"]),
        rows_by_split=dict(by_split["rows"]),
        fill_rate=float(sums["positions"]) / positions if positions else 0.0,
        dense_bytes={
            split: n * options.max_sequence_length * columns
            for split, n in by_split["rows"].items()
        },
        store_bytes=store + sums["row_bytes"],
    )


def rows_of_inactive_users(sums: Mapping[str, int]) -> int:
    """Rows that were dropped with users under `min_user_interactions`."""
    others = sums["rows_duplicate"] + sums["rows_of_rare_items"] + sums["rows_kept"]
    return sums["rows_filtered"] - others


def _outside_window(split: Split) -> NDArray[np.int64]:
    """Interactions of each sequence that one window does not show."""
    shown = split.max_sequence_length + 1
    return np.maximum(split.sequence_rows.ends.astype(np.int64) - shown, 0)


def _users_of(splits: Sequence[Split], users: int) -> int:
    found = np.zeros(users, np.bool_)
    for split in splits:
        found[split.users] = True
    return int(np.count_nonzero(found))


def _shown(train: Split) -> NDArray[np.bool_]:
    if train._options.stride:  # everything, in one window or another
        return train.item_counts > 0
    return _core.shown_items(train.sequences, train._options, train._rows)


def _stuck(splits: Sequence[Split], part: int) -> tuple[int, int, Any] | None:
    """The first user who has every item that there is."""
    for number, split in enumerate(splits if splits[0].num_negatives else []):
        rows = split.sequence_rows
        owner = _core.find_without_negative(split.sequences, split._options, rows)
        if owner is not None:
            return number, part, split._user_vocabulary.ids[owner : owner + 1].tolist()[0]
    return None
