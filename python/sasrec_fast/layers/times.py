"""How long ago an item was, as attention and the item's own vector are told of it."""

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import lax
from keras import ops

from sasrec_fast.backend import on_cpu, on_jax

Tensor = Any

TIMES = ("buckets", "decay")

_STEP = 0.301
"""Width of a bucket, in the natural logarithm of seconds: about a factor of 1.35."""

NUM_BUCKETS = 72
"""Buckets of the gaps that 31 bits hold."""

_GONE = 20.0
"""Where nothing is left of the bias: beyond it an infinite number would make gradients NaN."""

_FADING = -3.0
"""Logarithm of the first rate of decay: with the power .3, e-fold in six hours."""


def gap_buckets(later: Tensor, earlier: Tensor) -> Tensor:
    """Logarithmic buckets of gaps in time, as of HSTU (Zhai et al. 2024): floor(ln(gap) / .301).

    Args:
        later: int32, seconds.
        earlier: int32, seconds, of a shape that broadcasts.

    Returns:
        uint8, 0..71; gaps under a second, and negative ones, are in bucket 0.
    """
    gaps = ops.cast(ops.maximum(later - earlier, 1), "float32")
    return ops.cast(ops.floor(ops.log(gaps) / _STEP), "uint8")


@keras.saving.register_keras_serializable(package="sasrec_fast")
class TimeBias(keras.layers.Layer):  # type: ignore[misc]
    """What attention adds to its scores for the gap between a query's moment and a key's time.

    Args:
        kind: "buckets": a learned number for each of the buckets of `gap_buckets`; "decay":
            a * g^(gap^b) with learned a, g and b (FuXi-gamma, arXiv 2512.12740), of the gap at the
            beginning of its bucket.
        num_heads: Each has numbers of its own.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    built: bool

    def __init__(self, kind: str, num_heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.num_heads = num_heads

    def build(self, input_shape: Any = None) -> None:
        """Create the weights, which depend on no shape."""
        if self.kind == "buckets":
            shape = (self.num_heads, NUM_BUCKETS)
            self.table = self.add_weight(name="table", shape=shape, initializer="zeros")
        else:
            self.height, self.rate, self.power = (
                self.add_weight(
                    name=name,
                    shape=(self.num_heads, 1),
                    initializer=keras.initializers.Constant(first),
                )
                for name, first in (("height", 1.0), ("rate", _FADING), ("power", 0.3))
            )
        self.built = True

    def call(self, buckets: Tensor) -> Tensor:
        """What is added to scores.

        Args:
            buckets: uint8 [n, queries, keys].

        Returns:
            [n, heads, queries, keys].
        """
        table = ops.cast(ops.convert_to_tensor(self.by_bucket()), self.compute_dtype)
        looked_up = _looked_up(table, buckets) if on_jax() else _taken(table, buckets)
        return ops.moveaxis(looked_up, 0, 1)

    def by_bucket(self) -> Tensor:
        """What is added for each bucket, float32 [heads, 72]."""
        if self.kind == "buckets":
            return self.table
        logs = _STEP * np.arange(NUM_BUCKETS, dtype=np.float32)
        faded = ops.exp(ops.minimum(self.power * logs + self.rate, _GONE))
        return self.height * ops.exp(-faded)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal layer."""
        return {**super().get_config(), "kind": self.kind, "num_heads": self.num_heads}


def _taken(table: Tensor, buckets: Tensor) -> Tensor:
    return ops.take(table, ops.cast(buckets, "int32"), axis=1)


@jax.custom_vjp  # type: ignore[untyped-decorator]
def _looked_up(table: Tensor, buckets: Tensor) -> Tensor:
    """The table [heads, 72] at buckets, [heads, ...].

    On a CPU its gradient is what it is by itself. Elsewhere the gradients of a bucket are summed
    bucket by bucket: added to few places by all threads at once, they would wait for each other,
    and add up in another order each time.
    """
    return _taken(table, buckets)


def _forward(table: Tensor, buckets: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    return _taken(table, buckets), (table, buckets)


def _backward(kept: tuple[Tensor, Tensor], slopes: Tensor) -> tuple[Tensor, None]:
    table, buckets = kept
    if on_cpu():
        _, pull = jax.vjp(lambda table: _taken(table, buckets), table)
        return pull(slopes)[0], None
    axes = tuple(range(1, slopes.ndim))

    def of_bucket(bucket: Tensor) -> Tensor:
        own = jnp.where(buckets == bucket, slopes.astype(jnp.float32), 0)
        return own.sum(axes)

    sums = lax.map(of_bucket, jnp.arange(NUM_BUCKETS, dtype=buckets.dtype))
    return jnp.moveaxis(sums, 0, 1).astype(table.dtype), None


_looked_up.defvjp(_forward, _backward)
