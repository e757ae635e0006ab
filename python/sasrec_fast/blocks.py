"""Transformer blocks of SASRec: the paper's, and LiGR's gated ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sasrec_fast import checks
from sasrec_fast import loading as _loading  # noqa: F401  (before keras)
from sasrec_fast.attention import CausalAttention
from sasrec_fast.dropout import Dropout
from sasrec_fast.transformer import TransformerBlock

import keras  # isort: skip

Tensor = Any

BLOCKS = ("transformer", "ligr")


@dataclass(frozen=True)
class BlockOptions:
    """What one block is made of; see `SASRec` for each argument.

    Raises:
        ValueError: An option out of range, or options that do not go together.
        TypeError: A size that is not an integer.
    """

    block: str
    hidden_dim: int
    num_heads: int
    dropout: float
    feed_forward_dim: int | None
    activation: Any
    pre_norm: bool

    def __post_init__(self) -> None:
        checks.one_of("block", self.block, BLOCKS)
        for name in ("hidden_dim", "num_heads", "feed_forward_dim"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, checks.integer(name, value, 1))
        object.__setattr__(self, "dropout", checks.fraction("dropout", self.dropout, below=1.0))
        if self.hidden_dim % self.num_heads:
            raise ValueError(
                f"hidden_dim={self.hidden_dim} is not divisible by num_heads={self.num_heads}"
            )
        if self.block == "ligr" and not self.pre_norm:
            raise ValueError("block='ligr' normalises before its sublayers: pre_norm must be True")
        keras.activations.get(self.activation)

    def config(self) -> dict[str, Any]:
        """The options as plain values."""
        named = callable(self.activation)
        activation = keras.activations.serialize(self.activation) if named else self.activation
        return {**asdict(self), "activation": activation}

    def create(self, name: str, dtype: Any) -> Any:
        """A new layer; called with (x, decoder_padding_mask=..., training=...)."""
        if self.block == "ligr":
            return LiGRBlock(
                intermediate_dim=self.feed_forward_dim or 4 * self.hidden_dim,
                num_heads=self.num_heads,
                dropout=self.dropout,
                activation=self.activation or "silu",
                dtype=dtype,
                name=name,
            )
        return TransformerBlock(
            intermediate_dim=self.feed_forward_dim or self.hidden_dim,
            num_heads=self.num_heads,
            dropout=self.dropout,
            activation=self.activation or "relu",
            pre_norm=self.pre_norm,
            dtype=dtype,
            name=name,
        )


@keras.saving.register_keras_serializable(package="sasrec_fast")
class LiGRBlock(keras.layers.Layer):  # type: ignore[misc]
    """A causal block with gated residuals (LiGR, Borisyuk et al. 2025, as in eSASRec).

        x = x + sigmoid(W x + b) * sublayer(norm(x))

    for self-attention and then for a SwiGLU feed-forward layer, (silu(x U) * x V) Z.

    Args:
        intermediate_dim: Width of the feed-forward layer.
        num_heads: Attention heads; divides the width of the input.
        dropout: Rate, on attention and on the output of both sublayers.
        activation: Of the feed-forward layer's gate.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    built: bool

    def __init__(
        self,
        intermediate_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        activation: Any = "silu",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.intermediate_dim = intermediate_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the sublayers for inputs [n, T, d]."""
        width = int(input_shape[-1] or 0)
        dtype = self.dtype_policy
        self.attention = CausalAttention(
            self.num_heads,
            width // self.num_heads,
            dropout=self.dropout,
            dtype=dtype,
            name="attention",
        )
        self.attention.build(input_shape, input_shape)
        self.up, self.up_gate, self.down, self.attention_gate, self.feed_forward_gate = (
            keras.layers.Dense(units, activation, use_bias, dtype=dtype, name=name)
            for units, activation, use_bias, name in (
                (self.intermediate_dim, None, False, "up"),
                (self.intermediate_dim, self.activation, False, "up_gate"),
                (width, None, False, "down"),
                (width, "sigmoid", True, "attention_gate"),
                (width, "sigmoid", True, "feed_forward_gate"),
            )
        )
        self.attention_norm, self.feed_forward_norm = (
            keras.layers.LayerNormalization(epsilon=1e-5, dtype=dtype, name=name)
            for name in ("attention_norm", "feed_forward_norm")
        )
        self.attention_dropout, self.feed_forward_dropout = (
            Dropout(self.dropout, dtype=dtype, name=name)
            for name in ("attention_dropout", "feed_forward_dropout")
        )
        for layer in (self.up, self.up_gate, self.attention_gate, self.feed_forward_gate):
            layer.build(input_shape)
        for layer in (self.attention_norm, self.feed_forward_norm):
            layer.build(input_shape)
        self.down.build((*input_shape[:-1], self.intermediate_dim))
        self.built = True

    def call(self, x: Tensor, decoder_padding_mask: Tensor, training: bool = False) -> Tensor:
        """The block's output.

        Args:
            x: [n, T, d].
            decoder_padding_mask: bool [n, T], True = real item.
            training: Whether dropout is on.

        Returns:
            [n, T, d]; position t depends on positions up to t alone.
        """
        normal = self.attention_norm(x)
        attended = self.attention.attend(normal, decoder_padding_mask, training=training)
        x = x + self.attention_dropout(self.attention_gate(x) * attended, training=training)
        normal = self.feed_forward_norm(x)
        fed = self.down(self.up_gate(normal) * self.up(normal))
        return x + self.feed_forward_dropout(self.feed_forward_gate(x) * fed, training=training)

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
        }
