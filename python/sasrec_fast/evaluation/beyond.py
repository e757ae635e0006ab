"""What lists are like besides being right: novel, varied, fair to the tail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.evaluation.ranks import Asked, Counts, Ranked
from sasrec_fast.evaluation.scoring import Scorer, is_vector_scorer
from sasrec_fast.ranking import Servable, directions, values_by_item
from sasrec_fast.store import Histories, Vocabulary

Values = NDArray[np.float64]
Lists = NDArray[np.int32]

HEAD = 0.8
"""Share of all interactions that the most popular items, the head, have together."""

_USERS_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Beyond:
    """What `evaluate(beyond=)` measures besides accuracy; sources are in docs/evaluation.md.

    Attributes:
        baseline: Whose lists are expected: a hit that is not in them is serendipitous. None: the
            most popular items of the histories.
        user_groups: A mapping of user ids to groups; all means over users are given for each.
        item_groups: A mapping of item ids to groups, or as `Rules` takes them: the share of all
            places in lists that each has.
    """

    baseline: Scorer | None = None
    user_groups: Mapping[Any, Any] | None = None
    item_groups: Any = None


@dataclass(frozen=True)
class Outlook:
    """What came of it.

    Attributes:
        per_user: float64 [n] by key: "novelty@k", "tail@k", "serendipity@k", and "diversity@k" of a
            model that has item vectors.
        shares: "gini@k" and "popularity_lift@k", which are of all lists together.
        exposure: int64 [vocabulary_size], in how many lists of the largest k each item is.
        item_groups: Share of all places in lists of the largest k, and of all interactions, by
            group; items without a group are those of None.
        user_groups: Numbers of users, and means of each metric, by group.
    """

    per_user: dict[str, Values]
    shares: dict[str, float]
    exposure: NDArray[np.int64]
    item_groups: dict[Any, tuple[float, float]] = field(default_factory=dict)
    user_groups: dict[Any, dict[str, float]] = field(default_factory=dict)


def recorded(ranked: Ranked, lists: Lists) -> Iterator[tuple[Any, Counts, Any]]:
    """What is ranked, with the lists [n, k] written down; 0 where they are shorter."""
    for rows, counts, best in ranked:
        lists[rows, : best.shape[1]] = np.maximum(best, 0)
        yield rows, counts, best


def outlook(
    asked: Asked,
    servable: Servable,
    lists: tuple[Lists, Lists],
    counts: NDArray[np.int64],
    cutoffs: tuple[int, ...],
) -> Outlook:
    """Measure lists, and those that were expected, [n, k] of item indices each.

    Args:
        asked: Whose they are.
        servable: What could be in them.
        lists: 0 where they are shorter.
        counts: Interactions of each item index.
        cutoffs: Each k.
    """
    own, expected = lists
    information = -np.log2(np.maximum(counts, 1) / max(int(counts.sum()), 1))
    head, unit = (
        _head(counts),
        (directions(asked.model.item_vectors()) if is_vector_scorer(asked.model) else None),
    )
    before = mean_popularity(asked.histories, counts)
    per_user: dict[str, Values] = {}
    shares: dict[str, float] = {}
    exposure = np.zeros(len(counts), np.int64)
    for k in cutoffs:
        items = own[:, :k]
        there = items > 0
        sizes = np.maximum(there.sum(axis=1), 1)
        per_user[f"novelty@{k}"] = (information[items] * there).sum(axis=1) / sizes
        per_user[f"tail@{k}"] = (~head[items] & there).sum(axis=1) / sizes
        hit = (items == asked.targets[:, None]).any(axis=1)
        foreseen = (expected[:, :k] == asked.targets[:, None]).any(axis=1)
        per_user[f"serendipity@{k}"] = (hit & ~foreseen).astype(np.float64)
        if unit is not None:
            per_user[f"diversity@{k}"] = _diversity(items, unit)
        exposure = np.bincount(items[there], minlength=len(counts))
        shares[f"gini@{k}"] = gini(exposure[servable.items])
        popular = (counts[items] * there).sum(axis=1) / sizes
        shares[f"popularity_lift@{k}"] = float(popular.mean() / max(before, 1e-12) - 1)
    return Outlook(per_user, shares, exposure)


def gini(values: NDArray[np.int64]) -> float:
    """0 where all are equal, towards 1 where one has everything; 0 where nobody has anything."""
    total, number = int(values.sum()), len(values)
    if not total:
        return 0.0
    ranks = 2 * np.arange(1, number + 1) - number - 1
    return float((ranks * np.sort(values)).sum() / (number * total))


def mean_popularity(histories: Histories, counts: NDArray[np.int64]) -> float:
    """Mean over rows of the mean interactions of their items."""
    totals = np.concatenate([[0], np.cumsum(counts[histories.items], dtype=np.int64)])
    lengths = histories.ends - histories.starts
    sums = totals[histories.ends] - totals[histories.starts]
    return float((sums / np.maximum(lengths, 1)).mean())


def shares_of_groups(
    groups: Any, items: Vocabulary | None, exposure: NDArray[np.int64], counts: NDArray[np.int64]
) -> dict[Any, tuple[float, float]]:
    """The share of places in lists and of interactions, by group."""
    indices, values = values_by_item("item_groups", groups, items, len(counts))
    of_item = np.full(len(counts), None, object)
    for index, value in zip(indices.tolist(), values, strict=True):
        of_item[index] = value
    found: dict[Any, tuple[float, float]] = {}
    names = dict.fromkeys(of_item[1:].tolist())
    for name in sorted(names, key=lambda name: (name is None, str(name))):
        members = np.array([value == name for value in of_item])
        members[0] = False
        places, seen = (
            values[members].sum() / max(values.sum(), 1) for values in (exposure, counts)
        )
        found[name] = (float(places), float(seen))
    return found


def means_of_groups(
    groups: Mapping[Any, Any], users: NDArray[Any], per_user: Mapping[str, Values]
) -> dict[Any, dict[str, float]]:
    """The number of users and the mean of each metric, by group; users without one are None's."""
    of_user = [groups.get(user) for user in users.tolist()]
    found = {}
    for name in sorted(dict.fromkeys(of_user), key=lambda name: (name is None, str(name))):
        members = np.array([value == name for value in of_user])
        means = {key: float(values[members].mean()) for key, values in per_user.items()}
        found[name] = {"users": float(members.sum()), **means}
    return found


def _head(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The fewest items that have `HEAD` of all interactions, the most popular ones."""
    order = np.argsort(-counts, kind="stable")
    before = np.concatenate([[0], np.cumsum(counts[order])[:-1]])
    head = np.zeros(len(counts), np.bool_)
    head[order[before < HEAD * counts.sum()]] = True
    return head


def _diversity(items: Lists, unit: NDArray[np.float32]) -> Values:
    """Mean of 1 - cosine over the pairs of each list; 0 of lists of one."""
    found = np.zeros(len(items))
    for first in range(0, len(items), _USERS_AT_ONCE):
        part = items[first : first + _USERS_AT_ONCE]
        there = part > 0
        vectors = unit[part] * there[:, :, None]
        sums = vectors.sum(axis=1, dtype=np.float64)
        own = np.einsum("nkd,nkd->n", vectors, vectors, dtype=np.float64)
        sizes = there.sum(axis=1)
        pairs = np.maximum(sizes * (sizes - 1), 1)
        alike = ((sums * sums).sum(axis=1) - own) / pairs
        found[first : first + _USERS_AT_ONCE] = np.where(sizes > 1, 1 - alike, 0.0)
    return found
