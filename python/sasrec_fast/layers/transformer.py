"""Blocks of the model: the paper's, and what every block has."""

from __future__ import annotations

from typing import Any

import keras

from sasrec_fast.layers.attention import CausalAttention
from sasrec_fast.layers.dropout import Dropout

Tensor = Any


class CausalBlock(keras.layers.Layer):  # type: ignore[misc]
    """Causal self-attention and a feed-forward layer, normalised and dropped out.

    A subclass creates the dense layers of the second and connects all in `call`.

    Args:
        intermediate_dim: Width of the feed-forward layer.
        num_heads: Attention heads; divides the width of the input.
        dropout: Rate, on attention and on the output of both sublayers.
        activation: Of the feed-forward layer.
        rotary: Whether attention rotates queries and keys, see `CausalAttention`.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    built: bool

    def __init__(
        self,
        intermediate_dim: int,
        num_heads: int,
        dropout: float,
        activation: Any,
        rotary: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.intermediate_dim = intermediate_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.activation = keras.activations.get(activation)
        self.rotary = rotary

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the sublayers for inputs [n, T, d]."""
        width = int(input_shape[-1] or 0)
        dtype = self.dtype_policy
        self.attention = CausalAttention(
            self.num_heads,
            width // self.num_heads,
            dropout=self.dropout,
            rotary=self.rotary,
            dtype=dtype,
            name="attention",
        )
        self.attention.build(input_shape, input_shape)
        self.attention_norm, self.feed_forward_norm = (
            keras.layers.LayerNormalization(epsilon=1e-5, dtype=dtype, name=name)
            for name in ("attention_norm", "feed_forward_norm")
        )
        self.attention_dropout, self.feed_forward_dropout = (
            Dropout(self.dropout, dtype=dtype, name=name)
            for name in ("attention_dropout", "feed_forward_dropout")
        )
        wide = (*input_shape[:-1], self.intermediate_dim)
        for layer in (self.attention_norm, self.feed_forward_norm, *self.create_dense(width)):
            layer.build(wide if layer.name == "down" else input_shape)
        self.built = True

    def create_dense(self, width: int) -> list[Any]:
        """Create the dense layers and return them; the one from the inner width is "down"."""
        raise NotImplementedError

    def call(self, x: Tensor, decoder_padding_mask: Tensor, training: bool = False) -> Tensor:
        """The block's output.

        Args:
            x: [n, T, d].
            decoder_padding_mask: bool [n, T], True = real item.
            training: Whether dropout is on.

        Returns:
            [n, T, d]; position t depends on positions up to t alone.
        """
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Any, *_: Any) -> Any:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal layer."""
        return {
            **super().get_config(),
            "intermediate_dim": self.intermediate_dim,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "activation": keras.activations.serialize(self.activation),
            "rotary": self.rotary,
        }


@keras.saving.register_keras_serializable(package="sasrec_fast")
class TransformerBlock(CausalBlock):
    """The decoder block of the Keras example: each sublayer is added to its input.

    Same computation as `keras_hub.layers.TransformerDecoder` without cross-attention, whose
    attention and dropout cannot be chosen, and nearly twice as fast on CPU.

    Args:
        intermediate_dim: Width of the feed-forward layer.
        num_heads: Attention heads; divides the width of the input.
        dropout: Rate, on attention and on the output of both sublayers.
        activation: Of the feed-forward layer.
        pre_norm: Whether the input of each sublayer is normalised, or the sum after it.
        rotary: Whether attention rotates queries and keys, see `CausalAttention`.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        intermediate_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        activation: Any = "relu",
        pre_norm: bool = True,
        rotary: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(intermediate_dim, num_heads, dropout, activation, rotary, **kwargs)
        self.pre_norm = pre_norm

    def create_dense(self, width: int) -> list[Any]:
        """Two layers with biases, the activation between them."""
        dtype = self.dtype_policy
        self.up = keras.layers.Dense(self.intermediate_dim, self.activation, dtype=dtype, name="up")
        self.down = keras.layers.Dense(width, dtype=dtype, name="down")
        return [self.up, self.down]

    def call(self, x: Tensor, decoder_padding_mask: Tensor, training: bool = False) -> Tensor:
        """The block's output, see `CausalBlock.call`."""
        before = self.attention_norm(x) if self.pre_norm else x
        attended = self.attention.attend(before, decoder_padding_mask, training=training)
        x = x + self.attention_dropout(attended, training=training)
        x = x if self.pre_norm else self.attention_norm(x)
        before = self.feed_forward_norm(x) if self.pre_norm else x
        fed = self.down(self.up(before))
        x = x + self.feed_forward_dropout(fed, training=training)
        return x if self.pre_norm else self.feed_forward_norm(x)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal layer."""
        return {**super().get_config(), "pre_norm": self.pre_norm}
