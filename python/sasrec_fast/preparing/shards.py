"""The arrays of a shard -> its part of the store, with the splits of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.preparing.options import Options
from sasrec_fast.store import (
    SPLITS,
    Rows,
    Sequences,
    Split,
    Vocabulary,
    WindowOptions,
    dated,
    make_splits,
)


def rules(options: Options) -> _core.Rules:
    """What decides which rows of a shard are kept, and what is counted."""
    return _core.Rules(
        duplicates=options.duplicates,
        min_user_interactions=options.min_user_interactions,
        min_item_interactions=options.min_item_interactions,
        holdout=options.holdout,
        identity=options.items is not None,
    )


def dated_rows(offsets: NDArray[np.int64], before: NDArray[np.uint32] | None) -> dict[str, Rows]:
    """The rows of each split where times decide, uint32 [U, 2] before each period; else none."""
    if before is None:
        return {}
    return {name: dated(offsets, before, split) for split, name in enumerate(SPLITS)}


def splits_of(
    sequences: Sequences,
    vocabularies: tuple[Vocabulary, Vocabulary],
    options: Options,
    rows: Mapping[str, Rows],
) -> list[Split]:
    """The splits of a part of the store, with the vocabularies of its users and of the items."""
    windows = [
        WindowOptions(
            split=split,
            holdout=options.holdout if options.split_at is None else None,
            max_sequence_length=options.max_sequence_length,
            oldest=options.truncation == "oldest",
            stride=options.stride if split == 0 else 0,
            reject_all=options.negative_scope == "all",
            num_negatives=options.num_negatives,
            exponent=options.exponent,
            num_items=len(vocabularies[1]),
            seed=options.seed,
            prefixes=options.prefixes and split == 0,
        )
        for split in range(options.holdout + 1)
    ]
    return make_splits(sequences, vocabularies, windows, rows)


def next_round(
    rare: NDArray[np.int32], counts: NDArray[np.int64], options: Options
) -> NDArray[np.int32] | None:
    """The rounds in which items were found rare, after one more; None where it found none.

    Args:
        rare: int32 [V + 1], the round of each item, 0 where it is not rare yet.
        counts: int64 [V + 1], interactions of each among those kept, over all shards.
        options: Those of `prepare`.
    """
    new = (rare == 0) & (counts > 0) & (counts < options.min_item_interactions)
    if not new.any():
        return None
    following = rare.copy()
    following[new] = rare.max(initial=0) + 1
    return following


def item_indices(
    item_ids: NDArray[np.int64], counts: NDArray[Any], identity: bool
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The index of each code, 0 where nothing is left of it, and the ids of indices 1, 2, ...

    Args:
        item_ids: int64 [V], ascending; code i is `item_ids[i - 1]`.
        counts: [V + 1], what is kept of each code.
        identity: Whether ids are their own indices.
    """
    indices = np.zeros(len(item_ids) + 1, np.int32)
    left = np.flatnonzero(counts)
    kept = item_ids[left - 1]
    indices[left] = kept if identity else np.arange(1, len(left) + 1)
    return indices, kept
