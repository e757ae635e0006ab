"""Softmax cross-entropy of the target among sampled items."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

from sasrec_fast import checks
from sasrec_fast.losses.base import NextItemLoss, Positions
from sasrec_fast.losses.chunked import gathered_sum, log_normalizer_sum
from sasrec_fast.losses.sampling import ItemSampler, draw_uniformly
from sasrec_fast.store import packed, unpacked

Tensor = Any


@keras.saving.register_keras_serializable(package="sasrec_fast")
class SampledSoftmax(NextItemLoss):
    """Cross-entropy of the target among itself and K sampled items, name "sampled_softmax".

    With the score p of the target and n_1..n_K of the sampled items that are not the target:

        w (log(exp(p') + sum_k exp(n_k')) - p'),    s' = s - log q(item)

    where q is the probability of sampling an item (Bengio & Senecal 2008). Items sampled
    uniformly need no correction, and s' = s. A sampled item that is the target is left out. Label
    smoothing e adds w e (p - mean_i s_i), the mean over the whole catalogue, as in `Softmax`; its
    gradient reaches every row of the table.

    Args:
        num_negatives: K items drawn in each step; None takes those of the batch,
            y["negative_sequence"].
        shared: Every position of a batch is compared with the same K drawn items, which costs
            one matrix product; otherwise each position draws K of its own.
        item_counts: int [vocabulary_size], such as `data.train.item_counts`: items are drawn in
            proportion to their counts, exactly, and scores corrected for it. An item that never
            occurs counts as one that occurs once: as a target it needs a probability. None:
            uniformly.
        max_bytes: See `NextItemLoss`.
        label_smoothing: e in [0, 1), spread over all items.

    Raises:
        ValueError: An argument out of range, or `shared` without `num_negatives`.
    """

    needs_jax = True

    def __init__(
        self,
        num_negatives: int | None = 256,
        shared: bool = True,
        item_counts: ArrayLike | str | None = None,
        max_bytes: int | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(max_bytes)
        self.label_smoothing = checks.fraction("label_smoothing", label_smoothing, below=1.0)
        self.num_negatives = num_negatives
        self.shared = bool(shared) and num_negatives is not None
        if num_negatives is not None:
            self.num_negatives = checks.integer("num_negatives", num_negatives, 1)
        self.item_counts = None if item_counts is None else checked_counts(item_counts)
        self._sampler = None if self.item_counts is None else ItemSampler(self.item_counts)

    @property
    def needs_negatives(self) -> bool:  # type: ignore[override]
        """Whether the sampled items are those of the batch."""
        return self.num_negatives is None

    def check(self, vocabulary_size: int) -> None:
        """Refuse item_counts of another vocabulary, and another backend than JAX."""
        super().check(vocabulary_size)
        if self.item_counts is not None and len(self.item_counts) != vocabulary_size:
            raise ValueError(
                f"item_counts has {len(self.item_counts)} entries; the model's vocabulary_size is "
                f"{vocabulary_size}"
            )
        if self._sampler is not None:
            self._sampler.build()

    @property
    def variables(self) -> list[Any]:
        """The tables by which items are drawn, and the logarithms of q."""
        return [] if self._sampler is None else self._sampler.variables

    def __call__(self, positions: Positions) -> Tensor:
        """Sum over the positions, a float32 scalar."""
        negatives = positions.negatives
        if self.num_negatives is not None:
            each = () if self.shared else positions.targets.shape
            shape = (*each, self.num_negatives)
            if self._sampler is None:
                negatives = draw_uniformly(shape, positions.num_items, positions.seed)
            else:
                negatives = self._sampler.draw(shape, positions.seed)
        against = self._against_shared if self.shared else self._against_own
        loss = against(positions, negatives)
        if self.label_smoothing:
            spread = positions.target_logits() - positions.mean_logits()
            loss = loss + self.label_smoothing * ops.sum(positions.weight * spread)
        return loss

    def _against_shared(self, positions: Positions, items: Tensor) -> Tensor:
        own = positions.target_logits() - self._log_q(positions.targets)
        rows = ops.take(positions.table, items, axis=0)
        sampled = (items, self._log_q(items))
        normalizer = log_normalizer_sum(positions, rows, self.max_bytes, own, sampled)
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
        if self._sampler is None:
            return ops.zeros(items.shape, "float32")
        return self._sampler.log_q(items)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal loss."""
        smoothing = {"label_smoothing": self.label_smoothing} if self.label_smoothing else {}
        return {
            **super().get_config(),
            "num_negatives": self.num_negatives,
            "shared": self.shared,
            "item_counts": None if self.item_counts is None else pack_counts(self.item_counts),
            **smoothing,  # not 0, which checkpoints of earlier versions do not have
        }


def checked_counts(item_counts: ArrayLike | str) -> NDArray[np.int64]:
    """Counts as int64 [vocabulary_size], of counts or of the text that `pack_counts` returns."""
    if isinstance(item_counts, str):
        return np.frombuffer(unpacked(item_counts), np.int64)
    counts = np.asarray(item_counts)
    whole = counts.dtype.kind in "iu"
    if counts.ndim != 1 or len(counts) < 2 or not whole or counts.min() < 0:
        raise ValueError(
            f"item_counts are whole numbers of 0 or more, one for each index from 0 (padding), "
            f"such as data.train.item_counts; received {counts.dtype} of shape {counts.shape}"
        )
    return counts.astype(np.int64)


def pack_counts(counts: NDArray[np.int64]) -> str:
    """The counts as short text for a config; `checked_counts` reads it."""
    return packed(counts.tobytes())
