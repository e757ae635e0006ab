"""Dense arrays of rows, as a model trains on them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Arrays:
    """Dense arrays of n rows, L columns and K negatives a position; right-padded with 0.

    Attributes:
        item_ids: int32 [n, L], inputs.
        padding_mask: bool [n, L], True on real items.
        positive_sequence: int32 [n, L], the target at each position: the next item.
        negative_sequence: int32 [n, L], or [n, L, K] for K > 1; 0 on padding.
        sample_weight: float32 [n, L], 1 where the loss counts.
    """

    item_ids: NDArray[np.int32]
    padding_mask: NDArray[np.bool_]
    positive_sequence: NDArray[np.int32]
    negative_sequence: NDArray[np.int32]
    sample_weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.item_ids)

    def xyw(
        self,
    ) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """Inputs, targets and weights, nested as `SASRec.fit` and `evaluate` take them."""
        x = {"item_ids": self.item_ids, "padding_mask": self.padding_mask}
        y = {
            "positive_sequence": self.positive_sequence,
            "negative_sequence": self.negative_sequence,
        }
        return x, y, dict.fromkeys(y, self.sample_weight)
