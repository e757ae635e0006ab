"""The k best items of each query, with rules or without."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.ranking.compiled import CompiledRules, Scores

_NO_VECTORS = np.zeros((0, 0), np.float32)


def best(
    queries: NDArray[np.float32],
    vectors: NDArray[np.float32],
    excluded: tuple[NDArray[np.int64], NDArray[np.int32]],
    k: int,
    rules: CompiledRules | None = None,
    coarse: _core.CoarseVectors | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The k best columns of each query by dot products, exactly.

    Args:
        queries: float32 [n, d].
        vectors: float32 [m, d], of what anybody may get (`rules.mask` where there are rules); the
            number of a row is its column.
        excluded: Columns each query must not get, as `Servable.excluded` gives them.
        k: From 1 to m.
        rules: What else lists must be like.
        coarse: Made of `vectors`, where they are searched often: a few queries find the same
            sooner.

    Returns:
        Scores after the rules' factors and boosts, float32 [n, k], and columns, int32 [n, k], in
        the order of the list; minus infinity and -1 where there are fewer. Among equal scores the
        smaller column comes first.

    Raises:
        ValueError: Scores are NaN, or more items than k are always there.
    """
    if rules is None or not rules.make_lists:
        adjustment = None if rules is None else rules.adjustment
        return _core.top_k(queries, vectors, excluded, k, adjustment, coarse)
    return _core.lists_of_products(queries, vectors, excluded, k, rules.of_length(k), coarse)


def best_of_scores(
    scores: Scores, k: int, rules: CompiledRules, vectors: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """As `best`, of scores [n, m] that are minus infinity where a query must not get an item.

    `vectors`, float32 [m, d], say how alike items are; rules with diversity need them.

    Raises:
        TypeError: There is diversity and there are no vectors.
        ValueError: As of `best`.
    """
    if vectors is None and rules.diversity:
        raise TypeError("diversity is by the vectors of items, and this model has none")
    adjusted: Any = np.ascontiguousarray(rules.adjusted(scores), np.float64)
    vectors = _NO_VECTORS if vectors is None else vectors
    return _core.lists_of_scores(adjusted, vectors, k, rules.of_length(k))
