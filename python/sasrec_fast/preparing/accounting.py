"""The report of a preparation, from what was counted on the way and from the splits' rows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.preparing.grouping import Grouped, rows_of_inactive_users
from sasrec_fast.preparing.options import Options
from sasrec_fast.store import Lengths, Report, Split, repeated_targets


def account(rows_in: int, grouped: Grouped, options: Options, splits: Sequence[Split]) -> Report:
    """The report of prepared data."""
    counts = grouped.counts
    train, held_out = splits[0], splits[1:]
    oldest = options.truncation == "oldest"
    cut = np.zeros(0, np.int64) if options.stride else _outside_window(train)
    positions = len(train) * options.max_sequence_length
    return Report(
        rows_in=rows_in,
        rows_dropped_by_unknown_item=grouped.rows_unknown,
        rows_dropped_by_rating=rows_in - grouped.rows_unknown - counts.rows_filtered,
        rows_dropped_by_duplicates=counts.rows_duplicate,
        rows_dropped_by_user_activity=rows_of_inactive_users(counts),
        rows_dropped_by_item_activity=counts.rows_of_rare_items,
        users_dropped=counts.users_dropped,
        rows_kept=counts.rows_kept,
        users=len(grouped.users),
        items=len(grouped.items),
        sequence_lengths=Lengths.of(np.diff(counts.offsets)),
        rows_tied=counts.rows_tied if grouped.timed else 0,
        users_held_out=_users_of(held_out, len(grouped.users)),
        users_tie_dependent=counts.users_tie_dependent if grouped.timed else 0,
        users_truncated=int(np.count_nonzero(cut)),
        interactions_truncated=int(cut.sum()),
        targets_truncated={
            split.name: int(np.count_nonzero(_outside_window(split))) if oldest else 0
            for split in held_out
        },
        cold_targets=_cold_targets(train, held_out),
        repeated_targets={
            split.name: int(repeated_targets(split.sequences, split.sequence_rows).sum())
            for split in held_out
        },
        rows_by_split={split.name: len(split) for split in splits},
        fill_rate=float(train.lengths.sum()) / positions if positions else 0.0,
        dense_bytes={split.name: split.nbytes for split in splits},
        store_bytes=_store_bytes(grouped, splits),
    )


def _outside_window(split: Split) -> NDArray[np.int64]:
    """Interactions of each sequence that one window does not show."""
    shown = split.max_sequence_length + 1
    return np.maximum(split.sequence_rows.ends.astype(np.int64) - shown, 0)


def _users_of(splits: Sequence[Split], users: int) -> int:
    found = np.zeros(users, np.bool_)
    for split in splits:
        found[split.users] = True
    return int(np.count_nonzero(found))


def _cold_targets(train: Split, held_out: Sequence[Split]) -> dict[str, int]:
    if not held_out:
        return {}
    shown = _core.shown_items(train.sequences, train._options, train._rows)
    targets = {split.name: split.sequences.last_items(split.sequence_rows) for split in held_out}
    return {name: int(np.count_nonzero(~shown[items])) for name, items in targets.items()}


def _store_bytes(grouped: Grouped, splits: Sequence[Split]) -> int:
    store = grouped.sequences
    keys = store.user_keys.nbytes if grouped.users.are_strings else 0
    rows = sum(split._rows.nbytes for split in splits)
    return store.offsets.nbytes + store.items.nbytes + keys + rows
