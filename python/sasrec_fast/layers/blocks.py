"""The blocks of the model: the paper's and LiGR's."""

from typing import Any

import keras

from sasrec_fast.layers.attention import CausalAttention
from sasrec_fast.layers.dropout import Dropout
from sasrec_fast.layers.norm import LayerNorm

Tensor = Any


class CausalBlock(keras.layers.Layer):  # type: ignore[misc]
    """Causal self-attention and a feed-forward layer, normalised and dropped out.

    A subclass creates the dense layers of the second and connects all in `call`, from states
    [n, T, d] to states [n, T, d], of which position t depends on those up to t alone. It has the
    arguments of `CausalAttention.call`; `decoder_padding_mask` is that one's `padding_mask`.

    Args:
        intermediate_dim: Width of the feed-forward layer.
        num_heads: Attention heads; divides the width of the input.
        dropout: Rate, on the output of both sublayers.
        activation: Of the feed-forward layer; None means the block's default.
        rotary: Whether attention rotates queries and keys, see `CausalAttention`.
        pre_norm: Whether the input of each sublayer is normalised (LiGR's always is), or the sum
            after it.
        attention_dropout: Rate, on the shares of attention; None means `dropout`.
        time: What the scores of attention depend on besides, see `CausalAttention`.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    built: bool
    default_activation: str

    def __init__(
        self,
        intermediate_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        activation: Any = None,
        rotary: bool = False,
        pre_norm: bool = True,
        attention_dropout: float | None = None,
        time: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.intermediate_dim = intermediate_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.attention_rate = dropout if attention_dropout is None else attention_dropout
        self.activation = keras.activations.get(activation or self.default_activation)
        self.rotary = rotary
        self.pre_norm = pre_norm
        self.time = time

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the sublayers for inputs [n, T, d]."""
        width, dtype = int(input_shape[-1] or 0), self.dtype_policy
        self.attention = CausalAttention(
            self.num_heads,
            width // self.num_heads,
            dropout=self.attention_rate,
            rotary=self.rotary,
            time=self.time,
            dtype=dtype,
            name="attention",
        )
        self.attention.build(input_shape)
        self.attention_norm, self.feed_forward_norm = (
            LayerNorm(epsilon=1e-5, dtype=dtype, name=name)
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

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal layer."""
        names = ("intermediate_dim", "num_heads", "dropout", "rotary", "pre_norm", "time")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "activation": keras.activations.serialize(self.activation),
            "attention_dropout": self.attention_rate,
        }


@keras.saving.register_keras_serializable(package="sasrec_fast")
class TransformerBlock(CausalBlock):
    """The decoder block of the Keras example: each sublayer is added to its input.

    Same computation as `keras_hub.layers.TransformerDecoder` without cross-attention, whose
    attention and dropout cannot be chosen, and nearly twice as fast on CPU.
    """

    default_activation = "relu"

    def create_dense(self, width: int) -> list[Any]:
        """Two layers with biases, the activation between them."""
        dtype = self.dtype_policy
        self.up = keras.layers.Dense(self.intermediate_dim, self.activation, dtype=dtype, name="up")
        self.down = keras.layers.Dense(width, dtype=dtype, name="down")
        return [self.up, self.down]

    def call(
        self,
        x: Tensor,
        decoder_padding_mask: Tensor | None = None,
        positions: Tensor | None = None,
        turn: Tensor | None = None,
        training: bool = False,
        gaps: Tensor | None = None,
    ) -> Tensor:
        """The block's output, see `CausalBlock`."""
        now = {"turn": turn, "training": training}
        before = self.attention_norm(x) if self.pre_norm else x
        attended = self.attention(
            before, decoder_padding_mask, positions=positions, gaps=gaps, **now
        )
        x = x + self.attention_dropout(attended, **now)
        x = x if self.pre_norm else self.attention_norm(x)
        before = self.feed_forward_norm(x) if self.pre_norm else x
        fed = self.down(self.up(before))
        x = x + self.feed_forward_dropout(fed, **now)
        return x if self.pre_norm else self.feed_forward_norm(x)


@keras.saving.register_keras_serializable(package="sasrec_fast")
class LiGRBlock(CausalBlock):
    """A causal block with gated residuals (LiGR, Borisyuk et al. 2025, as in eSASRec).

        x = x + sigmoid(W x + b) * sublayer(norm(x))

    for self-attention and then for a SwiGLU feed-forward layer, (silu(x U) * x V) Z.
    """

    default_activation = "silu"

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

    def call(
        self,
        x: Tensor,
        decoder_padding_mask: Tensor | None = None,
        positions: Tensor | None = None,
        turn: Tensor | None = None,
        training: bool = False,
        gaps: Tensor | None = None,
    ) -> Tensor:
        """The block's output, see `CausalBlock`."""
        now = {"turn": turn, "training": training}
        normal = self.attention_norm(x)
        attended = self.attention(
            normal, decoder_padding_mask, positions=positions, gaps=gaps, **now
        )
        x = x + self.attention_dropout(self.attention_gate(x) * attended, **now)
        normal = self.feed_forward_norm(x)
        fed = self.down(self.up_gate(normal) * self.up(normal))
        return x + self.feed_forward_dropout(self.feed_forward_gate(x) * fed, **now)
