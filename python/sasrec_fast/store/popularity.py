"""Negatives in proportion to a power of the items' popularity."""

from collections.abc import Callable
from decimal import Context, Decimal
from functools import cached_property
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core

_LARGEST_WEIGHT = 2**32 - 1
_EXACT = Context(prec=20)
_LARGEST_ROOT = 16
"""Exponents that are so many parts of a power of two are square roots of square roots."""


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
        weights = [_weight(count, most, self.exponent) for count in distinct.tolist()]
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


def _weight(count: int, most: int, exponent: float) -> int:
    """(count / most) to the power of the exponent, in parts of the largest weight, at least 1.

    The power of floats is that of the machine's C library, whose last digit may be another
    elsewhere; integers, and decimals where roots are not square, are the same on any machine.
    """
    if exponent in (0.0, 1.0):
        share = (count / most) ** int(exponent)
        return max(1, round(share * _LARGEST_WEIGHT))
    power, root = float(exponent).as_integer_ratio()
    if root <= _LARGEST_ROOT and power <= 2 * _LARGEST_ROOT:
        twice: int = count**power * (2 * _LARGEST_WEIGHT) ** root // most**power
        for _ in range(root.bit_length() - 1):
            twice = isqrt(twice)
        return max(1, (twice + 1) // 2)
    share_of_most = _EXACT.divide(Decimal(count), Decimal(most))
    power_of_it = _EXACT.power(share_of_most, Decimal(exponent))
    return max(1, round(_EXACT.multiply(power_of_it, Decimal(_LARGEST_WEIGHT))))
