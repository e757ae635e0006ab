"""Rows of an item table for items that a model was not trained on, as means of rows that it has.

The same shares serve every table of a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core, checks
from sasrec_fast.errors import note
from sasrec_fast.store import Split, Vocabulary, given_ids, indices_of, shown

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Rows = NDArray[np.float32]

WINDOW = 2
"""Places on either side of an item whose items are its neighbours."""

NEAREST = 10
"""Known items that a new one is like, by the vectors that are given."""


@dataclass(frozen=True)
class Growth:
    """Where the rows of an extended model are from, numbers of items.

    Attributes:
        known: Copied.
        vectors: By the vectors that were given.
        neighbours: By the items next to them in the data.
        mean: Of which nothing is known: the mean of all rows.
    """

    known: int
    vectors: int = 0
    neighbours: int = 0
    mean: int = 0

    def __str__(self) -> str:
        new = self.vectors + self.neighbours + self.mean
        return (
            f"{self.known:,} items known, {new:,} new: {self.vectors:,} by their vectors, "
            f"{self.neighbours:,} by their neighbours, {self.mean:,} by the mean of all"
        )


class NewRows:
    """How the rows of new items come of those of known ones.

    Args:
        learnt: bool [known], the known item indices whose rows say something.
        size: Number of items + 1, new ones included.
        train: Sequences in which neighbours are looked for, or None.
        vectors: What `unit_vectors` returned, or None.

    Attributes:
        described: bool [size], the new items whose row is by their vector.
        growth: What is by what.

    Raises:
        ValueError: No known item has a vector.
    """

    def __init__(
        self, learnt: NDArray[np.bool_], size: int, train: Split | None, vectors: Rows | None
    ) -> None:
        known = len(learnt)
        self.new = size - known
        self._learnt = learnt
        self._shares: list[csr_array] = []
        self.described = np.zeros(size, np.bool_)
        if vectors is not None:
            shares = shares_by_vectors(vectors, learnt)
            self.described[known:] = _any_share(shares)
            self._shares.append(shares)
        rest = ~self.described[known:]
        near = np.zeros(self.new, np.bool_)
        if train is not None and rest.any():
            shares = shares_by_neighbours(train, learnt)
            near = rest & _any_share(shares)
            self._shares.append(_only(shares, near))
        described, neighbours = int(self.described.sum()), int(near.sum())
        self._nothing = rest & ~near
        self.growth = Growth(known - 1, described, neighbours, int(self._nothing.sum()))

    def of(self, table: NDArray[Any]) -> NDArray[Any]:
        """The rows of the new items, [new, d], by those of the known ones, [known, d]."""
        values = table.astype(np.float64)
        rows = np.zeros((self.new, table.shape[1]))
        for shares in self._shares:
            rows += shares @ values
        rows[self._nothing] = values[self._learnt].mean(axis=0)
        return rows.astype(table.dtype)


def shares_by_neighbours(train: Split, learnt: NDArray[np.bool_]) -> csr_array:
    """The share of each known item in each new one: of those next to it in sequences.

    An item d places before or behind weighs 1 / d, each time.

    Args:
        train: Its sequences alone: what is held out for evaluation stays out of the model.
        learnt: bool [known].

    Returns:
        float64 [new, known], rows of sum 1, or 0 where there are none.
    """
    known, rows, items = len(learnt), train.sequence_rows, np.asarray(train.sequences.items)
    starts = train.sequences.offsets[rows.users]
    ends = starts + rows.ends
    places = np.flatnonzero(items >= known)
    row = np.searchsorted(starts, places, side="right") - 1
    inside = row >= 0
    inside[inside] = places[inside] < ends[row[inside]]
    places, row = places[inside], row[inside]
    found = []
    for distance in range(1, WINDOW + 1):
        for other in (places - distance, places + distance):
            there = (other >= starts[row]) & (other < ends[row])
            new, old = items[places[there]] - known, items[other[there]]
            usable = np.append(learnt, False)[np.minimum(old, known)]
            new, old = new[usable], old[usable]
            found.append((np.full(len(new), 1 / distance), new, old))
    weights, new, old = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return _shares(weights, (new, old), (train.vocabulary_size - known, known))


def shares_by_vectors(vectors: Rows, learnt: NDArray[np.bool_]) -> csr_array:
    """The share of each known item in each new one: the nearest by cosine, weighted by it.

    Nearest neighbours as a mapping from attributes to factors are of Gantner et al. 2010,
    "Learning Attribute-to-Feature Mappings for Cold-Start Recommendations".

    Args:
        vectors: float32 [vocabulary_size, f], of length 1, or 0 where there is none.
        learnt: bool [known].

    Returns:
        float64 [new, known], rows of sum 1, or 0 where no known item is alike.

    Raises:
        ValueError: No known item has a vector.
    """
    known = len(learnt)
    old = np.flatnonzero(learnt & vectors[:known].any(axis=1))
    new = np.flatnonzero(vectors[known:].any(axis=1))
    if not len(old):
        raise ValueError("item_vectors has no vector of an item that the model knows")
    nobody = np.zeros(len(new) + 1, np.int64), np.zeros(0, np.int32)
    most = min(NEAREST, len(old))
    cosines, columns = _core.top_k(vectors[known:][new], vectors[:known][old], nobody, most)
    row, place = np.nonzero(cosines > 0)
    others = old[columns[row, place]]
    weights = cosines[row, place].astype(np.float64)
    return _shares(weights, (new[row], others), (len(vectors) - known, known))


def _shares(weights: NDArray[np.float64], places: Any, shape: tuple[int, int]) -> csr_array:
    from scipy.sparse import csr_array, diags_array

    summed = csr_array((weights, places), shape=shape)
    total = summed.sum(axis=1)
    total[total == 0] = 1
    return csr_array(diags_array(1 / total) @ summed)


def _any_share(shares: csr_array) -> NDArray[np.bool_]:
    some: NDArray[np.bool_] = np.diff(shares.indptr) > 0
    return some


def _only(shares: csr_array, wanted: NDArray[np.bool_]) -> csr_array:
    from scipy.sparse import csr_array, diags_array

    return csr_array(diags_array(wanted.astype(np.float64)) @ shares)


def unit_vectors(given: Any, items: Vocabulary) -> Rows:
    """Vectors of items, [vocabulary_size, f], of length 1; of length 0 where there is none.

    Args:
        given: A mapping of external ids to vectors, a DataFrame whose index holds the ids, or an
            array [vocabulary_size, f] by item index.
        items: Known and new items.

    Raises:
        ValueError: Another shape, or values that are not finite.
        TypeError: Values that are no numbers.

    Warns:
        UserWarning: Ids that are no items; says how many, and the first.
    """
    if isinstance(given, Mapping):
        found = _placed(list(given), list(given.values()), items)
    elif hasattr(given, "index") and hasattr(given, "to_numpy"):
        ids = given_ids("item_vectors", given.index, "item")
        found = _placed(ids, list(given.to_numpy()), items)
    else:
        found = np.array(given, np.float32)
        if found.ndim != 2 or len(found) != len(items) + 1:
            raise ValueError(
                f"item_vectors has shape {found.shape}, expected a mapping of ids to vectors, or "
                f"an array [{len(items) + 1}, f] by item index, that of padding included"
            )
    if not np.isfinite(found).all():
        raise ValueError("item_vectors has values that are not finite")
    found[0] = 0
    lengths = np.linalg.norm(found.astype(np.float64), axis=1, keepdims=True)
    unit: Rows = (found / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


def _placed(ids: list[Any], vectors: list[Any], items: Vocabulary) -> Rows:
    """The vectors at the indices of their ids."""
    if not ids:
        raise ValueError(f"item_vectors is empty, received {checks.received(ids)}")
    rows = [np.asarray(vector, np.float32) for vector in vectors]
    shapes = sorted({row.shape for row in rows})
    if len(shapes) != 1 or len(shapes[0]) != 1:
        raise ValueError(f"item_vectors have shapes {shapes[:3]}, expected one [f] for all items")
    indices = indices_of("item_vectors", ids, items)
    unknown = np.flatnonzero(indices == 0)
    if unknown.size:
        note(
            f"{unknown.size:,} of {len(ids):,} item_vectors are of no item and have no effect, "
            f"first {shown(ids[unknown[0]])}: items are those known and those to add"
        )
    found = np.zeros((len(items) + 1, len(rows[0])), np.float32)
    found[indices] = rows
    return found
