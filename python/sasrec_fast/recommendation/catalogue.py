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
    """The items that may be recommended.

    Attributes:
        items: The vocabulary.
        mask: bool [vocabulary_size], which item indices they are.
        counts: int64 [vocabulary_size], interactions of every item, or None where nothing is
            known of them.
    """

    items: Vocabulary
    mask: NDArray[np.bool_]
    counts: NDArray[np.int64] | None

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """Their indices, int64 [m], ascending; each is a column of the scores."""
        return np.flatnonzero(self.mask)


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
    return Catalogue(items, mask, counts)
