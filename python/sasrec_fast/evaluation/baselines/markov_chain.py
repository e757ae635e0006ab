"""A first-order Markov chain."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.evaluation.baselines.counting import CountingBaseline, Scores
from sasrec_fast.store import Split, slices


class MarkovChain(CountingBaseline):
    """Ranks items by how often they directly followed a user's last item (first order).

    Items that never followed it, and equally frequent ones, are ordered by popularity.

    Args:
        train: The split to count in, usually `data.train`; or prepared data, for that split.

    Raises:
        TypeError: Something else.
    """

    def _count(self, items: NDArray[np.int64], train: Split) -> None:
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
        scores = self._popularity(len(item_ids))
        last = np.where(mask, np.arange(mask.shape[1]), 0).max(axis=1)
        firsts = item_ids[np.arange(len(item_ids)), last] * np.int64(self.vocabulary_size)
        starts, ends = np.searchsorted(self._pairs, [firsts, firsts + self.vocabulary_size])
        row, place = slices(starts, ends)
        scores[row, self._pairs[place] - firsts[row]] += self._times[place]
        return scores
