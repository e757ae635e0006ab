"""Where an item stands in its history."""

from __future__ import annotations

from typing import Any

from sasrec_fast import loading as _loading  # noqa: F401  (before keras)

from keras import ops  # isort: skip

Tensor = Any


def positions_from_end(padding_mask: Tensor) -> Tensor:
    """Items between each position and the last real item of its row.

    Args:
        padding_mask: bool [n, T], True = real item.

    Returns:
        int32 [n, T]: 0 for the last real item, 1 for the one before it; 0 after it.
    """
    columns = ops.arange(padding_mask.shape[1], dtype="int32")
    last = ops.max(ops.where(padding_mask, columns, 0), axis=1, keepdims=True)
    return ops.maximum(last - columns, 0)
