"""Ranks of targets in the lists that rules make: what is measured is what would be served."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.evaluation.ranks import Asked, Counts, Ranked
from sasrec_fast.evaluation.scoring import checked_scores, is_vector_scorer, top_k
from sasrec_fast.evaluation.vector_ranks import encoded, ranks_natively
from sasrec_fast.ranking import CompiledRules, Servable, best, best_of_scores

UNLISTED = -1
"""Items counted above a target that is in no list."""


def ranks_by_rules(asked: Asked, servable: Servable, rules: CompiledRules, k: int) -> Ranked:
    """Ranks among all that each row may get, and its list of k.

    Where what is in a list depends on what else is, ranks are places in it, and of targets that are
    not in it `UNLISTED` is counted above.
    """
    vectors = is_vector_scorer(asked.model)
    if rules.make_lists:
        return (
            _by_vectors(asked, servable, rules, k) if vectors else _lists(asked, servable, rules, k)
        )
    if vectors:
        return ranks_natively(asked, servable, k, rules.adjustment)
    return _adjusted(asked, servable, rules, k)


def _by_vectors(asked: Asked, servable: Servable, rules: CompiledRules, k: int) -> Ranked:
    vectors = asked.model.item_vectors()[servable.selection]
    k = min(k, len(servable.indices))
    for rows, part, queries in encoded(asked):
        _, columns = best(queries, vectors, servable.excluded(part), k, rules)
        yield rows, *_places(asked, servable, rows, columns)


def _lists(asked: Asked, servable: Servable, rules: CompiledRules, k: int) -> Ranked:
    k = min(k, len(servable.indices))
    for rows, part, width in asked.parts(len(servable.items)):
        scores = checked_scores(asked.model, part, width)
        servable.hide(scores, part)
        _, columns = best_of_scores(scores[: len(rows), servable.selection], k, rules)
        yield rows, *_places(asked, servable, rows, columns)


def _adjusted(asked: Asked, servable: Servable, rules: CompiledRules, k: int) -> Ranked:
    """By scores after factors and boosts, of a model that has no vectors."""
    for rows, part, width in asked.parts(len(servable.items)):
        scores = checked_scores(asked.model, part, width)
        own_columns = servable.columns[asked.targets[rows]]
        numbers = np.arange(len(rows))
        own = rules.adjusted(scores[: len(rows), servable.selection])[numbers, own_columns]
        servable.hide(scores, part)
        found = rules.adjusted(scores[: len(rows), servable.selection])
        above = np.count_nonzero(found > own[:, None], axis=1)
        level = np.maximum(np.count_nonzero(found == own[:, None], axis=1), 1)
        _, columns = top_k(found, min(k, found.shape[1]))
        yield rows, Counts(above, level, own > -np.inf), _items(servable, columns)


def _places(
    asked: Asked, servable: Servable, rows: NDArray[np.int64], columns: NDArray[np.int32]
) -> tuple[Counts, NDArray[np.integer[Any]]]:
    """Counts that place each target where it is in its list, and the items of the list."""
    targets = servable.columns[asked.targets[rows]]
    here = (columns == targets[:, None]) & (targets >= 0)[:, None]
    above = np.where(here.any(axis=1), here.argmax(axis=1), UNLISTED)
    ones = np.ones(len(rows), np.int64)
    counts = Counts(above.astype(np.int64), ones, ones.astype(np.bool_))
    return counts, _items(servable, columns)


def _items(servable: Servable, columns: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Item indices of columns, 0 for none."""
    return np.where(columns >= 0, servable.indices[columns], 0)
