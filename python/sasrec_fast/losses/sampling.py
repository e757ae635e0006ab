"""Items drawn inside the training step."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

Tensor = Any


def checked_counts(item_counts: ArrayLike | str) -> NDArray[np.int64]:
    """Counts of items as int64 [vocabulary_size].

    Args:
        item_counts: The counts, or the text that `pack_counts` returns.

    Raises:
        ValueError: Not one whole number of 0 or more for each item index.
    """
    if isinstance(item_counts, str):
        return np.frombuffer(zlib.decompress(base64.b64decode(item_counts)), np.int64)
    counts = np.asarray(item_counts)
    whole = counts.dtype.kind in "iu"
    if counts.ndim != 1 or len(counts) < 2 or not whole or counts.min() < 0:
        raise ValueError(
            f"item_counts are whole numbers of 0 or more, one for each index from 0 (padding), "
            f"such as data.train.item_counts; received {counts.dtype} of shape {counts.shape}"
        )
    return counts.astype(np.int64)


def pack_counts(counts: NDArray[np.int64]) -> str:
    """The counts as short text for a config; `checked_counts` reads it."""
    return base64.b64encode(zlib.compress(counts.tobytes())).decode("ascii")


def probabilities(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probability of each index, [vocabulary_size]: 0 for padding, else in proportion.

    An item that never occurs counts as one that occurs once: as a target it needs a probability.
    """
    known = np.maximum(counts, 1).astype(np.float64)
    known[0] = 0.0
    return np.asarray(known / known.sum())


def draw(
    shape: tuple[int, ...], num_items: int, q: NDArray[np.float64] | None, seed: Any
) -> Tensor:
    """Item indices, independent and with replacement.

    Args:
        shape: Shape of the result.
        num_items: Items, without padding.
        q: Probability of each index, [num_items + 1]; None draws uniformly.
        seed: Integer or `keras.random.SeedGenerator`.

    Returns:
        int32, from 1 to num_items.
    """
    if q is None:
        return keras.random.randint(shape, 1, num_items + 1, seed=seed)
    cumulative = np.cumsum(q[1:]).astype(np.float32)
    uniform = ops.reshape(keras.random.uniform(shape, seed=seed), (-1,))
    found = ops.searchsorted(cumulative, uniform, side="right")
    found = ops.minimum(ops.cast(found, "int32") + 1, num_items)
    return ops.reshape(found, shape)
