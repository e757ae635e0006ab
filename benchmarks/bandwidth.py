"""What moving bytes costs at least: a plain copy, shared by as many threads as the package uses."""

from __future__ import annotations

import mmap
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from measurement import threads, timed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LARGEST_COPY = 1 << 29  # a longer one is no faster a byte


def copy_seconds(moved: int, *, new: bool = False, repeats: int = 5) -> float:
    """Best time in which `moved` bytes are moved: half of them read, half written.

    Args:
        moved: Bytes read and written.
        new: Write to memory fresh from the system, as new results are, not to memory in use.
        repeats: Copies to choose the best of.
    """
    half = min(moved // 2, LARGEST_COPY)
    source, target = np.ones(half, np.uint8), np.ones(half, np.uint8)
    with ThreadPoolExecutor(threads()) as pool:
        list(pool.map(abs, range(threads())))
        if new:
            best = min(timed(_copy(pool, source, _new(half)), 1)[0] for _ in range(repeats))
        else:
            best = min(timed(_copy(pool, source, target), repeats))
    return best * (moved / 2 / half)


def _copy(
    pool: ThreadPoolExecutor, source: NDArray[np.uint8], target: NDArray[np.uint8]
) -> Callable[[], None]:
    parts = zip(np.array_split(target, threads()), np.array_split(source, threads()), strict=True)
    copies = [partial(np.copyto, to, part) for to, part in parts]

    def run() -> None:
        for done in [pool.submit(copy) for copy in copies]:
            done.result()

    return run


def _new(size: int) -> NDArray[np.uint8]:
    return np.frombuffer(mmap.mmap(-1, size), np.uint8)
