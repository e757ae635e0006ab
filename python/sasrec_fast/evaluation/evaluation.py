"""Evaluation by ranking: where does a model rank the held-out item of every user?"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sasrec_fast import checks
from sasrec_fast.evaluation.metrics import Metrics, Setting, check_cutoffs
from sasrec_fast.evaluation.sampled_negatives import draw_negatives
from sasrec_fast.evaluation.scoring import Scorer, Scores, checked_scores, input_length, top_k
from sasrec_fast.preparing import Prepared
from sasrec_fast.store import Histories, Split, candidate_mask, require_same_items

Counts = tuple[NDArray[np.int64], NDArray[np.int64]]
Pairs = tuple[NDArray[np.int64], NDArray[np.int32]]
Scored = Iterable[tuple[NDArray[np.int64], Histories, Scores]]
"""Numbers of rows, what is before their targets, and their scores; both filled up with rows."""


def evaluate(
    model: Scorer,
    split: Split | Prepared,
    k: int | Iterable[int] = (1, 5, 10, 20),
    exclude_seen: bool = True,
    candidates: ArrayLike | tuple[str, int, int] | None = None,
    batch_size: int = 256,
) -> Metrics:
    """Rank items for every user of a split and measure the rank of its last target.

    A user's input is the history before the last target (the most recent items of it, as many as
    the model takes). Candidates are the items with at least one interaction in the data that the
    model may recommend. All of them are ranked, unless a sampled ranking is asked for.

    Args:
        model: A `SASRec` or a baseline.
        split: Usually `data.validation` or `data.test`. Prepared data stands for its test split,
            which the metrics then name.
        k: Cut-offs of hit rate, NDCG and coverage.
        exclude_seen: Leave out the items of the whole history before the target, also those
            older than the model's input; never the target itself. In a sampled ranking: draw
            negatives outside the user's training items.
        candidates: Item indices, such as `data.items.index(ids)`, or a bool mask of
            vocabulary_size entries: rank no others. Or
            `("uniform", n, seed)`, the protocol of the SASRec paper: each target among n
            negatives, drawn uniformly and with repetition from the candidates outside the user's
            training items (the one held out for validation may be drawn in the test), never the
            target. They depend on seed, split and user alone. Such metrics compare with their
            like only: they are higher, and may order models otherwise (Krichene & Rendle 2020).
        batch_size: Most rows scored at once. Scores of all users are never held together.

    Returns:
        `Metrics`: "hit_rate@k" (recall, with one target) and "ndcg@k" for each k, "mrr", and for
        full rankings "coverage@k": items in any user's k best, as `recommend` gives them, over
        the number of candidates. Among equal scores every order is equally likely and the metrics
        are expected values, so a model of constant scores is at chance; in the coverage alone
        the smaller item index comes first. A target that is no candidate is a miss, counted in
        `cold_targets`.

    Raises:
        ValueError: The model was made for another vocabulary, scores are NaN, or the split has
            no rows; the data has no test split; candidates that are no item indices or no known
            protocol.
        TypeError: A cut-off that is no integer, or a split of another kind.
    """
    split = _split_of(split)
    cutoffs = check_cutoffs(k)
    checks.integer("batch_size", batch_size, 1)
    require_same_items(model, split, f"the {split.name} split")
    if not len(split):
        raise ValueError(f"the {split.name} split has no rows to evaluate")
    protocol = _protocol(candidates)
    allowed = model.candidate_mask & (
        np.bincount(split.sequences.items, minlength=split.vocabulary_size) > 0
    )
    if candidates is not None and protocol is None:
        allowed &= candidate_mask(candidates, split.vocabulary_size)
    rows = split.sequence_rows
    starts = split.sequences.offsets[rows.users]
    last = starts + rows.ends - 1
    targets = split.sequences.items[last]
    parts = Histories(split.sequences.items, starts, last).batches(
        batch_size, split.vocabulary_size, input_length(model, split.max_sequence_length)
    )
    scored = ((rows, part, checked_scores(model, part, length)) for rows, part, length in parts)
    setting = Setting(split.name, int(allowed.sum()), exclude_seen)
    coverage: dict[str, float] = {}
    if protocol is not None:
        count, seed = protocol
        negatives, short = draw_negatives(split, allowed, count, seed, exclude_seen)
        counts = _among(scored, targets, negatives)
        setting = replace(setting, num_negatives=count, seed=seed, short_users=short)
    else:
        counts, coverage = _of_all(scored, targets, allowed, cutoffs, exclude_seen)
    return Metrics(counts, ~allowed[targets], cutoffs, coverage, setting)


def _split_of(split: Any) -> Split:
    if isinstance(split, Split):
        return split
    if not isinstance(split, Prepared):
        raise TypeError(
            f"split is a {type(split).__name__}; evaluate takes a split, such as data.validation, "
            "or prepared data, for its test split"
        )
    if split.test is None:
        raise ValueError(
            "the data has no test split, since holdout is less than 2: pass data.validation"
        )
    return split.test


def _protocol(candidates: Any) -> tuple[int, int] | None:
    """Number and seed of sampled negatives; None where candidates are no sampling protocol."""
    if not isinstance(candidates, str | tuple) or not any(
        isinstance(part, str) for part in (candidates, *candidates)
    ):
        return None
    if len(candidates) != 3 or candidates[0] != "uniform":
        raise ValueError(
            "candidates must be item indices, a mask, or ('uniform', negatives, seed), received "
            f"{candidates!r}"
        )
    return checks.integer("negatives", candidates[1], 1), checks.integer("seed", candidates[2], 0)


def _among(scored: Scored, targets: NDArray[np.int32], negatives: NDArray[np.int32]) -> Counts:
    """How many of a row's negatives [n, K] score above its target, and level with it.

    A negative 0 is none.
    """
    better, equal = np.empty((2, len(targets)), np.int64)
    for rows, _, scores in scored:
        own = scores[np.arange(len(rows)), targets[rows]][:, None]
        others = scores[np.arange(len(rows))[:, None], negatives[rows]]
        others[negatives[rows] == 0] = np.nan  # neither above nor level
        better[rows] = np.count_nonzero(others > own, axis=1)
        equal[rows] = np.count_nonzero(others == own, axis=1) + 1
    return better, equal


def _of_all(
    scored: Scored,
    targets: NDArray[np.int32],
    candidates: NDArray[np.bool_],
    cutoffs: tuple[int, ...],
    exclude_seen: bool,
) -> tuple[Counts, dict[str, float]]:
    """How many candidates score above each target, and level with it; and the coverage."""
    better, equal = np.empty((2, len(targets)), np.int64)
    covered = np.zeros((len(cutoffs), len(candidates)), np.bool_)
    for rows, part, padded in scored:
        scores, seen = padded[: len(rows)], part.pairs() if exclude_seen else None
        better[rows], equal[rows] = count_above(scores, targets[rows], candidates, seen)
        _, items = top_k(scores, min(cutoffs[-1], len(candidates)))
        for of_cutoff, cutoff in zip(covered, cutoffs, strict=True):
            best = items[:, :cutoff]
            of_cutoff[best[best >= 0]] = True
    shares = covered.sum(axis=1) / max(candidates.sum(), 1)
    coverage = {f"coverage@{k}": float(share) for k, share in zip(cutoffs, shares, strict=True)}
    return (better, equal), coverage


def count_above(
    scores: NDArray[np.floating[Any]],
    targets: NDArray[np.int32],
    candidates: NDArray[np.bool_],
    seen: Pairs | None,
) -> Counts:
    """How many ranked items score above each row's target, and how many equal to it.

    Ranked are the candidates that are not seen, and the target. In `scores`, items that are no
    candidates or seen become minus infinity.

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
    scores[:, ~candidates] = -np.inf
    if seen is not None:
        scores[seen] = -np.inf
    hidden = scores[rows, targets] != own  # a target seen before, or no candidate
    better = np.count_nonzero(scores > own[:, None], axis=1)
    equal = np.count_nonzero(scores == own[:, None], axis=1) + hidden
    last = np.flatnonzero(own == -np.inf)
    if last.size:  # level with what is ranked and below nothing, but not with the excluded
        ranked = np.tile(candidates, (len(scores), 1))
        if seen is not None:
            ranked[seen] = False
        ranked[rows, targets] = True
        equal[last] = ranked[last].sum(axis=1) - better[last]
    return better, equal
