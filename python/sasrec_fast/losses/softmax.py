"""Softmax cross-entropy over the full catalogue."""

from typing import Any

import keras
from keras import ops

from sasrec_fast import checks
from sasrec_fast.losses.base import NextItemLoss, Positions
from sasrec_fast.losses.chunked import log_normalizer_sum

Tensor = Any


@keras.saving.register_keras_serializable(package="sasrec_fast")
class Softmax(NextItemLoss):
    """Cross-entropy of the target among all items, name "softmax".

    With scores s of the items 1..I (padding is none of them), target y and label smoothing e:

        w (log sum_i exp(s_i) - (1 - e) s_y - e mean_i s_i)

    Scores are computed for some positions at a time, and their gradient with them, so they never
    take more than `max_bytes`. On a CPU positions without weight are left out; a GPU computes them
    too, and weighs them 0 (length buckets keep them few). Negatives are not used.

    Args:
        label_smoothing: e in [0, 1), spread over all items.
        max_bytes: Most bytes of the scores held at one time; see `NextItemLoss`.

    Raises:
        ValueError: `label_smoothing` outside [0, 1).
    """

    needs_jax = True

    def __init__(self, label_smoothing: float = 0.0, max_bytes: int | None = None) -> None:
        super().__init__(max_bytes)
        self.label_smoothing = checks.fraction("label_smoothing", label_smoothing, below=1.0)

    def __call__(self, positions: Positions) -> Tensor:
        """Sum over the positions, a float32 scalar."""
        normalizer = log_normalizer_sum(positions, positions.table, self.max_bytes)
        own = (1 - self.label_smoothing) * positions.target_logits()
        if self.label_smoothing:
            own = own + self.label_smoothing * positions.mean_logits()
        return normalizer - ops.sum(positions.weight * own)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal loss."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
