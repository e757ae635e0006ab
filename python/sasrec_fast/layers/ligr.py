"""LiGR's block: residuals with learned gates."""

from __future__ import annotations

from typing import Any

import keras

from sasrec_fast.layers.transformer import CausalBlock

Tensor = Any


@keras.saving.register_keras_serializable(package="sasrec_fast")
class LiGRBlock(CausalBlock):
    """A causal block with gated residuals (LiGR, Borisyuk et al. 2025, as in eSASRec).

        x = x + sigmoid(W x + b) * sublayer(norm(x))

    for self-attention and then for a SwiGLU feed-forward layer, (silu(x U) * x V) Z.

    Args:
        intermediate_dim: Width of the feed-forward layer.
        num_heads: Attention heads; divides the width of the input.
        dropout: Rate, on attention and on the output of both sublayers.
        activation: Of the feed-forward layer's gate.
        rotary: Whether attention rotates queries and keys, see `CausalAttention`.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        intermediate_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        activation: Any = "silu",
        rotary: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(intermediate_dim, num_heads, dropout, activation, rotary, **kwargs)

    def create_dense(self, width: int) -> list[Any]:
        """The feed-forward layer's three, and the gates of both sublayers."""
        layers = [
            keras.layers.Dense(units, activation, bias, dtype=self.dtype_policy, name=name)
            for units, activation, bias, name in (
                (self.intermediate_dim, None, False, "up"),
                (self.intermediate_dim, self.activation, False, "up_gate"),
                (width, None, False, "down"),
                (width, "sigmoid", True, "attention_gate"),
                (width, "sigmoid", True, "feed_forward_gate"),
            )
        ]
        self.up, self.up_gate, self.down, self.attention_gate, self.feed_forward_gate = layers
        return layers

    def call(self, x: Tensor, decoder_padding_mask: Tensor, training: bool = False) -> Tensor:
        """The block's output, see `CausalBlock.call`."""
        normal = self.attention_norm(x)
        attended = self.attention.attend(normal, decoder_padding_mask, training=training)
        x = x + self.attention_dropout(self.attention_gate(x) * attended, training=training)
        normal = self.feed_forward_norm(x)
        fed = self.down(self.up_gate(normal) * self.up(normal))
        return x + self.feed_forward_dropout(self.feed_forward_gate(x) * fed, training=training)
