"""The items that a sampled loss compares with, and how probable each is."""

from functools import cached_property
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from sasrec_fast.losses.alias import alias_table, draw, random_words

Tensor = Any

_MOST_PARTS = 2**62
"""Of all bins of the table together, so that they are exact in 64 bits."""


def draw_uniformly(shape: tuple[int, ...], num_items: int, seed: Any) -> Tensor:
    """Item indices, int32 of the shape, from 1 to num_items, with replacement."""
    return keras.random.randint(shape, 1, num_items + 1, seed=seed)


class ItemSampler:
    """Draws items in proportion to their counts, exactly, at any size of the catalogue.

    Built, its tables are variables, which a compiled step takes as arguments: they are no part of
    the program, and other counts compile nothing anew.

    Args:
        counts: int64 [vocabulary_size], interactions of each item index; fewer than one, as of an
            item that never occurs, counts as one.
    """

    def __init__(self, counts: NDArray[np.int64]) -> None:
        self.weights = _weights(counts)
        self.variables: list[Any] = []

    def build(self) -> None:
        """Make the tables variables."""
        if not self.variables:
            self.variables = [
                keras.Variable(table, dtype=table.dtype.name, trainable=False, autocast=False)
                for table in self._tables
            ]

    @cached_property
    def _tables(self) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        q = self.weights / float(self.weights.sum())
        return alias_table(self.weights), np.log(np.append(1.0, q)).astype(np.float32)

    def draw(self, shape: tuple[int, ...], seed: Any) -> Tensor:
        """Item indices, int32 of the shape, independent and with replacement.

        Args:
            shape: Of the result.
            seed: A `keras.random.SeedGenerator`, or an integer.
        """
        words = seed.next() if hasattr(seed, "next") else [seed, 0]
        table, _ = self.variables or self._tables
        return 1 + draw(ops.convert_to_tensor(table), random_words((*shape, 2), words))

    def log_q(self, items: Tensor) -> Tensor:
        """Logarithm of the probability of items, float32; of padding 0."""
        _, table = self.variables or self._tables
        return ops.take(ops.convert_to_tensor(table), items, axis=0)


def _weights(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64 [V], what each item index from 1 on weighs."""
    weights = np.maximum(counts[1:], 1)
    while len(weights) * weights.sum(dtype=np.float64) >= _MOST_PARTS:
        weights = np.maximum(weights >> 1, 1)
    return weights
