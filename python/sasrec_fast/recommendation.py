"""Top-k recommendations in external ids, for known users and for raw histories."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.audience import Audience, known_users, raw_histories, shared_items
from sasrec_fast.scoring import Scorer, checked_scores, input_length, top_k

if TYPE_CHECKING:
    from sasrec_fast.preparation import Prepared
    from sasrec_fast.vocabulary import Vocabulary

Titles: TypeAlias = pd.DataFrame | pd.Series | Mapping[Any, str]
Ranking = tuple[NDArray[Any], ...]  # row, item index, rank and score of every recommendation


def recommend(
    model: Scorer,
    data: Prepared | None = None,
    *,
    users: Iterable[Any] | None = None,
    histories: Sequence[Sequence[Any]] | None = None,
    k: int = 10,
    exclude_seen: bool = True,
    titles: Titles | None = None,
    batch_size: int = 256,
) -> pd.DataFrame:
    """The k items each user is most likely to choose next, best first.

    Args:
        model: A `SASRec` or a baseline.
        data: The prepared data; with `histories` it may be left out if the model carries its
            `items`.
        users: External ids of users of the data, who are served from their whole kept
            history, held-out items included. None, without histories: every user.
        histories: Instead of users, one list of external item ids for each history, oldest
            first. Unknown ids are skipped, with a warning that counts them. A history without
            any known item gets the most popular items of `data`, with a warning; their scores
            are numbers of interactions.
        k: Items for each; fewer where fewer are left to recommend.
        exclude_seen: Never recommend an item of the history, however old.
        titles: Titles to add: a DataFrame with columns item_id and title, a Series
            indexed by item id, or a mapping; an unknown title is missing.
        batch_size: Most histories scored at once.

    Returns:
        A DataFrame in the order asked for, then by rank: user_id (external id) or history (its
        number, from 0), item_id (external id), rank (int64, from 1), score (float32), and title
        if titles are given. Among equal scores the smaller item index comes first. Items without
        an interaction in `data` are not recommended.

    Raises:
        KeyError: A user is not in the data.
        ValueError: The model was made for other items than the data's, neither data nor
            vocabulary is at hand, a history is empty and there is no data, scores are NaN, or
            titles have no such columns or two titles for an item.
        TypeError: Users or histories are not lists.
    """
    checks.integer("k", k, 1)
    checks.integer("batch_size", batch_size, 1)
    if users is not None and histories is not None:
        raise ValueError("give users or histories, not both")
    items = shared_items(model, data)
    if histories is not None:
        audience = raw_histories(histories, items)
    elif data is not None:
        audience = known_users(data, users)
    else:
        raise ValueError("give the data whose users to recommend to, or histories")
    candidates = model.candidate_mask if data is None else _candidates(model, data)
    length = input_length(model, None if data is None else data.max_sequence_length)
    popularity = _popularity(audience, data)
    found = []
    for rows, part in audience.histories.chunks(batch_size, model.vocabulary_size):
        scores = checked_scores(model, part, length)
        scores[part.starts == part.ends] = popularity
        scores[:, ~candidates] = -np.inf
        if exclude_seen:
            scores[part.pairs()] = -np.inf
        row, item, rank = top_k(scores[: rows.stop - rows.start], k)
        found.append((row + rows.start, item, rank, scores[row, item]))
    table = _table(audience, items, found)
    return table if titles is None else table.assign(title=_titles(table["item_id"], titles))


def _candidates(model: Scorer, data: Prepared) -> NDArray[np.bool_]:
    candidates: NDArray[np.bool_] = model.candidate_mask & (data.item_counts > 0)
    return candidates


def _popularity(audience: Audience, data: Prepared | None) -> NDArray[np.float32]:
    """Scores for empty histories: interactions of each item."""
    empty = np.flatnonzero(audience.histories.starts == audience.histories.ends)
    if not empty.size:
        return np.zeros(1, np.float32)
    if data is None:
        raise ValueError(
            f"{empty.size} histories hold no known item, first history {empty[0]}: the most "
            "popular items are recommended to them, which takes the data"
        )
    warnings.warn(
        f"{empty.size} histories hold no known item, first history {empty[0]}: the most popular "
        "items are recommended to them",
        stacklevel=3,
    )
    return data.item_counts.astype(np.float32)


def _table(audience: Audience, items: Vocabulary, found: Sequence[Ranking]) -> pd.DataFrame:
    none = np.zeros(0, np.int64)
    rows, indices, ranks, scores = (
        np.concatenate(column)
        for column in zip((none, none, none, np.zeros(0, np.float32)), *found, strict=True)
    )
    return pd.DataFrame(
        {
            audience.label: _ids(audience.values[rows]),
            "item_id": _ids(items.lookup(indices)),
            "rank": ranks,
            "score": scores.astype(np.float32),
        }
    )


def _ids(values: NDArray[Any]) -> pd.Series[Any]:
    return pd.Series(values, dtype="str" if values.dtype == object else values.dtype)


def _titles(item_ids: pd.Series[Any], titles: Titles) -> pd.Series[Any]:
    if isinstance(titles, pd.DataFrame):
        missing = {"item_id", "title"} - set(titles.columns)
        if missing:
            raise ValueError(
                f"titles has columns {list(titles.columns)}, without {sorted(missing)}"
            )
        titles = titles.set_index("item_id")["title"]
    series = titles if isinstance(titles, pd.Series) else pd.Series(dict(titles))
    repeated = series.index[series.index.duplicated()]
    if len(repeated):
        raise ValueError(
            f"titles names {len(repeated.unique())} items twice, first {repeated[0]!r}"
        )
    return item_ids.map(series)
