"""The logarithm of a softmax's denominator, summed over positions in chunks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras import ops

from sasrec_fast.backend import on_jax
from sasrec_fast.losses.chunks import chunk_size
from sasrec_fast.losses.positions import Positions

Tensor = Any


@dataclass(frozen=True)
class Sampled:
    """What a denominator over sampled items, shared by all positions, needs besides.

    Attributes:
        items: int [M], the sampled items; one that is a position's target is left out there.
        shift: float32 [M], subtracted from their scores.
        target_logits: float32 [N], the (shifted) scores of the targets, which the denominator
            includes.
    """

    items: Tensor
    shift: Tensor
    target_logits: Tensor


def log_normalizer_sum(
    positions: Positions, rows: Tensor, max_bytes: int | None, sampled: Sampled | None = None
) -> Tensor:
    """Sum over the positions of weight times log sum_j exp(score of row j).

    On JAX the gradient is computed with it, and no more than `max_bytes` of scores exist at a
    time. Other backends compute the sum alone in chunks; their automatic differentiation keeps
    what it needs.

    Args:
        positions: The batch.
        rows: float32 [M, d], rows of the scoring table.
        max_bytes: Most bytes of the scores in work; None chooses for the device.
        sampled: Given where the rows are those of sampled items.

    Returns:
        A float32 scalar.
    """
    states = {"hidden": positions.hidden}
    each = {"weight": positions.weight}
    others = {}
    if sampled is not None:
        states["target_logits"] = sampled.target_logits
        each["targets"] = positions.targets
        others = {"items": sampled.items, "shift": sampled.shift}
    size = min(chunk_size(4 * int(rows.shape[0]), max_bytes), positions.hidden.shape[0] or 1)
    if not on_jax():
        return _chunked(rows, states, each, others, size)
    from sasrec_fast.losses.same_pass import same_pass_sum

    constants = (positions.weight != 0, each, others)
    return same_pass_sum(_chunk_with_gradient, size, rows, states, constants)


def _scores(rows: Tensor, hidden: Tensor, each: Mapping[str, Tensor], others: Any) -> Tensor:
    """Scores [n, M], float32; minus infinity where a sampled item is the target."""
    scores = ops.cast(ops.matmul(hidden, ops.transpose(ops.cast(rows, hidden.dtype))), "float32")
    if not others:
        return scores
    hits = ops.equal(ops.expand_dims(each["targets"], -1), others["items"])
    return ops.where(hits, -float("inf"), scores - others["shift"])


def _chunked(rows: Tensor, states: Any, each: Any, others: Any, size: int) -> Tensor:
    total = ops.zeros((), "float32")
    for start in range(0, states["hidden"].shape[0], size):
        part, weights = (
            {name: x[start : start + size] for name, x in tree.items()} for tree in (states, each)
        )
        scores = _scores(rows, part["hidden"], weights, others)
        if others:
            own = ops.expand_dims(part["target_logits"], -1)
            scores = ops.concatenate([scores, own], axis=-1)
        total = total + ops.sum(weights["weight"] * ops.logsumexp(scores, axis=-1))
    return total


def _chunk_with_gradient(
    rows: Tensor, gradient: Tensor, states: Any, each: Any, others: Any
) -> tuple[Tensor, Tensor, Any]:
    """One chunk of `same_pass_sum`: d/ds_j log sum exp(s) = exp(s_j) / sum exp(s).

    The quotient is applied to the states instead of to each score, which saves a pass over the
    scores.
    """
    hidden = states["hidden"]
    scores = _scores(rows, hidden, each, others)
    highest = ops.max(scores, axis=-1, keepdims=True)
    if others:
        own = ops.expand_dims(states["target_logits"], -1)
        highest = ops.maximum(highest, own)
    powers = ops.exp(scores - highest)
    denominator = ops.sum(powers, axis=-1, keepdims=True)
    if others:
        own = ops.exp(own - highest)
        denominator = denominator + own
    weight = ops.expand_dims(each["weight"], -1)
    share = weight / denominator
    total = ops.sum(weight * (ops.log(denominator) + highest))
    powers = ops.cast(powers, hidden.dtype)
    gradients = {"hidden": ops.matmul(powers, ops.cast(rows, hidden.dtype)) * share}
    if others:
        gradients["target_logits"] = (own * share)[:, 0]
    scaled = ops.cast(ops.cast(hidden, "float32") * share, hidden.dtype)
    gradient = gradient + ops.cast(ops.matmul(ops.transpose(powers), scaled), "float32")
    return total, gradient, gradients
