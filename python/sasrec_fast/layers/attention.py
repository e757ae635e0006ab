"""Self-attention that looks at no later position, without computing what it may not see."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import keras
from keras import ops

from sasrec_fast.backend import native_attention, on_cpu
from sasrec_fast.layers.dropout import Dropout
from sasrec_fast.layers.positions import rotated
from sasrec_fast.layers.times import TimeBias

Tensor = Any

_BLOCK = 40
"""Positions of a block on CPU, the fastest on two cores at lengths of 100 and 200."""

_MOST_BLOCKS = 6
"""Each block is compiled by itself: more of them save little and compile for longer."""

_APART = 1 << 28
"""What the turns of two blocks differ by, so that each has random bits of its own."""


def block_edges(length: int) -> list[int]:
    """Where the blocks of queries begin and end: about equal parts of 0..length.

    On CPU the work saved counts. A GPU is better served by one operation on all queries.
    """
    blocks = min(max(1, round(length / _BLOCK)), _MOST_BLOCKS) if on_cpu() else 1
    return [length * i // blocks for i in range(blocks + 1)]


@keras.saving.register_keras_serializable(package="sasrec_fast")
class CausalAttention(keras.layers.Layer):  # type: ignore[misc]
    """Multi-head attention of a sequence on its own past.

    Weights and values are those of `keras.layers.MultiHeadAttention` with a causal mask, up to
    rounding and the random bits of dropout. On a CPU it is trained by this package's own kernel,
    where the processor has the vectors for it. Otherwise the queries are taken there in blocks, and
    a block is compared with the keys up to its end alone: with n blocks, (n + 1) / 2n of the scores
    are computed and dropped out. Elsewhere all are one operation; where nothing is dropped out and
    no mask is given, a flag tells Keras of causality: cuDNN has a kernel for it in half precision.

    Args:
        num_heads: Attention heads.
        key_dim: Width of each.
        dropout: Rate, on the shares of attention.
        rotary: Whether queries and keys are rotated by their positions (RoFormer, Su et al. 2021):
            a score then depends on the distance between two items and not on where they stand.
        time: What scores depend on besides, see `TimeBias`; None: nothing. The kernels, of this
            package and of cuDNN, know no such thing and are not used then.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    built: bool

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        dropout: float = 0.0,
        rotary: bool = False,
        time: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.rate = dropout
        self.rotary = rotary
        self.drop: Any = Dropout(dropout, dtype=self.dtype_policy, name="drop")
        self.time = time
        self.bias: Any = None
        if time is not None:
            self.bias = TimeBias(time, num_heads, dtype=self.dtype_policy, name="time_bias")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights for inputs [n, T, d], named and shaped as Keras does."""
        heads = (None, self.num_heads, self.key_dim)
        self.query_dense, self.key_dense, self.value_dense = (
            self._dense("abc,cde->abde", heads, "de", name) for name in ("query", "key", "value")
        )
        width = (None, input_shape[-1])
        self.output_dense = self._dense("abcd,cde->abe", width, "e", "attention_output")
        for layer in (self.query_dense, self.key_dense, self.value_dense):
            layer.build(input_shape)
        self.output_dense.build((*input_shape[:-1], *heads[1:]))
        if self.bias is not None:
            self.bias.build()
        self.built = True

    def _dense(self, equation: str, shape: tuple[int | None, ...], axes: str, name: str) -> Any:
        return keras.layers.EinsumDense(
            equation, shape, bias_axes=axes, dtype=self.dtype_policy, name=name
        )

    def call(
        self,
        x: Tensor,
        padding_mask: Tensor | None = None,
        positions: Tensor | None = None,
        turn: Tensor | None = None,
        training: bool = False,
        gaps: Tensor | None = None,
    ) -> Tensor:
        """Each position's view of its past.

        Args:
            x: [n, T, d].
            padding_mask: bool [n, T], True = real item, the only ones that are seen. None: every
                position is; where padding comes after the items, no item sees it anyhow.
            positions: int [n, T], what `rotary` turns by; None: 0..T - 1 in each row.
            turn: See `Dropout`.
            training: Whether dropout is on.
            gaps: uint8 [n, T, T], how long before each position's moment each item was, see
                `gap_buckets`; for `time` alone.

        Returns:
            [n, T, d].
        """
        sequences = self._projected(x, positions)
        drops = bool(training and self.rate)
        if self.bias is not None:
            view = self._in_blocks(sequences, padding_mask, turn, drops, gaps)
        elif padding_mask is None and not drops and not on_cpu():
            view = self._fused(*sequences, is_causal=True)
        elif (training or native_attention.run_here.holds()) and self._is_native():
            drop = (self.drop.seed_at(turn), 1.0 - self.rate) if drops else None
            query, key, value = sequences
            view = native_attention.causal_attention(query, key, value, padding_mask, drop)
        else:
            view = self._in_blocks(sequences, padding_mask, turn, drops)
        return self.output_dense(ops.cast(view, self.compute_dtype))

    def _is_native(self) -> bool:
        """Whether this package's kernel is to be used: on one CPU, in single precision.

        Not in what others may call: a model that answers can be exported.
        """
        alone = keras.distribution.distribution() is None
        return on_cpu() and self.compute_dtype == "float32" and alone and native_attention.is_fast()

    def _projected(self, x: Tensor, positions: Tensor | None) -> list[Tensor]:
        """Queries, keys and values, each [n, T, heads, width].

        They come of one product, but on a CPU, which splits it more slowly than it computes three.
        """
        layers = self.query_dense, self.key_dense, self.value_dense
        if on_cpu():
            parts = [layer(x) for layer in layers]
            if self.compute_dtype == "float16":  # XLA has no further products of it on a CPU
                parts = [ops.cast(part, "float32") for part in parts]
        else:
            wide = self.num_heads * self.key_dim
            kernels = [ops.reshape(layer.kernel, (x.shape[-1], wide)) for layer in layers]
            biases = [ops.reshape(layer.bias, (wide,)) for layer in layers]
            product = ops.matmul(x, ops.concatenate(kernels, axis=1)) + ops.concatenate(biases)
            shape = (-1, x.shape[1], self.num_heads, self.key_dim)
            parts = [ops.reshape(part, shape) for part in ops.split(product, 3, axis=-1)]
        if not self.rotary:
            return parts
        return [*(rotated(part, positions) for part in parts[:2]), parts[2]]

    def _in_blocks(
        self,
        sequences: list[Tensor],
        padding_mask: Tensor | None,
        turn: Tensor | None,
        drops: bool,
        gaps: Tensor | None = None,
    ) -> Tensor:
        """Values [n, T, heads, width] as all queries see them."""
        query, key, value = sequences
        views = []
        for block, (start, end) in enumerate(pairwise(block_edges(query.shape[1]))):
            part = query[:, start:end], key[:, :end], value[:, :end]
            visible = _visible(start, end, padding_mask)
            own = None if turn is None else turn + block * _APART
            drop = partial(self.drop, turn=own, training=True) if drops else None
            bias = None if gaps is None else self.bias(gaps[:, start:end, :end])
            if drop is None and bias is None:
                views.append(self._fused(*part, mask=visible))
            else:
                views.append(self._scored(part, visible, drop, bias))
        return ops.concatenate(views, axis=1)

    def _fused(self, query: Tensor, key: Tensor, value: Tensor, **mask: Any) -> Tensor:
        """Values [n, queries, heads, width] as these queries see them, by one call of Keras."""
        flash = keras.config.is_flash_attention_enabled()
        if flash is None and query.shape[1] % 2:
            flash = False  # the gradient of cuDNN's kernel takes even lengths alone
        scale = self.key_dim**-0.5
        return ops.dot_product_attention(
            query, key, value, scale=scale, flash_attention=flash, **mask
        )

    def _scored(
        self,
        part: tuple[Tensor, Tensor, Tensor],
        visible: Tensor,
        drop: Callable[[Tensor], Tensor] | None,
        bias: Tensor | None,
    ) -> Tensor:
        """As `_fused`, with a bias on scores, or some of the shares dropped out."""
        query, key, value = part
        query = query * ops.cast(self.key_dim**-0.5, query.dtype)
        scores = ops.einsum("nkhd,nqhd->nhqk", key, query)
        if bias is not None:
            scores = scores + ops.cast(bias, scores.dtype)
        half = keras.backend.standardize_dtype(scores.dtype) == "float16"
        scores = ops.where(visible, scores, -3e4 if half else -1e9)  # finite where all is masked
        shares = ops.softmax(scores, axis=-1) if scores.shape[-1] > 1 else ops.ones_like(scores)
        shares = shares if drop is None else drop(shares)
        return ops.einsum("nhqk,nkhd->nqhd", shares, value)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal layer."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "dropout": self.rate,
            "rotary": self.rotary,
            "time": self.time,
        }


def _visible(start: int, end: int, padding_mask: Tensor | None) -> Tensor:
    """Which of the keys 0..end - 1 the queries start..end - 1 see, bool [1 or n, 1, queries, keys].

    A comparison of counters, which is computed where it is used and never stored.
    """
    queries = ops.arange(start, end, dtype="int32")
    causal = ops.expand_dims(queries, 1) >= ops.arange(0, end, dtype="int32")
    if padding_mask is None:
        return causal[None, None]
    return ops.logical_and(ops.cast(padding_mask[:, None, None, :end], "bool"), causal)
