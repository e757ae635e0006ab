"""Ranks of targets where scores are dot products: all of them are never held.

On a CPU they are counted natively, elsewhere by the device that computes the scores. Both give the
same numbers, up to scores that round differently.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.backend import on_cpu, on_jax
from sasrec_fast.evaluation.ranks import Asked, Counts, Ranked
from sasrec_fast.evaluation.scoring import VectorScorer, counts_ranks, is_vector_scorer
from sasrec_fast.ranking import Servable
from sasrec_fast.store import Histories

_AHEAD = 8
"""Parts that the device may have before it, besides the one that is fetched."""


def ranked_on_device(model: Any) -> bool:
    """Whether the device that scores items for the model counts its ranks, too."""
    # Baselines have no device: for them nobody asks Keras, which need not be there.
    own = is_vector_scorer(model) and counts_ranks(model)
    return own and on_jax() and not on_cpu()


def ranks_by_vectors(asked: Asked, servable: Servable, k: int) -> Ranked:
    """Ranks among all that each row may get, and its k best items."""
    if ranked_on_device(asked.model):
        return _on_device(asked, servable, k)
    return ranks_natively(asked, servable, k)


def sampled_ranks_by_vectors(asked: Asked, negatives: NDArray[np.int32]) -> Counts:
    """Ranks among a row's negatives [n, K]; a negative 0 is none."""
    counts = Counts.empty(len(asked.targets))
    vectors = asked.model.item_vectors()
    for rows, _, queries in encoded(asked):
        others = np.where(negatives[rows] > 0, negatives[rows], -1)
        found = _core.count_among(queries, vectors, asked.targets[rows], others)
        counts.put(rows, _counts(*found))
    return counts


def ranks_natively(
    asked: Asked,
    servable: Servable,
    k: int,
    adjustment: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> Ranked:
    """As `ranks_by_vectors`, on this machine's processor; factors and boosts may be given."""
    vectors = asked.model.item_vectors()[servable.selection]
    k = min(k, len(servable.indices))
    for rows, part, queries in encoded(asked):
        targets = servable.columns[asked.targets[rows]]
        hidden = servable.excluded(part)
        found, best = _core.count_above(queries, vectors, hidden, targets, k, adjustment)
        indices = np.where(best >= 0, servable.indices[best], 0)
        yield rows, _counts(*found), indices


def encoded(asked: Asked) -> Iterator[tuple[NDArray[np.int64], Histories, NDArray[np.float32]]]:
    """Numbers of rows, what is before their targets, and a vector for each."""
    model: VectorScorer = asked.model
    for rows, part, columns in asked.parts(1):
        queries = model.encode_last(part.inputs(columns))
        yield rows, part.take(slice(len(rows))), queries[: len(rows)]


def _counts(own: NDArray[np.float32], above: NDArray[np.int64], level: NDArray[np.int64]) -> Counts:
    return Counts(above, level, own > -np.inf)


def _on_device(asked: Asked, servable: Servable, k: int) -> Ranked:
    """The device goes on with later parts while earlier ones are fetched."""
    started: deque[tuple[NDArray[np.int64], Any]] = deque()
    k = min(k, len(servable.indices))
    for rows, part, columns in asked.parts(1):
        targets = np.pad(asked.targets[rows], (0, len(part) - len(rows)))
        hidden = _hidden(asked, servable, part, columns)
        found = asked.model.count_above(
            part.inputs(columns), targets, hidden=hidden, candidates=servable.items, k=k
        )
        started.append((rows, found))
        if len(started) > _AHEAD:
            yield _fetched(*started.popleft())
    while started:
        yield _fetched(*started.popleft())


def _hidden(asked: Asked, servable: Servable, part: Histories, columns: int) -> NDArray[np.int32]:
    """Items [n, m] that each row may not get, 0 for none; few different m, each is compiled."""
    if not servable.exclude_seen:
        return np.zeros((len(part), 0), np.int32)
    lengths = asked.histories.ends - asked.histories.starts
    if (part.ends - part.starts).max() > columns:
        columns = max(columns, 1 << int(lengths.max() - 1).bit_length())
    hidden: NDArray[np.int32] = part.inputs(columns)["item_ids"]
    return hidden


def _fetched(
    rows: NDArray[np.int64], found: Any
) -> tuple[NDArray[np.int64], Counts, NDArray[np.int32]]:
    found = np.asarray(found)[: len(rows)]
    above, level, finite = found[:, :3].T
    if not finite.all():
        raise ValueError(
            f"scores are not finite, first in row {int(np.argmin(finite))} of a batch of "
            f"{len(rows)}: did the training diverge?"
        )
    return rows, Counts(above, level, finite > 0), found[:, 3:]
