"""Losses of scores against negatives of each position's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from keras import ops

from sasrec_fast.backend import on_jax
from sasrec_fast.losses.chunks import chunk_size
from sasrec_fast.losses.positions import Positions

Tensor = Any
OfLogits = Callable[[Tensor, Tensor, Mapping[str, Tensor]], Tensor]


def gathered_sum(
    of_logits: OfLogits, positions: Positions, constants: dict[str, Tensor], max_bytes: int | None
) -> Tensor:
    """Sum over the positions of a loss of their target's and negatives' scores.

    The embeddings of all negatives, [N, K, d], are gathered at once where that takes no more
    than `max_bytes`; otherwise, on JAX, in chunks with the gradient in the same pass.

    Args:
        of_logits: The sum from scores of targets [n] and of negatives [n, K] and the constants
            of n positions; 0 where these are 0.
        positions: The batch, with negatives.
        constants: Arrays [N, ...].
        max_bytes: Most bytes of gathered embeddings; None chooses for the device.

    Returns:
        A float32 scalar.
    """
    number, count = (int(size or 1) for size in positions.negatives.shape)  # type: ignore[union-attr]
    size = chunk_size(4 * (count + 1) * int(positions.table.shape[-1]), max_bytes)
    if not on_jax() or size >= number:
        hidden = ops.expand_dims(ops.cast(positions.hidden, "float32"), -2)
        negatives = ops.sum(positions.rows(positions.negatives) * hidden, axis=-1)
        return of_logits(positions.target_logits(), negatives, constants)
    from sasrec_fast.losses.same_pass import same_pass_sum

    targets = ops.expand_dims(positions.targets, -1)
    items = ops.concatenate([targets, ops.cast(positions.negatives, targets.dtype)], axis=-1)
    real = ops.logical_or(positions.weight != 0, positions.negative_weight != 0)
    return same_pass_sum(
        partial(_chunk_with_gradient, of_logits),
        size,
        positions.table,
        positions.hidden,
        (real, {"items": items, **constants}, ()),
    )


def _chunk_with_gradient(
    of_logits: OfLogits, table: Tensor, gradient: Tensor, hidden: Tensor, each: Any, _: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """One chunk of `same_pass_sum`."""
    import jax
    import jax.numpy as jnp

    items = each["items"]
    rows = table[items].astype(hidden.dtype).astype(jnp.float32)
    hidden = hidden.astype(jnp.float32)
    logits = jnp.einsum("nd,nkd->nk", hidden, rows)
    total, slopes = jax.value_and_grad(lambda x: of_logits(x[:, 0], x[:, 1:], each))(logits)
    gradient = gradient.at[items].add(slopes[..., None] * hidden[:, None])
    return total, gradient, jnp.einsum("nk,nkd->nd", slopes, rows)
