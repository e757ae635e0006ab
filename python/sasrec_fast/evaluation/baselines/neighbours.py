"""Item-based nearest neighbours, the baseline that looks at which items have the same users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.evaluation.baselines.counting import CountingBaseline, Scores
from sasrec_fast.preparing import Prepared
from sasrec_fast.store import Split, slices

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_PRODUCTS = 1 << 22
"""Most products of users' items that are summed at one time, of more than one item."""


class ItemNeighbours(CountingBaseline):
    """Ranks items by the cosine of their users and those of the items in a history.

    With U(i) the users of item i in training, items are similar by

        s(i, j) = |U(i) & U(j)| / (sqrt(|U(i)| |U(j)|) + shrinkage)

    and of each item its most similar ones count, as in item-based top-n recommendation (Sarwar et
    al. 2001; Deshpande & Karypis 2004). An item scores the sum of its similarities to the items of
    the history, or its similarity to the last of them, which is the item-kNN that session-based
    models are compared with (Hidasi et al. 2016). Items similar to none of these come after all
    others, by popularity.

    Args:
        train: The split to count in, usually `data.train`; or prepared data, for that split.
        neighbours: Items kept for each, the most similar ones, of equal ones those of smaller
            index.
        form: "session" adds up over all items of the history, "last" looks at the last one.
        shrinkage: Added to the denominator, so that items of few users are similar to less.

    Attributes:
        similarities: float64 scipy array [vocabulary_size, vocabulary_size]; row i has the
            similarities of item i to its neighbours.

    Raises:
        TypeError: No split, or a number of another kind.
        ValueError: A number out of range, or another form.

    Example:
        >>> import sasrec_fast as sf
        >>> table = {"user_id": [1, 1, 1, 2, 2, 2, 3, 3, 3], "item_id": [1, 2, 5, 1, 2, 6, 3, 2, 4]}
        >>> data = sf.prepare(table, timestamp=None, holdout=0)
        >>> model = sf.baselines.ItemNeighbours(data, form="last")
        >>> round(float(model.similarities[1, 2]), 3)  # two users of both, two and three of each
        0.816
    """

    def __init__(
        self,
        train: Split | Prepared,
        neighbours: int = 100,
        form: str = "session",
        shrinkage: float = 0.0,
    ) -> None:
        self.neighbours = checks.integer("neighbours", neighbours, 1)
        self.form = checks.one_of("form", form, ("session", "last"))
        self.shrinkage = checks.fraction("shrinkage", shrinkage)
        super().__init__(train)

    def _count(self, items: NDArray[np.int64], train: Split) -> None:
        from scipy.sparse import csr_array, vstack

        rows = train.sequence_rows
        starts = train.sequences.offsets[rows.users]
        user, place = slices(starts, starts + rows.ends)
        shape = (len(rows.users), self.vocabulary_size)
        users = csr_array((np.ones(len(user)), (user, items[place])), shape=shape)
        users.sum_duplicates()
        users.data[:] = 1.0  # who has an item often has it
        of_items = users.T.tocsr()
        sizes = np.diff(of_items.indptr)
        work = of_items @ np.diff(users.indptr)  # products it takes to compare each item
        kept = [
            self._nearest((of_items[first:end] @ users).tocsr(), first, sizes)
            for first, end in _blocks(work)
        ]
        self.similarities: csr_array = vstack(kept, format="csr")

    def _nearest(self, common: csr_array, first: int, sizes: NDArray[np.int64]) -> csr_array:
        """The most similar items to some, from the number of their common users with all."""
        from scipy.sparse import csr_array

        row = np.repeat(np.arange(common.shape[0]), np.diff(common.indptr))
        other, shared = common.indices.astype(np.int64), common.data
        different = other != first + row
        row, other, shared = row[different], other[different], shared[different]
        norm = np.sqrt(sizes[first + row].astype(float) * sizes[other])
        similarity = shared / (norm + self.shrinkage)
        order = np.lexsort((other, -similarity, row))
        row, other, similarity = row[order], other[order], similarity[order]
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        near = rank < self.neighbours
        places = (similarity[near], (row[near], other[near]))
        return csr_array(places, shape=common.shape)

    def score_items(self, x: Mapping[str, Any]) -> Scores:
        """Similarities to the history plus 1, or a popularity below 1, [n, vocabulary_size]."""
        from scipy.sparse import csr_array

        item_ids, mask = np.asarray(x["item_ids"]), np.asarray(x["padding_mask"])
        if self.form == "last":
            last = np.where(mask, np.arange(mask.shape[1]), 0).max(axis=1)
            mask = mask & (np.arange(mask.shape[1]) == last[:, None])
        row, column = np.nonzero(mask)
        shape = (len(item_ids), self.vocabulary_size)
        histories = csr_array((np.ones(len(row)), (row, item_ids[row, column])), shape=shape)
        histories.sum_duplicates()
        histories.data[:] = 1.0
        found = (histories @ self.similarities).tocoo()
        scores = self._popularity(len(item_ids))
        scores[found.row, found.col] = 1.0 + found.data
        return scores


def _blocks(work: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Ranges of items that are compared at one time, each of one item at least."""
    upto = np.cumsum(work)
    first, before = 0, 0.0
    while first < len(work):
        end = max(first + 1, int(np.searchsorted(upto, before + _PRODUCTS, side="right")))
        yield first, end
        first, before = end, float(upto[end - 1])
