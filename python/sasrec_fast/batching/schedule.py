"""Which rows each batch holds, a pure function of (seed, turn, index); a turn shows every row."""

from collections.abc import Sequence
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.batching.buckets import Bucket
from sasrec_fast.store import streams

Placed = tuple[NDArray[np.int64], int]
"""Row numbers of a batch, -1 for an empty row, and its columns."""


class Schedule:
    """The batches of every turn, each bucket's in its own shape.

    Args:
        buckets: The rows by length.
        seed: Seed of the shuffling.
        shuffle: Whether each turn deals the rows anew and shows the batches in another order.

    Attributes:
        num_batches: Batches a turn.
    """

    def __init__(self, buckets: Sequence[Bucket], seed: int, shuffle: bool) -> None:
        self.num_batches = sum(bucket.num_batches for bucket in buckets)
        self._shuffle = shuffle
        self._order = lru_cache(maxsize=2)(partial(_order, tuple(buckets), seed, shuffle))

    def batch(self, turn: int, index: int) -> Placed:
        """Batch `index` of a turn."""
        return self._order(turn if self._shuffle else 0)[index]


def _order(buckets: Sequence[Bucket], seed: int, shuffle: bool, turn: int) -> list[Placed]:
    generator = None
    if shuffle:
        philox = np.random.Philox(counter=[0, 0, streams.BATCHES, 0], key=[seed, turn])
        generator = np.random.Generator(philox)
    placed = [(rows, bucket.length) for bucket in buckets for rows in bucket.deal(generator)]
    if generator is None:
        return placed
    return [placed[i] for i in generator.permutation(len(placed)).tolist()]
