"""Where an item stands in its history: counted, embedded, or as a rotation of its vectors."""

from typing import Any

import keras
from keras import ops

from sasrec_fast.backend import on_jax
from sasrec_fast.layers.dropout import random_words

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
    every = ops.arange(0, padding_mask.shape[1], dtype="int32")
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


@keras.saving.register_keras_serializable(package="sasrec_fast")
class RandomShift(keras.layers.Layer):  # type: ignore[misc]
    """Moves the positions of a row, all by one random number of its own, in training alone.

    Counted from the end ("end"), position 0 is where a question is asked, and only a row's last
    item ever stands there. A shift by r, uniform in 0..min(shift, n - 1) for a row of n items,
    puts the item r before the last there, and those before it as far away as they are in inference:
    the row is then one of its own prefix, whose later items stand at -1, -2, .... These are in
    training alone and have embeddings of their own, behind the others.

    Counted from the start, each item already stands where its question is asked. A shift by r,
    uniform in 0..min(shift, sequence_length - n), moves the row to the right by it, so that short
    rows train the later embeddings too.

    Args:
        shift: Largest shift.
        sequence_length: Positions of inference.
        from_end: Whether positions count from the end.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    built: bool

    def __init__(self, shift: int, sequence_length: int, from_end: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shift, self.sequence_length, self.from_end = shift, sequence_length, from_end
        self.seed_generator = keras.random.SeedGenerator()
        self.built = True

    @property
    def table_length(self) -> int:
        """Embeddings that the positions need."""
        return self.sequence_length + (self.shift if self.from_end else 0)

    def call(self, positions: Tensor, padding_mask: Tensor) -> Tensor:
        """The positions, shifted.

        Args:
            positions: int32 [n, T].
            padding_mask: bool [n, T], True = real item, wherever they are; in its own order, which
                need not be that of the positions.

        Returns:
            int32 [n, T], indices of embeddings, in 0..table_length - 1.
        """
        mask = ops.cast(padding_mask, "bool")
        if self.from_end:
            room = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True) - 1
        else:
            columns = ops.arange(0, mask.shape[1], dtype="int32")
            last = ops.max(ops.where(mask, columns, 0), axis=1, keepdims=True)
            room = self.sequence_length - 1 - last
        most = ops.clip(room, 0, self.shift)
        share = self._share(ops.shape(room))
        drawn = ops.minimum(ops.cast(share * ops.cast(most + 1, "float32"), "int32"), most)
        if self.from_end:
            return (positions - drawn) % self.table_length
        return ops.minimum(positions + drawn, self.sequence_length - 1)

    def _share(self, shape: Any) -> Tensor:
        """Random numbers in [0, 1), of 24 bits, which a float32 holds."""
        if not on_jax():
            return keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        words = random_words(shape, self.seed_generator.next())
        return ops.cast(words >> 8, "float32") * 2.0**-24

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal layer."""
        names = ("shift", "sequence_length", "from_end")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


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
        positions = ops.arange(0, x.shape[1])
    angles = ops.expand_dims(ops.cast(positions, "float32"), -1) * frequencies
    angles = ops.expand_dims(ops.concatenate([angles, angles], axis=-1), -2)
    cos, sin = ops.cast(ops.cos(angles), x.dtype), ops.cast(ops.sin(angles), x.dtype)
    first, second = ops.split(x, 2, axis=-1)
    return x * cos + ops.concatenate([-second, first], axis=-1) * sin
