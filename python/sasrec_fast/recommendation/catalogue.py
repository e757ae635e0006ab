"""Which items may be recommended, and how popular they are."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.evaluation import Scorer, servable_items
from sasrec_fast.preparing import Prepared
from sasrec_fast.recommendation.audience import shared_items
from sasrec_fast.store import Vocabulary


@dataclass(frozen=True)
class Catalogue:
    """The items that may be recommended; each is a column of the scores.

    Attributes:
        items: The vocabulary.
        indices: int64 [m], item indices, ascending.
        counts: int64 [vocabulary_size], interactions of every item, or None where nothing is
            known of them.
    """

    items: Vocabulary
    indices: NDArray[np.int64]
    counts: NDArray[np.int64] | None

    @cached_property
    def columns(self) -> NDArray[np.int32]:
        """int32 [vocabulary_size]: the column of each item index, -1 where it has none."""
        columns = np.full(len(self.items) + 1, -1, np.int32)
        columns[self.indices] = np.arange(len(self.indices), dtype=np.int32)
        return columns

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Bool [vocabulary_size], which item indices are here."""
        return self.columns >= 0

    @property
    def selection(self) -> slice | NDArray[np.int64]:
        """What selects the columns from an axis of item indices; a slice copies nothing."""
        first, last = int(self.indices[0]), int(self.indices[-1])
        return slice(first, last + 1) if last - first + 1 == len(self.indices) else self.indices


def open_catalogue(
    model: Scorer,
    data: Prepared | None,
    candidates: Iterable[Any] | None = None,
    exclude: Iterable[Any] | None = None,
) -> Catalogue:
    """What the model may recommend, of what is allowed.

    An item needs an interaction, in the data or else in the model's `item_counts`. Arguments,
    warnings and errors are those of `recommend`.
    """
    items = shared_items(model, data)
    counts = getattr(model, "item_counts", None) if data is None else data.item_counts
    mask = servable_items(model, items, counts, candidates, exclude)
    return Catalogue(items, np.flatnonzero(mask), counts)
