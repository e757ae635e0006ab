"""Which items may be recommended, and how popular they are."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.store import Vocabulary


@dataclass(frozen=True, eq=False)
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

    @property
    def vocabulary_size(self) -> int:
        """Number of items + 1."""
        return len(self.items) + 1

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """Their indices, int64 [m], ascending; each is a column of the scores."""
        return np.flatnonzero(self.mask)
