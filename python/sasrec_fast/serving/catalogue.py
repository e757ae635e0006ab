"""What is known of a catalogue once, for all questions: vectors, ids, counts, what is served."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.ranking import Catalogue, directions
from sasrec_fast.serving.encoders import Encoder, Timing
from sasrec_fast.store import shown

Excluded = tuple[NDArray[np.int64], NDArray[np.int32]]
"""Where the columns of each query begin, and all of them."""


@dataclass(frozen=True)
class Selection:
    """Items that are searched.

    Attributes:
        indices: int64 [m], ascending; each is a column.
        vectors: float32 [m, d].
        coarse: The same in a quarter of the bytes, where they are searched often.
    """

    indices: NDArray[np.int64]
    vectors: NDArray[np.float32]
    coarse: _core.CoarseVectors | None = None

    def often(self) -> Selection:
        """The same, to be searched often."""
        return replace(self, coarse=_core.CoarseVectors(self.vectors))

    def columns_of(self, items: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
        """The columns of those item indices that have one, ascending, perhaps several times."""
        wanted = np.sort(items)
        if self._is_range:
            first = int(self.indices[0])
            inside = np.searchsorted(wanted, [first, first + len(self.indices)])
            return (wanted[inside[0] : inside[1]] - first).astype(np.int32)
        return self._looked_up(wanted)[0].astype(np.int32)

    def excluded(
        self, numbers: NDArray[np.int64], items: NDArray[np.integer[Any]], queries: int
    ) -> Excluded:
        """As `best` takes them, of the number of a query and an item index that it must not get."""
        if queries == 1:
            own = self.columns_of(items)
            return np.array([0, len(own)]), own
        columns, there = self._looked_up(items)
        count = len(self.indices)
        places = np.sort(numbers[there] * count + columns)
        offsets = np.searchsorted(places, np.arange(queries + 1) * count)
        return offsets, (places % count).astype(np.int32)

    @cached_property
    def _is_range(self) -> bool:
        """Whether nothing needs to be looked up."""
        return int(self.indices[-1]) - int(self.indices[0]) + 1 == len(self.indices)

    def _looked_up(
        self, items: NDArray[np.integer[Any]]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The columns of those that have one, and which have."""
        if self._is_range:
            columns = items.astype(np.int64) - self.indices[0]
            there = (columns >= 0) & (columns < len(self.indices))
        else:
            columns = np.searchsorted(self.indices, items)
            there = self.indices.take(columns, mode="clip") == items
        return columns[there], there


@dataclass(frozen=True, eq=False)
class VectorCatalogue(Catalogue):
    """The items that a recommender knows, with vectors and titles.

    Attributes:
        items, mask, counts: As of `Catalogue`.
        vectors: float32 [vocabulary_size, d], whose dot products with states are scores.
        titles: By item index, None where one has none; None where there are none at all.
    """

    vectors: NDArray[np.float32]
    titles: list[str | None] | None = None

    @cached_property
    def everything(self) -> Selection:
        """All that is ever served."""
        return self.selected(self.mask).often()

    def kept(self, mask: NDArray[np.bool_]) -> Selection:
        """The items of a mask, to be searched often."""
        if np.array_equal(mask, self.mask):
            return self.everything
        return self.selected(mask).often()

    def selected(self, mask: NDArray[np.bool_]) -> Selection:
        """The items of a mask; where that is a range of indices, nothing is copied."""
        indices = np.flatnonzero(mask)
        first, last = int(indices[0]), int(indices[-1])
        whole = last - first + 1 == len(indices)
        vectors = self.vectors[first : last + 1] if whole else self.vectors[indices]
        return Selection(indices, vectors)

    @cached_property
    def directions(self) -> Selection:
        """The same with vectors of length 1, for cosines; those of length 0 stay so."""
        return Selection(self.everything.indices, directions(self.everything.vectors)).often()

    @cached_property
    def popular(self) -> NDArray[np.int64]:
        """Indices of all that is ever served, most interactions first, then the smaller index."""
        assert self.counts is not None
        indices = self.everything.indices
        found: NDArray[np.int64] = indices[np.argsort(-self.counts[indices], kind="stable")]
        return found

    def only(self, candidates: Iterable[Any]) -> NDArray[np.bool_]:
        """Which item indices are served of some ids, bool [vocabulary_size].

        Raises:
            ValueError: Nothing.
        """
        wanted = self.known("candidates", candidates)
        mask = np.zeros(self.vocabulary_size, np.bool_)
        mask[wanted] = self.mask[wanted]
        if not mask.any():
            raise ValueError(
                f"none of the {len(wanted):,} candidates can be recommended: they are unknown, or "
                f"have no interaction; items are such as {shown(self.items.lookup([1])[0])}"
            )
        return mask

    def known(self, name: str, ids: Iterable[Any]) -> NDArray[np.int32]:
        """The indices of a list of ids, 0 for the unknown; an error calls them by their name."""
        if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
            raise TypeError(f"{name} must be a list of item ids, received {shown(ids)}")
        try:
            return self.items.index(ids if hasattr(ids, "dtype") else list(ids))
        except TypeError as failure:
            raise TypeError(f"{name}: {failure}") from None

    def named(self, name: str, ids: Iterable[Any]) -> NDArray[np.int32]:
        """The same of ids that must all be known.

        Raises:
            KeyError: One is not.
        """
        ids = list(ids)
        indices = self.known(name, ids)
        if len(indices) and not indices.all():
            wrong = ids[int(np.argmin(indices))]
            raise KeyError(
                f"{name}: {shown(wrong)} is no known item; the {len(self.items):,} items are such "
                f"as {shown(self.items.lookup([1])[0])}"
            )
        return indices


@dataclass(frozen=True, eq=False)
class Opened:
    """What a recommender is made of.

    Attributes:
        encoder: From histories to the vectors that are searched with.
        catalogue: What is searched.
        about: Where they are from, by name.
        timing: How the encoder is told of times; None where it looks at none.
    """

    encoder: Encoder
    catalogue: VectorCatalogue
    about: dict[str, Any]
    timing: Timing | None = None
