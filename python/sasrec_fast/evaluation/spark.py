"""evaluate() of the lists of items in a Spark DataFrame, partition by partition."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.errors import DataError
from sasrec_fast.evaluation.metrics import Metrics, Setting, Targets
from sasrec_fast.evaluation.ranks import Asked, Counts, coverage, ranks_and_covered, ranks_by_scores
from sasrec_fast.evaluation.scoring import Scorer, input_length, is_vector_scorer
from sasrec_fast.ranking import Servable, servable_items
from sasrec_fast.evaluation.shipped import Lists, Shipped, lists_of
from sasrec_fast.evaluation.vector_ranks import ranks_by_vectors
from sasrec_fast.preparing import VALUE, value_of, values
from sasrec_fast.reading import require_columns
from sasrec_fast.store import Histories

COLUMNS = ("user_id", "item_id")
NAME = "the lists"


@dataclass(frozen=True)
class Candidates:
    """What may be ranked; see `evaluate`."""

    exclude_seen: bool
    candidates: Any
    exclude: Iterable[Any] | None


@dataclass(frozen=True)
class Ranked:
    """The ranks of the last item of some lists.

    Attributes:
        counts: Of each.
        targets: int32 [n], their item indices, 0 for an unknown one.
        repeated: bool [n], whether it is in the list before.
        covered: bool [cut-offs, vocabulary_size], items in anybody's best.
    """

    counts: Counts
    targets: NDArray[np.int32]
    repeated: NDArray[np.bool_]
    covered: NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: list["Ranked"]) -> "Ranked":
        """Those of all parts."""

        def of(read: Any) -> Any:
            return np.concatenate([read(part) for part in parts])

        counts = Counts(
            of(lambda part: part.counts.above),
            of(lambda part: part.counts.level),
            of(lambda part: part.counts.scored),
        )
        covered = np.logical_or.reduce([part.covered for part in parts])
        return cls(counts, of(lambda p: p.targets), of(lambda p: p.repeated), covered)


def evaluate_spark(
    model: Scorer, frame: Any, cutoffs: tuple[int, ...], asked: Candidates, batch_size: int
) -> Metrics:
    """Rank the last item of each list; see `evaluate`."""
    items, known = items_of(model)
    if isinstance(asked.candidates, tuple):
        raise ValueError("a ranking among sampled negatives takes a split, not a Spark DataFrame")
    mask = servable_items(model, items, known, asked.candidates, asked.exclude)
    servable = Servable(mask, asked.exclude_seen)
    function = partial(
        rank, shipped=Shipped.of(model), servable=servable, cutoffs=cutoffs, rows=batch_size
    )
    found = chosen_columns(frame).mapInArrow(function, f"{VALUE} binary").collect()
    parts = [part for row in found for part in value_of(bytes(row[0]))]
    if not parts:
        raise ValueError("no list has two items, one to rank and one before it")
    ranked = Ranked.joined(parts)
    counts = ranked.counts
    digest = zlib.crc32(ranked.targets.tobytes())
    targets = Targets(~mask[ranked.targets] | ~counts.scored, ranked.repeated, digest)
    setting = Setting(NAME, int(mask.sum()), asked.exclude_seen)
    shares = coverage(ranked.covered, servable, cutoffs)
    return Metrics((counts.above, counts.level), targets, cutoffs, shares, setting)


def chosen_columns(frame: Any) -> Any:
    """The DataFrame with the columns of users and lists alone."""
    require_columns(frame.columns, COLUMNS)
    kind = dict(frame.dtypes)[COLUMNS[1]]
    if not kind.startswith("array<"):
        raise DataError(
            f"column '{COLUMNS[1]}' has {kind}, expected the list of each user's item ids, oldest "
            "first: group the rows by user, and collect them in the order of time"
        )
    return frame.select(*COLUMNS)


def items_of(model: Any) -> tuple[Any, NDArray[np.int64]]:
    """The vocabulary and the counts that a model carries; a ValueError where it has none."""
    items, counts = getattr(model, "items", None), getattr(model, "item_counts", None)
    if items is None or counts is None:
        raise ValueError(
            "for a Spark DataFrame the model carries its items and their counts, as "
            "SASRec.for_data(data) does"
        )
    return items, counts


def rank(
    batches: Iterable[Any],
    shipped: Shipped,
    servable: Servable,
    cutoffs: tuple[int, ...],
    rows: int,
) -> Iterator[Any]:
    """One binary value: a list of `Ranked`, of a partition of users and lists."""
    found = []
    for lists in lists_of(batches, shipped.model.items):
        part = _ranked(lists, shipped.model, servable, cutoffs, rows)
        if len(part.targets):
            found.append(part)
    yield from values([found])


def _ranked(
    lists: Lists, model: Any, servable: Servable, cutoffs: tuple[int, ...], rows: int
) -> Ranked:
    before = np.ones(len(lists.items), np.bool_)
    lengths = np.diff(lists.offsets)
    chosen = np.flatnonzero(lengths >= 2)
    last = lists.offsets[1:][lengths > 0] - 1
    before[last] = False
    items, starts, ends = lists.known(before)
    histories = Histories(items, starts[chosen], ends[chosen])
    targets = lists.items[lists.offsets[1:][chosen] - 1]
    numbers, seen = histories.pairs()
    repeated = np.zeros(len(chosen), np.bool_)
    repeated[numbers[seen == targets[numbers]]] = True
    asked = Asked(model, histories, targets, input_length(model, None), rows)
    by = ranks_by_vectors if is_vector_scorer(model) else ranks_by_scores
    ranked = by(asked, servable, max(cutoffs))
    counts, covered = ranks_and_covered(ranked, len(targets), servable, cutoffs)
    return Ranked(counts, targets, repeated, covered)
