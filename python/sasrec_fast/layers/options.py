"""Which blocks a SASRec has, and what they are made of."""

from dataclasses import asdict, dataclass
from typing import Any

import keras

from sasrec_fast import checks
from sasrec_fast.backend import on_cpu
from sasrec_fast.layers.blocks import LiGRBlock, TransformerBlock
from sasrec_fast.layers.times import TIMES

BLOCKS = ("transformer", "ligr", "keras_hub")
POSITIONS = ("end", "start", "rotary")


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
    positions: str
    attention_dropout: float | None = None
    time: str | None = None
    query_time: bool = True

    def __post_init__(self) -> None:
        checks.one_of("block", self.block, BLOCKS)
        checks.one_of("positions", self.positions, POSITIONS)
        checks.one_of("time", self.time, (None, *TIMES))
        checks.flag("query_time", self.query_time)
        for name in ("hidden_dim", "num_heads", "feed_forward_dim"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, checks.integer(name, value, 1))
        for name in ("dropout", "attention_dropout"):
            value = getattr(self, name)
            if value is not None or name == "dropout":
                object.__setattr__(self, name, checks.fraction(name, value, below=1.0))
        if self.hidden_dim % self.num_heads:
            raise ValueError(
                f"hidden_dim={self.hidden_dim} is not divisible by num_heads={self.num_heads}"
            )
        if self.rotary and self.hidden_dim // self.num_heads % 2:
            raise ValueError(
                f"positions='rotary' needs heads of an even width, received hidden_dim="
                f"{self.hidden_dim} and num_heads={self.num_heads}"
            )
        if self.block == "ligr" and not self.pre_norm:
            raise ValueError("block='ligr' normalises before its sublayers: pre_norm must be True")
        if self.block == "keras_hub" and self.time is not None:
            raise ValueError(
                "block='keras_hub' has attention that knows no times: time must be None, or block "
                "'transformer' or 'ligr'"
            )
        if self.block == "keras_hub" and self.rotary:
            raise ValueError(
                "block='keras_hub' has no rotary attention: positions must be 'end' or 'start', or "
                "block 'transformer' or 'ligr'"
            )
        if self.block == "keras_hub" and self.attention_dropout not in (None, self.dropout):
            raise ValueError(
                f"block='keras_hub' has one rate of dropout, received dropout={self.dropout} and "
                f"attention_dropout={self.attention_dropout}: leave it None, or block "
                "'transformer' or 'ligr'"
            )
        keras.activations.get(self.activation)

    @property
    def masked(self) -> bool:
        """Whether blocks are told which positions are real, rather than given those first.

        A mask costs nothing in the blocks of a CPU. On a GPU it rules out cuDNN's causal kernel.
        """
        return on_cpu() or self.block == "keras_hub"

    @property
    def rotary(self) -> bool:
        """Whether attention knows the positions, not the embeddings."""
        return self.positions == "rotary"

    def config(self) -> dict[str, Any]:
        """The options as plain values."""
        named = callable(self.activation)
        activation = keras.activations.serialize(self.activation) if named else self.activation
        options = {**asdict(self), "activation": activation}
        if self.time is None:  # as before there were times, so that checkpoints go on
            del options["time"], options["query_time"]
        return options

    def create(self, name: str, dtype: Any) -> Any:
        """A new layer; called as `CausalBlock`, "keras_hub" without `positions` and `turn`.

        Raises:
            ImportError: block="keras_hub" without keras-hub.
        """
        wide = 4 if self.block == "ligr" else 1
        options: dict[str, Any] = {
            "intermediate_dim": self.feed_forward_dim or wide * self.hidden_dim,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "activation": self.activation,
            "name": name,
            "dtype": dtype,
        }
        if self.block == "keras_hub":
            try:  # here, since it may import TensorFlow
                from keras_hub.layers import TransformerDecoder
            except ImportError as error:
                raise ImportError(
                    f"block='keras_hub' needs keras-hub (pip install keras-hub): {error}"
                ) from error
            options["activation"] = self.activation or "relu"
            if on_cpu() and keras.dtype_policies.get(dtype).compute_dtype == "float16":
                options["dtype"] = "float32"  # XLA has no such products of float16 on a CPU
            return TransformerDecoder(**options, normalize_first=self.pre_norm)
        block = LiGRBlock if self.block == "ligr" else TransformerBlock
        return block(
            **options,
            rotary=self.rotary,
            pre_norm=self.pre_norm,
            attention_dropout=self.attention_dropout,
            time=self.time,
        )
