"""Top-k retrieval over the items that may be recommended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras_rs
import numpy as np
from keras import ops

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
