"""Where an item stands in its history: counted, embedded, or as a rotation of its vectors."""

from typing import Any

import keras
from keras import ops

Tensor = Any

_LONGEST_WAVE = 10_000.0
"""Positions in which the slowest pair of a rotation turns about once over 2 pi."""


def positions_from_end(padding_mask: Tensor, columns: Tensor | None = None) -> Tensor:
    """Items between each position and the last real item of its row.

    Args:
        padding_mask: bool [n, T], True = real item.
        columns: int32 [n, T], the columns asked for, such as `real_first`; None: all in order.

    Returns:
        int32 [n, T]: 0 for the last real item, 1 for the one before it; 0 after it.
    """
    every = ops.arange(padding_mask.shape[1], dtype="int32")
    last = ops.max(ops.where(padding_mask, every, 0), axis=1, keepdims=True)
    return ops.maximum(last - (every if columns is None else columns), 0)


@keras.saving.register_keras_serializable(package="sasrec_fast")
class PositionEmbedding(keras.layers.Layer):  # type: ignore[misc]
    """A learned vector for each position; values and weights of the layer of keras-hub's name.

    Args:
        sequence_length: Positions.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    built: bool

    def __init__(self, sequence_length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sequence_length = sequence_length

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the table for inputs [n, T, d]."""
        self.position_embeddings = self.add_weight(
            name="embeddings",
            shape=(self.sequence_length, input_shape[-1]),
            initializer="glorot_uniform",
        )
        self.built = True

    def call(self, x: Tensor, positions: Tensor | None = None) -> Tensor:
        """The vectors [n, T, d] of positions int [n, T]; of 0..T - 1 in each row where None."""
        table = ops.convert_to_tensor(self.position_embeddings)
        if positions is None:
            return ops.broadcast_to(table[: x.shape[1]], ops.shape(x))
        return ops.take(table, positions, axis=0)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal layer."""
        return {**super().get_config(), "sequence_length": self.sequence_length}


def rotated(x: Tensor, positions: Tensor | None = None) -> Tensor:
    """Vectors turned by their positions (RoFormer, Su et al. 2021, section 3.2.2).

    Components i and i + w/2 of position t turn together by t * 10000^(-2i/w), so that the product
    of two vectors depends on the distance of their positions alone.

    Args:
        x: [n, T, heads, w], w even.
        positions: int [n, T]; None: 0..T - 1 in each row.

    Returns:
        [n, T, heads, w], of the dtype of x; the angles are computed in float32.
    """
    width = x.shape[-1]
    frequencies = _LONGEST_WAVE ** (-ops.arange(0, width, 2, dtype="float32") / width)
    if positions is None:
        positions = ops.arange(x.shape[1])
    angles = ops.expand_dims(ops.cast(positions, "float32"), -1) * frequencies
    angles = ops.expand_dims(ops.concatenate([angles, angles], axis=-1), -2)
    cos, sin = ops.cast(ops.cos(angles), x.dtype), ops.cast(ops.sin(angles), x.dtype)
    first, second = ops.split(x, 2, axis=-1)
    return x * cos + ops.concatenate([-second, first], axis=-1) * sin
