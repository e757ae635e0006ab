"""The fastest vectorised NumPy found for the same job: columns in, five training arrays out.

Grouping, where (user, time, row) fit one 62-bit key: one `np.sort` of packed keys. Else: chunks of
rows that stay in cache are split by block of users (`np.argsort` of uint8 is a counting sort), then
every block's (user, time, row in block) keys are sorted. Keys are sorted as float64, whose order is
that of their bits: AVX2 compares doubles natively, 64-bit integers not (15 % of the sort).
Windows are rows of a sliding-window view times the mask. Negatives are drawn for real positions
only, and again where a bitmap of a block of users, set and cleared at their items, says "known".

What lost, CPU time at 1 M (25 M) rows on one core of a 2 GHz Zen with AVX2:
Grouping, here 34 ms (1.25 s): `np.lexsort` alone 179 ms (11.9 s), and `np.unique` for the ids 117;
stable `np.argsort` of packed user and time 121 ms (5.4 s); quicksort `np.argsort` 72 ms (4.7 s)
before ties are put right; two sorts of all rows, by time and by user, 77 ms (3.8 s); one sort by
user, then one a block, 61 ms (2.2 s); blocks for 1 M rows 43 ms; int64 keys 6 ms (0.07 s) more.
Windows, here 8 ms: index matrix and `np.take` 6 ms for each array; `np.place` 3 ms for each.
Negatives, here 16 ms: bitmap of all users 24 ms (9.6 GB); `searchsorted` in sorted keys 94 ms;
`Generator.integers` for the draws 2 ms more than multiply-and-shift of raw bits.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from agreement import LEAST_INTERACTIONS
from vectorised_grouping import grouped
from vectorised_windows import windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    from numpy.typing import NDArray

    from synthetic_columns import Columns


def training_arrays(
    table: Columns, length: int, threads: int = 1, seed: int = 0
) -> dict[str, NDArray[np.generic]]:
    """The five arrays of the training split, as `prepare`'s defaults define them.

    Raises:
        ValueError: If the ids or timestamps span too much for packed keys.
    """
    with ThreadPoolExecutor(threads) as pool:

        def each(task: Callable[[int], None], numbers: Iterable[int]) -> None:
            for _ in (pool.map if threads > 1 else map)(task, numbers):
                pass

        groups = grouped(table, length, each)
        few = (groups.counts > 0) & (groups.counts < LEAST_INTERACTIONS)
        if few.any():
            kept = ~few[table["user_id"] - table["user_id"].min()]
            rest = {name: column[kept] for name, column in table.items()}
            groups = grouped(rest, length, each)
        return windows(groups, length, each, seed)
