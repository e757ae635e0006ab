"""Rows of item indices as slices of one flat array: model inputs and seen items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SCORES_PER_CHUNK = 1 << 24
"""Most scores (rows times items) held at once: 64 MB as float32."""


@dataclass(frozen=True)
class Histories:
    """Histories, oldest item first; row i is items[starts[i]:ends[i]].

    Attributes:
        items: int32, item indices of all rows.
        starts: int64 [n].
        ends: int64 [n].
    """

    items: NDArray[np.int32]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    def inputs(self, length: int) -> dict[str, NDArray[np.int32] | NDArray[np.bool_]]:
        """Model inputs: each row's most recent items, right-padded with 0.

        Args:
            length: Number of columns T.

        Returns:
            {"item_ids": int32 [n, T], "padding_mask": bool [n, T], True = real item}.
        """
        begins = np.maximum(self.starts, self.ends - length)[:, None]
        positions = begins + np.arange(length)
        mask = positions < self.ends[:, None]
        item_ids = np.zeros(mask.shape, dtype=np.int32)
        item_ids[mask] = self.items[positions[mask]]
        return {"item_ids": item_ids, "padding_mask": mask}

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Row number and item index of every item of every row, whole rows."""
        counts = self.ends - self.starts
        rows = np.repeat(np.arange(len(self)), counts)
        firsts = np.cumsum(counts) - counts
        positions = np.arange(len(rows)) - np.repeat(firsts - self.starts, counts)
        return rows, self.items[positions]

    def chunks(self, batch_size: int, vocabulary_size: int) -> Iterator[tuple[slice, Histories]]:
        """Consecutive parts of one equal size, so that a model compiles once.

        Args:
            batch_size: Most rows of a part; fewer where their scores would pass
                `SCORES_PER_CHUNK`.
            vocabulary_size: Scores of a row.

        Yields:
            The slice of real rows, and a part of equal size for every slice: the last one is
            filled up with empty rows.
        """
        count = len(self)
        size = max(1, min(batch_size, SCORES_PER_CHUNK // vocabulary_size))
        if count:
            size = -(-count // -(-count // size))  # the same number of parts, evenly filled
        for first in range(0, count, size):
            rows = slice(first, min(first + size, count))
            fill = (0, size - (rows.stop - rows.start))
            starts, ends = np.pad(self.starts[rows], fill), np.pad(self.ends[rows], fill)
            yield rows, Histories(self.items, starts, ends)
