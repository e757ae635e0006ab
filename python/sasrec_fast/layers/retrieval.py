"""Top-k retrieval over the items that may be recommended."""

import random
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

_state = random.getstate()
import keras_rs  # noqa: E402  (draws numbers that a seeded model would miss)

random.setstate(_state)


class CandidateRetrieval(keras_rs.layers.BruteForceRetrieval):  # type: ignore[misc]
    """Exact top-k retrieval (keras_rs `BruteForceRetrieval`) restricted to candidates, in float32.

    Padding and items that are no candidates score minus infinity and are never returned. The
    model links its item embeddings in `build`; the layer that owns them saves them.

    Args:
        mask: bool [vocabulary_size], the candidates, at least one.
        k: Most items to return; where there are fewer candidates, it becomes their number.
        **kwargs: Arguments of the base class.
    """

    def __init__(self, mask: NDArray[np.bool_], k: int = 10, **kwargs: Any) -> None:
        super().__init__(k=min(k, int(mask.sum())), return_scores=False, dtype="float32", **kwargs)
        self.mask = mask

    def compute_score(self, query_embedding: Any, candidate_embedding: Any) -> Any:
        """Dot products [n, vocabulary_size], minus infinity where no candidate."""
        scores = super().compute_score(query_embedding, candidate_embedding)
        return ops.where(self.mask, scores, -np.inf)

    def save_own_variables(self, store: Any) -> None:
        """Write nothing: the embeddings belong to another layer."""

    def load_own_variables(self, store: Any) -> None:
        """Read nothing: the embeddings belong to another layer."""
