"""Which items a user may get: the one rule of what `recommend` serves and `evaluate` measures."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.errors import note
from sasrec_fast.store import Histories, Vocabulary, given_mask, shown

Mask = NDArray[np.bool_]


class Recommending(Protocol):
    """What this needs of a model."""

    @property
    def vocabulary_size(self) -> int:
        """Number of items + 1."""

    @property
    def candidate_mask(self) -> Mask:
        """Which item indices may be recommended, bool [vocabulary_size]."""


@dataclass(frozen=True)
class Servable:
    """Which items each user may get.

    An item scored minus infinity is never served either.

    Attributes:
        items: bool [vocabulary_size], what anybody may get; never the padding.
        exclude_seen: Whether nobody gets an item of their own history.
    """

    items: Mask
    exclude_seen: bool

    def seen(self, histories: Histories) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Row number and item index of what a row may not get, since it is in its history."""
        if not self.exclude_seen:
            return np.zeros(0, np.int64), np.zeros(0, np.int32)
        return histories.pairs()

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """int64 [m], the items that anybody may get, ascending; each is a column."""
        return np.flatnonzero(self.items)

    @cached_property
    def columns(self) -> NDArray[np.int32]:
        """int32 [vocabulary_size]: the column of each item index, -1 where it has none."""
        columns = np.full(len(self.items), -1, np.int32)
        columns[self.indices] = np.arange(len(self.indices), dtype=np.int32)
        return columns

    @property
    def selection(self) -> slice | NDArray[np.int64]:
        """What selects the columns from an axis of item indices; a slice copies nothing."""
        first, last = int(self.indices[0]), int(self.indices[-1])
        return slice(first, last + 1) if last - first + 1 == len(self.indices) else self.indices

    def excluded(self, histories: Histories) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Columns that each row may not get, ascending, behind the offsets of the rows."""
        rows, items = self.seen(histories)
        columns = self.columns[items]
        rows, columns = rows[columns >= 0], columns[columns >= 0]
        offsets = np.searchsorted(rows, np.arange(len(histories) + 1)).astype(np.int64)
        firsts = rows * len(self.items)
        return offsets, (np.sort(firsts + columns) - firsts).astype(np.int32)

    def hide(self, scores: NDArray[np.floating[Any]], histories: Histories) -> None:
        """Score minus infinity, in place, what the users of these histories may not get."""
        scores[:, ~self.items] = -np.inf
        scores[self.seen(histories)] = -np.inf


def servable_items(
    model: Recommending,
    items: Vocabulary | None,
    counts: NDArray[np.int64] | None,
    candidates: Iterable[Any] | None,
    exclude: Iterable[Any] | None,
) -> Mask:
    """What the model may recommend, of what is allowed, bool [vocabulary_size].

    Args:
        model: What is asked.
        items: The item vocabulary.
        counts: Interactions of each item index, each of which needs one; None where unknown.
        candidates: External ids, or a mask, of the only items allowed; None for all of them.
        exclude: Of items not allowed.

    Raises:
        ValueError: No item is left, or no candidate is known.
        TypeError: No lists of ids.

    Warns:
        UserWarning: Unknown ids, and candidates that are never recommended.
    """
    size = model.vocabulary_size
    allowed = model.candidate_mask.copy()
    allowed[0] = False
    if counts is not None:
        described = getattr(model, "described", None)
        allowed &= counts > 0 if described is None else (counts > 0) | described
    if candidates is not None:
        wanted = given_mask("candidates", candidates, items, size, "cannot be recommended")
        _note_never_recommended(np.flatnonzero(wanted & ~allowed), int(wanted.sum()), items)
        allowed &= wanted
    if exclude is not None:
        allowed &= ~given_mask("exclude", exclude, items, size, "have no effect")
    if not allowed.any():
        raise ValueError(
            f"no item is left to recommend: of {size - 1} items the model may recommend "
            f"{np.count_nonzero(model.candidate_mask)}, and candidates, exclude and the need of "
            "an interaction leave none of them"
        )
    return allowed


def _note_never_recommended(
    indices: NDArray[np.intp], total: int, items: Vocabulary | None
) -> None:
    if indices.size:
        first = f"index {indices[0]}" if items is None else shown(items.ids[indices[0] - 1])
        note(
            f"{indices.size} of {total} known candidates are never recommended, first {first}: "
            "they have no interaction, or the model was made with other candidates"
        )
