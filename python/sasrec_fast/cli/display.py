"""Metrics, histories and recommendations as text."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from sasrec_fast.errors import DataWarning
from sasrec_fast.recommendation import recommend
from sasrec_fast.store import shown, user_positions

if TYPE_CHECKING:
    from sasrec_fast.evaluation import Metrics, Scorer
    from sasrec_fast.preparing import Prepared
    from sasrec_fast.recipes import Run

TITLE_WIDTH = 64
SHOWN_HISTORY = 10

Titles = Mapping[Any, str]


def titles_of(movies: pd.DataFrame | None) -> Titles:
    """Titles by item id."""
    return {} if movies is None else dict(zip(movies["item_id"], movies["title"], strict=True))


def title_of(item: Any, titles: Titles) -> str:
    """The title of an item, or its id."""
    title = titles.get(item) or f"item {item}"
    return title if len(title) <= TITLE_WIDTH else title[: TITLE_WIDTH - 3] + "..."


def tested(done: Run, others: Mapping[str, Mapping[str, float]]) -> str:
    """A table of hit rate and NDCG at 10 of a run on its test rows, of baselines and of others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the heading says it
        rows = {**others, "SASRec": done.test, **done.baselines}
    heading = f"\ntest: the last item of {len(done.test.ranks):,} users, among all items not seen"
    if done.test.repeated_targets:
        heading += f"; {done.test.repeated_targets:,} had theirs before, which are misses"
    return f"{heading}\n{compared(rows, ['hit_rate@10', 'ndcg@10'])}"


def compared(rows: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> str:
    """A table of metrics, a row for each name; empty where there is none."""
    table = pd.DataFrame({name: dict(row) for name, row in rows.items()}, dtype=object).T
    table = table.reindex(columns=list(names))
    return str(table.to_string(na_rep="", float_format="{:.4f}".format))


def metrics_table(metrics: Mapping[str, Metrics]) -> str:
    """How it was measured, and every metric with its standard error, a column for each name."""
    columns = {
        name: {key: f"{one[key]:.4f}" + _plus_minus(one.standard_errors[key]) for key in one}
        for name, one in metrics.items()
    }
    heading = next(iter(metrics.values())).heading
    return f"{heading}\n{pd.DataFrame(columns).to_string()}"


def _plus_minus(error: float) -> str:
    return " " * 9 if math.isnan(error) else f" ± {error:.4f}"


def history_and_recommendations(
    model: Scorer, data: Prepared, user: Any, titles: Titles, *, hide_last: bool
) -> str:
    """One user's latest items and the ten items recommended next.

    Args:
        model: A trained model.
        data: The data it was trained on.
        user: External id.
        titles: Titles by item id.
        hide_last: Recommend as if the last item had not happened yet, and mark it if it is found.
    """
    row = user_positions([user], data.users)[0]
    start, end = data.sequences.offsets[row], data.sequences.offsets[row + 1]
    history: list[Any] = data.items.lookup(data.sequences.items[start:end]).tolist()
    known = history[:-1] if hide_last else history
    following = history[-1] if hide_last else None
    found = recommend(model, data, histories=[known])["item_id"].tolist()
    lines = [f"user {user}: the latest {min(len(known), SHOWN_HISTORY)} of {len(known):,} items"]
    lines += [f"      {title_of(item, titles)}" for item in known[-SHOWN_HISTORY:]]
    if following is not None:
        lines.append(f"what came next, hidden from the model: {title_of(following, titles)}")
    if titles and not data.items.index(list(titles)).any():
        example = shown(next(iter(titles)))
        lines.append(
            f"note: none of the {len(titles):,} titles is of an item here, first {example}"
        )
    lines.append("recommended")
    return "\n".join([*lines, *ranked(found, titles, following)])


def first_user(model: Scorer, data: Prepared, titles: Titles, *, hide_last: bool) -> str:
    """`history_and_recommendations` of the user with the smallest id."""
    user = data.users.ids[:1].tolist()[0]
    return history_and_recommendations(model, data, user, titles, hide_last=hide_last)


def ranked(items: Sequence[Any], titles: Titles, following: Any = None) -> list[str]:
    """A numbered line for each item."""
    return [
        f"  {rank:2}  {title_of(item, titles)}" + ("   <- came next" if item == following else "")
        for rank, item in enumerate(items, start=1)
    ]
