"""When the inputs and targets of rows were."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.store.rows import Rows
from sasrec_fast.store.sequences import Sequences, TimedSequences, WindowOptions


def row_times(
    store: TimedSequences, options: WindowOptions, rows: Rows, columns: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Times of the inputs of rows, and of their targets, see `TimedArrays`.

    Rows show times as they show items: what is filled is the store with the ones for the others.
    """
    plain: Any = Sequences(store.offsets, store.times.view(np.int32), store.user_keys)
    alone = replace(options, num_negatives=0)
    times, real, query_times, _, _ = _core.fill(plain, alone, rows, None, columns, 0)
    first = times[:, :1]
    return np.where(real, times - first, 0), np.where(real, query_times - first, 0)
