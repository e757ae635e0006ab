"""The losses as plain NumPy formulas in float64, one position after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Batch:
    """Positions of a batch: states [N, d], targets [N], negatives [N, K], weights [N]."""

    targets: np.ndarray
    negatives: np.ndarray
    weight: np.ndarray


def log_sum_exp(values: np.ndarray) -> float:
    highest = values.max()
    return float(highest + np.log(np.exp(values - highest).sum()))


def log_sigmoid(value: np.ndarray) -> np.ndarray:
    return -np.logaddexp(0.0, -value)


def bce(hidden: np.ndarray, table: np.ndarray, batch: Batch) -> float:
    total = 0.0
    for state, target, negatives, weight in zip(hidden, *batch_columns(batch), strict=True):
        positive, rejected = table[target] @ state, table[negatives] @ state
        total -= weight * (log_sigmoid(positive) + log_sigmoid(-rejected).mean())
    return total


def gbce(t: float) -> Callable[[np.ndarray, np.ndarray, Batch], float]:
    def loss(hidden: np.ndarray, table: np.ndarray, batch: Batch) -> float:
        count = batch.negatives.shape[1]
        rate = count / (len(table) - 2)
        beta = rate * (t * (1 - 1 / rate) + 1 / rate)
        total = 0.0
        for state, target, negatives, weight in zip(hidden, *batch_columns(batch), strict=True):
            positive, rejected = table[target] @ state, table[negatives] @ state
            part = beta * log_sigmoid(positive) + log_sigmoid(-rejected).sum()
            total -= weight * part / (count + 1)
        return total

    return loss


def softmax(smoothing: float) -> Callable[[np.ndarray, np.ndarray, Batch], float]:
    def loss(hidden: np.ndarray, table: np.ndarray, batch: Batch) -> float:
        total = 0.0
        for state, target, weight in zip(hidden, batch.targets, batch.weight, strict=True):
            scores = table[1:] @ state
            goal = (1 - smoothing) * scores[target - 1] + smoothing * scores.mean()
            total += weight * (log_sum_exp(scores) - goal)
        return total

    return loss


def sampled_softmax(
    counts: np.ndarray | None = None, drawn: np.ndarray | None = None, smoothing: float = 0.0
) -> Callable[[np.ndarray, np.ndarray, Batch], float]:
    """`drawn` items [K] for all positions, or else the negatives of each."""

    def loss(hidden: np.ndarray, table: np.ndarray, batch: Batch) -> float:
        log_q = np.zeros(len(table))
        if counts is not None:
            known = np.maximum(counts[1:], 1)
            log_q[1:] = np.log(known / known.sum())
        total = 0.0
        for state, target, negatives, weight in zip(hidden, *batch_columns(batch), strict=True):
            others = negatives if drawn is None else drawn
            others = others[others != target]
            own = table[target] @ state - log_q[target]
            rest = table[others] @ state - log_q[others]
            total += weight * (log_sum_exp(np.append(rest, own)) - own)
            total += weight * smoothing * (table[target] @ state - np.mean(table[1:] @ state))
        return total

    return loss


def batch_columns(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return batch.targets, batch.negatives, batch.weight


def gradient(loss: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """Central differences."""
    slopes = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[index] = 1e-5
        slopes[index] = (loss(at + step) - loss(at - step)) / 2e-5
    return slopes
