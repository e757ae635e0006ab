"""The base class of the losses."""

from __future__ import annotations

from typing import Any

from sasrec_fast import checks
from sasrec_fast.losses.positions import Positions

Tensor = Any


class NextItemLoss:
    """A loss over the positions of a batch.

    A subclass computes the weighted sum; the model divides it by the sum of the target weights,
    so that the reported loss is a mean over real targets. A subclass of one's own is
    registered with `keras.saving.register_keras_serializable`, to be saved with the model.

    Args:
        max_bytes: Most bytes that the scores (or gathered embeddings) in work at one time take,
            where they would take more for the whole batch; None chooses for the device.
    """

    needs_negatives = False
    """Whether y must hold "negative_sequence"."""

    def __init__(self, max_bytes: int | None = None) -> None:
        self.max_bytes = None if max_bytes is None else checks.integer("max_bytes", max_bytes, 1)

    def __call__(self, positions: Positions) -> Tensor:
        """Sum over the positions of weight times loss, a float32 scalar."""
        raise NotImplementedError

    def check(self, vocabulary_size: int) -> None:
        """Refuse a model that does not go with the loss (called by `compile`).

        Raises:
            ValueError: The loss was made for another vocabulary.
        """

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal loss."""
        return {"max_bytes": self.max_bytes}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> NextItemLoss:
        """The loss of a config."""
        return cls(**config)
