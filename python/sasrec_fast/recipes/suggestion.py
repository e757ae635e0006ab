"""Which recipe goes with some data, by what its report says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sasrec_fast import checks
from sasrec_fast.recipes.catalogue import RECIPES, SAMPLED, Recipe

if TYPE_CHECKING:
    from sasrec_fast.preparing import Prepared
    from sasrec_fast.store import Report

LONG, DENSE_LENGTH = 20, 0.01
"""Least median history, and least share of all pairs of users and items, of long dense data."""

SMALL = 300_000
"""Interactions below which data is small: MovieLens-100K is, MovieLens-1M is not."""

LARGE_CATALOGUE = 20_000
"""Items from which the full softmax takes more time than it is worth."""

MANY = 2_000_000
"""Interactions from which more than one member of an ensemble takes hours on a CPU."""

SMALL_TRAINING = {"batch_size": 8, "epochs": 60}

SMALL_MODEL = {"num_layers": 2, "num_members": 3}
"""Members are cheap where data is small; four layers changed nothing there."""

RARE = 40
"""Interactions an item below which items of small data are rare: of MovieLens-100K 59 are."""


@dataclass(frozen=True)
class Suggestion:
    """A recipe and why.

    Attributes:
        name: Of the recipe in `RECIPES` that it starts from.
        reason: What in the report speaks for it, and what was changed.
        recipe: To be given to `run` or `sweep`, with the changes for data of this size.
    """

    name: str
    reason: str
    recipe: Recipe

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def suggest(data: Prepared | Report) -> Suggestion:
    """Name the recipe to start from with some data.

    By the report alone, with thresholds between the data the recipes were chosen on:

    - "ml-1m-softmax" for histories that are long (median of 20 interactions or more, of
      MovieLens-1M 96, of Amazon Beauty 6), else "s3-beauty". Where the median is from 10 to 20,
      data of a density of 1 % or more counts as long (MovieLens-1M 4.8 %, Beauty .07 %).
    - Below 300,000 interactions "ml-1m-softmax" becomes an ensemble of three, of two layers, with
      more dropout, and steps on fewer rows, more of them, until validation ends them: dropout .5
      where an item has less than 40 interactions, else .3 and half the rate.
    - From 20,000 items on, a softmax over 4,096 sampled ones.
    - From 2,000,000 interactions on one member, where the recipe has an ensemble of more.

    It is a start, and no more: `sweep` compares it with others by validation.

    Args:
        data: `Prepared`, or its `report`.

    Raises:
        TypeError: Something else.

    Example:
        >>> import sasrec_fast as sf
        >>> data = sf.prepare(sf.datasets.synthetic(200, 400, interactions=(5, 9)).ratings)
        >>> print(sf.recipes.suggest(data))
        s3-beauty: histories are short (median 7 interactions)
    """
    report: Any = getattr(data, "report", data)
    if not hasattr(report, "sequence_lengths"):
        raise TypeError(
            f"suggest takes what prepare() returns, or its report, received {checks.received(data)}"
        )
    median = report.sequence_lengths.median
    density = report.rows_kept / (report.users * report.items)
    shown = f"median {median:,.0f} interactions"
    if median >= LONG or (median >= LONG / 2 and density >= DENSE_LENGTH):
        reason = f"histories are long ({shown}, density {density:.2%})"
        return _fitted("ml-1m-softmax", reason, report)
    return _fitted("s3-beauty", f"histories are short ({shown})", report)


def _fitted(name: str, reason: str, report: Report) -> Suggestion:
    """The recipe with the changes for data of this size."""
    recipe, reasons = RECIPES[name].changed(), [reason]
    if name == "ml-1m-softmax" and report.rows_kept < SMALL:
        each = report.rows_kept / report.items
        dropout, rate = (0.5, 2e-3) if each < RARE else (0.3, 1e-3)
        training = {**SMALL_TRAINING, "learning_rate": rate}
        model = {**SMALL_MODEL, "dropout": dropout}
        recipe = recipe.changed(model=model, training=training)
        reasons.append(
            f"{report.rows_kept:,} are few, {each:,.0f} an item: an ensemble of three, "
            f"dropout {dropout}, batches of {recipe.training.batch_size} rows, a rate of {rate:g}"
        )
    if report.items >= LARGE_CATALOGUE and recipe.training.loss["name"] == "softmax":
        recipe = replace(recipe, training=replace(recipe.training, loss=SAMPLED))
        reasons.append(f"{report.items:,} items are many: sampled softmax")
    if report.rows_kept >= MANY and recipe.model.get("num_members", 1) > 1:
        recipe = recipe.changed(model={"num_members": 1})
        reasons.append(f"{report.rows_kept:,} are many: one member")
    recipe = replace(recipe, summary=f"{name}, for data of this kind", file="")
    return Suggestion(name, "; ".join(reasons), recipe)
