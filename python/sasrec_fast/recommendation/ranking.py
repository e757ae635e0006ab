"""The k best items of many histories, a batch at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.evaluation import Scorer, checked_scores, is_vector_scorer, top_k
from sasrec_fast.ranking import (
    Catalogue,
    CompiledRules,
    Servable,
    best,
    best_of_scores,
    width_for,
    widths_of,
)
from sasrec_fast.store import SCORES_PER_CHUNK, Histories

WINDOW = 1 << 14
"""Most histories ranked before they are handed on."""
RESULTS = 1 << 20
"""Most recommendations held back."""


@dataclass(frozen=True)
class Ranking:
    """Consecutive histories and their best items.

    Attributes:
        first: Number of the first history.
        scores: float [n, k], best first; minus infinity where there are fewer than k items.
        columns: int [n, k], columns of the catalogue.
    """

    first: int
    scores: NDArray[np.floating[Any]]
    columns: NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Ranker:
    """Ranks the items of a catalogue for histories.

    Attributes are as in `recommend`; `length` is the most columns of the model's input, and rules
    are of the catalogue.
    """

    model: Scorer
    catalogue: Catalogue
    k: int
    exclude_seen: bool
    batch_size: int
    length: int
    rules: CompiledRules | None = None

    def rank(self, histories: Histories) -> Iterator[Ranking]:
        """Rankings of all histories in their order, a window of them at a time.

        Within a window histories of similar length go together, since a batch is as wide as the
        longest. Those without an item get the most popular items: `Catalogue.counts` must be
        known.
        """
        size = max(1, min(WINDOW, RESULTS // self.k))
        for first in range(0, len(histories), size):
            rows = np.arange(first, min(first + size, len(histories)))
            lengths = histories.ends[rows] - histories.starts[rows]
            scores = np.full((len(rows), self._found), -np.inf)
            columns = np.full(scores.shape, -1)
            if not lengths.all():
                scores[lengths == 0], columns[lengths == 0] = self._most_popular
            places = np.flatnonzero(lengths)
            places = places[np.argsort(np.minimum(lengths[places], self.length), kind="stable")]
            for start in range(0, len(places), self._rows):
                part = places[start : start + self._rows]
                scores[part], columns[part] = self._best(histories.take(rows[part]))
            yield Ranking(first, scores, columns)

    @property
    def _found(self) -> int:
        return min(self.k, len(self.catalogue.indices))

    @property
    def _rows(self) -> int:
        """Most histories scored at once."""
        if is_vector_scorer(self.model):
            return self.batch_size
        return max(1, min(self.batch_size, SCORES_PER_CHUNK // self.model.vocabulary_size))

    def _best(self, part: Histories) -> tuple[NDArray[Any], NDArray[Any]]:
        # Few different shapes, since the model compiles each of them.
        padded = part.padded(min(self._rows, 1 << (len(part) - 1).bit_length()))
        length = width_for(int((part.ends - part.starts).max()), widths_of(self.length))
        if not is_vector_scorer(self.model):
            scores = checked_scores(self.model, padded, length)[: len(part)]
            self._servable.hide(scores, part)
            scores = scores[:, self._servable.selection]
            if self.rules is not None:
                return best_of_scores(scores, self._found, self.rules)
            return top_k(scores, self._found)
        queries = self.model.encode_last(padded.inputs(length))[: len(part)]
        excluded = self._servable.excluded(part)
        return best(queries, self._vectors, excluded, self._found, self.rules)

    @cached_property
    def _servable(self) -> Servable:
        return Servable(self.catalogue.mask, self.exclude_seen)

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        assert is_vector_scorer(self.model)
        return self.model.item_vectors()[self._servable.selection]

    @cached_property
    def _most_popular(self) -> tuple[NDArray[Any], NDArray[Any]]:
        assert self.catalogue.counts is not None
        counts = self.catalogue.counts[self._servable.selection].astype(np.float64)
        if self.rules is None:
            return top_k(counts[None], self._found)
        vectors = self._vectors if is_vector_scorer(self.model) else None
        return best_of_scores(counts[None], self._found, self.rules.of_counts(), vectors)
