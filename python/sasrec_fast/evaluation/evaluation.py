"""Evaluation by ranking: where does a model rank the held-out item of every user?"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.errors import DataWarning, note
from sasrec_fast.evaluation.baselines import Popularity
from sasrec_fast.evaluation.beyond import (
    Beyond,
    Outlook,
    means_of_groups,
    outlook,
    recorded,
    shares_of_groups,
)
from sasrec_fast.evaluation.by_rules import UNLISTED, ranks_by_rules
from sasrec_fast.evaluation.held_out import HeldOut
from sasrec_fast.evaluation.metrics import Metrics, Setting, Targets, check_cutoffs
from sasrec_fast.evaluation.ranks import (
    Asked,
    Counts,
    ranks_and_covered,
    ranks_by_scores,
    sampled_ranks_by_scores,
)
from sasrec_fast.evaluation.ranks import (
    coverage as coverage_of,
)
from sasrec_fast.evaluation.sampled_negatives import draw_negatives, sampling_protocol
from sasrec_fast.evaluation.scoring import (
    Scorer,
    input_length,
    is_vector_scorer,
    knows_query_time,
    refuse_times,
    require_scorer,
)
from sasrec_fast.evaluation.spark import Candidates, evaluate_spark
from sasrec_fast.evaluation.vector_ranks import (
    ranked_on_device,
    ranks_by_vectors,
    sampled_ranks_by_vectors,
)
from sasrec_fast.preparing import Prepared, require_split
from sasrec_fast.ranking import CompiledRules, Rules, Servable, require_rules, servable_items
from sasrec_fast.reading import is_of_spark
from sasrec_fast.store import Split, require_same_items

ROWS, ROWS_ON_DEVICE = 256, 1024
"""Most rows scored at once where nobody says how many."""

QUERY_TIMES = ("last", "target")

WARNING_SHARE = 0.05
"""Share of targets that are misses because they were seen before, above which it is said."""


def evaluate(
    model: Scorer,
    split: Split | Prepared | Any,
    k: int | Iterable[int] = (1, 5, 10, 20),
    exclude_seen: bool = True,
    candidates: Iterable[Any] | tuple[str, int, int] | None = None,
    batch_size: int | None = None,
    *,
    exclude: Iterable[Any] | None = None,
    query_time: str = "last",
    rules: Rules | None = None,
    beyond: bool | Beyond = False,
) -> Metrics:
    """Rank items for every user of a split and measure the rank of its last target.

    Measured is what `recommend` serves after the same history, with the same arguments: a target
    that it would not serve is a miss. A user's input is the history before the last target (the
    most recent items of it, as many as the model takes). Candidates are the items with at least
    one interaction in the data that the model may recommend. All of them are ranked, unless a
    sampled ranking is asked for.

    Args:
        model: A `SASRec` or a baseline.
        split: Usually `data.validation` or `data.test`. Prepared data stands for its test split,
            which the metrics then name. Or a Spark DataFrame with columns user_id and item_id, in
            which each row holds the list of a user's item ids, oldest first: the last one is the
            target. The model carries `items` and `item_counts` then.
        k: Cut-offs of hit rate, NDCG and coverage.
        exclude_seen: Leave out the items of the whole history before the target, also those
            older than the model's input. A target among them is a miss, counted in
            `repeated_targets`. In a sampled ranking: also draw negatives outside the user's
            training items. False where people take things again, music or groceries.
        candidates: External ids of the only items to rank, or a bool for each item index. Or
            `("uniform", n, seed)`, the protocol of the SASRec paper: each target among n
            negatives, drawn uniformly and with repetition from the candidates outside the user's
            training items (the one held out for validation may be drawn in the test), never the
            target. They depend on seed, split and user alone. Such metrics compare with their
            like only: they are higher, and may order models otherwise (Krichene & Rendle 2020).
        batch_size: Most rows scored at once; None: 256, and 1,024 on a GPU. Scores of all users are
            never held together, and where they are dot products not those of one batch either.
        exclude: External ids of items not to rank.
        query_time: When the question is asked, for a model that looks at times: at the time of the
            "last" item before the target, as the protocols of papers have it; or of the "target",
            which a server knows and they do not. Printed metrics say which. See docs/time.md.
        rules: Of the lists, as of `recommend`. With caps, must-haves or diversity a list is made of
            the largest k, and a target that is not in it has no rank: it is a miss, and counts 0
            in "mrr". Printed metrics say so; `compare` takes metrics of equal rules alone.
        beyond: Whether to measure what the lists are like besides: novelty, diversity, coverage of
            the tail, popularity, serendipity, exposure of items; or a `Beyond` that says against
            which baseline, and for which groups. See docs/evaluation.md.

    Returns:
        `Metrics`: "hit_rate@k" (recall, with one target) and "ndcg@k" for each k, "mrr", and for
        full rankings "coverage@k": items in any user's k best, as `recommend` gives them, over
        the number of candidates. Among equal scores every order is equally likely and the metrics
        are expected values, so a model of constant scores is at chance; `recommend`, and the
        coverage, put the smaller item index first. A target that is no candidate, or that the
        model scores minus infinity, is a miss, counted in `cold_targets`.

    Raises:
        ValueError: The model was made for other items or looks at times that the data has not,
            scores are NaN, or the split has no rows; the data has no test split; no candidate is
            known or left, or the protocol is not known.
        TypeError: A cut-off that is no integer, no list of ids, or a model or split of another
            kind.

    Warns:
        DataWarning: More than 5 % of the targets are misses since their user had them before.
        UserWarning: Unknown ids in candidates or exclude, and candidates that are never
            recommended.
    """
    require_scorer(model, "evaluate")
    checks.flag("exclude_seen", exclude_seen)
    if is_of_spark(split):
        asked = Candidates(exclude_seen, candidates, exclude)
        refuse_times(model)
        if rules is not None:
            raise ValueError("rules are not applied by Spark: evaluate prepared data")
        if beyond:
            raise ValueError("beyond is not measured by Spark: evaluate prepared data")
        return evaluate_spark(model, split, check_cutoffs(k), asked, batch_size or ROWS)
    split = require_split(split, "evaluate")
    metrics = measure(
        model,
        split,
        k=k,
        exclude_seen=exclude_seen,
        candidates=candidates,
        batch_size=batch_size,
        exclude=exclude,
        query_time=query_time,
        rules=rules,
        beyond=beyond,
    )
    if exclude_seen:
        warn_of_repeats(split.name, metrics.targets.repeated)
    return metrics


def measure(
    model: Scorer,
    split: Split,
    *,
    k: int | Iterable[int],
    exclude_seen: bool = True,
    candidates: Iterable[Any] | tuple[str, int, int] | None = None,
    batch_size: int | None = None,
    exclude: Iterable[Any] | None = None,
    query_time: str = "last",
    coverage: bool = True,
    held_out: HeldOut | None = None,
    rules: Rules | None = None,
    beyond: bool | Beyond = False,
) -> Metrics:
    """As `evaluate`, of a split that is one, without a word on repeats.

    The coverage, which takes each user's best items, may be left out. `held_out` is of this split,
    where it was looked up before.
    """
    cutoffs = check_cutoffs(k)
    checks.one_of("query_time", query_time, QUERY_TIMES)
    require_rules(rules)
    if batch_size is None:
        batch_size = ROWS_ON_DEVICE if ranked_on_device(model) else ROWS
    checks.integer("batch_size", batch_size, 1)
    require_same_items(model, split, f"the {split.name} split")
    if not len(split):
        raise ValueError(f"the {split.name} split has no rows to evaluate")
    protocol = sampling_protocol(candidates)
    if protocol is not None and rules is not None:
        raise ValueError("rules are of full rankings: a sampled ranking is no list to serve")
    if not isinstance(beyond, bool | Beyond):
        raise TypeError(f"beyond is True, False or a Beyond, received {checks.received(beyond)}")
    if protocol is not None and beyond:
        raise ValueError("beyond is of full rankings: a sampled ranking is no list to serve")
    wanted = None if protocol is not None else candidates
    held_out = held_out or HeldOut(split)
    items = servable_items(model, split.items, held_out.interactions, wanted, exclude)
    compiled = None if rules is None else rules.compiled(split.items, items)
    if compiled is not None:
        items = compiled.mask
    servable = Servable(items, exclude_seen)
    length = input_length(model, split.max_sequence_length)
    asked = Asked(model, held_out.asked(model, query_time), held_out.targets, length, batch_size)
    shares: dict[str, float] = {}
    lists = np.zeros((len(asked.targets), max(cutoffs) if beyond else 0), np.int32)
    if protocol is None:
        counts, shares = _among_all(asked, servable, cutoffs, coverage, compiled, lists)
        label = None if compiled is None else compiled.label(cutoffs[-1])
        setting = Setting(split.name, int(items.sum()), exclude_seen, rules=label)
    else:
        counts, setting = _among_negatives(asked, servable, split, protocol)
    if knows_query_time(model):
        setting = replace(setting, query_time=query_time)
    cold = ~items[asked.targets] | ~counts.scored
    unlisted = counts.above == UNLISTED if compiled is not None else None
    targets = Targets(cold, held_out.repeated, held_out.digest, unlisted)
    counted = np.maximum(counts.above, 0), counts.level
    if not beyond:
        return Metrics(counted, targets, cutoffs, shares, setting)
    besides = beyond if isinstance(beyond, Beyond) else Beyond()
    found = _outlook(besides, asked, servable, lists, held_out, cutoffs)
    metrics = Metrics(counted, targets, cutoffs, shares, setting, found)
    if besides.user_groups is not None:
        groups = means_of_groups(besides.user_groups, split.user_ids, metrics.per_user)
        metrics.outlook = replace(found, user_groups=groups)
    return metrics


def _outlook(
    beyond: Beyond,
    asked: Asked,
    servable: Servable,
    lists: NDArray[np.int32],
    held_out: HeldOut,
    cutoffs: tuple[int, ...],
) -> Outlook:
    """What lists are like, beside those of the baseline for the same users."""
    split = held_out.split
    size, rows = split.vocabulary_size, split.sequence_rows
    known = split.item_counts - split.sequences.target_counts(rows, size)  # without the targets
    model = beyond.baseline or Popularity(known, split.items)
    require_scorer(model, "Beyond(baseline=)")
    require_same_items(model, split, f"the {split.name} split")
    length = input_length(model, split.max_sequence_length)
    other = replace(asked, model=model, histories=held_out.asked(model, "last"), length=length)
    expected = np.zeros_like(lists)
    _among_all(other, servable, cutoffs, False, None, expected)
    found = outlook(asked, servable, (lists, expected), held_out.interactions, cutoffs)
    if beyond.item_groups is None:
        return found
    groups = shares_of_groups(
        beyond.item_groups, split.items, found.exposure, held_out.interactions
    )
    return replace(found, item_groups=groups)


def warn_of_repeats(name: str, repeated: NDArray[np.bool_]) -> None:
    """Say where many targets are misses since their user had them before; see `evaluate`."""
    users, found = len(repeated), int(np.count_nonzero(repeated))
    if found > WARNING_SHARE * users:
        note(
            f"{found:,} of {users:,} {name} targets ({found / users:.1%}) are items "
            "that their user had before, which count as misses, since nobody is recommended what "
            "they had; exclude_seen=False serves and measures them, in `recommend` and `evaluate`",
            DataWarning,
        )


def _among_all(
    asked: Asked,
    servable: Servable,
    cutoffs: tuple[int, ...],
    coverage: bool,
    rules: CompiledRules | None,
    lists: NDArray[np.int32],
) -> tuple[Counts, dict[str, float]]:
    """Counts, and the coverage at each of the cut-offs where it is wanted.

    Lists [n, k] are written down, of as many items as they have columns.
    """
    covering = cutoffs if coverage else ()
    if rules is not None:
        ranked = ranks_by_rules(asked, servable, rules, max(cutoffs))
    else:
        rank = ranks_by_vectors if is_vector_scorer(asked.model) else ranks_by_scores
        ranked = rank(asked, servable, max(max(covering, default=0), lists.shape[1]))
    if lists.shape[1]:
        ranked = recorded(ranked, lists)
    counts, covered = ranks_and_covered(ranked, len(asked.targets), servable, covering)
    return counts, coverage_of(covered, servable, covering)


def _among_negatives(
    asked: Asked, servable: Servable, split: Split, protocol: tuple[int, int]
) -> tuple[Counts, Setting]:
    (count, seed), excluded = protocol, servable.exclude_seen
    negatives, short = draw_negatives(split, servable.items, count, seed, excluded)
    rank = sampled_ranks_by_scores
    if is_vector_scorer(asked.model):
        rank = sampled_ranks_by_vectors
    candidates = int(servable.items.sum())
    setting = Setting(split.name, candidates, excluded, count, seed, short)
    return rank(asked, negatives), setting
