"""Top-k recommendations in external ids, for known users and for raw histories."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypedDict, Unpack, overload

import numpy as np
import pandas as pd

from sasrec_fast import checks
from sasrec_fast.errors import note
from sasrec_fast.evaluation import Scorer, input_length, refuse_times, require_scorer
from sasrec_fast.preparing import Prepared, require_prepared
from sasrec_fast.ranking import Catalogue, Rules, require_rules
from sasrec_fast.reading import is_of_spark
from sasrec_fast.recommendation import delivery
from sasrec_fast.recommendation.audience import (
    Asking,
    Audience,
    known_users,
    raw_histories,
    shared_items,
)
from sasrec_fast.recommendation.catalogue import open_catalogue
from sasrec_fast.recommendation.delivery import Columns, Written
from sasrec_fast.recommendation.ranking import Ranker
from sasrec_fast.recommendation.spark import recommend_spark
from sasrec_fast.recommendation.titles import Titles, item_titles


@dataclass(frozen=True)
class Request:
    """How to recommend; see `recommend`."""

    k: int = 10
    exclude_seen: bool = True
    candidates: Iterable[Any] | None = None
    exclude: Iterable[Any] | None = None
    titles: Titles | None = None
    output: str | os.PathLike[str] | None = None
    batch_size: int = 256
    rules: Rules | None = None

    def __post_init__(self) -> None:
        checks.integer("k", self.k, 1)
        checks.integer("batch_size", self.batch_size, 1)
        checks.flag("exclude_seen", self.exclude_seen)
        require_rules(self.rules)


class _Options(TypedDict, total=False):
    users: Iterable[Any] | None
    histories: Any
    times: Any
    at: Any
    k: int
    exclude_seen: bool
    candidates: Iterable[Any] | None
    exclude: Iterable[Any] | None
    titles: Titles | None
    batch_size: int
    rules: Rules | None


@overload
def recommend(
    model: Scorer, data: Prepared | None = ..., *, output: None = ..., **options: Unpack[_Options]
) -> pd.DataFrame: ...
@overload
def recommend(
    model: Scorer,
    data: Prepared | None = ...,
    *,
    output: str | os.PathLike[str],
    **options: Unpack[_Options],
) -> Written: ...
def recommend(
    model: Scorer,
    data: Any = None,
    *,
    users: Iterable[Any] | None = None,
    histories: Any = None,
    times: Any = None,
    at: Any = None,
    k: int = 10,
    exclude_seen: bool = True,
    candidates: Iterable[Any] | None = None,
    exclude: Iterable[Any] | None = None,
    titles: Titles | None = None,
    output: str | os.PathLike[str] | None = None,
    batch_size: int = 256,
    rules: Rules | None = None,
) -> Any:
    """The k items each user is most likely to choose next, best first.

    The search is exact. Scores of all users, or of one user for a large catalogue, are never held
    together: at a million items a batch needs a few megabytes besides the model.

    Args:
        model: A `SASRec` or a baseline.
        data: The prepared data; with `histories` it may be left out if the model carries its
            `items`. Or a Spark DataFrame with columns user_id and item_id, in which each row holds
            the list of a user's item ids, oldest first; the model carries `items` and
            `item_counts` then, and each process of Python loads it once.
        users: External ids of users of the data (a list, a column, a table of one column), who
            are served from their whole kept history, held-out items included. None, without
            histories: every user.
        histories: Instead of users, one list of external item ids for each history, oldest
            first. A mapping, a Series, or a grouped column, as
            `frame.groupby("user_id")["item_id"]`, calls each by its key. Unknown ids are skipped,
            with a warning that counts them. A history without any known item gets the most popular
            items of `data` or of the model's `item_counts`, with a warning; their scores are
            numbers of interactions.
        times: When the items of histories were, in the form of histories, for a model that looks
            at times: timestamps of the kind of the data's.
        at: The moment at which the items are asked for, of such a model: a timestamp of the data's
            kind (a datetime also as text), or one for each user or history. None: the time of each
            one's last item, which earlier moments count as, too, with a warning.
        k: Items for each; fewer where fewer are left to recommend.
        exclude_seen: Never recommend an item of the history, however old. `evaluate` measures
            what is recommended with the same arguments.
        candidates: External ids of the only items to recommend, or a bool for each item index.
            None: every item. Unknown ids, and those of items that are never recommended, are
            counted in a warning.
        exclude: External ids of items not to recommend to anybody; unknown ones are counted in a
            warning.
        titles: Titles to add: a table with columns item_id and title, a Series
            indexed by item id, or a mapping; an unknown title is missing. Where few or none of
            them are of known items, a warning says so.
        output: A .parquet or .csv file to write to instead, while recommendations are made, in
            memory that does not grow with the users. The file appears whole, in the end;
            an earlier one stays as it is until then, and for good after an error or interrupt.
        batch_size: Most histories the model gets at once.
        rules: What else lists must be like, see `Rules`: boosts, at most so many of a group,
            must-haves, diversity. Lists of the most popular items have no boosts and factors, which
            are of the model's scores.

    Returns:
        A DataFrame in the order asked for, then by rank: user_id (external id) or history (its
        key, or number from 0), item_id (external id), rank (int64, from 1), score (float32), and
        title if titles are given. Among equal scores the smaller item index comes first. Items
        without an interaction in `data`, or else in the model's `item_counts`, are not
        recommended. With `output`, these columns are in the file, and returned is a `Written`,
        which counts them. Of a Spark DataFrame, a Spark DataFrame of these columns.

    Raises:
        KeyError: A user is not in the data.
        ValueError: The model was made for other items than the data's, neither data nor
            vocabulary is at hand, a history is empty and no counts are known, no candidate is
            known or left, scores are NaN, titles have no such columns or two titles for an item,
            or the output cannot be written.
        TypeError: Users, histories, candidates or exclude are not lists, or model or data is of
            another kind.
    """
    request = Request(k, exclude_seen, candidates, exclude, titles, output, batch_size, rules)
    if users is not None and histories is not None:
        raise ValueError("give users or histories, not both")
    require_scorer(model, "recommend")
    if is_of_spark(data):
        if users is not None or histories is not None or output is not None:
            raise ValueError(
                "of a Spark DataFrame each row is a user with a list of items: give no users or "
                "histories besides, and no output: write the DataFrame that is returned"
            )
        refuse_times(model)
        if rules is not None:
            raise ValueError("rules are not applied by Spark: recommend to prepared data")
        options = {"k": k, "exclude_seen": exclude_seen, "batch_size": batch_size}
        return recommend_spark(model, data, (candidates, exclude), titles, options)
    if data is not None:
        require_prepared(data, "recommend")
    items = shared_items(model, data)
    asking = Asking.of(model, data, times, at)
    if histories is not None:
        audience = raw_histories(histories, items, asking)
    elif data is not None:
        audience = known_users(data, users, asking)
    else:
        raise ValueError("give the data whose users to recommend to, or histories")
    return serve(model, data, audience, request)


def serve(
    model: Scorer, data: Prepared | None, audience: Audience, request: Request
) -> pd.DataFrame | Written:
    """Recommend to an audience whose item indices are the model's; see `recommend`."""
    path = None if request.output is None else delivery.require_output(request.output)
    catalogue = open_catalogue(model, data, request.candidates, request.exclude)
    rules = None
    if request.rules is not None:
        rules = request.rules.compiled(catalogue.items, catalogue.mask)
        catalogue = replace(catalogue, mask=rules.mask)
    titles = None if request.titles is None else item_titles(request.titles, catalogue)
    _note_empty(audience, catalogue)
    if early := audience.histories.asked_early:
        note(
            f"at is before the last item of {early:,} of {len(audience.histories):,}, of whom the "
            "next one is asked for at the time of that item"
        )
    ranker = Ranker(
        model,
        catalogue,
        request.k,
        request.exclude_seen,
        request.batch_size,
        input_length(model, None if data is None else data.max_sequence_length),
        rules,
    )
    columns, rankings = Columns(audience, catalogue, titles), ranker.rank(audience.histories)
    if path is None:
        return delivery.as_frame(columns, rankings)
    return delivery.write(path, columns, rankings)


def _note_empty(audience: Audience, catalogue: Catalogue) -> None:
    """Say that histories without a known item get the most popular items."""
    empty = np.flatnonzero(audience.histories.starts == audience.histories.ends)
    if not empty.size:
        return
    name = audience.label.removesuffix("_id")
    first = f"first {name} {audience.values[empty[0]]}"
    some = f"histories without a known item: {empty.size:,}, {first}"
    if catalogue.counts is None:
        raise ValueError(
            f"{some}: the most popular items are recommended to them, which takes the data, or a "
            "model that knows how popular items are, SASRec(..., item_counts=data.item_counts)"
        )
    note(f"{some}: the most popular items are recommended to them")
