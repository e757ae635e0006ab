"""The catalogue of a model and its data."""

from collections.abc import Iterable
from typing import Any

from sasrec_fast.evaluation import Scorer
from sasrec_fast.preparing import Prepared
from sasrec_fast.ranking import Catalogue, servable_items
from sasrec_fast.recommendation.audience import shared_items


def open_catalogue(
    model: Scorer,
    data: Prepared | None,
    candidates: Iterable[Any] | None = None,
    exclude: Iterable[Any] | None = None,
) -> Catalogue:
    """What the model may recommend, of what is allowed.

    An item needs an interaction, in the data or else in the model's `item_counts`. Arguments,
    warnings and errors are those of `recommend`.
    """
    items = shared_items(model, data)
    counts = getattr(model, "item_counts", None) if data is None else data.item_counts
    mask = servable_items(model, items, counts, candidates, exclude)
    return Catalogue(items, mask, counts)
