"""How many items are ranked above the target of each row, and how many are level with it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.evaluation.scoring import Scorer, Scores, checked_scores, top_k
from sasrec_fast.ranking import Servable
from sasrec_fast.store import Histories

Part = tuple[NDArray[np.int64], Histories, int]
"""Numbers of rows, what is before their targets, filled up with empty rows, and the columns of a
model's input."""


@dataclass(frozen=True)
class Asked:
    """Whose targets are ranked, by which model.

    Attributes:
        model: The scorer.
        histories: What is before each target, n rows.
        targets: int32 [n].
        length: Most columns of the model's input.
        batch_size: Most rows scored at once.
    """

    model: Any
    histories: Histories
    targets: NDArray[np.int32]
    length: int
    batch_size: int

    def parts(self, scores: int) -> Iterator[Part]:
        """Rows of similar length, see `Histories.batches`, where so many scores a row are held."""
        return self.histories.batches(self.batch_size, scores, self.length)


@dataclass(frozen=True)
class Counts:
    """What the rank of each target follows from.

    Attributes:
        above: int64 [n], items above it.
        level: int64 [n], items level with it, itself included.
        scored: bool [n], whether its score is more than minus infinity.
    """

    above: NDArray[np.int64]
    level: NDArray[np.int64]
    scored: NDArray[np.bool_]

    @classmethod
    def empty(cls, rows: int) -> "Counts":
        """Counts to be filled in."""
        above, level = np.empty((2, rows), np.int64)
        return cls(above, level, np.empty(rows, np.bool_))

    def put(self, rows: NDArray[np.int64], part: "Counts") -> None:
        """Fill in those of some rows."""
        self.above[rows], self.level[rows], self.scored[rows] = part.above, part.level, part.scored


Ranked = Iterable[tuple[NDArray[np.int64], Counts, NDArray[np.integer[Any]]]]
"""Numbers of rows, their counts, and item indices of their k best, below 1 where there are fewer"""


def ranks_and_covered(
    ranked: Ranked, rows: int, servable: Servable, cutoffs: tuple[int, ...]
) -> tuple[Counts, NDArray[np.bool_]]:
    """The counts of all rows, and which items are in any row's best at each cut-off."""
    counts = Counts.empty(rows)
    covered = np.zeros((len(cutoffs), len(servable.items)), np.bool_)
    for numbers, part, best in ranked:
        counts.put(numbers, part)
        for of_cutoff, cutoff in zip(covered, cutoffs, strict=True):
            of_cutoff[np.maximum(best[:, :cutoff], 0)] = True
    return counts, covered


def coverage(
    covered: NDArray[np.bool_], servable: Servable, cutoffs: tuple[int, ...]
) -> dict[str, float]:
    """The share of the items at each cut-off by its key."""
    shares = covered[:, 1:].sum(axis=1) / servable.items.sum()
    return {f"coverage@{k}": float(share) for k, share in zip(cutoffs, shares, strict=True)}


def ranks_by_scores(asked: Asked, servable: Servable, k: int) -> Ranked:
    """Ranks by the scores of any model among all that each row may get."""
    for rows, part, columns in asked.parts(len(servable.items)):
        scores = checked_scores(asked.model, part, columns)
        own = _own(scores, rows, asked)
        servable.hide(scores, part)
        scores = scores[: len(rows)]
        above = np.count_nonzero(scores > own, axis=1)
        # A hidden target is a miss: its counts mean nothing, but nobody is level with nobody.
        level = np.maximum(np.count_nonzero(scores == own, axis=1), 1)
        best = np.zeros((len(rows), 0), np.int64)
        if k:
            _, best = top_k(scores, min(k, len(servable.items)))
        yield rows, Counts(above, level, own[:, 0] > -np.inf), best


def sampled_ranks_by_scores(asked: Asked, negatives: NDArray[np.int32]) -> Counts:
    """Ranks by the scores of any model among a row's negatives [n, K]; a negative 0 is none."""
    model: Scorer = asked.model
    counts = Counts.empty(len(asked.targets))
    for rows, part, columns in asked.parts(model.vocabulary_size):
        scores = checked_scores(model, part, columns)
        own = _own(scores, rows, asked)
        others = scores[np.arange(len(rows))[:, None], negatives[rows]]
        others[negatives[rows] == 0] = np.nan  # neither above nor level
        above = np.count_nonzero(others > own, axis=1)
        level = np.count_nonzero(others == own, axis=1) + 1
        counts.put(rows, Counts(above, level, own[:, 0] > -np.inf))
    return counts


def _own(scores: Scores, rows: NDArray[np.int64], asked: Asked) -> Scores:
    """Scores [n, 1] of the targets of some rows."""
    return scores[np.arange(len(rows)), asked.targets[rows]][:, None]
