"""Whether a model was made for the items of the data it is used on."""

from typing import Any

import numpy as np

from sasrec_fast.store.external import shown
from sasrec_fast.store.vocabulary import Vocabulary


def require_same_items(model: Any, data: Any, name: str) -> None:
    """Refuse a model that was made for other items than those of prepared data or a split.

    Raises:
        ValueError: They differ; the message calls the data `name`.
    """
    own: Vocabulary | None = getattr(model, "items", None)
    other: Vocabulary | None = data.items
    same_size = model.vocabulary_size == data.vocabulary_size
    if same_size and (own is None or other is None or own == other):
        return
    differs = "" if own is None or other is None else _first_difference(own, other, name)
    if not same_size:
        raise ValueError(
            f"the model was made for vocabulary_size={model.vocabulary_size}, {name} has "
            f"vocabulary_size={data.vocabulary_size}{differs and f': {differs}'}"
        )
    if differs:
        raise ValueError(f"the model was made for other items than {name} has: {differs}")


def _first_difference(own: Vocabulary, other: Vocabulary, name: str) -> str:
    """The first index with another id; "" where ids differ in nothing but their dtype."""
    shorter = min(len(own), len(other))
    same_kind = own.are_strings == other.are_strings
    unequal = own.ids[:shorter] != other.ids[:shorter]
    place = int(np.argmax(unequal)) if same_kind and shorter and unequal.any() else 0
    if same_kind and not unequal.any():
        longer, where = (own, "the model") if len(own) > len(other) else (other, name)
        if len(own) == len(other):
            return ""
        return f"index {shorter + 1} is {shown(longer.ids[shorter])}, in {where} alone"
    return (
        f"index {place + 1} is {shown(own.ids[place])} in the model and "
        f"{shown(other.ids[place])} in {name}"
    )
