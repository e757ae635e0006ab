"""Which items may be recommended, as a mask over item indices."""

import base64
import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray


def candidate_mask(candidates: ArrayLike | str | None, vocabulary_size: int) -> NDArray[np.bool_]:
    """Which item indices may be recommended.

    Args:
        candidates: Item indices from 1 to vocabulary_size - 1 (None: all of them), a bool mask
            of shape [vocabulary_size], or the text that `pack_mask` returns.
        vocabulary_size: Number of items + 1.

    Returns:
        bool [vocabulary_size]; index 0, the padding, is never set.

    Raises:
        ValueError: An index outside 1..vocabulary_size - 1, or no candidate at all.
        TypeError: Candidates that are not integers.
    """
    mask = np.zeros(vocabulary_size, dtype=np.bool_)
    if candidates is None:
        mask[1:] = True
        return mask
    if isinstance(candidates, str):
        packed = np.frombuffer(zlib.decompress(base64.b64decode(candidates)), dtype=np.uint8)
        return np.unpackbits(packed, count=vocabulary_size).astype(np.bool_)
    indices = np.asarray(candidates)
    if indices.dtype == np.bool_ and indices.shape == mask.shape:
        indices = np.flatnonzero(indices)
    if indices.ndim != 1 or indices.size == 0:
        raise ValueError(
            f"candidates has shape {indices.shape}; at least one item index in a flat array is "
            "needed, or None for every item"
        )
    if not np.issubdtype(indices.dtype, np.integer):
        raise TypeError(f"candidates are item indices (integers), received {indices.dtype}")
    outside = (indices < 1) | (indices >= vocabulary_size)
    if outside.any():
        raise ValueError(
            f"candidates holds {int(outside.sum())} indices outside 1..{vocabulary_size - 1} "
            f"(vocabulary_size - 1), first {int(indices[outside][0])}"
        )
    mask[indices] = True
    return mask


def pack_mask(mask: NDArray[np.bool_]) -> str:
    """The mask as short text for a model's config; `candidate_mask` reads it."""
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes())).decode("ascii")
