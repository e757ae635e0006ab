"""What a loss is computed from: states, items and weights, one entry per position of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras import ops

Tensor = Any


@dataclass(frozen=True)
class Positions:
    """The N positions of a batch, padding included, and the table that scores items.

    Attributes:
        hidden: [N, d], states in the model's compute dtype.
        table: float32 [vocabulary_size, d]; an item's score is its row times the state.
        targets: int [N]; 0 on padding.
        negatives: int [N, K], or None where the batch has none.
        weight: float32 [N], weight of the target; 0 where no loss is wanted.
        negative_weight: float32 [N], weight of the negatives.
        seed: A `keras.random.SeedGenerator` in training; elsewhere an integer, so that losses
            of different epochs compare the same items.
    """

    hidden: Tensor
    table: Tensor
    targets: Tensor
    negatives: Tensor | None
    weight: Tensor
    negative_weight: Tensor
    seed: Any

    @property
    def num_items(self) -> int:
        """Items of the catalogue, without padding."""
        return int(self.table.shape[0]) - 1

    def rows(self, items: Tensor) -> Tensor:
        """Rows of the table in the compute dtype's precision, float32 [..., d]."""
        rows = ops.take(self.table, items, axis=0)
        return ops.cast(ops.cast(rows, self.hidden.dtype), "float32")

    def target_logits(self) -> Tensor:
        """Scores of the targets, float32 [N]."""
        return ops.sum(ops.cast(self.hidden, "float32") * self.rows(self.targets), axis=-1)


def target_weights(sample_weight: Any, y: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights of the loss, one for each entry of y.

    Args:
        sample_weight: None (every real target weighs 1), an array [B, L] or [B] for every
            entry, or a mapping with an array for each.
        y: "positive_sequence" int [B, L], 0 on padding, and perhaps "negative_sequence".

    Returns:
        A float32 tensor [B, L] for each entry of y.

    Raises:
        ValueError: A mapping without one of the entries, or weights of another shape.
    """
    targets = y["positive_sequence"]
    if not isinstance(sample_weight, Mapping):
        weight = _position_weight(sample_weight, targets, "sample_weight")
        return dict.fromkeys(y, weight)
    missing = set(y) - set(sample_weight)
    if missing:
        raise ValueError(
            f"sample_weight has entries {sorted(sample_weight)}; it needs one for each entry of "
            f"y, and {sorted(missing)} is missing"
        )
    return {
        name: _position_weight(sample_weight[name], targets, f"sample_weight['{name}']")
        for name in y
    }


def _position_weight(weight: Any, targets: Tensor, name: str) -> Tensor:
    real = ops.cast(ops.not_equal(targets, 0), "float32")
    if weight is None:
        return real
    weight = ops.cast(weight, "float32")
    if len(weight.shape) == 1:
        return ops.expand_dims(weight, -1) * real
    if len(weight.shape) != 2 or weight.shape[1] != targets.shape[1]:
        raise ValueError(
            f"{name} has shape {tuple(weight.shape)}; one weight per target is needed, shape "
            f"{tuple(targets.shape)}, or one per row"
        )
    return weight
