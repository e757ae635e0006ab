"""Negatives in proportion to a power of the items' popularity."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core

_LARGEST_WEIGHT = 2**32 - 1


class PopularityDistribution:
    """The distribution of proposals: an item's training interactions to the power `exponent`.

    Items that training lacks count as if they had one, so that each can be a negative.
    Weights are integers, so that any machine proposes the same items.

    Args:
        counts: Gives the training interactions of each item index, int64 [V + 1], when first used.
        exponent: 0 proposes uniformly, 1 in proportion to the counts.
    """

    def __init__(self, counts: Callable[[], NDArray[np.int64]], exponent: float) -> None:
        self._counts = counts
        self.exponent = exponent

    @cached_property
    def weights(self) -> NDArray[np.uint64]:
        """uint64 [V], the weight of each item index from 1 on, 1..2**32 - 1."""
        counts = np.maximum(self._counts()[1:], 1)
        distinct, places = np.unique(counts, return_inverse=True)
        most = int(distinct[-1])
        weights = [
            max(1, round((count / most) ** self.exponent * _LARGEST_WEIGHT))
            for count in distinct.tolist()
        ]
        return np.array(weights, np.uint64)[places]

    @cached_property
    def table(self) -> _core.AliasTable:
        """The native table that proposals are drawn by, made when first used."""
        return _core.AliasTable(self.weights)

    def __getstate__(self) -> dict[str, Any]:
        """All but the table, which a copy makes anew."""
        return {name: value for name, value in vars(self).items() if name != "table"}

    @property
    def probabilities(self) -> NDArray[Any]:
        """float64 [V + 1], probability of each item index as a proposal; 0 for padding."""
        return np.concatenate([[0.0], self.weights.astype(np.float64) / float(self.weights.sum())])
