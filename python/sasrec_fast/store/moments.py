"""When the items of histories were, and when the next ones are asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LATEST = 2**31 - 1
"""Most seconds of a model's input after its first."""


@dataclass(frozen=True)
class Moments:
    """Seconds from any origin.

    Attributes:
        times: Integers, of all items that histories are slices of.
        asked: int64 [n], the moment at which the next item of each row is asked for; None: that of
            its last item.
    """

    times: NDArray[np.integer]
    asked: NDArray[np.int64] | None = None

    def take(self, rows: NDArray[np.int64] | slice) -> Moments:
        """Those of some rows."""
        return self if self.asked is None else Moments(self.times, self.asked[rows])

    def padded(self, fill: tuple[int, int]) -> Moments:
        """Those of rows with empty ones before and after them."""
        return self if self.asked is None else Moments(self.times, np.pad(self.asked, fill))

    def inputs(
        self, times: NDArray[np.int64], mask: NDArray[np.bool_]
    ) -> dict[str, NDArray[np.int32]]:
        """Model inputs of rows.

        Args:
            times: int64 [n, T], of the items shown.
            mask: bool [n, T], which these are; they come first.

        Returns:
            {"times": int32 [n, T], "query_times": int32 [n, T]}, in seconds since the first item
            of each row, 0 on padding: when each item was, and when the next one was or, of the
            last one, is asked for: not before it.
        """
        count = mask.sum(axis=1)
        rows = np.flatnonzero(count)
        last = count[rows] - 1
        since = np.where(mask, times - times[:, :1], 0)
        asked = np.zeros_like(since)
        asked[:, :-1] = since[:, 1:]
        at = since[rows, last]
        if self.asked is not None:
            at = np.maximum(at, self.asked[rows] - times[rows, 0])
        asked[rows, last] = at
        found = {"times": since, "query_times": asked}
        return {name: np.minimum(each, LATEST).astype(np.int32) for name, each in found.items()}
