"""Scores of a model or baseline for histories, checked."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.store import Histories

Scores = NDArray[np.floating[Any]]

_VECTORS = ("encode_last", "item_vectors")

_BLOCK = 64
"""Scores whose maximum stands for them in the search for the k highest."""


class Scorer(Protocol):
    """What `evaluate` and `recommend` need of a model: `SASRec` and the baselines have it."""

    @property
    def vocabulary_size(self) -> int:
        """Number of items + 1."""

    @property
    def candidate_mask(self) -> NDArray[np.bool_]:
        """Which item indices may be recommended, bool [vocabulary_size]."""

    def score_items(self, x: Mapping[str, Any]) -> Scores:
        """Scores [n, vocabulary_size] after the histories x ("item_ids", "padding_mask")."""


def require_scorer(model: Any, taker: str) -> None:
    """A TypeError that says what `taker` takes, where the model is something else."""
    needed = ("vocabulary_size", "candidate_mask", "score_items")
    if isinstance(model, type):
        raise TypeError(
            f"model is the class {model.__name__}, not a model: call it first, as "
            "SASRec.for_data(data) or MarkovChain(data.train)"
        )
    if not all(hasattr(model, name) for name in needed):
        received = "None" if model is None else f"a {type(model).__name__}"
        raise TypeError(
            f"model is {received}; {taker} takes a SASRec or a baseline first, or another object "
            f"with {', '.join(needed)}, and then the data"
        )


@runtime_checkable
class VectorScorer(Scorer, Protocol):
    """A scorer whose scores are dot products, so that they need not all be held: `SASRec`."""

    def encode_last(self, x: Mapping[str, Any]) -> NDArray[np.float32]:
        """A vector for each history, float32 [n, d]."""

    def item_vectors(self) -> NDArray[np.float32]:
        """A vector for each item index, float32 [vocabulary_size, d]."""


@runtime_checkable
class RankingScorer(VectorScorer, Protocol):
    """A vector scorer that counts ranks where its scores are: `SASRec`."""

    def count_above(
        self,
        x: Mapping[str, Any],
        targets: NDArray[np.int32],
        *,
        hidden: NDArray[np.int32],
        candidates: NDArray[np.bool_],
        k: int,
    ) -> Any:
        """Ranks of targets, int32 [n, 3 + k], see `ItemScorer.count_above`."""


def is_vector_scorer(model: Scorer) -> TypeGuard[VectorScorer]:
    """Whether the model's own scores are its dot products.

    They are not known to be where a subclass replaces `score_items` alone, or somebody replaced
    that of one model: then `score_items` decides.
    """
    if not isinstance(model, VectorScorer) or "score_items" in getattr(model, "__dict__", {}):
        return False
    vectors = min(_definer(model, name) for name in _VECTORS)
    return _definer(model, "score_items") >= vectors


def counts_ranks(model: VectorScorer) -> TypeGuard[RankingScorer]:
    """Whether the model counts ranks, and nobody replaced the vectors that it counts by."""
    if not isinstance(model, RankingScorer):
        return False
    vectors = min(_definer(model, name) for name in _VECTORS)
    return _definer(model, "count_above") <= vectors


def _definer(model: Any, name: str) -> int:
    """How far up its classes a model's method is defined; -1 for one of its own."""
    if name in getattr(model, "__dict__", {}):
        return -1
    classes = type(model).__mro__
    return next((i for i, kind in enumerate(classes) if name in vars(kind)), len(classes))


def looks_at_times(model: Any) -> bool:
    """Whether the model's inputs are also when items were, and when the next ones are asked for."""
    return bool(getattr(model, "looks_at_times", False))


def knows_query_time(model: Any) -> bool:
    """Whether the model is told the moment at which the next item is asked for."""
    return looks_at_times(model) and bool(model.block_options.query_time)


def refuse_times(model: Any) -> None:
    """Refuse a model that looks at times where there are lists of items alone.

    Raises:
        ValueError: It does.
    """
    if looks_at_times(model):
        raise ValueError(
            "the model looks at times, and the lists of a Spark DataFrame have none: take a model "
            "with time=None, or histories= and times="
        )


def input_length(model: Scorer, prepared: int | None) -> int:
    """Columns of the model's input.

    Args:
        model: The scorer.
        prepared: The data's max_sequence_length, or None without data.

    Returns:
        The smaller of it and the model's own max_sequence_length.
    """
    known = (getattr(model, "max_sequence_length", None), prepared)
    return min((int(length) for length in known if length is not None), default=1)


def checked_scores(model: Scorer, histories: Histories, length: int) -> Scores:
    """Scores of every item after each history, in an array of the caller's own.

    Args:
        model: The scorer.
        histories: N rows.
        length: Columns of the input.

    Returns:
        [n, vocabulary_size].

    Raises:
        ValueError: A score is NaN, or they are of another shape.
    """
    scores = np.array(model.score_items(histories.inputs(length)))
    expected = (len(histories), model.vocabulary_size)
    if scores.shape != expected:
        raise ValueError(
            f"score_items of the {type(model).__name__} gives scores of shape {scores.shape}, "
            f"expected {expected}: a row for each history, a column for each item index"
        )
    if not np.issubdtype(scores.dtype, np.floating):
        scores = scores.astype(np.float64)  # integers have no NaN to mark the excluded
    lowest = scores.min(axis=1, initial=np.inf)
    if np.isnan(lowest).any():
        row, item = np.argwhere(np.isnan(scores))[0]
        raise ValueError(
            f"the model's scores are NaN, first for item index {item} in row {row} of a batch of "
            f"{len(scores)}: did its training diverge?"
        )
    return scores


def top_k(scores: Scores, k: int) -> tuple[Scores, NDArray[np.int64]]:
    """The k highest scores of each row, best first; among equal ones the smaller index first.

    Args:
        scores: [n, v] without NaN; minus infinity is never among the highest.
        k: From 1 to v.

    Returns:
        The scores and their indices, both [n, k]; minus infinity and -1 where there are fewer.
    """
    least = _at_most_the_kth_highest(scores, k)[:, None]
    rows, indices = np.nonzero((scores >= least) & (scores > -np.inf))
    order = np.lexsort((indices, -scores[rows, indices], rows))
    rows, indices = rows[order], indices[order]
    places = np.arange(len(rows)) - np.searchsorted(rows, np.arange(len(scores)))[rows]
    kept = places < k
    rows, indices, places = rows[kept], indices[kept], places[kept]
    best = np.full((len(scores), k), -np.inf, scores.dtype)
    columns = np.full(best.shape, -1)
    best[rows, places], columns[rows, places] = scores[rows, indices], indices
    return best, columns


def _at_most_the_kth_highest(scores: Scores, k: int) -> Scores:
    """A bound [n] that at least k scores of each row [n, v], v >= k, reach, and few others.

    The k-th highest of the maxima of blocks: a partition of these is quick, one of all scores is
    not.
    """
    blocks = scores.shape[1] // _BLOCK
    if blocks >= k:
        whole = scores[:, : blocks * _BLOCK].reshape(len(scores), blocks, _BLOCK)
        scores = whole.max(axis=2)
    return np.partition(scores, scores.shape[1] - k, axis=1)[:, -k]
