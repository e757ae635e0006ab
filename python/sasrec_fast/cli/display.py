"""Metrics, histories and recommendations as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sasrec_fast.recommendation import recommend
from sasrec_fast.store import user_positions

if TYPE_CHECKING:
    import pandas as pd

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
    rows = {**others, "SASRec": done.test, **done.baselines}
    width = max(map(len, rows))
    lines = [
        f"\ntest: the last item of {len(done.test.ranks):,} users, among all items not seen",
        f"{'':{width}}  hit rate@10  NDCG@10",
    ]
    for name, metrics in rows.items():
        cells = [
            f"{metrics[key]:.4f}" if key in metrics else "" for key in ("hit_rate@10", "ndcg@10")
        ]
        lines.append(f"{name:{width}}  {cells[0]:>11}  {cells[1]:>7}".rstrip())
    return "\n".join(lines)


def metrics_table(metrics: Mapping[str, Metrics]) -> str:
    """How it was measured, and every metric with its standard error, a column for each name."""
    first = next(iter(metrics.values()))
    cells = {
        name: [f"{one[key]:.4f}" + _plus_minus(one.standard_errors[key]) for key in first]
        for name, one in metrics.items()
    }
    left = max(map(len, first))
    widths = {name: max(map(len, [name, *column])) for name, column in cells.items()}
    lines = [str(first).splitlines()[0]]
    lines.append(" " * left + "".join(f"  {name:<{width}}" for name, width in widths.items()))
    for place, key in enumerate(first):
        row = "".join(f"  {cells[name][place]:<{width}}" for name, width in widths.items())
        lines.append(f"{key:<{left}}{row}")
    return "\n".join(line.rstrip() for line in lines)


def _plus_minus(error: float) -> str:
    return "" if math.isnan(error) else f" ± {error:.4f}"


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
