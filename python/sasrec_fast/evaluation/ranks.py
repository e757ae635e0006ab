"""How many items are ranked above the target of each row, and how many are level with it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.evaluation.scoring import Scores, top_k
from sasrec_fast.evaluation.servable import Servable
from sasrec_fast.store import Histories

Scored = Iterable[tuple[NDArray[np.int64], Histories, Scores]]
"""Numbers of rows, what is before their targets, and their scores; both filled up with rows."""


@dataclass(frozen=True)
class Counts:
    """What the rank of each target follows from.

    Attributes:
        better: int64 [n], items above it.
        equal: int64 [n], items level with it, itself included.
        scored: bool [n], whether its score is more than minus infinity.
    """

    better: NDArray[np.int64]
    equal: NDArray[np.int64]
    scored: NDArray[np.bool_]

    @classmethod
    def empty(cls, rows: int) -> "Counts":
        """Counts to be filled in."""
        better, equal = np.empty((2, rows), np.int64)
        return cls(better, equal, np.empty(rows, np.bool_))


def among_all(
    scored: Scored, targets: NDArray[np.int32], servable: Servable, cutoffs: tuple[int, ...]
) -> tuple[Counts, dict[str, float]]:
    """Ranks among all that each row may get, and the coverage at each cut-off by its key."""
    counts = Counts.empty(len(targets))
    covered = np.zeros((len(cutoffs), len(servable.items)), np.bool_)
    for rows, part, padded in scored:
        scores = padded[: len(rows)]
        own = scores[np.arange(len(rows)), targets[rows]][:, None]
        servable.hide(scores, part)
        counts.scored[rows] = own[:, 0] > -np.inf
        counts.better[rows] = np.count_nonzero(scores > own, axis=1)
        # A hidden target is a miss: its counts mean nothing, but nobody is level with nobody.
        counts.equal[rows] = np.maximum(np.count_nonzero(scores == own, axis=1), 1)
        _, items = top_k(scores, min(cutoffs[-1], len(servable.items)))
        for of_cutoff, cutoff in zip(covered, cutoffs, strict=True):
            best = items[:, :cutoff]
            of_cutoff[best[best >= 0]] = True
    shares = covered.sum(axis=1) / servable.items.sum()
    coverage = {f"coverage@{k}": float(share) for k, share in zip(cutoffs, shares, strict=True)}
    return counts, coverage


def among_negatives(
    scored: Scored, targets: NDArray[np.int32], negatives: NDArray[np.int32]
) -> Counts:
    """Ranks among a row's negatives [n, K]; a negative 0 is none."""
    counts = Counts.empty(len(targets))
    for rows, _, scores in scored:
        own = scores[np.arange(len(rows)), targets[rows]][:, None]
        others = scores[np.arange(len(rows))[:, None], negatives[rows]]
        others[negatives[rows] == 0] = np.nan  # neither above nor level
        counts.scored[rows] = own[:, 0] > -np.inf
        counts.better[rows] = np.count_nonzero(others > own, axis=1)
        counts.equal[rows] = np.count_nonzero(others == own, axis=1) + 1
    return counts
