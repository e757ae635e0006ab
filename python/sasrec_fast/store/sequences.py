"""The compact store, and what makes rows of it: each user's items in time order."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Sequences:
    """The compact store: each user's item indices in time order, user after user (CSR).

    Attributes:
        offsets: int64 [U + 1]; user u (0-based) owns `items[offsets[u]:offsets[u + 1]]`.
        items: int32 [N], item indices 1..V.
        user_keys: uint64 [U], the key of each user's random stream.
    """

    offsets: NDArray[np.int64]
    items: NDArray[np.int32]
    user_keys: NDArray[np.uint64]


@dataclass(frozen=True)
class WindowOptions:
    """What the native code needs to know about the rows of a split, and how they are found.

    Attributes:
        holdout: Last interactions of each user that are held out; None where times decide.
        stride: Positions between the windows of one sequence; 0 for the last window alone.
        exponent: Of popularity in the proposals of negatives; None for uniform ones.
    """

    split: int
    holdout: int | None
    max_sequence_length: int
    oldest: bool
    stride: int
    reject_all: bool
    num_negatives: int
    exponent: float | None
    num_items: int
    seed: int
