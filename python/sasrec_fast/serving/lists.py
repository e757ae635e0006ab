"""What a recommender answers with: plain lists, ready to be written as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Recommendations:
    """Items for one history, best first.

    Attributes:
        item_ids: External ids, Python integers or strings, at most k.
        scores: float32, one for each; of a history without a known item numbers of interactions.
        titles: One for each, None where there is none; None where no titles are known.
        unknown: How many ids of the history are of no known item; they were skipped.
    """

    item_ids: list[Any]
    scores: NDArray[np.float32]
    titles: list[str | None] | None = None
    unknown: int = 0

    def __len__(self) -> int:
        return len(self.item_ids)
