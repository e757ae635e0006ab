"""Rankings that need no training, for comparison under the same `evaluate`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sasrec_fast.store import Split, slices

Scores = NDArray[np.float64]


class Popularity:
    """Ranks items by how often they occur, the same for everyone.

    Args:
        counts: Interactions of each item index, [vocabulary_size]; that of padding, index 0, is
            ignored. `data.train.item_counts` leaks nothing of the held-out items.

    Raises:
        ValueError: Not a flat array of at least two finite, non-negative counts.
    """

    def __init__(self, counts: ArrayLike) -> None:
        self.counts = np.asarray(counts, dtype=np.float64)
        if self.counts.ndim != 1 or len(self.counts) < 2:
            raise ValueError(
                "counts must be a flat array with one entry for each item index (index 0 is "
                f"padding), received shape {self.counts.shape}"
            )
        if not (np.isfinite(self.counts) & (self.counts >= 0)).all():
            raise ValueError("counts must be finite and at least 0")

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
        train: The split to count in, usually `data.train`.
    """

    def __init__(self, train: Split) -> None:
        super().__init__(train.item_counts)
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
