"""Which items may be recommended, and how popular they are."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.evaluation import Scorer
from sasrec_fast.preparing import Prepared
from sasrec_fast.recommendation.audience import shared_items
from sasrec_fast.store import Vocabulary, listed, shown


@dataclass(frozen=True)
class Catalogue:
    """The items that may be recommended; each is a column of the scores.

    Attributes:
        items: The vocabulary.
        indices: int64 [m], item indices, ascending.
        counts: int64 [vocabulary_size], interactions of every item, or None where nothing is
            known of them.
    """

    items: Vocabulary
    indices: NDArray[np.int64]
    counts: NDArray[np.int64] | None

    @cached_property
    def columns(self) -> NDArray[np.int32]:
        """int32 [vocabulary_size]: the column of each item index, -1 where it has none."""
        columns = np.full(len(self.items) + 1, -1, np.int32)
        columns[self.indices] = np.arange(len(self.indices), dtype=np.int32)
        return columns

    @property
    def selection(self) -> slice | NDArray[np.int64]:
        """What selects the columns from an axis of item indices; a slice copies nothing."""
        first, last = int(self.indices[0]), int(self.indices[-1])
        return slice(first, last + 1) if last - first + 1 == len(self.indices) else self.indices


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
    allowed = model.candidate_mask.copy()
    if counts is not None:
        allowed &= counts > 0
    if candidates is not None:
        known = _indices("candidates", candidates, items, "cannot be recommended")
        _note_never_recommended(known[~allowed[known]], len(known), items)
        allowed &= np.isin(np.arange(len(allowed)), known)
    if exclude is not None:
        allowed[_indices("exclude", exclude, items, "have no effect")] = False
    indices = np.flatnonzero(allowed)
    if not indices.size:
        raise ValueError(
            f"no item is left to recommend: of {len(items)} items the model may recommend "
            f"{np.count_nonzero(model.candidate_mask)}, and candidates, exclude and the need of "
            "an interaction leave none of them"
        )
    return Catalogue(items, indices, counts)


def _indices(
    name: str, ids: Iterable[Any], items: Vocabulary, consequence: str
) -> NDArray[np.int32]:
    """Item indices of external ids, with a warning that counts the unknown ones."""
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise TypeError(f"{name} must be a list of item ids, received {ids!r}")
    wanted = listed(ids)
    indices = items.index(wanted)
    unknown = np.flatnonzero(indices == 0)
    if name == "candidates" and unknown.size == len(wanted):
        received = f"first {shown(wanted[0])}" if wanted else "an empty list"
        raise ValueError(
            f"none of the {len(wanted)} candidates is a known item, {received}; the items are "
            f"such as {shown(items.ids[0])}"
        )
    if unknown.size:
        warnings.warn(
            f"{unknown.size} of {len(wanted)} item ids in {name} are unknown and {consequence}, "
            f"first {shown(wanted[unknown[0]])}",
            stacklevel=5,
        )
    return indices[indices > 0]


def _note_never_recommended(indices: NDArray[np.int32], total: int, items: Vocabulary) -> None:
    if indices.size:
        warnings.warn(
            f"{indices.size} of {total} known candidates are never recommended, first "
            f"{shown(items.ids[indices[0] - 1])}: they have no interaction, or the model was made "
            "with other candidates",
            stacklevel=5,
        )
