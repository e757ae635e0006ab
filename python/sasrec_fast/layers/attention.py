"""Self-attention that looks at no later position, without computing what it may not see."""

from itertools import pairwise
from typing import Any

import keras
from keras import ops

from sasrec_fast.backend import on_cpu
from sasrec_fast.layers.dropout import Dropout
from sasrec_fast.layers.positions import rotated

Tensor = Any

_BLOCK = 40
"""Positions of a block on CPU, the fastest on two cores at lengths of 100 and 200."""

_MOST_BLOCKS = 6
"""Each block is compiled by itself: more of them save little and compile for longer."""


def block_edges(length: int) -> list[int]:
    """Where the blocks of queries begin and end: about equal parts of 0..length.

    On CPU the work saved counts. A GPU is better served by one operation on all queries.
    """
    blocks = min(max(1, round(length / _BLOCK)), _MOST_BLOCKS) if on_cpu() else 1
    return [length * i // blocks for i in range(blocks + 1)]


@keras.saving.register_keras_serializable(package="sasrec_fast")
class CausalAttention(keras.layers.MultiHeadAttention):  # type: ignore[misc]
    """`keras.layers.MultiHeadAttention` of a sequence on its own past, `call(x, x, mask)`.

    The queries are taken in blocks, and a block is compared with the keys up to its end alone:
    with n blocks, (n + 1) / 2n of the scores are computed and dropped out. Same values as the
    Keras layer's with a causal mask, up to rounding and the random bits of dropout.

    Args:
        num_heads: Attention heads.
        key_dim: Width of each.
        dropout: Rate, on the shares of attention.
        rotary: Whether queries and keys are rotated by their positions (RoFormer, Su et al. 2021):
            a score then depends on the distance between two items and not on where they stand.
        **kwargs: Other arguments of `keras.layers.MultiHeadAttention`.
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        dropout: float = 0.0,
        rotary: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_heads, key_dim, **kwargs)
        self.rate = dropout
        self.rotary = rotary
        self._drop = Dropout(dropout, seed=self.seed, dtype=self.dtype_policy, name="drop")

    def attend(self, x: Tensor, padding_mask: Tensor, training: bool = False) -> Tensor:
        """Each position's view of its past.

        Args:
            x: [n, T, d].
            padding_mask: bool [n, T], True = real item.
            training: Whether dropout is on.

        Returns:
            [n, T, d].
        """
        real = ops.expand_dims(ops.cast(padding_mask, "bool"), 1)
        positions = ops.arange(x.shape[1], dtype="int32")
        causal = ops.expand_dims(positions, 1) >= positions
        return self(x, x, attention_mask=ops.logical_and(real, causal), training=training)

    def _compute_attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor,
        training: bool | None = None,
        *_: Any,
        **__: Any,
    ) -> tuple[Tensor, None]:
        """`keras.layers.MultiHeadAttention` names this method as the one to override."""
        dtype = query.dtype
        if on_cpu() and keras.backend.standardize_dtype(dtype) == "float16":
            # XLA has no such products of float16 on a CPU.
            query, key, value = (ops.cast(x, "float32") for x in (query, key, value))
        if self.rotary:
            query, key = rotated(query), rotated(key)
        edges = block_edges(query.shape[1])
        views = [
            self._view(
                (query[:, start:end], key[:, :end], value[:, :end]),
                attention_mask[:, start:end, :end],
                bool(training),
            )
            for start, end in pairwise(edges)
        ]
        return ops.cast(ops.concatenate(views, axis=1), dtype), None

    def _view(self, sequences: tuple[Tensor, Tensor, Tensor], mask: Tensor, drop: bool) -> Tensor:
        """Values [n, queries, heads, d] as these queries see them."""
        query, key, value = sequences
        mask, scale = ops.expand_dims(mask, 1), self.key_dim**-0.5
        if not drop or not self.rate:
            flash = keras.config.is_flash_attention_enabled()
            return ops.dot_product_attention(
                query, key, value, mask=mask, scale=scale, flash_attention=flash
            )
        scores = ops.einsum("nkhd,nqhd->nhqk", key, query * ops.cast(scale, query.dtype))
        half = keras.backend.standardize_dtype(scores.dtype) == "float16"
        scores = ops.where(mask, scores, -3e4 if half else -1e9)  # finite where all is masked
        shares = ops.softmax(scores, axis=-1) if scores.shape[-1] > 1 else ops.ones_like(scores)
        shares = self._drop(shares, training=True)
        return ops.einsum("nhqk,nkhd->nqhd", shares, value)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal layer."""
        return {**super().get_config(), "dropout": self.rate, "rotary": self.rotary}
