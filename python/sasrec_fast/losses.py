"""Training losses of SASRec, as functions of logits and weights."""

from __future__ import annotations

from typing import Any

from sasrec_fast import loading as _loading  # noqa: F401  (before keras)

from keras import ops  # isort: skip

Tensor = Any


def target_weights(sample_weight: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of the positive and the negative part of the loss, one per position.

    Args:
        sample_weight: None (every real target weighs 1), an array [B, L] or [B] for both
            parts, or a mapping with "positive_sequence" and "negative_sequence" of such arrays.
        targets: int [B, L], the positive targets; 0 is padding.

    Returns:
        Two float32 tensors [B, L].

    Raises:
        ValueError: A mapping without one of the two entries, or weights of another shape.
    """
    if not isinstance(sample_weight, dict):
        weight = _position_weight(sample_weight, targets, "sample_weight")
        return weight, weight
    missing = {"positive_sequence", "negative_sequence"} - set(sample_weight)
    if missing:
        raise ValueError(
            f"sample_weight has entries {sorted(sample_weight)}; it needs one for each entry of "
            f"y, and {sorted(missing)} is missing"
        )
    positive, negative = (
        _position_weight(sample_weight[name], targets, f"sample_weight['{name}']")
        for name in ("positive_sequence", "negative_sequence")
    )
    return positive, negative


def _position_weight(weight: Any, targets: Tensor, name: str) -> Tensor:
    real = ops.cast(ops.not_equal(targets, 0), "float32")
    if weight is None:
        return real
    weight = ops.cast(weight, "float32")
    if len(weight.shape) == 1:
        return ops.expand_dims(weight, -1) * real
    if len(weight.shape) != 2 or weight.shape[1] != targets.shape[1]:
        raise ValueError(
            f"{name} has shape {tuple(weight.shape)}; one weight per target is needed, shape "
            f"{tuple(targets.shape)}, or one per row"
        )
    return weight


def binary_cross_entropy(
    positive_logits: Tensor,
    negative_logits: Tensor,
    positive_weight: Tensor,
    negative_weight: Tensor,
) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy of SASRec (Kang & McAuley 2018, section 3.5), per real target.

    With logits p of the targets, n_1..n_K of their negatives, and weights w, w':

        loss = (sum_t w_t softplus(-p_t) + w'_t mean_k softplus(n_tk)) / sum_t w_t

    softplus(-p) = -log sigmoid(p) and softplus(n) = -log(1 - sigmoid(n)), without overflow for
    logits of any size. The mean over K keeps both parts at the same weight whatever K is.

    Args:
        positive_logits: float [B, L].
        negative_logits: float [B, L] or [B, L, K].
        positive_weight: float [B, L], 0 where no loss is wanted.
        negative_weight: float [B, L].

    Returns:
        The loss (a scalar, 0 where all weights are 0) and the sum of `positive_weight`.
    """
    positive = ops.softplus(-positive_logits)
    negative = ops.softplus(negative_logits)
    if len(negative.shape) == 3:
        negative = ops.mean(negative, axis=-1)
    total = ops.sum(positive_weight)
    loss = ops.sum(positive_weight * positive) + ops.sum(negative_weight * negative)
    return ops.divide_no_nan(loss, total), total
