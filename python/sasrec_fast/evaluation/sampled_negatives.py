"""The negatives of a sampled ranking, uniform outside the user's training items."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core, checks
from sasrec_fast.store import SPLITS, Histories, Rows, Sequences, Split, WindowOptions, streams


def sampling_protocol(candidates: Any) -> tuple[int, int] | None:
    """Number and seed of sampled negatives; None where candidates are no sampling protocol.

    Raises:
        ValueError: A protocol that is not known, or numbers out of range.
        TypeError: Numbers that are no integers.
    """
    if isinstance(candidates, str):
        candidates = (candidates,)
    elif not isinstance(candidates, tuple) or not _mixes_text(candidates):
        return None
    if len(candidates) != 3 or candidates[0] != "uniform":
        raise ValueError(
            "candidates must be item ids, a mask, or ('uniform', negatives, seed), received "
            f"{candidates!r}"
        )
    return checks.integer("negatives", candidates[1], 1), checks.integer("seed", candidates[2], 0)


def _mixes_text(values: tuple[Any, ...]) -> bool:
    """Whether it starts with text and goes on with something else, unlike a tuple of ids."""
    return (
        bool(values)
        and isinstance(values[0], str)
        and not all(isinstance(value, str) for value in values)
    )


def draw_negatives(
    split: Split, candidates: NDArray[np.bool_], count: int, seed: int, outside_training: bool
) -> tuple[NDArray[np.int32], int]:
    """Draw the negatives that each row's target is ranked among.

    Drawn uniformly and with repetition, as the authors of the SASRec paper do, from the candidates
    without the target and, as they do, without the items of the user's training sequence. They
    let the target be its own negative; here it never is.

    Args:
        split: Its `sequence_rows` are ranked.
        candidates: bool [vocabulary_size].
        count: Negatives of each row, K.
        seed: Of the streams, each with the counter [0, user_key, 5, split] and the key [seed, 0],
            both of uint64.
        outside_training: Whether training items are left out.

    Returns:
        int32 [n, K], item indices of each row; 0 where its target is no candidate, or nothing else
        is. And how many rows have fewer than K possible negatives: some are drawn repeatedly, or
        there is none.
    """
    rows = split.sequence_rows
    starts = split.sequences.offsets[rows.users]
    targets = split.sequences.last_items(rows)
    warm = np.flatnonzero(candidates[targets])
    training_ends = split.training_ends if outside_training else starts
    number, item = Histories(split.sequences.items, starts[warm], training_ends[warm]).pairs()
    known = candidates[item]
    # Each row is its target, its training items and its target again: a window of one position.
    numbers = np.concatenate([np.arange(len(warm)), number[known], np.arange(len(warm))])
    rejected = np.concatenate([targets[warm], item[known], targets[warm]])
    order = np.argsort(numbers, kind="stable")
    ends = np.cumsum(np.bincount(numbers, minlength=len(warm)))
    places = np.cumsum(candidates, dtype=np.int32)
    store = Sequences(
        np.concatenate([[0], ends]),
        places[rejected[order]],
        split.sequences.user_keys[rows.users[warm]],
    )
    possible = np.flatnonzero(candidates).astype(np.int32)
    drawn = _draw(store, len(possible), SPLITS.index(split.name), count, seed)
    items = np.zeros((len(rows), count), np.int32)
    items[warm] = np.concatenate([[0], possible])[drawn]
    pairs = np.sort(numbers * len(candidates) + rejected)
    distinct = pairs[np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)]] // len(candidates)
    left = len(possible) - np.bincount(distinct, minlength=len(warm))
    return items, int(np.count_nonzero(left < count))


def _draw(store: Sequences, num_items: int, split: int, count: int, seed: int) -> NDArray[np.int32]:
    """Negatives [n, K] of 1..num_items for every sequence of a store, none of its items."""
    sizes = np.diff(store.offsets).astype(np.int32)
    users = np.arange(len(sizes), dtype=np.int32)
    rows = Rows(users, sizes, np.full(len(sizes), split, np.int32))
    options = WindowOptions(
        split=streams.RANKED_NEGATIVES,
        holdout=None,
        max_sequence_length=1,
        oldest=False,
        stride=0,
        reject_all=False,
        num_negatives=count,
        exponent=None,
        num_items=num_items,
        seed=seed,
    )
    out = np.empty((len(sizes), 1, count) if count > 1 else (len(sizes), 1), np.int32)
    _core.fill_negatives(store, options, rows, None, 0, out)
    return out.reshape(len(sizes), count)
