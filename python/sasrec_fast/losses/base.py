"""What a loss is, and what it is computed from: one entry per position of a batch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import ops

from sasrec_fast import checks
from sasrec_fast.backend import on_jax

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

    def by_members(self, number: int) -> "list[Positions]":
        """The positions as each member of an ensemble has them; see `SASRec(num_members=)`."""
        if number == 1:
            return [self]
        parts = (ops.split(of_all, number, axis=-1) for of_all in (self.hidden, self.table))
        return [replace(self, hidden=x, table=rows) for x, rows in zip(*parts, strict=True)]

    @property
    def num_items(self) -> int:
        """Items of the catalogue, without padding."""
        return int(self.table.shape[0]) - 1

    def rows(self, items: Tensor) -> Tensor:
        """Rows of the table in the compute dtype's precision, float32 [..., d]."""
        rows = ops.take(self.table, items, axis=0)
        return ops.cast(ops.cast(rows, self.hidden.dtype), "float32")

    def scores(self, items: Tensor) -> Tensor:
        """Scores of items of each position's own, int [N, n]: float32 [N, n]."""
        hidden = ops.expand_dims(ops.cast(self.hidden, "float32"), -2)
        return ops.sum(hidden * self.rows(items), axis=-1)

    def target_logits(self) -> Tensor:
        """Scores of the targets, float32 [N]."""
        return ops.sum(ops.cast(self.hidden, "float32") * self.rows(self.targets), axis=-1)

    def mean_logits(self) -> Tensor:
        """Mean score of all items of the catalogue, float32 [N]: that of their mean row."""
        padding = ops.expand_dims(ops.arange(self.table.shape[0]) == 0, -1)
        center = ops.sum(ops.where(padding, 0.0, self.table), axis=0) / self.num_items
        return ops.sum(ops.cast(self.hidden, "float32") * center, axis=-1)

    def negative_logits(self) -> Tensor:
        """Scores of the negatives, float32 [N, K]."""
        return self.scores(self.negatives)

    def logits(self) -> tuple[Tensor, Tensor]:
        """Scores of the targets, float32 [N], and of the negatives, float32 [N, K].

        Their rows are gathered together: the gradient of a large table is then made once.
        """
        targets = ops.expand_dims(self.targets, -1)
        negatives = ops.cast(self.negatives, targets.dtype)
        scores = self.scores(ops.concatenate([targets, negatives], axis=-1))
        return scores[:, 0], scores[:, 1:]


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

    needs_jax = False
    """Whether Keras must run on JAX."""

    def __init__(self, max_bytes: int | None = None) -> None:
        self.max_bytes = None if max_bytes is None else checks.integer("max_bytes", max_bytes, 1)

    @property
    def variables(self) -> list[Any]:
        """Keras variables that a compiled step takes as arguments; not saved with the model."""
        return []

    def __call__(self, positions: Positions) -> Tensor:
        """Sum over the positions of weight times loss, a float32 scalar."""
        raise NotImplementedError

    def check(self, vocabulary_size: int) -> None:
        """Refuse a model or backend that does not go with the loss (called by `compile`).

        Raises:
            ValueError: The loss was made for another vocabulary, or needs JAX.
        """
        if self.needs_jax and not on_jax():
            raise ValueError(
                f"{type(self).__name__} needs JAX and Keras runs on {keras.backend.backend()}, "
                "where preparing data, training with loss 'bce' or 'gbce', evaluation and "
                "recommending work (a saved model loads with compiled=False): set "
                "KERAS_BACKEND=jax before keras is imported"
            )

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal loss."""
        return {"max_bytes": self.max_bytes}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "NextItemLoss":
        """The loss of a config."""
        return cls(**config)


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
        return dict.fromkeys(y, _position_weight(sample_weight, targets, "sample_weight"))
    if missing := set(y) - set(sample_weight):
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
