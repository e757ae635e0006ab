"""Softmax cross-entropy of the target among sampled items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from sasrec_fast import checks
from sasrec_fast.losses.gathered import gathered_sum
from sasrec_fast.losses.log_normalizer import Sampled, log_normalizer_sum
from sasrec_fast.losses.next_item_loss import NextItemLoss
from sasrec_fast.losses.positions import Positions
from sasrec_fast.losses.sampling import checked_counts, draw, pack_counts, probabilities

Tensor = Any


@keras.saving.register_keras_serializable(package="sasrec_fast")
class SampledSoftmax(NextItemLoss):
    """Cross-entropy of the target among itself and K sampled items, name "sampled_softmax".

    With the score p of the target and n_1..n_K of the sampled items that are not the target:

        w (log(exp(p') + sum_k exp(n_k')) - p'),    s' = s - log q(item)

    where q is the probability of sampling an item (Bengio & Senecal 2008). Items sampled
    uniformly need no correction, and s' = s. A sampled item that is the target is left out.

    Args:
        num_negatives: K items drawn in each step; None takes those of the batch,
            y["negative_sequence"].
        shared: Every position of a batch is compared with the same K drawn items, which costs
            one matrix product; otherwise each position draws K of its own.
        item_counts: int [vocabulary_size], such as `data.train.item_counts`: items are drawn in
            proportion to their counts, and scores corrected for it. None: uniformly.
        max_bytes: See `NextItemLoss`.

    Raises:
        ValueError: An argument out of range, or `shared` without `num_negatives`.
    """

    def __init__(
        self,
        num_negatives: int | None = 256,
        shared: bool = True,
        item_counts: ArrayLike | str | None = None,
        max_bytes: int | None = None,
    ) -> None:
        super().__init__(max_bytes)
        self.num_negatives = num_negatives
        self.shared = bool(shared) and num_negatives is not None
        if num_negatives is not None:
            self.num_negatives = checks.integer("num_negatives", num_negatives, 1)
        self.item_counts = None if item_counts is None else checked_counts(item_counts)
        self._q = None if self.item_counts is None else probabilities(self.item_counts)

    @property
    def needs_negatives(self) -> bool:  # type: ignore[override]
        """Whether the sampled items are those of the batch."""
        return self.num_negatives is None

    def check(self, vocabulary_size: int) -> None:
        """Refuse item_counts of another vocabulary."""
        if self.item_counts is not None and len(self.item_counts) != vocabulary_size:
            raise ValueError(
                f"item_counts has {len(self.item_counts)} entries; the model's vocabulary_size is "
                f"{vocabulary_size}"
            )

    def __call__(self, positions: Positions) -> Tensor:
        """Sum over the positions, a float32 scalar."""
        if self.shared:
            return self._against_shared(positions)
        negatives = positions.negatives
        if self.num_negatives is not None:
            shape = (positions.targets.shape[0], self.num_negatives)
            negatives = draw(shape, positions.num_items, self._q, positions.seed)
        return self._against_own(positions, negatives)

    def _against_shared(self, positions: Positions) -> Tensor:
        items = draw((self.num_negatives or 1,), positions.num_items, self._q, positions.seed)
        own = positions.target_logits() - self._log_q(positions.targets)
        rows = ops.take(positions.table, items, axis=0)
        sampled = Sampled(items, self._log_q(items), own)
        normalizer = log_normalizer_sum(positions, rows, self.max_bytes, sampled)
        return normalizer - ops.sum(positions.weight * own)

    def _against_own(self, positions: Positions, negatives: Tensor) -> Tensor:
        hits = ops.equal(ops.expand_dims(positions.targets, -1), negatives)
        constants = {
            "weight": positions.weight,
            "hits": hits,
            "target_shift": self._log_q(positions.targets),
            "shift": self._log_q(negatives),
        }
        positions = replace(positions, negatives=negatives, negative_weight=positions.weight)
        return gathered_sum(self.of_logits, positions, constants, self.max_bytes)

    @staticmethod
    def of_logits(target: Tensor, negatives: Tensor, constants: Mapping[str, Tensor]) -> Tensor:
        """The sum from scores of targets [n] and negatives [n, K] and constants of n positions."""
        target = target - constants["target_shift"]
        negatives = ops.where(constants["hits"], -np.inf, negatives - constants["shift"])
        scores = ops.concatenate([ops.expand_dims(target, -1), negatives], axis=-1)
        return ops.sum(constants["weight"] * (ops.logsumexp(scores, axis=-1) - target))

    def _log_q(self, items: Tensor) -> Tensor:
        """Logarithm of q of items, 0 where they are drawn uniformly (any constant does)."""
        if self._q is None:
            return ops.zeros(items.shape, "float32")
        with np.errstate(divide="ignore"):
            table = np.where(self._q > 0, np.log(self._q), 0.0).astype(np.float32)
        return ops.take(table, items, axis=0)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal loss."""
        return {
            **super().get_config(),
            "num_negatives": self.num_negatives,
            "shared": self.shared,
            "item_counts": None if self.item_counts is None else pack_counts(self.item_counts),
        }
