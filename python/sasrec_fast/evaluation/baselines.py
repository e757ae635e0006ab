"""Rankings that need no training, for comparison under the same `evaluate`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sasrec_fast import checks
from sasrec_fast.preparing import Prepared
from sasrec_fast.store import Split, Vocabulary, slices

Scores = NDArray[np.float64]


class Popularity:
    """Ranks items by how often they occur, the same for everyone.

    Args:
        counts: A split, usually `data.train`, which leaks nothing of the held-out items, or
            prepared data for its training split. Or the interactions of each item index,
            [vocabulary_size]; that of padding, index 0, is ignored.
        items: The vocabulary the counts are of, as `data.items`; of a split it is known. With it,
            data of other items is refused; without it, data of another size alone.

    Attributes:
        counts: float64 [vocabulary_size].
        items: The vocabulary, or None.

    Raises:
        ValueError: Not a flat array of at least two finite, non-negative counts.
        TypeError: No counts, or counts in the order of something else than indices.
    """

    def __init__(
        self, counts: ArrayLike | Split | Prepared, items: Vocabulary | None = None
    ) -> None:
        if isinstance(counts, Prepared):
            counts = counts.train
        if isinstance(counts, Split):
            items = counts.items if items is None else items
            counts = counts.item_counts
        self.counts = _checked_counts(counts)
        self.items = _checked_items(items, len(self.counts))

    @property
    def vocabulary_size(self) -> int:
        """Number of items + 1."""
        return len(self.counts)

    @property
    def candidate_mask(self) -> NDArray[np.bool_]:
        """Every item, bool [vocabulary_size]."""
        return np.arange(self.vocabulary_size) > 0

    def score_items(self, x: Mapping[str, Any]) -> Scores:
        """The counts for every row, float64 [n, vocabulary_size] (read-only)."""
        return np.broadcast_to(self.counts, (len(x["item_ids"]), self.vocabulary_size))


class MarkovChain(Popularity):
    """Ranks items by how often they directly followed a user's last item (first order).

    Items that never followed it, and equally frequent ones, are ordered by popularity.

    Args:
        train: The split to count in, usually `data.train`; or prepared data, for that split.

    Raises:
        TypeError: Something else.
    """

    def __init__(self, train: Split | Prepared) -> None:
        if isinstance(train, Prepared):
            train = train.train
        if not isinstance(train, Split):
            raise TypeError(
                f"MarkovChain takes a split, usually data.train, received {checks.received(train)}"
            )
        super().__init__(train)
        items = train.sequences.items.astype(np.int64)
        rows = train.sequence_rows
        starts = train.sequences.offsets[rows.users]
        edges = np.zeros(len(items) + 1, np.int8)
        edges[starts] += 1
        edges[starts + rows.ends - 1] -= 1
        before = np.flatnonzero(np.cumsum(edges, dtype=np.int8))  # the next item is of the same row
        pairs = items[before] * self.vocabulary_size + items[before + 1]
        self._pairs, self._times = np.unique(pairs, return_counts=True)

    def score_items(self, x: Mapping[str, Any]) -> Scores:
        """Transitions from the last item, plus a popularity below 1, [n, vocabulary_size]."""
        item_ids, mask = np.asarray(x["item_ids"]), np.asarray(x["padding_mask"])
        scores = np.tile(self.counts / (self.counts[1:].max() + 1.0), (len(item_ids), 1))
        last = np.where(mask, np.arange(mask.shape[1]), 0).max(axis=1)
        firsts = item_ids[np.arange(len(item_ids)), last] * np.int64(self.vocabulary_size)
        starts, ends = np.searchsorted(self._pairs, [firsts, firsts + self.vocabulary_size])
        row, place = slices(starts, ends)
        scores[row, self._pairs[place] - firsts[row]] += self._times[place]
        return scores


def _checked_counts(counts: Any) -> Scores:
    labelled = isinstance(counts, Mapping) or (
        isinstance(counts, pd.Series) and not counts.index.equals(pd.RangeIndex(len(counts)))
    )
    if labelled:
        raise TypeError(
            f"counts is a {type(counts).__name__} by something else than item indices; pass "
            "data.train, or an array with one entry for each item index"
        )
    if counts is None:
        raise TypeError("counts is None; pass a split, such as data.train, or an array")
    try:
        found = np.array(counts, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(
            f"counts must be a split, such as data.train, or numbers, received "
            f"{checks.received(counts)}"
        ) from None
    if found.ndim != 1 or len(found) < 2:
        raise ValueError(
            "counts must be a flat array with one entry for each item index (index 0 is "
            f"padding), received shape {found.shape}"
        )
    if not (np.isfinite(found) & (found >= 0)).all():
        raise ValueError("counts must be finite and at least 0")
    return found


def _checked_items(items: Any, vocabulary_size: int) -> Vocabulary | None:
    if items is None:
        return None
    if not isinstance(items, Vocabulary):
        raise TypeError(
            f"items must be a Vocabulary, such as data.items, received {checks.received(items)}"
        )
    if len(items) + 1 != vocabulary_size:
        raise ValueError(
            f"counts has {vocabulary_size} entries, items {len(items)} ids: expected one entry "
            "more, for the padding"
        )
    return items
