"""Top-k retrieval over the items that may be recommended."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from sasrec_fast import loading as _loading  # noqa: F401  (before keras)

import keras_rs  # isort: skip
from keras import ops  # isort: skip

if TYPE_CHECKING:
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


class CandidateRetrieval(keras_rs.layers.BruteForceRetrieval):  # type: ignore[misc]
    """Exact top-k retrieval (keras_rs `BruteForceRetrieval`) restricted to candidates.

    Padding and items that are no candidates score minus infinity, and `k` is at most the number
    of candidates, so they are never returned. Scores are computed in float32. The candidate
    embeddings are the model's item embeddings: the model links them in `build`, and they are
    saved once, by the embedding layer.

    Args:
        mask: bool [vocabulary_size], the candidates.
        k: Number of items to return.
        **kwargs: Arguments of the base class.

    Raises:
        ValueError: `k` is not in 1..number of candidates.
    """

    def __init__(self, mask: NDArray[np.bool_], k: int = 10, **kwargs: Any) -> None:
        count = int(mask.sum())
        if not 1 <= k <= count:
            raise ValueError(
                f"k={k} items cannot be retrieved from {count} candidates: "
                f"k must be from 1 to {count}"
            )
        kwargs.setdefault("dtype", "float32")
        super().__init__(k=k, **kwargs)
        self.mask = mask

    def compute_score(self, query_embedding: Any, candidate_embedding: Any) -> Any:
        """Dot products [n, vocabulary_size], minus infinity where no candidate."""
        scores = super().compute_score(query_embedding, candidate_embedding)
        return ops.where(self.mask, scores, -np.inf)

    def call(self, inputs: Any) -> Any:
        """Top-k item indices, int32 [n, k], best first (with scores if `return_scores`)."""
        result = super().call(inputs)
        if not self.return_scores:
            return ops.cast(result, "int32")
        scores, items = result
        return scores, ops.cast(items, "int32")

    def save_own_variables(self, store: Any) -> None:
        """Write nothing: the embeddings belong to another layer."""

    def load_own_variables(self, store: Any) -> None:
        """Read nothing: the embeddings belong to another layer."""
