"""Full-ranking evaluation: where does a model rank the held-out item of every user?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sasrec_fast import checks
from sasrec_fast.audience import require_same_items
from sasrec_fast.histories import Histories
from sasrec_fast.metrics import Metrics, check_cutoffs
from sasrec_fast.scoring import Scorer, checked_scores, input_length

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from sasrec_fast.splits import Split

__all__ = ["Metrics", "evaluate"]


def evaluate(
    model: Scorer,
    split: Split,
    k: int | Iterable[int] = (1, 5, 10, 20),
    exclude_seen: bool = True,
    batch_size: int = 256,
) -> Metrics:
    """Rank every candidate for every row of a split and measure the rank of its last target.

    A row's input is its history before the last target (the most recent items of it, as many
    as the model takes). Candidates are the items with at least one interaction in the data that
    the model may recommend. Nothing is sampled.

    Args:
        model: A `SASRec` or a baseline.
        split: Usually `data.validation` or `data.test`.
        k: Cut-offs of hit rate and NDCG.
        exclude_seen: Leave out the items of the whole history before the target, also those
            older than the model's input; never the target itself.
        batch_size: Most rows scored at once. Scores of all users are never held together.

    Returns:
        `Metrics`: "hit_rate@k" (recall, with one target), "ndcg@k" for each k, and "mrr".
        Among equal scores every order is equally likely and the metrics are expected values, so
        a model of constant scores is at chance. A target that is no candidate is a miss, counted
        in `cold_targets`.

    Raises:
        ValueError: The model was made for another vocabulary, scores are NaN, or the split has
            no rows.
        TypeError: A cut-off that is no integer.
    """
    cutoffs = check_cutoffs(k)
    checks.integer("batch_size", batch_size, 1)
    require_same_items(model, split, f"the {split.name} split")
    if not len(split):
        raise ValueError(f"the {split.name} split has no rows to evaluate")
    items = split.sequences.items
    targets = items[split.ends - 1]
    known = np.bincount(items, minlength=split.vocabulary_size) > 0
    candidates = model.candidate_mask & known
    histories = Histories(items, split.starts, split.ends - 1)
    length = input_length(model, split.max_sequence_length)
    better = np.empty(len(split), dtype=np.int64)
    equal = np.empty(len(split), dtype=np.int64)
    for rows, part in histories.chunks(batch_size, split.vocabulary_size):
        count = rows.stop - rows.start
        scores = checked_scores(model, part, length)[:count]
        seen = part.pairs() if exclude_seen else None
        better[rows], equal[rows] = count_above(scores, targets[rows], candidates, seen)
    return Metrics.from_counts(
        better,
        equal,
        cutoffs,
        name=split.name,
        num_candidates=int(candidates.sum()),
        cold=~candidates[targets],
        seen_excluded=exclude_seen,
    )


def count_above(
    scores: NDArray[np.floating[Any]],
    targets: NDArray[np.int32],
    candidates: NDArray[np.bool_],
    seen: tuple[NDArray[np.int64], NDArray[np.int32]] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many ranked items score above each row's target, and how many equal to it.

    Ranked are the candidates that are not seen, and the target. `scores` is overwritten.

    Args:
        scores: [n, vocabulary_size], without NaN.
        targets: int32 [n], item indices.
        candidates: bool [vocabulary_size].
        seen: Row number and item index of every seen item, or None.

    Returns:
        Two int64 arrays [n]; the second counts the target itself.
    """
    rows = np.arange(len(scores))
    own = scores[rows, targets]
    scores[:, ~candidates] = np.nan  # compares neither greater nor equal
    if seen is not None:
        scores[seen] = np.nan
    scores[rows, targets] = own
    own = own[:, None]
    return np.count_nonzero(scores > own, axis=1), np.count_nonzero(scores == own, axis=1)
