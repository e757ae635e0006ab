"""Popularity, and baselines that count more than it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sasrec_fast import checks
from sasrec_fast.preparing import Prepared
from sasrec_fast.store import Split, Vocabulary

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


class CountingBaseline(Popularity):
    """A baseline that counts in a training split, and orders by popularity what it knows not of.

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
                f"{type(self).__name__} takes a split, usually data.train, received "
                f"{checks.received(train)}"
            )
        super().__init__(train)
        self._count(train.sequences.items.astype(np.int64), train)

    def _count(self, items: NDArray[np.int64], train: Split) -> None:
        """Look at the split, and at the items of its store."""
        raise NotImplementedError

    def _popularity(self, rows: int) -> Scores:
        """Scores [rows, vocabulary_size] in [0, 1) by popularity."""
        return np.tile(self.counts / (self.counts[1:].max() + 1.0), (rows, 1))


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
